//! Carries rows of pushes into shops.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory, DynamoHooks};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::sqs::SqsRedelivery;
use shared::adapters::system::SystemClock;
use shared::app::access::Access;
use shared::lambda::config::{self, environment};
use shared::lambda::pushes::{Kept, pushes};
use shared::lambda::{destination_step, metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::DestinationStep::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let tables = clients::dynamodb(&sdk);
    let (clock, shopify) = (Arc::new(SystemClock), Arc::new(Shopify::new()));
    let (prefix, app_secret) = (config.install_secret_prefix, config.app_secret_id);
    let access = Access {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table.clone())),
        history: Arc::new(DynamoHistory::new(tables.clone(), config.history_table)),
        vault: Arc::new(SecretsVault::new(clients::secrets(&sdk), prefix, app_secret, clock.clone())),
        connect: shopify.clone(),
        hooks: Arc::new(DynamoHooks::new(tables, config.connectors_table)),
        clock: clock.clone(),
        metrics: metrics::of_this_function(clock),
    };
    let own_queue = SqsRedelivery::new(clients::sqs(&sdk), config.destination_steps_queue.clone());
    let kept = Kept {
        destinations_table: config.destinations_table,
        push_table: config.push_table,
        inputs_bucket: config.inputs_bucket,
        steps_queue: config.destination_steps_queue,
    };
    destination_step::serve(Arc::new(pushes(&sdk, kept, access, shopify)), Arc::new(own_queue)).await
}
