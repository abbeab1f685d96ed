//! Steps whose time is up, and runs of many chunks: the result is that of a run with all the time in the world, byte
//! for byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::time::Duration;

use serde_json::json;
use shared::app::import::Disposition;
use shared::app::import::requests::StartRun;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::{AskedOptions, OnMissing};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource};
use shared::domain::run::{Feed, RunState};
use shared::ports::runs::PageKind;
use shared::ports::time::Clock as _;
use shared::testkit::catalog::Shown;
use shared::testkit::faults::Fault;
use shared::testkit::queue::Waiting;
use shared::testkit::source::{self, ITEM_BYTES};
use world::{World, codes, of};

const EVERYTHING: Shown = Shown { versions: true, runs: true };

/// A shop with so many products in chunks of so many.
async fn shop(products: u64, per_chunk: u64) -> World {
    let mut world = World::new().await;
    world.step.chunk_bytes = per_chunk * ITEM_BYTES;
    for id in 1..=products {
        world.source.put(Feed::Products, source::product(id, &format!("Product {id}"), 1, &[1]));
    }
    world
}

/// Some of it changed after an import, so that a plan, a journal and results have something in them.
async fn changed(products: u64, per_chunk: u64) -> World {
    let world = shop(products, per_chunk).await;
    world.run().await;
    for id in (1..=products).step_by(3) {
        world.set(Feed::Products, id, "title", "Changed");
    }
    world.source.take(Feed::Products, 2);
    world.faults.revive();
    world
}

/// Delivers a message to a step whose time is up as soon as it begins: it does one batch.
async fn deliver_late(world: &World, waiting: Waiting) {
    let until = world.clock.now();
    if let Disposition::Retry(_) = world.step.handle_until(&waiting.message, waiting.receives, until).await {
        world.queue.put_back(waiting, Duration::from_secs(30));
    }
}

/// Carries a run on to its end, in steps with all their time or with none, while a fault strikes a call. Returns how many
/// calls that took.
async fn go_on(world: &World, late: bool, fault: Option<(usize, Fault)>) -> usize {
    world.faults.revive();
    if let Some((call, fault)) = fault {
        world.faults.at(call, fault);
    }
    while let Some(waiting) = world.queue.pop_or_wait() {
        if late {
            deliver_late(world, waiting).await;
        } else {
            world.deliver(waiting).await;
        }
        world.faults.restart();
    }
    let calls = world.faults.made();
    world.faults.revive();
    calls
}

/// What a run left behind: records, numbers, and every page that someone may read later. What belongs to a plan that
/// was begun anew is never read.
async fn left_behind(world: &World, run: &RunId) -> String {
    let shown = world.shown(run).await;
    let mut text = format!("{:?} {:?} {:?}\n", shown.status, shown.counts, shown.warnings);
    text += &world.catalog.dump_with(EVERYTHING);
    for kind in [PageKind::Plan, PageKind::Seen, PageKind::Journal, PageKind::Result] {
        let pages = world.runs.pages_of(run, kind);
        let newest = pages.iter().map(|(key, _)| key.generation).max();
        for (key, bytes) in pages.iter().filter(|(key, _)| Some(key.generation) == newest) {
            text += &format!("{key:?} {}\n", String::from_utf8_lossy(bytes));
        }
    }
    let receipts = world.runs.receipts_of(run);
    let newest = receipts.iter().map(|receipt| receipt.generation).max();
    for mut receipt in receipts.into_iter().filter(|receipt| Some(receipt.generation) == newest) {
        // A step that goes on reads again what the one before it had read, and so does one after a crash.
        (receipt.cost.read_units, receipt.cost.write_units) = (0.0, 0);
        text += &format!("{receipt:?}\n");
    }
    text.replace(run.as_str(), "THIS_RUN")
}

/// Where two texts differ first.
fn same(one: &str, other: &str, what: &str) {
    for (ours, theirs) in one.lines().zip(other.lines()) {
        assert_eq!(ours, theirs, "{what}");
    }
    assert_eq!(one.lines().count(), other.lines().count(), "{what}");
}

