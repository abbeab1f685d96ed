//! The stored form of a catalogue record: one item, or, where it would grow too large for one, a root and pages. Its
//! content is deflated, because DynamoDB charges by the kilobyte, and its base is left out where it is that of the
//! content itself, as after every import of what nobody has edited.
//!
//! Pages stand in a partition of their own, under a generation that one attempt to write made up for itself. They are
//! written before the root that names them and deleted after the root that names others, so that whoever reads a root
//! finds either all its pages or a newer root.

use std::collections::BTreeSet;

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::keys::{self, Key};
use super::links;
use super::units::{Item, item_bytes, write_units};
use super::wire::{Reader, b, item, json_error, n, s};
use crate::domain::ids::{ProviderId, RunId, ShopId, StoreId};
use crate::domain::lookalike::Mark;
use crate::domain::options::OnMissing;
use crate::domain::record::{Base, Digest, Kind, Record, RecordKey, Source, Standing, StoredRecord};
use crate::ports::PortError;

const WHAT: &str = "catalogue record";
/// The form of records.
pub const V: u32 = 2;
/// The form in which content stood as it was.
const V_PLAIN: u64 = 1;
/// How hard content is deflated, of 10. More takes several times as long for a tenth of the bytes.
const EFFORT: u8 = 1;
/// The largest item written as one. DynamoDB takes 400 KB; the index and later fields need room.
const LARGEST_ITEM: usize = 300 * 1024;
/// Bytes of content on one page.
const SEGMENT: usize = 300 * 1024;
/// What a page weighs beside its content: keys and names.
const PAGE_OVERHEAD: usize = 256;

/// A record in its stored form.
pub struct Encoded {
    /// The item that everyone reads first.
    pub root: Item,
    /// The marks under which it is to be found.
    pub marks: BTreeSet<Mark>,
    /// Pages, in order; none where the root holds everything.
    pub pages: Vec<Item>,
    /// The generation that the root names, where there are pages.
    pub generation: Option<String>,
    /// Units of writing the pages.
    pub page_units: u64,
}

impl Encoded {
    /// Units of writing the root and the index over an item of `before` bytes, or over none.
    pub fn root_units(&self, before: Option<usize>) -> u64 {
        let index = u64::from(self.root.contains_key("gpk") && before.is_none());
        write_units(item_bytes(&self.root).max(before.unwrap_or(0))) + index
    }

    /// Units of writing the root over an item of `before` bytes and, with it, the link that leads to it, under another
    /// key of the index. A transaction costs twice as much.
    pub fn link_units(&self, before: usize) -> u64 {
        let index = 2 * u64::from(self.root.contains_key("gpk"));
        2 * (write_units(item_bytes(&self.root).max(before)) + 1) + index
    }

    /// Units of writing the root over an item together with another record, under whichever key of the index.
    pub fn root_units_of_two(&self, before: &Item) -> u64 {
        let (old, new) = (before.get("gpk"), self.root.get("gpk"));
        let moved = old != new || before.get("gsk") != self.root.get("gsk");
        let index = if moved { u64::from(old.is_some()) + u64::from(new.is_some()) } else { 0 };
        2 * write_units(item_bytes(&self.root).max(item_bytes(before))) + index
    }

    /// Units of writing its marks and of deleting those that only the one before bore.
    pub fn mark_units(&self, before: &BTreeSet<Mark>) -> u64 {
        (self.marks.len() + before.difference(&self.marks).count()) as u64
    }
}

