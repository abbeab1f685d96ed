//! Deliveries: waiting, under way, done with. Times are simulated ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::address::Routes;
use crate::apps::random_hex;
use crate::clock::iso;
use crate::shop::lock;

/// After a failure Shopify tries 8 times more, over 4 hours.
pub const RETRIES: u32 = 8;
/// The first of the waits, which double: 1 + 2 + … + 128 times this is 4 hours.
const FIRST_WAIT: f64 = 14_400.0 / 255.0;

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Kept back by a switch.
    Held,
    /// To be tried at this time.
    Waiting(Timestamp),
    /// Being tried.
    Sending,
    /// Answered 2xx.
    Delivered,
    /// The last retry failed.
    GivenUp,
    /// Lost by a switch: it is never tried.
    Lost,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting(_) => "waiting",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Lost => "lost",
        }
    }
}

/// One try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// How long it took.
    pub milliseconds: f64,
}

impl Attempt {
    /// Any 2xx, and nothing else.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// A payload on its way to an address.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Label of the shop.
    pub shop: String,
    /// The app whose secret signs.
    pub client_id: String,
    /// The subscription; none for an address of the app's own or one named by hand.
    pub subscription: Option<u64>,
    /// Name of the topic.
    pub topic: String,
    /// The address as it was when this happened.
    pub uri: String,
    /// The same in every try.
    pub webhook_id: String,
    /// Shared by all deliveries of one action.
    pub event_id: String,
    /// Version the payload is written in.
    pub version: String,
    /// Name of the subscription.
    pub name: Option<String>,
    /// When it happened.
    pub triggered_at: Timestamp,
    /// The payload, the same in every try.
    pub body: Bytes,
    /// Signs instead of the app's secret: a forgery.
    pub secret: Option<String>,
    /// So often it is sent again although it arrived.
    pub copies: u32,
    /// How it stands.
    pub state: State,
    /// Tries so far, oldest first.
    pub attempts: Vec<Attempt>,
    /// Tries that failed since it was last sent for a reason other than a failure.
    failures: u32,
    /// Set when it was released by hand: no switch keeps it back.
    released: bool,
}

impl Delivery {
    /// A delivery of something that happens now.
    #[must_use]
    pub fn new(shop: &str, client_id: &str, topic: &str, now: Timestamp) -> Self {
        Self {
            shop: shop.to_owned(),
            client_id: client_id.to_owned(),
            subscription: None,
            topic: topic.to_owned(),
            uri: String::new(),
            webhook_id: random_id(),
            event_id: random_id(),
            version: String::new(),
            name: None,
            triggered_at: now,
            body: Bytes::new(),
            secret: None,
            copies: 0,
            state: State::Waiting(now),
            attempts: Vec::new(),
            failures: 0,
            released: false,
        }
    }

    /// Will never be tried.
    pub fn lose(&mut self) {
        self.state = State::Lost;
    }

    /// For the control API.
    #[must_use]
    pub fn view(&self) -> Value {
        let attempts = self.attempts.iter().map(|attempt| {
            json!({"at": iso(attempt.at), "status": attempt.status, "error": attempt.error, "ms": attempt.milliseconds})
        });
        json!({
            "webhook_id": self.webhook_id,
            "event_id": self.event_id,
            "topic": self.topic,
            "app": self.client_id,
            "subscription": self.subscription,
            "uri": self.uri,
            "state": self.state.as_str(),
            "triggered_at": self.triggered_at.to_string(),
            "attempts": attempts.collect::<Vec<Value>>(),
        })
    }
}

/// Random, in the shape of the ids Shopify sends.
#[must_use]
pub fn random_id() -> String {
    let digits = random_hex(16);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Arrived,
    /// It will be tried again.
    Again,
    /// It is given up; its first try was at this time.
    GivenUp(Timestamp),
}

/// All deliveries.
#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
    routes: Mutex<Routes>,
    changed: watch::Sender<()>,
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    all: BTreeMap<u64, Delivery>,
    due: BTreeSet<(Timestamp, u64)>,
    next: u64,
}

impl Inner {
    fn put(&mut self, id: u64, state: State) {
        let Some(delivery) = self.all.get_mut(&id) else { return };
        if let State::Waiting(at) = std::mem::replace(&mut delivery.state, state) {
            self.due.remove(&(at, id));
        }
        if let State::Waiting(at) = state {
            self.due.insert((at, id));
        }
    }

    fn ids(&self, shop: &str, suits: impl Fn(&Delivery) -> bool) -> Vec<u64> {
        self.all.iter().filter(|(_, one)| one.shop == shop && suits(one)).map(|(id, _)| *id).collect()
    }
}

impl Outbox {
    /// An empty one; `wake` is told when there is something to send.
    #[must_use]
    pub fn new(wake: Arc<Notify>) -> Self {
        let (changed, _) = watch::channel(());
        Self { inner: Mutex::default(), routes: Mutex::default(), changed, wake }
    }

    /// Where addresses lead.
    #[must_use]
    pub fn routes(&self) -> Routes {
        lock(&self.routes).clone()
    }

    /// Replaces where addresses lead.
    pub fn set_routes(&self, routes: Routes) {
        *lock(&self.routes) = routes;
    }

