use serde_json::{Value, json};
use shared::domain::push::target::{MatchBy, Stream};
use shared::ports::push::{Found, How, TakenBack};

use crate::world::{World, key};

const CUSTOMERS: Stream = Stream::Customers;

fn ada() -> Value {
    json!({
        "email": "ada@example.com", "firstName": "Ada", "tags": ["vip"],
        "addresses": [{"address1": "1 Main St", "city": "Paris", "countryCode": "FR", "zip": "75001"}],
    })
}

#[tokio::test]
async fn a_customer_is_made_with_the_key_and_never_given_consent() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::CustomId, "C-1"), key(MatchBy::Email, "ada@example.com")];
    world.push(CUSTOMERS, &keys, &ada(), &How::default()).await;
    let again = world.push(CUSTOMERS, &keys, &ada(), &How::default()).await;
    assert_eq!(again.diff, [], "{again:?}");
    let query = "{ customers(first: 5) { nodes { defaultEmailAddress { marketingState } } } }";
    let answer = world.query(query, json!({})).await;
    assert_eq!(
        answer["data"]["customers"]["nodes"],
        json!([{"defaultEmailAddress": {"marketingState": "NOT_SUBSCRIBED"}}])
    );
}

#[tokio::test]
async fn addresses_are_merged_one_by_one() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::Email, "ada@example.com")];
    world.push(CUSTOMERS, &keys, &ada(), &How::default()).await;
    let second = json!({"addresses": [{"address1": "2 Side St", "city": "Lyon", "countryCode": "FR", "zip": "69001"}]});
    world.push(CUSTOMERS, &keys, &second, &How::default()).await;
    let moved = json!({"addresses": [{"address1": "1 Main St", "zip": "75001", "city": "Paris 1"}]});
    let writing = world.push(CUSTOMERS, &keys, &moved, &How::default()).await;
    assert_eq!(writing.diff.len(), 1, "{writing:?}");
    let live = world.live(CUSTOMERS, &keys, &ada()).await;
    let addresses = live.values["addresses"].as_array().unwrap();
    let cities: Vec<&str> = addresses.iter().map(|one| one["city"].as_str().unwrap()).collect();
    assert_eq!(cities, ["Paris 1", "Lyon"]);
    let TakenBack::Writing(back) = world.take_back(CUSTOMERS, false, &writing, &live) else { panic!() };
    assert_eq!(world.write(&back).await.stopped, None);
    let live = world.live(CUSTOMERS, &keys, &ada()).await;
    assert_eq!(live.values["addresses"][0]["city"], "Paris");
}

#[tokio::test]
async fn an_address_that_another_customer_has_is_a_conflict() {
    let world = World::with("empty").await;
    world.push(CUSTOMERS, &[key(MatchBy::CustomId, "C-1")], &ada(), &How::default()).await;
    let bob = [key(MatchBy::CustomId, "C-2")];
    let refused = world.refusal(CUSTOMERS, &bob, &ada()).await;
    assert_eq!((refused.code.as_str(), refused.path.as_deref()), ("KEY_CONFLICT", Some("email")));
    world.push(CUSTOMERS, &bob, &json!({"email": "bob@example.com"}), &How::default()).await;
    let both = [key(MatchBy::CustomId, "C-2"), key(MatchBy::Email, "ada@example.com")];
    let Found::Unclear(error) = world.find(CUSTOMERS, &both, &ada()).await else { panic!() };
    assert_eq!(error.code, "KEY_CONFLICT");
}
