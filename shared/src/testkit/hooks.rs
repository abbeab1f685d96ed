//! Addresses of webhooks and the queue behind them, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::canaries;
use super::faults::Faults;
use super::push_store::FakePushStore;
use crate::adapters::webhook_queue;
use crate::domain::ids::{InstallId, ProviderId, ShopId, StoreId};
use crate::domain::notice::Person;
use crate::domain::run::Wanted;
use crate::ports::PortError;
use crate::ports::webhooks::{Held, Hook, HookStore, PersonalData, Signals, WebhookMessage, WebhookQueue};

const SERVICE: &str = "connectors";

#[derive(Default)]
struct Inner {
    hooks: BTreeMap<String, Hook>,
    done: BTreeSet<(Option<InstallId>, String, String)>,
    signals: BTreeMap<(StoreId, ProviderId, ShopId), Signals>,
    shops: BTreeSet<(ProviderId, ShopId, StoreId)>,
}

/// Addresses in memory.
#[derive(Default)]
pub struct FakeHooks {
    faults: Faults,
    inner: Mutex<Inner>,
}

fn mark(message: &WebhookMessage) -> (Option<InstallId>, String, String) {
    let install = message.owner.as_ref().map(|owner| owner.install.clone());
    (install, message.shop.to_string(), message.id.clone())
}

