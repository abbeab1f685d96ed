//! What a push keeps, in memory. Clones share it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::clock::ManualClock;
use super::faults::Faults;
use crate::domain::ids::{ProviderId, RunId, ShopId, StoreId};
use crate::domain::notice::Person;
use crate::domain::push::change::Image;
use crate::domain::push::key::DestinationKey;
use crate::domain::push::ledger::ResultLine;
use crate::domain::push::run::PushRun;
use crate::domain::push::state::{KeyHash, KeyState};
use crate::ports::push_store::{
    Budgets, DestinationKeys, Inputs, KeyStates, Mention, Once, PushBegan, PushMessage, PushQueue, PushRuns,
    Results, SharedBudget,
};
use crate::ports::time::Clock as _;
use crate::ports::{Page, PortError};

type Owner = (StoreId, ProviderId);
type PageOf = (StoreId, RunId, u32);

#[derive(Default)]
struct Inner {
    runs: BTreeMap<(Owner, RunId), PushRun>,
    begun: BTreeMap<(Owner, String), (RunId, String)>,
    inputs: BTreeMap<PageOf, Vec<u8>>,
    lines: BTreeMap<PageOf, (u64, Vec<ResultLine>)>,
    images: BTreeMap<(PageOf, u32), (Timestamp, Vec<Image>)>,
    mentions: BTreeMap<(Owner, ShopId), BTreeSet<Mention>>,
    states: BTreeMap<(Owner, KeyHash), KeyState>,
    budgets: BTreeMap<Owner, (SharedBudget, u64)>,
    keys: BTreeMap<String, DestinationKey>,
    waiting: Vec<(Timestamp, PushMessage)>,
}

/// All of it.
#[derive(Clone)]
pub struct FakePushStore {
    faults: Faults,
    clock: ManualClock,
    inner: Arc<Mutex<Inner>>,
}

