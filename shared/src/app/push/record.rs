//! Records of the shop as rows would have them. In each pass they are looked up together, compared, and written side by
//! side: each is held, written, and let go. Whatever went wrong before, the next pass begins with what the shop has.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use jiff::SignedDuration;
use serde_json::Value;

use super::desk::{Desk, Halt, Trouble};
use super::job::{Back, Job};
use super::page::{Next, Paper, Told};
use crate::domain::push::change::{FieldChange, Image};
use crate::domain::push::code::Code;
use crate::domain::push::ledger::{Op, Outcome, RowError};
use crate::domain::push::row::Purpose;
use crate::domain::push::run::{OnDrift, PushKind};
use crate::domain::push::state::{Hold, KeyHash, KeyState, fingerprint};
use crate::domain::push::target::Stream;
use crate::domain::push::throttle;
use crate::ports::PortError;
use crate::ports::push::{Change, Found, LiveRecord, Sought, Stopped, TakenBack, Writing};

/// How long a key is held for one writing: longer than any takes.
const HELD: SignedDuration = SignedDuration::from_secs(180);
/// How long a call takes before one was made.
const LATENCY: Duration = Duration::from_millis(400);
/// How long to wait for someone who holds a key.
const BUSY: Duration = Duration::from_secs(5);

/// How long to wait where the shop is still at work on the record itself.
const SETTLING: Duration = Duration::from_secs(3);

/// A record that is about to be written.
struct Ready {
    at: usize,
    op: Op,
    writing: Writing,
    state: Option<KeyState>,
    payload_hash: String,
}

fn failed(error: RowError) -> Next {
    Next::Over(Outcome::Failed, Some(error))
}

fn first_of(errors: Vec<RowError>) -> RowError {
    errors.into_iter().next().unwrap_or_else(|| RowError::ours(Code::Bug, "refused without a reason"))
}

/// What a change of a record comes to.
fn outcome(op: Op) -> Outcome {
    match op {
        Op::Create => Outcome::Created,
        Op::Update | Op::Set => Outcome::Updated,
    }
}

