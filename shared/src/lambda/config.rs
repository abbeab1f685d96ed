//! Configuration, from the environment's names to one struct per function, so that a function can only ask for what
//! its policy grants. Required values have no defaults. Values are never repeated in messages.

use std::collections::BTreeSet;

use url::Url;

/// Everything that is wrong with an environment, by variable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is incomplete: {}", .0.join("; "))]
pub struct ConfigError(Vec<String>);

/// Reads variables and collects every problem, so that one failed start tells them all.
pub struct Reader<L> {
    lookup: L,
    problems: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// Reads by this lookup.
    pub fn new(lookup: L) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A required text.
    pub fn text(&mut self, name: &str) -> String {
        self.raw(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// A required address without query and fragment, of http or https.
    pub fn base_url(&mut self, name: &str) -> Option<Url> {
        let text = self.raw(name);
        if text.is_none() {
            self.problems.push(format!("{name} is not set"));
        }
        let fits = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
        };
        let url = Url::parse(&text?).ok().filter(fits);
        if url.is_none() {
            self.problems.push(format!("{name} is not an http(s) address without query and fragment"));
        }
        url
    }

    /// A required whole number within a range.
    pub fn number(&mut self, name: &str, range: std::ops::RangeInclusive<u64>) -> u64 {
        let Some(text) = self.raw(name) else {
            self.problems.push(format!("{name} is not set"));
            return 0;
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.problems.push(format!("{name} is not from {} to {}", range.start(), range.end()));
                0
            }
        }
    }

    /// A required list of host names, separated by commas.
    pub fn hosts(&mut self, name: &str) -> BTreeSet<String> {
        let hosts: BTreeSet<String> =
            self.text(name).split(',').map(str::trim).filter(|h| !h.is_empty()).map(str::to_owned).collect();
        let fits =
            |host: &String| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        if hosts.iter().any(|host| !fits(host)) {
            self.problems.push(format!("{name} is not a list of host names"));
        }
        hosts
    }

    /// The struct, if nothing was wrong.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigError> {
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(ConfigError(self.problems)),
        }
    }
}

pub use crate::adapters::system::environment;

/// Configuration of `configure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configure {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// The claim that names the caller's store.
    pub store_claim: String,
    /// Where this API is reached.
    pub public_base_url: Url,
    /// The public id of our app.
    pub client_id: String,
}

impl Configure {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let connectors_table = from.text("CONNECTORS_TABLE");
        let history_table = from.text("HISTORY_TABLE");
        let install_secret_prefix = from.text("INSTALL_SECRET_PREFIX");
        let store_claim = from.text("STORE_CLAIM");
        let client_id = from.text("SHOPIFY_CLIENT_ID");
        let config = from.base_url("PUBLIC_BASE_URL").map(|public_base_url| Self {
            connectors_table,
            history_table,
            install_secret_prefix,
            store_claim,
            public_base_url,
            client_id,
        });
        from.finish(config)
    }
}

/// Configuration of `oauth-callback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthCallback {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
    /// Address of the queue of webhooks.
    pub webhooks_queue: String,
    /// Where the merchant's workspace is.
    pub return_origin: Url,
}

impl OauthCallback {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let connectors_table = from.text("CONNECTORS_TABLE");
        let history_table = from.text("HISTORY_TABLE");
        let install_secret_prefix = from.text("INSTALL_SECRET_PREFIX");
        let app_secret_id = from.text("APP_SECRET_ID");
        let webhooks_queue = from.text("WEBHOOKS_QUEUE");
        let config = from.base_url("RETURN_ORIGIN").map(|return_origin| Self {
            connectors_table,
            history_table,
            install_secret_prefix,
            app_secret_id,
            webhooks_queue,
            return_origin,
        });
        from.finish(config)
    }
}

/// Configuration of `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Table of runs.
    pub runs_table: String,
    /// The claim that names the caller's store.
    pub store_claim: String,
}

impl Status {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            history_table: from.text("HISTORY_TABLE"),
            runs_table: from.text("RUNS_TABLE"),
            store_claim: from.text("STORE_CLAIM"),
        };
        from.finish(Some(config))
    }
}

