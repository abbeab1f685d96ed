//! The vault of tokens and of our app's own secret. What leaves it is a [`SecretString`] and never logged.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use super::PortError;
use super::provider::AppSecret;
use crate::domain::ids::{InstallId, ProviderId};

/// The credentials of a merchant's own app, by which its next token is fetched.
#[derive(Clone)]
pub struct ClientCredentials {
    /// The id of the app.
    pub id: SecretString,
    /// Its secret.
    pub secret: SecretString,
}

/// The token pair of one installation.
#[derive(Clone)]
pub struct StoredToken {
    /// Sent with every call.
    pub access_token: SecretString,
    /// Traded for the next pair.
    pub refresh_token: Option<SecretString>,
    /// When the access token ends; none where it does not.
    pub expires_at: Option<Timestamp>,
    /// When the refresh token ends.
    pub refresh_expires_at: Option<Timestamp>,
    /// What the next token is fetched by, where there is no refresh token for it.
    pub client: Option<ClientCredentials>,
    /// The vault's own name for this version; empty before it is stored. Compare-and-set needs it.
    pub version: String,
}

/// Secrets, by installation.
#[async_trait]
pub trait TokenVault: Send + Sync {
    /// Our app's own credentials at a platform.
    async fn app_secret(&self, provider: ProviderId) -> Result<AppSecret, PortError>;

    /// Stores the first token of an installation. `PortError::Conflict` where there is one.
    async fn create(&self, install: &InstallId, token: &StoredToken) -> Result<(), PortError>;

    /// The token in force; none where it was deleted or never stored.
    async fn current(&self, install: &InstallId) -> Result<Option<StoredToken>, PortError>;

    /// The token that was in force before the current one; none where there was none or it is not kept any more.
    async fn previous(&self, install: &InstallId) -> Result<Option<StoredToken>, PortError>;

    /// Puts the next pair in force if the one in force is still `from` (its version); `PortError::Conflict`
    /// otherwise. The earlier pair stays readable as the previous version.
    async fn replace(&self, install: &InstallId, from: &str, token: &StoredToken) -> Result<(), PortError>;

    /// Deletes every version. One that is not there is a success.
    async fn delete(&self, install: &InstallId) -> Result<(), PortError>;
}
