//! Variants.

use super::product::{metafields, one_metafield};
use super::{Answer, FieldError, Obj, Owner, Res, World};
use crate::graphql::connection::Connection;
use crate::graphql::search::{Fact, Filter};
use crate::graphql::selection::Field;
use crate::model::{InventoryPolicy, Product, ProductStatus, Variant};

pub(super) fn variant<'a>(
    world: &World<'a>,
    product: &'a Product,
    variant: &'a Variant,
    field: &Field<'_>,
) -> Answer<'a> {
    let stock = || available(world, variant);
    Ok(match field.name {
        "legacyResourceId" => Res::big(variant.id),
        "title" => Res::owned(product.variant_title(variant)),
        "displayName" => Res::owned(format!("{} - {}", product.title, product.variant_title(variant))),
        "sku" => Res::maybe(variant.item.sku.as_deref()),
        "barcode" => Res::maybe(variant.barcode.as_deref()),
        "position" => Res::Int(i64::from(variant.position)),
        "price" => Res::money(variant.price),
        "compareAtPrice" => variant.compare_at_price.map_or(Res::Null, Res::money),
        "taxable" => Res::Bool(variant.taxable),
        "inventoryPolicy" => Res::text(variant.inventory_policy.as_str()),
        "inventoryQuantity" => Res::Int(stock()),
        "sellableOnlineQuantity" => Res::Int(if sells(variant, stock()) { stock().max(0) } else { 0 }),
        "availableForSale" => {
            let on_sale = matches!(product.status, ProductStatus::Active | ProductStatus::Unlisted);
            Res::Bool(on_sale && sells(variant, stock()))
        }
        "selectedOptions" => Res::List(
            product
                .selected(variant)
                .map(|chosen| {
                    Res::plain(
                        "SelectedOption",
                        vec![
                            ("name", Res::text(chosen.option)),
                            ("value", Res::text(&chosen.value.name)),
                            ("optionValue", Res::obj(Obj::OptionValue(product, chosen.value))),
                        ],
                    )
                })
                .collect(),
        ),
        "inventoryItem" => Res::obj(Obj::Item(product, variant)),
        "product" => Res::obj(Obj::Product(product)),
        "media" => {
            let chosen = variant.media_ids.iter().filter_map(|id| product.media.iter().find(|m| m.id == *id));
            let nodes = chosen.map(|media| (media.id, Obj::Media(media)));
            Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
        }
        "image" => {
            let first = variant.media_ids.first().and_then(|id| product.media.iter().find(|m| m.id == *id));
            first.map_or(Res::Null, super::media::image)
        }
        "metafields" => metafields(Owner::Variant(product, variant), &variant.metafields, field),
        "metafield" => one_metafield(Owner::Variant(product, variant), &variant.metafields, field),
        "presentmentPrices" => super::leftovers::presentment_prices(world, variant, field),
        "requiresComponents" => Res::Bool(variant.requires_components),
        "showUnitPrice" => Res::Bool(false),
        "unitPrice" | "unitPriceMeasurement" | "taxCode" => Res::Null,
        "createdAt" => Res::time(variant.created_at),
        "updatedAt" => Res::time(variant.updated_at),
        _ => return Err(FieldError::NotSimulated),
    })
}

fn sells(variant: &Variant, stock: i64) -> bool {
    !variant.item.tracked || stock > 0 || variant.inventory_policy == InventoryPolicy::Continue
}

/// What can be sold of a variant over all active locations.
pub(super) fn available(world: &World<'_>, variant: &Variant) -> i64 {
    let locations = &world.snapshot.shop.locations;
    variant
        .item
        .levels
        .iter()
        .filter(|(id, level)| level.is_active && locations.get(id).is_some_and(|location| location.is_active))
        .map(|(_, level)| level.available)
        .sum()
}

/// The variants of one product.
pub(super) fn variants_of<'a>(product: &'a Product, field: &Field<'_>) -> Res<'a> {
    let reverse = field.flag("reverse");
    let nodes = product.variants.iter();
    let connection = match field.text("sortKey").unwrap_or("POSITION") {
        "TITLE" | "FULL_TITLE" | "NAME" => Connection::by_text(
            nodes.map(|v| (product.variant_title(v), v.id, Obj::Variant(product, v))),
            reverse,
        ),
        "SKU" => Connection::by_text(
            nodes.map(|v| (v.item.sku.clone().unwrap_or_default(), v.id, Obj::Variant(product, v))),
            reverse,
        ),
        "ID" => Connection::by_number(
            nodes.map(|v| (i64::try_from(v.id).unwrap_or_default(), v.id, Obj::Variant(product, v))),
            reverse,
        ),
        _ => Connection::by_number(
            nodes.map(|v| (i64::from(v.position), v.id, Obj::Variant(product, v))),
            reverse,
        ),
    };
    Res::Connection(Box::new(connection))
}

/// All variants of the shop that pass the field's `query`.
pub(super) fn variant_list<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let reverse = field.flag("reverse");
    let all = world.snapshot.shop.products.values().map(AsRef::as_ref);
    let all =
        all.flat_map(|product: &'a Product| product.variants.iter().map(move |variant| (product, variant)));
    let chosen =
        all.filter(|(product, variant)| filter == Filter::All || passes(world, &filter, product, variant));
    let connection = match field.text("sortKey").unwrap_or("ID") {
        "TITLE" | "FULL_TITLE" | "NAME" => Connection::by_text(
            chosen.map(|(p, v)| (format!("{} {}", p.title, p.variant_title(v)), v.id, Obj::Variant(p, v))),
            reverse,
        ),
        "SKU" => Connection::by_text(
            chosen.map(|(p, v)| (v.item.sku.clone().unwrap_or_default(), v.id, Obj::Variant(p, v))),
            reverse,
        ),
        key => Connection::by_number(
            chosen.map(|(p, v)| {
                let number = match key {
                    "POSITION" => i64::from(v.position),
                    "INVENTORY_QUANTITY" => available(world, v),
                    _ => i64::try_from(v.id).unwrap_or_default(),
                };
                (number, v.id, Obj::Variant(p, v))
            }),
            reverse,
        ),
    };
    Res::Connection(Box::new(connection))
}

fn passes(world: &World<'_>, filter: &Filter, product: &Product, variant: &Variant) -> bool {
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let fact = |name: &str| match name {
        "id" => Fact::Numbers(vec![whole(variant.id)]),
        "product_id" => Fact::Numbers(vec![whole(product.id)]),
        "updated_at" => Fact::Time(Some(variant.updated_at)),
        "sku" => Fact::Texts(variant.item.sku.iter().cloned().collect()),
        "barcode" => Fact::Texts(variant.barcode.iter().cloned().collect()),
        "title" => Fact::Texts(vec![product.variant_title(variant)]),
        "product_status" => Fact::Texts(vec![product.status.as_str().to_owned()]),
        "vendor" => Fact::Texts(vec![product.vendor.clone()]),
        "inventory_quantity" => Fact::Numbers(vec![available(world, variant)]),
        "location_id" => Fact::Numbers(variant.item.levels.keys().map(|id| whole(*id)).collect()),
        _ => Fact::Unknown,
    };
    let word = |word: &str| {
        product.title.to_lowercase().contains(word)
            || variant.item.sku.as_deref().unwrap_or_default().to_lowercase().contains(word)
    };
    filter.passes(&fact, &word)
}
