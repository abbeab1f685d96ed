//! Copies of files beside runs: what is copied, what stays, what is tried again.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::sync::Arc;

use serde_json::json;
use shared::app::browse_catalog::{BrowseCatalog, CatalogRow, StandingFilter};
use shared::app::import::requests::StartRun;
use shared::app::import::shown::{ShownCopies, ShownRun};
use shared::domain::ids::ProviderId;
use shared::domain::media::{CopyingState, MAX_FILE_BYTES, MediaKey, MediaLink};
use shared::domain::options::AskedOptions;
use shared::domain::record::{Kind, Resource, Source};
use shared::domain::run::Feed;
use shared::domain::warning::Code;
use shared::ports::metrics::Metric;
use shared::ports::time::Clock as _;
use shared::testkit::catalog::Shown;
use shared::testkit::media::image;

use world::World;

/// The medium of a product in the worlds of tests.
fn medium(product: u64) -> MediaKey {
    MediaKey {
        source: Source { provider: ProviderId::Shopify, shop_id: world::SHOP },
        id: format!("{product}9"),
    }
}

/// Gives a product's image an address.
fn show(world: &World, product: u64, kind: &str, url: &str) {
    let media = Kind::Product.shape().children[1].fields;
    let at = |name: &str| media.iter().position(|field| *field == name).unwrap();
    world.source.change(Feed::Products, product, |item| {
        let values = &mut item.records[0].1.children[1][0].values;
        values[at("type")] = json!(kind);
        values[at("url")] = json!(url);
    });
}

/// Ten products, each with an image of its own.
async fn pictured() -> World {
    let world = World::stocked().await;
    for product in 1..=10 {
        let url = world.media.file(&format!("{product}.png"), image(&format!("image {product}")));
        show(&world, product, "IMAGE", &url);
    }
    world
}

async fn copied(world: &World) -> ShownRun {
    let options = AskedOptions { copy_media: Some(true), ..AskedOptions::default() };
    world.run_with(StartRun { options, ..StartRun::default() }).await
}

fn copies(run: &ShownRun) -> &ShownCopies {
    run.copies.as_ref().unwrap()
}

fn code(copies: &ShownCopies, code: Code) -> u64 {
    copies.warnings.iter().filter(|warning| warning.code == code).map(|warning| warning.count).sum()
}

fn link(world: &World, product: u64) -> MediaLink {
    world.media.link(&world.store, &medium(product)).unwrap()
}

async fn rows(world: &World) -> Vec<CatalogRow> {
    let browse =
        BrowseCatalog { catalog: Arc::new(world.catalog.clone()), links: Arc::new(world.media.clone()) };
    let page = browse.list(&world.store, Resource::Media, StandingFilter::Active, None, 50).await.unwrap();
    page.items
}

#[tokio::test]
async fn copies_nothing_unless_that_is_chosen() {
    let world = pictured().await;
    let run = world.run().await;
    assert_eq!((run.copies, world.media.sent()), (None, 0));
    assert!(world.media.stored(&world.store).is_empty());
    assert!(rows(&world).await.iter().all(|row| row.copy.is_none()));
}

#[tokio::test]
async fn copies_every_image_once_and_touches_no_record() {
    let (plain, world) = (pictured().await, pictured().await);
    plain.run().await;
    let first = copied(&world).await;
    assert_eq!(world.catalog.dump_with(Shown::default()), plain.catalog.dump_with(Shown::default()));
    let shown = copies(&first);
    assert_eq!((shown.status, shown.files, shown.copied, shown.failed), (CopyingState::Done, 10, 10, 0));
    let stored = world.media.stored(&world.store);
    assert_eq!((stored.len(), world.media.sent()), (10, 10));
    for row in rows(&world).await {
        let copy = row.copy.unwrap();
        let content = &stored[copy.key.as_ref().unwrap()];
        assert_eq!(copy.bytes, Some(content.len() as u64));
        assert_eq!((copy.content_type.as_deref(), copy.code), (Some("image/png"), None));
        assert!(copy.key.unwrap().ends_with(&format!("/media/{}", copy.digest.unwrap())));
    }
    let again = copied(&world).await;
    let shown = copies(&again);
    assert_eq!((shown.copied, shown.kept, shown.bytes, world.media.sent()), (0, 10, 0, 10));
    world.media.check(&world.store, false);
}

