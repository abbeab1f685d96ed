//! The machine's own clock, randomness and environment: the only place that may ask for any of them.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::ports::time::{Clock, Random};

/// The process's own environment.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        // Without randomness no secret is one. Nothing may be made of what is in the buffer, so nothing goes on.
        std::process::abort();
    }
}

impl Random for SystemRandom {
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        bytes
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut bytes = [0; 10];
        fill(&mut bytes);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_their_time_and_never_repeat() {
        let early = Timestamp::UNIX_EPOCH + Duration::from_millis(1_000);
        let late = Timestamp::UNIX_EPOCH + Duration::from_millis(1_001);
        let random = SystemRandom;
        assert!(random.uuid(early) < random.uuid(late));
        assert_ne!(random.uuid(early), random.uuid(early));
        assert_eq!(random.uuid(early).get_version_num(), 7);
        assert_ne!(random.bytes32(), random.bytes32());
    }
}
