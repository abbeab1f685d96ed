//! The list of a store's runs, newest first: their ids rise with time, so the order is that of the table.

use super::cursor::{Scope, refused};
use super::keys::{self, RUN_PREFIX};
use super::table::{Query, Table};
use super::units::Item;
use super::wire::key_item;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::ports::{Page, PortError};

/// Runs of one kind, of one connector.
pub struct RunList<'a> {
    /// The kind, which a cursor belongs to.
    pub name: &'a str,
    /// The tenant.
    pub store: &'a StoreId,
    /// The platform.
    pub provider: ProviderId,
}

impl RunList<'_> {
    /// A page of them. `read` makes a run of an item, `id` tells its id.
    pub async fn page<T>(
        &self,
        table: &Table,
        cursor: Option<String>,
        limit: u32,
        read: fn(&StoreId, ProviderId, &Item) -> Result<T, PortError>,
        id: fn(&T) -> &RunId,
    ) -> Result<Page<T>, PortError> {
        let Self { name, store, provider } = *self;
        let scope = Scope::new(&[name, store.as_str(), provider.as_str()]);
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let position = scope.decode(&cursor)?;
                Some(RunId::parse(&position).map_err(|_| refused("it is not one of ours"))?)
            }
        };
        let limit = limit as usize;
        let pk = keys::of_connector(store, provider);
        let query = Query {
            descending: true,
            limit: Some(limit + 1),
            after: after.map(|run| key_item(&keys::run(store, provider, &run))),
            ..Query::all(&pk, RUN_PREFIX)
        };
        let items = table.query_all(query).await?;
        let more = items.len() > limit;
        let runs: Result<Vec<T>, PortError> =
            items.iter().take(limit).map(|item| read(store, provider, item)).collect();
        let runs = runs?;
        let next = runs.last().filter(|_| more).map(|run| scope.encode(id(run).as_str()));
        Ok(Page { items: runs, next })
    }
}
