//! Runs from beginning to end, on fakes: import.md §2, §4, §6 and the promises P8–P10 of one process.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::time::Duration;

use serde_json::json;
use shared::app::import::requests::StartRun;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::{AskedOptions, NegativeStock, OnMissing, RunOptions};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::ports::queue::{Step, StepMessage, StepQueue};
use shared::testkit::catalog::Shown;
use shared::testkit::faults::Fault;
use shared::testkit::source::{self, Letdown};
use world::{World, codes, of};

#[tokio::test]
async fn what_the_shop_has_is_what_lands() {
    let world = World::stocked().await;
    let run = world.run().await;
    assert_eq!(run.status, RunState::Completed, "{:?}", run.failure);
    assert_eq!(world.landed(), world.source.counts());
    for (resource, n) in world.source.counts() {
        assert_eq!(of(&run, resource, Outcome::Created), n, "{resource:?}");
    }
    assert!(run.cost.catalogue_writes == 10 + 10 + 10 + 2 + 2, "{:?}", run.cost);
    let sums = world
        .imports
        .reconciliation(&world.store, ProviderId::Shopify, &RunId::parse(&run.run_id).unwrap())
        .await
        .unwrap();
    assert!(sums.closes, "{sums:?}");
    assert!(sums.feeds.iter().all(|feed| feed.announced == feed.read), "{sums:?}");
}

/// The shop's word that a feed is finished makes the run look, wherever the step that asks for its feeds is just then.
#[tokio::test]
async fn a_run_reads_nothing_before_it_has_asked_for_every_feed() {
    for call in 0.. {
        let world = World::stocked().await;
        let run = world.start(false, None).await;
        let asks = world.queue.pop_or_wait().unwrap();
        world.faults.revive();
        world.faults.at(call, Fault::CrashBefore);
        world.deliver(asks.clone()).await;
        if world.faults.struck() == 0 {
            assert!(call > 10, "{call} calls");
            return;
        }
        world.faults.restart();
        // What died comes again in half a minute; the word of the shop is sooner.
        let looks = StepMessage { step: Step::Poll { hop: 0 }, ..asks.message };
        world.queue.send(&[looks], Duration::ZERO).await.unwrap();
        world.settle().await;
        let run = world.shown(&run).await;
        assert_eq!(run.status, RunState::Completed, "call {call}: {:?}", run.failure);
        assert_eq!(world.landed(), world.source.counts(), "call {call}");
    }
}

#[tokio::test]
async fn an_unchanged_rerun_writes_no_record_and_reads_the_file_once() {
    let world = World::stocked().await;
    world.run().await;
    let before = world.catalog.dump();
    let opened = world.faults.count("open_range");
    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0));
    assert_eq!(of(&rerun, Resource::Products, Outcome::Unchanged), 10);
    assert_eq!(of(&rerun, Resource::Stock, Outcome::Unchanged), 40);
    assert_eq!(world.catalog.dump(), before);
    let chunks = 3 + 3 + 1;
    assert_eq!(world.faults.count("open_range") - opened, chunks);
    let per_product = rerun.cost.read_units / 10.0;
    // Three chunks of products read the page of locations: much for ten products, little for the thousands of a chunk.
    // So is looking whether a warehouse stands for each of two locations, and each of nine chunks for a checkpoint.
    let pages = 1.0 + 3.0 / 10.0 + 2.0 / 10.0 + 9.0 / 10.0;
    assert!(per_product <= 2.0 + pages, "{per_product} read units a product, pages of the run included");
}

#[tokio::test]
async fn a_preview_writes_no_record_and_the_run_from_it_writes_what_it_showed() {
    let world = World::stocked().await;
    world.run().await;
    world.set(Feed::Products, 4, "title", "Renamed");
    world.set(Feed::Collections, 500, "title", "Everything");
    let before = world.catalog.dump();
    let preview = world.preview().await;
    assert_eq!((preview.status, preview.cost.catalogue_writes), (RunState::AwaitingReview, 0));
    assert_eq!(world.catalog.dump(), before);

    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!((run.status, run.cost.catalogue_writes), (RunState::Completed, 2));
    let shown = |records: Vec<shared::app::import::shown::ShownRecord>| {
        records.into_iter().map(|r| (r.internal_id, r.outcome, r.diff)).collect::<Vec<_>>()
    };
    let (promised, written) = (world.records(&preview.run_id).await, world.records(&run.run_id).await);
    assert!(promised.iter().all(|record| !record.applied) && written.iter().all(|record| record.applied));
    assert_eq!(shown(promised), shown(written));
    assert_eq!(world.stored(Kind::Product, 4).unwrap().record.get("title"), &json!("Renamed"));
}

