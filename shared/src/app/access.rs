//! Access to a store's shop: the token in force, refreshed by one at a time and ahead of its end.
//!
//! A token is never lost and never falsely declared dead: the next pair is stored under compare-and-set before it is
//! used, the earlier one stays until then, only the shop's own word about the token counts, and even then the vault
//! is read again, since someone else may have refreshed meanwhile, and the pair before the one in force is tried.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::audit::{Event, entry};
use super::error::{AppError, ErrorKind};
use crate::domain::connection::{Connector, HistoryAction, Installation, Reason};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;
use crate::ports::connectors::{ConnectorStore, History, Lease, Release};
use crate::ports::metrics::{Metric, Metrics};
use crate::ports::provider::{AppSecret, Connect, ProviderError, ShopAccess, TokenGrant};
use crate::ports::time::Clock;
use crate::ports::vault::{StoredToken, TokenVault};
use crate::ports::webhooks::HookStore;

/// A token is refreshed when less than this of its life is left.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// A token with less life than this is not used for a call any more.
const MARGIN: Duration = Duration::from_secs(15);
/// How long one may take for a refresh before another tries.
const LEASE: Duration = Duration::from_secs(30);
/// After this many refreshes of a window that came to nothing, the shop is asked more rarely.
const QUICK_TRIES: u32 = 3;
/// How much more rarely. Six tries then span the hour that six are allowed for, so that an outage never uses them up
/// and leaves the rest of the hour without one.
const PAUSE: Duration = Duration::from_secs(15 * 60);
/// How long those wait who need the token that another is fetching.
const PATIENCE: Duration = Duration::from_secs(15);
const NAP: Duration = Duration::from_millis(250);
/// When those should ask again who have waited long enough.
const SOON: Duration = Duration::from_secs(5);

/// What access to a shop needs.
#[derive(Clone)]
pub struct Access {
    /// Connectors and refresh leases.
    pub connectors: Arc<dyn ConnectorStore>,
    /// What happened to connectors.
    pub history: Arc<dyn History>,
    /// Tokens.
    pub vault: Arc<dyn TokenVault>,
    /// The platform.
    pub connect: Arc<dyn Connect>,
    /// Addresses at which shops reach us.
    pub hooks: Arc<dyn HookStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Refreshes, failed ones, dead tokens.
    pub metrics: Arc<dyn Metrics>,
}

/// Why there is no token to use.
pub(super) enum NoToken {
    /// The shop no longer accepts what we have, or we have nothing.
    Dead,
    /// Anything else; nothing is known about the token.
    Failed(AppError),
}

impl<E: Into<AppError>> From<E> for NoToken {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Why a shop gave no answer.
pub(super) enum NoAnswer {
    /// It takes no token of this installation any more.
    Dead,
    /// It says why.
    Shop(ProviderError),
    /// Anything else; nothing is known about the token.
    Failed(AppError),
}

impl<E: Into<AppError>> From<E> for NoAnswer {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A grant as it is stored, its lives counted from now.
pub(super) fn stored(grant: TokenGrant, now: Timestamp) -> StoredToken {
    let until = |life: Option<Duration>| life.and_then(|life| now.checked_add(life).ok());
    StoredToken {
        access_token: grant.access_token,
        refresh_token: grant.refresh_token,
        expires_at: until(grant.expires_in),
        refresh_expires_at: until(grant.refresh_expires_in),
        client: None,
        version: String::new(),
    }
}

fn not_connected() -> AppError {
    AppError::conflict("not_connected", "This store is not connected to a shop. Connect it first.")
}

fn app_refused() -> AppError {
    AppError::new(
        ErrorKind::Unavailable,
        "invalid_client",
        "The platform does not accept our app's credentials. Tell us; there is nothing for you to do.",
    )
}

/// The app's credentials to ask again with, where the platform did not know those with the secret in force: those with
/// the one before it. A rotation so works in whichever order secrets are changed here and there.
pub(super) fn earlier<T>(secret: &AppSecret, answer: &Result<T, ProviderError>) -> Option<AppSecret> {
    let unknown = matches!(answer, Err(ProviderError::Refused { code }) if code == "invalid_client");
    let previous = secret.previous.clone().filter(|_| unknown)?;
    Some(AppSecret { current: previous, previous: None, ..secret.clone() })
}

/// The token cannot be renewed before this, and nothing is known against it.
fn renewing(until: Timestamp, now: Timestamp) -> AppError {
    let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    let kind = ErrorKind::Throttled { retry_after: Some(wait.max(Duration::from_secs(1))) };
    AppError::new(kind, "refreshing", "Access to the shop is being renewed. Try again later.")
}

fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

impl Access {
    /// The connector and a token that works now. Refreshes ahead of the token's end.
    ///
    /// Errors: `not_connected`; `needs_reauthorization` where the merchant has to connect again (the connector then
    /// says so too); otherwise transient ones.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn shop_access(
        &self,
        store: &StoreId,
        provider: ProviderId,
    ) -> Result<(Connector, ShopAccess), AppError> {
        self.access(store, provider, None).await
    }

