//! The comparison of what the source has with what is stored: one outcome and one list of differences per record.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::fingerprint::Hasher;
use super::ids::RunId;
use super::record::{
    Base, Child, ChildShape, Digest, Gone, Kind, MAPPER_VERSION, Record, Resource, Standing, StoredRecord,
};
use super::stock;
use super::warning::Code;

/// What a run decides about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// New here.
    Created,
    /// Known here and different.
    Updated,
    /// Known here and the same.
    Unchanged,
    /// Was missing, is back.
    Restored,
    /// Known here, no longer in the shop. Kept and marked.
    Missing,
    /// Taken away again by an undo.
    Removed,
    /// Not written, for a reason its codes tell.
    Blocked,
    /// Could not be read or written.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Updated,
        Self::Unchanged,
        Self::Restored,
        Self::Missing,
        Self::Removed,
        Self::Blocked,
        Self::Failed,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Restored => "restored",
            Self::Missing => "missing",
            Self::Removed => "removed",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }

    /// Reads the stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }

    /// Whether a record with this outcome is written.
    pub fn writes(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Restored | Self::Missing)
    }
}

/// Numbers by resource and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<Resource, BTreeMap<Outcome, u64>>);

impl Counts {
    /// Counts `n` more.
    pub fn add(&mut self, resource: Resource, outcome: Outcome, n: u64) {
        if n > 0 {
            *self.0.entry(resource).or_default().entry(outcome).or_default() += n;
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (resource, outcomes) in &other.0 {
            for (outcome, n) in outcomes {
                self.add(*resource, *outcome, *n);
            }
        }
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number for a resource and outcome.
    pub fn get(&self, resource: Resource, outcome: Outcome) -> u64 {
        self.0.get(&resource).and_then(|outcomes| outcomes.get(&outcome)).copied().unwrap_or(0)
    }

    /// How many records the source had: everything but the missing.
    pub fn received(&self, resource: Resource) -> u64 {
        let outcomes = self.0.get(&resource);
        outcomes
            .into_iter()
            .flatten()
            .filter(|(outcome, _)| **outcome != Outcome::Missing)
            .map(|(_, n)| n)
            .sum()
    }
}

/// Numbers of warnings by code.
pub type CodeCounts = BTreeMap<Code, u64>;

/// One difference between what is stored and what the source has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldDiff {
    /// The list the child is in; none for the record's own field.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Resource>,
    /// The child's id at the source.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// The field's name; `*` for a whole child, `order` for the order of children.
    #[serde(rename = "f")]
    pub field: String,
    /// What is stored. Cut, see [`shown`].
    #[serde(rename = "b", default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What the source has. Cut, see [`shown`].
    #[serde(rename = "a", default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// What was imported last, where the store has moved a number since and the source's overwrites it.
    #[serde(rename = "e", default, skip_serializing_if = "Value::is_null")]
    pub expected: Value,
    /// Whether both sides had changed it, so that the merchant's value was kept.
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// Longest text shown in a difference, in bytes.
pub const SHOWN_BYTES: usize = 256;

/// A value as a difference shows it: texts and structures above [`SHOWN_BYTES`] are cut, and a hash of the whole
/// stands at the end, so that two long values never look alike when they are not.
pub fn shown(value: &Value) -> Value {
    let text = match value {
        Value::String(text) if text.len() > SHOWN_BYTES => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.len() <= SHOWN_BYTES {
                return value.clone();
            }
            text
        }
        other => return other.clone(),
    };
    let mut end = SHOWN_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Value::String(format!("{}… #{:016x}", &text[..end], xxh3_64(text.as_bytes())))
}

/// What a run decided about one record, as plan pages keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// What it is.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// The number the platform gave it.
    #[serde(rename = "x")]
    pub external_id: u64,
    /// Its title, for people.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The decision for the record.
    #[serde(rename = "o")]
    pub outcome: Outcome,
    /// Fingerprint of what the source had.
    #[serde(rename = "s")]
    pub source: Digest,
    /// Version of what was stored; 0 where nothing was.
    #[serde(rename = "v")]
    pub version: u64,
    /// Warnings about it.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// Field by field. Empty for a record that is new as a whole.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<FieldDiff>,
    /// Records made here that it may be the same as.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Lookalike>,
    /// The number of the record made here that it becomes one with.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<u64>,
}

/// A record made here that may be the same as one in the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookalike {
    /// Its number.
    #[serde(rename = "n")]
    pub number: u64,
    /// Its title.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The field that both have in common, such as `sku`.
    #[serde(rename = "b")]
    pub by: String,
}

