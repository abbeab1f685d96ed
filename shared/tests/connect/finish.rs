//! Who may finish a connect attempt, and how often (P1, P2, P4).

use futures::future::join_all;
use shared::domain::claim::Stands;
use shared::domain::connection::{ConnectorState, Reason};
use shared::domain::ids::ProviderId;

use crate::world::{
    Browser, PROVIDER, SCOPES, World, callback_event, code, domain, outcome, profile, sign, store,
};

fn reason(world: &World, text: &str) -> Option<Reason> {
    world.stored(text).and_then(|connector| connector.last_attempt).map(|attempt| attempt.reason)
}

#[tokio::test]
async fn connects_a_store_to_a_shop() {
    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "Acme", &mut browser).await;
    insta::assert_snapshot!(begun.body, @r#"{"authorize_url":"https://acme.myshopify.com/admin/oauth/authorize?client_id=app-1&scope=read_inventory%2Cread_locations%2Cread_products&redirect_uri=https%3A%2F%2Fapi.eshop.example%2Foauth%2Fshopify%2Fcallback&state=6N2UPTZsque-twbGrmaO_wolf8Vu3CfXsvocMb3y7sE","expires_at":"2026-09-21T14:23:20Z"}"#);
    let cookie = &begun.cookies[0];
    assert!(cookie.starts_with("__Host-mc_bind_") && !cookie.contains("Domain"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(world.card("st-1").await["reason"], "setup_incomplete");

    let back = world.come_back(&world.approved(&begun), &mut browser).await;
    assert_eq!(
        back.headers["location"],
        "https://workspace.eshop.example/connectors/shopify?status=connected"
    );
    assert_eq!(back.headers["referrer-policy"], "no-referrer");
    assert!(browser.0.is_empty(), "the cookie has served its purpose");
    let connector = world.stored("st-1").unwrap();
    assert_eq!(connector.state(), ConnectorState::Live);
    let claim = world.connectors.claim(PROVIDER, &domain("acme")).unwrap();
    assert_eq!(Some(claim.stands), connector.installation.map(|used| Stands::Confirmed(used.id)));
    assert!(claim.attempts.is_empty());
    assert_eq!(world.vault.installs().len(), 1);
    let actions: Vec<_> = world.connectors.entries(&store("st-1")).iter().map(|e| e.action).collect();
    insta::assert_debug_snapshot!(actions, @"
    [
        ConnectStarted,
        Connected,
    ]
    ");
}

#[tokio::test]
async fn whoever_starts_a_connect_finishes_it() {
    let world = World::new();
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let begun = world.begin("st-evil", "acme", &mut attacker).await;
    // The victim has an attempt of his own under way, and so a cookie of his own.
    world.begin("st-1", "acme", &mut victim).await;
    let before = (world.stored("st-evil"), world.stored("st-1"));
    let query = world.approved(&begun);
    for jar in [&victim, &Browser::default()] {
        let refused = world.come_back(&query, &mut jar.clone()).await;
        assert_eq!((refused.status_code, code(&refused).as_str()), (403, "callback_mismatch"));
    }
    // The right name with another value.
    let name = attacker.0.keys().next().unwrap().clone();
    let mut forged = Browser::default();
    forged.0.insert(name, victim.0.values().next().unwrap().clone());
    assert_eq!(code(&world.come_back(&query, &mut forged).await), "callback_mismatch");

    assert_eq!(world.shop.count("exchange"), 0);
    assert_eq!((world.stored("st-evil"), world.stored("st-1")), before);
    assert_eq!(outcome(&world.come_back(&query, &mut attacker).await), "connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_state_works_once() {
    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let query = world.approved(&begun);
    let event = callback_event(&query, &browser);
    let answers = join_all((0..100).map(|_| world.send(event.clone()))).await;
    let mut outcomes: Vec<String> = answers.iter().map(outcome).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "connected").count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "callback_mismatch").count(), 99);
    assert_eq!(world.shop.count("exchange"), 1);
    assert_eq!(world.stored("st-1").unwrap().state(), ConnectorState::Live);
}

#[tokio::test]
async fn a_state_ends_after_ten_minutes() {
    for (wait, expected, exchanges) in
        [(599, "connected", 1), (600, "state_expired", 0), (601, "state_expired", 0)]
    {
        let world = World::new();
        let mut browser = Browser::default();
        let begun = world.begin("st-1", "acme", &mut browser).await;
        world.later(wait);
        let query = world.approved(&begun);
        // In another browser it is refused, too late or not, and nobody is told anything.
        let mut stranger = browser.clone();
        stranger.0.values_mut().for_each(|value| value.push('x'));
        let before = world.connectors.dump();
        assert_eq!(outcome(&world.come_back(&query, &mut stranger).await), "callback_mismatch");
        assert_eq!(world.connectors.dump(), before);

        assert_eq!(outcome(&world.come_back(&query, &mut browser.clone()).await), expected, "{wait}");
        assert_eq!(world.shop.count("exchange"), exchanges);
        // Once more: nothing new, whatever it was.
        let entries = world.connectors.entries(&store("st-1")).len();
        world.come_back(&query, &mut browser).await;
        assert_eq!(world.connectors.entries(&store("st-1")).len(), entries);
    }
}

#[tokio::test]
async fn one_shop_belongs_to_one_store() {
    let world = World::new();
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
    let late = world.connect("st-2", "acme").await;
    assert_eq!(outcome(&late), "shop_in_use");
    assert_eq!(world.shop.count("exchange"), 1, "the owner's installation was touched");
    assert_eq!(world.card("st-1").await["state"], "live");
    assert_eq!(world.card("st-2").await["reason"], "shop_in_use");
    assert_eq!(world.vault.installs().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_stores_that_race_for_a_shop_one_wins() {
    for _ in 0..50 {
        let world = World::new();
        let (mut one, mut two) = (Browser::default(), Browser::default());
        let first = world.begin("st-1", "acme", &mut one).await;
        let second = world.begin("st-2", "acme", &mut two).await;
        let (first, second) = (world.approved(&first), world.approved(&second));
        let (a, b) = tokio::join!(world.come_back(&first, &mut one), world.come_back(&second, &mut two));
        let mut outcomes = [outcome(&a), outcome(&b)];
        outcomes.sort();
        assert_eq!(outcomes, ["connected", "shop_in_use"]);
        assert_eq!(world.shop.count("exchange"), 1);
        let live = ["st-1", "st-2"].into_iter().filter(|s| world.stored(s).unwrap().installation.is_some());
        assert_eq!(live.count(), 1);
    }
}

#[tokio::test]
async fn a_claim_left_by_a_crash_ends() {
    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let query = world.approved(&begun);
    let calls = world.faults.calls().len();
    // app_secret, consume_state, claim_shop, then the process dies.
    world.faults.at(calls + 2, shared::testkit::faults::Fault::CrashAfter);
    world.come_back(&query, &mut browser).await;
    world.faults.restart();
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "shop_in_use");
    world.later(121);
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");
}

#[tokio::test]
async fn tells_why_an_attempt_did_not_succeed() {
    let world = World::new();
    let mut browser = Browser::default();

    let begun = world.begin("st-1", "acme", &mut browser).await;
    let denied = sign(&world.answer(&begun, None));
    assert_eq!(outcome(&world.come_back(&denied, &mut browser).await), "authorization_denied");
    assert_eq!(world.card("st-1").await["state"], "failed");

    world.shop.open(profile("acme", 1_001, "read_inventory,read_locations"));
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "missing_scopes");
    assert_eq!(reason(&world, "st-1"), Some(Reason::MissingScopes));
    assert_eq!(world.shop.count("inspect"), 0, "the answer to the code says enough");

    world.shop.open_at(&domain("acme"), profile("beta", 1_002, SCOPES));
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "callback_mismatch");

    world.shop.open(profile("acme", 1_001, SCOPES));
    world.shop.set_down(true);
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "shop_unavailable");
    world.shop.set_down(false);

    // A code that the shop does not know.
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let made_up = sign(&world.answer(&begun, Some("c0de")));
    assert_eq!(outcome(&world.come_back(&made_up, &mut browser).await), "callback_mismatch");

    assert!(world.vault.installs().is_empty(), "a failed attempt left a token");
    assert_eq!(world.connectors.claim(ProviderId::Shopify, &domain("acme")), None);
    assert_eq!(world.connectors.open_states(), 0);
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
}

