//! Random edits of both sides, from the shop's file to the stored record and back to what was shown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::app::import::shown::{ShownDiff, ShownRecord};
use shared::domain::decision::{Decision, Side};
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::plan::Outcome;
use shared::domain::record::{Child, Kind, Record, Resource};
use shared::domain::run::{Feed, RunState};
use shared::testkit::source;

use crate::edits::{Dice, both};
use crate::model::{assert_merged, merge, within};
use crate::world::{World, codes};

/// A record as it was imported and as both sides have left it since.
struct Edited {
    kind: Kind,
    id: u64,
    base: Record,
    theirs: Record,
    ours: Record,
}

async fn imported(products: u64) -> World {
    let mut world = World::new().await;
    world.step.chunk_bytes = 60 * source::ITEM_BYTES;
    for id in 1..=products {
        world.source.put(Feed::Products, source::product(id, &format!("Product {id}"), 1 + id % 4, &[1, 2]));
        world.source.put(Feed::Metafields, source::metafields(id, &["a", "b", "c"]));
    }
    for id in 0..products / 10 {
        let members: Vec<u64> = (1..=5).map(|n| id * 10 + n).collect();
        world.source.put(Feed::Collections, source::collection(5_000 + id, "Some", &members));
    }
    let run = world.run().await;
    assert_eq!(run.status, RunState::Completed, "{:?}", run.failure);
    world
}

/// Lets both sides edit everything that they share.
fn edit(world: &World, dice: &mut Dice) -> Vec<Edited> {
    let mut edited = Vec::new();
    for stored in world.catalog.all(&world.store) {
        let feed = match stored.key.kind {
            Kind::Product => Feed::Products,
            Kind::Metafields => Feed::Metafields,
            Kind::Category => Feed::Collections,
            Kind::Stock | Kind::Warehouse => continue,
        };
        let base = stored.record;
        let (mut theirs, mut ours) = (base.clone(), base.clone());
        if !dice.one_in(3) {
            both(&mut theirs, &mut ours, dice);
        }
        let id = stored.key.external_id;
        world.source.change(feed, id, |item| item.records[0].1 = theirs.clone());
        world.catalog.edit(&world.store, &stored.key, |record| *record = ours.clone()).unwrap();
        edited.push(Edited { kind: stored.key.kind, id, base, theirs, ours });
    }
    edited
}

fn take(side: Side, resource: Option<Resource>, field: Option<&str>) -> Decision {
    Decision::Take { side, resource, external_id: None, child: None, field: field.map(str::to_owned) }
}

async fn decide(world: &World, preview: &str, decisions: &[Decision]) {
    let preview = RunId::parse(preview).unwrap();
    world.imports.decide(&world.store, ProviderId::Shopify, &preview, decisions).await.unwrap();
}

#[tokio::test]
async fn a_rerun_after_random_edits_of_both_sides_is_the_merge_and_the_next_one_writes_nothing() {
    for seed in 0..24 {
        let world = imported(20).await;
        let edited = edit(&world, &mut Dice::new(seed));
        let take_theirs = seed % 2 == 1;
        let rerun = if take_theirs {
            let preview = world.preview().await;
            decide(&world, &preview.run_id, &[take(Side::Theirs, None, None)]).await;
            let run = world.start(false, Some(&preview.run_id)).await;
            world.settle().await;
            world.shown(&run).await
        } else {
            world.run().await
        };
        assert!(matches!(rerun.status, RunState::Completed | RunState::CompletedWithWarnings), "seed {seed}");
        let mut conflicts = 0;
        for Edited { kind, id, base, theirs, ours } in &edited {
            let expected = merge(base, theirs, ours, take_theirs);
            conflicts += expected.conflicts;
            let stored = world.stored(*kind, *id).unwrap().record;
            assert_merged(&stored, &expected, &format!("seed {seed}: {kind:?} {id}"));
        }
        let code = if take_theirs { "CONF_TOOK_SOURCE" } else { "CONF_KEPT_LOCAL" };
        assert_eq!(codes(&rerun).get(code).copied().unwrap_or(0), conflicts, "seed {seed}");
        let before = world.catalog.dump();
        assert_eq!(world.run().await.cost.catalogue_writes, 0, "seed {seed}");
        assert!(world.catalog.dump() == before, "seed {seed}");
    }
}

