//! What a push does where nothing goes wrong but what is told here.

use std::time::Duration;

use super::world::{PROVIDER, SCOPES, World, counts, example, key, row, rows, stock};
use serde_json::{Value, json};
use shared::app::error::ErrorKind;
use shared::app::push::answer::{status, summary};
use shared::app::push::requests::{Mode, ReplayOptions, Submitted};
use shared::app::push::shown::{Format, Which};
use shared::domain::ids::StoreId;
use shared::domain::push::code::Code;
use shared::domain::push::inputs::{json_rows, ndjson_rows};
use shared::domain::push::ledger::{Outcome, ResultLine};
use shared::domain::push::run::{PushKind, PushState, Safety};
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::connectors::ConnectorStore as _;
use shared::ports::time::Clock as _;
use shared::testkit::faults::Fault;
use shared::testkit::push_writer::FakeWriter;

const RECORDS: [Stream; 3] = [Stream::Products, Stream::Customers, Stream::Orders];

#[tokio::test]
async fn rows_become_records_and_the_same_rows_again_change_nothing() {
    for stream in RECORDS {
        let world = World::new().await;
        world.writer.stock("SKU-1", true, &[]);
        let first = world.write(stream, rows(stream, 0..120)).await;
        assert_eq!((first.state, counts(&first)), (PushState::Succeeded, [120, 0, 0, 0, 0, 0]), "{stream:?}");
        assert_eq!(world.writer.records(stream), 120);
        let before = world.writer.mutations();
        let second = world.write(stream, rows(stream, 0..120)).await;
        assert_eq!((second.state, counts(&second)), (PushState::Succeeded, [0, 0, 120, 0, 0, 0]));
        assert_eq!(world.writer.mutations(), before, "not one mutation");
        assert_eq!(status(&second), 200);
    }
}

#[tokio::test]
async fn stock_is_set_once_and_the_same_again_changes_nothing() {
    let world = World::new().await;
    stock(&world, 600);
    let first = world.write(Stream::InventoryLevels, rows(Stream::InventoryLevels, 0..600)).await;
    assert_eq!((first.state, counts(&first)), (PushState::Succeeded, [0, 600, 0, 0, 0, 0]));
    assert_eq!(world.writer.mutations(), 3, "two pages, 250 a call");
    assert_eq!(world.writer.stock_of("SKU-41").values().copied().collect::<Vec<_>>(), [42]);
    let second = world.write(Stream::InventoryLevels, rows(Stream::InventoryLevels, 0..600)).await;
    assert_eq!((counts(&second), world.writer.mutations()), ([0, 0, 600, 0, 0, 0], 3));
}

/// The shop keeps none of what a data tool sent twice.
#[tokio::test]
async fn pain_02_one_bad_item_costs_no_other_its_stock() {
    let world = World::new().await;
    stock(&world, 250);
    world.writer.refuse("gid://fake/Item/SKU-71", Some(Code::Refused));
    world.writer.stock("SKU-9", false, &[]);
    let run = world.write(Stream::InventoryLevels, rows(Stream::InventoryLevels, 0..250)).await;
    assert_eq!(counts(&run), [0, 248, 0, 1, 1, 0]);
    assert_eq!(world.codes(&run.id), [(9, "NOT_TRACKED".to_owned()), (71, "REFUSED".to_owned())]);
    assert_eq!(run.state, PushState::CompletedWithErrors);
}

