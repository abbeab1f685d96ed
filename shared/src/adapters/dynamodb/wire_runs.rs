//! The stored forms of runs, receipts and pages.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::units::Item;
use super::wire::{Reader, b, from_json, item, n, s, to_json};
use crate::domain::changes::Changes;
use crate::domain::decision::Decisions;
use crate::domain::drift::{DriftVerdict, StockSides};
use crate::domain::ids::{InstallId, ProviderId, RunId, ShopDomain, StoreId};
use crate::domain::media::Copying;
use crate::domain::options::{MassMissing, RunOptions};
use crate::domain::plan::{CodeCounts, Counts};
use crate::domain::record::{Resource, Source};
use crate::domain::run::{
    ChunkId, Cost, Failure, Feed, FeedProgress, PageSpan, Phase, Receipt, Run, RunKind, RunState, Wanted,
};
use crate::domain::scopes::Scopes;
use crate::ports::PortError;
use crate::ports::runs::{ActiveRun, PageKey};

const V: u32 = 1;
/// Life of a header and of what its idempotency key points to.
const HEADER_DAYS: i64 = 400;
/// Life of receipts and pages.
const PAGE_DAYS: i64 = 30;
const DAY: i64 = 24 * 60 * 60;
/// The largest page taken.
pub const LARGEST_PAGE: usize = 300 * 1024;

#[derive(Serialize, Deserialize)]
struct RunRecordV1 {
    kind: RunKind,
    state: RunState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of_run: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_preview: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undone_by: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<u64>,
    source: Source,
    shop_domain: ShopDomain,
    install: InstallId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    wanted: BTreeSet<Wanted>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    blocked: BTreeMap<Wanted, String>,
    #[serde(default)]
    options: RunOptions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mass_missing: Option<MassMissing>,
    #[serde(default, skip_serializing_if = "Decisions::is_empty")]
    decisions: Decisions,
    requested_by: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    cancel_requested: bool,
    feeds: BTreeMap<Feed, FeedProgress>,
    generation: u32,
    stage: u32,
    handed_off: bool,
    poll_hop: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    woken_at: Option<Timestamp>,
    state_since: Timestamp,
    announced: BTreeMap<Resource, u64>,
    counts: Counts,
    #[serde(default)]
    not_applied: Counts,
    warnings: CodeCounts,
    cost: Cost,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drift: Option<DriftVerdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    copying: Option<Copying>,
}

/// The changing part of a header, as JSON.
pub fn run_doc(run: &Run) -> Result<String, PortError> {
    let run = run.clone();
    let record = RunRecordV1 {
        kind: run.kind,
        state: run.state,
        of_run: run.of_run,
        from_preview: run.from_preview,
        undone_by: run.undone_by,
        asked: run.asked,
        source: run.source,
        shop_domain: run.shop_domain,
        install: run.install,
        currency: run.currency,
        wanted: run.wanted,
        blocked: run.blocked.into_iter().map(|(wanted, lacking)| (wanted, lacking.to_string())).collect(),
        options: run.options,
        mass_missing: run.mass_missing,
        decisions: run.decisions,
        requested_by: run.requested_by,
        created_at: run.created_at,
        updated_at: run.updated_at,
        finished_at: run.finished_at,
        cancel_requested: run.cancel_requested,
        feeds: run.feeds,
        generation: run.generation,
        stage: run.stage,
        handed_off: run.handed_off,
        poll_hop: run.poll_hop,
        woken_at: run.woken_at,
        state_since: run.state_since,
        announced: run.announced,
        counts: run.counts,
        not_applied: run.not_applied,
        warnings: run.warnings,
        cost: run.cost,
        drift: run.drift,
        failure: run.failure,
        copying: run.copying,
    };
    to_json("run", &record)
}

/// A header.
pub fn run_item(run: &Run, revision: u64) -> Result<Item, PortError> {
    let mut header = item(&keys::run(&run.store, run.provider, &run.id), V);
    header.insert("rev".to_owned(), n(revision));
    header.insert("run".to_owned(), s(run.id.as_str()));
    header.insert("doc".to_owned(), s(run_doc(run)?));
    header.insert("expires_at".to_owned(), n(run.created_at.as_second() + HEADER_DAYS * DAY));
    Ok(header)
}

