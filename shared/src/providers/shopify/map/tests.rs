//! Lines as Shopify writes them, and the records they become.

use serde_json::json;

use super::category::CategoryDraft;
use super::location::Location;
use super::metafields::MetafieldsDraft;
use super::product::ProductDraft;
use super::*;
use crate::domain::record::Record;

fn context() -> MapContext {
    MapContext { currency: "EUR".to_owned(), stock: true }
}

/// Feeds lines to a draft as a range reader would; the item and the orphans.
fn draft<D: Draft>(lines: &[Value], context: &MapContext) -> (SourceItem, u64) {
    let mut lines = lines.iter().map(|line| D::read(line.to_string().as_bytes(), context).unwrap());
    let Some(Line::Root(mut draft)) = lines.next() else { panic!("no root") };
    for line in lines {
        match line {
            Line::Root(_) => panic!("a second root"),
            Line::Child(parent, child) => draft.add(parent, child),
        }
    }
    draft.finish()
}

fn product(lines: &[Value]) -> SourceItem {
    let (item, orphans) = draft::<ProductDraft>(lines, &context());
    assert_eq!(orphans, 0);
    item
}

fn named(item: &SourceItem, at: usize) -> Value {
    let (kind, record): &(_, Record) = &item.records[at];
    assert_eq!(*kind, record.kind);
    let shape = kind.shape();
    assert_eq!(record.values.len(), shape.fields.len(), "{kind:?} has other fields than its shape");
    assert_eq!(record.children.len(), shape.children.len());
    for (list, children) in shape.children.iter().zip(&record.children) {
        for child in children {
            assert_eq!(child.values.len(), list.fields.len(), "{:?} has other fields", list.resource);
        }
    }
    Value::Object(record.to_named_json())
}

