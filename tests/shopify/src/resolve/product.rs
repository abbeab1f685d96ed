//! Products, options, metafields, and the lists of products and collections.

use super::media::media_list;
use super::variant::variants_of;
use super::{Answer, FieldError, Obj, Owner, Res, World};
use crate::gid::number;
use crate::graphql::connection::Connection;
use crate::graphql::search::{Fact, Filter};
use crate::graphql::selection::Field;
use crate::model::{
    Collection, Metafield, OptionValue, OwnerKind, Product, ProductOption, ProductStatus, Seo,
};

pub(super) fn product<'a>(world: &World<'a>, product: &'a Product, field: &Field<'_>) -> Answer<'a> {
    let shop = &world.snapshot.shop;
    let currency = shop.currency.as_str();
    Ok(match field.name {
        "legacyResourceId" => Res::big(product.id),
        "handle" => Res::text(&product.handle),
        "title" => Res::text(&product.title),
        "descriptionHtml" | "bodyHtml" => Res::text(&product.description_html),
        "description" => plain_text(&product.description_html, field.integer("truncateAt")),
        "vendor" => Res::text(&product.vendor),
        "productType" => Res::text(&product.product_type),
        "category" => product.category.as_ref().map_or(Res::Null, category),
        "tags" => Res::List(product.tags.iter().map(|tag| Res::text(tag)).collect()),
        "status" => Res::text(product.status.as_str()),
        "isGiftCard" => Res::Bool(product.gift_card),
        "createdAt" => Res::time(product.created_at),
        "updatedAt" => Res::time(product.updated_at),
        "publishedAt" => Res::maybe_time(product.published_at),
        "onlineStoreUrl" => match (product.published_at, product.status) {
            (Some(_), ProductStatus::Active | ProductStatus::Unlisted) => {
                Res::owned(format!("https://{}/products/{}", host(world), product.handle))
            }
            _ => Res::Null,
        },
        "onlineStorePreviewUrl" => Res::owned(format!("https://{}/products/{}", host(world), product.handle)),
        "templateSuffix" => Res::maybe(product.template_suffix.as_deref()),
        "giftCardTemplateSuffix" | "combinedListingRole" | "combinedListing" | "feedback" => Res::Null,
        "requiresSellingPlan" => Res::Bool(product.requires_selling_plan),
        "hasOnlyDefaultVariant" => Res::Bool(product.has_only_default_variant()),
        "hasOutOfStockVariants" => Res::Bool(
            product.variants.iter().any(|v| v.item.tracked && super::variant::available(world, v) <= 0),
        ),
        "hasVariantsThatRequiresComponents" => {
            Res::Bool(product.variants.iter().any(|variant| variant.requires_components))
        }
        "tracksInventory" => Res::Bool(product.variants.iter().any(|variant| variant.item.tracked)),
        "totalInventory" => {
            Res::Int(product.variants.iter().map(|v| super::variant::available(world, v)).sum())
        }
        "totalVariants" => Res::Int(i64::try_from(product.variants.len()).unwrap_or_default()),
        "seo" => seo(&product.seo),
        "options" => {
            let most =
                field.integer("first").and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            let options = product.options.iter().enumerate().take(most);
            Res::List(options.map(|(place, option)| Res::obj(Obj::Option(product, option, place))).collect())
        }
        "priceRangeV2" => {
            let prices = product.variants.iter().map(|variant| variant.price);
            Res::plain(
                "ProductPriceRangeV2",
                vec![
                    ("minVariantPrice", Res::money_v2(prices.clone().min().unwrap_or_default(), currency)),
                    ("maxVariantPrice", Res::money_v2(prices.max().unwrap_or_default(), currency)),
                ],
            )
        }
        "compareAtPriceRange" => {
            let prices = product.variants.iter().filter_map(|variant| variant.compare_at_price);
            match (prices.clone().min(), prices.max()) {
                (Some(least), Some(most)) => Res::plain(
                    "ProductCompareAtPriceRange",
                    vec![
                        ("minVariantCompareAtPrice", Res::money_v2(least, currency)),
                        ("maxVariantCompareAtPrice", Res::money_v2(most, currency)),
                    ],
                ),
                _ => Res::Null,
            }
        }
        "featuredMedia" => product.media.first().map_or(Res::Null, |media| Res::obj(Obj::Media(media))),
        "media" => media_list(product, field),
        "images" => super::leftovers::images(product, field),
        "featuredImage" => super::leftovers::featured_image(product),
        "mediaCount" => Res::count(product.media.len(), None),
        "variants" => variants_of(product, field),
        "variantsCount" => Res::count(product.variants.len(), None),
        "metafields" => metafields(Owner::Product(product), &product.metafields, field),
        "metafield" => one_metafield(Owner::Product(product), &product.metafields, field),
        "collections" => {
            let ids = world.snapshot.index().collections.get(&product.id);
            let nodes = ids.into_iter().flatten().filter_map(|id| shop.collections.get(id));
            collections(nodes.map(AsRef::as_ref), field)
        }
        "resourcePublicationsV2" => super::definition::resource_publications(world, product, field),
        "publishedOnPublication" => {
            let wanted = field.text("publicationId").and_then(|text| number(text, "Publication"));
            let online = wanted == Some(crate::mutate::online_store(shop.id));
            Res::Bool(online && product.published_at.is_some_and(|since| since <= world.now))
        }
        "inCollection" => {
            let wanted = field.text("id").and_then(|text| number(text, "Collection"));
            let ids = world.snapshot.index().collections.get(&product.id);
            Res::Bool(ids.into_iter().flatten().any(|id| Some(*id) == wanted))
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

fn host<'a>(world: &World<'a>) -> std::borrow::Cow<'a, str> {
    let shop = &world.snapshot.shop;
    if shop.primary_domain.is_empty() { shop.domain().into() } else { shop.primary_domain.as_str().into() }
}

fn category(category: &crate::model::Category) -> Res<'_> {
    let id = &category.id;
    let gid = |id: &str| Res::owned(format!("gid://shopify/TaxonomyCategory/{id}"));
    let parent = id.rsplit_once('-').map(|(parent, _)| parent);
    let ancestors = std::iter::successors(parent, |id| Some(id.rsplit_once('-')?.0));
    let level = category.full_name.matches(" > ").count() + 1;
    Res::plain(
        "TaxonomyCategory",
        vec![
            ("id", gid(id)),
            ("name", Res::text(&category.name)),
            ("fullName", Res::text(&category.full_name)),
            ("isLeaf", Res::Bool(category.is_leaf)),
            ("isRoot", Res::Bool(parent.is_none())),
            ("isArchived", Res::Bool(false)),
            ("level", Res::Int(i64::try_from(level).unwrap_or(1))),
            ("parentId", parent.map_or(Res::Null, gid)),
            ("ancestorIds", Res::List(ancestors.map(gid).collect())),
        ],
    )
}

