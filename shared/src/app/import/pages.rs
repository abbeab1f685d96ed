//! The content of a run's pages: plan entries and results as JSON lines, seen ids as bytes, before-images as a
//! checksummed series of segments.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::domain::drift::DriftRow;
use crate::domain::ids::{RunId, StoreId};
use crate::domain::plan::PlanEntry;
use crate::domain::record::{Base, Digest, Kind, Record, RecordKey, Source, Standing, StoredRecord};
use crate::domain::run::{ChunkId, Cost, PageSpan, Phase, Run};
use crate::ports::PortError;
use crate::ports::runs::{PageKey, PageKind, RunStore};

/// Plan pages are closed above this size.
const PLAN_PAGE_BYTES: usize = 48 * 1024;
/// An entry above this size is written in parts. Together with a page that is almost full it is far below what one page
/// may hold, and so is what many pages of them make in one answer.
const PART_BYTES: usize = 48 * 1024;
/// Ids on one full page of seen ids, 8 bytes each. What is not yet on a page must fit a checkpoint.
const SEEN_PER_PAGE: usize = 4_000;
/// The form of the pages of seen ids: numbers alone. The form before it, which had a byte for the kind with each, ended
/// with an empty page.
const SEEN_FORM: u8 = 2;
/// Differing rows of stock on one page: at most 90 bytes each.
const DRIFT_PER_PAGE: usize = 3_000;
/// Before-images are cut into segments of this size.
const SEGMENT_BYTES: usize = 250 * 1024;

/// Where pages of one chunk stand.
#[derive(Clone, Copy)]
pub(crate) struct Chunk<'a> {
    pub runs: &'a dyn RunStore,
    pub store: &'a StoreId,
    pub run: &'a RunId,
    pub chunk: ChunkId,
    pub generation: u32,
}

fn malformed(what: &'static str, why: impl ToString) -> PortError {
    PortError::Malformed { what, why: why.to_string() }
}

impl<'a> Chunk<'a> {
    /// Where a run keeps what is the same whichever generation its plan is in.
    pub fn of_every_plan(runs: &'a dyn RunStore, run: &'a Run, chunk: ChunkId) -> Self {
        Self { runs, store: &run.store, run: &run.id, chunk, generation: 0 }
    }

    fn key(&self, kind: PageKind, number: u32) -> PageKey {
        PageKey { run: self.run.clone(), chunk: self.chunk, generation: self.generation, kind, number }
    }

    async fn put(
        &self,
        kind: PageKind,
        number: u32,
        bytes: Vec<u8>,
        keep_first: bool,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        self.runs.put_page(self.store, &self.key(kind, number), bytes, keep_first, cost).await
    }

    async fn get(&self, kind: PageKind, number: u32, cost: &mut Cost) -> Result<Option<Vec<u8>>, PortError> {
        self.runs.page(self.store, &self.key(kind, number), cost).await
    }

    async fn expect(&self, kind: PageKind, number: u32, cost: &mut Cost) -> Result<Vec<u8>, PortError> {
        let page = self.get(kind, number, cost).await?;
        page.ok_or_else(|| malformed("page of a run", format!("{} {number} is gone", kind.as_str())))
    }

