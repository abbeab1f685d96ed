//! The control API: what tests and the demo use to look into the simulator and to disturb it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin;
use crate::apps::{App, fingerprint};
use crate::changes::{self, Change};
use crate::clock::iso;
use crate::faults::Faults;
use crate::seed::Seed;
use crate::server::Simulator;
use crate::shop::{ShopState, lock};
use crate::webhooks::{events, publish};

mod webhooks;
mod writing;

type Sim = State<Arc<Simulator>>;

/// The router of the control API.
pub fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/shops", get(shops))
        .route("/shops/{label}", put(open))
        .route("/shops/{label}/counts", get(counts))
        .route("/shops/{label}/counts/detail", get(detail_counts))
        .route("/shops/{label}/levels", get(levels))
        .route("/shops/{label}/collections", get(collections))
        .route("/shops/{label}/changes", post(change))
        .route("/shops/{label}/faults", get(faults).put(set_faults).delete(reset_faults))
        .route("/shops/{label}/calls", get(calls).delete(reset_calls))
        .route("/shops/{label}/installs", get(installs).post(install))
        .route("/shops/{label}/uninstall", post(uninstall))
        .route("/shops/{label}/bulk", get(bulk))
        .route("/apps/{client_id}", put(app).patch(change_app))
        .route("/calls", get(all_calls))
        .route("/clock", get(clock).post(advance))
        .merge(webhooks::router())
        .merge(writing::router())
        .with_state(simulator)
}

fn unknown(what: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": format!("no such {what}") }))).into_response()
}

fn refused(message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": message }))).into_response()
}

fn with_shop(simulator: &Simulator, label: &str, answer: impl FnOnce(&ShopState) -> Value) -> Response {
    match simulator.shop(label) {
        Some(state) => Json(answer(&state)).into_response(),
        None => unknown("shop"),
    }
}

async fn shops(State(simulator): Sim) -> Json<Value> {
    let list = simulator.shops();
    let list = list.iter().map(|state| {
        let snapshot = state.snapshot();
        let shop = &snapshot.shop;
        json!({"label": shop.label, "domain": shop.domain(), "id": shop.id, "name": shop.name, "currency": shop.currency})
    });
    Json(list.collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    seed: String,
}

async fn open(State(simulator): Sim, Path(label): Path<String>, Json(opening): Json<Opening>) -> Response {
    match opening.seed.parse::<Seed>() {
        Ok(seed) => {
            simulator.open(seed.shop(&label));
            with_shop(&simulator, &label, |state| json!(state.snapshot().shop.counts()))
        }
        Err(problem) => refused(&problem),
    }
}

async fn counts(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| json!(state.snapshot().shop.counts()))
}

async fn detail_counts(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| json!(state.snapshot().shop.detail_counts()))
}

async fn levels(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| {
        let snapshot = state.snapshot();
        let mut rows = Vec::new();
        for product in snapshot.shop.products.values() {
            for variant in &product.variants {
                for (location, level) in &variant.item.levels {
                    rows.push(json!({
                        "inventory_item_id": variant.item.id,
                        "variant_id": variant.id,
                        "product_id": product.id,
                        "location_id": location,
                        "is_active": level.is_active,
                        "tracked": variant.item.tracked,
                        "available": level.available,
                        "on_hand": level.on_hand(),
                        "committed": level.committed,
                        "incoming": level.incoming,
                        "reserved": level.reserved,
                        "damaged": level.damaged,
                        "safety_stock": level.safety_stock,
                        "quality_control": level.quality_control,
                        "updated_at": iso(level.updated_at),
                    }));
                }
            }
        }
        Value::Array(rows)
    })
}

async fn collections(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| {
        let snapshot = state.snapshot();
        let all = snapshot.shop.collections.values();
        all.map(|collection| json!({"id": collection.id, "title": collection.title, "products": collection.products}))
            .collect()
    })
}

async fn change(
    State(simulator): Sim,
    Path(label): Path<String>,
    Json(wanted): Json<Vec<Change>>,
) -> Response {
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    let now = simulator.clock.now();
    match changes::apply(&state, &wanted, now) {
        Ok(applied) => {
            let snapshot = state.snapshot();
            for one in &applied {
                publish::publish(&simulator, &state, &events::of_change(one, &snapshot));
            }
            Json(json!(applied)).into_response()
        }
        Err(problem) => refused(&problem.to_string()),
    }
}

async fn faults(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| json!(*lock(&state.faults)))
}

async fn set_faults(
    State(simulator): Sim,
    Path(label): Path<String>,
    Json(wanted): Json<Faults>,
) -> Response {
    with_shop(&simulator, &label, |state| {
        switch(&simulator, state, wanted);
        json!(*lock(&state.faults))
    })
}

async fn reset_faults(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| {
        switch(&simulator, state, Faults::default());
        json!({})
    })
}

/// Sets the switches; what one of them kept back goes on.
fn switch(simulator: &Simulator, state: &ShopState, wanted: Faults) {
    let holding = wanted.hold_webhooks;
    *lock(&state.faults) = wanted;
    if !holding {
        simulator.outbox.let_go(&state.label, simulator.clock.now());
    }
    simulator.wake.notify_one();
}

