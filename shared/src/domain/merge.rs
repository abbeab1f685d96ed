//! The three-way merge of a record: what was last imported (base), what the source has (theirs), what is stored (ours).
//!
//! | theirs vs base | ours vs base | result |
//! |---|---|---|
//! | same | same | unchanged |
//! | changed | same | theirs |
//! | same | changed | ours: the field is the merchant's from now on |
//! | changed | changed, equal | both; the base moves |
//! | changed | changed, different | conflict: ours, or theirs where that was decided |
//!
//! Without a base, of a record made here that was linked to the shop's, every difference is a conflict.
//!
//! Lists merge child by child: one that either side added or took away is one that it changed. The base holds hashes
//! only, so what it cannot tell is resolved so that nothing of the merchant's is lost.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::decision::{Decisions, Place, Side};
use super::fingerprint::{Base, Hasher};
use super::ids::RunId;
use super::plan::{
    CodeCounts, Comparison, Counts, FieldDiff, Fingerprinted, Outcome, created, describe, recreated, shown,
    unchanged,
};
use super::record::{Child, ChildShape, Gone, Kind, MAPPER_VERSION, Record, Standing, StoredRecord};
use super::stock;
use super::warning::Code;

/// On what terms a record is compared.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The run, which marks children that it finds gone.
    pub run: &'a RunId,
    /// What was decided about its plan.
    pub decisions: &'a Decisions,
}

/// Compares a source record with the stored one.
pub fn compare(source: &Fingerprinted, stored: Option<&StoredRecord>, terms: Terms<'_>) -> Comparison {
    let Some(stored) = stored else { return created(&source.record) };
    if stored.standing == Standing::Detached {
        return detached(source, stored, terms.decisions);
    }
    if stored.standing.is_tombstone() {
        return recreated(&source.record);
    }
    if source.record.kind == Kind::Stock {
        return stock::compare(source, stored);
    }
    let same = stored.standing == Standing::Active
        && stored.digest == source.digest
        && stored.mapper == MAPPER_VERSION;
    if same {
        return unchanged(&source.record);
    }
    Merge::new(source, stored, terms).finish()
}

/// What becomes of a record that was deleted here: nothing, unless it was decided to import it again. Its stock and
/// metafields follow it and say nothing of their own.
fn detached(source: &Fingerprinted, stored: &StoredRecord, decisions: &Decisions) -> Comparison {
    let kind = source.record.kind;
    let whole = if kind.shape().counts_as.is_some() { kind } else { Kind::Product };
    if decisions.recreates(whole, stored.key.external_id) {
        return recreated(&source.record);
    }
    let mut compared = unchanged(&source.record);
    if whole == kind {
        compared.codes.insert(Code::IdDetachedLocalDelete, 1);
    }
    compared
}

struct Merge<'a> {
    source: &'a Fingerprinted,
    stored: &'a StoredRecord,
    terms: Terms<'a>,
    hasher: Hasher,
    merged: Record,
    diff: Vec<FieldDiff>,
    counts: Counts,
    codes: CodeCounts,
    /// Something must be written although no value differs, such as a base that moved.
    silent_change: bool,
    restored: bool,
    /// The field that an earlier run set when the record was gone, and to what.
    set_by_us: Option<(&'static str, Value)>,
}

/// What one side's version of a conflict means for the record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    Take,
}

impl<'a> Merge<'a> {
    fn new(source: &'a Fingerprinted, stored: &'a StoredRecord, terms: Terms<'a>) -> Self {
        Self {
            source,
            stored,
            terms,
            hasher: Hasher::default(),
            merged: stored.record.clone(),
            diff: Vec::new(),
            counts: Counts::default(),
            codes: CodeCounts::new(),
            silent_change: stored.digest != source.digest || stored.mapper != MAPPER_VERSION,
            restored: stored.standing != Standing::Active,
            set_by_us: match &stored.standing {
                Standing::Active | Standing::Detached | Standing::Replaced { .. } => None,
                Standing::Missing { done, .. } => done.sets(stored.key.kind),
            },
        }
    }

    fn finish(mut self) -> Comparison {
        self.own_fields();
        let shape = self.source.record.kind.shape();
        for (at, list) in shape.children.iter().enumerate() {
            self.children(at, list);
        }
        let outcome = if self.restored {
            *self.codes.entry(Code::IdRestored).or_default() += 1;
            Outcome::Restored
        } else if self.diff.is_empty() && !self.silent_change {
            Outcome::Unchanged
        } else {
            Outcome::Updated
        };
        if let Some(resource) = shape.counts_as {
            self.counts.add(resource, outcome, 1);
        }
        Comparison {
            outcome,
            diff: self.diff,
            counts: self.counts,
            codes: self.codes,
            merged: outcome.writes().then_some(self.merged),
        }
    }

