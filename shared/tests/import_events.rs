//! Every event of `events/` of `imports`, `import-step` and `catalog`, fed to the real handlers in a world that holds
//! a preview, an import, and another store with a run and a record of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use shared::app::browse_catalog::{BrowseCatalog, StandingFilter};
use shared::app::import::ImportStep;
use shared::app::import::records::RecordFilter;
use shared::app::import::requests::Imports;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::record::{Kind, RecordKey, Resource};
use shared::domain::run::{Cost, Feed, RunKind, RunState};
use shared::domain::scopes::Scopes;
use shared::domain::warning::Code;
use shared::lambda::http::{Edge, Response, handle};
use shared::lambda::{catalog, import_step, imports};
use shared::ports::metrics::Metric;
use shared::ports::runs::RunStore as _;
use shared::testkit::catalog::FakeCatalog;
use shared::testkit::faults::Faults;
use shared::testkit::metrics::FakeMetrics;
use shared::testkit::queue::{FakeQueue, FakeRedelivery};
use shared::testkit::runs::FakeRuns;
use shared::testkit::source;
use world::{World, store};

const PROVIDER: ProviderId = ProviderId::Shopify;
const NO_RUN: &str = "run_00000000000000000000000000000000";
const NO_RECORD: &str = "00000000-0000-5000-8000-000000000000";

/// A world whose ids and cursors are the same every time, so that the event files can name them.
struct Bench {
    runs: FakeRuns,
    records: FakeCatalog,
    queue: FakeQueue,
    imports: Arc<Imports>,
    step: Arc<ImportStep>,
    catalog: Arc<BrowseCatalog>,
    edge: Edge,
    metrics: FakeMetrics,
    /// What the event files name, by what it is.
    facts: BTreeMap<&'static str, String>,
}

impl Bench {
    async fn new() -> Self {
        Self::of(World::stocked().await).await
    }

    /// With two locations of the name of one warehouse made here, which were imported all the same.
    async fn with_duplicates() -> Self {
        let world = World::stocked().await;
        world.source.put(Feed::Locations, source::location(3, "Main"));
        world.run().await;
        let made = world.catalog.add_local(&world.store, Kind::Warehouse, 12, |record| {
            record.set("name", json!("Main"));
        });
        made.unwrap();
        world.change_shop();
        Self::of(world).await
    }

    async fn of(mut world: World) -> Self {
        let runs = FakeRuns::new(Faults::default());
        world.imports.runs = Arc::new(runs.clone());
        world.step.runs = Arc::new(runs.clone());
        let preview = world.preview().await.run_id;
        let run = world.run().await.run_id;
        let metrics = FakeMetrics::default();
        world.step.access.metrics = Arc::new(metrics.clone());
        let facts = strangers(&world, &runs, &preview, &run).await;
        let edge = Edge {
            store_claim: "store_id".to_owned(),
            clock: world.imports.clock.clone(),
            metrics: Arc::new(metrics.clone()),
        };
        let World { catalog: records, media, queue, imports, step, .. } = world;
        let catalog = Arc::new(BrowseCatalog { catalog: Arc::new(records.clone()), links: Arc::new(media) });
        let (imports, step) = (Arc::new(imports), Arc::new(step));
        Self { runs, records, queue, imports, step, catalog, edge, metrics, facts }
    }

    /// With a run that has just been accepted.
    async fn with_next_run() -> Self {
        let mut bench = Self::new().await;
        let answer = bench.http("imports", read("imports", "good_run")).await;
        let next: Value = serde_json::from_str(&answer.body).unwrap();
        bench.facts.insert("next", next["run_id"].as_str().unwrap().to_owned());
        bench.queue.clear();
        bench
    }

    /// With a record of the import that could not be written.
    async fn with_a_failed_record() -> Self {
        let bench = Self::new().await;
        let run = RunId::parse(&bench.facts["run"]).unwrap();
        let mut receipt = bench.runs.receipts_of(&run).into_iter().next().unwrap();
        receipt.chunk.index += 1_000;
        receipt.warnings.insert(Code::RunItemFailed, 1);
        bench.runs.put_receipt(&store("one"), &run, &receipt, &mut Cost::default()).await.unwrap();
        bench
    }

    async fn http(&self, function: &str, event: Value) -> Response {
        let event = LambdaEvent::new(event, Context::default());
        match function {
            "imports" => handle(&self.edge, event, |call| imports::imports(self.imports.clone(), call)).await,
            _ => handle(&self.edge, event, |call| catalog::catalog(self.catalog.clone(), call)).await,
        }
    }

    /// The ids of the messages that are to come again.
    async fn batch(&self, event: Value) -> Vec<String> {
        let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default());
        let queue = Arc::new(FakeRedelivery::default());
        let answer = import_step::import_step(self.step.clone(), queue, event).await.unwrap();
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn dump(&self) -> String {
        format!("{}\n{}\n{:?}", self.runs.dump(), self.records.dump(), self.queue.bodies())
    }

    async fn state(&self, run: &str) -> RunState {
        let run = RunId::parse(run).unwrap();
        self.runs.load(&store("one"), PROVIDER, &run).await.unwrap().unwrap().state
    }
}