    /// Reads a page of plan entries or results.
    pub async fn entries(
        &self,
        kind: PageKind,
        number: u32,
        cost: &mut Cost,
    ) -> Result<Vec<PlanEntry>, PortError> {
        let bytes = self.expect(kind, number, cost).await?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|e| malformed("plan entry", e))).collect()
    }

    /// A page of the ids that the chunk saw, and whether it is the last.
    async fn seen(&self, number: u32, cost: &mut Cost) -> Result<(Vec<u64>, bool), PortError> {
        let bytes = self.expect(PageKind::Seen, number, cost).await?;
        let odd = |why: &str| malformed("seen ids", why);
        match bytes.split_first() {
            Some((&SEEN_FORM, ids)) => {
                let (ids, rest) = ids.as_chunks::<8>();
                let ids: Vec<u64> = ids.iter().map(|id| u64::from_le_bytes(*id)).collect();
                let last = ids.len() < SEEN_PER_PAGE;
                if rest.is_empty() { Ok((ids, last)) } else { Err(odd("odd length")) }
            }
            // Written by the version before, of a run that goes on in this one.
            Some((1, entries)) => {
                let (entries, rest) = entries.as_chunks::<9>();
                let main = |entry: &&[u8; 9]| [WAREHOUSE, PRODUCT, CATEGORY].contains(&entry[0]);
                let id = |[_, id @ ..]: &[u8; 9]| u64::from_le_bytes(*id);
                let ids = entries.iter().filter(main).map(id).collect();
                if rest.is_empty() { Ok((ids, entries.is_empty())) } else { Err(odd("odd length")) }
            }
            _ => Err(odd("unknown form")),
        }
    }

    /// All ids that the chunk saw.
    pub async fn all_seen(&self, cost: &mut Cost) -> Result<Vec<u64>, PortError> {
        let mut seen = Vec::new();
        for number in 0.. {
            let (ids, last) = self.seen(number, cost).await?;
            seen.extend(ids);
            if last {
                break;
            }
        }
        Ok(seen)
    }

    /// Writes the rows of a run's stock that differ; returns the number of pages.
    pub async fn put_drift(&self, rows: &[DriftRow], cost: &mut Cost) -> Result<u32, PortError> {
        let mut pages = 0;
        for rows in rows.chunks(DRIFT_PER_PAGE) {
            let bytes = serde_json::to_vec(rows).map_err(|e| malformed("drift", e))?;
            self.put(PageKind::Drift, pages, bytes, false, cost).await?;
            pages += 1;
        }
        Ok(pages)
    }

    /// Reads them back, from as many pages.
    pub async fn drift(&self, pages: u32, cost: &mut Cost) -> Result<Vec<DriftRow>, PortError> {
        let mut rows = Vec::new();
        for number in 0..pages {
            let bytes = self.expect(PageKind::Drift, number, cost).await?;
            let page: Vec<DriftRow> = serde_json::from_slice(&bytes).map_err(|e| malformed("drift", e))?;
            rows.extend(page);
        }
        Ok(rows)
    }

    /// Keeps how far a step came, in place of what an earlier one kept.
    pub async fn put_checkpoint<T: Serialize>(
        &self,
        phase: Phase,
        content: &T,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let bytes = serde_json::to_vec(content).map_err(|e| malformed("checkpoint", e))?;
        self.put(PageKind::Checkpoint, phase as u32, bytes, false, cost).await
    }

    /// How far an earlier step came; none where none had to stop.
    pub async fn checkpoint<T: serde::de::DeserializeOwned>(
        &self,
        phase: Phase,
        cost: &mut Cost,
    ) -> Result<Option<T>, PortError> {
        let Some(bytes) = self.get(PageKind::Checkpoint, phase as u32, cost).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| malformed("checkpoint", e))
    }

    /// Writes source records that cannot be read again as a file.
    pub async fn put_source<T: Serialize>(&self, content: &T, cost: &mut Cost) -> Result<(), PortError> {
        let bytes = serde_json::to_vec(content).map_err(|e| malformed("source page", e))?;
        self.put_segments(PageKind::Source, 0, &bytes, cost).await
    }

    /// Reads them back; none where they were never written.
    pub async fn source<T: serde::de::DeserializeOwned>(
        &self,
        cost: &mut Cost,
    ) -> Result<Option<T>, PortError> {
        let Some(bytes) = self.segments(PageKind::Source, 0, cost).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| malformed("source page", e))
    }

    /// Writes the before-images of one batch, unless an earlier attempt has done so.
    pub async fn put_journal(
        &self,
        batch: u32,
        entries: &[JournalEntry],
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let bytes = serde_json::to_vec(entries).map_err(|e| malformed("journal", e))?;
        self.put_segments(PageKind::Journal, batch, &bytes, cost).await
    }

    /// The before-images of one batch; none where they were never written.
    pub async fn journal(&self, batch: u32, cost: &mut Cost) -> Result<Option<Vec<JournalEntry>>, PortError> {
        let Some(bytes) = self.segments(PageKind::Journal, batch, cost).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| malformed("journal", e))
    }

    /// How many batches have before-images. The chunk's receipt may be missing, where its run broke off in the middle, so
    /// they are looked for: there is one of each number up to the last.
    pub async fn batches(&self, cost: &mut Cost) -> Result<u64, PortError> {
        let mut is_there = async |batch: u32| {
            Ok::<_, PortError>(self.get(PageKind::Journal, batch * SEGMENTS_PER_BATCH, cost).await?.is_some())
        };
        let (mut none_from, mut below) = (1, 0);
        while is_there(none_from - 1).await? {
            (below, none_from) = (none_from, none_from * 2);
        }
        // Those below `below` are there, the one before `none_from` is not.
        while below + 1 < none_from {
            let middle = below.midpoint(none_from);
            if is_there(middle - 1).await? { below = middle } else { none_from = middle }
        }
        Ok(u64::from(below))
    }

    /// Writes what an undo decided about one batch, unless an earlier attempt has done so.
    pub async fn put_decisions<T: Serialize>(
        &self,
        batch: u32,
        decisions: &[T],
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let bytes = serde_json::to_vec(decisions).map_err(|e| malformed("decisions", e))?;
        self.put_segments(PageKind::Plan, batch, &bytes, cost).await
    }

    /// What an undo decided about one batch; none where it has not yet.
    pub async fn decisions<T: serde::de::DeserializeOwned>(
        &self,
        batch: u32,
        cost: &mut Cost,
    ) -> Result<Option<Vec<T>>, PortError> {
        let Some(bytes) = self.segments(PageKind::Plan, batch, cost).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| malformed("decisions", e))
    }

    /// Segments 1.. first, segment 0 with number and checksum last and only once: what an attempt left unfinished is
    /// overwritten, what it finished stays.
    async fn put_segments(
        &self,
        kind: PageKind,
        batch: u32,
        bytes: &[u8],
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let first = batch * SEGMENTS_PER_BATCH;
        let mut segments = bytes.chunks(SEGMENT_BYTES);
        let head = segments.next().unwrap_or_default();
        let rest: Vec<&[u8]> = segments.collect();
        if rest.len() as u32 >= SEGMENTS_PER_BATCH {
            return Err(malformed("page of a run", "too large"));
        }
        for (at, segment) in rest.iter().enumerate().rev() {
            self.put(kind, first + at as u32 + 1, segment.to_vec(), false, cost).await?;
        }
        let mut page = Vec::with_capacity(head.len() + 12);
        page.extend_from_slice(&(rest.len() as u32).to_le_bytes());
        page.extend_from_slice(&xxh3_64(bytes).to_le_bytes());
        page.extend_from_slice(head);
        self.put(kind, first, page, true, cost).await
    }

    async fn segments(
        &self,
        kind: PageKind,
        batch: u32,
        cost: &mut Cost,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let first = batch * SEGMENTS_PER_BATCH;
        let Some(page) = self.get(kind, first, cost).await? else { return Ok(None) };
        let (Some(rest), Some(sum), Some(head)) =
            (page.first_chunk::<4>(), page.get(4..12).and_then(|b| b.first_chunk::<8>()), page.get(12..))
        else {
            return Err(malformed("page of a run", "too short"));
        };
        let mut bytes = head.to_vec();
        for at in 1..=u32::from_le_bytes(*rest) {
            bytes.extend_from_slice(&self.expect(kind, first + at, cost).await?);
        }
        if xxh3_64(&bytes) != u64::from_le_bytes(*sum) {
            return Err(malformed("page of a run", "the checksum does not match"));
        }
        Ok(Some(bytes))
    }
}

