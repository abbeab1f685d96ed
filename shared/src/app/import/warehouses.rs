//! Which warehouse a location is. First hit wins: the one that it was imported as; one made here of the same name, about
//! which the merchant decides; none, so that it becomes a new one. Never by name alone.

use std::collections::HashSet;

use super::plan::{Candidate, Items};
use super::{ImportStep, StepError};
use crate::domain::decision::Decision;
use crate::domain::record::{Kind, StoredRecord};
use crate::domain::run::Run;
use crate::domain::warning::Code;

/// What is known of the names of warehouses and locations when a run plans its locations.
#[derive(Default)]
pub(super) struct Names {
    /// Names of warehouses that were made here and are linked to no location.
    unlinked: HashSet<String>,
    /// Names that more than one location of the shop has.
    shared: HashSet<String>,
    /// Locations that were decided to become new warehouses.
    decided_new: HashSet<u64>,
}

/// What the names say about one location.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// It may be a warehouse that was made here; the merchant has to decide.
    pub ambiguous: bool,
    /// It was ambiguous, and the merchant has decided.
    pub decided: bool,
    /// Another location of the shop has its name.
    pub shared_name: bool,
}

impl Match {
    /// What it is told as.
    pub fn code(self) -> Option<Code> {
        self.shared_name.then_some(Code::LocDuplicateSuspect)
    }
}

impl Names {
    /// What they say about a record; nothing about one that is no location.
    pub fn of(&self, candidate: &Candidate, stored: Option<&StoredRecord>) -> Match {
        if candidate.key.kind != Kind::Warehouse {
            return Match::default();
        }
        let name = normalised(&candidate.label);
        let alike = stored.is_none() && self.unlinked.contains(&name);
        let decided = alike && self.decided_new.contains(&candidate.key.external_id);
        Match { ambiguous: alike && !decided, decided, shared_name: self.shared.contains(&name) }
    }
}

impl ImportStep {
    /// The names that matter to some items: none where they are no locations.
    pub(super) async fn names(&self, run: &Run, items: &Items) -> Result<Names, StepError> {
        let mut names = Names::default();
        if items.listed().is_empty() {
            return Ok(names);
        }
        let mut seen = HashSet::new();
        for location in items.listed() {
            let name = normalised(&location.label);
            if !seen.insert(name.clone()) {
                names.shared.insert(name);
            }
        }
        let decided = run.decisions.all().iter().filter_map(|decision| match decision {
            Decision::CreateWarehouse { external_id } => Some(external_id.0),
            _ => None,
        });
        names.decided_new.extend(decided);
        let mut cursor = None;
        loop {
            let page = self.catalog.list(&run.store, Kind::Warehouse, cursor, 100).await?;
            let local = page.items.iter().filter(|stored| stored.key.source.is_local());
            names
                .unlinked
                .extend(local.filter_map(|stored| stored.record.get("name").as_str().map(normalised)));
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
