//! The loop over a batch of messages: every record on its own, so that one bad message costs no other.

use std::panic::AssertUnwindSafe;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt as _;

use super::metrics;
use crate::adapters::sqs::MalformedMessage;
use crate::app::error::AppError;
use crate::app::import::Disposition;
use crate::ports::metrics::{Metric, Metrics};
use crate::ports::time::Clock;

/// Carries out each record and answers the ids of those that are to come again.
pub(super) async fn each(
    event: SqsEvent,
    clock: &dyn Clock,
    metrics: &dyn Metrics,
    work: impl AsyncFn(&SqsMessage) -> Disposition,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let began = clock.now();
        let outcome = AssertUnwindSafe(work(&record)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(message.id = record.message_id, "acting on a message panicked");
            Disposition::Retry(AppError::bug("acting on a message panicked"))
        });
        let again = match outcome {
            Disposition::Done => None,
            Disposition::Retry(error) => {
                response.add_failure(record.message_id.unwrap_or_default());
                Some(error.code)
            }
        };
        metrics::stepped(metrics, again, metrics::millis_since(began, clock));
    }
    response
}

/// How often a message was delivered, this time included.
pub(super) fn receives(record: &SqsMessage) -> u32 {
    record.attributes.get("ApproximateReceiveCount").and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// What becomes of a message that cannot be read. Nobody but us writes to our queues: it goes to the dead-letter
/// queue, where someone looks at it. Told once, not at each of the deliveries until then.
pub(super) fn malformed(record: &SqsMessage, error: &MalformedMessage, metrics: &dyn Metrics) -> Disposition {
    if receives(record) == 1 {
        let id = record.message_id.as_deref().unwrap_or_default();
        metrics.count(Metric::StepsPoison);
        tracing::error!(message.id = id, cause = %error, "a message is not one of ours");
    }
    Disposition::Retry(AppError::invalid("malformed_message", "This message is not one of ours."))
}
