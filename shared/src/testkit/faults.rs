//! Faults at the n-th call, shared by the fakes of one test.
//!
//! Calls are numbered from 0 over all fakes that share a handle, so one clean run tells how many there are and a sweep
//! can try every fault at every one of them. The same plan on the same calls gives the same run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::canaries;
use crate::ports::PortError;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and had no effect.
    FailBefore,
    /// It took effect and its answer is lost.
    FailAfter,
    /// It is refused as one too many, without effect.
    Throttle,
    /// The caller dies before it: it and every later call fail without effect, until [`Faults::restart`].
    CrashBefore,
    /// The caller dies after it took effect: its answer is lost and every later call fails without effect.
    CrashAfter,
    /// Its answer is lost and it is made again at once, as clients of our services do: the caller sees what the second
    /// met, which may be its own first. Calls of a shop are not made again: its answer is lost.
    Twice,
    /// The caller stands still before it until [`Faults::thaw`], while others go on; then it takes effect, late.
    /// Only fakes whose calls go through [`Faults::port`] or [`Faults::run`] can stand still.
    Freeze,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::FailBefore,
        Self::FailAfter,
        Self::Throttle,
        Self::Twice,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Freeze,
    ];
}

#[derive(Default)]
struct Inner {
    calls: Vec<&'static str>,
    plan: BTreeMap<usize, Fault>,
    struck: usize,
    dead: bool,
    /// Whether a call of the dead fails or never returns.
    halts: bool,
    /// Services, by how the names of their calls begin, that do not answer at all.
    down: &'static [&'static str],
    frozen: usize,
    /// Calls after which nobody is believed to get on any more; any number where there is none.
    most: Option<usize>,
}

/// Counts calls and lets those fail that are planned to. Clones share their state.
#[derive(Clone)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
    thawed: Arc<watch::Sender<u64>>,
}

impl Default for Faults {
    fn default() -> Self {
        canaries::listen();
        Self { inner: Arc::default(), thawed: Arc::new(watch::Sender::new(0)) }
    }
}

impl Faults {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault for the call of this number.
    pub fn at(&self, call: usize, fault: Fault) {
        self.inner().plan.insert(call, fault);
    }

