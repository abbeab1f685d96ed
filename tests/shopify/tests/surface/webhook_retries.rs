use serde_json::{Value, json};

use crate::support::{READ, Receiver, Sim};

async fn listening(scale: Option<f64>) -> (Sim, Receiver, String) {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "PRODUCTS_UPDATE", Value::Null).await;
    sim.faults(json!({ "retry_scale": scale })).await;
    (sim, receiver, token)
}

async fn subscriptions(sim: &Sim, token: &str) -> Value {
    sim.data(token, "{ webhookSubscriptionsCount { count } }", Value::Null).await["webhookSubscriptionsCount"]
        ["count"]
        .clone()
}

#[tokio::test]
async fn what_is_not_accepted_is_sent_again_unchanged() {
    let (sim, receiver, token) = listening(Some(0.000_1)).await;
    receiver.answers(&[500, 302, 404]);
    sim.change(json!({"kind": "title"})).await;
    let deliveries = sim.settled().await;
    let statuses: Vec<&Value> =
        deliveries[0]["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [500, 302, 404, 200]);
    assert_eq!(deliveries[0]["state"], "delivered");
    let received = receiver.received();
    assert_eq!(received.len(), 4, "a redirect is a failure and not followed");
    for one in &received {
        assert_eq!(one.path, "/inside/hooks");
        assert_eq!(one.body, received[0].body);
        assert_eq!(one.header("x-shopify-webhook-id"), received[0].header("x-shopify-webhook-id"));
        assert_eq!(one.header("x-shopify-triggered-at"), received[0].header("x-shopify-triggered-at"));
    }
    assert_eq!(subscriptions(&sim, &token).await, 1);
}

#[tokio::test]
async fn retries_go_to_the_address_of_the_first_try() {
    let (sim, receiver, token) = listening(None).await;
    receiver.answers(&[503]);
    sim.change(json!({"kind": "title"})).await;
    sim.until(|all| all.iter().any(|one| one.attempts.len() == 1)).await;
    let id = sim.data(&token, "{ webhookSubscriptions(first: 1) { nodes { id } } }", Value::Null).await;
    let mutation =
        "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId } }";
    sim.data(&token, mutation, json!({"id": id["webhookSubscriptions"]["nodes"][0]["id"]})).await;
    sim.control("POST", "/clock", json!({"advance_seconds": 60})).await;
    assert_eq!(sim.settled().await[0]["state"], "delivered");
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn eight_retries_take_four_hours() {
    let (sim, receiver, token) = listening(None).await;
    sim.change(json!({"kind": "title", "value": "poison"})).await;
    let tried = async |times: usize| {
        sim.until(|all| all.iter().any(|one| one.attempts.len() == times)).await;
    };
    tried(1).await;
    let mut passed = 0;
    for retry in 0..8_usize {
        // Waits double; a second more makes up for what is cut off.
        let wait = 56 * (1 << retry) + (1 << retry) / 2 + 1;
        passed += wait;
        sim.control("POST", "/clock", json!({ "advance_seconds": wait })).await;
        tried(retry + 2).await;
    }
    assert!((14_400..14_430).contains(&passed), "{passed}");
    assert_eq!(sim.settled().await[0]["state"], "given_up");
    assert_eq!(receiver.received().len(), 9);
    assert_eq!(subscriptions(&sim, &token).await, 0, "it is removed");
}

#[tokio::test]
async fn a_subscription_that_still_receives_outlives_a_delivery_given_up() {
    let (sim, receiver, token) = listening(Some(0.000_1)).await;
    sim.change(json!({"kind": "title", "value": "poison"})).await;
    sim.until(|all| all.iter().any(|one| one.attempts.len() > 1)).await;
    sim.change(json!({"kind": "title", "value": "sound"})).await;
    let states: Vec<Value> = sim.settled().await.iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["given_up", "delivered"]);
    assert_eq!(receiver.received().len(), 10);
    assert_eq!(subscriptions(&sim, &token).await, 1);
}

#[tokio::test]
async fn nothing_leaves_the_machine() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "PRODUCTS_UPDATE", json!({"uri": "https://example.com/hooks"})).await;
    sim.subscribe(
        &token,
        "PRODUCTS_UPDATE",
        json!({"uri": "arn:aws:events:eu-central-1::event-source/aws.partner/shopify.com/1/x"}),
    )
    .await;
    sim.faults(json!({"retry_scale": 0.0})).await;
    sim.change(json!({"kind": "title"})).await;
    let deliveries = sim.settled().await;
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        assert_eq!(delivery["state"], "given_up");
        for attempt in delivery["attempts"].as_array().unwrap() {
            assert_eq!((&attempt["status"], &attempt["error"]), (&Value::Null, &json!("no route")));
        }
    }
    assert_eq!(subscriptions(&sim, &token).await, 0);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_none() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    // Connections are taken by the kernel and never answered.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", deaf.local_addr().unwrap());
    sim.control("PUT", "/deliver-to", json!({"https://app.example": address})).await;
    sim.subscribe(&token, "SHOP_UPDATE", Value::Null).await;
    sim.change(json!({"kind": "shop_rename"})).await;
    sim.until(|all| all.iter().any(|one| !one.attempts.is_empty())).await;
    let deliveries = sim.control("GET", "/shops/demo/deliveries", Value::Null).await;
    let attempt = &deliveries[0]["attempts"][0];
    assert_eq!((&attempt["error"], &deliveries[0]["state"]), (&json!("timeout"), &json!("waiting")));
    let took = attempt["ms"].as_f64().unwrap();
    assert!((5_000.0..7_000.0).contains(&took), "{took}");
}
