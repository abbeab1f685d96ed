//! The vault of tokens in Secrets Manager: one secret per installation, one version per token pair.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::errors::port_error;
use super::system::SystemRandom;
use crate::domain::ids::{InstallId, ProviderId};
use crate::ports::PortError;
use crate::ports::provider::AppSecret;
use crate::ports::time::{Clock, Random as _};
use crate::ports::vault::{ClientCredentials, StoredToken, TokenVault};

const SERVICE: &str = "vault";
/// How long our app's own secret is kept in memory. A rotation reaches every function within this time.
const KEPT: Duration = Duration::from_secs(300);

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

/// A token pair, as the value of a secret. Lives only for the moment of reading or writing.
#[derive(Serialize, Deserialize)]
struct TokenV1 {
    v: u64,
    access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_expires_at: Option<Timestamp>,
    /// From form 2 on, so that no build that does not know it stores the next token without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<ClientV2>,
}

#[derive(Serialize, Deserialize)]
struct ClientV2 {
    id: String,
    secret: String,
}

/// Our app's credentials, as an operator writes them.
#[derive(Deserialize)]
struct AppSecretValue {
    client_id: String,
    current: String,
    #[serde(default)]
    previous: Option<String>,
}

struct Kept {
    secret: AppSecret,
    until: Timestamp,
}

/// Tokens in Secrets Manager.
#[derive(Clone)]
pub struct SecretsVault {
    client: Client,
    prefix: String,
    app_secret_id: Option<String>,
    clock: Arc<dyn Clock>,
    app: Arc<Mutex<Option<Kept>>>,
}

fn malformed(what: &'static str) -> PortError {
    // The parser's own words could repeat part of the value.
    PortError::Malformed { what, why: "its value is not of the known form".to_owned() }
}

fn value(token: &StoredToken) -> Result<String, PortError> {
    let secret = |text: &SecretString| text.expose_secret().to_owned();
    let value = TokenV1 {
        v: if token.client.is_some() { 2 } else { 1 },
        access_token: secret(&token.access_token),
        refresh_token: token.refresh_token.as_ref().map(secret),
        expires_at: token.expires_at,
        refresh_expires_at: token.refresh_expires_at,
        client: token
            .client
            .as_ref()
            .map(|client| ClientV2 { id: secret(&client.id), secret: secret(&client.secret) }),
    };
    serde_json::to_string(&value).map_err(|_| malformed("token"))
}

impl SecretsVault {
    /// Secrets of installations are named `prefix` and the installation's id; `app_secret_id` names our app's own.
    pub fn new(client: Client, prefix: String, app_secret_id: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, prefix, app_secret_id: Some(app_secret_id), clock, app: Arc::default() }
    }

    /// A vault to put tokens of installations into, for those who may do no more than that.
    pub fn to_fill(client: Client, prefix: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, prefix, app_secret_id: None, clock, app: Arc::default() }
    }

    fn name(&self, install: &InstallId) -> String {
        format!("{}{install}", self.prefix)
    }

    /// A name for a new version. Secrets Manager takes a repeated call with the same one as the same call.
    fn new_version(&self) -> String {
        SystemRandom.uuid(self.clock.now()).to_string()
    }

    /// The value in a stage; none where there is no secret, none in this stage, or one that was deleted.
    async fn read(&self, id: &str, stage: &str) -> Result<Option<GetSecretValueOutput>, PortError> {
        match self.client.get_secret_value().secret_id(id).version_stage(stage).send().await {
            Ok(got) => Ok(Some(got)),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_resource_not_found_exception() => Ok(None),
                // "… because it was marked for deletion."
                Some(refused)
                    if refused.is_invalid_request_exception()
                        && refused.message().is_some_and(|message| message.contains("deletion")) =>
                {
                    Ok(None)
                }
                _ => Err(port_error(SERVICE, error)),
            },
        }
    }

    async fn version_in_force(&self, id: &str) -> Result<Option<String>, PortError> {
        Ok(self.read(id, CURRENT).await?.and_then(|got| got.version_id))
    }

    async fn token(&self, install: &InstallId, stage: &str) -> Result<Option<StoredToken>, PortError> {
        let Some(got) = self.read(&self.name(install), stage).await? else { return Ok(None) };
        let text = got.secret_string().ok_or(malformed("token"))?;
        let value: TokenV1 = serde_json::from_str(text).map_err(|_| malformed("token"))?;
        if !(1..=2).contains(&value.v) {
            return Err(PortError::Malformed {
                what: "token",
                why: format!("form {} is not known to this version", value.v),
            });
        }
        Ok(Some(StoredToken {
            access_token: value.access_token.into(),
            refresh_token: value.refresh_token.map(SecretString::from),
            expires_at: value.expires_at,
            refresh_expires_at: value.refresh_expires_at,
            client: value
                .client
                .map(|client| ClientCredentials { id: client.id.into(), secret: client.secret.into() }),
            version: got.version_id.ok_or(malformed("token"))?,
        }))
    }
}

