//! Every event of `events/` of these functions, fed to the real handlers.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::world::{Browser, World, outcome};

const FUNCTIONS: [&str; 4] = ["configure", "oauth-callback", "status", "disconnect"];

/// A store with an attempt under way, for the callback; connected, for the others. Its clock, its randomness and the
/// app's secret are those that the events were made with.
async fn world_for(function: &str) -> World {
    let world = World::new();
    if function == "oauth-callback" {
        let begun = world.begin("st-1", "acme", &mut Browser::default()).await;
        world.approved(&begun);
    } else {
        world.connect("st-1", "acme").await;
    }
    world
}

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut answers = BTreeMap::new();
    for function in FUNCTIONS {
        for file in std::fs::read_dir(root.join(function)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let world = world_for(function).await;
            let before = world.connectors.dump();
            let response = world.send_to(function, event).await;
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
