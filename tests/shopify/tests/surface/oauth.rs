use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use shopify_simulator::apps::App;
use shopify_simulator::oauth::sign;

use crate::support::{CALLBACK, CLIENT, READ, SECRET, Sim, parameters};

/// What a merchant is sent back with.
async fn decide(sim: &Sim, extra: &[(&str, &str)]) -> BTreeMap<String, String> {
    let scope = READ.join(",");
    let mut form =
        vec![("client_id", CLIENT), ("redirect_uri", CALLBACK), ("state", "nonce 1"), ("scope", &scope)];
    form.extend(extra);
    let answer =
        sim.client.post(sim.url("/admin/oauth/authorize/decision")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(CALLBACK), "{location}");
    parameters(&location)
}

fn page_url(sim: &Sim, query: &[(&str, &str)]) -> url::Url {
    url::Url::parse_with_params(&sim.url("/admin/oauth/authorize"), query).unwrap()
}

fn signed_rightly(callback: &BTreeMap<String, String>) -> bool {
    let pairs: Vec<_> = callback.clone().into_iter().collect();
    callback["hmac"] == sign(SECRET, &pairs)
}

async fn exchange(sim: &Sim, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut whole = vec![("client_id", CLIENT), ("client_secret", SECRET)];
    whole.extend(form);
    let answer = sim.client.post(sim.url("/admin/oauth/access_token")).form(&whole).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn works(sim: &Sim, token: &Value) -> bool {
    let body = json!({"query": "{ shop { name } }"});
    let answer = sim.post(token.as_str().unwrap(), "2026-07", &body).await.unwrap();
    answer.status() == StatusCode::OK
}

#[tokio::test]
async fn installs_through_the_page_and_signs_the_callback() {
    let sim = Sim::with("demo").await;
    let query =
        [("client_id", CLIENT), ("redirect_uri", CALLBACK), ("state", "x"), ("scope", "read_products")];
    let page = sim.client.get(page_url(&sim, &query)).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    assert!(page.contains("Install Test &lt;App&gt;") && page.contains("value=\"read_products\""), "{page}");

    let callback = decide(&sim, &[("decision", "approve")]).await;
    assert!(signed_rightly(&callback));
    assert_eq!(callback["state"], "nonce 1");
    assert_eq!(callback["shop"], "demo.myshopify.com");
    assert!(!callback["host"].contains('='));

    let (status, granted) = exchange(&sim, &[("code", &callback["code"]), ("expiring", "1")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(granted["scope"], "read_inventory,read_locations,read_products");
    assert_eq!(
        (&granted["expires_in"], &granted["refresh_token_expires_in"]),
        (&json!(3600), &json!(7_776_000))
    );
    assert!(works(&sim, &granted["access_token"]).await);

    let (status, _) = exchange(&sim, &[("code", &callback["code"]), ("expiring", "1")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a code works once");
    let installs = sim.control("GET", "/shops/demo/installs", Value::Null).await;
    assert_eq!(installs[0]["state"], "installed");
    assert!(!installs.to_string().contains(granted["access_token"].as_str().unwrap()));
}

#[tokio::test]
async fn grants_what_the_merchant_left_ticked() {
    let sim = Sim::with("demo").await;
    let callback =
        decide(&sim, &[("decision", "approve"), ("choice", "boxes"), ("scopes", "read_products")]).await;
    let (_, granted) = exchange(&sim, &[("code", &callback["code"])]).await;
    assert_eq!(granted["scope"], "read_products");
    assert_eq!(granted.get("refresh_token"), None, "without expiring=1 a token never expires");
}

#[tokio::test]
async fn denies_with_a_signed_error() {
    let sim = Sim::with("demo").await;
    let callback = decide(&sim, &[("decision", "deny")]).await;
    assert!(signed_rightly(&callback));
    assert_eq!(callback["error"], "access_denied");
    assert!(!callback.contains_key("code"));
}

#[tokio::test]
async fn sends_nobody_to_an_address_that_is_not_registered() {
    let sim = Sim::with("demo").await;
    for (client, address) in [(CLIENT, "https://evil.example/"), ("nobody", CALLBACK)] {
        let form = [("client_id", client), ("redirect_uri", address), ("decision", "approve")];
        let answer =
            sim.client.post(sim.url("/admin/oauth/authorize/decision")).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let page = sim.client.get(page_url(&sim, &form)).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn codes_die_after_a_minute_and_belong_to_one_app() {
    let sim = Sim::with("demo").await;
    sim.simulator().register("other", App { secret: "else".to_owned(), ..App::default() });
    let callback = decide(&sim, &[("decision", "approve")]).await;
    let form = [("client_id", "other"), ("client_secret", "else"), ("code", callback["code"].as_str())];
    let answer = sim.client.post(sim.url("/admin/oauth/access_token")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let wrong = [("client_id", CLIENT), ("client_secret", "wrong"), ("code", callback["code"].as_str())];
    let answer = sim.client.post(sim.url("/admin/oauth/access_token")).form(&wrong).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    sim.control("POST", "/clock", json!({"advance_seconds": 61})).await;
    let (status, _) = exchange(&sim, &[("code", &callback["code"])]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn takes_json_and_a_stray_question_mark() {
    let sim = Sim::with("demo").await;
    let callback = decide(&sim, &[("decision", "approve")]).await;
    let body = json!({"client_id": CLIENT, "client_secret": SECRET, "code": callback["code"], "expiring": 1});
    let answer = sim.client.post(sim.url("/admin/oauth/access_token?")).json(&body).send().await.unwrap();
    let granted: Value = answer.json().await.unwrap();
    assert!(granted["refresh_token"].as_str().unwrap().starts_with("shprt_"), "{granted}");
}

#[tokio::test]
async fn a_used_refresh_token_works_until_its_replacement_is_used() {
    let sim = Sim::with("demo").await;
    let callback = decide(&sim, &[("decision", "approve")]).await;
    let (_, first) = exchange(&sim, &[("code", &callback["code"]), ("expiring", "1")]).await;
    sim.control("POST", "/clock", json!({"advance_seconds": 3_601})).await;
    assert!(!works(&sim, &first["access_token"]).await, "an hour is over");

    let refresh = |token: &Value| {
        [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.as_str().unwrap().to_owned())]
    };
    let send = async |token: &Value| {
        let form = refresh(token);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        exchange(&sim, &form).await
    };
    let (status, second) = send(&first["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(works(&sim, &second["access_token"]).await);
    let (status, _) = send(&first["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "the answer may have been lost");
    let (status, third) = send(&second["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = send(&first["refresh_token"]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "its replacement was used");
    assert!(works(&sim, &second["access_token"]).await, "access tokens live out their hour");
    sim.control("POST", "/clock", json!({"advance_seconds": 7_776_001})).await;
    let (status, _) = send(&third["refresh_token"]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "90 days are over");
}

#[tokio::test]
async fn strict_refresh_tokens_work_once() {
    let sim = Sim::with("demo").await;
    let app = json!({"secret": SECRET, "redirect_uris": [CALLBACK], "scopes": READ, "strict_refresh": true});
    sim.control("PUT", &format!("/apps/{CLIENT}"), app).await;
    let issued =
        sim.control("POST", "/shops/demo/installs", json!({"client_id": CLIENT, "expiring": true})).await;
    let token = issued["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    assert_eq!(exchange(&sim, &form).await.0, StatusCode::OK);
    assert_eq!(exchange(&sim, &form).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn client_credentials_last_a_day_and_need_no_merchant() {
    let sim = Sim::with("demo").await;
    let (status, granted) = exchange(&sim, &[("grant_type", "client_credentials")]).await;
    assert_eq!((status, &granted["expires_in"]), (StatusCode::OK, &json!(86_399)));
    assert!(works(&sim, &granted["access_token"]).await);
    sim.control("POST", "/clock", json!({"advance_seconds": 86_400})).await;
    assert!(!works(&sim, &granted["access_token"]).await);
}

#[tokio::test]
async fn write_scopes_imply_read_scopes() {
    let sim = Sim::with("demo").await;
    let asked = [("decision", "approve"), ("scope", "read_products,write_products,read_locations")];
    let scope = asked[1].1;
    let form =
        [("client_id", CLIENT), ("redirect_uri", CALLBACK), ("state", "s"), ("scope", scope), asked[0]];
    let answer =
        sim.client.post(sim.url("/admin/oauth/authorize/decision")).form(&form).send().await.unwrap();
    let callback = parameters(answer.headers()["location"].to_str().unwrap());
    let (_, granted) = exchange(&sim, &[("code", &callback["code"])]).await;
    assert_eq!(granted["scope"], "read_locations,write_products");
    let token = granted["access_token"].as_str().unwrap();
    let data = sim.data(token, "{ currentAppInstallation { accessScopes { handle } } }", Value::Null).await;
    let handles = &data["currentAppInstallation"]["accessScopes"];
    let expected =
        json!([{"handle": "read_locations"}, {"handle": "read_products"}, {"handle": "write_products"}]);
    assert_eq!(*handles, expected);
}

#[tokio::test]
async fn refuses_tokens_that_never_expire_where_the_app_is_public() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let app = json!({"secret": SECRET, "require_expiring": true});
    sim.control("PUT", &format!("/apps/{CLIENT}"), app).await;
    let answer = sim.post(&token, "2026-07", &json!({"query": "{ shop { name } }"})).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.text().await.unwrap().contains("Non-expiring access tokens are no longer accepted"));
}

#[tokio::test]
async fn uninstalling_kills_every_token() {
    let sim = Sim::with("demo").await;
    let token = json!(sim.token(&READ).await);
    let data = sim
        .data(
            token.as_str().unwrap(),
            "mutation { appUninstall { app { apiKey } userErrors { code } } }",
            Value::Null,
        )
        .await;
    assert_eq!(data["appUninstall"], json!({"app": {"apiKey": CLIENT}, "userErrors": []}));
    assert!(!works(&sim, &token).await);

    let token = json!(sim.token(&READ).await);
    let delete = sim.client.delete(sim.url("/admin/api_permissions/current.json"));
    let answer = delete.header("X-Shopify-Access-Token", token.as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!works(&sim, &token).await);

    let token = json!(sim.token(&READ).await);
    sim.control("POST", "/shops/demo/uninstall", Value::Null).await;
    assert!(!works(&sim, &token).await);
    assert_eq!(sim.calls().await["uninstalls"], 3);
}

#[tokio::test]
async fn client_credentials_come_without_a_refresh_token_and_end_with_an_uninstall() {
    let sim = Sim::with("demo").await;
    let credentials = [("grant_type", "client_credentials")];
    let (_, granted) = exchange(&sim, &credentials).await;
    let mut names: Vec<&String> = granted.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["access_token", "expires_in", "scope"]);

    let narrowed = json!({"scopes": ["read_products"]});
    sim.control("PUT", &format!("/shops/demo/installs/{CLIENT}/scopes"), narrowed).await;
    let (_, granted) = exchange(&sim, &credentials).await;
    assert_eq!(granted["scope"], "read_products", "a renewed token gives back nothing that was taken");

    let form = [("client_id", CLIENT), ("client_secret", "wrong"), credentials[0]];
    let answer = sim.client.post(sim.url("/admin/oauth/access_token")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "invalid_client");

    sim.control("POST", "/shops/demo/uninstall", Value::Null).await;
    let (status, refused) = exchange(&sim, &credentials).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("app_not_installed")));
}

#[tokio::test]
async fn both_secrets_serve_until_the_old_one_is_revoked() {
    let sim = Sim::with("demo").await;
    let patch = async |change: Value| sim.control("PATCH", &format!("/apps/{CLIENT}"), change).await;
    let old =
        sim.control("POST", "/shops/demo/installs", json!({"client_id": CLIENT, "expiring": true})).await;
    let refresh = async |secret: &str, token: &Value| {
        let form = [
            ("client_id", CLIENT),
            ("client_secret", secret),
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str().unwrap()),
        ];
        let answer = sim.client.post(sim.url("/admin/oauth/access_token")).form(&form).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    patch(json!({"secret": "fresh", "previous_secret": SECRET, "callbacks_signed_by": "previous"})).await;
    assert!(signed_rightly(&decide(&sim, &[("decision", "approve")]).await), "signed by the old secret");
    let (status, second) = refresh(SECRET, &old["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK);
    let (status, third) = refresh("fresh", &second["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK);
    patch(json!({"callbacks_signed_by": "current"})).await;
    assert!(!signed_rightly(&decide(&sim, &[("decision", "approve")]).await));
    patch(json!({"previous_secret": null})).await;
    let (status, refused) = refresh(SECRET, &third["refresh_token"]).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_client")));
    assert!(works(&sim, &old["access_token"]).await, "tokens outlive the secret they were issued under");
}

#[tokio::test]
async fn every_call_of_the_token_endpoint_is_counted_whatever_came_of_it() {
    let sim = Sim::with("demo").await;
    assert_eq!(sim.calls().await["token_calls"], json!({}));
    exchange(&sim, &[("code", "no such code")]).await;
    exchange(&sim, &[("grant_type", "client_credentials")]).await;
    sim.faults(json!({"http_429": 1})).await;
    exchange(&sim, &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
    let body = json!({"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": "x"});
    sim.client.post(sim.url("/admin/oauth/access_token")).json(&body).send().await.unwrap();
    let calls = sim.calls().await;
    assert_eq!(
        calls["token_calls"],
        json!({"authorization_code": 1, "client_credentials": 1, "refresh_token": 2})
    );
    let kinds = ["token_exchanges", "token_credentials", "token_refreshes", "token_refusals"];
    assert_eq!(kinds.map(|kind| calls[kind].as_u64().unwrap()), [0, 1, 0, 2]);
}
