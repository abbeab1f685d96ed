//! Does what nobody asks for: ties up loose ends, keeps connections alive and told of changes, wakes stalled runs.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory, DynamoHooks, DynamoRuns};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::sqs::SqsStepQueue;
use shared::adapters::system::SystemClock;
use shared::adapters::webhook_queue::SqsWebhookQueue;
use shared::app::access::Access;
use shared::app::sweep::Sweep;
use shared::lambda::config::{self, environment};
use shared::lambda::{metrics, sweeper, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Sweeper::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let tables = clients::dynamodb(&sdk);
    let clock = Arc::new(SystemClock);
    let (prefix, app_secret) = (config.install_secret_prefix, config.app_secret_id);
    let access = Access {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table.clone())),
        history: Arc::new(DynamoHistory::new(tables.clone(), config.history_table)),
        vault: Arc::new(SecretsVault::new(clients::secrets(&sdk), prefix, app_secret, clock.clone())),
        connect: Arc::new(Shopify::new()),
        hooks: Arc::new(DynamoHooks::new(tables.clone(), config.connectors_table)),
        clock: clock.clone(),
        metrics: metrics::of_this_function(clock.clone()),
    };
    let runs = Arc::new(DynamoRuns::new(tables, config.runs_table, clock));
    let queue = Arc::new(SqsStepQueue::new(clients::sqs(&sdk), config.import_steps_queue));
    let webhooks = Arc::new(SqsWebhookQueue::new(clients::sqs(&sdk), config.webhooks_queue));
    sweeper::serve(Arc::new(Sweep { access, runs, queue, webhooks })).await
}
