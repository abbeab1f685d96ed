//! Receives what shops post and puts it on the queue.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::DynamoHooks;
use shared::adapters::secrets::SecretsVault;
use shared::adapters::system::SystemClock;
use shared::adapters::webhook_queue::SqsWebhookQueue;
use shared::app::webhooks::ReceiveWebhook;
use shared::lambda::config::{self, environment};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{metrics, trace, webhooks};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::Webhooks::parse(environment)?;
    let sdk = clients::sdk_config().await;
    let clock = Arc::new(SystemClock);
    // It reads our app's own secret and no other, so there is no prefix of others.
    let vault = SecretsVault::new(clients::secrets(&sdk), String::new(), config.app_secret_id, clock.clone());
    let app = Arc::new(ReceiveWebhook {
        vault: Arc::new(vault),
        hooks: Arc::new(DynamoHooks::new(clients::dynamodb(&sdk), config.connectors_table)),
        queue: Arc::new(SqsWebhookQueue::new(clients::sqs(&sdk), config.webhooks_queue)),
        webhooks: Arc::new(Shopify::new()),
        clock: clock.clone(),
    });
    // The routes are public: there is no claim to read.
    let metrics = metrics::of_this_function(clock.clone());
    let edge = Edge { store_claim: String::new(), clock, metrics };
    serve(edge, |call| webhooks::webhooks(app.clone(), call)).await
}
