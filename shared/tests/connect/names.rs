//! Hostile input at the routes: refused with a stable code, nothing written, no call made (P3).

use serde_json::{Value, json};

use crate::world::{Browser, World, body, code, protected};

const CONFIGURE: &str = "POST /stores/{store_id}/connectors/{provider}/configure";

async fn refused(world: &World, event: Value) -> (u16, String) {
    let response = world.send(event).await;
    assert_eq!(response.headers["content-type"], "application/problem+json", "{}", response.body);
    assert_eq!(body(&response)["request_id"], "req-1");
    (response.status_code, code(&response))
}

fn posted(body: &str, content_type: &str) -> Value {
    let mut event = protected(CONFIGURE, "st-1");
    event["headers"]["Content-Type"] = json!(content_type);
    event["body"] = json!(body);
    event
}

#[tokio::test]
async fn shops_that_cannot_be_one() {
    let world = World::new();
    for shop in [
        "",
        "-",
        "acme/../evil",
        "evil.example",
        "evil.example/acme.myshopify.com",
        "acme@evil.example",
        "acme.myshopify.com@evil.example",
        "acme.myshopify.com#",
        "acme.myshopify.com:22",
        "аcme",
        "acme\u{0}",
        "acme.myshopify.com.evil.example",
        "http://acme.myshopify.com",
        "127.0.0.1",
        "localhost:8080",
        "https://admin.shopify.com.evil.example/store/acme",
        "acme%2emyshopify.com",
        "acme\\.evil.example",
    ] {
        let response = world.begin("st-1", shop, &mut Browser::default()).await;
        assert_eq!((response.status_code, code(&response).as_str()), (400, "invalid_shop"), "{shop}");
        assert!(response.cookies.is_empty());
    }
    assert!(world.faults.calls().is_empty(), "a refused name reached a port");
}

#[tokio::test]
async fn bodies_that_do_not_fit() {
    let world = World::new();
    let json_type = "application/json; charset=utf-8";
    let large = format!(r#"{{"shop":"{}","method":"oauth"}}"#, "a".repeat(70_000));
    for (body, content_type, expected) in [
        (r#"{"shop":"acme","method":"oauth"}"#, "text/plain", "unsupported_media_type"),
        (
            r#"{"shop":"acme","method":"oauth"}"#,
            "application/x-www-form-urlencoded",
            "unsupported_media_type",
        ),
        ("", json_type, "invalid_body"),
        ("{", json_type, "invalid_body"),
        ("[]", json_type, "invalid_body"),
        ("null", json_type, "invalid_body"),
        (r#"{"shop":"acme"}"#, json_type, "invalid_body"),
        (r#"{"shop":7,"method":"oauth"}"#, json_type, "invalid_body"),
        (r#"{"shop":"acme","method":"credentials"}"#, json_type, "invalid_body"),
        (r#"{"shop":"acme","method":"oauth","store_id":"st-2"}"#, json_type, "invalid_body"),
        (r#"{"shop":"acme","shop":"beta","method":"oauth"}"#, json_type, "invalid_body"),
        (r#"{"shop":"acme","method":"oauth"} x"#, json_type, "invalid_body"),
        (&large, json_type, "body_too_large"),
    ] {
        let cut = &body[..body.len().min(60)];
        assert_eq!(refused(&world, posted(body, content_type)).await, (400, expected.to_owned()), "{cut}");
    }
    let mut encoded = posted("not base64!", json_type);
    encoded["isBase64Encoded"] = json!(true);
    assert_eq!(refused(&world, encoded).await, (400, "invalid_body".to_owned()));
    assert!(world.faults.calls().is_empty());
}

#[tokio::test]
async fn a_body_may_come_in_base64() {
    use base64::Engine as _;
    let world = World::new();
    let text = base64::engine::general_purpose::STANDARD.encode(r#"{"shop":"acme","method":"oauth"}"#);
    let mut event = posted(&text, "application/json");
    event["isBase64Encoded"] = json!(true);
    assert_eq!(world.send(event).await.status_code, 200);
}

#[tokio::test]
async fn another_store_is_answered_like_one_that_does_not_exist() {
    let world = World::new();
    world.connect("st-2", "acme").await;
    let before = (world.connectors.dump(), world.faults.calls().len());
    for route in [
        CONFIGURE,
        "GET /stores/{store_id}/connectors",
        "GET /stores/{store_id}/connectors/{provider}",
        "GET /stores/{store_id}/connectors/{provider}/history",
        "DELETE /stores/{store_id}/connectors/{provider}",
    ] {
        let mut answers = Vec::new();
        for path in ["st-2", "st-3", "", "st-1/../st-2", "ST-1"] {
            let mut event = protected(route, "st-1");
            event["headers"] = json!({"content-type": "application/json", "x-store-id": "st-2"});
            event["body"] = json!(r#"{"shop":"acme","method":"oauth"}"#);
            event["pathParameters"]["store_id"] = json!(path);
            let response = world.send(event).await;
            assert_eq!(
                (response.status_code, code(&response).as_str()),
                (404, "not_found"),
                "{route} {path}"
            );
            answers.push(response.body);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{route}");

        let mut nobody = protected(route, "st-1");
        nobody["requestContext"]["authorizer"] = Value::Null;
        assert_eq!(refused(&world, nobody).await, (401, "unauthenticated".to_owned()));
        let mut storeless = protected(route, "st-1");
        storeless["requestContext"]["authorizer"]["jwt"]["claims"] = json!({"sub": "user-1"});
        assert_eq!(refused(&world, storeless).await, (403, "no_store".to_owned()));
    }
    assert_eq!((world.connectors.dump(), world.faults.calls().len()), before);
}

#[tokio::test]
async fn queries_that_the_route_does_not_know() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    world.connect("st-2", "beta").await;
    let history = "GET /stores/{store_id}/connectors/{provider}/history";
    let with = |store: &str, query: &str| {
        let mut event = protected(history, store);
        event["rawQueryString"] = json!(query);
        event
    };
    for query in ["limit=0", "limit=201", "limit=-1", "limit=1e2", "page=2", "limit=1&limit=2", "cursor=%ff"]
    {
        assert_eq!(
            refused(&world, with("st-1", query)).await,
            (400, "invalid_parameter".to_owned()),
            "{query}"
        );
    }
    assert_eq!(refused(&world, with("st-1", "cursor=made-up")).await, (400, "invalid_cursor".to_owned()));

    let first = world.send(with("st-1", "limit=1")).await;
    let next = body(&first)["next_cursor"].as_str().unwrap().to_owned();
    let second = body(&world.send(with("st-1", &format!("limit=1&cursor={next}"))).await);
    assert_eq!(
        (second["items"][0]["action"].as_str(), &second["next_cursor"]),
        (Some("connect_started"), &Value::Null)
    );
    let foreign = refused(&world, with("st-2", &format!("cursor={next}"))).await;
    assert_eq!(foreign, (400, "invalid_cursor".to_owned()));
}

#[tokio::test]
async fn events_that_are_no_requests() {
    let world = World::new();
    for event in
        [json!(null), json!({}), json!([1]), json!("x"), json!({"requestContext": 7}), json!({"Records": []})]
    {
        let response = world.send(event).await;
        assert_eq!((response.status_code, code(&response).as_str()), (400, "malformed_event"));
    }
}
