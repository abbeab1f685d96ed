use std::sync::Arc;

use serde_json::{Value, json};
use shopify_simulator::model::Level;
use shopify_simulator::seed::Seed;

use crate::support::{Receiver, Sim, WRITE, codes};

const CREATE: &str = "mutation($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput) {
    orderCreate(order: $order, options: $options) {
        order { id name displayFinancialStatus displayFulfillmentStatus sourceIdentifier
            totalPriceSet { shopMoney { amount currencyCode } } customer { id email }
            lineItems(first: 9) { nodes { title quantity sku variant { id } } }
            fulfillmentOrders(first: 5) { nodes { id status lineItems(first: 5) { nodes { id remainingQuantity } } } } }
        userErrors { field message code } } }";

fn money(amount: &str) -> Value {
    json!({"shopMoney": {"amount": amount, "currencyCode": "EUR"}})
}

fn order() -> Value {
    json!({
        "sourceIdentifier": "A-1", "email": "ada@example.com", "currency": "EUR", "processedAt": "2024-05-01T10:00:00Z",
        "lineItems": [{"title": "Tea", "quantity": 2, "priceSet": money("4.50"), "sku": "TEA"}],
        "shippingLines": [{"title": "Post", "priceSet": money("3.00")}],
        "taxLines": [{"title": "VAT", "rate": "0.1", "priceSet": money("0.90")}],
        "transactions": [{"kind": "SALE", "status": "SUCCESS", "amountSet": money("12.90")}],
    })
}

/// A shop that is not a development shop, so that orders are not rationed.
async fn shop(seed: &str) -> (Sim, String) {
    let sim = Sim::with(seed).await;
    sim.control("PUT", "/shops/demo/plan", json!({"name": "Basic"})).await;
    let token = sim.token(&WRITE).await;
    (sim, token)
}

#[tokio::test]
async fn an_order_is_made_with_its_payments() {
    let (sim, token) = shop("empty").await;
    let made = sim.done(&token, CREATE, json!({ "order": order() })).await["order"].clone();
    assert_eq!(made["name"], "#1001");
    assert_eq!(made["totalPriceSet"]["shopMoney"], json!({"amount": "12.9", "currencyCode": "EUR"}));
    assert_eq!(
        (&made["displayFinancialStatus"], &made["displayFulfillmentStatus"]),
        (&json!("PAID"), &json!("UNFULFILLED"))
    );
    let mut part = order();
    part["transactions"][0]["amountSet"] = money("5");
    assert_eq!(
        sim.done(&token, CREATE, json!({ "order": part })).await["order"]["displayFinancialStatus"],
        "PARTIALLY_PAID"
    );
    let mut sent = order();
    sent["fulfillmentStatus"] = json!("FULFILLED");
    let options = json!({"sendReceipt": true});
    let sent = sim.done(&token, CREATE, json!({"order": sent, "options": options})).await["order"].clone();
    assert_eq!(sent["displayFulfillmentStatus"], "FULFILLED");
    let mails: Vec<Value> = sim.rows("orders").await.iter().map(|row| row["mails"].clone()).collect();
    assert_eq!(
        mails,
        [json!([]), json!([]), json!(["receipt"])],
        "nobody is written to unless it is asked for"
    );
}

