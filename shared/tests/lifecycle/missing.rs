//! What becomes of products that are no longer in the shop: import.md §2.4.

use std::sync::Arc;

use serde_json::json;
use shared::app::browse_catalog::{BrowseCatalog, StandingFilter};
use shared::app::import::requests::StartRun;
use shared::app::import::shown::ShownRun;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::{AskedOptions, MassMissing, OnMissing};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::testkit::catalog::Shown;
use shared::testkit::source;

use crate::world::{World, codes, of};

fn asked(chosen: OnMissing) -> StartRun {
    let options =
        AskedOptions { on_missing: Some(chosen), confirm_delete: Some(true), ..AskedOptions::default() };
    StartRun { options, ..StartRun::default() }
}

async fn run(world: &World, chosen: OnMissing) -> ShownRun {
    world.run_with(asked(chosen)).await
}

/// A stocked shop, imported, of which product 3 is gone; and what it was.
async fn without_one() -> (World, source_item::Gone) {
    let world = World::stocked().await;
    for id in 1..=10 {
        world.set(Feed::Products, id, "status", "ACTIVE");
    }
    world.run().await;
    let gone = source_item::Gone::take(&world, 3);
    (world, gone)
}

/// What was taken from the shop and can be put back.
mod source_item {
    use shared::domain::run::Feed;
    use shared::ports::provider::SourceItem;

    use crate::world::World;

    pub struct Gone(SourceItem, SourceItem);

    impl Gone {
        pub fn take(world: &World, id: u64) -> Self {
            let product = world.source.take(Feed::Products, id).unwrap();
            Self(product, world.source.take(Feed::Metafields, id).unwrap())
        }

        pub fn put_back(self, world: &World) {
            world.source.put(Feed::Products, self.0);
            world.source.put(Feed::Metafields, self.1);
        }
    }
}

#[tokio::test]
async fn a_product_that_is_gone_is_kept_drafted_or_archived_and_comes_back_as_it_was() {
    for (chosen, status, code) in [
        (OnMissing::Keep, "ACTIVE", "MISS_IN_SOURCE"),
        (OnMissing::Draft, "DRAFT", "MISS_HANDLED"),
        (OnMissing::Archive, "ARCHIVED", "MISS_HANDLED"),
    ] {
        let (world, taken) = without_one().await;
        let gone = run(&world, chosen).await;
        assert_eq!(of(&gone, Resource::Products, Outcome::Missing), 1, "{chosen:?}");
        assert!(codes(&gone).contains_key(code), "{chosen:?}: {:?}", codes(&gone));
        let stored = world.stored(Kind::Product, 3).unwrap();
        let since = RunId::parse(&gone.run_id).unwrap();
        assert_eq!(stored.standing, Standing::Missing { since, done: chosen });
        assert_eq!(stored.record.get("status"), &json!(status));
        assert_eq!(run(&world, chosen).await.cost.catalogue_writes, 0, "{chosen:?}: done once");

        taken.put_back(&world);
        let back = world.run().await;
        assert_eq!(of(&back, Resource::Products, Outcome::Restored), 1, "{chosen:?}");
        let again = world.stored(Kind::Product, 3).unwrap();
        assert_eq!((again.standing, again.record.get("status")), (Standing::Active, &json!("ACTIVE")));
        assert_eq!(world.landed(), world.source.counts());
        assert_eq!(world.run().await.cost.catalogue_writes, 0);
    }
}

#[tokio::test]
async fn undo_takes_back_whatever_was_done_to_the_missing_byte_for_byte() {
    for chosen in OnMissing::ALL {
        let (world, _) = without_one().await;
        let before = world.catalog.dump_with(Shown::default());
        let gone = run(&world, chosen).await;
        assert!(world.catalog.dump_with(Shown::default()) != before, "{chosen:?}");
        let undo = world.undo(&gone.run_id).await;
        assert_eq!(undo.status, RunState::Completed, "{chosen:?}");
        assert!(world.catalog.dump_with(Shown::default()) == before, "{chosen:?}");
    }
}

