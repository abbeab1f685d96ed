//! A shop that rows are written to, in memory: records with keys, stock, a bucket of points, lost answers, and creates
//! that take effect after everybody has given them up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::clock::ManualClock;
use super::faults::Faults;
use crate::domain::notice::Subject;
use crate::domain::push::code::Code;
use crate::domain::push::document::{LevelOptions, ListPolicy, QuantityName, Write};
use crate::domain::push::ledger::RowError;
use crate::domain::push::levels::{Batch, Complaint, Live, LiveItem, SetLevel};
use crate::domain::push::mapping::Wanted;
use crate::domain::push::row::{Identifier, Purpose};
use crate::domain::push::target::{MatchBy, Stream};
use crate::domain::push::throttle::{Points, Status};
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::push::{
    Budget, Change, FieldChange, Found, LiveRecord, PlannedCall, RowWriter, Sought, Spent, Stopped,
    TakenBack, Writing, Written,
};
use crate::ports::time::Clock as _;

/// What a call costs.
const COST: u32 = 10;
/// How long a create takes that takes effect late.
const LATE: Duration = Duration::from_secs(40);

type KeyOf = (Stream, MatchBy, String);

#[derive(Default)]
struct Inner {
    records: BTreeMap<String, (Stream, Map<String, Value>)>,
    keys: BTreeMap<KeyOf, BTreeSet<String>>,
    ids: u64,
    items: BTreeMap<String, LiveItem>,
    locations: BTreeMap<String, String>,
    answered: BTreeMap<Uuid, Vec<Complaint>>,
    refused: BTreeMap<String, Code>,
    /// Creates on their way.
    late: Vec<(Timestamp, PlannedCall)>,
    mutations: usize,
    made: BTreeMap<KeyOf, usize>,
    throttled: usize,
    held: f64,
    heard: Option<Timestamp>,
}

/// The shop. Clones share it.
#[derive(Clone)]
pub struct FakeWriter {
    faults: Faults,
    clock: ManualClock,
    /// Whether the shop refuses a second record with a unique key.
    fenced: bool,
    /// Whether a create that seems lost may take effect later.
    late: bool,
    maximum: u32,
    rate: u32,
    inner: Arc<Mutex<Inner>>,
}

fn lost() -> RowError {
    RowError::ours(Code::TimeoutAfterSend, "the answer was lost")
}

fn keys(stream: Stream, identifiers: &[Identifier]) -> Vec<KeyOf> {
    identifiers.iter().map(|identifier| (stream, identifier.by, identifier.value.clone())).collect()
}

impl FakeWriter {
    /// An empty shop with a large bucket.
    pub fn new(clock: ManualClock, faults: Faults) -> Self {
        let (inner, maximum, rate) = (Arc::default(), 100_000, 50_000);
        let writer = Self { faults, clock, fenced: true, late: false, maximum, rate, inner };
        writer.inner().held = f64::from(maximum);
        writer
    }

    /// With a bucket of this size that fills at this rate.
    #[must_use]
    pub fn with_bucket(self, maximum: u32, rate: u32) -> Self {
        self.inner().held = f64::from(maximum);
        Self { maximum, rate, ..self }
    }

