//! `QueryRoot`.

use super::product::{collection_list, product_list};
use super::stock::{item_list, location_list};
use super::variant::variant_list;
use super::{Answer, FieldError, Obj, Res, World, customer, definition, order, webhook};
use crate::gid::{self, number};
use crate::graphql::connection::Connection;
use crate::graphql::search::{Fact, Filter};
use crate::graphql::selection::Field;
use crate::model::{Level, OwnerKind};

pub(super) fn query<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    let shop = &world.snapshot.shop;
    let found = |object: Option<Obj<'a>>| Ok(object.map_or(Res::Null, Res::obj));
    let limit = || field.integer("limit");
    let id = |type_name: &str| field.text("id").and_then(|text| number(text, type_name));
    Ok(match field.name {
        "shop" => Res::obj(Obj::Shop),
        "products" => product_list(world, field),
        "product" => {
            return found(
                id("Product").and_then(|id| shop.products.get(&id)).map(|product| Obj::Product(product)),
            );
        }
        "productByHandle" => return found(by_handle(world, field.text("handle"))),
        "productByIdentifier" => {
            let identifier = field.args.get("identifier").cloned().unwrap_or_default();
            let by_id = identifier["id"].as_str().and_then(|text| number(text, "Product"));
            let by_id = by_id.and_then(|id| shop.products.get(&id)).map(|product| Obj::Product(product));
            let by_custom = match &identifier["customId"] {
                serde_json::Value::Null => None,
                custom => by_custom_id(world, OwnerKind::Product, custom)?,
            };
            let by_custom = by_custom.and_then(|id| shop.products.get(&id)).map(|one| Obj::Product(one));
            return found(by_id.or(by_custom).or_else(|| by_handle(world, identifier["handle"].as_str())));
        }
        "productsCount" => count(product_list(world, field), limit()),
        "productVariants" => variant_list(world, field),
        "productVariant" => {
            let variant = id("ProductVariant").and_then(|id| world.snapshot.variant(id));
            return found(variant.map(|(product, variant)| Obj::Variant(product, variant)));
        }
        "productVariantByIdentifier" => {
            let identifier = field.args.get("identifier").cloned().unwrap_or_default();
            let id = match identifier["id"].as_str() {
                Some(text) => number(text, "ProductVariant"),
                None => by_custom_id(world, OwnerKind::Variant, &identifier["customId"])?,
            };
            let variant = id.and_then(|id| world.snapshot.variant(id));
            return found(variant.map(|(product, variant)| Obj::Variant(product, variant)));
        }
        "productOperation" => match id("ProductSetOperation") {
            Some(id) => super::written::operation(world, id),
            None => Res::Null,
        },
        "metafieldDefinitions" => definition::definitions(world, field),
        "metafieldDefinition" => {
            let identifier = field.args.get("identifier").cloned().unwrap_or_default();
            let text = |name: &str| identifier[name].as_str().unwrap_or_default().to_owned();
            let kind = OwnerKind::parse(&text("ownerType"));
            let one = kind.and_then(|kind| shop.definition(kind, &text("namespace"), &text("key")));
            return found(one.map(definition::definition));
        }
        "publications" => definition::publications(world),
        "customers" => customer::list(world, field),
        "customersCount" => count(customer::list(world, field), limit()),
        "customer" => {
            return found(
                id("Customer").and_then(|id| shop.customers.get(&id)).map(|one| Obj::Customer(one)),
            );
        }
        "customerByIdentifier" => return customer::by_identifier(world, field),
        "orders" => order::list(world, field),
        "ordersCount" => count(order::list(world, field), limit()),
        "order" => {
            let one =
                id("Order").and_then(|id| shop.orders.get(&id)).filter(|one| order::visible(world, one));
            return found(one.map(|one| Obj::Order(one)));
        }
        "orderByIdentifier" => return order::by_identifier(world, field),
        "fulfillmentOrder" => return found(fulfillment_order(world, id("FulfillmentOrder"))),
        "productVariantsCount" => count(variant_list(world, field), limit()),
        "collections" => collection_list(world, field),
        "collection" => {
            let collection = id("Collection").and_then(|id| shop.collections.get(&id));
            return found(collection.map(|collection| Obj::Collection(collection)));
        }
        "collectionsCount" => count(collection_list(world, field), limit()),
        "locations" => {
            location_list(world, field, field.flag("includeInactive"), field.flag("includeLegacy"))
        }
        "location" => {
            let location = match field.text("id") {
                Some(text) => number(text, "Location").and_then(|id| shop.locations.get(&id)),
                None => shop.locations.values().find(|location| location.is_active),
            };
            return found(location.map(|location| Obj::Location(location)));
        }
        "locationsCount" => count(location_list(world, field, false, false), limit()),
        "inventoryItems" => item_list(world, field),
        "inventoryItem" => {
            let item = id("InventoryItem").and_then(|id| world.snapshot.item(id));
            return found(item.map(|(product, variant)| Obj::Item(product, variant)));
        }
        "inventoryLevel" => return found(field.text("id").and_then(|text| level(world, text))),
        "inventoryProperties" => {
            let names = Level::STATES.iter().map(|state| {
                Res::plain(
                    "InventoryQuantityName",
                    vec![
                        ("name", Res::text(state)),
                        ("displayName", Res::text(state)),
                        ("isInUse", Res::Bool(true)),
                    ],
                )
            });
            Res::plain("InventoryProperties", vec![("quantityNames", Res::List(names.collect()))])
        }
        "node" => return found(field.text("id").and_then(|text| node(world, text))),
        "nodes" => Res::List(
            field
                .texts("ids")
                .into_iter()
                .map(|text| node(world, text).map_or(Res::Null, Res::obj))
                .collect(),
        ),
        "bulkOperation" => return found(id("BulkOperation").and_then(|id| operation(world, id))),
        "bulkOperations" => operations(world, field),
        "currentBulkOperation" => return found(world.operations.last().cloned().map(Obj::Bulk)),
        "currentAppInstallation" => Res::obj(Obj::Installation),
        "app" => Res::obj(Obj::App),
        "publicApiVersions" => super::shop::versions(),
        "webhookSubscriptions" => webhook::list(world, field),
        "webhookSubscriptionsCount" => count(webhook::list(world, field), limit()),
        "webhookSubscription" => {
            let id = id("WebhookSubscription");
            return found(
                world.webhooks.iter().find(|webhook| Some(webhook.id) == id).cloned().map(Obj::Webhook),
            );
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

fn by_handle<'a>(world: &World<'a>, handle: Option<&str>) -> Option<Obj<'a>> {
    let id = world.snapshot.index().handles.get(handle?)?;
    world.snapshot.shop.products.get(id).map(|product| Obj::Product(product))
}

/// Who has a custom id.
pub(super) fn by_custom_id(
    world: &World<'_>,
    kind: OwnerKind,
    custom: &serde_json::Value,
) -> Result<Option<u64>, FieldError> {
    let text = |name: &str| custom[name].as_str().unwrap_or_default();
    let namespace = custom["namespace"].as_str().unwrap_or("$app");
    match world.snapshot.shop.definition(kind, namespace, text("key")) {
        Some(definition) if definition.kind == "id" => {
            Ok(world.snapshot.index().owner_of(kind, namespace, text("key"), text("value")))
        }
        _ => {
            let message = "Metafield definition of type 'id' is required when using custom ids.";
            Err(FieldError::Refused(message.to_owned(), "BAD_REQUEST"))
        }
    }
}

fn fulfillment_order<'a>(world: &World<'a>, id: Option<u64>) -> Option<Obj<'a>> {
    let id = id?;
    let order = world.snapshot.shop.orders.get(world.snapshot.index().fulfillment_orders.get(&id)?)?;
    let one = order.fulfillment_orders.iter().find(|one| one.id == id)?;
    Some(order::fulfillment_order(world, order, one))
}

