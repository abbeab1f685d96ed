//! The proof that stock is equal on both sides: sums and digests of the levels at each location, and the rows that differ.
//!
//! A digest is the sum of the hashes of its rows, so it does not depend on their order and those of two chunks add up to
//! that of both.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::record::{Child, Record, StoredRecord};
use super::stock::{Held, held, is_imported, level_id};

/// Rows that one chunk lists; more are counted alone.
pub const ROWS_PER_CHUNK: usize = 1_000;

/// The levels at one location, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelSums {
    /// Number of levels.
    #[serde(rename = "n")]
    pub rows: u64,
    /// Sum of what is available.
    #[serde(rename = "s")]
    pub sum: i64,
    /// Sum of the hashes of item and number.
    #[serde(rename = "d")]
    pub digest: u64,
}

impl LevelSums {
    fn take(&mut self, item: u64, held: Held) {
        let mut row = [0; 17];
        row[..8].copy_from_slice(&item.to_le_bytes());
        row[8] = u8::from(held.is_some());
        row[9..].copy_from_slice(&held.unwrap_or(0).to_le_bytes());
        self.rows += 1;
        self.sum = self.sum.wrapping_add(held.unwrap_or(0));
        self.digest = self.digest.wrapping_add(xxh3_64(&row));
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// Why a level differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The shop has changed it since the run began to read.
    ChangedInSource,
    /// The store has moved it since the run wrote it.
    LocalMovement,
    /// The run did not write it: its record says why.
    WriteFailed,
}

impl Cause {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChangedInSource => "changed_in_source",
            Self::LocalMovement => "local_movement",
            Self::WriteFailed => "write_failed",
        }
    }
}

/// A level that is not the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DriftRow {
    /// The inventory item's number.
    #[serde(rename = "i")]
    pub item: u64,
    /// The location's number.
    #[serde(rename = "l")]
    pub location: u64,
    /// What the source has; none where it has no such level.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub source: Option<i64>,
    /// What is stored; none where there is no such level.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<i64>,
    /// Why.
    #[serde(rename = "c")]
    pub cause: Cause,
}

/// Both sides of the levels that a chunk dealt with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockSides {
    /// What the source has, as this run imports it, by location.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source: BTreeMap<u64, LevelSums>,
    /// What is stored, by location.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stored: BTreeMap<u64, LevelSums>,
    /// The rows that differ, at most [`ROWS_PER_CHUNK`] of a chunk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<DriftRow>,
    /// Rows that differ and are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl StockSides {
    /// Whether nothing was taken.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes the source's side of a product's levels.
    pub fn take_source(&mut self, source: &Record) {
        for level in &source.children[0] {
            take(&mut self.source, level);
        }
    }

    /// Takes what is stored of a product's levels, and lists what is not as the source has it.
    pub fn take_stored(&mut self, source: Option<&Record>, stored: Option<&StoredRecord>, cause: Cause) {
        let theirs = source.map_or(&[][..], |record| &record.children[0]);
        let ours = stored.map_or(&[][..], |stored| &stored.record.children[0]);
        // What is as it should be stands in the order of the source.
        let in_order =
            ours.len() >= theirs.len() && theirs.iter().zip(ours).all(|(theirs, ours)| theirs.id == ours.id);
        let known: BTreeSet<&str> = match in_order {
            true => BTreeSet::new(),
            false => theirs.iter().map(|level| level.id.as_str()).collect(),
        };
        let is_known = |at: usize, level: &Child| match in_order {
            true => at < theirs.len(),
            false => known.contains(level.id.as_str()),
        };
        // A level that was made here is none of the source's.
        let counted =
            ours.iter().enumerate().filter(|(at, level)| is_known(*at, level) || is_imported(level));
        let counted: Vec<&Child> = counted.map(|(_, level)| level).collect();
        for level in &counted {
            take(&mut self.stored, level);
        }
        let same = in_order
            && theirs.iter().zip(ours).all(|(theirs, ours)| held(theirs) == held(ours))
            && counted[theirs.len()..].iter().all(|level| held(level).is_none());
        if !same {
            for row in differences(theirs, &counted, cause) {
                self.list(row);
            }
        }
    }

    /// Lists a row.
    pub fn list(&mut self, row: DriftRow) {
        if self.rows.len() < ROWS_PER_CHUNK { self.rows.push(row) } else { self.more += 1 }
    }

    /// Adds all of another's. Rows are kept however many.
    pub fn merge(&mut self, other: &Self) {
        for (side, others) in [(&mut self.source, &other.source), (&mut self.stored, &other.stored)] {
            for (location, sums) in others {
                side.entry(*location).or_default().merge(*sums);
            }
        }
        self.rows.extend_from_slice(&other.rows);
        self.more += other.more;
    }
}

fn take(side: &mut BTreeMap<u64, LevelSums>, level: &Child) {
    if let (Some(held), Some((item, location))) = (held(level), level_id(&level.id)) {
        side.entry(location).or_default().take(item, held);
    }
}

/// The levels that are not the same in two lists.
fn differences(theirs: &[Child], ours: &[&Child], cause: Cause) -> Vec<DriftRow> {
    let mut both: BTreeMap<(u64, u64), (Option<Held>, Option<Held>)> = BTreeMap::new();
    for level in theirs {
        if let Some(id) = level_id(&level.id) {
            both.entry(id).or_default().0 = held(level);
        }
    }
    for level in ours {
        if let Some(id) = level_id(&level.id) {
            both.entry(id).or_default().1 = held(level);
        }
    }
    both.into_iter()
        .filter(|(_, (theirs, ours))| theirs != ours)
        .map(|((item, location), (theirs, ours))| DriftRow {
            item,
            location,
            source: theirs.flatten(),
            stored: ours.flatten(),
            cause,
        })
        .collect()
}

/// What a run found when it proved its stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftVerdict {
    /// When the shop was asked last.
    pub as_of: Timestamp,
    /// Levels that the shop had changed since the run began, and that were read again.
    pub reread: u64,
    /// Whether all of those were read.
    pub whole: bool,
    /// Levels that differ.
    pub rows: u64,
    /// Levels that differ and differed after the run before.
    pub repeated: u64,
    /// Pages on which they are listed.
    pub pages: u32,
}
