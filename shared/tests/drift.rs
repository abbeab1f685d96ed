//! The proof that stock is equal on both sides finds every difference and none that is not there.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::domain::drift::{Cause, DriftRow, StockSides};
use shared::domain::ids::{ProviderId, RunId, ShopId};
use shared::domain::plan::Fingerprinted;
use shared::domain::record::{Kind, MAPPER_VERSION, Record, RecordKey, Source, Standing, StoredRecord};
use shared::domain::stock::{StockRules, level_now};

const AVAILABLE: usize = 3;
const PRODUCTS: u64 = 400;
const ITEMS: u64 = 5;
const LOCATIONS: u64 = 4;

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn product(id: u64, dice: &mut Dice) -> Record {
    let mut record = Record::empty(Kind::Stock);
    for item in 0..ITEMS {
        for location in 1..=LOCATIONS {
            let available = i64::try_from(dice.below(9)).unwrap() - 2;
            let (tracked, stocked) = (dice.below(10) > 0, dice.below(10) > 0);
            record.children[0].push(level_now(id * 100 + item, location, tracked, stocked, Some(available)));
        }
    }
    StockRules::default().apply(&mut record);
    record
}

fn stored(id: u64, record: &Record) -> StoredRecord {
    let source = Fingerprinted::new(record.clone());
    StoredRecord {
        key: RecordKey {
            source: Source { provider: ProviderId::Shopify, shop_id: ShopId(1) },
            kind: Kind::Stock,
            external_id: id,
        },
        version: 1,
        written_run: RunId::new(uuid::Uuid::nil()),
        standing: Standing::Active,
        digest: source.digest,
        base: source.base,
        mapper: MAPPER_VERSION,
        record: source.record,
        local: None,
    }
}

/// What a tracked level that is stocked, or has something all the same, has available.
fn counted(level: &shared::domain::record::Child) -> Option<i64> {
    let available = level.values[AVAILABLE].as_i64().unwrap();
    let is = |at: usize| level.values[at] == Value::Bool(true);
    (is(1) && (is(2) || available != 0)).then_some(available)
}

#[test]
fn every_one_of_1000_seeded_differences_is_found_and_none_that_is_not_there() {
    for seed in 0..10 {
        let mut dice = Dice(seed);
        let source: Vec<Record> = (0..PRODUCTS).map(|id| product(id, &mut dice)).collect();
        let mut ours = source.clone();
        let mut expected: BTreeMap<String, (Option<i64>, Option<i64>)> = BTreeMap::new();
        while expected.len() < 1000 {
            let (at, row) = (dice.below(PRODUCTS) as usize, dice.below(ITEMS * LOCATIONS) as usize);
            let level = &source[at].children[0][row];
            let Some(theirs) = counted(level) else { continue };
            if expected.contains_key(&level.id) {
                continue;
            }
            let place = ours[at].children[0].iter().position(|ours| ours.id == level.id).unwrap();
            let now = if dice.below(4) == 0 {
                ours[at].children[0].remove(place);
                None
            } else {
                let other = theirs + 1 + i64::try_from(dice.below(5)).unwrap();
                ours[at].children[0][place].values[AVAILABLE] = Value::from(other);
                counted(&ours[at].children[0][place])
            };
            expected.insert(level.id.clone(), (Some(theirs), now));
        }
        // The order of levels means nothing.
        for record in &mut ours {
            if dice.below(2) == 0 {
                record.children[0].reverse();
            }
        }
        let mut all = StockSides::default();
        for (id, (theirs, ours)) in (0u64..).zip(source.iter().zip(&ours)) {
            let mut chunk = StockSides::default();
            chunk.take_source(theirs);
            chunk.take_stored(Some(theirs), Some(&stored(id, ours)), Cause::WriteFailed);
            all.merge(&chunk);
        }
        let found: BTreeMap<String, (Option<i64>, Option<i64>)> = all
            .rows
            .iter()
            .map(|row: &DriftRow| (format!("{}:{}", row.item, row.location), (row.source, row.stored)))
            .collect();
        assert_eq!((all.rows.len(), all.more), (1000, 0), "no row twice");
        assert_eq!(found, expected, "seed {seed}");
        let differing: BTreeSet<u64> = all.rows.iter().map(|row| row.location).collect();
        for (location, sums) in &all.source {
            assert_eq!(all.stored.get(location) == Some(sums), !differing.contains(location));
        }
    }
}

#[test]
fn equal_sides_are_equal_in_any_order_and_in_any_chunks() {
    let mut dice = Dice(7);
    let source: Vec<Record> = (0..50).map(|id| product(id, &mut dice)).collect();
    let mut whole = StockSides::default();
    source.iter().for_each(|record| whole.take_source(record));
    let mut parts = StockSides::default();
    for (id, record) in (0u32..50).zip(&source).rev() {
        let mut ours = record.clone();
        ours.children[0].reverse();
        let mut chunk = StockSides::default();
        chunk.take_source(record);
        chunk.take_stored(Some(record), Some(&stored(u64::from(id), &ours)), Cause::WriteFailed);
        parts.merge(&chunk);
    }
    assert_eq!((&parts.source, parts.rows.len()), (&whole.source, 0));
    assert_eq!(parts.stored, whole.source);
    assert_eq!(whole.source.len() as u64, LOCATIONS);
}

#[test]
fn a_level_that_was_made_here_is_on_neither_side_and_one_that_stayed_is_told() {
    let source = product(1, &mut Dice(1));
    let mut ours = source.clone();
    ours.children[0].push(level_now(1, 900, true, true, Some(3)));
    let mut sides = StockSides::default();
    sides.take_source(&source);
    sides.take_stored(Some(&source), Some(&stored(1, &ours)), Cause::WriteFailed);
    assert_eq!((&sides.stored, sides.rows.len()), (&sides.source, 0));

    // Imported once, gone from the shop, and still with a number here.
    let mut imported = Record::empty(Kind::Stock);
    imported.children[0].push(level_now(1, 900, true, true, Some(3)));
    StockRules::default().apply(&mut imported);
    let mut sides = StockSides::default();
    sides.take_stored(None, Some(&stored(1, &imported)), Cause::LocalMovement);
    let row = DriftRow { item: 1, location: 900, source: None, stored: Some(3), cause: Cause::LocalMovement };
    assert_eq!(sides.rows, [row]);
}