impl FakePushStore {
    /// Nothing yet. Delays of messages and the ends of images go by this clock.
    pub fn new(clock: ManualClock, faults: Faults) -> Self {
        Self { faults, clock, inner: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every run, past all faults, by store and id.
    pub fn all_runs(&self) -> Vec<PushRun> {
        self.inner().runs.values().cloned().collect()
    }

    /// Every line of a run, past all faults, by page.
    pub fn lines_of(&self, run: &RunId) -> Vec<ResultLine> {
        let inner = self.inner();
        let of_run = inner.lines.iter().filter(|((_, of, _), _)| of == run);
        of_run.flat_map(|(_, (_, lines))| lines.clone()).collect()
    }

    /// Every image of a run, past all faults, by page and part.
    pub fn images_of(&self, run: &RunId) -> Vec<Image> {
        let inner = self.inner();
        let of_run = inner.images.iter().filter(|(((_, of, _), _), _)| of == run);
        of_run.flat_map(|(_, (_, images))| images.clone()).collect()
    }

    /// How many rows have images about a person; with `erase` those go.
    pub fn about(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        person: &Person,
        erase: bool,
    ) -> u64 {
        let mut inner = self.inner();
        let owner = ((store.clone(), provider), shop);
        let subjects: BTreeSet<_> = person.subjects().collect();
        let mentions = inner.mentions.get(&owner).cloned().unwrap_or_default();
        let (now, mut found) = (self.clock.now(), 0);
        for mention in mentions.into_iter().filter(|mention| subjects.contains(&mention.subject)) {
            let of = (store.clone(), mention.run.clone(), mention.page);
            let mut there = false;
            for (_, (end, images)) in inner.images.range_mut((of.clone(), 0)..=(of, u32::MAX)) {
                there |= *end > now && images.iter().any(|image| image.seq == mention.seq);
                if erase {
                    images.retain(|image| image.seq != mention.seq);
                }
            }
            found += u64::from(there);
            if erase
                && there
                && let Some(mentions) = inner.mentions.get_mut(&owner)
            {
                mentions.remove(&mention);
            }
        }
        found
    }

    /// Erases the images of every run into a shop.
    pub fn erase_shop(&self, store: &StoreId, provider: ProviderId, shop: ShopId) {
        let mut inner = self.inner();
        let owner = (store.clone(), provider);
        let into: BTreeSet<RunId> = inner
            .runs
            .iter()
            .filter(|((of, _), run)| *of == owner && run.shop == shop)
            .map(|((_, id), _)| id.clone())
            .collect();
        inner.images.retain(|((of, run, _), _), _| of != store || !into.contains(run));
        inner.mentions.remove(&(owner, shop));
    }

    /// What is known of every key, past all faults.
    pub fn states(&self) -> Vec<KeyState> {
        self.inner().states.values().cloned().collect()
    }

    /// Loses the rows of a run, as time does.
    pub fn lose_inputs(&self, run: &RunId) {
        self.inner().inputs.retain(|(_, of, _), _| of != run);
    }

    /// Every message that waits, due or not.
    pub fn waiting(&self) -> Vec<PushMessage> {
        self.inner().waiting.iter().map(|(_, message)| message.clone()).collect()
    }

    /// Takes the message that is due first; where none is, moves the clock to when it will be.
    pub fn pop_or_wait(&self) -> Option<PushMessage> {
        let mut inner = self.inner();
        let first = (0..inner.waiting.len()).min_by_key(|at| inner.waiting[*at].0)?;
        let (due, message) = inner.waiting.remove(first);
        let wait = due.duration_since(self.clock.now());
        if wait.is_positive() {
            self.clock.advance(wait.unsigned_abs());
        }
        Some(message)
    }

    /// Takes a message that is due.
    pub fn pop_due(&self) -> Option<PushMessage> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let at = inner.waiting.iter().position(|(due, _)| *due <= now)?;
        Some(inner.waiting.remove(at).1)
    }

    /// Puts a message back, to be received again after a while.
    pub fn put_back(&self, message: PushMessage, after: Duration) {
        let due = self.clock.now() + after;
        self.inner().waiting.push((due, message));
    }
}

#[async_trait]
impl PushRuns for FakePushStore {
    async fn begin(&self, run: &PushRun, once: Option<&Once>) -> Result<PushBegan, PortError> {
        let begin = || {
            let mut inner = self.inner();
            let owner = (run.store.clone(), run.provider);
            if let Some(once) = once {
                let name = (owner.clone(), once.key.clone());
                if let Some((before, body)) = inner.begun.get(&name) {
                    let same = *body == once.body;
                    return Ok(if same { PushBegan::Before(before.clone()) } else { PushBegan::OtherBody });
                }
                inner.begun.insert(name, (run.id.clone(), once.body.clone()));
            }
            inner.runs.entry((owner, run.id.clone())).or_insert_with(|| run.clone());
            Ok(PushBegan::New)
        };
        self.faults.port("runs", "push_runs.begin", begin).await
    }

    async fn begun(
        &self,
        store: &StoreId,
        provider: ProviderId,
        key: &str,
    ) -> Result<Option<(RunId, String)>, PortError> {
        let begun = || {
            let name = ((store.clone(), provider), key.to_owned());
            Ok(self.inner().begun.get(&name).cloned())
        };
        self.faults.port("runs", "push_runs.begun", begun).await
    }

    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        run: &RunId,
    ) -> Result<Option<PushRun>, PortError> {
        let load = || Ok(self.inner().runs.get(&((store.clone(), provider), run.clone())).cloned());
        self.faults.port("runs", "push_runs.load", load).await
    }

    async fn save(&self, run: &mut PushRun) -> Result<(), PortError> {
        let next = PushRun { revision: run.revision + 1, ..run.clone() };
        let save = || {
            let mut inner = self.inner();
            let key = ((run.store.clone(), run.provider), run.id.clone());
            match inner.runs.get_mut(&key) {
                Some(stored) if stored.revision == run.revision => *stored = next.clone(),
                _ => return Err(PortError::Conflict),
            }
            Ok(())
        };
        self.faults.port("runs", "push_runs.save", save).await?;
        run.revision += 1;
        Ok(())
    }

