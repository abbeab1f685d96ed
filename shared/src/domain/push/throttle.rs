//! The shop's budget of points, shared by all who write to it.
//!
//! The shop fills a bucket at a steady rate and takes from it what each call asks for. Nobody here knows its size or rate
//! beforehand: both are read from every answer. Points are leased before a call is sent, so that several workers cannot
//! overdraw the bucket together, and given back when it is known what the call really cost.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Points, in thousandths: the shop counts with fractions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Points(u64);

impl Points {
    /// None.
    pub const ZERO: Self = Self(0);

    /// Whole points.
    pub fn whole(points: u32) -> Self {
        Self(u64::from(points) * 1000)
    }

    /// Points as the shop writes them; nothing for what is no number of points.
    pub fn read(points: f64) -> Option<Self> {
        // Far beyond every bucket, far below where a float loses thousandths.
        let fits = (0.0..1e9).contains(&points);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        fits.then(|| Self((points * 1000.0).round() as u64))
    }

    /// So many thousandths.
    pub fn from_thousandths(thousandths: u64) -> Self {
        Self(thousandths)
    }

    /// Thousandths.
    pub fn thousandths(self) -> u64 {
        self.0
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// What the shop says about its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The most it can hold.
    pub maximum: Points,
    /// What it holds.
    pub available: Points,
    /// What comes in each second.
    pub restore_rate: Points,
}

impl Status {
    /// What is believed of a shop that has not answered yet: the smallest bucket that has been heard of.
    pub const UNKNOWN: Self =
        Self { maximum: Points(40_000), available: Points(40_000), restore_rate: Points(2_000) };
}

/// Points that someone may spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who asked for it; unique.
    pub id: u64,
    /// What may be spent.
    pub points: Points,
    /// When it is taken for lost with whoever holds it.
    pub until: Timestamp,
}

/// The points are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They will be after this time.
    #[error("the points are there in {0:?}")]
    Wait(Duration),
    /// The bucket is smaller than what is asked for; it has to be asked for in parts.
    #[error("the shop never has that many points")]
    TooMuch,
}

/// How long a lease is believed in. Longer than any call may take.
const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// The model of one shop's bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    status: Status,
    /// When it held that.
    at: Timestamp,
    /// When the call was sent whose answer was last believed.
    heard: Timestamp,
    leases: Vec<Lease>,
    next: u64,
}

impl Bucket {
    /// A bucket that the shop has told this about.
    pub fn new(status: Status, at: Timestamp) -> Self {
        Self { status, at, heard: at, leases: Vec::new(), next: 0 }
    }

    /// What comes in each second.
    pub fn restore_rate(&self) -> Points {
        self.status.restore_rate
    }

    fn held(&self, now: Timestamp) -> Points {
        let elapsed = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(0);
        let restored = Points(self.status.restore_rate.0.saturating_mul(elapsed) / 1000);
        self.status.available.plus(restored).min(self.status.maximum)
    }

    /// What it holds that nobody has leased.
    pub fn free(&self, now: Timestamp) -> Points {
        let leased = self.leases.iter().filter(|lease| lease.until > now);
        leased.fold(self.held(now), |free, lease| free.minus(lease.points))
    }

    /// Leases points: as many as wanted, or what is there, but at least what is needed.
    pub fn lease(&mut self, needed: Points, wanted: Points, now: Timestamp) -> Result<Lease, Refused> {
        // Whoever held these is gone, and what became of the points is not known: they are taken for spent.
        let (held, lost): (Vec<Lease>, Vec<Lease>) =
            self.leases.drain(..).partition(|lease| lease.until > now);
        self.leases = held;
        if let Some(lost) = lost.iter().map(|lease| lease.points).reduce(Points::plus) {
            self.spend(lost, now);
        }
        if needed > self.status.maximum {
            return Err(Refused::TooMuch);
        }
        let free = self.free(now);
        if free < needed {
            let rate = self.status.restore_rate.0.max(1);
            let wait = needed.minus(free).0.saturating_mul(1000).div_ceil(rate);
            return Err(Refused::Wait(Duration::from_millis(wait.max(1))));
        }
        self.next += 1;
        let lease = Lease { id: self.next, points: wanted.max(needed).min(free), until: now + LEASE };
        self.leases.push(lease.clone());
        Ok(lease)
    }

    /// Takes a lease back of which it is only known what was spent: nothing of one that was not used, all of one whose
    /// answer was lost.
    pub fn settle(&mut self, lease: &Lease, spent: Points, now: Timestamp) {
        self.leases.retain(|other| other.id != lease.id);
        self.spend(spent, now);
    }

    /// Takes a lease back with the shop's answer to a call that was `asked` then. What the shop says it holds is short of
    /// the calls that are on their way, and they are leased as well: so the model stays below the truth, by some calls.
    pub fn correct(&mut self, lease: &Lease, spent: Points, told: Status, asked: Timestamp, now: Timestamp) {
        // An older answer that arrives late knows nothing of the calls in between.
        if asked < self.heard {
            return self.settle(lease, spent, now);
        }
        self.leases.retain(|other| other.id != lease.id);
        self.status = told;
        (self.at, self.heard) = (now, asked);
    }

    fn spend(&mut self, spent: Points, now: Timestamp) {
        self.status.available = self.held(now).minus(spent);
        self.at = now.max(self.at);
    }
}

/// How many calls must be on their way at once to use what comes in, with room to use up a full bucket.
pub fn in_flight(restore_rate: Points, cost: Points, latency: Duration) -> usize {
    let latency = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    let needed = restore_rate.0.saturating_mul(latency).saturating_mul(9) / cost.0.max(1) / 5000;
    usize::try_from(needed.clamp(1, 64)).unwrap_or(64)
}

/// What calls will ask for, learned from what calls of the same shape asked for before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predictor {
    learned: BTreeMap<String, Points>,
}

/// How many shapes are remembered.
const SHAPES: usize = 256;

impl Predictor {
    /// What a call of this shape will ask for; what the published formula says, until one was made.
    pub fn predict(&self, shape: &str, formula: Points) -> Points {
        self.learned.get(shape).copied().unwrap_or(formula)
    }

    /// Learns what a call of this shape asked for. More is believed at once, less only by and by: too little asked for
    /// is a refused call, too much is given back.
    pub fn learn(&mut self, shape: &str, asked: Points) {
        if let Some(known) = self.learned.get_mut(shape) {
            *known = if asked < *known { Points((known.0 * 7 + asked.0).div_ceil(8)) } else { asked };
        } else if self.learned.len() < SHAPES {
            self.learned.insert(shape.to_owned(), asked);
        }
    }
}

#[cfg(test)]
mod tests;
