//! Logs: one JSON object a line on standard output, which Lambda collects. A line at `error` means that someone must
//! act, so those are counted as well, and an alarm watches the count.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::metrics;
use crate::adapters::system::SystemClock;
use crate::ports::metrics::{Metric, Metrics};

/// Counts what is logged as an error.
pub struct CountErrors(pub Arc<dyn Metrics>);

impl<S: Subscriber> Layer<S> for CountErrors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            self.0.count(Metric::ErrorsLogged);
        }
    }
}

/// Starts logging. `level` is `error`, `warn`, `info` or `debug`; anything else counts as `info`.
///
/// Other crates are heard from `warn` on: the runtime and the HTTP clients print payloads and headers below that.
/// There is no way to `trace`.
pub fn init(level: Option<&str>) {
    let ours = match level.map(str::to_ascii_lowercase).as_deref() {
        Some("error") => LevelFilter::ERROR,
        Some("warn") => LevelFilter::WARN,
        Some("debug") => LevelFilter::DEBUG,
        _ => LevelFilter::INFO,
    };
    let filter = Targets::new().with_default(LevelFilter::WARN.min(ours)).with_target("shared", ours);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(true);
    let errors = CountErrors(metrics::of_this_function(Arc::new(SystemClock)));
    // A second start (in tests) keeps the first.
    let _ =
        tracing_subscriber::registry().with(lines.with_span_list(false)).with(errors).with(filter).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::metrics::FakeMetrics;

    #[test]
    fn what_is_logged_as_an_error_is_counted_and_nothing_else() {
        let metrics = FakeMetrics::default();
        let layer = CountErrors(Arc::new(metrics.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!("this heals by itself");
            tracing::error!("someone must act");
        });
        assert_eq!(metrics.values(Metric::ErrorsLogged), [1]);
    }
}
