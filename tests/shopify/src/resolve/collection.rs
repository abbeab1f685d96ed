//! Collections and where their members come from.

use super::product::{metafields, one_metafield, plain_text, seo};
use super::{Answer, FieldError, Obj, Owner, Res, World};
use crate::gid::number;
use crate::graphql::connection::Connection;
use crate::graphql::selection::Field;
use crate::model::{
    Collection, CollectionKind, CollectionSource, Condition, ConditionField, Product, Relation,
};

pub(super) fn collection<'a>(world: &World<'a>, collection: &'a Collection, field: &Field<'_>) -> Answer<'a> {
    Ok(match field.name {
        "legacyResourceId" => Res::big(collection.id),
        "handle" => Res::text(&collection.handle),
        "title" => Res::text(&collection.title),
        "descriptionHtml" => Res::text(&collection.description_html),
        "description" => plain_text(&collection.description_html, field.integer("truncateAt")),
        "sortOrder" => Res::text(&collection.sort_order),
        "templateSuffix" => Res::maybe(collection.template_suffix.as_deref()),
        "updatedAt" => Res::time(collection.updated_at),
        "feedback" => Res::Null,
        "seo" => seo(&collection.seo),
        "image" => collection.image.as_ref().map_or(Res::Null, |(url, alt)| {
            Res::plain(
                "Image",
                vec![
                    ("id", Res::Null),
                    ("url", Res::text(url)),
                    ("src", Res::text(url)),
                    ("originalSrc", Res::text(url)),
                    ("altText", Res::maybe(alt.as_deref())),
                    ("width", Res::Null),
                    ("height", Res::Null),
                ],
            )
        }),
        "products" => products(world, collection, field),
        "productsCount" => Res::count(collection.products.len(), None),
        "hasProduct" => {
            let id = field.text("id").and_then(|text| number(text, "Product"));
            Res::Bool(id.is_some_and(|id| collection.products.contains(&id)))
        }
        "sources" => Res::List(
            collection.sources.iter().map(|source| Res::obj(Obj::Source(collection, source))).collect(),
        ),
        "ruleSet" => rule_set(collection),
        "publications" => super::leftovers::publications(collection, field),
        "metafields" => metafields(Owner::Collection(collection), &collection.metafields, field),
        "metafield" => one_metafield(Owner::Collection(collection), &collection.metafields, field),
        _ => return Err(FieldError::NotSimulated),
    })
}

fn products<'a>(world: &World<'a>, collection: &'a Collection, field: &Field<'_>) -> Res<'a> {
    let all = &world.snapshot.shop.products;
    let members = collection.products.iter().filter_map(|id| all.get(id)).map(AsRef::as_ref);
    let reverse = field.flag("reverse");
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let price =
        |product: &Product| product.variants.iter().map(|variant| variant.price).min().unwrap_or_default();
    let connection = match field.text("sortKey").unwrap_or("COLLECTION_DEFAULT") {
        "TITLE" => Connection::by_text(members.map(|p| (p.title.clone(), p.id, Obj::Product(p))), reverse),
        "ID" => Connection::by_number(members.map(|p| (whole(p.id), p.id, Obj::Product(p))), reverse),
        "PRICE" => Connection::by_number(members.map(|p| (price(p), p.id, Obj::Product(p))), reverse),
        "CREATED" => {
            Connection::by_number(members.map(|p| (p.created_at.as_second(), p.id, Obj::Product(p))), reverse)
        }
        _ => Connection::in_order(members.map(|p| (p.id, Obj::Product(p))), reverse),
    };
    Res::Connection(Box::new(connection))
}

pub(super) fn source<'a>(
    world: &World<'a>,
    collection: &'a Collection,
    source: &'a CollectionSource,
    field: &Field<'_>,
) -> Answer<'a> {
    Ok(match field.name {
        "title" => Res::text(&source.title),
        "description" | "app" | "exclusion" => Res::Null,
        "targetType" => Res::text("PRODUCTS"),
        "shareable" => Res::Bool(false),
        "inclusion" => Res::obj(Obj::Inclusion(collection, source)),
        "products" => products(world, collection, field),
        _ => return Err(FieldError::NotSimulated),
    })
}

