//! Several workers at one run at the very same moment (P12): one message in all their hands, some of them standing still
//! while others go on and waking up long after, at whatever call. Everyone is polled by hand, one at a time; whose turn it
//! is, a seed says.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::executor::block_on;
use shared::app::import::Disposition;
use shared::domain::push::target::Stream;
use shared::ports::push_store::PushMessage;
use shared::ports::time::Clock as _;
use shared::testkit::faults::Fault;

use super::crashes::{Trials, begin, check, seeds, world};
use super::world::World;

/// Workers at once.
const HANDS: usize = 3;
/// Polls without a call after which one stands still; a nap of the clock takes eight.
const IDLE: u32 = 12;
/// How long a message stays with whoever received it.
const VISIBILITY: Duration = Duration::from_secs(360);
/// Turns after which nobody is believed to get on any more.
const TURNS: usize = 200_000;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

struct Hand<'w> {
    message: PushMessage,
    idle: u32,
    stands: bool,
    future: Pin<Box<dyn Future<Output = Disposition> + 'w>>,
}

struct Crew<'w> {
    world: &'w World,
    chance: Chance,
    hands: Vec<Hand<'w>>,
    /// How many hands were at the run at once, at most.
    most: usize,
}

impl<'w> Crew<'w> {
    fn take(&mut self, message: PushMessage) {
        let world = self.world;
        let until = world.clock.now() + world.step;
        let own = message.clone();
        // Nobody here gives up: that is another test's.
        let future = Box::pin(async move { world.app.handle_until(&own, 1, until).await });
        self.hands.push(Hand { message, idle: 0, stands: false, future });
        self.most = self.most.max(self.hands.len());
    }

    /// Whoever is free takes what is due; what has just come may have come to another too.
    fn receive(&mut self) {
        while self.hands.len() < HANDS
            && let Some(message) = self.world.kept.pop_due()
        {
            let few = self.world.kept.waiting().len() < HANDS;
            if few && self.chance.below(2) == 0 && self.hands.len() + 1 < HANDS {
                self.take(message.clone());
            }
            self.take(message);
        }
    }

    /// One turn of one hand. False where nobody can go on.
    fn turn(&mut self) -> bool {
        let able: Vec<usize> = (0..self.hands.len()).filter(|at| !self.hands[*at].stands).collect();
        if able.is_empty() {
            return false;
        }
        let at = able[self.chance.below(able.len())];
        let faults = &self.world.faults;
        let (made, frozen) = (faults.made(), faults.frozen());
        let hand = &mut self.hands[at];
        let polled = hand.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        hand.idle = if faults.made() == made { hand.idle + 1 } else { 0 };
        if hand.idle > IDLE {
            assert!(frozen > 0, "someone waits and nothing was done to it");
            // Whoever stands still too long has the message taken away.
            hand.stands = true;
            let message = hand.message.clone();
            self.world.kept.put_back(message, VISIBILITY);
        }
        if faults.is_dead() {
            // The process of this hand died; the others live on, and its message comes again.
            let dead = self.hands.swap_remove(at);
            self.world.kept.put_back(dead.message, VISIBILITY);
            faults.restart();
            return true;
        }
        if let Poll::Ready(disposition) = polled {
            let done = self.hands.swap_remove(at);
            if let Disposition::Retry(error) = disposition {
                let wait = error.retry_after().unwrap_or(Duration::from_secs(30));
                self.world.kept.put_back(done.message, wait);
            }
        }
        true
    }

    /// After a while all go on who stand still.
    fn thaw(&mut self) {
        self.world.clock.advance(Duration::from_secs(self.chance.below(900) as u64));
        self.world.faults.thaw();
        for hand in &mut self.hands {
            (hand.idle, hand.stands) = (0, false);
        }
    }

    /// Goes on until no message waits and nobody is at work.
    fn work(mut self) -> Result<usize, String> {
        for _ in 0..TURNS {
            self.receive();
            if self.turn() {
                continue;
            }
            let standing = !self.hands.is_empty();
            if standing && (self.chance.below(2) == 0 || self.hands.len() == HANDS) {
                self.thaw();
                continue;
            }
            match self.world.kept.pop_or_wait() {
                Some(message) => self.take(message),
                None if standing => self.thaw(),
                None => return Ok(self.most),
            }
        }
        Err("it never ends".to_owned())
    }
}

/// One trial: what it left, and how many were at it at once.
fn attempt(stream: Stream, seed: u64) -> (World, Result<usize, String>) {
    let world = block_on(world(stream));
    let run = block_on(begin(&world, stream));
    let mut chance = Chance(seed);
    let begun = world.faults.made();
    // Two in three of the faults are hands that stand still.
    for _ in 0..=chance.below(4) {
        let fault = Fault::ALL[chance.below(Fault::ALL.len())];
        let fault = if chance.below(3) == 0 { fault } else { Fault::Freeze };
        world.faults.at(begun + chance.below(120), fault);
    }
    let waiting = world.kept.pop_or_wait();
    let mut crew = Crew { world: &world, chance, hands: Vec::new(), most: 0 };
    if let Some(message) = waiting {
        crew.take(message.clone());
        crew.take(message);
    }
    let worked = crew.work();
    let worked = worked.and_then(|most| check(&world, stream, &run).map(|()| most));
    (world, worked)
}

#[test]
fn two_at_one_message_lose_nothing_and_double_nothing() {
    for stream in Stream::ALL {
        let mut trials = Trials::of("workers at once", stream);
        let mut together = 0;
        for seed in 0..seeds() / 2 {
            let (world, worked) = attempt(stream, seed);
            together += usize::from(worked.as_ref().is_ok_and(|most| *most > 1));
            trials.add(&world, worked.map(|_| ()), || format!("seed {seed}"));
        }
        assert!(together > trials.tried / 2, "{together}");
        assert!(trials.struck > trials.tried / 2, "{} faults struck", trials.struck);
        trials.end();
    }
}
