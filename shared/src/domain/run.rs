//! A run: its states, what it reads, and what it has counted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::decision::Decisions;
use super::drift::{DriftVerdict, StockSides};
use super::ids::{InstallId, ProviderId, RunId, ShopDomain, StoreId};
use super::media::Copying;
use super::options::{MassMissing, RunOptions};
use super::plan::{CodeCounts, Counts};
use super::record::{Kind, Resource, Source};
use super::scopes::Scopes;
use super::warning::Code;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Writes nothing but a plan.
    Preview,
    /// Imports.
    Import,
    /// Takes an import back.
    Undo,
    /// Tries again what a run did not write for a reason that passes.
    Retry,
}

/// Where a run stands. Final states never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Accepted; no step has begun.
    Queued,
    /// The shop is collecting its catalogue for us.
    Extracting,
    /// The catalogue is read and compared with what is stored.
    Planning,
    /// A preview is done and can be looked at. Final.
    AwaitingReview,
    /// Unusually many records are missing; nothing is written before someone says what is to become of them.
    AwaitingDecision,
    /// Records are being written.
    Applying,
    /// What was written is added up and checked.
    Verifying,
    /// Done. Final.
    Completed,
    /// Done, with something to look at. Final.
    CompletedWithWarnings,
    /// Broken off; `failure` tells why. Final.
    Failed,
    /// Stopped on request. Final.
    Cancelled,
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEvent {
    /// The first step took it up.
    Started,
    /// Every feed is ready to be read.
    Extracted,
    /// Every range is compared, of a preview.
    Previewed,
    /// Every range is compared, of an import; or an undo may begin to write.
    Planned,
    /// Every range is compared, and unusually many records are missing.
    Held,
    /// Someone said what is to become of the missing.
    Decided,
    /// Every chunk of every stage is written.
    Applied,
    /// The sums close and nothing needs a look.
    VerifiedClean,
    /// The sums close and something needs a look.
    VerifiedWithWarnings,
    /// It cannot go on.
    Broke,
    /// Someone asked it to stop and its steps have stopped.
    Stopped,
}

/// A state machine was asked for a step that it does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {from:?} cannot take {event:?}")]
pub struct IllegalTransition {
    /// Where it stood.
    pub from: RunState,
    /// What was to happen.
    pub event: RunEvent,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Queued,
        Self::Extracting,
        Self::Planning,
        Self::AwaitingReview,
        Self::AwaitingDecision,
        Self::Applying,
        Self::Verifying,
        Self::Completed,
        Self::CompletedWithWarnings,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The state after an event.
    pub fn next(self, event: RunEvent) -> Result<Self, IllegalTransition> {
        use RunEvent as E;
        Ok(match (self, event) {
            (Self::Queued, E::Started) => Self::Extracting,
            (Self::Extracting, E::Extracted) => Self::Planning,
            (Self::Planning, E::Previewed) => Self::AwaitingReview,
            (Self::Planning, E::Held) => Self::AwaitingDecision,
            (Self::Planning | Self::Queued, E::Planned) | (Self::AwaitingDecision, E::Decided) => {
                Self::Applying
            }
            (Self::Applying, E::Applied) => Self::Verifying,
            (Self::Verifying, E::VerifiedClean) => Self::Completed,
            (Self::Verifying, E::VerifiedWithWarnings) => Self::CompletedWithWarnings,
            (state, E::Broke) if !state.is_final() => Self::Failed,
            (state, E::Stopped) if !state.is_final() => Self::Cancelled,
            (from, event) => return Err(IllegalTransition { from, event }),
        })
    }

    /// Whether no record has been written yet, so that stopping needs no waiting for chunks under way.
    pub fn writes_nothing_yet(self) -> bool {
        matches!(self, Self::Queued | Self::Extracting | Self::Planning | Self::AwaitingDecision)
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::AwaitingReview
                | Self::Completed
                | Self::CompletedWithWarnings
                | Self::Failed
                | Self::Cancelled
        )
    }
}

/// One thing that is read from the shop as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// Places that hold stock; read by pages while extracting.
    Locations,
    /// Products with variants, media and stock levels.
    Products,
    /// Products and variants with their metafields.
    Metafields,
    /// Collections with their members.
    Collections,
    /// What is stored and was not seen; made by us once the scan is complete.
    Missing,
}

impl Feed {
    /// Every feed.
    pub const ALL: [Self; 5] =
        [Self::Locations, Self::Products, Self::Metafields, Self::Collections, Self::Missing];

    /// Whether records of a kind can come from it.
    pub fn may_hold(self, kind: Kind) -> bool {
        match self {
            Self::Locations => kind == Kind::Warehouse,
            Self::Products => matches!(kind, Kind::Product | Kind::Stock),
            Self::Metafields => kind == Kind::Metafields,
            Self::Collections => kind == Kind::Category,
            Self::Missing => true,
        }
    }

    /// The letter that starts the names of its chunks.
    pub fn letter(self) -> char {
        match self {
            Self::Locations => 'l',
            Self::Products => 'p',
            Self::Metafields => 'm',
            Self::Collections => 'c',
            Self::Missing => 'x',
        }
    }
}

