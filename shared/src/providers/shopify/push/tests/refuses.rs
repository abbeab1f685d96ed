//! Each failure of a mapping has its code and its path, and all of them are told at once.

use super::*;

fn one(document: &Value, path: &str, code: &'static str) {
    let told = refused_with(document, &[]);
    assert_eq!(told, BTreeSet::from([(path.to_owned(), code)]), "{document}");
}

#[test]
fn everything_wrong_is_told_at_once() {
    let document = json!({
        "version": 2, "stream": "products", "operation": "set",
        "match": {"by": ["sku", "custom_id"], "key": "sync.unknown", "from": ["sku", "id"]},
        "fields": [
            {"to": "titel", "from": "name"},
            {"to": "status", "const": "FOR_SALE"},
            {"to": "vendor", "template": "{{ brand | shout }}"},
            {"to": "vendor", "form": "brand"},
            {"to": "metafields.custom.unknown", "from": "x"},
            {"to": "seo", "from": "seo"},
            {"to": "tags", "from": "tags"},
            {"to": "handle", "from": "name", "template": "{{ name }}"},
            {"to": "variants[]", "each": "json:variants", "fields": [{"to": "price", "const": "cheap"}]},
        ],
        "lists": {"tag": "add", "variants": "add"},
        "options": {"sendReceipt": true}
    });
    let told = refused_with(&document, &[]);
    let expected = [
        ("/version", "MAPPING_MALFORMED"),
        ("/operation", "MAPPING_MALFORMED"),
        ("/match/by/0", "TYPE_MISMATCH"),
        ("/match/key", "DEFINITION_MISSING"),
        ("/fields/0/to", "UNKNOWN_FIELD"),
        ("/fields/1/const", "TYPE_MISMATCH"),
        ("/fields/2/template", "TEMPLATE_ERROR"),
        ("/fields/3", "MAPPING_MALFORMED"),
        ("/fields/4/to", "DEFINITION_MISSING"),
        ("/fields/5/to", "TYPE_MISMATCH"),
        ("/fields/6/to", "TYPE_MISMATCH"),
        ("/fields/7", "MAPPING_MALFORMED"),
        ("/fields/8/fields/0/const", "TYPE_MISMATCH"),
        ("/fields/8/fields", "REQUIRED_MISSING"),
        ("/lists/tag", "UNKNOWN_FIELD"),
        ("/lists/variants", "TYPE_MISMATCH"),
        ("/options/sendReceipt", "UNKNOWN_FIELD"),
    ];
    let expected = expected.map(|(path, code)| (path.to_owned(), code));
    assert_eq!(told, BTreeSet::from(expected));
}

#[test]
fn what_a_new_record_needs_must_be_mapped() {
    let mut document = products(json!([]));
    document["fields"] = json!([{"to": "vendor", "from": "brand"}]);
    one(&document, "/fields", "REQUIRED_MISSING");
    document["operation"] = json!("update");
    assert!(compile(&document).is_ok(), "a title is needed for a new product alone");

    let mut orders = example(Stream::Orders);
    orders["fields"][4]["fields"] = json!([{"to": "title", "from": "name"}]);
    one(&orders, "/fields/4/fields", "REQUIRED_MISSING");
}

#[test]
fn a_field_is_filled_once() {
    one(&products(json!([{"to": "title", "const": "x"}])), "/fields/1/to", "DUPLICATE_TARGET");
    let twice = products(json!([{"to": "tags[]", "from": "a"}, {"to": "tags[]", "from": "b"}]));
    assert!(compile(&twice).is_ok(), "a list takes more than one");
}

#[test]
fn several_variants_cannot_be_written_into_one_path() {
    // What Multiwoven makes of two such entries is one variant with the last value.
    one(&products(json!([{"to": "variants[].price", "from": "price"}])), "/fields/1/to", "TYPE_MISMATCH");
}

