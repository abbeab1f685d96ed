//! What goes wrong in a drill sets off the template's own alarm for it, and no other (P18): the metrics that the code
//! records in the fake world, evaluated by the statistic, the periods and the threshold that the template says.
//!
//! What AWS measures by itself (queue depths, errors and throttles of functions) no fake can tell: see `aws_alarms.rs`.

#![expect(clippy::unwrap_used, reason = "a drill stops where the world is not as it set it up")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
#[path = "../../shared/tests/connect/world.rs"]
mod world;

use std::sync::Arc;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::json;
use shared::app::media::CopyMedia;
use shared::app::webhooks::WebhookStep;
use shared::domain::media::{MediaKey, WantedFile};
use shared::lambda::trace::CountErrors;
use shared::lambda::webhooks::webhook_step;
use shared::ports::metrics::Metric;
use shared::ports::runs::RunStore as _;
use shared::testkit::contract::samples;
use shared::testkit::faults::{Fault, Faults};
use shared::testkit::media::{FILES, FakeMedia};
use shared::testkit::queue::FakeRedelivery;
use system_tests::alarm::Alarm;
use system_tests::template::Template;
use tracing_subscriber::layer::SubscriberExt as _;
use url::Url;
use world::{PROVIDER, SCOPES, World, callback_event, outcome, profile, protected, store};

const MINUTE: u64 = 60;

/// A drill: what is done to the world, and the alarms that have to go off.
struct Drill {
    world: World,
    began: i64,
    _log: tracing::subscriber::DefaultGuard,
}

impl Drill {
    /// With some stores connected, at the beginning of an hour.
    async fn with(stores: u64) -> Self {
        let world = World::new();
        let counted = tracing_subscriber::registry().with(CountErrors(Arc::new(world.metrics.clone())));
        for nth in 0..stores {
            let label = format!("shop-{nth}");
            world.shop.open(profile(&label, 2_000 + nth, SCOPES));
            assert_eq!(outcome(&world.connect(&format!("st-{nth}"), &label).await), "connected");
        }
        world.webhook_queue.take();
        let past = world.clock_seconds().rem_euclid(3_600).unsigned_abs();
        world.later(3_600 - past);
        Self { began: world.clock_seconds(), world, _log: tracing::subscriber::set_default(counted) }
    }

    /// The alarms that have gone off since it began.
    fn gone_off(&self) -> Vec<String> {
        let until = self.world.clock_seconds();
        let alarms = Alarm::all(&Template::read().unwrap()).unwrap();
        let gone_off = |alarm: &Alarm| {
            let Some(metric) = watched(alarm) else { return false };
            let recorded = self.world.metrics.timed(metric);
            let recorded: Vec<(i64, u64)> =
                recorded.into_iter().map(|(at, value)| (at.as_second(), value)).collect();
            alarm.goes_off(&recorded, self.began, until)
        };
        alarms.iter().filter(|alarm| gone_off(alarm)).map(|alarm| alarm.id.clone()).collect()
    }

    /// Lets time pass, with a sweep every five minutes as the schedule has it.
    async fn pass(&self, minutes: u64) {
        for _ in 0..minutes / 5 {
            self.world.sweep().await;
            self.world.later(5 * MINUTE);
        }
    }

    async fn step(&self, body: &str) -> bool {
        let world = &self.world;
        let step = WebhookStep {
            access: world.access(),
            webhooks: world.shop.clone(),
            runs: Arc::new(world.runs.clone()),
            steps: Arc::new(world.steps.clone()),
            personal: world.personal.clone(),
            random: world.random.clone(),
            public_base_url: Url::parse("https://api.eshop.example").unwrap(),
        };
        let records = json!({"Records": [{"messageId": "m-1", "body": body}]});
        let event = LambdaEvent::new(serde_json::from_value(records).unwrap(), Context::default());
        let queue = Arc::new(FakeRedelivery::default());
        webhook_step(Arc::new(step), queue, event).await.unwrap().batch_item_failures.is_empty()
    }
}

/// The metric of ours that an alarm watches. The gateway counts the answers that our edge counts too.
fn watched(alarm: &Alarm) -> Option<Metric> {
    let name = match (alarm.namespace.as_str(), alarm.metric.as_str()) {
        ("MerchantConnectors", name) => name,
        ("AWS/ApiGateway", "5xx") => Metric::ServerErrors.name(),
        _ => return None,
    };
    Some(Metric::ALL.into_iter().find(|metric| metric.name() == name).unwrap())
}

