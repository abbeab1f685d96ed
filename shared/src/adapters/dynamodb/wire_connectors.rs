//! The stored forms of connectors, states and history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::units::Item;
use super::wire::{Reader, item, n, s, to_json};
use crate::domain::connection::{
    Attempt, Connector, HistoryAction, HistoryEntry, Installation, Method, PendingConnect, Reason,
    ScopeChange,
};
use crate::domain::history::{ChainHash, ChainedEntry};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, ShopId, StoreId};
use crate::domain::scopes::Scopes;
use crate::ports::PortError;

/// The version of every form in this file.
pub const V: u32 = 1;

#[derive(Serialize, Deserialize)]
struct ConnectorRecordV1 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    installation: Option<InstallationV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_attempt: Option<AttemptV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_active_at: Option<Timestamp>,
    updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct InstallationV1 {
    id: InstallId,
    shop: ShopDomain,
    shop_id: ShopId,
    shop_name: String,
    primary_domain: String,
    currency: String,
    plan: String,
    scopes: String,
    connected_at: Timestamp,
    #[serde(default)]
    method: Method,
}

#[derive(Serialize, Deserialize)]
struct AttemptV1 {
    shop: ShopDomain,
    reason: Reason,
    at: Timestamp,
}

/// A connector, as JSON.
pub fn connector_doc(connector: &Connector) -> Result<String, PortError> {
    let installation = connector.installation.as_ref().map(|installation| InstallationV1 {
        id: installation.id.clone(),
        shop: installation.shop.clone(),
        shop_id: installation.shop_id,
        shop_name: installation.shop_name.clone(),
        primary_domain: installation.primary_domain.clone(),
        currency: installation.currency.clone(),
        plan: installation.plan.clone(),
        scopes: installation.scopes.to_string(),
        connected_at: installation.connected_at,
        method: installation.method,
    });
    let last_attempt = connector.last_attempt.as_ref().map(|attempt| AttemptV1 {
        shop: attempt.shop.clone(),
        reason: attempt.reason,
        at: attempt.at,
    });
    let record = ConnectorRecordV1 {
        installation,
        reason: connector.reason,
        last_attempt,
        last_active_at: connector.last_active_at,
        updated_at: connector.updated_at,
    };
    to_json("connector", &record)
}

/// Reads a connector.
pub fn read_connector(store: &StoreId, provider: ProviderId, item: &Item) -> Result<Connector, PortError> {
    let read = Reader::new("connector", item, 1..=u64::from(V))?;
    let record: ConnectorRecordV1 = read.json("doc")?;
    let installation = record.installation.map(|installation| Installation {
        id: installation.id,
        shop: installation.shop,
        shop_id: installation.shop_id,
        shop_name: installation.shop_name,
        primary_domain: installation.primary_domain,
        currency: installation.currency,
        plan: installation.plan,
        scopes: Scopes::parse(&installation.scopes),
        connected_at: installation.connected_at,
        method: installation.method,
    });
    let last_attempt = record.last_attempt.map(|attempt| Attempt {
        shop: attempt.shop,
        reason: attempt.reason,
        at: attempt.at,
    });
    Ok(Connector {
        store: store.clone(),
        provider,
        revision: read.number("rev")?,
        installation,
        reason: record.reason,
        last_attempt,
        last_active_at: record.last_active_at,
        updated_at: record.updated_at,
    })
}

#[derive(Serialize, Deserialize)]
struct StateV1 {
    store: String,
    subject: String,
    created_at: Timestamp,
}

/// The state of a connect attempt. What its use is conditional on stands beside the document.
pub fn state_item(pending: &PendingConnect) -> Result<Item, PortError> {
    let mut state = item(&keys::state(&pending.state_hash), V);
    state.insert("provider".to_owned(), s(pending.provider.as_str()));
    state.insert("shop".to_owned(), s(pending.shop.as_str()));
    state.insert("cookie".to_owned(), s(&pending.cookie_hash));
    state.insert("until".to_owned(), n(pending.expires_at.as_nanosecond()));
    let record = StateV1 {
        store: pending.store.to_string(),
        subject: pending.subject.clone(),
        created_at: pending.created_at,
    };
    state.insert("doc".to_owned(), s(to_json("connect state", &record)?));
    // A day after its end, so that a late callback can still be told what happened.
    state.insert("expires_at".to_owned(), n(pending.expires_at.as_second() + 24 * 60 * 60));
    Ok(state)
}

