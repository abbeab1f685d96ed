//! What is known of each key that rows were written under, so that two never write one record at a time, and nobody
//! makes a record twice because an answer was lost.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::ids::RunId;
use super::ledger::{Op, Outcome};
use super::target::Stream;

/// A record of the shop as rows name it: the hash of its key, since keys may be about customers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(String);

impl KeyHash {
    /// The hash of a key. The same key of another stream is another record.
    pub fn of(stream: Stream, key: &str) -> Self {
        Self(fingerprint(&[stream.as_str(), key]))
    }

    /// The text of it: hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The fingerprint of texts.
pub fn fingerprint(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

/// How far the writing of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Someone is writing it. Where that one is gone, it is not known what the shop has made of it.
    Writing,
    /// A call was sent and its answer lost.
    InDoubt,
    /// It is over; `outcome` tells how.
    Over,
}

/// What is known of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// Raised with every write from 1 on; the condition of the next one.
    pub version: u64,
    /// The run that wrote last.
    pub run: RunId,
    /// The page of its row.
    pub page: u32,
    /// The number of its row.
    pub seq: u64,
    /// Who of that run: the number of the lease.
    pub fence: u64,
    /// How far it is.
    pub hold: Hold,
    /// Until when nobody else may write it, while someone does.
    pub held_until: Timestamp,
    /// What was to be done.
    pub op: Op,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// The shop's id of the record.
    pub gid: Option<String>,
    /// The fingerprint of the row.
    pub source_hash: String,
    /// The fingerprint of what was sent.
    pub payload_hash: String,
    /// How often it was looked for since its answer was lost.
    pub looked: u32,
}
