//! What other records of the store still point to when a run is taken back: a category names products, a stock level
//! its warehouse. What is pointed to is archived instead of deleted, so that nothing points to what is not there.

use std::collections::HashSet;

use super::{ImportStep, StepError};
use crate::domain::record::{Kind, RecordKey, Source};
use crate::domain::run::Run;
use crate::domain::stock::level_id;

/// Records read at a time.
const PAGE: u32 = 100;
/// Pages that are read to find who points to a warehouse. Beyond, it counts as used: that is never wrong, only careful.
const PAGES: u32 = 50;

/// What is pointed to.
#[derive(Default)]
pub(super) struct Used {
    /// Numbers of the run's own source.
    external: HashSet<u64>,
    /// Ids in the store, which records that were made here use.
    internal: HashSet<String>,
    /// Whether not everything could be looked at.
    all: bool,
}

impl Used {
    pub fn holds(&self, run: &Run, key: &RecordKey) -> bool {
        self.all
            || self.external.contains(&key.external_id)
            || self.internal.contains(&key.internal_id(&run.store).to_string())
    }
}

impl ImportStep {
    /// What records of a kind are pointed to by others. Whoever points to them was taken back before, where the same run made it.
    pub(super) async fn used(&self, run: &Run, kind: Kind) -> Result<Used, StepError> {
        let (pointing, pages) = match kind {
            Kind::Product => (Kind::Category, u32::MAX),
            Kind::Warehouse => (Kind::Stock, PAGES),
            Kind::Stock | Kind::Metafields | Kind::Category => return Ok(Used::default()),
        };
        let (mut used, mut cursor) = (Used::default(), None);
        for _ in 0..pages {
            let page = self.catalog.list(&run.store, pointing, cursor, PAGE).await?;
            for stored in page.items {
                for child in stored.record.children.into_iter().flatten() {
                    used.add(pointing, stored.key.source, run.source, child.id);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(used);
            }
        }
        used.all = true;
        Ok(used)
    }
}

impl Used {
    fn add(&mut self, pointing: Kind, by: Source, of: Source, id: String) {
        let number = match pointing {
            Kind::Stock => level_id(&id).map(|(_, location)| location),
            _ => id.parse().ok(),
        };
        match number.filter(|_| by == of) {
            Some(number) => drop(self.external.insert(number)),
            None => drop(self.internal.insert(id)),
        }
    }
}