async fn in_time(world: World) -> (World, String, usize) {
    let run = world.start(false, None).await;
    world.settle().await;
    let steps = world.queue.bodies().len();
    let left = left_behind(&world, &run).await;
    (world, left, steps)
}

#[tokio::test]
async fn steps_whose_time_is_up_go_on_in_others_to_the_same_end() {
    let (_, expected, steps) = in_time(changed(150, 100).await).await;
    let world = changed(150, 100).await;
    let run = world.start(false, None).await;
    while let Some(waiting) = world.queue.pop_or_wait() {
        deliver_late(&world, waiting).await;
    }
    // Each chunk of 100 products is four batches to plan and four to apply; the second is half of that.
    let more = world.queue.bodies().len() - steps;
    assert!(more >= 9, "{more} messages more than with time");
    assert_eq!(
        world.runs.pages_of(&run, PageKind::Checkpoint).len(),
        6,
        "locations; two chunks, two phases; the missing"
    );
    same(&left_behind(&world, &run).await, &expected, "");
}

#[tokio::test]
async fn a_joined_file_and_a_list_go_on_where_they_were_left() {
    let ungrouped = source::Letdown { ungrouped: true, ..Default::default() };
    let make = async || {
        let world = shop(120, 50).await;
        for id in 3..=120 {
            world.source.put(Feed::Locations, source::location(id, &format!("Place {id}")));
        }
        world.source.let_down(ungrouped.clone());
        world
    };
    let (_, expected, _) = in_time(make().await).await;
    let world = make().await;
    let run = world.start(false, None).await;
    while let Some(waiting) = world.queue.pop_or_wait() {
        deliver_late(&world, waiting).await;
    }
    same(&left_behind(&world, &run).await, &expected, "");
}

#[tokio::test]
async fn a_crash_at_any_call_of_a_run_without_time_changes_nothing_about_the_result() {
    let (_, expected, _) = in_time(changed(30, 100).await).await;
    let without_time = async |fault: Option<(usize, Fault)>| {
        let world = changed(30, 100).await;
        let run = world.start(false, None).await;
        let calls = go_on(&world, true, fault).await;
        (left_behind(&world, &run).await, calls)
    };
    let (clean, calls) = without_time(None).await;
    same(&clean, &expected, "without a fault");
    assert!(calls > 80, "{calls} calls");
    for call in 0..calls {
        let fault = if call % 2 == 0 { Fault::CrashBefore } else { Fault::CrashAfter };
        let (left, _) = without_time(Some((call, fault))).await;
        same(&left, &expected, &format!("{fault:?} at call {call}"));
    }
}

/// Every message is delivered twice, in an order of its own, and some have time and some have none.
#[tokio::test]
async fn twins_of_messages_with_and_without_time_are_one_run() {
    let (_, expected, _) = in_time(changed(150, 100).await).await;
    for seed in 0..20_u64 {
        let world = changed(150, 100).await;
        let run = world.start(false, None).await;
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut messages = 0;
        while let Some(due) = world.queue.next_due() {
            messages += 1;
            assert!(messages < 2_000, "seed {seed}: messages without end");
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let wait = due.duration_since(world.clock.now());
            world.clock.advance(Duration::try_from(wait).unwrap_or_default());
            let waiting = world.queue.pop_nth((state >> 33) as usize).unwrap();
            if state & (1 << 40) == 0 {
                tokio::join!(deliver_late(&world, waiting.clone()), world.deliver(waiting));
            } else if messages < 200 {
                tokio::join!(deliver_late(&world, waiting.clone()), deliver_late(&world, waiting));
            } else {
                world.deliver(waiting).await;
            }
        }
        same(&left_behind(&world, &run).await, &expected, &format!("seed {seed}"));
    }
}

