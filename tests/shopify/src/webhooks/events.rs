//! What a change in the admin tells the world.

use serde_json::Value;

use super::payload;
use super::publish::Occurrence;
use crate::changes::{Applied, Kind};
use crate::mutate::Told;
use crate::shop::Snapshot;

/// What one change causes, in the order Shopify would think of it; deliveries keep no order.
#[must_use]
pub fn of_change(applied: &Applied, now: &Snapshot) -> Vec<Occurrence> {
    let Some(kind) = applied.kind else { return Vec::new() };
    let told = |topic: &'static str, payload: Option<Value>| {
        payload.map(|payload| Occurrence { topic, payload, app: None })
    };
    let shop = &now.shop;
    let product =
        || applied.product.and_then(|id| shop.products.get(&id)).map(|found| payload::product(found));
    let variant = || {
        let (_, variant) = now.variant(applied.variant?)?;
        Some(variant)
    };
    let item = || variant().map(payload::item);
    let item_gone = || applied.inventory_item.map(payload::deleted);
    let level = |location: Option<u64>| {
        let variant = variant()?;
        let id = location.or_else(|| variant.item.levels.keys().next().copied())?;
        Some(payload::level(variant, shop.locations.get(&id)?, variant.item.levels.get(&id)?))
    };
    let location =
        || applied.location.and_then(|id| shop.locations.get(&id)).map(|found| payload::location(found));
    let collection = || {
        applied.collection.and_then(|id| shop.collections.get(&id)).map(|found| payload::collection(found))
    };
    let occurrences = match kind {
        Kind::Title | Kind::Price | Kind::Handle | Kind::Image | Kind::OptionRename => {
            vec![told("products/update", product())]
        }
        Kind::Sku => vec![told("products/update", product()), told("inventory_items/update", item())],
        Kind::VariantAdd => vec![
            told("products/update", product()),
            told("inventory_items/create", item()),
            told("inventory_levels/connect", level(None)),
        ],
        Kind::VariantRemove => {
            vec![told("products/update", product()), told("inventory_items/delete", item_gone())]
        }
        // Stock moves the product's `updated_at`, so that every sale looks like a change of the product.
        Kind::StockSet => {
            vec![told("inventory_levels/update", level(applied.location)), told("products/update", product())]
        }
        Kind::LevelRemove => {
            let gone = applied.inventory_item.zip(applied.location);
            vec![told(
                "inventory_levels/disconnect",
                gone.map(|(item, place)| payload::level_gone(item, place)),
            )]
        }
        Kind::LocationRename => vec![told("locations/update", location())],
        Kind::CollectionAddProduct | Kind::CollectionRemoveProduct => {
            vec![told("collections/update", collection())]
        }
        Kind::ProductDelete => vec![told("products/delete", applied.product.map(payload::deleted))],
        Kind::ProductRestore => vec![told("products/create", product())],
        Kind::ProductCreate => vec![
            told("products/create", product()),
            told("inventory_items/create", item()),
            told("inventory_levels/connect", level(None)),
        ],
        Kind::CollectionCreate => vec![told("collections/create", collection())],
        Kind::CollectionDelete => {
            vec![told("collections/delete", applied.collection.map(payload::deleted))]
        }
        Kind::LocationCreate => vec![told("locations/create", location())],
        Kind::ShopRename => vec![told("shop/update", Some(payload::shop(shop)))],
    };
    occurrences.into_iter().flatten().collect()
}

/// What one mutation causes.
#[must_use]
pub fn of_writes(told: &[Told], now: &Snapshot) -> Vec<Occurrence> {
    let shop = &now.shop;
    let made = |new: bool, create: &'static str, update: &'static str| if new { create } else { update };
    let one = |told: &Told| {
        let (topic, payload) = match told {
            Told::Product(new, id) => {
                let topic = made(*new, "products/create", "products/update");
                (topic, payload::product(shop.products.get(id)?))
            }
            Told::ProductGone(id) => ("products/delete", payload::deleted(*id)),
            Told::Item(new, id) => {
                let topic = made(*new, "inventory_items/create", "inventory_items/update");
                (topic, payload::item(now.item(*id)?.1))
            }
            Told::ItemGone(id) => ("inventory_items/delete", payload::deleted(*id)),
            Told::Level(new, item, place) => {
                let topic = made(*new, "inventory_levels/connect", "inventory_levels/update");
                let (_, variant) = now.item(*item)?;
                let level = variant.item.levels.get(place)?;
                (topic, payload::level(variant, shop.locations.get(place)?, level))
            }
            Told::LevelGone(item, place) => {
                ("inventory_levels/disconnect", payload::level_gone(*item, *place))
            }
            Told::Customer(new, id) => {
                let topic = made(*new, "customers/create", "customers/update");
                (topic, payload::customer(shop.customers.get(id)?))
            }
            Told::CustomerGone(id) => ("customers/delete", payload::deleted(*id)),
            Told::Order(topic, id) => (*topic, payload::order(shop.orders.get(id)?, shop)),
            Told::OrderGone(id) => ("orders/delete", payload::deleted(*id)),
        };
        Some(Occurrence { topic, payload, app: None })
    };
    told.iter().filter_map(one).collect()
}
