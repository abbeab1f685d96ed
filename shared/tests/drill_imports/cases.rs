//! What is tried: a run of some kind, the faults that strike it, and the machine that carries it out.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::executor::block_on;
use shared::app::import::requests::StartRun;
use shared::app::sweep::Sweep;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::AskedOptions;
use shared::domain::record::StoredRecord;
use shared::domain::run::Feed;
use shared::domain::warning::Code;
use shared::ports::runs::PageKind;
use shared::testkit::catalog::Shown;
use shared::testkit::faults::{Fault, Faults};
use shared::testkit::hooks::FakeWebhookQueue;
use shared::testkit::source::Letdown;

use crate::made_here;
use crate::sim::{Ended, Habits, Machine, Outage, Request};
use crate::world::World;

const EVERYTHING: Shown = Shown { versions: true, runs: true };

/// What is asked for, of a store with an import behind it and a shop that has changed since in every way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An import, under an idempotency key.
    Rerun,
    /// The same by a client that asks once and is gone, so that nobody but the sweeper makes good what was not sent.
    Abandoned,
    /// The same with a token that has ended.
    Renewal,
    /// The same of a shop that does not keep children with their parents.
    Joined,
    /// The same on the plan of a preview.
    FromPreview,
    /// A preview.
    Preview,
    /// The import taken back.
    Undo,
    /// The plan of a preview about which everything was decided that can be: records made here become the shop's.
    Decided,
    /// That taken back: they are the store's own again.
    Parted,
    /// What a run left for a reason that passes, tried again.
    Retried,
    /// The first products alone.
    Limited,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Rerun,
        Self::Abandoned,
        Self::Renewal,
        Self::Joined,
        Self::FromPreview,
        Self::Preview,
        Self::Undo,
        Self::Decided,
        Self::Parted,
        Self::Retried,
        Self::Limited,
    ];
}

impl Kind {
    /// The calls of a clean run that no other kind makes in the same way: an abandoned run is a rerun once it has been
    /// taken up, one with an old token once it has a new one, one whose feeds are joined once it writes, and a preview is
    /// one until it ends. What is decided, tried again or limited is planned in a way of its own, and written like
    /// everything else but for what is decided.
    pub fn own_calls(self, calls: &[&str]) -> std::ops::Range<usize> {
        let all = calls.len();
        match self {
            Self::Abandoned => 0..all.min(30),
            Self::Renewal => 0..all.min(40),
            Self::Joined | Self::Retried | Self::Limited => {
                0..calls.iter().position(|call| *call == "catalog.put").unwrap_or(all)
            }
            Self::Preview => all.saturating_sub(40)..all,
            _ => 0..all,
        }
    }
}

/// One try.
#[derive(Debug, Clone)]
pub struct Case {
    pub kind: Kind,
    pub faults: Vec<(usize, Fault)>,
    pub habits: Habits,
    pub seed: u64,
    pub outage: Option<Outage>,
}

/// What a run left behind, as text: every record with its version and writer, the before-images, the run's own numbers
/// and what it says of every record.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    pub records: String,
    pub journal: String,
    pub numbers: String,
    pub listed: String,
}

/// What a try came to.
pub struct Tried {
    pub left: Left,
    pub calls: Vec<&'static str>,
    pub struck: usize,
    pub ended: Ended,
}

/// The records of the import before.
fn imported() -> &'static [StoredRecord] {
    static RECORDS: OnceLock<Vec<StoredRecord>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        block_on(async {
            let world = World::stocked().await;
            world.run().await;
            world.catalog.all(&world.store)
        })
    })
}

async fn changed(imported: &[StoredRecord]) -> World {
    let faults = Faults::default();
    let world = World::with_faults(faults.clone(), faults.clone(), faults).await;
    world.fill();
    // Ids begin with the time: this world's first run is another than the import before.
    world.clock.advance(Duration::from_secs(60));
    for record in imported {
        world.catalog.insert(&world.store, record).unwrap();
    }
    world.change_shop();
    world
}

pub fn start<'w>(world: &'w World, request: StartRun, key: Option<&'static str>) -> Request<'w> {
    Box::new(move || Box::pin(world.imports.start(world.asker(), request.clone(), key)))
}

async fn prepared(kind: Kind, imported: &[StoredRecord]) -> (World, Option<RunId>) {
    let world = changed(imported).await;
    if matches!(kind, Kind::Decided | Kind::Parted) {
        made_here::make(&world);
        let preview = made_here::decide(&world).await;
        if kind == Kind::Decided {
            return (world, Some(preview));
        }
        let run = world.start(false, Some(preview.as_str())).await;
        world.settle().await;
        assert!(made_here::is_all_adopted(&world), "{:?}", world.shown(&run).await.warnings);
        return (world, Some(run));
    }
    let before = match kind {
        Kind::Undo => Some(world.run().await.run_id),
        Kind::Retried => {
            for id in [1, 11] {
                world.source.change(Feed::Products, id, |item| item.truncated = true);
            }
            let failed = world.run().await.run_id;
            for id in [1, 11] {
                world.source.change(Feed::Products, id, |item| item.truncated = false);
            }
            Some(failed)
        }
        Kind::FromPreview => Some(world.preview().await.run_id),
        _ => None,
    };
    match kind {
        // The grant is good for an hour.
        Kind::Renewal => world.clock.advance(Duration::from_secs(3_601)),
        Kind::Joined => world.source.let_down(Letdown { ungrouped: true, ..Letdown::default() }),
        _ => {}
    }
    (world, before.map(|id| RunId::parse(&id).unwrap()))
}