pub(super) fn seo(seo: &Seo) -> Res<'_> {
    let fields = vec![
        ("title", Res::maybe(seo.title.as_deref())),
        ("description", Res::maybe(seo.description.as_deref())),
    ];
    Res::plain("SEO", fields)
}

/// The text of some HTML: tags dropped, the common entities read, blanks collapsed.
pub(super) fn plain_text<'a>(html: &str, truncate_at: Option<i64>) -> Res<'a> {
    let mut text = String::new();
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    let entities =
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    for (entity, character) in entities {
        text = text.replace(entity, character);
    }
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(most) = truncate_at.and_then(|most| usize::try_from(most).ok())
        && text.chars().count() > most
    {
        text = text.chars().take(most.saturating_sub(3)).chain("...".chars()).collect();
    }
    Res::owned(text)
}

pub(super) fn option<'a>(
    product: &'a Product,
    option: &'a ProductOption,
    place: usize,
    field: &Field<'_>,
) -> Answer<'a> {
    let used = |value: &OptionValue| product.variants.iter().any(|v| v.option_value_ids.contains(&value.id));
    Ok(match field.name {
        "name" => Res::text(&option.name),
        "position" => Res::Int(i64::try_from(place + 1).unwrap_or_default()),
        "values" => Res::List(
            option.values.iter().filter(|value| used(value)).map(|value| Res::text(&value.name)).collect(),
        ),
        "optionValues" => {
            Res::List(option.values.iter().map(|value| Res::obj(Obj::OptionValue(product, value))).collect())
        }
        "linkedMetafield" => Res::Null,
        _ => return Err(FieldError::NotSimulated),
    })
}

pub(super) fn option_value<'a>(
    product: &'a Product,
    value: &'a OptionValue,
    field: &Field<'_>,
) -> Answer<'a> {
    Ok(match field.name {
        "name" => Res::text(&value.name),
        "hasVariants" => {
            Res::Bool(product.variants.iter().any(|variant| variant.option_value_ids.contains(&value.id)))
        }
        "linkedMetafieldValue" | "swatch" => Res::Null,
        _ => return Err(FieldError::NotSimulated),
    })
}

