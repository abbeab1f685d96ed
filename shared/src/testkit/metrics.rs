//! Metrics in memory, to be asked what was recorded and when.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::clock::ManualClock;
use crate::ports::metrics::{Metric, Metrics};
use crate::ports::time::Clock as _;

/// Values in memory. Clones share them.
#[derive(Clone, Default)]
pub struct FakeMetrics {
    recorded: Arc<Mutex<Vec<(Timestamp, Metric, u64)>>>,
    clock: ManualClock,
}

impl FakeMetrics {
    /// None yet; those to come are recorded at the time of this clock.
    pub fn new(clock: ManualClock) -> Self {
        Self { recorded: Arc::default(), clock }
    }

    /// Every value of a metric and when it was recorded, in that order.
    pub fn timed(&self, metric: Metric) -> Vec<(Timestamp, u64)> {
        let all = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, name, _)| *name == metric).map(|(at, _, value)| (*at, *value)).collect()
    }

    /// Every value of a metric, in the order they were recorded.
    pub fn values(&self, metric: Metric) -> Vec<u64> {
        self.timed(metric).into_iter().map(|(_, value)| value).collect()
    }

    /// The sum of a metric's values.
    pub fn sum(&self, metric: Metric) -> u64 {
        self.values(metric).iter().sum()
    }
}

impl Metrics for FakeMetrics {
    fn record(&self, values: &[(Metric, u64)]) {
        let now = self.clock.now();
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.extend(values.iter().map(|(metric, value)| (now, *metric, *value)));
    }
}
