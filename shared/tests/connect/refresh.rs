//! Tokens: refreshed by one at a time and ahead of their end, never lost, never falsely declared dead (P5).

use std::collections::BTreeSet;

use futures::future::join_all;
use secrecy::ExposeSecret as _;
use shared::app::error::AppError;
use shared::domain::connection::Reason;
use shared::ports::metrics::Metric;
use shared::ports::provider::Connect as _;
use shared::ports::vault::{StoredToken, TokenVault as _};
use shared::testkit::connect_shop::FakeShop;
use shared::testkit::faults::Fault;
use tokio::task::JoinHandle;

use crate::world::{PROVIDER, World, domain, store};

async fn token(world: &World) -> Result<String, AppError> {
    let (_, access) = world.access().shop_access(&store("st-1"), PROVIDER).await?;
    world.shop.inspect(&access).await?;
    Ok(access.token.expose_secret().to_owned())
}

/// Refreshes, failed ones, dead tokens.
fn counted(world: &World) -> [u64; 3] {
    [Metric::TokenRefreshes, Metric::TokenRefreshFailures, Metric::TokensDead]
        .map(|metric| world.metrics.sum(metric))
}

/// Lets a caller go on to where it stands still.
async fn until_it_stands<T>(world: &World, sleeper: &JoinHandle<T>) {
    while world.faults.frozen() == 0 {
        assert!(!sleeper.is_finished(), "it never came to the call before which it was to stand still");
        tokio::task::yield_now().await;
    }
}

/// A caller that asks for the token and stands still before the call of this number from now on, which is the one named.
async fn asleep(world: &World, call: usize, named: &str) -> JoinHandle<Result<(), AppError>> {
    world.faults.at(world.faults.calls().len() + call, Fault::Freeze);
    let access = world.access();
    let sleeper = tokio::spawn(async move { access.shop_access(&store("st-1"), PROVIDER).await.map(|_| ()) });
    until_it_stands(world, &sleeper).await;
    assert_eq!(world.faults.calls().last().copied(), Some(named));
    sleeper
}

async fn connected() -> World {
    let world = World::new();
    world.connect("st-1", "acme").await;
    world
}

