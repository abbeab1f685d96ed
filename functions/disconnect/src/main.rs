//! Ends a store's connection to a shop.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory, DynamoHooks, DynamoRuns};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::system::SystemClock;
use shared::app::access::Access;
use shared::app::disconnect::Disconnect;
use shared::lambda::config::{self, environment};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{connectors, metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Disconnect::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let (tables, secrets) = (clients::dynamodb(&sdk), clients::secrets(&sdk));
    let clock = Arc::new(SystemClock);
    let metrics = metrics::of_this_function(clock.clone());
    let (prefix, app_secret) = (config.install_secret_prefix, config.app_secret_id);
    let access = Access {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table.clone())),
        history: Arc::new(DynamoHistory::new(tables.clone(), config.history_table)),
        vault: Arc::new(SecretsVault::new(secrets, prefix, app_secret, clock.clone())),
        connect: Arc::new(Shopify::new()),
        hooks: Arc::new(DynamoHooks::new(tables.clone(), config.connectors_table)),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let runs = Arc::new(DynamoRuns::new(tables, config.runs_table, clock.clone()));
    let app = Arc::new(Disconnect { access, runs });
    let edge = Edge { store_claim: config.store_claim, clock, metrics };
    serve(edge, |call| connectors::disconnect(app.clone(), call)).await
}