#[tokio::test]
async fn what_moved_after_the_preview_is_left_alone_and_listed() {
    let world = World::stocked().await;
    world.run().await;
    world.set(Feed::Products, 4, "title", "Renamed");
    world.set(Feed::Products, 5, "title", "Renamed too");
    let preview = world.preview().await;
    world.set(Feed::Products, 4, "title", "Renamed again");
    world.set(Feed::Products, 6, "title", "Never shown");
    world.source.take(Feed::Products, 7);
    world.source.take(Feed::Metafields, 7);
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(run.status, RunState::CompletedWithWarnings);
    let title = |id| world.stored(Kind::Product, id).unwrap().record.get("title").clone();
    assert_eq!(title(4), json!("Product 4"));
    assert_eq!(title(5), json!("Renamed too"));
    assert_eq!(title(6), json!("Product 6"));
    assert_eq!(world.stored(Kind::Product, 7).unwrap().standing, Standing::Active);
    let stale: Vec<String> = world
        .records(&run.run_id)
        .await
        .into_iter()
        .filter(|record| record.codes.iter().any(|code| code.as_str() == "RUN_PLAN_STALE"))
        .filter(|record| record.resource == Resource::Products)
        .map(|record| record.external_id)
        .collect();
    assert_eq!(stale, ["4", "6", "7"]);
}

#[tokio::test]
async fn a_deleted_product_is_marked_with_its_stock_at_zero_and_comes_back_as_itself() {
    let world = World::stocked().await;
    world.run().await;
    let id = world.stored(Kind::Product, 3).unwrap().key.internal_id(&world.store);
    let (product, fields) = (world.source.take(Feed::Products, 3), world.source.take(Feed::Metafields, 3));
    let gone = world.run().await;
    assert_eq!(gone.status, RunState::CompletedWithWarnings);
    assert_eq!(of(&gone, Resource::Products, Outcome::Missing), 1);
    assert!(codes(&gone).contains_key("MISS_IN_SOURCE"));
    let stored = world.stored(Kind::Product, 3).unwrap();
    assert_eq!(
        stored.standing,
        Standing::Missing { since: RunId::parse(&gone.run_id).unwrap(), done: OnMissing::Keep }
    );
    let stock = world.stored(Kind::Stock, 3).unwrap();
    assert!(stock.record.children[0].iter().all(|level| level.values[3] == json!(0)));
    assert_eq!(world.landed(), world.source.counts());
    assert_eq!(world.run().await.cost.catalogue_writes, 0, "the marked are no news");

    world.source.put(Feed::Products, product.unwrap());
    world.source.put(Feed::Metafields, fields.unwrap());
    let back = world.run().await;
    assert_eq!(of(&back, Resource::Products, Outcome::Restored), 1);
    assert!(codes(&back).contains_key("ID_RESTORED"));
    let stored = world.stored(Kind::Product, 3).unwrap();
    assert_eq!((stored.standing, stored.key.internal_id(&world.store)), (Standing::Active, id));
    assert_eq!(world.landed(), world.source.counts());
}

#[tokio::test]
async fn a_renamed_location_stays_one_warehouse() {
    let world = World::stocked().await;
    world.run().await;
    for field in ["name", "source_name"] {
        world.set(Feed::Locations, 2, field, "Warehouse North");
    }
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Updated), 1);
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Created), 0);
    assert!(codes(&run).contains_key("LOC_RENAMED_SOURCE"), "{:?}", codes(&run));
    assert_eq!(world.landed()[&Resource::Warehouses], 2);
}

