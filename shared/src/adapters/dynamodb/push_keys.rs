//! Keys of data tools in DynamoDB: each under its id, which is all that a tool tells us, and its id under its store.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use super::keys::{self, DESTINATION_PREFIX, Key};
use super::table::{Expression, Query, Table, Write, Wrote};
use super::units::Item;
use super::wire::{Reader, item, s};
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::key::{DestinationKey, Tool};
use crate::domain::push::target::Stream;
use crate::ports::PortError;
use crate::ports::push_store::DestinationKeys;

const SERVICE: &str = "destinations";
const WHAT: &str = "key of a destination";
const V: u32 = 1;
/// No id is longer. Ids come from callers, and the table refuses long keys as a mistake of ours.
const LONGEST_ID: usize = 128;

/// Keys in the push table.
#[derive(Clone)]
pub struct DynamoDestinationKeys {
    table: Table,
}

impl DynamoDestinationKeys {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }
}

fn write(key: &DestinationKey) -> Item {
    let mut stored = item(&keys::destination(&key.id), V);
    let mut put = |name: &str, text: &str| stored.insert(name.to_owned(), s(text));
    put("id", &key.id);
    put("store", key.store.as_str());
    put("provider", key.provider.as_str());
    put("stream", key.stream.as_str());
    put("tool", word(key.tool));
    put("name", &key.name);
    put("hash", &key.hash);
    put("by", &key.created_by);
    put("at", &key.created_at.to_string());
    // Not `expires_at`: by that the table would forget a key that its merchant still wants to see.
    for (name, time) in
        [("until", key.expires_at), ("used_at", key.last_used_at), ("revoked_at", key.revoked_at)]
    {
        if let Some(time) = time {
            put(name, &time.to_string());
        }
    }
    stored
}

fn word(tool: Tool) -> &'static str {
    match tool {
        Tool::Multiwoven => "multiwoven",
        Tool::Other => "other",
    }
}

fn read(item: &Item) -> Result<DestinationKey, PortError> {
    let read = Reader::new(WHAT, item, 1..=u64::from(V))?;
    let time =
        |name: &str| read.maybe_text(name).map(|_| read.parsed(name, str::parse::<Timestamp>)).transpose();
    let tool =
        |text: &str| [Tool::Multiwoven, Tool::Other].into_iter().find(|tool| word(*tool) == text).ok_or(());
    Ok(DestinationKey {
        id: read.text("id")?.to_owned(),
        store: read.parsed("store", StoreId::from_stored)?,
        provider: read.parsed("provider", ProviderId::parse)?,
        stream: read.parsed("stream", |text| Stream::parse(text).ok_or(()))?,
        tool: read.maybe_text("tool").map(|_| read.parsed("tool", tool)).transpose()?.unwrap_or_default(),
        name: read.text("name")?.to_owned(),
        hash: read.text("hash")?.to_owned(),
        created_by: read.text("by")?.to_owned(),
        created_at: read.parsed("at", str::parse::<Timestamp>)?,
        expires_at: time("until")?,
        last_used_at: time("used_at")?,
        revoked_at: time("revoked_at")?,
    })
}

#[async_trait]
impl DestinationKeys for DynamoDestinationKeys {
    async fn add(&self, key: &DestinationKey) -> Result<(), PortError> {
        let mut name = item(&keys::destination_of(&key.store, key.provider, &key.id), V);
        name.insert("id".to_owned(), s(&key.id));
        let both = vec![
            Write::Put(write(key), Some(Expression::absent())),
            Write::Put(name, Some(Expression::absent())),
        ];
        self.table.transact(both).await?.map_err(|_| PortError::Conflict)
    }

    async fn find(&self, id: &str) -> Result<Option<DestinationKey>, PortError> {
        if id.len() > LONGEST_ID {
            return Ok(None);
        }
        let item = self.table.get(&keys::destination(id), true).await?;
        item.as_ref().map(read).transpose()
    }

    async fn list(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<DestinationKey>, PortError> {
        let pk = keys::of_connector(store, provider);
        let names = self.table.query_all(Query::all(&pk, DESTINATION_PREFIX)).await?;
        let key = |name| Ok(keys::destination(Reader::new(WHAT, name, 1..=u64::from(V))?.text("id")?));
        let wanted: Result<Vec<Key>, PortError> = names.iter().map(key).collect();
        let mut found = Vec::new();
        for item in &self.table.get_many(&wanted?, true).await? {
            found.push(read(item)?);
        }
        found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(found)
    }

    async fn revoke(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &str,
        at: Timestamp,
    ) -> Result<bool, PortError> {
        if id.len() > LONGEST_ID {
            return Ok(false);
        }
        let change = Expression::new("SET #revoked_at = if_not_exists(#revoked_at, :at)");
        let ours = Expression::new("#store = :store AND #provider = :provider")
            .with(":store", s(store.as_str()))
            .with(":provider", s(provider.as_str()));
        let change = change.with(":at", s(at.to_string()));
        let wrote = self.table.update(&keys::destination(id), change, ours).await?;
        Ok(matches!(wrote, Wrote::Done(_)))
    }

    async fn used(&self, id: &str, at: Timestamp) -> Result<(), PortError> {
        // Times of one length compare as texts do; `Timestamp` writes fractions only where there are any.
        let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let change = Expression::new("SET #used_at = :at").with(":at", s(&at));
        let later = Expression::new("#id = :id AND (attribute_not_exists(#used_at) OR #used_at < :at)");
        self.table.update(&keys::destination(id), change, later.with(":id", s(id))).await?;
        Ok(())
    }
}