#[tokio::test]
async fn the_same_content_is_stored_once_and_goes_with_the_last_that_has_it() {
    let world = pictured().await;
    world.media.file("1.png", image("twin"));
    world.media.file("2.png", image("twin"));
    let run = copied(&world).await;
    assert_eq!(code(copies(&run), Code::MedDuplicateContent), 1);
    assert_eq!(world.media.stored(&world.store).len(), 9);
    let twin = link(&world, 1).copy.unwrap().object;
    assert_eq!(link(&world, 2).copy.unwrap().object, twin);
    world.media.file("1.png", image("another"));
    copied(&world).await;
    assert!(world.media.stored(&world.store).contains_key(&twin.path(&world.store)));
    world.media.file("2.png", image("and another"));
    copied(&world).await;
    assert!(!world.media.stored(&world.store).contains_key(&twin.path(&world.store)));
    world.media.check(&world.store, false);
    // It comes back under a key that nobody who deletes the earlier one can mean.
    world.media.file("1.png", image("twin"));
    copied(&world).await;
    let back = link(&world, 1).copy.unwrap().object;
    assert_eq!((&back.hash, back.generation), (&twin.hash, 1));
    world.media.check(&world.store, false);
}

#[tokio::test]
async fn links_to_the_next_object_before_it_lets_go_of_the_one_before() {
    let world = pictured().await;
    copied(&world).await;
    let before = link(&world, 1).copy.unwrap().object;
    world.media.file("1.png", image("changed"));
    let from = world.faults.calls().len();
    copied(&world).await;
    let calls = world.faults.calls()[from..].to_vec();
    let at = |name: &str| calls.iter().position(|call| *call == name).unwrap();
    assert!(at("objects.put") < at("links.save") && at("links.save") < at("objects.delete"), "{calls:?}");
    let link = link(&world, 1);
    assert_ne!(link.copy.unwrap().object, before);
    assert!(!world.media.stored(&world.store).contains_key(&before.path(&world.store)));
    world.media.check(&world.store, false);
}

#[tokio::test]
async fn what_cannot_be_fetched_is_tried_again_and_the_copy_before_stays() {
    let world = pictured().await;
    copied(&world).await;
    let before = link(&world, 3).copy;
    world.media.file("3.png", image("next"));
    world.media.down(true);
    let options = AskedOptions { copy_media: Some(true), ..AskedOptions::default() };
    let request = StartRun { options, ..StartRun::default() };
    let run = world.imports.start(world.asker(), request, None).await.unwrap();
    while world.runs_until_retrying(&run).await {}
    let shown = world.shown(&run).await;
    assert_eq!((copies(&shown).status, copies(&shown).pending), (CopyingState::Retrying, 10));
    assert_eq!(link(&world, 3).copy, before);
    let row = rows(&world).await.into_iter().find(|row| row.external_id == "39").unwrap().copy.unwrap();
    assert_eq!(row.digest.as_deref(), before.as_ref().map(|copy| copy.object.hash.as_str()));
    assert_eq!(row.code, Some(Code::MedFetchFailed));
    assert!(row.next_try.is_some());
    world.media.down(false);
    world.settle().await;
    let shown = world.shown(&run).await;
    let shown = copies(&shown);
    assert_eq!((shown.status, shown.copied, shown.kept, shown.failed), (CopyingState::Done, 1, 9, 0));
    assert_ne!(link(&world, 3).copy, before);
    world.media.check(&world.store, false);
}

#[tokio::test]
async fn what_fails_for_long_is_left_to_the_next_run() {
    let world = pictured().await;
    world.media.lose("4.png");
    let began = world.clock.now();
    let first = copied(&world).await;
    let shown = copies(&first);
    assert_eq!((shown.status, shown.copied, shown.failed, shown.pending), (CopyingState::Done, 9, 1, 0));
    assert_eq!(world.metrics.sum(Metric::CopiesGivenUp), 1, "once, when nothing more is done about it");
    let failure = link(&world, 4).failure.unwrap();
    assert_eq!((failure.attempts, failure.next_try), (5, None));
    let took = world.clock.now().duration_since(began);
    assert!(took.as_secs() >= 85 * 60, "{took:?}");
    world.media.file("4.png", image("found"));
    let next = copied(&world).await;
    assert_eq!((copies(&next).copied, copies(&next).kept, copies(&next).failed), (1, 9, 0));
    world.media.check(&world.store, false);
}

