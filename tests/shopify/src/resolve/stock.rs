//! Inventory items, levels and locations.

use super::{Answer, FieldError, Obj, Res, World};
use crate::clock::iso;
use crate::gid::{gid, number};
use crate::graphql::connection::Connection;
use crate::graphql::search::{Fact, Filter};
use crate::graphql::selection::Field;
use crate::model::{Level, Location, Product, Variant};

pub(super) fn item<'a>(
    world: &World<'a>,
    product: &'a Product,
    variant: &'a Variant,
    field: &Field<'_>,
) -> Answer<'a> {
    let item = &variant.item;
    let shop = &world.snapshot.shop;
    Ok(match field.name {
        "legacyResourceId" => Res::big(item.id),
        "sku" => Res::maybe(item.sku.as_deref()),
        "tracked" => Res::Bool(item.tracked),
        "requiresShipping" => Res::Bool(item.requires_shipping),
        "countryCodeOfOrigin" => Res::maybe(item.country_code_of_origin.as_deref()),
        "provinceCodeOfOrigin" => Res::maybe(item.province_code_of_origin.as_deref()),
        "harmonizedSystemCode" => Res::maybe(item.harmonized_system_code.as_deref()),
        "unitCost" => item.unit_cost.map_or(Res::Null, |cost| Res::money_v2(cost, &shop.currency)),
        "measurement" => {
            let weight = item.weight.map_or(Res::Null, |weight| {
                let fields =
                    vec![("value", Res::Float(weight.value)), ("unit", Res::text(weight.unit.as_str()))];
                Res::plain("Weight", fields)
            });
            let id = Res::owned(gid("InventoryItemMeasurement", item.id));
            Res::plain("InventoryItemMeasurement", vec![("id", id), ("weight", weight)])
        }
        "inventoryLevels" => {
            let levels = item.levels.iter().filter_map(|(id, level)| {
                let location = shop.locations.get(id)?;
                Some(Obj::Level(product, variant, location, level))
            });
            levels_list(levels, field)
        }
        "inventoryLevel" => {
            let id = field.text("locationId").and_then(|text| number(text, "Location"));
            one_level(world, product, variant, id, field)
        }
        "locationsCount" => Res::count(item.levels.values().filter(|level| level.is_active).count(), None),
        "inventoryHistoryUrl" => {
            let (shop, variant) = (shop.domain(), variant.id);
            Res::owned(format!(
                "https://{shop}/admin/products/{}/variants/{variant}/inventory_history",
                product.id
            ))
        }
        "countryHarmonizedSystemCodes" => Res::Connection(Box::new(Connection { nodes: Vec::new() })),
        "duplicateSkuCount" => {
            let all = shop.products.values().flat_map(|product| &product.variants);
            let same = |other: &&Variant| other.item.sku.is_some() && other.item.sku == item.sku;
            Res::Int(i64::try_from(all.filter(same).count()).unwrap_or_default())
        }
        "variant" => Res::obj(Obj::Variant(product, variant)),
        "variants" => {
            let node = std::iter::once((variant.id, Obj::Variant(product, variant)));
            Res::Connection(Box::new(Connection::in_order(node, false)))
        }
        "createdAt" => Res::time(item.created_at),
        "updatedAt" => Res::time(item.updated_at),
        _ => return Err(FieldError::NotSimulated),
    })
}

fn one_level<'a>(
    world: &World<'a>,
    product: &'a Product,
    variant: &'a Variant,
    location: Option<u64>,
    field: &Field<'_>,
) -> Res<'a> {
    let found = location
        .and_then(|id| Some((variant.item.levels.get(&id)?, world.snapshot.shop.locations.get(&id)?)));
    match found {
        Some((level, location)) if level.is_active || field.flag("includeInactive") => {
            Res::obj(Obj::Level(product, variant, location, level))
        }
        _ => Res::Null,
    }
}