/// Segments that one batch may take: 16 MB in all.
const SEGMENTS_PER_BATCH: u32 = 64;

/// The bytes that the first form of pages of seen ids had for the kinds that can go missing.
const WAREHOUSE: u8 = 0;
const PRODUCT: u8 = 1;
const CATEGORY: u8 = 4;

/// Collects the ids that a chunk saw and writes a page whenever one is full. Where pages are cut depends on the ids
/// alone, so an attempt that stopped half way and one that did not write the same.
pub(crate) struct SeenWriter<'a> {
    chunk: Chunk<'a>,
    waiting: SeenWaiting,
}

/// What a writer of seen ids has not written yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SeenWaiting {
    ids: Vec<u64>,
    pages: u32,
}

impl<'a> SeenWriter<'a> {
    pub fn new(chunk: Chunk<'a>, waiting: SeenWaiting) -> Self {
        Self { chunk, waiting }
    }

    pub async fn push(&mut self, id: u64, cost: &mut Cost) -> Result<(), PortError> {
        self.waiting.ids.push(id);
        if self.waiting.ids.len() == SEEN_PER_PAGE { self.flush(cost).await } else { Ok(()) }
    }

    async fn flush(&mut self, cost: &mut Cost) -> Result<(), PortError> {
        let mut bytes = Vec::with_capacity(self.waiting.ids.len() * 8 + 1);
        bytes.push(SEEN_FORM);
        for id in self.waiting.ids.drain(..) {
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        self.chunk.put(PageKind::Seen, self.waiting.pages, bytes, false, cost).await?;
        self.waiting.pages += 1;
        Ok(())
    }

    /// What is not written yet, for whoever goes on.
    pub fn pause(self) -> SeenWaiting {
        self.waiting
    }

    /// Writes what is left. The last page is the one that is not full.
    pub async fn finish(mut self, cost: &mut Cost) -> Result<(), PortError> {
        self.flush(cost).await
    }
}

/// Collects entries and writes a page whenever one is full.
pub(crate) struct EntryWriter<'a> {
    chunk: Chunk<'a>,
    kind: PageKind,
    waiting: Waiting,
}

