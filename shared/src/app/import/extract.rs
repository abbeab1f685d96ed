//! Extracting: the shop collects its catalogue, and we look again until it has.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pages::Chunk;
use super::reach::drop_blocked;
use super::shop::Shop;
use super::{ImportStep, StepError};
use crate::app::error::AppError;
use crate::domain::record::{Kind, Record, Resource};
use crate::domain::run::{ChunkId, Cost, Feed, FeedProgress, Run, RunEvent, RunState, Wanted};
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::provider::{FeedStatus, SourceItem};
use crate::ports::queue::Step;

/// A feed that does not grow for this long is asked for again.
const STALLED_AFTER: Duration = Duration::from_secs(15 * 60);
/// How often a feed is asked for before the run gives up.
const ATTEMPTS: u32 = 3;
/// The longest wait between two looks.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A location as it waits in a page: it cannot be read again as a file.
#[derive(Serialize, Deserialize)]
struct StoredItem {
    id: u64,
    label: String,
    records: Vec<(Kind, Box<serde_json::value::RawValue>)>,
    codes: Vec<(Resource, Code)>,
}

impl ImportStep {
    /// Reads what is small by pages and asks the shop to collect the rest.
    pub(super) async fn begin_extract(&self, mut run: Run) -> Result<(), StepError> {
        if !matches!(run.state, RunState::Queued | RunState::Extracting) {
            return self.advance(&run.store, run.provider, &run.id).await;
        }
        let mut shop = self.shop(&mut run).await?;
        if run.state == RunState::Queued {
            // The merchant may have taken scopes away since the run was asked for.
            let blocked = run.blocked.len();
            drop_blocked(&mut run, &shop.granted(), self.extract.as_ref())?;
            let revoked = run.blocked.len().saturating_sub(blocked) as u64;
            if revoked > 0 {
                run.warnings.insert(Code::ConnScopeRevoked, revoked);
            }
            run.take(RunEvent::Started, self.clock.now()).map_err(AppError::bug)?;
            self.save(&mut run).await?;
        }
        if run.feeds.is_empty() {
            run.announced = self.announced(&run, &mut shop).await?;
            if run.wanted.contains(&Wanted::Warehouses) {
                let locations = shop.ask(async |access| self.extract.locations(access).await).await?;
                let count = locations.len() as u64;
                self.put_locations(&run, locations).await?;
                run.announced.insert(Resource::Warehouses, count);
                let ready = FeedProgress {
                    objects: count,
                    roots: count,
                    ready: true,
                    chunks: 1,
                    ..self.fresh(String::new(), 1)
                };
                run.feeds.insert(Feed::Locations, ready);
            }
            self.save(&mut run).await?;
        }
        while let Some(feed) = self.next_to_begin(&run) {
            let handle = self.start(&run, feed, &mut shop).await?;
            run.feeds.insert(feed, self.fresh(handle, 1));
            self.save(&mut run).await?;
        }
        self.queue
            .send(&[Self::message(&run, Step::Poll { hop: run.poll_hop })], Duration::from_secs(1))
            .await?;
        Ok(())
    }

    /// The first feed that a run needs and has not asked for yet.
    fn next_to_begin(&self, run: &Run) -> Option<Feed> {
        self.extract.feeds_for(&run.wanted).into_iter().find(|feed| !run.feeds.contains_key(feed))
    }

    /// The shop's own counts of what the run imports. A shop that grants locations alone is not asked for others.
    async fn announced(&self, run: &Run, shop: &mut Shop<'_>) -> Result<BTreeMap<Resource, u64>, StepError> {
        if run.wanted.iter().all(|wanted| *wanted == Wanted::Warehouses) {
            return Ok(BTreeMap::new());
        }
        let mut counts = shop.ask(async |access| self.extract.source_counts(access).await).await?;
        counts.retain(|resource, _| run.wanted.iter().any(|wanted| wanted.resources().contains(resource)));
        Ok(counts)
    }

    /// Looks how the collecting stands; hands over when all of it is ready.
    pub(super) async fn poll(&self, mut run: Run, hop: u32) -> Result<(), StepError> {
        if run.state != RunState::Extracting {
            return self.advance(&run.store, run.provider, &run.id).await;
        }
        // Another delivery of this message has already looked and sent the next one; or the shop's word that a feed is
        // finished came before all of them were asked for: the step that asks is under way or comes again.
        if hop < run.poll_hop || run.feeds.is_empty() || self.next_to_begin(&run).is_some() {
            return Ok(());
        }
        let mut shop = self.shop(&mut run).await?;
        let waiting: Vec<Feed> =
            run.feeds.iter().filter(|(_, progress)| !progress.ready).map(|(feed, _)| *feed).collect();
        for feed in waiting {
            self.look(&mut run, feed, &mut shop).await?;
        }
        if run.feeds.values().all(|progress| progress.ready) {
            run.take(RunEvent::Extracted, self.clock.now()).map_err(AppError::bug)?;
            self.save(&mut run).await?;
            return self.advance(&run.store, run.provider, &run.id).await;
        }
        let wait = Duration::from_secs(1 << (hop / 2).min(5)).min(LONGEST_WAIT);
        // Sent before it is noted: a crash between the two sends it twice, and the second is dropped above.
        self.queue.send(&[Self::message(&run, Step::Poll { hop: hop + 1 })], wait).await?;
        run.poll_hop = hop + 1;
        self.save(&mut run).await
    }

