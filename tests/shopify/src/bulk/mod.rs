//! Bulk queries: started, polled, cancelled; their result files lie on disk.
//!
//! Rules from <https://shopify.dev/docs/api/usage/bulk-operations/queries>.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::faults::{Faults, Kind};
use crate::schema::ApiSchema;
use crate::shop::{ShopState, Snapshot, lock};

pub mod link;
mod rules;
mod writer;

/// At most so many bulk queries of one app run in one shop at once (from 2026-01).
pub const MAX_RUNNING: usize = 5;
/// Result links work for 7 days.
const LINK_SECONDS: i64 = 604_800;
/// Even the smallest operation keeps a client waiting a little.
const SHORTEST: Duration = Duration::from_millis(100);

/// State of a bulk operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Just made.
    Created,
    /// At work.
    Running,
    /// Done.
    Completed,
    /// Being cancelled.
    Canceling,
    /// Cancelled.
    Canceled,
    /// Failed.
    Failed,
}

impl Status {
    /// The value of Shopify's enum `BulkOperationStatus`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Canceling => "CANCELING",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
        }
    }
}

/// A bulk operation as it stands.
#[derive(Clone, Debug)]
pub struct BulkOperation {
    /// Numeric id.
    pub id: u64,
    /// State.
    pub status: Status,
    /// A value of `BulkOperationErrorCode`, when failed.
    pub error_code: Option<&'static str>,
    /// Lines written so far.
    pub object_count: u64,
    /// Lines without a parent so far.
    pub root_object_count: u64,
    /// Bytes, when completed.
    pub file_size: Option<u64>,
    /// Where the result is.
    pub url: Option<String>,
    /// Where what there is of a result is, when failed or cancelled.
    pub partial_data_url: Option<String>,
    /// The query as it was sent.
    pub query: String,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// How far the writer is.
#[derive(Debug, Default)]
struct Progress {
    lines: AtomicU64,
    roots: AtomicU64,
    cancelled: AtomicBool,
    outcome: Mutex<Option<Outcome>>,
}

/// How it ended.
#[derive(Clone, Debug)]
struct Outcome {
    error_code: Option<&'static str>,
    cancelled: bool,
    bytes: u64,
    at: Timestamp,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    client_id: String,
    query: String,
    created_at: Timestamp,
    ready_at: Instant,
    extra: u64,
    progress: Arc<Progress>,
    announced: bool,
}

/// An operation that has come to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Numeric id.
    pub id: u64,
    /// How it ended.
    pub status: Status,
    /// A value of `BulkOperationErrorCode`, when failed.
    pub error_code: Option<&'static str>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ended.
    pub completed_at: Timestamp,
}

/// The bulk operations of a shop.
#[derive(Debug, Default)]
pub struct BulkOperations {
    entries: BTreeMap<u64, Entry>,
}

/// What a bulk query needs to run on its own.
#[derive(Debug)]
pub struct Request<'r> {
    /// The schema of the version asked for.
    pub api: &'r Arc<ApiSchema>,
    /// That version.
    pub version: &'r str,
    /// The shop.
    pub state: &'r Arc<ShopState>,
    /// The shop's data at this moment.
    pub snapshot: &'r Arc<Snapshot>,
    /// The app.
    pub client_id: &'r str,
    /// Granted scopes, implied ones included.
    pub scopes: &'r BTreeSet<String>,
    /// Protected customer data the app has not been approved for.
    pub denied_data: &'r BTreeSet<String>,
    /// The query.
    pub query: &'r str,
    /// Children right after their parents?
    pub grouped: bool,
    /// Simulated time.
    pub now: Timestamp,
    /// The folder result files go to.
    pub folder: &'r Path,
    /// The key result links are signed with.
    pub key: &'r str,
}

/// What the writing thread owns.
#[derive(Debug)]
struct Job {
    api: Arc<ApiSchema>,
    version: String,
    state: Arc<ShopState>,
    snapshot: Arc<Snapshot>,
    client_id: String,
    scopes: BTreeSet<String>,
    denied_data: BTreeSet<String>,
    query: String,
    grouped: bool,
    now: Timestamp,
    started: Instant,
    path: PathBuf,
    faults: Faults,
    fails: bool,
    progress: Arc<Progress>,
}

/// The file of an operation below the folder of results.
#[must_use]
pub fn file(folder: &Path, label: &str, id: u64) -> PathBuf {
    folder.join(format!("{label}-{id}.jsonl"))
}