/// Everything that differs between two states of a record, found by looking at all of it.
fn changes(before: &Record, after: &Record) -> BTreeSet<String> {
    let shape = before.kind.shape();
    let mut found = BTreeSet::new();
    for (at, name) in shape.fields.iter().enumerate() {
        if before.values[at] != after.values[at] {
            found.insert(format!("{name}: {} -> {}", before.values[at], after.values[at]));
        }
    }
    for (at, list) in shape.children.iter().enumerate() {
        let tag = list.resource.as_str();
        let present = |record: &Record| -> Vec<Child> {
            record.children[at].iter().filter(|child| child.missing_since.is_none()).cloned().collect()
        };
        let (was, is) = (present(before), present(after));
        let ids = |children: &[Child]| -> Vec<String> { children.iter().map(|c| c.id.clone()).collect() };
        let by_id: BTreeMap<&str, &Child> = is.iter().map(|child| (child.id.as_str(), child)).collect();
        for child in &was {
            let Some(now) = by_id.get(child.id.as_str()) else {
                found.insert(format!("{tag} {} -", child.id));
                continue;
            };
            let compared = list.fields.len() - list.notes;
            if !list.base_per_field && list.resource != Resource::Stock {
                if child.values != now.values {
                    found.insert(format!("{tag} {} ~", child.id));
                }
                continue;
            }
            for (field, name) in list.fields.iter().enumerate().take(compared) {
                let (was, is) = (&child.values[field], &now.values[field]);
                if was != is {
                    found.insert(format!("{tag} {} {name}: {was} -> {is}", child.id));
                }
            }
        }
        let known = ids(&was);
        found.extend(ids(&is).iter().filter(|id| !known.contains(id)).map(|id| format!("{tag} {id} +")));
        if list.ordered && within(&ids(&is), &known) != within(&known, &ids(&is)) {
            found.insert(format!("{tag} order"));
        }
    }
    found
}

/// The same of what was shown, without what is to be kept.
fn shown(diff: &[ShownDiff]) -> BTreeSet<String> {
    let written = diff.iter().filter(|diff| !diff.kept);
    written
        .map(|diff| {
            let of = match (diff.resource, &diff.id) {
                (Some(list), Some(id)) => format!("{} {id} ", list.as_str()),
                (Some(list), None) => format!("{} ", list.as_str()),
                _ => String::new(),
            };
            match (diff.field.as_str(), &diff.before, &diff.after) {
                ("*", Value::Null, _) => format!("{of}+"),
                ("*", _, Value::Null) => format!("{of}-"),
                ("*", _, _) => format!("{of}~"),
                ("order", _, _) => format!("{of}order"),
                (field, before, after) => format!("{of}{field}: {before} -> {after}"),
            }
        })
        .collect()
}

fn kind_of(record: &ShownRecord) -> Kind {
    record.resource.home().0
}

#[tokio::test]
async fn what_a_preview_shows_of_ten_thousand_records_is_what_the_run_writes_and_nothing_else() {
    let (mut looked_at, mut differences) = (0, 0);
    for seed in 0..10 {
        let world = imported(350).await;
        let mut dice = Dice::new(1_000 + seed);
        edit(&world, &mut dice);
        for id in 1..=350 {
            if dice.one_in(60) {
                world.source.take(Feed::Products, id);
                world.source.take(Feed::Metafields, id);
            } else if dice.one_in(10) {
                let number = json!(dice.below(9));
                world
                    .source
                    .change(Feed::Products, id, |item| item.records[1].1.children[0][0].values[3] = number);
            }
        }
        for id in 900..920 {
            world.source.put(Feed::Products, source::product(id, "New", 2, &[1]));
        }
        let preview = world.preview().await;
        assert_eq!(preview.status, RunState::AwaitingReview);
        let decisions = [
            take(Side::Theirs, Some(Resource::Products), Some("title")),
            take(Side::Theirs, Some(Resource::Variants), None),
            take(Side::Theirs, Some(Resource::Categories), None),
            take(Side::Ours, Some(Resource::Memberships), Some("order")),
        ];
        decide(&world, &preview.run_id, &decisions).await;
        let promised: BTreeMap<(Kind, String), ShownRecord> = world
            .records(&preview.run_id)
            .await
            .into_iter()
            .map(|record| ((kind_of(&record), record.external_id.clone()), record))
            .collect();
        let before: BTreeMap<_, _> =
            world.catalog.all(&world.store).into_iter().map(|stored| (stored.key, stored)).collect();
        let run = world.start(false, Some(&preview.run_id)).await;
        world.settle().await;
        let run = world.shown(&run).await;
        assert!(!codes(&run).contains_key("RUN_PLAN_STALE"), "seed {seed}: {:?}", codes(&run));
        let mut written = 0;
        for now in world.catalog.all(&world.store) {
            looked_at += 1;
            let promise = promised.get(&(now.key.kind, now.key.external_id.to_string()));
            let what = format!("seed {seed}: {:?} {}", now.key.kind, now.key.external_id);
            let Some(was) = before.get(&now.key) else {
                assert_eq!(promise.map(|shown| shown.outcome), Some(Outcome::Created), "{what}");
                written += 1;
                continue;
            };
            written += u64::from(was.version != now.version);
            let found = changes(&was.record, &now.record);
            let told = promise.map(|record| shown(&record.diff)).unwrap_or_default();
            assert_eq!(found, told, "{what}");
            assert_eq!(
                was.version != now.version,
                promise.is_some_and(|shown| shown.outcome.writes()),
                "{what}"
            );
            differences += found.len();
        }
        assert_eq!(run.cost.catalogue_writes, written, "seed {seed}");
    }
    assert!(looked_at >= 10_000 && differences > 5_000, "{looked_at} records, {differences} differences");
}
