//! Mappings in the destinations table. Only ever added to.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use super::keys;
use super::table::{Expression, Query, Table};
use super::units::Item;
use super::wire::{Reader, item, n, s, to_json};
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::saved::SavedMapping;
use crate::domain::push::target::Stream;
use crate::ports::PortError;
use crate::ports::destination::MappingStore;

const SERVICE: &str = "destinations";
/// The version of the form.
const V: u32 = 1;

/// Mappings in a table.
#[derive(Clone)]
pub struct DynamoMappings {
    table: Table,
}

impl DynamoMappings {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }
}

fn read(item: &Item) -> Result<SavedMapping, PortError> {
    let read = Reader::new("mapping", item, 1..=u64::from(V))?;
    Ok(SavedMapping {
        stream: read.parsed("stream", |text| Stream::parse(text).ok_or(()))?,
        revision: read.number("rev")?,
        document: read.maybe_text("doc").map(|_| read.json("doc")).transpose()?,
        saved_by: read.text("by")?.to_owned(),
        saved_at: read.parsed("at", str::parse::<Timestamp>)?,
    })
}

#[async_trait]
impl MappingStore for DynamoMappings {
    async fn add(
        &self,
        store: &StoreId,
        provider: ProviderId,
        mapping: &SavedMapping,
    ) -> Result<(), PortError> {
        let mut stored = item(&keys::mapping(store, provider, mapping.stream, mapping.revision), V);
        stored.insert("stream".to_owned(), s(mapping.stream.as_str()));
        stored.insert("rev".to_owned(), n(mapping.revision));
        if let Some(document) = &mapping.document {
            stored.insert("doc".to_owned(), s(to_json("mapping", document)?));
        }
        stored.insert("by".to_owned(), s(&mapping.saved_by));
        stored.insert("at".to_owned(), s(mapping.saved_at.to_string()));
        self.table.put(stored, Some(Expression::absent()), false).await?.or_conflict()?;
        Ok(())
    }

    async fn newest(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
    ) -> Result<Option<SavedMapping>, PortError> {
        let (pk, prefix) = (keys::of_connector(store, provider), keys::mappings(stream));
        let query = Query { descending: true, limit: Some(1), ..Query::all(&pk, &prefix) };
        let (items, _) = self.table.query(query).await?;
        items.first().map(read).transpose()
    }

    async fn revision(
        &self,
        store: &StoreId,
        provider: ProviderId,
        stream: Stream,
        revision: u32,
    ) -> Result<Option<SavedMapping>, PortError> {
        // A query for the very key, since that is what the functions have a right to.
        let key = keys::mapping(store, provider, stream, revision);
        let query = Query { limit: Some(1), ..Query::all(&key.pk, &key.sk) };
        let (items, _) = self.table.query(query).await?;
        items.first().map(read).transpose()
    }
}
