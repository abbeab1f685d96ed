//! Copying files through crashes, repeats and stragglers at every call: the copies end as without them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::ops::Range;

use serde_json::json;
use shared::app::import::requests::StartRun;
use shared::app::import::shown::ShownCopies;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::media::{ContentHash, MediaKey, MediaLink};
use shared::domain::options::AskedOptions;
use shared::domain::record::{Kind, Source};
use shared::domain::run::Feed;
use shared::testkit::faults::Fault;
use shared::testkit::media::image;
use shared::testkit::queue::Waiting;
use shared::testkit::source;

use world::World;

const PRODUCTS: Range<u64> = 1..6;

fn link(world: &World, product: u64) -> MediaLink {
    let source = Source { provider: ProviderId::Shopify, shop_id: world::SHOP };
    let key = MediaKey { source, id: format!("{product}9") };
    world.media.link(&world.store, &key).unwrap_or_default()
}

/// A store whose images were copied, and a shop that has changed since: one image is another, two show the same, one is
/// not there, and one is as it was.
async fn changed() -> World {
    let world = World::new().await;
    let fields = Kind::Product.shape().children[1].fields;
    let at = |name: &str| fields.iter().position(|field| *field == name).unwrap();
    for product in PRODUCTS {
        let mut item = source::product(product, "Product", 1, &[1]);
        let values = &mut item.records[0].1.children[1][0].values;
        values[at("type")] = json!("IMAGE");
        let content = image(&format!("image {product}"));
        values[at("url")] = json!(world.media.file(&format!("{product}.png"), content));
        world.source.put(Feed::Products, item);
    }
    begun(&world).await;
    world.settle().await;
    world.media.file("1.png", image("changed"));
    world.media.file("2.png", image("twin"));
    world.media.file("3.png", image("twin"));
    world.media.lose("4.png");
    world
}

/// Begins a run and lets it come to where copying begins; with the number of the call that is next.
async fn begun(world: &World) -> (RunId, usize) {
    let options = AskedOptions { copy_media: Some(true), ..AskedOptions::default() };
    let request = StartRun { options, ..StartRun::default() };
    let run = world.imports.start(world.asker(), request, None).await.unwrap();
    loop {
        if world.queue.waiting().iter().any(world::is_media) {
            return (run, world.faults.made());
        }
        world.deliver(world.queue.pop_or_wait().unwrap()).await;
    }
}

/// What a run came to, the keys of the objects, and what each image is linked to.
type Outcome = (ShownCopies, Vec<String>, Vec<Option<ContentHash>>);

async fn outcome(world: &World, run: &RunId) -> Outcome {
    let shown = world.shown(run).await.copies.unwrap();
    let objects = world.media.stored(&world.store).into_keys().collect();
    let links = PRODUCTS.map(|product| link(world, product).copy.map(|copy| copy.object.hash)).collect();
    (shown, objects, links)
}

/// How it ends where nothing goes wrong, and the calls that are made on the way.
async fn clean() -> (Outcome, Range<usize>) {
    let world = changed().await;
    let (run, from) = begun(&world).await;
    world.settle().await;
    let calls = from..world.faults.made();
    let outcome = outcome(&world, &run).await;
    assert_eq!((outcome.0.copied, outcome.0.kept, outcome.0.failed), (3, 1, 1));
    world.media.check(&world.store, false);
    (outcome, calls)
}

/// The same but for what was copied before a crash and met again after it, which counts as one or the other.
fn assert_same(found: &Outcome, clean: &Outcome, context: &str) {
    assert_eq!((found.0.status, found.0.files), (clean.0.status, clean.0.files), "{context}");
    assert_eq!((found.0.copied, found.0.failed), (clean.0.copied, clean.0.failed), "{context}");
    assert_eq!((&found.1, &found.2), (&clean.1, &clean.2), "{context}");
}

#[tokio::test]
async fn a_fault_or_crash_at_any_call_copies_the_same() {
    let (clean, calls) = clean().await;
    for call in calls {
        for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::Freeze) {
            let world = changed().await;
            let (run, _) = begun(&world).await;
            world.faults.at(call, fault);
            while let Some(waiting) = world.queue.pop_or_wait() {
                world.deliver(waiting).await;
                world.faults.restart();
            }
            let context = format!("{fault:?} at {call}, {:?}", world.faults.calls().get(call));
            world.faults.revive();
            assert_same(&outcome(&world, &run).await, &clean, &context);
            world.media.check(&world.store, false);
        }
    }
}

#[tokio::test]
async fn two_at_once_copy_the_same_wherever_one_of_them_stands_still() {
    async fn at_once(frozen: Option<usize>) -> (World, RunId, Range<usize>) {
        let world = changed().await;
        let (run, from) = begun(&world).await;
        if let Some(call) = frozen {
            world.faults.at(call, Fault::Freeze);
        }
        while let Some(waiting) = world.queue.pop_or_wait() {
            world.deliver_twice_at_once(waiting).await;
        }
        let calls = from..world.faults.made();
        (world, run, calls)
    }
    let (clean, _) = clean().await;
    let (world, run, calls) = at_once(None).await;
    assert_same(&outcome(&world, &run).await, &clean, "nobody stands still");
    for call in calls {
        let (world, run, _) = at_once(Some(call)).await;
        let context = format!("one stands still at {call}, {:?}", world.faults.calls().get(call));
        assert_same(&outcome(&world, &run).await, &clean, &context);
        // Both may store a content that only one of them then links to.
        world.media.check(&world.store, true);
    }
}

/// An attempt that stands still until its run is over and the next one has copied what the shop had by then.
#[tokio::test]
async fn an_attempt_that_outlived_its_run_leaves_the_copies_of_the_next_one_alone() {
    let (_, calls) = clean().await;
    for call in calls {
        let world = changed().await;
        begun(&world).await;
        world.faults.at(call, Fault::Freeze);
        let stuck = std::cell::RefCell::new(None::<Waiting>);
        let straggler = async {
            while let Some(waiting) = world.queue.pop_or_wait() {
                *stuck.borrow_mut() = Some(waiting.clone());
                world.deliver(waiting).await;
            }
        };
        let next = async {
            while world.faults.frozen() == 0 {
                tokio::task::yield_now().await;
            }
            let again = stuck.borrow().clone().unwrap();
            world.deliver(again).await;
            world.settle().await;
            // What was let go of comes back, and what was copied last goes.
            world.media.file("1.png", image("image 1"));
            world.media.file("2.png", image("image 3"));
            world.media.file("3.png", image("newest"));
            let (run, _) = begun(&world).await;
            world.settle().await;
            let expected = outcome(&world, &run).await;
            let contents = ["image 1", "image 3", "newest", "image 4", "image 5"];
            let hashes: Vec<_> = contents.map(|text| Some(ContentHash::of(&image(text)))).into();
            assert_eq!(expected.2, hashes);
            world.media.check(&world.store, true);
            world.faults.thaw();
            (run, expected)
        };
        let ((), (run, expected)) = tokio::join!(straggler, next);
        let context = format!("it stood still at {call}, {:?}", world.faults.calls().get(call));
        let found = outcome(&world, &run).await;
        assert_eq!((&found.0, &found.2), (&expected.0, &expected.2), "{context}");
        world.media.check(&world.store, true);
        let failure = link(&world, 4).failure.unwrap();
        assert_eq!((failure.run, failure.next_try), (run, None), "{context}");
    }
}