async fn calls(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| json!(*lock(&state.calls)))
}

async fn reset_calls(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| {
        *lock(&state.calls) = crate::shop::Calls::default();
        json!({})
    })
}

async fn all_calls(State(simulator): Sim) -> Json<Value> {
    let list = simulator.shops();
    let shops: serde_json::Map<String, Value> =
        list.iter().map(|state| (state.label.clone(), json!(*lock(&state.calls)))).collect();
    let refused = lock(&simulator.refused).clone();
    Json(json!({"proxy_refused": refused, "shops": shops}))
}

async fn installs(State(simulator): Sim, Path(label): Path<String>) -> Response {
    with_shop(&simulator, &label, |state| {
        let now = simulator.clock.now();
        let rights = lock(&simulator.rights);
        let own = rights.installs.iter().filter(|((shop, _), _)| *shop == state.label);
        own.map(|((shop, client_id), install)| {
            let tokens = rights.tokens.iter().filter(|(_, token)| token.shop == *shop && token.client_id == *client_id);
            let tokens: Vec<Value> = tokens
                .map(|(value, token)| {
                    let alive = !token.revoked && token.expires_at.is_none_or(|end| end > now);
                    json!({"token": fingerprint(value), "expires_at": token.expires_at.map(iso), "works": alive && install.active})
                })
                .collect();
            json!({
                "app": client_id,
                "scopes": install.scopes,
                "state": if install.active { "installed" } else { "uninstalled" },
                "tokens": tokens,
            })
        })
        .collect()
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Installing {
    client_id: String,
    scopes: Option<BTreeSet<String>>,
    #[serde(default)]
    expiring: bool,
}

/// Installs an app without a merchant, for clients that take a ready token.
async fn install(
    State(simulator): Sim,
    Path(label): Path<String>,
    Json(wanted): Json<Installing>,
) -> Response {
    let now = simulator.clock.now();
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    let (change, issued) = {
        let mut rights = lock(&simulator.rights);
        let Some(app) = rights.apps.get(&wanted.client_id).cloned() else { return unknown("app") };
        let change = rights.install(&label, &wanted.client_id, &wanted.scopes.unwrap_or(app.scopes));
        (change, rights.issue(&label, &wanted.client_id, wanted.expiring, now, None))
    };
    if let Some(change) = change {
        publish::scopes_changed(&simulator, &state, &change);
    }
    Json(json!({"access_token": issued.access, "refresh_token": issued.refresh})).into_response()
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Uninstalling {
    client_id: Option<String>,
}

async fn uninstall(State(simulator): Sim, Path(label): Path<String>, body: axum::body::Bytes) -> Response {
    let wanted: Uninstalling = if body.is_empty() {
        Uninstalling::default()
    } else {
        match serde_json::from_slice(&body) {
            Ok(wanted) => wanted,
            Err(problem) => return refused(&problem.to_string()),
        }
    };
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    let apps: Vec<String> = {
        let rights = lock(&simulator.rights);
        let own = rights.installs.keys().filter(|(shop, _)| *shop == label).map(|(_, app)| app.clone());
        own.filter(|app| wanted.client_id.as_ref().is_none_or(|wanted| wanted == app)).collect()
    };
    let removed: Vec<&String> = apps.iter().filter(|app| admin::uninstall(&simulator, &state, app)).collect();
    Json(json!({ "uninstalled": removed })).into_response()
}

async fn bulk(State(simulator): Sim, Path(label): Path<String>) -> Response {
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    let apps: Vec<String> = lock(&simulator.rights).apps.keys().cloned().collect();
    let stalled = lock(&state.faults).bulk_stall;
    let operations = lock(&state.bulk);
    let rows = apps.iter().flat_map(|app| {
        let own = operations.of_app(app, &label, stalled, &simulator.key);
        own.into_iter().map(move |operation| {
            json!({"id": operation.id, "app": app, "status": operation.status.as_str(),
                   "object_count": operation.object_count, "file_size": operation.file_size})
        })
    });
    Json(rows.collect::<Value>()).into_response()
}

async fn app(State(simulator): Sim, Path(client_id): Path<String>, Json(app): Json<App>) -> Json<Value> {
    simulator.register(&client_id, app);
    Json(json!({ "client_id": client_id }))
}

/// Changes what is named and leaves the rest.
async fn change_app(
    State(simulator): Sim,
    Path(client_id): Path<String>,
    Json(wanted): Json<serde_json::Map<String, Value>>,
) -> Response {
    let Some(known) = lock(&simulator.rights).apps.get(&client_id).cloned() else { return unknown("app") };
    let mut merged = json!(known);
    for (name, value) in wanted {
        merged[name] = value;
    }
    match serde_json::from_value(merged) {
        Ok(changed) => app(State(simulator), Path(client_id), Json(changed)).await.into_response(),
        Err(problem) => refused(&problem.to_string()),
    }
}

async fn clock(State(simulator): Sim) -> Json<Value> {
    Json(json!({ "now": simulator.clock.now().to_string() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

async fn advance(State(simulator): Sim, Json(wanted): Json<Advance>) -> Json<Value> {
    simulator.clock.advance(wanted.advance_seconds);
    clock(State(simulator)).await
}
