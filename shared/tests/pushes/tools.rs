//! Rows that a data tool posts with a key and nothing else.

use std::time::Duration;

use serde_json::{Value, json};
use shared::app::error::{AppError, ErrorKind};
use shared::app::push::tool::{Sent, ToolAnswer, Tools, read};
use shared::domain::connection::Reason;
use shared::domain::push::key::Tool;
use shared::domain::push::run::PushState;
use shared::domain::push::target::Stream;
use shared::ports::connectors::ConnectorStore as _;
use shared::ports::time::Clock as _;
use shared::testkit::faults::Fault;
use shared::testkit::push_writer::FakeWriter;

use super::world::{PROVIDER, SCOPES, World, example, row, rows, stock};

/// How long a request goes on with its rows.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tool that has a key.
struct Sender<'w> {
    world: &'w World,
    stream: Stream,
    id: String,
    key: String,
}

impl World {
    async fn sender(&self, stream: Stream, tool: Tool) -> Sender<'_> {
        let (id, key) = self.key(stream, tool).await;
        Sender { world: self, stream, id, key }
    }
}

impl Sender<'_> {
    async fn post(&self, body: Value) -> Result<ToolAnswer, AppError> {
        self.wait(body, PATIENCE).await
    }

    async fn wait(&self, body: Value, patience: Duration) -> Result<ToolAnswer, AppError> {
        let tools = Tools { keys: self.world.tool_keys(), pushes: self.world.app.clone() };
        let until = self.world.clock.now() + patience;
        let body = || Ok(body.to_string().into_bytes());
        let answer = tools.post(&self.id, self.stream.as_str(), Some(&self.key), None, body, until).await;
        // Ids of runs sort by their time.
        self.world.clock.advance(Duration::from_millis(1));
        answer
    }
}

/// A body as Multiwoven sends it.
fn records(rows: Value) -> Value {
    let rows = rows.as_array().unwrap();
    json!({"records": rows.iter().map(|row| json!({"fields": row})).collect::<Vec<_>>()})
}

fn seen(answer: &ToolAnswer) -> (u16, bool, Option<PushState>, &str) {
    (answer.status, answer.ok, answer.state, &answer.message)
}

#[tokio::test]
async fn a_check_tells_whether_rows_could_be_sent_and_leaves_nothing() {
    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    let answer = sender.post(json!({})).await.unwrap();
    assert_eq!(seen(&answer), (200, true, None, "Rows of products can be sent."));
    let needed: Vec<&str> =
        answer.columns.iter().filter(|column| column.required).map(|column| column.name.as_str()).collect();
    assert_eq!((answer.columns.len(), needed), (9, vec!["name", "product_id", "sku"]));

    // No mapping, too few scopes, no access any more: told before the first row is sent.
    let unmapped = world.sender(Stream::ProductVariants, Tool::Multiwoven).await;
    let refused = unmapped.post(json!({})).await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (ErrorKind::Conflict, "no_mapping"));
    let poor = World::with("write_products", |writer| writer).await;
    let orders = poor.sender(Stream::Orders, Tool::Multiwoven).await;
    let refused = orders.post(json!({})).await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (ErrorKind::Forbidden, "missing_scopes"));
    let mut connector = world.connectors.stored(&world.store, PROVIDER).unwrap();
    connector.reason = Some(Reason::NeedsReauthorization);
    world.connectors.save(&mut connector).await.unwrap();
    for body in [json!({}), records(rows(Stream::Products, 0..1))] {
        let refused = sender.post(body).await.unwrap_err();
        assert_eq!((refused.kind, refused.code), (ErrorKind::Unauthenticated, "needs_reauthorization"));
    }
    assert_eq!((world.kept.all_runs(), world.writer.mutations()), (Vec::new(), 0));

    // The shop's fields changed: the check says so as the rows would.
    let world = World::new().await;
    let mut stale = example(Stream::Products);
    stale["fields"][5]["to"] = json!("metafields.custom.gone");
    world.map(Stream::Products, 2, stale).await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    for body in [json!({}), records(rows(Stream::Products, 0..1))] {
        assert_eq!(sender.post(body).await.unwrap_err().code, "schema_drift");
    }
}

