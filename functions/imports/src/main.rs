//! Begins, shows, stops and takes back runs.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoRuns};
use shared::adapters::sqs::SqsStepQueue;
use shared::adapters::system::{SystemClock, SystemRandom};
use shared::app::import::requests::Imports;
use shared::lambda::config::{self, environment};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{imports, metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Imports::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let tables = clients::dynamodb(&sdk);
    let clock = Arc::new(SystemClock);
    let app = Arc::new(Imports {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table)),
        extract: Arc::new(Shopify::new()),
        runs: Arc::new(DynamoRuns::new(tables, config.runs_table, clock.clone())),
        queue: Arc::new(SqsStepQueue::new(clients::sqs(&sdk), config.import_steps_queue)),
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
    });
    let metrics = metrics::of_this_function(clock.clone());
    let edge = Edge { store_claim: config.store_claim, clock, metrics };
    serve(edge, |call| imports::imports(app.clone(), call)).await
}
