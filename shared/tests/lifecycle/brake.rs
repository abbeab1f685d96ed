//! The brake: import.md §2.4.

use std::time::Duration;

use shared::app::import::requests::StartRun;
use shared::app::sweep::Sweep;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::MassMissing;
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::ports::metrics::Metric;
use shared::ports::time::Clock as _;
use shared::testkit::hooks::FakeWebhookQueue;
use shared::testkit::source;

use crate::world::{World, codes, of};

const SHOPIFY: ProviderId = ProviderId::Shopify;

/// Sixty products are stored and forty of them are gone from the shop, beside one that is new.
async fn cleared() -> World {
    let world = World::new().await;
    for id in 1..=60 {
        world.source.put(Feed::Products, source::product(id, "P", 1, &[1]));
    }
    world.run().await;
    for id in 1..=40 {
        world.source.take(Feed::Products, id);
    }
    world.source.put(Feed::Products, source::product(99, "New", 1, &[1]));
    world
}

async fn decide(world: &World, run: &str, answer: MassMissing) -> Result<RunState, &'static str> {
    let id = RunId::parse(run).unwrap();
    let decided = world.imports.decide_missing(&world.store, SHOPIFY, &id, answer).await;
    decided.map(|run| run.status).map_err(|error| error.code)
}

fn standing(world: &World, id: u64) -> Standing {
    world.stored(Kind::Product, id).unwrap().standing
}

fn sweeper(world: &World) -> Sweep {
    Sweep {
        access: world.step.access.clone(),
        runs: world.step.runs.clone(),
        queue: world.step.queue.clone(),
        webhooks: std::sync::Arc::new(FakeWebhookQueue::default()),
    }
}

#[tokio::test]
async fn a_mass_of_missing_records_holds_an_import_before_it_writes() {
    let world = cleared().await;
    let before = world.catalog.dump();
    let run = world.run().await;
    assert_eq!((run.status, run.cost.catalogue_writes), (RunState::AwaitingDecision, 0));
    assert_eq!(codes(&run).get("MISS_MASS_BRAKE"), Some(&40));
    assert_eq!(of(&run, Resource::Products, Outcome::Missing), 40);
    assert!(run.decide_by.is_some() && run.finished_at.is_none());
    assert_eq!(world.catalog.dump(), before);
    let next = world.imports.start(world.asker(), StartRun::default(), None).await.unwrap_err();
    assert_eq!(next.code, "run_active", "it keeps the lock");
    let listed = world.records(&run.run_id).await;
    let held = listed.iter().filter(|record| record.codes.iter().any(|c| c.as_str() == "MISS_MASS_BRAKE"));
    assert_eq!(held.filter(|record| !record.applied).count(), 40 * 2, "each product with its stock");
}

#[tokio::test]
async fn what_is_said_to_be_gone_is_marked_and_the_rest_applied() {
    let world = cleared().await;
    let run = world.run().await;
    assert_eq!(decide(&world, &run.run_id, MassMissing::Mark).await, Ok(RunState::Applying));
    // Said twice, it is the same.
    assert_eq!(decide(&world, &run.run_id, MassMissing::Mark).await, Ok(RunState::Applying));
    world.settle().await;
    let ended = world.shown(&RunId::parse(&run.run_id).unwrap()).await;
    assert_eq!(ended.status, RunState::CompletedWithWarnings);
    assert_eq!(of(&ended, Resource::Products, Outcome::Missing), 40);
    assert_eq!(of(&ended, Resource::Products, Outcome::Created), 1);
    assert_eq!(ended.mass_missing, Some(MassMissing::Mark));
    assert!(matches!(standing(&world, 1), Standing::Missing { .. }));
    assert_eq!(world.landed(), world.source.counts());
    assert_eq!(decide(&world, &run.run_id, MassMissing::Leave).await, Err("nothing_to_decide"));
    assert_eq!(world.run().await.status, RunState::Completed, "the marked are no news");
}

#[tokio::test]
async fn what_is_to_be_left_stays_as_it_is_and_is_listed_as_left() {
    let world = cleared().await;
    let before = world.stored(Kind::Product, 1);
    let run = world.run().await;
    assert_eq!(decide(&world, &run.run_id, MassMissing::Leave).await, Ok(RunState::Applying));
    world.settle().await;
    let ended = world.shown(&RunId::parse(&run.run_id).unwrap()).await;
    assert_eq!(ended.status, RunState::CompletedWithWarnings);
    assert_eq!(of(&ended, Resource::Products, Outcome::Missing), 0);
    assert_eq!(of(&ended, Resource::Products, Outcome::Created), 1);
    assert_eq!(world.stored(Kind::Product, 1), before);
    assert!(world.stored(Kind::Product, 99).is_some());
    let left = world.records(&run.run_id).await.into_iter().filter(|r| r.outcome == Outcome::Blocked);
    assert_eq!(left.filter(|record| !record.applied).count(), 40 * 2);
    let id = RunId::parse(&run.run_id).unwrap();
    assert!(world.imports.reconciliation(&world.store, SHOPIFY, &id).await.unwrap().closes);
}

