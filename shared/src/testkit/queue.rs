//! The queue of steps in memory: at least once, in whatever order a test likes. Bodies are the real ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::canaries;
use super::clock::ManualClock;
use super::faults::Faults;
use crate::adapters::sqs;
use crate::ports::PortError;
use crate::ports::queue::{Redelivery, StepMessage, StepQueue};
use crate::ports::time::Clock as _;

const SERVICE: &str = "queue";

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its number; a duplicate has one of its own.
    pub number: u64,
    /// What it says.
    pub message: StepMessage,
    /// When it can be received.
    pub due: Timestamp,
    /// How often it was received before.
    pub receives: u32,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Waiting>,
    bodies: Vec<String>,
    numbers: u64,
}

/// Messages in memory. Clones share them.
#[derive(Clone)]
pub struct FakeQueue {
    faults: Faults,
    clock: ManualClock,
    inner: Arc<Mutex<Inner>>,
}

impl FakeQueue {
    /// An empty queue whose delays go by this clock.
    pub fn new(clock: ManualClock, faults: Faults) -> Self {
        Self { faults, clock, inner: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that waits, due or not, in the order it was sent.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.inner().waiting.clone()
    }

    /// Every body ever sent.
    pub fn bodies(&self) -> Vec<String> {
        self.inner().bodies.clone()
    }

    /// When the next message is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.inner().waiting.iter().map(|waiting| waiting.due).min()
    }

    /// Takes the oldest message that is due.
    pub fn pop(&self) -> Option<Waiting> {
        self.pop_nth(0)
    }

    /// Takes the message that is due at this place of the order, modulo their number.
    pub fn pop_nth(&self, nth: usize) -> Option<Waiting> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let due: Vec<usize> = (0..inner.waiting.len()).filter(|at| inner.waiting[*at].due <= now).collect();
        let at = *due.get(nth.checked_rem(due.len())?)?;
        let mut taken = inner.waiting.remove(at);
        taken.receives += 1;
        Some(taken)
    }

    /// Takes the oldest message that is due; where none is, moves the clock to the next that will be.
    pub fn pop_or_wait(&self) -> Option<Waiting> {
        if let Some(waiting) = self.pop() {
            return Some(waiting);
        }
        let wait = self.next_due()?.duration_since(self.clock.now());
        self.clock.advance(Duration::try_from(wait).unwrap_or_default());
        self.pop()
    }

    /// Puts a message back, to be received again after a while.
    pub fn put_back(&self, taken: Waiting, after: Duration) {
        let due = self.clock.now() + after;
        self.inner().waiting.push(Waiting { due, ..taken });
    }

    /// Lets a waiting message arrive twice; false where it does not wait.
    pub fn duplicate(&self, number: u64) -> bool {
        let mut inner = self.inner();
        let Some(mut twin) = inner.waiting.iter().find(|waiting| waiting.number == number).cloned() else {
            return false;
        };
        inner.numbers += 1;
        twin.number = inner.numbers;
        inner.waiting.push(twin);
        true
    }

    /// Loses everything that waits.
    pub fn clear(&self) {
        self.inner().waiting.clear();
    }
}

/// Remembers what was put off, and for how long. Clones share it.
#[derive(Clone, Default)]
pub struct FakeRedelivery(Arc<Mutex<Vec<(String, Duration)>>>);

impl FakeRedelivery {
    /// Receipt handles and waits, in order.
    pub fn all(&self) -> Vec<(String, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Redelivery for FakeRedelivery {
    async fn put_off(&self, receipt_handle: &str, wait: Duration) -> Result<(), PortError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((receipt_handle.to_owned(), wait));
        Ok(())
    }
}

#[async_trait]
impl StepQueue for FakeQueue {
    async fn send(&self, messages: &[StepMessage], delay: Duration) -> Result<(), PortError> {
        if messages.is_empty() {
            return Ok(());
        }
        let send = || {
            let due = self.clock.now() + delay.min(sqs::LONGEST_DELAY);
            let mut inner = self.inner();
            for message in messages {
                let body = sqs::body(message)?;
                let message = sqs::parse(&body)
                    .map_err(|error| PortError::Malformed { what: "message", why: error.to_string() })?;
                inner.numbers += 1;
                let number = inner.numbers;
                canaries::said("queue", &body);
                inner.bodies.push(body);
                inner.waiting.push(Waiting { number, message, due, receives: 0 });
            }
            Ok(())
        };
        self.faults.port(SERVICE, "queue.send", send).await
    }
}
