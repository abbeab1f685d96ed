//! A read-only view of the store's eshopOS records, for checking what landed.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::AppError;
use super::import::requests::bad_cursor;
use super::import::shown::ShownPage;
use crate::domain::ids::StoreId;
use crate::domain::media::{MediaKey, MediaLink, media_of};
use crate::domain::record::{Kind, Resource, Standing, StoredRecord};
use crate::domain::warning::Code;
use crate::ports::catalog::Catalog;
use crate::ports::media::MediaLinks;

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
    /// Both, and those that were replaced.
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

    fn takes(self, stored: &StoredRecord) -> bool {
        match self {
            _ if stored.is_deleted() => false,
            Self::Active => stored.standing == Standing::Active,
            Self::Missing => matches!(stored.standing, Standing::Missing { .. }),
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
    /// `active`, `missing` where a complete scan no longer found it, or `replaced` where a record made here took its
    /// place.
    pub standing: &'static str,
    /// The id in the store of the record that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// The run that found it missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<String>,
    /// Raised by every change.
    pub version: u64,
    /// Its fields by name.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub fields: Map<String, Value>,
    /// Of a medium, its copy; absent where no run was asked to copy it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<ShownCopy>,
}

/// The copy of a medium's file, and why the last try to make one failed. Where a file changed and could not be copied, the
/// copy is that of the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownCopy {
    /// Its key in the bucket of copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of its content, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_at: Option<String>,
    /// Why there is none, or none of the file as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What that means and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
    /// When it is tried again, RFC 3339; absent where the next run does so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
}

impl ShownCopy {
    fn new(store: &StoreId, link: MediaLink) -> Self {
        let shown = match link.copy {
            None => Self::default(),
            Some(copy) => Self {
                key: Some(copy.object.path(store)),
                digest: Some(copy.object.hash.as_str().to_owned()),
                bytes: Some(copy.bytes),
                content_type: Some(copy.content_type),
                copied_at: Some(copy.copied_at.to_string()),
                ..Self::default()
            },
        };
        match link.failure {
            None => shown,
            Some(failure) => {
                Self { next_try: failure.next_try.map(|at| at.to_string()), ..shown.with_code(failure.code) }
            }
        }
    }

    fn with_code(self, code: Code) -> Self {
        Self { code: Some(code), remedy: Some(code.remedy()), ..self }
    }
}

/// Everything that browsing may use.
pub struct BrowseCatalog {
    /// eshopOS records.
    pub catalog: Arc<dyn Catalog>,
    /// What links media to copies of their files.
    pub links: Arc<dyn MediaLinks>,
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
            let taken = page.items.iter().filter(|stored| standing.takes(stored));
            let mut rows: Vec<CatalogRow> = match child {
                Some(at) => taken.clone().flat_map(|stored| children(store, stored, at)).collect(),
                None => taken.clone().map(|stored| row(store, stored, false)).collect(),
            };
            if resource == Resource::Media {
                self.add_copies(store, taken, &mut rows).await?;
            }
            for row in rows {
                bytes += serde_json::to_vec(&row).map_err(AppError::bug)?.len();
                items.push(row);
            }
            cursor = page.next;
            if cursor.is_none() || items.len() as u32 >= limit || bytes > ANSWER_BYTES {
                return Ok(ShownPage { items, next_cursor: cursor });
            }
        }
    }

    /// Adds to the media of some products what is known of their copies.
    async fn add_copies(
        &self,
        store: &StoreId,
        products: impl Iterator<Item = &StoredRecord>,
        rows: &mut [CatalogRow],
    ) -> Result<(), AppError> {
        let (keys, wanted): (Vec<MediaKey>, Vec<_>) = products.flat_map(media_of).unzip();
        let links = self.links.links(store, &keys).await?;
        for ((row, wanted), link) in rows.iter_mut().zip(wanted).zip(links) {
            row.copy = match (link, wanted) {
                (Some(link), _) => Some(ShownCopy::new(store, link)),
                (None, Err(code)) => Some(ShownCopy::default().with_code(code)),
                (None, Ok(_)) => None,
            };
        }
        Ok(())
    }

    /// One record as a whole, by its id in the store.
    pub async fn one(&self, store: &StoreId, resource: Resource, id: &str) -> Result<CatalogRow, AppError> {
        let (kind, _) = place_of(resource).ok_or_else(AppError::not_found)?;
        let id = Uuid::parse_str(id).map_err(|_| AppError::not_found())?;
        let found = self.catalog.find(store, kind, id).await?;
        let stored = found.filter(|stored| !stored.is_deleted()).ok_or_else(AppError::not_found)?;
        Ok(row(store, &stored, true))
    }
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
        Standing::Replaced { .. } => ("replaced", None),
    };
    CatalogRow {
        internal_id: stored.internal_id(store).to_string(),
        external_id,
        standing,
        replaced_by: stored.replaced_by().map(|key| key.internal_id(store).to_string()),
        missing_since,
        version: stored.version,
        fields,
        copy: None,
    }
}
