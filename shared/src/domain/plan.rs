//! The comparison of what the source has with what is stored: one outcome and one list of differences per record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::record::{Base, Child, ChildShape, Digest, Kind, Record, Resource, StoredRecord};
use super::stock;
use super::warning::Code;

/// What a run decides about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// New here.
    Created,
    /// Known here and different.
    Updated,
    /// Known here and the same.
    Unchanged,
    /// Was missing, is back.
    Restored,
    /// Known here, no longer in the shop. Kept and marked.
    Missing,
    /// Taken away again by an undo.
    Removed,
    /// Not written, for a reason its codes tell.
    Blocked,
    /// Could not be read or written.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Updated,
        Self::Unchanged,
        Self::Restored,
        Self::Missing,
        Self::Removed,
        Self::Blocked,
        Self::Failed,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Restored => "restored",
            Self::Missing => "missing",
            Self::Removed => "removed",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }

    /// Reads the stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }

    /// Whether a record with this outcome is written.
    pub fn writes(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Restored | Self::Missing)
    }
}

/// Numbers by resource and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<Resource, BTreeMap<Outcome, u64>>);

impl Counts {
    /// Counts `n` more.
    pub fn add(&mut self, resource: Resource, outcome: Outcome, n: u64) {
        if n > 0 {
            *self.0.entry(resource).or_default().entry(outcome).or_default() += n;
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (resource, outcomes) in &other.0 {
            for (outcome, n) in outcomes {
                self.add(*resource, *outcome, *n);
            }
        }
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number for a resource and outcome.
    pub fn get(&self, resource: Resource, outcome: Outcome) -> u64 {
        self.0.get(&resource).and_then(|outcomes| outcomes.get(&outcome)).copied().unwrap_or(0)
    }

    /// How many records the source had: everything but the missing.
    pub fn received(&self, resource: Resource) -> u64 {
        let outcomes = self.0.get(&resource);
        outcomes
            .into_iter()
            .flatten()
            .filter(|(outcome, _)| **outcome != Outcome::Missing)
            .map(|(_, n)| n)
            .sum()
    }
}

/// Numbers of warnings by code.
pub type CodeCounts = BTreeMap<Code, u64>;

/// One difference between what is stored and what the source has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldDiff {
    /// The list the child is in; none for the record's own field.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Resource>,
    /// The child's id at the source.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// The field's name; `*` for a whole child, `order` for the order of children.
    #[serde(rename = "f")]
    pub field: String,
    /// What is stored. Cut, see [`shown`].
    #[serde(rename = "b", default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What the source has. Cut, see [`shown`].
    #[serde(rename = "a", default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// What was imported last, where the store has moved a number since and the source's overwrites it.
    #[serde(rename = "e", default, skip_serializing_if = "Value::is_null")]
    pub expected: Value,
    /// Whether both sides had changed it, so that the merchant's value was kept.
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// Whether both sides had changed it and the source's value was taken, as decided.
    #[serde(rename = "t", default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
}

/// Longest text shown in a difference, in bytes.
pub const SHOWN_BYTES: usize = 256;

/// A value as a difference shows it: texts and structures above [`SHOWN_BYTES`] are cut, and a hash of the whole
/// stands at the end, so that two long values never look alike when they are not.
pub fn shown(value: &Value) -> Value {
    let text = match value {
        Value::String(text) if text.len() > SHOWN_BYTES => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.len() <= SHOWN_BYTES {
                return value.clone();
            }
            text
        }
        other => return other.clone(),
    };
    let mut end = SHOWN_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Value::String(format!("{}… #{:016x}", &text[..end], xxh3_64(text.as_bytes())))
}

/// What a run decided about one record, as plan pages keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// What it is.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// The number the platform gave it.
    #[serde(rename = "x")]
    pub external_id: u64,
    /// Its title, for people.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The decision for the record.
    #[serde(rename = "o")]
    pub outcome: Outcome,
    /// Fingerprint of what the source had.
    #[serde(rename = "s")]
    pub source: Digest,
    /// Version of what was stored; 0 where nothing was.
    #[serde(rename = "v")]
    pub version: u64,
    /// Warnings about it.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// Field by field. Empty for a record that is new as a whole.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<FieldDiff>,
    /// Records made here that it may be the same as.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Lookalike>,
    /// The number of the record made here that it is or becomes one with.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<u64>,
    /// The version of the record that was imported for it and gives way to the one that it becomes one with.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
}

