//! The stored form of loose ends, and what the index of what is due tells.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::units::Item;
use super::wire::{Reader, item, s, to_json};
use super::wire_connectors::{EntryV1, V};
use crate::domain::connection::LooseEnd;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;
use crate::ports::loose::Due;

#[derive(Serialize, Deserialize)]
struct LooseEndV1 {
    shop: ShopDomain,
    remove_app: bool,
    due: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// One that is not in the history yet.
    entry: Option<EntryV1>,
}

/// A loose end, as JSON. What is read off the table writes back the same: by that it is known again.
pub fn loose_doc(end: &LooseEnd) -> Result<String, PortError> {
    let entry = end.entry.as_ref().map(EntryV1::of);
    let record = LooseEndV1 { shop: end.shop.clone(), remove_app: end.remove_app, due: end.due, entry };
    to_json("loose end", &record)
}

/// A loose end, with its place in the index.
pub fn loose_item(end: &LooseEnd) -> Result<Item, PortError> {
    let mut stored = item(&keys::loose_end(&end.store, end.provider, &end.install), V);
    let place = keys::due(&end.store, end.provider, Some(&end.install), end.due);
    stored.insert("gpk".to_owned(), s(place.pk));
    stored.insert("gsk".to_owned(), s(place.sk));
    stored.insert("doc".to_owned(), s(loose_doc(end)?));
    Ok(stored)
}

/// Reads a loose end.
pub fn read_loose(store: &StoreId, provider: ProviderId, item: &Item) -> Result<LooseEnd, PortError> {
    let read = Reader::new("loose end", item, 1..=u64::from(V))?;
    let record: LooseEndV1 = read.json("doc")?;
    let entry = record.entry.map(|entry| entry.read(store, provider));
    let install = read.parsed("sk", |sk| {
        InstallId::parse(sk.strip_prefix(keys::loose_ends(provider).as_str()).unwrap_or_default())
    })?;
    Ok(LooseEnd {
        store: store.clone(),
        provider,
        install,
        shop: record.shop,
        remove_app: record.remove_app,
        entry,
        due: record.due,
    })
}

/// Reads what is due off the keys of an item in the index.
pub fn read_due(read: &Reader<'_>) -> Result<Due, PortError> {
    let odd = || read.malformed("its keys are not of the known form");
    let store = read.text("pk")?.strip_prefix("S#").and_then(|text| StoreId::from_stored(text).ok());
    let mut parts = read.text("sk")?.split('#');
    let kind = parts.next();
    let provider = parts.next().and_then(|text| ProviderId::parse(text).ok());
    let install = match kind {
        Some("CONNECTOR") => None,
        Some("LOOSE") => Some(parts.next().and_then(|text| InstallId::parse(text).ok()).ok_or_else(odd)?),
        _ => return Err(odd()),
    };
    let at = read.text("gsk")?.split('#').next().and_then(|seconds| seconds.parse().ok());
    let at = at.and_then(|seconds| Timestamp::from_second(seconds).ok());
    Ok(Due {
        store: store.ok_or_else(odd)?,
        provider: provider.ok_or_else(odd)?,
        install,
        at: at.ok_or_else(odd)?,
    })
}
