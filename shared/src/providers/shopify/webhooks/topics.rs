//! The topics we listen to, and how little of each we ask for.
//!
//! Bodies are pointers: ids, and `updated_at`, because Shopify drops deliveries that equal the one before
//! (<https://shopify.dev/docs/apps/build/webhooks/customize/modify-payloads>). The three compliance topics stand in the
//! app's own configuration; no shop-specific subscription takes them.

use crate::domain::run::Wanted;
use crate::domain::scopes::Scopes;

/// One topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: &'static str,
    /// The scope without which Shopify refuses to subscribe.
    needs: Option<&'static str>,
    /// What of the body is sent.
    pub(super) fields: &'static [&'static str],
}

const fn topic(name: &'static str, needs: Option<&'static str>, fields: &'static [&'static str]) -> Topic {
    Topic { name, needs, fields }
}

const PRODUCTS: Option<&str> = Some("read_products");
const STOCK: Option<&str> = Some("read_inventory");
const PLACES: Option<&str> = Some("read_locations");
const POINTER: &[&str] = &["id", "updated_at"];
const LEVEL: &[&str] = &["inventory_item_id", "location_id", "updated_at"];

/// Every topic that a shop is asked to tell.
pub(super) const TOPICS: &[Topic] = &[
    topic("app/uninstalled", None, &["id", "myshopify_domain"]),
    topic("app/scopes_update", None, &["id", "updated_at"]),
    topic("shop/update", None, &["id", "myshopify_domain", "updated_at"]),
    topic("bulk_operations/finish", None, &["admin_graphql_api_id", "status", "completed_at"]),
    topic("products/create", PRODUCTS, POINTER),
    topic("products/update", PRODUCTS, POINTER),
    topic("products/delete", PRODUCTS, &["id"]),
    topic("collections/create", PRODUCTS, POINTER),
    topic("collections/update", PRODUCTS, POINTER),
    topic("collections/delete", PRODUCTS, &["id"]),
    topic("inventory_levels/connect", STOCK, LEVEL),
    topic("inventory_levels/update", STOCK, LEVEL),
    topic("inventory_levels/disconnect", STOCK, &["inventory_item_id", "location_id"]),
    topic("inventory_items/update", STOCK, POINTER),
    topic("locations/create", PLACES, POINTER),
    topic("locations/update", PLACES, POINTER),
    topic("locations/activate", PLACES, POINTER),
    topic("locations/deactivate", PLACES, POINTER),
    topic("locations/delete", PLACES, &["id"]),
];

impl Topic {
    /// As GraphQL writes it: `products/update` is `PRODUCTS_UPDATE`.
    pub(super) fn in_graphql(&self) -> String {
        self.name.replace('/', "_").to_uppercase()
    }

    /// Whether Shopify tells it to an app with these scopes.
    pub(super) fn is_allowed(&self, granted: &Scopes) -> bool {
        self.needs.is_none_or(|scope| granted.allows(scope))
    }
}

/// What of the catalogue a topic is about. Whole families count, also those of their topics we never asked for.
pub(super) fn changed(topic: &str) -> Option<Wanted> {
    match topic.split_once('/')?.0 {
        "products" => Some(Wanted::Products),
        "collections" => Some(Wanted::Categories),
        "inventory_levels" | "inventory_items" => Some(Wanted::Stock),
        "locations" => Some(Wanted::Warehouses),
        _ => None,
    }
}
