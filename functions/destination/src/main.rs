//! Tells what of a shop can be filled, keeps the mappings that say how, takes rows and tells what became of them.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoDestinationKeys, DynamoHistory, DynamoHooks};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::system::SystemClock;
use shared::app::access::Access;
use shared::lambda::config::{self, environment};
use shared::lambda::destination::{DestinationApp, destination};
use shared::lambda::http::{Edge, serve};
use shared::lambda::pushes::{Kept, pushes};
use shared::lambda::{metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Destination::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let (tables, secrets) = (clients::dynamodb(&sdk), clients::secrets(&sdk));
    let (clock, shopify) = (Arc::new(SystemClock), Arc::new(Shopify::new()));
    let metrics = metrics::of_this_function(clock.clone());
    let (prefix, app_secret) = (config.install_secret_prefix, config.app_secret_id);
    let access = Access {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table.clone())),
        history: Arc::new(DynamoHistory::new(tables.clone(), config.history_table)),
        vault: Arc::new(SecretsVault::new(secrets, prefix, app_secret, clock.clone())),
        connect: shopify.clone(),
        hooks: Arc::new(DynamoHooks::new(tables.clone(), config.connectors_table)),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let keys = Arc::new(DynamoDestinationKeys::new(tables, config.push_table.clone()));
    let kept = Kept {
        destinations_table: config.destinations_table,
        push_table: config.push_table,
        inputs_bucket: config.inputs_bucket,
        steps_queue: config.destination_steps_queue,
    };
    let app = Arc::new(DestinationApp::new(keys, pushes(&sdk, kept, access, shopify)));
    let edge = Edge { store_claim: config.store_claim, clock, metrics };
    serve(edge, |call| destination(app.clone(), call)).await
}