/// A product with every field and every kind of child, grouped.
fn full_product() -> Vec<Value> {
    vec![
        json!({"id": "gid://shopify/Product/1", "title": "Žluťoučký kůň 🐎", "descriptionHtml": "<p>\"Hi\"</p>",
            "vendor": "Acme", "productType": "", "category": {"id": "gid://shopify/TaxonomyCategory/aa-1-13-8", "fullName": "Apparel > Shirts"},
            "tags": ["summer", "blue", "summer"], "status": "ARCHIVED", "handle": "kun",
            "seo": {"title": null, "description": "s"},
            "options": [{"id": "gid://shopify/ProductOption/11", "name": "Color", "position": 1,
                "linkedMetafield": {"namespace": "shopify", "key": "color-pattern"},
                "optionValues": [{"id": "gid://shopify/ProductOptionValue/12", "name": "Blue",
                    "linkedMetafieldValue": "gid://shopify/Metaobject/5",
                    "swatch": {"color": "#0000ff", "image": {"image": {"url": "https://cdn.shopify.com/s.png?v=3"}}}},
                    {"id": "gid://shopify/ProductOptionValue/13", "name": "Red", "linkedMetafieldValue": null, "swatch": null}]}],
            "isGiftCard": false, "publishedAt": "2026-01-02T03:04:05Z", "onlineStoreUrl": null, "templateSuffix": null,
            "createdAt": "2025-01-02T03:04:05Z", "variantsCount": {"count": 2, "precision": "EXACT"},
            "mediaCount": {"count": 3, "precision": "EXACT"}}),
        json!({"id": "gid://shopify/ProductVariant/21", "title": "Blue", "sku": "SKU-1", "barcode": "", "position": 1,
            "price": "10.0", "compareAtPrice": null, "taxable": true, "inventoryPolicy": "DENY",
            "selectedOptions": [{"name": "Color", "value": "Blue"}],
            "inventoryItem": {"id": "gid://shopify/InventoryItem/31", "tracked": true, "requiresShipping": true,
                "countryCodeOfOrigin": "CZ", "harmonizedSystemCode": null, "unitCost": {"amount": "4.5"},
                "measurement": {"weight": {"value": 0.25, "unit": "KILOGRAMS"}}}, "__parentId": "gid://shopify/Product/1"}),
        json!({"id": "gid://shopify/InventoryLevel/900?inventory_item_id=31", "isActive": true,
            "location": {"id": "gid://shopify/Location/41"},
            "quantities": [{"name": "available", "quantity": -2}, {"name": "on_hand", "quantity": 1},
                {"name": "committed", "quantity": 3}, {"name": "incoming", "quantity": 0}],
            "__parentId": "gid://shopify/ProductVariant/21"}),
        json!({"id": "gid://shopify/InventoryLevel/901?inventory_item_id=31", "isActive": false,
            "location": {"id": "gid://shopify/Location/7"}, "quantities": [{"name": "available", "quantity": 0}],
            "__parentId": "gid://shopify/ProductVariant/21"}),
        json!({"id": "gid://shopify/MediaImage/51", "__parentId": "gid://shopify/ProductVariant/21"}),
        json!({"id": "gid://shopify/ProductVariant/22", "title": "Red", "sku": "SKU-1", "barcode": null, "position": 2,
            "price": "ten", "taxable": false, "inventoryPolicy": "LATER",
            "selectedOptions": [{"name": "Color", "value": "Red"}],
            "inventoryItem": {"id": "gid://shopify/InventoryItem/32", "tracked": false, "requiresShipping": false,
                "measurement": {"weight": null}}, "__parentId": "gid://shopify/Product/1"}),
        json!({"id": "gid://shopify/InventoryLevel/902?inventory_item_id=32", "isActive": true,
            "location": {"id": "gid://shopify/Location/41"}, "quantities": [{"name": "available", "quantity": -9}],
            "__parentId": "gid://shopify/ProductVariant/22"}),
        json!({"id": "gid://shopify/MediaImage/51", "alt": "front", "mediaContentType": "IMAGE", "status": "READY",
            "mimeType": "image/png", "image": {"url": "https://cdn.shopify.com/a.png?v=1", "width": 800, "height": 600},
            "__parentId": "gid://shopify/Product/1"}),
        json!({"id": "gid://shopify/Video/52", "alt": null, "mediaContentType": "VIDEO", "status": "PROCESSING",
            "videoSource": {"url": "https://cdn.shopify.com/v.mp4", "mimeType": "video/mp4", "width": 10, "height": 20},
            "__parentId": "gid://shopify/Product/1"}),
        json!({"id": "gid://shopify/Hologram/53", "mediaContentType": "HOLOGRAM", "status": "READY",
            "__parentId": "gid://shopify/Product/1"}),
    ]
}

