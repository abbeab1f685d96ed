//! What use cases need from the world, in domain words. No adapter type may enter here.

pub mod catalog;
pub mod connectors;
pub mod destination;
pub mod loose;
pub mod media;
pub mod metrics;
pub mod provider;
pub mod push;
pub mod push_store;
pub mod queue;
pub mod runs;
pub mod time;
pub mod vault;
pub mod webhooks;

use std::time::Duration;

/// The cause below a failed call.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a log says of an error: it and everything below it, outermost first.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Why a call to a service of ours (tables, queue, vault) did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No answer, or one that says "later". Whether the call took effect is unknown.
    #[error("{service} is unavailable")]
    Unavailable {
        /// The service.
        service: &'static str,
        /// The cause below.
        #[source]
        source: Option<Cause>,
    },
    /// Too many calls.
    #[error("{service} throttled the call")]
    Throttled {
        /// The service.
        service: &'static str,
        /// When to try again, where it said so.
        retry_after: Option<Duration>,
    },
    /// The condition of a write did not hold: someone else was first.
    #[error("the condition of the write did not hold")]
    Conflict,
    /// Our policy does not grant the call. A mistake in the template.
    #[error("{service} denied the call")]
    Denied {
        /// The service.
        service: &'static str,
        /// The cause below.
        #[source]
        source: Option<Cause>,
    },
    /// What is stored cannot be read by this version.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// The item.
        what: &'static str,
        /// The reason. Never a stored value.
        why: String,
    },
}

/// A page of something, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page starts; none at the end. Opaque to everyone but the adapter that made it.
    pub next: Option<String>,
}