fn request<'w>(world: &'w World, kind: Kind, before: Option<RunId>) -> Request<'w> {
    match kind {
        Kind::Undo | Kind::Parted => Box::new(move || {
            let of_run = before.clone();
            Box::pin(async move { world.imports.undo(world.asker(), &of_run.unwrap(), Some("undo")).await })
        }),
        Kind::Preview => start(world, StartRun { preview: true, ..StartRun::default() }, Some("key")),
        Kind::FromPreview | Kind::Decided => {
            start(world, StartRun { from_preview: before, ..StartRun::default() }, Some("key"))
        }
        Kind::Retried => Box::new(move || {
            let failed = before.clone();
            Box::pin(async move { world.imports.retry(world.asker(), &failed.unwrap(), Some("retry")).await })
        }),
        Kind::Limited => {
            let options = AskedOptions { limit: Some(6), ..AskedOptions::default() };
            start(world, StartRun { options, ..StartRun::default() }, Some("key"))
        }
        Kind::Abandoned => start(world, StartRun::default(), None),
        Kind::Rerun | Kind::Renewal | Kind::Joined => start(world, StartRun::default(), Some("key")),
    }
}

pub async fn left(world: &World, run: &RunId) -> Left {
    let shown = world.shown(run).await;
    // A request that had to be repeated names its run anew.
    let anonymous = |text: String| text.replace(run.as_str(), "THIS_RUN");
    let mut journal = String::new();
    for (key, bytes) in world.runs.pages_of(run, PageKind::Journal) {
        journal.push_str(&format!("{} {} {}\n", key.chunk, key.number, String::from_utf8_lossy(&bytes)));
    }
    let filter = Default::default();
    let listed = world.imports.records(&world.store, ProviderId::Shopify, run, &filter, None, 1_000).await;
    let listed = listed.unwrap().items;
    let listed: Vec<String> = listed.into_iter().map(|record| format!("{record:?}")).collect();
    // That its shop was slow is true of one run and not of the next.
    let warnings: Vec<_> =
        shown.warnings.iter().filter(|warning| warning.code != Code::SrcThrottledLong).collect();
    let writes = shown.cost.catalogue_writes;
    Left {
        records: anonymous(world.catalog.dump_with(EVERYTHING)),
        journal: anonymous(journal),
        numbers: format!("{:?} {:?} {warnings:?} {writes}", shown.status, shown.counts),
        listed: anonymous(listed.join("\n")),
    }
}

/// Has a request carried out, with a sweeper beside it.
pub fn carry_out<'w>(
    world: &'w World,
    request: Request<'w>,
    impatient: bool,
    habits: Habits,
    seed: u64,
    outage: Option<Outage>,
) -> Result<Ended, String> {
    let sweep = Sweep {
        access: world.step.access.clone(),
        runs: Arc::new(world.runs.clone()),
        queue: Arc::new(world.queue.clone()),
        webhooks: Arc::new(FakeWebhookQueue::new(world.faults.clone())),
    };
    Machine::new(world, sweep, request, impatient, habits, seed).during(outage).work()
}

fn attempt(case: &Case) -> Result<Tried, String> {
    let (world, before) = block_on(prepared(case.kind, imported()));
    let faults = world.faults.clone();
    faults.revive();
    faults.halt_the_dead();
    for (call, fault) in &case.faults {
        faults.at(*call, *fault);
    }
    let request = request(&world, case.kind, before);
    let impatient = case.kind == Kind::Abandoned;
    let ended = carry_out(&world, request, impatient, case.habits, case.seed, case.outage)?;
    let (calls, struck) = (faults.calls(), faults.struck());
    faults.revive();
    let left = block_on(left(&world, &ended.run));
    Ok(Tried { left, calls, struck, ended })
}

impl Case {
    pub fn clean(kind: Kind) -> Self {
        Self { kind, faults: Vec::new(), habits: Habits::ORDERLY, seed: 0, outage: None }
    }

    /// Tries it; what goes wrong names the case.
    pub fn attempt(&self) -> Result<Tried, String> {
        let tried = std::panic::catch_unwind(AssertUnwindSafe(|| attempt(self)));
        tried.unwrap_or_else(|_| Err("a panic".to_owned())).map_err(|why| format!("{why}: {self:?}"))
    }
}

/// The fields of a header and of a receipt in the first version.
const HEADER: &[&str] = &[
    "kind",
    "state",
    "of_run",
    "from_preview",
    "undone_by",
    "source",
    "shop_domain",
    "install",
    "currency",
    "wanted",
    "blocked",
    "requested_by",
    "created_at",
    "updated_at",
    "finished_at",
    "cancel_requested",
    "feeds",
    "generation",
    "stage",
    "handed_off",
    "poll_hop",
    "state_since",
    "announced",
    "counts",
    "warnings",
    "cost",
    "failure",
];
const RECEIPT: &[&str] = &[
    "phase",
    "generation",
    "chunk",
    "lines",
    "roots",
    "orphans",
    "whole",
    "skipped",
    "counts",
    "warnings",
    "cost",
    "pages",
    "result_pages",
    "journal_pages",
];

/// Lets so many steps of a run be, as far as the table can tell, by the version before, and the others by this one.
pub async fn halfway_on_the_version_before(kind: Kind, steps: usize) -> Left {
    let imported = imported();
    let (world, before) = prepared(kind, imported).await;
    let run = request(&world, kind, before)().await.unwrap();
    for _ in 0..steps {
        if let Some(waiting) = world.queue.pop_or_wait() {
            world.deliver(waiting).await;
            world.runs.as_written_before(HEADER, RECEIPT).unwrap();
        }
    }
    world.runs.as_written_before(HEADER, RECEIPT).unwrap();
    world.settle().await;
    left(&world, &run).await
}
