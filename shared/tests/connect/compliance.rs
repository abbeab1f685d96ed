//! What the law asks for (P13, P14): looked up, erased, recorded; never a shop that is connected, never a name.

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::domain::connection::{ConnectorState, HistoryAction, HistoryEntry, Reason};
use shared::domain::ids::ShopId;
use shared::domain::notice::Subject;
use shared::domain::push::change::Image;
use shared::domain::push::ledger::Op;
use shared::domain::push::run::PushRun;
use shared::ports::push_store::{Mention, PushRuns as _, Results as _};
use shared::ports::time::Clock as _;
use shared::testkit::faults::Fault;
use shared::testkit::{canaries, contract};

use crate::uninstalled::{deliver, received};
use crate::webhooks::posted;
use crate::world::{Browser, PROVIDER, World, domain, outcome, store};

const CANARY: &str = "carla@canary.example";

fn request(topic: &str, id: &str) -> Value {
    canaries::secret("person", CANARY);
    let body = json!({
        "shop_id": 1_001,
        "shop_domain": "acme.myshopify.com",
        "customer": {"id": 7, "email": CANARY, "phone": "+49 151 canary"},
        "orders_requested": [299_938],
        "orders_to_redact": [299_938],
        "data_request": {"id": 9_999},
    });
    posted("acme", None, topic, id, &body)
}

async fn asked(world: &World, topic: &str, id: &str) -> String {
    received(world, request(topic, id)).await.remove(0)
}

fn of(world: &World, text: &str, action: HistoryAction) -> Vec<HistoryEntry> {
    world.connectors.entries(&store(text)).into_iter().filter(|entry| entry.action == action).collect()
}

/// What a push keeps of two customers' records.
async fn pushed(world: &World, text: &str) -> PushRun {
    let run = PushRun {
        shop: ShopId(1_001),
        updated_at: world.clock.now(),
        ..contract::push::run(&store(text), 1)
    };
    world.pushes.begin(&run, None).await.unwrap();
    let image = |seq| Image { seq, op: Op::Update, diff: Vec::new() };
    let end = world.clock.now() + SignedDuration::from_hours(720);
    let mention = |customer| Mention {
        subject: Subject::Customer(customer),
        run: run.id.clone(),
        page: 0,
        seq: customer,
    };
    let (store, shop) = (store(text), ShopId(1_001));
    world.pushes.note_people(&store, PROVIDER, shop, &[mention(7), mention(8)], end).await.unwrap();
    world.pushes.put_images(&store, &run.id, 0, 0, &[image(7), image(8)], end).await.unwrap();
    run
}

/// The rows of which images are kept.
fn images(world: &World, run: &PushRun) -> Vec<u64> {
    world.pushes.images_of(&run.id).into_iter().map(|image| image.seq).collect()
}

/// A store whose shop was connected and whose app was removed over there.
async fn left() -> World {
    let world = World::new();
    world.connect("st-1", "acme").await;
    pushed(&world, "st-1").await;
    for body in world.webhook_queue.take() {
        assert!(deliver(&world, &body).await);
    }
    world.shop.revoke(&domain("acme"));
    world
}

#[tokio::test]
async fn a_data_request_is_answered_with_what_the_tables_hold() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    world.webhook_queue.take();
    world.personal.keep(&store("st-1"), 7, 3);
    let run = pushed(&world, "st-1").await;
    let body = asked(&world, "customers/data_request", "id-1").await;
    for _ in 0..2 {
        assert!(deliver(&world, &body).await);
    }
    let told = of(&world, "st-1", HistoryAction::DataRequested);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].detail.as_deref(), Some("request 9999; kept about the customer: runs 3, push 1"));
    assert_eq!(world.personal.kept(&store("st-1"), 7), 3, "nothing is erased by asking");
    assert_eq!(images(&world, &run), [7, 8]);
    assert!(!world.connectors.dump().contains("canary"));
}

#[tokio::test]
async fn a_customer_is_erased_in_every_store_that_the_shop_was_connected_to() {
    let world = left().await;
    world.drop("st-1").await;
    world.connect("st-2", "acme").await;
    world.webhook_queue.take();
    pushed(&world, "st-2").await;
    for text in ["st-1", "st-2"] {
        world.personal.keep(&store(text), 7, 2);
        world.personal.keep(&store(text), 8, 5);
    }
    let body = asked(&world, "customers/redact", "id-1").await;
    assert!(deliver(&world, &body).await);
    for text in ["st-1", "st-2"] {
        assert_eq!((world.personal.kept(&store(text), 7), world.personal.kept(&store(text), 8)), (0, 5));
        let told = of(&world, text, HistoryAction::CustomerErased);
        assert_eq!(told[0].detail.as_deref(), Some("erased about a customer: runs 2, push 1"));
    }
    let runs = world.pushes.all_runs();
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!(images(&world, &run), [8], "what a push overwrote goes before its days are over");
    }
}

#[tokio::test]
async fn a_request_about_a_shop_that_nobody_knows_is_done() {
    let world = World::new();
    for topic in ["customers/data_request", "customers/redact", "shop/redact"] {
        let body = asked(&world, topic, topic.split('/').next_back().unwrap()).await;
        assert!(deliver(&world, &body).await);
    }
    assert_eq!(world.connectors.dump(), World::new().connectors.dump());
}

