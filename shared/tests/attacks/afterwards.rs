//! Where a callback leads to, and what it may grant.

use serde_json::json;
use shared::testkit::faults::Fault;

use crate::family::{Attempt, Family, live, signed, token_calls};
use crate::world::{PROVIDER, SCOPES, World, domain, outcome, profile};

const ELSEWHERE: [&str; 14] = [
    "https://evil.example",
    "http://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://workspace.eshop.example@evil.example",
    "https://workspace.eshop.example.evil.example",
    "/../../evil",
    "%0d%0alocation:https://evil.example",
    "evil.example",
    "?next=//evil.example",
];

/// The address is our workspace's and nothing that came with the callback is part of it.
#[tokio::test]
async fn o11_nothing_in_a_callback_says_where_it_leads() {
    let mut family = Family::new("O11");
    let world = World::new();
    let fixed =
        "https://workspace.eshop.example/connectors/shopify?status=failed&reason=authorization_denied";
    let mut attempt = Attempt::within(world, "st-1", "acme").await;
    for name in [
        "return_to",
        "redirect_uri",
        "redirect",
        "next",
        "url",
        "host",
        "return_origin",
        "relay_state",
        "target",
        "reason",
        "status",
    ] {
        for value in ELSEWHERE {
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let denied = attempt.without("code").replace("host=YWRtaW4&", "");
            let query = signed(&format!("error=access_denied&{name}={encoded}&{denied}"));
            let mut event = attempt.event(&query);
            for header in
                ["host", "x-forwarded-host", "x-forwarded-proto", "origin", "referer", "x-original-url"]
            {
                event["headers"][header] = json!(value);
            }
            event["requestContext"]["domainName"] = json!("evil.example");
            let what = format!("{name}={value}");
            let response = family.turns_away(&attempt.world, &what, "authorization_denied", event).await;
            let location = response.headers.get("location").cloned().unwrap_or_default();
            family.check(&format!("{what} leads to {location}"), location == fixed);
            attempt = Attempt::within(attempt.world, "st-1", "acme").await;
        }
    }
    let response = attempt.world.send(attempt.event(&attempt.query)).await;
    let connected = "https://workspace.eshop.example/connectors/shopify?status=connected";
    family.check("the way back after success", response.headers["location"] == connected);
    family
        .check("the address left behind is passed on", response.headers["referrer-policy"] == "no-referrer");
    family.report(308);
}

/// Less than is needed is no connection. Only the answer to the code tells what was granted, so these are refused after
/// that one call, and nothing is kept; what a callback says of scopes is never believed.
#[tokio::test]
async fn o15_less_access_than_is_needed_is_not_taken() {
    let mut family = Family::new("O15");
    let mut attempt = Attempt::new().await;
    for scope in ["read_products", "", "write_products", "read_all", SCOPES] {
        let unsigned = format!("{}&scope={scope}", attempt.query);
        family.refuses(&attempt.world, &unsigned, (403, "callback_forged"), attempt.event(&unsigned)).await;
    }
    family.owner_finishes(&mut attempt).await;

    for granted in [
        "",
        "read_locations",
        "read_inventory,read_locations",
        "read_product",
        "products",
        "READ_PRODUCTS",
        "read_products_x",
        "unauthenticated_read_products",
        "read_product_listings,write_inventory",
        "read products",
        "read_orders",
    ] {
        // Claimed in the callback, signed even; not granted.
        let attempt = Attempt::new().await;
        attempt.world.shop.open(profile("acme", 1_001, granted));
        let query = signed(&format!("{}&scope=read_products", attempt.plain));
        nothing_is_kept(&mut family, &attempt, &query, granted).await;
    }

    // The answer to the code says one thing, the shop another: the shop's word counts.
    let attempt = Attempt::new().await;
    let world = &attempt.world;
    let before = live(world);
    let from = world.faults.calls().len();
    // app_secret, consume_state, claim_shop, exchange, then the look at the shop stands still.
    let inspect = world.faults.calls().len() + 4;
    world.faults.at(inspect, Fault::Freeze);
    let event = attempt.event(&attempt.query);
    let meanwhile = async {
        while world.faults.frozen() == 0 {
            tokio::task::yield_now().await;
        }
        world.shop.open(profile("acme", 1_001, "read_locations"));
        world.faults.thaw();
    };
    let (response, ()) = tokio::join!(world.send(event), meanwhile);
    assert_eq!(world.faults.calls()[from + 4], "shop.inspect");
    family.check("taken away meanwhile", outcome(&response) == "missing_scopes" && live(world) == before);

    // A connection that works is not harmed by a poorer one.
    let world = World::new();
    world.connect("st-1", "acme").await;
    let attempt = Attempt::within(world, "st-1", "acme").await;
    let used = attempt.world.stored("st-1").unwrap().installation;
    attempt.world.shop.open(profile("acme", 1_001, "read_locations"));
    let response = attempt.world.send(attempt.event(&attempt.query)).await;
    let kept = attempt.world.stored("st-1").unwrap().installation == used;
    family.check("a poorer reconnect", outcome(&response) == "missing_scopes" && kept);
    family.report(19);
}

async fn nothing_is_kept(family: &mut Family, attempt: &Attempt, query: &str, granted: &str) {
    let world = &attempt.world;
    let before = live(world);
    let response = world.send(attempt.event(query)).await;
    let refused = outcome(&response) == "missing_scopes"
        && live(world) == before
        && token_calls(world) == 1
        && world.vault.installs().is_empty()
        && world.connectors.claim(PROVIDER, &domain("acme")).is_none();
    family.check(&format!("granted {granted:?}: {}", outcome(&response)), refused);
}
