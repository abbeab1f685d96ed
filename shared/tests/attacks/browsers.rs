//! Whoever starts a connect finishes it: attacks by making another browser finish, or by having no session at all.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::family::{Attempt, Family, signed, signed_by};
use crate::world::{Browser, World, callback_event, outcome, protected};

const MISMATCH: (u16, &str) = (403, "callback_mismatch");
const CONFIGURE: &str = "POST /stores/{store_id}/connectors/{provider}/configure";

/// A site beside ours plants a cookie. Browsers strip these two spaces, and take a name with this prefix from the host
/// itself only.
fn plant(browser: &mut Browser, name: &str, value: &str) {
    let name = name.trim_matches([' ', '\t']);
    if !name.to_ascii_lowercase().starts_with("__host-") {
        browser.0.insert(name.to_owned(), value.to_owned());
    }
}

/// The attacker begins for a store of his own and has the victim approve: the victim's shop must not become his.
#[tokio::test]
async fn o01_an_attempt_is_not_finished_in_another_browser() {
    let mut family = Family::new("O1");
    let mut attack = Attempt::of("st-evil", "acme").await;
    let mut victim = Browser::default();
    // The victim has an attempt for the same shop under way, and so a cookie of his own.
    attack.world.begin("st-1", "acme", &mut victim).await;
    let (name, right) = attack.browser.0.clone().into_iter().next().unwrap();
    let own = victim.0.values().next().unwrap().clone();

    family
        .refuses(&attack.world, "no cookie", MISMATCH, callback_event(&attack.query, &Browser::default()))
        .await;
    family
        .refuses(&attack.world, "the victim's cookies", MISMATCH, callback_event(&attack.query, &victim))
        .await;
    let swapped: String = right
        .chars()
        .map(|c| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
        .collect();
    for value in [
        own.clone(),
        attack.value("state").to_owned(),
        hex::encode(Sha256::digest(right.as_bytes())),
        right[1..].to_owned(),
        right[..right.len() - 1].to_owned(),
        format!("{right}="),
        format!("{right}A"),
        format!("\"{right}\""),
        format!("%{:02X}{}", right.as_bytes()[0], &right[1..]),
        swapped,
        right.chars().rev().collect(),
        String::new(),
        "undefined".to_owned(),
        "A".repeat(43),
    ] {
        let mut jar = victim.clone();
        jar.0.insert(name.clone(), value.clone());
        family
            .refuses(&attack.world, &format!("value {value}"), MISMATCH, callback_event(&attack.query, &jar))
            .await;
    }
    for other in [
        name.trim_start_matches("__Host-").to_owned(),
        name.replace("__Host-", "__Secure-"),
        name.to_lowercase(),
        name.to_uppercase(),
        format!("{name}0"),
        name[..name.len() - 1].to_owned(),
        "__Host-mc_bind".to_owned(),
        "__Host-mc_bind_".to_owned(),
        victim.0.keys().next().unwrap().clone(),
    ] {
        let mut jar = Browser::default();
        jar.0.insert(other.clone(), right.clone());
        family
            .refuses(&attack.world, &format!("name {other}"), MISMATCH, callback_event(&attack.query, &jar))
            .await;
    }
    for cookies in [
        json!([format!("{name}={own}"), format!("{name}={right}")]),
        json!([format!("{name}={right}"), format!("{name}={own}")]),
        json!([format!("{name}={right}; {name}=")]),
        json!([format!("other=1, {name}={right}")]),
    ] {
        let mut event = callback_event(&attack.query, &Browser::default());
        event["cookies"] = cookies.clone();
        family.refuses(&attack.world, &format!("cookies {cookies}"), MISMATCH, event).await;
    }
    for header in ["x-cookie", "cookie2", "set-cookie", "authorization"] {
        let mut event = callback_event(&attack.query, &Browser::default());
        event["headers"][header] = json!(format!("{name}={right}"));
        family.refuses(&attack.world, &format!("header {header}"), MISMATCH, event).await;
    }
    // A state or cookie that the attacker chooses.
    for body in [
        r#"{"shop":"acme","method":"oauth","state":"chosen"}"#,
        r#"{"shop":"acme","method":"oauth","cookie":"chosen"}"#,
        r#"{"shop":"acme","method":"oauth","redirect_uri":"https://evil.example"}"#,
    ] {
        let mut event = protected(CONFIGURE, "st-1");
        event["headers"]["content-type"] = json!("application/json");
        event["body"] = json!(body);
        family.refuses(&attack.world, body, (400, "invalid_body"), event).await;
    }
    let mut event = protected(CONFIGURE, "st-1");
    event["rawQueryString"] = json!("state=chosen");
    family.refuses(&attack.world, "?state=chosen", (400, "invalid_parameter"), event).await;

    family.owner_finishes(&mut attack).await;
    family.check(
        "the victim's store was connected",
        attack.world.stored("st-1").unwrap().installation.is_none(),
    );
    family.report(35);
}

/// The attacker has the victim's browser finish *his* attempt, so that the victim works with his shop.
#[tokio::test]
async fn o02_a_callback_of_someone_else_is_not_taken() {
    let mut family = Family::new("O2");
    let mut attack = Attempt::of("st-evil", "beta").await;
    let world = &attack.world;
    let mut victim = Browser::default();
    let begun = world.begin("st-1", "beta", &mut victim).await;
    let state =
        world.answer(&begun, None).split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let (name, value) = attack.browser.0.clone().into_iter().next().unwrap();

    family
        .refuses(world, "his address, opened by the victim", MISMATCH, callback_event(&attack.query, &victim))
        .await;
    for planted in [
        name.clone(),
        name.to_lowercase(),
        name.trim_start_matches("__Host-").to_owned(),
        name.replace("__Host-", "__Secure-"),
        format!(" {name}"),
        // Spaces that browsers keep and servers are tempted to strip.
        format!("\u{2000}{name}"),
        format!("\u{85}{name}"),
        format!("\u{a0}{name}"),
        format!("\u{feff}{name}"),
        format!("\u{b}{name}"),
        format!("{name}\u{3000}"),
        format!("\"{name}\""),
    ] {
        let mut jar = victim.clone();
        plant(&mut jar, &planted, &value);
        let what = format!("a site beside ours plants {planted}");
        family.refuses(world, &what, MISMATCH, callback_event(&attack.query, &jar)).await;
    }
    let forged = (403, "callback_forged");
    let his = attack.query.replace(attack.value("state"), &state);
    family.refuses(world, "his code with the victim's state", forged, callback_event(&his, &victim)).await;
    let plain = attack.with("state", &state);
    for key in ["his own app's secret", "app-1", ""] {
        let query = signed_by(key, &plain);
        family.refuses(world, &format!("signed by {key:?}"), forged, callback_event(&query, &victim)).await;
    }
    let malformed = (400, "callback_malformed");
    for (what, plain, expected) in [
        ("no state", attack.without("state"), malformed),
        ("an empty state", attack.with("state", ""), malformed),
        ("a state that nobody gave out", attack.with("state", "guessed"), MISMATCH),
        ("the cookie as state", attack.with("state", victim.0.values().next().unwrap()), MISMATCH),
    ] {
        family.refuses(world, what, expected, callback_event(&signed(&plain), &victim)).await;
    }
    let set = &begun.cookies[0];
    for (what, holds) in [
        ("only the host itself may set it", set.starts_with("__Host-")),
        ("never in the clear", set.contains("; Secure")),
        ("no script reads it", set.contains("; HttpOnly")),
        ("no other site's form or script sends it", set.contains("; SameSite=Lax")),
        ("it ends with the state", set.contains("; Max-Age=600")),
        ("no other host gets it", set.contains("; Path=/;") && !set.contains("Domain")),
    ] {
        family.check(what, holds);
    }
    family.owner_finishes(&mut attack).await;
    family.check(
        "the victim's store was connected",
        attack.world.stored("st-1").unwrap().installation.is_none(),
    );
    family.report(20);
}

/// Starting or finishing an install without a session of ours.
#[tokio::test]
async fn o14_an_install_that_nobody_began_here_is_refused() {
    let mut family = Family::new("O14");
    let attempt = Attempt::of("st-2", "beta").await;
    let world = &attempt.world;
    let at = world.clock_seconds();
    let malformed = (400, "callback_malformed");
    for (query, expected) in [
        (format!("code=c0de&shop=acme.myshopify.com&state=from-the-app-store&timestamp={at}"), MISMATCH),
        (format!("code=c0de&shop=acme.myshopify.com&timestamp={at}"), malformed),
        (format!("code=c0de&shop=acme.myshopify.com&state=&timestamp={at}"), malformed),
        // What the shop sends to the app's own address when someone installs it there.
        (format!("host=YWRtaW4&shop=acme.myshopify.com&timestamp={at}"), malformed),
        (format!("embedded=1&host=YWRtaW4&session=5e55&shop=acme.myshopify.com&timestamp={at}"), malformed),
        (format!("error=access_denied&shop=acme.myshopify.com&state=nobody&timestamp={at}"), MISMATCH),
    ] {
        for jar in [&Browser::default(), &attempt.browser] {
            family.refuses(world, &query, expected, callback_event(&signed(&query), jar)).await;
        }
    }
    // Beginning without the token of a signed-in merchant, or with one that speaks for no store.
    let begin = |authorizer: Value| {
        let mut event = protected(CONFIGURE, "st-1");
        event["headers"] = json!({"content-type": "application/json", "x-store-id": "st-1"});
        event["body"] = json!(r#"{"shop":"acme","method":"oauth"}"#);
        event["requestContext"]["authorizer"] = authorizer;
        event
    };
    for authorizer in [json!(null), json!({}), json!({"jwt": null}), json!({"lambda": {"store_id": "st-1"}})]
    {
        let what = format!("begun with {authorizer}");
        family.refuses(world, &what, (401, "unauthenticated"), begin(authorizer)).await;
    }
    let (no_store, malformed) = ((403, "no_store"), (400, "malformed_event"));
    family.refuses(world, "begun without claims", no_store, begin(json!({"jwt": {}}))).await;
    for (claims, expected) in [
        (json!({}), no_store),
        (json!({"sub": "user-1"}), no_store),
        (json!({"sub": "user-1", "store_id": ""}), no_store),
        (json!({"sub": "user-1", "store_id": "[st-1 st-2]"}), no_store),
        (json!({"sub": "user-1", "store_id": "st-1 st-2"}), no_store),
        (json!({"sub": "user-1", "Store_Id": "st-1"}), no_store),
        (json!({"store_id": "st-1"}), no_store),
        (json!({"store_id": "st-1", "sub": ""}), no_store),
        // The gateway passes claims on as texts, and nothing else is one.
        (json!({"sub": "user-1", "store_id": null}), malformed),
        (json!({"sub": "user-1", "store_id": ["st-1"]}), malformed),
        (json!({"sub": "user-1", "store_id": {"st-1": true}}), malformed),
    ] {
        let what = format!("begun with the claims {claims}");
        family.refuses(world, &what, expected, begin(json!({"jwt": {"claims": claims}}))).await;
    }
    let other = json!({"jwt": {"claims": {"sub": "user-2", "store_id": "st-2"}}});
    family.refuses(world, "begun for another store", (404, "not_found"), begin(other)).await;
    family.report(29);
}

/// A callback carries no session: whatever token comes with it, the shop goes to the store that began.
#[tokio::test]
async fn o16_a_token_that_comes_with_a_callback_says_nothing() {
    let world = World::new();
    let attempt = Attempt::within(world, "st-1", "acme").await;
    let mut event = attempt.event(&attempt.query);
    event["requestContext"]["authorizer"] = json!({"jwt": {"claims": {"sub": "user-2", "store_id": "st-2"}}});
    event["pathParameters"]["store_id"] = json!("st-2");
    event["headers"]["x-store-id"] = json!("st-2");
    assert_eq!(outcome(&attempt.world.send(event).await), "connected");
    assert!(attempt.world.stored("st-2").is_none());
    assert!(attempt.world.stored("st-1").unwrap().installation.is_some());
}