#[tokio::test]
async fn an_answer_to_the_preview_spares_the_question() {
    for (answer, state, missing) in [
        (None, RunState::AwaitingDecision, 40),
        (Some(MassMissing::Mark), RunState::CompletedWithWarnings, 40),
        (Some(MassMissing::Leave), RunState::CompletedWithWarnings, 0),
    ] {
        let world = cleared().await;
        let preview = world.preview().await;
        assert_eq!(preview.status, RunState::AwaitingReview);
        assert_eq!(codes(&preview).get("MISS_MASS_BRAKE"), Some(&40));
        if let Some(answer) = answer {
            assert_eq!(decide(&world, &preview.run_id, answer).await, Ok(RunState::AwaitingReview));
        }
        let run = world.start(false, Some(&preview.run_id)).await;
        world.settle().await;
        let run = world.shown(&run).await;
        assert_eq!(run.status, state, "{answer:?}");
        assert_eq!(of(&run, Resource::Products, Outcome::Missing), missing, "{answer:?}");
    }
}

#[tokio::test]
async fn only_a_run_that_was_held_takes_an_answer() {
    let world = World::stocked().await;
    for run in [world.run().await, world.preview().await] {
        assert_eq!(decide(&world, &run.run_id, MassMissing::Leave).await, Err("nothing_to_decide"));
    }
    let world = cleared().await;
    let run = world.run().await;
    let id = RunId::parse(&run.run_id).unwrap();
    let other = crate::world::store("two");
    let stranger = world.imports.decide_missing(&other, SHOPIFY, &id, MassMissing::Leave).await;
    assert_eq!(stranger.unwrap_err().code, "not_found");
    let cancelled = world.imports.cancel(&world.store, SHOPIFY, &id).await.unwrap();
    assert_eq!(cancelled.status, RunState::Cancelled, "at once");
    assert_eq!(decide(&world, &run.run_id, MassMissing::Mark).await, Err("nothing_to_decide"));
    assert_eq!(world.run().await.status, RunState::AwaitingDecision, "the lock is free");
}

#[tokio::test]
async fn of_two_answers_at_once_one_counts() {
    let world = cleared().await;
    let run = world.run().await;
    let (mark, leave) = tokio::join!(
        decide(&world, &run.run_id, MassMissing::Mark),
        decide(&world, &run.run_id, MassMissing::Leave)
    );
    assert_eq!([mark, leave].iter().filter(|answer| answer.is_ok()).count(), 1, "{mark:?} {leave:?}");
    world.settle().await;
    let ended = world.shown(&RunId::parse(&run.run_id).unwrap()).await;
    let missing = if mark.is_ok() { 40 } else { 0 };
    assert_eq!(of(&ended, Resource::Products, Outcome::Missing), missing);
}

#[tokio::test]
async fn a_run_that_waits_is_not_stalled_and_ends_when_nobody_decides() {
    let world = cleared().await;
    let run = world.run().await;
    let id = RunId::parse(&run.run_id).unwrap();
    let sweep = sweeper(&world);
    let day = Duration::from_secs(24 * 3600);
    for _ in 0..6 {
        world.clock.advance(day);
        sweep.sweep(world.clock.now() + day).await;
        assert_eq!(world.shown(&id).await.status, RunState::AwaitingDecision);
    }
    world.clock.advance(Duration::from_secs(60));
    sweep.sweep(world.clock.now() + day).await;
    assert_eq!(world.metrics.sum(Metric::StalledRuns), 0);
    let ended = world.shown(&id).await;
    assert_eq!(ended.status, RunState::Failed);
    assert_eq!(ended.failure.unwrap().code.as_str(), "MISS_MASS_BRAKE");
    assert_eq!(ended.cost.catalogue_writes, 0);
    assert_eq!(world.run().await.status, RunState::AwaitingDecision, "the lock is free");
}

#[tokio::test]
async fn runs_that_wait_hide_no_stalled_one() {
    let world = World::stocked().await;
    let first = world.start(false, None).await;
    let mut held = world.step.runs.load(&world.store, SHOPIFY, &first).await.unwrap().unwrap();
    held.state = RunState::AwaitingDecision;
    let day = Duration::from_secs(24 * 3600);
    for number in 0..250_u32 {
        held.store = crate::world::store(&format!("waits-{number}"));
        held.id = RunId::new(uuid::Uuid::from_u128(u128::from(number) + 1));
        world.step.runs.begin(&held, None).await.unwrap();
    }
    world.clock.advance(day);
    let mut stalled = held.clone();
    stalled.state = RunState::Applying;
    stalled.store = crate::world::store("stalled");
    stalled.created_at = world.clock.now() - Duration::from_secs(3600);
    stalled.updated_at = stalled.created_at;
    stalled.id = RunId::new(uuid::Uuid::from_u128(1 << 100));
    world.step.runs.begin(&stalled, None).await.unwrap();
    world.imports.cancel(&world.store, SHOPIFY, &first).await.unwrap();
    let swept = sweeper(&world).sweep(world.clock.now() + day).await;
    assert_eq!(swept.stalled_runs, 1);
}
