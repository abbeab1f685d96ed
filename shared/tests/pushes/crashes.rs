//! Lost answers, kills, duplicates, throttling at any call: no row is lost and none is doubled.

use super::world::{PROVIDER, SCOPES, World, counts, key, rows, stock};
use shared::app::push::requests::{Mode, Submitted};
use shared::domain::push::inputs::json_rows;
use shared::domain::push::ledger::Outcome;
use shared::domain::push::run::{PushKind, PushRun, PushState, Safety};
use shared::domain::push::target::Stream;
use shared::testkit::faults::Fault;
use shared::testkit::push_writer::FakeWriter;

const ROWS: usize = 5;
const TRIALS: u64 = 1_000;

async fn world(stream: Stream) -> World {
    // A shop that would take an order twice, and in which it may come into being late.
    let make = |writer: FakeWriter| if stream == Stream::Orders { writer.careless() } else { writer };
    let world = World::with(SCOPES, make).await;
    stock(&world, ROWS);
    world.faults.halt_the_dead();
    world
}

/// A caller that repeats its request under one name until it is answered.
async fn begin(world: &World, stream: Stream) -> PushRun {
    for _ in 0..50 {
        let rows = json_rows(rows(stream, 0..ROWS)).unwrap();
        let submitted = Submitted { stream, rows, safety: Safety::default(), key: Some("one".to_owned()) };
        let asked = world.app.submit(world.actor(), PROVIDER, PushKind::Write, submitted, Mode::Accept);
        let answer = tokio::select! {
            biased;
            answer = asked => Some(answer),
            () = world.struck() => None,
        };
        match answer {
            Some(Ok(run)) => return run,
            Some(Err(error)) => assert!(error.is_transient() || error.code == "throttled", "{error:?}"),
            None => world.faults.restart(),
        }
    }
    panic!("no answer");
}

/// What there is in the end, whatever happened on the way.
fn check(world: &World, stream: Stream, run: &PushRun, what: &str) {
    let run = world.run(&run.id);
    let made = world.writer.made();
    assert!(made.iter().all(|(_, times)| *times == 1), "{what}: doubled: {made:?}");
    let pending = world.lines(&run.id).iter().filter(|line| line.outcome.is_none()).count();
    assert_eq!(run.tally.of(Outcome::Failed), 0, "{what}: {:?}", world.codes(&run.id));
    if run.state == PushState::Stopped {
        // Only orders may be left to a person, and only those of which it is not known.
        assert_eq!(stream, Stream::Orders, "{what}: {:?}", run.stopped);
        assert!(world.codes(&run.id).iter().all(|(_, code)| code == "TIMEOUT_AFTER_SEND"), "{what}");
        assert_eq!(run.tally.pending() as usize, pending, "{what}");
    } else {
        assert_eq!((run.state, run.tally.pending()), (PushState::Succeeded, 0), "{what}");
    }
    let over = ROWS - run.tally.pending() as usize;
    if stream == Stream::InventoryLevels {
        for number in 0..ROWS {
            let levels = world.writer.stock_of(&format!("SKU-{number}"));
            assert_eq!(levels.into_values().collect::<Vec<_>>(), [number as i32 + 1], "{what}: lost");
        }
        assert_eq!(counts(&run)[1], ROWS as u64, "{what}: {:?}", counts(&run));
        return;
    }
    let there =
        (0..ROWS).filter(|number| world.writer.record(stream, &key(stream, *number)).is_some()).count();
    assert!(there >= over, "{what}: {over} told and {there} there");
    assert_eq!(counts(&run)[0], over as u64, "{what}: what was made is told as made: {:?}", counts(&run));
}

/// Calls of a clean run, the request included.
async fn calls(stream: Stream) -> usize {
    let world = world(stream).await;
    let run = begin(&world, stream).await;
    world.settle().await;
    check(&world, stream, &run, "clean");
    world.faults.made()
}

async fn trials(stream: Stream) {
    let horizon = calls(stream).await;
    let mut struck = 0;
    for seed in 0..TRIALS {
        let world = world(stream).await;
        world.faults.scatter(seed, 4, horizon + 20);
        let run = begin(&world, stream).await;
        // Every message of the first round comes twice.
        if seed % 3 == 0
            && let Some(message) = world.kept.waiting().first()
        {
            world.kept.put_back(message.clone(), std::time::Duration::from_secs(seed % 100));
        }
        world.settle().await;
        struck += world.faults.struck();
        check(&world, stream, &run, &format!("{stream:?}, seed {seed}"));
    }
    assert!(struck > 2 * TRIALS as usize, "{struck} faults struck");
}

#[tokio::test]
async fn no_product_is_lost_or_doubled() {
    trials(Stream::Products).await;
}

#[tokio::test]
async fn no_customer_is_lost_or_doubled() {
    trials(Stream::Customers).await;
}

#[tokio::test]
async fn no_order_is_lost_or_doubled() {
    trials(Stream::Orders).await;
}

#[tokio::test]
async fn no_stock_level_is_lost_or_told_wrongly() {
    trials(Stream::InventoryLevels).await;
}

#[tokio::test]
async fn a_kill_at_any_call_costs_nothing() {
    for stream in [Stream::Products, Stream::Orders, Stream::InventoryLevels] {
        for call in 0..calls(stream).await {
            for fault in Fault::ALL {
                let world = world(stream).await;
                world.faults.at(call, fault);
                let run = begin(&world, stream).await;
                world.settle().await;
                check(&world, stream, &run, &format!("{stream:?}, {fault:?} at {call}"));
            }
        }
    }
}
