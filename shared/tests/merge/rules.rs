//! The rules of lists and of ownership, one by one.

use serde_json::{Value, json};
use shared::domain::decision::{Decision, Decisions, Side};
use shared::domain::ids::{ProviderId, RunId, ShopId};
use shared::domain::merge::{Terms, compare};
use shared::domain::plan::{Comparison, Fingerprinted, Outcome};
use shared::domain::record::{
    Child, Kind, MAPPER_VERSION, Record, RecordKey, Resource, Source, Standing, StoredRecord,
};
use shared::domain::warning::Code;

use crate::edits::{Dice, both};
use crate::model::{assert_merged, merge};

fn child(kind: Kind, list: usize, id: &str, fields: &[(&str, &str)]) -> Child {
    let names = kind.shape().children[list].fields;
    let mut values = vec![Value::Null; names.len()];
    for (name, value) in fields {
        values[names.iter().position(|field| field == name).unwrap()] = json!(value);
    }
    Child { id: id.to_owned(), values, missing_since: None }
}

fn product(variants: &[&str]) -> Record {
    let mut record = Record::empty(Kind::Product);
    record.set("title", json!("Shirt"));
    record.set("created_at", json!("2026-01-01T00:00:00Z"));
    record.children[0] =
        variants.iter().map(|id| child(Kind::Product, 0, id, &[("sku", id), ("price", "1.00")])).collect();
    record.children[1] = vec![child(Kind::Product, 1, "m1", &[("alt", "front"), ("url", "u")])];
    record
}

fn category(members: &[&str]) -> Record {
    let mut record = Record::empty(Kind::Category);
    record.set("title", json!("All"));
    record.children[0] = members.iter().map(|id| child(Kind::Category, 0, id, &[])).collect();
    record
}

fn metafields(values: &[(&str, &str)]) -> Record {
    let mut record = Record::empty(Kind::Metafields);
    record.children[0] =
        values.iter().map(|(id, value)| child(Kind::Metafields, 0, id, &[("value", value)])).collect();
    record
}

fn run(n: u128) -> RunId {
    RunId::new(uuid::Uuid::from_u128(n))
}

/// What was imported, as the merchant has left it since.
fn stored(imported: &Record, now: &Record) -> StoredRecord {
    let (digest, base) = imported.fingerprint();
    let source = Source { provider: ProviderId::Shopify, shop_id: ShopId(7) };
    StoredRecord {
        key: RecordKey { source, kind: imported.kind, external_id: 1 },
        version: 2,
        written_run: run(1),
        standing: Standing::Active,
        digest,
        base,
        mapper: MAPPER_VERSION,
        record: now.clone(),
        local: None,
    }
}

fn everything(side: Side) -> Decisions {
    let mut decisions = Decisions::default();
    decisions.add(Decision::Take { side, resource: None, external_id: None, child: None, field: None });
    decisions
}

fn merged(base: &Record, theirs: &Record, ours: &Record, side: Side) -> (Comparison, Record) {
    let (decisions, run) = (everything(side), run(2));
    let terms = Terms { run: &run, decisions: &decisions };
    let compared = compare(&Fingerprinted::new(theirs.clone()), Some(&stored(base, ours)), terms);
    let record = compared.merged.clone().unwrap_or_else(|| ours.clone());
    (compared, record)
}

fn order(record: &Record) -> Vec<&str> {
    record.children[0].iter().filter(|c| c.missing_since.is_none()).map(|c| c.id.as_str()).collect()
}

fn titled(record: &Record, title: &str) -> Record {
    let mut record = record.clone();
    record.set("title", json!(title));
    record
}

#[test]
fn an_order_the_merchant_changed_outlives_other_changes_of_the_shop() {
    let base = product(&["1", "2", "3"]);
    let (compared, now) = merged(&base, &titled(&base, "Blouse"), &product(&["3", "1", "2"]), Side::Ours);
    assert_eq!((now.get("title"), order(&now)), (&json!("Blouse"), vec!["3", "1", "2"]));
    assert_eq!(compared.diff.len(), 1, "the order is no difference: {:?}", compared.diff);
}

