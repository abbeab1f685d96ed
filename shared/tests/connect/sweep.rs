//! The sweeper: loose ends tied up after a crash anywhere, connections kept alive, stalled runs woken.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::claim::Stands;
use shared::domain::connection::{ConnectorState, HistoryAction};
use shared::domain::run::RunState;
use shared::ports::metrics::Metric;
use shared::ports::queue::Step;
use shared::ports::runs::RunStore as _;
use shared::ports::vault::TokenVault as _;
use shared::testkit::faults::Fault;

use crate::disconnect::{assert_gone, importing};
use crate::uninstalled::deliver;
use crate::world::{Browser, PROVIDER, SCOPES, World, domain, profile, store};

const CRASHES: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::FailBefore, Fault::FailAfter];

#[tokio::test]
async fn a_disconnect_that_crashed_anywhere_is_finished_without_anyone_asking() {
    let calls = {
        let world = importing().await;
        let from = world.faults.calls().len();
        world.drop("st-1").await;
        from..world.faults.calls().len()
    };
    let (mut finished, mut never_began) = (0, 0);
    for call in calls {
        for fault in CRASHES {
            let world = importing().await;
            world.faults.at(call, fault);
            world.drop("st-1").await;
            world.faults.restart();
            world.later(200);
            world.sweep().await;
            let what = format!("{fault:?} at {call}");
            if world.stored("st-1").unwrap().state() == ConnectorState::Live {
                // It died before the one write that ends the connection, and whoever asked was told.
                assert_eq!(world.vault.installs().len(), 1, "{what}");
                never_began += 1;
            } else {
                assert_gone(&world, &what);
                finished += 1;
            }
        }
    }
    assert!(finished >= 20 && never_began >= 8, "{finished} finished, {never_began} never began");
}