/// Reads a header.
pub fn read_run(store: &StoreId, provider: ProviderId, item: &Item) -> Result<Run, PortError> {
    let read = Reader::new("run", item, 1..=u64::from(V))?;
    let id = read.parsed("run", RunId::parse)?;
    let record: RunRecordV1 = read.json("doc")?;
    Ok(Run {
        store: store.clone(),
        provider,
        id,
        revision: read.number("rev")?,
        kind: record.kind,
        state: record.state,
        of_run: record.of_run,
        from_preview: record.from_preview,
        undone_by: record.undone_by,
        asked: record.asked,
        source: record.source,
        shop_domain: record.shop_domain,
        install: record.install,
        currency: record.currency,
        wanted: record.wanted,
        blocked: record
            .blocked
            .into_iter()
            .map(|(wanted, lacking)| (wanted, Scopes::parse(&lacking)))
            .collect(),
        options: record.options,
        mass_missing: record.mass_missing,
        decisions: record.decisions,
        requested_by: record.requested_by,
        created_at: record.created_at,
        updated_at: record.updated_at,
        finished_at: record.finished_at,
        cancel_requested: record.cancel_requested,
        feeds: record.feeds,
        generation: record.generation,
        stage: record.stage,
        handed_off: record.handed_off,
        poll_hop: record.poll_hop,
        woken_at: record.woken_at,
        state_since: record.state_since,
        announced: record.announced,
        counts: record.counts,
        not_applied: record.not_applied,
        warnings: record.warnings,
        cost: record.cost,
        drift: record.drift,
        failure: record.failure,
        copying: record.copying,
    })
}

/// An item that does nothing but name a run: the lock, or what an idempotency key began.
pub fn pointer_item(key: &keys::Key, run: &Run) -> Item {
    let mut pointer = item(key, V);
    pointer.insert("run".to_owned(), s(run.id.as_str()));
    pointer
}

/// The lock that a run holds, with its place among those that are held.
pub fn lock_item(run: &Run) -> Item {
    let mut lock = pointer_item(&keys::lock(&run.store, run.provider), run);
    let place = keys::active(&run.store, &run.id, run.created_at);
    lock.insert("gpk".to_owned(), s(place.pk));
    lock.insert("gsk".to_owned(), s(place.sk));
    lock
}

/// Reads a run that holds its lock off the keys of an item in the index, and its place there.
pub fn read_active(item: &Item) -> Result<(String, ActiveRun), PortError> {
    let read = Reader::keys_only("lock", item);
    let odd = || read.malformed("its keys are not of the known form");
    let mut owner = read.text("pk")?.split('#').skip(1);
    let store = owner.next().and_then(|text| StoreId::from_stored(text).ok());
    let provider = owner.next().and_then(|text| ProviderId::parse(text).ok());
    let place = read.text("gsk")?;
    let run = place.split_once('#').and_then(|(_, run)| RunId::parse(run).ok());
    let active = ActiveRun {
        store: store.ok_or_else(odd)?,
        provider: provider.ok_or_else(odd)?,
        run: run.ok_or_else(odd)?,
    };
    Ok((place.to_owned(), active))
}

/// The item of an idempotency key; it expires, the lock does not.
pub fn idempotency_item(run: &Run, key: &str) -> Item {
    let mut pointer = pointer_item(&keys::idempotency(&run.store, run.provider, key), run);
    pointer.insert("expires_at".to_owned(), n(run.created_at.as_second() + PAGE_DAYS * DAY));
    pointer
}

/// Reads the run that a pointer names.
pub fn read_pointer(item: &Item) -> Result<RunId, PortError> {
    Reader::new("pointer to a run", item, 1..=u64::from(V))?.parsed("run", RunId::parse)
}

#[derive(Serialize, Deserialize)]
struct ReceiptV1 {
    phase: Phase,
    generation: u32,
    chunk: ChunkId,
    lines: u64,
    roots: u64,
    orphans: u64,
    whole: bool,
    skipped: bool,
    counts: Counts,
    warnings: CodeCounts,
    cost: Cost,
    pages: Vec<PageSpan>,
    result_pages: u32,
    journal_pages: u32,
    #[serde(default, skip_serializing_if = "StockSides::is_empty")]
    stock: StockSides,
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    changes: Changes,
}

/// A receipt.
pub fn receipt_item(
    store: &StoreId,
    run: &RunId,
    receipt: &Receipt,
    now: Timestamp,
) -> Result<Item, PortError> {
    let Receipt { phase, generation, chunk, .. } = *receipt;
    let mut stored = item(&keys::receipt(store, run, phase, generation, chunk), V);
    let receipt = receipt.clone();
    let record = ReceiptV1 {
        phase,
        generation,
        chunk,
        lines: receipt.lines,
        roots: receipt.roots,
        orphans: receipt.orphans,
        whole: receipt.whole,
        skipped: receipt.skipped,
        counts: receipt.counts,
        warnings: receipt.warnings,
        cost: receipt.cost,
        pages: receipt.pages,
        result_pages: receipt.result_pages,
        journal_pages: receipt.journal_pages,
        stock: receipt.stock,
        changes: receipt.changes,
    };
    stored.insert("doc".to_owned(), s(to_json("receipt", &record)?));
    stored.insert("expires_at".to_owned(), n(now.as_second() + PAGE_DAYS * DAY));
    Ok(stored)
}