#[test]
fn a_product_becomes_a_product_and_its_stock() {
    let item = product(&full_product());
    assert_eq!((item.external_id, item.label.as_str(), item.truncated), (1, "Žluťoučký kůň 🐎", false));
    insta::assert_json_snapshot!(named(&item, 0));
    insta::assert_json_snapshot!(named(&item, 1), @r#"
    {
      "stock": [
        {
          "available": 0,
          "committed": null,
          "damaged": null,
          "id": "31:7",
          "imported_available": null,
          "incoming": null,
          "on_hand": null,
          "quality_control": null,
          "reserved": null,
          "safety_stock": null,
          "stocked": false,
          "tracked": true,
          "variant_id": "21"
        },
        {
          "available": -2,
          "committed": 3,
          "damaged": null,
          "id": "31:41",
          "imported_available": null,
          "incoming": 0,
          "on_hand": 1,
          "quality_control": null,
          "reserved": null,
          "safety_stock": null,
          "stocked": true,
          "tracked": true,
          "variant_id": "21"
        },
        {
          "available": -9,
          "committed": null,
          "damaged": null,
          "id": "32:41",
          "imported_available": null,
          "incoming": null,
          "on_hand": null,
          "quality_control": null,
          "reserved": null,
          "safety_stock": null,
          "stocked": true,
          "tracked": false,
          "variant_id": "22"
        }
      ]
    }
    "#);
    assert_eq!(
        item.codes,
        [
            (Resource::Products, Code::MissArchivedInSource),
            (Resource::Variants, Code::IdDuplicateSku),
            (Resource::Variants, Code::FldPriceInvalid),
            (Resource::Media, Code::MedTypeUnsupported),
            (Resource::Media, Code::MedNotReady),
        ]
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
}

#[test]
fn children_may_come_in_any_order_within_their_product() {
    let lines = full_product();
    let expected = product(&lines);
    let mut levels_first = vec![lines[0].clone()];
    levels_first.extend(lines[1..].iter().rev().filter(|line| line["mediaContentType"].is_null()).cloned());
    levels_first.extend(lines[1..].iter().filter(|line| !line["mediaContentType"].is_null()).cloned());
    assert_eq!(product(&levels_first), expected);
}

#[test]
fn nulls_and_absent_fields_are_the_same_and_empty_texts_are_not() {
    let bare = json!({"id": "gid://shopify/Product/1"});
    let nulls = json!({"id": "gid://shopify/Product/1", "title": null, "category": null, "seo": null, "options": null,
        "tags": null, "variantsCount": null, "__parentId": null});
    let empty = json!({"id": "gid://shopify/Product/1", "productType": ""});
    assert_eq!(product(std::slice::from_ref(&bare)), product(&[nulls]));
    assert_ne!(product(&[bare]), product(&[empty]));
}

#[test]
fn a_product_with_fewer_or_more_children_than_it_counts_is_truncated() {
    for (missing, field) in [(1, "variant"), (9, "media")] {
        let mut lines = full_product();
        let id = lines.remove(missing)["id"].clone();
        lines.retain(|line| line["__parentId"] != id);
        assert!(product(&lines).truncated, "{field}");
    }
    let mut lines = full_product();
    let mut extra = lines[9].clone();
    extra["id"] = json!("gid://shopify/Video/99");
    lines.push(extra);
    assert!(product(&lines).truncated);
    lines[0]["mediaCount"] = json!({"count": 1, "precision": "AT_LEAST"});
    assert!(!product(&lines).truncated);
}

#[test]
fn a_child_whose_parent_is_not_in_the_block_is_an_orphan() {
    let mut lines = full_product();
    lines[2]["__parentId"] = json!("gid://shopify/ProductVariant/999");
    lines[8]["__parentId"] = json!("gid://shopify/Product/2");
    let (item, orphans) = draft::<ProductDraft>(&lines, &context());
    assert_eq!(orphans, 2);
    assert_eq!(item.records[1].1.children[0].len(), 2);
}

#[test]
fn a_shop_without_stock_rights_yields_no_stock_record() {
    let (item, _) = draft::<ProductDraft>(&full_product()[..1], &MapContext { stock: false, ..context() });
    assert_eq!(item.records.len(), 1);
}

#[test]
fn a_level_that_two_variants_share_is_one_level() {
    let mut lines = full_product();
    lines[5]["inventoryItem"]["id"] = json!("gid://shopify/InventoryItem/31");
    let stock = &product(&lines).records[1].1.children[0];
    let ids: Vec<&str> = stock.iter().map(|level| level.id.as_str()).collect();
    assert_eq!(ids, ["31:7", "31:41"]);
}

#[test]
fn variants_stand_by_position_whatever_their_order_in_the_file() {
    let mut lines = full_product();
    lines[1]["position"] = json!(3);
    let item = product(&lines);
    let ids: Vec<&str> = item.records[0].1.children[0].iter().map(|variant| variant.id.as_str()).collect();
    assert_eq!(ids, ["22", "21"]);
}

#[test]
fn what_another_version_of_the_api_might_add_does_no_harm() {
    let mut lines = full_product();
    lines[0]["newField"] = json!({"a": [1]});
    lines.push(json!({"id": "gid://shopify/NewThing/1", "__parentId": "gid://shopify/Product/1"}));
    let item = product(&lines);
    assert!(item.codes.contains(&(Resource::Products, Code::FldUnsupported)));
    assert!(!item.truncated);
}

#[test]
fn metafields_of_product_and_variants_make_one_record() {
    let metafield = |id: u64, parent: &str| {
        json!({"id": format!("gid://shopify/Metafield/{id}"), "namespace": "custom", "key": format!("k{id}"),
            "type": "single_line_text_field", "value": "v\u{2028}", "__parentId": parent})
    };
    let lines = [
        json!({"id": "gid://shopify/Product/1", "title": "T"}),
        metafield(7, "gid://shopify/ProductVariant/2"),
        metafield(9, "gid://shopify/Product/1"),
        json!({"id": "gid://shopify/ProductVariant/2", "__parentId": "gid://shopify/Product/1"}),
        metafield(8, "gid://shopify/ProductVariant/3"),
    ];
    let (item, orphans) = draft::<MetafieldsDraft>(&lines, &context());
    assert_eq!((item.external_id, item.label.as_str(), orphans), (1, "T", 1));
    assert_eq!(item.codes, [(Resource::Metafields, Code::FldMetafieldUnmapped)]);
    let (bare, _) = draft::<MetafieldsDraft>(&lines[..1], &context());
    assert!(bare.codes.is_empty(), "a product without metafields has none to tell of");
    assert_eq!(
        named(&item, 0),
        json!({"metafields": [
            {"id": "7", "owner": "variant:2", "namespace": "custom", "key": "k7", "type": "single_line_text_field", "value": "v\u{2028}"},
            {"id": "9", "owner": "product:1", "namespace": "custom", "key": "k9", "type": "single_line_text_field", "value": "v\u{2028}"},
        ]})
    );
}

fn collection(sources: Value) -> SourceItem {
    let lines = [
        json!({"id": "gid://shopify/Collection/5", "title": "Sale", "descriptionHtml": "", "handle": "sale",
            "sortOrder": "MANUAL", "templateSuffix": null, "image": {"url": "https://cdn.shopify.com/c.png?v=9", "altText": "a"},
            "seo": {"title": "t", "description": null}, "productsCount": {"count": 2, "precision": "EXACT"}, "sources": sources}),
        json!({"id": "gid://shopify/Product/9", "__parentId": "gid://shopify/Collection/5"}),
        json!({"id": "gid://shopify/Product/3", "__parentId": "gid://shopify/Collection/5"}),
    ];
    let (item, orphans) = draft::<CategoryDraft>(&lines, &context());
    assert_eq!(orphans, 0);
    item
}

#[test]
fn a_manual_collection_keeps_the_order_of_its_members() {
    let source = json!({"__typename": "CollectionConditionsSource", "title": "x",
        "inclusion": {"matchType": null, "conditions": []}, "exclusion": null});
    let item = collection(json!([source]));
    assert_eq!(
        named(&item, 0),
        json!({"title": "Sale", "description_html": "", "handle": "sale", "type": "manual", "sort_order": "MANUAL",
            "rules": null, "image_url": "https://cdn.shopify.com/c.png", "image_alt": "a", "seo_title": "t",
            "seo_description": null, "template_suffix": null, "memberships": [{"id": "9"}, {"id": "3"}]})
    );
    assert_eq!((item.codes.as_slice(), item.truncated), (&[][..], false));
}

#[test]
fn a_smart_collection_keeps_its_rules_and_says_that_it_is_frozen() {
    let condition = json!({"values": ["sale"], "tagRelation": "EQUALS", "matchType": "ANY",
        "__typename": "CollectionSourceInclusionConditionProductTag"});
    let source = json!({"title": "x", "__typename": "CollectionConditionsSource", "targetType": "PRODUCTS",
        "inclusion": {"matchType": "ALL", "conditions": [condition]}, "exclusion": null});
    let item = collection(json!([source]));
    assert_eq!(named(&item, 0)["type"], "smart");
    assert_eq!(
        named(&item, 0)["rules"].to_string(),
        r#"[{"__typename":"CollectionConditionsSource","inclusion":{"conditions":[{"__typename":"CollectionSourceInclusionConditionProductTag","matchType":"ANY","tagRelation":"EQUALS","values":["sale"]}],"matchType":"ALL"},"targetType":"PRODUCTS","title":"x"}]"#
    );
    assert_eq!(item.codes, [(Resource::Categories, Code::ColSmartFrozen)]);
    for unknown in [
        json!({"__typename": "CollectionNewSource"}),
        json!({"__typename": "CollectionConditionsSource", "inclusion": {"conditions":
            [{"__typename": "CollectionSourceInclusionConditionUnknown"}]}}),
    ] {
        let item = collection(json!([unknown]));
        assert!(item.codes.contains(&(Resource::Categories, Code::FldUnsupported)), "{unknown}");
        assert_eq!(named(&item, 0)["type"], "smart");
    }
}

#[test]
fn a_collection_whose_members_are_fewer_than_it_counts_is_truncated() {
    let lines =
        [json!({"id": "gid://shopify/Collection/5", "productsCount": {"count": 1, "precision": "EXACT"}})];
    assert!(draft::<CategoryDraft>(&lines, &context()).0.truncated);
}

#[test]
fn a_member_named_twice_is_one_member() {
    let member = json!({"id": "gid://shopify/Product/9", "__parentId": "gid://shopify/Collection/5"});
    let lines = [json!({"id": "gid://shopify/Collection/5"}), member.clone(), member];
    let (item, _) = draft::<CategoryDraft>(&lines, &context());
    assert_eq!(named(&item, 0)["memberships"], json!([{"id": "9"}]));
}

#[test]
fn a_location_becomes_a_warehouse_with_its_flags() {
    let location: Location = serde_json::from_value(json!({"id": "gid://shopify/Location/41", "name": "Praha",
        "isActive": false, "isFulfillmentService": true, "fulfillsOnlineOrders": false, "shipsInventory": true,
        "createdAt": "2025-01-01T00:00:00Z", "address": {"city": "Praha", "zip": null, "countryCode": "CZ"}}))
    .unwrap();
    let item = SourceItem::from(location);
    assert_eq!((item.external_id, item.label.as_str()), (41, "Praha"));
    assert_eq!(
        named(&item, 0),
        json!({"name": "Praha", "active": false, "fulfillment_service": true, "fulfills_online_orders": false,
            "ships_inventory": true, "address": {"city": "Praha", "country_code": "CZ"}, "created_at": "2025-01-01T00:00:00Z",
            "source_name": "Praha"})
    );
    assert_eq!(
        item.codes,
        [(Resource::Warehouses, Code::LocInactive), (Resource::Warehouses, Code::LocFulfillmentService)]
    );
}

#[test]
fn decimals_have_one_spelling() {
    for (written, canonical) in [
        ("10", "10.00"),
        ("10.0", "10.00"),
        ("10.00", "10.00"),
        ("10.000", "10.00"),
        ("010.5", "10.50"),
        ("10.505", "10.505"),
        ("10.5050", "10.505"),
        ("0", "0.00"),
        ("-0.0", "0.00"),
        ("-0.01", "-0.01"),
        ("0000.10", "0.10"),
        ("123456789012345678901234567890.12", "123456789012345678901234567890.12"),
    ] {
        assert_eq!(canonical_decimal(written).as_deref(), Some(canonical), "{written}");
    }
    for wrong in ["", "-", ".", "1.", ".5", "1,5", "1e3", "+1", " 1", "١", "NaN", &"1".repeat(65)] {
        assert_eq!(canonical_decimal(wrong), None, "{wrong}");
    }
}

#[test]
fn roots_of_another_feed_are_refused() {
    let product = br#"{"id":"gid://shopify/Product/1"}"#;
    let collection = br#"{"id":"gid://shopify/Collection/1"}"#;
    assert!(ProductDraft::read(collection, &context()).is_err());
    assert!(MetafieldsDraft::read(collection, &context()).is_err());
    assert!(CategoryDraft::read(product, &context()).is_err());
    assert!(ProductDraft::read(br#"{"title":"no id"}"#, &context()).is_err());
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let mut line = br#"{"id":"gid://shopify/Product/1","title":"a"}"#.to_vec();
    let letter = line.iter().rposition(|byte| *byte == b'a').unwrap();
    line[letter] = 0xff;
    let Err(error) = ProductDraft::read(&line, &context()) else { panic!("it was read") };
    assert!(error.is_syntax(), "{error}");
    assert_eq!(error.line(), 1);
    assert!(error.column() >= letter, "{error}");
}
