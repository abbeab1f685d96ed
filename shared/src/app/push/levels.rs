//! Stock levels: a page is compared as a whole and set in calls of many. What the shop refuses is cut out of a call, so
//! one bad item costs no other its stock; what moved meanwhile is read again.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Desk, Halt, SHORT, Trouble};
use super::page::{About, Next, Paper, Told, nothing_kept, problem, source_hash};
use super::rounds::{Patience, Tried};
use crate::domain::push::change::{FieldChange, Image};
use crate::domain::push::code::{Code, Retry};
use crate::domain::push::ledger::{Op, Outcome, RowError};
use crate::domain::push::levels::{Batch, Decision, Live, Options, SetLevel, batches, decide};
use crate::domain::push::mapping::Levels;
use crate::domain::push::row::{Level, Row};
use crate::domain::push::run::PushKind;
use crate::ports::push::{Stopped, Written};

/// How often stock that moved while it was set is read again.
const REREADS: u32 = 3;
/// Levels wait together, however long one of them takes.
const PATIENCE: Patience = Patience { least: SHORT, most: Duration::MAX };

/// One level to be.
struct Job {
    seq: u64,
    hash: String,
    level: Level,
    attempts: u32,
    stale: u32,
    told: Told,
    error: Option<RowError>,
    next: Option<Next>,
}

fn quantity(before: Option<i32>, after: i32) -> Vec<FieldChange> {
    vec![FieldChange {
        path: "quantity".to_owned(),
        before: before.map(|before| json!(before)),
        after: Some(json!(after)),
    }]
}

fn failed(error: RowError) -> Next {
    Next::Over(Outcome::Failed, Some(error))
}

impl Tried for Job {
    fn take_next(&mut self) -> Option<Next> {
        self.next.take()
    }

    fn attempts(&mut self) -> &mut u32 {
        &mut self.attempts
    }

    fn error(&mut self) -> &mut Option<RowError> {
        &mut self.error
    }

    fn put(&mut self, desk: &Desk<'_>, paper: &mut Paper, outcome: Option<Outcome>, error: Option<RowError>) {
        let key = format!("{} / {}", self.level.item.1, self.level.location.1);
        let told = std::mem::take(&mut self.told);
        let about = About { seq: self.seq, key: &key, hash: &self.hash };
        paper.put(desk, about, &told, outcome, error);
    }
}

impl Job {
    /// The level that is to be given back, or what is next where it cannot be.
    fn give_back(&mut self, paper: &Paper, live: &Live) -> Option<Next> {
        let back = match paper.backs.get(&self.seq).and_then(|back| back.diff.first()) {
            Some(back) => back,
            None => return Some(failed(nothing_kept())),
        };
        let number =
            |value: &Option<Value>| value.as_ref().and_then(Value::as_i64).and_then(|n| n.try_into().ok());
        let (before, after): (Option<i32>, Option<i32>) = (number(&back.before), number(&back.after));
        let item = live.items.get(&self.level.item.1).and_then(|items| items.first());
        let place = live.locations.get(&self.level.location.1).and_then(|places| places.first());
        let now = item.zip(place).and_then(|(item, place)| item.levels.get(place).copied());
        let Some(before) = before else {
            let message = "the item was not on stock there before, and cannot be taken off it again";
            return Some(failed(RowError::ours(Code::UnsupportedChange, message).about("quantity", None)));
        };
        let given_back = paper.intents.contains_key(&self.seq) && now == Some(before);
        if now != after && !given_back {
            let error = RowError::ours(Code::Drift, "the stock was changed since it was set here");
            return Some(failed(error.about("quantity", None)));
        }
        self.level.quantity = before;
        None
    }
}