/// The stored form. `generation` is asked for only where pages are needed; no two calls may give the same.
pub fn encode(
    store: &StoreId,
    record: &StoredRecord,
    generation: impl FnOnce() -> String,
) -> Result<Encoded, PortError> {
    let id = record.internal_id(store);
    let mut root = item(&keys::record(store, record.key.kind, id), V);
    // The index has the one that took its place.
    let index = keys::index(store, &record.key).filter(|_| record.replaced_by().is_none());
    if let Some(Key { pk, sk }) = index {
        root.insert("gpk".to_owned(), s(pk));
        root.insert("gsk".to_owned(), s(sk));
    }
    let mut set = |name: &str, value| root.insert(name.to_owned(), value);
    set("pr", s(record.key.source.provider.as_str()));
    set("sh", n(record.key.source.shop_id.0));
    set("x", n(record.key.external_id));
    set(links::VERSION, n(record.version));
    set("run", s(record.written_run.as_str()));
    match &record.standing {
        Standing::Active => {}
        Standing::Missing { since, done } => {
            set("ms", s(since.as_str()));
            if *done != OnMissing::Keep {
                set("md", s(done.as_str()));
            }
        }
        Standing::Detached => {
            set("dt", n(1));
        }
        Standing::Replaced { by } => {
            set(links::TO, n(*by));
        }
    }
    set("dg", b(record.digest.0.to_le_bytes()));
    set("mp", n(record.mapper));
    if let Some(number) = record.local {
        set("lo", n(number));
    }
    let marks = links::marks_of(record);
    links::repeat(&mut root, &marks);
    let mut content = record.record.to_stored_json().map_err(|error| json_error(WHAT, &error))?;
    root.insert("len".to_owned(), n(content.len() as u64));
    if record.base == record.record.fingerprint().1 {
        root.insert("own".to_owned(), n(1));
    } else {
        content.extend_from_slice(&record.base.to_bytes());
    }
    root.insert("raw".to_owned(), n(content.len() as u64));
    let content = compress_to_vec_zlib(&content, EFFORT);
    if item_bytes(&root) + content.len() + 16 <= LARGEST_ITEM {
        root.insert("z".to_owned(), b(content));
        return Ok(Encoded { root, marks, pages: Vec::new(), generation: None, page_units: 0 });
    }
    let generation = generation();
    root.insert("all".to_owned(), n(content.len() as u64));
    root.insert("sum".to_owned(), b(xxh3_64(&content).to_le_bytes()));
    root.insert("gen".to_owned(), s(generation.as_str()));
    let pages = content.chunks(SEGMENT).enumerate().map(|(number, segment)| {
        let mut page = item(&keys::record_page(store, id, &generation, number), V);
        page.insert("b".to_owned(), b(segment));
        page
    });
    let page_units = page_units(content.len());
    Ok(Encoded { pages: pages.collect(), root, marks, generation: Some(generation), page_units })
}

/// Units of writing, or deleting, the pages of this much content.
pub fn page_units(content: usize) -> u64 {
    segments(content).map(|segment| write_units(segment + PAGE_OVERHEAD)).sum()
}

/// Bytes that reading the pages of this much content returns.
pub fn page_bytes(content: usize) -> usize {
    content + segments(content).count() * PAGE_OVERHEAD
}

/// Number of pages of this much content.
pub fn page_count(content: usize) -> usize {
    content.div_ceil(SEGMENT)
}

fn segments(content: usize) -> impl Iterator<Item = usize> {
    (0..page_count(content)).map(move |page| (content - page * SEGMENT).min(SEGMENT))
}

/// The pages that a root names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// The record's id.
    pub id: Uuid,
    /// Their generation.
    pub generation: String,
    /// Bytes of content on all of them.
    pub content: usize,
}

/// A root that was read.
pub struct Root {
    record: StoredRecord,
    split: Option<Split>,
}

struct Split {
    pages: Pages,
    sum: [u8; 8],
    form: Form,
}

/// How content stands.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A document of so many bytes and then the base.
    Plain { doc: usize },
    /// The same deflated, of so many bytes in all; without the base where that is the document's own.
    Deflated { doc: usize, all: usize, own: bool },
}

/// Reads a root. The key is part of it, so that whoever walks an index or a partition learns it.
pub fn decode(store: &StoreId, kind: Kind, item: &Item) -> Result<Root, PortError> {
    let read = Reader::new(WHAT, item, 1..=u64::from(V))?;
    let provider = read.parsed("pr", ProviderId::parse)?;
    let source = Source { provider, shop_id: ShopId(read.number("sh")?) };
    let key = RecordKey { source, kind, external_id: read.number("x")? };
    let standing = match read.maybe_text("ms") {
        None if item.contains_key(links::TO) => Standing::Replaced { by: read.number(links::TO)? },
        None if item.contains_key("dt") => Standing::Detached,
        None => Standing::Active,
        Some(_) => {
            let done = read.maybe_text("md").map_or(Some(OnMissing::Keep), OnMissing::parse);
            let done = done.ok_or_else(|| malformed("what was done about its absence is not known"))?;
            Standing::Missing { since: read.parsed("ms", RunId::parse)?, done }
        }
    };
    let digest = read.bytes("dg")?.first_chunk::<8>().ok_or_else(|| malformed("its digest is short"))?;
    let mut record = StoredRecord {
        key,
        version: read.number(links::VERSION)?,
        written_run: read.parsed("run", RunId::parse)?,
        standing,
        digest: Digest(u64::from_le_bytes(*digest)),
        base: Base::default(),
        mapper: read.number("mp")?,
        record: Record::empty(kind),
        local: read.maybe_number("lo"),
    };
    let plain = read.number::<u64>("v")? == V_PLAIN;
    let Some(generation) = read.maybe_text("gen") else {
        if plain {
            fill(&mut record, read.text("doc")?.as_bytes(), read.bytes("base")?)?;
        } else {
            unpack(&mut record, read.bytes("z")?, deflated(&read)?)?;
        }
        return Ok(Root { record, split: None });
    };
    let pages = Pages {
        id: record.internal_id(store),
        generation: generation.to_owned(),
        content: read.number("all")?,
    };
    let sum = read.bytes("sum")?.first_chunk::<8>().ok_or_else(|| malformed("its checksum is short"))?;
    let form = if plain { Form::Plain { doc: read.number("len")? } } else { deflated(&read)? };
    Ok(Root { record, split: Some(Split { pages, sum: *sum, form }) })
}