fn assert_erased(world: &World, what: &str) {
    assert!(world.pushes.all_runs().iter().all(|run| images(world, run).is_empty()), "{what}");
    let connector = world.stored("st-1").unwrap();
    assert_eq!((connector.installation, connector.last_attempt), (None, None), "{what}");
    assert_eq!(connector.reason, Some(Reason::Uninstalled), "{what}");
    assert!(world.vault.installs().is_empty(), "{what}");
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None, "{what}");
    assert_eq!(world.hooks.dump(), World::new().hooks.dump(), "{what}");
    assert_eq!(of(world, "st-1", HistoryAction::ShopErased).len(), 1, "{what}");
    assert_eq!(of(world, "st-1", HistoryAction::Uninstalled).len(), 1, "{what}");
    assert!(world.connectors.all_loose_ends().is_empty(), "{what}");
}

#[tokio::test]
async fn a_shop_that_left_without_a_word_is_erased_once_its_token_is_proven_dead() {
    let world = left().await;
    let body = asked(&world, "shop/redact", "id-1").await;
    world.shop.set_down(true);
    assert!(!deliver(&world, &body).await, "no answer is no proof");
    assert_eq!(world.stored("st-1").unwrap().state(), ConnectorState::Live);
    world.shop.set_down(false);
    assert!(deliver(&world, &body).await);
    assert_erased(&world, "once");
    assert!(deliver(&world, &body.replace("id-1", "id-2")).await);
    assert_erased(&world, "twice");
}

#[tokio::test]
async fn a_shop_that_came_back_is_not_erased() {
    for newer in ["st-1", "st-2"] {
        let world = left().await;
        let body = asked(&world, "shop/redact", "id-1").await;
        if newer == "st-2" {
            world.drop("st-1").await;
        }
        assert_eq!(outcome(&world.connect(newer, "acme").await), "connected");
        for body in world.webhook_queue.take() {
            assert!(deliver(&world, &body).await);
        }
        let kept = world.pushes.images_of(&world.pushes.all_runs()[0].id);
        assert_eq!(kept.len(), 2);
        let before = (world.stored(newer), world.hooks.dump());
        world.later(48 * 3_600);
        assert!(deliver(&world, &body).await);
        assert_eq!((world.stored(newer), world.hooks.dump()), before, "{newer}");
        assert_eq!(world.pushes.images_of(&world.pushes.all_runs()[0].id), kept, "{newer}");
        assert_eq!(world.stored(newer).unwrap().state(), ConnectorState::Live);
        assert_eq!(of(&world, newer, HistoryAction::ErasureNotApplicable).len(), 1);
        assert!(of(&world, "st-1", HistoryAction::ShopErased).is_empty());
    }
}

#[tokio::test]
async fn an_attempt_that_is_newer_than_the_request_stays() {
    let world = left().await;
    let body = asked(&world, "shop/redact", "id-1").await;
    world.later(60);
    world.begin("st-1", "acme", &mut Browser::default()).await;
    assert!(deliver(&world, &body).await);
    assert!(world.stored("st-1").unwrap().last_attempt.is_some());
    assert_eq!(of(&world, "st-1", HistoryAction::ShopErased).len(), 1);
}

#[tokio::test]
async fn a_crash_at_any_call_is_healed_by_the_next_delivery() {
    let calls = {
        let world = left().await;
        let body = asked(&world, "shop/redact", "id-1").await;
        let from = world.faults.calls().len();
        assert!(deliver(&world, &body).await);
        from..world.faults.calls().len()
    };
    assert!(calls.len() >= 15, "{}", calls.len());
    for call in calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailBefore, Fault::FailAfter] {
            let world = left().await;
            let body = asked(&world, "shop/redact", "id-1").await;
            world.faults.at(call, fault);
            deliver(&world, &body).await;
            world.faults.restart();
            world.later(360);
            assert!(deliver(&world, &body).await, "{fault:?} at {call}");
            assert_erased(&world, &format!("{fault:?} at {call}"));
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_call_about_a_customer_is_healed_by_the_next_delivery() {
    for (topic, action) in [
        ("customers/data_request", HistoryAction::DataRequested),
        ("customers/redact", HistoryAction::CustomerErased),
    ] {
        // Two stores were connected to the shop.
        let prepare = async || {
            let world = left().await;
            world.drop("st-1").await;
            world.connect("st-2", "acme").await;
            world.webhook_queue.take();
            for text in ["st-1", "st-2"] {
                world.personal.keep(&store(text), 7, 2);
            }
            let body = asked(&world, topic, "id-1").await;
            (world, body)
        };
        let outcome = |world: &World| {
            ["st-1", "st-2"].map(|text| {
                let told = of(world, text, action);
                let told: Vec<_> = told.into_iter().map(|entry| entry.detail).collect();
                (told, world.personal.kept(&store(text), 7))
            })
        };
        let (world, body) = prepare().await;
        let from = world.faults.calls().len();
        assert!(deliver(&world, &body).await);
        let calls = from..world.faults.calls().len();
        let clean = outcome(&world);
        assert!(clean.iter().all(|(told, _)| told.len() == 1), "{clean:?}");
        for call in calls {
            for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter, Fault::Throttle] {
                let (world, body) = prepare().await;
                world.faults.at(call, fault);
                deliver(&world, &body).await;
                world.faults.restart();
                assert!(deliver(&world, &body).await, "{topic}: {fault:?} at {call}");
                assert_eq!(outcome(&world), clean, "{topic}: {fault:?} at {call}");
            }
        }
    }
}
