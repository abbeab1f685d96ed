//! Copying files beside a run that has ended: once through the store's products, then again through what failed.
//!
//! It is no part of the run: nothing it meets changes what the run did, and the next run need not wait for it. How far it
//! is stands in the run (`Run::copying`). One message at a time carries it on, numbered: whoever receives one that is
//! older than what is stored does nothing, or sends the next once more if it may have been lost.

use std::cmp::Ordering;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;

use super::{ImportStep, StepError};
use crate::domain::media::{Copying, CopyingState, MediaKey, MediaLink, WantedFile, media_of};
use crate::domain::record::{Kind, Standing};
use crate::domain::run::{Run, RunKind, RunState};
use crate::domain::warning::Code;
use crate::ports::queue::{Step, StepMessage};

/// Products on one page.
const PRODUCTS: u32 = 10;
/// Media whose links are read at once, and after which what is done is counted.
const MEDIA: usize = 50;
/// Files under way at once. Each is held in memory as a whole.
const AT_ONCE: usize = 4;
/// What one file may take at most before the rest of a step's time begins.
const FILE_TIME: Duration = Duration::from_secs(10);
/// How often a step stores how far it is.
const NOTED: Duration = Duration::from_secs(10);
/// The longest wait for what is to be tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// The wait where the list of what is to be tried again is behind.
const LATE_LIST: Duration = Duration::from_secs(60);
/// Steps that the copying beside one run may take.
const MAX_HOPS: u32 = 50_000;

/// Where a step of copying stands.
enum Next {
    /// It goes on.
    More,
    /// Another step goes on, after a while.
    Later(Duration),
    /// It is over.
    Over(CopyingState),
}

/// A medium and what is to be copied of it, or why nothing is.
type Asked = Result<WantedFile, Code>;

/// What is to be done beside a run that has ended: copying, where it ended as it should and that was asked for.
pub(super) fn copying_of(run: &Run) -> Option<Copying> {
    let done = matches!(run.state, RunState::Completed | RunState::CompletedWithWarnings);
    let imports = matches!(run.kind, RunKind::Import | RunKind::Retry);
    (done && imports && run.options.copy_media).then(Copying::default)
}

impl ImportStep {
    /// Begins to copy beside a run that has ended, where that is to be done and no step of it has come to its end.
    pub(super) async fn begin_copying(&self, run: &Run) -> Result<(), StepError> {
        match &run.copying {
            Some(copying) if copying.hop == 0 && !copying.state.is_over() => {
                self.send_next(run, 0, Duration::ZERO).await
            }
            _ => Ok(()),
        }
    }

    /// Carries copying on until its time is up.
    pub(super) async fn copy_media(
        &self,
        run: Run,
        hop: u32,
        receives: u32,
        until: Timestamp,
    ) -> Result<(), StepError> {
        let Some(stored) = run.copying.clone() else { return Ok(()) };
        let mut at = stored.clone();
        if at.state.is_over() || hop > at.hop {
            return Ok(());
        }
        if hop < at.hop {
            // Whoever stored this may have died before sending the next; a twin of an old message is no reason to.
            let may_be_lost = receives > 1 && hop + 1 == at.hop;
            return if may_be_lost { self.send_next(&run, at.hop, Duration::ZERO).await } else { Ok(()) };
        }
        let mut progress = Stored { run, copying: stored };
        let last_begin = until.checked_sub(FILE_TIME).unwrap_or(until);
        let mut noted = self.clock.now();
        loop {
            let next = if !self.still_connected(&progress.run).await? || at.hop >= MAX_HOPS {
                Next::Over(CopyingState::Stopped)
            } else if at.state == CopyingState::Copying {
                self.copy_some(&progress.run, &mut at, last_begin).await?
            } else {
                self.try_some_again(&mut progress, &mut at, last_begin).await?
            };
            match next {
                Next::More if self.clock.now() < last_begin => {
                    if self.clock.now() >= noted + NOTED {
                        noted = self.clock.now();
                        if !self.note_copying(&mut progress, &at).await? {
                            return Ok(());
                        }
                    }
                }
                Next::More => return self.hand_over(&mut progress, at, Duration::ZERO).await,
                Next::Later(wait) => return self.hand_over(&mut progress, at, wait).await,
                Next::Over(state) => {
                    at.state = state;
                    let (files, copied) = (at.tally.files, at.tally.copied);
                    tracing::info!(media.files = files, media.copied = copied, "copying is over");
                    self.note_copying(&mut progress, &at).await?;
                    return Ok(());
                }
            }
        }
    }

