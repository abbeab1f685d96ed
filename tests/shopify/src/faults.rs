//! Switches that make a shop misbehave.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How often a fault strikes: `0.1` is one request in ten, `3` the next three, `true` all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Strike {
    /// Never.
    #[default]
    Never,
    /// All (`true`) or none.
    Always(bool),
    /// The next so many.
    Next(u32),
    /// A share of all, from 0 to 1, spread evenly and without chance.
    Share(f64),
}

/// The switches of a shop.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Answer 429 with `Retry-After: 1` and do nothing.
    pub http_429: Strike,
    /// Answer 503 and do nothing.
    pub http_5xx: Strike,
    /// Do the work, then drop the connection.
    pub lost_answer: Strike,
    /// Do the work, then break off half way through the body.
    pub truncated_body: Strike,
    /// Answer `THROTTLED` with an empty bucket.
    pub throttle: Strike,
    /// Do the work of a mutation, then drop the connection; other requests are spared.
    pub lost_mutation_answer: Strike,
    /// Answer a mutation with `INTERNAL_SERVER_ERROR` and do nothing.
    pub mutation_error: Strike,
    /// Milliseconds that each mutation takes before it has done anything, and each query.
    pub work_ms: u64,
    /// Seconds after which a search finds what was written; until then only an id or an identifier does.
    pub search_lag_seconds: i64,
    /// Milliseconds a bulk operation keeps RUNNING at least.
    pub bulk_slow_ms: u64,
    /// Bulk operations do not finish while this is on.
    pub bulk_stall: bool,
    /// Bulk operations end FAILED with half a file as partial data.
    pub bulk_fail: Strike,
    /// The result file ends after so many bytes, while counts and size are announced in full.
    pub bulk_cut_at: Option<u64>,
    /// So many objects more are announced than the file holds.
    pub bulk_announce_extra: u64,
    /// Children are not adjacent to their parents although `groupObjects` was asked for.
    pub bulk_ungrouped: bool,
    /// Lines come in a shuffled order.
    pub bulk_shuffle: bool,
    /// `Type.field`: these come as null, with an error in `errors[]`.
    pub null_with_error: BTreeSet<String>,
    /// Scopes that are treated as not granted.
    pub deny_scope: BTreeSet<String>,
    /// Webhooks are kept back until this is off again, or they are released.
    pub hold_webhooks: bool,
    /// Webhooks are sent once more although they arrived.
    pub duplicate_webhooks: Strike,
    /// Webhooks are never sent.
    pub lose_webhooks: Strike,
    /// Stretches the waits between retries of webhooks; 0.001 makes four hours 14 seconds.
    pub retry_scale: Option<f64>,
    /// Counters behind [`Strike::Share`].
    #[serde(skip)]
    seen: [f64; 10],
}

/// Faults that strike by chance or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Faults::http_429`]
    Http429,
    /// [`Faults::http_5xx`]
    Http5xx,
    /// [`Faults::lost_answer`]
    LostAnswer,
    /// [`Faults::truncated_body`]
    TruncatedBody,
    /// [`Faults::throttle`]
    Throttle,
    /// [`Faults::bulk_fail`]
    BulkFail,
    /// [`Faults::duplicate_webhooks`]
    DuplicateWebhooks,
    /// [`Faults::lose_webhooks`]
    LoseWebhooks,
    /// [`Faults::lost_mutation_answer`]
    LostMutationAnswer,
    /// [`Faults::mutation_error`]
    MutationError,
}

impl Faults {
    /// Whether the fault strikes this time; counts down.
    pub fn strikes(&mut self, kind: Kind) -> bool {
        let (strike, slot) = match kind {
            Kind::Http429 => (&mut self.http_429, 0),
            Kind::Http5xx => (&mut self.http_5xx, 1),
            Kind::LostAnswer => (&mut self.lost_answer, 2),
            Kind::TruncatedBody => (&mut self.truncated_body, 3),
            Kind::Throttle => (&mut self.throttle, 4),
            Kind::BulkFail => (&mut self.bulk_fail, 5),
            Kind::DuplicateWebhooks => (&mut self.duplicate_webhooks, 6),
            Kind::LoseWebhooks => (&mut self.lose_webhooks, 7),
            Kind::LostMutationAnswer => (&mut self.lost_mutation_answer, 8),
            Kind::MutationError => (&mut self.mutation_error, 9),
        };
        match strike {
            Strike::Never => false,
            Strike::Always(on) => *on,
            Strike::Next(0) => false,
            Strike::Next(left) => {
                *left -= 1;
                true
            }
            Strike::Share(share) => {
                let Some(sum) = self.seen.get_mut(slot) else { return false };
                *sum += *share;
                let due = *sum >= 1.0;
                if due {
                    *sum -= 1.0;
                }
                due
            }
        }
    }
}