/// Configuration of `disconnect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Table of runs.
    pub runs_table: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
    /// The claim that names the caller's store.
    pub store_claim: String,
}

impl Disconnect {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            history_table: from.text("HISTORY_TABLE"),
            runs_table: from.text("RUNS_TABLE"),
            install_secret_prefix: from.text("INSTALL_SECRET_PREFIX"),
            app_secret_id: from.text("APP_SECRET_ID"),
            store_claim: from.text("STORE_CLAIM"),
        };
        from.finish(Some(config))
    }
}

/// Configuration of `destination`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Table of mappings.
    pub destinations_table: String,
    /// Table of pushes.
    pub push_table: String,
    /// Bucket of rows.
    pub inputs_bucket: String,
    /// Address of the queue of steps of pushes.
    pub destination_steps_queue: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
    /// The claim that names the caller's store.
    pub store_claim: String,
}

impl Destination {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            history_table: from.text("HISTORY_TABLE"),
            destinations_table: from.text("DESTINATIONS_TABLE"),
            push_table: from.text("PUSH_TABLE"),
            inputs_bucket: from.text("INPUTS_BUCKET"),
            destination_steps_queue: from.text("DESTINATION_STEPS_QUEUE"),
            install_secret_prefix: from.text("INSTALL_SECRET_PREFIX"),
            app_secret_id: from.text("APP_SECRET_ID"),
            store_claim: from.text("STORE_CLAIM"),
        };
        from.finish(Some(config))
    }
}

/// Configuration of `destination-step`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationStep {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Table of mappings.
    pub destinations_table: String,
    /// Table of pushes.
    pub push_table: String,
    /// Bucket of rows.
    pub inputs_bucket: String,
    /// Address of the queue of steps of pushes.
    pub destination_steps_queue: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
}

impl DestinationStep {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            history_table: from.text("HISTORY_TABLE"),
            destinations_table: from.text("DESTINATIONS_TABLE"),
            push_table: from.text("PUSH_TABLE"),
            inputs_bucket: from.text("INPUTS_BUCKET"),
            destination_steps_queue: from.text("DESTINATION_STEPS_QUEUE"),
            install_secret_prefix: from.text("INSTALL_SECRET_PREFIX"),
            app_secret_id: from.text("APP_SECRET_ID"),
        };
        from.finish(Some(config))
    }
}

/// Configuration of `imports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imports {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of runs.
    pub runs_table: String,
    /// Address of the queue of import steps.
    pub import_steps_queue: String,
    /// The claim that names the caller's store.
    pub store_claim: String,
}

impl Imports {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            runs_table: from.text("RUNS_TABLE"),
            import_steps_queue: from.text("IMPORT_STEPS_QUEUE"),
            store_claim: from.text("STORE_CLAIM"),
        };
        from.finish(Some(config))
    }
}

/// Configuration of `import-step`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportStep {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Table of runs.
    pub runs_table: String,
    /// Table of eshopOS records.
    pub catalog_table: String,
    /// Address of the queue of import steps.
    pub import_steps_queue: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
    /// Bytes of a feed file that one step reads: 4 KiB to 64 MiB.
    pub chunk_bytes: u64,
}

impl ImportStep {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            history_table: from.text("HISTORY_TABLE"),
            runs_table: from.text("RUNS_TABLE"),
            catalog_table: from.text("CATALOG_TABLE"),
            import_steps_queue: from.text("IMPORT_STEPS_QUEUE"),
            install_secret_prefix: from.text("INSTALL_SECRET_PREFIX"),
            app_secret_id: from.text("APP_SECRET_ID"),
            chunk_bytes: from.number("CHUNK_BYTES", 4096..=64 << 20),
        };
        from.finish(Some(config))
    }
}

/// Configuration of `webhooks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Address of the queue of webhooks.
    pub webhooks_queue: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
}

impl Webhooks {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            webhooks_queue: from.text("WEBHOOKS_QUEUE"),
            app_secret_id: from.text("APP_SECRET_ID"),
        };
        from.finish(Some(config))
    }
}

