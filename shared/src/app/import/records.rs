//! The records of a run with their differences, page by page.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::pages::Chunk;
use super::requests::{Imports, bad_cursor};
use super::shown::{ShownPage, ShownRecord};
use crate::app::error::AppError;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::plan::{Outcome, PlanEntry};
use crate::domain::record::{Kind, RecordKey, Resource};
use crate::domain::run::{ChunkId, Cost, Receipt, Run, RunKind};
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::runs::PageKind;

/// Which records to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Only those of, or with a difference in, this resource.
    pub resource: Option<Resource>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those with this code.
    pub code: Option<Code>,
}

/// Pages that are read for one answer at most, so that a narrow filter cannot make an answer late.
const PAGES_PER_ANSWER: u32 = 20;

/// Where a listing goes on. Bound to its run: a cursor of another one is refused.
#[derive(Serialize, Deserialize)]
struct Cursor {
    run: RunId,
    chunk: u32,
    page: u32,
    entry: u32,
}

impl Imports {
    /// Records that the run decided about, in the order of its chunks. The unchanged are counted, not listed.
    pub async fn records(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
        filter: &RecordFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<ShownPage<ShownRecord>, AppError> {
        let mut at = Cursor { run: id.clone(), chunk: 0, page: 0, entry: 0 };
        if let Some(text) = cursor {
            at = read_cursor(text, id)?;
        }
        let run = self.load(store, provider, id).await?;
        let (planned, applied) = self.receipts(&run).await?;
        let listed = if run.kind == RunKind::Undo { &applied } else { &planned };
        let mut items = Vec::new();
        let mut pages_read = 0;
        while let Some(receipt) = listed.get(at.chunk as usize) {
            let pages =
                if run.kind == RunKind::Undo { receipt.result_pages } else { receipt.pages.len() as u32 };
            if at.page >= pages {
                at = Cursor { run: at.run, chunk: at.chunk + 1, page: 0, entry: 0 };
                continue;
            }
            if items.len() as u32 >= limit || pages_read >= PAGES_PER_ANSWER {
                return Ok(ShownPage { items, next_cursor: Some(write_cursor(&at)?) });
            }
            let done = applied.iter().find(|done| done.chunk == receipt.chunk);
            let entries = self.page(&run, receipt, done, at.page).await?;
            let carried_out = self.carried_out(&run, self.place(&run, receipt.chunk), done).await?;
            pages_read += 1;
            let skip = at.entry as usize;
            let total = entries.len();
            for (number, entry) in entries.into_iter().enumerate().skip(skip) {
                if items.len() as u32 >= limit {
                    at.entry = number as u32;
                    return Ok(ShownPage { items, next_cursor: Some(write_cursor(&at)?) });
                }
                let (kind, mut entry) = (entry.kind, entry);
                if run.kind == RunKind::Preview {
                    run.decisions.preview(&mut entry, |number| {
                        RecordKey::local(provider, kind, number).internal_id(store)
                    });
                }
                if filter.takes(&entry) {
                    let applied = carried_out.holds(entry.kind, entry.external_id);
                    items.push(ShownRecord::new(entry, store, run.source, applied));
                }
            }
            debug_assert!(total >= skip);
            (at.page, at.entry) = (at.page + 1, 0);
        }
        Ok(ShownPage { items, next_cursor: None })
    }

    /// One page of entries, with how those came out that came out otherwise than planned. The differences stay those of
    /// the plan: of an entry in parts, each part keeps its own.
    async fn page(
        &self,
        run: &Run,
        receipt: &Receipt,
        done: Option<&Receipt>,
        at: u32,
    ) -> Result<Vec<PlanEntry>, AppError> {
        let mut cost = Cost::default();
        let place = self.place(run, receipt.chunk);
        if run.kind == RunKind::Undo {
            return Ok(place.entries(PageKind::Result, at, &mut cost).await?);
        }
        let mut results: HashMap<(Kind, u64), PlanEntry> = HashMap::new();
        for page in 0..done.map_or(0, |done| done.result_pages) {
            for entry in place.entries(PageKind::Result, page, &mut cost).await? {
                results.insert((entry.kind, entry.external_id), entry);
            }
        }
        let number = receipt.page_numbers().get(at as usize).copied().unwrap_or(at);
        let mut entries = place.entries(PageKind::Plan, number, &mut cost).await?;
        for entry in &mut entries {
            if let Some(result) = results.get(&(entry.kind, entry.external_id)) {
                (entry.outcome, entry.codes) = (result.outcome, result.codes.clone());
            }
        }
        Ok(entries)
    }

    pub(super) fn place<'a>(&'a self, run: &'a Run, chunk: ChunkId) -> Chunk<'a> {
        Chunk { runs: self.runs.as_ref(), store: &run.store, run: &run.id, chunk, generation: run.generation }
    }
}

impl RecordFilter {
    fn takes(&self, entry: &PlanEntry) -> bool {
        let shape = entry.kind.shape();
        let of_resource = |resource: Resource| {
            let own = shape.counts_as == Some(resource);
            let child = shape.children.iter().any(|list| list.resource == resource);
            let whole = entry.diff.is_empty() && entry.outcome.writes();
            own || child && (whole || entry.diff.iter().any(|diff| diff.list == Some(resource)))
        };
        self.resource.is_none_or(of_resource)
            && self.outcome.is_none_or(|outcome| entry.outcome == outcome)
            && self.code.is_none_or(|code| entry.codes.contains(&code))
    }
}

fn write_cursor(cursor: &Cursor) -> Result<String, AppError> {
    Ok(hex::encode(serde_json::to_vec(cursor).map_err(AppError::bug)?))
}

fn read_cursor(text: &str, run: &RunId) -> Result<Cursor, AppError> {
    let cursor: Option<Cursor> = hex::decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    cursor
        .filter(|cursor| cursor.run == *run)
        .ok_or_else(|| bad_cursor(PortError::Malformed { what: "cursor", why: "of another list".to_owned() }))
}
