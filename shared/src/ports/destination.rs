//! A shop as a destination of rows: what its platform can take, and what is kept here for it.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::PortError;
use super::provider::{ProviderError, ShopAccess, ShopProfile};
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::saved::SavedMapping;
use crate::domain::push::target::{Definitions, Stream, Targets};
use crate::domain::push::throttle::{Points, Status};
use crate::domain::scopes::Scopes;

/// What a shop says of itself, and what it took to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The shop.
    pub profile: ShopProfile,
    /// What asking cost, where the shop counts that.
    pub points: Option<Points>,
    /// What it has for calls, where it counts them.
    pub bucket: Option<Status>,
}

/// Something that a stream does beyond filling records, where a mapping allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptIn {
    /// How it is called.
    pub name: &'static str,
    /// The scopes that it needs.
    pub scopes: Scopes,
}

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

    /// What a stream does beyond that, where a mapping allows it.
    fn opt_ins(&self, stream: Stream) -> Vec<OptIn>;

    /// Asks the shop who it is and what it grants, in one small call that changes nothing.
    async fn look(&self, access: &ShopAccess) -> Result<Looked, ProviderError>;

    /// The names of the places that hold stock.
    async fn places(&self, access: &ShopAccess) -> Result<BTreeSet<String>, ProviderError>;

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
