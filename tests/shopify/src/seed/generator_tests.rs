//! What a generated catalogue must hold.

use std::collections::HashSet;

use super::*;
use crate::model::ProductStatus;

fn every_id(shop: &Shop) -> Vec<u64> {
    let mut ids: Vec<u64> = shop.locations.keys().chain(shop.collections.keys()).copied().collect();
    for product in shop.products.values() {
        ids.push(product.id);
        ids.extend(product.media.iter().map(|media| media.id));
        ids.extend(product.metafields.iter().map(|field| field.id));
        for option in &product.options {
            ids.push(option.id);
            ids.extend(option.values.iter().map(|value| value.id));
        }
        for variant in &product.variants {
            ids.extend([variant.id, variant.item.id]);
            ids.extend(variant.metafields.iter().map(|field| field.id));
        }
    }
    for collection in shop.collections.values() {
        ids.extend(collection.sources.iter().map(|source| source.id));
    }
    ids
}

#[test]
fn proportions_are_exact() {
    let counts = generated("big", 5_000, 1).counts();
    let detail = generated("big", 5_000, 1).detail_counts();
    assert_eq!((counts.products, counts.variants, counts.stock), (5_000, 15_000, 60_000));
    assert_eq!((detail.images, detail.active_levels, counts.warehouses), (10_000, 60_000, 6));
    assert!(counts.media > 10_000 && counts.metafields > 5_000 && counts.memberships > 3_000, "{counts:?}");
}

#[test]
fn the_same_arguments_give_the_same_shop() {
    let text = |rng| format!("{:?}", generated("one", 60, rng));
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn a_product_does_not_depend_on_the_others() {
    let shop = generated("one", 100, 3);
    let alone = Generator::new(1_000_000, 3).product(77);
    let there = &shop.products[&Generator::product_id(77)];
    assert_eq!(format!("{alone:?}"), format!("{there:?}"));
}

#[test]
fn ids_and_handles_are_unique_and_below_the_next_id() {
    let shop = generated("one", 400, 5);
    let ids = every_id(&shop);
    let distinct: HashSet<u64> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len());
    assert!(distinct.iter().all(|id| *id < shop.next_id));
    let handles: HashSet<&str> = shop.products.values().map(|product| product.handle.as_str()).collect();
    assert_eq!(handles.len(), 400);
    for (index, product) in shop.products.values().enumerate() {
        let end = Generator::product_id(index as u64 + 1);
        assert!(product.variants.iter().all(|variant| variant.item.id < end), "{}", product.handle);
    }
}

#[test]
fn variants_point_at_values_and_media_of_their_product() {
    for product in generated("one", 200, 2).products.values() {
        let mut seen = HashSet::new();
        for variant in &product.variants {
            assert_eq!(product.selected(variant).count(), product.options.len(), "{}", product.handle);
            assert!(seen.insert(variant.option_value_ids.clone()), "{}", product.handle);
            assert!(variant.media_ids.iter().all(|id| product.media.iter().any(|media| media.id == *id)));
            assert!(variant.compare_at_price.is_none_or(|before| before > variant.price));
        }
        assert!(product.updated_at >= product.created_at);
    }
}

#[test]
fn forty_products_show_every_case() {
    let shop = generated("one", 40, 1);
    let has = |what: fn(&Product) -> bool| shop.products.values().any(|product| what(product));
    for status in
        [ProductStatus::Active, ProductStatus::Draft, ProductStatus::Archived, ProductStatus::Unlisted]
    {
        assert!(shop.products.values().any(|product| product.status == status), "{status:?}");
    }
    assert!(has(|product| product.gift_card));
    assert!(has(|product| product.status == ProductStatus::Active && product.published_at.is_none()));
    assert!(has(|product| product
        .variants
        .iter()
        .any(|variant| !variant.item.tracked && !product.gift_card)));
    assert!(has(|product| product.variants.iter().any(|variant| variant.compare_at_price.is_some())));
    assert!(has(|product| product.variants.iter().any(|variant| variant.item.levels.is_empty())));
    let level = |what: fn(i64) -> bool| {
        let mut levels =
            shop.products.values().flat_map(|product| &product.variants).flat_map(|v| v.item.levels.values());
        levels.any(|level| what(level.available))
    };
    assert!(level(|n| n == 0) && level(|n| n < 0) && level(|n| n > 0));
    let types: HashSet<&str> = shop
        .products
        .values()
        .flat_map(|product| &product.media)
        .map(|media| media.content.type_name())
        .collect();
    assert_eq!(types.len(), 4, "{types:?}");
    assert!(shop.collections.values().any(|one| one.is_smart() && !one.products.is_empty()));
    assert!(shop.collections.values().any(|one| !one.is_smart() && !one.products.is_empty()));
}

#[test]
fn no_products_at_all_is_fine() {
    let shop = generated("none", 0, 1);
    assert_eq!(shop.counts().products, 0);
    assert_eq!(shop.counts().memberships, 0);
}
