//! A store's shop as a destination: what can be filled, whether it may be, and the mappings that say how.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::access::Access;
use super::audit::Actor;
use super::error::AppError;
use super::status::ShownShop;
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::code::Code;
use crate::domain::push::document::MappingProblem;
use crate::domain::push::mapping::Mapping;
use crate::domain::push::saved::SavedMapping;
use crate::domain::push::shown::{self, Known};
use crate::domain::push::target::{Definitions, Stream};
use crate::domain::push::throttle::Points;
use crate::domain::scopes::Scopes;
use crate::ports::PortError;
use crate::ports::destination::{Destination, MappingStore};

/// Everything that serving a destination may use.
pub struct Destinations {
    /// Connectors, history, tokens, the platform, the time.
    pub access: Access,
    /// The platform as a destination.
    pub destination: Arc<dyn Destination>,
    /// Mappings.
    pub mappings: Arc<dyn MappingStore>,
}

/// Why a mapping was not saved.
#[derive(Debug)]
pub enum Refusal {
    /// It is wrong, in all of these places.
    Problems(Vec<MappingProblem>),
    /// Anything else.
    Failed(AppError),
}

impl<E: Into<AppError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Whether rows can be pushed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DestinationCheck {
    /// Whether every stream can be filled.
    pub ok: bool,
    /// The shop.
    pub shop: ShownShop,
    /// The version of the platform's API that rows are checked against.
    pub api_version: &'static str,
    /// What this check cost of the shop's points, where the shop counts them.
    pub points_spent: Option<u64>,
    /// What the shop has for calls, where it counts them.
    pub bucket: Option<ShownBucket>,
    /// What the shop grants us, as it says now.
    pub scopes: Vec<String>,
    /// What that allows.
    pub streams: Vec<StreamAccess>,
}

/// Whether a stream can be filled.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StreamAccess {
    /// The stream.
    pub stream: Stream,
    /// Whether it can.
    pub ready: bool,
    /// The scopes that it lacks.
    pub missing_scopes: Vec<String>,
    /// What it does beyond filling records, where a mapping allows it.
    pub opt_ins: Vec<OptInAccess>,
}

/// Whether something can be done that a mapping may allow.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OptInAccess {
    /// The option of the mapping, or the field.
    pub name: &'static str,
    /// Whether it can.
    pub ready: bool,
    /// The scopes that it lacks.
    pub missing_scopes: Vec<String>,
}

/// What the shop has for calls, in points; parts of one are rounded up.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownBucket {
    /// The most it holds.
    pub maximum: u64,
    /// What it holds.
    pub available: u64,
    /// What comes in each second.
    pub restored_a_second: u64,
}

fn whole(points: Points) -> u64 {
    points.thousandths().div_ceil(1000)
}

/// What can be filled.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Discovered {
    /// One for each stream that the granted scopes allow.
    pub streams: Vec<DiscoveredStream>,
}

/// One stream.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiscoveredStream {
    /// Its name.
    pub name: Stream,
    /// What a row may hold, as JSON Schema, with the metafields that the shop has defined.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub json_schema: Value,
}

/// Whether a mapping could be saved.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Validation {
    /// Whether it could.
    pub valid: bool,
    /// Everything that is wrong with it.
    pub problems: Vec<MappingProblem>,
}

/// A mapping as it was saved.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownMapping {
    /// What it fills.
    pub stream: Stream,
    /// Its revision.
    pub revision: u32,
    /// The document; absent where the mapping was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub document: Option<Value>,
    /// When it was saved, RFC 3339.
    pub saved_at: String,
}

impl From<SavedMapping> for ShownMapping {
    fn from(saved: SavedMapping) -> Self {
        let SavedMapping { stream, revision, document, saved_at, .. } = saved;
        Self { stream, revision, document, saved_at: saved_at.to_string() }
    }
}

/// A mapping to be looked at or saved.
pub struct Proposed<'a> {
    /// What it shall fill.
    pub stream: Stream,
    /// The document.
    pub document: &'a Value,
    /// The columns of the rows, where they are known.
    pub columns: Option<&'a BTreeSet<String>>,
}

impl Destinations {
    /// The form of a connection's configuration.
    pub fn spec(&self) -> Value {
        self.destination.spec()
    }

