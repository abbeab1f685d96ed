//! The history: a chain that only grows, shown with its proof, without anything personal (P15).

use serde_json::{Value, json};
use shared::domain::connection::HistoryAction;
use shared::domain::history::verify_chain;
use shared::testkit::faults::Fault;

use crate::world::{Browser, World, body, callback_event, protected, sign, store};

const ROUTE: &str = "GET /stores/{store_id}/connectors/{provider}/history";

async fn page(world: &World, query: &str) -> Value {
    let mut event = protected(ROUTE, "st-1");
    event["rawQueryString"] = json!(query);
    let response = world.send(event).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    body(&response)
}

/// Connected, declined once, connected again, disconnected.
async fn story() -> World {
    let world = World::new();
    world.connect("st-1", "acme").await;
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    world.come_back(&sign(&world.answer(&begun, None)), &mut browser).await;
    world.connect("st-1", "acme").await;
    world.drop("st-1").await;
    world
}

#[tokio::test]
async fn is_shown_newest_first_with_its_proof() {
    let world = story().await;
    let (mut items, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = page(&world, &query).await;
        assert_eq!(page["intact"], true);
        items.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=3&cursor={cursor}");
    }
    let shown: Vec<_> = items.iter().map(|item| (item["seq"].as_u64(), item["action"].as_str())).collect();
    assert_eq!(
        shown,
        [
            (Some(7), Some("disconnected")),
            (Some(6), Some("connected")),
            (Some(5), Some("connect_started")),
            (Some(4), Some("connect_failed")),
            (Some(3), Some("connect_started")),
            (Some(2), Some("connected")),
            (Some(1), Some("connect_started")),
        ]
    );
    let chain = world.connectors.chain(&store("st-1"));
    assert_eq!(verify_chain(&chain), Ok(()));
    let hashes: Vec<_> = chain.iter().rev().map(|entry| json!(entry.hash.to_string())).collect();
    assert_eq!(items.iter().map(|item| item["hash"].clone()).collect::<Vec<_>>(), hashes);
    assert_eq!(items[0]["actor"], "user-1");
    assert_eq!(items[0]["origin"], "203.0.113.0/24");
    assert_eq!(items[0]["shop"], "acme.myshopify.com");
    assert_eq!(items[3]["reason"], "authorization_denied");
}

#[tokio::test]
async fn says_so_where_someone_changed_it_by_hand() {
    let world = story().await;
    world.connectors.forge(|entries| entries[3].entry.actor = "someone-else".to_owned());
    assert_eq!(page(&world, "").await["intact"], false);
    // The newest page does not reach back to it.
    assert_eq!(page(&world, "limit=3").await["intact"], true);

    let world = story().await;
    world.connectors.forge(|entries| {
        entries.remove(3);
    });
    assert_eq!(page(&world, "").await["intact"], false);
}

#[tokio::test]
async fn is_one_chain_after_a_crash_at_any_call() {
    async fn until_done(world: &World, what: &str) {
        for _ in 0..2 {
            let response = match what {
                "begin" => world.begin("st-1", "acme", &mut Browser::default()).await,
                "connect" => {
                    let mut browser = Browser::default();
                    let begun = world.begin("st-1", "acme", &mut browser).await;
                    if begun.status_code == 200 {
                        world.come_back(&world.approved(&begun), &mut browser).await
                    } else {
                        begun
                    }
                }
                _ => world.drop("st-1").await,
            };
            world.faults.restart();
            if response.status_code < 400 {
                return;
            }
            world.later(121);
        }
        panic!("{what} did not get done");
    }
    async fn tale(world: &World) {
        for what in ["begin", "connect", "connect", "drop"] {
            until_done(world, what).await;
        }
    }
    let calls = {
        let world = World::new();
        tale(&world).await;
        world.faults.calls().len()
    };
    assert!(calls >= 30, "{calls}");
    for call in 0..calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter] {
            let world = World::new();
            world.faults.at(call, fault);
            tale(&world).await;
            // What the disconnect left undone is done by whoever comes next.
            world.drop("st-1").await;
            let chain = world.connectors.chain(&store("st-1"));
            assert_eq!(verify_chain(&chain), Ok(()), "{fault:?} at {call}");
            let mut ids: Vec<_> = chain.iter().map(|chained| &chained.entry.id).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), chain.len(), "{fault:?} at {call}: an entry stands twice");
            let ended = chain.iter().filter(|it| it.entry.action == HistoryAction::Disconnected).count();
            assert_eq!(ended, 1, "{fault:?} at {call}");
        }
    }
}

#[tokio::test]
async fn names_no_person_and_no_whole_address() {
    let world = World::new();
    let mut browser = Browser::default();
    let as_jo = |mut event: Value| {
        event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!("jo.doe@example.com");
        event
    };
    let mut begin = protected("POST /stores/{store_id}/connectors/{provider}/configure", "st-1");
    begin["headers"]["content-type"] = json!("application/json");
    begin["body"] = json!(r#"{"shop": "acme", "method": "oauth"}"#);
    let begun = world.send(as_jo(begin)).await;
    browser.keep(&begun);
    let query = world.approved(&begun);
    world.send(callback_event(&query, &browser)).await;
    world.send(as_jo(protected("DELETE /stores/{store_id}/connectors/{provider}", "st-1"))).await;

    let stored = world.connectors.dump();
    for personal in ["jo.doe", "example.com", "203.0.113.9"] {
        assert!(!stored.contains(personal), "{personal} in {stored}");
    }
    let entries = world.connectors.entries(&store("st-1"));
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.actor.starts_with("sha256:")), "{entries:?}");
    assert!(entries.iter().all(|entry| entry.origin.as_deref() == Some("203.0.113.0/24")), "{entries:?}");
}
