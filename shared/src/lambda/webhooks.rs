//! The edges of webhooks: the address that shops post to, and the queue behind it.

use std::convert::Infallible;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::LambdaEvent;

use super::batch;
use super::http::{Call, Response};
use crate::adapters::webhook_queue;
use crate::app::error::AppError;
use crate::app::import::Disposition;
use crate::app::webhooks::{ReceiveWebhook, WebhookStep};
use crate::ports::queue::Redelivery;

/// The largest body that is read. What we subscribed to is a few hundred bytes; what an operator configured by hand may
/// be whole products.
pub const MAX_WEBHOOK_BYTES: usize = 1024 * 1024;

/// Answers every route of `webhooks`: empty and 200 for whatever the platform signed.
pub async fn webhooks(app: Arc<ReceiveWebhook>, call: Call) -> Result<Response, AppError> {
    let provider = call.provider()?;
    let headers = |name: &str| call.only_header(name).map(str::to_owned);
    let body = call.body_up_to(MAX_WEBHOOK_BYTES)?;
    app.receive(provider, call.path("install_key"), &headers, &body).await?;
    Ok(Response::new(200, "text/plain; charset=utf-8", String::new()))
}

/// Acts on a batch of messages; answers the ids of those that are to come again.
pub async fn webhook_step(
    app: Arc<WebhookStep>,
    queue: Arc<dyn Redelivery>,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Infallible> {
    let (clock, metrics) = (app.access.clock.as_ref(), app.access.metrics.as_ref());
    Ok(batch::each(event.payload, queue.as_ref(), clock, metrics, async |record| act(&app, record).await)
        .await)
}

/// Serves batches until the environment ends.
pub async fn serve(app: Arc<WebhookStep>, queue: Arc<dyn Redelivery>) -> Result<(), lambda_runtime::Error> {
    let step = lambda_runtime::service_fn(move |event| webhook_step(app.clone(), queue.clone(), event));
    lambda_runtime::run(step).await
}

async fn act(app: &WebhookStep, record: &SqsMessage) -> Disposition {
    match webhook_queue::parse(record.body.as_deref().unwrap_or_default()) {
        Ok(message) => {
            let disposition = app.handle(&message).await;
            if let Disposition::Retry(error) = &disposition {
                let id = record.message_id.as_deref().unwrap_or_default();
                let (code, cause, receives) = (error.code, error.cause(), batch::receives(record));
                tracing::warn!(message.id = id, code, cause, receives, "a webhook is to be acted on again");
            }
            disposition
        }
        Err(error) => batch::malformed(record, &error, app.access.metrics.as_ref()),
    }
}