/// The result of comparing one source record with what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The decision for the record.
    pub outcome: Outcome,
    /// Field by field.
    pub diff: Vec<FieldDiff>,
    /// Numbers for the record and its children.
    pub counts: Counts,
    /// Warnings that the comparison itself raises.
    pub codes: CodeCounts,
    /// What to store, where the outcome writes.
    pub merged: Option<Record>,
}

/// A source record with its fingerprint, computed once.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprinted {
    /// The content.
    pub record: Record,
    /// Its fingerprint.
    pub digest: Digest,
    /// Its hashes.
    pub base: Base,
}

impl Fingerprinted {
    /// Computes the fingerprint.
    pub fn new(record: Record) -> Self {
        let (digest, base) = record.fingerprint();
        Self { record, digest, base }
    }
}

/// Compares a source record with the stored one. `run` marks children that are found gone.
pub fn compare(source: &Fingerprinted, stored: Option<&StoredRecord>, run: &RunId) -> Comparison {
    let Some(stored) = stored else { return created(&source.record) };
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
    Merge::new(source, stored, run).finish()
}

/// Counts a record and every child of it that is not missing under one outcome.
pub fn count_as(record: &Record, outcome: Outcome) -> Counts {
    let mut counts = Counts::default();
    let shape = record.kind.shape();
    if let Some(resource) = shape.counts_as {
        counts.add(resource, outcome, 1);
    }
    for (list, children) in shape.children.iter().zip(&record.children) {
        let present = children.iter().filter(|child| child.missing_since.is_none()).count();
        counts.add(list.resource, outcome, present as u64);
    }
    counts
}

fn created(record: &Record) -> Comparison {
    Comparison {
        outcome: Outcome::Created,
        diff: Vec::new(),
        counts: count_as(record, Outcome::Created),
        codes: CodeCounts::new(),
        merged: Some(record.clone()),
    }
}

/// A record that was deleted and is back: the same one again, as it came.
fn recreated(record: &Record) -> Comparison {
    Comparison {
        outcome: Outcome::Restored,
        counts: count_as(record, Outcome::Restored),
        codes: CodeCounts::from([(Code::IdRestored, 1)]),
        ..created(record)
    }
}

fn unchanged(record: &Record) -> Comparison {
    Comparison {
        outcome: Outcome::Unchanged,
        diff: Vec::new(),
        counts: count_as(record, Outcome::Unchanged),
        codes: CodeCounts::new(),
        merged: None,
    }
}

/// What becomes of a stored record that a complete scan did not find: it stays, marked; its stock is set to zero.
pub fn missing(stored: &StoredRecord) -> Comparison {
    if stored.key.kind == Kind::Stock {
        return stock::missing(stored);
    }
    Comparison {
        outcome: Outcome::Missing,
        diff: Vec::new(),
        counts: count_as(&stored.record, Outcome::Missing),
        codes: CodeCounts::from([(missing_code(stored.key.kind), 1)]),
        merged: Some(stored.record.clone()),
    }
}

fn missing_code(kind: Kind) -> Code {
    if kind == Kind::Warehouse { Code::LocMissing } else { Code::MissInSource }
}

struct Merge<'a> {
    source: &'a Fingerprinted,
    stored: &'a StoredRecord,
    run: &'a RunId,
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

