//! Who acts, and what is put down about it.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::domain::connection::{Connector, HistoryAction, HistoryEntry, Reason};
use crate::domain::ids::{ProviderId, ShopDomain, StoreId};

/// Who asks for something, as the authorizer and the gateway know them.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The tenant.
    pub store: &'a StoreId,
    /// The subject of the caller's token.
    pub subject: &'a str,
    /// The caller's network.
    pub origin: Option<&'a str>,
}

/// What happened with a change of a connector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    pub(super) action: HistoryAction,
    pub(super) actor: &'a str,
    pub(super) origin: Option<&'a str>,
    pub(super) shop: Option<&'a ShopDomain>,
    pub(super) reason: Option<Reason>,
}

/// The entry that goes with a connector's present revision. Its id follows from the revision, so that a change that
/// was stored shortly before a crash gets its one entry when the request is repeated.
pub(super) fn entry(connector: &Connector, event: Event<'_>) -> HistoryEntry {
    let mut hash = Sha256::new();
    for part in [connector.store.as_str(), connector.provider.as_str()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(connector.revision.to_be_bytes());
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash.finalize()[..10]);
    // The twelve bits after the time order the changes of one millisecond.
    let [.., high, low] = connector.revision.to_be_bytes();
    (tail[0], tail[1]) = (high, low);
    let millis = u64::try_from(connector.updated_at.as_millisecond()).unwrap_or_default();
    HistoryEntry {
        store: connector.store.clone(),
        provider: connector.provider,
        id: uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().simple().to_string(),
        at: connector.updated_at,
        actor: event.actor.to_owned(),
        origin: event.origin.map(str::to_owned),
        action: event.action,
        shop: event.shop.cloned(),
        reason: event.reason,
        scopes: None,
        detail: None,
    }
}

/// The entry that goes with the revision that a connector gets by the next write.
pub(super) fn entry_after(connector: &Connector, event: Event<'_>) -> HistoryEntry {
    entry(&Connector { revision: connector.revision + 1, ..connector.clone() }, event)
}

/// The entry about something that a message told, whatever became of the connector since. Its id follows from the
/// message's, so that a message that comes again tells it once.
pub(super) fn told(
    store: &StoreId,
    provider: ProviderId,
    message: &str,
    at: Timestamp,
    event: Event<'_>,
) -> HistoryEntry {
    let mut hash = Sha256::new();
    for part in [store.as_str(), provider.as_str(), message, event.action.as_str()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash.finalize()[..10]);
    let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
    HistoryEntry {
        store: store.clone(),
        provider,
        id: uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().simple().to_string(),
        at,
        actor: event.actor.to_owned(),
        origin: event.origin.map(str::to_owned),
        action: event.action,
        shop: event.shop.cloned(),
        reason: event.reason,
        scopes: None,
        detail: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_ordered_by_time_and_revision_and_repeat_themselves() {
        let store = StoreId::for_test("st-1").unwrap();
        let mut connector = Connector::new(store, ProviderId::ALL[0], Timestamp::UNIX_EPOCH);
        let event =
            Event { action: HistoryAction::Connected, actor: "u1", origin: None, shop: None, reason: None };
        let mut ids = Vec::new();
        for revision in 1..=3 {
            connector.revision = revision;
            ids.push(entry(&connector, event).id);
            assert_eq!(entry(&connector, event).id, ids[ids.len() - 1]);
        }
        connector.updated_at += std::time::Duration::from_millis(1);
        connector.revision = 1;
        ids.push(entry(&connector, event).id);
        assert!(ids.is_sorted() && ids.iter().all(|id| id.len() == 32), "{ids:?}");
    }
}
