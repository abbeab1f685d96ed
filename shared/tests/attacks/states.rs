//! A state works once, for ten minutes: replays and late comers.

use futures::future::join_all;
use shared::domain::connection::ConnectorState;
use shared::testkit::faults::Fault;

use crate::family::{Attempt, Family, live, signed, token_calls};
use crate::world::{Browser, World, callback_event, outcome, store};

const MISMATCH: (u16, &str) = (403, "callback_mismatch");

#[tokio::test]
async fn o03_a_callback_that_was_used_is_refused() {
    let mut family = Family::new("O3");
    let attempt = Attempt::new().await;
    let world = &attempt.world;
    // The attacker has seen everything: the address and the cookie.
    let seen = attempt.browser.clone();
    assert_eq!(outcome(&world.send(attempt.event(&attempt.query)).await), "connected");
    for what in ["at once", "again"] {
        family.refuses(world, what, MISMATCH, callback_event(&attempt.query, &seen)).await;
    }
    family
        .refuses(world, "in another browser", MISMATCH, callback_event(&attempt.query, &Browser::default()))
        .await;
    world.later(80);
    family
        .refuses(world, "shortly before its time is up", MISMATCH, callback_event(&attempt.query, &seen))
        .await;
    world.later(20);
    family.refuses(world, "later", (403, "callback_stale"), callback_event(&attempt.query, &seen)).await;
    for code in ["c0de", "c0de0000000000000000000000000099"] {
        let at = world.clock_seconds().to_string();
        let again = attempt.with("code", code).replace(attempt.value("timestamp"), &at);
        family.refuses(world, "with a fresh code", MISMATCH, callback_event(&signed(&again), &seen)).await;
        let denied = again.replace(&format!("code={code}"), "error=access_denied");
        family.refuses(world, "as a refusal", MISMATCH, callback_event(&signed(&denied), &seen)).await;
        let elsewhere = again.replace("shop=acme", "shop=beta");
        family.refuses(world, "for another shop", MISMATCH, callback_event(&signed(&elsewhere), &seen)).await;
    }
    world.drop("st-1").await;
    let at = world.clock_seconds().to_string();
    let again = signed(&attempt.plain.replace(attempt.value("timestamp"), &at));
    family.refuses(world, "after a disconnect", MISMATCH, callback_event(&again, &seen)).await;

    // An attempt that failed is used up too.
    let denied = Attempt::new().await;
    let no = signed(&denied.plain.replace(&format!("code={}", denied.value("code")), "error=access_denied"));
    family.turns_away(&denied.world, "denied", "authorization_denied", denied.event(&no)).await;
    family.refuses(&denied.world, "approved after all", MISMATCH, denied.event(&denied.query)).await;

    // One whose process died before it could ask for the token.
    let died = Attempt::new().await;
    died.world.faults.at(died.world.faults.calls().len() + 2, Fault::CrashBefore);
    died.world.send(died.event(&died.query)).await;
    died.world.faults.restart();
    family.refuses(&died.world, "after a crash", MISMATCH, died.event(&died.query)).await;

    let after_all = Attempt::new().await;
    parallel(&mut family, &after_all).await;
    family.report(115);
}

/// A hundred at once: one exchange, one connector.
async fn parallel(family: &mut Family, attempt: &Attempt) {
    let world = &attempt.world;
    let event = attempt.event(&attempt.query);
    let answers = join_all((0..100).map(|_| world.send(event.clone()))).await;
    let mut connected = 0;
    for answer in &answers {
        match outcome(answer).as_str() {
            "connected" => connected += 1,
            other => family.check(&format!("of a hundred at once: {other}"), other == "callback_mismatch"),
        }
    }
    family.check(&format!("{connected} of a hundred connected"), connected == 1);
    family.check("more than one exchange", token_calls(world) == 1);
    let connector = world.stored("st-1").unwrap();
    family.check("not live", connector.state() == ConnectorState::Live);
    family.check("more than one token", world.vault.installs().len() == 1);
}

#[tokio::test]
async fn o04_a_state_that_is_too_old_is_refused() {
    let mut family = Family::new("O4");
    for wait in [600, 601, 602, 660, 3_600, 86_400, 30 * 86_400] {
        let attempt = Attempt::new().await;
        let world = &attempt.world;
        world.later(wait);
        let stale = (403, "callback_stale");
        family
            .refuses(world, &format!("{wait} s later, as it was"), stale, attempt.event(&attempt.query))
            .await;
        let at = world.clock_seconds().to_string();
        let fresh = signed(&attempt.plain.replace(attempt.value("timestamp"), &at));
        let what = format!("{wait} s later, signed anew");
        family.refuses(world, &what, MISMATCH, callback_event(&fresh, &Browser::default())).await;
        // Its owner learns why, once; whoever repeats it changes nothing.
        family.turns_away(world, &what, "state_expired", attempt.event(&fresh)).await;
        let entries = world.connectors.entries(&store("st-1")).len();
        family.turns_away(world, &format!("{what}, again"), "state_expired", attempt.event(&fresh)).await;
        family.check("noted twice", world.connectors.entries(&store("st-1")).len() == entries);
        let begins_anew = world.connect("st-1", "acme").await;
        family.check("cannot begin anew", outcome(&begins_anew) == "connected");
        let before = live(world);
        family.turns_away(world, "after a new one succeeded", "state_expired", attempt.event(&fresh)).await;
        family.check("it harmed the new one", live(world) == before);
    }
    // One second earlier it works, so it is the time that refuses.
    let in_time = Attempt::within(World::new(), "st-1", "acme").await;
    in_time.world.later(599);
    let at = in_time.world.clock_seconds().to_string();
    let fresh = signed(&in_time.plain.replace(in_time.value("timestamp"), &at));
    assert_eq!(outcome(&in_time.world.send(in_time.event(&fresh)).await), "connected");
    family.report(50);
}
