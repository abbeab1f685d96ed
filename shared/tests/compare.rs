//! The comparison of source and store: import.md §2.1–2.4 and §2.6, record by record.

use serde_json::{Value, json};
use shared::domain::decision::Decisions;
use shared::domain::ids::{ProviderId, RunId, ShopId};
use shared::domain::merge::{Terms, compare};
use shared::domain::options::OnMissing;
use shared::domain::plan::{Comparison, Fingerprinted, Outcome, SHOWN_BYTES, missing, shown};
use shared::domain::record::{
    Base, Child, Digest, Kind, MAPPER_VERSION, Record, RecordKey, Resource, Source, Standing, StoredRecord,
};
use shared::domain::warning::Code;

fn run(n: u128) -> RunId {
    RunId::new(uuid::Uuid::from_u128(n))
}

fn child(kind: Kind, list: usize, id: &str, fields: &[(&str, Value)]) -> Child {
    let names = kind.shape().children[list].fields;
    let values = names
        .iter()
        .map(|name| fields.iter().find(|(field, _)| field == name).map_or(Value::Null, |(_, v)| v.clone()))
        .collect();
    Child { id: id.to_owned(), values, missing_since: None }
}

fn product(title: &str, variants: &[(&str, &str, &str)]) -> Record {
    let mut record = Record::empty(Kind::Product);
    record.set("title", json!(title));
    record.set("handle", json!("shirt"));
    record.children[0] = variants
        .iter()
        .map(|(id, sku, price)| child(Kind::Product, 0, id, &[("sku", json!(sku)), ("price", json!(price))]))
        .collect();
    record
}

fn level(id: &str, tracked: bool, available: i64) -> Child {
    child(
        Kind::Stock,
        0,
        id,
        &[
            ("variant_id", json!("1")),
            ("tracked", json!(tracked)),
            ("stocked", json!(true)),
            ("available", json!(available)),
            ("on_hand", json!(available)),
        ],
    )
}

fn stock(levels: Vec<Child>) -> Record {
    let mut record = Record::empty(Kind::Stock);
    record.children[0] = levels;
    record
}

fn imported(record: &Record) -> StoredRecord {
    let source = Fingerprinted::new(record.clone());
    StoredRecord {
        key: RecordKey {
            source: Source { provider: ProviderId::Shopify, shop_id: ShopId(7) },
            kind: record.kind,
            external_id: 1,
        },
        version: 1,
        written_run: run(1),
        standing: Standing::Active,
        digest: source.digest,
        base: source.base,
        mapper: MAPPER_VERSION,
        record: record.clone(),
        local: None,
    }
}

fn against(source: &Record, stored: &StoredRecord) -> Comparison {
    let terms = Terms { run: &run(2), decisions: &Decisions::default() };
    compare(&Fingerprinted::new(source.clone()), Some(stored), terms)
}

fn fields(comparison: &Comparison) -> Vec<String> {
    comparison.diff.iter().map(|diff| diff.field.clone()).collect()
}

#[test]
fn what_is_not_stored_is_created_with_all_its_children() {
    let terms = Terms { run: &run(2), decisions: &Decisions::default() };
    let compared = compare(&Fingerprinted::new(product("Shirt", &[("1", "A", "1.00")])), None, terms);
    assert_eq!(compared.outcome, Outcome::Created);
    assert_eq!(compared.counts.get(Resource::Products, Outcome::Created), 1);
    assert_eq!(compared.counts.get(Resource::Variants, Outcome::Created), 1);
}

#[test]
fn the_same_source_is_unchanged_and_writes_nothing() {
    let record = product("Shirt", &[("1", "A", "1.00"), ("2", "B", "2.00")]);
    let compared = against(&record, &imported(&record));
    assert_eq!((compared.outcome, compared.merged), (Outcome::Unchanged, None));
    assert_eq!(compared.counts.get(Resource::Variants, Outcome::Unchanged), 2);
}

#[test]
fn only_what_changed_is_different() {
    let stored = imported(&product("Shirt", &[("1", "A", "1.00"), ("2", "B", "2.00")]));
    let compared = against(&product("Blouse", &[("1", "A", "1.00"), ("2", "B2", "2.00")]), &stored);
    assert_eq!(compared.outcome, Outcome::Updated);
    assert_eq!(fields(&compared), ["title", "sku"]);
    assert_eq!(compared.diff[1].child.as_deref(), Some("2"));
    assert_eq!((&compared.diff[1].before, &compared.diff[1].after), (&json!("B"), &json!("B2")));
    assert_eq!(compared.counts.get(Resource::Variants, Outcome::Updated), 1);
    assert_eq!(compared.counts.get(Resource::Variants, Outcome::Unchanged), 1);
}

