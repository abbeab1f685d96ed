//! The simulator's time: the real one plus an offset that tests move forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// A clock that can be moved forward, so that tokens and links expire without waiting.
#[derive(Debug, Default)]
pub struct Clock {
    offset_seconds: AtomicI64,
    wake: Arc<Notify>,
}

impl Clock {
    /// A clock that tells `wake` when it is moved.
    #[must_use]
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { offset_seconds: AtomicI64::default(), wake }
    }

    /// The simulated time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let offset = SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed));
        now.checked_add(offset).unwrap_or(now)
    }

    /// Moves the simulated time.
    pub fn advance(&self, seconds: i64) {
        self.offset_seconds.fetch_add(seconds, Ordering::Relaxed);
        self.wake.notify_one();
    }
}

/// A time as Shopify writes it: UTC, whole seconds.
#[must_use]
pub fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