#[tokio::test]
async fn refused_callbacks_change_nothing() {
    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let plain = world.answer(&begun, Some("c0de"));
    let good = sign(&plain);
    let before = world.connectors.dump();
    let now = world.stored("st-1").unwrap().updated_at.as_second();
    for (query, status, expected) in [
        (String::new(), 400, "callback_malformed"),
        (plain.clone(), 400, "callback_malformed"),
        (format!("{good}&state=other"), 400, "callback_malformed"),
        (sign(&plain.replace("shop=acme.myshopify.com", "shop=evil.example")), 400, "callback_malformed"),
        (format!("{good}&extra=1"), 403, "callback_forged"),
        (good.replace("c0de", "c0df"), 403, "callback_forged"),
        (sign(&plain.replace(&now.to_string(), &(now - 91).to_string())), 403, "callback_stale"),
        (sign(&plain.replace(&now.to_string(), "now")), 403, "callback_stale"),
        // Genuine, but for a shop that this attempt was not begun for, and a state nobody gave out.
        (sign(&plain.replace("shop=acme", "shop=beta")), 403, "callback_mismatch"),
        (sign(&plain.replace("state=", "state=x")), 403, "callback_mismatch"),
    ] {
        let refused = world.come_back(&query, &mut browser).await;
        assert_eq!((refused.status_code, code(&refused).as_str()), (status, expected), "{query}");
    }
    assert_eq!(world.shop.count("exchange"), 0);
    assert_eq!(world.connectors.dump(), before);
    assert_eq!(outcome(&world.come_back(&world.approved(&begun), &mut browser).await), "connected");
}

#[tokio::test]
async fn an_install_that_nobody_began_here_is_refused() {
    let world = World::new();
    let at = world.clock_seconds();
    let query = sign(&format!("code=c0de&shop=acme.myshopify.com&state=from-the-app-store&timestamp={at}"));
    let refused = world.come_back(&query, &mut Browser::default()).await;
    assert_eq!((refused.status_code, code(&refused).as_str()), (403, "callback_mismatch"));
    assert_eq!(world.shop.count("exchange"), 0);
}

#[tokio::test]
async fn another_platform_has_no_callback() {
    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let mut event = callback_event(&world.approved(&begun), &browser);
    event["pathParameters"]["provider"] = "elsewhere".into();
    let refused = world.send(event).await;
    assert_eq!((refused.status_code, code(&refused).as_str()), (404, "not_found"));
    assert_eq!(world.connectors.open_states(), 1);
}
