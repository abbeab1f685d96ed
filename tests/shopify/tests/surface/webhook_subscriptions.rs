use serde_json::{Value, json};

use crate::support::{Receiver, Sim};

const CREATE_ERRORS: &str = "/webhookSubscriptionCreate/userErrors/0/message";

#[tokio::test]
async fn an_address_can_be_taken_once_per_topic_and_must_be_https() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&["read_products"]).await;
    let made = sim.subscribe(&token, "PRODUCTS_UPDATE", Value::Null).await;
    assert_eq!(made["userErrors"], json!([]));
    assert_eq!(made["webhookSubscription"]["topic"], "PRODUCTS_UPDATE");
    let refused = [
        ("PRODUCTS_UPDATE", "https://app.example/hooks", "Address for this topic has already been taken"),
        ("PRODUCTS_CREATE", "http://app.example/hooks", "Address protocol http:// is not supported"),
        ("PRODUCTS_CREATE", "http://127.0.0.1:1/", "Address protocol http:// is not supported"),
        ("PRODUCTS_CREATE", "nonsense", "Address is invalid"),
        ("PRODUCTS_CREATE", "", "Address can't be blank"),
        (
            "LOCATIONS_UPDATE",
            "https://app.example/hooks",
            "You do not have permission to create or update webhooks with locations/update topic.",
        ),
    ];
    for (topic, uri, message) in refused {
        let answer = sim.subscribe(&token, topic, json!({ "uri": uri })).await;
        assert_eq!(answer["webhookSubscription"], Value::Null);
        assert_eq!(answer["userErrors"][0]["message"], message);
        assert_eq!(answer["userErrors"].as_array().unwrap().len(), 1);
    }
    let listed = sim.control("GET", "/shops/demo/webhooks", Value::Null).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn compliance_topics_cannot_be_subscribed_to() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&["read_products"]).await;
    let mutation = "mutation { webhookSubscriptionCreate(topic: SHOP_REDACT, webhookSubscription: {uri: \"https://app.example/\"}) { userErrors { message } } }";
    let answer = sim.ask(&token, mutation, Value::Null).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("SHOP_REDACT"), "{answer}");
    assert_eq!(answer.pointer(CREATE_ERRORS), None);
}

#[tokio::test]
async fn subscriptions_are_listed_changed_and_removed() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&["read_products"]).await;
    let first =
        sim.subscribe(&token, "PRODUCTS_UPDATE", json!({"includeFields": ["id"], "filter": "id:1"})).await;
    sim.subscribe(&token, "SHOP_UPDATE", Value::Null).await;
    let id = &first["webhookSubscription"]["id"];

    let update = "mutation($id: ID!, $input: WebhookSubscriptionInput!) {
        webhookSubscriptionUpdate(id: $id, webhookSubscription: $input) {
            webhookSubscription { uri includeFields filter topic } userErrors { field message } } }";
    let input = json!({"uri": "https://app.example/new", "filter": null});
    let changed = sim.data(&token, update, json!({"id": id, "input": input})).await;
    assert_eq!(
        changed["webhookSubscriptionUpdate"]["webhookSubscription"],
        json!({"uri": "https://app.example/new", "includeFields": ["id"], "filter": null, "topic": "PRODUCTS_UPDATE"})
    );
    let unknown = json!({"id": "gid://shopify/WebhookSubscription/1", "input": {}});
    let refused = sim.data(&token, update, unknown).await;
    assert_eq!(refused["webhookSubscriptionUpdate"]["userErrors"][0]["field"], json!(["id"]));

    let query = "query($query: String, $topics: [WebhookSubscriptionTopic!], $after: String) {
        webhookSubscriptions(first: 1, after: $after, query: $query, topics: $topics) {
            nodes { topic endpoint { __typename ... on WebhookHttpEndpoint { callbackUrl } } } pageInfo { hasNextPage endCursor } }
        webhookSubscriptionsCount { count } }";
    let page = sim.data(&token, query, Value::Null).await;
    assert_eq!(page["webhookSubscriptionsCount"]["count"], 2);
    assert_eq!(
        page["webhookSubscriptions"]["nodes"][0]["endpoint"],
        json!({"__typename": "WebhookHttpEndpoint", "callbackUrl": "https://app.example/new"})
    );
    let next = json!({"after": page["webhookSubscriptions"]["pageInfo"]["endCursor"]});
    let page = sim.data(&token, query, next).await;
    assert_eq!(page["webhookSubscriptions"]["nodes"][0]["topic"], "SHOP_UPDATE");
    assert_eq!(page["webhookSubscriptions"]["pageInfo"]["hasNextPage"], false);
    for chosen in [json!({"topics": ["SHOP_UPDATE"]}), json!({"query": "topic:shop/update"})] {
        let found = sim.data(&token, query, chosen).await;
        assert_eq!(found["webhookSubscriptions"]["nodes"][0]["topic"], "SHOP_UPDATE");
        assert_eq!(found["webhookSubscriptions"]["nodes"].as_array().unwrap().len(), 1);
    }
    let node = "query($id: ID!) { node(id: $id) { ... on WebhookSubscription { uri } } }";
    assert_eq!(sim.data(&token, node, json!({ "id": id })).await["node"]["uri"], "https://app.example/new");

    let delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field } } }";
    let gone = sim.data(&token, delete, json!({ "id": id })).await;
    assert_eq!(
        gone["webhookSubscriptionDelete"],
        json!({"deletedWebhookSubscriptionId": id, "userErrors": []})
    );
    let again = sim.data(&token, delete, json!({ "id": id })).await;
    assert_eq!(again["webhookSubscriptionDelete"]["deletedWebhookSubscriptionId"], Value::Null);
}

#[tokio::test]
async fn subscriptions_get_the_fields_and_events_they_asked_for() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&["read_products"]).await;
    let wanted = json!({"includeFields": ["id", "title"], "filter": "title:Wanted"});
    sim.subscribe(&token, "PRODUCTS_UPDATE", wanted).await;
    let never = json!({"uri": "https://app.example/never", "filter": "no_such_field:1"});
    assert_eq!(sim.subscribe(&token, "PRODUCTS_UPDATE", never).await["userErrors"], json!([]));
    let changed = sim.change(json!({"kind": "title", "value": "Wanted"})).await;
    sim.change(json!({"kind": "title", "value": "wanted, but in other words"})).await;
    assert_eq!(sim.settled().await.len(), 1);
    let expected = json!({"id": changed["product"], "title": "Wanted"});
    assert_eq!(receiver.of_topic("products/update"), [expected]);
}