#[tokio::test]
async fn an_order_sent_twice_is_two_orders_unless_a_unique_id_fences_it() {
    let (sim, token) = shop("empty").await;
    sim.done(&token, CREATE, json!({ "order": order() })).await;
    sim.done(&token, CREATE, json!({ "order": order() })).await;
    assert_eq!(sim.rows("orders").await.len(), 2, "sourceIdentifier fences nothing");
    sim.define_id(&token, "ORDER").await;
    let mut fenced = order();
    fenced["metafields"] = json!([{"namespace": "sync", "key": "external_id", "value": "A-1"}]);
    sim.faults(json!({"lost_mutation_answer": 1})).await;
    let body = json!({"query": CREATE, "variables": {"order": fenced}});
    assert!(sim.post(&token, "2026-07", &body).await.is_err());
    assert_eq!(sim.rows("orders").await.len(), 3, "done, though nobody was told");
    let refused = sim.mutate(&token, CREATE, json!({ "order": fenced })).await;
    assert_eq!(codes(&refused), ["INVALID"]);
    assert_eq!(refused["userErrors"][0]["field"], json!(["order", "metafields", "0", "value"]));
    assert_eq!(sim.rows("orders").await.len(), 3);
    let query = "query($value: String!) { orderByIdentifier(identifier: {customId: {namespace: \"sync\", key: \"external_id\", value: $value}}) { name } }";
    assert_eq!(sim.data(&token, query, json!({"value": "A-1"})).await["orderByIdentifier"]["name"], "#1003");
    assert_eq!(sim.data(&token, query, json!({"value": "A-2"})).await["orderByIdentifier"], Value::Null);
}

