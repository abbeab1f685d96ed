//! One machine in virtual time: a merchant who asks, a queue, steps and a sweeper. Whose turn it is, a seed says.
//!
//! Everything under way is a future that is polled by hand, one at a time, so that a process can die in the middle of a
//! call and another stand still while its message is given to a third. Time passes only when nobody can go on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use shared::app::error::AppError;
use shared::app::import::{Disposition, MAX_RECEIVES};
use shared::app::sweep::Sweep;
use shared::domain::back_off::back_off;
use shared::domain::ids::RunId;
use shared::domain::run::RunState;
use shared::ports::queue::{Step, StepMessage};
use shared::ports::time::Clock as _;
use shared::testkit::queue::Waiting;

use crate::world::World;

/// As in the template: how long a message stays with whoever received it, and how often is swept.
const VISIBILITY: Duration = Duration::from_secs(360);
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// How long the merchant's client waits before it asks again.
const ASKS_AGAIN: Duration = Duration::from_secs(10);
/// Longer than any fault lasts. Whoever is not done by then never ends.
const FOR_EVER: Duration = Duration::from_secs(72 * 3600);
/// Polls without a call after which one stands still; a nap of the clock takes eight.
const IDLE: u32 = 12;

/// SplitMix64.
#[derive(Clone)]
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// How a machine works its queue.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Steps under way at once.
    pub hands: usize,
    /// Whether messages come in any order, and one in eight twice.
    pub unruly: bool,
    /// Who stands still goes on after this, or after so many calls of others.
    pub thaw_after: Duration,
    pub thaw_calls: usize,
}

impl Habits {
    /// One step at a time, in order; who stands still goes on when all others are done.
    pub const ORDERLY: Self =
        Self { hands: 1, unruly: false, thaw_after: Duration::from_secs(600), thaw_calls: usize::MAX };
}

/// Services that do not answer for a while, from some call on.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub from_call: usize,
    pub lasts: Duration,
    /// How the names of their calls begin.
    pub services: &'static [&'static str],
}

/// What the merchant asks for, as often as it takes.
pub type Request<'w> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<RunId, AppError>> + 'w>> + 'w>;

enum Work {
    Message(Box<Waiting>),
    Request,
    Sweep,
}

enum Outcome {
    Message(Disposition),
    Request(Result<RunId, AppError>),
    Sweep,
}

struct UnderWay<'w> {
    work: Work,
    /// Until when its message is its own.
    until: Timestamp,
    given_away: bool,
    idle: u32,
    stands: bool,
    future: Pin<Box<dyn Future<Output = Outcome> + 'w>>,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub run: RunId,
    /// From the last fault to the end of the run.
    pub after_faults: Duration,
    pub dead_letters: usize,
}

pub struct Machine<'w> {
    world: &'w World,
    sweep: Arc<Sweep>,
    request: Request<'w>,
    /// Whether the client is gone once a run has begun, told of it or not.
    impatient: bool,
    habits: Habits,
    chance: Chance,
    under_way: Vec<UnderWay<'w>>,
    run: Option<RunId>,
    ask_at: Timestamp,
    sweep_at: Timestamp,
    thaw_at: Option<(Timestamp, usize)>,
    struck: usize,
    last_fault: Timestamp,
    dead_letters: usize,
    outage: Option<Outage>,
    outage_ends: Option<Timestamp>,
}

impl<'w> Machine<'w> {
    pub fn new(
        world: &'w World,
        sweep: Sweep,
        request: Request<'w>,
        impatient: bool,
        habits: Habits,
        seed: u64,
    ) -> Self {
        let now = world.clock.now();
        Self {
            world,
            sweep: Arc::new(sweep),
            request,
            impatient,
            habits,
            chance: Chance(seed),
            under_way: Vec::new(),
            run: None,
            ask_at: now,
            sweep_at: now + SWEEP_EVERY,
            thaw_at: None,
            struck: 0,
            last_fault: now,
            dead_letters: 0,
            outage: None,
            outage_ends: None,
        }
    }

    /// The same with an outage.
    pub fn during(self, outage: Option<Outage>) -> Self {
        Self { outage, ..self }
    }