    /// The same after the shop rejected a token: another one, or `needs_reauthorization` where there is none.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn after_rejection(
        &self,
        store: &StoreId,
        provider: ProviderId,
        rejected: &SecretString,
    ) -> Result<(Connector, ShopAccess), AppError> {
        self.access(store, provider, Some(rejected)).await
    }

    /// Calls the shop of an installation; where it rejects the token in hand, once more with the next one, which
    /// `access` then holds. A shop that rejects that too is taken at its word: the merchant has to connect again, and
    /// the connector says so.
    pub(super) async fn ask<T, E: From<AppError> + From<ProviderError>>(
        &self,
        connector: &Connector,
        access: &mut ShopAccess,
        call: impl AsyncFn(&ShopAccess) -> Result<T, ProviderError>,
    ) -> Result<T, E> {
        match self.ask_only(connector, access, call).await {
            Ok(answer) => Ok(answer),
            Err(NoAnswer::Dead) => {
                let used = connector.installation.as_ref().ok_or_else(not_connected)?;
                self.declare_dead(&connector.store, connector.provider, used).await?;
                Err(ProviderError::TokenRejected.into())
            }
            Err(NoAnswer::Shop(error)) => Err(error.into()),
            Err(NoAnswer::Failed(error)) => Err(error.into()),
        }
    }

    /// The same, but what becomes of the connector is the caller's to say.
    pub(super) async fn ask_only<T>(
        &self,
        connector: &Connector,
        access: &mut ShopAccess,
        call: impl AsyncFn(&ShopAccess) -> Result<T, ProviderError>,
    ) -> Result<T, NoAnswer> {
        match call(access).await {
            Err(ProviderError::TokenRejected) => {}
            answer => return answer.map_err(NoAnswer::Shop),
        }
        let used = connector.installation.as_ref().ok_or_else(not_connected)?;
        let now =
            self.connectors.load(&connector.store, connector.provider).await?.ok_or_else(not_connected)?;
        if now.installation.ok_or_else(not_connected)?.id != used.id {
            // Connected anew meanwhile; whoever comes again finds that before asking anything.
            return Err(AppError::from(PortError::Conflict).into());
        }
        if now.reason == Some(Reason::NeedsReauthorization) {
            return Err(NoAnswer::Dead);
        }
        let next = self.token(connector.provider, &used.shop, &used.id, Some(&access.token)).await;
        access.token = next.map_err(|none| match none {
            NoToken::Dead => NoAnswer::Dead,
            NoToken::Failed(error) => NoAnswer::Failed(error),
        })?;
        match call(access).await {
            Err(ProviderError::TokenRejected) => {}
            answer => return answer.map_err(NoAnswer::Shop),
        }
        // Someone may have put another one in force meanwhile.
        let current = self.vault.current(&used.id).await?;
        if current.is_some_and(|current| !same(&current.access_token, &access.token)) {
            let now = self.clock.now();
            return Err(renewing(now + SOON, now).into());
        }
        Err(NoAnswer::Dead)
    }

