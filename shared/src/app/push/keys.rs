//! Keys of data tools: made, shown once, listed, taken back, and the one place where one stands for a store.
//!
//! Beside the claim of a signed-in merchant, a key is the only proof of who asks. [`ToolKeys::open`] alone looks a key
//! up by what a stranger sent, and gives out the store that the key was made by.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use crate::app::audit::{Actor, Event, told};
use crate::app::error::{AppError, ErrorKind};
use crate::domain::connection::HistoryAction;
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::key::{DestinationKey, KeyText, Tool, opened};
use crate::domain::push::target::Stream;
use crate::ports::connectors::History;
use crate::ports::push_store::DestinationKeys;
use crate::ports::time::{Clock, Random};

/// The most keys of a store and provider that open something.
pub const MOST_KEYS: usize = 50;
/// The longest name of a key, in characters.
const LONGEST_NAME: usize = 100;

/// Everything that keys may use.
#[derive(Clone)]
pub struct ToolKeys {
    /// Keys.
    pub keys: Arc<dyn DestinationKeys>,
    /// What happened to connectors.
    pub history: Arc<dyn History>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Keys and ids.
    pub random: Arc<dyn Random>,
}

/// A key to be made.
pub struct NewKey<'a> {
    /// What it may fill.
    pub stream: Stream,
    /// Who sends rows with it.
    pub tool: Tool,
    /// What the merchant calls it.
    pub name: &'a str,
    /// From when on it opens nothing; never where it is not given.
    pub expires_at: Option<Timestamp>,
}

/// A key as its merchant sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownKey {
    /// The id of the destination.
    pub id: String,
    /// The address to post to, below that of this API.
    pub path: String,
    /// What it fills.
    pub stream: Stream,
    /// Who sends rows with it.
    pub tool: Tool,
    /// What the merchant calls it.
    pub name: String,
    /// Whether it opens anything.
    pub live: bool,
    /// Who made it.
    pub created_by: String,
    /// When, RFC 3339.
    pub created_at: String,
    /// From when on it opens nothing, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was last used, give or take five minutes, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// When it was taken back, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

impl ShownKey {
    fn of(key: DestinationKey, now: Timestamp) -> Self {
        Self {
            path: format!("/destinations/{}/{}", key.id, key.stream.as_str()),
            live: key.is_live(now),
            id: key.id,
            stream: key.stream,
            tool: key.tool,
            name: key.name,
            created_by: key.created_by,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A key that was just made. It has no `Debug`: it holds the key.
pub struct MadeKey {
    /// What is kept of it.
    pub shown: ShownKey,
    /// The key itself. Nobody can tell it a second time.
    pub key: SecretString,
}

/// The one answer to whoever has no key for what he asks: unknown, taken back, expired, or another's alike.
fn not_yours() -> AppError {
    let detail = "This needs the key of this very destination, as `Authorization: Bearer mck_…`. It was never \
                  made, was taken back, has expired, or belongs to another destination.";
    AppError::new(ErrorKind::Unauthenticated, "invalid_key", detail)
}

impl ToolKeys {
    /// Makes a key.
    ///
    /// Errors: `invalid_name`, `invalid_expiry`, `too_many_keys`.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn make(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        new: NewKey<'_>,
    ) -> Result<MadeKey, AppError> {
        let now = self.clock.now();
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            let detail = format!("A key needs a name of 1 to {LONGEST_NAME} characters, in one line.");
            return Err(AppError::invalid("invalid_name", detail));
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(AppError::invalid("invalid_expiry", "A key can only expire in the future."));
        }
        let there = self.keys.list(actor.store, provider).await?;
        if there.iter().filter(|key| key.is_live(now)).count() >= MOST_KEYS {
            let detail = format!("There are {MOST_KEYS} keys. Take back those that nobody uses.");
            return Err(AppError::conflict("too_many_keys", detail));
        }
        let text = KeyText::new(self.random.bytes32());
        let key = DestinationKey {
            id: format!("dst_{}", self.random.uuid(now).simple()),
            store: actor.store.clone(),
            provider,
            stream: new.stream,
            tool: new.tool,
            name: name.to_owned(),
            hash: text.hash(),
            created_by: actor.subject.to_owned(),
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        // First what tells of it: no key exists that the history does not know.
        self.note(actor, &key, HistoryAction::KeyMade, now).await?;
        self.keys.add(&key).await?;
        tracing::info!("a key for a data tool was made");
        Ok(MadeKey { shown: ShownKey::of(key, now), key: text.into_secret() })
    }

    /// The keys of a store, in the order in which they were made.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn list(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<ShownKey>, AppError> {
        let now = self.clock.now();
        let keys = self.keys.list(store, provider).await?;
        Ok(keys.into_iter().map(|key| ShownKey::of(key, now)).collect())
    }

    /// Takes a key back, at once and for ever. Once more changes nothing.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn revoke(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        id: &str,
    ) -> Result<ShownKey, AppError> {
        let now = self.clock.now();
        if !self.keys.revoke(actor.store, provider, id, now).await? {
            return Err(AppError::not_found());
        }
        let keys = self.keys.list(actor.store, provider).await?;
        let key = keys.into_iter().find(|key| key.id == id).ok_or_else(AppError::not_found)?;
        // At the time that is stored: a request that is repeated adds no second entry.
        self.note(actor, &key, HistoryAction::KeyRevoked, key.revoked_at.unwrap_or(now)).await?;
        tracing::info!("a key of a data tool was taken back");
        Ok(ShownKey::of(key, now))
    }

    async fn note(
        &self,
        actor: Actor<'_>,
        key: &DestinationKey,
        action: HistoryAction,
        at: Timestamp,
    ) -> Result<(), AppError> {
        let event = Event { action, actor: actor.subject, origin: actor.origin, shop: None, reason: None };
        let mut entry = told(&key.store, key.provider, &key.id, at, event);
        entry.detail = Some(format!("{} {}", key.id, key.stream.as_str()));
        Ok(self.history.append(&entry).await?)
    }

    /// The key that lets whoever sent it fill this stream, and with it the store. Whatever is wrong, the answer is the
    /// same one after the same work, but for a text that is no key at all: nothing is looked up for that.
    ///
    /// Errors: `invalid_key`.
    #[tracing::instrument(skip_all)]
    pub async fn open(&self, id: &str, stream: &str, key: Option<&str>) -> Result<DestinationKey, AppError> {
        let text = key.and_then(KeyText::parse).ok_or_else(not_yours)?;
        let now = self.clock.now();
        let found = self.keys.find(id).await?;
        let key = opened(found, &text, stream, now).ok_or_else(not_yours)?;
        if key.notes_use(now) {
            // Rows are worth more than the note.
            if let Err(error) = self.keys.used(id, now).await {
                let cause = crate::ports::chain(&error);
                tracing::warn!(cause, "the use of a key could not be noted");
            }
        }
        Ok(key)
    }
}
