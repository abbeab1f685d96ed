//! P8 and P9 in one process: whatever is delivered twice, at once or out of order, the store ends as after one clean run,
//! byte for byte, and so do the run's numbers. What strikes single calls is `drill_imports`' to try.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::cell::RefCell;

use shared::domain::ids::RunId;
use shared::domain::run::Feed;
use shared::testkit::catalog::Shown;
use shared::testkit::faults::Fault;
use world::World;

const EVERYTHING: Shown = Shown { versions: true, runs: true };

/// A store with an import behind it and a shop that has changed since in every way.
async fn changed() -> World {
    let world = World::stocked().await;
    world.run().await;
    world.change_shop();
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

async fn clean() -> (String, String) {
    let world = changed().await;
    let run = world.start(false, None).await;
    world.settle().await;
    outcome(&world, &run).await
}

#[tokio::test]
async fn case_07_every_message_twice_and_out_of_order_is_one_run() {
    let clean = clean().await;
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
async fn two_deliveries_of_an_undo_at_the_same_time_list_what_one_would() {
    /// Every record of an undo with what became of it, and what it left behind.
    async fn undone(at_once: bool, frozen: Option<usize>) -> (Vec<String>, (String, String), Vec<usize>) {
        let world = changed().await;
        let of_run = world.start(false, None).await;
        world.settle().await;
        world.faults.revive();
        if let Some(call) = frozen {
            world.faults.at(call, Fault::Freeze);
        }
        let run = world.imports.undo(world.asker(), &of_run, None).await.unwrap();
        while let Some(waiting) = world.queue.pop_or_wait() {
            if at_once {
                world.deliver_twice_at_once(waiting).await;
            } else {
                world.deliver(waiting).await;
            }
        }
        // Where a delivery stands still between two calls on records, it has seen nothing that the other changes.
        let calls = world.faults.calls();
        let on_records = (0..calls.len()).filter(|call| calls[*call].starts_with("catalog.")).collect();
        world.faults.revive();
        let mut listed = Vec::new();
        for record in world.records(run.as_str()).await {
            listed.push(format!(
                "{:?} {} {:?} {:?}",
                record.resource, record.external_id, record.outcome, record.codes
            ));
        }
        (listed, outcome(&world, &run).await, on_records)
    }
    let (listed, left, _) = undone(false, None).await;
    assert_eq!(listed.len(), 8, "{listed:?}");
    let (listed_twice, left_twice, calls) = undone(true, None).await;
    assert_eq!(listed_twice, listed);
    assert!(left_twice == left, "the records or numbers differ");
    for call in calls {
        let (listed_twice, left_twice, _) = undone(true, Some(call)).await;
        assert_eq!(listed_twice, listed, "one stands still at call {call}");
        assert!(left_twice == left, "one stands still at call {call}: the records or numbers differ");
    }
}

#[tokio::test]
async fn an_attempt_that_outlived_its_run_overwrites_nothing_of_a_newer_one() {
    let world = changed().await;
    world.start(false, None).await;
    world.settle().await;
    let calls = world.faults.calls();
    let writes: Vec<usize> = (0..calls.len()).filter(|call| calls[*call] == "catalog.put").collect();
    assert!(writes.len() > 5, "{writes:?}");
    for call in writes {
        let world = changed().await;
        world.faults.at(call, Fault::Freeze);
        world.start(false, None).await;
        let stuck = RefCell::new(None);
        let old = async {
            while let Some(waiting) = world.queue.pop_or_wait() {
                *stuck.borrow_mut() = Some(waiting.clone());
                world.deliver(waiting).await;
            }
        };
        let newer = async {
            while world.faults.frozen() == 0 {
                tokio::task::yield_now().await;
            }
            let again = stuck.borrow().clone().unwrap();
            world.deliver(again).await;
            world.settle().await;
            for id in 1..=6 {
                world.set(Feed::Products, id, "title", "Newest");
            }
            world.set(Feed::Locations, 2, "name", "Newest");
            world.set(Feed::Collections, 501, "title", "Newest");
            world.run().await;
            let left = world.catalog.dump_with(EVERYTHING);
            assert!(left.contains("Newest"));
            world.faults.thaw();
            left
        };
        let ((), left) = tokio::join!(old, newer);
        assert!(
            world.catalog.dump_with(EVERYTHING) == left,
            "the write of call {call} came too late and went through"
        );
    }
}
