//! Reading a shop's catalogue: counts, locations by pages, everything else by bulk queries.
//!
//! Bulk operations: <https://shopify.dev/docs/api/usage/bulk-operations/queries>.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use url::Url;

use super::map::category::CategoryDraft;
use super::map::location::Location;
use super::map::metafields::MetafieldsDraft;
use super::map::product::ProductDraft;
use super::map::{Count, Draft};
use super::range::{Download, Joined, Ranged};
use super::{RESULT_HOSTS, Shopify};
use crate::domain::record::Resource;
use crate::domain::run::{Feed, FeedFile, Wanted};
use crate::domain::scopes::Scopes;
use crate::ports::provider::{
    ChangedLevels, Extract, FeedStatus, MAX_JOINED_BYTES, MapContext, ProviderError, RangeReader, ShopAccess,
    SourceItem,
};

const BULK_PRODUCTS: &str = include_str!("documents/bulk_products.graphql");
const BULK_PRODUCTS_WITHOUT_STOCK: &str = include_str!("documents/bulk_products_without_stock.graphql");
const BULK_METAFIELDS: &str = include_str!("documents/bulk_metafields.graphql");
const BULK_COLLECTIONS: &str = include_str!("documents/bulk_collections.graphql");
const BULK_RUN: &str = include_str!("documents/bulk_run.graphql");
const BULK_STATUS: &str = include_str!("documents/bulk_status.graphql");
const BULK_CANCEL: &str = include_str!("documents/bulk_cancel.graphql");
const LOCATIONS: &str = include_str!("documents/locations.graphql");
const COUNTS: &str = include_str!("documents/counts.graphql");

/// The wait when as many bulk operations run as a shop allows.
const BUSY_WAIT: Duration = Duration::from_secs(30);

/// Pages of locations after which something is wrong: a shop has at most 1,000 locations.
const MAX_LOCATION_PAGES: usize = 50;

#[derive(Serialize)]
struct NoVariables {}

#[derive(Deserialize)]
struct CountsData {
    products: Option<Count>,
    variants: Option<Count>,
    categories: Option<Count>,
}

#[derive(Serialize)]
struct LocationsVariables<'a> {
    after: Option<&'a str>,
}

