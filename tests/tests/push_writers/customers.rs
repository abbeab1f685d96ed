use serde_json::{Value, json};
use shared::domain::push::document::OnUnsupported;
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

#[tokio::test]
async fn consent_is_written_where_it_is_allowed_and_dated_and_never_against_a_later_decision() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::Email, "ada@example.com")];
    let options = serde_json::Map::from_iter([("allowConsent".to_owned(), json!(true))]);
    let allowing = How { options, ..How::default() };
    let row = |state: &str, at: Value| {
        let mut row = ada();
        row["emailMarketingConsent"] = json!({"marketingState": state, "consentUpdatedAt": at});
        row
    };
    let yes = row("SUBSCRIBED", json!("2026-05-01T10:00:00Z"));
    let refused = world.plan(CUSTOMERS, &keys, &yes, &How::default()).await.unwrap_err();
    assert_eq!(
        (refused[0].code.as_str(), refused[0].path.as_deref()),
        ("UNSUPPORTED_CHANGE", Some("emailMarketingConsent"))
    );
    let undated = world.plan(CUSTOMERS, &keys, &row("SUBSCRIBED", Value::Null), &allowing).await.unwrap_err();
    assert_eq!(undated[0].code, "REQUIRED_MISSING");
    let skip = How { on_unsupported: OnUnsupported::Skip, ..How::default() };
    world.push(CUSTOMERS, &keys, &yes, &skip).await;
    assert_eq!(world.rows("customers").await[0]["email_consent"], "NOT_SUBSCRIBED");

    let written = world.push(CUSTOMERS, &keys, &yes, &allowing).await;
    assert_eq!(written.diff[0].path, "emailMarketingConsent.marketingState");
    assert_eq!(world.rows("customers").await[0]["email_consent"], "SUBSCRIBED");
    let again = world.push(CUSTOMERS, &keys, &yes, &allowing).await;
    assert_eq!(again.diff, [], "{again:?}");
    world.push(CUSTOMERS, &keys, &row("UNSUBSCRIBED", json!("2026-06-01T10:00:00Z")), &allowing).await;
    let late = world.plan(CUSTOMERS, &keys, &yes, &allowing).await.unwrap_err();
    assert_eq!(
        late[0].path.as_deref(),
        Some("emailMarketingConsent.marketingState"),
        "what came later holds"
    );
    assert_eq!(world.rows("customers").await[0]["email_consent"], "UNSUBSCRIBED");
    let live = world.live(CUSTOMERS, &keys, &yes).await;
    let TakenBack::Drift(_) = world.take_back(CUSTOMERS, false, &written, &live) else { panic!() };
}

#[tokio::test]
async fn a_new_customer_has_the_consent_that_the_row_tells() {
    let world = World::with("empty").await;
    let keys = [key(MatchBy::Email, "ada@example.com")];
    let options = serde_json::Map::from_iter([("allowConsent".to_owned(), json!(true))]);
    let mut row = ada();
    let decided = json!({"marketingState": "SUBSCRIBED", "marketingOptInLevel": "CONFIRMED_OPT_IN",
        "consentUpdatedAt": "2026-05-01T10:00:00Z"});
    row["emailMarketingConsent"] = decided;
    world.push(CUSTOMERS, &keys, &row, &How { options, ..How::default() }).await;
    assert_eq!(world.rows("customers").await[0]["email_consent"], "SUBSCRIBED");
}
