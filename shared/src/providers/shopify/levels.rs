//! Stock levels that changed since a moment, location by location: the filter of `inventoryItems` follows the item, not
//! its stock.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Shopify;
use super::extract::PageInfo;
use super::gid::Gid;
use crate::domain::stock::level_now;
use crate::ports::provider::{ChangedLevel, ChangedLevels, ProviderError, ShopAccess};

const LEVELS_SINCE: &str = include_str!("documents/levels_since.graphql");

/// Calls that one question may take: a step has a minute.
const MAX_CALLS: usize = 60;

#[derive(Serialize)]
struct Variables<'a> {
    location: &'a str,
    query: &'a str,
    after: Option<&'a str>,
}

#[derive(Deserialize)]
struct Data {
    location: Option<Location>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    inventory_levels: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    nodes: Vec<Level>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Level {
    is_active: Option<bool>,
    quantities: Vec<Quantity>,
    item: Item,
}

#[derive(Deserialize)]
struct Quantity {
    name: String,
    quantity: Option<i64>,
}

#[derive(Deserialize)]
struct Item {
    id: Gid,
    tracked: Option<bool>,
    variants: Nodes,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    product: Option<Product>,
}

#[derive(Deserialize)]
struct Product {
    id: Gid,
}

impl Level {
    /// None for an item whose variant is gone.
    fn at(self, location: u64) -> Option<ChangedLevel> {
        let product = self.item.variants.nodes.into_iter().find_map(|variant| variant.product)?.id.id;
        let available = self.quantities.into_iter().find(|quantity| quantity.name == "available");
        let level = level_now(
            self.item.id.id,
            location,
            self.item.tracked.unwrap_or(true),
            self.is_active.unwrap_or(true),
            available.and_then(|quantity| quantity.quantity),
        );
        Some(ChangedLevel { product, level })
    }
}

impl Shopify {
    /// Reads as many pages as one step may.
    pub(super) async fn changed_levels(
        &self,
        access: &ShopAccess,
        since: Timestamp,
        locations: &BTreeSet<u64>,
    ) -> Result<ChangedLevels, ProviderError> {
        // The platform's times are whole seconds.
        let query = format!("updated_at:>='{}'", since.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let mut found = ChangedLevels { levels: Vec::new(), whole: true };
        let mut calls = 0;
        for location in locations {
            let gid = format!("gid://shopify/Location/{location}");
            let mut after: Option<String> = None;
            loop {
                if calls == MAX_CALLS {
                    found.whole = false;
                    return Ok(found);
                }
                calls += 1;
                let variables = Variables { location: &gid, query: &query, after: after.as_deref() };
                let data: Data = self.call(access, LEVELS_SINCE, variables).await?;
                // A location that was deleted meanwhile has no levels.
                let Some(Location { inventory_levels: page }) = data.location else { break };
                found.levels.extend(page.nodes.into_iter().filter_map(|level| level.at(*location)));
                let next = page.page_info.end_cursor.filter(|_| page.page_info.has_next_page);
                if next.is_none() || next == after {
                    break;
                }
                after = next;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::stock::level_id;

    #[test]
    fn a_level_knows_its_product_and_a_level_without_one_is_passed_over() {
        let level = |variants: serde_json::Value| -> Level {
            serde_json::from_value(json!({
                "isActive": true,
                "quantities": [{"name": "available", "quantity": -2}],
                "item": {"id": "gid://shopify/InventoryItem/31", "tracked": true, "variants": {"nodes": variants}},
            }))
            .unwrap()
        };
        let found = level(json!([{"product": {"id": "gid://shopify/Product/5"}}])).at(41).unwrap();
        assert_eq!((found.product, level_id(&found.level.id)), (5, Some((31, 41))));
        assert_eq!(found.level, level_now(31, 41, true, true, Some(-2)));
        assert_eq!(level(json!([])).at(41), None);
    }
}