    /// Works until the run has ended, nothing waits and nobody is under way.
    pub fn work(mut self) -> Result<Ended, String> {
        let ends = self.world.clock.now() + FOR_EVER;
        while self.world.clock.now() < ends {
            self.take_up();
            if self.poll_someone()? {
                continue;
            }
            if let Some(finished) = self.is_over() {
                let after = finished.duration_since(self.last_fault);
                let after_faults = Duration::try_from(after).unwrap_or_default();
                let run = self.run.ok_or("nobody was told of the run")?;
                return Ok(Ended { run, after_faults, dead_letters: self.dead_letters });
            }
            self.let_time_pass();
        }
        Err("it never ends".to_owned())
    }

    fn begin(&mut self, work: Work, future: Pin<Box<dyn Future<Output = Outcome> + 'w>>) {
        let until = self.world.clock.now() + VISIBILITY;
        let one = UnderWay { work, until, given_away: false, idle: 0, stands: false, future };
        self.under_way.push(one);
    }

    fn take_up(&mut self) {
        let (world, now) = (self.world, self.world.clock.now());
        let asks = self.under_way.iter().any(|one| matches!(one.work, Work::Request));
        if self.run.is_none() && !asks && now >= self.ask_at {
            let request = (self.request)();
            self.begin(Work::Request, Box::pin(async { Outcome::Request(request.await) }));
        }
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP_EVERY;
            let sweep = self.sweep.clone();
            let until = now + Duration::from_secs(60);
            let swept = async move {
                sweep.sweep(until).await;
                Outcome::Sweep
            };
            self.begin(Work::Sweep, Box::pin(swept));
        }
        loop {
            let busy =
                self.under_way.iter().filter(|one| !one.stands && matches!(one.work, Work::Message(_)));
            if busy.count() >= self.habits.hands {
                return;
            }
            let nth = if self.habits.unruly { self.chance.below(1_000) } else { 0 };
            let Some(waiting) = world.queue.pop_nth(nth) else { return };
            if self.habits.unruly && self.chance.below(8) == 0 {
                let again = Waiting { receives: waiting.receives - 1, ..waiting.clone() };
                world.queue.put_back(again, Duration::from_secs(self.chance.below(60) as u64));
            }
            let (message, receives) = (waiting.message.clone(), waiting.receives);
            let step = async move { Outcome::Message(world.step.handle(&message, receives).await) };
            self.begin(Work::Message(Box::new(waiting)), Box::pin(step));
        }
    }

    /// Lets one of those who can go on do so. False where nobody can.
    fn poll_someone(&mut self) -> Result<bool, String> {
        let able: Vec<usize> = (0..self.under_way.len()).filter(|one| !self.under_way[*one].stands).collect();
        if able.is_empty() {
            return Ok(false);
        }
        let at = able[self.chance.below(able.len())];
        if let Some(outage) = self.outage.take_if(|outage| self.world.faults.made() >= outage.from_call) {
            self.world.faults.black_out(outage.services);
            self.outage_ends = Some(self.world.clock.now() + outage.lasts);
        }
        let (faults, now) = (&self.world.faults, self.world.clock.now());
        let (made, frozen) = (faults.made(), faults.frozen());
        let one = &mut self.under_way[at];
        let polled = one.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        one.idle = if faults.made() == made { one.idle + 1 } else { 0 };
        if one.idle > IDLE {
            if frozen == 0 {
                return Err("someone waits and nothing was done to it".to_owned());
            }
            one.stands = true;
        }
        if faults.struck() > self.struck {
            (self.struck, self.last_fault) = (faults.struck(), now);
        }
        if faults.frozen() > frozen && self.thaw_at.is_none() {
            let calls = faults.made().saturating_add(self.habits.thaw_calls);
            self.thaw_at = Some((now + self.habits.thaw_after, calls));
        }
        if faults.is_dead() {
            faults.restart();
            let one = self.under_way.swap_remove(at);
            self.died(one);
        } else if let Poll::Ready(outcome) = polled {
            let one = self.under_way.swap_remove(at);
            self.settle(one, outcome);
        }
        if self.thaw_at.is_some_and(|(_, calls)| self.world.faults.made() >= calls) {
            self.thaw();
        }
        Ok(true)
    }

    /// The shop says that a feed is finished while the step that asks for feeds is yet to come again: its webhook makes
    /// the run look.
    fn shop_says_finished(&self, asks: &Waiting) {
        let run = self.world.runs.all().into_iter().find(|run| run.id == asks.message.run);
        if asks.message.step == Step::Extract
            && let Some(run) = run
            && run.state == RunState::Extracting
            && run.feeds.values().any(|feed| !feed.ready)
        {
            let message = StepMessage { step: Step::Poll { hop: run.poll_hop }, ..asks.message.clone() };
            self.world.queue.put_back(Waiting { message, receives: 0, ..asks.clone() }, Duration::ZERO);
        }
    }

    fn died(&mut self, one: UnderWay<'_>) {
        match one.work {
            Work::Message(waiting) if !one.given_away => {
                self.shop_says_finished(&waiting);
                let left = one.until.duration_since(self.world.clock.now());
                self.world.queue.put_back(*waiting, Duration::try_from(left).unwrap_or_default());
            }
            Work::Request => self.ask_again(),
            Work::Message(_) | Work::Sweep => {}
        }
    }

    fn ask_again(&mut self) {
        self.ask_at = self.world.clock.now() + ASKS_AGAIN;
        if self.impatient {
            // It saw an error and went away, but what it asked for may have begun.
            self.run = self.world.runs.all().into_iter().map(|run| run.id).next_back();
        }
    }

    fn settle(&mut self, one: UnderWay<'_>, outcome: Outcome) {
        match (one.work, outcome) {
            (Work::Message(waiting), Outcome::Message(Disposition::Retry(error))) if !one.given_away => {
                if waiting.receives >= MAX_RECEIVES {
                    self.dead_letters += 1;
                    return;
                }
                self.shop_says_finished(&waiting);
                let lot = self.chance.below(256) as u8;
                let wait = back_off(waiting.receives, lot, error.retry_after());
                self.world.queue.put_back(*waiting, wait);
            }
            (_, Outcome::Request(Ok(run))) => self.run = Some(run),
            (_, Outcome::Request(Err(_))) => self.ask_again(),
            _ => {}
        }
    }

    fn thaw(&mut self) {
        self.world.faults.thaw();
        (self.thaw_at, self.last_fault) = (None, self.world.clock.now());
        for one in &mut self.under_way {
            (one.stands, one.idle) = (false, 0);
        }
    }

    /// When the run ended, if nothing is left to do.
    fn is_over(&self) -> Option<Timestamp> {
        if !self.under_way.is_empty() || !self.world.queue.waiting().is_empty() {
            return None;
        }
        let id = self.run.as_ref()?;
        let run = self.world.runs.all().into_iter().find(|run| run.id == *id)?;
        run.finished_at.filter(|_| run.state.is_final())
    }

    fn let_time_pass(&mut self) {
        let now = self.world.clock.now();
        let own = self.under_way.iter().filter(|one| !one.given_away).map(|one| one.until);
        let asks = (self.run.is_none()).then_some(self.ask_at);
        let next = own
            .chain(self.world.queue.next_due())
            .chain(asks)
            .chain(self.thaw_at.map(|(at, _)| at))
            .chain(self.outage_ends)
            .chain([self.sweep_at])
            .filter(|at| *at > now)
            .min();
        let Some(next) = next else { return };
        self.world.clock.advance(Duration::try_from(next.duration_since(now)).unwrap_or_default());
        for one in &mut self.under_way {
            if let Work::Message(waiting) = &one.work
                && !one.given_away
                && one.until <= next
            {
                self.world.queue.put_back((**waiting).clone(), Duration::ZERO);
            }
            one.given_away |= one.until <= next;
        }
        if self.thaw_at.is_some_and(|(at, _)| at <= next) {
            self.thaw();
        }
        if self.outage_ends.take_if(|ends| *ends <= next).is_some() {
            self.world.faults.black_out(&[]);
            self.last_fault = next;
        }
    }
}
