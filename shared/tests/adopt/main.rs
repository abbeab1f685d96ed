//! Records made here that are the same as ones in the shop: import.md §2.1.5 and §2.7.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod duplicates;
mod parts;
mod products;
mod warehouses;
#[path = "../world/mod.rs"]
#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use serde_json::{Value, json};
use shared::app::import::shown::{ShownRecord, ShownRun};
use shared::domain::decision::{Decision, ExternalId};
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::record::{Child, Kind, RecordKey, Resource, StoredRecord};
use uuid::Uuid;

use world::World;

const PROVIDER: ProviderId = ProviderId::Shopify;

/// A child of a record made here, with these fields.
fn child(resource: Resource, id: &str, fields: &[(&str, Value)]) -> Child {
    let (kind, at) = resource.home();
    let names = kind.shape().children[at.unwrap()].fields;
    let value = |name: &&str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    let values = names.iter().map(|name| value(name).unwrap_or_default()).collect();
    Child { id: id.to_owned(), values, missing_since: None }
}

/// A product made here with one variant.
fn own(world: &World, number: u64, title: &str, sku: &str) -> RecordKey {
    let made = world.catalog.add_local(&world.store, Kind::Product, number, |record| {
        record.set("title", json!(title));
        let fields = [("sku", json!(sku)), ("price", json!("9.00"))];
        record.children[0].push(child(Resource::Variants, &format!("own-{number}"), &fields));
    });
    made.unwrap()
}

fn ours(world: &World, key: &RecordKey) -> StoredRecord {
    world.catalog.stored(&world.store, key).unwrap()
}

fn id(world: &World, key: &RecordKey) -> Uuid {
    key.internal_id(&world.store)
}

fn adopt(resource: Resource, external_id: u64, internal_id: Uuid) -> Decision {
    Decision::Adopt { resource, external_id: ExternalId(external_id), internal_id }
}

async fn decide(world: &World, run: &str, decisions: &[Decision]) -> Result<usize, &'static str> {
    let run = RunId::parse(run).unwrap();
    let decided = world.imports.decide(&world.store, PROVIDER, &run, decisions).await;
    decided.map(|shown| shown.decisions.len()).map_err(|error| error.code)
}

async fn carry_out(world: &World, preview: &ShownRun) -> ShownRun {
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    world.shown(&run).await
}

/// Previews, decides and carries out.
async fn decided(world: &World, decisions: &[Decision]) -> ShownRun {
    let preview = world.preview().await;
    assert_eq!(decide(world, &preview.run_id, decisions).await, Ok(decisions.len()));
    carry_out(world, &preview).await
}

/// What a run says of a record.
async fn listed(world: &World, run: &str, resource: Resource, external_id: u64) -> ShownRecord {
    let all = world.records(run).await.into_iter();
    let id = external_id.to_string();
    all.into_iter().find(|record| (record.resource, &record.external_id) == (resource, &id)).unwrap()
}

fn told(record: &ShownRecord) -> Vec<&'static str> {
    record.codes.iter().map(|code| code.as_str()).collect()
}