#[test]
fn an_order_that_both_changed_is_a_conflict() {
    let base = product(&["1", "2", "3"]);
    let (theirs, ours) = (product(&["2", "1", "3"]), product(&["1", "3", "2"]));
    let (kept, now) = merged(&base, &theirs, &ours, Side::Ours);
    assert_eq!((order(&now), kept.codes.get(&Code::ConfKeptLocal)), (vec!["1", "3", "2"], Some(&1)));
    let (taken, now) = merged(&base, &theirs, &ours, Side::Theirs);
    assert_eq!((order(&now), taken.codes.get(&Code::ConfTookSource)), (vec!["2", "1", "3"], Some(&1)));
}

#[test]
fn what_either_side_added_finds_its_place_in_the_order_of_the_other() {
    let base = product(&["1", "2", "3"]);
    let (theirs, ours) = (product(&["1", "9", "2", "3"]), product(&["3", "local", "2", "1"]));
    let (compared, now) = merged(&base, &theirs, &ours, Side::Ours);
    assert_eq!(order(&now), ["3", "local", "2", "1", "9"]);
    assert_eq!(compared.codes.get(&Code::ConfKeptLocal), None);
    let (_, now) = merged(&base, &product(&["2", "1", "3"]), &product(&["1", "2", "local", "3"]), Side::Ours);
    assert_eq!(order(&now), ["2", "local", "1", "3"]);
}

#[test]
fn a_variant_that_was_taken_away_here_stays_away_unless_the_shop_changed_it_and_that_was_decided() {
    let base = product(&["1", "2"]);
    let ours = product(&["1"]);
    let (compared, now) = merged(&base, &titled(&base, "Blouse"), &ours, Side::Theirs);
    assert_eq!(order(&now), ["1"]);
    assert_eq!(compared.counts.get(Resource::Variants, Outcome::Unchanged), 2, "the sums close");
    let mut theirs = base.clone();
    theirs.children[0][1].values[3] = json!("2.00");
    let (kept, now) = merged(&base, &theirs, &ours, Side::Ours);
    assert_eq!((order(&now), kept.codes.get(&Code::ConfKeptLocal)), (vec!["1"], Some(&1)));
    let (_, now) = merged(&base, &theirs, &ours, Side::Theirs);
    assert_eq!(order(&now), ["1", "2"]);
}

#[test]
fn a_medium_that_was_changed_here_outlives_its_removal_in_the_shop() {
    let base = product(&["1"]);
    let mut theirs = base.clone();
    theirs.children[1].clear();
    let (_, now) = merged(&base, &theirs, &base, Side::Ours);
    assert!(now.children[1].is_empty());
    let mut ours = base.clone();
    ours.children[1][0].values[2] = json!("my words");
    let (kept, now) = merged(&base, &theirs, &ours, Side::Ours);
    assert_eq!((now.children[1].len(), kept.codes.get(&Code::ConfKeptLocal)), (1, Some(&1)));
    let (_, now) = merged(&base, &theirs, &ours, Side::Theirs);
    assert!(now.children[1].is_empty());
}

#[test]
fn members_that_were_added_or_taken_away_here_stay_so() {
    let base = category(&["1", "2", "3"]);
    let (theirs, ours) = (category(&["1", "2", "3", "4"]), category(&["3", "1", "mine"]));
    let (compared, now) = merged(&base, &theirs, &ours, Side::Ours);
    assert_eq!(order(&now), ["3", "4", "1", "mine"]);
    assert_eq!(compared.codes.get(&Code::ConfKeptLocal), None);
    let (_, now) = merged(&base, &category(&["2", "3"]), &base, Side::Ours);
    assert_eq!(order(&now), ["2", "3"]);
}

