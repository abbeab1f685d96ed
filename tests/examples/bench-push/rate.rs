//! How much of what a shop allows a push uses. The pipeline, the writer and the simulator are the real ones, the calls go
//! over HTTPS; only time is made: a call takes 250 to 450 ms of it, as was seen of shops.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use serde_json::{Value, json};
use shared::domain::notice::Subject;
use shared::domain::push::document::{LevelOptions, QuantityName};
use shared::domain::push::ledger::RowError;
use shared::domain::push::levels::{Batch, Complaint, Live, SetLevel};
use shared::domain::push::mapping::{Mapping, Wanted};
use shared::domain::push::row::{Purpose, Row};
use shared::domain::push::run::{PushKind, PushState, Safety};
use shared::domain::push::target::Stream;
use shared::domain::push::throttle::{Lease, Points};
use shared::ports::provider::{ProviderError, ShopAccess};
use shared::ports::push::{
    Budget, Change, FieldChange, Found, LiveRecord, RowWriter, Sought, Spent, TakenBack, Writing, Written,
};
use shared::ports::time::Clock as _;
use shared::providers::shopify::push::targets;
use uuid::Uuid;

use crate::map::{definitions, document};
use crate::time::SharedTime;
use crate::{shop, store};

/// A budget whose calls take time.
struct Far<'a> {
    budget: &'a dyn Budget,
    time: &'a SharedTime,
}

#[async_trait]
impl Budget for Far<'_> {
    async fn lease(&self, shape: &'static str, formula: Points) -> Result<Lease, ProviderError> {
        let lease = self.budget.lease(shape, formula).await?;
        self.time.sleep(self.time.half_way()).await;
        self.time.at_the_shop(true);
        Ok(lease)
    }

    async fn settle(&self, lease: Lease, shape: &'static str, requested: Option<Points>, spent: Spent) {
        self.time.at_the_shop(false);
        self.time.sleep(self.time.half_way()).await;
        self.budget.settle(lease, shape, requested, spent).await;
    }
}

/// The shop of the simulator, some way off.
struct FarShop {
    there: Arc<shop::World>,
    time: SharedTime,
}

impl FarShop {
    fn budget<'a>(&'a self, budget: &'a dyn Budget) -> Far<'a> {
        Far { budget, time: &self.time }
    }
}

#[async_trait]
impl RowWriter for FarShop {
    async fn find(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        stream: Stream,
        sought: &[Sought<'_>],
    ) -> Result<Vec<Found>, ProviderError> {
        self.there.shopify.find(&self.there.access, &self.budget(budget), stream, sought).await
    }

    async fn lookup(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        keys: &[(Wanted, String)],
    ) -> Result<Vec<Vec<String>>, ProviderError> {
        self.there.shopify.lookup(&self.there.access, &self.budget(budget), keys).await
    }

    fn plan(&self, change: &Change<'_>) -> Result<Writing, Vec<RowError>> {
        self.there.shopify.plan(change)
    }

    async fn write(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        writing: &Writing,
    ) -> Result<Written, ProviderError> {
        self.there.shopify.write(&self.there.access, &self.budget(budget), writing).await
    }

    fn take_back(&self, stream: Stream, created: bool, diff: &[FieldChange], live: &LiveRecord) -> TakenBack {
        self.there.shopify.take_back(stream, created, diff, live)
    }

    fn subject(&self, stream: Stream, id: &str) -> Option<Subject> {
        self.there.shopify.subject(stream, id)
    }

    async fn levels(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        items: &[(Wanted, String)],
        locations: &[(Wanted, String)],
        quantity: QuantityName,
    ) -> Result<Live, ProviderError> {
        self.there.shopify.levels(&self.there.access, &self.budget(budget), items, locations, quantity).await
    }

    async fn set_levels(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        batch: &Batch,
        key: Uuid,
        quantity: QuantityName,
        options: &LevelOptions,
    ) -> Result<(Vec<Complaint>, Written), ProviderError> {
        self.there
            .shopify
            .set_levels(&self.there.access, &self.budget(budget), batch, key, quantity, options)
            .await
    }

    async fn activate(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        level: &SetLevel,
        key: Uuid,
        quantity: QuantityName,
    ) -> Result<Written, ProviderError> {
        self.there.shopify.activate(&self.there.access, &self.budget(budget), level, key, quantity).await
    }
}

/// One row, one product.
fn product(number: usize) -> Value {
    json!({
        "product_id": format!("P-{number}"), "name": format!("Linen shirt {number}"), "care": "30 °C",
        "body": "<p>Linen</p>", "tag_list": "linen,new", "size": "M", "color": "Blue",
        "sku": format!("SKU-{number}"), "price": "12.90",
    })
}

/// An empty shop of a plan, with the definitions of the example mapping.
async fn open(plan: &str) -> shop::World {
    let world = shop::World::with("empty").await;
    world.control("PUT", "/shops/demo/plan", json!({"name": plan})).await;
    for (key, namespace, kind) in
        [("external_id", "sync", "id"), ("care_guide", "custom", "multi_line_text_field")]
    {
        let mutation = "mutation($definition: MetafieldDefinitionInput!) {
            metafieldDefinitionCreate(definition: $definition) {
                createdDefinition { id } userErrors { message } } }";
        let definition =
            json!({"name": key, "namespace": namespace, "key": key, "type": kind, "ownerType": "PRODUCT"});
        world.query(mutation, json!({ "definition": definition })).await;
    }
    // What was asked for so far is not part of it.
    world.control("PUT", "/shops/demo/plan", json!({"name": plan})).await;
    world
}