    fn own_fields(&mut self) {
        let shape = self.source.record.kind.shape();
        for (at, name) in shape.fields.iter().enumerate() {
            let (theirs, ours) = (&self.source.record.values[at], &self.stored.record.values[at]);
            if theirs == ours {
                continue;
            }
            // What an earlier run set because it was gone is no edit of the merchant's.
            let set_by_us = self.set_by_us.as_ref().is_some_and(|(field, set)| field == name && set == ours);
            let source_owned = set_by_us || shape.source_owned.contains(name);
            let theirs_same = !source_owned && self.holds_field("", "", name, theirs);
            if theirs_same {
                continue;
            }
            let ours_same = source_owned || self.holds_field("", "", name, ours);
            let place = Place { list: None, child: None, field: name };
            if self.resolve(place, ours, theirs, !ours_same) == Verdict::Take {
                self.merged.values[at] = theirs.clone();
            }
        }
    }

    fn holds_field(&mut self, tag: &str, child: &str, name: &str, value: &Value) -> bool {
        let hash = self.hasher.field(tag, child, name, value);
        self.stored.base.holds(hash)
    }

    /// Whether a child was there when the record was last imported. Where one hash stands for the whole child, one
    /// whose values have changed since cannot be told from one that was never there.
    fn was_there(&mut self, list: &ChildShape, child: &Child) -> bool {
        let hash = if list.base_per_field {
            self.hasher.presence(list.resource.as_str(), &child.id)
        } else {
            self.hasher.whole(list, child)
        };
        self.stored.base.holds(hash)
    }

    /// Whether a child has the shared values that were last imported.
    fn is_as_imported(&mut self, list: &ChildShape, child: &Child) -> bool {
        if !list.base_per_field {
            return self.was_there(list, child);
        }
        let shared =
            list.fields.iter().zip(&child.values).filter(|(name, _)| !list.source_owned.contains(name));
        for (name, value) in shared {
            if !self.holds_field(list.resource.as_str(), &child.id, name, value) {
                return false;
            }
        }
        true
    }

    fn children(&mut self, at: usize, list: &'static ChildShape) {
        let (source, stored) = (self.source, self.stored);
        let theirs = &source.record.children[at];
        let ours = &stored.record.children[at];
        let ours_by_id: HashMap<&str, &Child> = ours.iter().map(|child| (child.id.as_str(), child)).collect();
        let their_ids: HashSet<&str> = theirs.iter().map(|child| child.id.as_str()).collect();
        let mut standing: HashMap<&str, Child> = HashMap::with_capacity(theirs.len());
        for child in theirs {
            let merged = match ours_by_id.get(child.id.as_str()) {
                None => self.not_here(list, child),
                Some(ours) if list.base_per_field || ours.missing_since.is_some() => {
                    Some(self.child(list, child, ours))
                }
                Some(ours) => Some(self.whole_child(list, child, ours)),
            };
            if let Some(merged) = merged {
                standing.insert(child.id.as_str(), merged);
            }
        }
        let mut marked = Vec::new();
        for child in ours.iter().filter(|child| !their_ids.contains(child.id.as_str())) {
            match self.gone(list, child) {
                Some(kept) if kept.missing_since.is_some() => marked.push(kept),
                Some(kept) => drop(standing.insert(child.id.as_str(), kept)),
                None => {}
            }
        }
        let order = self.order(list, theirs, ours, &standing);
        let mut merged: Vec<Child> = order.iter().filter_map(|id| standing.remove(id)).collect();
        merged.extend(marked);
        self.merged.children[at] = merged;
    }

    /// What becomes of a child of theirs that is not here: it is new, or the merchant took it away.
    fn not_here(&mut self, list: &ChildShape, theirs: &Child) -> Option<Child> {
        if !self.was_there(list, theirs) {
            self.counts.add(list.resource, Outcome::Created, 1);
            self.whole(list, &theirs.id, Value::Null, describe(list, theirs));
            return Some(theirs.clone());
        }
        let unchanged = self.is_as_imported(list, theirs);
        let place = Place { list: Some(list.resource), child: Some(&theirs.id), field: "*" };
        if !unchanged && self.resolve(place, &Value::Null, &describe(list, theirs), true) == Verdict::Take {
            self.counts.add(list.resource, Outcome::Created, 1);
            return Some(theirs.clone());
        }
        self.counts.add(list.resource, Outcome::Unchanged, 1);
        None
    }

