//! Takes the merchant back from the shop and makes the connector live.

use std::error::Error;
use std::sync::Arc;

use shared::adapters::clients;
use shared::adapters::dynamodb::{DynamoConnectors, DynamoHistory, DynamoHooks};
use shared::adapters::secrets::SecretsVault;
use shared::adapters::system::{SystemClock, SystemRandom};
use shared::adapters::webhook_queue::SqsWebhookQueue;
use shared::app::access::Access;
use shared::app::complete_oauth::CompleteOauth;
use shared::lambda::config::{self, environment};
use shared::lambda::connectors::{self, Callback};
use shared::lambda::http::{Edge, serve};
use shared::lambda::{metrics, trace};
use shared::providers::shopify::Shopify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    trace::init(environment("RUST_LOG").as_deref());
    let config = config::OauthCallback::parse(environment)?;
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
        hooks: Arc::new(DynamoHooks::new(tables, config.connectors_table)),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let webhooks = Arc::new(SqsWebhookQueue::new(clients::sqs(&sdk), config.webhooks_queue));
    let app = CompleteOauth { access, random: Arc::new(SystemRandom), webhooks };
    let callback = Arc::new(Callback { app, return_origin: config.return_origin });
    // The route is public: there is no claim to read.
    let edge = Edge { store_claim: String::new(), clock, metrics };
    serve(edge, |call| connectors::oauth_callback(callback.clone(), call)).await
}