#[tokio::test]
async fn a_warehouse_renamed_on_both_sides_keeps_the_merchants_name() {
    let world = World::stocked().await;
    world.run().await;
    let key = world.key(Kind::Warehouse, 2);
    world.catalog.edit(&world.store, &key, |record| record.set("name", json!("My depot"))).unwrap();
    for field in ["name", "source_name"] {
        world.set(Feed::Locations, 2, field, "Warehouse North");
    }
    let run = world.run().await;
    assert!(codes(&run).contains_key("LOC_RENAMED_LOCAL"), "{:?}", codes(&run));
    let stored = world.stored(Kind::Warehouse, 2).unwrap().record;
    assert_eq!(
        (stored.get("name"), stored.get("source_name")),
        (&json!("My depot"), &json!("Warehouse North"))
    );
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
}

#[tokio::test]
async fn an_unlinked_warehouse_of_the_same_name_blocks_creation() {
    let world = World::stocked().await;
    world.catalog.add_local(&world.store, Kind::Warehouse, 1, |r| r.set("name", json!(" main "))).unwrap();
    let run = world.run().await;
    assert_eq!(run.status, RunState::CompletedWithWarnings);
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Blocked), 1);
    assert!(codes(&run).contains_key("LOC_MATCH_AMBIGUOUS"));
    assert!(world.stored(Kind::Warehouse, 1).is_none());
    assert!(world.stored(Kind::Warehouse, 2).is_some());
}

#[tokio::test]
async fn case_10_an_undo_puts_everything_back_but_what_was_edited_since() {
    let world = World::stocked().await;
    world.run().await;
    let before = world.catalog.dump_with(Shown::default());
    world.set(Feed::Products, 1, "title", "Changed");
    world.set(Feed::Products, 2, "title", "Changed too");
    world.source.put(Feed::Products, source::product(11, "New", 1, &[1]));
    let gone = world.source.take(Feed::Products, 9);
    assert!(gone.is_some());
    let rerun = world.run().await;
    let key = world.key(Kind::Product, 2);
    world.catalog.edit(&world.store, &key, |record| record.set("vendor", json!("mine"))).unwrap();
    let undo = world.undo(&rerun.run_id).await;
    assert_eq!(undo.status, RunState::CompletedWithWarnings, "{:?}", undo.failure);
    assert_eq!(of(&undo, Resource::Products, Outcome::Removed), 1);
    assert_eq!(of(&undo, Resource::Products, Outcome::Restored), 2);
    assert_eq!(of(&undo, Resource::Products, Outcome::Blocked), 1);
    assert_eq!(codes(&undo).get("UNDO_SKIPPED_EDITED"), Some(&1));
    assert_eq!(world.stored(Kind::Product, 2).unwrap().record.get("title"), &json!("Changed too"));
    let now = world.catalog.dump_with(Shown::default());
    let differing: Vec<_> = before.lines().filter(|line| !now.contains(*line)).collect();
    assert_eq!(differing.len(), 1, "only the edited record is not as it was: {differing:?}");
    assert!(differing[0].contains("Product 2"));
    let again = world.imports.undo(world.asker(), &RunId::parse(&rerun.run_id).unwrap(), None).await;
    assert_eq!(again.unwrap_err().code, "already_undone");
}

#[tokio::test]
async fn undoing_the_first_import_leaves_nothing() {
    let world = World::stocked().await;
    let run = world.run().await;
    let undo = world.undo(&run.run_id).await;
    assert_eq!(undo.status, RunState::Completed);
    assert!(world.catalog.all(&world.store).is_empty());
    assert_eq!(of(&undo, Resource::Variants, Outcome::Removed), 20);
    assert_eq!(world.run().await.status, RunState::Completed);
    assert_eq!(world.landed(), world.source.counts());
}