#[tokio::test]
async fn the_search_is_behind_and_an_identifier_is_not() {
    let (sim, token) = shop("empty").await;
    sim.define_id(&token, "ORDER").await;
    sim.faults(json!({"search_lag_seconds": 5})).await;
    let mut wanted = order();
    wanted["metafields"] = json!([{"namespace": "sync", "key": "external_id", "value": "A-1"}]);
    sim.done(&token, CREATE, json!({ "order": wanted })).await;
    let both = "{ orders(first: 5, query: \"source_identifier:A-1\") { nodes { name } }
        orderByIdentifier(identifier: {customId: {namespace: \"sync\", key: \"external_id\", value: \"A-1\"}}) { name } }";
    let now = sim.data(&token, both, Value::Null).await;
    assert_eq!((&now["orders"]["nodes"], &now["orderByIdentifier"]["name"]), (&json!([]), &json!("#1001")));
    sim.control("POST", "/clock", json!({"advance_seconds": 6})).await;
    assert_eq!(sim.data(&token, both, Value::Null).await["orders"]["nodes"], json!([{"name": "#1001"}]));
}

#[tokio::test]
async fn a_development_shop_takes_five_orders_a_minute() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    for _ in 0..5 {
        sim.done(&token, CREATE, json!({ "order": order() })).await;
    }
    let refused = sim.mutate(&token, CREATE, json!({ "order": order() })).await;
    assert_eq!(
        refused["userErrors"],
        json!([{"field": null, "message": "Too many attempts. Please try again later.", "code": null}])
    );
    assert_eq!(sim.rows("orders").await.len(), 5);
    sim.control("POST", "/clock", json!({"advance_seconds": 61})).await;
    sim.done(&token, CREATE, json!({ "order": order() })).await;
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_said_and_nothing_is_made() {
    let (sim, token) = shop("empty").await;
    let with = |name: &str, value: Value| {
        let mut order = order();
        order[name] = value;
        order
    };
    let tax = json!([{"title": "VAT", "rate": "0.1", "priceSet": money("1")}]);
    for (wanted, code, field) in [
        (with("lineItems", json!([])), "INVALID", json!(["order", "lineItems"])),
        (
            with("lineItems", json!([{"title": "Tea", "quantity": 0}])),
            "INVALID",
            json!(["order", "lineItems", "0", "quantity"]),
        ),
        (
            with("lineItems", json!([{"variantId": "gid://shopify/ProductVariant/1", "quantity": 1}])),
            "INVALID",
            json!(["order", "lineItems", "0", "variantId"]),
        ),
        (
            with("lineItems", json!([{"title": "Tea", "quantity": 1, "taxLines": tax}])),
            "INVALID",
            json!(["order", "taxLines"]),
        ),
        (
            with("processedAt", json!("2999-01-01T00:00:00Z")),
            "PROCESSED_AT_INVALID",
            json!(["order", "processedAt"]),
        ),
        (
            with("customer", json!({"toAssociate": {"id": "gid://shopify/Customer/1"}})),
            "INVALID",
            json!(["order", "customer", "toAssociate"]),
        ),
    ] {
        let refused = sim.mutate(&token, CREATE, json!({ "order": wanted })).await;
        assert_eq!(codes(&refused), [code], "{refused}");
        assert_eq!(refused["userErrors"][0]["field"], field);
    }
    assert_eq!(sim.rows("orders").await.len(), 0);
    let both = with(
        "customer",
        json!({"toAssociate": {"id": "gid://shopify/Customer/1"}, "toUpsert": {"email": "a@b.example"}}),
    );
    let answer = sim.ask(&token, CREATE, json!({ "order": both })).await;
    assert!(answer["errors"][0]["message"].is_string(), "exactly one member: {answer}");
}

#[tokio::test]
async fn stock_is_taken_as_the_order_says() {
    let mut shop = "generated:2".parse::<Seed>().unwrap().shop("demo");
    shop.plan.partner_development = false;
    let place = shop.locations.values().find(|place| place.is_active).unwrap().id;
    let product = Arc::make_mut(shop.products.values_mut().next().unwrap());
    let variant = &mut product.variants[0];
    variant.item.tracked = true;
    variant.inventory_policy = shopify_simulator::model::InventoryPolicy::Deny;
    variant.item.levels = [(place, Level { is_active: true, available: 3, ..Level::default() })].into();
    let (item, id) = (variant.item.id, format!("gid://shopify/ProductVariant/{}", variant.id));
    let sim = Sim::with_shop(shop).await;
    let token = sim.token(&WRITE).await;
    let level = async || {
        let all = sim.control("GET", "/shops/demo/levels", Value::Null).await;
        let own =
            all.as_array().unwrap().iter().find(|level| level["inventory_item_id"] == item).unwrap().clone();
        (own["available"].as_i64().unwrap(), own["committed"].as_i64().unwrap())
    };
    let wanted = |quantity: i64, behaviour: &str| json!({"order": {"lineItems": [{"variantId": id, "quantity": quantity}]}, "options": {"inventoryBehaviour": behaviour}});
    let made = sim.done(&token, CREATE, wanted(2, "BYPASS")).await["order"].clone();
    assert_eq!(made["lineItems"]["nodes"][0]["variant"]["id"], id);
    assert_eq!(level().await, (3, 0), "stock is left alone by default");
    let taken = sim.done(&token, CREATE, wanted(2, "DECREMENT_OBEYING_POLICY")).await["order"]["id"].clone();
    assert_eq!(level().await, (1, 2));
    let refused = sim.mutate(&token, CREATE, wanted(2, "DECREMENT_OBEYING_POLICY")).await;
    assert_eq!(codes(&refused), ["INVENTORY_CLAIM_FAILED"]);
    assert_eq!((level().await, sim.rows("orders").await.len()), ((1, 2), 2));
    sim.done(&token, CREATE, wanted(2, "DECREMENT_IGNORING_POLICY")).await;
    assert_eq!(level().await, (-1, 4));
    let cancel = "mutation($id: ID!) { orderCancel(orderId: $id, reason: CUSTOMER, restock: true, refundMethod: {originalPaymentMethodsRefund: true}) { job { done } orderCancelUserErrors { code } } }";
    let cancelled = sim.mutate(&token, cancel, json!({ "id": taken })).await;
    assert_eq!(cancelled, json!({"job": {"done": true}, "orderCancelUserErrors": []}));
    assert_eq!(level().await, (1, 2));
    let again = sim.mutate(&token, cancel, json!({ "id": taken })).await;
    assert_eq!(again["orderCancelUserErrors"], json!([{"code": "INVALID"}]));
}

#[tokio::test]
async fn an_order_is_changed_only_where_it_may_be() {
    let (sim, token) = shop("empty").await;
    let id = sim.done(&token, CREATE, json!({ "order": order() })).await["order"]["id"].clone();
    let update = "mutation($input: OrderInput!) { orderUpdate(input: $input) { order { note tags email customAttributes { key value } shippingAddress { city } lineItems(first: 5) { nodes { quantity } } } userErrors { field message } } }";
    let input = json!({"id": id, "note": "Hurry", "tags": ["b", "a"], "customAttributes": [{"key": "k", "value": "v"}], "shippingAddress": {"city": "Bern", "countryCode": "CH"}});
    let done = sim.done(&token, update, json!({ "input": input })).await["order"].clone();
    assert_eq!(done["tags"], json!(["a", "b"]));
    assert_eq!(
        (&done["email"], &done["shippingAddress"]["city"]),
        (&json!("ada@example.com"), &json!("Bern"))
    );
    assert_eq!(done["customAttributes"], json!([{"key": "k", "value": "v"}]));
    let lines = json!({"id": id, "lineItems": []});
    let answer = sim.ask(&token, update, json!({ "input": lines })).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "INVALID_VARIABLE",
        "lines are no part of the input"
    );
    let missing =
        sim.mutate(&token, update, json!({"input": {"id": "gid://shopify/Order/1", "note": "x"}})).await;
    assert_eq!(missing["userErrors"], json!([{"field": ["id"], "message": "Order does not exist"}]));
}

#[tokio::test]
async fn an_order_is_paid_and_sent_and_told() {
    let (sim, token) = shop("empty").await;
    let receiver = Receiver::of(&sim).await;
    let scopes: Vec<&str> =
        WRITE.iter().copied().chain(["write_merchant_managed_fulfillment_orders"]).collect();
    for topic in ["ORDERS_CREATE", "ORDERS_PAID", "ORDERS_FULFILLED"] {
        sim.subscribe(&token, topic, Value::Null).await;
    }
    let mut unpaid = order();
    unpaid["transactions"] = json!([]);
    unpaid["financialStatus"] = json!("PENDING");
    let made = sim.done(&token, CREATE, json!({ "order": unpaid })).await["order"].clone();
    assert_eq!(made["displayFinancialStatus"], "PENDING");
    let pay = "mutation($id: ID!) { orderMarkAsPaid(input: {id: $id}) { order { displayFinancialStatus totalReceivedSet { shopMoney { amount } } } userErrors { field message } } }";
    let paid = sim.done(&token, pay, json!({"id": made["id"]})).await;
    assert_eq!(
        paid["order"],
        json!({"displayFinancialStatus": "PAID", "totalReceivedSet": {"shopMoney": {"amount": "12.9"}}})
    );
    assert_eq!(
        sim.mutate(&token, pay, json!({"id": made["id"]})).await["userErrors"][0]["message"],
        "Order cannot be marked as paid."
    );
    let send = "mutation($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { status trackingInfo { number } } userErrors { field message } } }";
    let target = &made["fulfillmentOrders"]["nodes"][0];
    let wanted = |quantity: i64| {
        json!({"fulfillment": {"trackingInfo": {"number": "T1"}, "lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": target["id"],
            "fulfillmentOrderLineItems": [{"id": target["lineItems"]["nodes"][0]["id"], "quantity": quantity}]}]}})
    };
    let answer = sim.ask(&token, send, wanted(1)).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "ACCESS_DENIED", "write_orders does not send");
    let token = sim.token(&scopes).await;
    let sent = sim.done(&token, send, wanted(1)).await;
    assert_eq!(sent["fulfillment"]["trackingInfo"], json!([{"number": "T1"}]));
    assert_eq!(sim.rows("orders").await[0]["fulfillment_status"], "PARTIALLY_FULFILLED");
    let refused = sim.mutate(&token, send, wanted(2)).await;
    assert_eq!(
        refused["userErrors"][0]["message"],
        "Invalid fulfillment order line item quantity requested."
    );
    sim.done(&token, send, wanted(1)).await;
    assert_eq!(sim.rows("orders").await[0]["fulfillment_status"], "FULFILLED");
    assert!(
        sim.mutate(&token, send, wanted(1)).await["userErrors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("unfulfillable")
    );
    sim.settled().await;
    for topic in ["orders/create", "orders/paid", "orders/fulfilled"] {
        assert_eq!(receiver.of_topic(topic).len(), 1, "{topic}");
    }
}

