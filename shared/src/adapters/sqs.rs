//! The queue of steps in SQS, and the form of its messages.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::errors::port_error;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::run::ChunkId;
use crate::ports::PortError;
use crate::ports::queue::{Redelivery, Step, StepMessage, StepQueue};

const SERVICE: &str = "queue";
/// The form of the messages written.
const V: u64 = 1;
/// The longest body written or read. SQS takes more; ours carry ids.
pub const LONGEST_BODY: usize = 64 * 1024;
/// The longest that SQS holds a message back.
pub const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// Messages under way at once.
const CONCURRENCY: usize = 16;

/// Fields are added as optional ones first and written a release later: builds of two releases share the queue while
/// one replaces the other, and an unknown field is refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepMessageV1 {
    v: u64,
    store_id: String,
    provider: String,
    run_id: String,
    step: StepV1,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum StepV1 {
    Extract {},
    Poll { hop: u32 },
    Plan { chunk: String, generation: u32 },
    Apply { chunk: String, generation: u32 },
    Undo { chunk: String },
    Verify {},
    Media { hop: u32 },
}

/// Why a message cannot be read. Trying again would not help. Never repeats what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMessage {
    /// Longer than [`LONGEST_BODY`].
    #[error("the message has {0} bytes")]
    TooLong(usize),
    /// Not JSON, or not the JSON of a message.
    #[error("the message is not of the known form: {what} error in line {line}, column {column}")]
    Form {
        /// Syntax, data or end of input.
        what: &'static str,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A form that this version does not know.
    #[error("messages of form {0} are not known to this version")]
    Version(u64),
    /// A field that does not hold what it should.
    #[error("`{0}` is not one of ours")]
    Field(&'static str),
}

impl From<serde_json::Error> for MalformedMessage {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "data",
            serde_json::error::Category::Eof => "end of input",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "syntax",
        };
        Self::Form { what, line: error.line(), column: error.column() }
    }
}

/// Reads a body of the form `known`.
pub(super) fn read<T: DeserializeOwned>(body: &str, known: u64) -> Result<T, MalformedMessage> {
    /// The only part of a message that every form has.
    #[derive(Deserialize)]
    struct Versioned {
        v: u64,
    }
    if body.len() > LONGEST_BODY {
        return Err(MalformedMessage::TooLong(body.len()));
    }
    let Versioned { v } = serde_json::from_str(body)?;
    if v != known {
        return Err(MalformedMessage::Version(v));
    }
    Ok(serde_json::from_str(body)?)
}

/// The body of a message of any form.
pub(super) fn written(message: &impl Serialize) -> Result<String, PortError> {
    serde_json::to_string(message)
        .map_err(|_| PortError::Malformed { what: "message", why: "it cannot be written".to_owned() })
}

/// A queue to send to.
#[derive(Clone)]
pub(super) struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue of this address.
    pub(super) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Sends one message. Not by batch: the emulator asks for a right of that name that AWS does not have, and a run's
    /// few hundred messages are no cost. On a standard queue, a group orders nothing: it keeps one busy store from
    /// delaying the others.
    pub(super) async fn send(&self, body: String, group: &str, delay: Duration) -> Result<(), PortError> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .message_group_id(group)
            .delay_seconds(delay.min(LONGEST_DELAY).as_secs_f64().ceil() as i32)
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error(SERVICE, error))
    }
}

/// Reads the body of a message.
pub fn parse(body: &str) -> Result<StepMessage, MalformedMessage> {
    let message: StepMessageV1 = read(body, V)?;
    let chunk = |text: &str| ChunkId::parse(text).ok_or(MalformedMessage::Field("chunk"));
    Ok(StepMessage {
        store: StoreId::from_stored(&message.store_id).map_err(|_| MalformedMessage::Field("store_id"))?,
        provider: ProviderId::parse(&message.provider).map_err(|_| MalformedMessage::Field("provider"))?,
        run: RunId::parse(&message.run_id).map_err(|_| MalformedMessage::Field("run_id"))?,
        step: match message.step {
            StepV1::Extract {} => Step::Extract,
            StepV1::Poll { hop } => Step::Poll { hop },
            StepV1::Plan { chunk: text, generation } => Step::Plan { chunk: chunk(&text)?, generation },
            StepV1::Apply { chunk: text, generation } => Step::Apply { chunk: chunk(&text)?, generation },
            StepV1::Undo { chunk: text } => Step::Undo { chunk: chunk(&text)? },
            StepV1::Verify {} => Step::Verify,
            StepV1::Media { hop } => Step::Media { hop },
        },
    })
}

