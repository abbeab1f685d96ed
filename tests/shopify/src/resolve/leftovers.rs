//! Connections that Shopify has deprecated and that clients still ask for. Their nodes have no place in the model.

use super::media::image_fields;
use super::{Obj, Res, World};
use crate::graphql::connection::Connection;
use crate::graphql::selection::Field;
use crate::model::{Collection, Product, Variant};

fn connection<'a>(nodes: impl Iterator<Item = (u64, Obj<'a>)>, field: &Field<'_>) -> Res<'a> {
    Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
}

/// `Product.images`: the images among the media that are ready.
pub(super) fn images<'a>(product: &'a Product, field: &Field<'_>) -> Res<'a> {
    let ready =
        product.media.iter().filter_map(|media| Some((media.id, image_fields(media, "ProductImage")?)));
    connection(ready.map(|(id, fields)| (id, Obj::Plain("Image", fields))), field)
}

/// `Product.featuredImage`: the first of them.
pub(super) fn featured_image(product: &Product) -> Res<'_> {
    let first = product.media.iter().find_map(|media| image_fields(media, "ProductImage"));
    first.map_or(Res::Null, |fields| Res::plain("Image", fields))
}

/// `ProductVariant.presentmentPrices`: this shop sells in one currency.
pub(super) fn presentment_prices<'a>(world: &World<'a>, variant: &'a Variant, field: &Field<'_>) -> Res<'a> {
    let currency = world.snapshot.shop.currency.as_str();
    let before = variant.compare_at_price.map_or(Res::Null, |price| Res::money_v2(price, currency));
    let fields = vec![("price", Res::money_v2(variant.price, currency)), ("compareAtPrice", before)];
    connection(std::iter::once((variant.id, Obj::Plain("ProductVariantPricePair", fields))), field)
}

/// `Collection.publications`: the online store, where it is published.
pub(super) fn publications<'a>(collection: &'a Collection, field: &Field<'_>) -> Res<'a> {
    let nodes = collection.published_at.into_iter().map(|since| {
        let fields = vec![
            ("collection", Res::obj(Obj::Collection(collection))),
            ("isPublished", Res::Bool(true)),
            ("publishDate", Res::time(since)),
        ];
        (collection.id, Obj::Plain("CollectionPublication", fields))
    });
    connection(nodes, field)
}
