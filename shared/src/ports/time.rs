//! Time and chance, so that tests can hold both still.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

/// The time of day.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Comes back after a while. A manual clock jumps there instead.
    async fn sleep(&self, duration: Duration);
}

/// Bytes that nobody can guess.
pub trait Random: Send + Sync {
    /// 32 unguessable bytes.
    fn bytes32(&self) -> [u8; 32];

    /// A time-ordered (version 7) uuid.
    fn uuid(&self, now: Timestamp) -> Uuid;
}