    /// One that takes a second record with a key it has, and whose lost creates may take effect later.
    #[must_use]
    pub fn careless(self) -> Self {
        Self { fenced: false, late: true, ..self }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes made so far.
    pub fn mutations(&self) -> usize {
        self.inner().mutations
    }

    /// Answers that asked to wait.
    pub fn throttled(&self) -> usize {
        self.inner().throttled
    }

    /// How often a record was made under each key.
    pub fn made(&self) -> Vec<(String, usize)> {
        self.inner().made.iter().map(|((_, _, key), times)| (key.clone(), *times)).collect()
    }

    /// How many records there are of a stream, late ones included.
    pub fn records(&self, stream: Stream) -> usize {
        let mut inner = self.inner();
        self.land(&mut inner, Timestamp::MAX);
        inner.records.values().filter(|(of, _)| *of == stream).count()
    }

    /// A record by a key.
    pub fn record(&self, stream: Stream, key: &str) -> Option<Map<String, Value>> {
        let inner = self.inner();
        let mut found = inner.keys.iter().filter(|((of, _, value), _)| *of == stream && value == key);
        let id = found.next()?.1.first()?;
        inner.records.get(id).map(|(_, values)| values.clone())
    }

    /// Changes a record by hand.
    pub fn edit(&self, stream: Stream, key: &str, field: &str, value: Value) {
        let mut inner = self.inner();
        let ids: Vec<String> = inner
            .keys
            .iter()
            .filter(|((of, _, known), _)| *of == stream && known == key)
            .flat_map(|(_, ids)| ids.clone())
            .collect();
        for id in ids {
            if let Some((_, values)) = inner.records.get_mut(&id) {
                values.insert(field.to_owned(), value.clone());
            }
        }
    }

    /// Has a record with a key and values.
    pub fn put(&self, stream: Stream, by: MatchBy, key: &str, values: Value) {
        let mut inner = self.inner();
        inner.ids += 1;
        let id = format!("gid://fake/{}/{}", stream.as_str(), inner.ids);
        let Value::Object(values) = values else { return };
        inner.records.insert(id.clone(), (stream, values));
        inner.keys.entry((stream, by, key.to_owned())).or_default().insert(id);
    }

    /// Has an item on stock at places.
    pub fn stock(&self, sku: &str, tracked: bool, levels: &[(&str, i32)]) {
        let mut inner = self.inner();
        let id = format!("gid://fake/Item/{sku}");
        let levels = levels.iter().map(|(place, quantity)| ((*place).to_owned(), *quantity)).collect();
        inner.items.insert(sku.to_owned(), LiveItem { id, tracked, bundle: false, levels });
    }

    /// Has a place by a name.
    pub fn place(&self, name: &str, id: &str) {
        self.inner().locations.insert(name.to_owned(), id.to_owned());
    }

    /// What lies where of an item.
    pub fn stock_of(&self, sku: &str) -> BTreeMap<String, i32> {
        self.inner().items.get(sku).map(|item| item.levels.clone()).unwrap_or_default()
    }

    /// From now on refuses what has this value, or is this item, with a code; none: no more.
    pub fn refuse(&self, value: &str, code: Option<Code>) {
        let mut inner = self.inner();
        match code {
            Some(code) => inner.refused.insert(value.to_owned(), code),
            None => inner.refused.remove(value),
        };
    }

    /// Creates take effect whose time has come.
    fn land(&self, inner: &mut Inner, now: Timestamp) {
        let (due, rest) = std::mem::take(&mut inner.late).into_iter().partition(|(at, _)| *at <= now);
        inner.late = rest;
        let due: Vec<(Timestamp, PlannedCall)> = due;
        for (_, call) in due {
            let _ = self.carry_out(inner, &call);
        }
    }

    /// What the shop does about a call.
    fn carry_out(&self, inner: &mut Inner, call: &PlannedCall) -> Result<String, Box<RowError>> {
        let variables = &call.variables;
        let text = |name: &str| variables[name].as_str().unwrap_or_default().to_owned();
        let input = variables["input"].as_object().cloned().unwrap_or_default();
        let bad = input.values().filter_map(Value::as_str).find_map(|value| inner.refused.get(value));
        if let Some(code) = bad {
            return Err(Box::new(RowError::ours(*code, "no, said the shop")));
        }
        let id = match call.name.as_str() {
            "make" => {
                let stream = Stream::parse(&text("stream")).unwrap_or(Stream::Products);
                let keys: Vec<(MatchBy, String)> =
                    serde_json::from_value(variables["keys"].clone()).unwrap_or_default();
                let taken =
                    |(by, value): &(MatchBy, String)| inner.keys.contains_key(&(stream, *by, value.clone()));
                if self.fenced && keys.iter().any(taken) {
                    return Err(Box::new(RowError::refused(Some("TAKEN"), "the key is taken")));
                }
                inner.ids += 1;
                let id = format!("gid://fake/{}/{}", stream.as_str(), inner.ids);
                inner.records.insert(id.clone(), (stream, input));
                for (at, (by, value)) in keys.into_iter().enumerate() {
                    let key = (stream, by, value);
                    if at == 0 {
                        *inner.made.entry(key.clone()).or_default() += 1;
                    }
                    inner.keys.entry(key).or_default().insert(id.clone());
                }
                id
            }
            "change" | "extend" => {
                let id = text("id");
                if let Some((_, values)) = inner.records.get_mut(&id) {
                    for (name, value) in input {
                        if value.is_null() {
                            values.remove(&name)
                        } else {
                            values.insert(name, value)
                        };
                    }
                }
                id
            }
            _ => {
                let id = text("id");
                inner.records.remove(&id);
                for ids in inner.keys.values_mut() {
                    ids.remove(&id);
                }
                inner.keys.retain(|_, ids| !ids.is_empty());
                id
            }
        };
        inner.mutations += 1;
        Ok(id)
    }

    /// Takes points; none where there are not enough.
    fn charge(&self) -> Option<Status> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let since = inner.heard.map_or(0.0, |heard| now.duration_since(heard).as_secs_f64());
        inner.held = (inner.held + since * f64::from(self.rate)).min(f64::from(self.maximum));
        inner.heard = Some(now);
        if inner.held < f64::from(COST) {
            inner.throttled += 1;
            return None;
        }
        inner.held -= f64::from(COST);
        Some(Status {
            maximum: Points::whole(self.maximum),
            available: Points::read(inner.held).unwrap_or_default(),
            restore_rate: Points::whole(self.rate),
        })
    }