async fn card(world: &World) -> u16 {
    world.send(protected("GET /stores/{store_id}/connectors/{provider}", "st-0")).await.status_code
}

#[test]
fn every_alarm_over_what_we_record_has_a_drill() {
    let expected = |line: &&str| line.contains("assert_eq!(drill.gone_off(), [");
    let drills: Vec<&str> = include_str!("alarms.rs").lines().filter(expected).collect();
    for alarm in Alarm::all(&Template::read().unwrap()).unwrap() {
        let named = drills.iter().any(|line| line.contains(&format!("\"{}\"", alarm.id)));
        assert_eq!(watched(&alarm).is_some(), named, "{}", alarm.id);
    }
}

#[tokio::test]
async fn an_hour_in_which_everything_goes_well_is_silent() {
    let drill = Drill::with(3).await;
    for nth in 0..3 {
        drill.world.access().shop_access(&store(&format!("st-{nth}")), PROVIDER).await.unwrap();
    }
    assert_eq!(card(&drill.world).await, 200);
    drill.pass(60).await;
    assert!(drill.gone_off().is_empty(), "{:?}", drill.gone_off());
}

/// D3: the shops do not answer when tokens are to be refreshed.
#[tokio::test]
async fn tokens_that_cannot_be_refreshed() {
    for (stores, minutes) in [(1, 60), (4, 10), (4, 60)] {
        let mut drill = Drill::with(stores).await;
        // Their tokens have ended when it begins.
        drill.world.later(3_600);
        drill.began = drill.world.clock_seconds();
        drill.world.shop.set_down(true);
        for _ in 0..minutes / 5 {
            for nth in 0..stores {
                let asked = drill.world.access().shop_access(&store(&format!("st-{nth}")), PROVIDER).await;
                assert!(asked.err().unwrap().is_transient());
            }
            drill.pass(5).await;
        }
        match (stores, minutes) {
            (4, 60) => assert_eq!(drill.gone_off(), ["TokenRefreshFailuresAlarm"]),
            _ => assert!(
                drill.gone_off().is_empty(),
                "{stores} stores, {minutes} minutes: {:?}",
                drill.gone_off()
            ),
        }
    }
}

#[tokio::test]
async fn connections_that_die_together() {
    for stores in [2, 3] {
        let drill = Drill::with(stores).await;
        for nth in 0..stores {
            let id = store(&format!("st-{nth}"));
            let token = drill.world.access().shop_access(&id, PROVIDER).await.unwrap().1.token;
            drill.world.shop.revoke(&world::domain(&format!("shop-{nth}")));
            let dead = drill.world.access().after_rejection(&id, PROVIDER, &token).await.err().unwrap();
            assert_eq!(dead.code, "needs_reauthorization");
        }
        drill.pass(60).await;
        match stores {
            3 => assert_eq!(drill.gone_off(), ["TokensDeadAlarm"]),
            _ => assert!(drill.gone_off().is_empty(), "one merchant's own doing, twice"),
        }
    }
}

/// D5: the tables do not answer.
#[tokio::test]
async fn callers_that_get_no_answer() {
    for asked in [1, 3] {
        let drill = Drill::with(1).await;
        for _ in 0..3 {
            for _ in 0..asked {
                drill.world.faults.at(drill.world.faults.calls().len(), Fault::FailBefore);
                assert!(card(&drill.world).await >= 500);
            }
            drill.pass(5).await;
        }
        match asked {
            3 => assert_eq!(drill.gone_off(), ["ServerErrorsAlarm"]),
            _ => assert!(drill.gone_off().is_empty(), "one late answer wakes nobody"),
        }
    }
}

/// D9: attacks are refused, which is nobody's alarm.
#[tokio::test]
async fn attacks_wake_nobody() {
    let drill = Drill::with(1).await;
    for nth in 0..200 {
        let forged = format!("code=c&hmac={nth:064x}&shop=shop-0.myshopify.com&state=s&timestamp=1");
        let refused = drill.world.send(callback_event(&forged, &world::Browser::default())).await;
        assert!((400..500).contains(&refused.status_code), "{}", refused.body);
    }
    drill.pass(30).await;
    assert!(drill.gone_off().is_empty(), "{:?}", drill.gone_off());
}

