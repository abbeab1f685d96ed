//! Time for one store and one shop: it moves only when everyone waits, to the moment that is waited for first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use shared::ports::time::Clock;
use shopify_simulator::server::Simulator;
use tokio::sync::oneshot;

/// Turns in which nobody did anything before it is believed that all wait.
const QUIET: u32 = 64;

struct Nap {
    until: Timestamp,
    number: u64,
    over: oneshot::Sender<()>,
}

impl PartialEq for Nap {
    fn eq(&self, other: &Self) -> bool {
        (self.until, self.number) == (other.until, other.number)
    }
}

impl Eq for Nap {}

impl PartialOrd for Nap {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Nap {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.number).cmp(&(other.until, other.number))
    }
}

struct Inner {
    naps: BinaryHeap<Reverse<Nap>>,
    numbers: u64,
    /// Calls that the shop is at; they take no time of this kind.
    at_the_shop: usize,
    noise: u64,
}

/// The time. Clones share it.
#[derive(Clone)]
pub struct SharedTime {
    shops: Arc<Simulator>,
    inner: Arc<Mutex<Inner>>,
}

impl SharedTime {
    /// The time of a simulator, which from now on is moved from here.
    pub fn of(shops: Arc<Simulator>) -> Self {
        shops.clock.stand_still();
        let inner = Inner { naps: BinaryHeap::new(), numbers: 0, at_the_shop: 0, noise: 7 };
        Self { shops, inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call has come to the shop, or has left it.
    pub fn at_the_shop(&self, comes: bool) {
        let mut inner = self.inner();
        inner.at_the_shop = if comes { inner.at_the_shop + 1 } else { inner.at_the_shop - 1 };
    }

    /// How long half of the way of a call takes: 125 to 225 ms.
    pub fn half_way(&self) -> Duration {
        let mut inner = self.inner();
        inner.noise =
            inner.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(125 + (inner.noise >> 33) % 101)
    }

    /// Moves the time while `work` goes on.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.quiet() => {}
            }
            let Some(Reverse(nap)) = self.inner().naps.pop() else { continue };
            let passes = nap.until.duration_since(self.now()).as_millis();
            self.shops.clock.advance_millis(i64::try_from(passes).unwrap_or(i64::MAX).max(0));
            // Nobody waits for a nap that was given up.
            let _ = nap.over.send(());
        }
    }

    /// Comes back when nobody can go on.
    async fn quiet(&self) {
        let mut turns = 0;
        while turns < QUIET {
            tokio::task::yield_now().await;
            turns = if self.inner().at_the_shop > 0 { 0 } else { turns + 1 };
        }
    }
}

#[async_trait]
impl Clock for SharedTime {
    fn now(&self) -> Timestamp {
        self.shops.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        let (over, wait) = oneshot::channel();
        {
            let until = self.now() + duration.max(Duration::from_millis(1));
            let mut inner = self.inner();
            inner.numbers += 1;
            let number = inner.numbers;
            inner.naps.push(Reverse(Nap { until, number, over }));
        }
        // The time lives as long as whoever asks it.
        let _ = wait.await;
    }
}