    /// Asks the shop who it is and what it grants. Changes nothing there.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn check(&self, store: &StoreId, provider: ProviderId) -> Result<DestinationCheck, AppError> {
        let (connector, mut shop) = self.access.shop_access(store, provider).await?;
        let look = async |shop: &_| self.destination.look(shop).await;
        let looked = self.access.ask::<_, AppError>(&connector, &mut shop, look).await?;
        let profile = looked.profile;
        let lacking = |scopes: &Scopes| -> Vec<String> {
            profile.scopes.lacking(scopes).iter().map(str::to_owned).collect()
        };
        let streams = Stream::ALL.map(|stream| {
            let missing_scopes = lacking(&self.destination.scopes_of(stream));
            let opt_ins = self.destination.opt_ins(stream).into_iter().map(|opt_in| {
                let missing_scopes = lacking(&opt_in.scopes);
                OptInAccess { name: opt_in.name, ready: missing_scopes.is_empty(), missing_scopes }
            });
            let opt_ins = opt_ins.collect();
            StreamAccess { stream, ready: missing_scopes.is_empty(), missing_scopes, opt_ins }
        });
        Ok(DestinationCheck {
            ok: streams.iter().all(|stream| stream.ready),
            shop: ShownShop {
                account: profile.name,
                domain: profile.domain.to_string(),
                primary_domain: profile.primary_domain,
                id: profile.id.to_string(),
                currency: profile.currency,
                plan: profile.plan,
            },
            api_version: self.destination.api_version(),
            points_spent: looked.points.map(whole),
            bucket: looked.bucket.map(|bucket| ShownBucket {
                maximum: whole(bucket.maximum),
                available: whole(bucket.available),
                restored_a_second: whole(bucket.restore_rate),
            }),
            scopes: profile.scopes.iter().map(str::to_owned).collect(),
            streams: streams.into(),
        })
    }

    /// What can be filled, with the metafields that the shop has defined and the places that it has.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn discover(&self, store: &StoreId, provider: ProviderId) -> Result<Discovered, AppError> {
        let (connector, _) = self.access.shop_access(store, provider).await?;
        let granted = connector.installation.map(|installation| installation.scopes).unwrap_or_default();
        let mut streams = Vec::new();
        for name in Stream::ALL {
            if granted.lacking(&self.destination.scopes_of(name)).is_empty() {
                let definitions = self.definitions(store, provider, name).await?;
                let places = self.places(store, provider, name).await?;
                let known = Known { definitions, places };
                let json_schema = shown::schema(name, self.destination.targets(), &known);
                streams.push(DiscoveredStream { name, json_schema });
            }
        }
        Ok(Discovered { streams })
    }

    async fn definitions(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<Definitions, AppError> {
        // Nothing has metafields there, so the shop need not be asked.
        if stream == Stream::InventoryLevels {
            return Ok(Definitions::default());
        }
        let (connector, mut shop) = self.access.shop_access(store, provider).await?;
        let definitions = async |shop: &_| self.destination.definitions(shop, stream).await;
        self.access.ask(&connector, &mut shop, definitions).await
    }

    /// The names of the shop's places, for the stream whose rows name them.
    async fn places(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<BTreeSet<String>, AppError> {
        if stream != Stream::InventoryLevels {
            return Ok(BTreeSet::new());
        }
        let (connector, mut shop) = self.access.shop_access(store, provider).await?;
        let places = async |shop: &_| self.destination.places(shop).await;
        self.access.ask(&connector, &mut shop, places).await
    }

    /// Everything that is wrong with a mapping.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn validate(
        &self,
        store: &StoreId,
        provider: ProviderId,
        proposed: Proposed<'_>,
    ) -> Result<Validation, AppError> {
        let problems = self.problems(store, provider, &proposed).await?;
        Ok(Validation { valid: problems.is_empty(), problems })
    }

    async fn problems(
        &self,
        store: &StoreId,
        provider: ProviderId,
        proposed: &Proposed<'_>,
    ) -> Result<Vec<MappingProblem>, AppError> {
        let Proposed { stream, document, columns } = *proposed;
        if document.get("stream").and_then(Value::as_str) != Some(stream.as_str()) {
            let hint = format!("the stream must be {}, as in the address", stream.as_str());
            let (path, code) = ("/stream".to_owned(), Code::MappingMalformed);
            return Ok(vec![MappingProblem { path, code, hint }]);
        }
        let definitions = self.definitions(store, provider, stream).await?;
        let compiled = Mapping::compile(document, self.destination.targets(), &definitions, columns);
        Ok(compiled.err().unwrap_or_default())
    }

    /// Saves a mapping as the next revision, if nothing is wrong with it and, where `after` is given, that is the
    /// revision in force. The same document again is the same revision.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn save(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        proposed: Proposed<'_>,
        after: Option<u32>,
    ) -> Result<ShownMapping, Refusal> {
        let problems = self.problems(actor.store, provider, &proposed).await?;
        if !problems.is_empty() {
            return Err(Refusal::Problems(problems));
        }
        let Proposed { stream, document, .. } = proposed;
        let newest = self.mappings.newest(actor.store, provider, stream).await?;
        if let Some(newest) = newest.as_ref().filter(|newest| newest.document.as_ref() == Some(document)) {
            return Ok(newest.clone().into());
        }
        Ok(self.add(actor, provider, stream, newest, Some(document.clone()), after).await?)
    }

    /// Takes a mapping away. Its revisions stay, for the runs that were made with them.
    #[tracing::instrument(skip_all, fields(store.id = %actor.store, provider = %provider))]
    pub async fn remove(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<ShownMapping, AppError> {
        let newest = self.mappings.newest(actor.store, provider, stream).await?;
        let newest = newest.filter(|newest| newest.document.is_some()).ok_or_else(AppError::not_found)?;
        self.add(actor, provider, stream, Some(newest), None, None).await
    }

    async fn add(
        &self,
        actor: Actor<'_>,
        provider: ProviderId,
        stream: Stream,
        newest: Option<SavedMapping>,
        document: Option<Value>,
        after: Option<u32>,
    ) -> Result<ShownMapping, AppError> {
        let newest = newest.map_or(0, |newest| newest.revision);
        if after.is_some_and(|after| after != newest) {
            return Err(PortError::Conflict.into());
        }
        let saved = SavedMapping {
            stream,
            revision: newest + 1,
            document,
            saved_by: actor.subject.to_owned(),
            saved_at: self.access.clock.now(),
        };
        self.mappings.add(actor.store, provider, &saved).await?;
        Ok(saved.into())
    }

    /// The mappings in force.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn list(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<ShownMapping>, AppError> {
        let mut shown = Vec::new();
        for stream in Stream::ALL {
            let newest = self.mappings.newest(store, provider, stream).await?;
            shown.extend(newest.filter(|newest| newest.document.is_some()).map(ShownMapping::from));
        }
        Ok(shown)
    }
}