#[tokio::test]
async fn pain_01_a_row_that_fails_is_told_with_its_reason_and_sent_again() {
    let world = World::new().await;
    world.writer.refuse("Name 3", Some(Code::Refused));
    let run = world.write(Stream::Products, rows(Stream::Products, 0..10)).await;
    assert_eq!((run.state, counts(&run)), (PushState::CompletedWithErrors, [9, 0, 0, 0, 1, 0]));
    assert_eq!((status(&run), summary(&run)), (422, "9 created, 1 failed".to_owned()));
    let failed = world.paged(&run.id, Some(Which::Of(Outcome::Failed))).await;
    assert_eq!(failed, [3]);
    let line = world.lines(&run.id).into_iter().find(|line| line.seq == 3).unwrap();
    assert_eq!((line.key.as_str(), line.error.unwrap().code), ("P-3", "REFUSED".to_owned()));

    world.writer.refuse("Name 3", None);
    let again = world.replay(&run.id).await;
    assert_eq!((again.state, counts(&again)), (PushState::Succeeded, [1, 0, 0, 0, 0, 0]));
    assert_eq!((again.kind, again.of_run, again.rows_of), (PushKind::Replay, Some(run.id.clone()), run.id));
    assert_eq!(world.writer.records(Stream::Products), 10);
}

#[tokio::test]
async fn pain_03_the_shop_is_never_asked_for_more_than_it_has() {
    let world = World::with(SCOPES, |writer| writer.with_bucket(200, 50)).await;
    let begun = world.clock.now();
    let run = world.write(Stream::Products, rows(Stream::Products, 0..100)).await;
    assert_eq!((run.state, counts(&run)), (PushState::Succeeded, [100, 0, 0, 0, 0, 0]));
    assert_eq!(world.writer.throttled(), 0, "not one call was refused for want of points");
    // Two finds of 50 and two calls a product: 2020 points, 200 of them there at the beginning.
    let took = world.clock.now().duration_since(begun).as_secs();
    assert!((36..=60).contains(&took), "{took} s");
}

#[tokio::test]
async fn pain_06_a_plan_writes_nothing_and_tells_what_the_write_then_does() {
    let world = World::new().await;
    world.write(Stream::Products, rows(Stream::Products, 0..5)).await;
    world.writer.edit(Stream::Products, &key(Stream::Products, 2), "title", json!("by hand"));
    let before = world.writer.mutations();
    let plan = world.plan(Stream::Products, rows(Stream::Products, 0..8)).await;
    assert_eq!((plan.state, counts(&plan)), (PushState::Succeeded, [3, 1, 4, 0, 0, 0]));
    assert_eq!(world.writer.mutations(), before);
    assert!(world.kept.states().iter().all(|state| state.run != plan.id), "no key is held by a plan");
    let shown = world.app.show(&world.store, PROVIDER, &plan.id).await.unwrap();
    assert_eq!(shown.points, 70, "two calls for each of three, one for the other");
    assert!(shown.forecast_seconds.is_some());

    let run = world.apply(&plan.id).await;
    assert_eq!((run.state, counts(&run)), (PushState::Succeeded, [3, 1, 4, 0, 0, 0]));
    assert_eq!(world.kept.images_of(&run.id), world.kept.images_of(&plan.id), "to the letter");
    let title = world.writer.record(Stream::Products, "P-2").unwrap()["title"].clone();
    assert_eq!(title, "Name 2");
}

#[tokio::test]
async fn a_shop_that_changed_since_the_plan_is_not_written_over() {
    let world = World::new().await;
    world.write(Stream::Products, rows(Stream::Products, 0..4)).await;
    let changed: Value = (0..5)
        .map(|number| {
            let mut row = row(Stream::Products, number);
            row["name"] = json!(format!("New {number}"));
            row
        })
        .collect();
    let plan = world.plan(Stream::Products, changed).await;
    assert_eq!(counts(&plan), [1, 4, 0, 0, 0, 0]);
    world.writer.edit(Stream::Products, "P-1", "title", json!("by hand"));
    world.writer.put(Stream::Products, MatchBy::CustomId, "P-4", json!({"title": "made by hand"}));
    let run = world.apply(&plan.id).await;
    assert_eq!((run.state, counts(&run)), (PushState::CompletedWithErrors, [0, 3, 0, 0, 2, 0]));
    let stale = "CHANGED_SINCE_PLAN".to_owned();
    assert_eq!(world.codes(&run.id), [(1, stale.clone()), (4, stale)]);
    assert_eq!(world.writer.record(Stream::Products, "P-1").unwrap()["title"], "by hand");
    assert_eq!(world.writer.record(Stream::Products, "P-4").unwrap()["title"], "made by hand");
}