fn count<'a>(list: Res<'a>, limit: Option<i64>) -> Res<'a> {
    match list {
        Res::Connection(connection) => Res::count(connection.nodes.len(), limit),
        other => other,
    }
}

fn operation<'a>(world: &World<'a>, id: u64) -> Option<Obj<'a>> {
    world.operations.iter().find(|operation| operation.id == id).cloned().map(Obj::Bulk)
}

fn level<'a>(world: &World<'a>, text: &str) -> Option<Obj<'a>> {
    let parsed = gid::parse(text).filter(|parsed| parsed.type_name == "InventoryLevel")?;
    let item: u64 = parsed.query?.strip_prefix("inventory_item_id=")?.parse().ok()?;
    let location = world.snapshot.shop.locations.get(world.snapshot.index().level_keys.get(&parsed.id)?)?;
    let (product, variant) = world.snapshot.item(item)?;
    let level = variant.item.levels.get(&location.id)?;
    Some(Obj::Level(product, variant, location, level))
}

pub(super) fn node<'a>(world: &World<'a>, text: &str) -> Option<Obj<'a>> {
    let parsed = gid::parse(text)?;
    let shop = &world.snapshot.shop;
    let id = parsed.id;
    match parsed.type_name {
        "Product" => shop.products.get(&id).map(|product| Obj::Product(product)),
        "ProductVariant" => {
            world.snapshot.variant(id).map(|(product, variant)| Obj::Variant(product, variant))
        }
        "InventoryItem" => world.snapshot.item(id).map(|(product, variant)| Obj::Item(product, variant)),
        "InventoryLevel" => level(world, text),
        "Location" => shop.locations.get(&id).map(|location| Obj::Location(location)),
        "Collection" => shop.collections.get(&id).map(|collection| Obj::Collection(collection)),
        "MediaImage" | "Video" | "ExternalVideo" | "Model3d" => {
            if let Some(file) = shop.files.get(&id) {
                return Some(Obj::Media(file));
            }
            let product = shop.products.get(world.snapshot.index().media.get(&id)?)?;
            product.media.iter().find(|media| media.id == id).map(Obj::Media)
        }
        "Customer" => shop.customers.get(&id).map(|customer| Obj::Customer(customer)),
        "MailingAddress" => {
            let all = shop.customers.values().flat_map(|customer| &customer.addresses);
            all.into_iter().find(|one| one.id == id).map(|one| customer::address(one, true))
        }
        "Order" => {
            shop.orders.get(&id).filter(|one| order::visible(world, one)).map(|order| Obj::Order(order))
        }
        "FulfillmentOrder" => fulfillment_order(world, Some(id)),
        "MetafieldDefinition" => shop.definitions.iter().find(|one| one.id == id).map(definition::definition),
        "Publication" => (crate::mutate::online_store(shop.id) == id).then(|| definition::publication(world)),
        "BulkOperation" => operation(world, id),
        "WebhookSubscription" => world.webhooks.iter().find(|hook| hook.id == id).cloned().map(Obj::Webhook),
        "Shop" => (shop.id == id).then_some(Obj::Shop),
        "AppInstallation" => (world.installation == id).then_some(Obj::Installation),
        _ => None,
    }
}

fn operations<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let chosen = world.operations.iter().filter(|operation| {
        let fact = |name: &str| match name {
            "id" => Fact::Numbers(vec![i64::try_from(operation.id).unwrap_or_default()]),
            "status" => Fact::Texts(vec![operation.status.as_str().to_owned()]),
            "operation_type" => Fact::Texts(vec!["QUERY".to_owned()]),
            "created_at" => Fact::Time(Some(operation.created_at)),
            "completed_at" => Fact::Time(operation.completed_at),
            _ => Fact::Unknown,
        };
        filter.passes(&fact, &|_| true)
    });
    let nodes = chosen.map(|operation| {
        let time = match field.text("sortKey") {
            Some("COMPLETED_AT") => operation.completed_at.unwrap_or_default(),
            _ => operation.created_at,
        };
        (time.as_microsecond(), operation.id, Obj::Bulk(operation.clone()))
    });
    Res::Connection(Box::new(Connection::by_number(nodes, field.flag("reverse"))))
}
