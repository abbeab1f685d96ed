//! Turns what happened into deliveries to those who asked for them.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::outbox::{Delivery, random_id};
use super::payload;
use super::subscription::Webhook;
use crate::admin::strikes;
use crate::apps::{ScopeChange, expand};
use crate::faults::Kind;
use crate::graphql::protected::redact;
use crate::server::Simulator;
use crate::shop::{ShopState, lock};

/// The version that deliveries to an app's own addresses are written in.
const APP_VERSION: &str = "2026-07";

/// Something that happened in a shop.
#[derive(Clone, Debug)]
pub struct Occurrence {
    /// Name of the topic, for instance `products/update`.
    pub topic: &'static str,
    /// The whole payload.
    pub payload: Value,
    /// Only this app is told; none: all are.
    pub app: Option<String>,
}

/// Tells what one action of a merchant caused to everyone who subscribed and still has the scope for it.
pub fn publish(simulator: &Simulator, state: &ShopState, occurrences: &[Occurrence]) {
    let granted: BTreeMap<String, _> = {
        let rights = lock(&simulator.rights);
        let own =
            rights.installs.iter().filter(|((shop, _), install)| *shop == state.label && install.active);
        own.map(|((_, app), install)| (app.clone(), expand(&install.scopes))).collect()
    };
    let mut webhooks = lock(&state.webhooks).clone();
    webhooks.retain(|webhook| {
        granted.get(&webhook.client_id).is_some_and(|scopes| webhook.topic.open_to(scopes))
    });
    publish_to(simulator, state, &webhooks, occurrences);
}

/// Tells it to these subscriptions, as far as they are about it. All deliveries of one action share an event id.
pub fn publish_to(
    simulator: &Simulator,
    state: &ShopState,
    webhooks: &[Webhook],
    occurrences: &[Occurrence],
) {
    let event = random_id();
    let now = simulator.clock.now();
    for occurrence in occurrences {
        for webhook in webhooks {
            let concerned = webhook.topic.name == occurrence.topic
                && occurrence.app.as_ref().is_none_or(|app| *app == webhook.client_id);
            let payload = if concerned { redacted(simulator, webhook, occurrence) } else { None };
            let cut = payload.and_then(|payload| webhook.cut(&payload));
            if let Some(body) = cut {
                let mut delivery = to_subscription(state, webhook, &body, now);
                delivery.event_id.clone_from(&event);
                send(simulator, state, delivery);
            }
        }
    }
}

/// The payload as the app may have it; none if it may not.
fn redacted(simulator: &Simulator, webhook: &Webhook, occurrence: &Occurrence) -> Option<Value> {
    let mut payload = occurrence.payload.clone();
    let rights = lock(&simulator.rights);
    let denied = rights.apps.get(&webhook.client_id).map(|app| &app.denied_customer_data);
    denied.is_none_or(|denied| redact(denied, occurrence.topic, &mut payload)).then_some(payload)
}

/// A delivery to a subscription.
#[must_use]
pub fn to_subscription(state: &ShopState, webhook: &Webhook, body: &Value, now: Timestamp) -> Delivery {
    let mut delivery = Delivery::new(&state.label, &webhook.client_id, &webhook.topic.name, now);
    delivery.subscription = Some(webhook.id);
    delivery.uri = webhook.uri.clone();
    delivery.version = webhook.version.clone();
    delivery.name = webhook.name.clone();
    delivery.body = Bytes::from(body.to_string());
    delivery
}

/// A delivery to an address of the app's own, or to any other.
#[must_use]
pub fn to_address(
    state: &ShopState,
    client_id: &str,
    topic: &str,
    uri: &str,
    body: &Value,
    now: Timestamp,
) -> Delivery {
    let mut delivery = Delivery::new(&state.label, client_id, topic, now);
    delivery.uri = uri.to_owned();
    delivery.version = APP_VERSION.to_owned();
    delivery.body = Bytes::from(body.to_string());
    delivery
}

/// Hands a delivery over, unless a switch loses or doubles it.
pub fn send(simulator: &Simulator, state: &ShopState, mut delivery: Delivery) {
    if strikes(state, Kind::LoseWebhooks, "lose_webhooks") {
        delivery.lose();
    } else if strikes(state, Kind::DuplicateWebhooks, "duplicate_webhooks") {
        delivery.copies = 1;
    }
    simulator.outbox.push(delivery);
}

/// `app/scopes_update`, to the app alone.
pub fn scopes_changed(simulator: &Simulator, state: &ShopState, change: &ScopeChange) {
    let payload = payload::scopes(change, simulator.clock.now());
    let app = Some(change.client_id.clone());
    publish(simulator, state, &[Occurrence { topic: "app/scopes_update", payload, app }]);
}

/// A compliance topic, to the address in the app's settings; false if it has none.
pub fn compliance(simulator: &Simulator, state: &ShopState, client_id: &str, topic: &str) -> bool {
    let app = lock(&simulator.rights).apps.get(client_id).cloned();
    let Some(uri) = app.and_then(|app| app.compliance_uri) else { return false };
    let body = payload::compliance(topic, &state.snapshot().shop);
    send(simulator, state, to_address(state, client_id, topic, &uri, &body, simulator.clock.now()));
    true
}

/// What time alone brings about: bulk operations that finished, shops to be forgotten 48 hours after an uninstall.
pub(super) fn by_time(simulator: &Simulator) {
    for state in simulator.shops() {
        let stalled = lock(&state.faults).bulk_stall;
        let finished = lock(&state.bulk).take_finished(stalled);
        for (client_id, operation) in finished {
            let payload = payload::bulk(&operation);
            let app = Some(client_id);
            publish(simulator, &state, &[Occurrence { topic: "bulk_operations/finish", payload, app }]);
        }
    }
    let due = lock(&simulator.rights).take_redactions(simulator.clock.now());
    for (shop, client_id) in due {
        if let Some(state) = simulator.shop(&shop) {
            compliance(simulator, &state, &client_id, "shop/redact");
        }
    }
}
