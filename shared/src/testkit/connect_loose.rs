//! Loose ends and what is due, in memory.

use async_trait::async_trait;
use jiff::Timestamp;

use super::connect_store::{FakeConnectors, Inner};
use crate::domain::claim::{Claim, NotClosed};
use crate::domain::connection::LooseEnd;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;
use crate::ports::loose::{Due, LooseEnds, Take};

impl Inner {
    pub(super) fn put_loose(&mut self, end: &LooseEnd) {
        let cared = (end.store.clone(), end.provider, Some(end.install.clone()));
        self.due.insert(cared, end.due.as_second());
        let key = (end.store.clone(), end.provider, end.install.clone());
        self.taken.remove(&key);
        self.loose.insert(key, end.clone());
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

    async fn take_loose_end(
        &self,
        end: &LooseEnd,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Take, PortError> {
        self.faults
            .port("connectors", "connectors.take_loose_end", || {
                let mut inner = self.inner();
                let key = (end.store.clone(), end.provider, end.install.clone());
                match inner.loose.get(&key) {
                    None => return Ok(Take::Gone),
                    Some(held) if held != end => return Ok(Take::Changed),
                    Some(_) => {}
                }
                if let Some(until) = inner.taken.get(&key).copied().filter(|until| *until > now) {
                    return Ok(Take::Busy { until });
                }
                inner.taken.insert(key, until);
                Ok(Take::Taken)
            })
            .await
    }

    async fn give_back_loose_end(
        &self,
        end: &LooseEnd,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.give_back_loose_end", || {
                let mut inner = self.inner();
                let key = (end.store.clone(), end.provider, end.install.clone());
                if let Some(taken) = inner.taken.get_mut(&key).filter(|taken| **taken == until) {
                    *taken = now;
                }
                Ok(())
            })
            .await
    }

    async fn strike_loose_end(&self, end: &LooseEnd) -> Result<(), PortError> {
        self.faults
            .port("connectors", "connectors.strike_loose_end", || {
                let mut inner = self.inner();
                let key = (end.store.clone(), end.provider, end.install.clone());
                if inner.loose.get(&key) == Some(end) {
                    inner.loose.remove(&key);
                    inner.taken.remove(&key);
                    inner.due.remove(&(key.0, key.1, Some(key.2)));
                }
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
    ) -> Result<Result<(), NotClosed>, PortError> {
        self.faults
            .port("connectors", "connectors.close_claim", || {
                let mut inner = self.inner();
                let key = (provider, shop.clone());
                match Claim::closed(inner.claims.get(&key), store, install, now, until) {
                    Ok(claim) => {
                        inner.claims.insert(key, claim);
                        Ok(Ok(()))
                    }
                    Err(why) => Ok(Err(why)),
                }
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
