//! What became of the rows of pushes, in DynamoDB.
//!
//! A page's lines, or one part of its images, are JSON that may be larger than an item can be. It is cut into pieces
//! that are written all or none. Each piece carries the fingerprint of the whole, so that whoever reads while they are
//! replaced notices that not all are of one whole, and reads again.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::keys::{self, Key};
use super::table::{Expression, Query, Table, Write, refused};
use super::units::Item;
use super::wire::{Reader, b, from_json, item, n, s, to_json};
use super::wire_push::{DAY, RUN_DAYS};
use crate::domain::ids::{ProviderId, RunId, ShopId, StoreId};
use crate::domain::push::change::Image;
use crate::domain::push::ledger::ResultLine;
use crate::ports::PortError;
use crate::ports::push_store::{Mention, Results};
use crate::ports::time::Clock;

const SERVICE: &str = "results";
const WHAT: &str = "results of a push";
const V: u32 = 1;
/// The largest piece.
const PIECE: usize = 300 * 1024;
/// Notes put down at once.
const CONCURRENCY: usize = 16;
/// How often pieces are read that are not of one whole.
const TRIES: u32 = 4;

/// Results in the push table.
#[derive(Clone)]
pub struct DynamoResults {
    table: Table,
    clock: Arc<dyn Clock>,
}

/// The items of a whole.
fn cut(whole: &[u8], key: impl Fn(usize) -> Key, expires_at: i64) -> Vec<Item> {
    let set = hex::encode(&Sha256::digest(whole)[..16]);
    let pieces = whole.chunks(PIECE);
    let count = pieces.len() as u64;
    let cut = pieces.enumerate().map(|(number, bytes)| {
        let mut piece = item(&key(number), V);
        piece.insert("set".to_owned(), s(&set));
        piece.insert("pieces".to_owned(), n(count));
        piece.insert("b".to_owned(), b(bytes));
        piece.insert("expires_at".to_owned(), n(expires_at));
        piece
    });
    cut.collect()
}

/// The whole that pieces begin with, in their order; none where they are not of one. Pieces that a longer one left
/// behind may follow.
fn joined(pieces: &[&Item]) -> Result<Option<Vec<u8>>, PortError> {
    let (mut whole, mut of) = (Vec::new(), None);
    for (number, piece) in pieces.iter().enumerate() {
        let read = Reader::new(WHAT, piece, 1..=u64::from(V))?;
        let this = (read.text("set")?, read.number::<usize>("pieces")?);
        let (set, count) = *of.get_or_insert(this);
        if number == count {
            break;
        }
        if this.0 != set {
            return Ok(None);
        }
        whole.extend_from_slice(read.bytes("b")?);
    }
    let is_whole = of.is_none_or(|(set, _)| hex::encode(&Sha256::digest(&whole)[..16]) == set);
    Ok(is_whole.then_some(whole))
}

/// What all pieces of one whole share: the sort key without the number at its end.
fn stem(piece: &Item) -> Option<&str> {
    let sk = piece.get("sk")?.as_s().ok()?;
    sk.rsplit_once('#').map(|(stem, _)| stem)
}

