//! Stock levels. The source owns their numbers: they are set absolutely, zero included, whatever was here; what the
//! store moved since the last import is overwritten and told.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::fingerprint::Hasher;
use super::options::NegativeStock;
use super::plan::{
    CodeCounts, Comparison, Counts, FieldDiff, Fingerprinted, Outcome, count_as, describe, shown,
};
use super::record::{Child, ChildShape, Kind, MAPPER_VERSION, Record, Resource, Standing, StoredRecord};
use super::warning::Code;

/// Positions in the fields of a level; a test holds them to the shape.
const TRACKED: usize = 1;
const STOCKED: usize = 2;
const AVAILABLE: usize = 3;
const COMMITTED: usize = 5;
const IMPORTED: usize = 11;

/// The parts of a level's id, which is `item:location`: the numbers of its inventory item and its location.
pub fn level_id(id: &str) -> Option<(u64, u64)> {
    let (item, location) = id.split_once(':')?;
    Some((item.parse().ok()?, location.parse().ok()?))
}

fn list() -> &'static ChildShape {
    &Kind::Stock.shape().children[0]
}

fn is_tracked(level: &Child) -> bool {
    level.values[TRACKED] != Value::Bool(false)
}

/// Whether an import wrote the number of a level.
pub(super) fn is_imported(level: &Child) -> bool {
    !level.values[IMPORTED].is_null()
}

/// Tells levels that were made here: the shop has none of them, and none was ever imported.
fn made_here(theirs: &Record) -> impl Fn(&Child) -> bool {
    let known: HashSet<&str> = theirs.children[0].iter().map(|level| level.id.as_str()).collect();
    move |level| is_tracked(level) && !is_imported(level) && !known.contains(level.id.as_str())
}

/// Whether stock has levels that were made here.
pub fn has_own(ours: &Record, theirs: &Record) -> bool {
    ours.children[0].iter().any(made_here(theirs))
}

/// Gives up levels made here at warehouses that have become the shop's locations: its levels stand there from now on, and
/// both would add up. They count as imported, and so become zero like all that the shop does not have. `places` are the
/// numbers of those warehouses.
pub fn give_up(ours: &mut Record, theirs: &Record, places: &HashMap<u64, u64>) {
    let own = made_here(theirs);
    for level in &mut ours.children[0] {
        if own(level) && level_id(&level.id).is_some_and(|(_, at)| places.contains_key(&at)) {
            level.values[IMPORTED] = Value::from(level.values[AVAILABLE].as_i64().unwrap_or(0));
        }
    }
}

/// What a level has available; none where it did not come.
pub(super) type Held = Option<i64>;

/// What a level has available, where it counts: not for an item that is not tracked, nor where nothing is stocked.
pub(super) fn held(level: &Child) -> Option<Held> {
    let available = level.values[AVAILABLE].as_i64();
    let stocked = level.values[STOCKED] != Value::Bool(false) || available.is_some_and(|n| n != 0);
    (is_tracked(level) && stocked).then_some(available)
}

/// A level as the shop has it now.
pub fn level_now(item: u64, location: u64, tracked: bool, stocked: bool, available: Option<i64>) -> Child {
    let mut values = vec![Value::Null; list().fields.len()];
    (values[TRACKED], values[STOCKED]) = (Value::Bool(tracked), Value::Bool(stocked));
    values[AVAILABLE] = available.map_or(Value::Null, Value::from);
    Child { id: format!("{item}:{location}"), values, missing_since: None }
}

/// What a run does to the levels of the source before it compares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockRules {
    /// What becomes of a number below zero.
    pub negative: NegativeStock,
    /// The locations whose stock is not imported.
    pub left_out: BTreeSet<u64>,
}

impl StockRules {
    /// One level that was read again, as this run stores it; none where its stock is not imported.
    pub fn level(&self, level: Child) -> Option<Child> {
        let mut record = Record::empty(Kind::Stock);
        record.children[0].push(level);
        self.apply(&mut record);
        record.children[0].pop()
    }

    /// Makes of the levels of one product what is to be stored, and returns what there is to say of them, each code
    /// once. An item that is not tracked has numbers that mean nothing, so they warn of nothing.
    pub fn apply(&self, record: &mut Record) -> BTreeSet<Code> {
        let mut codes = BTreeSet::new();
        let left_out = |level: &Child| level_id(&level.id).is_some_and(|(_, at)| self.left_out.contains(&at));
        record.children[0].retain(|level| !left_out(level));
        for level in &mut record.children[0] {
            if !is_tracked(level) {
                codes.insert(Code::InvUntracked);
                level.values[IMPORTED] = Value::Null;
                continue;
            }
            let number = |at: usize| level.values[at].as_i64().unwrap_or(0);
            if number(COMMITTED) > 0 {
                codes.insert(Code::InvCommittedPresent);
            }
            if number(AVAILABLE) < 0 {
                codes.insert(Code::InvNegative);
                if self.negative == NegativeStock::Clamp {
                    level.values[AVAILABLE] = Value::from(0);
                }
            }
            level.values[IMPORTED] = level.values[AVAILABLE].clone();
        }
        codes
    }
}