#[tokio::test]
async fn a_token_with_life_left_is_used_as_it_is() {
    let world = connected().await;
    world.later(3_600 - 301);
    token(&world).await.unwrap();
    assert_eq!(world.shop.count("refresh"), 0);
    world.later(1);
    token(&world).await.unwrap();
    assert_eq!(world.shop.count("refresh"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_at_once_refresh_once() {
    // Shortly before its end, at its end, long after it.
    for wait in [3_400, 3_600, 86_400] {
        let world = connected().await;
        world.later(wait);
        let tokens: Vec<String> =
            join_all((0..50).map(|_| token(&world))).await.into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(world.shop.count("refresh"), 1, "{wait}");
        let different: BTreeSet<_> = tokens.iter().collect();
        assert!(different.len() <= if wait < 3_600 { 2 } else { 1 }, "{wait}: {}", different.len());
    }
}

#[tokio::test]
async fn an_outage_is_no_verdict_on_a_token() {
    let world = connected().await;
    world.later(3_400);
    world.shop.set_down(true);
    let held = world.access().shop_access(&store("st-1"), PROVIDER).await;
    assert!(held.is_ok(), "the token still works for a while");
    world.later(300);
    assert_eq!(token(&world).await.unwrap_err().code, "shop_unreachable");
    assert_eq!(world.stored("st-1").unwrap().reason, None);
    assert_eq!(counted(&world), [0, 2, 0]);
    world.shop.set_down(false);
    token(&world).await.unwrap();
    assert_eq!(counted(&world), [1, 2, 0]);
}

#[tokio::test]
async fn a_dead_token_is_said_to_be_dead_once() {
    let world = connected().await;
    world.shop.revoke(&domain("acme"));
    world.later(3_500);
    for _ in 0..3 {
        assert_eq!(token(&world).await.unwrap_err().code, "needs_reauthorization");
    }
    assert_eq!(world.shop.count("refresh"), 1);
    assert_eq!(counted(&world), [0, 0, 1]);
    let card = world.card("st-1").await;
    assert_eq!(
        (card["state"].as_str(), card["reason"].as_str()),
        (Some("failed"), Some("needs_reauthorization"))
    );
    assert_eq!(card["capabilities"][0]["status"], "degraded");
    let dead = world.connectors.entries(&store("st-1"));
    assert_eq!(dead.iter().filter(|e| e.reason == Some(Reason::NeedsReauthorization)).count(), 1);
    world.connect("st-1", "acme").await;
    token(&world).await.unwrap();
}

#[tokio::test]
async fn a_token_that_the_shop_rejects_is_refreshed_before_it_is_given_up() {
    let world = connected().await;
    let (_, access) = world.access().shop_access(&store("st-1"), PROVIDER).await.unwrap();
    let (_, next) = world.access().after_rejection(&store("st-1"), PROVIDER, &access.token).await.unwrap();
    assert_ne!(access.token.expose_secret(), next.token.expose_secret());
    // Those who come later with the same rejected token get the next one, without another refresh.
    let (_, same) = world.access().after_rejection(&store("st-1"), PROVIDER, &access.token).await.unwrap();
    assert_eq!(next.token.expose_secret(), same.token.expose_secret());
    assert_eq!(world.shop.count("refresh"), 1);

    world.shop.revoke(&domain("acme"));
    let dead = world.access().after_rejection(&store("st-1"), PROVIDER, &same.token).await.err().unwrap();
    assert_eq!(dead.code, "needs_reauthorization");
}

#[tokio::test]
async fn no_fault_at_any_call_loses_the_token() {
    let calls = {
        let world = connected().await;
        world.later(3_600);
        let from = world.faults.calls().len();
        token(&world).await.unwrap();
        from..world.faults.calls().len()
    };
    for call in calls {
        for fault in
            [Fault::FailBefore, Fault::FailAfter, Fault::CrashBefore, Fault::CrashAfter, Fault::Throttle]
        {
            let world = connected().await;
            world.later(3_600);
            world.faults.at(call, fault);
            if let Ok(used) = token(&world).await {
                let stored = world.vault.readable_tokens();
                assert!(stored.contains(&used), "{fault:?} at {call}: a token was used before it was stored");
            }
            world.faults.restart();
            // A lease left by the dead holds the others up for half a minute.
            world.later(31);
            token(&world).await.unwrap_or_else(|error| panic!("{fault:?} at {call}: {error:?}"));
            assert_eq!(world.stored("st-1").unwrap().reason, None, "{fault:?} at {call}");
        }
    }
}

#[tokio::test]
async fn one_who_stood_still_with_an_old_token_does_no_harm() {
    let world = connected().await;
    world.later(3_600);
    // load, current, lease, current, app_secret, refresh, then the store of the new pair stands still.
    let sleeper = asleep(&world, 6, "vault.replace").await;
    world.later(31);
    let second = token(&world).await.unwrap();
    world.faults.thaw();
    sleeper.await.unwrap().unwrap();
    assert_eq!(token(&world).await.unwrap(), second, "the later pair is in force");
    assert_eq!(world.shop.count("refresh"), 2);
}

#[tokio::test]
async fn the_pair_before_saves_a_token_that_the_shop_knows_another_replacement_of() {
    let world = World::with(FakeShop::lone);
    world.connect("st-1", "acme").await;
    world.later(3_600);
    // The call to the shop stands still while another refreshes; it arrives last, and its pair is never stored.
    let sleeper = asleep(&world, 5, "shop.refresh").await;
    world.later(31);
    token(&world).await.unwrap();
    world.faults.thaw();
    sleeper.await.unwrap().unwrap();
    // What stands in the vault is not the replacement that the shop knows.
    world.later(3_600);
    token(&world).await.unwrap();
    assert_eq!(world.stored("st-1").unwrap().reason, None);
    world.later(3_600);
    token(&world).await.unwrap();
}

#[tokio::test]
async fn one_who_asks_late_with_a_token_that_was_traded_reads_again_before_giving_up() {
    let world = World::with(FakeShop::strict);
    world.connect("st-1", "acme").await;
    world.later(3_600);
    let sleeper = asleep(&world, 5, "shop.refresh").await;
    world.later(31);
    let second = token(&world).await.unwrap();
    world.faults.thaw();
    sleeper.await.unwrap().unwrap();
    assert_eq!(world.stored("st-1").unwrap().reason, None);
    assert_eq!(token(&world).await.unwrap(), second);
}

#[tokio::test]
async fn a_lease_under_which_nothing_was_asked_does_not_count() {
    let world = connected().await;
    world.later(3_600);
    // It has read the old token, and takes the lease after another has refreshed.
    let sleeper = asleep(&world, 2, "connectors.lease_refresh").await;
    let mut rejected = world.access().shop_access(&store("st-1"), PROVIDER).await.unwrap().1.token;
    world.faults.thaw();
    sleeper.await.unwrap().unwrap();
    for _ in 0..5 {
        let next = world.access().after_rejection(&store("st-1"), PROVIDER, &rejected).await.unwrap();
        rejected = next.1.token;
    }
    assert_eq!(world.shop.count("refresh"), 6);
}

#[tokio::test]
async fn a_token_put_in_force_while_another_is_rejected_twice_keeps_the_connection() {
    for replaced in [false, true] {
        let world = connected().await;
        let install = world.stored("st-1").unwrap().installation.unwrap().id;
        world.later(24 * 3_600);
        world.shop.set_deaf(true);
        let from = world.faults.calls().len();
        // Rejected, refreshed, rejected again: the last look into the vault stands still.
        world.faults.at(from + 22, Fault::Freeze);
        let other = async {
            while world.faults.frozen() == 0 {
                tokio::task::yield_now().await;
            }
            let calls = world.faults.calls().split_off(from);
            assert_eq!(calls[20..], ["connectors.release_refresh", "shop.inspect", "vault.current"]);
            if replaced {
                let held = world.vault.current(&install).await.unwrap().unwrap();
                let next = StoredToken { access_token: "another".into(), ..held.clone() };
                world.vault.replace(&install, &held.version, &next).await.unwrap();
            }
            world.faults.thaw();
        };
        tokio::join!(world.sweep(), other);
        let expected = (!replaced).then_some(Reason::NeedsReauthorization);
        assert_eq!(world.stored("st-1").unwrap().reason, expected);
    }
}

#[tokio::test]
async fn a_token_is_refreshed_six_times_an_hour_at_most_and_an_outage_leaves_tries_for_its_end() {
    let world = connected().await;
    world.later(3_600);
    world.shop.set_down(true);
    let began = world.clock_seconds();
    let mut tried = Vec::new();
    for _ in 0..(3 * 60 * 6) {
        let before = world.shop.count("refresh");
        let error = token(&world).await.unwrap_err();
        assert!(error.is_transient(), "{}", error.code);
        if world.shop.count("refresh") > before {
            tried.push(world.clock_seconds() - began);
        }
        world.later(10);
    }
    for (at, first) in tried.iter().enumerate() {
        let in_hour = tried[at..].iter().filter(|second| **second < first + 3_600).count();
        assert!(in_hour <= 7, "{in_hour} within an hour: {tried:?}");
    }
    assert_eq!(tried.iter().filter(|second| **second < 3 * 3_600).count(), 18, "{tried:?}");
    let gaps = tried.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max().unwrap() <= 15 * 60 + 30, "after the outage a token comes soon: {tried:?}");
    world.shop.set_down(false);
    world.later(15 * 60);
    token(&world).await.unwrap();
}

#[tokio::test]
async fn a_token_that_works_is_used_when_no_more_refreshes_are_allowed() {
    let world = connected().await;
    let mut rejected = world.access().shop_access(&store("st-1"), PROVIDER).await.unwrap().1.token;
    for _ in 0..6 {
        let next = world.access().after_rejection(&store("st-1"), PROVIDER, &rejected).await.unwrap();
        rejected = next.1.token;
    }
    assert_eq!(world.shop.count("refresh"), 6);
    let capped = world.access().after_rejection(&store("st-1"), PROVIDER, &rejected).await.err().unwrap();
    assert_eq!((capped.code, capped.is_transient()), ("refreshing", true));
    let held = world.access().shop_access(&store("st-1"), PROVIDER).await.unwrap();
    assert_eq!(held.1.token.expose_secret(), rejected.expose_secret());
    assert_eq!(world.shop.count("refresh"), 6);
    assert_eq!(world.stored("st-1").unwrap().reason, None);
    world.later(3_600);
    token(&world).await.unwrap();
}

#[tokio::test]
async fn where_a_refresh_token_works_once_a_lost_answer_is_told_and_not_hidden() {
    let world = World::with(FakeShop::strict);
    world.connect("st-1", "acme").await;
    world.later(3_600);
    let from = world.faults.calls().len();
    world.faults.at(from + 5, Fault::FailAfter);
    assert_eq!(token(&world).await.unwrap_err().code, "shop_unreachable");
    assert_eq!(world.faults.calls()[from + 5], "shop.refresh");
    assert_eq!(token(&world).await.unwrap_err().code, "needs_reauthorization");
    assert_eq!(world.card("st-1").await["suggestions"][0]["code"], "reconnect");
}

#[tokio::test]
async fn a_store_that_is_not_connected_has_no_access() {
    let world = World::new();
    assert_eq!(token(&world).await.unwrap_err().code, "not_connected");
    world.connect("st-1", "acme").await;
    world.drop("st-1").await;
    assert_eq!(token(&world).await.unwrap_err().code, "not_connected");
}