fn deflated(read: &Reader<'_>) -> Result<Form, PortError> {
    let own = read.maybe_number::<u8>("own") == Some(1);
    Ok(Form::Deflated { doc: read.number("len")?, all: read.number("raw")?, own })
}

impl Root {
    /// The key it carries.
    pub fn key(&self) -> RecordKey {
        self.record.key
    }

    /// The id under which it stands.
    pub fn id(&self, store: &StoreId) -> Uuid {
        self.record.internal_id(store)
    }

    /// The pages still to be read.
    pub fn pages(&self) -> Option<&Pages> {
        self.split.as_ref().map(|split| &split.pages)
    }

    /// The record, with the content of all its pages in order; none where they are not all there.
    pub fn join(mut self, content: &[u8]) -> Result<Option<StoredRecord>, PortError> {
        if let Some(split) = &self.split {
            if content.len() != split.pages.content || xxh3_64(content).to_le_bytes() != split.sum {
                return Ok(None);
            }
            unpack(&mut self.record, content, split.form)?;
        }
        Ok(Some(self.record))
    }
}

fn unpack(record: &mut StoredRecord, content: &[u8], form: Form) -> Result<(), PortError> {
    let lengths = || malformed("its lengths contradict each other");
    let (doc, all, own) = match form {
        Form::Plain { doc } => {
            let (doc, base) = content.split_at_checked(doc).ok_or_else(lengths)?;
            return fill(record, doc, base);
        }
        Form::Deflated { doc, all, own } => (doc, all, own),
    };
    let content = decompress_to_vec_zlib_with_limit(content, all);
    let content = content.map_err(|_| malformed("its content cannot be inflated"))?;
    let (doc, base) = content.split_at_checked(doc).ok_or_else(lengths)?;
    fill(record, doc, base)?;
    if own {
        record.base = record.record.fingerprint().1;
    }
    Ok(())
}

fn fill(record: &mut StoredRecord, doc: &[u8], base: &[u8]) -> Result<(), PortError> {
    record.record =
        Record::from_stored_json(record.key.kind, doc).map_err(|error| json_error(WHAT, &error))?;
    record.base = Base::from_bytes(base).ok_or_else(|| malformed("its base has an odd length"))?;
    Ok(())
}

/// The generation that a root names, of an item that a write replaced.
pub fn pages_of(store: &StoreId, kind: Kind, item: &Item) -> Result<Option<Pages>, PortError> {
    if !item.contains_key("gen") {
        return Ok(None);
    }
    Ok(decode(store, kind, item)?.split.map(|split| split.pages))
}

/// The content of a page.
pub fn segment(item: &Item) -> Result<&[u8], PortError> {
    Reader::new("page of a catalogue record", item, 1..=u64::from(V))?.bytes("b")
}