/// One part of a feed, small enough for one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChunkId {
    /// The feed.
    pub feed: Feed,
    /// Its number in the feed, from 0.
    pub index: u32,
}

impl std::fmt::Display for ChunkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:06}", self.feed.letter(), self.index)
    }
}

impl ChunkId {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let letter = letters.next()?;
        let feed = Feed::ALL.into_iter().find(|feed| feed.letter() == letter)?;
        let digits = letters.as_str();
        let index = (digits.len() == 6).then(|| digits.parse().ok()).flatten()?;
        Some(Self { feed, index })
    }
}

/// A file of the shop's with one feed in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedFile {
    /// The signed address. Not shown to anyone: whoever holds it can read the catalogue.
    pub url: String,
    /// Its length in bytes.
    pub size: u64,
}

impl std::fmt::Debug for FeedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedFile").field("size", &self.size).finish_non_exhaustive()
    }
}

/// How far a feed is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedProgress {
    /// The shop's name for the work it does for us.
    pub handle: String,
    /// How often it was asked for.
    pub attempt: u32,
    /// Objects collected so far, as the shop says.
    pub objects: u64,
    /// Top-level objects collected so far.
    pub roots: u64,
    /// When `objects` last grew.
    pub moved_at: Timestamp,
    /// Whether it can be read.
    pub ready: bool,
    /// What to read; none where it is ready and empty.
    pub file: Option<FeedFile>,
    /// Number of chunks it was cut into.
    pub chunks: u32,
    /// Whether children did not stand with their parents, so that the file must be joined as a whole.
    pub joined: bool,
}

/// Why a run broke off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// What happened, in a sentence. Never a secret.
    pub detail: String,
}

/// What a run has written and what it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cost {
    /// Catalogue records written or deleted.
    pub catalogue_writes: u64,
    /// Write units of every table.
    pub write_units: u64,
    /// Read units of every table, eventually consistent reads counting half.
    pub read_units: f64,
}

impl Cost {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.catalogue_writes += other.catalogue_writes;
        self.write_units += other.write_units;
        self.read_units += other.read_units;
    }
}

/// The resources that a merchant can ask for, each with those that come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Warehouses.
    Warehouses,
    /// Products, variants and media.
    Products,
    /// Stock levels; needs products and warehouses.
    Stock,
    /// Raw metafields.
    Metafields,
    /// Categories and their members.
    Categories,
}

impl Wanted {
    /// Everything.
    pub const ALL: [Self; 5] =
        [Self::Warehouses, Self::Products, Self::Stock, Self::Metafields, Self::Categories];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warehouses => "warehouses",
            Self::Products => "products",
            Self::Stock => "stock",
            Self::Metafields => "metafields",
            Self::Categories => "categories",
        }
    }

    /// Those that must be importable for this one to be, itself included.
    pub fn stands_on(self) -> &'static [Self] {
        match self {
            Self::Warehouses => &[Self::Warehouses],
            Self::Products => &[Self::Products],
            Self::Stock => &[Self::Warehouses, Self::Products, Self::Stock],
            Self::Metafields => &[Self::Metafields],
            Self::Categories => &[Self::Categories],
        }
    }

    /// Those without which this one is imported all the same, but with less.
    pub fn made_whole_by(self) -> &'static [Self] {
        match self {
            Self::Products => &[Self::Stock],
            _ => &[],
        }
    }

    /// The records that come with it.
    pub fn resources(self) -> &'static [Resource] {
        match self {
            Self::Warehouses => &[Resource::Warehouses],
            Self::Products => &[Resource::Products, Resource::Variants, Resource::Media],
            Self::Stock => &[Resource::Stock],
            Self::Metafields => &[Resource::Metafields],
            Self::Categories => &[Resource::Categories, Resource::Memberships],
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One run, as stored in its header.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// Its id.
    pub id: RunId,
    /// Raised by every change of the header; every change is conditional on it.
    pub revision: u64,
    /// What it is for.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// The run that an undo takes back, or that a retry tries again.
    pub of_run: Option<RunId>,
    /// The preview whose plan it carries out.
    pub from_preview: Option<RunId>,
    /// The undo run that took it back.
    pub undone_by: Option<RunId>,
    /// A number that equal requests have in common; none of a run that an earlier version began.
    pub asked: Option<u64>,
    /// Platform and shop.
    pub source: Source,
    /// The shop's domain when it began, for people.
    pub shop_domain: ShopDomain,
    /// The installation whose token it uses.
    pub install: InstallId,
    /// The shop's currency, once known.
    pub currency: Option<String>,
    /// What was asked for and is not blocked.
    pub wanted: BTreeSet<Wanted>,
    /// What was asked for and is blocked, each with the scopes that it lacks.
    pub blocked: BTreeMap<Wanted, Scopes>,
    /// What was chosen for it.
    pub options: RunOptions,
    /// What was said to a mass of missing records; none where nobody was asked or has answered.
    pub mass_missing: Option<MassMissing>,
    /// What was decided about its plan: of a preview while it can be carried out, of the run that does as it was then.
    pub decisions: Decisions,
    /// Who asked for it: the subject of the caller's token.
    pub requested_by: String,
    /// When it was asked for. All times that records carry are this one.
    pub created_at: Timestamp,
    /// When its header last changed.
    pub updated_at: Timestamp,
    /// When it reached a final state.
    pub finished_at: Option<Timestamp>,
    /// Someone asked it to stop.
    pub cancel_requested: bool,
    /// What it reads.
    pub feeds: BTreeMap<Feed, FeedProgress>,
    /// How often planning began anew, because a feed had to be joined or extracted again.
    pub generation: u32,
    /// The stage of applying, see [`Run::STAGES`]; before that, how far a limited run has come in planning.
    pub stage: u32,
    /// Whether the messages of the current phase or stage were all sent.
    pub handed_off: bool,
    /// How often the shop was asked whether it has collected; an older question is not asked again.
    pub poll_hop: u32,
    /// When the sweeper last sent it on.
    pub woken_at: Option<Timestamp>,
    /// When the current state began.
    pub state_since: Timestamp,
    /// The shop's own counts when extraction began.
    pub announced: BTreeMap<Resource, u64>,
    /// Numbers by resource and outcome: of the plan until something is applied, then of what was applied.
    pub counts: Counts,
    /// What was planned and not applied, because the run was stopped: with `counts`, all that was planned.
    pub not_applied: Counts,
    /// Numbers of warnings by code.
    pub warnings: CodeCounts,
    /// What it wrote and cost.
    pub cost: Cost,
    /// What was found when its stock was proven.
    pub drift: Option<DriftVerdict>,
    /// Why it broke off.
    pub failure: Option<Failure>,
    /// How far the copying of files beside it is, once that has begun. No part of what the run did.
    pub copying: Option<Copying>,
}