#[derive(Deserialize)]
struct LocationsData {
    locations: LocationsPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationsPage {
    nodes: Vec<Location>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
    pub(super) end_cursor: Option<String>,
}

#[derive(Serialize)]
struct RunVariables {
    query: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunData {
    bulk_operation_run_query: Option<RunPayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunPayload {
    bulk_operation: Option<StartedOperation>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct StartedOperation {
    id: String,
}

#[derive(Deserialize)]
struct UserError {
    code: Option<String>,
    message: String,
}

#[derive(Serialize)]
struct IdVariables<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusData {
    bulk_operation: Option<Operation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    status: String,
    error_code: Option<String>,
    object_count: Unsigned,
    root_object_count: Unsigned,
    file_size: Option<Unsigned>,
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelData {
    bulk_operation_cancel: Option<CancelPayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelPayload {
    user_errors: Vec<UserError>,
}

/// `UnsignedInt64`: a number that arrives as a text.
#[derive(Clone, Copy)]
struct Unsigned(u64);

impl<'de> Deserialize<'de> for Unsigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UnsignedVisitor;
        impl Visitor<'_> for UnsignedVisitor {
            type Value = Unsigned;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an unsigned number, as a text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Unsigned, E> {
                text.parse().map(Unsigned).map_err(|_| E::custom("not an unsigned number"))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Unsigned, E> {
                Ok(Unsigned(number))
            }
        }
        deserializer.deserialize_any(UnsignedVisitor)
    }
}

/// Statuses of an operation that has ended or is about to.
const ENDED: [&str; 5] = ["COMPLETED", "CANCELING", "CANCELED", "FAILED", "EXPIRED"];

impl Operation {
    /// What the runner needs to know of it.
    fn stand(self) -> Result<FeedStatus, ProviderError> {
        let (Unsigned(objects), Unsigned(roots)) = (self.object_count, self.root_object_count);
        let broken = |why: &str, retry| Ok(FeedStatus::Broken { why: why.to_owned(), retry });
        match self.status.as_str() {
            "COMPLETED" => match (self.url, self.file_size) {
                (None, _) if objects == 0 => Ok(FeedStatus::Ready { file: None, objects, roots }),
                (None, _) => broken("completed without a result", true),
                (Some(url), Some(Unsigned(size))) if size > 0 => {
                    result_url(&url)?;
                    Ok(FeedStatus::Ready { file: Some(FeedFile { url, size }), objects, roots })
                }
                (Some(_), _) if objects == 0 => Ok(FeedStatus::Ready { file: None, objects, roots }),
                (Some(_), _) => broken("completed with an empty result", true),
            },
            "FAILED" => {
                let code = self.error_code.as_deref().unwrap_or("FAILED");
                // A denied field stays denied; the rest are faults on the shop's side.
                broken(code, code != "ACCESS_DENIED")
            }
            // Shopify cancels operations that stall, and drops results after a week.
            "CANCELING" | "CANCELED" | "EXPIRED" => broken(&self.status, true),
            _ => Ok(FeedStatus::Pending { objects, roots }),
        }
    }
}

/// The address of a result file, if it is one that may be read.
fn result_url(text: &str) -> Result<Url, ProviderError> {
    let malformed = |why: String| ProviderError::Malformed { why };
    let url = Url::parse(text).map_err(|_| malformed("the address of the result is none".to_owned()))?;
    let host = url.host_str().unwrap_or_default();
    let plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && RESULT_HOSTS.contains(&host);
    if plain { Ok(url) } else { Err(malformed(format!("the result lies at an unexpected place: {host}"))) }
}

/// The inner query of a feed.
fn bulk_query(feed: Feed, context: &MapContext) -> Result<&'static str, ProviderError> {
    match feed {
        Feed::Products if context.stock => Ok(BULK_PRODUCTS),
        Feed::Products => Ok(BULK_PRODUCTS_WITHOUT_STOCK),
        Feed::Metafields => Ok(BULK_METAFIELDS),
        Feed::Collections => Ok(BULK_COLLECTIONS),
        Feed::Locations | Feed::Missing => Err(no_bulk(feed)),
    }
}

fn no_bulk(feed: Feed) -> ProviderError {
    ProviderError::Malformed { why: format!("{feed:?} is not a feed of the shop's") }
}

/// The refusal behind `userErrors`.
fn refused(errors: &[UserError]) -> Option<ProviderError> {
    let error = errors.first()?;
    Some(match error.code.as_deref() {
        Some("LIMIT_REACHED" | "OPERATION_IN_PROGRESS") => {
            ProviderError::Throttled { retry_after: Some(BUSY_WAIT) }
        }
        code => ProviderError::Refused { code: code.unwrap_or(&error.message).chars().take(200).collect() },
    })
}

impl Shopify {
    async fn operation(&self, access: &ShopAccess, handle: &str) -> Result<Option<Operation>, ProviderError> {
        let data: StatusData = self.call(access, BULK_STATUS, IdVariables { id: handle }).await?;
        Ok(data.bulk_operation)
    }

    fn reader<D: Draft + 'static>(
        &self,
        file: &FeedFile,
        range: Range<u64>,
        joined: bool,
        context: &MapContext,
    ) -> Result<Box<dyn RangeReader>, ProviderError> {
        let (http, url) = (self.http()?.clone(), result_url(&file.url)?);
        if !joined {
            let end = range.end.min(file.size);
            let start = Ranged::<D, Download>::source_start(range.start);
            let source = Download::new(http, url, file.size, start, end);
            return Ok(Box::new(Ranged::<D, _>::new(source, range.start..end, context.clone())));
        }
        if file.size > MAX_JOINED_BYTES {
            return Err(ProviderError::Malformed { why: "a file too large to be joined".to_owned() });
        }
        let source = Download::new(http, url, file.size, 0, file.size);
        Ok(Box::new(Joined::<D, _>::new(source, context.clone())))
    }
}

#[async_trait]
impl Extract for Shopify {
    fn scopes_for(&self, wanted: Wanted) -> Scopes {
        Scopes::parse(match wanted {
            Wanted::Warehouses => "read_locations",
            Wanted::Stock => "read_products,read_inventory,read_locations",
            Wanted::Products | Wanted::Metafields | Wanted::Categories => "read_products",
        })
    }