/// The body of a message.
pub fn body(message: &StepMessage) -> Result<String, PortError> {
    let record = StepMessageV1 {
        v: V,
        store_id: message.store.to_string(),
        provider: message.provider.to_string(),
        run_id: message.run.to_string(),
        step: match &message.step {
            Step::Extract => StepV1::Extract {},
            Step::Poll { hop } => StepV1::Poll { hop: *hop },
            Step::Plan { chunk, generation } => {
                StepV1::Plan { chunk: chunk.to_string(), generation: *generation }
            }
            Step::Apply { chunk, generation } => {
                StepV1::Apply { chunk: chunk.to_string(), generation: *generation }
            }
            Step::Undo { chunk } => StepV1::Undo { chunk: chunk.to_string() },
            Step::Verify => StepV1::Verify {},
            Step::Media { hop } => StepV1::Media { hop: *hop },
        },
    };
    written(&record)
}

/// The queue of steps.
#[derive(Clone)]
pub struct SqsStepQueue(Queue);

impl SqsStepQueue {
    /// The queue of this address.
    pub fn new(client: Client, url: String) -> Self {
        Self(Queue::new(client, url))
    }
}

#[async_trait]
impl StepQueue for SqsStepQueue {
    async fn send(&self, messages: &[StepMessage], delay: Duration) -> Result<(), PortError> {
        let send =
            async |message: &StepMessage| self.0.send(body(message)?, message.store.as_str(), delay).await;
        let sending: Vec<_> = messages.iter().map(send).collect();
        stream::iter(sending).buffer_unordered(CONCURRENCY).try_collect().await
    }
}

/// A queue whose messages are in hand.
#[derive(Clone)]
pub struct SqsRedelivery {
    client: Client,
    url: String,
}

impl SqsRedelivery {
    /// The queue of this address.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl Redelivery for SqsRedelivery {
    async fn put_off(&self, receipt_handle: &str, wait: Duration) -> Result<(), PortError> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(wait.as_secs_f64().ceil() as i32)
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error(SERVICE, error))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::run::Feed;

    fn message(step: Step) -> StepMessage {
        StepMessage {
            store: StoreId::for_test("s1").unwrap(),
            provider: ProviderId::Shopify,
            run: RunId::new(Uuid::from_u128(1)),
            step,
        }
    }

    #[test]
    fn every_step_reads_back_and_its_body_is_the_known_one() {
        let chunk = ChunkId { feed: Feed::Products, index: 3 };
        let bodies: Vec<String> = [
            Step::Extract,
            Step::Poll { hop: 2 },
            Step::Plan { chunk, generation: 1 },
            Step::Apply { chunk, generation: 1 },
            Step::Undo { chunk },
            Step::Verify,
            Step::Media { hop: 1 },
        ]
        .into_iter()
        .map(|step| {
            let body = body(&message(step.clone())).unwrap();
            assert_eq!(parse(&body), Ok(message(step)));
            body
        })
        .collect();
        // Golden: messages of this form are on the queue while a release is rolled out.
        assert_eq!(
            bodies[2],
            r#"{"v":1,"store_id":"s1","provider":"shopify","run_id":"run_00000000000000000000000000000001","step":{"plan":{"chunk":"p000003","generation":1}}}"#
        );
        assert!(bodies[0].ends_with(r#""step":{"extract":{}}}"#));
    }

    #[test]
    fn what_is_not_a_message_is_refused_without_repeating_it() {
        use MalformedMessage as M;
        let good = body(&message(Step::Poll { hop: 2 })).unwrap();
        assert!(matches!(parse(""), Err(M::Form { what: "end of input", .. })));
        assert!(matches!(parse("sesame"), Err(M::Form { what: "syntax", .. })));
        assert!(matches!(parse("[]"), Err(M::Form { .. })));
        assert!(matches!(parse(&good.replace("\"v\":1", "\"v\":\"sesame\"")), Err(M::Form { .. })));
        assert_eq!(parse(&good.replace("\"v\":1", "\"v\":2")), Err(M::Version(2)));
        assert_eq!(parse(&good.replace("\"s1\"", "\"s 1\"")), Err(M::Field("store_id")));
        assert_eq!(parse(&good.replace("shopify", "sesame")), Err(M::Field("provider")));
        assert_eq!(parse(&good.replace("run_0", "ins_0")), Err(M::Field("run_id")));
        for odd in [
            good.replace("\"hop\":2", "\"hop\":-1"),
            good.replace("\"hop\":2", "\"hop\":2,\"more\":1"),
            good.replace("\"v\":1", "\"v\":1,\"more\":1"),
            good.replace("poll", "sesame"),
            good.replace("\"hop\":2", "\"hop\":2,\"hop\":3"),
        ] {
            let error = parse(&odd).unwrap_err();
            assert!(matches!(error, M::Form { what: "data", .. }), "{odd}: {error}");
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
        let chunk = body(&message(Step::Undo { chunk: ChunkId { feed: Feed::Products, index: 3 } })).unwrap();
        assert_eq!(parse(&chunk.replace("p000003", "p3")), Err(M::Field("chunk")));
        assert_eq!(parse(&" ".repeat(70_000)), Err(M::TooLong(70_000)));
    }
}