pub(super) fn inclusion<'a>(
    world: &World<'a>,
    _collection: &'a Collection,
    source: &'a CollectionSource,
    field: &Field<'_>,
) -> Answer<'a> {
    Ok(match (field.name, &source.kind) {
        ("matchType", CollectionKind::Smart { match_all, .. }) => {
            Res::text(if *match_all { "ALL" } else { "ANY" })
        }
        ("matchType", CollectionKind::Manual { .. }) => Res::Null,
        ("conditions", CollectionKind::Smart { conditions, .. }) => {
            Res::List(conditions.iter().map(|condition| Res::obj(Obj::Condition(condition))).collect())
        }
        ("conditions", CollectionKind::Manual { .. }) => Res::List(Vec::new()),
        ("selections", kind) => {
            let chosen: &[u64] = match kind {
                CollectionKind::Manual { products } => products,
                CollectionKind::Smart { .. } => &[],
            };
            let nodes = chosen.iter().filter_map(|id| world.snapshot.shop.products.get(id)).map(|product| {
                let fields = vec![("product", Res::obj(Obj::Product(product))), ("variantIds", Res::Null)];
                (product.id, Obj::Plain("CollectionInclusionProductSelection", fields))
            });
            Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

/// Name of the type of a condition.
pub(super) fn condition_type(field: ConditionField) -> &'static str {
    match field {
        ConditionField::Tag => "CollectionSourceInclusionConditionProductTag",
        ConditionField::Title => "CollectionSourceInclusionConditionProductTitle",
        ConditionField::ProductType => "CollectionSourceInclusionConditionProductType",
        ConditionField::Vendor => "CollectionSourceInclusionConditionProductVendor",
        ConditionField::VariantPrice => "CollectionSourceInclusionConditionVariantPrice",
    }
}

pub(super) fn condition<'a>(world: &World<'a>, condition: &'a Condition, field: &Field<'_>) -> Answer<'a> {
    let relation = match (condition.field, condition.relation) {
        (ConditionField::Tag, Relation::Equals) => "TAGGED_WITH",
        (ConditionField::Tag, _) => "NOT_TAGGED_WITH",
        (_, Relation::Equals) => "EQUALS",
        (_, Relation::NotEquals) => "NOT_EQUALS",
        (_, Relation::Contains) => "CONTAINS",
        (_, Relation::StartsWith) => "STARTS_WITH",
        (_, Relation::EndsWith) => "ENDS_WITH",
        (_, Relation::GreaterThan) => "GREATER_THAN",
        (_, Relation::LessThan) => "LESS_THAN",
    };
    Ok(match (field.name, condition.field) {
        ("relation", _) => Res::text(relation),
        ("matchType", _) => Res::text("ANY"),
        ("value", ConditionField::VariantPrice) => {
            Res::money_v2(condition.value.parse().unwrap_or_default(), &world.snapshot.shop.currency)
        }
        ("values", _) => Res::List(vec![Res::text(&condition.value)]),
        _ => return Err(FieldError::NotSimulated),
    })
}

/// The older form of the same, deprecated since 2026-07.
fn rule_set(collection: &Collection) -> Res<'_> {
    let smart = collection.sources.iter().find_map(|source| match &source.kind {
        CollectionKind::Smart { match_all, conditions } => Some((*match_all, conditions)),
        CollectionKind::Manual { .. } => None,
    });
    let Some((match_all, conditions)) = smart else { return Res::Null };
    let rules = conditions.iter().map(|condition| {
        let column = match condition.field {
            ConditionField::Tag => "TAG",
            ConditionField::Title => "TITLE",
            ConditionField::ProductType => "TYPE",
            ConditionField::Vendor => "VENDOR",
            ConditionField::VariantPrice => "VARIANT_PRICE",
        };
        let relation = match condition.relation {
            Relation::Equals => "EQUALS",
            Relation::NotEquals => "NOT_EQUALS",
            Relation::Contains => "CONTAINS",
            Relation::StartsWith => "STARTS_WITH",
            Relation::EndsWith => "ENDS_WITH",
            Relation::GreaterThan => "GREATER_THAN",
            Relation::LessThan => "LESS_THAN",
        };
        let value = match condition.field {
            ConditionField::VariantPrice => Res::money(condition.value.parse().unwrap_or_default()),
            _ => Res::text(&condition.value),
        };
        Res::plain(
            "CollectionRule",
            vec![
                ("column", Res::text(column)),
                ("relation", Res::text(relation)),
                ("condition", value),
                ("conditionObject", Res::Null),
            ],
        )
    });
    let rules = Res::List(rules.collect());
    Res::plain("CollectionRuleSet", vec![("appliedDisjunctively", Res::Bool(!match_all)), ("rules", rules)])
}
