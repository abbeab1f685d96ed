//! A location that was imported as a warehouse of its own although the merchant had made the same one here: import.md
//! §2.7, the repair of duplicates.

mod stock;

use std::sync::Arc;

use serde_json::{Value, json};
use shared::app::browse_catalog::{BrowseCatalog, CatalogRow, StandingFilter};
use shared::domain::decision::{Decision, ExternalId, Side};
use shared::domain::ids::RunId;
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, RecordKey, Resource, Standing, StoredRecord};
use shared::domain::run::{Cost, Feed, RunState};
use shared::ports::PortError;
use shared::ports::catalog::{Catalog, Edit};
use shared::testkit::catalog::Shown;
use shared::testkit::faults::Fault;
use shared::testkit::source;
use uuid::Uuid;

use crate::world::{World, codes, of, store};
use crate::{carry_out, decide, id, listed, ours, told};

fn own(world: &World, number: u64, name: &str) -> RecordKey {
    let made = world.catalog.add_local(&world.store, Kind::Warehouse, number, |record| {
        record.set("name", json!(name));
        record.set("address", json!({"city": "Köln"}));
    });
    made.unwrap()
}

fn link(location: u64, warehouse: Uuid) -> Decision {
    Decision::LinkWarehouse { external_id: ExternalId(location), internal_id: warehouse }
}

/// An imported shop whose first location, "Main", the merchant had made here too.
async fn duplicated() -> (World, RecordKey) {
    let world = World::stocked().await;
    world.run().await;
    let mine = own(&world, 12, " main");
    (world, mine)
}

/// A preview by which the two are to become one.
async fn previewed(world: &World, mine: &RecordKey) -> shared::app::import::shown::ShownRun {
    let preview = world.preview().await;
    assert_eq!(decide(world, &preview.run_id, &[link(1, id(world, mine))]).await, Ok(1));
    preview
}

/// What stands under an id, whatever it leads to.
async fn under(world: &World, id: Uuid) -> Option<StoredRecord> {
    world.catalog.find(&world.store, Kind::Warehouse, id).await.unwrap()
}

async fn imported_one(world: &World) -> StoredRecord {
    under(world, world.key(Kind::Warehouse, 1).internal_id(&world.store)).await.unwrap()
}

async fn rows(world: &World, resource: Resource, standing: StandingFilter) -> Vec<CatalogRow> {
    let browse =
        BrowseCatalog { catalog: Arc::new(world.catalog.clone()), links: Arc::new(world.media.clone()) };
    browse.list(&world.store, resource, standing, None, 100).await.unwrap().items
}

/// What eshopOS does itself.
async fn edit(world: &World, read: &StoredRecord, edit: Edit) {
    Catalog::edit(&world.catalog, &world.store, read, edit, &mut Cost::default()).await.unwrap();
}

/// Whether the two are as before: the one imported, the other made here.
async fn is_untouched(world: &World, mine: &RecordKey) -> bool {
    let imported = imported_one(world).await;
    (imported.standing, imported.local) == (Standing::Active, None) && ours(world, mine).key == *mine
}

/// Whether the one made here has taken the place of the one imported.
async fn is_repaired(world: &World, mine: &RecordKey) -> bool {
    let found = world.stored(Kind::Warehouse, 1).unwrap();
    let replaced = imported_one(world).await.standing == Standing::Replaced { by: mine.external_id };
    replaced && found.internal_id(&world.store) == id(world, mine)
}

fn stale(run: &shared::app::import::shown::ShownRun) -> Option<u64> {
    codes(run).get("RUN_PLAN_STALE").copied()
}

