//! The history of connectors in DynamoDB. Only ever added to: the roles of functions may put and query here, and
//! every put is conditional on there being nothing.
//!
//! An entry stands under its number, so of two that are added at once only one gets it; the other reads the newest
//! entry again and takes the next. A mark under the entry's id, put in the same transaction, lets an entry that is
//! added once more find itself.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::cursor::{Scope, refused};
use super::keys;
use super::table::{self, Expression, Query, Table, Write};
use super::wire::key_item;
use super::wire_connectors::{history_item, history_mark, read_history};
use crate::domain::connection::HistoryEntry;
use crate::domain::history::ChainedEntry;
use crate::domain::ids::{ProviderId, StoreId};
use crate::ports::connectors::History;
use crate::ports::{Page, PortError};

const SERVICE: &str = "history";

/// How many others may be faster before an entry is given back to be added later.
const TRIES: usize = 64;

/// History in its own table.
#[derive(Clone)]
pub struct DynamoHistory {
    table: Table,
}

impl DynamoHistory {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }

    async fn newest(&self, store: &StoreId, provider: ProviderId) -> Result<Option<ChainedEntry>, PortError> {
        let pk = keys::of_connector(store, provider);
        let query = Query { descending: true, limit: Some(1), ..Query::all(&pk, keys::HISTORY_PREFIX) };
        let (items, _) = self.table.query(query).await?;
        items.first().map(|item| read_history(store, provider, item)).transpose()
    }
}

#[async_trait]
impl History for DynamoHistory {
    async fn append(&self, entry: &HistoryEntry) -> Result<(), PortError> {
        for _ in 0..TRIES {
            let newest = self.newest(&entry.store, entry.provider).await?;
            let chained = ChainedEntry::after(newest.as_ref(), entry.clone());
            let writes = vec![
                Write::Put(history_item(&chained)?, Some(Expression::absent())),
                Write::Put(history_mark(&chained), Some(Expression::absent())),
            ];
            match self.table.transact(writes).await? {
                Ok(()) => {
                    // The log is the place outside of the table that a history which was cut short is held against.
                    tracing::info!(
                        store.id = %entry.store,
                        history.action = entry.action.as_str(),
                        history.seq = chained.seq,
                        history.hash = %chained.hash,
                        "added to the history"
                    );
                    return Ok(());
                }
                // An earlier attempt has added it.
                Err(reasons) if table::refused(&reasons, 1).is_some() => return Ok(()),
                // Another entry has the number.
                Err(_) => {}
            }
        }
        Err(PortError::Throttled { service: SERVICE, retry_after: None })
    }

    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<ChainedEntry>, PortError> {
        let scope = Scope::new(&["history", store.as_str(), provider.as_str()]);
        let after = cursor.map(|cursor| scope.decode(&cursor)).transpose()?;
        let after: Option<u64> =
            after.map(|seq| seq.parse().map_err(|_| refused("it is not one of ours"))).transpose()?;
        let limit = limit as usize;
        let pk = keys::of_connector(store, provider);
        let query = Query {
            descending: true,
            limit: Some(limit + 1),
            after: after.map(|seq| key_item(&keys::history(store, provider, seq))),
            ..Query::all(&pk, keys::HISTORY_PREFIX)
        };
        let items = self.table.query_all(query).await?;
        let more = items.len() > limit;
        let entries: Result<Vec<ChainedEntry>, PortError> =
            items.iter().take(limit).map(|item| read_history(store, provider, item)).collect();
        let entries = entries?;
        let next = entries.last().filter(|_| more).map(|entry| scope.encode(&entry.seq.to_string()));
        Ok(Page { items: entries, next })
    }
}