#[tokio::test]
async fn a_reconnect_to_another_shop_that_crashed_anywhere_leaves_one_installation() {
    let (from, to) = {
        let world = World::new();
        world.connect("st-1", "acme").await;
        let mut browser = Browser::default();
        let begun = world.begin("st-1", "beta", &mut browser).await;
        let from = world.faults.calls().len();
        world.come_back(&world.approved(&begun), &mut browser).await;
        (from, world.faults.calls().len())
    };
    assert!(to - from >= 16, "{}", to - from);
    for call in from..to {
        for fault in CRASHES {
            let world = World::new();
            world.connect("st-1", "acme").await;
            let mut browser = Browser::default();
            let begun = world.begin("st-1", "beta", &mut browser).await;
            let query = world.approved(&begun);
            world.faults.at(call, fault);
            world.come_back(&query, &mut browser).await;
            world.faults.restart();
            world.later(200);
            world.sweep().await;

            let what = format!("{fault:?} at {call}");
            let used = world.stored("st-1").unwrap().installation.unwrap();
            assert_eq!(world.vault.installs(), vec![used.id.clone()], "{what}");
            assert_eq!(world.connectors.all_loose_ends(), vec![], "{what}");
            let claim = world.connectors.claim(PROVIDER, &used.shop).unwrap();
            assert_eq!(claim.stands, Stands::Confirmed(used.id), "{what}");
            let entries = world.connectors.entries(&store("st-1"));
            let connected = entries.iter().filter(|entry| entry.action == HistoryAction::Connected).count();
            if used.shop == domain("beta") {
                assert!(!world.shop.is_installed(&domain("acme")), "{what}: still in the first shop");
                assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None, "{what}");
                assert_eq!(connected, 2, "{what}");
            } else {
                assert!(world.shop.is_installed(&domain("acme")), "{what}");
                assert_eq!(connected, 1, "{what}");
                let pending = world.connectors.claim(PROVIDER, &domain("beta"));
                assert!(pending.is_none_or(|claim| claim.stands == Stands::Pending), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn an_attempt_that_wakes_up_after_its_token_was_put_away_does_not_go_live() {
    let (from, to) = {
        let world = World::new();
        let mut browser = Browser::default();
        let begun = world.begin("st-1", "acme", &mut browser).await;
        let from = world.faults.calls().len();
        world.come_back(&world.approved(&begun), &mut browser).await;
        (from, world.faults.calls().len())
    };
    for call in from..to {
        let world = World::new();
        let mut browser = Browser::default();
        let begun = world.begin("st-1", "acme", &mut browser).await;
        let query = world.approved(&begun);
        world.faults.at(call, Fault::Freeze);
        let attempt = world.come_back(&query, &mut browser);
        let others = async {
            while world.faults.frozen() == 0 {
                tokio::task::yield_now().await;
            }
            world.later(200);
            world.sweep().await;
            world.faults.thaw();
        };
        tokio::join!(attempt, others);
        world.later(200);
        world.sweep().await;
        let installs = world.vault.installs();
        match world.stored("st-1").unwrap().installation {
            Some(used) => assert_eq!(installs, vec![used.id], "{call}: live without its token"),
            None => assert_eq!(installs, vec![], "{call}: a token without a connector"),
        }
    }
}

#[tokio::test]
async fn a_shop_that_is_down_for_long_is_asked_more_and_more_rarely_until_it_answers() {
    let world = importing().await;
    world.shop.set_down(true);
    world.drop("st-1").await;
    let asked = |world: &World| world.shop.count("uninstall") + world.shop.count("refresh");
    let before = asked(&world);
    for _ in 0..(3 * 24 * 12) {
        world.later(300);
        world.sweep().await;
    }
    let during = asked(&world) - before;
    assert!((10..60).contains(&during), "{during} calls in three days");
    world.shop.set_down(false);
    world.later(6 * 3_600 + 900);
    world.sweep().await;
    assert_gone(&world, "after three days");
}

#[tokio::test]
async fn a_dormant_connection_outlives_its_tokens() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    // The refresh token lives for 90 days, and nobody uses this connection.
    for _ in 0..200 {
        world.later(86_400);
        world.sweep().await;
    }
    assert_eq!(world.shop.count("refresh"), 200);
    assert_eq!(world.shop.count("inspect"), 201);
    assert!(world.access().shop_access(&store("st-1"), PROVIDER).await.is_ok());
    assert_eq!(world.card("st-1").await["state"], "live");
}

#[tokio::test]
async fn what_the_shop_says_of_itself_is_learnt_within_a_day() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let mut changed = profile("acme", 1_001, "read_products");
    changed.name = "A new name".to_owned();
    world.shop.open(changed);
    world.later(86_399);
    world.sweep().await;
    assert_eq!(world.card("st-1").await["shop"]["account"], "The acme shop", "at most once a day");
    world.later(1);
    world.sweep().await;
    let card = world.card("st-1").await;
    assert_eq!(card["shop"]["account"], "A new name");
    assert_eq!(card["scopes"]["missing"][0]["scope"], "read_inventory");
    let changes = world.connectors.entries(&store("st-1"));
    assert_eq!(changes.iter().filter(|e| e.action == HistoryAction::ScopesChanged).count(), 1);
}

/// What the queue holds is dealt with.
async fn act(world: &World) {
    for body in world.webhook_queue.take() {
        assert!(deliver(world, &body).await);
    }
}

#[tokio::test]
async fn a_shop_that_fell_silent_tells_again_within_a_day() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    act(&world).await;
    world.shop.fall_silent(&domain("acme"));
    world.later(86_399);
    world.sweep().await;
    act(&world).await;
    assert!(world.shop.tells(&domain("acme")).is_empty(), "at most once a day");
    world.later(1);
    world.sweep().await;
    act(&world).await;
    let told = world.shop.tells(&domain("acme"));
    assert_eq!(told.len(), 1);
    // A day later it tells still, at the same address.
    world.later(86_400);
    world.sweep().await;
    act(&world).await;
    assert_eq!(world.shop.tells(&domain("acme")), told);
}

#[tokio::test]
async fn a_shop_that_could_not_be_asked_when_it_was_connected_is_asked_within_a_day() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    // What the connect asked for never came to anything.
    world.webhook_queue.take();
    let pending = |card: &Value| card["suggestions"].to_string().contains("webhooks_pending");
    assert!(pending(&world.card("st-1").await));
    world.later(86_400);
    world.sweep().await;
    act(&world).await;
    assert_eq!(world.shop.tells(&domain("acme")).len(), 1);
    assert!(!pending(&world.card("st-1").await));
}

