//! What rows become.

use super::*;
use crate::domain::push::mapping::Wanted;
use crate::domain::push::row::{Purpose, undouble_apostrophes};
use crate::domain::push::target::MatchBy;

/// What the rows of one record become, for a new record and for one that exists.
fn mapped(document: &Value, rows: &[Value]) -> (Value, Value) {
    let mapping = compile(document).unwrap();
    let rows: Vec<Row> = rows.iter().cloned().map(row).collect();
    let rows: Vec<&Row> = rows.iter().collect();
    let record = mapping.records().unwrap().map(&rows).unwrap();
    (record.input(Purpose::Create).unwrap().values, record.input(Purpose::Update).unwrap().values)
}

/// Code, path and column of everything that is wrong with a row.
fn refused(document: &Value, rows: &[Value]) -> Vec<(&'static str, String, Option<String>)> {
    let mapping = compile(document).unwrap();
    let rows: Vec<Row> = rows.iter().cloned().map(row).collect();
    let rows: Vec<&Row> = rows.iter().collect();
    let problems = mapping.records().unwrap().map(&rows).map(|_| ()).unwrap_err();
    problems.into_iter().map(|problem| (problem.code.as_str(), problem.path, problem.column)).collect()
}

#[test]
fn rows_of_one_product_become_its_variants() {
    let shirt = |size: &str, sku: &str, price: Value| {
        json!({"product_id": "P-1", "name": "Shirt", "body": null, "tag_list": "new, linen,,", "care": "30 °C",
               "size": size, "color": "Blue", "sku": sku, "price": price})
    };
    let rows = [shirt("S", "S-1", json!(19.9)), shirt("M", "M-1", json!("0020.00"))];
    let (create, update) = mapped(&example(Stream::Products), &rows);
    let variant = |size: &str, sku: &str, price: &str| {
        json!({"sku": sku, "price": price, "optionValues": [
            {"optionName": "Size", "name": size}, {"optionName": "Color", "name": "Blue"}]})
    };
    let common = json!({
        "title": "Shirt", "tags": ["new", "linen"],
        "metafields": [{"namespace": "custom", "key": "care_guide", "type": "multi_line_text_field", "value": "30 °C"}],
        "variants": [variant("S", "S-1", "19.9"), variant("M", "M-1", "20.00")]
    });
    assert_eq!(update, common, "what is written with a new record alone is left out");
    let mut new = common;
    new["handle"] = json!("shirt");
    new["status"] = json!("DRAFT");
    assert_eq!(create, new);
}

#[test]
fn a_customer_is_found_by_the_keys_that_the_row_has() {
    let mapping = compile(&example(Stream::Customers)).unwrap();
    let row =
        row(json!({"crm_id": null, "email": " Ada@Example.com ", "phone": "06 12 34 56 78", "first": "Ada",
        "tier": "GOLD", "ltv": "12.5", "city": "Paris", "country": "fr", "note": ""}));
    let record = mapping.records().unwrap().map(&[&row]).unwrap();
    let keys: Vec<(MatchBy, &str)> =
        record.identifiers.iter().map(|key| (key.by, key.value.as_str())).collect();
    assert_eq!(keys, [(MatchBy::Email, "ada@example.com"), (MatchBy::Phone, "+33612345678")]);
    let expected = json!({
        "email": "ada@example.com", "phone": "+33612345678", "firstName": "Ada", "note": "", "tags": ["tier-gold"],
        "addresses": [{"city": "Paris", "countryCode": "FR"}],
        "metafields": [{"namespace": "crm", "key": "lifetime_value", "type": "number_decimal", "value": "12.5"}]
    });
    assert_eq!(record.input(Purpose::Update).unwrap().values, expected);
}