#[tokio::test]
async fn only_the_orders_of_sixty_days_are_seen_without_the_scope_for_all() {
    let (sim, token) = shop("empty").await;
    let id = sim.done(&token, CREATE, json!({ "order": order() })).await["order"]["id"].clone();
    let query = "query($id: ID!) { order(id: $id) { name } orders(first: 5) { nodes { name } } }";
    let seen = json!({"order": {"name": "#1001"}, "orders": {"nodes": [{"name": "#1001"}]}});
    let some: Vec<&str> = WRITE.iter().copied().filter(|scope| *scope != "read_all_orders").collect();
    let limited = sim.token(&some).await;
    assert_eq!(sim.data(&limited, query, json!({ "id": id })).await, seen);
    sim.control("POST", "/clock", json!({"advance_seconds": 61 * 86_400})).await;
    assert_eq!(
        sim.data(&limited, query, json!({ "id": id })).await,
        json!({"order": null, "orders": {"nodes": []}})
    );
    let token = sim.token(&WRITE).await;
    assert_eq!(sim.data(&token, query, json!({ "id": id })).await, seen);
}

#[tokio::test]
async fn buckets_are_as_large_as_the_plan_says() {
    let (sim, token) = shop("empty").await;
    let status = async |plan: Value| {
        sim.control("PUT", "/shops/demo/plan", plan).await;
        let answer = sim.ask(&token, CREATE, json!({ "order": order() })).await;
        let status = answer["extensions"]["cost"]["throttleStatus"].clone();
        (status["maximumAvailable"].as_f64().unwrap(), status["restoreRate"].as_f64().unwrap())
    };
    assert_eq!(status(json!({"name": "Basic"})).await, (2_000.0, 100.0));
    assert_eq!(status(json!({"name": "Plus"})).await, (20_000.0, 1_000.0));
    assert_eq!(
        status(json!({"name": "Development", "bucket": {"maximum": 40, "restore": 2}})).await,
        (40.0, 2.0)
    );
    let answer = sim.ask(&token, CREATE, json!({ "order": order() })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "THROTTLED", "{answer}");
    let orders = sim.rows("orders").await.len();
    assert_eq!(sim.calls().await["mutations"]["orderCreate"], orders);
}

#[tokio::test]
async fn what_was_written_is_seen_in_bulk_and_in_rest() {
    let (sim, token) = shop("empty").await;
    let mut wanted = order();
    wanted["customer"] = json!({"toUpsert": {"email": "ada@example.com", "firstName": "Ada"}});
    let made = sim.done(&token, CREATE, json!({ "order": wanted })).await["order"].clone();
    let query = "{ orders { edges { node { id name lineItems { edges { node { id title } } } } } } }";
    let done = sim.bulk(&token, query, true).await;
    let lines = sim.lines(&done["url"]).await;
    assert_eq!(lines[0], json!({"id": made["id"], "name": "#1001"}));
    assert_eq!((&lines[1]["title"], &lines[1]["__parentId"]), (&json!("Tea"), &made["id"]));
    for (path, name, value) in [("customers", "first_name", "Ada"), ("orders", "name", "#1001")] {
        let url = sim.url(&format!("/admin/api/2026-07/{path}.json"));
        let answer = sim.client.get(url).header("X-Shopify-Access-Token", &token).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()[path][0][name], value);
    }
}