#[tokio::test]
async fn an_undo_gives_back_what_nobody_touched_and_lists_the_rest() {
    let world = World::new().await;
    world.writer.put(Stream::Products, MatchBy::CustomId, "P-0", json!({"title": "Old 0"}));
    world.writer.put(Stream::Products, MatchBy::CustomId, "P-1", json!({"title": "Old 1"}));
    let run = world.write(Stream::Products, rows(Stream::Products, 0..4)).await;
    assert_eq!(counts(&run), [2, 2, 0, 0, 0, 0]);
    world.writer.edit(Stream::Products, "P-1", "title", json!("by hand"));
    world.writer.edit(Stream::Products, "P-3", "title", json!("by hand"));
    let undo = world.undo(&run.id).await;
    assert_eq!((undo.state, counts(&undo)), (PushState::CompletedWithErrors, [0, 2, 0, 0, 2, 0]));
    assert_eq!(world.codes(&undo.id), [(1, "DRIFT".to_owned()), (3, "DRIFT".to_owned())]);
    let restored = world.writer.record(Stream::Products, "P-0").unwrap();
    assert_eq!(Value::Object(restored), json!({"title": "Old 0"}), "every field as it was");
    assert_eq!(world.writer.record(Stream::Products, "P-2"), None, "what was made is gone");
    assert_eq!(world.writer.record(Stream::Products, "P-1").unwrap()["title"], "by hand");
    let line = world.lines(&undo.id).into_iter().find(|line| line.seq == 1).unwrap();
    assert_eq!(line.error.unwrap().path.as_deref(), Some("title"));
}

#[tokio::test]
async fn an_undo_of_stock_gives_back_what_nobody_touched() {
    let world = World::new().await;
    stock(&world, 3);
    let run = world.write(Stream::InventoryLevels, rows(Stream::InventoryLevels, 0..3)).await;
    world.writer.stock("SKU-1", true, &[("gid://fake/Location/1", 77)]);
    let undo = world.undo(&run.id).await;
    assert_eq!(counts(&undo), [0, 2, 0, 0, 1, 0]);
    assert_eq!(world.codes(&undo.id), [(1, "DRIFT".to_owned())]);
    let now = |sku: &str| world.writer.stock_of(sku).into_values().next().unwrap();
    assert_eq!((now("SKU-0"), now("SKU-1"), now("SKU-2")), (0, 77, 0));
}

#[tokio::test]
async fn rows_of_one_key_are_written_in_their_order() {
    let world = World::new().await;
    let mut second = row(Stream::Customers, 1);
    second["last"] = json!("Later");
    let run = world.write(Stream::Customers, json!([row(Stream::Customers, 1), second])).await;
    assert_eq!(counts(&run), [1, 1, 0, 0, 0, 0]);
    assert_eq!(world.writer.record(Stream::Customers, "C-1").unwrap()["lastName"], "Later");
    // And are given back in the opposite one.
    let undo = world.undo(&run.id).await;
    assert_eq!(counts(&undo), [0, 2, 0, 0, 0, 0]);
    assert_eq!(world.writer.record(Stream::Customers, "C-1"), None);
}