    async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<PushRun>, PortError> {
        let list = || {
            let inner = self.inner();
            let owner = (store.clone(), provider);
            let before = |id: &RunId| cursor.as_deref().is_none_or(|cursor| id.as_str() < cursor);
            let mine = inner.runs.iter().rev().filter(|((of, id), _)| *of == owner && before(id));
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut items: Vec<PushRun> =
                mine.map(|(_, run)| run.clone()).take(limit.saturating_add(1)).collect();
            let more = items.len() > limit;
            items.truncate(limit);
            let next = items.last().filter(|_| more).map(|run| run.id.to_string());
            Ok(Page { items, next })
        };
        self.faults.port("runs", "push_runs.list", list).await
    }
}

#[async_trait]
impl Inputs for FakePushStore {
    async fn put(&self, store: &StoreId, run: &RunId, page: u32, bytes: Vec<u8>) -> Result<(), PortError> {
        let put = || {
            self.inner().inputs.insert((store.clone(), run.clone(), page), bytes.clone());
            Ok(())
        };
        self.faults.port("inputs", "inputs.put", put).await
    }

    async fn get(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Option<Vec<u8>>, PortError> {
        let get = || Ok(self.inner().inputs.get(&(store.clone(), run.clone(), page)).cloned());
        self.faults.port("inputs", "inputs.get", get).await
    }
}

#[async_trait]
impl Results for FakePushStore {
    async fn put_lines(
        &self,
        store: &StoreId,
        run: &RunId,
        page: u32,
        fence: u64,
        lines: &[ResultLine],
    ) -> Result<(), PortError> {
        let put = || {
            let mut inner = self.inner();
            let key = (store.clone(), run.clone(), page);
            if inner.lines.get(&key).is_some_and(|(by, _)| *by > fence) {
                return Err(PortError::Conflict);
            }
            inner.lines.insert(key, (fence, lines.to_vec()));
            Ok(())
        };
        self.faults.port("results", "results.put_lines", put).await
    }

    async fn lines(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Vec<ResultLine>, PortError> {
        let lines = || {
            let key = (store.clone(), run.clone(), page);
            Ok(self.inner().lines.get(&key).map(|(_, lines)| lines.clone()).unwrap_or_default())
        };
        self.faults.port("results", "results.lines", lines).await
    }

    async fn put_images(
        &self,
        store: &StoreId,
        run: &RunId,
        page: u32,
        part: u32,
        images: &[Image],
        expires_at: Timestamp,
    ) -> Result<(), PortError> {
        let put = || {
            let mut inner = self.inner();
            let key = ((store.clone(), run.clone(), page), part);
            if inner.images.contains_key(&key) {
                return Err(PortError::Conflict);
            }
            inner.images.insert(key, (expires_at, images.to_vec()));
            Ok(())
        };
        self.faults.port("results", "results.put_images", put).await
    }

    async fn note_people(
        &self,
        store: &StoreId,
        provider: ProviderId,
        shop: ShopId,
        mentions: &[Mention],
        _: Timestamp,
    ) -> Result<(), PortError> {
        let note = || {
            let owner = ((store.clone(), provider), shop);
            self.inner().mentions.entry(owner).or_default().extend(mentions.iter().cloned());
            Ok(())
        };
        self.faults.port("results", "results.note_people", note).await
    }

    async fn images(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Vec<Vec<Image>>, PortError> {
        let images = || {
            let now = self.clock.now();
            let of = (store.clone(), run.clone(), page);
            let inner = self.inner();
            let parts = inner.images.range((of.clone(), 0)..=(of, u32::MAX));
            Ok(parts.filter(|(_, (end, _))| *end > now).map(|(_, (_, images))| images.clone()).collect())
        };
        self.faults.port("results", "results.images", images).await
    }
}

#[async_trait]
impl KeyStates for FakePushStore {
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
        keys: &[KeyHash],
    ) -> Result<Vec<Option<KeyState>>, PortError> {
        let load = || {
            let inner = self.inner();
            let state = |key: &KeyHash| inner.states.get(&((store.clone(), provider), key.clone())).cloned();
            Ok(keys.iter().map(state).collect())
        };
        self.faults.port("states", "states.load", load).await
    }

    async fn put(
        &self,
        store: &StoreId,
        provider: ProviderId,
        key: &KeyHash,
        state: &KeyState,
    ) -> Result<(), PortError> {
        let put = || {
            let mut inner = self.inner();
            let key = ((store.clone(), provider), key.clone());
            let there = inner.states.get(&key).map_or(0, |state| state.version);
            if there + 1 != state.version {
                return Err(PortError::Conflict);
            }
            inner.states.insert(key, state.clone());
            Ok(())
        };
        self.faults.port("states", "states.put", put).await
    }
}

#[async_trait]
impl Budgets for FakePushStore {
    async fn load(
        &self,
        store: &StoreId,
        provider: ProviderId,
    ) -> Result<Option<(SharedBudget, u64)>, PortError> {
        let load = || Ok(self.inner().budgets.get(&(store.clone(), provider)).cloned());
        self.faults.port("budgets", "budgets.load", load).await
    }

