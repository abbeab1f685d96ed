//! The edge of the sweeper: a schedule calls it, nobody waits for its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::LambdaEvent;
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch;
use crate::app::sweep::{Sweep, Swept};

/// The form of the schedule's message that this build knows.
const FORM: u32 = 1;
/// What is left of the function's time for the work that is under way when no more is begun.
const REST: Duration = Duration::from_secs(40);

/// What the schedule sends, as the template writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tick {
    sweep: u32,
}

/// Sweeps once. An event that is not the schedule's is refused without effect; a failure is never the runtime's, which
/// would only call again at once.
pub async fn sweeper(app: Arc<Sweep>, event: LambdaEvent<Value>) -> Result<Value, Infallible> {
    let tick: Option<Tick> = serde_json::from_value(event.payload).ok();
    if tick.is_none_or(|tick| tick.sweep != FORM) {
        tracing::error!("this is not the schedule's event; nothing was done");
        return Ok(json!({ "refused": "malformed_event" }));
    }
    let until = batch::last_begin(&event.context, app.access.clock.as_ref(), REST);
    let Swept { loose_ends, connections, postponed, stalled_runs } = app.sweep(until).await;
    Ok(json!({
        "loose_ends": loose_ends,
        "connections": connections,
        "postponed": postponed,
        "stalled_runs": stalled_runs,
    }))
}

/// Serves until the environment ends.
pub async fn serve(app: Arc<Sweep>) -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(lambda_runtime::service_fn(move |event| sweeper(app.clone(), event))).await
}
