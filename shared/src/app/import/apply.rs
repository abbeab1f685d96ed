//! Applying: one chunk's plan is written, record by record, each under the version it was compared with. The
//! before-images of a batch are kept first, once; whatever a replay counts, it counts from them.

use std::collections::{BTreeMap, HashMap};

use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use super::adopt::{Here, whole};
use super::checkpoint::{Checkpoint, Progress, Reached};
use super::pages::{Chunk, EntryWriter, JournalEntry, Waiting};
use super::plan::{BATCH, Candidate, as_a_whole};
use super::{ImportStep, StepError};
use crate::domain::drift::Cause;
use crate::domain::gone::gone;
use crate::domain::lookalike::{Known, settled, taken_for};
use crate::domain::merge::{Terms, compare};
use crate::domain::plan::{Comparison, Counts, Fingerprinted, Outcome, PlanEntry, count_as};
use crate::domain::record::{Base, Digest, Kind, MAPPER_VERSION, Record, RecordKey, Standing, StoredRecord};
use crate::domain::run::{ChunkId, Cost, Feed, Phase, Receipt, Run, RunState};
use crate::domain::stock;
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::catalog::Expect;
use crate::ports::queue::Step;
use crate::ports::runs::PageKind;

/// Writes under way at once.
pub(super) const CONCURRENCY: usize = 16;
/// How often a write is tried anew after someone else was first.
const TRIES: u32 = 3;

/// One record to write: what was decided, and the source where there is one.
pub(super) struct Task {
    pub entry: PlanEntry,
    pub key: RecordKey,
    source: Option<Fingerprinted>,
    /// What its children are known to be, where it becomes one with a record made here.
    known: Known,
}

impl Task {
    fn new(entry: PlanEntry, key: RecordKey, source: Option<Fingerprinted>) -> Self {
        Self { entry, key, source, known: Known::default() }
    }

    /// The key under which its record stands.
    fn place(&self) -> RecordKey {
        let RecordKey { source, kind, .. } = self.key;
        self.entry.adopts.map_or(self.key, |number| RecordKey::local(source.provider, kind, number))
    }

    /// Whether it is a part of a record that becomes one with a record made here, and so with that one's part.
    fn follows(&self, before: Option<&StoredRecord>) -> bool {
        let kind = self.key.kind;
        kind != whole(kind) && before.is_some_and(|before| before.key.source.is_local())
    }

    fn done(self, counts: Counts, cost: Cost) -> Done {
        Done { entry: self.entry, counts, codes: Vec::new(), cost, source: self.source }
    }
}

/// What is stored of a task: its record, and the one whose place that takes.
type Found = (Option<StoredRecord>, Option<StoredRecord>);

/// What became of a task.
struct Done {
    entry: PlanEntry,
    counts: Counts,
    /// Codes that the plan did not have.
    codes: Vec<Code>,
    cost: Cost,
    source: Option<Fingerprinted>,
}

impl ImportStep {
    pub(super) async fn apply_chunk(
        &self,
        run: Run,
        chunk: ChunkId,
        generation: u32,
        until: Timestamp,
    ) -> Result<(), StepError> {
        let current = run.state == RunState::Applying && generation == run.generation;
        let done = !current
            || self.runs.receipt(&run.store, &run.id, Phase::Apply, generation, chunk).await?.is_some();
        if !done {
            let receipt = match self.apply(&run, chunk, until).await? {
                Progress::Done(receipt) => receipt,
                Progress::Paused(at) => {
                    return self.go_on_later(&run, Step::Apply { chunk, generation }, at).await;
                }
            };
            self.runs.put_receipt(&run.store, &run.id, &receipt, &mut Cost::default()).await?;
        }
        self.closed(&run, Phase::Apply, chunk).await
    }

