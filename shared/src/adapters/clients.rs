//! Clients of AWS, with limits that fit a function of seconds.
//!
//! Lambda gives a function its region and credentials in the environment and nowhere else. The SDK's own search (files
//! of profiles, metadata services, roles to assume) would cost a cold start and a megabyte, and find nothing.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use aws_types::sdk_config::Builder;

use super::system::environment;

/// The settings that every client shares: short connect timeout, a few retries with back-off. A whole call stays well
/// below a function's timeout.
pub fn settings() -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(1_500))
        .read_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(6))
        .operation_timeout(Duration::from_secs(20))
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(3));
    SdkConfig::builder()
        .http_client(Http::default())
        .behavior_version(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(retries)
}

/// [`settings`], with region, credentials and endpoint from the environment.
pub async fn sdk_config() -> SdkConfig {
    from_lookup(environment)
}

/// The variables that Lambda gives every function, and `AWS_ENDPOINT_URL` as the SDK reads it.
fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> SdkConfig {
    let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let mut settings = settings();
    settings.set_region(lookup("AWS_REGION").map(Region::new));
    settings.set_endpoint_url(lookup("AWS_ENDPOINT_URL"));
    if let (Some(key), Some(secret)) = (lookup("AWS_ACCESS_KEY_ID"), lookup("AWS_SECRET_ACCESS_KEY")) {
        let given = Credentials::new(key, secret, lookup("AWS_SESSION_TOKEN"), None, "environment");
        settings.set_credentials_provider(Some(SharedCredentialsProvider::new(given)));
    }
    settings.build()
}

/// The way to AWS that all clients share. The SDK's own reads and parses every trusted certificate once for each client,
/// while the function starts, only to do it again with the first call; this one does it once, with the first call.
#[derive(Debug, Default)]
struct Http(OnceLock<SharedHttpConnector>);

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // The settings are those of `settings`, whichever client asks.
        let make = || {
            let mut connector = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .connector_settings(settings.clone())
                .proxy_config(ProxyConfig::from_env());
            connector.set_sleep_impl(components.sleep_impl());
            SharedHttpConnector::new(connector.build())
        };
        self.0.get_or_init(make).clone()
    }
}

/// Tables.
pub fn dynamodb(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(config)
}

/// Queues.
pub fn sqs(config: &SdkConfig) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(config)
}

/// Objects. Where AWS is elsewhere, buckets are no names of hosts.
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let here = aws_sdk_s3::config::Builder::from(config).force_path_style(config.endpoint_url().is_some());
    aws_sdk_s3::Client::from_conf(here.build())
}

/// The vault.
pub fn secrets(config: &SdkConfig) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn given(endpoint: &str) -> SdkConfig {
        from_lookup(|name| {
            let value = match name {
                "AWS_REGION" => "eu-west-1",
                "AWS_ACCESS_KEY_ID" => "key",
                "AWS_SECRET_ACCESS_KEY" => "secret",
                "AWS_SESSION_TOKEN" => "session",
                "AWS_ENDPOINT_URL" => endpoint,
                _ => return None,
            };
            Some(value.to_owned())
        })
    }

    /// Answers each connection with the next of `answers`; gives back what was asked, in small letters.
    async fn answer(listener: TcpListener, answers: &[&str]) -> Vec<String> {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "the request broke off");
            }
            asked.push(String::from_utf8_lossy(&head).to_ascii_lowercase());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    }

    #[tokio::test]
    async fn calls_the_endpoint_signed_with_what_lambda_gives_and_tries_again_after_an_outage() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let client = secrets(&given(&endpoint));
        let call = client.get_secret_value().secret_id("one").send();
        let down = "HTTP/1.1 503 Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let good =
            "HTTP/1.1 200 OK\r\ncontent-length: 20\r\nconnection: close\r\n\r\n{\"SecretString\":\"x\"}";
        let answers = [down, good];
        let (asked, answered) = tokio::join!(answer(listener, &answers), call);
        assert_eq!(answered.unwrap().secret_string(), Some("x"));
        for asked in asked {
            assert!(asked.contains("x-amz-security-token: session\r\n"), "{asked}");
            assert!(asked.contains("credential=key/"), "{asked}");
            assert!(asked.contains("/eu-west-1/secretsmanager/aws4_request"), "{asked}");
        }
    }

    #[test]
    fn an_empty_endpoint_is_none() {
        assert_eq!(given("").endpoint_url(), None);
    }

    #[test]
    fn no_call_waits_longer_than_a_function_may_run() {
        let config = given("");
        let timeouts = config.timeout_config().unwrap();
        let seconds = |limit: Option<Duration>| limit.unwrap().as_secs_f32();
        assert!(seconds(timeouts.connect_timeout()) <= seconds(timeouts.operation_attempt_timeout()));
        assert!(seconds(timeouts.operation_timeout()) < 30.0, "what an HTTP API waits for");
        assert!(config.retry_config().unwrap().max_attempts() > 1);
    }

    #[test]
    fn a_call_without_credentials_is_not_signed_with_empty_ones() {
        let config = from_lookup(|name| (name == "AWS_ACCESS_KEY_ID").then(|| "key".to_owned()));
        assert!(config.credentials_provider().is_none());
    }
}
