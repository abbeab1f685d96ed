//! Shows connectors and what happened to them.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory, DynamoHooks, DynamoRuns};
use shared::adapters::system::SystemClock;
use shared::app::status::{Needs, Status};
use shared::lambda::config::{self, environment};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{connectors, metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Status::parse(environment)?;
    let tables = clients::dynamodb(&clients::sdk_config().await);
    let clock = Arc::new(SystemClock);
    let app = Arc::new(Status {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table.clone())),
        history: Arc::new(DynamoHistory::new(tables.clone(), config.history_table)),
        runs: Arc::new(DynamoRuns::new(tables.clone(), config.runs_table, clock.clone())),
        hooks: Arc::new(DynamoHooks::new(tables, config.connectors_table)),
        clock: clock.clone(),
        needs: Needs::of(&Shopify::new()),
    });
    let metrics = metrics::of_this_function(clock.clone());
    let edge = Edge { store_claim: config.store_claim, clock, metrics };
    serve(edge, |call| connectors::status(app.clone(), call)).await
}