    /// A call under the budget.
    async fn paid<T>(
        &self,
        budget: &dyn Budget,
        shape: &'static str,
        name: &'static str,
        effect: impl FnOnce() -> T + Send,
    ) -> Result<Result<T, ()>, ProviderError> {
        let points = Points::whole(COST);
        let lease = budget.lease(shape, points).await?;
        let Some(status) = self.charge() else {
            budget.settle(lease, shape, Some(points), Spent::Nothing).await;
            return Err(ProviderError::Throttled { retry_after: Some(Duration::from_secs(1)) });
        };
        let answer = self.faults.run(name, || (), || Ok(effect())).await;
        let spent = match answer {
            Ok(_) => Spent::Told { points, status },
            Err(()) => Spent::Unknown,
        };
        budget.settle(lease, shape, answer.is_ok().then_some(points), spent).await;
        Ok(answer)
    }
}

#[async_trait]
impl RowWriter for FakeWriter {
    async fn find(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        stream: Stream,
        sought: &[Sought<'_>],
    ) -> Result<Vec<Found>, ProviderError> {
        let find = || {
            let mut inner = self.inner();
            self.land(&mut inner, self.clock.now());
            let one = |sought: &Sought<'_>| {
                let mut ids: BTreeSet<String> = BTreeSet::new();
                let mut several = false;
                for (identifier, key) in sought.identifiers.iter().zip(keys(stream, sought.identifiers)) {
                    if identifier.by == MatchBy::Id {
                        ids.extend(
                            inner.records.contains_key(&identifier.value).then(|| identifier.value.clone()),
                        );
                        continue;
                    }
                    let found = inner.keys.get(&key).cloned().unwrap_or_default();
                    several |= found.len() > 1;
                    ids.extend(found);
                }
                let mut ids = ids.into_iter();
                match (ids.next(), ids.next()) {
                    (None, _) => Found::Nothing,
                    (Some(id), None) => {
                        let values = inner.records.get(&id).map(|(_, values)| values.clone());
                        Found::One(LiveRecord { id, values: values.unwrap_or_default() })
                    }
                    _ if several => Found::Unclear(RowError::ours(Code::Ambiguous, "several have this key")),
                    _ => Found::Unclear(RowError::ours(Code::KeyConflict, "the keys lead apart")),
                }
            };
            sought.iter().map(one).collect()
        };
        let found = self.paid(budget, "find", "shop.find", find).await?;
        found.map_err(|()| ProviderError::Unavailable { source: None })
    }

    async fn lookup(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        keys: &[(Wanted, String)],
    ) -> Result<Vec<Vec<String>>, ProviderError> {
        let lookup = || {
            let inner = self.inner();
            let id = |(_, key): &(Wanted, String)| {
                inner.items.get(key).map(|item| item.id.replace("Item", "Variant")).into_iter().collect()
            };
            keys.iter().map(id).collect()
        };
        let found = self.paid(budget, "lookup", "shop.lookup", lookup).await?;
        found.map_err(|()| ProviderError::Unavailable { source: None })
    }