    fn feeds_for(&self, wanted: &BTreeSet<Wanted>) -> BTreeSet<Feed> {
        wanted
            .iter()
            .filter_map(|wanted| match wanted {
                Wanted::Warehouses => None,
                Wanted::Products | Wanted::Stock => Some(Feed::Products),
                Wanted::Metafields => Some(Feed::Metafields),
                Wanted::Categories => Some(Feed::Collections),
            })
            .collect()
    }

    async fn source_counts(&self, access: &ShopAccess) -> Result<BTreeMap<Resource, u64>, ProviderError> {
        let data: CountsData = self.call(access, COUNTS, NoVariables {}).await?;
        let counts = [
            (Resource::Products, data.products),
            (Resource::Variants, data.variants),
            (Resource::Categories, data.categories),
        ];
        Ok(counts.into_iter().filter_map(|(resource, count)| Some((resource, count?.exact()?))).collect())
    }

    async fn locations(&self, access: &ShopAccess) -> Result<Vec<SourceItem>, ProviderError> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_LOCATION_PAGES {
            let variables = LocationsVariables { after: after.as_deref() };
            let data: LocationsData = self.call(access, LOCATIONS, variables).await?;
            let page = data.locations;
            items.extend(page.nodes.into_iter().map(SourceItem::from));
            if !page.page_info.has_next_page {
                return Ok(items);
            }
            if page.page_info.end_cursor.is_none() || page.page_info.end_cursor == after {
                break;
            }
            after = page.page_info.end_cursor;
        }
        // Never a part of them as if it were all.
        Err(ProviderError::Malformed { why: "the pages of locations do not end".to_owned() })
    }

    async fn levels_since(
        &self,
        access: &ShopAccess,
        since: Timestamp,
        locations: &BTreeSet<u64>,
    ) -> Result<ChangedLevels, ProviderError> {
        self.changed_levels(access, since, locations).await
    }

    async fn start_feed(
        &self,
        access: &ShopAccess,
        feed: Feed,
        context: &MapContext,
    ) -> Result<String, ProviderError> {
        let query = bulk_query(feed, context)?;
        let data: RunData = self.call(access, BULK_RUN, RunVariables { query }).await?;
        let nothing = || ProviderError::Malformed { why: "a bulk operation without id".to_owned() };
        let payload = data.bulk_operation_run_query.ok_or_else(nothing)?;
        if let Some(error) = refused(&payload.user_errors) {
            return Err(error);
        }
        payload.bulk_operation.map(|operation| operation.id).ok_or_else(nothing)
    }

    async fn feed_status(&self, access: &ShopAccess, handle: &str) -> Result<FeedStatus, ProviderError> {
        match self.operation(access, handle).await? {
            Some(operation) => operation.stand(),
            None => Ok(FeedStatus::Broken { why: "the operation is unknown".to_owned(), retry: true }),
        }
    }

    async fn cancel_feed(&self, access: &ShopAccess, handle: &str) -> Result<(), ProviderError> {
        let data: CancelData = self.call(access, BULK_CANCEL, IdVariables { id: handle }).await?;
        let errors = data.bulk_operation_cancel.map(|payload| payload.user_errors).unwrap_or_default();
        let Some(error) = refused(&errors) else { return Ok(()) };
        // The errors of this mutation carry no code; only the operation tells whether it had ended before.
        match self.operation(access, handle).await? {
            Some(operation) if !ENDED.contains(&operation.status.as_str()) => Err(error),
            _ => Ok(()),
        }
    }

    async fn open_range(
        &self,
        feed: Feed,
        file: &FeedFile,
        range: Range<u64>,
        joined: bool,
        context: &MapContext,
    ) -> Result<Box<dyn RangeReader>, ProviderError> {
        match feed {
            Feed::Products => self.reader::<ProductDraft>(file, range, joined, context),
            Feed::Metafields => self.reader::<MetafieldsDraft>(file, range, joined, context),
            Feed::Collections => self.reader::<CategoryDraft>(file, range, joined, context),
            Feed::Locations | Feed::Missing => Err(no_bulk(feed)),
        }
    }
}

#[cfg(test)]
mod tests;