#[test]
fn a_metafield_merges_as_a_whole() {
    let base = metafields(&[("1", "a"), ("2", "a"), ("3", "a"), ("4", "a")]);
    let theirs = metafields(&[("1", "b"), ("2", "a"), ("3", "b"), ("4", "b")]);
    let ours = metafields(&[("1", "a"), ("2", "c"), ("3", "c"), ("4", "b"), ("mine", "d")]);
    let value = |record: &Record| -> Vec<Value> {
        record.children[0].iter().map(|child| child.values[4].clone()).collect()
    };
    let (kept, now) = merged(&base, &theirs, &ours, Side::Ours);
    assert_eq!(value(&now), ["b", "c", "c", "b", "d"]);
    assert_eq!(kept.codes.get(&Code::ConfKeptLocal), Some(&1));
    let (_, now) = merged(&base, &theirs, &ours, Side::Theirs);
    assert_eq!(value(&now), ["b", "c", "b", "b", "d"]);
}

#[test]
fn what_only_the_shop_can_know_is_never_a_conflict() {
    let base = product(&["1"]);
    let (mut theirs, mut ours) = (base.clone(), base.clone());
    theirs.set("created_at", json!("2026-02-02T00:00:00Z"));
    ours.set("created_at", json!("yesterday"));
    let (compared, now) = merged(&base, &theirs, &ours, Side::Ours);
    assert_eq!(now.get("created_at"), &json!("2026-02-02T00:00:00Z"));
    assert_eq!(compared.codes.get(&Code::ConfKeptLocal), None);
}

#[test]
fn what_the_merchant_changed_while_it_was_missing_is_kept_when_it_is_back() {
    let base = product(&["1"]);
    let theirs = titled(&base, "Blouse");
    let mut was = stored(&base, &titled(&base, "Mine"));
    was.standing = Standing::Missing { since: run(1), done: Default::default() };
    let (decisions, run) = (Decisions::default(), run(2));
    let terms = Terms { run: &run, decisions: &decisions };
    let compared = compare(&Fingerprinted::new(theirs), Some(&was), terms);
    assert_eq!(compared.outcome, Outcome::Restored);
    assert_eq!(compared.merged.unwrap().get("title"), &json!("Mine"));
    assert_eq!(compared.codes.get(&Code::ConfKeptLocal), Some(&1));
}

#[test]
fn random_edits_of_both_sides_merge_as_the_table_says() {
    let mut conflicts = 0;
    for seed in 0..3_000_u64 {
        let mut dice = Dice::new(seed);
        let base = match seed % 3 {
            0 => product(&["1", "2", "3", "4"][..=dice.below(4)]),
            1 => category(&["1", "2", "3", "4", "5"][..=dice.below(5)]),
            _ => metafields(&[("1", "a"), ("2", "b"), ("3", "c")]),
        };
        let (mut theirs, mut ours) = (base.clone(), base.clone());
        both(&mut theirs, &mut ours, &mut dice);
        for side in [Side::Ours, Side::Theirs] {
            let expected = merge(&base, &theirs, &ours, side == Side::Theirs);
            let (compared, now) = merged(&base, &theirs, &ours, side);
            let what = format!("seed {seed}, {side:?}");
            assert_merged(&now, &expected, &what);
            let code = if side == Side::Ours { Code::ConfKeptLocal } else { Code::ConfTookSource };
            let told = compared.codes.get(&code).copied().unwrap_or(0);
            assert_eq!(told, expected.conflicts, "{what}");
            conflicts += told;
            // The base has moved: whatever was resolved stays so when the shop changes something else.
            if base.kind != Kind::Metafields {
                let (_, later) = merged(&theirs, &titled(&theirs, "later"), &now, side);
                assert_eq!(later.children, now.children, "{what}");
            }
        }
    }
    assert!(conflicts > 1_000, "{conflicts} conflicts are too few to have tried anything");
}