#[test]
fn a_variant_that_is_gone_stays_marked_and_comes_back_restored() {
    let both = product("Shirt", &[("1", "A", "1.00"), ("2", "B", "2.00")]);
    let one = product("Shirt", &[("1", "A", "1.00")]);
    let gone = against(&one, &imported(&both));
    assert_eq!(gone.counts.get(Resource::Variants, Outcome::Missing), 1);
    assert_eq!(gone.codes.get(&Code::MissInSource), Some(&1));
    let merged = gone.merged.unwrap();
    assert_eq!(merged.children[0].len(), 2);
    assert_eq!(merged.children[0][1].missing_since, Some(run(2)));

    let source = Fingerprinted::new(one.clone());
    let stored = StoredRecord { record: merged, digest: source.digest, base: source.base, ..imported(&one) };
    let quiet = against(&one, &stored);
    assert_eq!(quiet.outcome, Outcome::Unchanged, "a marked variant is no news");
    let back = against(&both, &stored);
    assert_eq!(back.counts.get(Resource::Variants, Outcome::Restored), 1);
    assert_eq!(back.codes.get(&Code::IdRestored), Some(&1));
    assert_eq!(back.merged.unwrap().children[0][1].missing_since, None);
}

#[test]
fn a_merchants_edit_survives_what_the_shop_did_not_change() {
    let mut stored = imported(&product("Shirt", &[("1", "A", "1.00")]));
    stored.record.set("title", json!("My own title"));
    stored.version += 1;
    let quiet = against(&product("Shirt", &[("1", "A", "1.00")]), &stored);
    assert_eq!(quiet.outcome, Outcome::Unchanged);
    let priced = against(&product("Shirt", &[("1", "A", "9.00")]), &stored);
    let merged = priced.merged.unwrap();
    assert_eq!(merged.get("title"), &json!("My own title"));
    assert_eq!(merged.children[0][0].values[3], json!("9.00"));
}

#[test]
fn a_field_changed_on_both_sides_is_kept_and_shown_with_both_values() {
    let mut stored = imported(&product("Shirt", &[]));
    stored.record.set("title", json!("Ours"));
    let compared = against(&product("Theirs", &[]), &stored);
    assert_eq!(compared.codes.get(&Code::ConfKeptLocal), Some(&1));
    let diff = &compared.diff[0];
    assert_eq!((&diff.before, &diff.after, diff.kept), (&json!("Ours"), &json!("Theirs"), true));
    assert_eq!(compared.merged.unwrap().get("title"), &json!("Ours"));
}

#[test]
fn a_field_changed_to_the_same_value_on_both_sides_converges_without_a_difference() {
    let mut stored = imported(&product("Shirt", &[]));
    stored.record.set("title", json!("Blouse"));
    let compared = against(&product("Blouse", &[]), &stored);
    assert!(compared.diff.is_empty() && compared.codes.is_empty());
    assert_eq!(compared.outcome, Outcome::Updated, "the base moves");
}

#[test]
fn order_counts_where_it_means_something() {
    let stored = imported(&product("Shirt", &[("1", "A", "1.00"), ("2", "B", "2.00")]));
    let compared = against(&product("Shirt", &[("2", "B", "2.00"), ("1", "A", "1.00")]), &stored);
    assert_eq!(fields(&compared), ["order"]);
    let levels = stock(vec![level("1:1", true, 3), level("2:1", true, 4)]);
    let turned = stock(vec![level("2:1", true, 4), level("1:1", true, 3)]);
    assert_eq!(against(&turned, &imported(&levels)).outcome, Outcome::Unchanged);
}

#[test]
fn absent_is_null_and_neither_empty_nor_zero() {
    let with = |value: Value| {
        let mut record = product("Shirt", &[]);
        record.set("vendor", value);
        record
    };
    let stored = imported(&with(Value::Null));
    assert_eq!(against(&product("Shirt", &[]), &stored).outcome, Outcome::Unchanged);
    assert_eq!(against(&with(json!("")), &stored).outcome, Outcome::Updated);
    assert_eq!(against(&with(json!(0)), &stored).outcome, Outcome::Updated);
}

#[test]
fn stock_is_set_absolutely_zero_included_even_where_only_ours_moved() {
    let seven = stock(vec![level("1:1", true, 7)]);
    let sold_out = against(&stock(vec![level("1:1", true, 0)]), &imported(&seven));
    assert_eq!(sold_out.merged.unwrap().children[0][0].values[3], json!(0));

    let mut moved = imported(&seven);
    moved.record.children[0][0].values[3] = json!(5);
    let compared = against(&seven, &moved);
    assert_eq!(compared.outcome, Outcome::Updated);
    assert_eq!(compared.merged.unwrap().children[0][0].values[3], json!(7));
}

