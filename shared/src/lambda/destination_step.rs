//! The queue edge of steps of pushes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;

use super::batch;
use crate::adapters::push_queue;
use crate::app::import::Disposition;
use crate::app::push::Pushes;
use crate::ports::queue::Redelivery;

/// What is left of the function's time when no further call to a shop is begun: one may take thirty seconds, and what
/// became of it has to be put down.
const REST: Duration = Duration::from_secs(45);

/// Carries out a batch of steps; answers the ids of the messages that are to come again.
pub async fn destination_step(
    app: Arc<Pushes>,
    queue: Arc<dyn Redelivery>,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, Infallible> {
    let (clock, metrics) = (app.clock.as_ref(), app.access.metrics.as_ref());
    let until = batch::last_begin(&event.context, clock, REST);
    Ok(batch::each(event.payload, queue.as_ref(), clock, metrics, async |record| {
        carry_out(&app, record, until).await
    })
    .await)
}

/// Serves batches until the environment ends.
pub async fn serve(app: Arc<Pushes>, queue: Arc<dyn Redelivery>) -> Result<(), lambda_runtime::Error> {
    let step = lambda_runtime::service_fn(move |event| destination_step(app.clone(), queue.clone(), event));
    lambda_runtime::run(step).await
}

async fn carry_out(app: &Pushes, record: &SqsMessage, until: Timestamp) -> Disposition {
    match push_queue::parse(record.body.as_deref().unwrap_or_default()) {
        Ok(message) => {
            let receives = batch::receives(record);
            let disposition = app.handle_until(&message, receives, until).await;
            if let Disposition::Retry(error) = &disposition {
                let id = record.message_id.as_deref().unwrap_or_default();
                let (code, cause) = (error.code, error.cause());
                tracing::warn!(message.id = id, run.id = %message.run, code, cause, receives, "a step of a push is to be tried again");
            }
            disposition
        }
        Err(error) => batch::malformed(record, &error, app.access.metrics.as_ref()),
    }
}
