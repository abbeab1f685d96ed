//! Keys of data tools over HTTP, and the one address that has no authorizer before it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::ids::StoreId;
use shared::domain::push::key::{DestinationKey, KeyText, Tool};
use shared::domain::push::target::Stream;
use shared::lambda::destination::MAX_TOOL_BYTES;
use shared::lambda::http::Response;
use shared::ports::push_store::DestinationKeys as _;
use shared::ports::time::Clock as _;
use shared::testkit::canaries;

use super::runs::{Said, rows};
use super::{PROVIDER, World, body};

/// The id and the key that `events/` name.
const KNOWN: (&str, [u8; 32]) = ("dst_00000000000000000000000000000001", [7; 32]);
const ROUTE: &str = "POST /destinations/{destination_id}/{stream}";

impl World {
    /// The key that `events/` send.
    pub async fn known_key(&self) {
        let key = DestinationKey {
            id: KNOWN.0.to_owned(),
            store: StoreId::for_test("one").unwrap(),
            provider: PROVIDER,
            stream: Stream::Products,
            tool: Tool::Multiwoven,
            name: "Multiwoven, products".to_owned(),
            hash: KeyText::new(KNOWN.1).hash(),
            created_by: "user-1".to_owned(),
            created_at: self.clock.now(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        self.kept.add(&key).await.unwrap();
    }

    /// Makes a key over HTTP.
    pub async fn made(&self, store: &str, wanted: Value) -> Response {
        let said = Said { content_type: "application/json", body: wanted.to_string(), ..Said::default() };
        let made = self.tell(store, "POST", "/keys", said).await;
        if made.status_code == 201 {
            canaries::secret("key of a data tool", body(&made)["key"].as_str().unwrap());
        }
        made
    }

    /// Posts as a tool does: Ruby's library says of every body that it is a form, and the gateway hands forms over in Base64.
    pub async fn post(&self, id: &str, stream: &str, authorization: &str, body: &str) -> Response {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(body);
        let mut headers = json!({"content-type": "application/x-www-form-urlencoded"});
        if !authorization.is_empty() {
            headers["authorization"] = json!(authorization);
        }
        self.feed(json!({
            "version": "2.0", "routeKey": ROUTE, "rawPath": "/", "rawQueryString": "", "headers": headers,
            "pathParameters": {"destination_id": id, "stream": stream},
            "requestContext": {
                "routeKey": ROUTE, "requestId": "req-1", "stage": "$default",
                "http": {"method": "POST", "path": "/", "sourceIp": "198.51.100.7"}
            },
            "body": body, "isBase64Encoded": true
        }))
        .await
    }

    /// A key of a store for products: id and what stands in the header.
    pub async fn opens(&self, store: &str) -> (String, String) {
        let made = body(&self.made(store, json!({"stream": "products", "name": "nightly"})).await);
        let id = made["destination"]["id"].as_str().unwrap().to_owned();
        (id, format!("Bearer {}", made["key"].as_str().unwrap()))
    }
}

#[tokio::test]
async fn a_key_is_made_shown_once_listed_and_taken_back() {
    let world = World::mapped().await;
    let wanted = json!({"stream": "products", "tool": "multiwoven", "name": "CRM", "expires_at": "2027-01-01T00:00:00Z"});
    let made = world.made("one", wanted).await;
    assert_eq!(made.status_code, 201, "{}", made.body);
    let (key, shown) = (body(&made)["key"].clone(), body(&made)["destination"].clone());
    let key = key.as_str().unwrap();
    assert!(key.starts_with("mck_") && key.len() == 76);
    assert_eq!(shown["path"], format!("/destinations/{}/products", shown["id"].as_str().unwrap()));
    assert_eq!((&shown["live"], &shown["expires_at"]), (&json!(true), &json!("2027-01-01T00:00:00Z")));

    let listed = world.tell("one", "GET", "/keys", Said::default()).await;
    assert_eq!((listed.status_code, &body(&listed)["items"]), (200, &json!([shown])));
    assert!(!listed.body.contains(&key[4..]));
    assert_eq!(body(&world.tell("other", "GET", "/keys", Said::default()).await)["items"], json!([]));

    let id = shown["id"].as_str().unwrap();
    let drop = async |store| world.feed(world.drop_event(store, id)).await;
    assert_eq!(drop("other").await.status_code, 404);
    let gone = drop("one").await;
    assert_eq!((gone.status_code, &body(&gone)["live"]), (200, &json!(false)), "{}", gone.body);
    assert_eq!(drop("one").await.body, gone.body, "once more changes nothing");
    let refused = world.post(id, "products", &format!("Bearer {key}"), "{}").await;
    assert_eq!((refused.status_code, &body(&refused)["code"]), (401, &json!("invalid_key")));
}

impl World {
    fn drop_event(&self, store: &str, id: &str) -> Value {
        let route = "DELETE /stores/{store_id}/connectors/{provider}/destination/keys/{destination_id}";
        json!({
            "version": "2.0", "routeKey": route, "rawPath": "/", "rawQueryString": "", "headers": {},
            "pathParameters": {"store_id": store, "provider": "shopify", "destination_id": id},
            "requestContext": {
                "routeKey": route, "requestId": "req-1", "stage": "$default",
                "http": {"method": "DELETE", "path": "/", "sourceIp": "203.0.113.9"},
                "authorizer": {"jwt": {"claims": {"store_id": store, "sub": "user-1"}, "scopes": null}}
            },
            "isBase64Encoded": false
        })
    }
}

#[tokio::test]
async fn strangers_are_answered_alike_to_the_letter() {
    let world = World::mapped().await;
    let (id, key) = world.opens("one").await;
    let (other_id, other_key) = world.opens("other").await;
    let (revoked_id, revoked) = world.opens("one").await;
    world.feed(world.drop_event("one", &revoked_id)).await;
    assert_eq!(world.post(&id, "products", &key, "{}").await.status_code, 200);

    let merchant = "Bearer header.payload.signature";
    let (cut, capitals) = (&key[..key.len() - 1], key.to_uppercase());
    let mut answers = BTreeSet::new();
    for (id, stream, authorization) in [
        (id.as_str(), "products", ""),
        (&id, "products", merchant),
        (&id, "products", &other_key),
        (&id, "products", cut),
        (&id, "products", &capitals),
        (&id, "products", key.trim_start_matches("Bearer ")),
        (&id, "products", &key.replace("Bearer", "Basic")),
        (&other_id, "products", &key),
        (&revoked_id, "products", &revoked),
        (&id, "customers", &key),
        (&id, "gift_cards", &key),
        ("dst_0", "products", &key),
        ("", "", &key),
    ] {
        // Whatever is sent with it: it is not looked at.
        for text in ["{}", "x", r#"{"records":[]}"#, &"x".repeat(MAX_TOOL_BYTES + 1)] {
            let refused = world.post(id, stream, authorization, text).await;
            assert_eq!(refused.status_code, 401, "{id} {stream} {authorization}: {}", refused.body);
            answers.insert((format!("{:?}", refused.headers), refused.body));
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(world.kept.all_runs(), []);
    // However the word is written, and with whatever stands beside it.
    let spaced = key.replace("Bearer ", "bearer   ");
    assert_eq!(world.post(&id, "products", &spaced, "{}").await.status_code, 200);
}

#[tokio::test]
async fn a_key_opens_nothing_of_what_a_merchant_may() {
    let world = World::mapped().await;
    let (id, key) = world.opens("one").await;
    for (method, path) in [("GET", "/keys"), ("GET", "/runs"), ("POST", "/check"), ("GET", "/mappings")] {
        let route = format!("{method} /stores/{{store_id}}/connectors/{{provider}}/destination{path}");
        let answer = world
            .feed(json!({
                "version": "2.0", "routeKey": route, "rawPath": "/", "rawQueryString": "",
                "headers": {"authorization": key},
                "pathParameters": {"store_id": "one", "provider": "shopify", "destination_id": id},
                "requestContext": {
                    "routeKey": route, "requestId": "req-1", "stage": "$default",
                    "http": {"method": method, "path": "/", "sourceIp": "198.51.100.7"}
                },
                "isBase64Encoded": false
            }))
            .await;
        assert_eq!((answer.status_code, &body(&answer)["code"]), (401, &json!("unauthenticated")), "{route}");
    }
}

#[tokio::test]
async fn rows_of_a_tool_become_the_stores_and_too_many_bytes_are_refused() {
    let world = World::mapped().await;
    let (id, key) = world.opens("one").await;
    let answer = world.post(&id, "products", &key, &rows(0..2).to_string()).await;
    assert_eq!(
        (answer.status_code, &body(&answer)["message"]),
        (200, &json!("2 created")),
        "{}",
        answer.body
    );
    let run = world.kept.all_runs().remove(0);
    assert_eq!((run.store.as_str(), run.asked_by.as_str()), ("one", id.as_str()));
    let large = world.post(&id, "products", &key, &" ".repeat(MAX_TOOL_BYTES + 1)).await;
    assert_eq!((large.status_code, &body(&large)["code"]), (400, &json!("body_too_large")));
    // A store that is connected to no shop has keys as well; they say so.
    let (id, key) = world.opens("other").await;
    for text in [rows(0..1).to_string(), "{}".to_owned()] {
        let refused = world.post(&id, "products", &key, &text).await;
        assert_eq!((refused.status_code, &body(&refused)["code"]), (401, &json!("not_connected")));
    }
    assert_eq!(world.kept.all_runs().len(), 1);
}

#[tokio::test]
async fn what_is_no_key_to_make_is_refused() {
    let world = World::mapped().await;
    for (wrong, code) in [
        (json!({"stream": "gift_cards", "name": "x"}), "invalid_body"),
        (json!({"stream": "products"}), "invalid_body"),
        (json!({"stream": "products", "name": "x", "store_id": "other"}), "invalid_body"),
        (json!({"stream": "products", "name": "x", "tool": "hightouch"}), "invalid_body"),
        (json!({"stream": "products", "name": ""}), "invalid_name"),
        (json!({"stream": "products", "name": "x", "expires_at": "soon"}), "invalid_expiry"),
        (json!({"stream": "products", "name": "x", "expires_at": "2020-01-01T00:00:00Z"}), "invalid_expiry"),
    ] {
        let refused = world.made("one", wrong.clone()).await;
        assert_eq!((refused.status_code, &body(&refused)["code"]), (400, &json!(code)), "{wrong}");
    }
    assert_eq!(world.kept.list(&StoreId::for_test("one").unwrap(), PROVIDER).await.unwrap(), []);
}