#[test]
fn a_vanished_level_is_zero_and_unstocked_once() {
    let both = stock(vec![level("1:1", true, 7), level("1:2", true, 2)]);
    let one = stock(vec![level("1:1", true, 7)]);
    let compared = against(&one, &imported(&both));
    assert_eq!(compared.codes.get(&Code::InvUnstocked), Some(&1));
    let merged = compared.merged.unwrap();
    let gone = &merged.children[0][1].values;
    assert_eq!((&gone[2], &gone[3], &gone[4]), (&json!(false), &json!(0), &json!(0)));
    let source = Fingerprinted::new(one.clone());
    let stored = StoredRecord { record: merged, digest: source.digest, base: source.base, ..imported(&one) };
    assert_eq!(against(&one, &stored).outcome, Outcome::Unchanged);
}

#[test]
fn numbers_of_an_untracked_item_are_left_alone() {
    let compared =
        against(&stock(vec![level("1:1", false, 0)]), &imported(&stock(vec![level("1:1", true, 7)])));
    let merged = compared.merged.unwrap();
    assert_eq!(merged.children[0][0].values[1], json!(false));
    assert_eq!(merged.children[0][0].values[3], json!(7));
    assert_eq!(fields(&compare_only(&compared.diff)), ["tracked"]);
}

fn compare_only(diff: &[shared::domain::plan::FieldDiff]) -> Comparison {
    Comparison {
        outcome: Outcome::Updated,
        diff: diff.to_vec(),
        counts: Default::default(),
        codes: Default::default(),
        merged: None,
    }
}

#[test]
fn a_missing_product_keeps_its_content_and_its_stock_is_zero() {
    let record = product("Shirt", &[("1", "A", "1.00")]);
    let gone = missing(&imported(&record));
    assert_eq!(gone.outcome, Outcome::Missing);
    assert_eq!(gone.merged.as_ref(), Some(&record));
    assert_eq!(gone.counts.get(Resource::Variants, Outcome::Missing), 1);
    let levels = missing(&imported(&stock(vec![level("1:1", true, 7)])));
    assert_eq!(levels.merged.unwrap().children[0][0].values[3], json!(0));

    let stored = StoredRecord {
        standing: Standing::Missing { since: run(2), done: OnMissing::Keep },
        ..imported(&record)
    };
    let back = against(&record, &stored);
    assert_eq!((back.outcome, back.codes.get(&Code::IdRestored)), (Outcome::Restored, Some(&1)));
}

#[test]
fn stored_json_and_base_read_back_as_they_were_written() {
    let mut record = product("Ünïcode \u{1f600} \"quoted\"", &[("1", "A", "1.00")]);
    record.children[0][0].missing_since = Some(run(9));
    let bytes = record.to_stored_json().unwrap();
    assert_eq!(Record::from_stored_json(Kind::Product, &bytes).unwrap(), record);
    let (digest, base) = record.fingerprint();
    assert_eq!(Base::from_bytes(&base.to_bytes()), Some(base));
    assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
    assert_eq!(Base::from_bytes(&[1, 2, 3]), None);
}

#[test]
fn an_older_record_with_fewer_fields_reads_with_the_new_ones_absent() {
    let record =
        Record::from_stored_json(Kind::Product, br#"{"f":["Shirt"],"c":[[["1",["T"],null]]]}"#).unwrap();
    assert_eq!(record.get("title"), &json!("Shirt"));
    assert_eq!(record.get("handle"), &Value::Null);
    assert_eq!(record.children[0][0].values.len(), Kind::Product.shape().children[0].fields.len());
}

#[test]
fn long_values_are_cut_and_never_look_alike() {
    let (a, b) = ("ä".repeat(400) + "1", "ä".repeat(400) + "2");
    let (cut_a, cut_b) = (shown(&json!(a)), shown(&json!(b)));
    assert_ne!(cut_a, cut_b);
    assert!(cut_a.as_str().unwrap().len() < SHOWN_BYTES + 32);
    assert_eq!(shown(&json!("short")), json!("short"));
}

#[test]
fn the_internal_id_depends_on_store_shop_kind_and_number_alone() {
    let store = |name: &str| shared::domain::ids::StoreId::for_test(name).unwrap();
    let key = imported(&product("a", &[])).key;
    let id = key.internal_id(&store("one"));
    assert_eq!(id, key.internal_id(&store("one")));
    assert_ne!(id, key.internal_id(&store("two")));
    let other_shop = RecordKey { source: Source { shop_id: ShopId(8), ..key.source }, ..key };
    assert_ne!(id, other_shop.internal_id(&store("one")));
    assert_ne!(id, RecordKey { kind: Kind::Stock, ..key }.internal_id(&store("one")));
}

#[test]
fn positions_of_stock_fields_are_those_of_the_shape() {
    let names = Kind::Stock.shape().children[0].fields;
    assert_eq!((names[1], names[2], names[3]), ("tracked", "stocked", "available"));
}
