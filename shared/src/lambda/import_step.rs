//! The queue edge of import steps.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_types::SdkConfig;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;

use super::batch;
use crate::adapters::dynamodb::DynamoMediaLinks;
use crate::adapters::s3_media::S3Media;
use crate::adapters::{clients, sqs};
use crate::app::access::Access;
use crate::app::import::{Disposition, ImportStep};
use crate::app::media::CopyMedia;
use crate::ports::media::MediaFiles;
use crate::ports::queue::Redelivery;

/// What is left of the function's time when no further batch of records is begun. One takes moments; a service that
/// does not answer is given up after twenty seconds, and then the step comes again.
const REST: Duration = Duration::from_secs(20);

/// Copying files of a platform into a bucket, with what links them in the table of records.
pub fn copying(
    sdk: &SdkConfig,
    files: Arc<dyn MediaFiles>,
    bucket: String,
    table: String,
    access: &Access,
) -> CopyMedia {
    let objects = Arc::new(S3Media::new(clients::s3(sdk), bucket));
    let links = Arc::new(DynamoMediaLinks::new(clients::dynamodb(sdk), table));
    CopyMedia { files, objects, links, clock: access.clock.clone(), metrics: access.metrics.clone() }
}

/// Carries out a batch of steps; answers the ids of the messages that are to come again.
pub async fn import_step(
    app: Arc<ImportStep>,
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
pub async fn serve(app: Arc<ImportStep>, queue: Arc<dyn Redelivery>) -> Result<(), lambda_runtime::Error> {
    let step = lambda_runtime::service_fn(move |event| import_step(app.clone(), queue.clone(), event));
    lambda_runtime::run(step).await
}

async fn carry_out(app: &ImportStep, record: &SqsMessage, until: Timestamp) -> Disposition {
    match sqs::parse(record.body.as_deref().unwrap_or_default()) {
        Ok(message) => {
            let receives = batch::receives(record);
            let disposition = app.handle_until(&message, receives, until).await;
            if let Disposition::Retry(error) = &disposition {
                let id = record.message_id.as_deref().unwrap_or_default();
                let (code, cause) = (error.code, error.cause());
                tracing::warn!(message.id = id, run.id = %message.run, code, cause, receives, "a step is to be tried again");
            }
            disposition
        }
        Err(error) => batch::malformed(record, &error, app.access.metrics.as_ref()),
    }
}
