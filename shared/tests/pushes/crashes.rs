//! Lost answers, kills, duplicates, throttling at any call: no row is lost and none is doubled.

use super::drill::{real_time, report, setting};
use super::world::{PROVIDER, SCOPES, World, counts, key, rows, stock};
use serde_json::json;
use shared::app::push::requests::{Mode, Submitted};
use shared::domain::push::inputs::json_rows;
use shared::domain::push::ledger::Outcome;
use shared::domain::push::run::{PushKind, PushRun, PushState, Safety};
use shared::domain::push::target::Stream;
use shared::testkit::faults::Fault;
use shared::testkit::push_writer::FakeWriter;

pub const ROWS: usize = 5;

pub async fn world(stream: Stream) -> World {
    // A shop that would take an order twice, and in which it may come into being late.
    let make = |writer: FakeWriter| if stream == Stream::Orders { writer.careless() } else { writer };
    let world = World::with(SCOPES, make).await;
    stock(&world, ROWS);
    world.set_up(stream, ROWS).await;
    world.faults.halt_the_dead();
    world
}

/// A caller that repeats its request under one name until it is answered.
pub async fn begin(world: &World, stream: Stream) -> PushRun {
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

fn hold(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// What there is in the end, whatever happened on the way.
pub fn check(world: &World, stream: Stream, run: &PushRun) -> Result<(), String> {
    let run = world.run(&run.id);
    let made = world.writer.made();
    hold(made.iter().all(|(_, times)| *times == 1), || format!("doubled: {made:?}"))?;
    let pending = world.lines(&run.id).iter().filter(|line| line.outcome.is_none()).count();
    hold(run.tally.of(Outcome::Failed) == 0, || format!("failed: {:?}", world.codes(&run.id)))?;
    if run.state == PushState::Stopped {
        // Only orders may be left to a person, and only those of which it is not known.
        hold(stream == Stream::Orders, || format!("stopped: {:?}", run.stopped))?;
        let codes = world.codes(&run.id);
        hold(codes.iter().all(|(_, code)| code == "TIMEOUT_AFTER_SEND"), || format!("left: {codes:?}"))?;
        hold(run.tally.pending() as usize == pending, || format!("{pending} lines are pending: {run:?}"))?;
    } else {
        let over = (run.state, run.tally.pending()) == (PushState::Succeeded, 0);
        hold(over, || format!("it is {:?}, {} pending", run.state, run.tally.pending()))?;
    }
    let over = ROWS - run.tally.pending() as usize;
    let counted = counts(&run);
    let (there, expected) = match stream {
        Stream::InventoryLevels => {
            let level = |number: usize| world.writer.stock_of(&format!("SKU-{number}"));
            let is_set = |number: &usize| level(*number).into_values().eq([*number as i32 + 1]);
            ((0..ROWS).filter(is_set).count(), [0, ROWS, 0])
        }
        Stream::ProductVariants => {
            let price = |number: usize| world.writer.record(stream, &format!("SKU-{number}"));
            let is_set = |number: &usize| price(*number).is_some_and(|one| one["price"] == "12.50");
            ((0..ROWS).filter(is_set).count(), [0, ROWS, 0])
        }
        _ => {
            let is_there = |number: &usize| world.writer.record(stream, &key(stream, *number)).is_some();
            ((0..ROWS).filter(is_there).count(), [over, 0, 0])
        }
    };
    hold(there >= over, || format!("lost: {over} told and {there} there"))?;
    let told = counted[..3] == expected.map(|rows| rows as u64);
    hold(told, || format!("told wrongly: {counted:?} instead of {expected:?}"))
}

/// Trials of one kind, and what became of them.
pub struct Trials {
    part: &'static str,
    stream: Stream,
    began: std::time::Instant,
    pub tried: usize,
    pub struck: usize,
    failures: Vec<String>,
}

impl Trials {
    pub fn of(part: &'static str, stream: Stream) -> Self {
        Self { part, stream, began: real_time(), tried: 0, struck: 0, failures: Vec::new() }
    }

    /// What became of one; `what` takes it again.
    pub fn add(&mut self, world: &World, result: Result<(), String>, what: impl FnOnce() -> String) {
        self.tried += 1;
        self.struck += world.faults.struck();
        self.failures.extend(result.err().map(|why| format!("{}: {why}", what())));
    }

    /// Says it.
    pub fn end(self) {
        report(&json!({
            "drill": "P12",
            "part": self.part,
            "stream": self.stream.as_str(),
            "tried": self.tried,
            "failed": self.failures.len(),
            "faults": self.struck,
            "seconds": self.began.elapsed().as_secs_f64(),
            "failures": self.failures.iter().take(10).collect::<Vec<_>>(),
        }));
        assert!(self.failures.is_empty(), "{} of {}: {:#?}", self.failures.len(), self.tried, self.failures);
    }
}

/// How many trials there are of each: a taste with the other tests, a thousand in the drill, ten thousand in its large
/// tier.
pub fn seeds() -> u64 {
    match setting("DRILL_TIER").as_deref() {
        Some("nightly") => 10_000,
        Some(_) => 1_000,
        None => 200,
    }
}

/// Calls of a clean run, the request included.
pub async fn calls(stream: Stream) -> usize {
    let world = world(stream).await;
    let run = begin(&world, stream).await;
    world.settle().await;
    assert_eq!(check(&world, stream, &run), Ok(()), "{stream:?}");
    world.faults.made()
}

async fn trials(stream: Stream) {
    let horizon = calls(stream).await;
    let mut trials = Trials::of("mixed faults", stream);
    for seed in 0..seeds() {
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
        trials.add(&world, check(&world, stream, &run), || format!("seed {seed}"));
    }
    assert!(trials.struck > 2 * trials.tried, "{} faults struck", trials.struck);
    trials.end();
}

#[tokio::test]
async fn no_product_is_lost_or_doubled() {
    trials(Stream::Products).await;
}

#[tokio::test]
async fn no_variant_is_lost() {
    trials(Stream::ProductVariants).await;
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
    for stream in Stream::ALL {
        let mut trials = Trials::of("a fault at every call", stream);
        for call in 0..calls(stream).await {
            for fault in Fault::ALL {
                let world = world(stream).await;
                world.faults.at(call, fault);
                let run = begin(&world, stream).await;
                world.settle().await;
                trials.add(&world, check(&world, stream, &run), || format!("{fault:?} at {call}"));
            }
        }
        trials.end();
    }
}
