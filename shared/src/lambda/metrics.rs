//! What the edge measures of every request and every message, the same for all functions.

use std::sync::Arc;

use jiff::Timestamp;

use super::config::environment;
use crate::adapters::emf::Emf;
use crate::ports::metrics::{Metric, Metrics};
use crate::ports::time::Clock;

/// The code of what a shop's own limit put off.
const SHOP_THROTTLED: &str = "shop_throttled";

/// Records under the name that Lambda gives every function, and the one that the template gives its stack.
pub fn of_this_function(clock: Arc<dyn Clock>) -> Arc<dyn Metrics> {
    Arc::new(Emf::new(environment("AWS_LAMBDA_FUNCTION_NAME"), environment("STACK"), clock))
}

/// Milliseconds since then; none where the clock was set back.
pub(super) fn millis_since(began: Timestamp, clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().duration_since(began).as_millis()).unwrap_or(0)
}

/// Records one answer: its status, and the code where it is a problem.
pub(super) fn answered(metrics: &dyn Metrics, status: u16, code: Option<&str>, duration_ms: u64) {
    metrics.record(&[
        (Metric::Requests, 1),
        (Metric::ClientErrors, u64::from((400..500).contains(&status))),
        (Metric::ServerErrors, u64::from(status >= 500)),
        (Metric::ShopThrottles, u64::from(code == Some(SHOP_THROTTLED))),
        (Metric::DurationMs, duration_ms),
    ]);
}

/// Records one message: whether it is dealt with, or the code of what makes it come again.
pub(super) fn stepped(metrics: &dyn Metrics, retried: Option<&str>, duration_ms: u64) {
    metrics.record(&[
        (Metric::StepsDone, u64::from(retried.is_none())),
        (Metric::StepsRetried, u64::from(retried.is_some())),
        (Metric::ShopThrottles, u64::from(retried == Some(SHOP_THROTTLED))),
        (Metric::StepDurationMs, duration_ms),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::metrics::FakeMetrics;

    #[test]
    fn a_step_that_the_shop_put_off_is_a_throttle_and_no_other_is() {
        for (retried, expected) in [
            (Some("shop_throttled"), [0, 1, 1]),
            (Some("temporarily_unavailable"), [0, 1, 0]),
            (None, [1, 0, 0]),
        ] {
            let metrics = FakeMetrics::default();
            stepped(&metrics, retried, 7);
            let of = [Metric::StepsDone, Metric::StepsRetried, Metric::ShopThrottles];
            assert_eq!(of.map(|metric| metrics.sum(metric)), expected, "{retried:?}");
            assert_eq!(metrics.values(Metric::StepDurationMs), [7]);
        }
    }
}
