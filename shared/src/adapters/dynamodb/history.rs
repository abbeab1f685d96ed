//! The history of connectors in DynamoDB. Only ever added to: the roles of functions may put and query here, and
//! every put is conditional on there being nothing.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::cursor::{Scope, refused};
use super::keys;
use super::table::{Expression, Query, Table};
use super::wire::key_item;
use super::wire_connectors::{history_item, read_history};
use crate::domain::connection::HistoryEntry;
use crate::domain::ids::{ProviderId, StoreId};
use crate::ports::connectors::History;
use crate::ports::{Page, PortError};

const SERVICE: &str = "history";

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
}

#[async_trait]
impl History for DynamoHistory {
    async fn append(&self, entry: &HistoryEntry) -> Result<(), PortError> {
        // Refused: an earlier attempt has added it.
        self.table.put(history_item(entry)?, Some(Expression::absent()), false).await?;
        Ok(())
    }

    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<HistoryEntry>, PortError> {
        let scope = Scope::new(&["history", store.as_str(), provider.as_str()]);
        let after = cursor.map(|cursor| scope.decode(&cursor)).transpose()?;
        if after.as_ref().is_some_and(String::is_empty) {
            return Err(refused("it is not one of ours"));
        }
        let limit = limit as usize;
        let pk = keys::of_connector(store, provider);
        let query = Query {
            descending: true,
            limit: Some(limit + 1),
            after: after.map(|id| key_item(&keys::history(store, provider, &id))),
            ..Query::all(&pk, "")
        };
        let items = self.table.query_all(query).await?;
        let more = items.len() > limit;
        let entries: Result<Vec<HistoryEntry>, PortError> =
            items.iter().take(limit).map(|item| read_history(store, provider, item)).collect();
        let entries = entries?;
        let next = entries.last().filter(|_| more).map(|entry| scope.encode(&entry.id));
        Ok(Page { items: entries, next })
    }
}
