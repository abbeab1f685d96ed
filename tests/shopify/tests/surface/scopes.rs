use serde_json::{Value, json};

use crate::support::{CALLBACK, CLIENT, READ, Receiver, SECRET, Sim, parameters};

async fn handles(sim: &Sim, token: &str) -> Vec<Value> {
    let data = sim.data(token, "{ currentAppInstallation { accessScopes { handle } } }", Value::Null).await;
    let all = data["currentAppInstallation"]["accessScopes"].as_array().unwrap();
    all.iter().map(|scope| scope["handle"].clone()).collect()
}

async fn grant(sim: &Sim, scopes: &[&str]) -> Value {
    let path = format!("/shops/demo/installs/{CLIENT}/scopes");
    sim.control("PUT", &path, json!({ "scopes": scopes })).await
}

#[tokio::test]
async fn a_change_of_scopes_is_told_and_holds_at_once() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "APP_SCOPES_UPDATE", Value::Null).await;
    sim.subscribe(&token, "LOCATIONS_UPDATE", Value::Null).await;
    assert_eq!(grant(&sim, &["read_products"]).await["changed"], true);
    assert_eq!(grant(&sim, &["read_products"]).await["changed"], false);
    sim.settled().await;
    let told = receiver.of_topic("app/scopes_update");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["previous"], json!(["read_inventory", "read_locations", "read_products"]));
    assert_eq!(told[0]["current"], json!(["read_products"]));
    assert_eq!(handles(&sim, &token).await, ["read_products"]);
    let denied = sim.ask(&token, "{ locations(first: 1) { nodes { id } } }", Value::Null).await;
    assert_eq!(denied["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    sim.change(json!({"kind": "location_rename"})).await;
    sim.settled().await;
    assert_eq!(receiver.of_topic("locations/update").len(), 0, "a topic needs its scope when it happens too");
}

#[tokio::test]
async fn approving_other_scopes_is_told_and_the_same_ones_are_not() {
    let sim = Sim::with("demo").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&READ).await;
    sim.subscribe(&token, "APP_SCOPES_UPDATE", Value::Null).await;
    let approve = async |scope: &str| {
        let form = [
            ("client_id", CLIENT),
            ("redirect_uri", CALLBACK),
            ("state", "s"),
            ("scope", scope),
            ("decision", "approve"),
        ];
        let answer =
            sim.client.post(sim.url("/admin/oauth/authorize/decision")).form(&form).send().await.unwrap();
        let callback = parameters(answer.headers()["location"].to_str().unwrap());
        let form = [("client_id", CLIENT), ("client_secret", SECRET), ("code", callback["code"].as_str())];
        sim.client.post(sim.url("/admin/oauth/access_token")).form(&form).send().await.unwrap();
        sim.settled().await;
        receiver.of_topic("app/scopes_update")
    };
    assert_eq!(approve(&READ.join(",")).await.len(), 0);
    let told = approve("read_products,write_products").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["current"], json!(["write_products"]));
}