#[tokio::test]
async fn what_is_no_image_of_the_shops_is_named_and_not_copied() {
    let world = pictured().await;
    show(&world, 1, "VIDEO", "https://files.example/1.png");
    show(&world, 2, "IMAGE", "https://169.254.169.254/2.png");
    world.media.file("3.png", vec![0; MAX_FILE_BYTES + 1]);
    world.media.file("4.png", b"<svg onload='x'/>".to_vec());
    world.source.change(Feed::Products, 5, |item| {
        item.records[0].1.children[1][0].values[1] = serde_json::Value::Null;
    });
    let run = copied(&world).await;
    let shown = copies(&run);
    assert_eq!((shown.files, shown.copied, shown.failed), (10, 5, 5));
    for (named, n) in [
        (Code::MedTypeUnsupported, 2),
        (Code::MedFetchFailed, 1),
        (Code::MedTooLarge, 1),
        (Code::MedNotReady, 1),
    ] {
        assert_eq!(code(shown, named), n, "{named:?}");
    }
    assert_eq!(world.media.sent(), 6, "of another host nothing is asked, and nothing of a video");
    let codes: Vec<_> = rows(&world).await.into_iter().filter_map(|row| row.copy?.code).collect();
    assert_eq!(codes.len(), 5);
    assert_eq!(world.metrics.sum(Metric::CopiesGivenUp), 1, "of a host that we do not know");
    world.media.check(&world.store, false);
}

#[tokio::test]
async fn late_messages_of_a_run_begin_no_second_copying_and_one_that_was_lost_is_sent_again() {
    let world = pictured().await;
    let options = AskedOptions { copy_media: Some(true), ..AskedOptions::default() };
    let request = StartRun { options, ..StartRun::default() };
    let run = world.imports.start(world.asker(), request, None).await.unwrap();
    let copying = || world.queue.waiting().iter().filter(|waiting| world::is_media(waiting)).count();
    let mut last = None;
    while copying() == 0 {
        let waiting = world.queue.pop_or_wait().unwrap();
        last = Some(waiting.clone());
        world.deliver(waiting).await;
    }
    let shown = world.shown(&run).await;
    assert_eq!((copies(&shown).status, copies(&shown).files), (CopyingState::Copying, 0), "shown at once");
    let mut last = last.unwrap();
    world.deliver_twice_at_once(last.clone()).await;
    assert_eq!(copying(), 1);
    while world.queue.pop_or_wait().is_some() {}
    // Whoever ended the run died before the message was sent.
    last.receives = 2;
    world.deliver(last.clone()).await;
    assert_eq!(copying(), 1);
    world.settle().await;
    world.deliver(last).await;
    assert_eq!((copying(), copies(&world.shown(&run).await).copied), (0, 10));
    assert_eq!(world.faults.count("files.fetch"), 10);
}

#[tokio::test]
async fn what_the_shop_no_longer_shows_is_not_asked_for_and_its_copy_stays() {
    let world = pictured().await;
    copied(&world).await;
    let before = link(&world, 5);
    world.media.lose("5.png");
    world.source.change(Feed::Products, 5, |item| item.records[0].1.children[1].clear());
    let next = copied(&world).await;
    assert_eq!((copies(&next).files, copies(&next).kept, copies(&next).failed), (9, 9, 0));
    assert_eq!(link(&world, 5), before);
    world.media.check(&world.store, false);
}

#[tokio::test]
async fn a_store_that_has_left_the_shop_is_copied_no_further() {
    let world = pictured().await;
    let run = world.run().await;
    let (access, provider) = (&world.step.access, ProviderId::Shopify);
    let options = AskedOptions { copy_media: Some(true), ..AskedOptions::default() };
    let request = StartRun { options, ..StartRun::default() };
    let next = world.imports.start(world.asker(), request, None).await.unwrap();
    while !world.queue.waiting().iter().any(world::is_media) {
        let waiting = world.queue.pop_or_wait().unwrap();
        world.deliver(waiting).await;
    }
    let mut connector = access.connectors.load(&world.store, provider).await.unwrap().unwrap();
    connector.installation = None;
    access.connectors.save(&mut connector).await.unwrap();
    world.settle().await;
    let shown = world.shown(&next).await;
    assert_eq!((shown.status, copies(&shown).status), (run.status, CopyingState::Stopped));
    assert_eq!(world.media.sent(), 0);
}
