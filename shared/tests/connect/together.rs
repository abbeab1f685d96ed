//! Two that tie up loose ends of one installation at the same moment, step by step.

use std::pin::Pin;

use shared::domain::connection::HistoryAction;

use crate::disconnect::{assert_gone, importing};
use crate::world::{Browser, World, body, domain, outcome, sign, store};

/// Lets a future go on until it has made one more call of this name, and no further.
async fn reach<F: Future>(world: &World, future: &mut Pin<&mut F>, call: &str) {
    let before = world.faults.count(call);
    while world.faults.count(call) == before {
        assert!(futures::poll!(future.as_mut()).is_pending(), "it ended without {call}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nobody_gets_a_shop_while_its_app_is_being_removed() {
    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let query = world.approved(&begun);
    {
        // A callback has gone live and is about to see whether anything is left to do.
        let mut attempt = std::pin::pin!(world.come_back(&query, &mut browser));
        reach(&world, &mut attempt, "connectors.go_live").await;
        reach(&world, &mut attempt, "history.append").await;
        // A disconnect has read the token and is about to remove the app.
        let mut ended = std::pin::pin!(world.drop("st-1"));
        reach(&world, &mut ended, "connectors.close_claim").await;
        reach(&world, &mut ended, "vault.current").await;
        assert_eq!(outcome(&attempt.await), "connected");
        assert_eq!(outcome(&world.connect("st-2", "acme").await), "shop_in_use");
        assert_eq!(body(&ended.await)["app_removed"], true);
    }
    assert_gone(&world, "afterwards");
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");
    assert!(world.shop.is_installed(&domain("acme")));
}

#[tokio::test]
async fn of_two_who_disconnect_at_once_one_removes_the_app_and_the_other_says_that_it_is_not_done_yet() {
    let world = importing().await;
    {
        let mut first = std::pin::pin!(world.drop("st-1"));
        reach(&world, &mut first, "connectors.close_claim").await;
        let second = world.drop("st-1").await;
        insta::assert_snapshot!(second.body, @r#"{"state":"inactive","reason":"disconnected","removal_pending":true}"#);
        assert_eq!(body(&first.await)["app_removed"], true);
    }
    assert_gone(&world, "both are done");
    assert_eq!(world.shop.count("uninstall"), 1);
}

#[tokio::test]
async fn a_loose_end_that_a_disconnect_has_put_meanwhile_is_not_struck_out() {
    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let query = world.approved(&begun);
    {
        // A callback has gone live and has seen that its installation is in use.
        let mut attempt = std::pin::pin!(world.come_back(&query, &mut browser));
        reach(&world, &mut attempt, "connectors.go_live").await;
        reach(&world, &mut attempt, "history.append").await;
        reach(&world, &mut attempt, "connectors.load").await;
        // A disconnect lets go of it and dies.
        let mut ended = std::pin::pin!(world.drop("st-1"));
        reach(&world, &mut ended, "connectors.let_go").await;
        assert_eq!(outcome(&attempt.await), "connected");
    }
    let left = world.connectors.all_loose_ends();
    assert!(left.len() == 1 && left[0].remove_app, "{left:?}");
    world.later(1);
    world.sweep().await;
    assert_gone(&world, "swept");
    let told = world.connectors.entries(&store("st-1"));
    let told: Vec<_> = told.iter().map(|entry| entry.action).collect();
    assert!(told.ends_with(&[HistoryAction::Connected, HistoryAction::Disconnected]), "{told:?}");
}

#[tokio::test]
async fn a_second_window_that_gives_up_does_not_hand_the_shop_to_another_store() {
    let world = World::new();
    let (mut first, mut second) = (Browser::default(), Browser::default());
    let begun = world.begin("st-1", "acme", &mut first).await;
    let approved = world.approved(&begun);
    let other = world.begin("st-1", "acme", &mut second).await;
    let unknown = sign(&world.answer(&other, Some("no-such-code")));
    {
        let mut attempt = std::pin::pin!(world.come_back(&approved, &mut first));
        reach(&world, &mut attempt, "connectors.claim_shop").await;
        assert_eq!(outcome(&world.come_back(&unknown, &mut second).await), "callback_mismatch");
        let traded = world.shop.count("exchange");
        assert_eq!(outcome(&world.connect("st-2", "acme").await), "shop_in_use");
        assert_eq!(world.shop.count("exchange"), traded, "nobody trades a code for a shop that is taken");
        assert_eq!(outcome(&attempt.await), "connected");
    }
    assert_eq!(world.card("st-1").await["state"], "live");
}

#[tokio::test]
async fn a_disconnect_leaves_the_app_to_an_attempt_that_is_under_way() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let query = world.approved(&begun);
    {
        let mut attempt = std::pin::pin!(world.come_back(&query, &mut browser));
        reach(&world, &mut attempt, "connectors.put_loose_end").await;
        assert_eq!(body(&world.drop("st-1").await)["removal_pending"], true);
        assert_eq!(outcome(&world.connect("st-2", "acme").await), "shop_in_use");
        assert_eq!(outcome(&attempt.await), "connected");
    }
    world.later(1);
    world.sweep().await;
    assert_eq!(world.shop.count("uninstall"), 0, "that would have ended the new installation");
    assert_eq!(world.vault.installs().len(), 1);
    assert_eq!(world.card("st-1").await["state"], "live");
}

#[tokio::test]
async fn an_attempt_that_died_does_not_keep_the_app_in_the_shop() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let query = world.approved(&begun);
    {
        let mut attempt = std::pin::pin!(world.come_back(&query, &mut browser));
        reach(&world, &mut attempt, "connectors.claim_shop").await;
    }
    assert_eq!(body(&world.drop("st-1").await)["removal_pending"], true);
    world.later(121);
    assert_eq!(body(&world.drop("st-1").await)["app_removed"], true);
    assert_gone(&world, "afterwards");
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");
}
