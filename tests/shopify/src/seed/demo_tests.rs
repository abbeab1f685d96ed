//! The demo shop must show every case it is there for.

use std::collections::HashSet;

use super::*;

#[test]
fn it_is_small_but_one_product_is_enormous() {
    let shop = demo("demo");
    let counts = shop.counts();
    assert!((60..=120).contains(&counts.products), "{counts:?}");
    let most = shop.products.values().max_by_key(|product| product.variants.len()).unwrap();
    assert_eq!((most.variants.len(), most.media.len()), (2_048, 250));
    assert!(counts.stock > counts.variants && counts.memberships > 40, "{counts:?}");
}

#[test]
fn it_is_the_same_every_time() {
    assert_eq!(format!("{:?}", demo("demo")), format!("{:?}", demo("demo")));
}

#[test]
fn handles_are_unique() {
    let shop = demo("demo");
    let handles: HashSet<&str> = shop.products.values().map(|product| product.handle.as_str()).collect();
    assert_eq!(handles.len(), shop.products.len());
    let collections: HashSet<&str> = shop.collections.values().map(|one| one.handle.as_str()).collect();
    assert_eq!(collections.len(), shop.collections.len());
}

#[test]
fn locations_show_every_kind() {
    let shop = demo("demo");
    let named = |name: &str| shop.locations.values().filter(|location| location.name == name).count();
    assert_eq!(named("Laden"), 2);
    assert!(shop.locations.values().any(|location| location.fulfillment_service.is_some()));
    assert!(shop.locations.values().any(|location| !location.is_active && location.deactivated_at.is_some()));
    let keys: HashSet<u64> = shop.locations.values().map(|location| location.level_key).collect();
    assert_eq!(keys.len(), shop.locations.len());
}

#[test]
fn stock_shows_every_kind() {
    let shop = demo("demo");
    let variants: Vec<&Variant> = shop.products.values().flat_map(|product| &product.variants).collect();
    let levels: Vec<&Level> = variants.iter().flat_map(|variant| variant.item.levels.values()).collect();
    assert!(levels.iter().any(|level| level.available < 0));
    assert!(levels.iter().any(|level| level.available == 0));
    assert!(levels.iter().any(|level| !level.is_active));
    assert!(levels.iter().any(|level| level.on_hand() != level.available));
    assert!(variants.iter().any(|variant| variant.item.levels.is_empty()));
    assert!(variants.iter().any(|variant| !variant.item.tracked));
    assert!(variants.iter().any(|variant| variant.item.sku.is_none()));
    assert!(variants.iter().any(|variant| variant.inventory_policy == InventoryPolicy::Continue));
    assert!(
        variants.iter().any(|variant| variant.compare_at_price.is_some_and(|before| before > variant.price))
    );
}

#[test]
fn products_show_every_kind() {
    let shop = demo("demo");
    let products: Vec<&Product> = shop.products.values().map(AsRef::as_ref).collect();
    for status in
        [ProductStatus::Active, ProductStatus::Draft, ProductStatus::Archived, ProductStatus::Unlisted]
    {
        assert!(products.iter().any(|product| product.status == status), "{status:?}");
    }
    assert!(products.iter().any(|product| product.gift_card));
    assert!(
        products
            .iter()
            .any(|product| product.status == ProductStatus::Active && product.published_at.is_none())
    );
    assert!(products.iter().any(|product| product.description_html.is_empty()));
    assert!(products.iter().any(|product| product.media.is_empty()));
    let media: Vec<&Media> = products.iter().flat_map(|product| &product.media).collect();
    let types: HashSet<&str> = media.iter().map(|media| media.content.type_name()).collect();
    assert_eq!(types.len(), 4);
    assert!(media.iter().any(|media| media.status == MediaStatus::Failed));
    assert!(products.iter().any(|product| product.options.len() == 3));
    assert!(
        products.iter().any(|product| product.variants.iter().any(|variant| !variant.metafields.is_empty()))
    );
}

#[test]
fn collections_show_every_kind() {
    let shop = demo("demo");
    assert!(shop.collections.values().any(|one| !one.is_smart() && one.products.len() > 3));
    assert!(shop.collections.values().any(|one| one.is_smart() && one.products.is_empty()));
    assert!(shop.collections.values().any(|one| one.sources.len() > 1));
    assert!(shop.collections.values().filter(|one| one.is_smart()).count() >= 5);
    let window = shop.collections.values().find(|one| one.title == "Shop window").unwrap();
    assert_eq!(window.products.len(), 6);
    let first = &shop.products[&window.products[0]];
    assert!(first.title.starts_with("Umbrella"), "{}", first.title);
}
