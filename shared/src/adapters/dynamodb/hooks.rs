//! Addresses of webhooks, and what came in at them, in the connectors table.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use super::keys;
use super::table::{Expression, Query, Table};
use super::wire::{Reader, item, n, s};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, ShopId, StoreId};
use crate::domain::run::Wanted;
use crate::ports::PortError;
use crate::ports::webhooks::{Hook, HookStore, Owner, Signals, WebhookMessage};

const SERVICE: &str = "connectors";
/// The version of every form in this file.
const V: u32 = 1;
const FORMS: std::ops::RangeInclusive<u64> = 1..=V as u64;
/// How long it is known that a message was dealt with. Deliveries of it end after a day.
const DONE_FOR: i64 = 7 * 24 * 60 * 60;

/// Addresses in the connectors table.
#[derive(Clone)]
pub struct DynamoHooks {
    table: Table,
}

impl DynamoHooks {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }
}

/// The attribute that holds the newest change of a resource.
fn changed(what: Wanted) -> &'static str {
    match what {
        Wanted::Warehouses => "changed_warehouses",
        Wanted::Products => "changed_products",
        Wanted::Stock => "changed_stock",
        Wanted::Metafields => "changed_metafields",
        Wanted::Categories => "changed_categories",
    }
}

fn moment(nanoseconds: i128, read: &Reader<'_>) -> Result<Timestamp, PortError> {
    Timestamp::from_nanosecond(nanoseconds).map_err(|_| read.malformed("a time is none"))
}

#[async_trait]
impl HookStore for DynamoHooks {
    async fn put(&self, hook: &Hook) -> Result<(), PortError> {
        // First what `forget` goes by: an address that it does not know of would stay for ever.
        let listed = item(&keys::hook_of(&hook.owner.install, &hook.key_hash), V);
        self.table.put(listed, None, false).await?;
        let mut stored = item(&keys::hook(&hook.key_hash), V);
        stored.insert("provider".to_owned(), s(hook.provider.as_str()));
        stored.insert("shop".to_owned(), s(hook.shop.as_str()));
        stored.insert("store".to_owned(), s(hook.owner.store.as_str()));
        stored.insert("install".to_owned(), s(hook.owner.install.as_str()));
        self.table.put(stored, None, false).await?;
        Ok(())
    }

    async fn find(&self, key_hash: &str) -> Result<Option<Hook>, PortError> {
        let Some(stored) = self.table.get(&keys::hook(key_hash), true).await? else { return Ok(None) };
        let read = Reader::new("webhook address", &stored, FORMS)?;
        Ok(Some(Hook {
            key_hash: key_hash.to_owned(),
            provider: read.parsed("provider", ProviderId::parse)?,
            shop: ShopDomain::accepted(read.text("shop")?.to_owned()),
            owner: Owner {
                store: read.parsed("store", StoreId::from_stored)?,
                install: read.parsed("install", InstallId::parse)?,
            },
        }))
    }

    async fn keys_of(&self, install: &InstallId) -> Result<Vec<String>, PortError> {
        let items = self.table.query_all(Query::all(&keys::of_install(install), "")).await?;
        let key = |item| Ok(Reader::new("webhook address", item, FORMS)?.text("sk")?.to_owned());
        items.iter().map(key).collect()
    }

    async fn forget(&self, install: &InstallId) -> Result<(), PortError> {
        for key_hash in self.keys_of(install).await? {
            self.table.delete(&keys::hook(&key_hash), None).await?;
            self.table.delete(&keys::hook_of(install, &key_hash), None).await?;
        }
        Ok(())
    }

    async fn is_done(&self, message: &WebhookMessage) -> Result<bool, PortError> {
        Ok(self.table.get(&keys::done(message), true).await?.is_some())
    }

    async fn mark_done(&self, message: &WebhookMessage, now: Timestamp) -> Result<(), PortError> {
        let mut done = item(&keys::done(message), V);
        done.insert("expires_at".to_owned(), n(now.as_second() + DONE_FOR));
        self.table.put(done, None, false).await?;
        Ok(())
    }

    async fn signals(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
    ) -> Result<Signals, PortError> {
        let mut signals = Signals::default();
        let Some(stored) = self.table.get(&keys::signals(store, provider, shop), true).await? else {
            return Ok(signals);
        };
        let read = Reader::new("signals", &stored, FORMS)?;
        for what in Wanted::ALL {
            if let Some(at) = read.maybe_number::<i128>(changed(what)) {
                signals.changed.insert(what, moment(at, &read)?);
            }
        }
        if let Some(at) = read.maybe_number::<i128>("subscribed_at") {
            signals.subscribed = Some((read.parsed("subscribed", InstallId::parse)?, moment(at, &read)?));
        }
        Ok(signals)
    }

    async fn note_change(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        what: Wanted,
        at: Timestamp,
    ) -> Result<(), PortError> {
        let name = changed(what);
        let change = Expression::new(format!("SET #{name} = :at, #v = :v"))
            .with(":at", n(at.as_nanosecond()))
            .with(":v", n(V));
        let newer = Expression::new(format!("attribute_not_exists(#{name}) OR #{name} < :at"));
        // Refused: something newer is known.
        self.table.update(&keys::signals(store, provider, shop), change, newer).await?;
        Ok(())
    }

    async fn note_subscribed(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        install: &InstallId,
        at: Timestamp,
    ) -> Result<(), PortError> {
        let change = Expression::new("SET #subscribed = :install, #subscribed_at = :at, #v = :v")
            .with(":install", s(install.as_str()))
            .with(":at", n(at.as_nanosecond()))
            .with(":v", n(V));
        let newer = Expression::new("attribute_not_exists(#subscribed_at) OR #subscribed_at < :at");
        self.table.update(&keys::signals(store, provider, shop), change, newer).await?;
        Ok(())
    }

    async fn forget_signals(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
    ) -> Result<(), PortError> {
        self.table.delete(&keys::signals(store, provider, shop), None).await?;
        Ok(())
    }

    async fn note_shop(&self, provider: ProviderId, shop: ShopId, store: &StoreId) -> Result<(), PortError> {
        let mut noted = item(&keys::shop_store(provider, shop, store), V);
        noted.insert("store".to_owned(), s(store.as_str()));
        self.table.put(noted, None, false).await?;
        Ok(())
    }

    async fn stores_of(&self, provider: ProviderId, shop: ShopId) -> Result<Vec<StoreId>, PortError> {
        let items = self.table.query_all(Query::all(&keys::of_shop(provider, shop), "")).await?;
        let store = |item| Reader::new("shop", item, FORMS)?.parsed("store", StoreId::from_stored);
        items.iter().map(store).collect()
    }

    async fn forget_shop(
        &self,
        provider: ProviderId,
        shop: ShopId,
        store: &StoreId,
    ) -> Result<(), PortError> {
        self.table.delete(&keys::shop_store(provider, shop, store), None).await?;
        Ok(())
    }
}