    fn plan(&self, change: &Change<'_>) -> Result<Writing, Vec<RowError>> {
        let Value::Object(input) = change.input else {
            return Err(vec![RowError::ours(Code::Bug, "no object")]);
        };
        let mut diff = Vec::new();
        let mut sent = Map::new();
        let none = Map::new();
        let live = change.live.map_or(&none, |live| &live.values);
        for (name, after) in input {
            let before = live.get(name);
            let kept = match change.how.writes.get(name) {
                Some(Write::IfEmpty) => before.is_some(),
                _ => before == Some(after),
            };
            if kept {
                continue;
            }
            let mut after = after.clone();
            if let (Some(Value::Array(before)), Value::Array(now)) = (before, &mut after) {
                let policy = change.how.lists.get(name).copied().unwrap_or_default();
                let gone: Vec<Value> = before.iter().filter(|each| !now.contains(each)).cloned().collect();
                if policy == ListPolicy::Replace {
                    diff.extend(gone.into_iter().map(|each| {
                        let path = format!("{name}[{}]", each.as_str().unwrap_or("…"));
                        FieldChange { path, before: Some(each), after: None }
                    }));
                } else {
                    now.splice(0..0, gone);
                    now.sort_by_key(Value::to_string);
                    if now == before {
                        continue;
                    }
                }
            }
            sent.insert(name.clone(), after.clone());
            diff.push(FieldChange { path: name.clone(), before: before.cloned(), after: Some(after) });
        }
        if diff.is_empty() {
            let (calls, left) = Default::default();
            return Ok(Writing { diff, calls, points: Points::ZERO, left });
        }
        let mut calls = Vec::new();
        let call = |name: &str, variables: Value| PlannedCall { name: name.to_owned(), variables };
        match (change.purpose, change.live) {
            (Purpose::Update, Some(live)) => {
                calls.push(call("change", json!({"id": live.id, "input": sent})));
            }
            _ => {
                let keys: Vec<(MatchBy, &str)> =
                    change.identifiers.iter().map(|each| (each.by, each.value.as_str())).collect();
                let more = sent.remove("metafields");
                let stream = change.stream.as_str();
                calls.push(call("make", json!({"stream": stream, "keys": keys, "input": sent})));
                if let Some(more) = more {
                    calls.push(call("extend", json!({"input": {"metafields": more}})));
                }
            }
        }
        let points = Points::whole(COST * u32::try_from(calls.len()).unwrap_or(1));
        Ok(Writing { diff, calls, points, left: Vec::new() })
    }

    async fn write(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        writing: &Writing,
    ) -> Result<Written, ProviderError> {
        let mut written = Written::default();
        for (at, call) in writing.calls.iter().enumerate() {
            let mut call = call.clone();
            if call.name == "extend" {
                call.variables["id"] = json!(written.id);
            }
            let mut happened = false;
            let effect = || {
                happened = true;
                let mut inner = self.inner();
                self.land(&mut inner, self.clock.now());
                self.carry_out(&mut inner, &call)
            };
            let answer = self.paid(budget, "write", "shop.write", effect).await;
            match answer {
                Err(error) if at == 0 => return Err(error),
                Err(_) => {
                    let error = RowError::ours(Code::Throttled, "the shop asks us to wait");
                    written.stopped = Some(Stopped::Later(Box::new(error), Duration::from_secs(1)));
                }
                Ok(Err(())) => {
                    if self.late && !happened && call.name == "make" {
                        self.inner().late.push((self.clock.now() + LATE, call));
                    }
                    written.stopped = Some(Stopped::InDoubt(Box::new(lost())));
                }
                Ok(Ok(Err(error))) => written.stopped = Some(Stopped::Refused(vec![*error])),
                Ok(Ok(Ok(id))) => {
                    written.id = Some(id);
                    written.calls.push(call.name);
                    let points = written.points.thousandths() + u64::from(COST) * 1000;
                    written.points = Points::from_thousandths(points);
                    written.request_id = Some("req-1".to_owned());
                }
            }
            if written.stopped.is_some() {
                break;
            }
        }
        Ok(written)
    }

