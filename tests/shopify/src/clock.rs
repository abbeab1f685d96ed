//! The simulator's time: the real one, or one that stands still, plus an offset that tests move forward.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// A clock that can be moved forward, so that tokens and links expire without waiting.
#[derive(Debug, Default)]
pub struct Clock {
    offset_millis: AtomicI64,
    stands_at: OnceLock<Timestamp>,
    wake: Arc<Notify>,
}

impl Clock {
    /// A clock that tells `wake` when it is moved.
    #[must_use]
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { offset_millis: AtomicI64::default(), stands_at: OnceLock::new(), wake }
    }

    /// The simulated time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> Timestamp {
        let now = self.stands_at.get().copied().unwrap_or_else(Timestamp::now);
        let offset = SignedDuration::from_millis(self.offset_millis.load(Ordering::Relaxed));
        now.checked_add(offset).unwrap_or(now)
    }

    /// Moves the simulated time.
    pub fn advance(&self, seconds: i64) {
        self.advance_millis(seconds.saturating_mul(1000));
    }

    /// The same by milliseconds.
    pub fn advance_millis(&self, millis: i64) {
        self.offset_millis.fetch_add(millis, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// From now on the time moves only when it is told to.
    pub fn stand_still(&self) {
        if self.stands_at.set(self.now()).is_ok() {
            self.offset_millis.store(0, Ordering::Relaxed);
        }
    }
}

/// A time as Shopify writes it: UTC, whole seconds.
#[must_use]
pub fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
