//! What is known of the keys that rows were written under, and the budgets of shops, in DynamoDB.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use serde::Serialize;

use super::keys::{self, Key};
use super::table::{Expression, Table};
use super::units::Item;
use super::wire::{Reader, item, n, s, to_json};
use super::wire_push::{DAY, RUN_DAYS};
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::state::{KeyHash, KeyState};
use crate::ports::PortError;
use crate::ports::push_store::{Budgets, KeyStates, SharedBudget};
use crate::ports::time::Clock;

const STATE: &str = "state of a key";
const BUDGET: &str = "budget";
const V: u32 = 1;

/// An item of this version.
fn versioned<T: Serialize>(
    what: &'static str,
    key: &Key,
    version: u64,
    value: &T,
) -> Result<Item, PortError> {
    let mut stored = item(key, V);
    stored.insert("rev".to_owned(), n(version));
    stored.insert("doc".to_owned(), s(to_json(what, value)?));
    Ok(stored)
}

/// What stands there has this version; 0: nothing does.
fn follows(version: u64) -> Expression {
    match version {
        0 => Expression::absent(),
        version => Expression::new("#rev = :rev").with(":rev", n(version)),
    }
}

/// What is known of keys, in the push table.
#[derive(Clone)]
pub struct DynamoKeyStates {
    table: Table,
    clock: Arc<dyn Clock>,
}

impl DynamoKeyStates {
    /// The table of this name. The clock sets when what is known expires.
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        Self { table: Table::new(client, table, "states"), clock }
    }
}

#[async_trait]
impl KeyStates for DynamoKeyStates {
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        keys: &[KeyHash],
    ) -> Result<Vec<Option<KeyState>>, PortError> {
        let places: Vec<Key> = keys.iter().map(|key| keys::key_state(store, provider, key)).collect();
        // The table refuses to be asked for one twice.
        let once: Vec<Key> = places.iter().cloned().collect::<HashSet<_>>().into_iter().collect();
        let mut found = HashMap::new();
        for item in &self.table.get_many(&once, true).await? {
            let read = Reader::new(STATE, item, 1..=u64::from(V))?;
            found.insert(read.text("pk")?.to_owned(), read.json::<KeyState>("doc")?);
        }
        Ok(places.iter().map(|place| found.get(&place.pk).cloned()).collect())
    }

    async fn put(
        &self,
        store: &StoreId,
        provider: ProviderId,
        key: &KeyHash,
        state: &KeyState,
    ) -> Result<(), PortError> {
        let before = state.version.checked_sub(1).ok_or(PortError::Conflict)?;
        let mut stored = versioned(STATE, &keys::key_state(store, provider, key), state.version, state)?;
        stored.insert("expires_at".to_owned(), n(self.clock.now().as_second() + RUN_DAYS * DAY));
        self.table.put(stored, Some(follows(before)), false).await?.or_conflict()?;
        Ok(())
    }
}

/// Budgets in the push table.
#[derive(Clone)]
pub struct DynamoBudgets {
    table: Table,
}

impl DynamoBudgets {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, "budgets") }
    }
}

#[async_trait]
impl Budgets for DynamoBudgets {
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
    ) -> Result<Option<(SharedBudget, u64)>, PortError> {
        let Some(item) = self.table.get(&keys::budget(store, provider), true).await? else {
            return Ok(None);
        };
        let read = Reader::new(BUDGET, &item, 1..=u64::from(V))?;
        Ok(Some((read.json("doc")?, read.number("rev")?)))
    }

    async fn save(
        &self,
        store: &StoreId,
        provider: ProviderId,
        budget: &SharedBudget,
        version: u64,
    ) -> Result<(), PortError> {
        let stored = versioned(BUDGET, &keys::budget(store, provider), version + 1, budget)?;
        self.table.put(stored, Some(follows(version)), false).await?.or_conflict()?;
        Ok(())
    }
}
