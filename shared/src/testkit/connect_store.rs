//! Connectors, states, claims, leases and history in memory, with the conditions of the real tables.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::faults::Faults;
use crate::adapters::dynamodb::cursor::{Scope, refused};
use crate::domain::claim::Claim;
use crate::domain::connection::{Connector, ConnectorState, HistoryEntry, LooseEnd, PendingConnect};
use crate::domain::history::ChainedEntry;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::connectors::{ConnectorStore, History, Lease, REFRESH_CAP, REFRESH_WINDOW, Release};
use crate::ports::loose::CARE_EVERY;
use crate::ports::{Page, PortError};

/// The key of something to be looked after: an installation's loose end, or the connector itself.
pub(super) type Cared = (StoreId, ProviderId, Option<InstallId>);

/// The lease on a refresh, and how many were taken in its window.
#[derive(Debug, Clone, Copy)]
struct Held {
    until: Option<Timestamp>,
    window_ends: Timestamp,
    taken: u32,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) connectors: BTreeMap<(StoreId, ProviderId), Connector>,
    pub(super) loose: BTreeMap<(StoreId, ProviderId, InstallId), LooseEnd>,
    /// Until when loose ends are taken.
    pub(super) taken: BTreeMap<(StoreId, ProviderId, InstallId), Timestamp>,
    /// Whole seconds, as in the index.
    pub(super) due: BTreeMap<Cared, i64>,
    states: BTreeMap<String, PendingConnect>,
    pub(super) claims: BTreeMap<(ProviderId, ShopDomain), Claim>,
    leases: BTreeMap<InstallId, Held>,
    history: Vec<ChainedEntry>,
}

/// Connectors and their history in memory.
#[derive(Default)]
pub struct FakeConnectors {
    pub(super) faults: Faults,
    inner: Mutex<Inner>,
}

impl FakeConnectors {
    /// Empty tables.
    pub fn new(faults: Faults) -> Self {
        Self { faults, inner: Mutex::default() }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connector as stored.
    pub fn stored(&self, store: &StoreId, provider: ProviderId) -> Option<Connector> {
        self.inner().connectors.get(&(store.clone(), provider)).cloned()
    }

    /// The claim on a shop.
    pub fn claim(&self, provider: ProviderId, shop: &ShopDomain) -> Option<Claim> {
        self.inner().claims.get(&(provider, shop.clone())).cloned()
    }

    /// The states that were not used yet.
    pub fn open_states(&self) -> usize {
        self.inner().states.len()
    }

    /// Everything that is stored, as text, to search it for what must not be there.
    pub fn dump(&self) -> String {
        let inner = self.inner();
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            inner.connectors, inner.states, inner.claims, inner.leases, inner.loose, inner.history
        )
    }

    /// The history of a store, oldest first.
    pub fn entries(&self, store: &StoreId) -> Vec<HistoryEntry> {
        self.chain(store).into_iter().map(|chained| chained.entry).collect()
    }

    /// The same with every entry in its place.
    pub fn chain(&self, store: &StoreId) -> Vec<ChainedEntry> {
        self.inner().history.iter().filter(|chained| chained.entry.store == *store).cloned().collect()
    }

    /// Changes the history as nobody but someone with all rights on the table could.
    pub fn forge(&self, change: impl FnOnce(&mut Vec<ChainedEntry>)) {
        change(&mut self.inner().history);
    }

    /// Puts what becomes of a claim in the place of the one that is held.
    async fn change_claim(
        &self,
        call: &'static str,
        provider: ProviderId,
        shop: &ShopDomain,
        change: impl Fn(Option<Claim>) -> Option<Claim> + Send,
    ) -> Result<(), PortError> {
        self.faults
            .port("connectors", call, || {
                let mut inner = self.inner();
                let key = (provider, shop.clone());
                let held = inner.claims.remove(&key);
                inner.claims.extend(change(held).map(|claim| (key, claim)));
                Ok(())
            })
            .await
    }

    fn save_in(inner: &mut Inner, connector: &mut Connector) -> Result<(), PortError> {
        let key = (connector.store.clone(), connector.provider);
        let stored = inner.connectors.get(&key).map_or(0, |connector| connector.revision);
        if stored != connector.revision {
            return Err(PortError::Conflict);
        }
        let mut next = connector.clone();
        next.revision += 1;
        let cared = (key.0.clone(), key.1, None);
        if next.state() == ConnectorState::Live {
            inner.due.entry(cared).or_insert((next.updated_at + CARE_EVERY).as_second());
        } else {
            inner.due.remove(&cared);
        }
        inner.connectors.insert(key, next);
        Ok(())
    }
}

#[async_trait]
impl ConnectorStore for FakeConnectors {
    async fn load(&self, store: &StoreId, provider: ProviderId) -> Result<Option<Connector>, PortError> {
        self.faults.port("connectors", "connectors.load", || Ok(self.stored(store, provider))).await
    }

