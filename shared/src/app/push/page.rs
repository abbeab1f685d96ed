//! One page of rows: taken apart into records, gone through in blocks, each until its records have their outcome or wait
//! for what takes longer than the step has time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::desk::{Desk, Halt};
use super::job::{Back, Job};
use super::rounds::Patience;
use super::step::RENEW;
use crate::domain::ids::RunId;
use crate::domain::push::change::{FieldChange, Image};
use crate::domain::push::code::Code;
use crate::domain::push::inputs::{NumberedRow, PAGE_ROWS};
use crate::domain::push::ledger::{Op, Outcome, ResultLine, RowError, masked, masked_text};
use crate::domain::push::mapping::{Mapping, Records};
use crate::domain::push::row::{Row, RowProblem};
use crate::domain::push::run::PushKind;
use crate::domain::push::state::fingerprint;
use crate::domain::push::target::Stream;
use crate::ports::push_store::Mention;

/// Records that are looked up together and written side by side: what the shop's budget is for in some seconds, so that
/// large shops do not wait for the last of a few, and small ones look at the run between them.
const BLOCK: std::ops::RangeInclusive<usize> = 8..=PAGE_ROWS;
const BLOCK_SECONDS: u64 = 8;
/// The first block of a run, whose shop may not have told its budget yet. Later ones are no larger than all before: where
/// rows fail, few do before the run is stopped.
const FIRST: usize = 50;
/// What a record takes, more or less: it is looked up and written.
const POINTS: u64 = 15;
/// The most bytes of images that are stored in one go.
const PART_BYTES: usize = 1_500_000;
/// How often a record is tried in one step.
pub(super) const ATTEMPTS: u32 = 6;
/// A record that takes longer is not waited for in place.
const PATIENCE: Patience = Patience { least: Duration::ZERO, most: Duration::from_secs(300) };

/// What is put down about a page.
pub(super) struct Paper {
    pub number: u32,
    pub rows: u32,
    pub lines: BTreeMap<u64, ResultLine>,
    /// What this run was about to write, by row.
    pub intents: HashMap<u64, Image>,
    /// The number of the next part of images.
    pub part: u32,
    /// What the plan says that is applied, by row.
    pub planned: Option<HashMap<u64, Image>>,
    /// What is to be given back, by row.
    pub backs: HashMap<u64, Back>,
    pub expires_at: Timestamp,
    /// Rows of the run that took something away.
    pub deleting: u64,
    /// What a plan would cost, in thousandths.
    pub forecast: u64,
    pub changed: bool,
}

/// What is next for a record.
#[derive(Debug)]
pub(super) enum Next {
    /// It has its outcome.
    Over(Outcome, Option<RowError>),
    /// It is taken up again, after this long at least. `counts`: not for ever.
    Again { error: RowError, wait: Duration, counts: bool },
}

/// What a line tells beside the outcome.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub op: Option<Op>,
    pub gid: Option<String>,
    pub plan: Vec<String>,
    pub points: u32,
    pub ms: u64,
    pub payload_hash: Option<String>,
    pub idempotency_key: Option<String>,
    pub request_id: Option<String>,
}

/// Which row a line is about.
pub(super) struct About<'a> {
    pub seq: u64,
    pub key: &'a str,
    pub hash: &'a str,
}

/// Images by row; of a row with several, the earliest `before` and the latest `after` of each field.
pub(super) fn merged(parts: Vec<Vec<Image>>) -> HashMap<u64, Image> {
    let mut merged: HashMap<u64, Image> = HashMap::new();
    for image in parts.into_iter().flatten() {
        let Some(first) = merged.get_mut(&image.seq) else {
            merged.insert(image.seq, image);
            continue;
        };
        for change in image.diff {
            match first.diff.iter_mut().find(|known| known.path == change.path) {
                Some(known) => known.after = change.after,
                None => first.diff.push(change),
            }
        }
    }
    merged
}

/// How many of these images are stored in one go: one at least.
fn fitting(images: &[Image]) -> usize {
    let mut bytes = 0;
    let fits = images.iter().take_while(|image| {
        bytes += serde_json::to_vec(image).map_or(0, |json| json.len());
        bytes <= PART_BYTES
    });
    fits.count().max(1)
}

/// The first of several problems, and how many more there are.
pub(super) fn problem(problems: &[RowProblem]) -> RowError {
    let Some(first) = problems.first() else { return RowError::ours(Code::Bug, "a row that says nothing") };
    let more = problems.len() - 1;
    let others = if more > 0 { format!("; {more} more") } else { String::new() };
    let error = RowError::ours(first.code, format!("{}{others}", first.message));
    error.about(&first.path, first.column.clone())
}

