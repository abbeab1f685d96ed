use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{READ, Sim};

#[tokio::test]
async fn strikes_as_often_as_told() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&READ).await;
    let body = json!({"query": "{ shop { name } }"});
    let ask = async || sim.post(&token, "2026-07", &body).await;
    sim.faults(json!({"http_429": 2, "http_5xx": 0.5})).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(ask().await.unwrap().status().as_u16());
    }
    assert_eq!(seen, [429, 429, 200, 503, 200, 503]);
    sim.faults(json!({"http_429": true})).await;
    let answer = ask().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(sim.calls().await["faults"], json!({"http_429": 3, "http_5xx": 2}));
    sim.control("DELETE", "/shops/demo/faults", Value::Null).await;
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_lost_answer_has_done_its_work() {
    let sim = Sim::with("generated:3").await;
    let token = sim.token(&READ).await;
    sim.faults(json!({"lost_answer": 1})).await;
    let query = "mutation { bulkOperationRunQuery(query: \"{ products { edges { node { id } } } }\") { bulkOperation { id } } }";
    let lost = sim.post(&token, "2026-07", &json!({ "query": query })).await;
    assert!(lost.is_err());
    assert_eq!(sim.calls().await["bulk_started"], 1);
}

#[tokio::test]
async fn a_truncated_body_announces_the_whole() {
    let sim = Sim::with("generated:30").await;
    let token = sim.token(&READ).await;
    let done = sim.bulk(&token, "{ products { edges { node { id title } } } }", true).await;
    sim.faults(json!({"truncated_body": 2})).await;
    let answer = sim.post(&token, "2026-07", &json!({"query": "{ shop { name } }"})).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.content_length().unwrap() > 20);
    assert!(answer.bytes().await.is_err());
    let answer = sim.client.get(done["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(
        answer.content_length().map(|length| length.to_string()),
        done["fileSize"].as_str().map(str::to_owned)
    );
    assert!(answer.bytes().await.is_err());
}

#[tokio::test]
async fn throttles_on_demand() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&READ).await;
    sim.faults(json!({"throttle": 1})).await;
    let answer = sim.ask(&token, "{ shop { name } }", Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"], json!(0.0));
}

#[tokio::test]
async fn the_proxy_leads_nowhere_else() {
    let sim = Sim::with("empty").await;
    for url in ["https://example.com/", "https://demo.myshopify.com:8443/", "https://a.demo.myshopify.com/"] {
        assert!(sim.client.get(url).send().await.is_err(), "{url}");
    }
    let calls = sim.control("GET", "/calls", Value::Null).await;
    let expected = json!({"example.com:443": 1, "demo.myshopify.com:8443": 1, "a.demo.myshopify.com:443": 1});
    assert_eq!(calls["proxy_refused"], expected);
}

#[tokio::test]
async fn refuses_a_switch_it_does_not_have() {
    let sim = Sim::with("empty").await;
    let url = format!("{}/shops/demo/faults", sim.running.addresses.control);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.put(url).json(&json!({"http_428": 1})).send().await.unwrap();
    assert!(answer.status().is_client_error());
}