    async fn access(
        &self,
        store: &StoreId,
        provider: ProviderId,
        rejected: Option<&SecretString>,
    ) -> Result<(Connector, ShopAccess), AppError> {
        let connector = self.connectors.load(store, provider).await?.ok_or_else(not_connected)?;
        let installation = connector.installation.clone().ok_or_else(not_connected)?;
        if connector.reason == Some(Reason::NeedsReauthorization) {
            return Err(ProviderError::TokenRejected.into());
        }
        match self.token(provider, &installation.shop, &installation.id, rejected).await {
            Ok(token) => Ok((connector, ShopAccess { shop: installation.shop, token })),
            Err(NoToken::Failed(error)) => Err(error),
            Err(NoToken::Dead) => {
                self.declare_dead(store, provider, &installation).await?;
                Err(ProviderError::TokenRejected.into())
            }
        }
    }

    /// A token of an installation that works now and is not the rejected one. Changes no connector.
    pub(super) async fn token(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
        rejected: Option<&SecretString>,
    ) -> Result<SecretString, NoToken> {
        let gives_up = self.clock.now() + PATIENCE;
        let (mut overtaken, mut reread) = (0, false);
        loop {
            let token = self.vault.current(install).await?.ok_or(NoToken::Dead)?;
            let now = self.clock.now();
            let is_rejected = rejected.is_some_and(|rejected| same(rejected, &token.access_token));
            let lives_longer_than = |life: Duration| token.expires_at.is_none_or(|end| end > now + life);
            if !is_rejected && lives_longer_than(AHEAD) {
                return Ok(token.access_token);
            }
            let usable = !is_rejected && lives_longer_than(MARGIN);
            if token.refresh_token.is_none() && token.client.is_none() {
                return if usable { Ok(token.access_token) } else { Err(NoToken::Dead) };
            }
            let until = now + LEASE;
            match self.connectors.lease_refresh(install, now, until).await {
                Ok(Lease::Taken { nth }) => {
                    let outcome = self.refresh(provider, shop, install, &token).await;
                    let release = match &outcome {
                        Ok(None) => Release::Unused,
                        Err(NoToken::Failed(_)) if nth >= QUICK_TRIES => {
                            Release::Pause(self.clock.now() + PAUSE)
                        }
                        _ => Release::Used,
                    };
                    // A lease that is not given back ends by itself.
                    let _ = self.connectors.release_refresh(install, until, release).await;
                    if let Err(NoToken::Failed(_)) = &outcome {
                        self.metrics.count(Metric::TokenRefreshFailures);
                    }
                    match outcome {
                        Ok(Some(token)) => return Ok(token),
                        // What the one who was faster left is there at once, however long this one was held up.
                        Ok(None) if overtaken < 3 => {
                            overtaken += 1;
                            continue;
                        }
                        Ok(None) => {}
                        Err(NoToken::Failed(error)) if usable => {
                            let (code, cause) = (error.code, error.cause());
                            tracing::warn!(
                                code,
                                cause,
                                "the token could not be refreshed yet; it still works"
                            );
                            return Ok(token.access_token);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(_) | Err(_) if usable => return Ok(token.access_token),
                // Who held it before may have left a token, whoever may ask for the next one.
                Ok(Lease::Capped { .. }) if !reread => {
                    reread = true;
                    continue;
                }
                Ok(Lease::Capped { until }) => return Err(renewing(until, now).into()),
                Ok(Lease::Busy { until }) if until > now + LEASE => return Err(renewing(until, now).into()),
                Ok(Lease::Busy { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if self.clock.now() >= gives_up {
                return Err(renewing(self.clock.now() + SOON, self.clock.now()).into());
            }
            self.clock.sleep(NAP).await;
        }
    }

    /// Fetches the next token and puts it in force. None where someone else was first: read again.
    async fn refresh(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
        held: &StoredToken,
    ) -> Result<Option<SecretString>, NoToken> {
        let was_replaced = async || -> Result<bool, NoToken> {
            let current = self.vault.current(install).await?;
            Ok(current.is_some_and(|current| current.version != held.version))
        };
        // Between reading the token and taking the lease someone may have finished.
        if was_replaced().await? {
            return Ok(None);
        }
        let grant = match self.next_grant(provider, shop, held).await {
            Err(NoToken::Dead) => {
                if was_replaced().await? {
                    return Ok(None);
                }
                self.grant_by_previous(provider, shop, install, held).await?
            }
            grant => grant?,
        };
        let mut next = stored(grant, self.clock.now());
        next.client.clone_from(&held.client);
        if next.refresh_token.is_none() {
            next.refresh_token.clone_from(&held.refresh_token);
            next.refresh_expires_at = held.refresh_expires_at;
        }
        match self.vault.replace(install, &held.version, &next).await {
            Ok(()) => {}
            Err(PortError::Conflict) => return Ok(None),
            Err(error) => {
                // The answer may be lost and the pair in force all the same.
                let current = self.vault.current(install).await?;
                if !current.is_some_and(|current| same(&current.access_token, &next.access_token)) {
                    return Err(error.into());
                }
            }
        }
        tracing::info!(install.id = %install, "refreshed a token");
        self.metrics.count(Metric::TokenRefreshes);
        Ok(Some(next.access_token))
    }

    /// Asks the shop for the next token by what stands in the vault. Dead where the shop itself says that it does not
    /// take that any more.
    async fn next_grant(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        held: &StoredToken,
    ) -> Result<TokenGrant, NoToken> {
        if let Some(refresh_token) = &held.refresh_token {
            let secret = self.vault.app_secret(provider).await?;
            let mut answer = self.connect.refresh(shop, refresh_token, &secret).await;
            if let Some(secret) = earlier(&secret, &answer) {
                answer = self.connect.refresh(shop, refresh_token, &secret).await;
            }
            return answer.map_err(|error| match error {
                ProviderError::TokenRejected => NoToken::Dead,
                ProviderError::Refused { code } if code == "invalid_client" => {
                    tracing::error!(
                        "the platform does not take our app's secret; nothing is known of the token"
                    );
                    NoToken::Failed(app_refused())
                }
                error => error.into(),
            });
        }
        let client = held.client.as_ref().ok_or(NoToken::Dead)?;
        let fetched = self.connect.client_credentials(shop, client.id.expose_secret(), &client.secret).await;
        fetched.map_err(|error| match error {
            // The merchant's own app is gone, or its secret is another one by now.
            ProviderError::TokenRejected | ProviderError::Refused { .. } => NoToken::Dead,
            error => error.into(),
        })
    }

    /// The last try before a token is given up: the pair before the one in force. Where two refreshed the same pair
    /// at once (one of them stood still), the shop may know the other's as the replacement; what was replaced then
    /// still works, since nobody has used that.
    async fn grant_by_previous(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
        held: &StoredToken,
    ) -> Result<TokenGrant, NoToken> {
        let previous = self.vault.previous(install).await?.ok_or(NoToken::Dead)?;
        match (&previous.refresh_token, &held.refresh_token) {
            (Some(previous), Some(held)) if !same(previous, held) => {}
            _ => return Err(NoToken::Dead),
        }
        let grant = self.next_grant(provider, shop, &previous).await?;
        tracing::warn!(install.id = %install, "a token was saved by the pair before it");
        Ok(grant)
    }

    /// Says on the connector that the merchant has to connect again, if it still uses this installation.
    async fn declare_dead(
        &self,
        store: &StoreId,
        provider: ProviderId,
        installation: &Installation,
    ) -> Result<(), AppError> {
        loop {
            let Some(mut connector) = self.connectors.load(store, provider).await? else { return Ok(()) };
            let in_use = connector.installation.as_ref().is_some_and(|used| used.id == installation.id);
            if !in_use || connector.reason == Some(Reason::NeedsReauthorization) {
                return Ok(());
            }
            connector.reason = Some(Reason::NeedsReauthorization);
            connector.updated_at = self.clock.now();
            match self.connectors.save(&mut connector).await {
                Ok(()) => {}
                Err(PortError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
            tracing::warn!(install.id = %installation.id, "the shop no longer accepts the token");
            self.metrics.count(Metric::TokensDead);
            let event = Event {
                action: HistoryAction::TokenStateChanged,
                actor: "token_refresh",
                origin: None,
                shop: Some(&installation.shop),
                reason: connector.reason,
            };
            return Ok(self.history.append(&entry(&connector, event)).await?);
        }
    }
}
