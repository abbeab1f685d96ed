//! Shopify: all that knows its names, documents and rules.

mod client;
mod connect;
mod extract;
mod files;
mod gid;
mod levels;
#[cfg(feature = "testkit")]
pub mod made;
mod map;
mod pace;
pub mod push;
mod range;
mod webhooks;

pub use self::webhooks::WEBHOOK_HEADERS;

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::redirect::Policy;

use crate::ports::provider::ProviderError;

/// The version of the Admin API that every call names. Documents and mapping are held to its schema.
pub const API_VERSION: &str = "2026-07";

/// The hosts that result files of bulk operations are read from.
pub const RESULT_HOSTS: &[&str] = &["storage.googleapis.com"];

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may stay silent. Shopify itself gives up on a call after ten seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Shopify behind the ports of `ports::provider`.
///
/// Holds no credential: each call brings its own. Redirects are never followed, plain HTTP is never spoken, and
/// `HTTPS_PROXY` and `NO_PROXY` are honoured as reqwest reads them.
#[derive(Debug, Default)]
pub struct Shopify {
    http: OnceLock<reqwest::Client>,
    pace: pace::Pace,
}

impl Shopify {
    /// Prepares nothing yet: trusted certificates are read with the first call, not during a cold start.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a client of its own, for tests that lead it to a shop of theirs.
    #[cfg(feature = "testkit")]
    pub fn over(client: reqwest::Client) -> Self {
        let http = OnceLock::from(client);
        Self { http, pace: pace::Pace::default() }
    }

    /// How fast shops may be called.
    fn pace(&self) -> &pace::Pace {
        &self.pace
    }

    /// The client for every call to Shopify.
    fn http(&self) -> Result<&reqwest::Client, ProviderError> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("eshopos-merchant-connectors/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|error| ProviderError::Unavailable { source: Some(Box::new(error)) })?;
        Ok(self.http.get_or_init(|| client))
    }
}