/// Configuration of `webhook-step`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookStep {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Table of runs.
    pub runs_table: String,
    /// Table of eshopOS records.
    pub catalog_table: String,
    /// Table of pushes.
    pub push_table: String,
    /// Address of the queue of import steps.
    pub import_steps_queue: String,
    /// Address of the queue of webhooks.
    pub webhooks_queue: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
    /// Where shops reach this API.
    pub webhooks_base_url: Url,
}

impl WebhookStep {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let connectors_table = from.text("CONNECTORS_TABLE");
        let history_table = from.text("HISTORY_TABLE");
        let runs_table = from.text("RUNS_TABLE");
        let catalog_table = from.text("CATALOG_TABLE");
        let push_table = from.text("PUSH_TABLE");
        let import_steps_queue = from.text("IMPORT_STEPS_QUEUE");
        let webhooks_queue = from.text("WEBHOOKS_QUEUE");
        let install_secret_prefix = from.text("INSTALL_SECRET_PREFIX");
        let app_secret_id = from.text("APP_SECRET_ID");
        let config = from.base_url("WEBHOOKS_BASE_URL").map(|webhooks_base_url| Self {
            connectors_table,
            history_table,
            runs_table,
            catalog_table,
            push_table,
            import_steps_queue,
            webhooks_queue,
            install_secret_prefix,
            app_secret_id,
            webhooks_base_url,
        });
        from.finish(config)
    }
}

/// Configuration of `catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Table of eshopOS records.
    pub catalog_table: String,
    /// The claim that names the caller's store.
    pub store_claim: String,
}

impl Catalog {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config =
            Self { catalog_table: from.text("CATALOG_TABLE"), store_claim: from.text("STORE_CLAIM") };
        from.finish(Some(config))
    }
}

/// Configuration of `sweeper`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweeper {
    /// Table of connectors, states and claims.
    pub connectors_table: String,
    /// Table of history.
    pub history_table: String,
    /// Table of runs.
    pub runs_table: String,
    /// Address of the queue of import steps.
    pub import_steps_queue: String,
    /// Address of the queue of webhooks.
    pub webhooks_queue: String,
    /// Prefix of the names of token secrets.
    pub install_secret_prefix: String,
    /// Name of the secret of our app.
    pub app_secret_id: String,
}

impl Sweeper {
    /// Reads it.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader::new(lookup);
        let config = Self {
            connectors_table: from.text("CONNECTORS_TABLE"),
            history_table: from.text("HISTORY_TABLE"),
            runs_table: from.text("RUNS_TABLE"),
            import_steps_queue: from.text("IMPORT_STEPS_QUEUE"),
            webhooks_queue: from.text("WEBHOOKS_QUEUE"),
            install_secret_prefix: from.text("INSTALL_SECRET_PREFIX"),
            app_secret_id: from.text("APP_SECRET_ID"),
        };
        from.finish(Some(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_every_problem_at_once_and_no_value() {
        let lookup = |name: &str| match name {
            "CONNECTORS_TABLE" => Some("connectors".to_owned()),
            "STORE_CLAIM" => Some(String::new()),
            "PUBLIC_BASE_URL" => Some("ftp://s3cret@example.com".to_owned()),
            _ => None,
        };
        let error = Configure::parse(lookup).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"the configuration is incomplete: HISTORY_TABLE is not set; INSTALL_SECRET_PREFIX is not set; STORE_CLAIM is not set; SHOPIFY_CLIENT_ID is not set; PUBLIC_BASE_URL is not an http(s) address without query and fragment");
    }

    #[test]
    fn numbers_keep_to_their_range_and_hosts_are_hosts() {
        let mut from = Reader::new(|name: &str| match name {
            "A" => Some("70".to_owned()),
            "B" => Some("storage.googleapis.com, b.example".to_owned()),
            _ => Some("https://x/y".to_owned()),
        });
        assert_eq!((from.number("A", 1..=100), from.hosts("B").len()), (70, 2));
        from.number("A", 1..=69);
        from.hosts("C");
        let error = from.finish(Some(())).unwrap_err();
        assert_eq!(error.0, ["A is not from 1 to 69", "C is not a list of host names"]);
    }
}