/// Most of the shop is gone, more than is read at once, some of it since an import that marked it and for good now.
#[tokio::test]
async fn what_is_missing_is_planned_in_as_many_steps_as_it_takes() {
    let planned = async |late: bool, fault: Option<(usize, Fault)>| {
        let world = shop(400, 400).await;
        for id in 1..=80 {
            world.source.put(Feed::Collections, source::collection(1_000 + id, &format!("Set {id}"), &[id]));
        }
        world.run().await;
        for id in 5..=20 {
            world.source.take(Feed::Products, id);
        }
        world.run().await;
        for id in 21..=340 {
            world.source.take(Feed::Products, id);
            world.source.take(Feed::Collections, 1_000 + id);
        }
        let options = AskedOptions { on_missing: Some(OnMissing::Archive), ..AskedOptions::default() };
        let request = StartRun { options, ..StartRun::default() };
        let run = world.imports.start(world.asker(), request, None).await.unwrap();
        let calls = go_on(&world, late, fault).await;
        (left_behind(&world, &run).await, world.queue.bodies().len(), calls)
    };
    let (expected, messages, _) = planned(false, None).await;
    assert!(
        expected.contains("AwaitingDecision") && expected.contains("MISS_MASS_BRAKE"),
        "{}",
        &expected[..300]
    );
    let (left, more, calls) = planned(true, None).await;
    same(&left, &expected, "without a fault");
    assert!(more >= messages + 12, "{more} messages instead of {messages}");
    for call in (0..calls).step_by(calls / 20) {
        let fault = [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter][call % 3];
        same(&planned(true, Some((call, fault))).await.0, &expected, &format!("{fault:?} at call {call}"));
    }
}

/// An undo of an import that changed much, over a store that was edited since; with time, or one batch a step and a fault
/// at a call. What it left, its messages and its calls.
async fn undone(late: bool, fault: Option<(usize, Fault)>) -> (String, usize, usize) {
    let world = changed(150, 100).await;
    let of_run = world.start(false, None).await;
    world.settle().await;
    for id in [4, 10] {
        let key = world.key(Kind::Product, id);
        assert!(world.catalog.edit(&world.store, &key, |record| record.set("title", json!("Mine"))).unwrap());
    }
    let run = world.imports.undo(world.asker(), &of_run, None).await.unwrap();
    let before = world.queue.bodies().len();
    let calls = go_on(&world, late, fault).await;
    let messages = world.queue.bodies().len() - before;
    (left_behind(&world, &run).await.replace(of_run.as_str(), "OF_RUN"), messages, calls)
}

#[tokio::test]
async fn an_undo_whose_time_is_up_goes_on_in_others_to_the_same_end() {
    let (expected, messages, _) = undone(false, None).await;
    assert!(expected.contains("UNDO_SKIPPED_EDITED"));
    let (left, more, calls) = undone(true, None).await;
    same(&left, &expected, "without a fault");
    assert!(more > messages, "{more} messages instead of {messages}");
    assert!(calls > 80, "{calls} calls");
    for call in (0..calls).step_by(9) {
        let fault = [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter][call % 3];
        let (left, ..) = undone(true, Some((call, fault))).await;
        same(&left, &expected, &format!("{fault:?} at call {call}"));
    }
}

#[tokio::test]
async fn what_was_applied_before_a_step_stopped_counts_when_the_run_is_cancelled() {
    let world = shop(100, 100).await;
    let run = world.start(false, None).await;
    loop {
        let waiting = world.queue.pop_or_wait().unwrap();
        let applied = world.catalog.all(&world.store).len();
        // Two warehouses and one batch of products with their stock.
        if applied > 2 {
            world.queue.put_back(waiting, Duration::ZERO);
            break;
        }
        deliver_late(&world, waiting).await;
    }
    world.imports.cancel(&world.store, ProviderId::Shopify, &run).await.unwrap();
    world.settle().await;
    let shown = world.shown(&run).await;
    let landed = world.landed();
    assert_eq!(shown.status, RunState::Cancelled);
    assert_eq!(landed[&Resource::Products], 25);
    assert_eq!(of(&shown, Resource::Products, Outcome::Created), landed[&Resource::Products]);
    assert_eq!(shown.cost.catalogue_writes, 2 + 50);
}

