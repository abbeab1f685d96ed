//! What is counted and measured. The one list of names: what the code records and what the template's alarms watch
//! are both held to it. No metric tells stores, shops or installations apart; logs do.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Lines logged as errors: someone must act.
    ErrorsLogged,
    /// Requests that were answered.
    Requests,
    /// Answers that blame the caller (4xx).
    ClientErrors,
    /// Answers that blame us or what we depend on (5xx).
    ServerErrors,
    /// How long an answer took.
    DurationMs,
    /// Messages that were dealt with.
    StepsDone,
    /// Messages that are to be delivered again.
    StepsRetried,
    /// Messages that no repetition helps: they cannot be read, or their last delivery failed as well.
    StepsPoison,
    /// How long a message took.
    StepDurationMs,
    /// Tokens that were replaced by their successors.
    TokenRefreshes,
    /// Attempts to refresh a token that failed without a word about the token itself.
    TokenRefreshFailures,
    /// Connections whose token was proven dead: their merchant has to connect again.
    TokensDead,
    /// Requests and steps that a shop's limit put off.
    ShopThrottles,
    /// Runs that did not move for too long, as the last sweep found them.
    StalledRuns,
    /// How long the longest of them has not moved; 0 where none is stalled.
    OldestStalledRunAgeSeconds,
    /// Connections whose token the sweep found due for keeping alive.
    ConnectionsDue,
    /// Files of images that could not be fetched and are not tried again before the next run.
    CopiesGivenUp,
}

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Metric {
    /// All there are.
    pub const ALL: [Self; 17] = [
        Self::ErrorsLogged,
        Self::Requests,
        Self::ClientErrors,
        Self::ServerErrors,
        Self::DurationMs,
        Self::StepsDone,
        Self::StepsRetried,
        Self::StepsPoison,
        Self::StepDurationMs,
        Self::TokenRefreshes,
        Self::TokenRefreshFailures,
        Self::TokensDead,
        Self::ShopThrottles,
        Self::StalledRuns,
        Self::OldestStalledRunAgeSeconds,
        Self::ConnectionsDue,
        Self::CopiesGivenUp,
    ];

    /// The name, as alarms and dashboards know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ErrorsLogged => "errors_logged",
            Self::Requests => "requests",
            Self::ClientErrors => "client_errors",
            Self::ServerErrors => "server_errors",
            Self::DurationMs => "duration_ms",
            Self::StepsDone => "steps_done",
            Self::StepsRetried => "steps_retried",
            Self::StepsPoison => "steps_poison",
            Self::StepDurationMs => "step_duration_ms",
            Self::TokenRefreshes => "token_refreshes",
            Self::TokenRefreshFailures => "token_refresh_failures",
            Self::TokensDead => "tokens_dead",
            Self::ShopThrottles => "shop_throttles",
            Self::StalledRuns => "stalled_runs",
            Self::OldestStalledRunAgeSeconds => "oldest_stalled_run_age_seconds",
            Self::ConnectionsDue => "connections_due",
            Self::CopiesGivenUp => "copies_given_up",
        }
    }

    /// The unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::DurationMs | Self::StepDurationMs => Unit::Milliseconds,
            Self::OldestStalledRunAgeSeconds => Unit::Seconds,
            _ => Unit::Count,
        }
    }
}

/// Where values go. Recording never fails towards the caller: work is not lost for the sake of its numbers.
pub trait Metrics: Send + Sync {
    /// Records values that belong to the same moment.
    fn record(&self, values: &[(Metric, u64)]);

    /// Counts one.
    fn count(&self, metric: Metric) {
        self.record(&[(metric, 1)]);
    }
}
