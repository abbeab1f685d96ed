//! Rotation of our app's secret: it works in whichever order it is changed here and there.

use std::sync::Arc;

use shared::ports::provider::AppSecret;
use shared::testkit::connect_vault::FakeVault;

use crate::world::{PROVIDER, SECRET, World, outcome, store};

const NEW: &str = "new-app-secret";

/// The vault holds a new secret and the one before it; the platform accepts some of them.
fn rotating(accepted: &[&str]) -> World {
    let mut world = World::new();
    let app = AppSecret { client_id: "app-1".to_owned(), current: NEW.into(), previous: Some(SECRET.into()) };
    world.vault = Arc::new(FakeVault::new(app, world.faults.clone()));
    world.shop.accept_app_secrets(accepted);
    world
}

#[tokio::test]
async fn the_secret_before_is_used_where_the_platform_does_not_know_the_new_one() {
    for (accepted, calls) in [(&[NEW][..], 1), (&[NEW, SECRET][..], 1), (&[SECRET][..], 2)] {
        let world = rotating(accepted);
        // The callback is signed by the secret before.
        assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected", "{accepted:?}");
        assert_eq!(world.shop.count("exchange"), calls, "{accepted:?}");
        world.later(4_000);
        world.access().shop_access(&store("st-1"), PROVIDER).await.unwrap();
        assert_eq!(world.shop.count("refresh"), calls, "{accepted:?}");
    }
}

#[tokio::test]
async fn a_secret_that_the_platform_does_not_know_is_no_verdict_on_a_token() {
    let world = rotating(&[SECRET]);
    world.connect("st-1", "acme").await;
    world.shop.accept_app_secrets(&["a third one"]);
    world.later(4_000);
    let error = world.access().shop_access(&store("st-1"), PROVIDER).await.err().unwrap();
    assert_eq!((error.code, error.is_transient()), ("invalid_client", true));
    assert_eq!(world.stored("st-1").unwrap().reason, None);
    world.shop.accept_app_secrets(&[NEW]);
    world.access().shop_access(&store("st-1"), PROVIDER).await.unwrap();
}