#[tokio::test]
async fn rows_are_written_before_the_answer_and_the_run_names_the_key() {
    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    let answer = sender.post(records(rows(Stream::Products, 0..3))).await.unwrap();
    assert_eq!(seen(&answer), (200, true, Some(PushState::Succeeded), "3 created"));
    let runs = world.kept.all_runs();
    assert_eq!((runs.len(), runs[0].asked_by.as_str()), (1, sender.id.as_str()));
    assert_eq!(answer.run.as_deref(), Some(runs[0].id.as_str()));
    assert_eq!(world.writer.records(Stream::Products), 3);
}

#[tokio::test]
async fn what_multiwoven_made_of_values_is_undone() {
    let world = World::new().await;
    let mut said = row(Stream::Products, 1);
    said["name"] = json!("O''Brien''s, 6'''' wide");
    said["tag_list"] = json!("men''s,new");
    said["care"] = Value::Null;
    said["price"] = json!("12.5");
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    assert_eq!(sender.post(records(json!([said.clone()]))).await.unwrap().status, 200);
    let made = world.writer.record(Stream::Products, "P-1").unwrap();
    assert_eq!(made["title"], "O'Brien's, 6'' wide");
    assert_eq!(made["tags"], json!(["men's", "new"]));

    // Stock as text becomes a number.
    stock(&world, 1);
    let stock = world.sender(Stream::InventoryLevels, Tool::Multiwoven).await;
    let level = json!([{"sku": "SKU-0", "warehouse": "Main", "qty": "7"}]);
    assert_eq!(stock.post(records(level)).await.unwrap().status, 200);
    assert_eq!(world.writer.stock_of("SKU-0").into_values().collect::<Vec<_>>(), [7]);

    // Whoever else sends it means what is written.
    let other = world.sender(Stream::Products, Tool::Other).await;
    assert_eq!(other.post(json!({"rows": [said]})).await.unwrap().status, 200);
    let made = world.writer.record(Stream::Products, "P-1").unwrap();
    assert_eq!(made["title"], "O''Brien''s, 6'''' wide");
}

#[tokio::test]
async fn a_row_that_was_refused_is_told_with_its_column_and_costs_no_other() {
    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    let mut bad = row(Stream::Products, 1);
    bad["price"] = json!("twelve, for ada@example.com");
    let mut body = records(json!([row(Stream::Products, 0), bad, row(Stream::Products, 2)]));
    // What Multiwoven sends where it could not transform a row.
    body["records"].as_array_mut().unwrap().push(json!({"fields": true}));
    let answer = sender.post(body).await.unwrap();
    let summary = "2 created, 2 failed";
    assert_eq!(seen(&answer), (422, false, Some(PushState::CompletedWithErrors), summary));
    let told = serde_json::to_value(&answer).unwrap();
    assert_eq!(told["rows"]["received"], 4);
    let refused: Vec<_> =
        answer.refused.iter().map(|row| (row.row, row.code.as_str(), row.column.as_deref())).collect();
    assert_eq!(refused, [(1, "TYPE_MISMATCH", Some("price")), (3, "ROW_MALFORMED", None)]);
    assert!(!told.to_string().contains("ada"), "values stand in no answer: {told}");
    assert!(!told.to_string().contains("status"), "{told}");
    assert_eq!(world.writer.records(Stream::Products), 2);
}

#[tokio::test]
async fn rows_that_are_kept_are_never_told_to_be_lost() {
    let body = || Value::Array(vec![json!({"name": "no key"}), row(Stream::Products, 1)]);
    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Other).await;
    let first = world.faults.made();
    assert_eq!(sender.post(body()).await.unwrap().refused.len(), 1);
    let last = world.faults.calls()[first..].iter().rposition(|call| call.starts_with("results")).unwrap();

    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Other).await;
    world.faults.at(world.faults.made() + last, Fault::FailBefore);
    let answer = sender.post(body()).await.unwrap();
    assert_eq!((answer.status, answer.refused.len(), world.faults.struck()), (422, 0, 1), "{answer:?}");
}

