//! `productSet` in the background: what came of it is told to who polls.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::Outcome;
use crate::shop::lock;

/// The operations of a shop.
#[derive(Debug, Default)]
pub struct Operations {
    known: Mutex<BTreeMap<u64, (Outcome, u32)>>,
}

impl Operations {
    /// Adds one that has been started.
    pub fn add(&self, id: u64, result: Outcome) {
        lock(&self.known).insert(id, (result, 0));
    }

    /// What came of one, and whether it says so yet: who asks for the first time is told that it is at work.
    #[must_use]
    pub fn poll(&self, id: u64) -> Option<(Outcome, bool)> {
        let mut known = lock(&self.known);
        let (result, polls) = known.get_mut(&id)?;
        *polls += 1;
        Some((result.clone(), *polls > 1))
    }
}
