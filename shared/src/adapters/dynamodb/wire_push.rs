//! The stored forms of runs of pushes and of what began them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::units::Item;
use super::wire::{Reader, item, n, s, to_json};
use crate::domain::ids::{InstallId, ProviderId, RunId, ShopId, StoreId};
use crate::domain::push::ledger::{RowError, Tally};
use crate::domain::push::run::{Counts, PushKind, PushRun, PushState, RunLease, Safety};
use crate::domain::push::target::Stream;
use crate::ports::PortError;
use crate::ports::push_store::Once;

const V: u32 = 1;
/// Life of a run, of its lines and of what is known of a key.
pub const RUN_DAYS: i64 = 400;
/// Life of the name of a request.
const NAME_DAYS: i64 = 30;
/// Seconds of a day.
pub const DAY: i64 = 24 * 60 * 60;

#[derive(Serialize, Deserialize)]
struct PushRunV1 {
    kind: PushKind,
    state: PushState,
    stream: Stream,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of_run: Option<RunId>,
    rows_of: RunId,
    mapping: u32,
    shop: ShopId,
    install: InstallId,
    pages: u32,
    next_page: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<u32, Counts>,
    idle_rounds: u32,
    tally: Tally,
    deleting: u64,
    points: u64,
    safety: Safety,
    send_in_doubt: bool,
    cancel_requested: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<RowError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<RowError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<RunLease>,
    fence: u64,
    asked_by: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The changing part of a run, as JSON.
pub fn run_doc(run: &PushRun) -> Result<String, PortError> {
    let run = run.clone();
    let record = PushRunV1 {
        kind: run.kind,
        state: run.state,
        stream: run.stream,
        of_run: run.of_run,
        rows_of: run.rows_of,
        mapping: run.mapping,
        shop: run.shop,
        install: run.install,
        pages: run.pages,
        next_page: run.next_page,
        open: run.open,
        idle_rounds: run.idle_rounds,
        tally: run.tally,
        deleting: run.deleting,
        points: run.points,
        safety: run.safety,
        send_in_doubt: run.send_in_doubt,
        cancel_requested: run.cancel_requested,
        stopped: run.stopped,
        waiting: run.waiting,
        lease: run.lease,
        fence: run.fence,
        asked_by: run.asked_by,
        created_at: run.created_at,
        updated_at: run.updated_at,
    };
    to_json("push", &record)
}

/// A run.
pub fn run_item(run: &PushRun) -> Result<Item, PortError> {
    let mut stored = item(&keys::run(&run.store, run.provider, &run.id), V);
    stored.insert("rev".to_owned(), n(run.revision));
    stored.insert("run".to_owned(), s(run.id.as_str()));
    stored.insert("doc".to_owned(), s(run_doc(run)?));
    stored.insert("expires_at".to_owned(), n(run.created_at.as_second() + RUN_DAYS * DAY));
    Ok(stored)
}

/// Reads a run.
pub fn read_run(store: &StoreId, provider: ProviderId, item: &Item) -> Result<PushRun, PortError> {
    let read = Reader::new("push", item, 1..=u64::from(V))?;
    let record: PushRunV1 = read.json("doc")?;
    Ok(PushRun {
        store: store.clone(),
        provider,
        id: read.parsed("run", RunId::parse)?,
        revision: read.number("rev")?,
        kind: record.kind,
        state: record.state,
        stream: record.stream,
        of_run: record.of_run,
        rows_of: record.rows_of,
        mapping: record.mapping,
        shop: record.shop,
        install: record.install,
        pages: record.pages,
        next_page: record.next_page,
        open: record.open,
        idle_rounds: record.idle_rounds,
        tally: record.tally,
        deleting: record.deleting,
        points: record.points,
        safety: record.safety,
        send_in_doubt: record.send_in_doubt,
        cancel_requested: record.cancel_requested,
        stopped: record.stopped,
        waiting: record.waiting,
        lease: record.lease,
        fence: record.fence,
        asked_by: record.asked_by,
        created_at: record.created_at,
        updated_at: record.updated_at,
    })
}

/// What the name of a request began.
pub fn once_item(run: &PushRun, once: &Once) -> Item {
    let mut name = item(&keys::idempotency(&run.store, run.provider, &once.key), V);
    name.insert("run".to_owned(), s(run.id.as_str()));
    name.insert("body".to_owned(), s(&once.body));
    name.insert("expires_at".to_owned(), n(run.created_at.as_second() + NAME_DAYS * DAY));
    name
}

/// Reads what a name began, and the fingerprint it came with.
pub fn read_once(item: &Item) -> Result<(RunId, String), PortError> {
    let read = Reader::new("name of a request", item, 1..=u64::from(V))?;
    Ok((read.parsed("run", RunId::parse)?, read.text("body")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::push::run::OnDrift;

    const GOLDEN: &str = r#"{"kind":"write","state":"running","stream":"products",
        "rows_of":"run_00000000000000000000000000000002","mapping":3,"shop":7,
        "install":"ins_00000000000000000000000000000001","pages":4,"next_page":2,
        "open":{"1":{"created":1,"updated":2,"unchanged":3,"skipped":0,"failed":1}},"idle_rounds":0,
        "tally":{"received":1700,"created":1,"updated":2,"unchanged":3,"skipped":0,"failed":1,"pending":1693},
        "deleting":0,"points":12345,"safety":{"stop_after_failed_percent":10,"delete_guard_percent":2,
        "on_drift":"fail","undo_days":30},"send_in_doubt":false,"cancel_requested":false,
        "lease":{"fence":9,"until":"2026-09-21T14:14:20Z"},"fence":9,"asked_by":"someone",
        "created_at":"2026-09-21T14:13:20Z","updated_at":"2026-09-21T14:13:21Z"}"#;

    fn stored(doc: &str) -> Item {
        let store = StoreId::for_test("s1").unwrap();
        let run = RunId::parse("run_00000000000000000000000000000002").unwrap();
        let mut stored = item(&keys::run(&store, ProviderId::Shopify, &run), 1);
        stored.insert("rev".to_owned(), n(4));
        stored.insert("run".to_owned(), s(run.as_str()));
        stored.insert("doc".to_owned(), s(doc));
        stored
    }

    /// Items of this form are in the table while a release is rolled out, and for as long as they live.
    #[test]
    fn a_run_of_the_first_version_still_reads() {
        let store = StoreId::for_test("s1").unwrap();
        let run = read_run(&store, ProviderId::Shopify, &stored(GOLDEN)).unwrap();
        assert_eq!((run.revision, run.state, run.next_page), (4, PushState::Running, 2));
        assert_eq!((run.tally.received(), run.open[&1].unchanged), (1_700, 3));
        assert_eq!((run.safety.on_drift, run.lease.map(|lease| lease.fence)), (OnDrift::Fail, Some(9)));
        let again = read_run(&store, ProviderId::Shopify, &run_item(&run).unwrap()).unwrap();
        assert_eq!(again, run);
    }

    #[test]
    fn a_run_of_a_later_form_is_refused() {
        let store = StoreId::for_test("s1").unwrap();
        let mut later = stored(GOLDEN);
        later.insert("v".to_owned(), n(2));
        let read = read_run(&store, ProviderId::Shopify, &later);
        assert!(matches!(read, Err(PortError::Malformed { what: "push", .. })), "{read:?}");
        assert!(read_once(&later).is_err());
    }
}
