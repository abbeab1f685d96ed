//! Rows that are planned and written over HTTP, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use shared::app::import::Disposition;
use shared::domain::ids::{RunId, StoreId};
use shared::domain::push::run::PushState;
use shared::domain::push::target::Stream;
use shared::lambda::destination::MAX_ROWS_BYTES;
use shared::lambda::destination_step::destination_step;
use shared::lambda::http::Response;
use shared::ports::push_store::PushRuns as _;
use shared::ports::time::Clock as _;
use shared::testkit::push_writer::FakeWriter;
use shared::testkit::queue::FakeRedelivery;

use super::{BASE, PROVIDER, WRITING, World, body, events, example};

/// What a request says beside its route.
#[derive(Default, Clone)]
pub struct Said<'a> {
    pub run: &'a str,
    pub query: &'a str,
    pub content_type: &'a str,
    pub key: &'a str,
    pub body: String,
}

impl World {
    /// With the example's mapping.
    pub async fn mapped() -> Self {
        let world = Self::new(WRITING).await;
        assert_eq!(world.save(&example(), None).await.status_code, 200);
        world
    }

    pub async fn tell(&self, store: &str, method: &str, route: &str, said: Said<'_>) -> Response {
        let mut headers = json!({"content-type": said.content_type});
        if !said.key.is_empty() {
            headers["idempotency-key"] = json!(said.key);
        }
        let route_key = format!("{method} {BASE}{route}");
        let event = json!({
            "version": "2.0", "routeKey": route_key, "rawPath": "/", "rawQueryString": said.query, "headers": headers,
            "pathParameters": {"store_id": store, "provider": "shopify", "stream": "products", "run_id": said.run},
            "requestContext": {
                "routeKey": route_key, "requestId": "req-1", "stage": "$default",
                "http": {"method": method, "path": "/", "sourceIp": "203.0.113.9"},
                "authorizer": {"jwt": {"claims": {"store_id": store, "sub": "user-1"}, "scopes": null}}
            },
            "body": said.body, "isBase64Encoded": false
        });
        self.feed(event).await
    }

    pub async fn send(&self, route: &str, query: &str, rows: &Value) -> Response {
        let body = rows.to_string();
        self.tell(
            "one",
            "POST",
            route,
            Said { query, body, content_type: "application/json", ..Said::default() },
        )
        .await
    }

    async fn about(&self, method: &str, route: &str, run: &str) -> Response {
        self.tell("one", method, route, Said { run, ..Said::default() }).await
    }

    async fn read(&self, route: &str, run: &str, query: &str) -> Response {
        self.tell("one", "GET", route, Said { run, query, ..Said::default() }).await
    }

    async fn stored(&self, run: &str) -> PushState {
        let store = StoreId::for_test("one").unwrap();
        self.kept.load(&store, PROVIDER, &RunId::parse(run).unwrap()).await.unwrap().unwrap().state
    }

    /// Delivers the messages that are due, as the queue would, until none is left.
    async fn settle(&self) {
        let pushes = self.app();
        for _ in 0..100 {
            let Some(message) = self.kept.pop_or_wait() else { return };
            let until = self.clock.now() + std::time::Duration::from_secs(75);
            if let Disposition::Retry(error) = pushes.tools.pushes.handle_until(&message, 1, until).await {
                self.kept.put_back(message, error.retry_after().unwrap_or_default());
            }
        }
        panic!("the messages have no end");
    }
}

pub fn row(number: u32) -> Value {
    json!({
        "product_id": format!("P-{number}"), "name": format!("Tee {number}"), "body": "<p>Soft.</p>", "tag_list": "a,b",
        "care": "cold", "size": "S", "color": "Red", "sku": format!("SKU-{number}"), "price": "10.00",
    })
}

pub fn rows(numbers: std::ops::Range<u32>) -> Value {
    numbers.map(row).collect()
}

pub fn id(response: &Response) -> String {
    body(response)["id"].as_str().unwrap_or_else(|| panic!("no run: {}", response.body)).to_owned()
}