/// Gives another store a run and records, and gathers every id and cursor that the files name.
async fn strangers(
    world: &World,
    runs: &FakeRuns,
    preview: &str,
    run: &str,
) -> BTreeMap<&'static str, String> {
    let (one, two) = (store("one"), store("two"));
    let id = |text: &str| RunId::parse(text).unwrap();
    let other = "run_0190a1b2c3d4e5f60718293a4b5c6d7e";
    for other in ["run_0190a1b2c3d4e5f60718293a4b5c6d7d", other] {
        let mut copy = runs.load(&one, PROVIDER, &id(run)).await.unwrap().unwrap();
        (copy.store, copy.id, copy.kind) = (two.clone(), id(other), RunKind::Import);
        runs.begin(&copy, None).await.unwrap();
        // It has ended, so the next may begin.
        let mut begun = runs.load(&two, PROVIDER, &copy.id).await.unwrap().unwrap();
        runs.save(&mut begun).await.unwrap();
    }
    let key = |kind, external_id| RecordKey { external_id, ..world.key(kind, 0) };
    for number in 1..=3 {
        let product = world.stored(Kind::Product, number).unwrap();
        world.catalog.insert(&two, &product).unwrap();
    }
    let list = async |store| {
        let page = world.imports.list(store, PROVIDER, None, 1).await.unwrap();
        page.next_cursor.unwrap()
    };
    let records = async |run| {
        let filter = RecordFilter::default();
        let page = world.imports.records(&one, PROVIDER, &id(run), &filter, None, 2).await.unwrap();
        page.next_cursor.unwrap()
    };
    let browse =
        BrowseCatalog { catalog: Arc::new(world.catalog.clone()), links: Arc::new(world.media.clone()) };
    let rows = async |store, resource| {
        let page = browse.list(store, resource, StandingFilter::Active, None, 1).await.unwrap();
        page.next_cursor.unwrap()
    };
    BTreeMap::from([
        ("preview", preview.to_owned()),
        ("run", run.to_owned()),
        ("other", other.to_owned()),
        ("runs_cursor", list(&one).await),
        ("other_cursor", list(&two).await),
        ("records_cursor", records(run).await),
        ("preview_records_cursor", records(preview).await),
        ("products_cursor", rows(&one, Resource::Products).await),
        ("categories_cursor", rows(&one, Resource::Categories).await),
        ("other_products_cursor", rows(&two, Resource::Products).await),
        ("product", key(Kind::Product, 1).internal_id(&one).to_string()),
        ("other_product", key(Kind::Product, 1).internal_id(&two).to_string()),
    ])
}

fn folder(function: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events").join(function)
}

fn names(function: &str) -> Vec<String> {
    let files = fs::read_dir(folder(function)).unwrap();
    let name = |file: fs::DirEntry| file.path().file_stem().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = files.map(|file| name(file.unwrap())).collect();
    names.sort();
    names
}

