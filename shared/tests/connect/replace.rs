//! Connecting a store that is connected already: a failure harms nothing, a success leaves nothing behind.

use shared::domain::claim::Stands;
use shared::domain::connection::ConnectorState;
use shared::testkit::faults::Fault;

use crate::world::{Browser, PROVIDER, World, domain, outcome, profile, sign};

#[tokio::test]
async fn a_failed_reconnect_never_harms_a_live_connector() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let live = world.stored("st-1").unwrap().installation;
    let claim = world.connectors.claim(PROVIDER, &domain("acme"));
    let mut browser = Browser::default();

    let begun = world.begin("st-1", "acme", &mut browser).await;
    assert_eq!(world.card("st-1").await["state"], "live");
    let denied = sign(&world.answer(&begun, None));
    assert_eq!(outcome(&world.come_back(&denied, &mut browser).await), "authorization_denied");

    world.shop.set_down(true);
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "shop_unavailable");
    world.shop.set_down(false);

    // Begun and never finished; and another shop that grants too little.
    world.begin("st-1", "acme", &mut browser).await;
    world.shop.open(profile("beta", 1_002, "read_locations"));
    assert_eq!(outcome(&world.connect("st-1", "beta").await), "missing_scopes");

    let card = world.card("st-1").await;
    assert_eq!(
        (card["state"].as_str(), card["last_attempt"]["reason"].as_str()),
        (Some("live"), Some("missing_scopes"))
    );
    assert_eq!(world.stored("st-1").unwrap().installation, live);
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), claim);
    assert_eq!(world.connectors.claim(PROVIDER, &domain("beta")), None);
    assert_eq!(world.vault.installs(), vec![live.unwrap().id]);
}

#[tokio::test]
async fn reconnecting_replaces_the_installation() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let before = world.stored("st-1").unwrap().installation.unwrap();
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
    let after = world.stored("st-1").unwrap().installation.unwrap();
    assert_ne!(before.id, after.id);
    assert_eq!(world.vault.installs(), vec![after.id.clone()], "the old secret is gone");
    let claim = world.connectors.claim(PROVIDER, &domain("acme")).unwrap();
    assert_eq!(claim.stands, Stands::Confirmed(after.id));
    assert_eq!(world.shop.count("uninstall"), 0, "that would have ended the new installation too");
    assert!(world.access().shop_access(&crate::world::store("st-1"), PROVIDER).await.is_ok());
}

#[tokio::test]
async fn connecting_another_shop_gives_the_first_one_up() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    // The old token is dead by now and has to be refreshed to say goodbye.
    world.later(4_000);
    assert_eq!(outcome(&world.connect("st-1", "beta").await), "connected");
    assert!(!world.shop.is_installed(&domain("acme")));
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None);
    assert_eq!(world.vault.installs().len(), 1);
    assert_eq!(outcome(&world.connect("st-2", "acme").await), "connected");
}

#[tokio::test]
async fn connecting_another_shop_does_not_wait_for_the_first_one() {
    let world = World::new();
    world.connect("st-1", "acme").await;
    world.shop.revoke(&domain("acme"));
    assert_eq!(outcome(&world.connect("st-1", "beta").await), "connected");
    assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None);
    assert_eq!(world.vault.installs().len(), 1);
}

#[tokio::test]
async fn two_attempts_of_one_store_at_once_leave_one_installation_or_none() {
    let mut live = 0;
    for interleave in 0..16 {
        let world = World::new();
        if interleave % 2 == 1 {
            world.connect("st-1", "acme").await;
        }
        let (mut one, mut two) = (Browser::default(), Browser::default());
        let first = world.begin("st-1", "acme", &mut one).await;
        let second = world.begin("st-1", "acme", &mut two).await;
        let (first, second) = (world.approved(&first), world.approved(&second));
        let second_comes = async {
            for _ in 0..interleave / 2 * 4 {
                tokio::task::yield_now().await;
            }
            world.come_back(&second, &mut two).await
        };
        let (_, _) = tokio::join!(world.come_back(&first, &mut one), second_comes);
        // The later code ends the token of the earlier one, so both may fail; nothing may be left over then.
        let claim = world.connectors.claim(PROVIDER, &domain("acme"));
        match world.stored("st-1").unwrap().installation {
            Some(used) => {
                live += 1;
                assert_eq!(world.vault.installs(), vec![used.id.clone()], "{interleave}");
                assert_eq!(claim.map(|claim| claim.stands), Some(Stands::Confirmed(used.id)));
            }
            None => assert_eq!((world.vault.installs(), claim), (vec![], None), "{interleave}"),
        }
        assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
        assert_eq!(world.stored("st-1").unwrap().state(), ConnectorState::Live);
    }
    assert!(live >= 12, "{live} of 16");
}

#[tokio::test]
async fn a_crash_at_any_call_of_the_callback_leaves_a_connector_that_works_or_can_be_connected() {
    let (from, to) = {
        let world = World::new();
        world.connect("st-1", "acme").await;
        let mut browser = Browser::default();
        let begun = world.begin("st-1", "beta", &mut browser).await;
        let from = world.faults.calls().len();
        world.come_back(&world.approved(&begun), &mut browser).await;
        (from, world.faults.calls().len())
    };
    assert!(to - from >= 10, "the flow makes {} calls", to - from);
    for call in from..to {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailBefore, Fault::FailAfter] {
            let world = World::new();
            world.connect("st-1", "acme").await;
            let mut browser = Browser::default();
            let begun = world.begin("st-1", "beta", &mut browser).await;
            let query = world.approved(&begun);
            world.faults.at(call, fault);
            world.come_back(&query, &mut browser).await;
            world.faults.restart();

            let connector = world.stored("st-1").unwrap();
            assert_eq!(connector.state(), ConnectorState::Live, "{fault:?} at {call}");
            let used = connector.installation.unwrap();
            assert!(world.vault.installs().contains(&used.id), "{fault:?} at {call}: live without a token");
            let claim = world.connectors.claim(PROVIDER, &used.shop).unwrap();
            assert_eq!(claim.stands, Stands::Confirmed(used.id), "{fault:?} at {call}");
            world.later(121);
            assert_eq!(outcome(&world.connect("st-1", "beta").await), "connected", "{fault:?} at {call}");
            assert_eq!(world.stored("st-1").unwrap().state(), ConnectorState::Live);
        }
    }
}
