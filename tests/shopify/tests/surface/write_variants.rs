use serde_json::{Value, json};

use crate::support::{Sim, WRITE, codes};

const CREATE: &str = "mutation($id: ID!, $variants: [ProductVariantsBulkInput!]!, $strategy: ProductVariantsBulkCreateStrategy) {
    productVariantsBulkCreate(productId: $id, variants: $variants, strategy: $strategy) {
        productVariants { id title sku price inventoryQuantity } userErrors { field message code } } }";
const UPDATE: &str = "mutation($id: ID!, $variants: [ProductVariantsBulkInput!]!, $partial: Boolean) {
    productVariantsBulkUpdate(productId: $id, variants: $variants, allowPartialUpdates: $partial) {
        productVariants { id title sku price } userErrors { field message code } } }";

/// A product with one option, `Size`, and one variant, `S`.
async fn product(sim: &Sim, token: &str) -> Value {
    let set = "mutation { productSet(input: {title: \"Tee\", productOptions: [{name: \"Size\", values: [{name: \"S\"}]}],
        variants: [{optionValues: [{optionName: \"Size\", name: \"S\"}], price: \"5\"}]}) {
        product { id options { id optionValues { id } } variants(first: 9) { nodes { id } } } userErrors { message } } }";
    sim.done(token, set, Value::Null).await["product"].clone()
}

fn size(name: &str) -> Value {
    json!([{"optionName": "Size", "name": name}])
}

#[tokio::test]
async fn variants_are_added_with_new_values_and_stock() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let product = product(&sim, &token).await;
    let location = *sim.simulator().shop("demo").unwrap().snapshot().shop.locations.keys().next().unwrap();
    let stock = json!([{"locationId": format!("gid://shopify/Location/{location}"), "availableQuantity": 4}]);
    let wanted = json!([{"optionValues": size("M"), "price": 7.5, "inventoryItem": {"sku": "TEE-M", "tracked": true}, "inventoryQuantities": stock}]);
    let made = sim.done(&token, CREATE, json!({"id": product["id"], "variants": wanted})).await;
    let made = &made["productVariants"][0];
    assert_eq!(
        (&made["title"], &made["sku"], &made["price"], &made["inventoryQuantity"]),
        (&json!("M"), &json!("TEE-M"), &json!("7.50"), &json!(4))
    );
    let clash = json!([{"optionValues": size("L")}, {"optionValues": size("m")}]);
    let refused = sim.mutate(&token, CREATE, json!({"id": product["id"], "variants": clash})).await;
    assert_eq!(codes(&refused), ["VARIANT_ALREADY_EXISTS"]);
    assert_eq!(refused["userErrors"][0]["field"], json!(["variants", "1"]));
    assert_eq!(sim.rows("variants").await.len(), 2, "all or none");
    let none = sim.mutate(&token, CREATE, json!({"id": product["id"], "variants": [{"price": "1"}]})).await;
    assert_eq!(codes(&none), ["NEED_TO_ADD_OPTION_VALUES"]);
}

#[tokio::test]
async fn the_standalone_variant_goes_unless_it_is_to_stay() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let create =
        "mutation { productCreate(product: {title: \"Mug\"}) { product { id } userErrors { message } } }";
    for (strategy, left) in [("DEFAULT", 1), ("PRESERVE_STANDALONE_VARIANT", 2)] {
        let id = sim.done(&token, create, Value::Null).await["product"]["id"].clone();
        let before = sim.rows("variants").await.len();
        let wanted = json!([{"optionValues": [{"optionName": "Title", "name": "Blue"}]}]);
        sim.done(&token, CREATE, json!({"id": id, "variants": wanted, "strategy": strategy})).await;
        assert_eq!(sim.rows("variants").await.len(), before - 1 + left, "{strategy}");
    }
}

