//! Faults at the n-th call, shared by the fakes of one test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and had no effect.
    FailBefore,
    /// It took effect and its answer is lost.
    FailAfter,
    /// The caller dies before it: it and every later call fail without effect, until [`Faults::revive`].
    CrashBefore,
    /// The caller dies after it took effect: its answer is lost and every later call fails without effect.
    CrashAfter,
}

#[derive(Default)]
struct Inner {
    calls: Vec<&'static str>,
    plan: BTreeMap<usize, Fault>,
    dead: bool,
}

/// Counts calls and lets those fail that are planned to. Clones share their state.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

impl Faults {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault for the call of this number, counted from 0 over all fakes that share this.
    pub fn at(&self, call: usize, fault: Fault) {
        self.inner().plan.insert(call, fault);
    }

    /// The names of the calls so far.
    pub fn calls(&self) -> Vec<&'static str> {
        self.inner().calls.clone()
    }

    /// How often a call was made.
    pub fn count(&self, name: &str) -> usize {
        self.inner().calls.iter().filter(|call| **call == name).count()
    }

    /// Forgets the calls and the plan; the next process starts.
    pub fn revive(&self) {
        *self.inner() = Inner::default();
    }

    /// Makes a call: `effect` happens or not, and the caller sees its result or `lost`.
    pub fn call<T, E>(
        &self,
        name: &'static str,
        lost: impl Fn() -> E,
        effect: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut inner = self.inner();
        if inner.dead {
            return Err(lost());
        }
        let number = inner.calls.len();
        inner.calls.push(name);
        match inner.plan.get(&number) {
            None => effect(),
            Some(Fault::FailBefore) => Err(lost()),
            Some(Fault::FailAfter) => {
                let _ = effect();
                Err(lost())
            }
            Some(Fault::CrashBefore) => {
                inner.dead = true;
                Err(lost())
            }
            Some(Fault::CrashAfter) => {
                inner.dead = true;
                let _ = effect();
                Err(lost())
            }
        }
    }
}