/// Reads the state of a connect attempt.
pub fn read_state(state_hash: &str, item: &Item) -> Result<PendingConnect, PortError> {
    let read = Reader::new("connect state", item, 1..=u64::from(V))?;
    let record: StateV1 = read.json("doc")?;
    let store =
        StoreId::from_stored(&record.store).map_err(|_| read.malformed("`store` is not one of ours"))?;
    // The end that the use is conditional on is the only one there is.
    let until: i128 = read.number("until")?;
    let expires_at = Timestamp::from_nanosecond(until).map_err(|_| read.malformed("`until` is no time"))?;
    Ok(PendingConnect {
        state_hash: state_hash.to_owned(),
        cookie_hash: read.text("cookie")?.to_owned(),
        store,
        provider: read.parsed("provider", ProviderId::parse)?,
        shop: ShopDomain::accepted(read.text("shop")?.to_owned()),
        subject: record.subject,
        created_at: record.created_at,
        expires_at,
    })
}

/// An entry of history, wherever it stands.
#[derive(Serialize, Deserialize)]
pub struct EntryV1 {
    id: String,
    at: Timestamp,
    actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    action: HistoryAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shop: Option<ShopDomain>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<ScopeChangeV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ScopeChangeV1 {
    lost: String,
    gained: String,
}

impl EntryV1 {
    /// What is stored of an entry.
    pub fn of(entry: &HistoryEntry) -> Self {
        Self {
            id: entry.id.clone(),
            at: entry.at,
            actor: entry.actor.clone(),
            origin: entry.origin.clone(),
            action: entry.action,
            shop: entry.shop.clone(),
            reason: entry.reason,
            scopes: entry.scopes.as_ref().map(|scopes| ScopeChangeV1 {
                lost: scopes.lost.to_string(),
                gained: scopes.gained.to_string(),
            }),
            detail: entry.detail.clone(),
        }
    }

    /// The entry of the connector under whose keys it was found.
    pub fn read(self, store: &StoreId, provider: ProviderId) -> HistoryEntry {
        HistoryEntry {
            store: store.clone(),
            provider,
            id: self.id,
            at: self.at,
            actor: self.actor,
            origin: self.origin,
            action: self.action,
            shop: self.shop,
            reason: self.reason,
            scopes: self.scopes.map(|scopes| ScopeChange {
                lost: Scopes::parse(&scopes.lost),
                gained: Scopes::parse(&scopes.gained),
            }),
            detail: self.detail,
        }
    }
}

/// An entry of history in its place.
pub fn history_item(chained: &ChainedEntry) -> Result<Item, PortError> {
    let entry = &chained.entry;
    let mut stored = item(&keys::history(&entry.store, entry.provider, chained.seq), V);
    stored.insert("seq".to_owned(), n(chained.seq));
    stored.insert("prev".to_owned(), s(chained.prev.to_string()));
    stored.insert("hash".to_owned(), s(chained.hash.to_string()));
    stored.insert("doc".to_owned(), s(to_json("history entry", &EntryV1::of(entry))?));
    Ok(stored)
}

/// The mark by which an entry that is added twice is known.
pub fn history_mark(chained: &ChainedEntry) -> Item {
    let entry = &chained.entry;
    let mut mark = item(&keys::history_mark(&entry.store, entry.provider, &entry.id), V);
    mark.insert("seq".to_owned(), n(chained.seq));
    mark
}

/// Reads an entry of history.
pub fn read_history(store: &StoreId, provider: ProviderId, item: &Item) -> Result<ChainedEntry, PortError> {
    let read = Reader::new("history entry", item, 1..=u64::from(V))?;
    let hash = |name| ChainHash::parse(read.text(name)?).ok_or_else(|| read.malformed("a hash is none"));
    let entry = read.json::<EntryV1>("doc")?.read(store, provider);
    Ok(ChainedEntry { seq: read.number("seq")?, prev: hash("prev")?, hash: hash("hash")?, entry })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::domain::connection::ConnectorState;

    /// Items of this form are in the table for as long as a store is connected.
    #[test]
    fn a_connector_of_the_first_version_still_reads() {
        let doc = r#"{"installation":{"id":"ins_00000000000000000000000000000001","shop":"acme.myshopify.com",
            "shop_id":7,"shop_name":"Acme","primary_domain":"acme.example","currency":"EUR","plan":"Basic",
            "scopes":"read_inventory,read_products","connected_at":"2026-09-21T14:13:20Z"},
            "last_attempt":{"shop":"other.myshopify.com","reason":"shop_in_use","at":"2026-09-21T14:13:20Z"},
            "updated_at":"2026-09-21T14:13:20Z"}"#;
        let stored: Item =
            HashMap::from([("v".to_owned(), n(1)), ("rev".to_owned(), n(4)), ("doc".to_owned(), s(doc))]);
        let store = StoreId::for_test("s1").unwrap();
        let connector = read_connector(&store, ProviderId::Shopify, &stored).unwrap();
        assert_eq!((connector.revision, connector.state()), (4, ConnectorState::Live));
        assert_eq!(connector.last_attempt.map(|attempt| attempt.reason), Some(Reason::ShopInUse));
        assert!(connector.installation.unwrap().scopes.allows("read_products"));
    }
}