#[tokio::test]
async fn a_pair_is_shown_and_left_alone_until_it_is_decided() {
    let (world, mine) = duplicated().await;
    let before = world.catalog.dump();
    let preview = world.preview().await;
    let shown = listed(&world, &preview.run_id, Resource::Warehouses, 1).await;
    let imported = world.key(Kind::Warehouse, 1).internal_id(&world.store).to_string();
    assert_eq!((shown.outcome, shown.internal_id), (Outcome::Unchanged, imported));
    assert_eq!(codes(&preview).get("LOC_DUPLICATE_SUSPECT"), Some(&1), "{:?}", codes(&preview));
    let [twin] = shown.candidates.as_slice() else { panic!("{:?}", shown.candidates) };
    assert_eq!((&twin.internal_id, twin.by.as_str()), (&id(&world, &mine).to_string(), "name"));
    assert!(twin.diff.iter().any(|diff| diff.field == "name" && diff.kept), "{:?}", twin.diff);
    let run = carry_out(&world, &preview).await;
    assert_eq!((codes(&run).get("LOC_DUPLICATE_SUSPECT"), run.cost.catalogue_writes), (Some(&1), 0));
    assert_eq!(run.status, RunState::CompletedWithWarnings);
    assert!(world.catalog.dump() == before);
}

#[tokio::test]
async fn two_that_are_called_otherwise_here_or_of_which_one_is_archived_are_no_pair() {
    for (of_mine, field, value) in
        [(true, "name", json!("Attic")), (false, "name", json!("Attic")), (true, "active", json!(false))]
    {
        let (world, mine) = duplicated().await;
        let key = if of_mine { mine } else { world.key(Kind::Warehouse, 1) };
        world.catalog.edit(&world.store, &key, |record| record.set(field, value.clone())).unwrap();
        let preview = world.preview().await;
        assert_eq!(codes(&preview).get("LOC_DUPLICATE_SUSPECT"), None, "{of_mine} {field}");
        let decided = decide(&world, &preview.run_id, &[link(1, id(&world, &mine))]).await;
        assert!(decided.is_err(), "{of_mine} {field}: {decided:?}");
    }
}

#[tokio::test]
async fn the_one_made_here_takes_the_place_of_the_imported_one_which_is_archived() {
    let (world, mine) = duplicated().await;
    let imported = world.stored(Kind::Warehouse, 1).unwrap();
    let preview = previewed(&world, &mine).await;
    let shown = listed(&world, &preview.run_id, Resource::Warehouses, 1).await;
    let promised = (Outcome::Updated, id(&world, &mine).to_string(), vec!["ID_ADOPTED", "CONF_NO_BASE"]);
    assert_eq!((shown.outcome, shown.internal_id.clone(), told(&shown)), promised);
    assert_eq!(shown.replaces, Some(imported.internal_id(&world.store).to_string()));
    let run = carry_out(&world, &preview).await;
    assert_eq!((stale(&run), run.cost.catalogue_writes), (None, 2), "{:?}", codes(&run));
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Updated), 1);
    let did = listed(&world, &run.run_id, Resource::Warehouses, 1).await;
    assert_eq!((did.outcome, did.internal_id.clone(), told(&did)), promised);
    assert_eq!((did.applied, did.replaces), (true, shown.replaces));

    let taken = world.stored(Kind::Warehouse, 1).unwrap();
    assert_eq!((taken.internal_id(&world.store), taken.version), (id(&world, &mine), 2));
    assert_eq!(
        (taken.record.get("name"), taken.record.get("source_name")),
        (&json!(" main"), &json!("Main"))
    );
    let archived = imported_one(&world).await;
    assert_eq!(archived.standing, Standing::Replaced { by: 12 });
    assert_eq!((archived.record.get("name"), archived.record.get("active")), (&json!("Main"), &json!(false)));
    assert_eq!(archived.version, imported.version + 1);

    // What a frontend sees.
    let active = rows(&world, Resource::Warehouses, StandingFilter::Active).await;
    assert_eq!(active.iter().filter(|row| row.external_id == "1").count(), 1);
    let all = rows(&world, Resource::Warehouses, StandingFilter::All).await;
    let replaced: Vec<_> = all.iter().filter(|row| row.standing == "replaced").collect();
    assert_eq!(replaced.len(), 1);
    assert_eq!(replaced[0].replaced_by, Some(id(&world, &mine).to_string()));
    assert_eq!(replaced[0].internal_id, imported.internal_id(&world.store).to_string());
}