/// An undo of what nothing is kept of.
pub(super) fn nothing_kept() -> RowError {
    RowError::ours(Code::UnsupportedChange, "what was there before is not kept any more")
}

/// How long to wait before the next of so many attempts.
pub(super) fn pause(attempts: u32) -> Duration {
    Duration::from_millis(500) * 2u32.pow(attempts.saturating_sub(1).min(6))
}

pub(super) fn source_hash(row: &Row) -> String {
    fingerprint(&[&serde_json::to_string(row).unwrap_or_default()])
}

impl Paper {
    /// Whether a row has its outcome.
    pub(super) fn is_over(&self, seq: u64) -> bool {
        self.lines.get(&seq).is_some_and(|line| line.outcome.is_some())
    }

    /// The fields that are about to be changed, stored before they are; `known` are the ids of their records, by row.
    pub(super) async fn put_images(
        &mut self,
        desk: &Desk<'_>,
        images: Vec<Image>,
        known: &[(u64, String)],
    ) -> Result<(), Halt> {
        if images.is_empty() {
            return Ok(());
        }
        desk.note_people(&desk.run.id, self, known).await?;
        let (store, run) = (&desk.run.store, &desk.run.id);
        let mut rest = images.as_slice();
        while !rest.is_empty() {
            let (part, others) = rest.split_at(fitting(rest));
            let put = desk.app.results.put_images(store, run, self.number, self.part, part, self.expires_at);
            put.await?;
            self.part += 1;
            rest = others;
        }
        for (seq, image) in merged(vec![images]) {
            let mut both = Vec::from_iter(self.intents.remove(&seq));
            both.push(image);
            self.intents.extend(merged(vec![both]));
        }
        Ok(())
    }

    /// Looks for images once more. Whoever had the run before may have stood still and written since, and so may whoever
    /// has it now if this one stood still: what they were about to write was put down before, and is this run's doing.
    /// `since` is when the run was last found to be this one's.
    pub(super) async fn look_again(&mut self, desk: &Desk<'_>, since: Timestamp) -> Result<(), Halt> {
        if desk.fence == 1 && desk.app.clock.now() < since + RENEW {
            return Ok(());
        }
        let (store, run) = (&desk.run.store, &desk.run.id);
        let parts = desk.app.results.images(store, run, self.number).await?;
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        if count > self.part {
            self.part = count;
            self.intents = merged(parts);
        }
        Ok(())
    }

    /// Notes whose data the images of new records are, now that the shop has given them ids. Where the record is one that
    /// an earlier run of these rows was about to make, that one's images are about them too.
    pub(super) async fn note_new_people(&self, desk: &Desk<'_>) -> Result<(), Halt> {
        let replays = desk.run.kind == PushKind::Replay;
        let lines = self.lines.values().filter(|line| replays || line.op == Some(Op::Create));
        let known: Vec<(u64, String)> =
            lines.filter_map(|line| Some((line.seq, line.gid.clone()?))).collect();
        let earlier =
            desk.run.of_run.iter().filter(|_| matches!(desk.run.kind, PushKind::Apply | PushKind::Replay));
        for run in earlier.chain([&desk.run.id]) {
            desk.note_people(run, self, &known).await?;
        }
        Ok(())
    }

    /// What the plan says of a row is not what it is now.
    pub(super) fn is_stale(&self, seq: u64, op: Op, diff: &[FieldChange]) -> bool {
        let Some(planned) = &self.planned else { return false };
        // What this run was about to write was compared before.
        if self.intents.contains_key(&seq) {
            return false;
        }
        match planned.get(&seq) {
            Some(image) => image.op != op || image.diff != diff,
            None => !diff.is_empty(),
        }
    }

    /// Puts down what became of a row, or why it is pending.
    pub(super) fn put(
        &mut self,
        desk: &Desk<'_>,
        about: About<'_>,
        told: &Told,
        outcome: Option<Outcome>,
        error: Option<RowError>,
    ) {
        let About { seq, key, hash } = about;
        let stream = desk.run.stream;
        let key = if stream == Stream::Customers { masked(key) } else { key.to_owned() };
        let people = matches!(stream, Stream::Customers | Stream::Orders);
        let error = error.map(|mut error| {
            if people {
                error.message = masked_text(&error.message);
            }
            error
        });
        let before = self.lines.get(&seq);
        let line = ResultLine {
            v: 1,
            run: desk.run.id.clone(),
            seq,
            stream,
            key,
            op: told.op,
            outcome,
            gid: told.gid.clone(),
            plan: told.plan.clone(),
            attempts: before.map_or(0, |line| line.attempts) + 1,
            points: before.map_or(0, |line| line.points) + told.points,
            ms: before.map_or(0, |line| line.ms) + told.ms,
            source_hash: hash.to_owned(),
            payload_hash: told.payload_hash.clone(),
            idempotency_key: told.idempotency_key.clone(),
            error,
            request_id: told.request_id.clone(),
            at: desk.app.clock.now(),
        };
        self.changed = true;
        self.lines.insert(seq, line);
    }
}