impl Desk<'_> {
    /// One pass over records: each has its `next` afterwards, but for those that a halt left out.
    pub(super) async fn pass(&self, paper: &mut Paper, jobs: &mut [Job<'_>]) -> Result<(), Halt> {
        let since = self.app.clock.now();
        let keys: Vec<KeyHash> = jobs.iter().map(|job| job.hash.clone()).collect();
        let states = self.app.states.load(&self.run.store, self.run.provider, &keys).await?;
        let found = self.find(jobs).await?;
        paper.look_again(self, since).await?;
        let mut ready = Vec::new();
        for (at, (found, state)) in found.into_iter().zip(states).enumerate() {
            let Some(found) = found else { continue };
            match self.decide(paper, at, &mut jobs[at], found, state).await? {
                Ok(next) => ready.push(next),
                Err(next) => jobs[at].next = Some(next),
            }
        }
        self.guard(paper, jobs, &ready)?;
        let news = ready.iter().filter_map(|ready| {
            let seq = jobs[ready.at].first();
            let known = paper.intents.get(&seq).is_some_and(|image| image.diff == ready.writing.diff);
            let op = paper.intents.get(&seq).map_or(ready.op, |image| image.op);
            (!known).then(|| Image { seq, op, diff: ready.writing.diff.clone() })
        });
        let news: Vec<Image> = news.collect();
        let known = ready.iter().map(|ready| &jobs[ready.at]);
        let known = known.filter_map(|job| Some((job.first(), job.told.gid.clone()?)));
        paper.put_images(self, news, &known.collect::<Vec<_>>()).await?;
        if self.run.kind == PushKind::Plan {
            for ready in ready {
                let points = ready.writing.points.thousandths();
                paper.forecast += points;
                let job = &mut jobs[ready.at];
                job.told.plan = ready.writing.calls.iter().map(|call| call.name.clone()).collect();
                job.told.points = u32::try_from(points / 1000).unwrap_or(u32::MAX);
                job.next = Some(Next::Over(outcome(ready.op), ready.writing.left.first().cloned()));
            }
            return Ok(());
        }
        self.write_all(paper, jobs, ready).await
    }

    /// What the keys of each lead to; none where that was not found out, and why is with the job.
    async fn find(&self, jobs: &mut [Job<'_>]) -> Result<Vec<Option<Found>>, Halt> {
        let mut wanted = Vec::new();
        for job in jobs.iter_mut() {
            if let Err(error) = job.compared() {
                job.next = Some(failed(*error));
                continue;
            }
            let inputs = [&job.create, &job.update].into_iter().flatten();
            wanted.extend(
                inputs.flat_map(|input| &input.lookups).map(|lookup| (lookup.what, lookup.key.clone())),
            );
        }
        let open: Vec<usize> = (0..jobs.len()).filter(|at| jobs[*at].next.is_none()).collect();
        if self.run.kind != PushKind::Undo
            && let Err(trouble) = self.ids(&wanted).await
        {
            let all = open.iter().copied();
            return trouble_of(jobs, all, trouble).map(|()| jobs.iter().map(|_| None).collect());
        }
        let mut found: Vec<Option<Found>> = jobs.iter().map(|_| None).collect();
        // One that cannot even be looked for must not keep the others from it.
        let mut parts = vec![open];
        while let Some(part) = parts.pop() {
            let inputs: Vec<Value> = part
                .iter()
                .map(|at| {
                    let job = &jobs[*at];
                    if let Some(back) = job.back.as_ref().filter(|back| back.created) {
                        // Everything that was written is read, the key that the platform put in too.
                        let written = back.diff.iter();
                        let written = written.filter_map(|one| Some((one.path.clone(), one.after.clone()?)));
                        return Value::Object(written.collect());
                    }
                    let purposes = match &job.update {
                        Ok(_) => [Purpose::Update, Purpose::Create],
                        Err(_) => [Purpose::Create, Purpose::Update],
                    };
                    let resolved = purposes.into_iter().find_map(|purpose| job.input(self, purpose).ok());
                    let bare = || job.compared().map(|input| input.values.clone()).unwrap_or_default();
                    resolved.unwrap_or_else(bare)
                })
                .collect();
            let sought: Vec<Sought<'_>> = part
                .iter()
                .zip(&inputs)
                .map(|(at, input)| Sought {
                    identifiers: &jobs[*at].identifiers,
                    input,
                    whole: jobs[*at].back.as_ref().is_some_and(|back| back.created),
                })
                .collect();
            if sought.is_empty() {
                continue;
            }
            let call =
                async |shop: &_| self.app.writer.find(shop, &self.budget, self.run.stream, &sought).await;
            match self.ask(call).await {
                Ok(answers) => {
                    for (at, answer) in part.iter().zip(answers) {
                        found[*at] = Some(answer);
                    }
                }
                Err(Trouble::Refused(_)) if part.len() > 1 => {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([right.to_vec(), left.to_vec()]);
                }
                Err(trouble) => trouble_of(jobs, part.iter().copied(), trouble)?,
            }
        }
        Ok(found)
    }

    /// What is to be done about a record, or what is next for it.
    async fn decide(
        &self,
        paper: &Paper,
        at: usize,
        job: &mut Job<'_>,
        found: Found,
        state: Option<KeyState>,
    ) -> Result<Result<Ready, Next>, Halt> {
        if let Some(next) = self.held(job, state.as_ref()).await? {
            return Ok(Err(next));
        }
        let intent = paper.intents.get(&job.first()).map(|image| image.op);
        let payload_hash = {
            let input = job.compared().map(|input| input.values.to_string()).unwrap_or_default();
            fingerprint(&[&input])
        };
        job.told.payload_hash = Some(payload_hash.clone());
        let live = match found {
            Found::Unclear(error) => return Ok(Err(failed(error))),
            Found::Nothing => None,
            Found::One(live) => Some(live),
        };
        job.told.gid = live.as_ref().map(|live| live.id.clone());
        let planned = match &job.back {
            Some(back) => self.give_back(back, live.as_ref(), intent),
            None => self.plan(job, live.as_ref(), intent, state.as_ref()),
        };
        let (op, writing) = match planned {
            Ok(planned) => planned,
            Err(next) => return Ok(Err(*next)),
        };
        job.told.op = Some(intent.unwrap_or(op));
        if paper.is_stale(job.first(), op, &writing.diff) {
            let message = "the record or the row is not what it was when the plan was made";
            return Ok(Err(failed(RowError::ours(Code::ChangedSincePlan, message))));
        }
        if writing.diff.is_empty() {
            // What an earlier attempt was about to write is there.
            let outcome = intent.map_or(Outcome::Unchanged, outcome);
            return Ok(Err(Next::Over(outcome, writing.left.first().cloned())));
        }
        let written_here = state.as_ref().is_some_and(|state| {
            state.hold == Hold::Over
                && state.payload_hash == payload_hash
                && matches!(state.outcome, Some(Outcome::Created | Outcome::Updated))
        });
        // What is written always, whether it differs or not, is no sign of a change.
        let differs = writing.diff.iter().any(|change| change.before != change.after);
        let drifts = written_here && differs && intent.is_none() && job.back.is_none();
        if drifts && self.run.safety.on_drift == OnDrift::Fail {
            let message = "the shop has something else by now than what was written here";
            let path = writing.diff.first().map(|change| change.path.clone()).unwrap_or_default();
            return Ok(Err(failed(RowError::ours(Code::Drift, message).about(path, None))));
        }
        Ok(Ok(Ready { at, op, writing, state, payload_hash }))
    }

    /// What is next for a record that someone else writes, or has written since.
    async fn held(&self, job: &Job<'_>, state: Option<&KeyState>) -> Result<Option<Next>, Halt> {
        let Some(state) = state.filter(|_| self.run.kind != PushKind::Plan) else { return Ok(None) };
        let mine = state.run == self.run.id;
        let written = matches!(state.outcome, Some(Outcome::Created | Outcome::Updated));
        let busy = || {
            let error = RowError::ours(Code::KeyInFlight, "another run is writing this record");
            Next::Again { error, wait: BUSY, counts: true }
        };
        Ok(match state.hold {
            Hold::Over if !written || self.run.kind == PushKind::Undo => None,
            Hold::Over if mine && state.seq > job.first() => {
                let message = "a later row of this record was written before this one could be";
                Some(failed(RowError::ours(Code::DuplicateKeyInInput, message)))
            }
            Hold::Over if state.run > self.run.id => {
                let message = "a newer run has written this record";
                Some(failed(RowError::ours(Code::ChangedSincePlan, message)))
            }
            Hold::Over if mine || self.has_told(&state.run, state.page).await? => None,
            Hold::Over | Hold::Writing if !mine && state.held_until > self.app.clock.now() => Some(busy()),
            Hold::Writing if mine && state.fence > self.fence => return Err(Halt::Overtaken),
            Hold::Over | Hold::Writing | Hold::InDoubt => None,
        })
    }

    fn plan(
        &self,
        job: &Job<'_>,
        live: Option<&LiveRecord>,
        intent: Option<Op>,
        state: Option<&KeyState>,
    ) -> Result<(Op, Writing), Box<Next>> {
        let mapping = job.record.mapping();
        let (op, purpose) = match live {
            None => (Op::Create, Purpose::Create),
            Some(_) => (Op::Update, Purpose::Update),
        };
        if live.is_none() && !mapping.creates() {
            let error = RowError::ours(Code::NotFound, "the shop has no record with this key");
            return Err(Box::new(failed(error)));
        }
        if live.is_none() && self.in_doubt(state) {
            let message = "it was sent and its answer lost; the shop does not show it";
            let error = RowError::ours(Code::TimeoutAfterSend, message);
            return Err(Box::new(Next::Again { error, wait: Duration::from_secs(2), counts: true }));
        }
        if live.is_some() && !mapping.changes() && intent != Some(Op::Create) {
            return Err(Box::new(Next::Over(Outcome::Skipped, None)));
        }
        let input = job.input(self, purpose).map_err(|error| Box::new(failed(*error)))?;
        let how = job.how();
        let change = Change {
            stream: self.run.stream,
            purpose,
            identifiers: &job.identifiers,
            input: &input,
            live,
            how: &how,
        };
        let writing = self.app.writer.plan(&change);
        let writing = writing.map_err(|errors| {
            let error = first_of(errors);
            Box::new(match Trouble::of(error.clone()) {
                Trouble::Again { error, .. } => Next::Again { error, wait: SETTLING, counts: true },
                _ => failed(error),
            })
        })?;
        Ok((op, writing))
    }

    /// Whether the record may have been made by a call whose answer nobody has, so that it must not be made again.
    fn in_doubt(&self, state: Option<&KeyState>) -> bool {
        let Some(state) = state.filter(|_| self.run.stream == Stream::Orders) else { return false };
        // Someone has looked for those of earlier runs, and says that they are not there.
        let looked_for = self.run.send_in_doubt && state.run != self.run.id;
        state.hold != Hold::Over && state.op == Op::Create && !looked_for && self.run.kind != PushKind::Plan
    }

    /// Where something would be taken away from too many records, nothing is.
    fn guard(&self, paper: &mut Paper, jobs: &[Job<'_>], ready: &[Ready]) -> Result<(), Halt> {
        let fresh = ready.iter().filter(|ready| {
            let known = paper.intents.contains_key(&jobs[ready.at].first());
            !known && ready.writing.diff.iter().any(FieldChange::takes_away)
        });
        let deleting = paper.deleting + fresh.count() as u64;
        let asks = matches!(self.run.kind, PushKind::Write | PushKind::Apply | PushKind::Replay);
        if asks && deleting > paper.deleting && !self.run.may_delete(deleting) {
            let message = format!("{deleting} records and more would lose elements of their lists");
            return Err(Halt::stop(Code::DeleteGuard, message));
        }
        paper.deleting = deleting;
        Ok(())
    }

    async fn write_all(&self, paper: &Paper, jobs: &mut [Job<'_>], ready: Vec<Ready>) -> Result<(), Halt> {
        if ready.is_empty() {
            return Ok(());
        }
        let points = ready.iter().map(|ready| ready.writing.points.thousandths()).sum::<u64>();
        let each = throttle::Points::from_thousandths(points / ready.len() as u64);
        let side_by_side = throttle::in_flight(self.budget.rate(), each, LATENCY);
        let shared = &*jobs;
        let writing: Vec<_> =
            ready.into_iter().map(|ready| self.write(paper, &shared[ready.at], ready)).collect();
        let written: Vec<_> = stream::iter(writing).buffer_unordered(side_by_side).collect().await;
        let mut halts = None;
        for (at, told, next) in written {
            let job = &mut jobs[at];
            job.told.gid = told.gid.or(job.told.gid.take());
            job.told.plan.extend(told.plan);
            job.told.points += told.points;
            job.told.ms += told.ms;
            job.told.request_id = told.request_id.or(job.told.request_id.take());
            match next {
                Ok(next) => job.next = Some(next),
                // What stops the run is told rather than what merely ends the step.
                Err(halt @ Halt::Stop(_)) => halts = Some(halt),
                Err(halt) => halts = halts.or(Some(halt)),
            }
        }
        halts.map_or(Ok(()), Err)
    }

    /// Holds a key, writes, lets go.
    async fn write(&self, paper: &Paper, job: &Job<'_>, ready: Ready) -> (usize, Told, Result<Next, Halt>) {
        let Ready { at, op, writing, state, payload_hash } = ready;
        let begun = self.app.clock.now();
        let mut told = Told::default();
        let op = paper.intents.get(&job.first()).map_or(op, |image| image.op);
        // An earlier attempt may be on its way still, and be what the shop refuses this one for.
        let may_be_there = op == Op::Create
            && job.attempts == 0
            && state.as_ref().is_some_and(|state| state.hold != Hold::Over && state.run == self.run.id);
        let mut held = KeyState {
            version: state.as_ref().map_or(0, |state| state.version) + 1,
            run: self.run.id.clone(),
            page: paper.number,
            seq: job.rows.last().map_or(0, |(seq, _)| *seq),
            fence: self.fence,
            hold: Hold::Writing,
            held_until: begun + HELD,
            op,
            outcome: None,
            gid: job.told.gid.clone(),
            source_hash: job.rows.first().map(|(_, hash)| hash.clone()).unwrap_or_default(),
            payload_hash,
            looked: 0,
        };
        match self.put_state(&job.hash, &held).await {
            Ok(true) => {}
            Ok(false) => {
                let error = RowError::ours(Code::KeyInFlight, "another run is writing this record");
                return (at, told, Ok(Next::Again { error, wait: super::desk::SHORT, counts: true }));
            }
            Err(error) => return (at, told, Err(error.into())),
        }
        let call = async |shop: &_| self.app.writer.write(shop, &self.budget, &writing).await;
        let answer = self.ask(call).await;
        held.hold = Hold::Over;
        let next = match answer {
            Ok(written) => {
                told.gid.clone_from(&written.id);
                told.plan = written.calls;
                told.points = u32::try_from(written.points.thousandths() / 1000).unwrap_or(u32::MAX);
                told.request_id = written.request_id;
                match written.stopped {
                    None => Ok(Next::Over(outcome(op), writing.left.first().cloned())),
                    Some(Stopped::Refused(errors)) if may_be_there => {
                        let error = first_of(errors);
                        Ok(Next::Again { error, wait: super::desk::SHORT, counts: true })
                    }
                    Some(Stopped::Refused(errors)) => next(Trouble::of(first_of(errors))),
                    Some(Stopped::Later(error, wait)) => {
                        let waits = matches!(error.retry, crate::domain::push::code::Retry::AfterWait);
                        Ok(Next::Again { error: *error, wait, counts: !waits })
                    }
                    Some(Stopped::InDoubt(error)) => {
                        held.hold = Hold::InDoubt;
                        Ok(Next::Again { error: *error, wait: super::desk::SHORT, counts: true })
                    }
                }
            }
            Err(trouble) => next(trouble),
        };
        let now = self.app.clock.now();
        told.ms = u64::try_from(now.duration_since(begun).as_millis()).unwrap_or(0);
        held.gid = told.gid.clone().or(held.gid);
        held.version += 1;
        held.held_until = if held.hold == Hold::InDoubt { now } else { held.held_until };
        held.outcome = match &next {
            Ok(Next::Over(outcome, _)) => Some(*outcome),
            _ => None,
        };
        // Where that does not succeed, the key stays held for a while and is looked at anew.
        if let Err(error) = self.put_state(&job.hash, &held).await {
            tracing::warn!(cause = crate::ports::chain(&error), "a key could not be let go");
        }
        (at, told, next)
    }

    /// Puts down what is known of a key; false where someone else was first. An answer that was lost is looked for.
    async fn put_state(&self, key: &KeyHash, state: &KeyState) -> Result<bool, PortError> {
        let (store, provider) = (&self.run.store, self.run.provider);
        match self.app.states.put(store, provider, key, state).await {
            Ok(()) => return Ok(true),
            Err(PortError::Conflict) => {}
            Err(PortError::Unavailable { .. } | PortError::Throttled { .. }) => {
                match self.app.states.put(store, provider, key, state).await {
                    Ok(()) => return Ok(true),
                    Err(PortError::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
        let there = self.app.states.load(store, provider, std::slice::from_ref(key)).await?;
        Ok(there.first().is_some_and(|there| there.as_ref() == Some(state)))
    }

    fn give_back(
        &self,
        back: &Back,
        live: Option<&LiveRecord>,
        intent: Option<Op>,
    ) -> Result<(Op, Writing), Box<Next>> {
        let Some(live) = live else {
            // A record that the push made and that is gone is what the undo wants.
            let gone = back.created.then_some(Next::Over(intent.map_or(Outcome::Unchanged, outcome), None));
            let error = || failed(RowError::ours(Code::NotFound, "the record is gone from the shop"));
            return Err(Box::new(gone.unwrap_or_else(error)));
        };
        match self.app.writer.take_back(self.run.stream, back.created, &back.diff, live) {
            TakenBack::Writing(writing) => Ok((Op::Update, writing)),
            TakenBack::Drift(errors) => Err(Box::new(failed(drifted(errors)))),
        }
    }
}

/// Every field that was changed since, in one error.
fn drifted(errors: Vec<RowError>) -> RowError {
    let paths: Vec<String> = errors.iter().filter_map(|error| error.path.clone()).collect();
    let first = first_of(errors);
    if paths.len() < 2 {
        return first;
    }
    RowError { message: format!("{} ({})", first.message, paths.join(", ")), ..first }
}

fn next(trouble: Trouble) -> Result<Next, Halt> {
    match trouble {
        Trouble::Again { error, wait, counts } => Ok(Next::Again { error, wait, counts }),
        Trouble::Refused(error) => Ok(failed(error)),
        Trouble::Halt(halt) => Err(halt),
    }
}

fn trouble_of(
    jobs: &mut [Job<'_>],
    which: impl Iterator<Item = usize>,
    trouble: Trouble,
) -> Result<(), Halt> {
    let (error, wait, counts, over) = match trouble {
        Trouble::Again { error, wait, counts } => (error, wait, counts, false),
        Trouble::Refused(error) => (error, Duration::ZERO, false, true),
        Trouble::Halt(halt) => return Err(halt),
    };
    for at in which {
        let error = error.clone();
        jobs[at].next = Some(if over { failed(error) } else { Next::Again { error, wait, counts } });
    }
    Ok(())
}