/// Starts a bulk query.
///
/// # Errors
/// A code of `BulkOperationUserErrorCode` and a message, when a rule is broken or too many are running.
pub fn start(request: &Request<'_>) -> Result<BulkOperation, (&'static str, String)> {
    rules::check(request.api, request.query).map_err(|message| ("INVALID", message))?;
    let label = &request.state.label;
    let mut faults = lock(&request.state.faults);
    let mut operations = lock(&request.state.bulk);
    let stalled = faults.bulk_stall;
    let alive = |entry: &&Entry| entry.client_id == request.client_id && entry.status(stalled).is_running();
    if operations.entries.values().filter(alive).count() >= MAX_RUNNING {
        let message =
            "A bulk query operation for this app and shop is already in progress: the limit is reached.";
        return Err(("LIMIT_REACHED", message.to_owned()));
    }
    let id = operations.entries.keys().next_back().copied().unwrap_or(3_100_000_000_000) + 1;
    let fails = faults.strikes(Kind::BulkFail);
    if fails {
        *lock(&request.state.calls).faults.entry("bulk_fail".to_owned()).or_default() += 1;
    }
    let progress = Arc::new(Progress::default());
    let entry = Entry {
        id,
        client_id: request.client_id.to_owned(),
        query: request.query.to_owned(),
        created_at: request.now,
        ready_at: Instant::now() + SHORTEST.max(Duration::from_millis(faults.bulk_slow_ms)),
        extra: faults.bulk_announce_extra,
        progress: Arc::clone(&progress),
        announced: false,
    };
    let job = Job {
        api: Arc::clone(request.api),
        version: request.version.to_owned(),
        state: Arc::clone(request.state),
        snapshot: Arc::clone(request.snapshot),
        client_id: request.client_id.to_owned(),
        scopes: request.scopes.clone(),
        denied_data: request.denied_data.clone(),
        query: request.query.to_owned(),
        grouped: request.grouped && !faults.bulk_ungrouped,
        now: request.now,
        started: Instant::now(),
        path: file(request.folder, label, id),
        faults: faults.clone(),
        fails,
        progress,
    };
    std::thread::Builder::new()
        .name(format!("bulk-{id}"))
        .spawn(move || writer::run(&job))
        .map_err(|problem| ("INVALID", format!("the simulator could not start a thread: {problem}")))?;
    let created = BulkOperation { status: Status::Created, ..entry.view(false, label, request.key) };
    operations.entries.insert(id, entry);
    lock(&request.state.calls).bulk_started += 1;
    Ok(BulkOperation {
        object_count: 0,
        root_object_count: 0,
        file_size: None,
        url: None,
        partial_data_url: None,
        completed_at: None,
        error_code: None,
        ..created
    })
}

impl Status {
    fn is_running(self) -> bool {
        matches!(self, Self::Created | Self::Running | Self::Canceling)
    }
}

impl BulkOperations {
    /// The operations of an app, oldest first.
    #[must_use]
    pub fn of_app(&self, client_id: &str, label: &str, stalled: bool, key: &str) -> Vec<BulkOperation> {
        let own = self.entries.values().filter(|entry| entry.client_id == client_id);
        own.map(|entry| entry.view(stalled, label, key)).collect()
    }

    /// Cancels an operation of an app; none if there is no such operation.
    pub fn cancel(&mut self, client_id: &str, id: u64, label: &str, key: &str) -> Option<BulkOperation> {
        let entry = self.entries.get(&id).filter(|entry| entry.client_id == client_id)?;
        if !entry.status(true).is_running() {
            return Some(entry.view(false, label, key));
        }
        entry.progress.cancelled.store(true, Ordering::Relaxed);
        Some(BulkOperation { status: Status::Canceling, ..entry.view(true, label, key) })
    }
}

impl BulkOperations {
    /// The operations that ended since the last time this was asked, with their apps.
    pub fn take_finished(&mut self, stalled: bool) -> Vec<(String, Finished)> {
        let mut finished = Vec::new();
        for entry in self.entries.values_mut().filter(|entry| !entry.announced) {
            let status = entry.status(stalled);
            let outcome = lock(&entry.progress.outcome).clone();
            if let (false, Some(outcome)) = (status.is_running(), outcome) {
                entry.announced = true;
                finished.push((
                    entry.client_id.clone(),
                    Finished {
                        id: entry.id,
                        status,
                        error_code: outcome.error_code.filter(|_| status == Status::Failed),
                        created_at: entry.created_at,
                        completed_at: outcome.at,
                    },
                ));
            }
        }
        finished
    }

    /// How long it takes until an operation whose result is written may end.
    #[must_use]
    pub fn next_finish(&self, stalled: bool) -> Option<Duration> {
        let open = self.entries.values().filter(|entry| !stalled && !entry.announced);
        let written = open.filter(|entry| lock(&entry.progress.outcome).is_some());
        written.map(|entry| entry.ready_at.saturating_duration_since(Instant::now())).min()
    }
}

impl Entry {
    fn status(&self, stalled: bool) -> Status {
        let outcome = lock(&self.progress.outcome).clone();
        if self.progress.cancelled.load(Ordering::Relaxed) {
            return if outcome.is_some() { Status::Canceled } else { Status::Canceling };
        }
        match outcome {
            Some(_) if stalled || Instant::now() < self.ready_at => Status::Running,
            None => Status::Running,
            Some(outcome) if outcome.cancelled => Status::Canceled,
            Some(outcome) if outcome.error_code.is_some() => Status::Failed,
            Some(_) => Status::Completed,
        }
    }

    fn view(&self, stalled: bool, label: &str, key: &str) -> BulkOperation {
        let status = self.status(stalled);
        let outcome = lock(&self.progress.outcome).clone().filter(|_| !status.is_running());
        let lines = self.progress.lines.load(Ordering::Relaxed);
        let link = |partial: bool| {
            let at = outcome.as_ref()?.at;
            let until = at.checked_add(SignedDuration::from_secs(LINK_SECONDS)).unwrap_or(at);
            (lines > 0).then(|| link::sign(key, label, self.id, partial, until))
        };
        BulkOperation {
            id: self.id,
            status,
            error_code: outcome.as_ref().and_then(|outcome| outcome.error_code),
            object_count: if status == Status::Completed { lines + self.extra } else { lines },
            root_object_count: self.progress.roots.load(Ordering::Relaxed),
            file_size: outcome
                .as_ref()
                .filter(|_| status == Status::Completed && lines > 0)
                .map(|outcome| outcome.bytes),
            url: if status == Status::Completed { link(false) } else { None },
            partial_data_url: if matches!(status, Status::Failed | Status::Canceled) {
                link(true)
            } else {
                None
            },
            query: self.query.clone(),
            created_at: self.created_at,
            completed_at: outcome.as_ref().map(|outcome| outcome.at),
        }
    }
}