    /// Ends copying of which a step failed until its last delivery.
    pub(super) async fn give_up_copying(&self, message: &StepMessage) -> Result<(), StepError> {
        self.change(&message.store, message.provider, &message.run, |run| {
            let going_on = run.copying.as_mut().filter(|copying| !copying.state.is_over());
            let news = going_on.is_some();
            if let Some(copying) = going_on {
                copying.state = CopyingState::Stopped;
            }
            Ok(news)
        })
        .await?;
        Ok(())
    }

    /// The files are the merchant's to give: none is fetched any more once the store has left the shop.
    async fn still_connected(&self, run: &Run) -> Result<bool, StepError> {
        let connector = self.access.connectors.load(&run.store, run.provider).await?;
        let used = connector.and_then(|connector| connector.installation);
        Ok(used.is_some_and(|used| used.shop_id == run.source.shop_id))
    }

    async fn send_next(&self, run: &Run, hop: u32, wait: Duration) -> Result<(), StepError> {
        Ok(self.queue.send(&[Self::message(run, Step::Media { hop })], wait).await?)
    }

    async fn hand_over(
        &self,
        progress: &mut Stored,
        mut at: Copying,
        wait: Duration,
    ) -> Result<(), StepError> {
        at.hop += 1;
        if self.note_copying(progress, &at).await? {
            self.send_next(&progress.run, at.hop, wait).await?;
        }
        Ok(())
    }

    /// Stores how far copying is; false where another step was first, which then goes on alone.
    async fn note_copying(&self, progress: &mut Stored, at: &Copying) -> Result<bool, StepError> {
        let mut ours = true;
        let run = self
            .change(&progress.run.store, progress.run.provider, &progress.run.id, |run| {
                ours = run.copying.as_ref().is_some_and(|stored| [&progress.copying, at].contains(&stored));
                let news = ours && run.copying.as_ref() != Some(at);
                if news {
                    run.copying = Some(at.clone());
                }
                Ok(news)
            })
            .await?;
        let ours = ours && run.is_some();
        if ours {
            progress.copying = at.clone();
        }
        Ok(ours)
    }

    /// Copies what is next of the products.
    async fn copy_some(&self, run: &Run, at: &mut Copying, last_begin: Timestamp) -> Result<Next, StepError> {
        let page = self.catalog.list(&run.store, Kind::Product, at.cursor.clone(), PRODUCTS).await?;
        let ours = page
            .items
            .iter()
            .filter(|record| record.key.source == run.source && record.standing == Standing::Active);
        let media = ours.flat_map(media_of).map(|(_, asked)| asked);
        let asked: Vec<Asked> = media.skip(at.done).take(MEDIA).collect();
        let some = asked.len();
        let copied = self.copy_each(run, asked, last_begin).await?;
        at.done += copied.len();
        for one in &copied {
            match one {
                Ok(link) => at.tally.count(link, &run.id),
                Err(code) => at.tally.count_code(*code),
            }
        }
        if copied.len() < some || some == MEDIA {
            return Ok(Next::More);
        }
        (at.cursor, at.done) = (page.next, 0);
        if at.cursor.is_none() {
            at.state = CopyingState::Retrying;
        }
        Ok(Next::More)
    }