pub(super) fn metafields<'a>(owner: Owner<'a>, all: &'a [Metafield], field: &Field<'_>) -> Res<'a> {
    let namespace = field.text("namespace");
    let keys = field.texts("keys");
    let wanted = |metafield: &&Metafield| {
        namespace.is_none_or(|namespace| metafield.namespace == namespace)
            && (keys.is_empty()
                || keys.iter().any(|key| match key.rsplit_once('.') {
                    Some((space, key)) => metafield.namespace == space && metafield.key == key,
                    None => metafield.key == *key,
                }))
    };
    let nodes = all.iter().filter(wanted).map(|metafield| {
        let id = i64::try_from(metafield.id).unwrap_or_default();
        (id, metafield.id, Obj::Metafield(owner, metafield))
    });
    Res::Connection(Box::new(Connection::by_number(nodes, field.flag("reverse"))))
}

pub(super) fn one_metafield<'a>(owner: Owner<'a>, all: &'a [Metafield], field: &Field<'_>) -> Res<'a> {
    let (namespace, key) = (field.text("namespace"), field.text("key").unwrap_or_default());
    let (namespace, key) = match (namespace, key.rsplit_once('.')) {
        (None, Some((namespace, key))) => (Some(namespace), key),
        _ => (namespace, key),
    };
    let found =
        all.iter().find(|m| m.key == key && namespace.is_none_or(|namespace| m.namespace == namespace));
    found.map_or(Res::Null, |metafield| Res::obj(Obj::Metafield(owner, metafield)))
}

pub(super) fn metafield<'a>(
    world: &World<'a>,
    owner: Owner<'a>,
    metafield: &'a Metafield,
    field: &Field<'_>,
) -> Answer<'a> {
    Ok(match field.name {
        "legacyResourceId" => Res::big(metafield.id),
        "namespace" => Res::text(&metafield.namespace),
        "key" => Res::text(&metafield.key),
        "type" => Res::text(&metafield.kind),
        "value" => Res::text(&metafield.value),
        "jsonValue" => Res::Json(json_value(metafield)),
        "compareDigest" => Res::owned(crate::apps::fingerprint(&metafield.value)),
        "sizeInBytes" => Res::Int(i64::try_from(metafield.value.len()).unwrap_or_default()),
        "createdAt" => Res::time(metafield.created_at),
        "updatedAt" => Res::time(metafield.updated_at),
        "definition" => {
            let kind = match owner {
                Owner::Product(_) => OwnerKind::Product,
                Owner::Variant(..) => OwnerKind::Variant,
                Owner::Collection(_) => OwnerKind::Collection,
                Owner::Customer(_) => OwnerKind::Customer,
                Owner::Order(_) => OwnerKind::Order,
            };
            let found = world.snapshot.shop.definition(kind, &metafield.namespace, &metafield.key);
            found.map_or(Res::Null, |found| Res::obj(super::definition::definition(found)))
        }
        "reference" | "references" | "description" => Res::Null,
        "ownerType" => Res::text(match owner {
            Owner::Product(_) => "PRODUCT",
            Owner::Variant(..) => "PRODUCTVARIANT",
            Owner::Collection(_) => "COLLECTION",
            Owner::Customer(_) => "CUSTOMER",
            Owner::Order(_) => "ORDER",
        }),
        "owner" => Res::obj(match owner {
            Owner::Product(product) => Obj::Product(product),
            Owner::Variant(product, variant) => Obj::Variant(product, variant),
            Owner::Collection(collection) => Obj::Collection(collection),
            Owner::Customer(customer) => Obj::Customer(customer),
            Owner::Order(order) => Obj::Order(order),
        }),
        _ => return Err(FieldError::NotSimulated),
    })
}

/// Texts stay texts; numbers, yes-or-no, lists and structures come as JSON.
fn json_value(metafield: &Metafield) -> serde_json::Value {
    let text = || serde_json::Value::from(metafield.value.as_str());
    let kind = metafield.kind.as_str();
    let is_text = kind.contains("text_field") && !kind.starts_with("list.")
        || matches!(kind, "number_decimal" | "date" | "date_time" | "url" | "color" | "id" | "language")
        || kind.ends_with("_reference") && !kind.starts_with("list.");
    if is_text { text() } else { serde_json::from_str(&metafield.value).unwrap_or_else(|_| text()) }
}

