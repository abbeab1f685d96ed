//! Begins to connect a store to a shop.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory};
use shared::adapters::system::{SystemClock, SystemRandom};
use shared::app::configure::Configure;
use shared::lambda::config::{self, environment};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{connectors, metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Configure::parse(environment)?;
    let tables = clients::dynamodb(&clients::sdk_config().await);
    let clock = Arc::new(SystemClock);
    let app = Arc::new(Configure {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table)),
        history: Arc::new(DynamoHistory::new(tables, config.history_table)),
        connect: Arc::new(Shopify::new()),
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        public_base_url: config.public_base_url,
        client_id: config.client_id,
    });
    let metrics = metrics::of_this_function(clock.clone());
    let edge = Edge { store_claim: config.store_claim, clock, metrics };
    serve(edge, |call| connectors::configure(app.clone(), call)).await
}
