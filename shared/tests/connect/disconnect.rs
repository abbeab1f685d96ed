//! Disconnecting means gone, also after a crash at any call (P14).

use std::collections::BTreeMap;

use shared::domain::connection::{ConnectorState, HistoryAction, Reason};
use shared::domain::ids::RunId;
use shared::domain::plan::{CodeCounts, Counts};
use shared::domain::record::Source;
use shared::domain::run::{Cost, Run, RunKind, RunState, Wanted};
use shared::ports::runs::RunStore as _;
use shared::ports::time::{Clock as _, Random as _};
use shared::testkit::clock::SeededRandom;
use shared::testkit::connect_shop::FakeShop;
use shared::testkit::faults::Fault;

use crate::world::{PROVIDER, World, body, domain, outcome, store};

/// A store that is connected and imports right now.
pub async fn importing() -> World {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let used = world.stored("st-1").unwrap().installation.unwrap();
    let now = world.clock.now();
    let run = Run {
        store: store("st-1"),
        provider: PROVIDER,
        id: RunId::new(SeededRandom::new(1).uuid(now)),
        revision: 0,
        kind: RunKind::Import,
        state: RunState::Extracting,
        of_run: None,
        from_preview: None,
        undone_by: None,
        asked: None,
        source: Source { provider: PROVIDER, shop_id: used.shop_id },
        shop_domain: used.shop,
        install: used.id,
        currency: None,
        wanted: Wanted::ALL.into_iter().collect(),
        blocked: BTreeMap::new(),
        requested_by: "user-1".to_owned(),
        created_at: now,
        state_since: now,
        updated_at: now,
        finished_at: None,
        cancel_requested: false,
        feeds: BTreeMap::new(),
        generation: 0,
        stage: 0,
        poll_hop: 0,
        woken_at: None,
        options: Default::default(),
        mass_missing: None,
        decisions: Default::default(),
        handed_off: false,
        announced: BTreeMap::new(),
        counts: Counts::default(),
        not_applied: Counts::default(),
        warnings: CodeCounts::default(),
        cost: Cost::default(),
        drift: None,
        failure: None,
        copying: None,
    };
    world.runs.begin(&run, None).await.unwrap();
    world
}

pub fn assert_gone(world: &World, what: &str) {
    let connector = world.stored("st-1").unwrap();
    assert_eq!(connector.state(), ConnectorState::Inactive, "{what}");
    assert_eq!((connector.reason, connector.installation), (Some(Reason::Disconnected), None), "{what}");
    assert!(world.vault.readable_tokens().is_empty(), "{what}: a token can still be read");
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None, "{what}");
    assert!(!world.shop.is_installed(&domain("acme")), "{what}");
    assert_eq!(world.connectors.all_loose_ends(), vec![], "{what}");
    assert!(world.runs.all().iter().all(|run| run.cancel_requested), "{what}");
    let ended = world
        .connectors
        .entries(&store("st-1"))
        .into_iter()
        .filter(|e| e.action == HistoryAction::Disconnected);
    assert_eq!(ended.count(), 1, "{what}");
}

