//! A vault in memory, with the rules of the real one: versions, compare-and-set, names that stay taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use secrecy::ExposeSecret as _;

use super::canaries;
use super::faults::Faults;
use crate::domain::ids::{InstallId, ProviderId};
use crate::ports::PortError;
use crate::ports::provider::AppSecret;
use crate::ports::vault::{StoredToken, TokenVault};

struct Entry {
    current: StoredToken,
    previous: Option<StoredToken>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<InstallId, Entry>,
    deleted: BTreeSet<InstallId>,
    versions: u64,
}

/// Token pairs in memory.
pub struct FakeVault {
    app: AppSecret,
    faults: Faults,
    inner: Mutex<Inner>,
}

impl FakeVault {
    /// An empty vault that holds this secret of our app.
    pub fn new(app: AppSecret, faults: Faults) -> Self {
        canaries::secret("app secret", app.current.expose_secret());
        Self { app, faults, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every access token that can still be read, current and previous.
    pub fn readable_tokens(&self) -> Vec<String> {
        let inner = self.inner();
        let tokens =
            inner.entries.values().flat_map(|entry| Some(&entry.current).into_iter().chain(&entry.previous));
        tokens.map(|token| token.access_token.expose_secret().to_owned()).collect()
    }

    /// The installations that have a token.
    pub fn installs(&self) -> Vec<InstallId> {
        self.inner().entries.keys().cloned().collect()
    }
}

#[async_trait]
impl TokenVault for FakeVault {
    async fn app_secret(&self, _provider: ProviderId) -> Result<AppSecret, PortError> {
        self.faults.port("vault", "vault.app_secret", || Ok(self.app.clone())).await
    }

    async fn create(&self, install: &InstallId, token: &StoredToken) -> Result<(), PortError> {
        self.faults
            .port("vault", "vault.create", || {
                let mut inner = self.inner();
                // A name that was deleted stays taken for days.
                if inner.entries.contains_key(install) || inner.deleted.contains(install) {
                    return Err(PortError::Conflict);
                }
                inner.versions += 1;
                let current = StoredToken { version: format!("v{}", inner.versions), ..token.clone() };
                inner.entries.insert(install.clone(), Entry { current, previous: None });
                Ok(())
            })
            .await
    }

    async fn current(&self, install: &InstallId) -> Result<Option<StoredToken>, PortError> {
        self.faults
            .port("vault", "vault.current", || {
                Ok(self.inner().entries.get(install).map(|entry| entry.current.clone()))
            })
            .await
    }

    async fn previous(&self, install: &InstallId) -> Result<Option<StoredToken>, PortError> {
        self.faults
            .port("vault", "vault.previous", || {
                Ok(self.inner().entries.get(install).and_then(|entry| entry.previous.clone()))
            })
            .await
    }

    async fn replace(&self, install: &InstallId, from: &str, token: &StoredToken) -> Result<(), PortError> {
        self.faults
            .port("vault", "vault.replace", || {
                let mut inner = self.inner();
                inner.versions += 1;
                let version = format!("v{}", inner.versions);
                let Some(entry) =
                    inner.entries.get_mut(install).filter(|entry| entry.current.version == from)
                else {
                    return Err(PortError::Conflict);
                };
                let next = StoredToken { version, ..token.clone() };
                entry.previous = Some(std::mem::replace(&mut entry.current, next));
                Ok(())
            })
            .await
    }

    async fn delete(&self, install: &InstallId) -> Result<(), PortError> {
        self.faults
            .port("vault", "vault.delete", || {
                let mut inner = self.inner();
                if inner.entries.remove(install).is_some() {
                    inner.deleted.insert(install.clone());
                }
                Ok(())
            })
            .await
    }
}