#[tokio::test]
async fn case_04_a_shop_that_announces_more_than_it_delivers_changes_nothing() {
    for letdown in [
        Letdown { announce_extra: 1, ..Letdown::default() },
        Letdown { cut_at: Some(9), ..Letdown::default() },
        Letdown { cut_at: Some(0), ..Letdown::default() },
        Letdown { broken: true, ..Letdown::default() },
        Letdown { stalled: true, ..Letdown::default() },
        Letdown { expired: true, ..Letdown::default() },
    ] {
        let world = World::stocked().await;
        world.run().await;
        let before = world.catalog.dump();
        world.source.let_down(letdown.clone());
        let run = world.run().await;
        assert_eq!(run.status, RunState::Failed, "{letdown:?}");
        let failure = run.failure.unwrap();
        assert!(failure.code.as_str().starts_with("SRC_"), "{letdown:?}: {failure:?}");
        assert_eq!(world.catalog.dump(), before, "{letdown:?}");
        assert_eq!(run.cost.catalogue_writes, 0);
        world.source.let_down(Letdown::default());
        assert_eq!(world.run().await.cost.catalogue_writes, 0, "the lock is free and nothing is missing");
    }
}

#[tokio::test]
async fn case_03_children_apart_from_their_parents_are_joined_with_the_same_plan_and_result() {
    let clean = World::stocked().await;
    let planned = clean.preview().await;
    clean.run().await;
    let world = World::stocked().await;
    world.source.let_down(Letdown { ungrouped: true, ..Letdown::default() });
    let preview = world.preview().await;
    assert_eq!(preview.counts, planned.counts);
    assert_eq!(world.records(&preview.run_id).await, clean.records(&planned.run_id).await);
    let run = world.run().await;
    assert_eq!(run.status, RunState::Completed, "{:?}", run.failure);
    assert_eq!(world.catalog.dump(), clean.catalog.dump());
}

#[tokio::test]
async fn a_truncated_product_is_not_written_and_missing_is_not_looked_for() {
    let world = World::stocked().await;
    world.run().await;
    world.source.change(Feed::Products, 5, |item| item.truncated = true);
    world.set(Feed::Products, 5, "title", "Half of it");
    world.source.take(Feed::Products, 6);
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Products, Outcome::Failed), 1);
    assert_eq!(of(&run, Resource::Products, Outcome::Missing), 0);
    let codes = codes(&run);
    assert!(
        codes.contains_key("SRC_CHILD_TRUNCATED") && codes.contains_key("MISS_NOT_EVALUATED"),
        "{codes:?}"
    );
    assert_eq!(world.stored(Kind::Product, 5).unwrap().record.get("title"), &json!("Product 5"));
}

#[tokio::test]
async fn an_empty_shop_is_imported_as_nothing() {
    let world = World::new().await;
    let run = world.run().await;
    assert_eq!(run.status, RunState::Completed, "{:?}", run.failure);
    assert_eq!(world.landed(), world.source.counts());
}

#[tokio::test]
async fn one_run_at_a_time_and_a_repeated_request_is_the_same_run() {
    let world = World::stocked().await;
    let request = || shared::app::import::requests::StartRun::default();
    let first = world.imports.start(world.asker(), request(), Some("key-1")).await.unwrap();
    let same = world.imports.start(world.asker(), request(), Some("key-1")).await.unwrap();
    assert_eq!(first, same);
    let other = world.imports.start(world.asker(), request(), Some("key-2")).await.unwrap_err();
    assert_eq!(other.code, "run_active");
    assert!(other.detail.contains(first.as_str()));
    world.settle().await;
    assert_eq!(world.shown(&first).await.status, RunState::Completed);
    assert_eq!(world.landed(), world.source.counts());
}

#[tokio::test]
async fn a_cancelled_run_stops_wherever_it_is_and_lists_what_it_applied() {
    for deliveries in 0..60 {
        let world = World::stocked().await;
        let run = world.start(false, None).await;
        for _ in 0..deliveries {
            if let Some(waiting) = world.queue.pop_or_wait() {
                world.deliver(waiting).await;
            }
        }
        let Ok(shown) = world.imports.cancel(&world.store, ProviderId::Shopify, &run).await else {
            assert!(world.shown(&run).await.status.is_final());
            continue;
        };
        assert!(shown.status == RunState::Cancelled || shown.cancel_requested);
        world.settle().await;
        let ended = world.shown(&run).await;
        let applied = world.records(ended.run_id.as_str()).await.into_iter().filter(|r| r.applied).count();
        assert_eq!(applied, world.catalog.all(&world.store).len(), "after {deliveries} deliveries");
        assert_eq!(ended.cost.catalogue_writes as usize, applied);
        if ended.status == RunState::Cancelled && applied > 0 {
            assert!(codes(&ended).contains_key("RUN_CANCELLED_PARTIAL"));
        }
        let rerun = world.run().await;
        assert_eq!(rerun.status, RunState::Completed, "the lock is free");
        assert_eq!(world.landed(), world.source.counts());
    }
}

