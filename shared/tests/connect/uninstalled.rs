//! The merchant removes the app in the shop (P13, P14): told late, twice or not at all, a newer connection lives on.

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use std::sync::Arc;

use shared::app::webhooks::WebhookStep;
use shared::domain::connection::{ConnectorState, HistoryAction, Reason};
use shared::lambda::webhooks::webhook_step;
use shared::testkit::faults::Fault;
use shared::testkit::queue::FakeRedelivery;
use url::Url;

use crate::disconnect::importing;
use crate::webhooks::{KEY, posted};
use crate::world::{PROVIDER, World, domain, outcome, store};

impl World {
    pub fn webhook_step(&self) -> Arc<WebhookStep> {
        Arc::new(WebhookStep {
            access: self.access(),
            webhooks: self.shop.clone(),
            runs: Arc::new(self.runs.clone()),
            steps: Arc::new(self.steps.clone()),
            personal: self.personal.clone(),
            random: self.random.clone(),
            public_base_url: Url::parse("https://api.eshop.example").unwrap(),
        })
    }
}

/// The queue that the messages of a test come from.
pub fn queue() -> Arc<FakeRedelivery> {
    Arc::default()
}

/// Delivers one message to the step; true where it is done with it.
pub async fn deliver(world: &World, body: &str) -> bool {
    let records = json!({"Records": [{"messageId": "m-1", "body": body}]});
    let event = LambdaEvent::new(serde_json::from_value(records).unwrap(), Context::default());
    webhook_step(world.webhook_step(), queue(), event).await.unwrap().batch_item_failures.is_empty()
}

/// Posts, and returns what was put on the queue.
pub async fn received(world: &World, event: Value) -> Vec<String> {
    let response = world.send(event).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    world.webhook_queue.take()
}

fn uninstalled(shop: &str, id: &str) -> Value {
    let body = json!({"id": 1_001, "myshopify_domain": domain(shop).as_str()});
    posted(shop, Some(KEY), "app/uninstalled", id, &body)
}

/// A store that imports right now, its address known, and the message that tells that the app was removed.
async fn removed() -> (World, String) {
    let world = importing().await;
    world.hook("st-1", KEY).await;
    world.webhook_queue.take();
    world.shop.revoke(&domain("acme"));
    let mut bodies = received(&world, uninstalled("acme", "id-1")).await;
    (world, bodies.remove(0))
}

fn assert_gone(world: &World, what: &str) {
    let connector = world.stored("st-1").unwrap();
    assert_eq!((connector.reason, connector.installation), (Some(Reason::Uninstalled), None), "{what}");
    assert!(world.vault.installs().is_empty(), "{what}: a token can still be read");
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None, "{what}");
    assert_eq!(world.connectors.all_loose_ends(), vec![], "{what}");
    assert!(world.runs.all().iter().all(|run| run.cancel_requested), "{what}");
    assert!(!world.hooks.dump().contains("ins_"), "{what}: {}", world.hooks.dump());
    let told = world.connectors.entries(&store("st-1"));
    let told = told.iter().filter(|entry| entry.action == HistoryAction::Uninstalled);
    assert_eq!(told.count(), 1, "{what}");
}

#[tokio::test]
async fn the_card_says_uninstalled_and_nothing_is_left() {
    let (world, body) = removed().await;
    assert!(deliver(&world, &body).await);
    assert_gone(&world, "once");
    let card = world.card("st-1").await;
    assert_eq!((&card["state"], &card["reason"]), (&json!("inactive"), &json!("uninstalled")));
    assert_eq!(card["suggestions"][0]["code"], "reconnect");
    assert!(received(&world, uninstalled("acme", "id-2")).await.is_empty(), "the address is gone too");

    assert!(deliver(&world, &body).await);
    assert_gone(&world, "twice");
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");
    assert!(deliver(&world, &body).await);
    assert_eq!(world.stored("st-2").unwrap().state(), ConnectorState::Live);
}

#[tokio::test]
async fn a_late_word_of_an_earlier_installation_leaves_the_newer_one_alone() {
    for same_store in [true, false] {
        let (world, body) = removed().await;
        // Connected again before the message gets through: by the same store, or after it by another one.
        let newer = if same_store {
            "st-1"
        } else {
            assert!(deliver(&world, &body).await);
            "st-2"
        };
        assert_eq!(outcome(&world.connect(newer, "acme").await), "connected");
        let (before, claim) = (world.stored(newer), world.connectors.claim(PROVIDER, &domain("acme")));
        world.later(4 * 3_600);
        assert!(deliver(&world, &body).await);
        let twin = body.replace("id-1", "id-9");
        assert!(deliver(&world, &twin).await);
        assert_eq!(world.stored(newer), before, "same store: {same_store}");
        assert_eq!(before.unwrap().state(), ConnectorState::Live);
        assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), claim);
        assert_eq!(world.vault.installs().len(), 1);
    }
}

#[tokio::test]
async fn a_shop_that_still_accepts_the_token_is_believed_more_than_a_message() {
    let world = importing().await;
    world.hook("st-1", KEY).await;
    world.webhook_queue.take();
    let body = received(&world, uninstalled("acme", "id-1")).await.remove(0);
    for wait in [0, 3_590, 90_000] {
        world.later(wait);
        let again = body.replace("id-1", &format!("id-{wait}"));
        assert!(deliver(&world, &again).await);
        assert_eq!(world.stored("st-1").unwrap().state(), ConnectorState::Live, "after {wait}");
    }
    assert!(world.runs.all().iter().all(|run| !run.cancel_requested));
}

#[tokio::test]
async fn a_shop_that_does_not_answer_proves_nothing() {
    let (world, body) = removed().await;
    let before = world.connectors.dump();
    world.shop.set_down(true);
    assert!(!deliver(&world, &body).await, "to be tried again");
    assert_eq!(world.connectors.dump(), before);
    world.shop.set_down(false);
    assert!(deliver(&world, &body).await);
    assert_gone(&world, "after the outage");
}

#[tokio::test]
async fn a_crash_at_any_call_is_healed_by_the_next_delivery() {
    let calls = {
        let (world, body) = removed().await;
        let from = world.faults.calls().len();
        assert!(deliver(&world, &body).await);
        from..world.faults.calls().len()
    };
    assert!(calls.len() >= 12, "{}", calls.len());
    for call in calls {
        for fault in
            [Fault::CrashBefore, Fault::CrashAfter, Fault::FailBefore, Fault::FailAfter, Fault::Throttle]
        {
            let (world, body) = removed().await;
            world.faults.at(call, fault);
            let done = deliver(&world, &body).await;
            world.faults.restart();
            // The queue hides a message for so long.
            world.later(360);
            assert!(deliver(&world, &body).await, "{fault:?} at {call}");
            assert_gone(&world, &format!("{fault:?} at {call}, done {done}"));
        }
    }
}

#[tokio::test]
async fn what_is_no_message_of_ours_comes_again_and_costs_no_other() {
    let (world, body) = removed().await;
    let records = json!({"Records": [
        {"messageId": "m-1", "body": "sesame"},
        {"messageId": "m-2", "body": body},
        {"messageId": "m-3"},
    ]});
    let event = LambdaEvent::new(serde_json::from_value(records).unwrap(), Context::default());
    let answer = webhook_step(world.webhook_step(), queue(), event).await.unwrap();
    let again: Vec<_> =
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    assert_eq!(again, ["m-1", "m-3"]);
    assert_gone(&world, "between two that are none");
}
