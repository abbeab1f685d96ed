//! Takes the merchant back from the shop: proves that the callback is genuine and was begun in this browser, trades
//! the code, looks at the shop, makes the connector live.
//!
//! The order is what makes it safe: form, signature, time, cookie, state (used up by one conditional delete), claim
//! on the shop, code. Nothing changes before the state is used up, and no refused callback reaches the token
//! endpoint. What fails later fails the attempt, never a connector that is live.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::access::{Access, earlier, stored};
use super::audit::{Actor, Event, entry};
use super::configure::{ATTEMPTS, cookie_name, hash};
use super::error::{AppError, ErrorKind};
use super::live::{Arriving, CLAIM_LIFE};
use super::webhooks::subscribe;
use crate::domain::connection::{
    Attempt, Connector, HistoryAction, Installation, Method, PendingConnect, Reason,
};
use crate::domain::ids::{InstallId, ProviderId};
use crate::ports::provider::{
    AppSecret, Callback, CallbackRefusal, ProviderError, ShopAccess, ShopProfile, TokenGrant,
};
use crate::ports::time::Random;
use crate::ports::webhooks::WebhookQueue;
use crate::ports::{PortError, chain};

/// Everything that completing a connect attempt may use.
pub struct CompleteOauth {
    /// Connectors, history, tokens, the platform, the time.
    pub access: Access,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Where the shop is asked to tell us what happens in it.
    pub webhooks: Arc<dyn WebhookQueue>,
}

/// A callback as it came.
pub struct CallbackRequest<'a> {
    /// The query string exactly as it came.
    pub raw_query: &'a str,
    /// Looks a cookie up by name.
    pub cookie: &'a (dyn Fn(&str) -> Option<String> + Send + Sync),
    /// The caller's address.
    pub origin: Option<&'a str>,
}

/// How a genuine callback ended. It always sends the merchant back to the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Why it did not succeed; none where the connector is live.
    pub failed: Option<Reason>,
    /// The cookie that has served its purpose.
    pub cookie_name: String,
}

/// Why an attempt did not succeed once its state was used up.
enum Failed {
    /// Something to tell the merchant.
    For(Reason),
    /// Something of ours.
    By(AppError),
}

impl<E: Into<AppError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::By(error.into())
    }
}

fn refused(code: &'static str, detail: &'static str) -> AppError {
    AppError::new(ErrorKind::Forbidden, code, detail)
}

/// An installation of a shop as it describes itself.
pub(super) fn installation(
    install: &InstallId,
    profile: ShopProfile,
    method: Method,
    now: Timestamp,
) -> Installation {
    Installation {
        id: install.clone(),
        shop: profile.domain,
        shop_id: profile.id,
        shop_name: profile.name,
        primary_domain: profile.primary_domain,
        currency: profile.currency,
        plan: profile.plan,
        scopes: profile.scopes,
        connected_at: now,
        method,
    }
}

fn exchange_failed(error: &ProviderError) -> Reason {
    match error {
        ProviderError::Refused { code } if code == "invalid_client" => Reason::InvalidClient,
        ProviderError::Refused { .. } | ProviderError::TokenRejected => Reason::CallbackMismatch,
        ProviderError::ScopeDenied { .. } => Reason::MissingScopes,
        _ => Reason::ShopUnavailable,
    }
}

impl CompleteOauth {
    /// Completes an attempt.
    ///
    /// Errors, all without any effect: `callback_malformed`, `callback_forged`, `callback_stale`,
    /// `callback_mismatch` (not begun in this browser, used already, or for another shop).
    #[tracing::instrument(skip_all, fields(provider = %provider, store.id))]
    pub async fn complete(
        &self,
        provider: ProviderId,
        request: CallbackRequest<'_>,
    ) -> Result<Completed, AppError> {
        let secret = self.access.vault.app_secret(provider).await?;
        let now = self.access.clock.now();
        let verified = self.access.connect.verify_callback(request.raw_query, &secret, now);
        let callback = verified.map_err(|refusal| match refusal {
            CallbackRefusal::Malformed => {
                AppError::invalid("callback_malformed", "This is not an answer of the shop. Start again.")
            }
            CallbackRefusal::Signature => {
                refused("callback_forged", "The shop did not sign this. Start connecting again.")
            }
            CallbackRefusal::Stale => {
                refused("callback_stale", "The shop's answer is too old, or a clock is wrong. Start again.")
            }
        })?;
        let state_hash = hash(callback.state.expose_secret());
        let cookie_name = cookie_name(&state_hash);
        let mismatch = || {
            refused(
                "callback_mismatch",
                "This was not begun in this browser, was used already, or is for another shop. Start again here.",
            )
        };
        let cookie_hash = (request.cookie)(&cookie_name).map(|value| hash(&value)).ok_or_else(mismatch)?;
        let consumed = self
            .access
            .connectors
            .consume_state(&state_hash, provider, &callback.shop, &cookie_hash, now)
            .await?;
        let Some(pending) = consumed else {
            // Whoever holds state and cookie began this; only then is there someone to tell that it is too late.
            let late = self.access.connectors.peek_state(&state_hash).await?.filter(|pending| {
                pending.provider == provider
                    && pending.shop == callback.shop
                    && pending.cookie_hash == cookie_hash
                    && pending.expires_at <= now
            });
            let pending = late.ok_or_else(mismatch)?;
            self.note_late(&pending, request.origin).await?;
            return Ok(Completed { failed: Some(Reason::StateExpired), cookie_name });
        };
        tracing::Span::current().record("store.id", tracing::field::display(&pending.store));
        let outcome = self.connect(&pending, &callback, &secret, request.origin, now).await;
        let failed = match outcome {
            Ok(()) => None,
            Err(Failed::By(error)) => return Err(error),
            Err(Failed::For(reason)) => {
                tracing::info!(reason = reason.as_str(), shop.domain = %pending.shop, "did not connect");
                self.note_failed(&pending, reason, request.origin).await?;
                Some(reason)
            }
        };
        Ok(Completed { failed, cookie_name })
    }

