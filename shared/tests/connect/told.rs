//! Acting on what shops tell (P13): read again by the installation's own token, harmless twice, late and in any order.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::connection::{HistoryAction, Reason};
use shared::domain::run::{Feed, FeedProgress, RunState};
use shared::domain::scopes::Scopes;
use shared::ports::provider::ShopProfile;
use shared::ports::queue::Step;
use shared::ports::runs::RunStore as _;
use shared::ports::time::Clock as _;
use shared::testkit::faults::Fault;

use crate::disconnect::importing;
use crate::uninstalled::{deliver, received};
use crate::webhooks::{KEY, listening, posted};
use crate::world::{PROVIDER, SCOPES, World, domain, profile, store};

/// Posts to the address of the store's installation and acts on it.
async fn tell(world: &World, topic: &str, id: &str, body: &Value) -> bool {
    let bodies = received(world, posted("acme", Some(KEY), topic, id, body)).await;
    deliver(world, &bodies[0]).await
}

async fn message(world: &World, topic: &str, id: &str) -> String {
    let body = json!({"id": 1, "updated_at": "2026-09-21T14:13:19Z"});
    received(world, posted("acme", Some(KEY), topic, id, &body)).await.remove(0)
}

fn actions(world: &World) -> Vec<HistoryAction> {
    world.connectors.entries(&store("st-1")).into_iter().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn what_is_granted_now_counts_in_whatever_order_it_is_told() {
    let world = listening().await;
    let first = message(&world, "app/scopes_update", "id-1").await;
    let second = message(&world, "app/scopes_update", "id-2").await;
    world.shop.open(profile("acme", 1_001, "read_products"));
    // The later message first, the earlier one after it, and both once more.
    for body in [&second, &first, &second, &first] {
        assert!(deliver(&world, body).await);
    }
    let used = world.stored("st-1").unwrap().installation.unwrap();
    assert_eq!(used.scopes, Scopes::parse("read_products"));
    let entries = world.connectors.entries(&store("st-1"));
    let told: Vec<_> = entries.iter().filter(|e| e.action == HistoryAction::ScopesChanged).collect();
    assert_eq!(told.len(), 1, "{entries:?}");
    let change = told[0].scopes.as_ref().unwrap();
    assert_eq!(change.lost, Scopes::parse("read_inventory,read_locations"));
    assert!(change.gained.is_empty());

    world.shop.open(profile("acme", 1_001, SCOPES));
    assert!(tell(&world, "app/scopes_update", "id-3", &json!({"id": 1})).await);
    assert_eq!(world.stored("st-1").unwrap().installation.unwrap().scopes, Scopes::parse(SCOPES));
    assert_eq!(actions(&world).iter().filter(|a| **a == HistoryAction::ScopesChanged).count(), 2);
}

#[tokio::test]
async fn a_shop_that_changed_its_name_has_it_on_the_card() {
    let world = listening().await;
    let changed = ShopProfile {
        name: "Acme & Sons".to_owned(),
        primary_domain: "acme-sons.example".to_owned(),
        currency: "CHF".to_owned(),
        plan: "Plus".to_owned(),
        ..profile("acme", 1_001, SCOPES)
    };
    world.shop.open(changed);
    assert!(tell(&world, "shop/update", "id-1", &json!({"id": 1})).await);
    let shop = &world.card("st-1").await["shop"];
    assert_eq!(shop["account"], "Acme & Sons");
    assert_eq!(
        (&shop["primary_domain"], &shop["currency"], &shop["plan"]),
        (&json!("acme-sons.example"), &json!("CHF"), &json!("Plus"))
    );
    assert_eq!(actions(&world).last(), Some(&HistoryAction::ShopChanged));
    let before = world.stored("st-1");
    assert!(tell(&world, "shop/update", "id-2", &json!({"id": 1})).await);
    assert_eq!(world.stored("st-1"), before, "nothing new, nothing written");
}

#[tokio::test]
async fn a_shop_that_does_not_answer_is_asked_again_and_one_that_takes_no_token_is_taken_at_its_word() {
    let world = listening().await;
    let body = message(&world, "app/scopes_update", "id-1").await;
    world.shop.set_down(true);
    assert!(!deliver(&world, &body).await);
    world.shop.set_down(false);
    world.shop.revoke(&domain("acme"));
    assert!(deliver(&world, &body).await);
    assert_eq!(world.stored("st-1").unwrap().reason, Some(Reason::NeedsReauthorization));
    // That the app was removed is for app/uninstalled to say.
    assert!(tell(&world, "app/uninstalled", "id-2", &json!({"id": 1_001})).await);
    assert_eq!(world.stored("st-1").unwrap().reason, Some(Reason::Uninstalled));
}

/// The shop gives one token after the other and takes none of them.
#[tokio::test]
async fn whoever_asks_takes_two_rejected_tokens_for_the_shops_word() {
    for topic in ["app/scopes_update", "shop/update", "subscribe", "app/uninstalled"] {
        let world = World::new();
        world.connect("st-1", "acme").await;
        let subscribe = world.webhook_queue.take().remove(0);
        world.hook("st-1", KEY).await;
        let body = match topic {
            "subscribe" => subscribe,
            _ => message(&world, topic, "id-1").await,
        };
        world.shop.set_deaf(true);
        assert!(deliver(&world, &body).await, "{topic}: asking again would not help");
        let expected = match topic {
            "app/uninstalled" => Reason::Uninstalled,
            _ => Reason::NeedsReauthorization,
        };
        assert_eq!(world.stored("st-1").unwrap().reason, Some(expected), "{topic}");
        assert_eq!(world.shop.count("refresh"), 1, "{topic}");
    }
}

#[tokio::test]
async fn a_shop_is_subscribed_to_by_the_next_token_where_the_one_in_hand_has_just_ended() {
    // When it is asked what it tells already, and when it is asked to tell.
    for call in [0, 1] {
        let world = World::new();
        world.connect("st-1", "acme").await;
        let body = world.webhook_queue.take().remove(0);
        world.shop.end_access_before(call);
        assert!(deliver(&world, &body).await);
        assert_eq!(world.shop.count("refresh"), 1, "{call}");
        assert_eq!(world.shop.tells(&domain("acme")).len(), 1, "{call}");
        assert_eq!(world.stored("st-1").unwrap().reason, None, "{call}");
    }
}

#[tokio::test]
async fn what_a_sweep_finds_changed_is_told_once_whatever_crashes() {
    let prepare = async || {
        let world = World::new();
        world.connect("st-1", "acme").await;
        world.webhook_queue.take();
        world.later(25 * 3_600);
        world
            .shop
            .open(ShopProfile { name: "Acme & Sons".to_owned(), ..profile("acme", 1_001, "read_products") });
        world
    };
    let outcome = |world: &World| {
        let used = world.stored("st-1").unwrap().installation.unwrap();
        let told = |action| actions(world).into_iter().filter(|told| *told == action).count();
        let told = (told(HistoryAction::ScopesChanged), told(HistoryAction::ShopChanged));
        (used.scopes, used.shop_name, told)
    };
    let world = prepare().await;
    let from = world.faults.calls().len();
    world.sweep().await;
    let calls = from..world.faults.calls().len();
    let clean = outcome(&world);
    assert_eq!(clean, (Scopes::parse("read_products"), "Acme & Sons".to_owned(), (1, 1)));
    for call in calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter] {
            let world = prepare().await;
            world.faults.at(call, fault);
            world.sweep().await;
            world.faults.restart();
            for _ in 0..2 {
                world.later(3_601);
                world.sweep().await;
            }
            assert_eq!(outcome(&world), clean, "{fault:?} at {call}");
        }
    }
}