#[tokio::test]
async fn an_answer_tells_of_twenty_rows_and_the_run_of_all() {
    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Other).await;
    let answer = sender.post(Value::Array(vec![json!({"name": "no key"}); 30])).await.unwrap();
    assert_eq!((answer.status, answer.refused.len()), (422, 20));
    let run = world.kept.all_runs().remove(0);
    assert_eq!(world.paged(&run.id, None).await.len(), 30);
}

#[tokio::test]
async fn rows_for_which_there_is_no_time_are_kept_and_delivered() {
    let world = World::with(SCOPES, |writer| writer.with_bucket(200, 50)).await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    let answer = sender.post(records(rows(Stream::Products, 0..200))).await.unwrap();
    assert_eq!((answer.status, answer.ok), (201, true), "{answer:?}");
    assert!(answer.message.contains("pending"), "{}", answer.message);
    world.settle().await;
    let run = world.kept.all_runs().remove(0);
    assert_eq!((run.state, world.writer.records(Stream::Products)), (PushState::Succeeded, 200));
}

#[tokio::test]
async fn the_same_rows_again_while_they_are_written_are_the_same_run() {
    let world = World::with(SCOPES, |writer| writer.with_bucket(200, 50)).await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    let body = records(rows(Stream::Products, 0..200));
    let first = sender.wait(body.clone(), Duration::from_secs(5)).await.unwrap();
    let again = sender.wait(body.clone(), Duration::from_secs(5)).await.unwrap();
    assert_eq!((first.status, again.status, &again.run), (201, 201, &first.run));
    // Other rows, and the same from another tool, are other requests.
    let more = sender.wait(records(rows(Stream::Products, 0..199)), Duration::ZERO).await.unwrap();
    let other = world.sender(Stream::Products, Tool::Multiwoven).await;
    let others = other.wait(body, Duration::ZERO).await.unwrap();
    assert!(more.run != first.run && others.run != first.run && others.run != more.run);
    world.settle().await;
    assert!(world.writer.made().iter().all(|(_, times)| *times == 1), "{:?}", world.writer.made());
}

#[tokio::test]
async fn the_same_rows_again_after_they_were_written_write_nothing() {
    for stream in [Stream::Products, Stream::Customers, Stream::Orders] {
        let world = World::new().await;
        stock(&world, 4);
        let sender = world.sender(stream, Tool::Multiwoven).await;
        let body = records(rows(stream, 0..4));
        assert_eq!(sender.post(body.clone()).await.unwrap().message, "4 created");
        let before = world.writer.mutations();
        for _ in 0..3 {
            let answer = sender.post(body.clone()).await.unwrap();
            assert_eq!((answer.status, answer.message.as_str()), (200, "4 unchanged"), "{stream:?}");
            world.clock.advance(Duration::from_secs(200));
        }
        assert_eq!((world.writer.mutations(), world.writer.records(stream)), (before, 4));
    }
}

#[tokio::test]
async fn a_row_that_returns_to_what_it_was_is_written_again() {
    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    let mut other = row(Stream::Products, 1);
    other["name"] = json!("Another name");
    let bodies = [row(Stream::Products, 1), other, row(Stream::Products, 1)];
    for (body, name) in bodies.into_iter().zip(["Name 1", "Another name", "Name 1"]) {
        let answer = sender.post(records(json!([body]))).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(world.writer.record(Stream::Products, "P-1").unwrap()["title"], name);
    }
}

