//! Metafield definitions and publications.

use super::{Obj, Res, World};
use crate::gid::gid;
use crate::graphql::connection::Connection;
use crate::graphql::selection::Field;
use crate::model::{Definition, Product};
use crate::mutate::online_store;

/// A `MetafieldDefinition`.
pub(super) fn definition<'a>(definition: &'a Definition) -> Obj<'a> {
    let able = |type_name, enabled| {
        Res::plain(type_name, vec![("enabled", Res::Bool(enabled)), ("eligible", Res::Bool(true))])
    };
    let capabilities = vec![
        ("uniqueValues", able("MetafieldCapabilityUniqueValues", definition.unique)),
        ("adminFilterable", able("MetafieldCapabilityAdminFilterable", false)),
        ("smartCollectionCondition", able("MetafieldCapabilitySmartCollectionCondition", false)),
    ];
    let rule = |(name, value): &'a (String, String)| {
        Res::plain(
            "MetafieldDefinitionValidation",
            vec![("name", Res::text(name)), ("value", Res::text(value))],
        )
    };
    let category = definition.kind.split('_').next().unwrap_or_default().to_uppercase();
    let kind = vec![("name", Res::text(&definition.kind)), ("category", Res::owned(category))];
    Obj::Plain(
        "MetafieldDefinition",
        vec![
            ("id", Res::owned(gid("MetafieldDefinition", definition.id))),
            ("name", Res::text(&definition.name)),
            ("namespace", Res::text(&definition.namespace)),
            ("key", Res::text(&definition.key)),
            ("description", Res::maybe(definition.description.as_deref())),
            ("ownerType", Res::text(definition.owner.as_str())),
            ("type", Res::plain("MetafieldDefinitionType", kind)),
            ("capabilities", Res::plain("MetafieldCapabilities", capabilities)),
            ("validations", Res::List(definition.validations.iter().map(rule).collect())),
            ("validationStatus", Res::text("ALL_VALID")),
            ("pinnedPosition", Res::Null),
        ],
    )
}

/// `metafieldDefinitions` of one kind of owner.
pub(super) fn definitions<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let wanted = |name: &str, actual: &str| field.text(name).is_none_or(|text| text == actual);
    let all = world.snapshot.shop.definitions.iter().filter(|one| {
        wanted("ownerType", one.owner.as_str())
            && wanted("namespace", &one.namespace)
            && wanted("key", &one.key)
    });
    let nodes = all.map(|one| (one.id, definition(one)));
    Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
}

/// The Online Store.
pub(super) fn publication<'a>(world: &World<'a>) -> Obj<'a> {
    let id = gid("Publication", online_store(world.snapshot.shop.id));
    Obj::Plain(
        "Publication",
        vec![
            ("id", Res::owned(id)),
            ("name", Res::text("Online Store")),
            ("autoPublish", Res::Bool(false)),
            ("supportsFuturePublishing", Res::Bool(true)),
            ("catalog", Res::Null),
        ],
    )
}

/// `publications`: a simulated shop has one.
pub(super) fn publications<'a>(world: &World<'a>) -> Res<'a> {
    let node = std::iter::once((online_store(world.snapshot.shop.id), publication(world)));
    Res::Connection(Box::new(Connection::in_order(node, false)))
}

/// `resourcePublicationsV2` of a product.
pub(super) fn resource_publications<'a>(
    world: &World<'a>,
    product: &'a Product,
    field: &Field<'_>,
) -> Res<'a> {
    let since = product.published_at.filter(|since| *since <= world.now);
    let shown = since.is_some() || field.args.get("onlyPublished") == Some(&serde_json::Value::Bool(false));
    let nodes = shown.then(|| {
        let fields = vec![
            ("isPublished", Res::Bool(since.is_some())),
            ("publishDate", Res::maybe_time(product.published_at)),
            ("publication", Res::obj(publication(world))),
        ];
        (product.id, Obj::Plain("ResourcePublicationV2", fields))
    });
    Res::Connection(Box::new(Connection::in_order(nodes.into_iter(), false)))
}
