use lambda_http::Context;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::ports::metrics::Metric;
use crate::ports::provider::ProviderError;
use crate::testkit::metrics::FakeMetrics;

struct Still;

#[async_trait::async_trait]
impl Clock for Still {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, _: std::time::Duration) {}
}

fn edge() -> Edge {
    Edge {
        store_claim: "store_id".to_owned(),
        clock: Arc::new(Still),
        metrics: Arc::new(FakeMetrics::default()),
    }
}

fn event(more: Value) -> Value {
    let mut event =
        json!({"requestContext": {"requestId": "req-1", "routeKey": "GET /x", "http": {"method": "GET"}}});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn call(more: Value) -> Call {
    Call::parse(event(more), "store_id", "fallback").unwrap()
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_says_nothing() {
    let event = LambdaEvent::new(event(json!({})), Context::default());
    #[expect(clippy::panic, reason = "what a panic leads to is the subject")]
    let response = handle(&edge(), event, |_| async { panic!("the secret of st-1") }).await;
    assert_eq!(response.status_code, 500);
    assert!(
        response.body.contains("internal_error") && !response.body.contains("secret"),
        "{}",
        response.body
    );
}

#[tokio::test]
async fn every_answer_is_counted_by_whom_it_blames() {
    let counted = async |payload: Value, result: fn() -> Result<Response, AppError>| {
        let metrics = FakeMetrics::default();
        let edge = Edge { metrics: Arc::new(metrics.clone()), ..edge() };
        handle(&edge, LambdaEvent::new(payload, Context::default()), |_| async move { result() }).await;
        assert_eq!(metrics.values(Metric::DurationMs), [0]);
        [Metric::Requests, Metric::ClientErrors, Metric::ServerErrors, Metric::ShopThrottles]
            .map(|metric| metrics.sum(metric))
    };
    let request = event(json!({}));
    assert_eq!(counted(request.clone(), || json(200, &[1])).await, [1, 0, 0, 0]);
    assert_eq!(counted(request.clone(), || Err(AppError::not_found())).await, [1, 1, 0, 0]);
    assert_eq!(counted(request.clone(), || Err(AppError::bug("x"))).await, [1, 0, 1, 0]);
    let throttled = || Err(ProviderError::Throttled { retry_after: None }.into());
    assert_eq!(counted(request, throttled).await, [1, 1, 0, 1]);
    assert_eq!(counted(json!("no request"), || json(200, &[1])).await, [1, 1, 0, 0]);
}

#[tokio::test]
async fn an_answer_has_the_shape_that_the_gateway_takes() {
    let event = LambdaEvent::new(event(json!({})), Context::default());
    let response = handle(&edge(), event, |_| async { Ok(json(200, &[1])?.cookie("a=b; Path=/")) }).await;
    insta::assert_json_snapshot!(response, @r#"
    {
      "statusCode": 200,
      "headers": {
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-content-type-options": "nosniff"
      },
      "cookies": [
        "a=b; Path=/"
      ],
      "body": "[1]",
      "isBase64Encoded": false
    }
    "#);
}

#[test]
fn a_cookie_counts_if_it_has_one_value() {
    let both = call(json!({"cookies": ["x=1", "a=one"], "headers": {"Cookie": "a=one; b=two=2; c="}}));
    assert_eq!(
        (both.cookie("a"), both.cookie("b"), both.cookie("c")),
        (Some("one"), Some("two=2"), Some(""))
    );
    assert_eq!((both.cookie("d"), both.cookie("A")), (None, None));
    let twice = call(json!({"cookies": ["a=one", "a=other"]}));
    assert_eq!(twice.cookie("a"), None);
}

#[test]
fn an_idempotency_key_is_short_and_visible() {
    let key = |value: Value| {
        call(json!({"headers": {"Idempotency-Key": value}}))
            .idempotency_key()
            .map(|k| k.map(str::to_owned))
            .map_err(|e| e.code)
    };
    assert_eq!(key(json!("0a1b-2c")), Ok(Some("0a1b-2c".to_owned())));
    assert_eq!(call(json!({})).idempotency_key().map_err(|e| e.code), Ok(None));
    for bad in [json!(""), json!("a b"), json!("é"), json!("k".repeat(129))] {
        assert_eq!(key(bad), Err("invalid_idempotency_key"));
    }
}

#[test]
fn messages_about_bodies_repeat_no_value() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[expect(dead_code, reason = "only its type matters")]
        count: u32,
    }
    for body in [r#"{"count":"s3cret"}"#, r#"{"count":1,"s":}"#, r#"s3cret"#, r#"{"count":-5}"#] {
        let request = call(json!({"headers": {"content-type": "application/json"}, "body": body}));
        let error = request.json::<Wanted>().unwrap_err();
        assert_eq!(error.code, "invalid_body");
        assert!(!error.detail.contains("s3cret") && !error.detail.contains("-5"), "{}", error.detail);
    }
}

/// `lambda_http` would make a `Request` of it and panic.
#[test]
fn an_address_that_no_uri_takes_is_read_as_it_came() {
    let odd = call(json!({
        "rawPath": "/stores/ä b\\/x", "rawQueryString": "a=<\"é\u{7f}>&a=%zz", "headers": {"host": "no host at all"},
    }));
    assert_eq!(odd.raw_query(), "a=<\"é\u{7f}>&a=%zz");
}

#[test]
fn claims_that_are_no_texts_make_no_caller() {
    for store in [json!(["st-1", "st-2"]), json!(7), json!({"id": "st-1"})] {
        let context = json!({
            "http": {"method": "GET"},
            "authorizer": {"jwt": {"claims": {"sub": "u1", "store_id": store}}},
        });
        let parsed = Call::parse(event(json!({"requestContext": context})), "store_id", "fallback");
        assert_eq!(parsed.err().map(|error| error.code), Some("malformed_event"));
    }
}