fn malformed(why: &str) -> PortError {
    PortError::Malformed { what: WHAT, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Child;

    /// Text that cannot be deflated much.
    fn noise(number: usize) -> String {
        format!("{:016x}{:016x}", xxh3_64(&number.to_le_bytes()), xxh3_64(&(!number).to_le_bytes()))
    }

    fn sample(variants: usize) -> StoredRecord {
        let mut record = Record::empty(Kind::Product);
        record.set("title", "Café ☕".into());
        record.children[0] = (0..variants)
            .map(|n| Child {
                id: n.to_string(),
                values: (0..18).map(|field| noise(n * 18 + field).into()).collect(),
                missing_since: None,
            })
            .collect();
        let (digest, base) = record.fingerprint();
        let source = Source { provider: ProviderId::Shopify, shop_id: ShopId(7) };
        StoredRecord {
            key: RecordKey { source, kind: Kind::Product, external_id: 5 },
            version: 3,
            written_run: RunId::new(Uuid::from_u128(1)),
            standing: Standing::Missing { since: RunId::new(Uuid::from_u128(2)), done: OnMissing::Draft },
            digest,
            base,
            mapper: 1,
            record,
            local: None,
        }
    }

    #[test]
    fn a_record_reads_back_as_written_whole_or_in_pages() {
        let store = StoreId::for_test("s1").unwrap();
        for (variants, pages) in [(0, 0), (12, 0), (2048, 3)] {
            let record = sample(variants);
            let encoded = encode(&store, &record, || "g1".to_owned()).unwrap();
            assert_eq!(encoded.pages.len(), pages);
            assert!(item_bytes(&encoded.root) <= LARGEST_ITEM);
            let content: Vec<u8> =
                encoded.pages.iter().flat_map(|page| segment(page).unwrap().to_vec()).collect();
            let root = decode(&store, Kind::Product, &encoded.root).unwrap();
            assert_eq!(root.pages().is_some(), pages > 0);
            assert_eq!(root.join(&content).unwrap().as_ref(), Some(&record));
        }
    }

    #[test]
    fn pages_of_another_generation_or_cut_short_are_never_taken() {
        let store = StoreId::for_test("s1").unwrap();
        let encoded = encode(&store, &sample(2048), || "g1".to_owned()).unwrap();
        let mut content: Vec<u8> =
            encoded.pages.iter().flat_map(|page| segment(page).unwrap().to_vec()).collect();
        let short = &content[..content.len() - 1];
        assert_eq!(decode(&store, Kind::Product, &encoded.root).unwrap().join(short).unwrap(), None);
        content[17] ^= 1;
        assert_eq!(decode(&store, Kind::Product, &encoded.root).unwrap().join(&content).unwrap(), None);
    }

    /// What nobody has edited has the base of its own content, and needs none beside it.
    #[test]
    fn an_edited_record_keeps_its_base() {
        let store = StoreId::for_test("s1").unwrap();
        let imported = sample(3);
        let mut edited = imported.clone();
        edited.record.set("title", "Tea".into());
        let no_base = StoredRecord { base: Base::default(), ..imported.clone() };
        let bytes = [imported, edited, no_base].map(|record| {
            let encoded = encode(&store, &record, || "g1".to_owned()).unwrap();
            let root = decode(&store, Kind::Product, &encoded.root).unwrap();
            assert_eq!(root.join(&[]).unwrap().as_ref(), Some(&record));
            item_bytes(&encoded.root)
        });
        assert!(bytes[0] + 8 * 50 < bytes[1], "{bytes:?}");
    }

    #[test]
    fn content_that_inflates_to_more_than_it_says_is_refused() {
        let store = StoreId::for_test("s1").unwrap();
        let mut root = encode(&store, &sample(3), || "g1".to_owned()).unwrap().root;
        root.insert("raw".to_owned(), n(100));
        assert!(decode(&store, Kind::Product, &root).is_err());
    }

    #[test]
    fn pages_of_the_first_version_still_read() {
        let store = StoreId::for_test("s1").unwrap();
        let record = sample(2048);
        let mut root = encode(&store, &record, || "g1".to_owned()).unwrap().root;
        let mut content = record.record.to_stored_json().unwrap();
        root.insert("v".to_owned(), n(1));
        root.insert("len".to_owned(), n(content.len() as u64));
        content.extend(record.base.to_bytes());
        root.insert("all".to_owned(), n(content.len() as u64));
        root.insert("sum".to_owned(), b(xxh3_64(&content).to_le_bytes()));
        assert_eq!(decode(&store, Kind::Product, &root).unwrap().join(&content).unwrap(), Some(record));
    }

    #[test]
    fn a_stored_item_of_the_first_version_still_reads() {
        let store = StoreId::for_test("s1").unwrap();
        let golden: Item = [
            ("pk", s("S#s1#product#00")),
            ("sk", s("x")),
            ("v", n(1)),
            ("pr", s("shopify")),
            ("sh", n(7)),
            ("x", n(5)),
            ("ver", n(3)),
            ("run", s("run_00000000000000000000000000000001")),
            ("dg", b([1, 0, 0, 0, 0, 0, 0, 0])),
            ("mp", n(1)),
            ("doc", s(r#"{"f":["Mug"],"c":[[["1",["Blue"],null]]]}"#)),
            ("base", b([])),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let record = decode(&store, Kind::Product, &golden).unwrap().join(&[]).unwrap().unwrap();
        assert_eq!((record.version, record.standing, record.digest.0), (3, Standing::Active, 1));
        assert_eq!(record.record.get("title"), "Mug");
        assert_eq!(record.record.children[0][0].id, "1");
    }
}