#[tokio::test]
async fn the_shop_s_values_are_taken_where_that_is_decided() {
    let (world, mine) = duplicated().await;
    let preview = previewed(&world, &mine).await;
    let theirs = Decision::Take {
        side: Side::Theirs,
        resource: Some(Resource::Warehouses),
        external_id: Some(ExternalId(1)),
        child: None,
        field: None,
    };
    assert_eq!(decide(&world, &preview.run_id, &[theirs]).await, Ok(2));
    carry_out(&world, &preview).await;
    assert!(is_repaired(&world, &mine).await);
    assert_eq!(world.stored(Kind::Warehouse, 1).unwrap().record.get("name"), "Main");
}

#[tokio::test]
async fn a_rerun_after_it_writes_nothing_and_follows_the_shop() {
    let (world, mine) = duplicated().await;
    let preview = previewed(&world, &mine).await;
    carry_out(&world, &preview).await;
    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0), "{:?}", codes(&rerun));
    // The same preview once more finds nothing left to do.
    let again = carry_out(&world, &preview).await;
    assert_eq!((again.cost.catalogue_writes, stale(&again)), (0, None), "{:?}", codes(&again));
    // Gone from the shop, it is the one made here that is missing, and nothing else.
    world.source.take(Feed::Locations, 1);
    let gone = world.run().await;
    assert_eq!(of(&gone, Resource::Warehouses, Outcome::Missing), 1, "{:?}", codes(&gone));
    assert!(matches!(ours(&world, &mine).standing, Standing::Missing { .. }));
    assert_eq!(imported_one(&world).await.standing, Standing::Replaced { by: 12 });
}