impl<'a> Merge<'a> {
    fn new(source: &'a Fingerprinted, stored: &'a StoredRecord, run: &'a RunId) -> Self {
        Self {
            source,
            stored,
            run,
            hasher: Hasher::default(),
            merged: stored.record.clone(),
            diff: Vec::new(),
            counts: Counts::default(),
            codes: CodeCounts::new(),
            silent_change: stored.digest != source.digest || stored.mapper != MAPPER_VERSION,
            restored: stored.standing != Standing::Active,
            set_by_us: match &stored.standing {
                Standing::Active => None,
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
            let theirs = &self.source.record.values[at];
            let hash = self.hasher.field("", "", name, theirs);
            let ours = &self.stored.record.values[at];
            // What an earlier run set because it was gone is no edit of the merchant's.
            let set_by_us = self.set_by_us.as_ref().is_some_and(|(field, set)| field == name && set == ours);
            if self.stored.base.holds(hash) && !set_by_us || ours == theirs {
                continue;
            }
            let kept = !self.restored && !self.stored.base.holds(self.hasher.field("", "", name, ours));
            self.differs(None, None, name, ours, theirs, kept);
            if !kept {
                self.merged.values[at] = theirs.clone();
            }
        }
    }

    fn children(&mut self, at: usize, list: &ChildShape) {
        let tag = list.resource.as_str();
        let stored: HashMap<&str, &Child> =
            self.stored.record.children[at].iter().map(|child| (child.id.as_str(), child)).collect();
        let theirs = &self.source.record.children[at];
        let mut merged = Vec::with_capacity(theirs.len());
        for child in theirs {
            match stored.get(child.id.as_str()) {
                None => {
                    self.counts.add(list.resource, Outcome::Created, 1);
                    self.whole(list, &child.id, Value::Null, describe(list, child));
                    merged.push(child.clone());
                }
                Some(ours) => merged.push(self.child(list, child, ours)),
            }
        }
        let present: std::collections::HashSet<&str> = theirs.iter().map(|child| child.id.as_str()).collect();
        let mut leftovers = Vec::new();
        for ours in &self.stored.record.children[at] {
            if present.contains(ours.id.as_str()) {
                continue;
            }
            if let Some(kept) = self.gone(list, ours) {
                leftovers.push(kept);
            }
        }
        if list.ordered {
            let order = self.hasher.order(tag, theirs.iter().map(|child| child.id.as_str()));
            let before = ids(self.stored.record.children[at].iter().filter(|c| c.missing_since.is_none()));
            let after = ids(theirs.iter());
            if !self.stored.base.holds(order) && before != after {
                self.differs(Some(list.resource), None, "order", &before, &after, false);
            }
        }
        merged.extend(leftovers);
        self.merged.children[at] = merged;
    }

    fn child(&mut self, list: &ChildShape, theirs: &Child, ours: &Child) -> Child {
        let tag = list.resource.as_str();
        let back = ours.missing_since.is_some();
        let mut merged = ours.clone();
        merged.missing_since = None;
        let mut changed = false;
        for (at, name) in list.fields.iter().enumerate() {
            let (theirs_value, ours_value) = (&theirs.values[at], &ours.values[at]);
            if theirs_value == ours_value {
                continue;
            }
            if list.base_per_field {
                let hash = self.hasher.field(tag, &theirs.id, name, theirs_value);
                if !back && self.stored.base.holds(hash) {
                    continue;
                }
            }
            changed = true;
            let kept = list.base_per_field
                && !back
                && !self.restored
                && !self.stored.base.holds(self.hasher.field(tag, &theirs.id, name, ours_value));
            self.differs(Some(list.resource), Some(&theirs.id), name, ours_value, theirs_value, kept);
            if !kept {
                merged.values[at] = theirs_value.clone();
            }
        }
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

    /// What becomes of a stored child that the source does not have. Only what was imported can go missing: a child
    /// that someone added here stays.
    fn gone(&mut self, list: &ChildShape, ours: &Child) -> Option<Child> {
        let tag = list.resource.as_str();
        if ours.missing_since.is_some() {
            return Some(ours.clone());
        }
        if list.base_per_field && !self.stored.base.holds(self.hasher.presence(tag, &ours.id)) {
            return Some(ours.clone());
        }
        match list.gone {
            Gone::Marked => {
                self.counts.add(list.resource, Outcome::Missing, 1);
                *self.codes.entry(Code::MissInSource).or_default() += 1;
                self.whole(list, &ours.id, describe(list, ours), Value::Null);
                Some(Child { missing_since: Some(self.run.clone()), ..ours.clone() })
            }
            Gone::Dropped => {
                self.counts.add(list.resource, Outcome::Missing, 1);
                self.whole(list, &ours.id, describe(list, ours), Value::Null);
                None
            }
            // Levels are compared elsewhere, see `stock`.
            Gone::Zeroed => Some(ours.clone()),
        }
    }

    fn whole(&mut self, list: &ChildShape, id: &str, before: Value, after: Value) {
        self.differs(Some(list.resource), Some(id), "*", &before, &after, false);
    }

    /// Notes a difference. `kept` where both sides changed the field, so that the merchant's value stays.
    fn differs(
        &mut self,
        list: Option<Resource>,
        child: Option<&str>,
        field: &str,
        before: &Value,
        after: &Value,
        kept: bool,
    ) {
        if kept {
            *self.codes.entry(Code::ConfKeptLocal).or_default() += 1;
        }
        self.diff.push(FieldDiff {
            list,
            child: child.map(str::to_owned),
            field: field.to_owned(),
            before: shown(before),
            after: shown(after),
            expected: Value::Null,
            kept,
        });
    }
}

fn ids<'a>(children: impl Iterator<Item = &'a Child>) -> Value {
    Value::Array(children.map(|child| Value::String(child.id.clone())).collect())
}

pub(super) fn describe(list: &ChildShape, child: &Child) -> Value {
    let named = list.fields.iter().zip(&child.values).filter(|(_, value)| !value.is_null());
    let mut shown: serde_json::Map<String, Value> =
        named.map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    if shown.is_empty() {
        shown.insert("id".to_owned(), Value::String(child.id.clone()));
    }
    Value::Object(shown)
}