    /// Takes a delivery.
    pub fn push(&self, delivery: Delivery) {
        let mut inner = lock(&self.inner);
        let (id, state) = (inner.next, delivery.state);
        inner.next += 1;
        inner.all.insert(id, delivery);
        inner.put(id, state);
        drop(inner);
        self.tell();
    }

    /// Takes what is to be tried now; what a switch keeps back is set aside.
    pub(super) fn take_due(&self, now: Timestamp, held: impl Fn(&str) -> bool) -> Vec<(u64, Delivery)> {
        let mut inner = lock(&self.inner);
        let mut taken = Vec::new();
        let mut set_aside = false;
        while let Some((_, id)) = inner.due.first().copied().filter(|(at, _)| *at <= now) {
            inner.due.pop_first();
            let Some(delivery) = inner.all.get_mut(&id) else { continue };
            if !delivery.released && held(&delivery.shop) {
                delivery.state = State::Held;
                set_aside = true;
                continue;
            }
            delivery.state = State::Sending;
            delivery.released = false;
            taken.push((id, delivery.clone()));
        }
        drop(inner);
        if set_aside {
            self.changed.send_replace(());
        }
        taken
    }

    /// When something is to be tried next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        lock(&self.inner).due.first().map(|(at, _)| *at)
    }

    /// Records a try. `scale` stretches the wait for the next one.
    pub(super) fn done(&self, id: u64, attempt: Attempt, now: Timestamp, scale: f64) -> Verdict {
        let mut inner = lock(&self.inner);
        let Some(delivery) = inner.all.get_mut(&id) else { return Verdict::Arrived };
        let succeeded = attempt.succeeded();
        delivery.attempts.push(attempt);
        let first = delivery.attempts.first().map_or(now, |first| first.at);
        let (state, verdict) = if delivery.copies > 0 {
            delivery.copies -= 1;
            (State::Waiting(now), if succeeded { Verdict::Arrived } else { Verdict::Again })
        } else if succeeded {
            delivery.failures = 0;
            (State::Delivered, Verdict::Arrived)
        } else if delivery.failures >= RETRIES {
            (State::GivenUp, Verdict::GivenUp(first))
        } else {
            let wait = FIRST_WAIT * f64::from(1_u32 << delivery.failures) * scale;
            delivery.failures += 1;
            let wait = SignedDuration::try_from_secs_f64(wait).unwrap_or_default();
            (State::Waiting(now.checked_add(wait).unwrap_or(now)), Verdict::Again)
        };
        inner.put(id, state);
        drop(inner);
        self.tell();
        verdict
    }

    /// Lets go of everything that is held in a shop.
    pub fn let_go(&self, shop: &str, now: Timestamp) {
        let mut inner = lock(&self.inner);
        for id in inner.ids(shop, |delivery| delivery.state == State::Held) {
            inner.put(id, State::Waiting(now));
        }
        drop(inner);
        self.tell();
    }

    /// Ids in a shop of what is held, oldest first.
    #[must_use]
    pub fn held(&self, shop: &str) -> Vec<String> {
        let inner = lock(&self.inner);
        let held = inner.all.values().filter(|one| one.shop == shop && one.state == State::Held);
        held.map(|one| one.webhook_id.clone()).collect()
    }

    /// Sends one again, or at last, whatever a switch says. False if there is none of that id.
    pub fn send_again(&self, shop: &str, webhook_id: &str, now: Timestamp) -> bool {
        let mut inner = lock(&self.inner);
        let found = inner.ids(shop, |one| one.webhook_id == webhook_id);
        for id in &found {
            let Some(delivery) = inner.all.get_mut(id) else { continue };
            delivery.released = true;
            match delivery.state {
                State::Sending => delivery.copies += 1,
                _ => inner.put(*id, State::Waiting(now)),
            }
        }
        drop(inner);
        self.tell();
        !found.is_empty()
    }

    /// The deliveries of a shop, oldest first.
    #[must_use]
    pub fn of_shop(&self, shop: &str) -> Vec<Delivery> {
        lock(&self.inner).all.values().filter(|one| one.shop == shop).cloned().collect()
    }

    /// Forgets those of a shop, also what is still to be sent.
    pub fn forget(&self, shop: &str) {
        let mut inner = lock(&self.inner);
        inner.all.retain(|_, one| one.shop != shop);
        let Inner { all, due, .. } = &mut *inner;
        due.retain(|(_, id)| all.contains_key(id));
        drop(inner);
        self.tell();
    }

    /// Waits until the deliveries of a shop satisfy a condition.
    pub async fn until(&self, shop: &str, satisfied: impl Fn(&[&Delivery]) -> bool) {
        let mut changes = self.changed.subscribe();
        let holds = || {
            let inner = lock(&self.inner);
            let own: Vec<&Delivery> = inner.all.values().filter(|one| one.shop == shop).collect();
            satisfied(&own)
        };
        // The sender of changes lives as long as this does.
        while !holds() && changes.changed().await.is_ok() {}
    }

    fn tell(&self) {
        self.changed.send_replace(());
        self.wake.notify_one();
    }
}