    /// Plans `n` faults at calls before `horizon`, all by this seed.
    pub fn scatter(&self, seed: u64, n: usize, horizon: usize) {
        let mut state = seed;
        let mut next = move || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as usize
        };
        for _ in 0..n {
            let call = next() % horizon.max(1);
            self.at(call, Fault::ALL[next() % Fault::ALL.len()]);
        }
    }

    /// The names of the calls so far.
    pub fn calls(&self) -> Vec<&'static str> {
        self.inner().calls.clone()
    }

    /// How many calls were made so far.
    pub fn made(&self) -> usize {
        self.inner().calls.len()
    }

    /// How often a call was made.
    pub fn count(&self, name: &str) -> usize {
        self.inner().calls.iter().filter(|call| **call == name).count()
    }

    /// How many planned faults have struck.
    pub fn struck(&self) -> usize {
        self.inner().struck
    }

    /// Whether the process has died and every call fails.
    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// How many callers stand still.
    pub fn frozen(&self) -> usize {
        self.inner().frozen
    }

    /// The next process starts; numbers go on and later faults stay planned.
    pub fn restart(&self) {
        self.inner().dead = false;
    }

    /// Lets everyone go on who stands still.
    pub fn thaw(&self) {
        self.inner().frozen = 0;
        self.thawed.send_modify(|times| *times += 1);
    }

    /// Forgets the calls and the plan; the next process starts.
    pub fn revive(&self) {
        let mut inner = self.inner();
        *inner = Inner { most: inner.most, halts: inner.halts, ..Inner::default() };
    }

    /// The call after so many fails its test: time that moves only while everyone waits does not end a caller that
    /// asks for ever.
    pub fn at_most(&self, calls: usize) {
        self.inner().most = Some(calls);
    }

    /// Numbers a call and says what happens to it; none where the caller is dead.
    fn next(&self, name: &'static str) -> Option<Option<Fault>> {
        let mut inner = self.inner();
        if inner.dead {
            return None;
        }
        let number = inner.calls.len();
        assert!(inner.most.is_none_or(|most| number < most), "{number} calls and no end: {name} again");
        inner.calls.push(name);
        if inner.down.iter().any(|service| name.starts_with(service)) {
            return Some(Some(Fault::FailBefore));
        }
        let fault = inner.plan.get(&number).copied();
        inner.struck += usize::from(fault.is_some());
        match fault {
            Some(Fault::CrashBefore | Fault::CrashAfter) => inner.dead = true,
            Some(Fault::Freeze) => inner.frozen += 1,
            _ => {}
        }
        Some(fault)
    }

    /// From now on a caller that dies stops where it is, as a process does: its call never returns. Whoever polls it sees
    /// [`Faults::is_dead`] and drops it.
    pub fn halt_the_dead(&self) {
        self.inner().halts = true;
    }

    /// From now on no service answers whose calls have a name that begins with one of these.
    pub fn black_out(&self, services: &'static [&'static str]) {
        self.inner().down = services;
    }

    /// Makes a call: `effect` happens or not, and the caller sees its result or `lost`. Cannot stand still.
    pub fn call<T, E>(
        &self,
        name: &'static str,
        lost: impl Fn() -> E,
        effect: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(fault) = self.next(name) else { return Err(lost()) };
        if fault == Some(Fault::Freeze) {
            self.inner().frozen -= 1;
        }
        Self::strike(fault, lost, effect)
    }

    /// Makes a call that can also stand still, and lets other tasks go first.
    pub async fn run<T, E>(
        &self,
        name: &'static str,
        lost: impl Fn() -> E,
        effect: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let answer = match self.enter(name).await {
            None => Err(lost()),
            Some(fault) => Self::strike(fault, lost, effect),
        };
        self.answer(answer).await
    }

    /// Makes a call of a service of ours: lost answers and throttling come as its errors.
    pub async fn port<T>(
        &self,
        service: &'static str,
        name: &'static str,
        mut effect: impl FnMut() -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let lost = || PortError::Unavailable { service, source: None };
        let answer = match self.enter(name).await {
            None => Err(lost()),
            Some(Some(Fault::Throttle)) => Err(PortError::Throttled { service, retry_after: None }),
            Some(Some(Fault::Twice)) => {
                let _ = effect();
                effect()
            }
            Some(fault) => Self::strike(fault, lost, effect),
        };
        self.answer(answer).await
    }

    async fn enter(&self, name: &'static str) -> Option<Option<Fault>> {
        tokio::task::yield_now().await;
        let mut thawed = self.thawed.subscribe();
        let fault = self.next(name)?;
        if fault == Some(Fault::Freeze) {
            // The sender lives as long as `self`, so only a thaw ends this.
            let _ = thawed.changed().await;
        }
        Some(fault)
    }

    async fn answer<T, E>(&self, answer: Result<T, E>) -> Result<T, E> {
        let stops = {
            let inner = self.inner();
            inner.dead && inner.halts
        };
        if stops {
            std::future::pending::<()>().await;
        }
        answer
    }

    fn strike<T, E>(
        fault: Option<Fault>,
        lost: impl Fn() -> E,
        effect: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match fault {
            None | Some(Fault::Freeze) => effect(),
            Some(Fault::FailBefore | Fault::Throttle | Fault::CrashBefore) => Err(lost()),
            Some(Fault::FailAfter | Fault::Twice | Fault::CrashAfter) => {
                let _ = effect();
                Err(lost())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt as _;

    use super::*;

    async fn three(faults: &Faults, effects: &Cell<u32>) -> Vec<bool> {
        let mut worked = Vec::new();
        for _ in 0..3 {
            let effect = || {
                effects.set(effects.get() + 1);
                Ok(())
            };
            worked.push(faults.port("table", "t.put", effect).await.is_ok());
        }
        worked
    }

    #[tokio::test]
    async fn each_fault_does_what_its_name_says() {
        for (fault, worked, effects) in [
            (Fault::FailBefore, [true, false, true], 2),
            (Fault::FailAfter, [true, false, true], 3),
            (Fault::Throttle, [true, false, true], 2),
            (Fault::Twice, [true, true, true], 4),
            (Fault::CrashBefore, [true, false, false], 1),
            (Fault::CrashAfter, [true, false, false], 2),
        ] {
            let (faults, seen) = (Faults::default(), Cell::new(0));
            faults.at(1, fault);
            assert_eq!(three(&faults, &seen).await, worked, "{fault:?}");
            assert_eq!(seen.get(), effects, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn the_dead_stop_where_they_are() {
        let (faults, effects) = (Faults::default(), Cell::new(0));
        faults.halt_the_dead();
        faults.at(1, Fault::CrashAfter);
        assert_eq!(three(&faults, &effects).now_or_never(), None);
        // The first pauses to let others go, before the call.
        let mut dies = std::pin::pin!(three(&faults, &effects));
        while !faults.is_dead() {
            assert!(dies.as_mut().now_or_never().is_none());
        }
        assert!(dies.as_mut().now_or_never().is_none());
        faults.restart();
        assert_eq!(three(&faults, &effects).await, [true; 3]);
    }

    #[tokio::test]
    async fn a_service_that_is_down_does_not_answer_and_others_do() {
        let (faults, effects) = (Faults::default(), Cell::new(0));
        faults.black_out(&["t.", "u."]);
        assert_eq!(three(&faults, &effects).await, [false; 3]);
        faults.black_out(&["u."]);
        assert_eq!(three(&faults, &effects).await, [true; 3]);
        assert_eq!(effects.get(), 3);
    }

    #[tokio::test]
    async fn a_throttled_call_says_so() {
        let faults = Faults::default();
        faults.at(0, Fault::Throttle);
        let error = faults.port("table", "t.put", || Ok(())).await.err();
        assert!(matches!(error, Some(PortError::Throttled { .. })), "{error:?}");
    }

    #[tokio::test]
    async fn a_frozen_call_takes_effect_after_the_thaw() {
        let faults = Faults::default();
        faults.at(0, Fault::Freeze);
        let order = Arc::new(Mutex::new(Vec::new()));
        let (theirs, also) = (Arc::clone(&order), faults.clone());
        let frozen = tokio::spawn(async move {
            also.port("table", "t.put", || {
                theirs.lock().unwrap().push("late");
                Ok(())
            })
            .await
        });
        while faults.frozen() == 0 {
            tokio::task::yield_now().await;
        }
        let early = faults.port("table", "t.put", || {
            order.lock().unwrap().push("early");
            Ok(())
        });
        early.await.unwrap();
        faults.thaw();
        frozen.await.unwrap().unwrap();
        assert_eq!(*order.lock().unwrap(), ["early", "late"]);
    }

    #[tokio::test]
    async fn who_asks_without_end_is_stopped_and_counting_begins_anew_with_the_next_process() {
        let faults = Faults::default();
        faults.at_most(3);
        three(&faults, &Cell::new(0)).await;
        faults.revive();
        three(&faults, &Cell::new(0)).await;
        let also = faults.clone();
        let fourth = tokio::spawn(async move { also.port("table", "t.put", || Ok(())).await });
        assert!(fourth.await.is_err_and(|error| error.is_panic()));
    }

    #[test]
    fn the_same_seed_plans_the_same_faults() {
        fn plan(seed: u64) -> BTreeMap<usize, Fault> {
            let faults = Faults::default();
            faults.scatter(seed, 5, 100);
            std::mem::take(&mut faults.inner().plan)
        }
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }
}