    async fn apply(
        &self,
        run: &Run,
        chunk: ChunkId,
        until: Timestamp,
    ) -> Result<Progress<Waiting>, StepError> {
        let place = self.place(run, chunk);
        let blank = Receipt::blank(Phase::Apply, run.generation, chunk);
        // A chunk that was begun goes on to where an earlier attempt came; what that wrote is known only then.
        if run.cancel_requested && !self.was_begun(place, 0).await? {
            return Ok(Progress::Done(Receipt { skipped: true, ..blank }));
        }
        let mut cost = Cost::default();
        let plan = self.runs.receipt(&run.store, &run.id, Phase::Plan, run.generation, chunk).await?;
        let plan = plan.ok_or_else(|| crate::app::error::AppError::bug("a chunk without a plan"))?;
        let mut entries: HashMap<_, PlanEntry> = HashMap::new();
        for entry in self.missing_entries(run, chunk, &plan, &mut cost).await? {
            entries.insert((entry.kind, entry.external_id), entry);
        }
        let left = super::brake::leave(run, &mut entries);
        let idle = !entries.values().any(|entry| entry.outcome.writes());
        if idle && chunk.feed != Feed::Missing {
            let Receipt { lines, roots, counts, .. } = plan;
            return Ok(Progress::Done(Receipt { lines, roots, counts, cost, ..blank }));
        }
        let mut at = self.resume(run, blank).await?;
        let mut tally = at.receipt;
        tally.cost.add(cost);
        let mut results = EntryWriter::new(place, PageKind::Result, at.waiting);
        // A step that goes on finds them listed.
        for entry in left.iter().filter(|_| at.hop == 0) {
            results.push(entry, &mut tally.cost).await?;
        }
        let mut done = true;
        if chunk.feed == Feed::Missing {
            let mut tasks: Vec<Task> = entries
                .into_values()
                .map(|entry| {
                    let key =
                        RecordKey { source: run.source, kind: entry.kind, external_id: entry.external_id };
                    Task::new(entry, key, None)
                })
                .collect();
            tasks.retain(|task| task.entry.outcome.writes());
            tasks.sort_by_key(|task| task.key);
            let mut batches = in_batches(tasks).into_iter().skip(at.reached.objects as usize);
            while done && let Some(batch) = batches.next() {
                if !self.apply_batch(run, place, batch, &mut tally, &mut results).await? {
                    break;
                }
                at.reached.objects += 1;
                done = batches.len() == 0 || !self.out_of_time(until);
            }
        } else {
            let mut items = self.open(run, chunk, at.reached, &mut tally.cost).await?;
            let before = at.reached.objects - items.tally().roots;
            let mut pick = self.pick_to_apply(run, chunk, &mut tally.cost).await?;
            while done {
                let batch = items.batch(run).await?;
                if batch.is_empty() {
                    break;
                }
                let batch = self.picked(run, &mut pick, batch, &mut tally.cost).await?;
                let tasks = tasks(batch, &mut entries, &mut tally.counts);
                if !self.apply_batch(run, place, tasks, &mut tally, &mut results).await? {
                    break;
                }
                at.reached = Reached { objects: before + items.tally().roots, next: items.tally().next };
                done = !self.out_of_time(until);
            }
        }
        if !done {
            return Ok(Progress::Paused(Checkpoint { receipt: tally, waiting: results.pause(), ..at }));
        }
        tally.result_pages = results.finish(&mut tally.cost).await?.len() as u32;
        (tally.lines, tally.roots) = (plan.lines, plan.roots);
        Ok(Progress::Done(tally))
    }

