//! Carries out the steps of runs.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoCatalog, DynamoConnectors, DynamoHistory, DynamoHooks, DynamoRuns};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::sqs::{SqsRedelivery, SqsStepQueue};
use shared::adapters::system::SystemClock;
use shared::app::access::Access;
use shared::app::import::ImportStep;
use shared::lambda::config::{self, environment};
use shared::lambda::{import_step, metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::ImportStep::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let tables = clients::dynamodb(&sdk);
    let clock = Arc::new(SystemClock);
    let shopify = Arc::new(Shopify::new());
    let (prefix, app_secret) = (config.install_secret_prefix, config.app_secret_id);
    let access = Access {
        connectors: Arc::new(DynamoConnectors::new(tables.clone(), config.connectors_table.clone())),
        history: Arc::new(DynamoHistory::new(tables.clone(), config.history_table)),
        vault: Arc::new(SecretsVault::new(clients::secrets(&sdk), prefix, app_secret, clock.clone())),
        connect: shopify.clone(),
        hooks: Arc::new(DynamoHooks::new(tables.clone(), config.connectors_table)),
        clock: clock.clone(),
        metrics: metrics::of_this_function(clock.clone()),
    };
    let sqs = clients::sqs(&sdk);
    let own_queue = Arc::new(SqsRedelivery::new(sqs.clone(), config.import_steps_queue.clone()));
    let (bucket, records) = (config.media_bucket, config.catalog_table);
    let media = import_step::copying(&sdk, shopify.clone(), bucket, records.clone(), &access);
    let app = Arc::new(ImportStep {
        access,
        extract: shopify,
        runs: Arc::new(DynamoRuns::new(tables.clone(), config.runs_table, clock.clone())),
        catalog: Arc::new(DynamoCatalog::new(tables, records)),
        media,
        queue: Arc::new(SqsStepQueue::new(sqs, config.import_steps_queue)),
        clock,
        chunk_bytes: config.chunk_bytes,
    });
    import_step::serve(app, own_queue).await
}
