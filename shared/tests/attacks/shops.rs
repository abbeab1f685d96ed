//! Shops that are not the one meant, hosts that are no shop, platforms that are none, two stores for one shop.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};
use shared::testkit::faults::Fault;
use url::Url;

use crate::family::{Attempt, Family, live, signed, token_calls};
use crate::world::{
    Browser, PROVIDER, SCOPES, World, body, callback_event, domain, outcome, profile, protected, store,
};

const MISMATCH: (u16, &str) = (403, "callback_mismatch");
const MALFORMED: (u16, &str) = (400, "callback_malformed");

#[tokio::test]
async fn o05_an_attempt_for_one_shop_does_not_connect_another() {
    let mut family = Family::new("O5");
    let mut attempt = Attempt::new().await;
    let world = &attempt.world;
    world.shop.open(profile("evil", 6_666, SCOPES));
    for shop in ["beta", "evil", "acme-2", "acm", "acmee", "acmes", "0", "a-cme"] {
        let genuine = signed(&attempt.with("shop", &format!("{shop}.myshopify.com")));
        family.refuses(world, shop, MISMATCH, attempt.event(&genuine)).await;
        let unsigned = attempt.query.replace("shop=acme.", &format!("shop={shop}."));
        family.refuses(world, shop, (403, "callback_forged"), attempt.event(&unsigned)).await;
    }
    for shop in [
        "ACME.myshopify.com",
        "xn--acme.myshopify.com",
        "acme.myshopify.com.",
        "acme.myshopify.com%2F",
        "acme",
        "https%3A%2F%2Facme.myshopify.com",
    ] {
        let genuine = signed(&attempt.with("shop", shop));
        family.refuses(world, shop, MALFORMED, attempt.event(&genuine)).await;
    }
    family.owner_finishes(&mut attempt).await;
    family.report(22);
}

/// Told apart only by the shop itself, so only after the code was traded: nothing is kept then.
#[tokio::test]
async fn o05_a_shop_that_calls_itself_otherwise_is_not_connected() {
    for other in [profile("beta", 1_002, SCOPES), profile("acme-2", 1_001, SCOPES)] {
        let attempt = Attempt::new().await;
        let world = &attempt.world;
        world.shop.open_at(&domain("acme"), other);
        let before = live(world);
        assert_eq!(outcome(&world.send(attempt.event(&attempt.query)).await), "callback_mismatch");
        assert_eq!((token_calls(world), live(world)), (1, before));
        assert_eq!(world.connectors.claim(PROVIDER, &domain("acme")), None);
    }
    // A code that another shop gave out.
    let attempt = Attempt::new().await;
    use secrecy::ExposeSecret as _;
    let foreign = attempt.world.shop.approve(&domain("beta"));
    let query = signed(&attempt.with("code", foreign.expose_secret()));
    assert_eq!(outcome(&attempt.world.send(attempt.event(&query)).await), "callback_mismatch");
    assert!(attempt.world.vault.installs().is_empty());
}