    async fn apply_batch(
        &self,
        run: &Run,
        place: Chunk<'_>,
        tasks: Vec<Task>,
        tally: &mut Receipt,
        results: &mut EntryWriter<'_>,
    ) -> Result<bool, StepError> {
        if tasks.is_empty() {
            return Ok(true);
        }
        if run.cancel_requested && !self.was_begun(place, tally.journal_pages).await? {
            // It ended before its end, because the run was to stop.
            tally.skipped = true;
            return Ok(false);
        }
        let keys: Vec<RecordKey> = tasks.iter().map(|task| task.key).collect();
        let places: Vec<RecordKey> = tasks.iter().map(Task::place).collect();
        let stored = self.catalog.get(&run.store, &places, true, &mut tally.cost).await?;
        let found: Vec<Found> = stored.into_iter().zip(self.giving_way(run, &tasks).await?).collect();
        let journal = self.journal(place, tally.journal_pages, &keys, &found, &mut tally.cost).await?;
        tally.journal_pages += 1;
        let mut before: BTreeMap<(Kind, u64), StoredRecord> = BTreeMap::new();
        for entry in &journal {
            before.extend(entry.stored(run.source)?.map(|before| ((entry.kind, entry.external_id), before)));
        }
        let mut tasks = tasks;
        self.learn(run, &mut tasks, &before, &mut tally.cost).await?;
        // Each write is on a key of its own, so their order means nothing, but for parts that follow what they are part
        // of. Results keep the order of the tasks.
        let mut waves = [Vec::new(), Vec::new()];
        for (at, (task, now)) in tasks.into_iter().zip(found).enumerate() {
            let before = before.remove(&(task.key.kind, task.key.external_id));
            let follows = task.follows(before.as_ref());
            waves[usize::from(follows)].push((at, task, before, now));
        }
        let mut done: Vec<(usize, Done)> = Vec::new();
        for (wave, work) in waves.into_iter().enumerate() {
            let work = work.into_iter().map(async |(at, task, before, now)| {
                let mut cost = Cost::default();
                let left = wave == 1 && !self.is_followed(run, &task, &mut cost).await?;
                let mut written = match left {
                    true => refused(task, Outcome::Blocked, Code::RunPlanStale, Cost::default()),
                    false => self.write(run, task, before, now).await?,
                };
                written.cost.add(cost);
                Ok::<_, StepError>((at, written))
            });
            let written: Vec<_> = stream::iter(work).buffered(CONCURRENCY).collect().await;
            done.extend(written.into_iter().collect::<Result<Vec<_>, _>>()?);
        }
        done.sort_by_key(|(at, _)| *at);
        let done: Vec<Done> = done.into_iter().map(|(_, done)| done).collect();
        self.read_back(run, &done, tally).await?;
        for done in done {
            tally.counts.merge(&done.counts);
            tally.cost.add(done.cost);
            for code in &done.codes {
                *tally.warnings.entry(*code).or_default() += 1;
            }
            if !done.codes.is_empty() {
                results.push(&done.entry, &mut tally.cost).await?;
            }
        }
        Ok(true)
    }

    /// Finds out what children of records made here are, where these become one with the shop's, and which levels made
    /// here lie where the shop's stand by now.
    async fn learn(
        &self,
        run: &Run,
        tasks: &mut [Task],
        before: &BTreeMap<(Kind, u64), StoredRecord>,
        cost: &mut Cost,
    ) -> Result<(), StepError> {
        let mut here = Here::default();
        for at in 0..tasks.len() {
            let RecordKey { kind, external_id, .. } = tasks[at].key;
            let local = |kind| before.get(&(kind, external_id)).filter(|ours| ours.key.source.is_local());
            let Some(ours) = local(kind) else {
                let (theirs, ours) = (tasks[at].source.as_ref(), before.get(&(kind, external_id)));
                if let (Kind::Stock, Some(theirs), Some(ours)) = (kind, theirs, ours)
                    && stock::has_own(&ours.record, &theirs.record)
                {
                    tasks[at].known.places = self.known_places(run, &mut here, cost).await?;
                }
                continue;
            };
            if kind == Kind::Category {
                tasks[at].known.members = self.members(run, &ours.record).await?;
            } else if kind == Kind::Stock {
                let product =
                    |task: &&Task| (task.key.kind, task.key.external_id) == (Kind::Product, external_id);
                let theirs = tasks.iter().find(product).and_then(|task| Some(&task.source.as_ref()?.record));
                let ours = local(Kind::Product).map(|ours| &ours.record);
                tasks[at].known = self.known_of_stock(run, theirs, ours, &mut here, cost).await?;
            }
        }
        Ok(())
    }

    /// Whether the record that a part goes with has become one with the same record made here.
    async fn is_followed(&self, run: &Run, task: &Task, cost: &mut Cost) -> Result<bool, StepError> {
        let key = RecordKey { kind: whole(task.key.kind), ..task.key };
        let found = self.catalog.get(&run.store, &[key], true, cost).await?;
        Ok(found.into_iter().flatten().any(|of| of.local.is_some() && of.local == task.entry.adopts))
    }