impl DynamoResults {
    /// The table of this name. The clock tells what has expired, and sets when lines do.
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        Self { table: Table::new(client, table, SERVICE), clock }
    }

    /// Writes the pieces of a whole, all or none, under a condition on what stands in the place of the first.
    async fn put(&self, mut pieces: Vec<Item>, condition: Expression) -> Result<(), PortError> {
        if pieces.len() == 1 {
            self.table.put(pieces.remove(0), Some(condition), false).await?.or_conflict()?;
            return Ok(());
        }
        let mut condition = Some(condition);
        let writes = pieces.into_iter().map(|piece| Write::Put(piece, condition.take())).collect();
        match self.table.transact(writes).await? {
            Err(reasons) if refused(&reasons, 0).is_some() => Err(PortError::Conflict),
            _ => Ok(()),
        }
    }

    /// Takes the images of rows out of a page; the rows that had any.
    pub(super) async fn erase(
        &self,
        store: &StoreId,
        run: &RunId,
        page: u32,
        rows: &BTreeSet<u64>,
    ) -> Result<BTreeSet<u64>, PortError> {
        let (pk, prefix) = (keys::of_run(store, run), keys::images(page));
        let mut erased = BTreeSet::new();
        for _ in 0..TRIES {
            let items = self.table.query_all(Query::all(&pk, &prefix)).await?;
            let mut torn = false;
            for pieces in items.chunk_by(|one, other| stem(one) == stem(other)) {
                match self.erase_of_part(pieces, rows).await? {
                    Some(rows) => erased.extend(rows),
                    None => torn = true,
                }
            }
            if !torn {
                return Ok(erased);
            }
        }
        Err(PortError::Unavailable { service: SERVICE, source: None })
    }

    /// The same of one part; none where its pieces are not of one whole, or changed meanwhile. The part itself stays,
    /// empty if need be: its number is taken.
    async fn erase_of_part(
        &self,
        pieces: &[Item],
        rows: &BTreeSet<u64>,
    ) -> Result<Option<Vec<u64>>, PortError> {
        let Some(first) = pieces.first() else { return Ok(Some(Vec::new())) };
        let read = Reader::new(WHAT, first, 1..=u64::from(V))?;
        let expires_at: i64 = read.number("expires_at")?;
        if expires_at <= self.clock.now().as_second() {
            self.delete(pieces).await?;
            return Ok(Some(Vec::new()));
        }
        let Some(whole) = joined(&pieces.iter().collect::<Vec<_>>())? else { return Ok(None) };
        let images: Vec<Image> = from_json(WHAT, &whole)?;
        let (gone, kept): (Vec<Image>, Vec<Image>) =
            images.into_iter().partition(|image| rows.contains(&image.seq));
        let mut count: usize = read.number("pieces")?;
        if !gone.is_empty() {
            let (pk, stem) = (read.text("pk")?, stem(first).unwrap_or_default());
            let key = |piece| Key { pk: pk.to_owned(), sk: keys::piece(stem, piece) };
            let rest = cut(to_json(WHAT, &kept)?.as_bytes(), key, expires_at);
            count = rest.len();
            let unchanged = Expression::new("#set = :set").with(":set", s(read.text("set")?));
            match self.put(rest, unchanged).await {
                Ok(()) => {}
                Err(PortError::Conflict) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        // What was longer leaves pieces behind; after a crash whoever comes next finds them here.
        self.delete(&pieces[count.min(pieces.len())..]).await?;
        Ok(Some(gone.into_iter().map(|image| image.seq).collect()))
    }

    /// Erases the images of a page.
    pub(super) async fn erase_page(&self, store: &StoreId, run: &RunId, page: u32) -> Result<(), PortError> {
        let (pk, prefix) = (keys::of_run(store, run), keys::images(page));
        let items = self.table.query_all(Query::all(&pk, &prefix)).await?;
        self.delete(&items).await
    }

    async fn delete(&self, items: &[Item]) -> Result<(), PortError> {
        for item in items {
            let read = Reader::new(WHAT, item, 0..=u64::MAX)?;
            let key = Key { pk: read.text("pk")?.to_owned(), sk: read.text("sk")?.to_owned() };
            self.table.delete(&key, None).await?;
        }
        Ok(())
    }

    /// Every whole whose sort key begins so and that has not expired, in order.
    async fn wholes(&self, store: &StoreId, run: &RunId, prefix: &str) -> Result<Vec<Vec<u8>>, PortError> {
        let pk = keys::of_run(store, run);
        for _ in 0..TRIES {
            let items = self.table.query_all(Query::all(&pk, prefix)).await?;
            // The table deletes late, and piece by piece.
            let now = self.clock.now().as_second();
            let mut alive = Vec::with_capacity(items.len());
            for item in &items {
                let expires_at: i64 = Reader::new(WHAT, item, 1..=u64::from(V))?.number("expires_at")?;
                if expires_at > now {
                    alive.push(item);
                }
            }
            let wholes: Result<Option<Vec<Vec<u8>>>, PortError> =
                alive.chunk_by(|one, other| stem(one) == stem(other)).map(joined).collect::<Result<_, _>>();
            if let Some(wholes) = wholes? {
                return Ok(wholes);
            }
        }
        Err(PortError::Unavailable { service: SERVICE, source: None })
    }
}

#[async_trait]
impl Results for DynamoResults {
    async fn put_lines(
        &self,
        store: &StoreId,
        run: &RunId,
        page: u32,
        fence: u64,
        lines: &[ResultLine],
    ) -> Result<(), PortError> {
        let expires_at = self.clock.now().as_second() + RUN_DAYS * DAY;
        let whole = to_json(WHAT, &lines)?;
        let key = |piece| keys::lines_piece(store, run, page, piece);
        let mut pieces = cut(whole.as_bytes(), key, expires_at);
        for piece in &mut pieces {
            piece.insert("fence".to_owned(), n(fence));
        }
        let in_time = Expression::new("attribute_not_exists(#fence) OR #fence <= :fence");
        self.put(pieces, in_time.with(":fence", n(fence))).await
    }

    async fn lines(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Vec<ResultLine>, PortError> {
        let wholes = self.wholes(store, run, &keys::lines(page)).await?;
        wholes.first().map(|whole| from_json(WHAT, whole)).transpose().map(Option::unwrap_or_default)
    }

    async fn put_images(
        &self,
        store: &StoreId,
        run: &RunId,
        page: u32,
        part: u32,
        images: &[Image],
        expires_at: Timestamp,
    ) -> Result<(), PortError> {
        let whole = to_json(WHAT, &images)?;
        let key = |piece| keys::images_piece(store, run, page, part, piece);
        self.put(cut(whole.as_bytes(), key, expires_at.as_second()), Expression::absent()).await
    }

    async fn note_people(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        mentions: &[Mention],
        expires_at: Timestamp,
    ) -> Result<(), PortError> {
        let noting = mentions.iter().map(|mention| {
            let mut note = item(&keys::mention(store, provider, shop, mention), V);
            note.insert("run".to_owned(), s(mention.run.as_str()));
            note.insert("page".to_owned(), n(mention.page));
            note.insert("seq".to_owned(), n(mention.seq));
            note.insert("expires_at".to_owned(), n(expires_at.as_second()));
            self.table.put(note, None, false)
        });
        let noting: Vec<_> = noting.collect();
        stream::iter(noting).buffer_unordered(CONCURRENCY).try_for_each(|_| async { Ok(()) }).await
    }

    async fn images(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Vec<Vec<Image>>, PortError> {
        let wholes = self.wholes(store, run, &keys::images(page)).await?;
        wholes.iter().map(|whole| from_json(WHAT, whole)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(whole: &[u8]) -> Vec<Item> {
        let key = |piece| Key { pk: "p".to_owned(), sk: format!("LINES#0000000000#{piece:04}") };
        cut(whole, key, 9)
    }

    #[test]
    fn pieces_of_two_wholes_are_never_joined() {
        let (long, short) = (vec![b'a'; 2 * PIECE + 1], vec![b'b'; PIECE + 1]);
        let (old, new) = (pieces(&long), pieces(&short));
        assert_eq!((old.len(), new.len()), (3, 2));
        let join = |pieces: &[&Item]| joined(pieces).unwrap();
        assert_eq!(join(&[&old[0], &old[1], &old[2]]), Some(long));
        assert_eq!(join(&[&new[0], &new[1], &old[2]]), Some(short), "the last was left behind");
        assert_eq!(join(&[&old[0], &new[1], &old[2]]), None);
        assert_eq!(join(&[&new[0], &old[1], &old[2]]), None);
        assert_eq!(join(&[&old[0], &old[1]]), None, "its end is not there yet");
        assert_eq!(join(&[&old[1], &old[2]]), None, "its beginning is not there yet");
    }
}
