//! Payloads: shaped as the REST API shapes them, ids as numbers beside `admin_graphql_api_id`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::topic::COMPLIANCE;
use crate::apps::ScopeChange;
use crate::bulk::Finished;
use crate::clock::iso;
use crate::gid::{gid, level_gid};
use crate::model::{Collection, CollectionKind, Customer, Level, Location, Order, Product, Shop, Variant};
use crate::resolve::money;
use crate::rest;
use crate::shop::Snapshot;

/// `products/create`, `products/update`.
#[must_use]
pub fn product(product: &Product) -> Value {
    rest::product_json(product)
}

/// `…/delete` of anything: its id is all that is left.
#[must_use]
pub fn deleted(id: u64) -> Value {
    json!({ "id": id })
}

/// `shop/update`, `app/uninstalled`.
#[must_use]
pub fn shop(shop: &Shop) -> Value {
    rest::shop_json(shop)
}

/// `locations/…`.
#[must_use]
pub fn location(location: &Location) -> Value {
    rest::location_json(location)
}

/// `collections/create`, `collections/update`.
#[must_use]
pub fn collection(collection: &Collection) -> Value {
    let smart = collection.sources.iter().find_map(|source| match &source.kind {
        CollectionKind::Smart { match_all, .. } => Some(*match_all),
        CollectionKind::Manual { .. } => None,
    });
    let mut body = json!({
        "id": collection.id,
        "handle": collection.handle,
        "title": collection.title,
        "body_html": collection.description_html,
        "updated_at": iso(collection.updated_at),
        "published_at": collection.published_at.map(iso),
        "published_scope": "web",
        "sort_order": collection.sort_order.to_lowercase().replace('_', "-"),
        "template_suffix": collection.template_suffix,
        "admin_graphql_api_id": gid("Collection", collection.id),
    });
    if let Some(match_all) = smart {
        body["disjunctive"] = json!(!match_all);
    }
    body
}

/// `inventory_items/create`, `inventory_items/update`.
#[must_use]
pub fn item(variant: &Variant) -> Value {
    let item = &variant.item;
    json!({
        "id": item.id,
        "sku": item.sku,
        "tracked": item.tracked,
        "requires_shipping": item.requires_shipping,
        "cost": item.unit_cost.map(money),
        "country_code_of_origin": item.country_code_of_origin,
        "province_code_of_origin": item.province_code_of_origin,
        "harmonized_system_code": item.harmonized_system_code,
        "country_harmonized_system_codes": [],
        "created_at": iso(item.created_at),
        "updated_at": iso(item.updated_at),
        "admin_graphql_api_id": gid("InventoryItem", item.id),
    })
}

/// `inventory_levels/connect`, `inventory_levels/update`. What is not tracked has no quantity.
#[must_use]
pub fn level(variant: &Variant, location: &Location, level: &Level) -> Value {
    let item = &variant.item;
    json!({
        "inventory_item_id": item.id,
        "location_id": location.id,
        "available": item.tracked.then_some(level.available),
        "updated_at": iso(level.updated_at),
        "admin_graphql_api_id": level_gid(location.level_key, item.id),
    })
}

/// `inventory_levels/disconnect`.
#[must_use]
pub fn level_gone(item: u64, location: u64) -> Value {
    json!({"inventory_item_id": item, "location_id": location})
}

/// `customers/create`, `customers/update`.
#[must_use]
pub fn customer(customer: &Customer) -> Value {
    rest::customers::customer_json(customer)
}

/// `orders/…`.
#[must_use]
pub fn order(order: &Order, shop: &Shop) -> Value {
    rest::customers::order_json(order, shop)
}

/// `bulk_operations/finish`.
#[must_use]
pub fn bulk(finished: &Finished) -> Value {
    json!({
        "admin_graphql_api_id": gid("BulkOperation", finished.id),
        "completed_at": iso(finished.completed_at),
        "created_at": iso(finished.created_at),
        "error_code": finished.error_code.map(str::to_lowercase),
        "status": finished.status.as_str().to_lowercase(),
        "type": "query",
    })
}

/// `app/scopes_update`.
#[must_use]
pub fn scopes(change: &ScopeChange, now: Timestamp) -> Value {
    json!({
        "id": change.installation,
        "previous": change.previous,
        "current": change.current,
        "updated_at": iso(now),
    })
}

/// The compliance topics. The customer is nobody's: the simulator keeps none.
#[must_use]
pub fn compliance(topic: &str, shop: &Shop) -> Value {
    let mut body = json!({"shop_id": shop.id, "shop_domain": shop.domain()});
    let customer = json!({"id": 191_167, "email": "john@example.com", "phone": "555-625-1199"});
    match topic {
        "customers/data_request" => {
            body["customer"] = customer;
            body["orders_requested"] = json!([299_938, 280_263, 220_458]);
            body["data_request"] = json!({"id": 9_999});
        }
        "customers/redact" => {
            body["customer"] = customer;
            body["orders_to_redact"] = json!([299_938, 280_263, 220_458]);
        }
        _ => {}
    }
    body
}

/// A payload of this topic about the first thing in the shop that suits; none for a topic the simulator never sends.
#[must_use]
pub fn example(topic: &str, snapshot: &Snapshot) -> Option<Value> {
    let shop_data = &snapshot.shop;
    let first_product = || shop_data.products.values().next();
    let first_variant = || first_product().and_then(|product| product.variants.first());
    let first_location = || shop_data.locations.values().next();
    let first_collection = || shop_data.collections.values().next();
    let gone = |id: Option<u64>| id.map(deleted);
    match topic {
        _ if COMPLIANCE.contains(&topic) => Some(compliance(topic, shop_data)),
        "app/uninstalled" | "shop/update" => Some(shop(shop_data)),
        "products/create" | "products/update" => first_product().map(|found| product(found)),
        "products/delete" => gone(first_product().map(|found| found.id)),
        "collections/create" | "collections/update" => first_collection().map(|found| collection(found)),
        "collections/delete" => gone(first_collection().map(|found| found.id)),
        "locations/create" | "locations/update" => first_location().map(|found| location(found)),
        "locations/delete" => gone(first_location().map(|found| found.id)),
        "inventory_items/create" | "inventory_items/update" => first_variant().map(item),
        "inventory_items/delete" => gone(first_variant().map(|found| found.item.id)),
        "inventory_levels/connect" | "inventory_levels/update" => {
            let variant = first_variant()?;
            let (place, found) = variant.item.levels.first_key_value()?;
            Some(level(variant, shop_data.locations.get(place)?, found))
        }
        "inventory_levels/disconnect" => {
            let variant = first_variant()?;
            Some(level_gone(variant.item.id, *variant.item.levels.first_key_value()?.0))
        }
        _ => None,
    }
}