    /// Whether an earlier attempt has begun a batch.
    async fn was_begun(&self, place: Chunk<'_>, batch: u32) -> Result<bool, StepError> {
        Ok(place.journal(batch, &mut Cost::default()).await?.is_some())
    }

    /// Reads the stock that was written back, for the proof that it is equal on both sides.
    async fn read_back(&self, run: &Run, done: &[Done], tally: &mut Receipt) -> Result<(), StepError> {
        let levels: Vec<&Done> = done.iter().filter(|done| done.entry.kind == Kind::Stock).collect();
        if levels.is_empty() {
            return Ok(());
        }
        let key = |entry: &PlanEntry| RecordKey {
            source: run.source,
            kind: entry.kind,
            external_id: entry.external_id,
        };
        let keys: Vec<RecordKey> = levels.iter().map(|done| key(&done.entry)).collect();
        let stored = self.catalog.get(&run.store, &keys, true, &mut tally.cost).await?;
        for (done, stored) in levels.into_iter().zip(stored) {
            let moved = stored.as_ref().is_some_and(|stored| stored.written_run != run.id);
            let cause =
                if moved && done.codes.is_empty() { Cause::LocalMovement } else { Cause::WriteFailed };
            let source = done.source.as_ref().map(|source| &source.record);
            tally.stock.take_stored(source, stored.as_ref(), cause);
        }
        Ok(())
    }

    /// The before-images of a batch: those of an earlier attempt where there was one.
    async fn journal(
        &self,
        place: Chunk<'_>,
        batch: u32,
        keys: &[RecordKey],
        found: &[Found],
        cost: &mut Cost,
    ) -> Result<Vec<JournalEntry>, StepError> {
        if let Some(entries) = place.journal(batch, cost).await? {
            return Ok(entries);
        }
        let before = |(key, (stored, replaced)): (&RecordKey, &Found)| {
            JournalEntry::new(key, stored.as_ref(), replaced.as_ref())
        };
        let entries: Vec<JournalEntry> = keys.iter().zip(found).map(before).collect::<Result<_, _>>()?;
        place.put_journal(batch, &entries, cost).await?;
        Ok(entries)
    }

