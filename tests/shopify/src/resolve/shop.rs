//! The shop itself.

use super::{Answer, FieldError, Obj, Res, World};
use crate::gid::gid;
use crate::graphql::connection::Connection;
use crate::graphql::selection::Field;

pub(super) fn shop<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    let shop = &world.snapshot.shop;
    let host = if shop.primary_domain.is_empty() { shop.domain() } else { shop.primary_domain.clone() };
    Ok(match field.name {
        "name" => Res::text(&shop.name),
        "email" | "contactEmail" => Res::text(&shop.email),
        "shopOwnerName" => Res::text(&shop.owner),
        "myshopifyDomain" => Res::owned(shop.domain()),
        "primaryDomain" => Res::plain(
            "Domain",
            vec![
                ("id", Res::owned(gid("Domain", shop.id + 1))),
                ("url", Res::owned(format!("https://{host}"))),
                ("sslEnabled", Res::Bool(true)),
                ("host", Res::owned(host)),
            ],
        ),
        "url" => Res::owned(format!("https://{host}")),
        "currencyCode" => Res::text(&shop.currency),
        "enabledPresentmentCurrencies" => Res::List(vec![Res::text(&shop.currency)]),
        "ianaTimezone" => Res::text(&shop.iana_timezone),
        "weightUnit" => Res::text(shop.weight_unit.as_str()),
        "unitSystem" => {
            use crate::model::WeightUnit::{Grams, Kilograms};
            let metric = matches!(shop.weight_unit, Grams | Kilograms);
            Res::text(if metric { "METRIC_SYSTEM" } else { "IMPERIAL_SYSTEM" })
        }
        "taxesIncluded" => Res::Bool(shop.taxes_included),
        "setupRequired" => Res::Bool(false),
        "createdAt" => Res::time(shop.created_at),
        "updatedAt" => Res::time(shop.updated_at),
        "description" => Res::Null,
        "shopAddress" | "billingAddress" => Res::plain(
            "ShopAddress",
            vec![
                ("id", Res::owned(gid("ShopAddress", shop.id + 2))),
                ("countryCodeV2", Res::text(&shop.country_code)),
                ("countryCode", Res::text(&shop.country_code)),
            ],
        ),
        "plan" => Res::plain(
            "ShopPlan",
            vec![
                ("publicDisplayName", Res::text(&shop.plan.public_display_name)),
                ("displayName", Res::text(&shop.plan.public_display_name)),
                ("partnerDevelopment", Res::Bool(shop.plan.partner_development)),
                ("shopifyPlus", Res::Bool(shop.plan.shopify_plus)),
            ],
        ),
        "resourceLimits" => Res::plain(
            "ShopResourceLimits",
            vec![
                ("locationLimit", Res::Int(if shop.plan.shopify_plus { 200 } else { 10 })),
                ("maxProductOptions", Res::Int(3)),
                ("maxProductVariants", Res::Int(2_048)),
                ("redirectLimitReached", Res::Bool(false)),
            ],
        ),
        "metafields" => Res::Connection(Box::new(Connection { nodes: Vec::new() })),
        "metafield" => Res::Null,
        "products" => super::product::product_list(world, field),
        "collections" => super::product::collection_list(world, field),
        "productVariants" => super::variant::variant_list(world, field),
        "inventoryItems" => super::stock::item_list(world, field),
        "locations" => {
            let (inactive, legacy) = (field.flag("includeInactive"), field.flag("includeLegacy"));
            super::stock::location_list(world, field, inactive, legacy)
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

/// The versions of the API in support.
pub(super) fn versions<'a>() -> Res<'a> {
    const SUPPORTED: [&str; 4] = ["2026-01", "2026-04", "2026-07", "2026-10"];
    let newest = SUPPORTED[3];
    let version = |handle: &'static str| {
        let label = if handle == newest { format!("{handle} (Latest)") } else { handle.to_owned() };
        Res::obj(Obj::Plain(
            "ApiVersion",
            vec![
                ("handle", Res::text(handle)),
                ("displayName", Res::owned(label)),
                ("supported", Res::Bool(true)),
            ],
        ))
    };
    Res::List(SUPPORTED.into_iter().map(version).collect())
}