/// Reads a receipt.
pub fn read_receipt(item: &Item) -> Result<Receipt, PortError> {
    let read = Reader::new("receipt", item, 1..=u64::from(V))?;
    let record: ReceiptV1 = from_json("receipt", read.text("doc")?.as_bytes())?;
    Ok(Receipt {
        phase: record.phase,
        generation: record.generation,
        chunk: record.chunk,
        lines: record.lines,
        roots: record.roots,
        orphans: record.orphans,
        whole: record.whole,
        skipped: record.skipped,
        counts: record.counts,
        warnings: record.warnings,
        cost: record.cost,
        pages: record.pages,
        result_pages: record.result_pages,
        journal_pages: record.journal_pages,
        stock: record.stock,
        changes: record.changes,
    })
}

/// A page.
pub fn page_item(store: &StoreId, key: &PageKey, bytes: Vec<u8>, now: Timestamp) -> Result<Item, PortError> {
    if bytes.len() > LARGEST_PAGE {
        let why = format!("{} bytes are more than the {LARGEST_PAGE} of a page", bytes.len());
        return Err(PortError::Malformed { what: "page of a run", why });
    }
    let mut page = item(&keys::page(store, key), V);
    page.insert("b".to_owned(), b(bytes));
    page.insert("expires_at".to_owned(), n(now.as_second() + PAGE_DAYS * DAY));
    Ok(page)
}

/// Reads a page.
pub fn read_page(item: &Item) -> Result<Vec<u8>, PortError> {
    Ok(Reader::new("page of a run", item, 1..=u64::from(V))?.bytes("b")?.to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const GOLDEN_RUN: &str = r#"{"kind":"import","state":"applying","source":{"provider":"shopify","shop_id":7},
        "shop_domain":"acme.myshopify.com","install":"ins_00000000000000000000000000000001","currency":"EUR",
        "wanted":["warehouses","products"],"requested_by":"someone","created_at":"2026-09-21T14:13:20Z",
        "updated_at":"2026-09-21T14:13:21Z","cancel_requested":false,"feeds":{"products":{"handle":"gid://b/1",
        "attempt":1,"objects":5,"roots":2,"moved_at":"2026-09-21T14:13:20Z","ready":true,
        "file":{"url":"https://files.example/1","size":9},"chunks":1,"joined":false}},"generation":0,"stage":1,
        "handed_off":true,"poll_hop":3,"state_since":"2026-09-21T14:13:20Z","announced":{"products":2},
        "counts":{"products":{"created":2}},"warnings":{"MED_NOT_READY":1},
        "cost":{"catalogue_writes":2,"write_units":40,"read_units":1.5}}"#;

    const GOLDEN_RECEIPT: &str = r#"{"phase":"apply","generation":0,"chunk":{"feed":"products","index":3},"lines":9,
        "roots":3,"orphans":0,"whole":true,"skipped":false,"counts":{"products":{"updated":3}},"warnings":{},
        "cost":{"catalogue_writes":3,"write_units":9,"read_units":0.5},
        "pages":[{"first":1,"last":5,"entries":3}],"result_pages":0,"journal_pages":1}"#;

    fn stored(doc: &str) -> Item {
        HashMap::from([
            ("pk".to_owned(), s("S#s1#shopify")),
            ("sk".to_owned(), s("RUN#run_00000000000000000000000000000002")),
            ("v".to_owned(), n(1)),
            ("rev".to_owned(), n(4)),
            ("run".to_owned(), s("run_00000000000000000000000000000002")),
            ("doc".to_owned(), s(doc)),
        ])
    }

    /// Items of this form are in the table while a release is rolled out, and for as long as they live.
    #[test]
    fn items_of_the_first_version_still_read() {
        let store = StoreId::for_test("s1").unwrap();
        let run = read_run(&store, ProviderId::Shopify, &stored(GOLDEN_RUN)).unwrap();
        assert_eq!((run.revision, run.state, run.poll_hop), (4, RunState::Applying, 3));
        assert_eq!(run.feeds[&Feed::Products].file.as_ref().map(|file| file.size), Some(9));
        let again = read_run(&store, ProviderId::Shopify, &run_item(&run, 4).unwrap()).unwrap();
        assert_eq!(again, run);
        let receipt = read_receipt(&stored(GOLDEN_RECEIPT)).unwrap();
        assert_eq!((receipt.phase, receipt.chunk.index, receipt.journal_pages), (Phase::Apply, 3, 1));
    }

    #[test]
    fn an_item_of_a_later_form_is_refused() {
        let store = StoreId::for_test("s1").unwrap();
        let mut later = stored(GOLDEN_RUN);
        later.insert("v".to_owned(), n(2));
        assert!(matches!(
            read_run(&store, ProviderId::Shopify, &later),
            Err(PortError::Malformed { what: "run", .. })
        ));
        assert!(read_receipt(&later).is_err());
    }
}
