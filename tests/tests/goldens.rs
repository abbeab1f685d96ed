//! P16: what an earlier version stored can be read, listed, written over and taken back by this one. The files in
//! `tests/goldens/` are the tables of a store as a deployed version left them; `python -m local goldens` makes one.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "contract_aws/server.rs"]
mod server;
#[expect(dead_code, reason = "each test file uses its part of the world")]
#[path = "../../shared/tests/world/mod.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use server::Server;
use shared::adapters::dynamodb::{
    DynamoBudgets, DynamoCatalog, DynamoConnectors, DynamoDestinationKeys, DynamoHistory, DynamoHooks,
    DynamoKeyStates, DynamoMappings, DynamoPushRuns, DynamoResults, DynamoRuns,
};
use shared::app::import::requests::Asker;
use shared::domain::ids::{ProviderId, RunId, StoreId};
use shared::domain::push::state::KeyHash;
use shared::domain::push::target::Stream;
use shared::domain::record::{Kind, Standing, StoredRecord};
use shared::domain::run::{Cost, RunKind, RunState};
use shared::ports::catalog::{Catalog, Edit};
use shared::ports::connectors::{ConnectorStore as _, History as _};
use shared::ports::destination::MappingStore as _;
use shared::ports::push_store::{
    Budgets as _, DestinationKeys as _, KeyStates as _, PushRuns as _, Results as _,
};
use shared::ports::runs::RunStore as _;
use shared::ports::time::Clock as _;
use shared::ports::webhooks::HookStore as _;
use world::World;

const PROVIDER: ProviderId = ProviderId::Shopify;
/// Tables by the names that the files give them, with their indexes.
const TABLES: [(&str, Option<&str>); 6] = [
    ("catalog", Some("by_external")),
    ("connectors", Some("by_due")),
    ("destinations", None),
    ("history", None),
    ("push", None),
    ("runs", Some("by_start")),
];

type Items = BTreeMap<String, Vec<HashMap<String, AttributeValue>>>;

fn value(stored: &Value) -> AttributeValue {
    let (kind, of) = stored.as_object().unwrap().iter().next().unwrap();
    let text = || of.as_str().unwrap().to_owned();
    let texts = || of.as_array().unwrap().iter().map(|each| each.as_str().unwrap().to_owned()).collect();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => AttributeValue::B(Blob::new(STANDARD.decode(text()).unwrap())),
        "SS" => AttributeValue::Ss(texts()),
        "BOOL" => AttributeValue::Bool(of.as_bool().unwrap()),
        other => panic!("a value of type {other}"),
    }
}

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("goldens");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn read(file: &PathBuf) -> Items {
    let tables: BTreeMap<String, Vec<BTreeMap<String, Value>>> =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let item =
        |item: BTreeMap<String, Value>| item.iter().map(|(name, of)| (name.clone(), value(of))).collect();
    tables.into_iter().map(|(table, items)| (table, items.into_iter().map(item).collect())).collect()
}

/// The items of a table whose sort keys begin like this: partition and the rest of the sort key.
fn keys<'a>(items: &'a Items, table: &str, begins: &'a str) -> Vec<(&'a str, &'a str)> {
    let key = |item: &'a HashMap<String, AttributeValue>| {
        let (pk, sk) = (item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap());
        Some((pk.as_str(), sk.strip_prefix(begins)?))
    };
    items[table].iter().filter_map(key).collect()
}

async fn put(server: &Server, items: &Items) {
    let client = server.dynamodb();
    for (table, index) in TABLES {
        server.table(table, index).await;
        for item in &items[table] {
            client.put_item().table_name(table).set_item(Some(item.clone())).send().await.unwrap();
        }
    }
}

