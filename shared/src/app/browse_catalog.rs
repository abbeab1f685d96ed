//! A read-only view of the store's eshopOS records, for checking what landed.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::AppError;
use super::import::requests::bad_cursor;
use super::import::shown::ShownPage;
use crate::domain::ids::StoreId;
use crate::domain::record::{Kind, Resource, Standing, StoredRecord};
use crate::ports::catalog::Catalog;

/// Answers end above this many bytes of rows; a page may then be shorter than asked for.
const ANSWER_BYTES: usize = 3 * 1024 * 1024;

/// Which records to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "snake_case"))]
pub enum StandingFilter {
    /// Those in the shop.
    #[default]
    Active,
    /// Those that a complete scan no longer found.
    Missing,
    /// Both.
    All,
}

impl StandingFilter {
    /// Reads the query parameter.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "missing" => Some(Self::Missing),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    fn takes(self, standing: &Standing) -> bool {
        match self {
            _ if is_deleted(standing) => false,
            Self::Active => *standing == Standing::Active,
            Self::Missing => *standing != Standing::Active,
            Self::All => true,
        }
    }
}

/// One record or child of the catalogue: its ids, its standing and its fields by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogRow {
    /// The record's id in the store. Of a child, that of the record it is in.
    pub internal_id: String,
    /// Its id in the shop.
    pub external_id: String,
    /// `active`, or `missing` where a complete scan no longer found it.
    pub standing: &'static str,
    /// The run that found it missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<String>,
    /// Raised by every change.
    pub version: u64,
    /// Its fields by name.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub fields: Map<String, Value>,
}

/// Everything that browsing may use.
pub struct BrowseCatalog {
    /// eshopOS records.
    pub catalog: Arc<dyn Catalog>,
}

impl BrowseCatalog {
    /// What can be listed.
    pub fn resources() -> impl Iterator<Item = Resource> {
        Resource::ALL.into_iter().filter(|resource| place_of(*resource).is_some())
    }

    /// Lists records (products, categories, warehouses) or what is inside them (stock, media, metafields).
    /// A list of products or categories counts their children (`variants_count`) and leaves them out.
    pub async fn list(
        &self,
        store: &StoreId,
        resource: Resource,
        standing: StandingFilter,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<ShownPage<CatalogRow>, AppError> {
        let (kind, child) = place_of(resource).ok_or_else(AppError::not_found)?;
        let (mut items, mut cursor, mut bytes) = (Vec::new(), cursor, 0);
        loop {
            // A record is never split between pages, so few are read at once where their children are the rows.
            let ask = if child.is_some() { 5 } else { limit - items.len() as u32 };
            let page = self.catalog.list(store, kind, cursor, ask).await.map_err(bad_cursor)?;
            for stored in page.items.iter().filter(|stored| standing.takes(&stored.standing)) {
                let rows = match child {
                    Some(at) => children(store, stored, at),
                    None => vec![row(store, stored, false)],
                };
                for row in rows {
                    bytes += serde_json::to_vec(&row).map_err(AppError::bug)?.len();
                    items.push(row);
                }
            }
            cursor = page.next;
            if cursor.is_none() || items.len() as u32 >= limit || bytes > ANSWER_BYTES {
                return Ok(ShownPage { items, next_cursor: cursor });
            }
        }
    }

    /// One record as a whole, by its id in the store.
    pub async fn one(&self, store: &StoreId, resource: Resource, id: &str) -> Result<CatalogRow, AppError> {
        let (kind, _) = place_of(resource).ok_or_else(AppError::not_found)?;
        let id = Uuid::parse_str(id).map_err(|_| AppError::not_found())?;
        let found = self.catalog.find(store, kind, id).await?;
        let stored = found.filter(|stored| !is_deleted(&stored.standing)).ok_or_else(AppError::not_found)?;
        Ok(row(store, &stored, true))
    }
}

/// Whether nothing is left of a record but its place.
fn is_deleted(standing: &Standing) -> bool {
    standing.is_tombstone() || *standing == Standing::Detached
}

/// Where a resource is stored: as a record, or as a list within one.
fn place_of(resource: Resource) -> Option<(Kind, Option<usize>)> {
    match resource {
        Resource::Products => Some((Kind::Product, None)),
        Resource::Categories => Some((Kind::Category, None)),
        Resource::Warehouses => Some((Kind::Warehouse, None)),
        Resource::Media => Some((Kind::Product, Some(1))),
        Resource::Stock => Some((Kind::Stock, Some(0))),
        Resource::Metafields => Some((Kind::Metafields, Some(0))),
        Resource::Variants | Resource::Memberships => None,
    }
}

fn row(store: &StoreId, stored: &StoredRecord, whole: bool) -> CatalogRow {
    let mut fields = stored.record.to_named_json();
    if !whole {
        for list in stored.key.kind.shape().children {
            let name = list.resource.as_str();
            if let Some(Value::Array(rows)) = fields.remove(name) {
                fields.insert(format!("{name}_count"), Value::from(rows.len()));
            }
        }
    }
    described(store, stored, stored.key.external_id.to_string(), fields)
}

fn children(store: &StoreId, stored: &StoredRecord, at: usize) -> Vec<CatalogRow> {
    let Some(list) = stored.key.kind.shape().children.get(at) else { return Vec::new() };
    let present = stored.record.children[at].iter().filter(|child| child.missing_since.is_none());
    present
        .map(|child| {
            let mut fields: Map<String, Value> =
                list.fields.iter().zip(&child.values).map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
            if list.resource == Resource::Stock
                && let Some((item, location)) = child.id.split_once(':')
            {
                fields.insert("inventory_item_id".to_owned(), Value::from(item));
                fields.insert("location_id".to_owned(), Value::from(location));
            }
            fields.insert("product_id".to_owned(), Value::from(stored.key.external_id.to_string()));
            described(store, stored, child.id.clone(), fields)
        })
        .collect()
}

fn described(
    store: &StoreId,
    stored: &StoredRecord,
    external_id: String,
    fields: Map<String, Value>,
) -> CatalogRow {
    let (standing, missing_since) = match &stored.standing {
        Standing::Active => ("active", None),
        Standing::Missing { since, .. } => ("missing", Some(since.to_string())),
        Standing::Detached => ("detached", None),
    };
    CatalogRow {
        internal_id: stored.internal_id(store).to_string(),
        external_id,
        standing,
        missing_since,
        version: stored.version,
        fields,
    }
}