/// What a writer of entries has not written yet, and the pages it has. Where pages are cut depends on the entries
/// alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Waiting {
    text: String,
    span: Option<PageSpan>,
    pages: Vec<PageSpan>,
}

impl<'a> EntryWriter<'a> {
    pub fn new(chunk: Chunk<'a>, kind: PageKind, waiting: Waiting) -> Self {
        Self { chunk, kind, waiting }
    }

    /// Adds an entry. One with very many differences is written in parts, each an entry with its share of them: 2,048
    /// variants with a few changed fields each are more than a page holds.
    pub async fn push(&mut self, entry: &PlanEntry, cost: &mut Cost) -> Result<(), PortError> {
        let line = serde_json::to_string(entry).map_err(|e| malformed("plan entry", e))?;
        if line.len() > PART_BYTES && entry.diff.len() > 1 {
            let (first, rest) = entry.diff.split_at(entry.diff.len() / 2);
            for part in [first, rest] {
                Box::pin(self.push(&PlanEntry { diff: part.to_vec(), ..entry.clone() }, cost)).await?;
            }
            return Ok(());
        }
        let Waiting { text, span, .. } = &mut self.waiting;
        text.push_str(&line);
        text.push('\n');
        let id = entry.external_id;
        let span = span.get_or_insert(PageSpan { first: id, last: id, entries: 0, number: None });
        span.first = span.first.min(id);
        span.last = span.last.max(id);
        span.entries += 1;
        if text.len() >= PLAN_PAGE_BYTES { self.flush(cost).await } else { Ok(()) }
    }

    async fn flush(&mut self, cost: &mut Cost) -> Result<(), PortError> {
        if let Some(mut span) = self.waiting.span.take() {
            let bytes = std::mem::take(&mut self.waiting.text).into_bytes();
            let mut number = self.waiting.pages.len() as u32;
            if self.kind == PageKind::Plan {
                // Under a number of its content: an attempt that stood still and wakes up when the plan has been carried
                // out decides otherwise, and must not overwrite what its receipt, which comes too late, does not name.
                number = xxh3_64_with_seed(&bytes, u64::from(number)) as u32;
                span.number = Some(number);
            }
            self.chunk.put(self.kind, number, bytes, false, cost).await?;
            self.waiting.pages.push(span);
        }
        Ok(())
    }

    /// What is not written yet, for whoever goes on.
    pub fn pause(self) -> Waiting {
        self.waiting
    }

