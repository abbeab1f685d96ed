//! Time that stands still and chance that repeats itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::canaries;
use crate::ports::time::{Clock, Random};

/// A clock that moves only when told to, or when someone sleeps. Clones share the time.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// Stands at this time.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += by;
    }
}

impl Default for ManualClock {
    /// Stands at some moment of 2026.
    fn default() -> Self {
        Self::at(Timestamp::UNIX_EPOCH + Duration::from_secs(1_790_000_000))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the others go on, then jumps to the end of the nap, if nobody was there already.
    async fn sleep(&self, duration: Duration) {
        let until = self.now() + duration;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = until.max(*now);
    }
}

/// The same bytes for the same seed. Nothing here is unguessable.
pub struct SeededRandom {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededRandom {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl SeededRandom {
    fn draw(&self) -> [u8; 32] {
        let number = self.drawn.fetch_add(1, Ordering::SeqCst);
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(number.to_be_bytes());
        hash.finalize().into()
    }
}

impl Random for SeededRandom {
    /// A state, a cookie or an address's key: what is drawn whole is a secret.
    fn bytes32(&self) -> [u8; 32] {
        let drawn = self.draw();
        canaries::secret("state, cookie or key", &URL_SAFE_NO_PAD.encode(drawn));
        drawn
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut tail = [0; 10];
        tail.copy_from_slice(&self.draw()[..10]);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}