#[tokio::test]
async fn nothing_is_asked_for_a_connection_by_credentials() {
    let world = World::new();
    world.shop.own_app(&domain("acme"), "own-app", Some("own-secret"));
    let given = json!({
        "method": "credentials",
        "shop_name": "acme",
        "api_key": "own-app",
        "api_secret": "own-secret",
    });
    let response = world.hand_over("st-1", given).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    world.later(86_400);
    assert_eq!(world.sweep().await["connections"], 1);
    assert!(world.webhook_queue.take().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_dead_says_so_and_stops_none_of_the_others() {
    let world = World::new();
    for (number, label) in (2_000..).zip(["one", "two", "three", "four"]) {
        world.shop.open(profile(label, number, SCOPES));
        world.connect(label, label).await;
    }
    world.shop.revoke(&domain("one"));
    // Its token is gone, and nobody has said so.
    world.vault.delete(&world.stored("two").unwrap().installation.unwrap().id).await.unwrap();
    world.later(86_400);
    let swept = world.sweep().await;
    assert_eq!((&swept["connections"], &swept["postponed"]), (&json!(4), &json!(0)));
    for (label, state) in [("one", "failed"), ("two", "failed"), ("three", "live"), ("four", "live")] {
        assert_eq!(world.card(label).await["state"], state, "{label}");
    }
    world.later(86_400);
    assert_eq!(world.sweep().await["connections"], 2, "nobody asks for the dead again");
}

#[tokio::test]
async fn a_fault_at_any_call_of_a_sweep_is_healed_by_those_after_it() {
    let prepared = async || {
        let world = World::new();
        world.connect("st-1", "acme").await;
        world.connect("st-2", "beta").await;
        world.shop.set_down(true);
        world.drop("st-2").await;
        world.shop.set_down(false);
        world.later(86_400);
        world
    };
    let calls = {
        let world = prepared().await;
        let from = world.faults.calls().len();
        world.sweep().await;
        from..world.faults.calls().len()
    };
    assert!(calls.len() >= 20, "{}", calls.len());
    for call in calls {
        for fault in CRASHES {
            let world = prepared().await;
            world.faults.at(call, fault);
            world.sweep().await;
            world.faults.restart();
            for _ in 0..3 {
                world.later(22_000);
                world.sweep().await;
            }
            let what = format!("{fault:?} at {call}");
            assert_eq!(world.connectors.all_loose_ends(), vec![], "{what}");
            assert_eq!(world.stored("st-1").unwrap().state(), ConnectorState::Live, "{what}");
            assert!(!world.shop.is_installed(&domain("beta")), "{what}");
            assert_eq!(world.vault.installs().len(), 1, "{what}");
            let active = world.stored("st-1").unwrap().last_active_at.unwrap();
            assert!(active.as_second() > world.clock_seconds() - 3 * 22_000 - 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_run_that_stands_still_is_told_and_handed_out_anew() {
    let world = importing().await;
    let id = world.runs.all()[0].id.clone();
    world.later(1_800);
    assert_eq!(world.sweep().await["stalled_runs"], 0);
    world.later(1);
    assert_eq!(world.sweep().await["stalled_runs"], 1);
    assert_eq!(world.metrics.values(Metric::StalledRuns), [0, 1]);
    assert_eq!(world.metrics.values(Metric::OldestStalledRunAgeSeconds), [0, 1_801]);
    let sent: Vec<_> = world.queue.waiting().into_iter().map(|waiting| waiting.message).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!((&sent[0].store, &sent[0].run, &sent[0].step), (&store("st-1"), &id, &Step::Extract));
    // Until it moves it stays one, and its message is left half an hour to get through; then it is handed out again.
    world.later(300);
    assert_eq!(world.sweep().await["stalled_runs"], 1);
    assert_eq!(world.queue.waiting().len(), 1);
    world.later(1_501);
    assert_eq!(world.sweep().await["stalled_runs"], 1);
    assert_eq!(world.queue.waiting().len(), 2);
    let mut run = world.runs.load(&store("st-1"), PROVIDER, &id).await.unwrap().unwrap();
    run.updated_at += Duration::from_secs(3_602);
    world.runs.save(&mut run).await.unwrap();
    assert_eq!(world.sweep().await["stalled_runs"], 0);
    world.later(10_000);
    run.state = RunState::Cancelled;
    world.runs.save(&mut run).await.unwrap();
    assert_eq!(world.sweep().await["stalled_runs"], 0);
}

#[tokio::test]
async fn a_run_that_nobody_sent_on_is_sent_on_after_five_minutes_and_is_not_stalled() {
    for (handed_off, after, sent) in [(false, 300, 0), (false, 301, 1), (true, 301, 0), (true, 1_801, 1)] {
        let world = importing().await;
        let mut run = world.runs.all()[0].clone();
        run.handed_off = handed_off;
        world.runs.save(&mut run).await.unwrap();
        world.later(after);
        let stalled = world.sweep().await["stalled_runs"] == 1;
        assert_eq!(stalled, after > 1_800, "{handed_off}, {after} s");
        assert_eq!(world.queue.waiting().len(), sent, "{handed_off}, {after} s");
    }
}

#[tokio::test]
async fn events_that_are_not_the_schedules_are_refused_without_effect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/sweeper");
    let (mut good, mut bad) = (0, 0);
    for file in std::fs::read_dir(root).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let world = World::new();
        world.connect("st-1", "acme").await;
        world.later(90_000);
        let calls = world.faults.calls().len();
        let answer = world.tick(event).await;
        if name.starts_with("bad_") {
            assert_eq!(answer, json!({"refused": "malformed_event"}), "{name}");
            assert_eq!(world.faults.calls().len(), calls, "{name}");
            bad += 1;
        } else {
            assert_eq!(answer["connections"], 1, "{name}");
            good += 1;
        }
    }
    assert!(good >= 1 && bad >= 5, "{good} good, {bad} bad");
}