/// Compares the levels of one product with what is stored. What is stored is taken as it is, not as it was imported, so
/// that a movement here is seen even where the source is unchanged.
pub(super) fn compare(source: &Fingerprinted, stored: &StoredRecord) -> Comparison {
    let mut merge = StockMerge::new(stored);
    merge.levels(&source.record.children[0]);
    let rules_changed = stored.digest != source.digest || stored.mapper != MAPPER_VERSION;
    let outcome = if stored.standing != Standing::Active {
        *merge.codes.entry(Code::IdRestored).or_default() += 1;
        Outcome::Restored
    } else if merge.diff.is_empty() && !rules_changed {
        Outcome::Unchanged
    } else {
        Outcome::Updated
    };
    Comparison {
        outcome,
        diff: merge.diff,
        counts: merge.counts,
        codes: merge.codes,
        merged: outcome.writes().then_some(merge.merged),
    }
}

/// What becomes of the stock of a product that is gone: no level of it is stocked any more.
pub(super) fn missing(stored: &StoredRecord) -> Comparison {
    let mut merge = StockMerge::new(stored);
    merge.levels(&[]);
    *merge.codes.entry(Code::MissInSource).or_default() += 1;
    Comparison {
        outcome: Outcome::Missing,
        diff: merge.diff,
        counts: count_as(&stored.record, Outcome::Missing),
        codes: merge.codes,
        merged: Some(merge.merged),
    }
}

struct StockMerge<'a> {
    stored: &'a StoredRecord,
    hasher: Hasher,
    merged: Record,
    diff: Vec<FieldDiff>,
    counts: Counts,
    codes: CodeCounts,
}

impl<'a> StockMerge<'a> {
    fn new(stored: &'a StoredRecord) -> Self {
        Self {
            stored,
            hasher: Hasher::default(),
            merged: stored.record.clone(),
            diff: Vec::new(),
            counts: Counts::default(),
            codes: CodeCounts::new(),
        }
    }

    fn levels(&mut self, theirs: &[Child]) {
        let ours: &'a [Child] = &self.stored.record.children[0];
        let by_id: HashMap<&str, &Child> = ours.iter().map(|level| (level.id.as_str(), level)).collect();
        let mut merged = Vec::with_capacity(theirs.len().max(ours.len()));
        for level in theirs {
            match by_id.get(level.id.as_str()) {
                Some(ours) => merged.push(self.level(level, ours)),
                None => {
                    self.counts.add(Resource::Stock, Outcome::Created, 1);
                    self.differs(level, "*", &Value::Null, &describe(list(), level), Value::Null);
                    merged.push(level.clone());
                }
            }
        }
        let present: HashSet<&str> = theirs.iter().map(|level| level.id.as_str()).collect();
        for level in ours.iter().filter(|level| !present.contains(level.id.as_str())) {
            merged.push(self.vanished(level));
        }
        self.merged.children[0] = merged;
    }

    fn level(&mut self, theirs: &Child, ours: &Child) -> Child {
        let mut merged = Child { missing_since: None, ..ours.clone() };
        // The numbers of an item that the shop does not track mean nothing, so ours are left alone.
        let compared = if is_tracked(theirs) { IMPORTED } else { AVAILABLE };
        let moved = if is_tracked(theirs) { self.moved(ours, theirs) } else { Value::Null };
        let mut changed = false;
        for (at, name) in list().fields.iter().enumerate().take(compared) {
            if theirs.values[at] != ours.values[at] {
                changed = true;
                let expected = if at == AVAILABLE { moved.clone() } else { Value::Null };
                self.differs(theirs, name, &ours.values[at], &theirs.values[at], expected);
                merged.values[at] = theirs.values[at].clone();
            }
        }
        merged.values[IMPORTED] = theirs.values[IMPORTED].clone();
        let outcome = if changed { Outcome::Updated } else { Outcome::Unchanged };
        self.counts.add(Resource::Stock, outcome, 1);
        merged
    }

    /// The number that was imported last, where something here has moved it since and the source's overwrites that.
    fn moved(&mut self, ours: &Child, theirs: &Child) -> Value {
        let expected = match &ours.values[IMPORTED] {
            // Imported before that number was kept: it is the source's, where that has not changed.
            Value::Null if self.stored.base.holds(self.hasher.whole(list(), theirs)) => {
                &theirs.values[AVAILABLE]
            }
            imported => imported,
        };
        let now = &ours.values[AVAILABLE];
        if expected.is_null() || now == expected || *now == theirs.values[AVAILABLE] {
            return Value::Null;
        }
        *self.codes.entry(Code::InvLocalMovementOverwritten).or_default() += 1;
        expected.clone()
    }