const HOSTS: &[&str] = &[
    "",
    " ",
    ".",
    "-",
    "-acme",
    "acme_shop",
    "acme shop",
    "acme.example",
    "evil.example",
    "acme.myshopify.com.evil.example",
    "acme.myshopify.comevil.example",
    "evil.example/acme.myshopify.com",
    "evil.example#.myshopify.com",
    "evil.example?.myshopify.com",
    "evil.example\\.myshopify.com",
    "evil.example%23.myshopify.com",
    "evil.example%2f.myshopify.com",
    "evil.example;.myshopify.com",
    "evil.example&.myshopify.com",
    "user@acme.myshopify.com",
    "acme.myshopify.com@evil.example",
    "acme:secret@evil.myshopify.com",
    "acme.myshopify.com:8443",
    "acme.myshopify.com:443@evil.example",
    "a.b.myshopify.com",
    ".myshopify.com",
    "myshopify.com",
    "acme.myshopify.com.",
    "acme..myshopify.com",
    "acme.myshopify.io",
    "acme.shopify.com",
    "acme.myshopify.com\u{0}",
    "acme\u{0}.evil.example",
    "acme\n.myshopify.com",
    "acme\r\nHost: evil.example",
    "acme\t.myshopify.com",
    "ac\u{200b}me",
    "ac\u{ad}me",
    "\u{430}cme",
    "acme\u{3002}myshopify\u{3002}com",
    "acme.myshopify\u{ff0e}com",
    "\u{ff41}cme",
    "ACM\u{c9}",
    "127.0.0.1",
    "127.1",
    "0x7f000001.myshopify.com.evil",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost:80",
    "localhost.localdomain",
    "169.254.169.254",
    "169.254.169.254/latest/meta-data",
    "metadata.google.internal",
    "0.0.0.0",
    "http://acme.myshopify.com",
    "ftp://acme.myshopify.com",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "javascript:alert(1)",
    "data:text/html,x",
    "//evil.example",
    "///evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://https://acme.myshopify.com",
    "https://evil.example/admin.shopify.com/store/acme",
    "https://admin.shopify.com.evil.example/store/acme",
    "https://admin.shopify.com@evil.example/store/acme",
    "https://admin.shopify.com/store/",
    "https://admin.shopify.com/store/acme.evil.example",
    "https://admin.shopify.com/store/..%2f..",
    "https://admin.shopify.com/store/acme?x=@evil.example",
    "https://admin.shopify.com/store//acme",
    "https://admin.shopify.com/stores/acme",
    "acme/../evil",
    "acme.myshopify.com/../../evil",
    "acme%2emyshopify%2ecom",
    "acme%00.myshopify.com",
    "acme%0d%0a.myshopify.com",
    "%61cme.evil.example",
    "${jndi:ldap://evil}",
    "{{7*7}}",
    "' or 1=1 --",
    "<script>",
    "$(id)",
    "`id`",
    "|id",
    "acme\u{202e}moc.yfipohsym",
];

/// The one label that may stand before the suffix.
fn is_label(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain)
}

/// Where our client secret would go to, as an address parser reads it.
fn leads_to_a_shop(authorize: &str) -> bool {
    let url = Url::parse(authorize).unwrap();
    let label = url.host_str().and_then(|host| host.strip_suffix(".myshopify.com"));
    url.scheme() == "https"
        && label.is_some_and(is_label)
        && (url.username(), url.password(), url.port()) == ("", None, None)
        && url.path() == "/admin/oauth/authorize"
}

#[tokio::test]
async fn o06_no_other_host_is_ever_called() {
    let mut family = Family::new("O6");
    let world = World::new();
    let long = "a".repeat(64);
    let begin = |shop: &str| {
        let mut event = protected("POST /stores/{store_id}/connectors/{provider}/configure", "st-1");
        event["headers"]["content-type"] = json!("application/json");
        event["body"] = json!(json!({"shop": shop, "method": "oauth"}).to_string());
        event
    };
    for shop in HOSTS.iter().copied().chain([long.as_str()]) {
        family.refuses(&world, &format!("begun for {shop:?}"), (400, "invalid_shop"), begin(shop)).await;
    }
    family.check("a refused name reached a port", world.faults.calls().is_empty());

    // Every character at every place of a name: refused, or still one label before the one suffix.
    let text = "acme.myshopify.com";
    for at in [0, 2, 4, 5, 14, 15, text.len()] {
        for c in (0..=0xff_u8).map(char::from).chain([
            '\u{2024}',
            '\u{2044}',
            '\u{fe52}',
            '\u{ff0f}',
            '\u{ff20}',
            '\u{10ffff}',
        ]) {
            let shop = format!("{}{c}{}", &text[..at], &text[at..]);
            let response = world.send(begin(&shop)).await;
            let holds = match response.status_code {
                200 => leads_to_a_shop(body(&response)["authorize_url"].as_str().unwrap()),
                status => (status, outcome(&response).as_str()) == (400, "invalid_shop"),
            };
            family.check(&format!("begun for {shop:?}: {}", response.body), holds);
        }
    }

    // The same hosts in callbacks, signed.
    let attempt = Attempt::new().await;
    for shop in HOSTS.iter().copied().chain([long.as_str()]) {
        let encoded: String = url::form_urlencoded::byte_serialize(shop.as_bytes()).collect();
        let query = signed(&attempt.with("shop", &encoded));
        family
            .refuses(&attempt.world, &format!("callback of {shop:?}"), MALFORMED, attempt.event(&query))
            .await;
    }
    family.report(1_900);
}

