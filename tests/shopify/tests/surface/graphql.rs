use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{READ, Sim};

#[tokio::test]
async fn refuses_what_the_schema_does_not_know() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let answer = sim.ask(&token, "{ products(first: 1) { nodes { id colour } } }", Value::Null).await;
    let error = &answer["errors"][0];
    assert_eq!(error["message"], "Field 'colour' doesn't exist on type 'Product'");
    assert_eq!(
        error["extensions"],
        json!({"code": "undefinedField", "typeName": "Product", "fieldName": "colour"})
    );
    assert_eq!(answer.get("data"), None);

    // `originalSource.url` has another type on images than on videos.
    let conflict = "{ product(id: \"gid://shopify/Product/1\") { media(first: 1) { nodes {
        ... on MediaImage { originalSource { url } } ... on Video { originalSource { url } } } } } }";
    assert_eq!(sim.ask(&token, conflict, Value::Null).await.get("data"), None);

    let query = "query($first: Int!) { products(first: $first) { nodes { id } } }";
    for wrong in [json!({"first": "many"}), json!({})] {
        let answer = sim.ask(&token, query, wrong).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_VARIABLE", "{answer}");
    }
    assert_eq!(sim.calls().await["graphql_invalid"], 4);
}

#[tokio::test]
async fn says_loudly_what_it_cannot_answer() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let answer =
        sim.ask(&token, "{ shop { name paymentSettings { supportedDigitalWallets } } }", Value::Null).await;
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_SIMULATED");
    assert_eq!(sim.calls().await["not_simulated"], json!({"Shop.paymentSettings": 1}));
}

#[tokio::test]
async fn pages_reach_every_product_once() {
    let sim = Sim::with("generated:37").await;
    let token = sim.token(&READ).await;
    let query = "query($after: String, $reverse: Boolean!, $key: ProductSortKeys!) {
        products(first: 10, after: $after, reverse: $reverse, sortKey: $key) {
            edges { cursor node { id title updatedAt } } pageInfo { hasNextPage hasPreviousPage endCursor }
        }
    }";
    for (key, reverse) in [("ID", false), ("TITLE", false), ("UPDATED_AT", true), ("VENDOR", true)] {
        let (mut after, mut seen) = (Value::Null, Vec::new());
        loop {
            let variables = json!({"after": after, "reverse": reverse, "key": key});
            let page = sim.data(&token, query, variables).await["products"].clone();
            assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!seen.is_empty()));
            let edges = page["edges"].as_array().unwrap();
            assert_eq!(edges.last().unwrap()["cursor"], page["pageInfo"]["endCursor"]);
            seen.extend(edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()));
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(seen.len(), 37, "{key}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 37, "{key}");
    }
}

#[tokio::test]
async fn refuses_pages_without_size_or_beyond_the_limit() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    for arguments in ["first: 251", "query: \"id:1\"", "first: 1, after: \"nonsense\"", "first: -1"] {
        let answer =
            sim.ask(&token, &format!("{{ products({arguments}) {{ nodes {{ id }} }} }}"), Value::Null).await;
        assert_eq!(answer["data"], Value::Null, "{arguments}");
        assert_eq!(answer["errors"][0]["path"], json!(["products"]), "{arguments}");
    }
}