fn code(response: &Response) -> (u16, String) {
    (response.status_code, body(response)["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_plan_tells_what_each_row_would_change_and_applying_it_changes_that() {
    let world = World::mapped().await;
    let planned = world.send("/plan/{stream}", "", &rows(0..3)).await;
    assert_eq!(planned.status_code, 200, "{}", planned.body);
    let plan = body(&planned);
    assert_eq!(
        (&plan["kind"], &plan["state"], &plan["rows"]["created"]),
        (&json!("plan"), &json!("succeeded"), &json!(3))
    );
    assert_eq!(world.writer.mutations(), 0);
    let records = world.read("/runs/{run_id}/records", &id(&planned), "limit=2").await;
    let first = body(&records);
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let title = first["items"][0]["diff"].as_array().unwrap().iter().find(|change| change["path"] == "title");
    assert_eq!(title.unwrap()["after"], "Tee 0");
    let next = format!("cursor={}", first["next_cursor"].as_str().unwrap());
    let second = body(&world.read("/runs/{run_id}/records", &id(&planned), &next).await);
    assert_eq!((&second["items"][0]["seq"], second.get("next_cursor")), (&json!(2), None));

    world.clock.advance(std::time::Duration::from_secs(1));
    let applied = world.about("POST", "/plans/{run_id}/apply", &id(&planned)).await;
    assert_eq!(
        (applied.status_code, &body(&applied)["rows"]["created"]),
        (200, &json!(3)),
        "{}",
        applied.body
    );
    assert_eq!(world.writer.record(Stream::Products, "P-1").unwrap()["title"], "Tee 1");
    let again = world.about("POST", "/plans/{run_id}/apply", &id(&applied)).await;
    assert_eq!(code(&again), (409, "not_a_plan".to_owned()));
    let listed = body(&world.about("GET", "/runs", "").await);
    let kinds: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|run| &run["kind"]).collect();
    assert_eq!(kinds, ["apply", "plan"], "newest first");
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_refused_and_harms_no_other() {
    let world = World::mapped().await;
    let lines = format!("{}\n{{\"product_id\": \n\n{}\n", row(1), row(2));
    let said = Said {
        body: lines,
        content_type: "application/x-ndjson",
        query: "stop_after_failed_percent=100",
        ..Said::default()
    };
    let wrote = world.tell("one", "POST", "/write/{stream}", said).await;
    assert_eq!(wrote.status_code, 422, "{}", wrote.body);
    let run = body(&wrote);
    assert_eq!(
        (&run["state"], &run["rows"]["created"], &run["rows"]["failed"]),
        (&json!("completed_with_errors"), &json!(2), &json!(1))
    );
    let failed = body(&world.read("/runs/{run_id}/records", &id(&wrote), "outcome=failed").await);
    assert_eq!(
        (&failed["items"][0]["seq"], &failed["items"][0]["error"]["code"]),
        (&json!(1), &json!("ROW_MALFORMED"))
    );
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);

    let table = world.read("/runs/{run_id}/export", &id(&wrote), "format=csv&outcome=created").await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = table.body.lines().collect();
    assert!(lines[0].starts_with("seq,stream,key") && lines.len() == 3, "{}", table.body);
    let text = world.read("/runs/{run_id}/export", &id(&wrote), "").await;
    assert_eq!(text.headers["content-type"], "application/x-ndjson");
    let seqs: Vec<Value> =
        text.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone()).collect();
    assert_eq!(seqs, [0, 1, 2]);
    assert!(!text.headers.contains_key("x-next-cursor"));
}

#[tokio::test]
async fn an_export_says_where_its_next_page_starts() {
    let world = World::mapped().await;
    let planned = world.send("/plan/{stream}", "", &rows(0..501)).await;
    let first = world.read("/runs/{run_id}/export", &id(&planned), "").await;
    let next = format!("cursor={}", first.headers["x-next-cursor"]);
    let second = world.read("/runs/{run_id}/export", &id(&planned), &next).await;
    assert_eq!((first.body.lines().count(), second.body.lines().count()), (500, 1));
    assert!(!second.headers.contains_key("x-next-cursor"));
}