    async fn connect(
        &self,
        pending: &PendingConnect,
        callback: &Callback,
        secret: &AppSecret,
        origin: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let Some(code) = &callback.code else { return Err(Failed::For(Reason::AuthorizationDenied)) };
        let (provider, shop) = (pending.provider, &pending.shop);
        let install = InstallId::new(self.random.uuid(now));
        let actor = Actor { store: &pending.store, subject: &pending.subject, origin };
        let arriving = Arriving { actor, provider, shop, install: &install, due: now + CLAIM_LIFE };
        let connectors = &self.access.connectors;
        // Before the code: trading it would break the installation of the store that has this shop.
        let claim = connectors.claim_shop(provider, shop, &pending.store, &install, now, now + CLAIM_LIFE);
        if !claim.await? {
            return Err(Failed::For(Reason::ShopInUse));
        }
        let live = async {
            let mut answer = self.access.connect.exchange(shop, code, secret).await;
            if let Some(secret) = earlier(secret, &answer) {
                answer = self.access.connect.exchange(shop, code, &secret).await;
            }
            let grant = answer.map_err(|error| {
                tracing::warn!(cause = chain(&error), "the code could not be traded");
                Failed::For(exchange_failed(&error))
            })?;
            let installation = self.inspect(pending, &install, &grant, now).await?;
            self.access.keep(arriving, &stored(grant, now)).await?;
            let ends = self.access.go_live(arriving, &installation).await?;
            Ok((installation, ends))
        };
        let (installation, ends) = match live.await {
            Ok(live) => live,
            Err(failed) => {
                self.access.give_up(arriving).await;
                return Err(failed);
            }
        };
        tracing::info!(shop.domain = %shop, install.id = %install, "connected");
        let now = self.access.clock.now();
        if let Err(error) =
            subscribe::ask(self.webhooks.as_ref(), &pending.store, provider, &installation, now).await
        {
            // The card says so.
            tracing::warn!(cause = %error, install.id = %install, "the shop is asked later to tell us");
        }
        for end in ends {
            // It is on the list: what cannot be done now is done later.
            if let Err(error) = self.access.tie_up(&end).await {
                let (code, cause) = (error.code, error.cause());
                tracing::warn!(code, cause, install.id = %end.install, "a loose end is tied up later");
            }
        }
        Ok(())
    }

    /// Looks at the shop by the new token.
    async fn inspect(
        &self,
        pending: &PendingConnect,
        install: &InstallId,
        grant: &TokenGrant,
        now: Timestamp,
    ) -> Result<Installation, Failed> {
        let required = self.access.connect.required_scopes();
        // The merchant can change the scopes in the address of the shop's page.
        if !grant.scopes.lacking(&required).is_empty() {
            return Err(Failed::For(Reason::MissingScopes));
        }
        let access = ShopAccess { shop: pending.shop.clone(), token: grant.access_token.clone() };
        let profile = self.access.connect.inspect(&access).await.map_err(|error| {
            tracing::warn!(cause = chain(&error), "the shop could not be inspected");
            Failed::For(exchange_failed(&error))
        })?;
        if profile.domain != pending.shop {
            return Err(Failed::For(Reason::CallbackMismatch));
        }
        if !profile.scopes.lacking(&required).is_empty() {
            return Err(Failed::For(Reason::MissingScopes));
        }
        Ok(installation(install, profile, Method::Oauth, now))
    }

    /// Notes on the connector that its owner came back too late, unless something happened since.
    async fn note_late(&self, pending: &PendingConnect, origin: Option<&str>) -> Result<(), AppError> {
        let connector = self.access.connectors.load(&pending.store, pending.provider).await?;
        let waiting = connector.and_then(|connector| connector.last_attempt).is_some_and(|attempt| {
            attempt.reason == Reason::SetupIncomplete && attempt.at == pending.created_at
        });
        if waiting { self.note_failed(pending, Reason::StateExpired, origin).await } else { Ok(()) }
    }

    async fn note_failed(
        &self,
        pending: &PendingConnect,
        reason: Reason,
        origin: Option<&str>,
    ) -> Result<(), AppError> {
        let connectors = &self.access.connectors;
        for _ in 0..ATTEMPTS {
            let now = self.access.clock.now();
            let loaded = connectors.load(&pending.store, pending.provider).await?;
            let mut connector =
                loaded.unwrap_or_else(|| Connector::new(pending.store.clone(), pending.provider, now));
            connector.note_attempt(Attempt { shop: pending.shop.clone(), reason, at: now });
            match connectors.save(&mut connector).await {
                Ok(()) => {
                    let event = Event {
                        action: HistoryAction::ConnectFailed,
                        actor: &pending.subject,
                        origin,
                        shop: Some(&pending.shop),
                        reason: Some(reason),
                    };
                    return Ok(self.access.history.append(&entry(&connector, event)).await?);
                }
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PortError::Conflict.into())
    }
}