/// A store whose run waits for a feed of this handle.
async fn waiting(handle: &str) -> World {
    let world = importing().await;
    world.hook("st-1", KEY).await;
    world.webhook_queue.take();
    let id = world.runs.active(&store("st-1"), PROVIDER).await.unwrap().unwrap();
    let mut run = world.runs.load(&store("st-1"), PROVIDER, &id).await.unwrap().unwrap();
    let progress = FeedProgress {
        handle: handle.to_owned(),
        attempt: 1,
        objects: 0,
        roots: 0,
        moved_at: world.clock.now(),
        ready: false,
        file: None,
        chunks: 0,
        joined: false,
    };
    run.feeds.insert(Feed::Products, progress);
    run.poll_hop = 4;
    world.runs.save(&mut run).await.unwrap();
    world
}

const HANDLE: &str = "gid://shopify/BulkOperation/77";

#[tokio::test]
async fn a_finished_feed_wakes_the_run_that_waits_for_it() {
    let world = waiting(HANDLE).await;
    assert!(tell(&world, "bulk_operations/finish", "id-1", &json!({"admin_graphql_api_id": HANDLE})).await);
    let sent = world.steps.pop().unwrap();
    assert_eq!(sent.message.step, Step::Poll { hop: 4 }, "the number of the run's own next look");
    assert_eq!(sent.message.store, store("st-1"));
    assert!(world.steps.pop().is_none());
}

#[tokio::test]
async fn a_feed_that_nobody_waits_for_wakes_nobody() {
    let world = waiting("gid://shopify/BulkOperation/78").await;
    assert!(tell(&world, "bulk_operations/finish", "id-1", &json!({"admin_graphql_api_id": HANDLE})).await);
    assert!(world.steps.pop().is_none());
    let idle = listening().await;
    assert!(tell(&idle, "bulk_operations/finish", "id-1", &json!({"admin_graphql_api_id": HANDLE})).await);
    assert!(idle.steps.pop().is_none());
    // A run that is past its extraction.
    let world = waiting(HANDLE).await;
    let id = world.runs.active(&store("st-1"), PROVIDER).await.unwrap().unwrap();
    let mut run = world.runs.load(&store("st-1"), PROVIDER, &id).await.unwrap().unwrap();
    run.state = RunState::Planning;
    world.runs.save(&mut run).await.unwrap();
    assert!(tell(&world, "bulk_operations/finish", "id-2", &json!({"admin_graphql_api_id": HANDLE})).await);
    assert!(world.steps.pop().is_none());
}