impl Desk<'_> {
    pub(super) async fn levels(
        &self,
        paper: &mut Paper,
        levels: &Levels,
        rows: &[(u64, &Row)],
    ) -> Result<(), Halt> {
        let mut todo = Vec::new();
        for (seq, row) in rows {
            let hash = source_hash(row);
            match levels.map(row) {
                Ok(level) => todo.push(Job {
                    seq: *seq,
                    hash,
                    level,
                    attempts: 0,
                    stale: 0,
                    told: Told::default(),
                    error: None,
                    next: None,
                }),
                Err(problems) => {
                    let (told, error) = (Told::default(), Some(problem(&problems)));
                    let about = About { seq: *seq, key: "", hash: &hash };
                    paper.put(self, about, &told, Some(Outcome::Failed), error);
                }
            }
        }
        let mut number = 0;
        while !todo.is_empty() {
            self.app.beat(self, paper).await?;
            number += 1;
            let passed = self.pass_levels(paper, levels, &mut todo, number).await;
            todo = self.after_round(paper, todo, passed, PATIENCE).await?;
        }
        Ok(())
    }

    async fn pass_levels(
        &self,
        paper: &mut Paper,
        levels: &Levels,
        jobs: &mut [Job],
        number: u32,
    ) -> Result<(), Halt> {
        let since = self.app.clock.now();
        let unique = |mut keys: Vec<_>| {
            keys.sort();
            keys.dedup();
            keys
        };
        let items = unique(jobs.iter().map(|job| job.level.item.clone()).collect());
        let places = unique(jobs.iter().map(|job| job.level.location.clone()).collect());
        let read = async |shop: &_| {
            self.app.writer.levels(shop, &self.budget, &items, &places, levels.quantity).await
        };
        let live = match self.ask(read).await {
            Ok(live) => live,
            Err(trouble) => return all(jobs.iter_mut(), trouble),
        };
        paper.look_again(self, since).await?;
        if self.run.kind == PushKind::Undo {
            for job in jobs.iter_mut() {
                job.next = job.give_back(paper, &live);
            }
        }
        let open: Vec<(u64, Level)> =
            jobs.iter().filter(|job| job.next.is_none()).map(|job| (job.seq, job.level.clone())).collect();
        let options =
            Options { activate: levels.options.activate_if_not_stocked, skip: levels.options.skip.clone() };
        let mut decided: HashMap<u64, Decision> = decide(&open, &live, &options).into_iter().collect();
        let (mut sets, mut images) = (Vec::new(), Vec::new());
        for job in jobs.iter_mut() {
            let Some(decision) = decided.remove(&job.seq) else { continue };
            job.told.op = Some(Op::Set);
            match decision {
                Decision::Over(Outcome::Unchanged, _) if paper.intents.contains_key(&job.seq) => {
                    job.next = Some(Next::Over(Outcome::Updated, None));
                }
                Decision::Over(Outcome::Unchanged, _) if paper.is_stale(job.seq, Op::Set, &[]) => {
                    job.next = Some(failed(stale_plan()));
                }
                Decision::Over(outcome, code) => {
                    let error = code.map(|code| RowError::ours(code, code.hint()));
                    job.next = Some(Next::Over(outcome, error));
                }
                Decision::Set(set) => {
                    job.told.gid = Some(set.item.clone());
                    let diff = quantity(set.from, set.quantity);
                    if paper.is_stale(job.seq, Op::Set, &diff) {
                        job.next = Some(failed(stale_plan()));
                        continue;
                    }
                    if paper.intents.get(&job.seq).is_none_or(|image| image.diff != diff) {
                        images.push(Image { seq: job.seq, op: Op::Set, diff });
                    }
                    if self.run.kind == PushKind::Plan {
                        job.next = Some(Next::Over(Outcome::Updated, None));
                    } else {
                        sets.push(set);
                    }
                }
            }
        }
        paper.put_images(self, images, &[]).await?;
        let mut by_seq: HashMap<u64, &mut Job> = jobs.iter_mut().map(|job| (job.seq, job)).collect();
        let (activated, set): (Vec<SetLevel>, Vec<SetLevel>) =
            sets.into_iter().partition(|set| set.from.is_none());
        for level in activated {
            let batch = Batch { levels: vec![level.clone()] };
            let key = batch.key(&self.run.id, number);
            let call = async |shop: &_| {
                self.app.writer.activate(shop, &self.budget, &level, key, levels.quantity).await
            };
            let answer = self.ask(call).await.map(|written| (Vec::new(), written));
            self.answered(&mut by_seq, batch, key, answer, &mut Vec::new())?;
        }
        let mut calls = batches(set);
        while let Some(batch) = calls.pop() {
            let key = batch.key(&self.run.id, number);
            let call = async |shop: &_| {
                let (quantity, options) = (levels.quantity, &levels.options);
                self.app.writer.set_levels(shop, &self.budget, &batch, key, quantity, options).await
            };
            let answer = self.ask(call).await;
            self.answered(&mut by_seq, batch, key, answer, &mut calls)?;
        }
        Ok(())
    }

    /// What follows from the answer to a call.
    fn answered(
        &self,
        jobs: &mut HashMap<u64, &mut Job>,
        batch: Batch,
        key: uuid::Uuid,
        answer: Result<(Vec<crate::domain::push::levels::Complaint>, Written), Trouble>,
        calls: &mut Vec<Batch>,
    ) -> Result<(), Halt> {
        let mut of = |levels: &[SetLevel], next: &dyn Fn(&mut Job) -> Next| {
            for level in levels {
                if let Some(job) = jobs.get_mut(&level.seq) {
                    job.next = Some(next(job));
                }
            }
        };
        let (complaints, written) = match answer {
            Ok(answer) => answer,
            Err(Trouble::Halt(halt)) => return Err(halt),
            Err(Trouble::Again { error, wait, counts }) => {
                of(&batch.levels, &|_| Next::Again { error: error.clone(), wait, counts });
                return Ok(());
            }
            Err(Trouble::Refused(error)) => {
                of(&batch.levels, &|_| failed(error.clone()));
                return Ok(());
            }
        };
        let again = |error: &RowError, wait| {
            let counts = error.retry != Retry::AfterWait;
            Next::Again { error: error.clone(), wait, counts }
        };
        match &written.stopped {
            Some(Stopped::Later(error, wait)) => of(&batch.levels, &|_| again(error, *wait)),
            Some(Stopped::InDoubt(error)) => of(&batch.levels, &|_| again(error, SHORT)),
            Some(Stopped::Refused(errors)) if complaints.is_empty() => {
                let error = errors.first().cloned();
                let error =
                    error.unwrap_or_else(|| RowError::ours(Code::Refused, "the shop refused the call"));
                if let Trouble::Halt(halt) = Trouble::of(error.clone()) {
                    return Err(halt);
                }
                of(&batch.levels, &|_| failed(error.clone()));
            }
            _ if complaints.is_empty() => of(&batch.levels, &|_| Next::Over(Outcome::Updated, None)),
            _ => {
                let surgery = batch.clone().cut(&complaints);
                for (level, code) in surgery.out {
                    of(std::slice::from_ref(&level), &|job| {
                        let error = RowError::ours(code, code.hint());
                        job.stale += u32::from(code.retry() == Retry::Reread);
                        let rereads = code.retry() == Retry::Reread && job.stale <= REREADS;
                        let waits = code.effect() == crate::domain::push::code::Effect::KeepsPending;
                        if rereads || waits {
                            return Next::Again { error, wait: SHORT, counts: waits };
                        }
                        failed(error)
                    });
                }
                calls.extend(surgery.again);
                return Ok(());
            }
        }
        let points = u32::try_from(written.points.thousandths() / 1000).unwrap_or(u32::MAX);
        for (at, level) in batch.levels.iter().enumerate() {
            let Some(job) = jobs.get_mut(&level.seq) else { continue };
            job.told.plan.clone_from(&written.calls);
            // What a call of many costs stands with its first.
            job.told.points += if at == 0 { points } else { 0 };
            job.told.request_id.clone_from(&written.request_id);
            job.told.idempotency_key = Some(key.to_string());
        }
        Ok(())
    }
}

fn stale_plan() -> RowError {
    RowError::ours(Code::ChangedSincePlan, "the stock is not what it was when the plan was made")
}

fn all<'j>(jobs: impl Iterator<Item = &'j mut Job>, trouble: Trouble) -> Result<(), Halt> {
    for job in jobs {
        job.next = Some(match &trouble {
            Trouble::Again { error, wait, counts } => {
                Next::Again { error: error.clone(), wait: *wait, counts: *counts }
            }
            Trouble::Refused(error) => failed(error.clone()),
            Trouble::Halt(_) => break,
        });
    }
    match trouble {
        Trouble::Halt(halt) => Err(halt),
        _ => Ok(()),
    }
}
