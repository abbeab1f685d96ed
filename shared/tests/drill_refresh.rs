//! D3, the refresh storm: a hundred workers of one connection, a thousand expiries, answers lost, callers that stand
//! still. Time is virtual, chance is seeded: a failure names its seed and comes again with it.

#![expect(clippy::unwrap_used, reason = "a test stops where the world is not as it set it up")]

mod drill;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use drill::{real_time, report, setting};
use futures::future::join_all;
use jiff::Timestamp;
use secrecy::SecretString;
use shared::app::access::Access;
use shared::app::error::ErrorKind;
use shared::domain::connection::{Connector, Installation, Method, Purpose, Reason};
use shared::domain::ids::{InstallId, ProviderId, ShopDomain, ShopId, StoreId};
use shared::domain::scopes::Scopes;
use shared::ports::connectors::ConnectorStore as _;
use shared::ports::metrics::Metric;
use shared::ports::provider::{
    AppSecret, Callback, CallbackRefusal, Connect, InvalidShop, ProviderError, ShopAccess, ShopProfile,
    TokenGrant,
};
use shared::ports::time::Clock;
use shared::ports::vault::{StoredToken, TokenVault as _};
use shared::providers::shopify::Shopify;
use shared::testkit::connect_shop::FakeShop;
use shared::testkit::connect_store::FakeConnectors;
use shared::testkit::connect_vault::FakeVault;
use shared::testkit::faults::Faults;
use shared::testkit::hooks::FakeHooks;
use shared::testkit::metrics::FakeMetrics;
use url::Url;

const PROVIDER: ProviderId = ProviderId::Shopify;
const WORKERS: usize = 100;
const EXPIRIES: u64 = 1_000;
const LOST_PERCENT: u64 = 20;
const FROZEN_PERCENT: u64 = 5;
/// How often one worker asks for a token. Ten outlast an hour in which six refreshes came to nothing.
const TRIES: usize = 40;
/// Calls of services and of the shop within one expiry. A build that asks for ever ends here, since virtual time stands
/// still as long as anyone is busy.
const CALLS: usize = 200_000;

/// SplitMix64, shared by all who draw.
struct Chance(Mutex<u64>);

