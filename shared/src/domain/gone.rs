//! What becomes of a stored record that a complete scan did not find.

use serde_json::Value;

use super::ids::RunId;
use super::options::OnMissing;
use super::plan::{CodeCounts, Comparison, FieldDiff, Outcome, count_as, missing, shown};
use super::record::{Kind, Record, Standing, StoredRecord};
use super::warning::Code;

impl OnMissing {
    /// What of it concerns records of a kind. A product is set to another status by itself and deleted with all that
    /// belongs to it; places and categories are only ever marked.
    pub fn of(self, kind: Kind) -> Self {
        match (kind, self) {
            (Kind::Product, chosen) => chosen,
            (Kind::Stock | Kind::Metafields, Self::Delete) => Self::Delete,
            _ => Self::Keep,
        }
    }

    /// The field of a record of a kind that it sets, and to what.
    pub fn sets(self, kind: Kind) -> Option<(&'static str, Value)> {
        match (kind, self) {
            (Kind::Product, Self::Draft) => Some(("status", Value::from("DRAFT"))),
            (Kind::Product, Self::Archive) => Some(("status", Value::from("ARCHIVED"))),
            (Kind::Warehouse, Self::Archive) => Some(("active", Value::Bool(false))),
            _ => None,
        }
    }
}

impl Standing {
    /// Whether a record that is not in the shop is still to be dealt with so. What an earlier run did is not done
    /// again and never taken back.
    pub fn is_due(&self, chosen: OnMissing) -> bool {
        match self {
            Self::Active => true,
            Self::Missing { done, .. } => *done < chosen,
            Self::Detached | Self::Replaced { .. } => false,
        }
    }

    /// Whether nothing is left of the record but its place, for the day it comes back.
    pub fn is_tombstone(&self) -> bool {
        matches!(self, Self::Missing { done: OnMissing::Delete, .. })
    }

    /// The standing of a record after a run found it gone and dealt with it.
    pub fn gone(&self, run: &RunId, done: OnMissing) -> Self {
        let since = match self {
            Self::Active => run,
            Self::Missing { since, .. } => since,
            Self::Detached | Self::Replaced { .. } => return self.clone(),
        };
        Self::Missing { since: since.clone(), done }
    }
}

/// What becomes of a record that is gone: it is marked and its stock set to zero, and beyond that what was chosen.
pub fn gone(stored: &StoredRecord, chosen: OnMissing) -> Comparison {
    let kind = stored.key.kind;
    let chosen = chosen.of(kind);
    if chosen == OnMissing::Delete {
        return deleted(stored);
    }
    let mut compared = missing(stored);
    if let (Some((field, after)), Some(record)) = (chosen.sets(kind), &mut compared.merged) {
        let before = record.get(field).clone();
        if before != after {
            compared.diff.push(differs(field, before, after.clone()));
            record.set(field, after);
        }
        compared.codes = CodeCounts::from([(Code::MissHandled, 1)]);
    }
    compared
}

/// What becomes of a record whose place one made here takes, of this number: it is archived as it is.
pub fn replaced(stored: &StoredRecord, by: u64, run: &RunId) -> StoredRecord {
    let mut record = stored.record.clone();
    if let Some((field, value)) = OnMissing::Archive.sets(stored.key.kind).filter(|_| !stored.is_deleted()) {
        record.set(field, value);
    }
    let standing = Standing::Replaced { by };
    StoredRecord { version: stored.version + 1, written_run: run.clone(), standing, record, ..stored.clone() }
}

/// Everything of the record goes; its place stays, so that it comes back as itself.
fn deleted(stored: &StoredRecord) -> Comparison {
    let named =
        ["title", "name"].into_iter().map(|name| stored.record.get(name)).find(|value| !value.is_null());
    let before = named.map_or(Value::Bool(true), shown);
    Comparison {
        outcome: Outcome::Missing,
        diff: vec![differs("*", before, Value::Null)],
        counts: count_as(&stored.record, Outcome::Missing),
        codes: CodeCounts::from([(Code::MissHandled, 1)]),
        merged: Some(Record::empty(stored.key.kind)),
    }
}

/// A field of a record of the store's own.
pub fn differs(field: &str, before: Value, after: Value) -> FieldDiff {
    FieldDiff {
        list: None,
        child: None,
        field: field.to_owned(),
        before,
        expected: Value::Null,
        after,
        kept: false,
        taken: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_further_with_a_record_and_never_back() {
        let run = RunId::new(uuid::Uuid::from_u128(7));
        for done in OnMissing::ALL {
            let later = RunId::new(uuid::Uuid::from_u128(8));
            let standing = Standing::Active.gone(&run, done);
            assert!(Standing::Active.is_due(done));
            assert_eq!(standing.gone(&later, done), standing, "since the first run");
            assert_eq!(standing.is_tombstone(), done == OnMissing::Delete);
            for chosen in OnMissing::ALL {
                assert_eq!(standing.is_due(chosen), chosen > done, "{done:?} then {chosen:?}");
            }
        }
    }

    #[test]
    fn leaves_all_but_products_in_place() {
        for kind in [Kind::Warehouse, Kind::Category] {
            assert_eq!(OnMissing::Delete.of(kind), OnMissing::Keep);
        }
        assert_eq!(OnMissing::Archive.of(Kind::Stock), OnMissing::Keep);
        assert_eq!(OnMissing::Delete.of(Kind::Metafields), OnMissing::Delete);
    }
}