#[tokio::test]
async fn a_run_of_many_chunks_does_not_read_all_receipts_after_each() {
    let (world, expected, _) = in_time(changed(180, 2).await).await;
    // Ninety chunks, planned and applied. What is left are the ends of phases and stages, and the chunks before them.
    let all = world.faults.count("runs.receipts");
    assert!(all < 40, "all receipts were read {all} times");
    let world = changed(180, 2).await;
    let run = world.start(false, None).await;
    // In whatever order: the last chunk that closes finds no other open.
    let mut state = 1_u64;
    while let Some(due) = world.queue.next_due() {
        let wait = due.duration_since(world.clock.now());
        world.clock.advance(Duration::try_from(wait).unwrap_or_default());
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let waiting = world.queue.pop_nth((state >> 33) as usize).unwrap();
        world.deliver(waiting).await;
    }
    same(&left_behind(&world, &run).await, &expected, "");
}

#[tokio::test]
async fn chunks_that_end_at_once_still_hand_over() {
    let (_, expected, _) = in_time(changed(80, 2).await).await;
    let world = changed(80, 2).await;
    let run = world.start(false, None).await;
    while world.queue.pop_or_wait().map(|waiting| world.queue.put_back(waiting, Duration::ZERO)).is_some() {
        let mut due = Vec::new();
        while let Some(waiting) = world.queue.pop() {
            due.push(world.deliver(waiting));
        }
        futures::future::join_all(due).await;
    }
    same(&left_behind(&world, &run).await, &expected, "");
}

#[tokio::test]
async fn a_run_that_gets_on_does_not_look_stalled() {
    let world = shop(80, 2).await;
    let run = world.start(false, None).await;
    let mut longest = Duration::ZERO;
    while let Some(waiting) = world.queue.pop_or_wait() {
        world.deliver(waiting).await;
        world.clock.advance(Duration::from_secs(60));
        let header = world.runs.all().into_iter().find(|header| header.id == run).unwrap();
        let quiet = world.clock.now().duration_since(header.updated_at).unsigned_abs();
        longest = longest.max(quiet);
    }
    assert!(longest < Duration::from_secs(8 * 60), "the header stood still for {longest:?}");
}

/// More ids than fit one page of what was seen.
#[tokio::test]
async fn what_is_missing_is_found_among_many_pages_of_what_was_seen() {
    let world = shop(4_500, 4_300).await;
    world.run().await;
    for id in [1, 3_999, 4_000, 4_001, 4_300, 4_301, 4_500] {
        world.source.take(Feed::Products, id);
    }
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Products, Outcome::Missing), 7);
    assert_eq!(of(&run, Resource::Products, Outcome::Unchanged), 4_493);
    let again = world.run().await;
    assert_eq!((of(&again, Resource::Products, Outcome::Missing), again.cost.catalogue_writes), (0, 0));
}

#[tokio::test]
async fn a_run_that_its_shop_slows_down_for_long_says_so() {
    let world = shop(10, 100).await;
    for (times, expected) in [(4, None), (6, Some(1))] {
        world.source.let_down(source::Letdown { throttled: true, ..Default::default() });
        let run = world.start(false, None).await;
        for _ in 0..times {
            let waiting = world.queue.pop_or_wait().unwrap();
            world.deliver(waiting).await;
        }
        world.source.let_down(source::Letdown::default());
        world.settle().await;
        let shown = world.shown(&run).await;
        assert_eq!(codes(&shown).get("SRC_THROTTLED_LONG").copied(), expected, "after {times} refusals");
        assert_eq!(of(&shown, Resource::Products, Outcome::Failed), 0);
    }
}
