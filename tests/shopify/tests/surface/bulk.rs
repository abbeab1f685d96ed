use std::collections::{BTreeMap, HashMap, HashSet};

use http::StatusCode;
use http::header::{CONTENT_RANGE, RANGE};
use serde_json::{Value, json};

use crate::support::{READ, Sim, parameters};

const CATALOGUE: &str = "{ products { edges { node { __typename id title
    variants { edges { node { __typename id sku inventoryItem { id
        inventoryLevels(includeInactive: true) { edges { node { __typename id quantities(names: [\"available\"]) { quantity } } } } }
        media { edges { node { __typename id } } } } } }
    media { edges { node { __typename id } } } } } } }";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn writes_every_object_below_its_parent() {
    let sim = Sim::with("generated:60").await;
    let token = sim.token(&READ).await;
    let done = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!((text(&done["status"]), text(&done["type"])), ("COMPLETED", "QUERY"));
    let lines = sim.lines(&done["url"]).await;
    assert_eq!(done["objectCount"], json!(lines.len().to_string()));
    let roots = lines.iter().filter(|line| line.get("__parentId").is_none()).count();
    assert_eq!((done["rootObjectCount"].clone(), roots), (json!("60"), 60));

    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let mut root = None;
    let mut within = HashSet::new();
    for line in &lines {
        *kinds.entry(text(&line["__typename"])).or_default() += 1;
        match line.get("__parentId") {
            None => {
                root = Some(text(&line["id"]));
                within = HashSet::from([text(&line["id"])]);
            }
            Some(parent) => {
                assert!(within.contains(text(parent)), "{parent} is not an ancestor within {root:?}");
                within.insert(text(&line["id"]));
            }
        }
        assert_eq!(line["inventoryItem"].get("inventoryLevels"), None, "connections are lines of their own");
    }
    let counts = sim.control("GET", "/shops/demo/counts", Value::Null).await;
    assert_eq!(json!(kinds["Product"]), counts["products"]);
    assert_eq!(json!(kinds["ProductVariant"]), counts["variants"]);
    assert_eq!(json!(kinds["InventoryLevel"]), counts["stock"]);

    // The levels of a variant follow it at once.
    let level = lines.iter().position(|line| line["__typename"] == "InventoryLevel").unwrap();
    assert_eq!(lines[level - 1]["id"], lines[level]["__parentId"]);
}

#[tokio::test]
async fn ungrouped_files_hold_the_same_lines_with_parents_first() {
    let sim = Sim::with("generated:30").await;
    let token = sim.token(&READ).await;
    let grouped = sim.bulk(&token, CATALOGUE, true).await;
    let grouped = sim.lines(&grouped["url"]).await;
    let ungrouped = sim.bulk(&token, CATALOGUE, false).await;
    let ungrouped = sim.lines(&ungrouped["url"]).await;
    assert_ne!(grouped, ungrouped);
    assert!(ungrouped[..30].iter().all(|line| line["__typename"] == "Product"), "children are not adjacent");
    let mut seen = HashSet::new();
    for line in &ungrouped {
        assert!(line.get("__parentId").is_none_or(|parent| seen.contains(text(parent))));
        seen.insert(text(&line["id"]));
    }
    let tally = |lines: &[Value]| {
        let mut tally: HashMap<String, u32> = HashMap::new();
        lines.iter().for_each(|line| *tally.entry(line.to_string()).or_default() += 1);
        tally
    };
    assert_eq!(tally(&grouped), tally(&ungrouped));

    sim.faults(json!({"bulk_shuffle": true})).await;
    let shuffled = sim.bulk(&token, CATALOGUE, true).await;
    let shuffled = sim.lines(&shuffled["url"]).await;
    assert_ne!(grouped, shuffled);
    assert_eq!(tally(&grouped), tally(&shuffled));
    sim.faults(json!({"bulk_ungrouped": true})).await;
    let swapped = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!(ungrouped, sim.lines(&swapped["url"]).await);
}

#[tokio::test]
async fn serves_ranges_that_add_up() {
    let sim = Sim::with("generated:20").await;
    let token = sim.token(&READ).await;
    let done = sim.bulk(&token, CATALOGUE, true).await;
    let url = text(&done["url"]);
    assert!(parameters(url)["response-content-disposition"].contains("filename=\""));
    let whole = sim.client.get(url).send().await.unwrap();
    assert!(whole.headers()["content-disposition"].to_str().unwrap().contains("filename=\""));
    let whole = whole.bytes().await.unwrap();
    assert_eq!(done["fileSize"], json!(whole.len().to_string()));
    let range = async |range: String| {
        let answer = sim.client.get(url).header(RANGE, range).send().await.unwrap();
        let header = answer.headers().get(CONTENT_RANGE).map(|value| value.to_str().unwrap().to_owned());
        (answer.status(), header, answer.bytes().await.unwrap())
    };
    let mut joined = Vec::new();
    for start in (0..whole.len()).step_by(10_000) {
        let end = (start + 9_999).min(whole.len() - 1);
        let (status, header, part) = range(format!("bytes={start}-{}", start + 9_999)).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(header.unwrap(), format!("bytes {start}-{end}/{}", whole.len()));
        joined.extend_from_slice(&part);
    }
    assert_eq!(joined, whole);
    let (status, _, tail) = range("bytes=-7".to_owned()).await;
    assert_eq!((status, &tail[..]), (StatusCode::PARTIAL_CONTENT, &whole[whole.len() - 7..]));
    let (status, header, _) = range(format!("bytes={}-", whole.len())).await;
    assert_eq!(
        (status, header.unwrap()),
        (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{}", whole.len()))
    );
    let (status, _, all) = range("lines=1-2".to_owned()).await;
    assert_eq!((status, all.len()), (StatusCode::OK, whole.len()));
}

#[tokio::test]
async fn links_are_signed_and_die_after_a_week() {
    let sim = Sim::with("generated:5").await;
    let token = sim.token(&READ).await;
    let done = sim.bulk(&token, CATALOGUE, true).await;
    let url = text(&done["url"]);
    let get = async |url: String| sim.client.get(url).send().await.unwrap().status();
    assert_eq!(get(url.replace("Signature=", "Signature=0")).await, StatusCode::FORBIDDEN);
    assert_eq!(get(url.replace("Expires=", "Expires=9")).await, StatusCode::FORBIDDEN);
    let other = sim.client.get(url).header("X-Shopify-Access-Token", &token).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK, "the storage does not care, but it is counted");
    assert_eq!(sim.calls().await["tokens_leaked"], 1);
    sim.control("POST", "/clock", json!({"advance_seconds": 604_801})).await;
    assert_eq!(get(url.to_owned()).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn announces_in_full_what_it_cuts_or_never_had() {
    let sim = Sim::with("generated:20").await;
    let token = sim.token(&READ).await;
    let whole = sim.bulk(&token, CATALOGUE, true).await;
    sim.faults(json!({"bulk_cut_at": 5_000})).await;
    let cut = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!((&cut["objectCount"], &cut["fileSize"]), (&whole["objectCount"], &whole["fileSize"]));
    let file = sim.client.get(text(&cut["url"])).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(file.len(), 5_000);
    sim.faults(json!({"bulk_announce_extra": 3})).await;
    let more = sim.bulk(&token, CATALOGUE, true).await;
    let count = |done: &Value| text(&done["objectCount"]).parse::<usize>().unwrap();
    assert_eq!(count(&more), count(&whole) + 3);
    assert_eq!(sim.lines(&more["url"]).await.len(), count(&whole));
}

#[tokio::test]
async fn fails_with_partial_data() {
    let sim = Sim::with("generated:20").await;
    let token = sim.token(&READ).await;
    sim.faults(json!({"bulk_fail": 1})).await;
    let failed = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!((text(&failed["status"]), text(&failed["errorCode"])), ("FAILED", "INTERNAL_SERVER_ERROR"));
    assert_eq!(failed["url"], Value::Null);
    let partial = sim.lines(&failed["partialDataUrl"]).await;
    assert_eq!(failed["objectCount"], json!(partial.len().to_string()));
    assert!(!partial.is_empty());
    let next = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!(text(&next["status"]), "COMPLETED", "only the next one was to fail");
}

#[tokio::test]
async fn stalls_until_cancelled_and_limits_what_runs() {
    let sim = Sim::with("generated:5").await;
    let token = sim.token(&READ).await;
    sim.faults(json!({"bulk_stall": true})).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let started = sim.start(&token, CATALOGUE, true).await;
        ids.push(started["bulkOperation"]["id"].clone());
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(sim.poll(&token, &ids[0]).await["status"], "RUNNING");
    let sixth = sim.start(&token, CATALOGUE, true).await;
    assert_eq!(
        (&sixth["bulkOperation"], &sixth["userErrors"][0]["code"]),
        (&Value::Null, &json!("LIMIT_REACHED"))
    );

    let cancel = "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { message } } }";
    let cancelled = sim.data(&token, cancel, json!({"id": ids[0]})).await;
    assert_eq!(cancelled["bulkOperationCancel"]["bulkOperation"]["status"], "CANCELING");
    assert_eq!(sim.poll(&token, &ids[0]).await["status"], "CANCELED");
    let query = "{ bulkOperations(first: 10, query: \"status:running\") { nodes { id } } }";
    let running = sim.data(&token, query, Value::Null).await;
    assert_eq!(running["bulkOperations"]["nodes"].as_array().unwrap().len(), 4);

    sim.faults(json!({})).await;
    assert_eq!(sim.poll(&token, &ids[1]).await["status"], "COMPLETED", "the stall is over");
}

#[tokio::test]
async fn slow_operations_are_seen_running() {
    let sim = Sim::with("generated:5").await;
    let token = sim.token(&READ).await;
    sim.faults(json!({"bulk_slow_ms": 400})).await;
    let started = sim.start(&token, CATALOGUE, true).await;
    let operation = sim.poll(&token, &started["bulkOperation"]["id"]).await;
    assert_eq!(
        (text(&operation["status"]), &operation["url"], &operation["completedAt"]),
        ("RUNNING", &Value::Null, &Value::Null)
    );
    let node = "query($id: ID!) { node(id: $id) { ... on BulkOperation { status } } }";
    let by_node = sim.data(&token, node, json!({"id": operation["id"]})).await;
    assert_eq!(by_node["node"]["status"], "RUNNING");
}

#[tokio::test]
async fn refuses_what_bulk_queries_may_not_ask() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&READ).await;
    let level = |inner: &str| format!("variants {{ edges {{ node {{ id {inner} }} }} }}");
    let media = "media { edges { node { id } } }";
    let third = format!(
        "{{ collections {{ edges {{ node {{ id products {{ edges {{ node {{ id {} }} }} }} }} }} }} }}",
        level(media)
    );
    let six = format!(
        "{{ products {{ edges {{ node {{ id {} {media} metafields {{ edges {{ node {{ id }} }} }} collections {{ edges {{ node {{ id }} }} }} }} }} }} }}",
        level(&format!("{media} inventoryItem {{ id inventoryLevels {{ edges {{ node {{ id }} }} }} }}"))
    );
    let selections = "{ collections { edges { node { id sources { ... on CollectionConditionsSource { inclusion { selections { edges { node { product { id } } } } } } } } } } }";
    for (rule, query) in [
        ("a connection", "{ shop { name } }"),
        ("no node", "{ node(id: \"gid://shopify/Shop/1\") { id } }"),
        ("three levels at most", third.as_str()),
        ("five connections at most", six.as_str()),
        ("nodes with ids", selections),
        ("the schema", "{ products { edges { node { id colour } } } }"),
        ("a query", "mutation { appUninstall { app { id } } }"),
        ("no variables", "query($q: String) { products(query: $q) { edges { node { id } } } }"),
        ("GraphQL", "{ products {"),
    ] {
        let refused = sim.start(&token, query, true).await;
        assert_eq!(refused["bulkOperation"], Value::Null, "{rule}");
        assert_eq!(refused["userErrors"][0]["code"], "INVALID", "{rule}");
        assert_eq!(refused["userErrors"][0]["field"], json!(["query"]), "{rule}");
    }
}

#[tokio::test]
async fn five_connections_in_three_levels_are_fine() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    assert_eq!(CATALOGUE.matches("edges").count(), 5);
    let done = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!(text(&done["status"]), "COMPLETED");
}

