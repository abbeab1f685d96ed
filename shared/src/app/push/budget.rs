//! The budget of a shop as one step uses it: points come from the shared bucket in blocks and go to calls one by one, so
//! that the bucket is not written for each row. A block goes back when its last call is answered, with what the shop
//! then says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::push::throttle::{Bucket, Lease, Points, Predictor, Refused, Status};
use crate::ports::PortError;
use crate::ports::provider::ProviderError;
use crate::ports::push::{Budget, Spent};
use crate::ports::push_store::{Budgets, SharedBudget};
use crate::ports::time::Clock;

/// A block is what comes in during this time, where there is so much.
const BLOCK_SECONDS: u64 = 2;
/// How often the shared bucket is looked at while its points are waited for: another's answer may tell of more.
const GLANCE: Duration = Duration::from_millis(500);
/// And no oftener: while others hold a full bucket between them, the wait for the next point is a moment again and again.
const NO_OFTENER: Duration = Duration::from_millis(50);
/// A block is not drawn from any more when it has less life than this: longer than a call may take.
const TAIL: Duration = Duration::from_secs(20);
/// How often a lost race for the bucket is run again.
const RACES: u32 = 50;

/// Points leased from the shared bucket.
struct Block {
    lease: Lease,
    left: Points,
    /// Calls on their way.
    out: u32,
    spent: Points,
    /// What the shop last said, and when that call was sent.
    told: Option<(Status, Timestamp)>,
    /// Whether nobody draws from it any more.
    closed: bool,
}

#[derive(Default)]
struct Inner {
    /// By their number; the newest is drawn from.
    blocks: BTreeMap<u64, Block>,
    numbers: u64,
    /// Calls on their way, by the number of their lease: the block they drew from, and when. They are sent then.
    calls: BTreeMap<u64, (u64, Timestamp)>,
    /// Calls whose answers are being put down.
    answered: u32,
    predictor: Predictor,
    /// What calls asked for that the shared predictor was not told yet.
    learned: Vec<(&'static str, Points)>,
    rate: Option<Points>,
    spent: u64,
}

/// The budget of one step.
pub struct StepBudget {
    budgets: Arc<dyn Budgets>,
    clock: Arc<dyn Clock>,
    store: StoreId,
    provider: ProviderId,
    until: Timestamp,
    inner: Mutex<Inner>,
    /// Held by the one who asks the shared bucket.
    asking: tokio::sync::Mutex<()>,
}

fn unavailable(error: PortError) -> ProviderError {
    ProviderError::Unavailable { source: Some(error.into()) }
}

impl StepBudget {
    /// The budget of a shop for a step that ends at `until`.
    pub fn new(
        budgets: Arc<dyn Budgets>,
        clock: Arc<dyn Clock>,
        store: StoreId,
        provider: ProviderId,
        until: Timestamp,
    ) -> Self {
        let (inner, asking) = Default::default();
        Self { budgets, clock, store, provider, until, inner, asking }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes in each second, as far as it is known.
    pub fn rate(&self) -> Points {
        self.inner().rate.unwrap_or(Status::UNKNOWN.restore_rate)
    }

    /// What the step spent so far, in thousandths.
    pub fn spent(&self) -> u64 {
        self.inner().spent
    }

    /// Draws from the newest block, where that has enough.
    fn draw(&self, shape: &str, formula: Points) -> Option<Lease> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let cost = inner.predictor.predict(shape, formula);
        let (number, block) = inner.blocks.iter_mut().next_back()?;
        let left = block.left.thousandths().checked_sub(cost.thousandths())?;
        if block.closed || block.lease.until < now + TAIL {
            return None;
        }
        block.left = Points::from_thousandths(left);
        block.out += 1;
        let (number, until) = (*number, block.lease.until);
        inner.numbers += 1;
        let id = inner.numbers;
        inner.calls.insert(id, (number, now));
        Some(Lease { id, points: cost, until })
    }