/// Levels that pass `includeInactive` and `query`, by item and location.
fn levels_list<'a>(levels: impl Iterator<Item = Obj<'a>>, field: &Field<'_>) -> Res<'a> {
    let inactive = field.flag("includeInactive");
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let nodes = levels.filter_map(|object| {
        let Obj::Level(_, variant, location, level) = &object else { return None };
        let fact = |name: &str| match name {
            "updated_at" => Fact::Time(Some(level.updated_at)),
            "created_at" => Fact::Time(Some(level.created_at)),
            "inventory_item_id" => Fact::Numbers(vec![whole(variant.item.id)]),
            _ => Fact::Unknown,
        };
        let passes =
            (level.is_active || inactive) && (filter == Filter::All || filter.passes(&fact, &|_| true));
        passes.then(|| (whole(variant.item.id), location.level_key, object.clone()))
    });
    Res::Connection(Box::new(Connection::by_number(nodes, field.flag("reverse"))))
}

pub(super) fn level<'a>(
    product: &'a Product,
    variant: &'a Variant,
    location: &'a Location,
    level: &'a Level,
    field: &Field<'_>,
) -> Answer<'a> {
    Ok(match field.name {
        "isActive" => Res::Bool(level.is_active),
        "item" => Res::obj(Obj::Item(product, variant)),
        "location" => Res::obj(Obj::Location(location)),
        "createdAt" => Res::time(level.created_at),
        "updatedAt" => Res::time(level.updated_at),
        "canDeactivate" => Res::Bool(level.available == 0 && level.committed == 0),
        "deactivationAlert" => Res::Null,
        "quantities" => {
            let mut quantities = Vec::new();
            for name in field.texts("names") {
                let (Some(quantity), Some(name)) =
                    (level.quantity(name), Level::STATES.iter().find(|state| **state == name))
                else {
                    let message = format!("The quantity name `{name}` is not valid.");
                    return Err(FieldError::Refused(message, "BAD_REQUEST"));
                };
                let id = format!(
                    "gid://shopify/InventoryQuantity/{}?inventory_item_id={}&name={name}",
                    location.level_key, variant.item.id
                );
                quantities.push(Res::plain(
                    "InventoryQuantity",
                    vec![
                        ("id", Res::owned(id)),
                        ("name", Res::text(name)),
                        ("quantity", Res::Int(quantity)),
                        ("updatedAt", Res::time(level.updated_at)),
                    ],
                ));
            }
            Res::List(quantities)
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

pub(super) fn location<'a>(world: &World<'a>, location: &'a Location, field: &Field<'_>) -> Answer<'a> {
    let shop = &world.snapshot.shop;
    Ok(match field.name {
        "legacyResourceId" => Res::big(location.id),
        "name" => Res::text(&location.name),
        "isActive" => Res::Bool(location.is_active),
        "isFulfillmentService" => Res::Bool(location.fulfillment_service.is_some()),
        "isPrimary" => Res::Bool(shop.locations.keys().next() == Some(&location.id)),
        "fulfillsOnlineOrders" => Res::Bool(location.fulfills_online_orders),
        "shipsInventory" => Res::Bool(location.ships_inventory),
        "hasActiveInventory" => Res::Bool(shop.products.values().any(|product| {
            product
                .variants
                .iter()
                .any(|v| v.item.levels.get(&location.id).is_some_and(|level| level.is_active))
        })),
        "hasUnfulfilledOrders" => Res::Bool(false),
        "deactivatedAt" => location.deactivated_at.map_or(Res::Null, |time| Res::owned(iso(time))),
        "activatable" => Res::Bool(!location.is_active),
        "deactivatable" => Res::Bool(location.is_active),
        "deletable" | "addressVerified" => Res::Bool(false),
        "createdAt" => Res::time(location.created_at),
        "updatedAt" => Res::time(location.updated_at),
        "address" => address(location),
        "suggestedAddresses" => Res::List(Vec::new()),
        "localPickupSettingsV2" | "metafield" => Res::Null,
        "metafields" => Res::Connection(Box::new(Connection { nodes: Vec::new() })),
        "fulfillmentService" => location.fulfillment_service.as_ref().map_or(Res::Null, |service| {
            Res::plain(
                "FulfillmentService",
                vec![
                    ("id", Res::owned(gid("FulfillmentService", service.id))),
                    ("handle", Res::text(&service.handle)),
                    ("serviceName", Res::text(&service.service_name)),
                    ("type", Res::text("THIRD_PARTY")),
                ],
            )
        }),
        "inventoryLevels" => {
            let stocked = shop.products.values().map(AsRef::as_ref).flat_map(|product: &'a Product| {
                product.variants.iter().filter_map(move |variant| {
                    let level = variant.item.levels.get(&location.id)?;
                    Some(Obj::Level(product, variant, location, level))
                })
            });
            levels_list(stocked, field)
        }
        "inventoryLevel" => {
            let item = field.text("inventoryItemId").and_then(|text| number(text, "InventoryItem"));
            match item.and_then(|id| world.snapshot.item(id)) {
                Some((product, variant)) => one_level(world, product, variant, Some(location.id), field),
                None => Res::Null,
            }
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

fn address(location: &Location) -> Res<'_> {
    let address = &location.address;
    let lines = [&address.address1, &address.address2, &address.zip, &address.city, &address.country];
    Res::plain(
        "LocationAddress",
        vec![
            ("address1", Res::maybe(address.address1.as_deref())),
            ("address2", Res::maybe(address.address2.as_deref())),
            ("city", Res::maybe(address.city.as_deref())),
            ("province", Res::maybe(address.province.as_deref())),
            ("provinceCode", Res::maybe(address.province_code.as_deref())),
            ("country", Res::maybe(address.country.as_deref())),
            ("countryCode", Res::maybe(address.country_code.as_deref())),
            ("zip", Res::maybe(address.zip.as_deref())),
            ("phone", Res::maybe(address.phone.as_deref())),
            ("latitude", address.latitude.map_or(Res::Null, Res::Float)),
            ("longitude", address.longitude.map_or(Res::Null, Res::Float)),
            (
                "formatted",
                Res::List(lines.iter().filter_map(|line| line.as_deref()).map(Res::text).collect()),
            ),
        ],
    )
}

/// The locations that may be seen, by the field's `sortKey`.
pub(super) fn location_list<'a>(
    world: &World<'a>,
    field: &Field<'_>,
    inactive: bool,
    legacy: bool,
) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let all = world.snapshot.shop.locations.values().map(AsRef::as_ref);
    let chosen = all.filter(|location: &&Location| {
        let fact = |name: &str| match name {
            "id" | "location_id" => Fact::Numbers(vec![whole(location.id)]),
            "name" => Fact::Texts(vec![location.name.clone()]),
            "active" => Fact::Texts(vec![location.is_active.to_string()]),
            "legacy" => Fact::Texts(vec![location.is_legacy.to_string()]),
            "created_at" => Fact::Time(Some(location.created_at)),
            _ => Fact::Unknown,
        };
        (location.is_active || inactive)
            && (!location.is_legacy || legacy)
            && filter.passes(&fact, &|word| location.name.to_lowercase().contains(word))
    });
    let reverse = field.flag("reverse");
    let connection = match field.text("sortKey") {
        Some("ID") => Connection::by_number(chosen.map(|l| (whole(l.id), l.id, Obj::Location(l))), reverse),
        _ => Connection::by_text(chosen.map(|l| (l.name.clone(), l.id, Obj::Location(l))), reverse),
    };
    Res::Connection(Box::new(connection))
}

/// All inventory items that pass the field's `query`.
pub(super) fn item_list<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let all = world.snapshot.shop.products.values().map(AsRef::as_ref);
    let all =
        all.flat_map(|product: &'a Product| product.variants.iter().map(move |variant| (product, variant)));
    let chosen = all.filter(|(_, variant)| {
        let item = &variant.item;
        let fact = |name: &str| match name {
            "id" => Fact::Numbers(vec![whole(item.id)]),
            "sku" => Fact::Texts(item.sku.iter().cloned().collect()),
            "created_at" => Fact::Time(Some(item.created_at)),
            "updated_at" => Fact::Time(Some(item.updated_at)),
            _ => Fact::Unknown,
        };
        filter == Filter::All || filter.passes(&fact, &|_| true)
    });
    let nodes = chosen
        .map(|(product, variant)| (whole(variant.item.id), variant.item.id, Obj::Item(product, variant)));
    Res::Connection(Box::new(Connection::by_number(nodes, field.flag("reverse"))))
}