    async fn save(&self, connector: &mut Connector) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.save", || Self::save_in(&mut self.inner(), connector))
            .await?;
        connector.revision += 1;
        Ok(())
    }

    async fn put_state(&self, pending: &PendingConnect) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.put_state", || {
                self.inner().states.insert(pending.state_hash.clone(), pending.clone());
                Ok(())
            })
            .await
    }

    async fn consume_state(
        &self,
        state_hash: &str,
        provider: ProviderId,
        shop: &ShopDomain,
        cookie_hash: &str,
        now: Timestamp,
    ) -> Result<Option<PendingConnect>, PortError> {
        self.faults
            .port("connectors", "connectors.consume_state", || {
                let mut inner = self.inner();
                let fits = inner.states.get(state_hash).is_some_and(|pending| {
                    pending.provider == provider
                        && pending.shop == *shop
                        && pending.cookie_hash == cookie_hash
                        && now < pending.expires_at
                });
                Ok(if fits { inner.states.remove(state_hash) } else { None })
            })
            .await
    }

    async fn peek_state(&self, state_hash: &str) -> Result<Option<PendingConnect>, PortError> {
        self.faults
            .port("connectors", "connectors.peek_state", || Ok(self.inner().states.get(state_hash).cloned()))
            .await
    }

    async fn claim_shop(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        pending_until: Timestamp,
    ) -> Result<bool, PortError> {
        self.faults
            .port("connectors", "connectors.claim_shop", || {
                let mut inner = self.inner();
                let key = (provider, shop.clone());
                let held = inner.claims.get(&key).cloned();
                let claim = Claim::counted_on(held, store, install, now, pending_until);
                let taken = claim.is_some();
                inner.claims.extend(claim.map(|claim| (key, claim)));
                Ok(taken)
            })
            .await
    }

    async fn go_live(&self, connector: &mut Connector, ends: &[LooseEnd]) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.go_live", || {
                let mut inner = self.inner();
                let installation = connector.installation.clone().ok_or(PortError::Conflict)?;
                let key = (connector.provider, installation.shop.clone());
                let held = inner.claims.get(&key).cloned();
                let claim = Claim::confirmed(held, &connector.store, &installation.id);
                let listed = ends.iter().filter(|end| end.install == installation.id).all(|end| {
                    let key = (end.store.clone(), end.provider, end.install.clone());
                    inner.loose.contains_key(&key) && !inner.taken.contains_key(&key)
                });
                let claim = claim.filter(|_| listed).ok_or(PortError::Conflict)?;
                Self::save_in(&mut inner, connector)?;
                inner.claims.insert(key, claim);
                ends.iter().for_each(|end| inner.put_loose(end));
                Ok(())
            })
            .await?;
        connector.revision += 1;
        Ok(())
    }

    async fn let_go(&self, connector: &mut Connector, end: &LooseEnd) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.let_go", || {
                let mut inner = self.inner();
                Self::save_in(&mut inner, connector)?;
                inner.put_loose(end);
                Ok(())
            })
            .await?;
        connector.revision += 1;
        Ok(())
    }

    async fn release_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
    ) -> Result<(), PortError> {
        self.change_claim("connectors.release_claim", provider, shop, |held| Claim::released(held, install))
            .await
    }

    async fn give_up_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
    ) -> Result<(), PortError> {
        self.change_claim("connectors.give_up_claim", provider, shop, |held| Claim::given_up(held, install))
            .await
    }

    async fn lease_refresh(
        &self,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, PortError> {
        self.faults
            .port("connectors", "connectors.lease_refresh", || {
                let mut inner = self.inner();
                let fresh = Held { until: None, window_ends: now + REFRESH_WINDOW, taken: 0 };
                let held = inner.leases.entry(install.clone()).or_insert(fresh);
                if let Some(until) = held.until.filter(|until| *until > now) {
                    return Ok(Lease::Busy { until });
                }
                if held.window_ends <= now {
                    *held = fresh;
                }
                if held.taken >= REFRESH_CAP {
                    return Ok(Lease::Capped { until: held.window_ends });
                }
                held.taken += 1;
                held.until = Some(until);
                Ok(Lease::Taken { nth: held.taken })
            })
            .await
    }

    async fn release_refresh(
        &self,
        install: &InstallId,
        until: Timestamp,
        release: Release,
    ) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.release_refresh", || {
                let mut inner = self.inner();
                let ours = inner.leases.get_mut(install).filter(|held| held.until == Some(until));
                let Some(held) = ours else { return Ok(()) };
                held.until = match release {
                    Release::Pause(later) => Some(later),
                    Release::Used | Release::Unused => None,
                };
                held.taken -= u32::from(release == Release::Unused);
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl History for FakeConnectors {
    async fn append(&self, entry: &HistoryEntry) -> Result<(), PortError> {
        self.faults
            .port("connectors", "history.append", || {
                let mut inner = self.inner();
                let ours = |old: &&ChainedEntry| {
                    (&old.entry.store, old.entry.provider) == (&entry.store, entry.provider)
                };
                if inner.history.iter().filter(ours).all(|old| old.entry.id != entry.id) {
                    let newest = inner.history.iter().rfind(ours);
                    let chained = ChainedEntry::after(newest, entry.clone());
                    inner.history.push(chained);
                }
                Ok(())
            })
            .await
    }

    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<ChainedEntry>, PortError> {
        let scope = Scope::new(&["history", store.as_str(), provider.as_str()]);
        let cursor = cursor.map(|cursor| scope.decode(&cursor)).transpose()?;
        let before: Option<u64> =
            cursor.map(|seq| seq.parse().map_err(|_| refused("it is not one of ours"))).transpose()?;
        self.faults
            .port("connectors", "history.list", || {
                let mut entries: Vec<ChainedEntry> = self
                    .chain(store)
                    .into_iter()
                    .rev()
                    .filter(|chained| chained.entry.provider == provider)
                    .filter(|chained| before.is_none_or(|before| chained.seq < before))
                    .collect();
                let more = entries.len() > limit as usize;
                entries.truncate(limit as usize);
                let next = entries.last().filter(|_| more).map(|last| scope.encode(&last.seq.to_string()));
                Ok(Page { items: entries, next })
            })
            .await
    }
}
