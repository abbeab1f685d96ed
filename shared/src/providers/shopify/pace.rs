//! The pace of calls to a shop. Each answer says how much is left in the shop's bucket and how fast it fills; a call
//! that would find too little waits for it first. So pages are read one after the other without refusals in between.
//!
//! Buckets: <https://shopify.dev/docs/api/usage/limits>. What other processes take from one shows with the next answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::ids::ShopDomain;
use crate::ports::provider::ProviderError;

/// The longest that a call waits at once; the queue waits longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Shops that are remembered.
const SHOPS: usize = 64;

/// What is known of shops' buckets.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<ShopDomain, Bucket>>);

#[derive(Debug)]
struct Bucket {
    available: f64,
    /// Points a second.
    restore_rate: f64,
    at: Instant,
    /// What each document asked for last.
    costs: HashMap<&'static str, f64>,
}

impl Bucket {
    fn wait(&self, document: &'static str, now: Instant) -> Duration {
        let filled = now.duration_since(self.at).as_secs_f64() * self.restore_rate;
        let lacking = self.costs.get(document).map_or(0.0, |cost| cost - self.available - filled);
        Duration::try_from_secs_f64(lacking / self.restore_rate).unwrap_or_default()
    }
}

impl Pace {
    /// Comes back when the bucket holds what a document cost last. `Throttled` where that takes too long.
    pub async fn before(&self, shop: &ShopDomain, document: &'static str) -> Result<(), ProviderError> {
        let wait = {
            let shops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            shops.get(shop).map_or(Duration::ZERO, |bucket| bucket.wait(document, Instant::now()))
        };
        if wait > PATIENCE {
            return Err(ProviderError::Throttled { retry_after: Some(wait) });
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Takes in what an answer says.
    pub fn learn(
        &self,
        shop: &ShopDomain,
        document: &'static str,
        requested: f64,
        available: f64,
        restore_rate: f64,
    ) {
        let mut shops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shops.len() >= SHOPS && !shops.contains_key(shop) {
            shops.clear();
        }
        let at = Instant::now();
        let fresh = || Bucket { available, restore_rate, at, costs: HashMap::new() };
        let bucket = shops.entry(shop.clone()).or_insert_with(fresh);
        (bucket.available, bucket.restore_rate, bucket.at) = (available, restore_rate, at);
        bucket.costs.insert(document, requested);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(name: &str) -> ShopDomain {
        ShopDomain::accepted(format!("{name}.myshopify.com"))
    }

    async fn waited(pace: &Pace, name: &str, document: &'static str) -> Duration {
        let began = Instant::now();
        pace.before(&shop(name), document).await.unwrap();
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_until_the_bucket_holds_what_it_costs() {
        let pace = Pace::default();
        assert_eq!(waited(&pace, "acme", "pages").await, Duration::ZERO, "nothing is known yet");
        pace.learn(&shop("acme"), "pages", 300.0, 100.0, 50.0);
        assert_eq!(
            waited(&pace, "other", "pages").await,
            Duration::ZERO,
            "each shop has a bucket of its own"
        );
        assert_eq!(waited(&pace, "acme", "counts").await, Duration::ZERO, "it may be cheap");
        assert_eq!(waited(&pace, "acme", "pages").await.as_secs(), 4, "200 points at 50 a second");
        assert_eq!(waited(&pace, "acme", "pages").await, Duration::ZERO, "it has filled");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_is_left_to_the_queue() {
        let pace = Pace::default();
        pace.learn(&shop("acme"), "pages", 1_000.0, 0.0, 50.0);
        let refused = pace.before(&shop("acme"), "pages").await;
        let Err(ProviderError::Throttled { retry_after: Some(wait) }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(wait.as_secs(), 20);
        pace.learn(&shop("acme"), "pages", 1_000.0, 0.0, 0.0);
        assert_eq!(
            waited(&pace, "acme", "pages").await,
            Duration::ZERO,
            "a bucket that never fills says nothing"
        );
    }

    /// What is left in a bucket of 1,000 points after many calls of 100 each, refilled at 50 a second.
    #[tokio::test(start_paused = true)]
    async fn many_pages_take_as_long_as_the_bucket_needs_and_none_is_refused() {
        let pace = Pace::default();
        let (mut left, mut at, began) = (1_000.0_f64, Instant::now(), Instant::now());
        for _ in 0..50 {
            pace.before(&shop("acme"), "pages").await.unwrap();
            left = (left + at.elapsed().as_secs_f64() * 50.0).min(1_000.0);
            at = Instant::now();
            assert!(left >= 99.9, "{left} points left");
            left -= 100.0;
            pace.learn(&shop("acme"), "pages", 100.0, left, 50.0);
        }
        assert_eq!(began.elapsed().as_secs(), 80, "(5,000 - 1,000) / 50");
    }
}