/// D1, D7: a run whose messages are lost, and whose waking does not help.
#[tokio::test]
async fn a_run_that_stands_still() {
    let drill = Drill::with(1).await;
    let used = drill.world.stored("st-0").unwrap().installation.unwrap();
    let mut run = samples::run(&store("st-0"), 1);
    let now = shared::ports::time::Clock::now(&drill.world.clock);
    (run.install, run.created_at, run.state_since, run.updated_at) = (used.id, now, now, now);
    drill.world.runs.begin(&run, None).await.unwrap();
    drill.pass(35).await;
    assert!(drill.gone_off().is_empty(), "it is woken first: {:?}", drill.gone_off());
    drill.pass(15).await;
    assert_eq!(drill.gone_off(), ["StalledRunsAlarm"]);
}

#[tokio::test]
async fn a_sweeper_that_does_not_come() {
    let drill = Drill::with(1).await;
    drill.pass(15).await;
    drill.world.later(30 * MINUTE);
    assert_eq!(drill.gone_off(), ["SweeperSilentAlarm"]);
}

/// A message that is not one of ours: an error for someone to look at, and poison.
#[tokio::test]
async fn messages_that_nobody_can_read() {
    let drill = Drill::with(1).await;
    assert!(!drill.step("{}").await);
    drill.pass(15).await;
    assert_eq!(drill.gone_off(), ["ErrorsLoggedAlarm", "PoisonStepsAlarm"]);
}

/// D4: shops that put us off again and again.
#[tokio::test]
async fn shops_that_throttle_us() {
    for each in [20, 60] {
        let drill = Drill::with(1).await;
        let used = drill.world.stored("st-0").unwrap().installation.unwrap();
        let body = json!({
            "v": 1, "id": "id-1", "provider": "shopify", "shop": used.shop.as_str(), "at": "2026-09-21T14:13:19Z",
            "owner": {"store_id": "st-0", "install_id": used.id.as_str()}, "task": {"shop_changed": {}},
        });
        let body = body.to_string();
        drill.world.shop.set_busy(true);
        for _ in 0..2 {
            for _ in 0..each {
                assert!(!drill.step(&body).await);
            }
            drill.pass(15).await;
        }
        match each {
            60 => assert_eq!(drill.gone_off(), ["ShopThrottlesAlarm"]),
            _ => assert!(drill.gone_off().is_empty(), "{:?}", drill.gone_off()),
        }
    }
}

/// D5: the host of the shops' files does not answer, from the first try to the last.
#[tokio::test]
async fn files_that_cannot_be_fetched() {
    for files in [50, 100] {
        let drill = Drill::with(1).await;
        let media = FakeMedia::new(Faults::default());
        media.down(true);
        let copying = CopyMedia {
            files: Arc::new(media.clone()),
            objects: Arc::new(media.clone()),
            links: Arc::new(media),
            clock: Arc::new(drill.world.clock.clone()),
            metrics: Arc::new(drill.world.metrics.clone()),
        };
        let run = samples::run(&store("st-0"), 1);
        let mut links = vec![None; files];
        for _ in 0..5 {
            assert!(drill.gone_off().is_empty(), "{:?}", drill.gone_off());
            for (nth, link) in links.iter_mut().enumerate() {
                let key = MediaKey { source: run.source, id: nth.to_string() };
                let wanted = WantedFile { key, url: format!("{FILES}{nth}.png") };
                *link = Some(copying.copy(&run, &wanted, link.take()).await.unwrap());
            }
            drill.pass(65).await;
        }
        match files {
            100 => assert_eq!(drill.gone_off(), ["CopiesGivenUpAlarm"]),
            _ => assert!(drill.gone_off().is_empty(), "{:?}", drill.gone_off()),
        }
    }
}

/// Answers for which a table takes long. The alarm watches those of the function that shops post to; the edge that
/// measures them is the same for all.
#[tokio::test]
async fn answers_that_come_late() {
    for slow in [0, 3] {
        let drill = Drill::with(1).await;
        for late in (0..3).map(|period| period < slow) {
            if late {
                slow_card(&drill.world).await;
            }
            drill.pass(5).await;
        }
        match slow {
            3 => assert_eq!(drill.gone_off(), ["WebhookLatencyAlarm"]),
            _ => assert!(drill.gone_off().is_empty(), "{:?}", drill.gone_off()),
        }
    }
}

/// An answer for which a table takes two seconds.
async fn slow_card(world: &World) {
    world.faults.at(world.faults.calls().len(), Fault::Freeze);
    let thaws = async {
        while world.faults.frozen() == 0 {
            tokio::task::yield_now().await;
        }
        world.later(2);
        world.faults.thaw();
    };
    let (status, ()) = futures::join!(card(world), thaws);
    assert_eq!(status, 200);
}