impl Chance {
    fn next(&self, below: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// Tokio's own virtual time: it jumps when everyone waits.
struct VirtualClock(tokio::time::Instant);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(1_790_000_000) + self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A shop far away: its answers take a while, some are lost, and some of those who ask stand still.
struct FarShop {
    near: FakeShop,
    chance: Arc<Chance>,
    lost: AtomicU64,
    frozen: AtomicU64,
}

impl FarShop {
    async fn pause(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

#[async_trait]
impl Connect for FarShop {
    fn requested_scopes(&self, purpose: Purpose) -> Scopes {
        self.near.requested_scopes(purpose)
    }

    fn required_scopes(&self) -> Scopes {
        self.near.required_scopes()
    }

    fn parse_shop(&self, input: &str) -> Result<ShopDomain, InvalidShop> {
        self.near.parse_shop(input)
    }

    fn authorize_url(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        scopes: &Scopes,
        redirect: &Url,
        state: &str,
    ) -> Result<Url, InvalidShop> {
        self.near.authorize_url(shop, client_id, scopes, redirect, state)
    }

    fn verify_callback(
        &self,
        raw_query: &str,
        secret: &AppSecret,
        now: Timestamp,
    ) -> Result<Callback, CallbackRefusal> {
        self.near.verify_callback(raw_query, secret, now)
    }

    async fn exchange(
        &self,
        shop: &ShopDomain,
        code: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError> {
        self.near.exchange(shop, code, secret).await
    }

    async fn refresh(
        &self,
        shop: &ShopDomain,
        refresh_token: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError> {
        let freezes = self.chance.next(100) < FROZEN_PERCENT;
        let (stands, early) = (31_000 + self.chance.next(60_000), self.chance.next(2) == 0);
        self.pause(40 + self.chance.next(200)).await;
        if freezes {
            self.frozen.fetch_add(1, Ordering::SeqCst);
        }
        if freezes && early {
            self.pause(stands).await;
        }
        let granted = self.near.refresh(shop, refresh_token, secret).await;
        if freezes && !early {
            self.pause(stands).await;
        }
        if granted.is_ok() && self.chance.next(100) < LOST_PERCENT {
            self.lost.fetch_add(1, Ordering::SeqCst);
            return Err(ProviderError::Unavailable { source: None });
        }
        granted
    }

    async fn client_credentials(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        client_secret: &SecretString,
    ) -> Result<TokenGrant, ProviderError> {
        self.near.client_credentials(shop, client_id, client_secret).await
    }

    async fn inspect(&self, access: &ShopAccess) -> Result<ShopProfile, ProviderError> {
        self.near.inspect(access).await
    }

    async fn uninstall(&self, access: &ShopAccess) -> Result<(), ProviderError> {
        self.near.uninstall(access).await
    }
}

/// A store whose connector is live.
struct Storm {
    store: StoreId,
    shop: Arc<FarShop>,
    chance: Arc<Chance>,
    faults: Faults,
    vault: Arc<FakeVault>,
    connectors: Arc<FakeConnectors>,
    metrics: FakeMetrics,
    access: Access,
}

impl Storm {
    async fn begin(seed: u64, adjust: impl FnOnce(FakeShop) -> FakeShop) -> Self {
        let faults = Faults::default();
        faults.at_most(CALLS);
        let near = adjust(FakeShop::new(Arc::new(Shopify::new()), faults.clone()));
        let domain = near.parse_shop("acme").unwrap();
        let scopes = near.requested_scopes(Purpose::Import);
        near.open(ShopProfile {
            id: ShopId(1),
            name: "Acme".to_owned(),
            domain: domain.clone(),
            primary_domain: "acme.example".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Basic".to_owned(),
            scopes: scopes.clone(),
        });
        let app = AppSecret { client_id: "app".to_owned(), current: "hush".into(), previous: None };
        let grant = near.exchange(&domain, &near.approve(&domain), &app).await.unwrap();
        let vault = Arc::new(FakeVault::new(app, faults.clone()));
        let connectors = Arc::new(FakeConnectors::new(faults.clone()));
        let chance = Arc::new(Chance(Mutex::new(seed)));
        let clock = Arc::new(VirtualClock(tokio::time::Instant::now()));
        let now = clock.now();
        let store = StoreId::for_test("st-1").unwrap();
        let install = InstallId::new(uuid::Uuid::from_u128(1));
        let token = StoredToken {
            access_token: grant.access_token,
            refresh_token: grant.refresh_token,
            expires_at: Some(now + Duration::from_secs(3_600)),
            refresh_expires_at: None,
            client: None,
            version: String::new(),
        };
        vault.create(&install, &token).await.unwrap();
        let mut connector = Connector::new(store.clone(), PROVIDER, now);
        let installation = Installation {
            id: install,
            shop: domain,
            shop_id: ShopId(1),
            shop_name: "Acme".to_owned(),
            primary_domain: "acme.example".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Basic".to_owned(),
            scopes,
            connected_at: now,
            method: Method::Oauth,
        };
        connector.take_installation(installation, now);
        connectors.save(&mut connector).await.unwrap();
        let shop = Arc::new(FarShop {
            near,
            chance: chance.clone(),
            lost: AtomicU64::default(),
            frozen: AtomicU64::default(),
        });
        let metrics = FakeMetrics::default();
        let access = Access {
            connectors: connectors.clone(),
            history: connectors.clone(),
            vault: vault.clone(),
            connect: shop.clone(),
            hooks: Arc::new(FakeHooks::new(Faults::default())),
            clock,
            metrics: Arc::new(metrics.clone()),
        };
        Self { store, shop, chance, faults, vault, connectors, metrics, access }
    }

    /// One who needs a token now and asks until there is one, or until it is said to be dead.
    async fn worker(&self, delay: Duration) -> Result<(), &'static str> {
        tokio::time::sleep(delay).await;
        for _ in 0..TRIES {
            match self.access.shop_access(&self.store, PROVIDER).await {
                Ok((_, access)) => return self.shop.near.admit(&access).map_err(|_| "rejected"),
                Err(error) if error.is_transient() => {
                    // As a queue does: not before the time that the error names.
                    let named = match error.kind {
                        ErrorKind::Throttled { retry_after } => retry_after.unwrap_or_default(),
                        _ => Duration::ZERO,
                    };
                    tokio::time::sleep(named + Duration::from_millis(1_000 + self.chance.next(4_000))).await;
                }
                Err(error) => return Err(error.code),
            }
        }
        Err("no token for hours")
    }

    /// The moment until which the token in force lives.
    async fn ends(&self) -> Duration {
        let used = self.connectors.stored(&self.store, PROVIDER).unwrap().installation.unwrap();
        let end = self.vault.current(&used.id).await.unwrap().unwrap().expires_at.unwrap();
        Duration::try_from(end.duration_since(self.access.clock.now())).unwrap_or_default()
    }

    /// Everyone needs a token about when it ends; every other time only after its end. Tells whoever got none.
    async fn expiry(&self, number: u64) -> Vec<&'static str> {
        self.faults.revive();
        let ends = self.ends().await;
        let first =
            if number.is_multiple_of(2) { ends.saturating_sub(Duration::from_secs(300)) } else { ends };
        let delays: Vec<_> =
            (0..WORKERS).map(|_| first + Duration::from_millis(self.chance.next(20_000))).collect();
        let all = join_all(delays.into_iter().map(|delay| self.worker(delay))).await;
        all.into_iter().filter_map(Result::err).collect()
    }

    fn reason(&self) -> Option<Reason> {
        self.connectors.stored(&self.store, PROVIDER).unwrap().reason
    }
}

fn rounds() -> u64 {
    if setting("DRILL_TIER").as_deref() == Some("nightly") { 50 } else { 1 }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_storm_loses_no_token_and_declares_none_dead() {
    let began = real_time();
    let (mut failed, mut calls, mut lost, mut frozen, mut expiries) = (0, 0, 0, 0, 0);
    // The shop keeps every replacement of a refresh token, or the newest alone: which, is not documented.
    for round in 0..2 * rounds() {
        let lone = round % 2 == 1;
        let storm = Storm::begin(round, |shop| if lone { shop.lone() } else { shop }).await;
        for number in 0..EXPIRIES / 2 {
            let without = storm.expiry(number).await;
            assert!(without.is_empty(), "seed {round}, expiry {number}: {without:?}");
            assert_eq!(storm.reason(), None, "seed {round}, expiry {number}: declared dead");
        }
        failed += storm.metrics.sum(Metric::TokensDead);
        calls += storm.shop.near.count("refresh") as u64;
        lost += storm.shop.lost.load(Ordering::SeqCst);
        frozen += storm.shop.frozen.load(Ordering::SeqCst);
        expiries += EXPIRIES / 2;
    }
    let per_expiry = |calls: u64| (calls as f64 / expiries as f64 * 1_000.0).round() / 1_000.0;
    report(&serde_json::json!({
        "drill": "D3",
        "tried": expiries,
        "failed": failed,
        "seconds": began.elapsed().as_secs_f64(),
        "workers": WORKERS,
        "refresh_calls": calls,
        "answers_lost": lost,
        "callers_frozen": frozen,
        "calls_per_expiry": per_expiry(calls),
        "calls_per_expiry_beyond_lost_answers": per_expiry(calls - lost),
    }));
    assert!(
        lost * 100 > expiries * 15 && frozen * 100 > expiries * 3,
        "{lost} lost, {frozen} frozen: no storm"
    );
    assert!(per_expiry(calls - lost) <= 1.1, "{calls} calls, {lost} lost, {expiries} expiries");
    assert_eq!(failed, 0);
}

#[tokio::test(start_paused = true)]
async fn where_a_refresh_token_works_once_every_loss_is_told_and_never_silent() {
    let (mut died, mut lived) = (0, 0);
    for seed in 0..40 * rounds() {
        let storm = Storm::begin(seed, FakeShop::strict).await;
        for number in 0..6 {
            let without = storm.expiry(number).await;
            if without.is_empty() {
                continue;
            }
            // Once it is dead everyone is told the same, and the connector says so too.
            assert!(without.iter().all(|code| *code == "needs_reauthorization"), "seed {seed}: {without:?}");
            assert_eq!(storm.reason(), Some(Reason::NeedsReauthorization), "seed {seed}");
            assert!(storm.shop.lost.load(Ordering::SeqCst) + storm.shop.frozen.load(Ordering::SeqCst) > 0);
            died += 1;
            break;
        }
        lived += u64::from(storm.reason().is_none());
    }
    assert!(died > 0 && lived > 0, "{died} died, {lived} lived");
}
