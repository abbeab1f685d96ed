//! D5, a crowd: one store of a million products beside fifty small ones (P11). Small imports may take no more than twice
//! the time they take alone.
//!
//! The steps are real, their time is not: one of a full chunk takes what such chunks take at a slow table, any other a
//! moment. Between the stores stands what AWS documents of fair queues: of the groups that wait, the one that has the
//! fewest messages in flight is served next
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html>).

use std::time::Duration;

use futures::executor::block_on;
use jiff::Timestamp;
use shared::app::import::Disposition;
use shared::domain::ids::RunId;
use shared::domain::run::{Feed, RunState};
use shared::ports::queue::Step;
use shared::ports::time::Clock as _;
use shared::testkit::queue::Waiting;
use shared::testkit::source;

use crate::sim::Chance;
use crate::world::World;
use crate::{real_time, report};

const TEMPLATE: &str = include_str!("../../../infra/template.yaml");
/// As many chunks as a million products of 4 KB of lines make at 8 MB a chunk.
const CHUNKS_OF_A_MILLION: u64 = 500;
/// A step of a full chunk: half of this, up to one and a half times.
const FULL: Duration = Duration::from_secs(5);
/// Any other step.
const SHORT: Duration = Duration::from_millis(300);
const SMALL_STORES: usize = 50;
/// The small stores begin at random within this.
const ARRIVALS_MS: usize = 240_000;

/// Whose message is next, of those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The group with the fewest in flight, then the oldest.
    Fair,
    /// The oldest.
    FirstCome,
}

struct Store {
    world: World,
    begins: Timestamp,
    run: Option<RunId>,
    full_chunks: bool,
}

impl Store {
    fn new(products: u64, per_chunk: u64, begins: Duration) -> Self {
        let mut world = block_on(World::new());
        world.step.chunk_bytes = per_chunk * source::ITEM_BYTES;
        for id in 1..=products {
            world.source.put(Feed::Products, source::product(id, &format!("Product {id}"), 1, &[1]));
        }
        let begins = world.clock.now() + begins;
        Self { world, begins, run: None, full_chunks: per_chunk < products }
    }

    fn takes(&self, step: &Step, chance: &mut Chance) -> Duration {
        let chunk = matches!(step, Step::Plan { .. } | Step::Apply { .. });
        if chunk && self.full_chunks { FULL * (500 + chance.below(1_000) as u32) / 1_000 } else { SHORT }
    }

    /// When its oldest message fell due, if one is.
    fn oldest_due(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.world.queue.waiting();
        waiting.iter().map(|waiting| waiting.due).filter(|due| *due <= now).min()
    }

    fn took(&self) -> Option<Duration> {
        let id = self.run.as_ref()?;
        let run = self.world.runs.all().into_iter().find(|run| run.id == *id)?;
        assert_ne!(run.state, RunState::Failed);
        let finished = run.finished_at.filter(|_| run.state.is_final())?;
        Duration::try_from(finished.duration_since(self.begins)).ok()
    }
}

/// Steps at once, as the template has it.
fn hands() -> usize {
    let (_, function) = TEMPLATE.split_once("\n  ImportStep:\n").unwrap();
    let (_, hands) = function.split_once("MaximumConcurrency: ").unwrap();
    hands.lines().next().unwrap().parse().unwrap()
}

/// Lets all stores import, and tells how long each took.
fn work(mut stores: Vec<Store>, order: Order) -> Vec<Duration> {
    let (hands, mut chance) = (hands(), Chance(6));
    let mut under_way: Vec<(Timestamp, usize, Waiting)> = Vec::new();
    loop {
        let now = stores[0].world.clock.now();
        for store in &mut stores {
            if store.run.is_none() && store.begins <= now {
                store.run = Some(block_on(store.world.start(false, None)));
            }
        }
        while under_way.len() < hands {
            let in_flight = |of: usize| under_way.iter().filter(|(_, store, _)| *store == of).count();
            let due = (0..stores.len()).filter_map(|at| Some((stores[at].oldest_due(now)?, at)));
            let next = match order {
                Order::Fair => due.min_by_key(|(due, at)| (in_flight(*at), *due)),
                Order::FirstCome => due.min(),
            };
            let Some((_, at)) = next else { break };
            let waiting = stores[at].world.queue.pop().unwrap();
            under_way.push((now + stores[at].takes(&waiting.message.step, &mut chance), at, waiting));
        }
        let ends = under_way.iter().map(|(ends, ..)| *ends);
        let due = stores.iter().filter_map(|store| store.world.queue.next_due()).filter(|due| *due > now);
        let begins = stores.iter().filter(|store| store.run.is_none()).map(|store| store.begins);
        let Some(next) = ends.chain(due).chain(begins).min() else { break };
        let passes = Duration::try_from(next.duration_since(now)).unwrap();
        stores.iter().for_each(|store| store.world.clock.advance(passes));
        for (_, at, waiting) in under_way.extract_if(.., |(ends, ..)| *ends <= next) {
            let world = &stores[at].world;
            let done = block_on(world.step.handle(&waiting.message, waiting.receives));
            assert!(matches!(done, Disposition::Done), "nothing fails here: {done:?}");
        }
    }
    stores.iter().map(|store| store.took().unwrap()).collect()
}

fn p95(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 95 / 100]
}

/// The time of the large store, and the 95th percentile of the small ones.
fn crowd(order: Order) -> (Duration, Duration) {
    let mut chance = Chance(5);
    let mut stores = vec![Store::new(CHUNKS_OF_A_MILLION * 2, 2, Duration::ZERO)];
    for _ in 0..SMALL_STORES {
        let begins = Duration::from_millis(chance.below(ARRIVALS_MS) as u64);
        stores.push(Store::new(100, 1_000, begins));
    }
    let mut times = work(stores, order);
    let large = times.remove(0);
    (large, p95(times))
}

#[test]
fn small_stores_beside_a_large_one_take_no_more_than_twice_their_time() {
    let began = real_time();
    let alone = work(vec![Store::new(100, 1_000, Duration::ZERO)], Order::Fair)[0];
    let large_alone = work(vec![Store::new(CHUNKS_OF_A_MILLION * 2, 2, Duration::ZERO)], Order::Fair)[0];
    let (large, small) = crowd(Order::Fair);
    let (_, unfair) = crowd(Order::FirstCome);
    let ratio =
        |time: Duration, to: Duration| (time.as_secs_f64() / to.as_secs_f64() * 1_000.0).round() / 1_000.0;
    let (small, unfair, large) = (ratio(small, alone), ratio(unfair, alone), ratio(large, large_alone));
    report(&serde_json::json!({
        "drill": "D5", "part": "crowd", "tried": SMALL_STORES + 1, "failed": u32::from(small > 2.0),
        "seconds": began.elapsed().as_secs_f64(), "alone_seconds": alone.as_secs_f64(),
        "small_p95_ratio": small, "large_ratio": large, "small_p95_ratio_without_groups": unfair,
    }));
    assert!(small <= 2.0, "the small ones take {small} times their time alone");
    assert!(unfair > 2.0, "without groups they take {unfair} times their time: no crowd");
}