/// The products that pass the field's `query`, sorted by its `sortKey`.
pub(super) fn product_list<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let all = world.snapshot.shop.products.values().map(AsRef::as_ref);
    let chosen = all.filter(|product| filter == Filter::All || passes(world, &filter, product));
    let reverse = field.flag("reverse");
    let id = |product: &Product| i64::try_from(product.id).unwrap_or_default();
    let key = field.text("sortKey").unwrap_or("ID");
    let connection = match key {
        "TITLE" => Connection::by_text(chosen.map(|p| (p.title.clone(), p.id, Obj::Product(p))), reverse),
        "VENDOR" => Connection::by_text(chosen.map(|p| (p.vendor.clone(), p.id, Obj::Product(p))), reverse),
        "PRODUCT_TYPE" => {
            Connection::by_text(chosen.map(|p| (p.product_type.clone(), p.id, Obj::Product(p))), reverse)
        }
        _ => {
            let number = |product: &Product| match key {
                "CREATED_AT" => product.created_at.as_second(),
                "UPDATED_AT" => product.updated_at.as_second(),
                "PUBLISHED_AT" => product.published_at.map_or(i64::MIN, |time| time.as_second()),
                "INVENTORY_TOTAL" => {
                    product.variants.iter().map(|v| super::variant::available(world, v)).sum()
                }
                _ => id(product),
            };
            Connection::by_number(chosen.map(|p| (number(p), p.id, Obj::Product(p))), reverse)
        }
    };
    Res::Connection(Box::new(connection))
}

fn passes(world: &World<'_>, filter: &Filter, product: &Product) -> bool {
    let one = |text: &str| Fact::Texts(vec![text.to_owned()]);
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let variants = || product.variants.iter();
    let fact = |name: &str| match name {
        "id" => Fact::Numbers(vec![whole(product.id)]),
        "updated_at" => Fact::Time(Some(product.updated_at)),
        "created_at" => Fact::Time(Some(product.created_at)),
        "published_at" => Fact::Time(product.published_at),
        "status" => Fact::Texts(vec![product.status.as_str().to_owned()]),
        "handle" => one(&product.handle),
        "title" => one(&product.title),
        "vendor" => one(&product.vendor),
        "product_type" => one(&product.product_type),
        "tag" => Fact::Texts(product.tags.clone()),
        "gift_card" => one(if product.gift_card { "true" } else { "false" }),
        "published_status" => one(if product.published_at.is_some() { "published" } else { "unpublished" }),
        "sku" => Fact::Texts(variants().filter_map(|v| v.item.sku.clone()).collect()),
        "barcode" => Fact::Texts(variants().filter_map(|v| v.barcode.clone()).collect()),
        "variant_id" => Fact::Numbers(variants().map(|v| whole(v.id)).collect()),
        "inventory_total" => {
            Fact::Numbers(vec![variants().map(|v| super::variant::available(world, v)).sum()])
        }
        "collection_id" => {
            let ids = world.snapshot.index().collections.get(&product.id);
            Fact::Numbers(ids.into_iter().flatten().map(|id| whole(*id)).collect())
        }
        _ => Fact::Unknown,
    };
    let word = |word: &str| {
        [&product.title, &product.vendor, &product.product_type]
            .iter()
            .any(|text| text.to_lowercase().contains(word))
    };
    filter.passes(&fact, &word)
}

/// The collections that pass the field's `query`, sorted by its `sortKey`.
pub(super) fn collection_list<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    collections(world.snapshot.shop.collections.values().map(AsRef::as_ref), field)
}

fn collections<'a>(all: impl Iterator<Item = &'a Collection>, field: &Field<'_>) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let chosen = all.filter(|collection| {
        let fact = |name: &str| match name {
            "id" => Fact::Numbers(vec![whole(collection.id)]),
            "updated_at" => Fact::Time(Some(collection.updated_at)),
            "handle" => Fact::Texts(vec![collection.handle.clone()]),
            "title" => Fact::Texts(vec![collection.title.clone()]),
            "collection_type" => {
                Fact::Texts(vec![if collection.is_smart() { "smart" } else { "custom" }.to_owned()])
            }
            "product_id" => Fact::Numbers(collection.products.iter().map(|id| whole(*id)).collect()),
            _ => Fact::Unknown,
        };
        filter.passes(&fact, &|word| collection.title.to_lowercase().contains(word))
    });
    let reverse = field.flag("reverse");
    let connection = match field.text("sortKey").unwrap_or("ID") {
        "TITLE" => Connection::by_text(chosen.map(|c| (c.title.clone(), c.id, Obj::Collection(c))), reverse),
        "UPDATED_AT" => Connection::by_number(
            chosen.map(|c| (c.updated_at.as_second(), c.id, Obj::Collection(c))),
            reverse,
        ),
        _ => Connection::by_number(chosen.map(|c| (whole(c.id), c.id, Obj::Collection(c))), reverse),
    };
    Res::Connection(Box::new(connection))
}
