//! Runs of a push: what they are about, how far they are, and the states they go through.
//!
//! The rows of a run stand in pages. A run goes through them in their order; a page of which rows are left pending is
//! kept in `open` with what was counted of it, and gone through again in a later round. What a page adds to the tally is
//! told by its lines less what `open` says was counted before, so that counting twice is not possible.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::ids::{InstallId, ProviderId, RunId, ShopId, StoreId};
use super::ledger::{Miscounted, Outcome, ResultLine, RowError, Standing, Tally};
use super::target::Stream;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PushKind {
    /// Compares and writes nothing.
    Plan,
    /// Writes rows.
    Write,
    /// Writes what a plan says.
    Apply,
    /// Writes the rows that an earlier run left failed or pending.
    Replay,
    /// Gives back what an earlier run changed.
    Undo,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// It is stored; nothing was done yet.
    Queued,
    /// Rows are being worked on.
    Running,
    /// No row is pending and none failed.
    Succeeded,
    /// No row is pending and some failed.
    CompletedWithErrors,
    /// It cannot go on; rows may be pending. `stopped` says why.
    Stopped,
    /// It was cancelled; rows may be pending.
    Cancelled,
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PushEvent {
    /// A step begins.
    Began,
    /// Every row has its outcome and none failed.
    Succeeded,
    /// Every row has its outcome and some failed.
    CompletedWithErrors,
    /// It cannot go on.
    Stopped,
    /// Someone cancelled it.
    Cancelled,
}

/// A change of state that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a push that is {from:?} cannot take {event:?}")]
pub struct IllegalPush {
    from: PushState,
    event: PushEvent,
}

impl PushState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::CompletedWithErrors,
        Self::Stopped,
        Self::Cancelled,
    ];

    /// Whether it never changes again.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The state after an event.
    pub fn next(self, event: PushEvent) -> Result<Self, IllegalPush> {
        match (self, event) {
            (Self::Queued | Self::Running, PushEvent::Began) => Ok(Self::Running),
            (Self::Running, PushEvent::Succeeded) => Ok(Self::Succeeded),
            (Self::Running, PushEvent::CompletedWithErrors) => Ok(Self::CompletedWithErrors),
            (Self::Queued | Self::Running, PushEvent::Stopped) => Ok(Self::Stopped),
            (Self::Queued | Self::Running, PushEvent::Cancelled) => Ok(Self::Cancelled),
            (from, event) => Err(IllegalPush { from, event }),
        }
    }
}

/// What happens to a record that the shop changed after it was written here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// It is written again.
    #[default]
    Overwrite,
    /// The row fails.
    Fail,
}

/// The brakes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Safety {
    /// The run stops where more rows failed than this share of those decided, in per cent. 100: never.
    pub stop_after_failed_percent: u8,
    /// The run stops before more rows take something away from lists than this share of all, in per cent; ten may
    /// always. 100: never.
    pub delete_guard_percent: u8,
    /// What happens to a record that the shop changed after it was written here.
    pub on_drift: OnDrift,
    /// How many days what was overwritten is kept.
    pub undo_days: u16,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            stop_after_failed_percent: 10,
            delete_guard_percent: 2,
            on_drift: OnDrift::Overwrite,
            undo_days: 30,
        }
    }
}

/// Rows that may always take something away, whatever the share.
const FEW: u64 = 10;

/// What became of the rows of one page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that came into being.
    pub created: u32,
    /// Records that were changed.
    pub updated: u32,
    /// Records that were so already.
    pub unchanged: u32,
    /// Rows left out.
    pub skipped: u32,
    /// Rows refused.
    pub failed: u32,
}

impl Counts {
    /// Counts lines.
    pub fn of(lines: &[ResultLine]) -> Self {
        let mut counts = Self::default();
        for outcome in lines.iter().filter_map(|line| line.outcome) {
            *counts.part(outcome) += 1;
        }
        counts
    }

    fn part(&mut self, outcome: Outcome) -> &mut u32 {
        match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Failed => &mut self.failed,
        }
    }
}

