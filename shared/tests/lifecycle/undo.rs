//! Taking runs back: import.md §2.9.

use std::time::Duration;

use serde_json::json;
use shared::app::import::shown::{ShownRecord, ShownRun};
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::OnMissing;
use shared::domain::plan::Outcome;
use shared::domain::record::{Child, Kind, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::testkit::catalog::Shown;
use shared::testkit::source;

use crate::world::{World, codes, of};

fn id(run: &ShownRun) -> RunId {
    RunId::parse(&run.run_id).unwrap()
}

/// Product 11, which the second run made, stands in a category that the merchant changed afterwards.
async fn with_a_product_in_use() -> (World, ShownRun) {
    let world = World::stocked().await;
    world.run().await;
    world.source.put(Feed::Products, source::product(11, "New", 1, &[1]));
    world.set(Feed::Products, 11, "status", "ACTIVE");
    world.source.put(Feed::Collections, source::collection(501, "Few", &[3, 1, 11]));
    let run = world.run().await;
    let key = world.key(Kind::Category, 501);
    world.catalog.edit(&world.store, &key, |record| record.set("title", json!("Mine"))).unwrap();
    (world, run)
}

#[tokio::test]
async fn what_the_run_made_and_others_use_is_archived_and_comes_back_by_an_import() {
    let (world, run) = with_a_product_in_use().await;
    let undo = world.undo(&run.run_id).await;
    assert_eq!(undo.status, RunState::CompletedWithWarnings);
    assert_eq!(codes(&undo).get("UNDO_ARCHIVED_USED"), Some(&1));
    assert_eq!(codes(&undo).get("UNDO_SKIPPED_EDITED"), Some(&1), "the category");
    assert_eq!(of(&undo, Resource::Products, Outcome::Removed), 0);
    let product = world.stored(Kind::Product, 11).unwrap();
    assert_eq!(product.record.get("status"), &json!("ARCHIVED"));
    let listed: Vec<ShownRecord> = world.records(&undo.run_id).await;
    let archived = listed.iter().find(|record| record.external_id == "11" && record.label == "New").unwrap();
    assert_eq!((archived.outcome, archived.applied), (Outcome::Updated, true));
    assert_eq!(archived.diff[0].after, json!("ARCHIVED"));
    assert!(world.stored(Kind::Stock, 11).is_none(), "nobody points to its stock");

    let again = world.run().await;
    assert_eq!(of(&again, Resource::Products, Outcome::Restored), 1);
    let product = world.stored(Kind::Product, 11).unwrap();
    assert_eq!((product.standing, product.record.get("status")), (Standing::Active, &json!("ACTIVE")));
}

#[tokio::test]
async fn a_category_made_here_that_names_a_product_uses_it() {
    let world = World::stocked().await;
    let run = world.run().await;
    let used = world.key(Kind::Product, 4).internal_id(&world.store).to_string();
    world
        .catalog
        .add_local(&world.store, Kind::Category, 1, |record| {
            record.children[0] = vec![Child { id: used, values: Vec::new(), missing_since: None }];
        })
        .unwrap();
    let undo = world.undo(&run.run_id).await;
    assert_eq!(codes(&undo).get("UNDO_ARCHIVED_USED"), Some(&1));
    assert_eq!(of(&undo, Resource::Products, Outcome::Removed), 9);
    let left = world.stored(Kind::Product, 4).unwrap();
    assert!(matches!(left.standing, Standing::Missing { done: OnMissing::Archive, .. }));
}

#[tokio::test]
async fn a_warehouse_with_stock_that_stays_is_archived() {
    let world = World::stocked().await;
    let run = world.run().await;
    let key = world.key(Kind::Stock, 2);
    world.catalog.edit(&world.store, &key, |record| record.children[0].truncate(1)).unwrap();
    let level = world.stored(Kind::Stock, 2).unwrap().record.children[0][0].id.clone();
    let location: u64 = level.split_once(':').unwrap().1.parse().unwrap();
    let undo = world.undo(&run.run_id).await;
    assert_eq!(codes(&undo).get("UNDO_ARCHIVED_USED"), Some(&1));
    let warehouse = world.stored(Kind::Warehouse, location).unwrap();
    assert_eq!(warehouse.record.get("active"), &json!(false));
    let other = if location == 1 { 2 } else { 1 };
    assert!(world.stored(Kind::Warehouse, other).is_none(), "no stock lies there");
}

#[tokio::test]
async fn undo_over_an_edited_store_puts_back_the_rest_byte_for_byte() {
    let world = World::stocked().await;
    world.run().await;
    let before = world.catalog.dump_with(Shown::default());
    for n in 1..=10 {
        world.set(Feed::Products, n, "title", &format!("Changed {n}"));
    }
    world.source.take(Feed::Collections, 501);
    for n in 11..=14 {
        world.source.put(Feed::Products, source::product(n, "New", 1, &[1]));
    }
    let run = world.run().await;
    let edited = [2, 5, 12];
    for n in edited {
        let key = world.key(Kind::Product, n);
        world.catalog.edit(&world.store, &key, |record| record.set("vendor", json!("mine"))).unwrap();
    }
    let undo = world.undo(&run.run_id).await;
    let skipped: Vec<ShownRecord> = world.records(&undo.run_id).await;
    let skipped = skipped.iter().filter(|r| r.codes.iter().any(|c| c.as_str() == "UNDO_SKIPPED_EDITED"));
    let skipped: std::collections::BTreeSet<&str> = skipped.map(|r| r.external_id.as_str()).collect();
    assert_eq!(skipped, ["12", "2", "5"].into());
    let now = world.catalog.dump_with(Shown::default());
    let of_edited = |line: &&str| {
        edited.iter().any(|n| line.contains(&format!("\"external_id\":{n},")) && line.contains("\"product\""))
    };
    let rest =
        |dump: &str| dump.lines().filter(|line| !of_edited(line)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rest(&now), rest(&before));
    assert_eq!(world.stored(Kind::Product, 5).unwrap().record.get("title"), &json!("Changed 5"));
}

#[tokio::test]
async fn an_import_can_be_taken_back_for_thirty_days() {
    let world = World::stocked().await;
    let run = world.run().await;
    world.clock.advance(Duration::from_secs(30 * 24 * 3600));
    let early = world.imports.undo(world.asker(), &id(&run), None).await.unwrap();
    world.imports.cancel(&world.store, ProviderId::Shopify, &early).await.unwrap();
    world.settle().await;
    world.clock.advance(Duration::from_secs(1));
    let late = world.imports.undo(world.asker(), &id(&run), None).await.unwrap_err();
    assert_eq!(late.code, "undo_expired");
}

#[tokio::test]
async fn an_undo_that_was_stopped_can_be_finished_by_another() {
    let mut stopped_midway = 0;
    for deliveries in 0..12 {
        let world = World::stocked().await;
        let run = world.run().await;
        let undo = world.imports.undo(world.asker(), &id(&run), None).await.unwrap();
        for _ in 0..deliveries {
            if let Some(waiting) = world.queue.pop_or_wait() {
                world.deliver(waiting).await;
            }
        }
        if world.imports.cancel(&world.store, ProviderId::Shopify, &undo).await.is_err() {
            break;
        }
        world.settle().await;
        let ended = world.shown(&undo).await.status;
        if ended != RunState::Cancelled {
            continue;
        }
        stopped_midway += usize::from(world.catalog.all(&world.store).len() < 34);
        assert_eq!(world.shown(&id(&run)).await.undone_by, None, "after {deliveries}");
        world.undo(&run.run_id).await;
        assert!(world.catalog.all(&world.store).is_empty(), "after {deliveries}");
    }
    assert!(stopped_midway > 2, "{stopped_midway}");
}
