//! The loop over a batch of messages: every record on its own, so that one bad message costs no other.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt as _;
use jiff::Timestamp;
use lambda_runtime::Context;

use super::metrics;
use crate::adapters::sqs::MalformedMessage;
use crate::app::error::AppError;
use crate::app::import::Disposition;
use crate::domain::back_off::back_off;
use crate::ports::chain;
use crate::ports::metrics::{Metric, Metrics};
use crate::ports::queue::Redelivery;
use crate::ports::time::Clock;

/// Carries out each record, puts off those that are to come again, and answers their ids.
pub(super) async fn each(
    event: SqsEvent,
    queue: &dyn Redelivery,
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
                put_off(queue, &record, &error).await;
                response.add_failure(record.message_id.unwrap_or_default());
                Some(error.code)
            }
        };
        metrics::stepped(metrics, again, metrics::millis_since(began, clock));
    }
    response
}

/// Without this a message would come again when the queue's own timeout is over, at every attempt after the same time:
/// too late where a moment would do, and too often in an outage of hours.
async fn put_off(queue: &dyn Redelivery, record: &SqsMessage, error: &AppError) {
    let Some(handle) = &record.receipt_handle else { return };
    let id = record.message_id.as_deref().unwrap_or_default();
    let wait = back_off(receives(record), lot(id), error.retry_after());
    if let Err(error) = queue.put_off(handle, wait).await {
        tracing::warn!(message.id = id, cause = chain(&error), "a message could not be put off");
    }
}

/// A number that the messages of one outage do not share.
fn lot(message_id: &str) -> u8 {
    xxhash_rust::xxh3::xxh3_64(message_id.as_bytes()) as u8
}

/// Until when work may be begun that takes no longer than `rest`.
pub(super) fn last_begin(context: &Context, clock: &dyn Clock, rest: Duration) -> Timestamp {
    let ends = i64::try_from(context.deadline).ok().and_then(|ends| Timestamp::from_millisecond(ends).ok());
    ends.unwrap_or_else(|| clock.now()) - rest
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::app::error::ErrorKind;
    use crate::testkit::clock::ManualClock;
    use crate::testkit::metrics::FakeMetrics;
    use crate::testkit::queue::FakeRedelivery;

    fn record(id: &str, receives: u32) -> serde_json::Value {
        json!({
            "messageId": id, "receiptHandle": format!("handle of {id}"), "body": id,
            "attributes": {"ApproximateReceiveCount": receives.to_string()},
        })
    }

    #[tokio::test]
    async fn what_is_to_come_again_is_put_off_the_longer_the_more_often_it_came() {
        let records = [record("done", 1), record("first", 1), record("third", 3), record("asked", 1)];
        let event = serde_json::from_value(json!({"Records": records})).unwrap();
        let queue = FakeRedelivery::default();
        let work = async |record: &SqsMessage| match record.body.as_deref() {
            Some("done") => Disposition::Done,
            Some("asked") => {
                let kind = ErrorKind::Throttled { retry_after: Some(Duration::from_secs(77)) };
                Disposition::Retry(AppError::new(kind, "throttled", ""))
            }
            _ => Disposition::Retry(AppError::new(ErrorKind::Unavailable, "temporarily_unavailable", "")),
        };
        let answer = each(event, &queue, &ManualClock::default(), &FakeMetrics::default(), work).await;
        assert_eq!(answer.batch_item_failures.len(), 3);
        let put_off: Vec<_> = queue.all().into_iter().map(|(id, wait)| (id, wait.as_secs())).collect();
        let [(first, soon), (third, later), (asked, told)] = put_off.try_into().unwrap();
        assert_eq!([first, third, asked], ["handle of first", "handle of third", "handle of asked"]);
        assert!((27..=30).contains(&soon) && (108..=120).contains(&later), "{soon} s, {later} s");
        assert_eq!(told, 77);
    }
}
