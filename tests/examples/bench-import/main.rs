//! What `make bench` measures in a process of its own. Prints one line of JSON.
//!
//!     bench-import plan|import|parse|fetch SHOP TOKEN     against a shop, through HTTPS_PROXY
//!     bench-import scale TIMES VARIANTS SHOP TOKEN FOLDER   the shop's products of so many variants, so many times over
//!     bench-import puts FROM INTO CONCURRENCY             writes the items of one table into another, each if absent
//!
//! `plan` is a preview, `import` an import and its unchanged rerun; both keep runs and records in memory. `scale` is
//! the same of a shop of any size, which is nowhere as a whole; pages of runs become files of the folder. `parse` only
//! downloads the same files and parses their lines, `fetch` only downloads them.

mod made;
mod scale;

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use shared::adapters::clients;
use shared::adapters::system::{SystemClock, SystemRandom};
use shared::app::access::Access;
use shared::app::import::requests::{Asker, Imports, StartRun};
use shared::app::import::shown::ShownRun;
use shared::app::import::{Disposition, ImportStep};
use shared::app::media::CopyMedia;
use shared::domain::connection::{Connector, Installation, Method};
use shared::domain::ids::{InstallId, ProviderId, StoreId};
use shared::domain::run::{Feed, RunState};
use shared::ports::catalog::Catalog;
use shared::ports::connectors::ConnectorStore as _;
use shared::ports::provider::{AppSecret, Connect as _, Extract, FeedStatus, MapContext, ShopAccess};
use shared::ports::time::Clock as _;
use shared::ports::vault::{StoredToken, TokenVault as _};
use shared::providers::shopify::Shopify;
use shared::testkit::catalog::FakeCatalog;
use shared::testkit::clock::ManualClock;
use shared::testkit::connect_store::FakeConnectors;
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::faults::Faults;
use shared::testkit::hooks::FakeHooks;
use shared::testkit::media::FakeMedia;
use shared::testkit::metrics::FakeMetrics;
use shared::testkit::queue::FakeQueue;
use shared::testkit::runs::FakeRuns;
use tokio::time::Instant;

/// What the template gives an import step to read at once.
const CHUNK_BYTES: u64 = 8 * 1024 * 1024;
/// How long nothing is done between two questions whether the shop has collected its catalogue.
const NAP: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let mut report = match given[..] {
        ["plan", shop, token] => plan(shop, token).await?,
        ["import", shop, token] => import_twice(shop, token).await?,
        ["scale", times, least_variants, shop, token, folder] => {
            scale::scale(times.parse()?, least_variants.parse()?, shop, token, folder).await?
        }
        ["parse", shop, token] => read(shop, token, true).await?,
        ["fetch", shop, token] => read(shop, token, false).await?,
        ["puts", from, into, concurrency] => puts(from, into, concurrency.parse()?).await?,
        _ => bail!("see the head of bench-import's source"),
    };
    report["peak_rss_bytes"] = peak_rss()?.into();
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// The most memory this process ever had resident.
fn peak_rss() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// Seconds of a processor that this process has used, in the system's hundredths.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("no name")?.split_whitespace().collect();
    let ticks = |at: usize| anyhow::Ok(fields.get(at).context("too short")?.parse::<f64>()?);
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

fn access(shopify: &Shopify, shop: &str, token: &str) -> Result<ShopAccess> {
    Ok(ShopAccess { shop: shopify.parse_shop(shop)?, token: token.to_owned().into() })
}

/// A store that is connected to the shop, with every step of a run in this process.
struct World {
    store: StoreId,
    queue: FakeQueue,
    delays: ManualClock,
    imports: Imports,
    step: ImportStep,
}

impl World {
    /// The currency of a shop.
    async fn currency(shop: &str, token: &str) -> Result<String> {
        let shopify = Shopify::new();
        Ok(shopify.inspect(&access(&shopify, shop, token)?).await?.currency)
    }

