//! A shop as a destination of rows: what its platform can take, and what is kept here for it.

use async_trait::async_trait;

use super::PortError;
use super::provider::{ProviderError, ShopAccess};
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::saved::SavedMapping;
use crate::domain::push::target::{Definitions, Stream, Targets};
use crate::domain::scopes::Scopes;

/// A platform that rows can be pushed to.
#[async_trait]
pub trait Destination: Send + Sync {
    /// The version of the platform's API that rows are checked against.
    fn api_version(&self) -> &'static str;

    /// The form of a connection's configuration, as JSON Schema draft-07.
    fn spec(&self) -> serde_json::Value;

    /// What every stream may fill.
    fn targets(&self) -> &'static Targets;

    /// The scopes that a stream needs.
    fn scopes_of(&self, stream: Stream) -> Scopes;

    /// The metafields that the shop has defined for what a stream fills.
    async fn definitions(&self, access: &ShopAccess, stream: Stream) -> Result<Definitions, ProviderError>;
}

/// The mappings of stores. Only ever added to.
#[async_trait]
pub trait MappingStore: Send + Sync {
    /// Adds a revision. One of the same number is a conflict, whatever it says.
    async fn add(
        &self,
        store: &StoreId,
        provider: ProviderId,
        mapping: &SavedMapping,
    ) -> Result<(), PortError>;

    /// The newest revision of a stream's mapping.
    async fn newest(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<Option<SavedMapping>, PortError>;

    /// One revision of a stream's mapping.
    async fn revision(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
        revision: u32,
    ) -> Result<Option<SavedMapping>, PortError>;
}