#[tokio::test]
async fn disconnecting_ends_everything_and_keeps_the_history() {
    let world = importing().await;
    let response = world.drop("st-1").await;
    insta::assert_snapshot!(response.body, @r#"{"state":"inactive","reason":"disconnected","app_removed":true}"#);
    assert_gone(&world, "once");
    let card = world.card("st-1").await;
    assert_eq!(
        (card["reason"].as_str(), card["suggestions"][0]["code"].as_str()),
        (Some("disconnected"), Some("connect"))
    );

    let again = world.drop("st-1").await;
    insta::assert_snapshot!(again.body, @r#"{"state":"inactive","reason":"disconnected"}"#);
    assert_gone(&world, "twice");
    assert_eq!(world.shop.count("uninstall"), 1);
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");
}

#[tokio::test]
async fn a_run_that_waits_for_a_decision_ends_with_the_connection() {
    let world = importing().await;
    let mut run = world.runs.all()[0].clone();
    run.state = RunState::AwaitingDecision;
    world.runs.save(&mut run).await.unwrap();
    let card = world.card("st-1").await;
    assert_eq!(card["suggestions"][0]["code"], "decide_missing");
    assert!(card["suggestions"][0]["detail"].as_str().unwrap().contains(run.id.as_str()));
    world.drop("st-1").await;
    let ended = &world.runs.all()[0];
    assert_eq!((ended.state, ended.cancel_requested), (RunState::Cancelled, true));
    assert_eq!(world.runs.active(&store("st-1"), PROVIDER).await.unwrap(), None);
}

#[tokio::test]
async fn a_crash_at_any_call_is_healed_by_asking_again() {
    let calls = {
        let world = importing().await;
        let from = world.faults.calls().len();
        world.drop("st-1").await;
        from..world.faults.calls().len()
    };
    assert!(calls.len() >= 9, "{}", calls.len());
    for call in calls {
        for fault in
            [Fault::CrashBefore, Fault::CrashAfter, Fault::FailBefore, Fault::FailAfter, Fault::Throttle]
        {
            let world = importing().await;
            world.faults.at(call, fault);
            let first = world.drop("st-1").await;
            world.faults.restart();
            // What a process that died had taken is nobody else's for a while.
            if matches!(fault, Fault::CrashBefore | Fault::CrashAfter) {
                world.later(180);
            }
            if first.status_code != 200 {
                assert!(matches!(first.status_code, 429 | 503), "{fault:?} at {call}: {}", first.body);
            }
            let second = world.drop("st-1").await;
            assert_eq!(second.status_code, 200, "{fault:?} at {call}: {}", second.body);
            assert_gone(&world, &format!("{fault:?} at {call}"));
        }
    }
}

#[tokio::test]
async fn a_shop_that_does_not_answer_keeps_nobody_connected_and_is_cleared_later() {
    let world = importing().await;
    world.shop.set_down(true);
    for _ in 0..2 {
        let response = world.drop("st-1").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(response.body, @r#"{"state":"inactive","reason":"disconnected","removal_pending":true}"#);
        }
        let denied = world.access().shop_access(&store("st-1"), PROVIDER).await.err().unwrap();
        assert_eq!(denied.code, "not_connected");
        // Its token is needed to remove the app.
        assert_eq!(world.vault.installs().len(), 1);
    }
    world.shop.set_down(false);
    assert_eq!(body(&world.drop("st-1").await)["app_removed"], true);
    assert_gone(&world, "after the outage");
}

#[tokio::test]
async fn an_app_that_another_installation_uses_by_now_stays() {
    // Whether the token of the first installation could still remove the app is the platform's affair.
    for world in [World::new(), World::with(FakeShop::lenient)] {
        world.connect("st-1", "acme").await;
        stays_with_the_other(&world).await;
    }
}

async fn stays_with_the_other(world: &World) {
    world.shop.set_down(true);
    world.drop("st-1").await;
    world.shop.set_down(false);
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
    let used = world.stored("st-1").unwrap().installation.unwrap();
    let old = world.connectors.all_loose_ends();
    assert_eq!(old.len(), 1, "what was left of the first connection is still to be done");
    assert_ne!(old[0].install, used.id);
    world.later(1);
    world.sweep().await;
    assert_eq!(world.connectors.all_loose_ends(), vec![]);
    assert_eq!(world.vault.installs(), vec![used.id], "the old token is gone");
    assert!(world.shop.is_installed(&domain("acme")));
    assert!(world.access().shop_access(&store("st-1"), PROVIDER).await.is_ok());
}

#[tokio::test]
async fn a_shop_that_removed_the_app_itself_is_no_obstacle() {
    for wait in [0, 4_000] {
        let world = importing().await;
        world.later(wait);
        world.shop.revoke(&domain("acme"));
        let response = world.drop("st-1").await;
        assert_eq!((response.status_code, body(&response)["app_removed"].as_bool()), (200, Some(false)));
        assert_gone(&world, "removed over there");
    }
}

#[tokio::test]
async fn an_expired_token_is_refreshed_to_say_goodbye() {
    let world = importing().await;
    world.later(40_000);
    assert_eq!(body(&world.drop("st-1").await)["app_removed"], true);
    assert_gone(&world, "expired");
}

#[tokio::test]
async fn a_connector_that_was_never_connected_is_disconnected_already() {
    let world = World::new();
    insta::assert_snapshot!(world.drop("st-1").await.body, @r#"{"state":"inactive","reason":"never_connected"}"#);
    assert_eq!(world.stored("st-1"), None);
}