#[tokio::test]
async fn what_was_refused_is_tried_again_when_it_comes_again() {
    let world = World::new().await;
    let sender = world.sender(Stream::Products, Tool::Multiwoven).await;
    let mut bad = row(Stream::Products, 1);
    bad["cost"] = bad["price"].take();
    let body = records(json!([bad]));
    let mut broken = example(Stream::Products);
    broken["fields"][0]["from"] = json!("title");
    world.map(Stream::Products, 2, broken).await;
    assert_eq!(sender.post(body.clone()).await.unwrap().status, 422);
    world.map(Stream::Products, 3, example(Stream::Products)).await;
    let answer = sender.post(body).await.unwrap();
    assert_eq!((answer.status, answer.message.as_str()), (200, "1 created"), "{answer:?}");
}

#[tokio::test]
async fn nothing_is_doubled_and_nothing_lost_whichever_call_fails() {
    let story = async |stream: Stream, fault: Option<(usize, Fault)>| {
        let make = |writer: FakeWriter| {
            if stream == Stream::Orders { writer.careless() } else { writer }
        };
        let world = World::with(SCOPES, make).await;
        stock(&world, 2);
        let sender = world.sender(stream, Tool::Multiwoven).await;
        let first = world.faults.made();
        if let Some((call, fault)) = fault {
            world.faults.at(first + call, fault);
        }
        let body = records(rows(stream, 0..2));
        // A tool that sends its rows again whenever it is not told that they arrived.
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            assert!(tries < 5, "{stream:?} {fault:?}");
            match sender.post(body.clone()).await {
                Ok(answer) if answer.ok => break answer,
                Ok(answer) => panic!("{stream:?} {fault:?}: {answer:?}"),
                Err(error) => assert!(error.is_transient(), "{stream:?} {fault:?}: {error:?}"),
            }
            world.clock.advance(Duration::from_secs(3));
        };
        assert!(matches!(answer.status, 200 | 201));
        world.settle().await;
        assert!(world.writer.made().iter().all(|(_, times)| *times == 1), "{stream:?} {fault:?}");
        if stream != Stream::Orders || fault.is_none() {
            assert_eq!(world.writer.records(stream), 2, "{stream:?} {fault:?}");
        }
        world.faults.made() - first
    };
    for stream in [Stream::Products, Stream::Orders] {
        let calls = story(stream, None).await;
        assert!(calls > 10, "{calls}");
        for call in 0..calls {
            for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Throttle, Fault::Twice] {
                story(stream, Some((call, fault))).await;
            }
        }
    }
}

#[test]
fn bodies_are_read_as_their_tool_writes_them() {
    let one = json!({"a": "b"}).as_object().cloned();
    let read = |tool, body: &str| read(tool, body.as_bytes()).map_err(|error| error.code);
    for tool in [Tool::Multiwoven, Tool::Other] {
        assert_eq!(read(tool, "{}"), Ok(Sent::Check));
        assert_eq!(read(tool, " {\n} "), Ok(Sent::Check));
        assert_eq!(read(tool, r#"{"records":[{"fields":{"a":"b"}}]}"#), Ok(Sent::Rows(vec![one.clone()])));
        assert_eq!(read(tool, r#"{"records":[]}"#), Ok(Sent::Rows(Vec::new())));
        let broken =
            r#"{"records":[{"fields":true},{"fields":null},{"field":{}},[],1,null,{"fields":{"a":"b"}}]}"#;
        let mut rows = vec![None; 6];
        rows.push(one.clone());
        assert_eq!(read(tool, broken), Ok(Sent::Rows(rows)));
        for wrong in ["", "x", "{\"records\":[", "null", "1", "\"{}\"", r#"{"records":{}}"#, r#"{"a":1}"#] {
            assert_eq!(read(tool, wrong), Err("invalid_body"), "{tool:?} {wrong}");
        }
    }
    for list in [r#"[{"a":"b"}]"#, r#"{"rows":[{"a":"b"}]}"#] {
        assert_eq!(read(Tool::Other, list), Ok(Sent::Rows(vec![one.clone()])));
        assert_eq!(read(Tool::Multiwoven, list), Err("invalid_body"));
    }
}
