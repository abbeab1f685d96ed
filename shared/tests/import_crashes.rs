//! P8 and P9 in one process: whatever is cut off, delivered twice or out of order, the store ends as after one clean
//! run, byte for byte, and so do the run's numbers.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use shared::domain::ids::RunId;
use shared::domain::run::Feed;
use shared::testkit::catalog::Shown;
use shared::testkit::faults::Fault;
use shared::testkit::source;
use world::World;

const EVERYTHING: Shown = Shown { versions: true, runs: true };

/// A store with an import behind it and a shop that has changed since in every way.
async fn changed() -> World {
    let world = World::stocked().await;
    world.run().await;
    world.set(Feed::Products, 1, "title", "Changed");
    world.set(Feed::Locations, 2, "name", "Renamed");
    world.set(Feed::Collections, 501, "title", "Fewer");
    world.source.take(Feed::Products, 7);
    world.source.take(Feed::Metafields, 7);
    world.source.put(Feed::Products, source::product(11, "New", 3, &[1]));
    world.faults.revive();
    world
}

/// What a run left behind: every record with its version and writer, and the run's own numbers.
async fn outcome(world: &World, run: &RunId) -> (String, String) {
    let shown = world.shown(run).await;
    let numbers =
        format!("{:?} {:?} {:?} {}", shown.status, shown.counts, shown.warnings, shown.cost.catalogue_writes);
    // A request that had to be repeated names its run anew.
    (world.catalog.dump_with(EVERYTHING).replace(run.as_str(), "THIS_RUN"), numbers)
}

async fn clean() -> ((String, String), usize) {
    let world = changed().await;
    let run = world.start(false, None).await;
    world.settle().await;
    let calls = world.faults.calls().len();
    (outcome(&world, &run).await, calls)
}

/// Carries a run through a process that dies at one call and is started anew.
async fn with_fault(call: usize, fault: Fault) -> (String, String) {
    let world = changed().await;
    world.faults.at(call, fault);
    let run = loop {
        match world.imports.start(world.asker(), Default::default(), Some("key")).await {
            Ok(run) => break run,
            Err(_) => world.faults.restart(),
        }
    };
    for _ in 0..10_000 {
        let Some(waiting) = world.queue.pop_or_wait() else { break };
        world.deliver(waiting).await;
        world.faults.restart();
    }
    world.faults.revive();
    outcome(&world, &run).await
}

async fn sweep(fault: Fault) {
    let (clean, calls) = clean().await;
    assert!(calls > 80, "{calls} calls");
    for call in 0..calls {
        let result = with_fault(call, fault).await;
        assert!(result.0 == clean.0, "{fault:?} at call {call}: the records differ");
        assert_eq!(result.1, clean.1, "{fault:?} at call {call}");
    }
}

#[tokio::test]
async fn a_crash_before_any_call_changes_nothing_about_the_result() {
    sweep(Fault::CrashBefore).await;
}

#[tokio::test]
async fn a_crash_after_any_call_changes_nothing_about_the_result() {
    sweep(Fault::CrashAfter).await;
}

#[tokio::test]
async fn a_lost_answer_of_any_call_changes_nothing_about_the_result() {
    sweep(Fault::FailAfter).await;
}

#[tokio::test]
async fn every_message_twice_and_out_of_order_is_one_run() {
    let (clean, _) = clean().await;
    for seed in 0..40_u64 {
        let world = changed().await;
        let run = world.start(false, None).await;
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..10_000 {
            if world.queue.waiting().is_empty() {
                break;
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let waiting = match world.queue.pop_nth((state >> 33) as usize % world.queue.waiting().len()) {
                Some(waiting) => waiting,
                None => world.queue.pop_or_wait().unwrap(),
            };
            let again = waiting.clone();
            world.deliver(waiting).await;
            world.deliver(again).await;
        }
        let result = outcome(&world, &run).await;
        assert!(result.0 == clean.0, "seed {seed}: the records differ");
        assert_eq!(result.1, clean.1, "seed {seed}");
    }
}

#[tokio::test]
async fn a_crash_at_any_call_of_an_undo_changes_nothing_about_the_result() {
    async fn undone(fault: Option<(usize, Fault)>) -> ((String, String), usize) {
        let world = changed().await;
        let of_run = world.start(false, None).await;
        world.settle().await;
        world.faults.revive();
        if let Some((call, fault)) = fault {
            world.faults.at(call, fault);
        }
        let run = loop {
            match world.imports.undo(world.asker(), &of_run, Some("undo")).await {
                Ok(run) => break run,
                Err(_) => world.faults.restart(),
            }
        };
        for _ in 0..10_000 {
            let Some(waiting) = world.queue.pop_or_wait() else { break };
            world.deliver(waiting).await;
            world.faults.restart();
        }
        let calls = world.faults.calls().len();
        world.faults.revive();
        (outcome(&world, &run).await, calls)
    }
    let (clean, calls) = undone(None).await;
    assert!(calls > 40, "{calls} calls");
    for call in 0..calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let (result, _) = undone(Some((call, fault))).await;
            assert!(result.0 == clean.0, "{fault:?} at call {call}: the records differ");
            assert_eq!(result.1, clean.1, "{fault:?} at call {call}");
        }
    }
}