#[tokio::test]
async fn a_deleted_product_leaves_its_place_and_comes_back_as_itself() {
    let (world, taken) = without_one().await;
    let id = world.stored(Kind::Product, 3).unwrap().key.internal_id(&world.store);
    let gone = run(&world, OnMissing::Delete).await;
    assert_eq!(of(&gone, Resource::Products, Outcome::Missing), 1);
    assert_eq!(of(&gone, Resource::Variants, Outcome::Missing), 2);
    for kind in [Kind::Product, Kind::Stock, Kind::Metafields] {
        let stored = world.stored(kind, 3).unwrap();
        assert!(stored.standing.is_tombstone(), "{kind:?}");
        let empty = stored.record.values.iter().all(|value| value.is_null());
        assert!(empty && stored.record.children.iter().all(Vec::is_empty), "{kind:?}");
    }
    let browse =
        BrowseCatalog { catalog: Arc::new(world.catalog.clone()), links: Arc::new(world.media.clone()) };
    let one = browse.one(&world.store, Resource::Products, &id.to_string()).await;
    assert_eq!(one.unwrap_err().code, "not_found");
    let all = browse.list(&world.store, Resource::Products, StandingFilter::All, None, 100).await.unwrap();
    assert_eq!(all.items.len(), 9);
    assert_eq!(run(&world, OnMissing::Delete).await.cost.catalogue_writes, 0);

    taken.put_back(&world);
    let back = world.run().await;
    for (resource, n) in [(Resource::Products, 1), (Resource::Variants, 2), (Resource::Stock, 4)] {
        assert_eq!(of(&back, resource, Outcome::Restored), n, "{resource:?}");
        assert_eq!(of(&back, resource, Outcome::Created), 0, "{resource:?}");
    }
    assert!(codes(&back).contains_key("ID_RESTORED"));
    let again = world.stored(Kind::Product, 3).unwrap();
    assert_eq!((again.standing, again.key.internal_id(&world.store)), (Standing::Active, id));
    assert_eq!(world.landed(), world.source.counts());
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
    let undo = world.undo(&back.run_id).await;
    assert_eq!(undo.status, RunState::Completed);
    assert!(world.stored(Kind::Product, 3).unwrap().standing.is_tombstone(), "as before that run");
}

#[tokio::test]
async fn a_preview_shows_what_is_deleted_and_its_run_needs_consent() {
    let (world, _) = without_one().await;
    let request = StartRun { preview: true, ..asked(OnMissing::Delete) };
    let preview = world.run_with(request).await;
    let listed = world.records(&preview.run_id).await;
    let product = listed.iter().find(|record| record.resource == Resource::Products).unwrap();
    let diff: Vec<_> = product.diff.iter().map(|diff| (diff.field.as_str(), &diff.before)).collect();
    assert_eq!(diff, [("*", &json!("Product 3"))]);
    assert!(!world.stored(Kind::Product, 3).unwrap().standing.is_tombstone());

    let from_preview = Some(RunId::parse(&preview.run_id).unwrap());
    let request = StartRun { from_preview, ..StartRun::default() };
    let refused = world.imports.start(world.asker(), request.clone(), None).await.unwrap_err();
    assert_eq!(refused.code, "delete_not_confirmed");
    let options = AskedOptions { confirm_delete: Some(true), ..AskedOptions::default() };
    world.run_with(StartRun { options, ..request }).await;
    assert!(world.stored(Kind::Product, 3).unwrap().standing.is_tombstone());
}

#[tokio::test]
async fn what_an_earlier_run_marked_is_dealt_with_and_trips_no_brake() {
    let world = World::new().await;
    for id in 1..=60 {
        world.source.put(Feed::Products, source::product(id, "P", 1, &[1]));
    }
    world.run().await;
    for id in 1..=40 {
        world.source.take(Feed::Products, id);
    }
    let held = world.run().await;
    let id = RunId::parse(&held.run_id).unwrap();
    world.imports.decide_missing(&world.store, ProviderId::Shopify, &id, MassMissing::Mark).await.unwrap();
    world.settle().await;
    let archived = run(&world, OnMissing::Archive).await;
    assert_eq!((archived.status, archived.cost.catalogue_writes), (RunState::Completed, 40));
    let product = world.stored(Kind::Product, 1).unwrap();
    assert_eq!(product.record.get("status"), &json!("ARCHIVED"));
    assert_eq!(product.standing, Standing::Missing { since: id, done: OnMissing::Archive });
    // Less than what was done is not done again.
    assert_eq!(run(&world, OnMissing::Draft).await.cost.catalogue_writes, 0);
    assert_eq!(run(&world, OnMissing::Delete).await.cost.catalogue_writes, 80, "each with its stock");
}

#[tokio::test]
async fn a_merchant_who_sets_the_status_again_is_not_overruled() {
    let (world, taken) = without_one().await;
    run(&world, OnMissing::Draft).await;
    let key = world.key(Kind::Product, 3);
    world.catalog.edit(&world.store, &key, |record| record.set("status", json!("ACTIVE"))).unwrap();
    assert_eq!(run(&world, OnMissing::Draft).await.cost.catalogue_writes, 0);
    assert_eq!(world.stored(Kind::Product, 3).unwrap().record.get("status"), &json!("ACTIVE"));
    world.catalog.edit(&world.store, &key, |record| record.set("status", json!("UNLISTED"))).unwrap();
    taken.put_back(&world);
    world.run().await;
    assert_eq!(world.stored(Kind::Product, 3).unwrap().record.get("status"), &json!("UNLISTED"));
}

#[tokio::test]
async fn a_place_or_category_is_only_ever_marked() {
    let world = World::stocked().await;
    world.run().await;
    world.source.take(Feed::Collections, 501);
    run(&world, OnMissing::Delete).await;
    let category = world.stored(Kind::Category, 501).unwrap();
    assert!(matches!(category.standing, Standing::Missing { done: OnMissing::Keep, .. }));
    assert_eq!(category.record.get("title"), &json!("Few"));
}
