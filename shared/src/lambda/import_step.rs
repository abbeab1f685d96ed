//! The queue edge of import steps: every record of a batch on its own, so that one bad message costs no other.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt as _;
use lambda_runtime::LambdaEvent;

use super::metrics;
use crate::adapters::sqs;
use crate::app::error::AppError;
use crate::app::import::{Disposition, ImportStep};
use crate::ports::metrics::Metric;

/// Carries out a batch of steps; answers the ids of the messages that are to come again.
pub async fn import_step(
    app: Arc<ImportStep>,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Infallible> {
    let mut response = SqsBatchResponse::default();
    for record in event.payload.records {
        let began = app.clock.now();
        let again = match carry_out(&app, &record).await {
            Disposition::Done => None,
            Disposition::Retry(error) => {
                response.add_failure(record.message_id.unwrap_or_default());
                Some(error.code)
            }
        };
        let duration_ms = metrics::millis_since(began, app.clock.as_ref());
        metrics::stepped(app.access.metrics.as_ref(), again, duration_ms);
    }
    Ok(response)
}

/// Serves batches until the environment ends.
pub async fn serve(app: Arc<ImportStep>) -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(lambda_runtime::service_fn(move |event| import_step(app.clone(), event))).await
}

async fn carry_out(app: &ImportStep, record: &SqsMessage) -> Disposition {
    let receives = record.attributes.get("ApproximateReceiveCount").and_then(|n| n.parse().ok()).unwrap_or(1);
    let id = record.message_id.as_deref().unwrap_or_default();
    let message = match sqs::parse(record.body.as_deref().unwrap_or_default()) {
        Ok(message) => message,
        Err(malformed) => {
            // Nobody but us writes to this queue: it goes to the dead-letter queue, where someone looks at it. Told
            // once, not at each of the deliveries until then.
            if receives == 1 {
                app.access.metrics.count(Metric::StepsPoison);
                tracing::error!(message.id = id, cause = %malformed, "a message is not a step");
            }
            return Disposition::Retry(AppError::invalid("malformed_message", "This message is not a step."));
        }
    };
    let step = AssertUnwindSafe(app.handle(&message, receives)).catch_unwind();
    let disposition = step.await.unwrap_or_else(|_| Disposition::Retry(AppError::bug("a step panicked")));
    if let Disposition::Retry(error) = &disposition {
        let (code, cause) = (error.code, error.cause());
        tracing::warn!(message.id = id, run.id = %message.run, code, cause, receives, "a step is to be tried again");
    }
    disposition
}