    /// What becomes of a level that the source does not have: it is not stocked there. One that was made here and never
    /// imported stays.
    fn vanished(&mut self, ours: &Child) -> Child {
        let imported = is_imported(ours) || !is_tracked(ours);
        if !imported && !self.stored.base.holds(self.hasher.whole(list(), ours)) {
            return ours.clone();
        }
        let mut zero = ours.clone();
        zero.values[STOCKED] = Value::Bool(false);
        if is_tracked(ours) {
            zero.values[AVAILABLE..].fill(Value::from(0));
        }
        let moved = self.moved(ours, &zero);
        let before = self.diff.len();
        for (at, name) in list().fields.iter().enumerate().take(IMPORTED) {
            if zero.values[at] != ours.values[at] {
                let expected = if at == AVAILABLE { moved.clone() } else { Value::Null };
                self.differs(ours, name, &ours.values[at], &zero.values[at], expected);
            }
        }
        if self.diff.len() > before {
            *self.codes.entry(Code::InvUnstocked).or_default() += 1;
            self.counts.add(Resource::Stock, Outcome::Missing, 1);
        }
        zero
    }

    fn differs(&mut self, level: &Child, field: &str, before: &Value, after: &Value, expected: Value) {
        self.diff.push(FieldDiff {
            list: Some(Resource::Stock),
            child: Some(level.id.clone()),
            field: field.to_owned(),
            before: shown(before),
            after: shown(after),
            expected,
            kept: false,
            taken: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::{ProviderId, RunId, ShopId};
    use crate::domain::record::{RecordKey, Source};

    fn level(location: u64, available: i64) -> Child {
        let mut values = vec![Value::from(0); list().fields.len()];
        values[0] = json!("7");
        (values[TRACKED], values[STOCKED]) = (json!(true), json!(true));
        values[AVAILABLE] = json!(available);
        values[IMPORTED] = Value::Null;
        Child { id: format!("70:{location}"), values, missing_since: None }
    }

    fn source(levels: &[Child]) -> Fingerprinted {
        source_under(&StockRules::default(), levels)
    }

    fn source_under(rules: &StockRules, levels: &[Child]) -> Fingerprinted {
        let mut record = Record::empty(Kind::Stock);
        record.children[0] = levels.to_vec();
        rules.apply(&mut record);
        Fingerprinted::new(record)
    }

    fn stored(source: &Fingerprinted) -> StoredRecord {
        StoredRecord {
            key: RecordKey {
                source: Source { provider: ProviderId::Shopify, shop_id: ShopId(1) },
                kind: Kind::Stock,
                external_id: 7,
            },
            version: 1,
            written_run: RunId::new(uuid::Uuid::nil()),
            standing: Standing::Active,
            digest: source.digest,
            base: source.base.clone(),
            mapper: MAPPER_VERSION,
            record: source.record.clone(),
            local: None,
        }
    }

    fn codes(compared: &Comparison) -> Vec<&'static str> {
        compared.codes.keys().map(|code| code.as_str()).collect()
    }

    /// Old, expected and new value of each difference.
    fn numbers(compared: &Comparison) -> Vec<(&str, Value, Value, Value)> {
        let of = |diff: &FieldDiff| (diff.before.clone(), diff.expected.clone(), diff.after.clone());
        let named = compared.diff.iter().map(|diff| (diff.field.as_str(), of(diff)));
        named.map(|(field, (before, expected, after))| (field, before, expected, after)).collect()
    }

    #[test]
    fn positions_are_those_of_the_shape() {
        let named = [TRACKED, STOCKED, AVAILABLE, COMMITTED, IMPORTED].map(|at| list().fields[at]);
        assert_eq!(named, ["tracked", "stocked", "available", "committed", "imported_available"]);
        assert_eq!((list().fields.len() - list().notes, level_id("70:1")), (IMPORTED, Some((70, 1))));
    }

    #[test]
    fn numbers_are_set_and_never_added() {
        let before = stored(&source(&[level(1, 7)]));
        let compared = compare(&source(&[level(1, 0)]), &before);
        assert_eq!(compared.outcome, Outcome::Updated);
        assert_eq!(numbers(&compared), [("available", json!(7), Value::Null, json!(0))]);
        assert!(codes(&compared).is_empty(), "{:?}", codes(&compared));
        let merged = &compared.merged.unwrap().children[0][0];
        assert_eq!((&merged.values[AVAILABLE], &merged.values[IMPORTED]), (&json!(0), &json!(0)));
    }

    #[test]
    fn a_movement_here_is_overwritten_and_told_whether_or_not_the_shop_changed() {
        for (shop, told) in [(7, true), (9, true), (4, false)] {
            let mut before = stored(&source(&[level(1, 7)]));
            before.record.children[0][0].values[AVAILABLE] = json!(4);
            let compared = compare(&source(&[level(1, shop)]), &before);
            let expected =
                if told { vec![("available", json!(4), json!(7), json!(shop))] } else { Vec::new() };
            assert_eq!(numbers(&compared), expected, "shop {shop}");
            assert_eq!(codes(&compared), if told { vec!["INV_LOCAL_MOVEMENT_OVERWRITTEN"] } else { vec![] });
            let merged = compared.merged.unwrap();
            assert_eq!(merged.children[0][0].values[AVAILABLE], json!(shop));
            assert_eq!(merged.children[0][0].values[IMPORTED], json!(shop));
        }
    }

    /// Such records are in the table: they were written before the imported number was kept.
    #[test]
    fn a_record_without_the_imported_number_tells_a_movement_while_the_shop_is_unchanged() {
        let unchanged = source(&[level(1, 7)]);
        let mut before = stored(&unchanged);
        before.record.children[0][0].values[IMPORTED] = Value::Null;
        assert_eq!(compare(&unchanged, &before).outcome, Outcome::Unchanged);
        before.record.children[0][0].values[AVAILABLE] = json!(4);
        let compared = compare(&unchanged, &before);
        assert_eq!(numbers(&compared), [("available", json!(4), json!(7), json!(7))]);
    }

    #[test]
    fn an_untracked_item_keeps_the_numbers_it_has_here() {
        let mut before = stored(&source(&[level(1, 7)]));
        before.record.children[0][0].values[AVAILABLE] = json!(4);
        let mut untracked = level(1, 0);
        untracked.values[TRACKED] = json!(false);
        let compared = compare(&source(&[untracked.clone()]), &before);
        assert_eq!(numbers(&compared), [("tracked", json!(true), Value::Null, json!(false))]);
        assert!(codes(&compared).is_empty());
        let merged = compared.merged.unwrap();
        let values = &merged.children[0][0].values;
        assert_eq!((&values[AVAILABLE], &values[IMPORTED]), (&json!(4), &Value::Null));

        let mut kept = stored(&source(&[untracked]));
        kept.record = merged;
        let gone = compare(&source(&[]), &kept);
        assert_eq!(numbers(&gone), [("stocked", json!(true), Value::Null, json!(false))]);
    }

    #[test]
    fn a_vanished_level_is_zero_and_no_news_the_next_time() {
        let before = stored(&source(&[level(1, 7), level(2, 5)]));
        let fewer = source(&[level(1, 7)]);
        let compared = compare(&fewer, &before);
        assert_eq!(codes(&compared), ["INV_UNSTOCKED"]);
        assert_eq!(compared.counts.get(Resource::Stock, Outcome::Missing), 1);
        let after = StoredRecord { record: compared.merged.unwrap(), ..stored(&fewer) };
        assert_eq!(after.record.children[0][1].values[AVAILABLE], json!(0));
        let again = compare(&fewer, &after);
        assert_eq!((again.outcome, again.diff.len()), (Outcome::Unchanged, 0));
    }

    #[test]
    fn a_level_that_was_made_here_stays() {
        let unchanged = source(&[level(1, 7)]);
        let mut before = stored(&unchanged);
        before.record.children[0].push(level(900, 3));
        let compared = compare(&unchanged, &before);
        assert_eq!((compared.outcome, compared.diff.len()), (Outcome::Unchanged, 0));
        assert_eq!(missing(&before).merged.unwrap().children[0][1].values[AVAILABLE], json!(3));
    }

    #[test]
    fn the_rules_of_a_run_clamp_leave_out_and_tell() {
        let mut committed = level(3, 1);
        committed.values[COMMITTED] = json!(2);
        let rules = StockRules { negative: NegativeStock::Clamp, left_out: BTreeSet::from([2]) };
        let mut record = Record::empty(Kind::Stock);
        record.children[0] = vec![level(1, -3), level(2, 5), committed];
        let told = rules.apply(&mut record);
        assert_eq!(told, BTreeSet::from([Code::InvNegative, Code::InvCommittedPresent]));
        let ids: Vec<&str> = record.children[0].iter().map(|level| level.id.as_str()).collect();
        assert_eq!(ids, ["70:1", "70:3"]);
        assert_eq!(record.children[0][0].values[AVAILABLE], json!(0));
        assert_eq!(source(&[level(1, -3)]).record.children[0][0].values[AVAILABLE], json!(-3));
    }
}