    /// Merges a child field by field.
    fn child(&mut self, list: &ChildShape, theirs: &Child, ours: &Child) -> Child {
        let tag = list.resource.as_str();
        // The base tells nothing of one that was gone, so it comes back as the source has it.
        let back = ours.missing_since.is_some();
        let mut merged = Child { missing_since: None, ..ours.clone() };
        let before = self.diff.len();
        for (at, name) in list.fields.iter().enumerate() {
            let (theirs_value, ours_value) = (&theirs.values[at], &ours.values[at]);
            if theirs_value == ours_value {
                continue;
            }
            let source_owned = back || list.source_owned.contains(name);
            if !source_owned && self.holds_field(tag, &theirs.id, name, theirs_value) {
                continue;
            }
            let ours_same = source_owned || self.holds_field(tag, &theirs.id, name, ours_value);
            let place = Place { list: Some(list.resource), child: Some(&theirs.id), field: name };
            if self.resolve(place, ours_value, theirs_value, !ours_same) == Verdict::Take {
                merged.values[at] = theirs_value.clone();
            }
        }
        let changed = self.diff.len() > before;
        let outcome = if back {
            *self.codes.entry(Code::IdRestored).or_default() += 1;
            if !changed {
                self.whole(list, &theirs.id, Value::Null, describe(list, theirs));
            }
            Outcome::Restored
        } else if changed {
            Outcome::Updated
        } else {
            Outcome::Unchanged
        };
        self.counts.add(list.resource, outcome, 1);
        merged
    }

    /// Merges a child of which the base holds one hash: all its values are one.
    fn whole_child(&mut self, list: &ChildShape, theirs: &Child, ours: &Child) -> Child {
        if theirs.values == ours.values || self.was_there(list, theirs) {
            self.counts.add(list.resource, Outcome::Unchanged, 1);
            return ours.clone();
        }
        self.counts.add(list.resource, Outcome::Updated, 1);
        let conflict = !self.was_there(list, ours);
        let place = Place { list: Some(list.resource), child: Some(&theirs.id), field: "*" };
        let verdict = self.resolve(place, &describe(list, ours), &describe(list, theirs), conflict);
        if verdict == Verdict::Take { theirs.clone() } else { ours.clone() }
    }

    /// What becomes of a stored child that the source does not have. Only what was imported can go missing: a child
    /// that someone added here stays.
    fn gone(&mut self, list: &ChildShape, ours: &Child) -> Option<Child> {
        if ours.missing_since.is_some() || !self.was_there(list, ours) {
            return Some(ours.clone());
        }
        match list.gone {
            Gone::Marked => {
                self.counts.add(list.resource, Outcome::Missing, 1);
                *self.codes.entry(Code::MissInSource).or_default() += 1;
                self.whole(list, &ours.id, describe(list, ours), Value::Null);
                Some(Child { missing_since: Some(self.terms.run.clone()), ..ours.clone() })
            }
            Gone::Dropped => {
                self.counts.add(list.resource, Outcome::Missing, 1);
                let conflict = !self.is_as_imported(list, ours);
                let place = Place { list: Some(list.resource), child: Some(&ours.id), field: "*" };
                let verdict = self.resolve(place, &describe(list, ours), &Value::Null, conflict);
                (verdict == Verdict::Keep).then(|| ours.clone())
            }
            // Levels are compared elsewhere, see `stock`.
            Gone::Zeroed => Some(ours.clone()),
        }
    }

