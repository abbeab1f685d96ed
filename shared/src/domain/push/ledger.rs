//! What became of each row, and sums that cannot be wrong.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::ids::RunId;
use super::code::{Class, Code, Effect, Retry};
use super::target::Stream;

/// What became of a row in the end. A row without an outcome is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A record came into being.
    Created,
    /// A record was changed.
    Updated,
    /// The record already was what the row says.
    Unchanged,
    /// The mapping says to leave it out.
    Skipped,
    /// It was refused, for a reason that the line tells.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [Self::Created, Self::Updated, Self::Unchanged, Self::Skipped, Self::Failed];
}

/// How many rows a run has received and what became of them.
///
/// `received = created + updated + unchanged + skipped + failed + pending` holds of every one there is: rows come in as
/// pending and only ever move. What is stored is checked when it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Tally {
    received: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    skipped: u64,
    failed: u64,
    pending: u64,
}

/// A tally as it is written, not yet believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    received: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    skipped: u64,
    failed: u64,
    pending: u64,
}

/// Rows were counted that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Miscounted {
    /// The parts are not the whole.
    #[error("the outcomes of {received} rows add up to {told}")]
    Sum {
        /// The rows received.
        received: u64,
        /// The sum of the parts.
        told: u64,
    },
    /// More rows were to be moved than there are.
    #[error("{wanted} rows were to be moved and there are {there}")]
    Move {
        /// The rows to be moved.
        wanted: u64,
        /// The rows that can be.
        there: u64,
    },
}

impl TryFrom<Written> for Tally {
    type Error = Miscounted;

    fn try_from(written: Written) -> Result<Self, Miscounted> {
        let Written { received, created, updated, unchanged, skipped, failed, pending } = written;
        let parts = [created, updated, unchanged, skipped, failed, pending];
        let told = parts.into_iter().fold(0, u64::saturating_add);
        if told != received {
            return Err(Miscounted::Sum { received, told });
        }
        Ok(Self { received, created, updated, unchanged, skipped, failed, pending })
    }
}

/// Whether a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Rows are pending.
    Open,
    /// No row is pending and none failed.
    Succeeded,
    /// No row is pending and some failed.
    CompletedWithErrors,
}

impl Tally {
    /// Takes rows in.
    pub fn receive(&mut self, rows: u64) {
        self.received += rows;
        self.pending += rows;
    }

    /// Counts what became of pending rows.
    pub fn settle(&mut self, outcome: Outcome, rows: u64) -> Result<(), Miscounted> {
        let left = self.pending.checked_sub(rows);
        self.pending = left.ok_or(Miscounted::Move { wanted: rows, there: self.pending })?;
        *self.part(outcome) += rows;
        Ok(())
    }

    /// Takes failed rows up again, for a replay.
    pub fn reopen(&mut self, rows: u64) -> Result<(), Miscounted> {
        let left = self.failed.checked_sub(rows);
        self.failed = left.ok_or(Miscounted::Move { wanted: rows, there: self.failed })?;
        self.pending += rows;
        Ok(())
    }

    fn part(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Failed => &mut self.failed,
        }
    }

    /// The rows taken in.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The rows that nothing has become of yet.
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// The rows that something became of.
    pub fn of(&self, outcome: Outcome) -> u64 {
        let mut all = *self;
        *all.part(outcome)
    }

    /// Whether the run is over.
    pub fn standing(&self) -> Standing {
        match (self.pending, self.failed) {
            (0, 0) => Standing::Succeeded,
            (0, _) => Standing::CompletedWithErrors,
            _ => Standing::Open,
        }
    }

    /// Whether more rows of those decided failed than a share that is given in per cent. Few rows say nothing yet.
    pub fn failed_more_than(&self, percent: u8) -> bool {
        let decided = self.received - self.pending;
        decided >= 50 && self.failed * 100 > decided * u64::from(percent)
    }
}

/// What a row asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A new record.
    Create,
    /// A change of one that exists.
    Update,
    /// A quantity.
    Set,
}

/// Why a row failed or waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The kind of trouble.
    pub class: Class,
    /// Our code; of a value that the shop refused, the shop's own.
    pub code: String,
    /// What is done about it.
    pub retry: Retry,
    /// The field, as the mapping writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The column that its value came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl RowError {
    /// An error with one of our codes.
    pub fn ours(code: Code, message: impl Into<String>) -> Self {
        Self {
            class: code.class(),
            code: code.as_str().to_owned(),
            retry: code.retry(),
            path: None,
            column: None,
            message: message.into(),
            hint: code.hint().to_owned(),
        }
    }

    /// A refusal by the shop. Where its own code is missing, as it is of some of its calls, ours stands there.
    pub fn refused(code: Option<&str>, message: impl Into<String>) -> Self {
        let refused = Self::ours(Code::Refused, message);
        Self { code: code.map_or(refused.code, str::to_owned), ..refused }
    }

    /// What it means for the row and its run. The shop's own codes fail the row.
    pub fn effect(&self) -> Effect {
        let ours = Code::ALL.iter().find(|code| code.as_str() == self.code);
        ours.map_or(Effect::FailsRow, |code| code.effect())
    }

    /// The error with the field and the column it is about.
    pub fn about(self, path: impl Into<String>, column: Option<String>) -> Self {
        Self { path: Some(path.into()), column, ..self }
    }
}

