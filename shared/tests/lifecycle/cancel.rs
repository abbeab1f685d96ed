//! Stopping a run: what was applied and what was not, to the record.

use std::collections::BTreeSet;

use shared::domain::ids::{ProviderId, RunId};
use shared::domain::plan::Counts;
use shared::domain::record::Kind;
use shared::domain::run::{Feed, Phase, RunState};
use shared::testkit::faults::Fault;
use shared::testkit::source;

use crate::world::World;

/// A shop whose products fill more than one batch of a chunk.
async fn shop() -> World {
    let mut world = World::new().await;
    world.step.chunk_bytes = 60 * source::ITEM_BYTES;
    for id in 1..=130 {
        world.source.put(Feed::Products, source::product(id, "P", 1, &[1]));
    }
    world
}

/// Every record that the run wrote is listed as applied and no other, and the sums are those of the plan.
async fn exact(world: &World, run: &RunId, what: &str) -> usize {
    let stored: BTreeSet<(String, String)> = world
        .catalog
        .all(&world.store)
        .into_iter()
        .filter(|stored| stored.written_run == *run)
        .map(|stored| (stored.key.internal_id(&world.store).to_string(), stored.key.external_id.to_string()))
        .collect();
    let listed = world.records(run.as_str()).await;
    let applied: BTreeSet<_> = listed
        .iter()
        .filter(|record| record.applied)
        .map(|record| (record.internal_id.clone(), record.external_id.clone()))
        .collect();
    assert_eq!(applied, stored, "{what}");
    let shown = world.shown(run).await;
    assert_eq!(shown.cost.catalogue_writes as usize, stored.len(), "{what}");
    let mut planned = Counts::default();
    let provider = ProviderId::Shopify;
    let header = world.step.runs.load(&world.store, provider, run).await.unwrap().unwrap();
    let plan = world.step.runs.receipts(&world.store, run, Phase::Plan, header.generation).await.unwrap();
    if plan.iter().any(|receipt| receipt.chunk.feed == Feed::Missing) {
        plan.iter().for_each(|receipt| planned.merge(&receipt.counts));
        let mut told = shown.counts.clone();
        told.merge(&shown.not_applied);
        assert_eq!(told, planned, "{what}: applied and not applied are what was planned");
    }
    applied.len()
}

#[tokio::test]
async fn a_run_that_is_stopped_anywhere_tells_what_it_applied_to_the_record() {
    let (mut none, mut some, mut all) = (0, 0, 0);
    for deliveries in 0..25 {
        let world = shop().await;
        let run = world.start(false, None).await;
        for _ in 0..deliveries {
            if let Some(waiting) = world.queue.pop_or_wait() {
                world.deliver(waiting).await;
            }
        }
        let stopped = world.imports.cancel(&world.store, ProviderId::Shopify, &run).await.is_ok();
        world.settle().await;
        let applied = exact(&world, &run, &format!("after {deliveries}")).await;
        let cancelled = world.shown(&run).await.status == RunState::Cancelled;
        assert!(stopped || !cancelled);
        match (cancelled, applied) {
            (true, 0) => none += 1,
            (true, _) => some += 1,
            (false, _) => all += 1,
        }
    }
    assert!(none > 2 && some > 2 && all > 2, "{none} {some} {all}");
}

#[tokio::test]
async fn one_that_died_in_the_middle_of_a_chunk_and_is_then_stopped_does_so_too() {
    let writes: Vec<usize> = {
        let world = shop().await;
        world.run().await;
        let calls = world.faults.calls();
        (0..calls.len()).filter(|call| calls[*call] == "catalog.put").collect()
    };
    assert!(writes.len() >= 260, "{}", writes.len());
    let mut midway = 0;
    for call in writes.into_iter().skip(3).step_by(17) {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let world = shop().await;
            world.faults.at(call, fault);
            let run = world.start(false, None).await;
            while !world.faults.is_dead() {
                let Some(waiting) = world.queue.pop_or_wait() else { break };
                world.deliver(waiting).await;
            }
            world.faults.restart();
            let what = format!("{fault:?} at {call}");
            let before = world.catalog.all(&world.store).len();
            world.imports.cancel(&world.store, ProviderId::Shopify, &run).await.unwrap();
            world.settle().await;
            assert_eq!(world.shown(&run).await.status, RunState::Cancelled, "{what}");
            let applied = exact(&world, &run, &what).await;
            assert!(
                (before..before + 100).contains(&applied),
                "{what}: no more than was begun: {before} {applied}"
            );
            midway += usize::from(world.stored(Kind::Product, 130).is_none());
            assert_eq!(world.undo(run.as_str()).await.status, RunState::Completed, "{what}");
            assert!(world.catalog.all(&world.store).is_empty(), "{what}");
        }
    }
    assert!(midway > 10, "{midway}");
}