#[tokio::test]
async fn what_failed_is_replayed_with_the_mapping_in_force_and_what_was_written_is_undone() {
    let world = World::mapped().await;
    let mut some = rows(0..2);
    some[1]["title"] = some[1]["name"].take();
    let wrote = world.send("/write/{stream}", "", &some).await;
    assert_eq!((wrote.status_code, &body(&wrote)["rows"]["failed"]), (422, &json!(1)), "{}", wrote.body);
    let mut document = example();
    document["fields"][0] =
        json!({"to": "title", "template": "{{ name | default: title }}", "required": true});
    assert_eq!(world.save(&document, Some(1)).await.status_code, 200);
    let run = &id(&wrote);
    let with = |query| Said { run, query, ..Said::default() };
    let as_before = world.tell("one", "POST", "/runs/{run_id}/replay", with("")).await;
    assert_eq!((as_before.status_code, &body(&as_before)["rows"]["failed"]), (422, &json!(1)));
    let fixed = world.tell("one", "POST", "/runs/{run_id}/replay", with("newest_mapping=true")).await;
    assert_eq!((fixed.status_code, &body(&fixed)["rows"]["created"]), (200, &json!(1)), "{}", fixed.body);
    assert_eq!(world.writer.records(Stream::Products), 2);
    let undone = world.about("POST", "/runs/{run_id}/undo", &id(&fixed)).await;
    assert_eq!((undone.status_code, &body(&undone)["kind"]), (200, &json!("undo")), "{}", undone.body);
    let again = world.about("POST", "/runs/{run_id}/undo", &id(&undone)).await;
    assert_eq!(code(&again), (409, "not_undoable".to_owned()));
}

#[tokio::test]
async fn what_is_accepted_is_answered_at_once_and_can_be_cancelled() {
    let world = World::mapped().await;
    let accepted = world.send("/write/{stream}", "mode=accept", &rows(0..3)).await;
    assert_eq!((accepted.status_code, &body(&accepted)["state"]), (201, &json!("queued")));
    let run = &id(&accepted);
    let early = world.about("POST", "/runs/{run_id}/undo", run).await;
    assert_eq!(code(&early), (409, "run_not_over".to_owned()));
    assert_eq!(world.about("POST", "/runs/{run_id}/cancel", run).await.status_code, 202);
    world.settle().await;
    assert_eq!((world.stored(run).await, world.writer.mutations()), (PushState::Cancelled, 0));
    let accepted = world.send("/write/{stream}", "mode=accept", &rows(0..3)).await;
    world.settle().await;
    let shown = world.about("GET", "/runs/{run_id}", &id(&accepted)).await;
    assert_eq!((shown.status_code, &body(&shown)["rows"]["created"]), (200, &json!(3)));
}

#[tokio::test]
async fn a_request_answers_in_time_and_steps_do_the_rest() {
    let mut world = World::mapped().await;
    world.writer = FakeWriter::new(world.clock.clone(), world.faults.clone()).with_bucket(200, 10);
    let began = world.clock.now();
    let wrote = world.send("/write/{stream}", "", &rows(0..120)).await;
    assert_eq!((wrote.status_code, &body(&wrote)["state"]), (201, &json!("running")), "{}", wrote.body);
    let took = world.clock.now().duration_since(began).as_secs();
    assert!((5..25).contains(&took), "{took} s");
    assert!((1..120).contains(&world.writer.mutations()));
    world.settle().await;
    let shown = body(&world.about("GET", "/runs/{run_id}", &id(&wrote)).await);
    assert_eq!((&shown["state"], &shown["rows"]["created"]), (&json!("succeeded"), &json!(120)), "{shown}");
}

#[tokio::test]
async fn the_same_request_under_one_name_is_one_run_and_another_is_refused() {
    let world = World::mapped().await;
    let said = |rows: Value| Said {
        key: "load-7",
        body: rows.to_string(),
        content_type: "application/json",
        ..Said::default()
    };
    let first = world.tell("one", "POST", "/write/{stream}", said(rows(0..2))).await;
    let second = world.tell("one", "POST", "/write/{stream}", said(rows(0..2))).await;
    assert_eq!((first.status_code, id(&first)), (second.status_code, id(&second)));
    assert_eq!(world.kept.all_runs().len(), 1);
    let other = world.tell("one", "POST", "/write/{stream}", said(rows(0..1))).await;
    assert_eq!(code(&other), (409, "idempotency_key_reused".to_owned()));
}