#[test]
fn ids_to_ask_for_stand_where_they_belong() {
    let mapping = compile(&example(Stream::Orders)).unwrap();
    let row = row(json!({
        "order_no": 1001, "placed_at": "2026-11-01 09:30:00", "currency": "EUR", "email": "a@example.com",
        "lines": "[{\"sku\":\"A\",\"qty\":\"2\",\"unit_price\":10},{\"sku\":\"B\",\"qty\":1.0,\"unit_price\":\"5.50\"}]",
        "payments": [{"amount": "25.50"}]
    }));
    let record = mapping.records().unwrap().map(&[&row]).unwrap();
    assert_eq!(record.key(), "1001");
    let create = record.input(Purpose::Create).unwrap();
    let asked: Vec<(Wanted, &str, &str)> = create
        .lookups
        .iter()
        .map(|lookup| (lookup.what, lookup.key.as_str(), lookup.pointer.as_str()))
        .collect();
    let variant = Wanted::Variant(MatchBy::Sku);
    assert_eq!(asked, [(variant, "A", "/lineItems/0/variantId"), (variant, "B", "/lineItems/1/variantId")]);
    assert!(asked.iter().all(|(_, _, pointer)| create.values.pointer(pointer) == Some(&Value::Null)));
    let money = |amount: &str| json!({"shopMoney": {"amount": amount, "currencyCode": "EUR"}});
    assert_eq!(
        create.values["lineItems"][1],
        json!({"variantId": null, "quantity": 1, "priceSet": money("5.50")})
    );
    assert_eq!(create.values["processedAt"], "2026-11-01T09:30:00Z");
    let paid = json!([{"kind": "SALE", "status": "SUCCESS", "amountSet": money("25.50")}]);
    assert_eq!(create.values["transactions"], paid);
    assert_eq!(record.input(Purpose::Update).unwrap().values.get("transactions"), None);
}

#[test]
fn a_level_is_an_item_a_place_and_a_whole_number() {
    let mapping = compile(&example(Stream::InventoryLevels)).unwrap();
    let levels = mapping.levels().unwrap();
    let level = levels.map(&row(json!({"sku": "A-1", "warehouse": "Paris", "qty": "12"}))).unwrap();
    assert_eq!((level.item.1.as_str(), level.location.1.as_str(), level.quantity), ("A-1", "Paris", 12));
    for (row_, code, path) in [
        (json!({"sku": "A-1", "warehouse": "Paris", "qty": "12.5"}), "TYPE_MISMATCH", "quantity"),
        (json!({"sku": "A-1", "warehouse": "Paris", "qty": 9_000_000_000_u64}), "TYPE_MISMATCH", "quantity"),
        (json!({"sku": "A-1", "warehouse": "Paris", "qty": null}), "REQUIRED_MISSING", "quantity"),
        (json!({"sku": "", "warehouse": "Paris", "qty": 1}), "REQUIRED_MISSING", "match.item"),
        (json!({"sku": "A-1", "qty": 0}), "REQUIRED_MISSING", "match.location"),
    ] {
        let problems = levels.map(&row(row_)).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!((problems[0].code.as_str(), problems[0].path.as_str()), (code, path));
    }
}

#[test]
fn nothing_leaves_a_field_alone_unless_the_mapping_says_otherwise() {
    let document = example(Stream::ProductVariants);
    let (_, update) = mapped(&document, &[json!({"sku": "A", "price": "1", "list_price": "", "ean": null})]);
    let expected = json!({"price": "1", "compareAtPrice": null, "inventoryItem": {"tracked": true}});
    assert_eq!(update, expected, "omitted, emptied, and constant");
    let problems = refused(&document, &[json!({"sku": "A"})]);
    assert_eq!(problems, [("REQUIRED_MISSING", "price".to_owned(), Some("price".to_owned()))]);
}

#[test]
fn everything_wrong_with_a_row_is_told_at_once_with_its_column() {
    let document = products(json!([
        {"to": "metafields.custom.size", "from": "size_cm"},
        {"to": "vendor", "from": "brand", "required": true},
        {"to": "giftCard", "from": "gift"},
        {"to": "variants[]", "each": "json:variants", "fields": [
            {"to": "option.Size", "from": "size"}, {"to": "price", "from": "price"}]},
    ]));
    let bad = json!({"handle": "x", "name": {"en": "x"}, "size_cm": "12.5", "gift": "maybe",
        "variants": [{"size": "S", "price": "1"}, {"size": "M", "price": "1,50"}]});
    let told = refused(&document, &[bad]);
    let column = |name: &str| Some(name.to_owned());
    assert_eq!(
        told,
        [
            ("TYPE_MISMATCH", "title".to_owned(), column("name")),
            ("TYPE_MISMATCH", "metafields.custom.size".to_owned(), column("size_cm")),
            ("REQUIRED_MISSING", "vendor".to_owned(), column("brand")),
            ("TYPE_MISMATCH", "giftCard".to_owned(), column("gift")),
            ("TYPE_MISMATCH", "variants[1].price".to_owned(), column("price")),
        ]
    );
    assert_eq!(refused(&products(json!([])), &[json!({"name": "x"})])[0].0, "REQUIRED_MISSING", "no key");
}