    /// Writes one record. `before` is what it was when this chunk was first tried, `now` what it is, with the record
    /// whose place it takes.
    async fn write(
        &self,
        run: &Run,
        task: Task,
        before: Option<StoredRecord>,
        (mut now, mut replaced): Found,
    ) -> Result<Done, StepError> {
        let mut cost = Cost::default();
        let version = |stored: &Option<StoredRecord>| stored.as_ref().map_or(0, |stored| stored.version);
        for _ in 0..TRIES {
            if now.as_ref().is_some_and(|stored| stored.written_run == run.id) {
                // An earlier attempt wrote it; what it did is read off the before-image.
                cost.catalogue_writes += 1 + u64::from(task.entry.replaces.is_some());
                let counts = decide(&task, before.as_ref(), run).counts;
                return Ok(task.done(counts, cost));
            }
            // Only a run that has ended is followed by another, so this attempt comes too late: ids sort by time.
            let outlived = now.as_ref().is_some_and(|stored| stored.written_run > run.id);
            let moved = version(&now) != task.entry.version;
            let source_moved = task.source.as_ref().is_some_and(|source| source.digest != task.entry.source);
            // What is made one with a record made here is what was decided about, or nothing.
            let joins =
                task.entry.adopts.is_some() && now.as_ref().is_none_or(|now| now.key.source.is_local());
            let bound = run.from_preview.is_some() || task.source.is_none() || joins;
            let stays = task.entry.replaces != replaced.as_ref().map(|replaced| replaced.version);
            if outlived || source_moved || moved && bound || stays {
                return Ok(refused(task, Outcome::Blocked, Code::RunPlanStale, cost));
            }
            let compared = decide(&task, now.as_ref(), run);
            let Some(merged) = &compared.merged else {
                return Ok(task.done(compared.counts, cost));
            };
            let record = next_version(run, &task, now.as_ref(), compared.outcome, merged);
            let expect = match &now {
                None => Expect::Absent,
                Some(now) if now.key.source.is_local() => Expect::Unlinked(now.version),
                Some(now) => Expect::Version(now.version),
            };
            let put = match &replaced {
                None => self.catalog.put(&run.store, &record, expect, &mut cost).await,
                Some(replaced) => self.put_in_place(run, &record, replaced, &mut cost).await,
            };
            match put {
                Ok(()) => {
                    return Ok(task.done(compared.counts, cost));
                }
                Err(PortError::Conflict) => {
                    let mut again = self.catalog.get(&run.store, &[task.place()], true, &mut cost).await?;
                    now = again.pop().flatten();
                    replaced = self.given_way(run, &task).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(refused(task, Outcome::Failed, Code::RunItemFailed, cost))
    }
}

/// The tasks of a batch; what is not to be written is counted here.
fn tasks(
    batch: Vec<Candidate>,
    entries: &mut HashMap<(Kind, u64), PlanEntry>,
    counts: &mut Counts,
) -> Vec<Task> {
    let mut tasks = Vec::new();
    for candidate in batch {
        match entries.remove(&(candidate.key.kind, candidate.key.external_id)) {
            Some(entry) if entry.outcome.writes() => {
                tasks.push(Task::new(entry, candidate.key, Some(candidate.source)));
            }
            Some(entry) => counts.merge(&count_as(&candidate.source.record, entry.outcome)),
            None => counts.merge(&count_as(&candidate.source.record, Outcome::Unchanged)),
        }
    }
    tasks
}

fn in_batches(tasks: Vec<Task>) -> Vec<Vec<Task>> {
    let mut batches: Vec<Vec<Task>> = Vec::new();
    for task in tasks {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH => batch.push(task),
            _ => batches.push(vec![task]),
        }
    }
    batches
}

/// The comparison that a task stands for, with a record as it is or was.
fn decide(task: &Task, stored: Option<&StoredRecord>, run: &Run) -> Comparison {
    match (&task.source, stored) {
        (Some(source), stored) => {
            let ours = stored.filter(|stored| stored.key.source.is_local());
            let ours = match ours {
                Some(ours) => Some(taken_for(ours, task.key, &source.record, &task.known)),
                None => stored
                    .filter(|_| !task.known.places.is_empty())
                    .map(|stored| settled(stored, &source.record, &task.known.places)),
            };
            compare(source, ours.as_ref().or(stored), Terms { run: &run.id, decisions: &run.decisions })
        }
        (None, Some(stored)) => gone(stored, run.options.on_missing),
        (None, None) => {
            let nothing = Fingerprinted {
                record: Record::empty(task.key.kind),
                digest: Digest(0),
                base: Base::default(),
            };
            Comparison { counts: Counts::default(), ..as_a_whole(&nothing, Outcome::Blocked) }
        }
    }
}

fn next_version(
    run: &Run,
    task: &Task,
    now: Option<&StoredRecord>,
    outcome: Outcome,
    merged: &Record,
) -> StoredRecord {
    let standing = match outcome {
        Outcome::Missing => {
            let done = run.options.on_missing.of(task.key.kind);
            now.map_or(Standing::Active, |now| now.standing.clone()).gone(&run.id, done)
        }
        _ => Standing::Active,
    };
    let (digest, base) = match (&task.source, now) {
        (Some(source), _) => (source.digest, source.base.clone()),
        (None, Some(_)) if standing.is_tombstone() => (Digest(0), Base::default()),
        (None, Some(stored)) => (stored.digest, stored.base.clone()),
        (None, None) => (Digest(0), Base::default()),
    };
    StoredRecord {
        key: task.key,
        version: now.map_or(0, |stored| stored.version) + 1,
        written_run: run.id.clone(),
        standing,
        digest,
        base,
        mapper: MAPPER_VERSION,
        record: merged.clone(),
        local: now.and_then(|stored| stored.local).or(task.entry.adopts),
    }
}

fn refused(task: Task, outcome: Outcome, code: Code, cost: Cost) -> Done {
    let mut entry = task.entry;
    entry.outcome = outcome;
    entry.codes.push(code);
    let counts =
        task.source.as_ref().map_or_else(Counts::default, |source| count_as(&source.record, outcome));
    Done { entry, counts, codes: vec![code], cost, source: task.source }
}