    async fn with(
        shop: &str,
        token: &str,
        extract: Arc<dyn Extract>,
        runs: FakeRuns,
        catalog: Arc<dyn Catalog>,
    ) -> Result<Self> {
        let shopify = Arc::new(Shopify::new());
        let clock = Arc::new(SystemClock);
        let profile = shopify.inspect(&access(&shopify, shop, token)?).await?;
        let secret = AppSecret { client_id: String::new(), current: String::new().into(), previous: None };
        let vault = Arc::new(FakeVault::new(secret, Faults::default()));
        let install = InstallId::new(uuid::Uuid::from_u128(1));
        let stored = StoredToken {
            access_token: token.to_owned().into(),
            refresh_token: None,
            expires_at: None,
            refresh_expires_at: None,
            client: None,
            version: String::new(),
        };
        vault.create(&install, &stored).await?;
        let connectors = Arc::new(FakeConnectors::new(Faults::default()));
        let store = StoreId::for_test("bench")?;
        let mut connector = Connector {
            store: store.clone(),
            provider: ProviderId::Shopify,
            revision: 0,
            installation: Some(Installation {
                id: install,
                shop: profile.domain,
                shop_id: profile.id,
                shop_name: profile.name,
                primary_domain: profile.primary_domain,
                currency: profile.currency,
                plan: profile.plan,
                scopes: profile.scopes,
                connected_at: clock.now(),
                method: Method::Oauth,
            }),
            reason: None,
            last_attempt: None,
            last_active_at: None,
            updated_at: clock.now(),
        };
        connectors.save(&mut connector).await?;
        let delays = ManualClock::default();
        let queue = FakeQueue::new(delays.clone(), Faults::default());
        let imports = Imports {
            connectors: connectors.clone(),
            extract: extract.clone(),
            runs: Arc::new(runs.clone()),
            queue: Arc::new(queue.clone()),
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
        };
        let access = Access {
            connectors: connectors.clone(),
            history: connectors,
            vault,
            connect: shopify.clone(),
            hooks: Arc::new(FakeHooks::default()),
            clock: clock.clone(),
            metrics: Arc::new(FakeMetrics::default()),
        };
        let media = Arc::new(FakeMedia::new(Faults::default()));
        let step = ImportStep {
            access,
            extract,
            runs: Arc::new(runs),
            catalog,
            media: CopyMedia {
                files: media.clone(),
                objects: media.clone(),
                links: media,
                clock: clock.clone(),
                metrics: Arc::new(FakeMetrics::default()),
            },
            queue: Arc::new(queue.clone()),
            clock,
            chunk_bytes: CHUNK_BYTES,
        };
        Ok(Self { store, queue, delays, imports, step })
    }

    /// Messages that were sent so far.
    fn messages(&self) -> usize {
        self.queue.bodies().len()
    }

    async fn run(&self, preview: bool) -> Result<ShownRun> {
        let asker = Asker { store: &self.store, provider: ProviderId::Shopify, subject: "bench" };
        let request = StartRun { preview, ..StartRun::default() };
        let run = self.imports.start(asker, request, None).await?;
        while let Some(due) = self.queue.next_due() {
            let Some(waiting) = self.queue.pop() else {
                tokio::time::sleep(NAP).await;
                let rest = due.duration_since(self.delays.now());
                self.delays.advance(Duration::try_from(rest).unwrap_or_default());
                continue;
            };
            if let Disposition::Retry(error) = self.step.handle(&waiting.message, waiting.receives).await {
                bail!("a step failed: {error}");
            }
        }
        let shown = self.imports.get(&self.store, ProviderId::Shopify, &run).await?;
        let good = [RunState::AwaitingReview, RunState::Completed, RunState::CompletedWithWarnings];
        if !good.contains(&shown.status) {
            bail!("the run ended {:?}: {:?}", shown.status, shown.failure);
        }
        Ok(shown)
    }
}