fn read(function: &str, name: &str) -> Value {
    let text = fs::read_to_string(folder(function).join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The status and, of a problem, its code.
fn outcome(response: &Response) -> String {
    if response.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/csv")) {
        assert!(response.body.starts_with("section,subject,name,value\n"), "{}", response.body);
        return format!("{} a table", response.status_code);
    }
    let body: Value = serde_json::from_str(&response.body).unwrap();
    let code = body["code"].as_str().filter(|_| response.status_code >= 400).unwrap_or("-");
    format!("{} {code}", response.status_code)
}

#[tokio::test]
async fn every_request_is_answered_as_its_name_says() {
    let mut answers = BTreeMap::new();
    for function in ["imports", "catalog"] {
        for name in names(function) {
            let bench = match name.as_str() {
                "good_cancel" => Bench::with_next_run().await,
                "good_retry" => Bench::with_a_failed_record().await,
                "good_decide_link_warehouse" | "bad_decide_adopted_twice" => Bench::with_duplicates().await,
                _ => Bench::new().await,
            };
            let before = bench.dump();
            let response = bench.http(function, read(function, &name)).await;
            if name.starts_with("bad_") {
                assert!((400..500).contains(&response.status_code), "{function}/{name}: {}", response.body);
                assert!(bench.dump() == before, "{function}/{name} changed something");
            } else {
                assert!((200..300).contains(&response.status_code), "{function}/{name}: {}", response.body);
            }
            answers.insert(format!("{function}/{name}"), outcome(&response));
        }
    }
    insta::assert_debug_snapshot!(answers);
}

#[tokio::test]
async fn every_batch_is_answered_record_by_record() {
    let mut answers = BTreeMap::new();
    for name in names("import-step") {
        let bench = Bench::with_next_run().await;
        let before = bench.dump();
        let event = read("import-step", &name);
        let records = event["Records"].as_array().unwrap().clone();
        let again = bench.batch(event).await;
        let begun = bench.state(&bench.facts["next"]).await == RunState::Extracting;
        let number = |id: &String| records.iter().position(|record| record["messageId"] == **id).unwrap() + 1;
        let again: Vec<usize> = again.iter().map(number).collect();
        if name.starts_with("bad_") {
            assert_eq!(again, [1], "{name}");
        }
        if name.starts_with("mixed_") {
            assert!(
                begun && again.len() == 1,
                "{name}: the good record was not carried out, or the bad one was"
            );
        }
        assert_eq!(bench.dump() == before, !begun, "{name} changed something else");
        answers.insert(name, format!("again {again:?}, begun {begun}"));
    }
    insta::assert_debug_snapshot!(answers);
}

#[tokio::test]
async fn every_message_is_counted_as_what_became_of_it() {
    let counted = async |event: Value| {
        let bench = Bench::with_next_run().await;
        bench.batch(event).await;
        [Metric::StepsDone, Metric::StepsRetried, Metric::StepsPoison].map(|metric| bench.metrics.sum(metric))
    };
    assert_eq!(counted(read("import-step", "good_extract")).await, [1, 0, 0]);
    assert_eq!(counted(read("import-step", "mixed_good_and_malformed")).await, [1, 1, 1]);
    // It comes back until the queue gives it up; that it cannot be read is told and counted once.
    let mut again = read("import-step", "bad_not_json");
    again["Records"][0]["attributes"]["ApproximateReceiveCount"] = json!("2");
    assert_eq!(counted(again).await, [0, 1, 0]);
}

#[tokio::test]
async fn the_files_name_what_is_there() {
    let bench = Bench::with_next_run().await;
    let mut text = String::new();
    for function in ["imports", "catalog", "import-step"] {
        for name in names(function) {
            text.push_str(&read(function, &name).to_string());
        }
    }
    for (what, value) in &bench.facts {
        assert!(
            text.contains(value.as_str()),
            "no event names {what} {value}; facts: {}",
            json!(bench.facts)
        );
    }
}

/// An answer without what differs between any two requests.
fn comparable(response: &Response) -> String {
    let mut body: Value = serde_json::from_str(&response.body).unwrap();
    body.as_object_mut().unwrap().remove("request_id");
    format!("{} {:?} {body}", response.status_code, response.headers)
}

#[tokio::test]
async fn what_is_another_store_s_is_answered_like_what_does_not_exist() {
    let mut compared = 0;
    for (function, unknown) in [("imports", NO_RUN), ("catalog", NO_RECORD)] {
        for name in names(function).iter().filter(|name| name.ends_with("_other_store")) {
            let bench = Bench::new().await;
            let text = read(function, name).to_string();
            let stranger = [&bench.facts["other"], &bench.facts["other_product"]];
            let Some(stranger) = stranger.into_iter().find(|id| text.contains(id.as_str())) else { continue };
            let nobody: Value = serde_json::from_str(&text.replace(stranger, unknown)).unwrap();
            let theirs = bench.http(function, serde_json::from_str(&text).unwrap()).await;
            let nothing = bench.http(function, nobody).await;
            assert_eq!(comparable(&theirs), comparable(&nothing), "{function}/{name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 10);
    // A store in the path that is not the token's: like one that does not exist.
    for function in ["imports", "catalog"] {
        let bench = Bench::new().await;
        let text = read(function, "bad_other_store").to_string();
        let nobody: Value = serde_json::from_str(&text.replace("\"two\"", "\"nobody\"")).unwrap();
        let theirs = bench.http(function, serde_json::from_str(&text).unwrap()).await;
        assert_eq!(comparable(&theirs), comparable(&bench.http(function, nobody).await), "{function}");
    }
}

#[tokio::test]
async fn a_second_run_waits_and_a_repeated_request_begins_none() {
    let bench = Bench::with_next_run().await;
    let before = bench.runs.dump();
    let second = bench.http("imports", read("imports", "good_preview")).await;
    assert_eq!(outcome(&second), "409 run_active");
    let repeated = bench.http("imports", read("imports", "good_run")).await;
    assert_eq!(repeated.status_code, 202);
    assert_eq!(serde_json::from_str::<Value>(&repeated.body).unwrap()["run_id"], bench.facts["next"]);
    assert!(bench.runs.dump() == before, "something was written");
}

#[tokio::test]
async fn the_answer_to_a_start_names_what_is_left_out() {
    let mut bench = Bench::new().await;
    let answer = bench.http("imports", read("imports", "good_run")).await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.get("blocked"), None, "everything was granted");
    bench = Bench::new().await;
    let connectors = &bench.imports.connectors;
    let mut connector = connectors.load(&store("one"), PROVIDER).await.unwrap().unwrap();
    connector.note_scopes(Scopes::parse("read_products,read_locations"), bench.imports.clock.now());
    connectors.save(&mut connector).await.unwrap();
    for _ in 0..2 {
        let answer = bench.http("imports", read("imports", "good_run")).await;
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let blocked = &answer["blocked"];
        assert_eq!(blocked[0]["resource"], "stock", "also where the request is repeated: {answer}");
        assert_eq!(blocked[0]["missing"], serde_json::json!(["read_inventory"]));
        assert_eq!(blocked.as_array().map(Vec::len), Some(1));
    }
}