#[test]
fn a_column_that_the_rows_do_not_have_is_told() {
    let document =
        products(json!([{"to": "vendor", "from": "brnd"}, {"to": "seo.title", "from": "/meta/title"}]));
    let told = refused_with(&document, &["name", "handle", "brand"]);
    let expected = [("/fields/1/from", "UNKNOWN_FIELD"), ("/fields/2/from", "UNKNOWN_FIELD")];
    assert_eq!(told, BTreeSet::from(expected.map(|(path, code)| (path.to_owned(), code))));
    let grouped = refused_with(
        &example(Stream::Products),
        &["product_id", "name", "body", "care", "tag_list", "size", "sku", "price"],
    );
    let of_element = ("/fields/6/fields/1/from".to_owned(), "UNKNOWN_FIELD");
    assert_eq!(grouped, BTreeSet::from([of_element]), "the columns of grouped rows are those of the rows");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    for (field, path, code) in [
        (
            json!({"to": "vendor", "lookup": {"variant_by": "sku", "from": "sku"}}),
            "/fields/1/lookup",
            "TYPE_MISMATCH",
        ),
        (json!({"to": "vendor", "money": {"amount": "a", "currency": "b"}}), "/fields/1/to", "TYPE_MISMATCH"),
        (json!({"to": "seo[0].title", "from": "x"}), "/fields/1/to", "TYPE_MISMATCH"),
        (json!({"to": "title.text", "from": "x"}), "/fields/1/to", "UNKNOWN_FIELD"),
        (json!({"to": "option.Size", "from": "x"}), "/fields/1/to", "UNKNOWN_FIELD"),
        (json!({"to": "metafields.x", "from": "x"}), "/fields/1/to", "UNKNOWN_FIELD"),
        (json!({"to": "vendor", "from": "x", "split": ","}), "/fields/1/split", "TYPE_MISMATCH"),
        (json!({"to": "tags[]", "from": "x", "split": ""}), "/fields/1/split", "MAPPING_MALFORMED"),
        (
            json!({"to": "vendor", "from": "x", "transform": ["shout"]}),
            "/fields/1/transform",
            "MAPPING_MALFORMED",
        ),
        (
            json!({"to": "vendor", "from": "x", "transform": ["e164:XX"]}),
            "/fields/1/transform",
            "MAPPING_MALFORMED",
        ),
        (
            json!({"to": "vendor", "const": "x", "transform": ["trim"]}),
            "/fields/1/transform",
            "TYPE_MISMATCH",
        ),
        (json!({"to": "vendor", "from": ""}), "/fields/1/from", "MAPPING_MALFORMED"),
        (json!({"to": "vendor", "from": "x", "if_null": "zero"}), "/fields/1", "MAPPING_MALFORMED"),
        (
            json!({"to": "metafields.custom.size", "from": "x", "if_null": "clear"}),
            "/fields/1/if_null",
            "TYPE_MISMATCH",
        ),
        (json!({"to": "category", "const": "shoes"}), "/fields/1/const", "TYPE_MISMATCH"),
        (json!({"to": "variants[]", "each": "rows", "fields": []}), "/fields/1/each", "MAPPING_MALFORMED"),
        (json!({"to": "vendor", "from": "x", "fields": []}), "/fields/1", "MAPPING_MALFORMED"),
        (json!({"to": "collections[1000000]", "from": "x"}), "/fields/1/to", "MAPPING_MALFORMED"),
    ] {
        one(&products(json!([field])), path, code);
    }
}

#[test]
fn an_order_names_its_customer_in_one_way() {
    let mut document = example(Stream::Orders);
    let fields = document["fields"].as_array_mut().unwrap();
    fields.push(json!({"to": "customer.toUpsert.email", "from": "email"}));
    assert!(compile(&document).is_ok());
    let fields = document["fields"].as_array_mut().unwrap();
    fields.push(json!({"to": "customer.toAssociate.id", "from": "customer"}));
    one(&document, "/fields", "TYPE_MISMATCH");
}

#[test]
fn stock_is_told_in_its_own_form() {
    let mut document = example(Stream::InventoryLevels);
    document["match"]["item"]["by"] = json!("name");
    document["match"]["location"]["by"] = json!("sku");
    let expected = [("/match/item/by", "TYPE_MISMATCH"), ("/match/location/by", "TYPE_MISMATCH")];
    assert_eq!(
        refused_with(&document, &[]),
        BTreeSet::from(expected.map(|(path, code)| (path.to_owned(), code)))
    );
    document["quantity"]["mode"] = json!("relative");
    one(&document, "", "MAPPING_MALFORMED");
    one(&json!({"stream": "gift_cards"}), "/stream", "MAPPING_MALFORMED");
    one(&json!([]), "/stream", "MAPPING_MALFORMED");
}