#[tokio::test]
async fn filters_by_id_and_time() {
    let sim = Sim::with("generated:20").await;
    let token = sim.token(&READ).await;
    let snapshot = sim.simulator().shop("demo").unwrap().snapshot();
    let ids: Vec<u64> = snapshot.shop.products.keys().copied().collect();
    let query = "query($filter: String!) { products(first: 50, query: $filter) { nodes { legacyResourceId } } productsCount(query: $filter) { count precision } }";
    let filter = format!("id:>={} id:<{}", ids[3], ids[7]);
    let data = sim.data(&token, query, json!({ "filter": filter })).await;
    let found: Vec<String> = data["products"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["legacyResourceId"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = ids[3..7].iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
    assert_eq!(data["productsCount"], json!({"count": 4, "precision": "EXACT"}));
    let nothing = sim.data(&token, query, json!({"filter": "updated_at:>'2999-01-01T00:00:00Z'"})).await;
    assert_eq!(nothing["products"]["nodes"], json!([]));
    let capped = sim.data(&token, "{ productsCount(limit: 5) { count precision } }", Value::Null).await;
    assert_eq!(capped["productsCount"], json!({"count": 5, "precision": "AT_LEAST"}));
}

#[tokio::test]
async fn scopes_open_types_and_fields() {
    let sim = Sim::with("demo").await;
    let products = sim.token(&["read_products"]).await;
    let answer =
        sim.ask(&products, "{ shop { name } locations(first: 1) { nodes { id } } }", Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    assert_eq!(answer["errors"][0]["path"], json!(["locations"]));
    assert_eq!(answer["data"], Value::Null, "the field is never null, so the null rises");

    let inventory = sim.token(&["read_products", "read_inventory"]).await;
    let level = "{ productVariants(first: 1) { nodes { inventoryItem { inventoryLevels(first: 1) { nodes { location { FIELDS } } } } } } }";
    let answer = sim.ask(&inventory, &level.replace("FIELDS", "id"), Value::Null).await;
    assert_eq!(answer.get("errors"), None, "the id of a location is open to read_inventory");
    let answer = sim.ask(&inventory, &level.replace("FIELDS", "id name"), Value::Null).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["requiredAccess"],
        "`read_locations` access scope or `read_markets_home` access scope."
    );

    let none = sim.token(&["read_themes"]).await;
    let id = sim.simulator().shop("demo").unwrap().snapshot().shop.products.keys().next().copied().unwrap();
    let node = format!("{{ node(id: \"gid://shopify/Product/{id}\") {{ id }} }}");
    let answer = sim.ask(&none, &node, Value::Null).await;
    assert_eq!(
        (&answer["data"]["node"], &answer["errors"][0]["extensions"]["code"]),
        (&Value::Null, &json!("ACCESS_DENIED"))
    );

    let all = sim.token(&READ).await;
    sim.faults(json!({"deny_scope": ["read_locations"]})).await;
    let answer = sim.ask(&all, "{ locations(first: 1) { nodes { id } } }", Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
}

#[tokio::test]
async fn charges_and_throttles() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let large = "{ products(first: 250) { nodes { id media(first: 250) { nodes { id } } } } }";
    let answer = sim.ask(&token, large, Value::Null).await;
    assert_eq!(answer.get("errors"), None, "clients read pages this large: {answer}");
    let cost = &answer["extensions"]["cost"];
    assert_eq!(cost["requestedQueryCost"], 156);
    assert!(cost["actualQueryCost"].as_u64().unwrap() < 156, "what was not there is given back");
    let seen = "{ product(id: \"gid://shopify/Product/1\") { variants(first: 250) { nodes { inventoryItem { id tracked } } } } }";
    let answer = sim.ask(&token, seen, Value::Null).await;
    assert_eq!(
        (
            &answer["extensions"]["cost"]["requestedQueryCost"],
            &answer["extensions"]["cost"]["actualQueryCost"]
        ),
        (&json!(25), &json!(1))
    );

    let deep = "{ products(first: 250) { nodes { variants(first: 250) { nodes { media(first: 250) { nodes { id preview { image { url } } } } } } } } }";
    let answer = sim.ask(&token, deep, Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "MAX_COST_EXCEEDED");
    assert_eq!(answer.get("data"), None);

    let mut throttled = Value::Null;
    for _ in 0..200 {
        let answer = sim.ask(&token, large, Value::Null).await;
        if answer["errors"][0]["extensions"]["code"] == "THROTTLED" {
            throttled = answer;
            break;
        }
    }
    assert_eq!(throttled["errors"][0]["message"], "Throttled");
    assert_eq!(throttled.get("data"), None);
    let cost = &throttled["extensions"]["cost"];
    assert!(cost["throttleStatus"]["currentlyAvailable"].as_f64() < cost["requestedQueryCost"].as_f64());
    sim.control("POST", "/clock", json!({"advance_seconds": 20})).await;
    assert_eq!(sim.ask(&token, large, Value::Null).await.get("errors"), None, "the bucket fills again");
}

#[tokio::test]
async fn mutations_cost_ten() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let query = "mutation { bulkOperationCancel(id: \"gid://shopify/BulkOperation/1\") { bulkOperation { id } userErrors { field message } } }";
    let answer = sim.ask(&token, query, Value::Null).await;
    assert_eq!(answer["extensions"]["cost"]["actualQueryCost"], 10);
    assert_eq!(answer["data"]["bulkOperationCancel"]["userErrors"][0]["field"], json!(["id"]));
}

#[tokio::test]
async fn answers_null_with_an_error_where_told_to() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    sim.faults(json!({"null_with_error": ["Product.category", "Product.title"]})).await;
    let answer =
        sim.ask(&token, "{ products(first: 1) { nodes { id category { id } } } }", Value::Null).await;
    assert_eq!(answer["data"]["products"]["nodes"][0]["category"], Value::Null);
    assert!(answer["data"]["products"]["nodes"][0]["id"].is_string());
    assert_eq!(answer["errors"][0]["path"], json!(["products", "nodes", 0, "category"]));
    let answer = sim.ask(&token, "{ products(first: 1) { nodes { title } } }", Value::Null).await;
    assert_eq!(answer["data"], Value::Null, "a title is never null, so the null rises");
}

