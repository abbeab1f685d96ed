//! Metrics in memory, to be asked what was recorded.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ports::metrics::{Metric, Metrics};

/// Values in memory. Clones share them.
#[derive(Clone, Default)]
pub struct FakeMetrics(Arc<Mutex<Vec<(Metric, u64)>>>);

impl FakeMetrics {
    /// Every value of a metric, in the order they were recorded.
    pub fn values(&self, metric: Metric) -> Vec<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(name, _)| *name == metric).map(|(_, value)| *value).collect()
    }

    /// The sum of a metric's values.
    pub fn sum(&self, metric: Metric) -> u64 {
        self.values(metric).iter().sum()
    }
}

impl Metrics for FakeMetrics {
    fn record(&self, values: &[(Metric, u64)]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(values);
    }
}
