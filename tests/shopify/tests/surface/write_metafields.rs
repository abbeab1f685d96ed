use serde_json::{Value, json};

use crate::support::{Sim, WRITE, codes};

const SET: &str = "mutation($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) {
    metafields { key value compareDigest type } userErrors { field message code elementIndex } } }";

async fn products(sim: &Sim, token: &str) -> [Value; 2] {
    let create =
        "mutation { productCreate(product: {title: \"Mug\"}) { product { id } userErrors { message } } }";
    let one = sim.done(token, create, Value::Null).await["product"]["id"].clone();
    [one, sim.done(token, create, Value::Null).await["product"]["id"].clone()]
}

fn field(owner: &Value, key: &str, kind: &str, value: &str) -> Value {
    json!({"ownerId": owner, "namespace": "custom", "key": key, "type": kind, "value": value})
}

#[tokio::test]
async fn metafields_are_set_all_or_none() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let [one, _] = products(&sim, &token).await;
    let good = field(&one, "care", "single_line_text_field", "Cold");
    let bad = field(&one, "count", "number_integer", "many");
    let refused = sim.mutate(&token, SET, json!({"metafields": [good, bad]})).await;
    assert_eq!(codes(&refused), ["INVALID_VALUE"]);
    assert_eq!(refused["userErrors"][0]["elementIndex"], 1);
    assert_eq!(refused["userErrors"][0]["field"], json!(["metafields", "1", "value"]));
    assert_eq!(sim.rows("products").await[0]["metafields"], json!({}));
    let done = sim.done(&token, SET, json!({"metafields": [good]})).await;
    assert_eq!(done["metafields"][0]["value"], "Cold");
    let many: Vec<Value> = (0..26).map(|n| field(&one, &format!("key{n}"), "json", "{}")).collect();
    assert_eq!(
        codes(&sim.mutate(&token, SET, json!({ "metafields": many })).await),
        ["LESS_THAN_OR_EQUAL_TO"]
    );
    let mut untyped = field(&one, "new", "", "x");
    untyped["type"] = Value::Null;
    assert_eq!(codes(&sim.mutate(&token, SET, json!({"metafields": [untyped]})).await), ["BLANK"]);
}

#[tokio::test]
async fn a_digest_guards_against_what_came_in_between() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let [one, _] = products(&sim, &token).await;
    let with = |value: &str, digest: &Value| {
        let mut input = field(&one, "care", "single_line_text_field", value);
        input["compareDigest"] = digest.clone();
        json!({"metafields": [input]})
    };
    let first = sim.done(&token, SET, with("Cold", &Value::Null)).await;
    let digest = &first["metafields"][0]["compareDigest"];
    assert_eq!(
        codes(&sim.mutate(&token, SET, with("Warm", &Value::Null)).await),
        ["STALE_OBJECT"],
        "null: it must not be there"
    );
    sim.done(&token, SET, with("Warm", digest)).await;
    assert_eq!(codes(&sim.mutate(&token, SET, with("Hot", digest)).await), ["STALE_OBJECT"]);
    sim.done(&token, SET, json!({"metafields": [field(&one, "care", "single_line_text_field", "Hot")]}))
        .await;
}

#[tokio::test]
async fn a_definition_types_and_a_unique_one_fences() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let [one, two] = products(&sim, &token).await;
    sim.define_id(&token, "PRODUCT").await;
    let id = |owner: &Value, value: &str| json!({"ownerId": owner, "namespace": "sync", "key": "external_id", "value": value});
    sim.done(&token, SET, json!({"metafields": [id(&one, "A")]})).await;
    sim.done(&token, SET, json!({"metafields": [id(&one, "A")]})).await;
    assert_eq!(
        codes(&sim.mutate(&token, SET, json!({"metafields": [id(&two, "A")]})).await),
        ["CAPABILITY_VIOLATION"]
    );
    assert_eq!(
        codes(&sim.mutate(&token, SET, json!({"metafields": [id(&one, "B"), id(&two, "B")]})).await),
        ["CAPABILITY_VIOLATION"]
    );
    let mut typed = id(&two, "C");
    typed["type"] = json!("single_line_text_field");
    assert_eq!(codes(&sim.mutate(&token, SET, json!({"metafields": [typed]})).await), ["INVALID_TYPE"]);
    sim.done(&token, SET, json!({"metafields": [id(&one, "Z")]})).await;
    sim.done(&token, SET, json!({"metafields": [id(&two, "A")]})).await;
    let delete = "mutation($metafields: [MetafieldIdentifierInput!]!) { metafieldsDelete(metafields: $metafields) { deletedMetafields { key } userErrors { message } } }";
    let name = json!({"ownerId": two, "namespace": "sync", "key": "external_id"});
    let gone = sim.done(&token, delete, json!({"metafields": [name, name]})).await;
    assert_eq!(gone["deletedMetafields"], json!([{"key": "external_id"}, null]));
    sim.done(&token, SET, json!({"metafields": [id(&one, "A")]})).await;
}

#[tokio::test]
async fn a_definition_is_made_once_and_of_a_type_that_exists() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let create = "mutation($definition: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $definition) {
        createdDefinition { id type { name } capabilities { uniqueValues { enabled } } } userErrors { field code } } }";
    let wanted = |kind: &str, unique: Value| {
        json!({"definition": {"name": "Ref", "namespace": "sync", "key": "ref", "type": kind, "ownerType": "ORDER",
            "capabilities": {"uniqueValues": {"enabled": unique}}}})
    };
    for (kind, unique, code) in [
        ("text", json!(true), "INCLUSION"),
        ("id", json!(false), "CAPABILITY_REQUIRED_BUT_DISABLED"),
        ("json", json!(true), "INVALID_CAPABILITY"),
    ] {
        assert!(codes(&sim.mutate(&token, create, wanted(kind, unique)).await).contains(&code), "{kind}");
    }
    let made = sim.done(&token, create, wanted("id", json!(true))).await;
    assert_eq!(made["createdDefinition"]["capabilities"]["uniqueValues"]["enabled"], true);
    assert_eq!(codes(&sim.mutate(&token, create, wanted("id", json!(true))).await), ["TAKEN"]);
    let listed = sim
        .data(
            &token,
            "{ metafieldDefinitions(first: 5, ownerType: ORDER) { nodes { key type { name } } } }",
            Value::Null,
        )
        .await;
    assert_eq!(listed["metafieldDefinitions"]["nodes"], json!([{"key": "ref", "type": {"name": "id"}}]));
}

#[tokio::test]
async fn tags_join_and_leave() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let [one, _] = products(&sim, &token).await;
    let change = |verb: &str| {
        format!(
            "mutation($id: ID!, $tags: [String!]!) {{ {verb}(id: $id, tags: $tags) {{ node {{ ... on Product {{ tags }} }} userErrors {{ message }} }} }}"
        )
    };
    let added = sim.done(&token, &change("tagsAdd"), json!({"id": one, "tags": ["Sale", "new"]})).await;
    assert_eq!(added["node"]["tags"], json!(["new", "Sale"]));
    let again = sim.done(&token, &change("tagsAdd"), json!({"id": one, "tags": ["SALE", "art"]})).await;
    assert_eq!(again["node"]["tags"], json!(["art", "new", "Sale"]));
    let less = sim.done(&token, &change("tagsRemove"), json!({"id": one, "tags": ["sale", "never"]})).await;
    assert_eq!(less["node"]["tags"], json!(["art", "new"]));
}
