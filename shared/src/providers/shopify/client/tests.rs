use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::domain::ids::ShopDomain;

const TOKEN: &str = "shpat_canary";

fn access() -> ShopAccess {
    ShopAccess { shop: ShopDomain::accepted("acme.myshopify.com".into()), token: SecretString::from(TOKEN) }
}

/// Answers one call with these very bytes and returns what was asked.
async fn exchange(answer: String) -> (Result<Value, ProviderError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/admin/api/{API_VERSION}/graphql.json", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&asked).contains("\"variables\"") {
            let n = socket.read(&mut buffer).await.unwrap();
            assert_ne!(n, 0, "the call ended early");
            asked.extend_from_slice(&buffer[..n]);
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    let http =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let result =
        post(&http, &url, &access(), "query Q { shop { id } }", &json!({"a": 1}), &Pace::default()).await;
    (result.data, server.await.unwrap())
}

async fn answered(status: &str, headers: &str, body: &str) -> Result<Value, ProviderError> {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
    exchange(answer).await.0
}

#[tokio::test]
async fn the_token_travels_in_its_header_and_the_data_comes_back() {
    let body = r#"{"data":{"shop":{"id":"gid://shopify/Shop/1"}}}"#;
    let (data, asked) =
        exchange(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    assert_eq!(data.unwrap(), json!({"shop": {"id": "gid://shopify/Shop/1"}}));
    assert!(asked.starts_with("POST /admin/api/2026-07/graphql.json HTTP/1.1\r\n"), "{asked}");
    assert_eq!(asked.matches(TOKEN).count(), 1, "{asked}");
    assert!(asked.contains("x-shopify-access-token: shpat_canary\r\n"), "{asked}");
    assert!(asked.contains(r#"{"query":"query Q { shop { id } }","variables":{"a":1}}"#), "{asked}");
}

#[tokio::test]
async fn statuses_mean_what_shopify_documents() {
    for (status, headers, body, expected) in [
        ("401 Unauthorized", "", "{}", "the shop does not accept the token"),
        ("402 Payment Required", "", "{}", "the shop is closed, frozen or locked"),
        ("423 Locked", "", "{}", "the shop is closed, frozen or locked"),
        ("404 Not Found", "", "", "the shop is closed, frozen or locked"),
        (
            "403 Forbidden",
            "",
            r#"{"errors":"[API] This action requires merchant approval for read_products scope."}"#,
            "the shop denied access to [API] This action requires merchant approval for read_products scope.",
        ),
        (
            "403 Forbidden",
            "",
            r#"{"errors":"Non-expiring access tokens are no longer accepted"}"#,
            "the shop does not accept the token",
        ),
        ("403 Forbidden", "", "<html>", "the shop is closed, frozen or locked"),
        ("500 Oops", "", "", "the shop is unavailable"),
        ("503 Busy", "", "", "the shop is unavailable"),
        ("530 Origin", "", "", "the shop is unavailable"),
        ("400 Bad", "", r#"{"errors":"bad"}"#, "the shop refused: http_400"),
        ("301 Moved", "location: https://evil.example/\r\n", "", "the shop refused: http_301"),
    ] {
        let error = answered(status, headers, body).await.unwrap_err();
        assert_eq!(error.to_string(), expected, "{status}");
    }
}

#[tokio::test]
async fn a_throttled_call_says_when_to_come_back() {
    let error = answered("429 Slow", "retry-after: 2.5\r\n", "{}").await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Throttled { retry_after: Some(wait) } if wait == Duration::from_millis(2500)),
        "{error:?}"
    );
    let body = r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":112.0,"actualQueryCost":null,"throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":12,"restoreRate":50.0}}}}"#;
    let error = answered("200 OK", "", body).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Throttled { retry_after: Some(wait) } if wait == Duration::from_secs(2)),
        "{error:?}"
    );
}

#[tokio::test]
async fn partial_data_with_errors_is_an_error() {
    let body = r#"{"data":{"shop":null},"errors":[{"message":"Access denied for shop field.","path":["shop"],"extensions":{"code":"ACCESS_DENIED","requiredAccess":"`read_x` access scope."}}]}"#;
    let error = answered("200 OK", "", body).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::ScopeDenied { what } if what == "shop: `read_x` access scope."),
        "{error:?}"
    );
    let body = r#"{"data":{"customer":null},"errors":[{"message":"This app is not approved to access the Customer object. See https://shopify.dev/docs/apps/launch/protected-customer-data for more details.","path":["customer"],"extensions":{"code":"ACCESS_DENIED"}}]}"#;
    let error = answered("200 OK", "", body).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Refused { code } if code == "PROTECTED_DATA_DENIED"),
        "{error:?}"
    );
    for (body, expected) in [
        (
            r#"{"errors":[{"message":"x","extensions":{"code":"SHOP_INACTIVE"}}]}"#,
            "the shop is closed, frozen or locked",
        ),
        (
            r#"{"data":{"a":1},"errors":[{"message":"x","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#,
            "the shop is unavailable",
        ),
        (
            r#"{"errors":[{"message":"x","extensions":{"code":"MAX_COST_EXCEEDED"}}]}"#,
            "the shop refused: MAX_COST_EXCEEDED",
        ),
        (
            r#"{"errors":[{"message":"Field 'x' doesn't exist"}]}"#,
            "the shop refused: Field 'x' doesn't exist",
        ),
        (r#"{"errors":"told shpat_canary\nso"}"#, "the shop refused: told … so"),
        (r#"{"data":null}"#, "the shop's answer cannot be read: an answer without data and without errors"),
        (
            r#"{"data":{"a":"#,
            "the shop's answer cannot be read: not a GraphQL answer: cut off at line 1 column 13",
        ),
    ] {
        let error = answered("200 OK", "", body).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(answered("200 OK", "", r#"{"data":{"a":1},"errors":[]}"#).await.unwrap(), json!({"a": 1}));
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_limit_and_never_short() {
    let large = format!(r#"{{"data":{{"a":"{}"}}}}"#, "x".repeat(MAX_ANSWER_BYTES));
    let error = answered("200 OK", "", &large).await.unwrap_err();
    assert!(matches!(error, ProviderError::Malformed { .. }), "{error:?}");
    let (cut, _) = exchange("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":{}}".to_owned()).await;
    assert!(matches!(cut, Err(ProviderError::Unavailable { .. })), "{cut:?}");
}

#[tokio::test]
async fn nothing_of_an_error_names_token_or_address() {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    drop(listener);
    let error =
        post::<Value>(&http, &url, &access(), "query Q { shop { id } }", &json!({}), &Pace::default())
            .await
            .data
            .unwrap_err();
    let shown = format!("{error:?} {error}");
    assert!(!shown.contains("secret-path") && !shown.contains(TOKEN), "{shown}");
}
