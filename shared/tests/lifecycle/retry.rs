//! Retrying what failed, and nothing else.

use serde_json::json;
use shared::app::import::requests::StartRun;
use shared::app::import::shown::ShownRun;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource, Standing};
use shared::domain::run::{Feed, RunKind, RunState};
use shared::testkit::catalog::Shown;
use shared::testkit::source;

use crate::world::{World, of, store};

fn id(run: &ShownRun) -> RunId {
    RunId::parse(&run.run_id).unwrap()
}

async fn retry(world: &World, run: &ShownRun) -> Result<ShownRun, &'static str> {
    let begun = world.imports.retry(world.asker(), &id(run), None).await.map_err(|error| error.code)?;
    world.settle().await;
    Ok(world.shown(&begun).await)
}

/// An import in which product 5 arrived without all of its parts, and which the shop has mended since.
async fn with_a_failed_record() -> (World, ShownRun) {
    let world = World::stocked().await;
    // No category names it, so that an undo may delete it.
    let others: Vec<u64> = (1..=10).filter(|id| *id != 5).collect();
    world.source.put(Feed::Collections, source::collection(500, "All", &others));
    world.source.change(Feed::Products, 5, |item| item.truncated = true);
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Products, Outcome::Failed), 1);
    world.source.change(Feed::Products, 5, |item| item.truncated = false);
    (world, run)
}

#[tokio::test]
async fn only_what_failed_is_read_anew_and_written() {
    let (world, run) = with_a_failed_record().await;
    world.set(Feed::Products, 6, "title", "Changed since");
    world.source.take(Feed::Products, 7);
    world.source.take(Feed::Metafields, 7);
    let before = world.catalog.dump_with(Shown::default());
    let again = retry(&world, &run).await.unwrap();
    assert_eq!((again.kind, again.status), (RunKind::Retry, RunState::Completed), "{:?}", again.failure);
    assert_eq!(again.of_run.as_deref(), Some(run.run_id.as_str()));
    assert_eq!(of(&again, Resource::Products, Outcome::Created), 1);
    assert_eq!(again.counts.received(Resource::Products), 1);
    assert_eq!(again.cost.catalogue_writes, 2, "the product and its stock");
    assert!(world.stored(Kind::Product, 5).is_some() && world.stored(Kind::Stock, 5).is_some());
    assert_eq!(world.stored(Kind::Product, 6).unwrap().record.get("title"), &json!("Product 6"));
    assert_eq!(world.stored(Kind::Product, 7).unwrap().standing, Standing::Active);
    let sums = world.imports.reconciliation(&world.store, ProviderId::Shopify, &id(&again)).await.unwrap();
    assert!(sums.closes, "{sums:?}");

    assert_eq!(retry(&world, &again).await.unwrap_err(), "nothing_to_retry");
    assert_eq!(world.undo(&again.run_id).await.status, RunState::Completed);
    assert_eq!(world.catalog.dump_with(Shown::default()), before);
}

#[tokio::test]
async fn what_fails_again_can_be_retried_again() {
    let (world, run) = with_a_failed_record().await;
    world.source.change(Feed::Products, 5, |item| item.truncated = true);
    let second = retry(&world, &run).await.unwrap();
    assert_eq!(second.status, RunState::CompletedWithWarnings);
    assert_eq!(of(&second, Resource::Products, Outcome::Failed), 1);
    world.source.change(Feed::Products, 5, |item| item.truncated = false);
    assert_eq!(of(&retry(&world, &second).await.unwrap(), Resource::Products, Outcome::Created), 1);
}

#[tokio::test]
async fn what_moved_after_the_preview_is_taken_up() {
    let world = World::stocked().await;
    world.run().await;
    world.set(Feed::Products, 4, "title", "Renamed");
    let preview = world.preview().await;
    world.set(Feed::Products, 4, "title", "Renamed again");
    world.set(Feed::Products, 6, "title", "Never shown");
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(of(&run, Resource::Products, Outcome::Blocked), 2);
    let again = retry(&world, &run).await.unwrap();
    assert_eq!(of(&again, Resource::Products, Outcome::Updated), 2);
    let title = |id| world.stored(Kind::Product, id).unwrap().record.get("title").clone();
    assert_eq!([title(4), title(6)], [json!("Renamed again"), json!("Never shown")]);
}

#[tokio::test]
async fn what_moved_between_planning_and_writing_is_taken_up() {
    let world = World::stocked().await;
    world.run().await;
    for n in [4, 5] {
        world.set(Feed::Products, n, "title", "Renamed");
    }
    let preview = world.preview().await;
    let run = world.start(false, Some(&preview.run_id)).await;
    while world.shown(&run).await.status != RunState::Applying {
        let waiting = world.queue.pop_or_wait().unwrap();
        world.deliver(waiting).await;
    }
    let key = world.key(Kind::Product, 4);
    world.catalog.edit(&world.store, &key, |record| record.set("vendor", json!("mine"))).unwrap();
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(of(&run, Resource::Products, Outcome::Blocked), 1, "told when it was to be written");
    let again = retry(&world, &run).await.unwrap();
    assert_eq!((of(&again, Resource::Products, Outcome::Updated), again.cost.catalogue_writes), (1, 1));
    let record = world.stored(Kind::Product, 4).unwrap().record;
    assert_eq!([record.get("title"), record.get("vendor")], [&json!("Renamed"), &json!("mine")]);
}

#[tokio::test]
async fn refuses_where_there_is_nothing_to_retry_or_the_run_goes_on() {
    let world = World::stocked().await;
    let (run, preview) = (world.run().await, world.preview().await);
    for clean in [&run, &preview] {
        assert_eq!(retry(&world, clean).await.unwrap_err(), "nothing_to_retry");
    }
    let undo = world.undo(&run.run_id).await;
    assert_eq!(retry(&world, &undo).await.unwrap_err(), "nothing_to_retry");
    assert_eq!(retry(&world, &run).await.unwrap_err(), "already_undone");
    let going = world.start(false, None).await;
    let refused = world.imports.retry(world.asker(), &going, None).await.unwrap_err();
    assert_eq!(refused.code, "run_active");
    let unknown = RunId::new(uuid::Uuid::from_u128(999));
    let two = store("two");
    let stranger = shared::app::import::requests::Asker { store: &two, ..world.asker() };
    let theirs = world.imports.retry(stranger, &going, None).await.unwrap_err();
    let nobodys = world.imports.retry(world.asker(), &unknown, None).await.unwrap_err();
    assert_eq!((theirs.code, &theirs.detail), ("not_found", &nobodys.detail));
}

#[tokio::test]
async fn the_same_key_begins_one_retry_and_another_run_waits() {
    let (world, run) = with_a_failed_record().await;
    let begin = async || world.imports.retry(world.asker(), &id(&run), Some("key")).await.unwrap();
    let first = begin().await;
    assert_eq!(begin().await, first);
    let other = world.imports.start(world.asker(), StartRun::default(), None).await.unwrap_err();
    assert_eq!(other.code, "run_active");
    let reused = world.imports.undo(world.asker(), &id(&run), Some("key")).await.unwrap_err();
    assert_eq!(reused.code, "idempotency_key_reused");
    world.settle().await;
    assert_eq!(begin().await, first);
    assert_eq!(world.landed(), world.source.counts());
}