/// What a shop counted, between two looks.
#[derive(Clone, Copy)]
struct Counted {
    calls: u64,
    throttled: u64,
    points: f64,
}

fn counted(world: &shop::World) -> Result<Counted> {
    let state = world.running.simulator.shop("demo");
    let state = state.ok_or_else(|| anyhow::anyhow!("the shop is gone"))?;
    let calls = state.calls.lock().map_err(|_| anyhow::anyhow!("the shop broke"))?;
    let Counted { calls, throttled, points } = Counted {
        calls: calls.graphql_calls.values().sum(),
        throttled: calls.throttled,
        points: calls.points,
    };
    Ok(Counted { calls, throttled, points })
}

/// What was used of what there was: all that the bucket held and all that came in.
fn report(world: &shop::World, rows: usize, written: u64, since: Counted, took: Duration) -> Result<Value> {
    let now = counted(world)?;
    let (rate, bucket) = world.running.simulator.shop("demo").map_or((0.0, 0.0), |shop| shop.bucket_size());
    let points = now.points - since.points;
    let seconds = took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "some thousands of calls")]
    let share_throttled = (now.throttled - since.throttled) as f64 / (now.calls - since.calls).max(1) as f64;
    Ok(json!({
        "rows": rows,
        "written": written,
        "calls": now.calls - since.calls,
        "throttled": now.throttled - since.throttled,
        "share_throttled": share_throttled,
        "points": points,
        "seconds": seconds,
        "restore_rate": rate,
        "bucket": bucket,
        "share_used": points / (bucket + rate * seconds),
    }))
}

fn since(time: &SharedTime, begun: jiff::Timestamp) -> Duration {
    Duration::try_from(time.now().duration_since(begun)).unwrap_or_default()
}

/// Writes rows as we do.
pub async fn rate(plan: &str, count: usize) -> Result<Value> {
    let there = Arc::new(open(plan).await);
    let time = SharedTime::of(there.running.simulator.clone());
    let mut ours = store::World::new().await;
    let app = Arc::get_mut(&mut ours.app).context("someone else has it already")?;
    app.writer = Arc::new(FarShop { there: there.clone(), time: time.clone() });
    app.clock = Arc::new(time.clone());
    app.access.clock = Arc::new(time.clone());
    let before = counted(&there)?;
    let begun = time.now();
    let rows: Value = (0..count).map(product).collect();
    let run = ours.submit(PushKind::Write, Stream::Products, rows, Safety::default()).await;
    let run = run.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let work = async {
        loop {
            // Messages are held back by the clock of the queue, which nothing else goes by.
            let waits_since = ours.clock.now();
            let Some(message) = ours.kept.pop_or_wait() else { return };
            let held_back = ours.clock.now().duration_since(waits_since);
            if held_back.is_positive() {
                time.sleep(held_back.unsigned_abs()).await;
            }
            let until = time.now() + ours.step;
            ours.app.handle_until(&message, 1, until).await;
        }
    };
    time.during(work).await;
    let took = since(&time, begun);
    let run = ours.run(&run.id);
    ensure!(run.state == PushState::Succeeded, "the run is {run:?}");
    report(&there, count, run.tally.received(), before, took)
}

/// So many requests a minute, as Multiwoven's destinations have it where nobody sets another number.
const A_MINUTE: u32 = 60;

/// Writes rows as a tool does that knows nothing of points: one request a row, at a fixed pace, and what is refused is a
/// row that failed.
pub async fn fixed(plan: &str, count: usize) -> Result<Value> {
    let there = open(plan).await;
    let time = SharedTime::of(there.running.simulator.clone());
    let mapping = Mapping::compile(&document(Stream::Products)?, targets(), &definitions(), None);
    let Ok(Mapping::Records(records)) = mapping else { anyhow::bail!("the example does not compile") };
    let before = counted(&there)?;
    let begun = time.now();
    let mut written = 0;
    for number in 0..count {
        let row: Row = product(number).as_object().cloned().unwrap_or_default();
        let record = records.map(&[&row]).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let input = record.input(Purpose::Create).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let change = Change {
            stream: Stream::Products,
            purpose: Purpose::Create,
            identifiers: &record.identifiers,
            input: &input.values,
            live: None,
            how: &Default::default(),
        };
        let writing = there.shopify.plan(&change).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let set = include_str!("../../../shared/src/providers/shopify/documents/push_product_set.graphql");
        let answer = there.query(set, writing.calls[0].variables.clone()).await;
        written += u64::from(answer["data"]["done"]["record"]["id"].is_string());
        time.during(time.sleep(Duration::from_secs(60) / A_MINUTE)).await;
    }
    let mut told = report(&there, count, written, before, since(&time, begun))?;
    told["a_minute"] = A_MINUTE.into();
    Ok(told)
}
