//! Configuration, from the environment's names to one struct per function, so that a function can only ask for what
//! its policy grants. Required values have no defaults. Values are never repeated in messages.

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

    /// A required text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = (self.lookup)(name).filter(|value| !value.is_empty());
        if text.is_none() {
            self.problems.push(format!("{name} is not set"));
        }
        text
    }

    /// A required address without query and fragment, of http or https.
    pub fn base_url(&mut self, name: &str) -> Option<Url> {
        let text = self.text(name)?;
        let fits = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
        };
        let url = Url::parse(&text).ok().filter(fits);
        if url.is_none() {
            self.problems.push(format!("{name} is not an http(s) address without query and fragment"));
        }
        url
    }

    /// A required whole number within a range.
    pub fn number(&mut self, name: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let number = self.text(name)?.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.problems.push(format!("{name} is not from {} to {}", range.start(), range.end()));
        }
        number
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

/// Declares the configuration of functions: of each setting the type, and how `$from` reads it.
macro_rules! configurations {
    ($from:ident; $($(#[$about:meta])+ $name:ident {
        $($(#[$doc:meta])+ $field:ident: $kind:ty = $read:expr,)+
    })+) => {$(
        $(#[$about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])+ pub $field: $kind,)+
        }

        impl $name {
            /// Reads it.
            pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
                let mut $from = Reader::new(lookup);
                $(let $field = $read;)+
                let config = || Some(Self { $($field: $field?,)+ });
                $from.finish(config())
            }
        }
    )+};
}

configurations! {
    from;

    /// Configuration of `configure`.
    Configure {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// The claim that names the caller's store.
        store_claim: String = from.text("STORE_CLAIM"),
        /// Where this API is reached.
        public_base_url: Url = from.base_url("PUBLIC_BASE_URL"),
        /// The public id of our app.
        client_id: String = from.text("SHOPIFY_CLIENT_ID"),
    }

    /// Configuration of `oauth-callback`.
    OauthCallback {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
        /// Address of the queue of webhooks.
        webhooks_queue: String = from.text("WEBHOOKS_QUEUE"),
        /// Where the merchant's workspace is.
        return_origin: Url = from.base_url("RETURN_ORIGIN"),
    }

    /// Configuration of `status`.
    Status {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Table of runs.
        runs_table: String = from.text("RUNS_TABLE"),
        /// The claim that names the caller's store.
        store_claim: String = from.text("STORE_CLAIM"),
    }

    /// Configuration of `disconnect`.
    Disconnect {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Table of runs.
        runs_table: String = from.text("RUNS_TABLE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
        /// The claim that names the caller's store.
        store_claim: String = from.text("STORE_CLAIM"),
    }

    /// Configuration of `destination`.
    Destination {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Table of mappings.
        destinations_table: String = from.text("DESTINATIONS_TABLE"),
        /// Table of pushes.
        push_table: String = from.text("PUSH_TABLE"),
        /// Bucket of rows.
        inputs_bucket: String = from.text("INPUTS_BUCKET"),
        /// Address of the queue of steps of pushes.
        destination_steps_queue: String = from.text("DESTINATION_STEPS_QUEUE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
        /// The claim that names the caller's store.
        store_claim: String = from.text("STORE_CLAIM"),
    }

    /// Configuration of `destination-step`.
    DestinationStep {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Table of mappings.
        destinations_table: String = from.text("DESTINATIONS_TABLE"),
        /// Table of pushes.
        push_table: String = from.text("PUSH_TABLE"),
        /// Bucket of rows.
        inputs_bucket: String = from.text("INPUTS_BUCKET"),
        /// Address of the queue of steps of pushes.
        destination_steps_queue: String = from.text("DESTINATION_STEPS_QUEUE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
    }

    /// Configuration of `imports`.
    Imports {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of runs.
        runs_table: String = from.text("RUNS_TABLE"),
        /// Address of the queue of import steps.
        import_steps_queue: String = from.text("IMPORT_STEPS_QUEUE"),
        /// The claim that names the caller's store.
        store_claim: String = from.text("STORE_CLAIM"),
    }

    /// Configuration of `import-step`.
    ImportStep {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Table of runs.
        runs_table: String = from.text("RUNS_TABLE"),
        /// Table of eshopOS records.
        catalog_table: String = from.text("CATALOG_TABLE"),
        /// Address of the queue of import steps.
        import_steps_queue: String = from.text("IMPORT_STEPS_QUEUE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
        /// Bucket that files are copied into.
        media_bucket: String = from.text("MEDIA_BUCKET"),
        /// Bytes of a feed file that one step reads: 4 KiB to 64 MiB.
        chunk_bytes: u64 = from.number("CHUNK_BYTES", 4096..=64 << 20),
    }

    /// Configuration of `webhooks`.
    Webhooks {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Address of the queue of webhooks.
        webhooks_queue: String = from.text("WEBHOOKS_QUEUE"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
    }

    /// Configuration of `webhook-step`.
    WebhookStep {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Table of runs.
        runs_table: String = from.text("RUNS_TABLE"),
        /// Table of eshopOS records.
        catalog_table: String = from.text("CATALOG_TABLE"),
        /// Table of pushes.
        push_table: String = from.text("PUSH_TABLE"),
        /// Address of the queue of import steps.
        import_steps_queue: String = from.text("IMPORT_STEPS_QUEUE"),
        /// Address of the queue of webhooks.
        webhooks_queue: String = from.text("WEBHOOKS_QUEUE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
        /// Where shops reach this API.
        webhooks_base_url: Url = from.base_url("WEBHOOKS_BASE_URL"),
    }

    /// Configuration of `catalog`.
    Catalog {
        /// Table of eshopOS records.
        catalog_table: String = from.text("CATALOG_TABLE"),
        /// The claim that names the caller's store.
        store_claim: String = from.text("STORE_CLAIM"),
    }

    /// Configuration of `sweeper`.
    Sweeper {
        /// Table of connectors, states and claims.
        connectors_table: String = from.text("CONNECTORS_TABLE"),
        /// Table of history.
        history_table: String = from.text("HISTORY_TABLE"),
        /// Table of runs.
        runs_table: String = from.text("RUNS_TABLE"),
        /// Address of the queue of import steps.
        import_steps_queue: String = from.text("IMPORT_STEPS_QUEUE"),
        /// Address of the queue of webhooks.
        webhooks_queue: String = from.text("WEBHOOKS_QUEUE"),
        /// Prefix of the names of token secrets.
        install_secret_prefix: String = from.text("INSTALL_SECRET_PREFIX"),
        /// Name of the secret of our app.
        app_secret_id: String = from.text("APP_SECRET_ID"),
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
        insta::assert_snapshot!(error, @"the configuration is incomplete: HISTORY_TABLE is not set; INSTALL_SECRET_PREFIX is not set; STORE_CLAIM is not set; PUBLIC_BASE_URL is not an http(s) address without query and fragment; SHOPIFY_CLIENT_ID is not set");
    }

    #[test]
    fn numbers_keep_to_their_range() {
        let mut from = Reader::new(|_: &str| Some("70".to_owned()));
        assert_eq!(from.number("A", 1..=70), Some(70));
        assert_eq!(from.number("B", 1..=69), None);
        assert_eq!(from.finish(Some(())).unwrap_err().0, ["B is not from 1 to 69"]);
    }
}