#[tokio::test]
async fn o12_another_platform_is_not_found() {
    let mut family = Family::new("O12");
    let mut attempt = Attempt::new().await;
    let world = &attempt.world;
    let names = [
        json!("elsewhere"),
        json!("Shopify"),
        json!("SHOPIFY"),
        json!("shopify "),
        json!(" shopify"),
        json!("shopify/"),
        json!("shopify%00"),
        json!("shopify\u{0}"),
        json!("%73hopify"),
        json!("\u{17f}hopify"),
        json!("shopify,elsewhere"),
        json!("shopif"),
        json!("shopify2"),
        json!("../shopify"),
        json!(""),
        json!("*"),
        json!("null"),
    ];
    let routes = [
        "POST /stores/{store_id}/connectors/{provider}/configure",
        "GET /stores/{store_id}/connectors/{provider}",
        "GET /stores/{store_id}/connectors/{provider}/history",
        "DELETE /stores/{store_id}/connectors/{provider}",
    ];
    let protected_as = |route: &str, name: &Value| {
        let mut event = protected(route, "st-1");
        event["headers"]["content-type"] = json!("application/json");
        event["body"] = json!(r#"{"shop":"acme","method":"oauth"}"#);
        event["pathParameters"]["provider"] = name.clone();
        event
    };
    for name in &names {
        let mut event = attempt.event(&attempt.query);
        event["pathParameters"]["provider"] = name.clone();
        family.refuses(world, &format!("callback at {name}"), (404, "not_found"), event).await;
        for route in routes {
            let event = protected_as(route, name);
            family.refuses(world, &format!("{route} at {name}"), (404, "not_found"), event).await;
        }
    }
    let mut nowhere = attempt.event(&attempt.query);
    nowhere["pathParameters"] = Value::Null;
    family.refuses(world, "callback at no platform", (404, "not_found"), nowhere).await;
    // What another platform sends back.
    for query in [
        "code=c0de&state=x",
        "oauth_token=t&oauth_verifier=v",
        "code=c0de&state=x&iss=https%3A%2F%2Fevil.example",
        "success=1&user_id=7",
    ] {
        family.refuses(world, query, MALFORMED, attempt.event(query)).await;
    }
    family.owner_finishes(&mut attempt).await;
    family.report(90);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o16_of_two_stores_one_has_the_shop() {
    let mut family = Family::new("O16");
    let world = World::new();
    assert_eq!(outcome(&world.connect("st-1", "acme").await), "connected");
    for shop in ["acme", "ACME", "acme.myshopify.com", "https://admin.shopify.com/store/acme"] {
        let mut browser = Browser::default();
        let begun = world.begin("st-2", shop, &mut browser).await;
        let event = callback_event(&world.approved(&begun), &browser);
        family
            .turns_away(&world, &format!("the shop of another store, as {shop}"), "shop_in_use", event)
            .await;
    }
    let owner = world.access().shop_access(&store("st-1"), PROVIDER).await;
    family.check("the owner lost access", owner.is_ok());

    // While another store's attempt is under way, and by its claim after a crash until that ends.
    let crashed = Attempt::of("st-1", "acme").await;
    crashed.world.faults.at(crashed.world.faults.calls().len() + 2, Fault::CrashAfter);
    crashed.world.send(crashed.event(&crashed.query)).await;
    crashed.world.faults.restart();
    let late = Attempt::within(crashed.world, "st-2", "acme").await;
    family.turns_away(&late.world, "while it is claimed", "shop_in_use", late.event(&late.query)).await;

    race(&mut family).await;
    family.report(130);
}

/// Two stores, then many, at once for one shop: one is live, and only that one reached the token endpoint.
async fn race(family: &mut Family) {
    for stores in [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 100] {
        let world = World::new();
        let mut events = Vec::new();
        for number in 0..stores {
            let mut browser = Browser::default();
            let begun = world.begin(&format!("st-{number}"), "acme", &mut browser).await;
            events.push(callback_event(&world.approved(&begun), &browser));
        }
        let answers = join_all(events.into_iter().map(|event| world.send(event))).await;
        let outcomes: Vec<String> = answers.iter().map(outcome).collect();
        for lost in outcomes.iter().filter(|outcome| *outcome != "connected") {
            family.check(&format!("of {stores}: {lost}"), lost == "shop_in_use");
        }
        let live: BTreeSet<usize> = (0..stores)
            .filter(|number| world.stored(&format!("st-{number}")).is_some_and(|c| c.installation.is_some()))
            .collect();
        family.check(&format!("of {stores}, {live:?} are live"), live.len() == 1);
        family.check(
            &format!("of {stores}, {} asked for a token", token_calls(&world)),
            token_calls(&world) == 1,
        );
    }
}
