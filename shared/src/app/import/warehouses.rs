//! Which warehouse a location is. First hit wins: the one that it was imported as or linked to, which is one item; the only
//! one made here of its name and address, where no other location has them; one made here of its name, about which the
//! merchant decides; none, so that it becomes a new one. Never by name alone.
//!
//! One that was imported and one made here of the same name may be one place twice. They are shown together, and become one
//! where that is decided.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use super::plan::{Candidate, Items};
use super::{ImportStep, StepError};
use crate::domain::decision::Decision;
use crate::domain::ids::StoreId;
use crate::domain::record::{Kind, Record, StoredRecord};
use crate::domain::run::Run;
use crate::domain::warning::Code;

/// What is known of the names of warehouses and locations when a run plans its locations.
#[derive(Default)]
pub(super) struct Names {
    /// Warehouses that were made here and are linked to no location, by name.
    unlinked: HashMap<String, Vec<StoredRecord>>,
    /// How many locations of the shop have a name.
    named: HashMap<String, usize>,
    /// How many have a name and an address.
    addressed: HashMap<(String, String), usize>,
    /// Locations that were decided to become new warehouses.
    decided_new: HashSet<u64>,
    /// Locations that were decided to be a warehouse made here.
    decided: HashMap<u64, Uuid>,
}

/// What a location that is no warehouse yet becomes.
pub(super) enum Place<'a> {
    /// A new warehouse.
    New,
    /// This one, which was made here.
    Is(&'a StoredRecord),
    /// It may be one of these; the merchant has to decide.
    Ask(Vec<StoredRecord>),
    /// It was decided to be one that is no longer there, or linked already.
    Moved,
}

/// What becomes of a location that is a warehouse already.
pub(super) enum Pair {
    /// It stays that.
    None,
    /// This one, which was made here, takes its place.
    Is(Box<StoredRecord>),
    /// One of these may be the same; the merchant may decide so.
    Ask(Vec<StoredRecord>),
    /// It was decided to be one that is no longer there or as it was.
    Moved,
}

impl<'a> Place<'a> {
    /// The warehouse made here that it is.
    pub fn taken(self) -> Option<&'a StoredRecord> {
        match self {
            Self::Is(ours) => Some(ours),
            _ => None,
        }
    }
}

impl Names {
    /// Whether a location shares its name with another.
    pub fn code(&self, candidate: &Candidate) -> Option<Code> {
        let named = || self.named.get(&normalised(&candidate.label)).is_some_and(|n| *n > 1);
        (candidate.key.kind == Kind::Warehouse && named()).then_some(Code::LocDuplicateSuspect)
    }

    /// Whether the merchant has decided what a location is.
    pub fn is_decided(&self, candidate: &Candidate) -> bool {
        let id = candidate.key.external_id;
        candidate.key.kind == Kind::Warehouse
            && (self.decided_new.contains(&id) || self.decided.contains_key(&id))
    }

    /// What a location that is no warehouse yet becomes.
    pub fn place(&self, store: &StoreId, candidate: &Candidate) -> Place<'_> {
        let id = candidate.key.external_id;
        let name = normalised(&candidate.label);
        let alike = self.unlinked.get(&name).map_or(&[][..], Vec::as_slice);
        if self.decided_new.contains(&id) {
            return Place::New;
        }
        if let Some(decided) = self.decided.get(&id) {
            let ours = alike.iter().find(|ours| ours.internal_id(store) == *decided);
            return ours.map_or(Place::Moved, Place::Is);
        }
        let address = address(&candidate.source.record);
        let same = |ours: &&StoredRecord| address.is_some() && self::address(&ours.record) == address;
        let mut there = alike.iter().filter(same);
        let only_there = address.clone().is_some_and(|at| self.addressed.get(&(name, at)) == Some(&1));
        match (there.next(), there.next()) {
            (Some(ours), None) if only_there && !self.is_claimed(store, ours) => Place::Is(ours),
            _ if alike.is_empty() => Place::New,
            _ => Place::Ask(alike.to_vec()),
        }
    }

    /// Warehouses made here that have the name of one that was imported, as they are called here: whoever renames or archives
    /// one of them says that they are two.
    pub fn twins(&self, imported: &StoredRecord, candidate: &Candidate) -> Vec<StoredRecord> {
        if imported.local.is_some() {
            return Vec::new();
        }
        // Of what was deleted here no name is left.
        let name = imported.record.get("name").as_str().unwrap_or(&candidate.label);
        let alike = self.unlinked.get(&normalised(name)).map_or(&[][..], Vec::as_slice);
        let in_use = |ours: &&StoredRecord| *ours.record.get("active") != Value::Bool(false);
        alike.iter().filter(in_use).cloned().collect()
    }

    /// What becomes of a location that has been imported as a warehouse of its own.
    pub fn place_of_imported(&self, store: &StoreId, imported: &StoredRecord, candidate: &Candidate) -> Pair {
        let twins = self.twins(imported, candidate);
        match self.decided.get(&candidate.key.external_id) {
            None if twins.is_empty() => Pair::None,
            None => Pair::Ask(twins),
            // It has been done.
            Some(decided) if imported.internal_id(store) == *decided => Pair::None,
            Some(decided) => {
                let ours = twins.into_iter().find(|ours| ours.internal_id(store) == *decided);
                ours.map_or(Pair::Moved, |ours| Pair::Is(Box::new(ours)))
            }
        }
    }

    /// Whether another location was decided to be a warehouse.
    fn is_claimed(&self, store: &StoreId, ours: &StoredRecord) -> bool {
        let id = ours.internal_id(store);
        self.decided.values().any(|decided| *decided == id)
    }
}

impl ImportStep {
    /// The names that matter to some items: none where they are no locations.
    pub(super) async fn names(&self, run: &Run, items: &Items) -> Result<Names, StepError> {
        let mut names = Names::default();
        if items.listed().is_empty() {
            return Ok(names);
        }
        for location in items.listed() {
            let name = normalised(&location.label);
            let record = location.records.iter().find(|(kind, _)| *kind == Kind::Warehouse);
            if let Some(address) = record.and_then(|(_, record)| address(record)) {
                *names.addressed.entry((name.clone(), address)).or_default() += 1;
            }
            *names.named.entry(name).or_default() += 1;
        }
        for decision in run.decisions.all() {
            match decision {
                Decision::CreateWarehouse { external_id } => drop(names.decided_new.insert(external_id.0)),
                Decision::LinkWarehouse { external_id, internal_id } => {
                    names.decided.insert(external_id.0, *internal_id);
                }
                _ => {}
            }
        }
        let mut cursor = None;
        loop {
            let page = self.catalog.list(&run.store, Kind::Warehouse, cursor, 100).await?;
            for stored in page.items.into_iter().filter(|stored| stored.key.source.is_local()) {
                if let Some(name) = stored.record.get("name").as_str().map(normalised) {
                    names.unlinked.entry(name).or_default().push(stored);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(names);
            }
        }
    }
}

fn normalised(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The address of a warehouse in one text; none where it has none. A telephone number is no part of a place.
fn address(record: &Record) -> Option<String> {
    let parts = record.get("address").as_object()?;
    let parts = parts.iter().filter(|(name, _)| *name != "phone");
    let texts = parts.filter_map(|(name, part)| Some((name, part.as_str().map(normalised)?)));
    let mut texts: Vec<String> =
        texts.filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}={text}")).collect();
    texts.sort();
    (!texts.is_empty()).then(|| texts.join("\n"))
}
