//! Every event of `events/` of these functions, fed to the real handlers.

use std::collections::BTreeMap;
use std::path::Path;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use shared::lambda::webhooks::webhook_step;

use crate::webhooks::{KEY, listening};
use crate::world::{Browser, World, outcome};

const FUNCTIONS: [&str; 5] = ["configure", "oauth-callback", "status", "disconnect", "webhooks"];

/// A store with an attempt under way, for the callback; connected, for the others. Its clock, its randomness and the
/// app's secret are those that the events were made with.
async fn world_for(function: &str) -> World {
    if function == "webhooks" {
        return listening().await;
    }
    let world = World::new();
    if function == "oauth-callback" {
        let begun = world.begin("st-1", "acme", &mut Browser::default()).await;
        world.approved(&begun);
    } else {
        world.connect("st-1", "acme").await;
    }
    world
}

/// The events of a function, by name.
fn events(function: &str) -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(function);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let read = |path: &Path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    files.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    let mut answers = BTreeMap::new();
    for function in FUNCTIONS {
        for (name, event) in events(function) {
            let world = world_for(function).await;
            let before = world.connectors.dump();
            let response = world.send_to(function, event).await;
            let queued = world.webhook_queue.take().len();
            if function == "webhooks" {
                assert_eq!(queued, usize::from(name.starts_with("good")), "{name}: {}", response.body);
                assert_eq!(
                    response.status_code == 200,
                    !name.starts_with("bad"),
                    "{name}: {}",
                    response.body
                );
            }
            if name.starts_with("bad_") {
                assert!((400..500).contains(&response.status_code), "{function}/{name}: {}", response.body);
                assert_eq!(world.connectors.dump(), before, "{function}/{name} changed something");
                assert!(response.cookies.is_empty(), "{function}/{name}");
            }
            let code = match response.status_code {
                200 => "-".to_owned(),
                _ => outcome(&response),
            };
            answers.insert(format!("{function}/{name}"), format!("{} {code}", response.status_code));
        }
        assert!(answers.contains_key(&format!("{function}/good")) || function == "status");
    }
    insta::assert_debug_snapshot!(answers);
}

/// A store with an address and nothing under way: what the messages tell is over, or of an earlier installation.
#[tokio::test]
async fn every_message_of_a_webhook_is_dealt_with_as_its_name_says() {
    for (name, event) in events("webhook-step") {
        let world = listening().await;
        let before = (world.stored("st-1"), world.vault.installs());
        let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default());
        let answer = webhook_step(world.webhook_step(), crate::uninstalled::queue(), event).await.unwrap();
        let again = answer.batch_item_failures.len();
        assert_eq!(again, usize::from(!name.starts_with("good")), "{name}");
        assert_eq!((world.stored("st-1"), world.vault.installs()), before, "{name} changed the connector");
        let posted =
            crate::webhooks::posted("acme", Some(KEY), "products/update", "id-1", &serde_json::json!({}));
        assert_eq!(world.send(posted).await.status_code, 200);
        assert_eq!(world.webhook_queue.take().len(), 1, "{name}: the address is gone");
    }
}