    async fn save(
        &self,
        store: &StoreId,
        provider: ProviderId,
        budget: &SharedBudget,
        version: u64,
    ) -> Result<(), PortError> {
        let save = || {
            let mut inner = self.inner();
            let key = (store.clone(), provider);
            if inner.budgets.get(&key).map_or(0, |(_, version)| *version) != version {
                return Err(PortError::Conflict);
            }
            inner.budgets.insert(key, (budget.clone(), version + 1));
            Ok(())
        };
        self.faults.port("budgets", "budgets.save", save).await
    }
}

#[async_trait]
impl PushQueue for FakePushStore {
    async fn send(&self, message: &PushMessage, delay: Duration) -> Result<(), PortError> {
        let send = || {
            let due = self.clock.now() + delay.min(Duration::from_secs(900));
            self.inner().waiting.push((due, message.clone()));
            Ok(())
        };
        self.faults.port("queue", "push_queue.send", send).await
    }
}

#[async_trait]
impl DestinationKeys for FakePushStore {
    async fn add(&self, key: &DestinationKey) -> Result<(), PortError> {
        let add = || {
            let mut inner = self.inner();
            if inner.keys.contains_key(&key.id) {
                return Err(PortError::Conflict);
            }
            inner.keys.insert(key.id.clone(), key.clone());
            Ok(())
        };
        self.faults.port("destinations", "keys.add", add).await
    }

    async fn find(&self, id: &str) -> Result<Option<DestinationKey>, PortError> {
        self.faults.port("destinations", "keys.find", || Ok(self.inner().keys.get(id).cloned())).await
    }

    async fn list(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<DestinationKey>, PortError> {
        let list = || {
            let inner = self.inner();
            let mine = inner.keys.values().filter(|key| key.store == *store && key.provider == provider);
            Ok(mine.cloned().collect())
        };
        self.faults.port("destinations", "keys.list", list).await
    }

    async fn revoke(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &str,
        at: Timestamp,
    ) -> Result<bool, PortError> {
        let revoke = || {
            let mut inner = self.inner();
            let key = inner.keys.get_mut(id).filter(|key| key.store == *store && key.provider == provider);
            Ok(key.map(|key| key.revoked_at = Some(key.revoked_at.unwrap_or(at))).is_some())
        };
        self.faults.port("destinations", "keys.revoke", revoke).await
    }

    async fn used(&self, id: &str, at: Timestamp) -> Result<(), PortError> {
        let used = || {
            if let Some(key) = self.inner().keys.get_mut(id) {
                key.last_used_at = key.last_used_at.max(Some(at));
            }
            Ok(())
        };
        self.faults.port("destinations", "keys.used", used).await
    }
}