    fn take_back(&self, _: Stream, created: bool, diff: &[FieldChange], live: &LiveRecord) -> TakenBack {
        let drift: Vec<RowError> = diff
            .iter()
            .filter(|change| {
                let now = live.values.get(&change.path);
                now != change.after.as_ref() && (created || now != change.before.as_ref())
            })
            .map(|change| RowError::ours(Code::Drift, "changed since").about(&change.path, None))
            .collect();
        if !drift.is_empty() {
            return TakenBack::Drift(drift);
        }
        let mut back = Vec::new();
        let mut input = Map::new();
        for change in diff.iter().filter(|change| live.values.get(&change.path) != change.before.as_ref()) {
            input.insert(change.path.clone(), change.before.clone().unwrap_or_default());
            let (before, after) = (change.after.clone(), change.before.clone());
            back.push(FieldChange { path: change.path.clone(), before, after });
        }
        let variables = json!({"id": live.id, "input": input});
        let name = if created { "remove" } else { "change" }.to_owned();
        let calls = if back.is_empty() { Vec::new() } else { vec![PlannedCall { name, variables }] };
        TakenBack::Writing(Writing { diff: back, calls, points: Points::whole(COST), left: Vec::new() })
    }

    fn subject(&self, stream: Stream, id: &str) -> Option<Subject> {
        let number = id.rsplit('/').next().and_then(|number| number.parse().ok())?;
        match stream {
            Stream::Customers => Some(Subject::Customer(number)),
            Stream::Orders => Some(Subject::Order(number)),
            _ => None,
        }
    }

    async fn levels(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        items: &[(Wanted, String)],
        locations: &[(Wanted, String)],
        _: QuantityName,
    ) -> Result<Live, ProviderError> {
        let read = || {
            let inner = self.inner();
            let mut live = Live::default();
            for (_, key) in items {
                live.items.insert(key.clone(), inner.items.get(key).cloned().into_iter().collect());
            }
            for (_, key) in locations {
                live.locations.insert(key.clone(), inner.locations.get(key).cloned().into_iter().collect());
            }
            live
        };
        let live = self.paid(budget, "levels", "shop.levels", read).await?;
        live.map_err(|()| ProviderError::Unavailable { source: None })
    }

    async fn set_levels(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        batch: &Batch,
        key: Uuid,
        _: QuantityName,
        _: &LevelOptions,
    ) -> Result<(Vec<Complaint>, Written), ProviderError> {
        let set = || {
            let mut inner = self.inner();
            if let Some(before) = inner.answered.get(&key) {
                return before.clone();
            }
            let mut complaints = Vec::new();
            for (index, level) in batch.levels.iter().enumerate() {
                let item = inner.items.values().find(|item| item.id == level.item);
                let now = item.and_then(|item| item.levels.get(&level.location).copied());
                let index = Some(index);
                if let Some(code) = inner.refused.get(&level.item) {
                    complaints.push(Complaint { index, code: *code });
                } else if now != level.from {
                    complaints.push(Complaint { index, code: Code::StaleQuantity });
                }
            }
            if complaints.is_empty() {
                for level in &batch.levels {
                    let item = inner.items.values_mut().find(|item| item.id == level.item);
                    if let Some(item) = item {
                        item.levels.insert(level.location.clone(), level.quantity);
                    }
                }
                inner.mutations += 1;
            }
            inner.answered.insert(key, complaints.clone());
            complaints
        };
        let answer = self.paid(budget, "set", "shop.set", set).await?;
        let mut written = Written { calls: vec!["set".to_owned()], ..Written::default() };
        let complaints = answer.unwrap_or_else(|()| {
            written.stopped = Some(Stopped::InDoubt(Box::new(lost())));
            Vec::new()
        });
        Ok((complaints, written))
    }

    async fn activate(
        &self,
        _: &ShopAccess,
        budget: &dyn Budget,
        level: &SetLevel,
        _: Uuid,
        _: QuantityName,
    ) -> Result<Written, ProviderError> {
        let activate = || {
            let mut inner = self.inner();
            inner.mutations += 1;
            if let Some(item) = inner.items.values_mut().find(|item| item.id == level.item) {
                item.levels.insert(level.location.clone(), level.quantity);
            }
        };
        let answer = self.paid(budget, "activate", "shop.activate", activate).await?;
        let stopped = answer.is_err().then(|| Stopped::InDoubt(Box::new(lost())));
        Ok(Written { calls: vec!["activate".to_owned()], stopped, ..Written::default() })
    }
}
