//! Stock levels to set: what of the rows has to be written, in calls of how many, and what becomes of a call that was
//! refused in part.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::super::ids::RunId;
use super::code::Code;
use super::document::Skip;
use super::ledger::Outcome;
use super::row::Level;

/// The most levels that one call sets.
pub const MOST: usize = 250;

/// An item as the shop has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveItem {
    /// Its id.
    pub id: String,
    /// Whether its stock is counted.
    pub tracked: bool,
    /// Whether it consists of other items.
    pub bundle: bool,
    /// What lies where: location id → quantity. No entry: not stocked there.
    pub levels: BTreeMap<String, i32>,
}

/// What the shop has of what the rows name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Items by the key that the rows name; several where the key is not unique.
    pub items: BTreeMap<String, Vec<LiveItem>>,
    /// Ids of locations by the key that the rows name; several where it is not unique.
    pub locations: BTreeMap<String, Vec<String>>,
}

/// One level to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetLevel {
    /// The number of its row.
    #[serde(skip)]
    pub seq: u64,
    /// The item.
    pub item: String,
    /// The location.
    pub location: String,
    /// What shall be there.
    pub quantity: i32,
    /// What is there now: the call is refused where it is something else by then. None: it is not stocked there yet.
    pub from: Option<i32>,
}

/// What is to become of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is written.
    Set(SetLevel),
    /// It is over before anything is written: already so, left out, or not possible.
    Over(Outcome, Option<Code>),
}

/// Decides about rows, each with its number. Of rows that name one level, the last one counts and the others fail: which
/// of two quantities is meant cannot be told, and both cannot be there.
pub fn decide(rows: &[(u64, Level)], live: &Live, options: &Options) -> Vec<(u64, Decision)> {
    let mut decided: Vec<(u64, Decision)> =
        rows.iter().map(|(seq, level)| (*seq, one(*seq, level, live, options))).collect();
    let mut last: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (at, (_, level)) in rows.iter().enumerate() {
        let Some(place) = place(level, live) else { continue };
        if let Some(before) = last.insert(place, at) {
            decided[before].1 = Decision::Over(Outcome::Failed, Some(Code::DuplicateKeyInInput));
        }
    }
    decided
}

/// What a mapping says about all its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether an item is put on stock where it is not.
    pub activate: bool,
    /// Which items are left out instead of failing.
    pub skip: Vec<Skip>,
}

/// The only one of a list.
fn only<T>(found: Option<&Vec<T>>) -> Result<&T, Code> {
    match found.map(Vec::as_slice) {
        None | Some([]) => Err(Code::NotFound),
        Some([only]) => Ok(only),
        Some(_) => Err(Code::Ambiguous),
    }
}

/// The level that a row names, where it names one.
fn place(level: &Level, live: &Live) -> Option<(String, String)> {
    let item = only(live.items.get(&level.item.1)).ok()?;
    let location = only(live.locations.get(&level.location.1)).ok()?;
    Some((item.id.clone(), location.clone()))
}

fn one(seq: u64, level: &Level, live: &Live, options: &Options) -> Decision {
    let failed = |code| Decision::Over(Outcome::Failed, Some(code));
    let left_out = |skip, code| {
        if options.skip.contains(&skip) { Decision::Over(Outcome::Skipped, Some(code)) } else { failed(code) }
    };
    let item = match only(live.items.get(&level.item.1)) {
        Ok(item) => item,
        Err(code) => return failed(code),
    };
    let location = match only(live.locations.get(&level.location.1)) {
        Ok(location) => location,
        Err(code) => return failed(code),
    };
    if item.bundle {
        return left_out(Skip::BundleParent, Code::BundleParent);
    }
    if !item.tracked {
        return left_out(Skip::Untracked, Code::NotTracked);
    }
    let from = item.levels.get(location).copied();
    match from {
        Some(there) if there == level.quantity => Decision::Over(Outcome::Unchanged, None),
        None if !options.activate => failed(Code::NotFound),
        _ => Decision::Set(SetLevel {
            seq,
            item: item.id.clone(),
            location: location.clone(),
            quantity: level.quantity,
            from,
        }),
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What it sets.
    pub levels: Vec<SetLevel>,
}

/// Cuts what is to be written into calls.
pub fn batches(levels: Vec<SetLevel>) -> Vec<Batch> {
    levels.chunks(MOST).map(|levels| Batch { levels: levels.to_vec() }).collect()
}

/// What the shop did not like about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The place in the call that it names, where it names one.
    pub index: Option<usize>,
    /// What it means here.
    pub code: Code,
}

/// What follows from a call that was refused. The shop refuses a call as a whole, so nothing of it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surgery {
    /// What is sent again, in these calls.
    pub again: Vec<Batch>,
    /// What is cut out, each with the reason.
    pub out: Vec<(SetLevel, Code)>,
}

impl Batch {
    /// The key by which the shop knows this very call again. It follows from the run and from what is sent, so a replay of
    /// the same call is the same to the shop, and another one is not.
    pub fn key(&self, run: &RunId, generation: u32) -> Uuid {
        let sent = serde_json::to_vec(&self.levels).unwrap_or_default();
        let run = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{run}#{generation}").as_bytes());
        Uuid::new_v5(&run, &sent)
    }

    /// Cuts out what the shop complained about and sends the rest again. Where it names no place, the call is halved
    /// until the one that is meant stands alone. Each step has fewer levels in each call than the one before, or fewer in
    /// all, so it ends.
    pub fn cut(self, complaints: &[Complaint]) -> Surgery {
        let mut named: BTreeMap<usize, Code> = BTreeMap::new();
        for complaint in complaints {
            if let Some(index) = complaint.index.filter(|index| *index < self.levels.len()) {
                named.entry(index).or_insert(complaint.code);
            }
        }
        let code = complaints.first().map_or(Code::Bug, |complaint| complaint.code);
        if named.is_empty() && self.levels.len() > 1 {
            let (left, right) = self.levels.split_at(self.levels.len() / 2);
            let again = [left, right].map(|half| Batch { levels: half.to_vec() });
            return Surgery { again: again.into(), out: Vec::new() };
        }
        let mut surgery = Surgery::default();
        let mut rest = Vec::new();
        for (index, level) in self.levels.into_iter().enumerate() {
            match named.get(&index).copied().or_else(|| named.is_empty().then_some(code)) {
                Some(code) => surgery.out.push((level, code)),
                None => rest.push(level),
            }
        }
        if !rest.is_empty() {
            surgery.again.push(Batch { levels: rest });
        }
        surgery
    }
}

#[cfg(test)]
mod tests;