#[tokio::test]
async fn the_rows_of_one_product_are_one_record_wherever_they_stand() {
    let world = World::new().await;
    let mut rows: Vec<Value> = (0..700).map(|number| row(Stream::Products, number)).collect();
    let mut last = row(Stream::Products, 0);
    last["sku"] = json!("SKU-0-L");
    last["size"] = json!("L");
    rows.push(last);
    let run = world.write(Stream::Products, Value::Array(rows)).await;
    assert_eq!((run.pages, counts(&run)), (2, [701, 0, 0, 0, 0, 0]));
    assert_eq!(world.writer.records(Stream::Products), 700);
    assert_eq!(
        world.writer.record(Stream::Products, "P-0").unwrap()["variants"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn what_cannot_be_a_row_fails_by_itself() {
    let world = World::new().await;
    let lines = [
        row(Stream::Customers, 0).to_string(),
        "{\"crm_id\": ".to_owned(),
        "[1]".to_owned(),
        json!({"first": "Nobody"}).to_string(),
        json!({"crm_id": "C-4", "email": "a@b.example", "ltv": "much"}).to_string(),
        row(Stream::Customers, 5).to_string(),
    ];
    let rows = ndjson_rows(lines.join("\n").as_bytes());
    let submitted = Submitted { stream: Stream::Customers, rows, safety: Safety::default(), key: None };
    let run =
        world.app.submit(world.actor(), PROVIDER, PushKind::Write, submitted, Mode::Accept).await.unwrap();
    world.settle().await;
    let run = world.run(&run.id);
    assert_eq!(counts(&run), [2, 0, 0, 0, 4, 0]);
    let told = |seq, code: &str| (seq, code.to_owned());
    let expected = [
        told(1, "ROW_MALFORMED"),
        told(2, "ROW_MALFORMED"),
        told(3, "REQUIRED_MISSING"),
        told(4, "TYPE_MISMATCH"),
    ];
    assert_eq!(world.codes(&run.id), expected);
}

#[tokio::test]
async fn bad_requests_are_refused_before_anything_is_kept() {
    let world = World::with("write_products", |writer| writer).await;
    let submit =
        async |stream, rows: Value, safety| world.submit(PushKind::Write, stream, rows, safety).await;
    let refused = submit(Stream::Orders, rows(Stream::Orders, 0..1), Safety::default()).await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (ErrorKind::Forbidden, "missing_scopes"));
    assert!(refused.detail.contains("write_orders"), "{}", refused.detail);
    let refused = submit(Stream::Products, json!([]), Safety::default()).await.unwrap_err();
    assert_eq!(refused.code, "no_rows");
    let wild = Safety { undo_days: 400, ..Safety::default() };
    let refused = submit(Stream::Products, rows(Stream::Products, 0..1), wild).await.unwrap_err();
    assert_eq!(refused.code, "invalid_safety");
    let variants = rows(Stream::ProductVariants, 0..1);
    let refused = submit(Stream::ProductVariants, variants, Safety::default()).await.unwrap_err();
    assert_eq!(refused.code, "no_mapping");
    assert_eq!((world.kept.all_runs(), world.kept.waiting()), (Vec::new(), Vec::new()));
    assert_eq!((json_rows(json!({"a": 1})), json_rows(json!("x"))), (None, None));
}

#[tokio::test]
async fn a_run_of_another_store_is_not_there() {
    let world = World::new().await;
    let run = world.write(Stream::Products, rows(Stream::Products, 0..1)).await;
    let other = StoreId::for_test("other").unwrap();
    let actor = shared::app::audit::Actor { store: &other, subject: "user-2", origin: None };
    let options = ReplayOptions::default();
    let answers = [
        world.app.show(&other, PROVIDER, &run.id).await.unwrap_err().code,
        world.app.records(&other, PROVIDER, &run.id, None, None, 5).await.unwrap_err().code,
        world.app.cancel(&other, PROVIDER, &run.id).await.unwrap_err().code,
        world.app.replay(actor, PROVIDER, &run.id, options, None, Mode::Accept).await.unwrap_err().code,
        world.app.undo(actor, PROVIDER, &run.id, None, Mode::Accept).await.unwrap_err().code,
        world.app.apply(actor, PROVIDER, &run.id, None, Mode::Accept).await.unwrap_err().code,
    ];
    assert_eq!(answers, ["not_found"; 6]);
    assert_eq!(world.app.list(&other, PROVIDER, None, 10).await.unwrap().items, []);
}

#[tokio::test]
async fn a_request_under_one_name_begins_one_run() {
    let world = World::new().await;
    let submit = async |numbers| {
        let rows = json_rows(rows(Stream::Products, numbers)).unwrap();
        let (stream, safety, key) = (Stream::Products, Safety::default(), Some("night-1".to_owned()));
        let submitted = Submitted { stream, rows, safety, key };
        world.app.submit(world.actor(), PROVIDER, PushKind::Write, submitted, Mode::Accept).await
    };
    let first = submit(0..2).await.unwrap();
    assert_eq!(submit(0..2).await.unwrap().id, first.id);
    assert_eq!(submit(0..3).await.unwrap_err().code, "idempotency_key_reused");
    world.settle().await;
    assert_eq!((world.kept.all_runs().len(), world.writer.records(Stream::Products)), (1, 2));
}

#[tokio::test]
async fn a_request_carries_a_small_run_out_itself_and_leaves_the_rest_of_a_large_one_to_steps() {
    let world = World::with(SCOPES, |writer| writer.with_bucket(1_000, 100)).await;
    let submit = async |numbers| {
        let rows = json_rows(rows(Stream::Products, numbers)).unwrap();
        let submitted = Submitted { stream: Stream::Products, rows, safety: Safety::default(), key: None };
        let mode = Mode::Sync(world.clock.now() + Duration::from_secs(20));
        world.app.submit(world.actor(), PROVIDER, PushKind::Write, submitted, mode).await.unwrap()
    };
    let small = submit(0..5).await;
    assert_eq!((status(&small), counts(&small)), (200, [5, 0, 0, 0, 0, 0]));
    world.settle().await;
    let large = submit(0..400).await;
    assert_eq!(status(&large), 201);
    assert!(large.tally.pending() > 0 && large.lease.is_none(), "{large:?}");
    world.settle().await;
    let large = world.run(&large.id);
    assert_eq!((large.state, counts(&large)), (PushState::Succeeded, [395, 0, 5, 0, 0, 0]));
}

#[tokio::test]
async fn steps_take_turns_until_the_last_row() {
    let mut world = World::with(SCOPES, |writer| writer.with_bucket(100, 20)).await;
    world.step = Duration::from_secs(15);
    let run = world.write(Stream::Products, rows(Stream::Products, 0..60)).await;
    assert_eq!((run.state, counts(&run)), (PushState::Succeeded, [60, 0, 0, 0, 0, 0]));
    assert!(run.fence > 3, "{} steps", run.fence);
    assert!(world.writer.made().iter().all(|(_, times)| *times == 1));
}

#[tokio::test]
async fn too_many_failures_stop_a_run_and_a_replay_takes_up_all_that_is_left() {
    let world = World::new().await;
    for number in 0..40 {
        world.writer.refuse(&format!("Name {number}"), Some(Code::Refused));
    }
    let run = world.write(Stream::Products, rows(Stream::Products, 0..300)).await;
    assert_eq!(run.state, PushState::Stopped);
    assert_eq!(run.stopped.as_ref().unwrap().code, "FAILED_SHARE");
    assert_eq!(counts(&run), [10, 0, 0, 0, 40, 250]);
    for number in 0..40 {
        world.writer.refuse(&format!("Name {number}"), None);
    }
    let again = world.replay(&run.id).await;
    assert_eq!((again.state, counts(&again)), (PushState::Succeeded, [290, 0, 0, 0, 0, 0]));
}

#[tokio::test]
async fn pain_05_a_run_that_would_take_away_too_much_stops_before_it_does() {
    let world = World::new().await;
    let mut replacing = example(Stream::Products);
    replacing["lists"]["tags"] = json!("replace");
    world.map(Stream::Products, 2, replacing).await;
    for number in 0..40 {
        let tags = json!({"tags": ["kept by hand", "new", "old"]});
        world.writer.put(Stream::Products, MatchBy::CustomId, &key(Stream::Products, number), tags);
    }
    let run = world.write(Stream::Products, rows(Stream::Products, 0..40)).await;
    assert_eq!((run.state, counts(&run)), (PushState::Stopped, [0, 0, 0, 0, 0, 40]));
    assert_eq!(run.stopped.unwrap().code, "DELETE_GUARD");
    assert_eq!(world.writer.mutations(), 0);
    let safety = Safety { delete_guard_percent: 100, ..Safety::default() };
    let products = rows(Stream::Products, 0..40);
    let run = world.submit(PushKind::Write, Stream::Products, products, safety).await.unwrap();
    world.settle().await;
    assert_eq!(counts(&world.run(&run.id)), [0, 40, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_shop_that_takes_no_token_stops_the_run_and_no_row_fails() {
    let world = World::new().await;
    let run = world
        .submit(PushKind::Write, Stream::Products, rows(Stream::Products, 0..3), Safety::default())
        .await
        .unwrap();
    let mut connector = world.connectors.load(&world.store, PROVIDER).await.unwrap().unwrap();
    connector.reason = Some(shared::domain::connection::Reason::NeedsReauthorization);
    world.connectors.save(&mut connector).await.unwrap();
    world.settle().await;
    let run = world.run(&run.id);
    assert_eq!((run.state, counts(&run)), (PushState::Stopped, [0, 0, 0, 0, 0, 3]));
    assert_eq!((status(&run), run.stopped.unwrap().code), (401, "TOKEN_INVALID".to_owned()));
}

#[tokio::test]
async fn a_cancelled_run_ends_and_tells_what_it_wrote() {
    let world = World::with(SCOPES, |writer| writer.with_bucket(200, 50)).await;
    let products = rows(Stream::Products, 0..100);
    let run = world.submit(PushKind::Write, Stream::Products, products, Safety::default()).await.unwrap();
    let message = world.kept.pop_or_wait().unwrap();
    world.app.handle_until(&message, 1, world.clock.now() + Duration::from_secs(12)).await;
    assert!(world.run(&run.id).tally.of(Outcome::Created) > 0);
    world.app.cancel(&world.store, PROVIDER, &run.id).await.unwrap();
    world.settle().await;
    let run = world.run(&run.id);
    assert_eq!(run.state, PushState::Cancelled);
    let begun = |line: &&ResultLine| line.outcome.is_none() && !line.plan.is_empty();
    let begun = world.lines(&run.id).iter().filter(begun).count() as u64;
    let there = world.writer.records(Stream::Products) as u64;
    assert_eq!(run.tally.of(Outcome::Created) + begun, there, "what was begun is told too");
    assert!(run.tally.pending() > 0);
    let again = world.replay(&run.id).await;
    assert_eq!((again.state, world.writer.records(Stream::Products)), (PushState::Succeeded, 100));
}

/// Where in the calls of a clean world the writes of orders stand that are sent one by one.
async fn writes_of_orders(orders: usize) -> Vec<usize> {
    let world = World::new().await;
    world.writer.stock("SKU-1", true, &[]);
    for number in 0..orders {
        world.write(Stream::Orders, rows(Stream::Orders, number..number + 1)).await;
    }
    let calls = world.faults.calls();
    (0..calls.len()).filter(|at| calls[*at] == "shop.write").collect()
}

#[tokio::test]
async fn pain_09_an_order_whose_answer_was_lost_is_found_again_and_never_sent_twice() {
    let sent = writes_of_orders(2).await[1];
    // The order is there, or comes into being when it was looked for already.
    for fault in [Fault::FailAfter, Fault::FailBefore] {
        let world = World::with(SCOPES, FakeWriter::careless).await;
        world.writer.stock("SKU-1", true, &[]);
        world.faults.at(sent, fault);
        world.write(Stream::Orders, rows(Stream::Orders, 0..1)).await;
        let run = world.write(Stream::Orders, rows(Stream::Orders, 1..2)).await;
        assert_eq!((run.state, counts(&run)), (PushState::Succeeded, [1, 0, 0, 0, 0, 0]), "{fault:?}");
        assert_eq!(world.faults.struck(), 1);
        assert!(world.writer.made().iter().all(|(_, times)| *times == 1), "{:?}", world.writer.made());
        assert_eq!(world.writer.records(Stream::Orders), 2);
    }
}

#[tokio::test]
async fn an_order_that_is_never_found_is_left_to_a_person() {
    let world = World::new().await;
    world.writer.stock("SKU-1", true, &[]);
    world.faults.at(writes_of_orders(2).await[1], Fault::FailBefore);
    world.write(Stream::Orders, rows(Stream::Orders, 0..1)).await;
    let run = world.write(Stream::Orders, rows(Stream::Orders, 1..2)).await;
    assert_eq!((run.state, counts(&run)), (PushState::Stopped, [0, 0, 0, 0, 0, 1]));
    assert_eq!(run.stopped.unwrap().code, "TIMEOUT_AFTER_SEND");
    let again = world.replay(&run.id).await;
    assert_eq!(counts(&again), [0, 0, 0, 0, 0, 1], "a replay alone does not send it either");
    // Someone has looked and says that it is not there.
    let options = ReplayOptions { send_in_doubt: true, ..ReplayOptions::default() };
    let sent =
        world.app.replay(world.actor(), PROVIDER, &again.id, options, None, Mode::Accept).await.unwrap();
    world.settle().await;
    assert_eq!(counts(&world.run(&sent.id)), [1, 0, 0, 0, 0, 0]);
    assert!(world.writer.made().iter().all(|(_, times)| *times == 1));
}

#[tokio::test]
async fn what_is_about_a_customer_is_masked_in_lines_and_left_out_of_what_is_known_of_keys() {
    let world = World::new().await;
    let mut mapping = example(Stream::Customers);
    mapping["match"] = json!({"by": "email", "from": "email"});
    world.map(Stream::Customers, 2, mapping).await;
    let run = world.write(Stream::Customers, rows(Stream::Customers, 0..2)).await;
    assert_eq!(counts(&run), [2, 0, 0, 0, 0, 0]);
    let told = format!("{:?} {:?}", world.lines(&run.id), world.kept.states());
    assert!(!told.contains("person") && !told.contains("Ada"), "{told}");
    assert!(told.contains("p***@e***"));
    assert!(format!("{:?}", world.kept.images_of(&run.id)).contains("person1@example.com"));
    world.clock.advance(Duration::from_secs(31 * 86_400));
    let page = world.app.records(&world.store, PROVIDER, &run.id, None, None, 5).await.unwrap();
    assert!(page.items.len() == 2 && page.items.iter().all(|item| item.diff.is_empty()));
    let refused = world.app.undo(world.actor(), PROVIDER, &run.id, None, Mode::Accept).await.unwrap_err();
    assert_eq!(refused.code, "undo_expired");
}

#[tokio::test]
async fn records_are_paged_and_exported_whole() {
    let world = World::new().await;
    world.writer.refuse("Name 3", Some(Code::Refused));
    let mut products: Vec<Value> = (0..30).map(|number| row(Stream::Products, number)).collect();
    products[7]["product_id"] = json!("=cmd()");
    let run = world.write(Stream::Products, Value::Array(products)).await;
    let mut seen = world.paged(&run.id, None).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
    let (text, next) =
        world.app.export(&world.store, PROVIDER, &run.id, None, None, Format::Ndjson).await.unwrap();
    assert_eq!((text.lines().count(), next), (30, None));
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["v"], &first["outcome"]), (&json!(1), &json!("created")));
    assert!(first["diff"].as_array().unwrap().iter().any(|change| change["path"] == "title"));
    let which = Some(Which::Of(Outcome::Failed));
    let (csv, _) = world.app.export(&world.store, PROVIDER, &run.id, which, None, Format::Csv).await.unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(
        csv.starts_with("seq,stream,key,op,outcome,id,") && csv.contains("3,products,P-3,create,failed"),
        "{csv}"
    );
    let (csv, _) = world.app.export(&world.store, PROVIDER, &run.id, None, None, Format::Csv).await.unwrap();
    assert!(csv.contains(",'=cmd(),"), "no cell is a formula");
}

#[tokio::test]
async fn a_replay_can_use_the_mapping_that_was_corrected() {
    let world = World::new().await;
    let mut wrong = example(Stream::Customers);
    wrong["fields"].as_array_mut().unwrap().push(json!({"to": "taxExempt", "from": "tier"}));
    world.map(Stream::Customers, 2, wrong).await;
    let run = world.write(Stream::Customers, rows(Stream::Customers, 0..3)).await;
    assert_eq!(counts(&run), [0, 0, 0, 0, 3, 0]);
    assert_eq!(run.points, 0, "what is wrong with a row costs no points");
    world.map(Stream::Customers, 3, example(Stream::Customers)).await;
    assert_eq!(counts(&world.replay(&run.id).await), [0, 0, 0, 0, 3, 0], "with the mapping of then");
    let options = ReplayOptions { newest_mapping: true, ..ReplayOptions::default() };
    let again =
        world.app.replay(world.actor(), PROVIDER, &run.id, options, None, Mode::Accept).await.unwrap();
    world.settle().await;
    assert_eq!(counts(&world.run(&again.id)), [3, 0, 0, 0, 0, 0]);
}

/// A row that says what it says by its number alone.
fn random_row(number: usize, seed: u64) -> Value {
    let drawn = |what: u64| {
        let mut z = (number as u64 ^ (seed << 32) ^ (what << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 31)) as usize
    };
    let mut row = row(Stream::Products, number);
    row["name"] = json!(format!("Name {}", drawn(1) % 7));
    row["tag_list"] = json!(["a,b", "b,c", "c", ""][drawn(2) % 4]);
    row["price"] = [json!("9.5"), json!(12), json!("7.25")][drawn(3) % 3].clone();
    row["body"] = [json!("<p>x</p>"), json!("<p>y</p>"), Value::Null][drawn(4) % 3].clone();
    row["care"] = [json!("wash"), Value::Null][drawn(5) % 2].clone();
    row
}

#[tokio::test]
async fn the_diff_of_a_plan_is_that_of_the_write_in_ten_thousand_random_rows() {
    let world = World::new().await;
    let rows =
        |seed, rows: std::ops::Range<usize>| rows.map(|number| random_row(number, seed)).collect::<Value>();
    world.write(Stream::Products, rows(1, 0..6_000)).await;
    let plan = world.plan(Stream::Products, rows(2, 0..10_000)).await;
    let [created, updated, unchanged, skipped, failed, pending] = counts(&plan);
    assert_eq!((created, skipped, failed, pending), (4_000, 0, 0, 0));
    assert!(updated > 5_000 && unchanged > 10, "{updated} updated, {unchanged} unchanged");
    let run = world.apply(&plan.id).await;
    assert_eq!((run.state, counts(&run)), (PushState::Succeeded, counts(&plan)));
    assert!(world.kept.images_of(&run.id) == world.kept.images_of(&plan.id), "to the letter");
    let before = world.writer.mutations();
    let again = world.write(Stream::Products, rows(2, 0..10_000)).await;
    assert_eq!((counts(&again), world.writer.mutations()), ([0, 0, 10_000, 0, 0, 0], before));
}
