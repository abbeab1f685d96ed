//! The queue of the steps of pushes in SQS, and the form of its messages.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use serde::{Deserialize, Serialize};

use super::sqs::{MalformedMessage, Queue, read, written};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::ports::PortError;
use crate::ports::push_store::{PushMessage, PushQueue};

/// The form of the messages written.
const V: u64 = 1;

/// Fields are added as optional ones first and written a release later, as for steps of imports.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PushMessageV1 {
    v: u64,
    store_id: String,
    provider: String,
    run_id: String,
}

/// Reads the body of a message.
pub fn parse(body: &str) -> Result<PushMessage, MalformedMessage> {
    let message: PushMessageV1 = read(body, V)?;
    Ok(PushMessage {
        store: StoreId::from_stored(&message.store_id).map_err(|_| MalformedMessage::Field("store_id"))?,
        provider: ProviderId::parse(&message.provider).map_err(|_| MalformedMessage::Field("provider"))?,
        run: RunId::parse(&message.run_id).map_err(|_| MalformedMessage::Field("run_id"))?,
    })
}

/// The body of a message.
pub fn body(message: &PushMessage) -> Result<String, PortError> {
    let record = PushMessageV1 {
        v: V,
        store_id: message.store.to_string(),
        provider: message.provider.to_string(),
        run_id: message.run.to_string(),
    };
    written(&record)
}

/// The queue of the steps of pushes.
#[derive(Clone)]
pub struct SqsPushQueue(Queue);

impl SqsPushQueue {
    /// The queue of this address.
    pub fn new(client: Client, url: String) -> Self {
        Self(Queue::new(client, url))
    }
}

#[async_trait]
impl PushQueue for SqsPushQueue {
    async fn send(&self, message: &PushMessage, delay: Duration) -> Result<(), PortError> {
        self.0.send(body(message)?, message.store.as_str(), delay).await
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn message() -> PushMessage {
        PushMessage {
            store: StoreId::for_test("s1").unwrap(),
            provider: ProviderId::Shopify,
            run: RunId::new(Uuid::from_u128(1)),
        }
    }

    /// Messages of this form are on the queue while a release is rolled out.
    #[test]
    fn a_message_reads_back_and_its_body_is_the_known_one() {
        let body = body(&message()).unwrap();
        let golden =
            r#"{"v":1,"store_id":"s1","provider":"shopify","run_id":"run_00000000000000000000000000000001"}"#;
        assert_eq!(body, golden);
        assert_eq!(parse(&body), Ok(message()));
    }

    #[test]
    fn what_is_not_a_message_is_refused_without_repeating_it() {
        use MalformedMessage as M;
        let good = body(&message()).unwrap();
        assert!(matches!(parse(""), Err(M::Form { what: "end of input", .. })));
        assert!(matches!(parse("sesame"), Err(M::Form { what: "syntax", .. })));
        assert_eq!(parse(&good.replace("\"v\":1", "\"v\":2")), Err(M::Version(2)));
        assert_eq!(parse(&good.replace("\"s1\"", "\"s 1\"")), Err(M::Field("store_id")));
        assert_eq!(parse(&good.replace("shopify", "sesame")), Err(M::Field("provider")));
        assert_eq!(parse(&good.replace("run_0", "ins_0")), Err(M::Field("run_id")));
        assert_eq!(parse(&" ".repeat(70_000)), Err(M::TooLong(70_000)));
        let more = parse(&good.replace("\"v\":1", "\"v\":1,\"sesame\":1")).unwrap_err();
        assert!(matches!(more, M::Form { what: "data", .. }), "{more}");
        assert!(!more.to_string().contains("sesame"), "{more}");
    }
}
