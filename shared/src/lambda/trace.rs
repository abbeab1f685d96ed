//! Logs: one JSON object a line on standard output, which Lambda collects.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines.with_span_list(false)).with(filter).try_init();
}
