//! Begins to connect a store to a shop.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory, DynamoHooks};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::system::{SystemClock, SystemRandom};
use shared::app::access::Access;
use shared::app::configure::Configure;
use shared::lambda::config::{self, environment};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{connectors, metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Configure::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let tables = clients::dynamodb(&sdk);
    let clock = Arc::new(SystemClock);
    let metrics = metrics::of_this_function(clock.clone());
    let vault = SecretsVault::to_fill(clients::secrets(&sdk), config.install_secret_prefix, clock.clone());
    let access = Access {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table.clone())),
        history: Arc::new(DynamoHistory::new(tables.clone(), config.history_table)),
        vault: Arc::new(vault),
        connect: Arc::new(Shopify::new()),
        hooks: Arc::new(DynamoHooks::new(tables.clone(), config.connectors_table)),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let app = Arc::new(Configure {
        access,
        random: Arc::new(SystemRandom),
        public_base_url: config.public_base_url,
        client_id: config.client_id,
    });
    let edge = Edge { store_claim: config.store_claim, clock, metrics };
    serve(edge, |call| connectors::configure(app.clone(), call)).await
}