async fn records(catalog: &DynamoCatalog, store: &StoreId) -> Vec<StoredRecord> {
    let mut records = Vec::new();
    for kind in [Kind::Warehouse, Kind::Product, Kind::Stock, Kind::Metafields, Kind::Category] {
        let mut cursor = None;
        loop {
            let page = catalog.list(store, kind, cursor, 100).await.unwrap();
            records.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    records
}

#[tokio::test]
async fn a_store_of_an_earlier_version_goes_on_in_this_one() {
    assert!(!files().is_empty());
    for file in files() {
        let items = read(&file);
        let server = Server::start().await;
        put(&server, &items).await;
        connections_are_read(&server, &items).await;
        pushes_are_read(&server, &items).await;
        imports_are_read_and_taken_back(&server, &items).await;
    }
}

async fn connections_are_read(server: &Server, items: &Items) {
    let store = world::store("store_golden");
    let connectors = DynamoConnectors::new(server.dynamodb(), "connectors".to_owned());
    let connector = connectors.load(&store, PROVIDER).await.unwrap().unwrap();
    let installation = connector.installation.unwrap();
    let now = installation.connected_at + Duration::from_secs(600);
    let other = world::store("another");
    let taken = connectors.claim_shop(PROVIDER, &installation.shop, &other, &installation.id, now, now).await;
    assert!(!taken.unwrap(), "the shop is another store's");
    let hooks = DynamoHooks::new(server.dynamodb(), "connectors".to_owned());
    let known = keys(items, "connectors", "HOOK");
    assert!(hooks.keys_of(&installation.id).await.unwrap().len() == 1 && !known.is_empty());
    for key in hooks.keys_of(&installation.id).await.unwrap() {
        assert_eq!(hooks.find(&key).await.unwrap().unwrap().owner.store, store);
    }
    assert_eq!(hooks.stores_of(PROVIDER, installation.shop_id).await.unwrap(), std::slice::from_ref(&store));
    let signals = hooks.signals(&store, PROVIDER, installation.shop_id).await.unwrap();
    assert!(!signals.changed.is_empty(), "{signals:?}");
    let history = DynamoHistory::new(server.dynamodb(), "history".to_owned());
    let entries = history.list(&store, PROVIDER, None, 100).await.unwrap().items;
    assert_eq!(entries.len(), keys(items, "history", "H#").len());
}

async fn pushes_are_read(server: &Server, items: &Items) {
    let store = world::store("store_golden");
    let clock = || Arc::new(shared::adapters::system::SystemClock);
    let (client, table) = (server.dynamodb(), || "push".to_owned());
    let runs = DynamoPushRuns::new(client.clone(), table());
    let listed = runs.list(&store, PROVIDER, None, 100).await.unwrap().items;
    assert_eq!(listed.len(), keys(items, "push", "RUN#").len());
    let results = DynamoResults::new(client.clone(), table(), clock());
    for run in &listed {
        assert_eq!(runs.load(&store, PROVIDER, &run.id).await.unwrap().as_ref(), Some(run));
        assert!(!results.lines(&store, &run.id, 0).await.unwrap().is_empty());
        assert!(!results.images(&store, &run.id, 0).await.unwrap().is_empty());
    }
    let states = DynamoKeyStates::new(client.clone(), table(), clock());
    let lines = results.lines(&store, &listed[0].id, 0).await.unwrap();
    // Two of the rows are about one product.
    let rows: BTreeSet<&str> = lines.iter().map(|line| line.key.as_str()).collect();
    let known: Vec<KeyHash> = rows.iter().map(|key| KeyHash::of(Stream::Products, key)).collect();
    let known = states.load(&store, PROVIDER, &known).await.unwrap();
    assert_eq!(known.iter().flatten().count(), keys(items, "push", "KEY").len());
    let budgets = DynamoBudgets::new(client.clone(), table());
    assert!(budgets.load(&store, PROVIDER).await.unwrap().is_some());
    let given = DynamoDestinationKeys::new(client.clone(), table()).list(&store, PROVIDER).await.unwrap();
    assert_eq!(given.len(), keys(items, "push", "DESTINATION").len() / 2);
    let mappings = DynamoMappings::new(client, "destinations".to_owned());
    assert!(mappings.newest(&store, PROVIDER, Stream::Products).await.unwrap().is_some());
}

async fn imports_are_read_and_taken_back(server: &Server, items: &Items) {
    let store = world::store("store_golden");
    let mut world = World::new().await;
    let runs = Arc::new(DynamoRuns::new(server.dynamodb(), "runs".to_owned(), Arc::new(world.clock.clone())));
    let catalog = Arc::new(DynamoCatalog::new(server.dynamodb(), "catalog".to_owned()));
    (world.imports.runs, world.step.runs) = (runs.clone(), runs.clone());
    world.step.catalog = catalog.clone();
    let listed = runs.list(&store, PROVIDER, None, 100).await.unwrap().items;
    assert_eq!(listed.len(), keys(items, "runs", "RUN#").len());
    assert!(
        listed
            .iter()
            .all(|run| matches!(run.state, RunState::AwaitingReview | RunState::CompletedWithWarnings))
    );
    let now = listed[0].updated_at + Duration::from_secs(60);
    world.clock.advance(Duration::try_from(now.duration_since(world.clock.now())).unwrap());

    let mut entries = 0;
    for run in &listed {
        let sums = world.imports.reconciliation(&store, PROVIDER, &run.id).await.unwrap();
        assert!(sums.closes, "{sums:?}");
        let shown = world.imports.records(&store, PROVIDER, &run.id, &Default::default(), None, 200).await;
        entries += shown.unwrap().items.len();
    }
    assert!(entries > 20, "{entries} records of runs");

    let stored = records(&catalog, &store).await;
    assert_eq!(stored.len(), items["catalog"].len());
    for record in &stored {
        // Written in today's form, and back.
        let mut cost = Cost::default();
        catalog.edit(&store, record, Edit::Change(record.record.clone()), &mut cost).await.unwrap();
        let now = catalog.get(&store, &[record.key], true, &mut cost).await.unwrap().pop().flatten().unwrap();
        let same = StoredRecord { version: record.version, ..now.clone() };
        assert_eq!((&same, now.version), (record, record.version + 1));
    }
    put_again(server, items).await;

    let imports: Vec<RunId> =
        listed.iter().filter(|run| run.kind == RunKind::Import).map(|run| run.id.clone()).collect();
    let asker = || Asker { store: &store, provider: PROVIDER, subject: "user_1" };
    for import in imports {
        let undo = world.imports.undo(asker(), &import, None).await.unwrap();
        world.settle().await;
        let undone = world.imports.get(&store, PROVIDER, &undo).await.unwrap();
        assert!(matches!(undone.status, RunState::Completed | RunState::CompletedWithWarnings), "{undone:?}");
    }
    let left = records(&catalog, &store).await;
    assert!(left.iter().all(|record| record.standing != Standing::Active), "{} records stand", left.len());
}

/// Puts the records back as the earlier version left them.
async fn put_again(server: &Server, items: &Items) {
    for item in &items["catalog"] {
        server.dynamodb().put_item().table_name("catalog").set_item(Some(item.clone())).send().await.unwrap();
    }
}
