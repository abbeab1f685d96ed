//! Acts on what shops posted.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory, DynamoHooks, DynamoPersonal, DynamoRuns};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::sqs::{SqsRedelivery, SqsStepQueue};
use shared::adapters::system::{SystemClock, SystemRandom};
use shared::app::access::Access;
use shared::app::webhooks::WebhookStep;
use shared::lambda::config::{self, environment};
use shared::lambda::{metrics, trace, webhooks};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::WebhookStep::parse(environment)?;
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
    let own_queue = Arc::new(SqsRedelivery::new(sqs.clone(), config.webhooks_queue));
    let app = Arc::new(WebhookStep {
        access,
        webhooks: shopify,
        runs: Arc::new(DynamoRuns::new(tables.clone(), config.runs_table.clone(), clock.clone())),
        steps: Arc::new(SqsStepQueue::new(sqs, config.import_steps_queue)),
        personal: Arc::new(DynamoPersonal::new(
            tables,
            config.runs_table,
            config.catalog_table,
            config.push_table,
            clock,
        )),
        random: Arc::new(SystemRandom),
        public_base_url: config.webhooks_base_url,
    });
    webhooks::serve(app, own_queue).await
}