/// Who works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLease {
    /// The number of whoever works on it. What one of a lower number puts down late is refused.
    pub fence: u64,
    /// Until when nobody else does.
    pub until: Timestamp,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct PushRun {
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// Its id.
    pub id: RunId,
    /// Raised with every write; the condition of the next one.
    pub revision: u64,
    /// What it does.
    pub kind: PushKind,
    /// Where it is.
    pub state: PushState,
    /// What it fills.
    pub stream: Stream,
    /// The plan that is applied, the run that is replayed or undone.
    pub of_run: Option<RunId>,
    /// The run under which the rows stand: itself, or where `of_run` has them.
    pub rows_of: RunId,
    /// The revision of the mapping.
    pub mapping: u32,
    /// The shop that it is about.
    pub shop: ShopId,
    /// The installation that it began with.
    pub install: InstallId,
    /// How many pages there are.
    pub pages: u32,
    /// The first page that was not gone through yet.
    pub next_page: u32,
    /// Pages of which rows are pending, with what was counted of them.
    pub open: BTreeMap<u32, Counts>,
    /// How often the open pages were gone through in a row without anything coming of it.
    pub idle_rounds: u32,
    /// What became of the rows.
    pub tally: Tally,
    /// Rows that took something away from lists.
    pub deleting: u64,
    /// The points that were spent, in thousandths.
    pub points: u64,
    /// The brakes.
    pub safety: Safety,
    /// Whether orders are sent again of which it is not known whether they were made: someone has looked.
    pub send_in_doubt: bool,
    /// Whether someone wants it to end.
    pub cancel_requested: bool,
    /// Why it stopped.
    pub stopped: Option<RowError>,
    /// What it waits for, while rows are pending.
    pub waiting: Option<RowError>,
    /// Who works on it.
    pub lease: Option<RunLease>,
    /// The highest number that was given to anyone who works on it.
    pub fence: u64,
    /// Who asked for it: the subject of the token or the id of a key, which name nobody.
    pub asked_by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a page adds is not what it can add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uncountable {
    /// The tally does not take it.
    #[error("a page does not fit the tally")]
    Tally(#[from] Miscounted),
    /// A row lost its outcome.
    #[error("rows of a page lost their outcome")]
    Lost,
}

impl PushRun {
    /// The state after an event.
    pub fn take(&mut self, event: PushEvent) -> Result<(), IllegalPush> {
        self.state = self.state.next(event)?;
        Ok(())
    }

    /// The next page to go through for the first time, or else of those that are open the first one from `from` on.
    pub fn page_from(&self, from: u32) -> Option<u32> {
        if self.next_page < self.pages {
            return Some(self.next_page);
        }
        self.open.range(from..).next().map(|(page, _)| *page)
    }

    /// Counts what became of a page. `done`: it was gone through to its end, whatever is pending of it.
    pub fn count(&mut self, page: u32, rows: u32, counts: Counts, done: bool) -> Result<(), Uncountable> {
        let before = self.open.get(&page).copied().unwrap_or_default();
        let (mut now, mut then) = (counts, before);
        let mut tally = self.tally;
        let mut settled = 0;
        for outcome in Outcome::ALL {
            let more = now.part(outcome).checked_sub(*then.part(outcome)).ok_or(Uncountable::Lost)?;
            tally.settle(outcome, u64::from(more))?;
            settled += *now.part(outcome);
        }
        self.tally = tally;
        if settled == rows {
            self.open.remove(&page);
        } else {
            self.open.insert(page, counts);
        }
        if page == self.next_page && (done || settled == rows) {
            self.next_page += 1;
        }
        if counts != before {
            self.idle_rounds = 0;
        }
        Ok(())
    }

    /// Whether a page was gone through, so that its lines tell of every row that was written.
    pub fn has_told_of(&self, page: u32) -> bool {
        self.state.is_final() || page < self.next_page
    }

    /// How it ends where no row is pending.
    pub fn end(&self) -> Option<PushEvent> {
        match self.tally.standing() {
            Standing::Open => None,
            Standing::Succeeded => Some(PushEvent::Succeeded),
            Standing::CompletedWithErrors => Some(PushEvent::CompletedWithErrors),
        }
    }

    /// Whether rows that take something away may go on, where there would be so many.
    pub fn may_delete(&self, rows: u64) -> bool {
        let percent = u64::from(self.safety.delete_guard_percent);
        percent >= 100 || rows <= FEW.max(self.tally.received() * percent / 100)
    }
}

#[cfg(test)]
mod tests;
