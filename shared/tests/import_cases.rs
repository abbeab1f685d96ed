//! Cases of import.md §6 that no other file of tests is about. Each case is the tests whose names begin with its number,
//! wherever they stand. Those against software that nobody here wrote are commands: 12 the drill `agreement`, 13
//! `make peers`, 14 `make bench`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::collections::BTreeSet;

use serde_json::json;
use shared::domain::decision::{Decision, ExternalId, Side};
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::plan::Outcome;
use shared::domain::record::{Child, Kind, Resource};
use shared::domain::run::{Feed, RunState};
use shared::testkit::source;
use world::{World, codes, of};

/// Variants that one product may have, and media.
const VARIANTS: u64 = 2_048;
const MEDIA: usize = 250;

/// A shop with one product as large as there are.
async fn with_the_largest_product() -> World {
    let world = World::new().await;
    world.source.put(Feed::Products, source::product(1, "Largest", VARIANTS, &[1]));
    world.source.change(Feed::Products, 1, |item| {
        let media = &mut item.records[0].1.children[1];
        let first = media[0].clone();
        *media = (0..MEDIA).map(|n| Child { id: format!("7{n:03}"), ..first.clone() }).collect();
    });
    world
}

#[tokio::test]
async fn case_05_of_2048_variants_and_250_media_nothing_is_cut() {
    let world = with_the_largest_product().await;
    let run = world.run().await;
    assert_eq!(run.status, RunState::Completed, "{:?}", codes(&run));
    assert_eq!(world.landed(), world.source.counts());
    assert_eq!(of(&run, Resource::Variants, Outcome::Created), VARIANTS);
    assert_eq!(of(&run, Resource::Media, Outcome::Created), MEDIA as u64);

    // Four fields of each variant: more differences than a page of a plan holds.
    let names = Kind::Product.shape().children[0].fields;
    let at: Vec<usize> = ["title", "sku", "barcode", "price"]
        .map(|field| names.iter().position(|name| *name == field).unwrap())
        .into();
    world.source.change(Feed::Products, 1, |item| {
        for variant in &mut item.records[0].1.children[0] {
            at.iter().for_each(|at| variant.values[*at] = json!(format!("theirs {}", "x".repeat(60))));
        }
    });
    let last = world.stored(Kind::Product, 1).unwrap().record.children[0].last().unwrap().id.clone();
    let key = world.key(Kind::Product, 1);
    let price = at[3];
    let edit = |record: &mut shared::domain::record::Record| {
        record.children[0].last_mut().unwrap().values[price] = json!("1.00");
    };
    assert!(world.catalog.edit(&world.store, &key, edit).unwrap());

    let preview = world.preview().await;
    assert_eq!(preview.status, RunState::AwaitingReview, "{:?}", codes(&preview));
    let parts = world.records(&preview.run_id).await;
    assert!(parts.len() > 1 && parts.iter().all(|part| part.outcome == Outcome::Updated));
    let shown: BTreeSet<_> =
        parts.iter().flat_map(|part| &part.diff).map(|diff| (diff.id.clone(), diff.field.clone())).collect();
    let all: usize = parts.iter().map(|part| part.diff.len()).sum();
    assert_eq!((shown.len(), all), (4 * VARIANTS as usize, 4 * VARIANTS as usize), "each once");

    let take = Decision::Take {
        side: Side::Theirs,
        resource: Some(Resource::Variants),
        external_id: Some(ExternalId(1)),
        child: Some(last),
        field: Some("price".to_owned()),
    };
    let id = RunId::parse(&preview.run_id).unwrap();
    world.imports.decide(&world.store, ProviderId::Shopify, &id, &[take]).await.unwrap();
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(run.status, RunState::Completed, "{:?}", codes(&run));
    let stored = world.stored(Kind::Product, 1).unwrap();
    let taken = stored.record.children[0].iter().filter(|v| v.values[price] != json!("1.00")).count();
    assert_eq!(taken as u64, VARIANTS);
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
}
