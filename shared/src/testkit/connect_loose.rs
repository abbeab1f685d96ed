//! Loose ends and what is due, in memory.

use async_trait::async_trait;
use jiff::Timestamp;

use super::connect_store::{Claim, FakeConnectors, Inner};
use crate::domain::connection::LooseEnd;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;
use crate::ports::loose::{Due, LooseEnds};

impl Inner {
    pub(super) fn put_loose(&mut self, end: &LooseEnd) {
        let cared = (end.store.clone(), end.provider, Some(end.install.clone()));
        self.due.insert(cared, end.due.as_second());
        self.loose.insert((end.store.clone(), end.provider, end.install.clone()), end.clone());
    }
}

impl FakeConnectors {
    /// Every loose end, past all faults.
    pub fn all_loose_ends(&self) -> Vec<LooseEnd> {
        self.inner().loose.values().cloned().collect()
    }
}

#[async_trait]
impl LooseEnds for FakeConnectors {
    async fn put_loose_end(&self, end: &LooseEnd) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.put_loose_end", || {
                self.inner().put_loose(end);
                Ok(())
            })
            .await
    }

    async fn loose_ends(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<LooseEnd>, PortError> {
        let of_store = |end: &&LooseEnd| end.store == *store && end.provider == provider;
        self.faults
            .port("connectors", "connectors.loose_ends", || {
                Ok(self.inner().loose.values().filter(of_store).cloned().collect())
            })
            .await
    }

    async fn strike_loose_end(
        &self,
        store: &StoreId,
        provider: ProviderId,
        install: &InstallId,
    ) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.strike_loose_end", || {
                let mut inner = self.inner();
                inner.loose.remove(&(store.clone(), provider, install.clone()));
                inner.due.remove(&(store.clone(), provider, Some(install.clone())));
                Ok(())
            })
            .await
    }

    async fn close_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, PortError> {
        self.faults
            .port("connectors", "connectors.close_claim", || {
                let mut inner = self.inner();
                let key = (provider, shop.clone());
                let nobody_elses = inner.claims.get(&key).is_none_or(|claim| {
                    claim.install == *install || claim.pending_until.is_some_and(|until| until <= now)
                });
                if nobody_elses {
                    let claim = Claim {
                        store: store.clone(),
                        install: install.clone(),
                        pending_until: Some(until),
                        closing: true,
                    };
                    inner.claims.insert(key, claim);
                }
                Ok(nobody_elses)
            })
            .await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, PortError> {
        self.faults
            .port("connectors", "connectors.due", || {
                let inner = self.inner();
                let mut found: Vec<Due> = inner
                    .due
                    .iter()
                    .filter(|(_, at)| **at <= now.as_second())
                    .filter_map(|((store, provider, install), at)| {
                        let at = Timestamp::from_second(*at).ok()?;
                        Some(Due { store: store.clone(), provider: *provider, install: install.clone(), at })
                    })
                    .collect();
                found.sort_by_key(|due| due.at);
                found.truncate(limit);
                Ok(found)
            })
            .await
    }

    async fn postpone(&self, due: &Due, until: Timestamp) -> Result<bool, PortError> {
        self.faults
            .port("connectors", "connectors.postpone", || {
                let mut inner = self.inner();
                let cared = (due.store.clone(), due.provider, due.install.clone());
                let stands = inner.due.get_mut(&cared).filter(|at| **at == due.at.as_second());
                let Some(at) = stands else { return Ok(false) };
                *at = until.as_second();
                Ok(true)
            })
            .await
    }
}
