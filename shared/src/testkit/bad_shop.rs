//! A shop on a bad day: it refuses, falls over, loses answers, cuts them off, and allows only so many calls. Seeded, so
//! that a bad day comes again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::clock::ManualClock;
use crate::ports::provider::ProviderError;
use crate::ports::time::Clock as _;

/// Of a thousand calls, how many meet what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odds {
    /// Refused: half of them as one too many, half because the shop fell over. Without effect.
    pub refused: u64,
    /// Carried out, and the answer lost.
    pub lost: u64,
    /// Carried out, and the answer cut off in its middle.
    pub cut: u64,
}

/// The calls that a shop allows: a bucket that fills by the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Calls that a full bucket pays for.
    pub most: f64,
    /// Calls that a second adds.
    pub a_second: f64,
}

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Answers,
    Loses,
    Cuts,
}

/// One shop's bad day.
pub struct BadShop {
    odds: Odds,
    budget: Budget,
    clock: ManualClock,
    state: Mutex<State>,
}

struct State {
    chance: u64,
    level: f64,
    filled: Timestamp,
    /// Calls refused because the bucket was empty.
    over_budget: u64,
}

impl BadShop {
    /// A bad day by this seed.
    pub fn new(seed: u64, odds: Odds, budget: Budget, clock: ManualClock) -> Self {
        let filled = clock.now();
        let state = State { chance: seed, level: budget.most, filled, over_budget: 0 };
        Self { odds, budget, clock, state: Mutex::new(state) }
    }

    /// How many calls came when the budget was used up.
    pub fn over_budget(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).over_budget
    }

    /// A call arrives; one for a file costs nothing of the budget.
    pub(super) fn meets(&self, file: bool) -> Result<Mood, ProviderError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let passed = Duration::try_from(now.duration_since(state.filled)).unwrap_or_default();
        state.filled = now;
        state.level = (state.level + passed.as_secs_f64() * self.budget.a_second).min(self.budget.most);
        if !file {
            if state.level < 1.0 {
                state.over_budget += 1;
                let wait = Duration::from_secs_f64((1.0 - state.level) / self.budget.a_second);
                return Err(ProviderError::Throttled { retry_after: Some(wait) });
            }
            state.level -= 1.0;
        }
        state.chance = state.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = (z ^ (z >> 31)) % 1_000;
        let Odds { refused, lost, cut } = self.odds;
        match drawn {
            n if n < refused / 2 => {
                Err(ProviderError::Throttled { retry_after: Some(Duration::from_secs(2)) })
            }
            n if n < refused => Err(ProviderError::Unavailable { source: None }),
            n if n < refused + lost => Ok(Mood::Loses),
            n if n < refused + lost + cut => Ok(Mood::Cuts),
            _ => Ok(Mood::Answers),
        }
    }
}