impl FakeHooks {
    /// No addresses.
    pub fn new(faults: Faults) -> Self {
        Self { faults, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is stored but for what was dealt with, as text.
    pub fn dump(&self) -> String {
        let inner = self.inner();
        format!("{:?} {:?} {:?}", inner.hooks, inner.signals, inner.shops)
    }
}

#[async_trait]
impl HookStore for FakeHooks {
    async fn put(&self, hook: &Hook) -> Result<(), PortError> {
        let put = || {
            self.inner().hooks.insert(hook.key_hash.clone(), hook.clone());
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.put", put).await
    }

    async fn find(&self, key_hash: &str) -> Result<Option<Hook>, PortError> {
        self.faults.port(SERVICE, "hooks.find", || Ok(self.inner().hooks.get(key_hash).cloned())).await
    }

    async fn keys_of(&self, install: &InstallId) -> Result<Vec<String>, PortError> {
        let keys = || {
            let inner = self.inner();
            let own = inner.hooks.values().filter(|hook| hook.owner.install == *install);
            Ok(own.map(|hook| hook.key_hash.clone()).collect())
        };
        self.faults.port(SERVICE, "hooks.keys_of", keys).await
    }

    async fn forget(&self, install: &InstallId) -> Result<(), PortError> {
        let forget = || {
            self.inner().hooks.retain(|_, hook| hook.owner.install != *install);
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.forget", forget).await
    }

    async fn is_done(&self, message: &WebhookMessage) -> Result<bool, PortError> {
        self.faults.port(SERVICE, "hooks.is_done", || Ok(self.inner().done.contains(&mark(message)))).await
    }

    async fn mark_done(&self, message: &WebhookMessage, _now: Timestamp) -> Result<(), PortError> {
        let done = || {
            self.inner().done.insert(mark(message));
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.mark_done", done).await
    }

    async fn signals(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
    ) -> Result<Signals, PortError> {
        let key = (store.clone(), provider, shop);
        let signals = || Ok(self.inner().signals.get(&key).cloned().unwrap_or_default());
        self.faults.port(SERVICE, "hooks.signals", signals).await
    }

    async fn note_change(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        what: Wanted,
        at: Timestamp,
    ) -> Result<(), PortError> {
        let note = || {
            let mut inner = self.inner();
            let signals = inner.signals.entry((store.clone(), provider, shop)).or_default();
            let newest = signals.changed.entry(what).or_insert(at);
            *newest = at.max(*newest);
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.note_change", note).await
    }

    async fn note_subscribed(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        install: &InstallId,
        at: Timestamp,
    ) -> Result<(), PortError> {
        let note = || {
            let mut inner = self.inner();
            let signals = inner.signals.entry((store.clone(), provider, shop)).or_default();
            if signals.subscribed.as_ref().is_none_or(|(_, known)| *known < at) {
                signals.subscribed = Some((install.clone(), at));
            }
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.note_subscribed", note).await
    }

    async fn forget_signals(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
    ) -> Result<(), PortError> {
        let forget = || {
            self.inner().signals.remove(&(store.clone(), provider, shop));
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.forget_signals", forget).await
    }

    async fn note_shop(&self, provider: ProviderId, shop: ShopId, store: &StoreId) -> Result<(), PortError> {
        let note = || {
            self.inner().shops.insert((provider, shop, store.clone()));
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.note_shop", note).await
    }

    async fn stores_of(&self, provider: ProviderId, shop: ShopId) -> Result<Vec<StoreId>, PortError> {
        let stores = || {
            let inner = self.inner();
            let own = inner.shops.iter().filter(|(its, number, _)| (*its, *number) == (provider, shop));
            Ok(own.map(|(_, _, store)| store.clone()).collect())
        };
        self.faults.port(SERVICE, "hooks.stores_of", stores).await
    }

    async fn forget_shop(
        &self,
        provider: ProviderId,
        shop: ShopId,
        store: &StoreId,
    ) -> Result<(), PortError> {
        let forget = || {
            self.inner().shops.remove(&(provider, shop, store.clone()));
            Ok(())
        };
        self.faults.port(SERVICE, "hooks.forget_shop", forget).await
    }
}

/// The queue behind the addresses, in memory. Bodies are the real ones.
#[derive(Default)]
pub struct FakeWebhookQueue {
    faults: Faults,
    bodies: Mutex<Vec<String>>,
}

impl FakeWebhookQueue {
    /// An empty queue.
    pub fn new(faults: Faults) -> Self {
        Self { faults, bodies: Mutex::default() }
    }

    fn bodies(&self) -> MutexGuard<'_, Vec<String>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes every body that waits, oldest first.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.bodies())
    }
}

#[async_trait]
impl WebhookQueue for FakeWebhookQueue {
    async fn send(&self, message: &WebhookMessage) -> Result<(), PortError> {
        let send = || {
            let body = webhook_queue::body(message)?;
            canaries::said("queue", &body);
            self.bodies().push(body);
            Ok(())
        };
        self.faults.port("queue", "webhooks.send", send).await
    }
}

/// What is kept about people, in memory: so many items for a customer of a shop, and what pushes keep.
#[derive(Default)]
pub struct FakePersonal {
    faults: Faults,
    pushes: Option<FakePushStore>,
    items: Mutex<BTreeMap<(StoreId, u64), u64>>,
}

impl FakePersonal {
    /// Nothing about anyone.
    pub fn new(faults: Faults) -> Self {
        Self { faults, pushes: None, items: Mutex::default() }
    }

    /// Nothing about anyone but what pushes keep there.
    pub fn beside(pushes: FakePushStore, faults: Faults) -> Self {
        Self { pushes: Some(pushes), ..Self::new(faults) }
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<(StoreId, u64), u64>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps so many items about a customer.
    pub fn keep(&self, store: &StoreId, customer: u64, items: u64) {
        self.items().insert((store.clone(), customer), items);
    }

    /// How many items are kept about a customer.
    pub fn kept(&self, store: &StoreId, customer: u64) -> u64 {
        self.items().get(&(store.clone(), customer)).copied().unwrap_or_default()
    }
}

#[async_trait]
impl PersonalData for FakePersonal {
    async fn held(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError> {
        let held = || {
            let items = person.customer.map_or(0, |customer| self.kept(store, customer));
            let pushes = self.pushes.iter();
            let pushes = pushes.map(|pushes| pushes.about(store, provider, shop, person, false));
            let pushes = pushes.map(|items| Held { table: "push", items });
            Ok([Held { table: "runs", items }].into_iter().chain(pushes).collect())
        };
        self.faults.port("runs", "personal.held", held).await
    }

    async fn erase(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
    ) -> Result<Vec<Held>, PortError> {
        let erase = || {
            let erased = person.customer.and_then(|customer| self.items().remove(&(store.clone(), customer)));
            let items = erased.unwrap_or_default();
            let pushes = self.pushes.iter();
            let pushes = pushes.map(|pushes| pushes.about(store, provider, shop, person, true));
            let pushes = pushes.map(|items| Held { table: "push", items });
            Ok([Held { table: "runs", items }].into_iter().chain(pushes).collect())
        };
        self.faults.port("runs", "personal.erase", erase).await
    }

    async fn erase_shop(&self, store: &StoreId, provider: ProviderId, shop: ShopId) -> Result<(), PortError> {
        let erase = || {
            self.pushes.iter().for_each(|pushes| pushes.erase_shop(store, provider, shop));
            Ok(())
        };
        self.faults.port("runs", "personal.erase_shop", erase).await
    }
}