#[tokio::test]
async fn names_what_is_deprecated() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let old = json!({"query": "{ collections(first: 1) { nodes { ruleSet { appliedDisjunctively } } } }"});
    let answer = sim.post(&token, "2026-07", &old).await.unwrap();
    assert!(answer.headers().contains_key("x-shopify-api-deprecated-reason"));
    assert_eq!(answer.headers()["x-shopify-api-version"], "2026-07");
    assert_eq!(sim.calls().await["deprecated"], json!({"Collection.ruleSet": 1}));
}

#[tokio::test]
async fn knows_shops_tokens_and_versions() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let body = json!({"query": "{ shop { myshopifyDomain } }"});
    let answer = sim.post("shpat_wrong", "2026-07", &body).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let other = sim.client.post("https://nowhere.myshopify.com/admin/api/2026-07/graphql.json");
    let answer = other.header("X-Shopify-Access-Token", &token).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let answer = sim.post(&token, "2026-10", &body).await.unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap()["data"]["shop"]["myshopifyDomain"],
        "demo.myshopify.com"
    );
    let answer = sim.post(&token, "2026-07", &json!({"variables": {}})).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn reads_collections_in_the_new_and_the_old_form() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let query = "{ collections(first: 50) { nodes { id sortOrder ruleSet { rules { column relation condition } }
        sources { __typename id title ... on CollectionConditionsSource { targetType inclusion { matchType
            conditions { __typename id ... on CollectionSourceInclusionConditionProductTag { relation values }
                ... on CollectionSourceInclusionConditionVariantPrice { priceRelation: relation value { amount currencyCode } } }
            selections(first: 5) { nodes { product { id } } } } } }
        productsCount { count } products(first: 250) { nodes { id } } } } }";
    let data = sim.data(&token, query, Value::Null).await;
    let all = data["collections"]["nodes"].as_array().unwrap();
    let (mut smart, mut manual) = (0, 0);
    for collection in all {
        let sources = collection["sources"].as_array().unwrap();
        let conditions: usize =
            sources.iter().map(|source| source["inclusion"]["conditions"].as_array().unwrap().len()).sum();
        if collection["ruleSet"].is_null() {
            manual += 1;
            assert_eq!(conditions, 0);
        } else {
            smart += 1;
            assert_eq!(collection["ruleSet"]["rules"].as_array().unwrap().len(), conditions);
        }
        let members = collection["products"]["nodes"].as_array().unwrap();
        assert_eq!(collection["productsCount"]["count"], members.len());
    }
    assert!(smart > 0 && manual > 0);
}

#[tokio::test]
async fn introspects() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&READ).await;
    let data =
        sim.data(&token, "{ __type(name: \"BulkOperation\") { kind fields { name } } }", Value::Null).await;
    assert_eq!(data["__type"]["kind"], "OBJECT");
}