    /// Writes what is left and returns the spans of all pages.
    pub async fn finish(mut self, cost: &mut Cost) -> Result<Vec<PageSpan>, PortError> {
        self.flush(cost).await?;
        Ok(self.waiting.pages)
    }
}

/// One record as it was before a run wrote it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JournalEntry {
    #[serde(rename = "k")]
    pub kind: Kind,
    #[serde(rename = "x")]
    pub external_id: u64,
    /// None where there was no record.
    #[serde(rename = "b")]
    pub before: Option<BeforeImage>,
    /// Its number here, where it was made here.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    local: Option<u64>,
    /// Whether it was linked to no shop.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    unlinked: bool,
    /// The record whose place it took.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    replaced: Option<BeforeImage>,
}

/// The stored form of a record, within a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BeforeImage {
    #[serde(rename = "v")]
    version: u64,
    #[serde(rename = "r")]
    written_run: RunId,
    #[serde(rename = "s")]
    standing: Standing,
    #[serde(rename = "d")]
    digest: Digest,
    #[serde(rename = "m")]
    mapper: u32,
    /// Hexadecimal.
    #[serde(rename = "b")]
    base: String,
    #[serde(rename = "c")]
    content: Box<serde_json::value::RawValue>,
}

impl JournalEntry {
    pub fn new(
        key: &RecordKey,
        before: Option<&StoredRecord>,
        replaced: Option<&StoredRecord>,
    ) -> Result<Self, PortError> {
        let image = |stored: &StoredRecord| -> Result<BeforeImage, PortError> {
            let content = stored.record.to_stored_json().map_err(|e| malformed("record", e))?;
            let content = String::from_utf8(content).map_err(|e| malformed("record", e))?;
            Ok(BeforeImage {
                version: stored.version,
                written_run: stored.written_run.clone(),
                standing: stored.standing.clone(),
                digest: stored.digest,
                mapper: stored.mapper,
                base: hex::encode(stored.base.to_bytes()),
                content: serde_json::value::RawValue::from_string(content)
                    .map_err(|e| malformed("record", e))?,
            })
        };
        let unlinked = before.is_some_and(|stored| stored.key.source.is_local());
        let number =
            |stored: &StoredRecord| if unlinked { Some(stored.key.external_id) } else { stored.local };
        Ok(Self {
            kind: key.kind,
            external_id: key.external_id,
            before: before.map(image).transpose()?,
            local: before.and_then(number),
            unlinked,
            replaced: replaced.map(image).transpose()?,
        })
    }

    fn key(&self, source: Source) -> RecordKey {
        RecordKey { source, kind: self.kind, external_id: self.external_id }
    }

    /// The key under which the record stands, whether or not it is linked.
    pub fn place(&self, source: Source) -> RecordKey {
        self.local.map_or(self.key(source), |number| RecordKey::local(source.provider, self.kind, number))
    }

    /// Its number here, where it was made here.
    pub fn local(&self) -> Option<u64> {
        self.local
    }

    /// The record as it was; none where there was none.
    pub fn stored(&self, source: Source) -> Result<Option<StoredRecord>, PortError> {
        let key = if self.unlinked { self.place(source) } else { self.key(source) };
        let local = self.local.filter(|_| !self.unlinked);
        self.before.as_ref().map(|image| image.stored(key, local)).transpose()
    }

    /// The record whose place it took, as that was.
    pub fn replaced(&self, source: Source) -> Result<Option<StoredRecord>, PortError> {
        self.replaced.as_ref().map(|image| image.stored(self.key(source), None)).transpose()
    }
}

impl BeforeImage {
    fn stored(&self, key: RecordKey, local: Option<u64>) -> Result<StoredRecord, PortError> {
        let base = hex::decode(&self.base).ok().and_then(|bytes| Base::from_bytes(&bytes));
        Ok(StoredRecord {
            key,
            local,
            version: self.version,
            written_run: self.written_run.clone(),
            standing: self.standing.clone(),
            digest: self.digest,
            base: base.ok_or_else(|| malformed("journal", "odd base"))?,
            mapper: self.mapper,
            record: Record::from_stored_json(key.kind, self.content.get().as_bytes())
                .map_err(|e| malformed("journal", e))?,
        })
    }
}