#[tokio::test]
async fn what_is_no_rows_is_refused_and_says_why() {
    let world = World::mapped().await;
    let refused = async |content_type, query, body: String| {
        code(
            &world
                .tell("one", "POST", "/write/{stream}", Said { content_type, query, body, ..Said::default() })
                .await,
        )
    };
    let json = "application/json";
    let one = rows(0..1).to_string();
    let too_large = format!("[{}]", " ".repeat(MAX_ROWS_BYTES));
    for (content_type, query, sent, expected) in [
        ("text/csv", "", one.clone(), "unsupported_media_type"),
        ("", "", one.clone(), "unsupported_media_type"),
        (json, "", "[".to_owned(), "invalid_body"),
        (json, "", "7".to_owned(), "invalid_body"),
        (json, "", json!({"rows": [{}], "store_id": "other"}).to_string(), "invalid_body"),
        (json, "", "[]".to_owned(), "no_rows"),
        ("application/x-ndjson", "", "\n\n".to_owned(), "no_rows"),
        (json, "", too_large, "body_too_large"),
        (json, "mode=later", one.clone(), "invalid_parameter"),
        (json, "undo_days=many", one.clone(), "invalid_parameter"),
        (json, "undo_days=31", one.clone(), "invalid_safety"),
        (json, "on_drift=ask", one.clone(), "invalid_parameter"),
        (json, "store_id=other", one.clone(), "invalid_parameter"),
    ] {
        assert_eq!(
            refused(content_type, query, sent).await,
            (400, expected.to_owned()),
            "{content_type} {query}"
        );
    }
    assert!(world.kept.all_runs().is_empty() && world.kept.waiting().is_empty());
    let unmapped = World::new(WRITING).await;
    assert_eq!(code(&unmapped.send("/plan/{stream}", "", &rows(0..1)).await), (409, "no_mapping".to_owned()));
    let lacking = World::new("read_products").await;
    assert_eq!(
        code(&lacking.send("/plan/{stream}", "", &rows(0..1)).await),
        (403, "missing_scopes".to_owned())
    );
}

#[tokio::test]
async fn the_run_of_another_store_is_like_none() {
    let world = World::mapped().await;
    let run = id(&world.send("/write/{stream}", "", &rows(0..1)).await);
    let none = RunId::new(uuid::Uuid::from_u128(9)).to_string();
    for (method, route) in [
        ("GET", "/runs/{run_id}"),
        ("GET", "/runs/{run_id}/records"),
        ("GET", "/runs/{run_id}/export"),
        ("POST", "/runs/{run_id}/replay"),
        ("POST", "/runs/{run_id}/undo"),
        ("POST", "/runs/{run_id}/cancel"),
        ("POST", "/plans/{run_id}/apply"),
    ] {
        let theirs = world.tell("other", method, route, Said { run: &run, ..Said::default() }).await;
        let nobodys = world.tell("other", method, route, Said { run: &none, ..Said::default() }).await;
        assert_eq!(code(&theirs), (404, "not_found".to_owned()), "{method} {route}");
        assert!(theirs == nobodys, "{method} {route}");
        let no_id = world.tell("one", method, route, Said { run: "7", ..Said::default() }).await;
        assert_eq!(no_id.status_code, 404, "{method} {route}");
    }
    assert_eq!(body(&world.tell("other", "GET", "/runs", Said::default()).await)["items"], json!([]));
}

/// Every batch of `events/destination-step`, with a write that was accepted and has not begun.
#[tokio::test]
async fn every_batch_is_answered_record_by_record() {
    let mut answers = BTreeMap::new();
    for (name, event) in events("destination-step") {
        let world = World::mapped().await;
        let run = id(&world.send("/write/{stream}", "mode=accept", &rows(0..2)).await);
        assert!(!name.contains("write") || event.to_string().contains(&run), "{name} does not name {run}");
        let records = event["Records"].as_array().unwrap().clone();
        let context = Context::default();
        let mut context = context;
        context.deadline = u64::try_from(world.clock.now().as_millisecond()).unwrap() + 120_000;
        let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), context);
        let app = world.app().tools.pushes.clone();
        let queue = Arc::new(FakeRedelivery::default());
        let answer = destination_step(app, queue, event).await.unwrap();
        let again: Vec<usize> = answer
            .batch_item_failures
            .iter()
            .map(|failure| {
                records.iter().position(|record| record["messageId"] == *failure.item_identifier).unwrap() + 1
            })
            .collect();
        let written = world.stored(&run).await == PushState::Succeeded;
        if name.starts_with("bad_") {
            assert_eq!((again.as_slice(), written), ([1].as_slice(), false), "{name}");
        }
        if name.starts_with("mixed_") {
            assert!(
                written && again.len() == 1,
                "{name}: the good record was not carried out, or the bad one was"
            );
        }
        // A product with metafields takes two calls.
        assert_eq!(world.writer.mutations(), if written { 4 } else { 0 }, "{name}");
        answers.insert(name, format!("again {again:?}, written {written}"));
    }
    insta::assert_debug_snapshot!(answers);
}