    async fn look(&self, run: &mut Run, feed: Feed, shop: &mut Shop<'_>) -> Result<(), StepError> {
        let Some(progress) = run.feeds.get_mut(&feed) else { return Ok(()) };
        let status =
            shop.ask(async |access| self.extract.feed_status(access, &progress.handle).await).await?;
        let now = self.clock.now();
        let (why, retry) = match status {
            FeedStatus::Pending { objects, roots } => {
                if objects != progress.objects || roots != progress.roots {
                    (progress.objects, progress.roots, progress.moved_at) = (objects, roots, now);
                }
                let still = Duration::try_from(now.duration_since(progress.moved_at)).unwrap_or_default();
                if still < STALLED_AFTER {
                    return Ok(());
                }
                shop.ask(async |access| self.extract.cancel_feed(access, &progress.handle).await).await?;
                ("it made no progress any more".to_owned(), true)
            }
            FeedStatus::Ready { file, objects, roots } => {
                if file.is_none() && objects > 0 {
                    let detail = format!("The shop announced {objects} objects and delivered no file.");
                    return Err(StepError::fail(Code::SrcEmptyResultSuspect, detail));
                }
                let bytes = file.as_ref().map_or(0, |file| file.size);
                progress.chunks = u32::try_from(bytes.div_ceil(self.chunk_bytes)).map_err(AppError::bug)?;
                (progress.objects, progress.roots, progress.file) = (objects, roots, file);
                (progress.ready, progress.moved_at) = (true, now);
                return Ok(());
            }
            FeedStatus::Broken { why, retry } => (why, retry),
        };
        if !retry || progress.attempt >= ATTEMPTS {
            let detail = format!("The shop broke off while collecting the catalogue: {why}.");
            return Err(StepError::fail(Code::SrcPartialBulk, detail));
        }
        tracing::warn!(feed = ?feed, attempt = progress.attempt, reason = %why, "a feed is asked for again");
        let attempt = progress.attempt + 1;
        let handle = self.start(run, feed, shop).await?;
        run.feeds.insert(feed, self.fresh(handle, attempt));
        *run.warnings.entry(Code::RunChunkRetried).or_default() += 1;
        Ok(())
    }

    /// Asks the shop to stop what a run that has ended no longer needs.
    pub(super) async fn stop_collecting(&self, run: &Run) -> Result<(), StepError> {
        let open: Vec<&str> = run
            .feeds
            .values()
            .filter(|progress| !progress.ready && !progress.handle.is_empty())
            .map(|progress| progress.handle.as_str())
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let (connector, access) = match self.access.shop_access(&run.store, run.provider).await {
            Ok(access) => access,
            Err(error) if error.is_transient() => return Err(StepError::Later(error)),
            // Disconnected meanwhile: the shop has dropped the work with the app.
            Err(_) => return Ok(()),
        };
        let mut shop = Shop { through: &self.access, connector, access };
        for handle in open {
            match shop.ask(async |access| self.extract.cancel_feed(access, handle).await).await {
                Err(StepError::Later(_)) | Ok(()) => {}
                Err(StepError::Fail(why)) => tracing::warn!(
                    code = why.code.as_str(),
                    cause = why.detail,
                    "a feed could not be stopped; it ends by itself"
                ),
            }
        }
        Ok(())
    }

    async fn start(&self, run: &Run, feed: Feed, shop: &mut Shop<'_>) -> Result<String, StepError> {
        let context = Self::context(run);
        shop.ask(async |access| self.extract.start_feed(access, feed, &context).await).await
    }

    async fn save(&self, run: &mut Run) -> Result<(), StepError> {
        run.updated_at = self.clock.now();
        match self.runs.save(run).await {
            Ok(()) => Ok(()),
            // Another delivery was first; this one comes again and finds what is left to do.
            Err(error @ PortError::Conflict) => Err(StepError::Later(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    fn fresh(&self, handle: String, attempt: u32) -> FeedProgress {
        FeedProgress {
            handle,
            attempt,
            objects: 0,
            roots: 0,
            moved_at: self.clock.now(),
            ready: false,
            file: None,
            chunks: 0,
            joined: false,
        }
    }

    fn locations_page<'a>(&'a self, run: &'a Run) -> Chunk<'a> {
        // Locations are read once: a new generation of the plan uses the same page.
        Chunk::of_every_plan(self.runs.as_ref(), run, ChunkId { feed: Feed::Locations, index: 0 })
    }

    async fn put_locations(&self, run: &Run, items: Vec<SourceItem>) -> Result<(), StepError> {
        let mut stored = Vec::with_capacity(items.len());
        for item in items {
            let mut records = Vec::new();
            for (kind, record) in &item.records {
                let json = record.to_stored_json().map_err(AppError::bug)?;
                let text = String::from_utf8(json).map_err(AppError::bug)?;
                records.push((*kind, serde_json::value::RawValue::from_string(text).map_err(AppError::bug)?));
            }
            stored.push(StoredItem { id: item.external_id, label: item.label, records, codes: item.codes });
        }
        Ok(self.locations_page(run).put_source(&stored, &mut Cost::default()).await?)
    }

    /// The locations as they were read when the run began.
    pub(super) async fn stored_locations(
        &self,
        run: &Run,
        cost: &mut Cost,
    ) -> Result<Vec<SourceItem>, StepError> {
        let stored: Vec<StoredItem> = self
            .locations_page(run)
            .source(cost)
            .await?
            .ok_or_else(|| AppError::bug("the locations of a run are gone"))?;
        let mut items = Vec::with_capacity(stored.len());
        for item in stored {
            let mut records = Vec::new();
            for (kind, json) in item.records {
                let record = Record::from_stored_json(kind, json.get().as_bytes()).map_err(AppError::bug)?;
                records.push((kind, record));
            }
            items.push(SourceItem {
                external_id: item.id,
                label: item.label,
                records,
                codes: item.codes,
                truncated: false,
            });
        }
        Ok(items)
    }
}