    /// Copies media side by side, in order, until the time is up; the first always.
    async fn copy_each(
        &self,
        run: &Run,
        asked: Vec<Asked>,
        last_begin: Timestamp,
    ) -> Result<Vec<Result<MediaLink, Code>>, StepError> {
        let keys: Vec<MediaKey> = asked.iter().flatten().map(|wanted| wanted.key.clone()).collect();
        let mut links = self.media.links.links(&run.store, &keys).await?.into_iter();
        let work: Vec<_> = asked
            .into_iter()
            .enumerate()
            .map(|(nth, asked)| {
                let link = asked.as_ref().ok().and_then(|_| links.next()).flatten();
                async move {
                    let wanted = match asked {
                        Err(code) => return Ok(Some(Err(code))),
                        Ok(wanted) => wanted,
                    };
                    if nth > 0 && self.out_of_time(last_begin) {
                        return Ok(None);
                    }
                    self.media.copy(run, &wanted, link).await.map(|link| Some(Ok(link)))
                }
            })
            .collect();
        let mut work = stream::iter(work).buffered(AT_ONCE);
        let mut done = Vec::new();
        while let Some(one) = work.next().await {
            match one? {
                Some(one) => done.push(one),
                None => break,
            }
        }
        Ok(done)
    }

    /// Tries again what is due of what this run could not fetch. What is in hand is stored before anything is done about
    /// it, so that each is counted anew once.
    async fn try_some_again(
        &self,
        progress: &mut Stored,
        at: &mut Copying,
        last_begin: Timestamp,
    ) -> Result<Next, StepError> {
        if at.again.is_empty() {
            let (store, source) = (progress.run.store.clone(), progress.run.source);
            let listed = self.media.links.to_try(&store, source, MEDIA).await?;
            let now = self.clock.now();
            let Some((soonest, _)) = listed.first() else { return Ok(Next::Over(CopyingState::Done)) };
            if *soonest > now {
                let wait = Duration::try_from(soonest.duration_since(now)).unwrap_or_default();
                return Ok(Next::Later(wait.min(LONGEST_WAIT)));
            }
            let due: Vec<MediaKey> =
                listed.into_iter().filter(|(when, _)| *when <= now).map(|(_, key)| key).collect();
            let links = self.media.links.links(&store, &due).await?;
            for (key, link) in due.into_iter().zip(links.into_iter().map(Option::unwrap_or_default)) {
                let Some(failure) = link.failure.as_ref().filter(|failure| failure.next_try.is_some()) else {
                    continue;
                };
                match failure.run.cmp(&progress.run.id) {
                    Ordering::Equal => at.again.push(key.id),
                    // A later run has begun to copy: what is left is its own.
                    Ordering::Greater => {
                        at.again.clear();
                        return Ok(Next::Over(CopyingState::Done));
                    }
                    // Of an earlier run, and no product has it any more.
                    Ordering::Less => self.media.leave(&store, &key, &link).await?,
                }
            }
            if at.again.is_empty() {
                return Ok(Next::Later(LATE_LIST));
            }
            if !self.note_copying(progress, at).await? {
                return Ok(Next::Later(LATE_LIST));
            }
        }
        self.try_again(&progress.run, at, last_begin).await
    }

    async fn try_again(&self, run: &Run, at: &mut Copying, last_begin: Timestamp) -> Result<Next, StepError> {
        let keys: Vec<MediaKey> =
            at.again.iter().map(|id| MediaKey { source: run.source, id: id.clone() }).collect();
        let links = self.media.links.links(&run.store, &keys).await?;
        let mut asked = Vec::new();
        let mut over = Vec::new();
        for (key, link) in keys.into_iter().zip(links.into_iter().map(Option::unwrap_or_default)) {
            let now = self.clock.now();
            match link.failure.as_ref().filter(|failure| failure.run == run.id && failure.is_due(now)) {
                Some(failure) => asked.push(Ok(WantedFile { url: failure.url.clone(), key })),
                // An earlier attempt at these has dealt with it.
                None => over.push(link),
            }
        }
        let tried = asked.len();
        let copied = self.copy_each(run, asked, last_begin).await?;
        if copied.len() < tried {
            return Ok(Next::More);
        }
        for link in over.iter().chain(copied.iter().flatten()) {
            at.tally.recount(link, &run.id);
        }
        at.again.clear();
        Ok(Next::More)
    }
}

/// A run and what is stored of its copying, as far as this step knows.
struct Stored {
    run: Run,
    copying: Copying,
}