#[tokio::test]
async fn a_foreign_run_is_an_unknown_run() {
    let world = World::stocked().await;
    let run = world.start(true, None).await;
    world.settle().await;
    let other = world::store("two");
    let unknown = RunId::new(uuid::Uuid::from_u128(999));
    for (store, id) in [(&other, &run), (&world.store, &unknown)] {
        let provider = ProviderId::Shopify;
        let get = world.imports.get(store, provider, id).await.unwrap_err();
        let cancel = world.imports.cancel(store, provider, id).await.unwrap_err();
        let records =
            world.imports.records(store, provider, id, &Default::default(), None, 5).await.unwrap_err();
        for error in [get, cancel, records] {
            assert_eq!(
                (error.code, error.detail.as_str()),
                ("not_found", "There is no such thing in this store.")
            );
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_run_is_refused() {
    let world = World::stocked().await;
    let first = world.run().await;
    let run = RunId::parse(&first.run_id).unwrap();
    let provider = ProviderId::Shopify;
    let page =
        world.imports.records(&world.store, provider, &run, &Default::default(), None, 2).await.unwrap();
    let cursor = page.next_cursor.unwrap();
    let second = RunId::parse(&world.run().await.run_id).unwrap();
    for (run, cursor) in [(&second, cursor.as_str()), (&run, "zz"), (&run, "00")] {
        let error =
            world.imports.records(&world.store, provider, run, &Default::default(), Some(cursor), 2).await;
        assert_eq!(error.unwrap_err().code, "invalid_cursor");
    }
}

#[tokio::test]
async fn a_run_shows_its_options_and_one_from_a_preview_has_the_previews() {
    let world = World::stocked().await;
    let asked = AskedOptions { negative_stock: Some(NegativeStock::Clamp), ..AskedOptions::default() };
    let request = StartRun { preview: true, options: asked, ..StartRun::default() };
    let preview = world.imports.start(world.asker(), request, None).await.unwrap();
    world.settle().await;
    let chosen = RunOptions { negative_stock: NegativeStock::Clamp, ..RunOptions::default() };
    assert_eq!(world.shown(&preview).await.options, chosen);
    let request = StartRun { from_preview: Some(preview), ..StartRun::default() };
    let other = AskedOptions { inactive_locations: Some(true), ..AskedOptions::default() };
    let differs = StartRun { options: other, ..request.clone() };
    let refused = world.imports.start(world.asker(), differs, None).await.unwrap_err();
    assert_eq!(refused.code, "options_differ");
    let run = world.imports.start(world.asker(), request, None).await.unwrap();
    world.settle().await;
    assert_eq!(world.shown(&run).await.options, chosen);
}

/// Fewer products make it more, because every run reads its own pages too.
#[tokio::test]
async fn an_unchanged_rerun_of_a_thousand_products_reads_two_units_for_each_at_most() {
    let mut world = World::new().await;
    world.step.chunk_bytes = 250 * source::ITEM_BYTES;
    for id in 1..=1_000 {
        world.source.put(Feed::Products, source::product(id, &format!("Product {id}"), 2, &[1, 2]));
        world.source.put(Feed::Metafields, source::metafields(id, &["a", "b"]));
    }
    world.run().await;
    let before = (world.catalog.spent().read_units, world.runs.spent().read_units);
    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0));
    let of_records = world.catalog.spent().read_units - before.0;
    let of_runs = world.runs.spent().read_units - before.1;
    assert!(of_records + of_runs <= 2_000.0, "{of_records} of records, {of_runs} of the run's own");
}
