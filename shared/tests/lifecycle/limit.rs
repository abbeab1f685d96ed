//! Limited runs: the first products for real.

use std::collections::BTreeMap;

use shared::app::import::requests::StartRun;
use shared::app::import::shown::ShownRun;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::AskedOptions;
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::testkit::catalog::Shown;
use shared::testkit::source::{self, Letdown};

use crate::world::{World, of};

fn first(n: u32) -> StartRun {
    let options = AskedOptions { limit: Some(n), ..AskedOptions::default() };
    StartRun { options, ..StartRun::default() }
}

fn id(run: &ShownRun) -> RunId {
    RunId::parse(&run.run_id).unwrap()
}

/// What lands of a stocked shop's first products: two variants each, with stock in two places and two metafields.
fn expected(n: u64) -> BTreeMap<Resource, u64> {
    let members = n + u64::from(n >= 1) + u64::from(n >= 3);
    let mut counts = BTreeMap::from([
        (Resource::Warehouses, 2),
        (Resource::Products, n),
        (Resource::Categories, 2),
        (Resource::Memberships, members),
    ]);
    for (resource, each) in
        [(Resource::Variants, 2), (Resource::Media, 1), (Resource::Stock, 4), (Resource::Metafields, 2)]
    {
        counts.insert(resource, each * n);
    }
    counts.retain(|_, n| *n > 0);
    counts
}

fn landed(world: &World) -> BTreeMap<Resource, u64> {
    let mut landed = world.landed();
    landed.retain(|_, n| *n > 0);
    landed
}

#[tokio::test]
async fn the_first_products_land_with_all_that_belongs_to_them_and_nothing_else() {
    // Chunks hold four products, so that every way of ending within, at and after one is tried.
    for n in [1, 3, 4, 5, 8, 9, 10, 50] {
        let world = World::stocked().await;
        let run = world.run_with(first(n)).await;
        assert_eq!(run.status, RunState::Completed, "{n}: {:?}", run.failure);
        let n = u64::from(n.min(10));
        assert_eq!(of(&run, Resource::Products, Outcome::Created), n);
        assert_eq!(run.counts.received(Resource::Products), n);
        assert_eq!(landed(&world), expected(n), "{n}");
        assert!(world.stored(Kind::Product, n).is_some() && world.stored(Kind::Product, n + 1).is_none());
        let sums = world.imports.reconciliation(&world.store, ProviderId::Shopify, &id(&run)).await.unwrap();
        assert!(sums.closes, "{n}: {sums:?}");
    }
}

#[tokio::test]
async fn the_whole_import_after_it_ends_as_if_it_had_never_been() {
    let clean = World::stocked().await;
    clean.run().await;
    let world = World::stocked().await;
    world.run_with(first(5)).await;
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Products, Outcome::Created), 5);
    assert_eq!(of(&run, Resource::Products, Outcome::Unchanged), 5);
    assert_eq!(world.catalog.dump_with(Shown::default()), clean.catalog.dump_with(Shown::default()));
}

#[tokio::test]
async fn undo_takes_back_exactly_the_limited_run() {
    let world = World::stocked().await;
    let run = world.run_with(first(5)).await;
    assert_eq!(world.undo(&run.run_id).await.status, RunState::Completed);
    assert!(world.catalog.all(&world.store).is_empty());
}

#[tokio::test]
async fn over_a_full_store_it_finds_nothing_missing_and_takes_nobody_out_of_a_category() {
    let world = World::stocked().await;
    world.run().await;
    world.source.take(Feed::Products, 9);
    world.source.take(Feed::Metafields, 9);
    for n in [2, 8] {
        world.set(Feed::Products, n, "title", "Changed");
    }
    world.source.put(Feed::Collections, source::collection(501, "Few", &[1, 3, 8]));
    let run = world.run_with(first(3)).await;
    assert_eq!(run.status, RunState::Completed);
    assert_eq!(of(&run, Resource::Products, Outcome::Updated), 1);
    assert_eq!(of(&run, Resource::Products, Outcome::Missing), 0);
    assert_eq!(world.stored(Kind::Product, 9).unwrap().standing, Standing::Active);
    assert_eq!(world.stored(Kind::Product, 8).unwrap().record.get("title"), "Product 8");
    let members = |id| {
        let children = world.stored(Kind::Category, id).unwrap().record.children;
        children[0].iter().map(|member| member.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(members(500).len(), 10);
    assert_eq!(members(501), ["1", "3"], "the new order, without the product that is not among the first");
}

#[tokio::test]
async fn a_preview_with_a_limit_shows_what_its_run_writes() {
    let world = World::stocked().await;
    let preview = world.run_with(StartRun { preview: true, ..first(3) }).await;
    assert_eq!(of(&preview, Resource::Products, Outcome::Created), 3);
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!((run.status, run.counts), (RunState::Completed, preview.counts));
    assert_eq!(landed(&world), expected(3));
}

#[tokio::test]
async fn a_file_without_grouping_gives_the_same() {
    let world = World::stocked().await;
    world.source.let_down(Letdown { ungrouped: true, ..Letdown::default() });
    let run = world.run_with(first(5)).await;
    assert_eq!(run.status, RunState::Completed, "{:?}", run.failure);
    assert_eq!(landed(&world), expected(5));
}

#[tokio::test]
async fn a_shop_that_delivers_too_little_is_believed_only_where_enough_was_read() {
    for (limit, state) in [(3, RunState::Completed), (50, RunState::Failed)] {
        let world = World::stocked().await;
        world.source.let_down(Letdown { announce_extra: 1, ..Letdown::default() });
        let only = std::collections::BTreeSet::from([shared::domain::run::Wanted::Products]);
        let run = world.run_with(StartRun { resources: Some(only), ..first(limit) }).await;
        assert_eq!(run.status, state, "{limit}");
    }
}
