//! Which scope each type and field needs, as Shopify's own schema package lists it (`offline_scopes`).

use std::collections::BTreeSet;

const MEDIA: &[&str] = &[
    "read_products",
    "read_files",
    "read_themes",
    "read_orders",
    "read_draft_orders",
    "read_images",
    "read_quick_sale",
];

/// The scopes of which any one opens a type; empty: none needed.
fn of_type(type_name: &str) -> &'static [&'static str] {
    match type_name {
        "Product"
        | "ProductVariant"
        | "ProductOption"
        | "Collection"
        | "CollectionConditionsSource"
        | "SellingPlanGroup" => &["read_products"],
        "MediaImage" | "Video" | "ExternalVideo" | "Model3d" => MEDIA,
        "InventoryItem" => &["read_inventory", "read_products"],
        "InventoryLevel" | "InventoryQuantity" | "InventoryProperties" => &["read_inventory"],
        "Location" => &["read_locations", "read_inventory", "read_markets_home"],
        "Publication" => &["read_publications"],
        "Customer" => &["read_customers"],
        "Order" => &["read_orders", "read_marketplace_orders", "read_quick_sale"],
        _ => &[],
    }
}

/// The scopes of which any one opens a field; empty: none beyond those of its type.
fn of_field(type_name: &str, field: &str) -> &'static [&'static str] {
    if type_name == "Mutation" {
        return crate::mutate::scope_of(field).unwrap_or_default();
    }
    match (type_name, field) {
        (
            "InventoryItem",
            "duplicateSkuCount"
            | "inventoryHistoryUrl"
            | "inventoryLevel"
            | "inventoryLevels"
            | "locationsCount",
        ) => &["read_inventory"],
        ("Location", "id" | "legacyResourceId" | "__typename") => &[],
        ("Location", "name") => &["read_locations", "read_markets_home"],
        ("Location", _) => &["read_locations"],
        ("QueryRoot", "locations" | "locationsCount" | "locationByIdentifier") => &["read_locations"],
        (
            "QueryRoot",
            "collectionByIdentifier" | "collectionsCount" | "productByIdentifier" | "productsCount",
        ) => &["read_products"],
        ("QueryRoot", "productByHandle" | "collectionByHandle" | "productVariantsCount") => {
            &["read_products"]
        }
        ("QueryRoot", "publications" | "publicationsCount") => &["read_publications"],
        ("QueryRoot", "customerByIdentifier" | "customersCount") => &["read_customers"],
        ("QueryRoot", "orderByIdentifier" | "ordersCount") => {
            &["read_orders", "read_marketplace_orders", "read_quick_sale"]
        }
        (
            "Product" | "ProductVariant" | "Collection",
            "availablePublicationsCount"
            | "publications"
            | "resourcePublications"
            | "resourcePublicationsCount"
            | "resourcePublicationsV2"
            | "publishedOnPublication"
            | "unpublishedPublications",
        ) => &["read_publications"],
        _ => &[],
    }
}

/// The access a field lacks, in Shopify's words; none if it may be read.
#[must_use]
pub fn missing(granted: &BTreeSet<String>, type_name: &str, field: &str, returns: &str) -> Option<String> {
    let element = returns.strip_suffix("Connection").unwrap_or(returns);
    [of_field(type_name, field), of_type(element)].into_iter().find_map(|any| lacking(granted, any))
}

/// The access an object of this type lacks, where the schema only names an interface.
#[must_use]
pub fn missing_for_type(granted: &BTreeSet<String>, type_name: &str) -> Option<String> {
    lacking(granted, of_type(type_name))
}

fn lacking(granted: &BTreeSet<String>, any: &[&str]) -> Option<String> {
    if any.is_empty() || any.iter().any(|scope| granted.contains(*scope)) {
        return None;
    }
    let named: Vec<String> = any.iter().map(|scope| format!("`{scope}` access scope")).collect();
    Some(format!("{}.", named.join(" or ")))
}
