//! The control API of webhooks: looking at deliveries, making them late, double, forged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sim, refused, unknown, with_shop};
use crate::server::Simulator;
use crate::shop::{ShopState, lock};
use crate::webhooks::address::Routes;
use crate::webhooks::outbox::{Delivery, State as Stand};
use crate::webhooks::topic::COMPLIANCE;
use crate::webhooks::{payload, publish};

/// The longest a request waits for deliveries to settle.
const LONGEST: Duration = Duration::from_secs(30);

/// The routes of this part.
pub(super) fn router() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/deliver-to", get(routes).put(set_routes))
        .route("/shops/{label}/webhooks", get(webhooks))
        .route("/shops/{label}/deliver", post(deliver))
        .route("/shops/{label}/deliveries", get(deliveries).delete(forget))
        .route("/shops/{label}/deliveries/release", post(release))
        .route("/shops/{label}/deliveries/{webhook_id}/redeliver", post(redeliver))
        .route("/shops/{label}/installs/{client_id}/scopes", put(scopes))
}

async fn routes(State(simulator): Sim) -> Json<Value> {
    Json(json!(simulator.outbox.routes().pairs()))
}

async fn set_routes(State(simulator): Sim, Json(pairs): Json<BTreeMap<String, String>>) -> Response {
    match Routes::parse(&pairs) {
        Ok(wanted) => {
            simulator.outbox.set_routes(wanted);
            routes(State(simulator)).await.into_response()
        }
        Err(problem) => refused(&problem.to_string()),
    }
}

async fn webhooks(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| {
        let webhooks = lock(&state.webhooks);
        let rows = webhooks.iter().map(|hook| {
            json!({"id": hook.id, "app": hook.client_id, "topic": hook.topic.value, "uri": hook.uri,
                   "filter": hook.filter, "include_fields": hook.include_fields})
        });
        rows.collect()
    })
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    settled: bool,
}

/// With `?settled=true` the answer comes once nothing is waiting or under way.
async fn deliveries(
    State(simulator): Sim,
    Path(label): Path<String>,
    Query(listing): Query<Listing>,
) -> Response {
    if listing.settled {
        let settled = |all: &[&Delivery]| {
            !all.iter().any(|delivery| matches!(delivery.state, Stand::Waiting(_) | Stand::Sending))
        };
        // Whoever waits in vain sees for himself what is still under way.
        let _ = tokio::time::timeout(LONGEST, simulator.outbox.until(&label, settled)).await;
    }
    with_shop(&simulator, &label, |state| {
        simulator.outbox.of_shop(&state.label).iter().map(Delivery::view).collect()
    })
}

async fn forget(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| {
        simulator.outbox.forget(&state.label);
        json!({})
    })
}

async fn redeliver(State(simulator): Sim, Path((label, webhook_id)): Path<(String, String)>) -> Response {
    if simulator.outbox.send_again(&label, &webhook_id, simulator.clock.now()) {
        Json(json!({ "webhook_id": webhook_id })).into_response()
    } else {
        unknown("delivery")
    }
}

/// The order in which held deliveries go out.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    AsHeld,
    Reversed,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Releasing {
    order: Order,
}

/// Sends what is held, one after the other, and answers when each was tried once.
async fn release(
    State(simulator): Sim,
    Path(label): Path<String>,
    Json(wanted): Json<Releasing>,
) -> Response {
    let mut held = simulator.outbox.held(&label);
    if let Order::Reversed = wanted.order {
        held.reverse();
    }
    for webhook_id in &held {
        let tries = |all: &[&Delivery]| {
            let own = all.iter().filter(|one| one.webhook_id == *webhook_id);
            own.map(|one| one.attempts.len()).sum::<usize>()
        };
        let before = tries(&simulator.outbox.of_shop(&label).iter().collect::<Vec<_>>());
        simulator.outbox.send_again(&label, webhook_id, simulator.clock.now());
        simulator
            .outbox
            .until(&label, |all| tries(all) > before || !all.iter().any(|one| one.webhook_id == *webhook_id))
            .await;
    }
    Json(json!({ "released": held })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByHand {
    topic: String,
    payload: Option<Value>,
    uri: Option<String>,
    client_id: Option<String>,
    webhook_id: Option<String>,
    event_id: Option<String>,
    triggered_at: Option<Timestamp>,
    secret: Option<String>,
}

/// Sends a webhook by hand: to an address, or to everyone concerned.
async fn deliver(State(simulator): Sim, Path(label): Path<String>, Json(wanted): Json<ByHand>) -> Response {
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    let snapshot = state.snapshot();
    let Some(body) = wanted.payload.clone().or_else(|| payload::example(&wanted.topic, &snapshot)) else {
        return refused("the topic is none that the simulator sends: name a payload");
    };
    let made = match addressed(&simulator, &state, &wanted, &body) {
        Ok(made) => made,
        Err(problem) => return refused(&problem),
    };
    let mut told = Vec::new();
    for mut delivery in made {
        delivery.webhook_id = wanted.webhook_id.clone().unwrap_or(delivery.webhook_id);
        delivery.event_id = wanted.event_id.clone().unwrap_or(delivery.event_id);
        delivery.triggered_at = wanted.triggered_at.unwrap_or(delivery.triggered_at);
        delivery.secret.clone_from(&wanted.secret);
        told.push(json!({"webhook_id": delivery.webhook_id, "app": delivery.client_id, "uri": delivery.uri}));
        publish::send(&simulator, &state, delivery);
    }
    Json(told).into_response()
}

fn addressed(
    simulator: &Simulator,
    state: &ShopState,
    wanted: &ByHand,
    body: &Value,
) -> Result<Vec<Delivery>, String> {
    let now = simulator.clock.now();
    let apps = lock(&simulator.rights).apps.clone();
    let meant = |app: &str| wanted.client_id.as_ref().is_none_or(|meant| meant == app);
    let to = |app: &str, uri: &str| publish::to_address(state, app, &wanted.topic, uri, body, now);
    let mut made = Vec::new();
    if let Some(uri) = &wanted.uri {
        let mut suits = apps.keys().filter(|app| meant(app));
        match (suits.next(), suits.next()) {
            (Some(app), None) => made.push(to(app, uri)),
            _ => return Err("name the app by its `client_id`".to_owned()),
        }
    } else if COMPLIANCE.contains(&wanted.topic.as_str()) {
        let own = apps.iter().filter(|(app, _)| meant(app));
        made.extend(own.filter_map(|(app, known)| Some(to(app, known.compliance_uri.as_ref()?))));
    } else {
        let webhooks = lock(&state.webhooks).clone();
        let own = webhooks.iter().filter(|hook| meant(&hook.client_id) && hook.topic.name == wanted.topic);
        made.extend(own.map(|hook| publish::to_subscription(state, hook, body, now)));
    }
    if made.is_empty() { Err("nobody asked for this topic".to_owned()) } else { Ok(made) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Granting {
    scopes: BTreeSet<String>,
}

/// Changes what an app may do, as a merchant does who takes back optional scopes.
async fn scopes(
    State(simulator): Sim,
    Path((label, client_id)): Path<(String, String)>,
    Json(wanted): Json<Granting>,
) -> Response {
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    let change = {
        let mut rights = lock(&simulator.rights);
        if !rights.is_installed(&label, &client_id) {
            return unknown("installation");
        }
        rights.install(&label, &client_id, &wanted.scopes)
    };
    if let Some(change) = &change {
        publish::scopes_changed(&simulator, &state, change);
    }
    Json(json!({ "changed": change.is_some() })).into_response()
}