impl Run {
    /// The stages of applying: what hangs on other records comes after them.
    pub const STAGES: [&'static [Feed]; 4] =
        [&[Feed::Locations], &[Feed::Products], &[Feed::Metafields, Feed::Collections], &[Feed::Missing]];

    /// The chunks of some feeds, in order.
    pub fn chunks_of(&self, feeds: &[Feed]) -> Vec<ChunkId> {
        feeds
            .iter()
            .flat_map(|feed| {
                let chunks = self.feeds.get(feed).map_or(0, |progress| progress.chunks);
                (0..chunks).map(|index| ChunkId { feed: *feed, index })
            })
            .collect()
    }

    /// Takes an event, or says that it cannot.
    pub fn take(&mut self, event: RunEvent, now: Timestamp) -> Result<(), IllegalTransition> {
        self.state = self.state.next(event)?;
        self.handed_off = false;
        self.state_since = now;
        if self.state.is_final() {
            self.finished_at = Some(now);
        }
        Ok(())
    }
}

/// What a chunk's receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Read and compared.
    Plan,
    /// Written.
    Apply,
}

impl Phase {
    /// The stable name used in keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
        }
    }
}

/// The external ids that a page of a plan spans, so that a page can be found without reading the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSpan {
    /// Smallest id.
    pub first: u64,
    /// Largest id.
    pub last: u64,
    /// Number of entries.
    pub entries: u32,
    /// The number it is stored under; its place among the pages where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

/// The proof that a chunk's effects of one phase are done. Written once, after them; counts come from these alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The phase.
    pub phase: Phase,
    /// The generation of the plan it belongs to.
    pub generation: u32,
    /// The chunk.
    pub chunk: ChunkId,
    /// Lines consumed.
    pub lines: u64,
    /// Top-level objects consumed.
    pub roots: u64,
    /// Lines whose parent was not in the range.
    pub orphans: u64,
    /// Whether every record arrived with all its children.
    pub whole: bool,
    /// Whether the step did nothing because the run was to stop.
    pub skipped: bool,
    /// Numbers by resource and outcome.
    pub counts: Counts,
    /// Numbers of warnings by code.
    pub warnings: CodeCounts,
    /// What it wrote and cost.
    pub cost: Cost,
    /// The plan pages it wrote.
    pub pages: Vec<PageSpan>,
    /// The pages of results that differ from the plan.
    pub result_pages: u32,
    /// The pages of its journal.
    pub journal_pages: u32,
    /// Both sides of the stock levels it dealt with.
    pub stock: StockSides,
    /// The fields it was to change.
    pub changes: Changes,
}

impl Receipt {
    /// The numbers that its pages are stored under, in order.
    pub fn page_numbers(&self) -> Vec<u32> {
        (0u32..).zip(&self.pages).map(|(at, span)| span.number.unwrap_or(at)).collect()
    }

    /// The receipt of a chunk of which nothing is done.
    pub fn blank(phase: Phase, generation: u32, chunk: ChunkId) -> Self {
        Self {
            phase,
            generation,
            chunk,
            lines: 0,
            roots: 0,
            orphans: 0,
            whole: true,
            skipped: false,
            counts: Counts::default(),
            warnings: CodeCounts::new(),
            cost: Cost::default(),
            pages: Vec::new(),
            result_pages: 0,
            journal_pages: 0,
            stock: StockSides::default(),
            changes: Changes::default(),
        }
    }
}