/// A record made here that may be the same as one in the shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lookalike {
    /// Its number.
    #[serde(rename = "n")]
    pub number: u64,
    /// Its title.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The field that both have in common, such as `sku`.
    #[serde(rename = "b")]
    pub by: String,
    /// Its version, to which a decision about it is bound.
    #[serde(rename = "v", default)]
    pub version: u64,
    /// In what it differs from the shop's: if both are the same, its values are kept unless decided otherwise.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<FieldDiff>,
    /// How many more differences there are.
    #[serde(rename = "r", default, skip_serializing_if = "is_zero")]
    pub more: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The result of comparing one source record with what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The decision for the record.
    pub outcome: Outcome,
    /// Field by field.
    pub diff: Vec<FieldDiff>,
    /// Numbers for the record and its children.
    pub counts: Counts,
    /// Warnings that the comparison itself raises.
    pub codes: CodeCounts,
    /// What to store, where the outcome writes.
    pub merged: Option<Record>,
}

/// A source record with its fingerprint, computed once.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprinted {
    /// The content.
    pub record: Record,
    /// Its fingerprint.
    pub digest: Digest,
    /// Its hashes.
    pub base: Base,
}

impl Fingerprinted {
    /// Computes the fingerprint.
    pub fn new(record: Record) -> Self {
        let (digest, base) = record.fingerprint();
        Self { record, digest, base }
    }
}

/// Counts a record and every child of it that is not missing under one outcome.
pub fn count_as(record: &Record, outcome: Outcome) -> Counts {
    let mut counts = Counts::default();
    let shape = record.kind.shape();
    if let Some(resource) = shape.counts_as {
        counts.add(resource, outcome, 1);
    }
    for (list, children) in shape.children.iter().zip(&record.children) {
        let present = children.iter().filter(|child| child.missing_since.is_none()).count();
        counts.add(list.resource, outcome, present as u64);
    }
    counts
}

pub(super) fn created(record: &Record) -> Comparison {
    Comparison {
        outcome: Outcome::Created,
        diff: Vec::new(),
        counts: count_as(record, Outcome::Created),
        codes: CodeCounts::new(),
        merged: Some(record.clone()),
    }
}

/// A record that was deleted and is back: the same one again, as it came.
pub(super) fn recreated(record: &Record) -> Comparison {
    Comparison {
        outcome: Outcome::Restored,
        counts: count_as(record, Outcome::Restored),
        codes: CodeCounts::from([(Code::IdRestored, 1)]),
        ..created(record)
    }
}

pub(super) fn unchanged(record: &Record) -> Comparison {
    Comparison {
        outcome: Outcome::Unchanged,
        diff: Vec::new(),
        counts: count_as(record, Outcome::Unchanged),
        codes: CodeCounts::new(),
        merged: None,
    }
}

/// What becomes of a stored record that a complete scan did not find: it stays, marked; its stock is set to zero.
pub fn missing(stored: &StoredRecord) -> Comparison {
    if stored.key.kind == Kind::Stock {
        return stock::missing(stored);
    }
    Comparison {
        outcome: Outcome::Missing,
        diff: Vec::new(),
        counts: count_as(&stored.record, Outcome::Missing),
        codes: CodeCounts::from([(missing_code(stored.key.kind), 1)]),
        merged: Some(stored.record.clone()),
    }
}

fn missing_code(kind: Kind) -> Code {
    if kind == Kind::Warehouse { Code::LocMissing } else { Code::MissInSource }
}

pub(super) fn describe(list: &ChildShape, child: &Child) -> Value {
    let named = list.fields.iter().zip(&child.values).filter(|(_, value)| !value.is_null());
    let mut shown: serde_json::Map<String, Value> =
        named.map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    if shown.is_empty() {
        shown.insert("id".to_owned(), Value::String(child.id.clone()));
    }
    Value::Object(shown)
}