    /// The ids of the children that stand, in the order in which they are to stand.
    fn order<'c>(
        &mut self,
        list: &ChildShape,
        theirs: &'c [Child],
        ours: &'c [Child],
        standing: &HashMap<&'c str, Child>,
    ) -> Vec<&'c str> {
        let ids = |children: &'c [Child]| -> Vec<&'c str> {
            let present = children.iter().filter(|child| child.missing_since.is_none());
            present.map(|child| child.id.as_str()).collect()
        };
        let (their_ids, our_ids) = (ids(theirs), ids(ours));
        if !list.ordered || in_common(&their_ids, &our_ids) == in_common(&our_ids, &their_ids) {
            return weave(&their_ids, &our_ids, standing);
        }
        let based: HashSet<&str> = theirs
            .iter()
            .chain(ours)
            .filter(|child| self.was_there(list, child))
            .map(|child| child.id.as_str())
            .collect();
        if self.in_base_order(list, &their_ids, &our_ids, &based) {
            return weave(&our_ids, &their_ids, standing);
        }
        let conflict = !self.in_base_order(list, &our_ids, &their_ids, &based);
        let theirs_first = weave(&their_ids, &our_ids, standing);
        let place = Place { list: Some(list.resource), child: None, field: "order" };
        let verdict = self.resolve(place, &texts(&our_ids), &texts(&theirs_first), conflict);
        if verdict == Verdict::Take { theirs_first } else { weave(&our_ids, &their_ids, standing) }
    }

    /// Whether one side has the children that were last imported in the order in which they were. One of them that only
    /// the other side still has is tried at every place; of more than one, nothing can be told.
    fn in_base_order(
        &mut self,
        list: &ChildShape,
        side: &[&str],
        other: &[&str],
        based: &HashSet<&str>,
    ) -> bool {
        let tag = list.resource.as_str();
        let known: Vec<&str> = side.iter().copied().filter(|id| based.contains(id)).collect();
        let here: HashSet<&str> = side.iter().copied().collect();
        let lost: Vec<&str> =
            other.iter().copied().filter(|id| based.contains(id) && !here.contains(id)).collect();
        match lost.as_slice() {
            [] => {
                let hash = self.hasher.order(tag, known.iter().copied());
                self.stored.base.holds(hash)
            }
            [one] => (0..=known.len()).any(|at| {
                let ids = known[..at].iter().chain([one]).chain(&known[at..]).copied();
                let hash = self.hasher.order(tag, ids);
                self.stored.base.holds(hash)
            }),
            _ => false,
        }
    }

    fn whole(&mut self, list: &ChildShape, id: &str, before: Value, after: Value) {
        let place = Place { list: Some(list.resource), child: Some(id), field: "*" };
        self.resolve(place, &before, &after, false);
    }

    /// Notes a difference and says whose value stands: theirs, unless it is a conflict and nothing else was decided.
    fn resolve(&mut self, place: Place<'_>, ours: &Value, theirs: &Value, conflict: bool) -> Verdict {
        let (kind, id) = (self.source.record.kind, self.stored.key.external_id);
        let taken = conflict && self.terms.decisions.side(kind, id, place) == Side::Theirs;
        let kept = conflict && !taken;
        if conflict {
            let no_base = self.stored.base == Base::default();
            let code = match taken {
                true => Code::ConfTookSource,
                false if no_base => Code::ConfNoBase,
                false => Code::ConfKeptLocal,
            };
            *self.codes.entry(code).or_default() += 1;
        }
        self.diff.push(FieldDiff {
            list: place.list,
            child: place.child.map(str::to_owned),
            field: place.field.to_owned(),
            before: shown(ours),
            after: shown(theirs),
            expected: Value::Null,
            kept,
            taken,
        });
        if kept { Verdict::Keep } else { Verdict::Take }
    }
}

fn texts(ids: &[&str]) -> Value {
    ids.iter().copied().collect()
}

/// Those of the first that are in the second too.
fn in_common<'c>(ids: &[&'c str], others: &[&str]) -> Vec<&'c str> {
    let others: HashSet<&str> = others.iter().copied().collect();
    ids.iter().copied().filter(|id| others.contains(id)).collect()
}

/// All that stand, in the order of one list; what only the other has follows what it follows there.
fn weave<'c>(lead: &[&'c str], other: &[&'c str], standing: &HashMap<&'c str, Child>) -> Vec<&'c str> {
    let leading: HashSet<&str> = lead.iter().copied().filter(|id| standing.contains_key(id)).collect();
    let mut following: HashMap<Option<&str>, Vec<&'c str>> = HashMap::new();
    let mut after = None;
    for id in other.iter().copied().filter(|id| standing.contains_key(id)) {
        if leading.contains(id) {
            after = Some(id);
        } else {
            following.entry(after).or_default().push(id);
        }
    }
    let mut woven = following.remove(&None).unwrap_or_default();
    for id in lead.iter().copied().filter(|id| leading.contains(id)) {
        woven.push(id);
        woven.extend(following.remove(&Some(id)).unwrap_or_default());
    }
    woven
}