#[tokio::test]
async fn nothing_found_means_no_file() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&READ).await;
    let done = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!(
        (text(&done["status"]), &done["url"], text(&done["objectCount"])),
        ("COMPLETED", &Value::Null, "0")
    );
}

#[tokio::test]
async fn a_missing_scope_ends_the_operation() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&["read_products"]).await;
    let failed = sim.bulk(&token, CATALOGUE, true).await;
    assert_eq!((text(&failed["status"]), text(&failed["errorCode"])), ("FAILED", "ACCESS_DENIED"));
}

#[tokio::test]
async fn filters_hold_in_bulk_queries_and_nodes_need_no_id() {
    let sim = Sim::with("generated:10").await;
    let token = sim.token(&READ).await;
    let id = *sim.simulator().shop("demo").unwrap().snapshot().shop.products.keys().nth(4).unwrap();
    let query = format!(
        "{{ products(query: \"id:{id}\", sortKey: UPDATED_AT) {{ edges {{ node {{ __typename id media {{ edges {{ node {{ ... on MediaImage {{ __typename createdAt }} }} }} }} }} }} }} }}"
    );
    let done = sim.bulk(&token, &query, true).await;
    let lines = sim.lines(&done["url"]).await;
    assert_eq!(done["rootObjectCount"], "1");
    assert!(lines[1..].iter().all(|line| line["__parentId"] == lines[0]["id"] && line.get("id").is_none()));
    let other = "{ locations(includeLegacy: true, includeInactive: true) { edges { node { __typename id inventoryLevels { edges { node { __typename id } } } } } } }";
    let done = sim.bulk(&token, other, true).await;
    let lines = sim.lines(&done["url"]).await;
    assert!(lines.iter().any(
        |line| line["__typename"] == "InventoryLevel" && text(&line["__parentId"]).contains("/Location/")
    ));
}