/// A preview.
async fn plan(shop: &str, token: &str) -> Result<Value> {
    let (runs, catalog) = (FakeRuns::new(Faults::default()), FakeCatalog::new(Faults::default()));
    let world = World::with(shop, token, Arc::new(Shopify::new()), runs, Arc::new(catalog)).await?;
    let run = world.run(true).await?;
    Ok(json!({ "counts": run.counts, "cost": run.cost }))
}

/// What an import and its unchanged rerun cost, as the runs say and as all calls of the fakes add up.
async fn import_twice(shop: &str, token: &str) -> Result<Value> {
    let (runs, catalog) = (FakeRuns::new(Faults::default()), FakeCatalog::new(Faults::default()));
    let world =
        World::with(shop, token, Arc::new(Shopify::new()), runs.clone(), Arc::new(catalog.clone())).await?;
    let mut report = json!({});
    let mut before = (0, 0.0);
    for name in ["first", "rerun"] {
        let run = world.run(false).await?;
        let mut all = runs.spent();
        all.add(catalog.spent());
        report[name] = json!({
            "counts": run.counts,
            "cost": run.cost,
            "all_write_units": all.write_units - before.0,
            "all_read_units": all.read_units - before.1,
        });
        before = (all.write_units, all.read_units);
    }
    Ok(report)
}

/// Lets the shop collect the same feeds and downloads their files, line by line.
async fn read(shop: &str, token: &str, parse: bool) -> Result<Value> {
    let shopify = Shopify::new();
    let access = access(&shopify, shop, token)?;
    let context = MapContext { currency: shopify.inspect(&access).await?.currency, stock: true };
    let mut files = Vec::new();
    let mut open = VecDeque::new();
    for feed in [Feed::Products, Feed::Metafields, Feed::Collections] {
        open.push_back(shopify.start_feed(&access, feed, &context).await?);
    }
    while let Some(handle) = open.pop_front() {
        match shopify.feed_status(&access, &handle).await? {
            FeedStatus::Pending { .. } => {
                open.push_back(handle);
                tokio::time::sleep(NAP).await;
            }
            FeedStatus::Ready { file, .. } => files.extend(file),
            FeedStatus::Broken { why, .. } => bail!("the shop did not collect: {why}"),
        }
    }
    let http = reqwest::Client::new();
    let began = Instant::now();
    let (mut lines, mut bytes, mut objects) = (0_u64, 0_u64, 0_u64);
    for file in &files {
        let mut answer = http.get(&file.url).send().await?.error_for_status()?;
        let mut rest: Vec<u8> = Vec::new();
        while let Some(part) = answer.chunk().await? {
            bytes += part.len() as u64;
            if !parse {
                continue;
            }
            rest.extend_from_slice(&part);
            let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in rest[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let value: Value = serde_json::from_slice(line)?;
                objects += u64::from(std::hint::black_box(&value).is_object());
                lines += 1;
            }
            rest.drain(..whole);
        }
        if !rest.is_empty() {
            bail!("a file ends within a line");
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(
        json!({ "files": files.len(), "lines": lines, "objects": objects, "bytes": bytes, "seconds": seconds }),
    )
}

/// Reads a table into memory, then writes its items into another, each under the condition that it is not there.
async fn puts(from: &str, into: &str, concurrency: usize) -> Result<Value> {
    let tables = clients::dynamodb(&clients::sdk_config().await);
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = tables.scan().table_name(from).set_exclusive_start_key(start).send().await?;
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    let count = items.len();
    let began = Instant::now();
    let mut writes = stream::iter(items)
        .map(|item| {
            let put = tables.put_item().table_name(into).set_item(Some(item));
            put.condition_expression("attribute_not_exists(pk)").send()
        })
        .buffer_unordered(concurrency);
    while let Some(written) = writes.next().await {
        written?;
    }
    Ok(json!({ "puts": count, "seconds": began.elapsed().as_secs_f64() }))
}
