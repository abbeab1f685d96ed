//! Mappings in memory, and a destination whose shop has the metafields that a test gives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use super::faults::Faults;
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::saved::SavedMapping;
use crate::domain::push::target::{Definitions, Stream, Targets};
use crate::domain::push::throttle::{Points, Status};
use crate::domain::scopes::Scopes;
use crate::ports::PortError;
use crate::ports::destination::{Destination, Looked, MappingStore, OptIn};
use crate::ports::provider::{Connect, ProviderError, ShopAccess};

type Key = (StoreId, ProviderId, Stream, u32);

/// Mappings in memory.
#[derive(Default)]
pub struct FakeMappings {
    faults: Faults,
    saved: Mutex<BTreeMap<Key, SavedMapping>>,
}

impl FakeMappings {
    /// No mappings.
    pub fn new(faults: Faults) -> Self {
        Self { faults, saved: Mutex::default() }
    }

    fn saved(&self) -> MutexGuard<'_, BTreeMap<Key, SavedMapping>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MappingStore for FakeMappings {
    async fn add(
        &self,
        store: &StoreId,
        provider: ProviderId,
        mapping: &SavedMapping,
    ) -> Result<(), PortError> {
        let add = || {
            let key = (store.clone(), provider, mapping.stream, mapping.revision);
            let mut saved = self.saved();
            if saved.contains_key(&key) {
                return Err(PortError::Conflict);
            }
            saved.insert(key, mapping.clone());
            Ok(())
        };
        self.faults.port("destinations", "mappings.add", add).await
    }

    async fn newest(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<Option<SavedMapping>, PortError> {
        let newest = || {
            let (from, to) =
                ((store.clone(), provider, stream, 0), (store.clone(), provider, stream, u32::MAX));
            Ok(self.saved().range(from..=to).next_back().map(|(_, mapping)| mapping.clone()))
        };
        self.faults.port("destinations", "mappings.newest", newest).await
    }

    async fn revision(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
        revision: u32,
    ) -> Result<Option<SavedMapping>, PortError> {
        let found = || Ok(self.saved().get(&(store.clone(), provider, stream, revision)).cloned());
        self.faults.port("destinations", "mappings.revision", found).await
    }
}

/// A destination whose shop has these metafields, the same for every stream.
pub struct FakeDestination<D> {
    /// What needs no shop.
    pub front: D,
    /// The metafields.
    pub definitions: Definitions,
    /// The names of its places.
    pub places: BTreeSet<String>,
    /// The shop.
    pub shop: Arc<dyn Connect>,
    /// Lost answers and the like.
    pub faults: Faults,
}

#[async_trait]
impl<D: Destination> Destination for FakeDestination<D> {
    fn api_version(&self) -> &'static str {
        self.front.api_version()
    }

    fn spec(&self) -> Value {
        self.front.spec()
    }

    fn targets(&self) -> &'static Targets {
        self.front.targets()
    }

    fn scopes_of(&self, stream: Stream) -> Scopes {
        self.front.scopes_of(stream)
    }

    fn opt_ins(&self, stream: Stream) -> Vec<OptIn> {
        self.front.opt_ins(stream)
    }

    async fn look(&self, access: &ShopAccess) -> Result<Looked, ProviderError> {
        let profile = self.shop.inspect(access).await?;
        Ok(Looked { profile, points: Some(Points::whole(3)), bucket: Some(Status::UNKNOWN) })
    }

    async fn places(&self, _: &ShopAccess) -> Result<BTreeSet<String>, ProviderError> {
        let lost = || ProviderError::Unavailable { source: None };
        self.faults.run("destination.places", lost, || Ok(self.places.clone())).await
    }

    async fn definitions(&self, _: &ShopAccess, _: Stream) -> Result<Definitions, ProviderError> {
        let lost = || ProviderError::Unavailable { source: None };
        self.faults.run("destination.definitions", lost, || Ok(self.definitions.clone())).await
    }
}