/// One line of a run's record: what became of one row, and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultLine {
    /// The form of the line.
    pub v: u8,
    /// The run.
    pub run: RunId,
    /// The number of the row in the run, from 0.
    pub seq: u64,
    /// The stream.
    pub stream: Stream,
    /// The key of the record, as the row names it; masked where it is about a customer.
    pub key: String,
    /// What was to be done; none where that could not be told.
    pub op: Option<Op>,
    /// What became of it; none as long as it is pending.
    pub outcome: Option<Outcome>,
    /// The shop's id of the record.
    pub gid: Option<String>,
    /// The calls that were made for it, in their order.
    pub plan: Vec<String>,
    /// How often they were begun.
    pub attempts: u32,
    /// The points they cost.
    pub points: u32,
    /// How long they took.
    pub ms: u64,
    /// The fingerprint of the row.
    pub source_hash: String,
    /// The fingerprint of what was sent.
    pub payload_hash: Option<String>,
    /// The key by which the shop knows the call again.
    pub idempotency_key: Option<String>,
    /// Why it failed or waits.
    pub error: Option<RowError>,
    /// The shop's name for the last call.
    pub request_id: Option<String>,
    /// When this was written.
    pub at: Timestamp,
}

/// A message of the shop without the e-mail addresses and phone numbers that it repeats.
pub fn masked_text(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let hidden = words.map(|word| {
        let bare = word.trim_end();
        let digits = bare.chars().filter(char::is_ascii_digit).count();
        let number = digits >= 7 && bare.chars().all(|c| c.is_ascii_digit() || "+-().,:;'\"".contains(c));
        if bare.contains('@') || number { format!("***{}", &word[bare.len()..]) } else { word.to_owned() }
    });
    hidden.collect()
}

/// A key about a customer as logs and lists may show it: enough to know it again, too little to use.
pub fn masked(key: &str) -> String {
    let start = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    match key.split_once('@') {
        Some((name, domain)) => format!("{}***@{}***", start(name), start(domain)),
        None => {
            let characters = key.chars().count();
            let end: String = key.chars().skip(characters.saturating_sub(2)).collect();
            if characters < 6 { "***".to_owned() } else { format!("***{end}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Act {
        Receive(u64),
        Settle(Outcome, u64),
        Reopen(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..1000_u64).prop_map(Act::Receive),
            (prop::sample::select(&Outcome::ALL[..]), 0..500_u64)
                .prop_map(|(outcome, rows)| Act::Settle(outcome, rows)),
            (0..300_u64).prop_map(Act::Reopen),
        ]
    }

    proptest! {
        #[test]
        fn the_sum_holds_whatever_happens(acts in prop::collection::vec(act(), 0..40)) {
            let mut tally = Tally::default();
            for act in acts {
                let before = tally;
                let done = match act {
                    Act::Receive(rows) => { tally.receive(rows); Ok(()) }
                    Act::Settle(outcome, rows) => tally.settle(outcome, rows),
                    Act::Reopen(rows) => tally.reopen(rows),
                };
                if done.is_err() {
                    prop_assert_eq!(tally, before, "what cannot be done changes nothing");
                }
                let parts: u64 = Outcome::ALL.iter().map(|outcome| tally.of(*outcome)).sum();
                prop_assert_eq!(tally.received(), parts + tally.pending());
                let read: Tally = serde_json::from_value(serde_json::to_value(tally).unwrap()).unwrap();
                prop_assert_eq!(read, tally);
            }
        }
    }

    #[test]
    fn a_sum_that_does_not_close_is_not_read() {
        let text =
            r#"{"received":3,"created":1,"updated":1,"unchanged":0,"skipped":0,"failed":0,"pending":0}"#;
        let error = serde_json::from_str::<Tally>(text).unwrap_err().to_string();
        assert!(error.contains("3 rows add up to 2"), "{error}");
    }

    #[test]
    fn a_run_is_over_without_pending_rows_and_succeeds_without_failed_ones() {
        let mut tally = Tally::default();
        tally.receive(2);
        tally.settle(Outcome::Created, 1).unwrap();
        assert_eq!(tally.standing(), Standing::Open);
        tally.settle(Outcome::Failed, 1).unwrap();
        assert_eq!(tally.standing(), Standing::CompletedWithErrors);
        assert!(tally.settle(Outcome::Created, 1).is_err(), "no row is counted twice");
        tally.reopen(1).unwrap();
        tally.settle(Outcome::Updated, 1).unwrap();
        assert_eq!(tally.standing(), Standing::Succeeded);
    }

    #[test]
    fn the_brake_waits_for_enough_rows() {
        let mut tally = Tally::default();
        tally.receive(100);
        tally.settle(Outcome::Failed, 49).unwrap();
        assert!(!tally.failed_more_than(10));
        tally.settle(Outcome::Failed, 1).unwrap();
        assert!(tally.failed_more_than(10) && !tally.failed_more_than(100));
    }

    #[test]
    fn a_key_about_a_customer_is_masked() {
        assert_eq!(masked("ada@example.com"), "a***@e***");
        assert_eq!(masked("+33612345678"), "***78");
        assert_eq!(masked("C-17"), "***");
    }

    #[test]
    fn a_message_about_a_customer_keeps_its_words_alone() {
        let told = "Email 'ada@example.com' is taken, phone +33612345678 too.\nOrder 1001 stays";
        assert_eq!(masked_text(told), "Email *** is taken, phone *** too.\nOrder 1001 stays");
    }

    #[test]
    fn a_line_tells_the_cause_in_words_and_codes() {
        let error = RowError::refused(Some("INVALID_TYPE"), "value must be an integer")
            .about("metafields.custom.size", Some("size_cm".to_owned()));
        let told = serde_json::to_value(&error).unwrap();
        assert_eq!(told["class"], "user_error");
        assert_eq!(told["code"], "INVALID_TYPE");
        assert_eq!(told["retry"], "after_fix");
        assert_eq!(told["column"], "size_cm");
        assert_eq!(RowError::refused(None, "no").code, "REFUSED");
    }
}
