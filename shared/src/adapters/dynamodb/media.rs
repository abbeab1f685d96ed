//! What links media to copies of their files, in the catalogue table: an item a medium, an item a content.
//!
//! A link that is to be tried again stands in the index by when, and leaves it with the write that says otherwise.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};

use super::keys::{self, EXTERNAL_INDEX, Key};
use super::table::{Expression, Query, Table, Write, refused};
use super::units::Item;
use super::wire::{Reader, item, n, s, to_json};
use crate::domain::ids::StoreId;
use crate::domain::media::{ContentHash, MediaKey, MediaLink, StoredObject};
use crate::domain::record::Source;
use crate::ports::PortError;
use crate::ports::media::MediaLinks;

const LINK: &str = "link of a medium";
const OBJECT: &str = "object";
const V: u32 = 1;

/// Links in the catalogue table.
#[derive(Clone)]
pub struct DynamoMediaLinks {
    table: Table,
}

impl DynamoMediaLinks {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, "links of media") }
    }
}

fn versioned<T: Serialize>(
    what: &'static str,
    key: &Key,
    revision: u64,
    value: &T,
) -> Result<Item, PortError> {
    let mut stored = item(key, V);
    stored.insert("rev".to_owned(), n(revision));
    stored.insert("doc".to_owned(), s(to_json(what, value)?));
    Ok(stored)
}

fn read<T: DeserializeOwned>(what: &'static str, item: &Item) -> Result<T, PortError> {
    Reader::new(what, item, 1..=u64::from(V))?.json("doc")
}

/// What stands there is the revision before this one.
fn follows(revision: u64) -> Expression {
    match revision {
        0 | 1 => Expression::absent(),
        revision => Expression::new("#rev = :rev").with(":rev", n(revision - 1)),
    }
}

fn link_item(store: &StoreId, key: &MediaKey, link: &MediaLink) -> Result<Item, PortError> {
    let mut stored = versioned(LINK, &keys::media(store, key), link.revision, link)?;
    if let Some(at) = link.failure.as_ref().and_then(|failure| failure.next_try) {
        let place = keys::to_try(store, key, at);
        stored.insert("gpk".to_owned(), s(place.pk));
        stored.insert("gsk".to_owned(), s(place.sk));
    }
    Ok(stored)
}

#[async_trait]
impl MediaLinks for DynamoMediaLinks {
    async fn links(&self, store: &StoreId, media: &[MediaKey]) -> Result<Vec<Option<MediaLink>>, PortError> {
        let places: Vec<Key> = media.iter().map(|key| keys::media(store, key)).collect();
        // The table refuses to be asked for one twice.
        let once: Vec<Key> = places.iter().cloned().collect::<HashSet<_>>().into_iter().collect();
        let mut found: HashMap<String, MediaLink> = HashMap::new();
        for item in &self.table.get_many(&once, true).await? {
            let pk = Reader::keys_only(LINK, item).text("pk")?.to_owned();
            found.insert(pk, read(LINK, item)?);
        }
        Ok(places.iter().map(|place| found.get(&place.pk).cloned()).collect())
    }

    async fn object(&self, store: &StoreId, hash: &ContentHash) -> Result<Option<StoredObject>, PortError> {
        let item = self.table.get(&keys::object(store, hash), true).await?;
        item.map(|item| read(OBJECT, &item)).transpose()
    }

    async fn save(
        &self,
        store: &StoreId,
        link: Option<(&MediaKey, &MediaLink)>,
        objects: &[StoredObject],
    ) -> Result<(), PortError> {
        let mut writes = Vec::with_capacity(objects.len() + 1);
        if let Some((key, link)) = link {
            writes.push((link_item(store, key, link)?, follows(link.revision)));
        }
        for object in objects {
            let place = keys::object(store, &object.key.hash);
            writes.push((versioned(OBJECT, &place, object.revision, object)?, follows(object.revision)));
        }
        // Half the price of a transaction.
        if writes.len() == 1
            && let Some((item, condition)) = writes.pop()
        {
            self.table.put(item, Some(condition), false).await?.or_conflict()?;
            return Ok(());
        }
        let parts = writes.len();
        let writes = writes.into_iter().map(|(item, condition)| Write::Put(item, Some(condition))).collect();
        match self.table.transact(writes).await? {
            Ok(()) => Ok(()),
            Err(reasons) if (0..parts).any(|part| refused(&reasons, part).is_some()) => {
                Err(PortError::Conflict)
            }
            Err(_) => Err(PortError::Unavailable { service: "links of media", source: None }),
        }
    }

    async fn to_try(
        &self,
        store: &StoreId,
        source: Source,
        limit: usize,
    ) -> Result<Vec<(Timestamp, MediaKey)>, PortError> {
        let pk = keys::of_to_try(store, source);
        let query = Query {
            index: Some(EXTERNAL_INDEX),
            consistent: false,
            limit: Some(limit),
            ..Query::all(&pk, "")
        };
        let items = self.table.query_all(query).await?;
        let place = |item: &Item| {
            let entry = Reader::keys_only(LINK, item);
            entry.parsed("gsk", |place| {
                let (seconds, id) = place.split_once('#').ok_or(())?;
                let at = Timestamp::from_second(seconds.parse().map_err(drop)?).map_err(drop)?;
                Ok::<_, ()>((at, MediaKey { source, id: id.to_owned() }))
            })
        };
        items.iter().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ProviderId, ShopId};

    const GOLDEN: &str = r#"{"revision":3,"copy":{"object":{"hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","generation":1},
        "bytes":7,"content_type":"image/png","url":"https://files.example/a.png","etag":"\"1\"","shared":true,
        "run":"run_00000000000000000000000000000002","copied_at":"2026-09-21T14:13:20Z"},
        "failure":{"code":"MED_FETCH_FAILED","url":"https://files.example/b.png","attempts":2,
        "next_try":"2026-09-21T14:14:20Z","run":"run_00000000000000000000000000000003","at":"2026-09-21T14:13:20Z"},
        "unlinked":{"hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","generation":0}}"#;
    const OBJECT_GOLDEN: &str = r#"{"revision":4,"key":{"hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "generation":1},"state":"stored","links":2}"#;

    /// Items of these forms are in the table while a release is rolled out, and for as long as they live.
    #[test]
    fn what_the_first_version_wrote_still_reads() {
        let store = StoreId::for_test("s1").unwrap();
        let source = Source { provider: ProviderId::Shopify, shop_id: ShopId(7) };
        let key = MediaKey { source, id: "51".to_owned() };
        let link: MediaLink = serde_json::from_str(GOLDEN).unwrap();
        let stored = link_item(&store, &key, &link).unwrap();
        assert_eq!(read::<MediaLink>(LINK, &stored).unwrap(), link);
        let compact: String = GOLDEN.lines().map(str::trim).collect();
        assert_eq!(stored["doc"].as_s().unwrap(), &compact);
        assert_eq!(stored["gsk"].as_s().unwrap(), "001790000060#51");
        let object: StoredObject = serde_json::from_str(OBJECT_GOLDEN).unwrap();
        assert_eq!(object.key, link.copy.unwrap().object);
        let mut later = stored;
        later.insert("v".to_owned(), n(2));
        let refused = read::<MediaLink>(LINK, &later);
        assert!(matches!(refused, Err(PortError::Malformed { what: LINK, .. })), "{refused:?}");
    }
}