#[tokio::test]
async fn a_connect_makes_the_shop_tell_one_address_and_a_reconnect_another() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let bodies = world.webhook_queue.take();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(deliver(&world, &bodies[0]).await);
    let first = world.shop.tells(&domain("acme"));
    assert_eq!(first.len(), 1);
    assert!(first[0].len() == 43 && !world.hooks.dump().contains(&first[0]), "only its hash is kept");
    let event = posted("acme", Some(&first[0]), "products/update", "id-1", &json!({"id": 1}));
    assert_eq!(received(&world, event.clone()).await.len(), 1);

    // Again, as the sweep asks: the same address.
    world.later(86_400);
    assert!(deliver(&world, &bodies[0].replace("subscribe-", "subscribe-again-")).await);
    assert_eq!(world.shop.tells(&domain("acme")), first);
    // The shop has dropped it: a new one, and the old one is no longer any use to it.
    world.shop.fall_silent(&domain("acme"));
    assert!(deliver(&world, &bodies[0].replace("subscribe-", "subscribe-third-")).await);
    assert_eq!(world.shop.tells(&domain("acme")).len(), 1);

    world.connect("st-1", "acme").await;
    let again = world.webhook_queue.take();
    assert!(deliver(&world, &again[0]).await);
    let second = world.shop.tells(&domain("acme"));
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    assert!(received(&world, event).await.is_empty(), "the address of the earlier installation is gone");
    world.drop("st-1").await;
    let event = posted("acme", Some(&second[0]), "products/update", "id-2", &json!({"id": 1}));
    assert!(received(&world, event).await.is_empty(), "as is that of one that was disconnected");
}

#[tokio::test]
async fn a_shop_that_cannot_be_subscribed_to_fails_no_connect() {
    let world = World::new();
    let from = {
        let world = World::new();
        world.connect("st-1", "acme").await;
        world.faults.calls().iter().position(|call| *call == "webhooks.send").unwrap()
    };
    world.faults.at(from, Fault::FailBefore);
    assert_eq!(crate::world::outcome(&world.connect("st-1", "acme").await), "connected");
    assert!(world.webhook_queue.take().is_empty());
    let codes = |card: &Value| -> BTreeSet<String> {
        let all = card["suggestions"].as_array().unwrap().iter();
        all.map(|suggestion| suggestion["code"].as_str().unwrap().to_owned()).collect()
    };
    assert!(codes(&world.card("st-1").await).contains("webhooks_pending"));
    world.connect("st-2", "beta").await;
    let bodies = world.webhook_queue.take();
    world.shop.set_down(true);
    assert!(!deliver(&world, &bodies[0]).await, "asked again later");
    world.shop.set_down(false);
    assert!(deliver(&world, &bodies[0]).await);
    assert!(!codes(&world.card("st-2").await).contains("webhooks_pending"));
}

#[tokio::test]
async fn a_crash_at_any_call_of_any_effect_is_healed_by_the_next_delivery() {
    for topic in ["app/scopes_update", "subscribe", "bulk_operations/finish", "products/update"] {
        let prepare = async || {
            let world = waiting(HANDLE).await;
            let body = match topic {
                "subscribe" => {
                    world.connect("st-2", "beta").await;
                    world.webhook_queue.take().remove(0)
                }
                "bulk_operations/finish" => {
                    let body = json!({"admin_graphql_api_id": HANDLE});
                    received(&world, posted("acme", Some(KEY), topic, "id-1", &body)).await.remove(0)
                }
                _ => message(&world, topic, "id-1").await,
            };
            world.shop.open(profile("acme", 1_001, "read_products"));
            (world, body)
        };
        let outcome = |world: &World| {
            let scopes = world.stored("st-1").unwrap().installation.unwrap().scopes;
            let told = actions(world).into_iter().filter(|a| *a == HistoryAction::ScopesChanged).count();
            (scopes, told, world.steps.pop().is_some(), world.shop.tells(&domain("beta")).len())
        };
        let (world, body) = prepare().await;
        let from = world.faults.calls().len();
        assert!(deliver(&world, &body).await);
        let calls = from..world.faults.calls().len();
        let clean = outcome(&world);
        for call in calls {
            for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter, Fault::Throttle] {
                let (world, body) = prepare().await;
                world.faults.at(call, fault);
                deliver(&world, &body).await;
                world.faults.restart();
                world.later(360);
                assert!(deliver(&world, &body).await, "{topic}: {fault:?} at {call}");
                assert_eq!(outcome(&world), clean, "{topic}: {fault:?} at {call}");
            }
        }
    }
}

#[tokio::test]
async fn reason_of_a_connector_is_not_touched_by_hints() {
    let world = listening().await;
    for topic in ["products/update", "collections/delete", "inventory_levels/update", "locations/create"] {
        assert!(tell(&world, topic, topic.split('/').next().unwrap(), &json!({"id": 1})).await);
    }
    assert_eq!(world.stored("st-1").unwrap().reason, None::<Reason>);
    assert_eq!(world.stored("st-1").unwrap().revision, listening().await.stored("st-1").unwrap().revision);
}