#[async_trait]
impl TokenVault for SecretsVault {
    async fn app_secret(&self, _provider: ProviderId) -> Result<AppSecret, PortError> {
        let mut kept = self.app.lock().await;
        let now = self.clock.now();
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            return Ok(kept.secret.clone());
        }
        let denied = PortError::Denied { service: SERVICE, source: None };
        let got = self.read(self.app_secret_id.as_ref().ok_or(denied)?, CURRENT).await?;
        let text =
            got.as_ref().and_then(GetSecretValueOutput::secret_string).ok_or(malformed("app secret"))?;
        let value: AppSecretValue = serde_json::from_str(text).map_err(|_| malformed("app secret"))?;
        let secret = AppSecret {
            client_id: value.client_id,
            current: value.current.into(),
            previous: value.previous.filter(|previous| !previous.is_empty()).map(SecretString::from),
        };
        *kept = Some(Kept { secret: secret.clone(), until: now + KEPT });
        Ok(secret)
    }

    async fn create(&self, install: &InstallId, token: &StoredToken) -> Result<(), PortError> {
        let created = self
            .client
            .create_secret()
            .name(self.name(install))
            .client_request_token(self.new_version())
            .secret_string(value(token)?)
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            // A name that was deleted stays taken for a while; that is told by an invalid request.
            Err(error)
                if error.as_service_error().is_some_and(|refused| {
                    refused.is_resource_exists_exception() || refused.is_invalid_request_exception()
                }) =>
            {
                Err(PortError::Conflict)
            }
            Err(error) => Err(port_error(SERVICE, error)),
        }
    }

    async fn current(&self, install: &InstallId) -> Result<Option<StoredToken>, PortError> {
        self.token(install, CURRENT).await
    }

    async fn previous(&self, install: &InstallId) -> Result<Option<StoredToken>, PortError> {
        self.token(install, PREVIOUS).await
    }

    async fn replace(&self, install: &InstallId, from: &str, token: &StoredToken) -> Result<(), PortError> {
        let (id, next) = (self.name(install), self.new_version());
        let put = self
            .client
            .put_secret_value()
            .secret_id(&id)
            .client_request_token(&next)
            .secret_string(value(token)?)
            .version_stages(PENDING)
            .send()
            .await;
        if let Err(error) = put {
            let gone = error.as_service_error().is_some_and(|refused| {
                refused.is_resource_not_found_exception() || refused.is_invalid_request_exception()
            });
            return Err(if gone { PortError::Conflict } else { port_error(SERVICE, error) });
        }
        // The pair takes force only if the one before is still the one that was refreshed.
        let moved = self
            .client
            .update_secret_version_stage()
            .secret_id(&id)
            .version_stage(CURRENT)
            .move_to_version_id(&next)
            .remove_from_version_id(from)
            .send()
            .await;
        let Err(error) = moved else { return Ok(()) };
        // Refused for good, or refused because an earlier try of the same call has done it: what is in force tells.
        if error.as_service_error().is_none() {
            return Err(port_error(SERVICE, error));
        }
        match self.version_in_force(&id).await? {
            Some(version) if version == next => Ok(()),
            Some(version) if version == from => Err(port_error(SERVICE, error)),
            _ => Err(PortError::Conflict),
        }
    }

    async fn delete(&self, install: &InstallId) -> Result<(), PortError> {
        let deleted = self
            .client
            .delete_secret()
            .secret_id(self.name(install))
            .force_delete_without_recovery(true)
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => {
                Ok(())
            }
            Err(error) => Err(port_error(SERVICE, error)),
        }
    }
}