#[test]
fn what_the_shop_would_refuse_for_a_gap_is_told_before() {
    let untitled = row(json!({"product_id": 1, "name": null, "sku": "A", "size": "S"}));
    let mut document = example(Stream::Products);
    document["fields"][0]["required"] = json!(false);
    let mapping = compile(&document).unwrap();
    let record = mapping.records().unwrap().map(&[&untitled]).unwrap();
    assert_eq!(record.input(Purpose::Create).unwrap_err()[0].path, "title");
    assert!(record.input(Purpose::Update).is_ok(), "a product that exists keeps its title");

    let sizeless = json!({"product_id": 1, "name": "x", "sku": "A"});
    let told = refused(&example(Stream::Products), &[sizeless]);
    assert_eq!(told, [("REQUIRED_MISSING", "variants[0].optionValues".to_owned(), None)]);
    let order =
        json!({"order_no": 1, "currency": "EUR", "lines": [{"sku": "A"}], "payments": [{"amount": 1}]});
    let told = refused(&example(Stream::Orders), &[order]);
    assert_eq!(told, [("REQUIRED_MISSING", "lineItems[0].quantity".to_owned(), None)]);
    let unpaid = json!({"order_no": 1, "currency": "EUR", "lines": [{"sku": "A", "qty": 1}], "payments": [{"sum": 1}]});
    let told = refused(&example(Stream::Orders), &[unpaid]);
    assert_eq!(told, [("REQUIRED_MISSING", "transactions[0].amountSet".to_owned(), None)]);
}

#[test]
fn rows_of_one_product_must_agree() {
    let rows = [
        json!({"product_id": 1, "name": "A", "sku": "1", "size": "S"}),
        json!({"product_id": 1, "name": "B", "sku": "2", "size": "M"}),
    ];
    let told = refused(&example(Stream::Products), &rows);
    assert_eq!(told, [("GROUP_DISAGREES", "title".to_owned(), Some("name".to_owned()))]);
}

#[test]
fn rows_are_grouped_where_their_key_is_met_first() {
    let mapping = compile(&example(Stream::Products)).unwrap();
    let rows: Vec<Row> = [
        json!({"product_id": "b"}),
        json!({"product_id": "a"}),
        json!({}),
        json!({"product_id": "b"}),
        json!({}),
    ]
    .map(row)
    .into();
    let rows: Vec<&Row> = rows.iter().collect();
    let groups = mapping.records().unwrap().group(&rows);
    assert_eq!(groups, [vec![0, 3], vec![1], vec![2], vec![4]]);
}

#[test]
fn apostrophes_that_multiwoven_doubled_are_undone() {
    let mut value = json!({"name": "O''Brien", "lines": [{"title": "Men''s", "qty": 1}], "ok": "it's"});
    undouble_apostrophes(&mut value);
    assert_eq!(value, json!({"name": "O'Brien", "lines": [{"title": "Men's", "qty": 1}], "ok": "it's"}));
}

#[test]
fn a_mapping_tells_which_columns_it_reads() {
    let told = |stream| {
        let columns = compile(&example(stream)).unwrap().columns();
        let needed: Vec<String> =
            columns.iter().filter(|(_, needed)| **needed).map(|(name, _)| name.clone()).collect();
        (columns.into_keys().collect::<Vec<_>>().join(" "), needed.join(" "))
    };
    let of = |columns: &str, needed: &str| (columns.to_owned(), needed.to_owned());
    let products = of("body care color name price product_id size sku tag_list", "name product_id sku");
    assert_eq!(told(Stream::Products), products);
    // Any of three keys will do; a template prints one column.
    assert_eq!(told(Stream::Customers), of("city country crm_id email first last ltv note phone tier", ""));
    // Columns of the lines of an order are the lines' own, but for what a pointer names.
    assert_eq!(told(Stream::Orders), of("currency email lines order_no payments placed_at", "order_no"));
    assert_eq!(told(Stream::InventoryLevels), of("qty sku warehouse", "qty sku warehouse"));
}