#[tokio::test]
async fn variants_are_updated_together_or_one_by_one() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let product = product(&sim, &token).await;
    let own = product["variants"]["nodes"][0]["id"].clone();
    let wanted = json!([{"id": own, "price": "6"}, {"id": "gid://shopify/ProductVariant/1", "price": "7"}, {"price": "8"}]);
    let refused = sim.mutate(&token, UPDATE, json!({"id": product["id"], "variants": wanted})).await;
    assert_eq!(codes(&refused), ["PRODUCT_VARIANT_DOES_NOT_EXIST", "PRODUCT_VARIANT_ID_MISSING"]);
    assert_eq!(refused["productVariants"], Value::Null);
    assert_eq!(sim.rows("variants").await[0]["price"], "5.00");
    let partly =
        sim.mutate(&token, UPDATE, json!({"id": product["id"], "variants": wanted, "partial": true})).await;
    assert_eq!(codes(&partly), ["PRODUCT_VARIANT_DOES_NOT_EXIST", "PRODUCT_VARIANT_ID_MISSING"]);
    assert_eq!(partly["productVariants"].as_array().unwrap().len(), 1);
    assert_eq!(sim.rows("variants").await[0]["price"], "6.00");
    let stock = json!([{"id": own, "inventoryQuantities": [{"locationId": "gid://shopify/Location/1", "availableQuantity": 4}]}]);
    let refused = sim.mutate(&token, UPDATE, json!({"id": product["id"], "variants": stock})).await;
    assert_eq!(codes(&refused), ["NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE"]);
    let many: Vec<Value> = (0..2_049).map(|_| json!({"id": own})).collect();
    let answer = sim.ask(&token, UPDATE, json!({"id": product["id"], "variants": many})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "MAX_INPUT_SIZE_EXCEEDED");
}

#[tokio::test]
async fn the_last_variant_stays_and_a_strange_one_stops_all() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let product = product(&sim, &token).await;
    let own = product["variants"]["nodes"][0]["id"].clone();
    let made = sim
        .done(&token, CREATE, json!({"id": product["id"], "variants": [{"optionValues": size("M")}]}))
        .await;
    let delete = "mutation($id: ID!, $variants: [ID!]!) { productVariantsBulkDelete(productId: $id, variantsIds: $variants) { product { id } userErrors { field message code } } }";
    let second = made["productVariants"][0]["id"].clone();
    for (ids, code) in [
        (json!([own, second]), "CANNOT_DELETE_LAST_VARIANT"),
        (
            json!([own, "gid://shopify/ProductVariant/1"]),
            "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT",
        ),
    ] {
        let refused = sim.mutate(&token, delete, json!({"id": product["id"], "variants": ids})).await;
        assert_eq!(codes(&refused), [code]);
    }
    assert_eq!(sim.rows("variants").await.len(), 2);
    sim.done(&token, delete, json!({"id": product["id"], "variants": [own]})).await;
    assert_eq!(sim.rows("variants").await.len(), 1);
}

#[tokio::test]
async fn options_are_added_renamed_and_removed() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let product = product(&sim, &token).await;
    let shown = "product { options { id name optionValues { id name } } variants(first: 9) { nodes { title } } } userErrors { field message code }";
    let create = format!(
        "mutation($id: ID!, $options: [OptionCreateInput!]!) {{ productOptionsCreate(productId: $id, options: $options) {{ {shown} }} }}"
    );
    let wanted = json!([{"name": "Color", "values": [{"name": "Red"}, {"name": "Blue"}]}]);
    let made =
        sim.done(&token, &create, json!({"id": product["id"], "options": wanted})).await["product"].clone();
    assert_eq!(
        made["variants"]["nodes"],
        json!([{"title": "S / Red"}]),
        "variants take the first value, none are added"
    );
    let refused = sim.mutate(&token, &create, json!({"id": product["id"], "options": wanted})).await;
    assert_eq!(codes(&refused), ["OPTION_ALREADY_EXISTS"]);
    let update = format!(
        "mutation($id: ID!, $option: OptionUpdateInput!, $gone: [ID!]) {{ productOptionUpdate(productId: $id, option: $option, optionValuesToDelete: $gone) {{ {shown} }} }}"
    );
    let color = &made["options"][1];
    let wanted = json!({"id": product["id"], "option": {"id": color["id"], "name": "Colour"}, "gone": [color["optionValues"][1]["id"]]});
    let renamed = sim.done(&token, &update, wanted).await["product"].clone();
    assert_eq!(renamed["options"][1]["name"], "Colour");
    let wanted =
        json!({"id": product["id"], "option": {"id": color["id"]}, "gone": [color["optionValues"][0]["id"]]});
    assert_eq!(codes(&sim.mutate(&token, &update, wanted).await), ["OPTION_VALUE_HAS_VARIANTS"]);
    let delete = format!(
        "mutation($id: ID!, $options: [ID!]!) {{ productOptionsDelete(productId: $id, options: $options) {{ deletedOptionsIds {shown} }} }}"
    );
    let left = sim.done(&token, &delete, json!({"id": product["id"], "options": [color["id"]]})).await;
    assert_eq!(left["product"]["variants"]["nodes"], json!([{"title": "S"}]));
}