#[tokio::test]
async fn neither_is_touched_where_one_of_them_changed_after_the_preview() {
    type Change = fn(&World, &RecordKey);
    const BEFORE: &[bool] = &[false];
    const BOTH: &[bool] = &[false, true];
    let changes: [(&str, &[bool], Change); 4] = [
        ("the one made here was edited", BOTH, |world, mine| {
            world.catalog.edit(&world.store, mine, |record| record.set("address", Value::Null)).unwrap();
        }),
        ("the imported one was edited", BOTH, |world, _| {
            let key = world.key(Kind::Warehouse, 1);
            world.catalog.edit(&world.store, &key, |record| record.set("address", Value::Null)).unwrap();
        }),
        ("the one made here was deleted", BOTH, |world, mine| {
            world.catalog.remove(&world.store, mine);
        }),
        // A run reads the locations once.
        ("the location changed", BEFORE, |world, _| {
            world.set(Feed::Locations, 1, "created_at", "yesterday");
        }),
    ];
    // Before the run plans, and after it has.
    for (what, when, change) in changes {
        for planned in when.iter().copied() {
            let (world, mine) = duplicated().await;
            let preview = previewed(&world, &mine).await;
            let run = if planned {
                let run = world.start(false, Some(&preview.run_id)).await;
                while world.shown(&run).await.status != RunState::Applying {
                    world.deliver(world.queue.pop_or_wait().unwrap()).await;
                }
                change(&world, &mine);
                world.settle().await;
                world.shown(&run).await
            } else {
                change(&world, &mine);
                carry_out(&world, &preview).await
            };
            assert_eq!((stale(&run), run.cost.catalogue_writes), (Some(1), 0), "{what}, {planned}");
            let imported = imported_one(&world).await;
            assert_eq!((imported.standing, imported.local), (Standing::Active, None), "{what}");
            if what.contains("deleted") {
                assert_eq!(under(&world, id(&world, &mine)).await, None);
            } else {
                assert_eq!(ours(&world, &mine).key, mine, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_retry_does_what_was_decided_with_what_is_there_then() {
    let (world, mine) = duplicated().await;
    let preview = previewed(&world, &mine).await;
    world.catalog.edit(&world.store, &mine, |record| record.set("address", Value::Null)).unwrap();
    let run = carry_out(&world, &preview).await;
    assert!(stale(&run) == Some(1) && is_untouched(&world, &mine).await);
    let run = RunId::parse(&run.run_id).unwrap();
    let retry = world.imports.retry(world.asker(), &run, None).await.unwrap();
    world.settle().await;
    let retry = world.shown(&retry).await;
    assert_eq!((retry.cost.catalogue_writes, stale(&retry)), (2, None), "{:?}", codes(&retry));
    assert!(is_repaired(&world, &mine).await);
}

#[tokio::test]
async fn one_warehouse_cannot_take_two_places() {
    let world = World::stocked().await;
    world.source.put(Feed::Locations, source::location(3, "Main"));
    world.run().await;
    let mine = own(&world, 12, "Main");
    let preview = world.preview().await;
    // The two locations share a name as well: each says so once.
    assert_eq!(codes(&preview).get("LOC_DUPLICATE_SUSPECT"), Some(&2));
    let both = [link(1, id(&world, &mine)), link(3, id(&world, &mine))];
    assert_eq!(decide(&world, &preview.run_id, &both).await, Err("adopted_twice"));
    assert_eq!(decide(&world, &preview.run_id, &both[..1]).await, Ok(1));
    assert_eq!(decide(&world, &preview.run_id, &both[1..]).await, Err("adopted_twice"));
    carry_out(&world, &preview).await;
    assert!(is_repaired(&world, &mine).await);
    let other = world.stored(Kind::Warehouse, 3).unwrap();
    assert_eq!((other.standing, other.local), (Standing::Active, None));
}

#[tokio::test]
async fn only_a_warehouse_of_the_same_store_that_was_shown_can_be_named() {
    let (world, mine) = duplicated().await;
    let two = store("two");
    let stranger = world.catalog.add_local(&two, Kind::Warehouse, 12, |r| r.set("name", json!("Main")));
    let elsewhere = own(&world, 13, "Elsewhere");
    let preview = world.preview().await;
    let imported = world.key(Kind::Warehouse, 2).internal_id(&world.store);
    for internal_id in [stranger.unwrap().internal_id(&two), id(&world, &elsewhere), imported] {
        let decided = decide(&world, &preview.run_id, &[link(1, internal_id)]).await;
        assert_eq!(decided, Err("not_proposed"));
    }
    // A location that is a warehouse already cannot become another one.
    let new = Decision::CreateWarehouse { external_id: ExternalId(1) };
    assert_eq!(decide(&world, &preview.run_id, &[new]).await, Err("nothing_to_decide"));
    let unlisted = decide(&world, &preview.run_id, &[link(2, id(&world, &mine))]).await;
    assert_eq!(unlisted, Err("unknown_record"));
}

#[tokio::test]
async fn undo_puts_both_back_as_they_were() {
    let (world, mine) = duplicated().await;
    let before = world.catalog.dump_with(Shown::default());
    let preview = previewed(&world, &mine).await;
    let run = carry_out(&world, &preview).await;
    let undo = world.undo(&run.run_id).await;
    assert_eq!((undo.status, undo.cost.catalogue_writes), (RunState::Completed, 2), "{:?}", codes(&undo));
    assert!(world.catalog.dump_with(Shown::default()) == before);
    assert!(is_untouched(&world, &mine).await);
    // And once more from the beginning.
    let preview = previewed(&world, &mine).await;
    carry_out(&world, &preview).await;
    assert!(is_repaired(&world, &mine).await);
}

#[tokio::test]
async fn undo_leaves_both_where_one_of_them_was_edited_since() {
    for archived in [true, false] {
        let (world, mine) = duplicated().await;
        let preview = previewed(&world, &mine).await;
        let run = carry_out(&world, &preview).await;
        let edited = if archived { imported_one(&world).await } else { ours(&world, &mine) };
        let mut record = edited.record.clone();
        record.set("name", json!("Edited"));
        edit(&world, &edited, Edit::Change(record)).await;
        let before = world.catalog.dump();
        let undo = world.undo(&run.run_id).await;
        assert_eq!(codes(&undo).get("UNDO_SKIPPED_EDITED"), Some(&1), "{:?}", codes(&undo));
        assert!(world.catalog.dump() == before, "archived {archived}");
        assert!(is_repaired(&world, &mine).await);
    }
}

#[tokio::test]
async fn the_archived_one_still_leads_to_the_other_when_it_is_deleted_here() {
    let (world, mine) = duplicated().await;
    let preview = previewed(&world, &mine).await;
    carry_out(&world, &preview).await;
    edit(&world, &imported_one(&world).await, Edit::Delete).await;
    assert!(is_repaired(&world, &mine).await);
    let all = rows(&world, Resource::Warehouses, StandingFilter::All).await;
    assert!(all.iter().all(|row| row.standing != "replaced"), "{all:?}");
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
}

#[tokio::test]
async fn an_imported_one_that_was_deleted_here_gives_its_place_too() {
    let (world, mine) = duplicated().await;
    edit(&world, &world.stored(Kind::Warehouse, 1).unwrap(), Edit::Delete).await;
    let before = world.catalog.dump_with(Shown::default());
    let preview = previewed(&world, &mine).await;
    let run = carry_out(&world, &preview).await;
    assert!(is_repaired(&world, &mine).await, "{:?}", codes(&run));
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
    world.undo(&run.run_id).await;
    assert!(world.catalog.dump_with(Shown::default()) == before);
}

#[tokio::test]
async fn a_crash_at_any_call_from_the_first_on_the_pair_leaves_what_a_clean_run_leaves() {
    let left = async |fault: Option<(usize, Fault)>| {
        let world = World::new().await;
        world.source.put(Feed::Products, source::product(3, "Mug", 1, &[1]));
        world.run().await;
        let mine = own(&world, 12, "Main");
        let preview = previewed(&world, &mine).await;
        let run = world.start(false, Some(&preview.run_id)).await;
        world.faults.revive();
        if let Some((call, fault)) = fault {
            world.faults.at(call, fault);
        }
        for _ in 0..10_000 {
            if world.faults.is_dead() {
                world.faults.restart();
            }
            match world.queue.pop_or_wait() {
                Some(waiting) => world.deliver(waiting).await,
                None => break,
            }
        }
        let calls = world.faults.calls();
        world.faults.revive();
        let shown = world.shown(&run).await;
        let numbers = format!("{:?} {:?} {}", shown.status, shown.counts, shown.cost.catalogue_writes);
        (world.catalog.dump(), numbers, calls, is_repaired(&world, &mine).await)
    };
    let clean = left(None).await;
    assert!(clean.3 && clean.2.contains(&"catalog.put_both"));
    let first = clean.2.iter().position(|call| *call == "catalog.find").unwrap();
    for call in first..clean.2.len() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter] {
            let struck = left(Some((call, fault))).await;
            assert_eq!(
                (&struck.0, &struck.1),
                (&clean.0, &clean.1),
                "{fault:?} at {call}: {}",
                clean.2[call]
            );
        }
    }
}

#[tokio::test]
async fn of_many_who_give_it_the_place_at_once_one_does() {
    let (world, mine) = duplicated().await;
    let (imported, made) = (world.stored(Kind::Warehouse, 1).unwrap(), ours(&world, &mine));
    let taken = StoredRecord {
        key: imported.key,
        local: Some(mine.external_id),
        version: made.version + 1,
        ..made.clone()
    };
    let standing = Standing::Replaced { by: mine.external_id };
    let replaced = StoredRecord { standing, version: imported.version + 1, ..imported };
    let puts = (0..4)
        .map(async |_| world.catalog.put_both(&world.store, [&taken, &replaced], &mut Cost::default()).await);
    let puts = futures::future::join_all(puts).await;
    assert_eq!(puts.iter().filter(|put| put.is_ok()).count(), 1);
    assert_eq!(puts.iter().filter(|put| matches!(put, Err(PortError::Conflict))).count(), 3);
    assert!(is_repaired(&world, &mine).await);
}
