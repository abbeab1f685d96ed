//! Begins to connect a store to a shop: a state that works once, bound to the store, the shop and the browser.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::access::Access;
use super::audit::{Actor, Event, entry};
use super::error::AppError;
use crate::domain::connection::{Attempt, Connector, HistoryAction, PendingConnect, Purpose, Reason};
use crate::domain::ids::{ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;
use crate::ports::time::Random;

/// How long the merchant has for the shop's page.
pub const STATE_LIFE: Duration = Duration::from_secs(600);

/// How often a change is tried anew when others change the same connector.
pub(super) const ATTEMPTS: usize = 8;

/// Everything that beginning to connect may use. Of secrets it may create those of installations, and read none.
pub struct Configure {
    /// Connectors, states, history, the vault to put a token into, the platform, the time.
    pub access: Access,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Where this API is reached.
    pub public_base_url: Url,
    /// The public id of our app.
    pub client_id: String,
}

/// A connect attempt that has begun.
pub struct Begun {
    /// Where to send the merchant's browser.
    pub authorize_url: Url,
    /// Until when the merchant may come back.
    pub expires_at: Timestamp,
    /// Name of the cookie that binds the attempt to the browser.
    pub cookie_name: String,
    /// Its value. The same browser must send it with the callback.
    pub cookie_value: SecretString,
}

/// SHA-256, hexadecimal: what is kept of a state or cookie.
pub(super) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The binding cookie of a state: one each, so that two tabs do not undo each other. The prefix makes browsers
/// insist on Secure, Path=/ and no Domain.
pub(super) fn cookie_name(state_hash: &str) -> String {
    format!("__Host-mc_bind_{}", state_hash.get(..12).unwrap_or_default())
}

impl Configure {
    /// Begins an attempt. A connector that is live stays live. Where no purpose is named the merchant is asked for what the
    /// store has: a reconnect takes nothing away by itself.
    ///
    /// Errors: `invalid_shop`.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn begin(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        shop: &str,
        purpose: Option<Purpose>,
    ) -> Result<Begun, AppError> {
        let shop = self
            .access
            .connect
            .parse_shop(shop)
            .map_err(|error| AppError::invalid("invalid_shop", error.hint))?;
        let redirect = self.redirect(provider)?;
        let purpose = match purpose {
            Some(purpose) => purpose,
            None => self.purpose_so_far(actor.store, provider).await?,
        };
        let scopes = self.access.connect.requested_scopes(purpose);
        let state = URL_SAFE_NO_PAD.encode(self.random.bytes32());
        let cookie = URL_SAFE_NO_PAD.encode(self.random.bytes32());
        let authorize_url = self
            .access
            .connect
            .authorize_url(&shop, &self.client_id, &scopes, &redirect, &state)
            .map_err(|error| AppError::invalid("invalid_shop", error.hint))?;
        let now = self.access.clock.now();
        let expires_at = now + STATE_LIFE;
        let state_hash = hash(&state);
        let cookie_name = cookie_name(&state_hash);
        // The connector first: a state without its note would hide an attempt that can still succeed.
        self.note_begun(actor, provider, &shop, now).await?;
        let pending = PendingConnect {
            state_hash,
            cookie_hash: hash(&cookie),
            store: actor.store.clone(),
            provider,
            shop,
            subject: actor.subject.to_owned(),
            created_at: now,
            expires_at,
        };
        self.access.connectors.put_state(&pending).await?;
        tracing::info!(shop.domain = %pending.shop, "began to connect");
        Ok(Begun { authorize_url, expires_at, cookie_name, cookie_value: cookie.into() })
    }

    /// What the store is connected for, by what its merchant granted.
    async fn purpose_so_far(&self, store: &StoreId, provider: ProviderId) -> Result<Purpose, AppError> {
        let connector = self.access.connectors.load(store, provider).await?;
        let granted = connector.and_then(|connector| connector.installation).map(|used| used.scopes);
        let import = self.access.connect.requested_scopes(Purpose::Import);
        let push = self.access.connect.requested_scopes(Purpose::Push);
        let pushes = granted
            .is_some_and(|granted| push.iter().any(|scope| granted.allows(scope) && !import.allows(scope)));
        Ok(if pushes { Purpose::Push } else { Purpose::Import })
    }

    /// The address that the shop sends the merchant back to; registered with the app, to the letter.
    fn redirect(&self, provider: ProviderId) -> Result<Url, AppError> {
        let base = self.public_base_url.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/oauth/{provider}/callback")).map_err(AppError::bug)
    }

    async fn note_begun(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        shop: &ShopDomain,
        now: Timestamp,
    ) -> Result<(), AppError> {
        for _ in 0..ATTEMPTS {
            let stored = self.access.connectors.load(actor.store, provider).await?;
            let mut connector = stored.unwrap_or_else(|| Connector::new(actor.store.clone(), provider, now));
            connector.note_attempt(Attempt { shop: shop.clone(), reason: Reason::SetupIncomplete, at: now });
            match self.access.connectors.save(&mut connector).await {
                Ok(()) => {
                    let event = Event {
                        action: HistoryAction::ConnectStarted,
                        actor: actor.subject,
                        origin: actor.origin,
                        shop: Some(shop),
                        reason: None,
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