    /// Changes the shared budget; begins again where someone else was first.
    async fn change<T>(&self, change: impl Fn(&mut SharedBudget) -> T + Send + Sync) -> Result<T, PortError> {
        for _ in 0..RACES {
            let now = self.clock.now();
            let stored = self.budgets.load(&self.store, self.provider).await?;
            let (mut budget, version) = stored.unwrap_or_else(|| {
                let bucket = Bucket::new(Status::UNKNOWN, now);
                (SharedBudget { bucket, predictor: Predictor::default() }, 0)
            });
            let before = budget.clone();
            let result = change(&mut budget);
            let learned = std::mem::take(&mut self.inner().learned);
            for (shape, asked) in &learned {
                budget.predictor.learn(shape, *asked);
            }
            let saved = if budget == before {
                Ok(())
            } else {
                self.budgets.save(&self.store, self.provider, &budget, version).await
            };
            let mut inner = self.inner();
            if saved.is_err() {
                inner.learned.extend(learned);
            }
            match saved {
                Ok(()) => {
                    inner.rate = Some(budget.bucket.restore_rate());
                    inner.predictor = budget.predictor;
                    return Ok(result);
                }
                Err(PortError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(PortError::Throttled { service: "budgets", retry_after: None })
    }

    /// Leases another block. How long to wait, where there is not enough.
    async fn another(&self, shape: &'static str, formula: Points) -> Result<Option<Duration>, ProviderError> {
        let leased = self.change(|budget| {
            let now = self.clock.now();
            let cost =
                budget.predictor.predict(shape, formula).max(self.inner().predictor.predict(shape, formula));
            let rate = budget.bucket.restore_rate().thousandths();
            let wanted = Points::from_thousandths(rate * BLOCK_SECONDS).max(cost);
            // Half a block at least, so that an empty bucket is not written for each call.
            let half = Points::from_thousandths(wanted.thousandths() / 2).max(cost);
            let mut lease = budget.bucket.lease(half, wanted, now);
            if matches!(lease, Err(Refused::TooMuch)) {
                lease = budget.bucket.lease(cost, cost, now);
            }
            lease
        });
        match leased.await.map_err(unavailable)? {
            Ok(lease) => {
                let mut inner = self.inner();
                inner.numbers += 1;
                let number = inner.numbers;
                for block in inner.blocks.values_mut() {
                    block.closed = true;
                }
                let (left, spent) = (lease.points, Points::ZERO);
                let block = Block { lease, left, out: 0, spent, told: None, closed: false };
                inner.blocks.insert(number, block);
                Ok(None)
            }
            Err(Refused::Wait(wait)) => Ok(Some(wait)),
            Err(Refused::TooMuch) => Err(ProviderError::Refused { code: "COST_TOO_HIGH".to_owned() }),
        }
    }

    /// Gives blocks back whose calls are all answered; with `every`, the one that is drawn from too.
    async fn give_back(&self, every: bool) {
        loop {
            let block = {
                let mut inner = self.inner();
                let over = inner.blocks.iter().find(|(_, block)| block.out == 0 && (block.closed || every));
                let number = over.map(|(number, _)| *number);
                number.and_then(|number| inner.blocks.remove(&number))
            };
            let Some(block) = block else { return };
            let given = self.change(|budget| {
                let now = self.clock.now();
                match block.told {
                    Some((status, asked)) => {
                        budget.bucket.correct(&block.lease, block.spent, status, asked, now);
                    }
                    None => budget.bucket.settle(&block.lease, block.spent, now),
                }
            });
            // Its lease ends by itself, and what it holds is then taken for spent.
            if let Err(error) = given.await {
                tracing::warn!(cause = crate::ports::chain(&error), "points could not be given back");
            }
        }
    }

    /// Gives everything back at the end of the step.
    pub async fn close(&self) {
        self.give_back(true).await;
    }
}

#[async_trait]
impl Budget for StepBudget {
    async fn lease(&self, shape: &'static str, formula: Points) -> Result<Lease, ProviderError> {
        loop {
            if let Some(lease) = self.draw(shape, formula) {
                return Ok(lease);
            }
            let _one = self.asking.lock().await;
            // Whoever asked before may have brought enough.
            if let Some(lease) = self.draw(shape, formula) {
                return Ok(lease);
            }
            if let Some(wait) = self.another(shape, formula).await? {
                let now = self.clock.now();
                let left = Duration::try_from(self.until.duration_since(now)).unwrap_or_default();
                // The answer to a call of ours that is on its way may tell of far more: of a new shop the bucket is a guess.
                let answers_come = {
                    let inner = self.inner();
                    !inner.calls.is_empty() || inner.answered > 0
                };
                if left.is_zero() || wait > left && !answers_come {
                    return Err(ProviderError::Throttled { retry_after: Some(wait) });
                }
                self.clock.sleep(wait.clamp(NO_OFTENER, GLANCE)).await;
            }
        }
    }

    async fn settle(&self, lease: Lease, shape: &'static str, requested: Option<Points>, spent: Spent) {
        {
            let mut inner = self.inner();
            let Some((number, asked)) = inner.calls.remove(&lease.id) else { return };
            if let Some(requested) = requested {
                inner.predictor.learn(shape, requested);
                inner.learned.push((shape, requested));
            }
            let known = inner.rate;
            let Some(block) = inner.blocks.get_mut(&number) else { return };
            block.out -= 1;
            let cost = match spent {
                Spent::Nothing => {
                    block.left =
                        Points::from_thousandths(block.left.thousandths() + lease.points.thousandths());
                    Points::ZERO
                }
                Spent::Told { points, status } => {
                    if block.told.is_none_or(|(_, before)| before <= asked) {
                        block.told = Some((status, asked));
                    }
                    // What the shop really has is news to all: nobody draws on by the guess.
                    block.closed |= known != Some(status.restore_rate);
                    points
                }
                Spent::Unknown => lease.points,
            };
            block.spent = Points::from_thousandths(block.spent.thousandths() + cost.thousandths());
            inner.spent += cost.thousandths();
            inner.answered += 1;
        }
        self.give_back(false).await;
        self.inner().answered -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::clock::ManualClock;
    use crate::testkit::faults::Faults;
    use crate::testkit::push_store::FakePushStore;

    fn cost() -> Points {
        Points::whole(30)
    }

    fn budget_until(seconds: u64) -> StepBudget {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let kept = FakePushStore::new(clock.clone(), Faults::default());
        let until = clock.now() + Duration::from_secs(seconds);
        let store = StoreId::for_test("one").unwrap();
        StepBudget::new(Arc::new(kept), Arc::new(clock), store, ProviderId::Shopify, until)
    }

    /// Of a new shop 40 points are taken for sure, and two calls at once need more.
    #[tokio::test]
    async fn a_second_call_waits_for_what_the_first_answer_tells_of_the_shop() {
        let budget = budget_until(5);
        let first = budget.lease("find", cost()).await.unwrap();
        let status = Status {
            maximum: Points::whole(2_000),
            available: Points::whole(1_970),
            restore_rate: Points::whole(100),
        };
        let told = Spent::Told { points: cost(), status };
        let (second, ()) =
            tokio::join!(budget.lease("find", cost()), budget.settle(first, "find", Some(cost()), told));
        assert_eq!(second.unwrap().points, cost());
    }

    #[tokio::test]
    async fn a_call_is_refused_where_nothing_will_tell_of_more_in_time() {
        let budget = budget_until(5);
        let first = budget.lease("find", cost()).await.unwrap();
        budget.settle(first, "find", Some(cost()), Spent::Unknown).await;
        let refused = budget.lease("find", cost()).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Throttled { retry_after: Some(_) }), "{refused:?}");
    }
}