impl Desk<'_> {
    /// Notes whose data the images of rows are, so that an erasure finds them.
    async fn note_people(&self, run: &RunId, paper: &Paper, known: &[(u64, String)]) -> Result<(), Halt> {
        let mention = |(seq, id): &(u64, String)| {
            let subject = self.app.writer.subject(self.run.stream, id)?;
            Some(Mention { subject, run: run.clone(), page: paper.number, seq: *seq })
        };
        let mentions: Vec<Mention> = known.iter().filter_map(mention).collect();
        if mentions.is_empty() {
            return Ok(());
        }
        let (store, provider, shop) = (&self.run.store, self.run.provider, self.run.shop);
        let noted = self.app.results.note_people(store, provider, shop, &mentions, paper.expires_at);
        Ok(noted.await?)
    }

    /// Goes through a page, as far as time and the shop allow.
    pub(super) async fn page(&self, paper: &mut Paper, rows: &[NumberedRow]) -> Result<(), Halt> {
        let mut there = Vec::new();
        for row in rows {
            if paper.is_over(row.seq) {
                continue;
            }
            match &row.row {
                Some(values) => there.push((row.seq, values)),
                None => {
                    let error = RowError::ours(Code::RowMalformed, "the line is not a JSON object");
                    let told = Told::default();
                    let about = About { seq: row.seq, key: "", hash: "" };
                    paper.put(self, about, &told, Some(Outcome::Failed), Some(error));
                }
            }
        }
        match &self.mapping {
            Mapping::Records(records) => self.records(paper, records, &there).await,
            Mapping::Levels(levels) => self.levels(paper, levels, &there).await,
        }
    }

    async fn records(&self, paper: &mut Paper, records: &Records, rows: &[(u64, &Row)]) -> Result<(), Halt> {
        let values: Vec<&Row> = rows.iter().map(|(_, row)| *row).collect();
        let mut jobs = Vec::new();
        for group in records.group(&values) {
            let members: Vec<&Row> = group.iter().map(|at| values[*at]).collect();
            let numbers: Vec<(u64, String)> =
                group.iter().map(|at| (rows[*at].0, source_hash(values[*at]))).collect();
            match records.map(&members) {
                Ok(record) => {
                    let back = numbers.first().and_then(|(seq, _)| paper.backs.remove(seq));
                    if back.is_some() || self.run.kind != PushKind::Undo {
                        jobs.push(Job::new(numbers, record, back));
                        continue;
                    }
                    for (seq, hash) in &numbers {
                        let error = Some(nothing_kept());
                        let told = Told::default();
                        let about = About { seq: *seq, key: record.key(), hash };
                        paper.put(self, about, &told, Some(Outcome::Failed), error);
                    }
                }
                Err(problems) => {
                    for (seq, hash) in &numbers {
                        let (told, error) = (Told::default(), Some(problem(&problems)));
                        let about = About { seq: *seq, key: "", hash };
                        paper.put(self, about, &told, Some(Outcome::Failed), error);
                    }
                }
            }
        }
        if self.run.kind == PushKind::Undo {
            // What was written last is given back first.
            jobs.reverse();
        }
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let (mut block, mut keys, most) = (Vec::new(), HashSet::new(), self.block_size(paper));
            // Two of one key never stand in one block: they are written in their order.
            while let Some(job) = jobs.next_if(|job| block.len() < most && !keys.contains(&job.hash)) {
                keys.insert(job.hash.clone());
                block.push(job);
            }
            self.block(paper, block).await?;
        }
        Ok(())
    }

    fn block_size(&self, paper: &Paper) -> usize {
        let records = self.budget.rate().thousandths() / 1000 * BLOCK_SECONDS / POINTS;
        let records = usize::try_from(records).unwrap_or(usize::MAX).clamp(*BLOCK.start(), *BLOCK.end());
        match if paper.number == 0 { paper.lines.len() } else { PAGE_ROWS } {
            0 => FIRST,
            before => records.min(before.max(FIRST)),
        }
    }

    async fn block(&self, paper: &mut Paper, mut todo: Vec<Job<'_>>) -> Result<(), Halt> {
        while !todo.is_empty() {
            self.app.beat(self, paper).await?;
            let passed = self.pass(paper, &mut todo).await;
            todo = self.after_round(paper, todo, passed, PATIENCE).await?;
        }
        Ok(())
    }
}
