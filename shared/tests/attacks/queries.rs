//! What the shop did not sign, or not like this: forms of signatures, parameters, times, encodings, secrets.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};
use shared::ports::provider::AppSecret;
use shared::testkit::connect_vault::FakeVault;
use std::sync::Arc;

use crate::family::{Attempt, Family, mac, signed, signed_by};
use crate::world::{SECRET, World, outcome};

const FORGED: (u16, &str) = (403, "callback_forged");
const MALFORMED: (u16, &str) = (400, "callback_malformed");
const STALE: (u16, &str) = (403, "callback_stale");
const NAMES: [&str; 5] = ["code", "host", "shop", "state", "timestamp"];

#[tokio::test]
async fn o07_no_other_form_of_a_signature_is_taken() {
    use base64::Engine as _;
    let mut family = Family::new("O7");
    let mut attempt = Attempt::new().await;
    let world = &attempt.world;
    let (plain, right) = (attempt.plain.clone(), mac(&attempt.plain, SECRET));
    let raw = hex::decode(&right).unwrap();
    let sha512 =
        Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(plain.as_bytes()).finalize();
    let sha512 = hex::encode(sha512.into_bytes());
    let unsorted = plain.split('&').rev().collect::<Vec<_>>().join("&");
    let base64 = base64::engine::general_purpose::STANDARD.encode(&raw);
    let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&raw);
    let mut forms = vec![
        String::new(),
        right.to_uppercase(),
        format!("0x{right}"),
        format!("sha256={right}"),
        format!("%20{right}"),
        format!("+{right}"),
        format!("{right}+"),
        format!("{right}%0a"),
        format!("{right}%00"),
        format!("{right}00"),
        format!("{right},{right}"),
        format!("{right}{right}"),
        format!("\"{right}\""),
        base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
        url_safe,
        sha512[..64].to_owned(),
        sha512[64..].to_owned(),
        sha512.clone(),
        "0".repeat(64),
        "f".repeat(64),
        "null".to_owned(),
        "true".to_owned(),
        hex::encode(Sha256::digest(format!("{SECRET}{plain}"))),
        hex::encode(Sha256::digest(format!("{plain}{SECRET}"))),
        hex::encode(Sha256::digest(&plain)),
        mac(&unsorted, SECRET),
        mac(&plain.replace('&', ""), SECRET),
        mac(&format!("?{plain}"), SECRET),
        mac(&format!("{plain}&hmac="), SECRET),
        mac(&format!("hmac=&{plain}"), SECRET),
        mac(&plain.to_uppercase(), SECRET),
        mac("", SECRET),
        mac(&attempt.without("host"), SECRET),
        mac(&plain, &SECRET.to_uppercase()),
        mac(&plain, &SECRET[1..]),
        mac(&plain, &format!("{SECRET}\n")),
        mac(&plain, ""),
        mac(&plain, "app-1"),
        mac(SECRET, &plain),
    ];
    forms.extend((0..64).map(|length| right[..length].to_owned()));
    // A signature that is wrong in one digit, at every place.
    for at in 0..64 {
        let wrong = if &right[at..=at] == "0" { "1" } else { "0" };
        forms.push(format!("{}{wrong}{}", &right[..at], &right[at + 1..]));
    }
    for form in &forms {
        let event = attempt.event(&format!("{plain}&hmac={form}"));
        family.refuses(world, &format!("hmac={form}"), FORGED, event).await;
    }
    for name in ["Hmac", "HMAC", "hmac%00", "hmac%20", "hmac256", "signature", "x-hmac", "h%2561mac"] {
        let event = attempt.event(&format!("{plain}&{name}={right}"));
        family.refuses(world, name, MALFORMED, event).await;
    }
    family.refuses(world, "no signature", MALFORMED, attempt.event(&plain)).await;
    let mut header = attempt.event(&plain);
    header["headers"]["x-shopify-hmac-sha256"] = serde_json::json!(right);
    family.refuses(world, "signature in a header", MALFORMED, header).await;
    // Every parameter changed after it was signed, left out, or added.
    for name in NAMES {
        let changed = format!(
            "{}&hmac={right}",
            attempt.with(name, if name == "timestamp" { "1790000001" } else { "x" })
        );
        let expected = if name == "shop" { MALFORMED } else { FORGED };
        family.refuses(world, &format!("{name} changed"), expected, attempt.event(&changed)).await;
        let left_out = format!("{}&hmac={right}", attempt.without(name));
        let expected = if matches!(name, "code" | "host") { FORGED } else { MALFORMED };
        family.refuses(world, &format!("{name} left out"), expected, attempt.event(&left_out)).await;
    }
    for extra in ["locale=de", "a=", "zz=1", "error=access_denied", "scope=write_products"] {
        for query in [format!("{extra}&{}", attempt.query), format!("{}&{extra}", attempt.query)] {
            family.refuses(world, &query, FORGED, attempt.event(&query)).await;
        }
    }
    for extra in ["Code=x", "code%00=x", "-=1", "co.de=x"] {
        let query = format!("{}&{extra}", attempt.query);
        family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
    }
    family.owner_finishes(&mut attempt).await;
    family.report(200);
}

#[tokio::test]
async fn o08_a_parameter_that_comes_twice_is_refused() {
    let mut family = Family::new("O8");
    let mut attempt = Attempt::new().await;
    let world = &attempt.world;
    for name in NAMES.into_iter().chain(["hmac"]) {
        let own = attempt
            .query
            .split('&')
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
            .unwrap()
            .to_owned();
        let other = if name == "shop" { "beta.myshopify.com" } else { "other" };
        let coded = format!("%{:02X}{}", name.as_bytes()[0], &name[1..]);
        let all_coded: String = name.bytes().map(|b| format!("%{b:02x}")).collect();
        for value in [own.as_str(), other, ""] {
            for name in [name, coded.as_str(), all_coded.as_str()] {
                let twice = format!("{name}={value}");
                for query in [format!("{twice}&{}", attempt.query), format!("{}&{twice}", attempt.query)] {
                    family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
                }
                // Signed with both, one after the other and joined as lists are.
                let both = format!("{}&{twice}", attempt.plain);
                family.refuses(world, &both, MALFORMED, attempt.event(&signed(&both))).await;
                family.refuses(world, &both, MALFORMED, attempt.event(&signed_by(SECRET, &both))).await;
            }
            for list in ["[]", "%5B%5D", "%5b%5d"] {
                let query = signed(&format!("{name}{list}={value}&{}", attempt.plain));
                family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
            }
        }
    }
    for list in ["ids[]=1", "ids[]=1&ids[]=2", "ids%5B%5D=1", "a=1&a=1", "a=1&%61=2", "=1", "=&="] {
        let query = signed(&format!("{}&{list}", attempt.plain));
        family.refuses(world, list, MALFORMED, attempt.event(&query)).await;
    }
    family.owner_finishes(&mut attempt).await;
    family.report(270);
}

#[tokio::test]
async fn o09_a_time_that_is_not_now_is_refused() {
    let mut family = Family::new("O9");
    let mut attempt = Attempt::new().await;
    let world = &attempt.world;
    let now = world.clock_seconds();
    let mut forms: Vec<String> = [91, 92, 120, 600, 3_600, 86_400, 31_536_000, 1_789_999_999]
        .into_iter()
        .flat_map(|skew| [(now - skew).to_string(), (now + skew).to_string()])
        .collect();
    forms.extend([
        String::new(),
        "0".to_owned(),
        "-1".to_owned(),
        "now".to_owned(),
        "NaN".to_owned(),
        "Infinity".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        format!("{now}.0"),
        format!("{now}."),
        format!("{now}e0"),
        format!("{now},0"),
        format!("{now}s"),
        format!("{now}n"),
        format!("%2B{now}"),
        format!("+{now}"),
        format!("-{now}"),
        format!("%20{now}"),
        format!("{now}%20"),
        format!("{now}%0a"),
        format!("{now}%00"),
        format!("{now}000"),
        format!("{now}000000"),
        format!("0x{now:x}"),
        format!("0o{now:o}"),
        format!("{now:b}"),
        format!("{now:x}"),
        "1.79e9".to_owned(),
        "179e7".to_owned(),
        "1_790_000_000".to_owned(),
        "2026-09-21T14%3A13%3A20Z".to_owned(),
        "99999999999999999999".to_owned(),
        "9223372036854775808".to_owned(),
        "-9223372036854775808".to_owned(),
        "18446744073709551615".to_owned(),
        "9".repeat(400),
        format!("{now}%2C{now}"),
        "%D9%A1%D9%A7%D9%A9%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0".to_owned(),
        "%EF%BC%91%EF%BC%97%EF%BC%99%EF%BC%90%EF%BC%90%EF%BC%90%EF%BC%90%EF%BC%90%EF%BC%90%EF%BC%90"
            .to_owned(),
    ]);
    for form in &forms {
        let query = signed(&attempt.with("timestamp", form));
        family.refuses(world, &format!("timestamp={form}"), STALE, attempt.event(&query)).await;
    }
    let missing = signed(&attempt.without("timestamp"));
    family.refuses(world, "no timestamp", MALFORMED, attempt.event(&missing)).await;
    // Waiting makes a genuine one stale, whichever way the clock goes wrong.
    world.later(91);
    family.refuses(world, "91 s later", STALE, attempt.event(&attempt.query)).await;
    let at = world.clock_seconds().to_string();
    attempt.query = signed(&attempt.with("timestamp", &at));
    family.owner_finishes(&mut attempt).await;
    family.report(50);
}

#[tokio::test]
async fn o10_an_encoding_that_can_be_read_in_two_ways_is_refused() {
    let mut family = Family::new("O10");
    let mut attempt = Attempt::new().await;
    let world = &attempt.world;
    // Values that are no code, state or shop once decoded, however they are signed.
    for value in [
        "c0%0ade",
        "c0%0d%0ade",
        "c0%00de",
        "c0%7fde",
        "%ff",
        "%c0%ae",
        "%ed%a0%80",
        "%f8%80%80%80",
        "c0%2",
        "c0%",
        "c0%zz",
        "c0%u0041",
        "c0%2525de",
        "%2563ode",
        "c0%26shop%3Dbeta.myshopify.com",
        "c0%3Bde",
        "c0+de",
        "c0%20de",
        "c0%E2%80%8Bde",
        "c%C3%B6de",
        "c0/de",
        "c0%2Fde",
        "c0%23de",
        "c0%3Fde",
        "c0%40de",
        "%3Cscript%3E",
        "c0%27de",
        "c0%22de",
        "c0%5Cde",
        "",
    ] {
        for name in ["code", "state", "shop"] {
            let plain = attempt.with(name, value);
            for query in [signed(&plain), signed_by(SECRET, &plain)] {
                family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
            }
        }
    }
    // Encoded twice: decoded once it is no shop.
    for value in [
        "acme%252emyshopify.com",
        "%2561cme.myshopify.com",
        "acme.myshopify.com%2500",
        "acme%25252emyshopify.com",
    ] {
        let plain = attempt.with("shop", value);
        for query in [signed(&plain), signed_by(SECRET, &plain)] {
            family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
        }
    }
    let twice = attempt.with(
        "state",
        &format!("%25{:02x}{}", attempt.value("state").as_bytes()[0], &attempt.value("state")[1..]),
    );
    family.refuses(world, &twice, MALFORMED, attempt.event(&signed(&twice))).await;
    // Other separators, other places.
    for query in [
        attempt.query.replace('&', ";"),
        attempt.query.replace('&', "&amp;"),
        attempt.query.replace('&', "%26"),
        attempt.query.replace('=', "%3D"),
        attempt.query.replace('&', "&&"),
        format!("&{}", attempt.query),
        format!("{}&", attempt.query),
        format!("#{}", attempt.query),
        attempt.query.replace("code=", "code"),
        format!("{}&flag", attempt.query),
        attempt.query.to_uppercase(),
        format!("{}&{}", attempt.query, "a=1&".repeat(40)),
        format!("{}&a={}", attempt.query, "a".repeat(5_000)),
        "%".repeat(4_000),
        "&".repeat(4_000),
        "=".repeat(4_000),
        "[]=".repeat(1_000),
        "\u{0}".to_owned(),
        "\u{202e}".to_owned(),
    ] {
        family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
    }
    // A leading `?` or a space is part of a name that no shop gives.
    for query in [
        format!("?{}", attempt.query),
        format!("%20{}", attempt.query),
        format!("+{}", attempt.query),
        format!("\u{feff}{}", attempt.query),
    ] {
        family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
    }
    // Only the query string counts, not what else a gateway passes on.
    let mut event = attempt.event(&attempt.plain);
    event["queryStringParameters"] = serde_json::json!({"hmac": mac(&attempt.plain, SECRET)});
    event["body"] = serde_json::json!(format!("hmac={}", mac(&attempt.plain, SECRET)));
    family.refuses(world, "signature beside the query", MALFORMED, event).await;
    family.owner_finishes(&mut attempt).await;
    family.report(200);
}

#[tokio::test]
async fn o17_a_signature_of_something_else_is_not_taken() {
    use base64::Engine as _;
    let mut family = Family::new("O17");
    let mut attempt = Attempt::new().await;
    let other = Attempt::within(World::new(), "st-2", "beta").await;
    let world = &attempt.world;
    let right = mac(&attempt.plain, SECRET);
    let foreign = other.query.split("&hmac=").nth(1).unwrap();
    for (what, query) in [
        ("of another callback", format!("{}&hmac={foreign}", attempt.plain)),
        (
            "of the same with another code",
            format!("{}&hmac={right}", attempt.with("code", "c0de0000000000000000000000000099")),
        ),
        (
            "of the same with another state",
            format!("{}&hmac={right}", attempt.with("state", "6N2UPTZsque-of-another-attempt")),
        ),
        (
            "of the address of the app",
            format!(
                "{}&hmac={}",
                attempt.plain,
                mac(&format!("shop=acme.myshopify.com&timestamp={}", attempt.value("timestamp")), SECRET)
            ),
        ),
        // A proxied request is signed without separators; a webhook over its body, in base64.
        (
            "as of a proxied request",
            format!("{}&hmac={}", attempt.plain, mac(&attempt.plain.replace('&', ""), SECRET)),
        ),
        ("of a webhook's body", format!("{}&hmac={}", attempt.plain, mac("{\"id\":1}", SECRET))),
        ("of an empty body", format!("{}&hmac={}", attempt.plain, mac("", SECRET))),
        ("of a session token", format!("{}&hmac={}", attempt.plain, mac("eyJhbGciOiJIUzI1NiJ9.e30", SECRET))),
        ("by the cookie as key", signed_by(attempt.browser.0.values().next().unwrap(), &attempt.plain)),
        ("by the state as key", signed_by(attempt.value("state"), &attempt.plain)),
        ("by the id of the app", signed_by("app-1", &attempt.plain)),
    ] {
        family.refuses(world, what, FORGED, attempt.event(&query)).await;
    }
    let raw = base64::engine::general_purpose::STANDARD.encode(hex::decode(&right).unwrap());
    let proxied = format!("{}&signature={right}", attempt.plain);
    family.refuses(world, "as a proxied request carries it", MALFORMED, attempt.event(&proxied)).await;
    let hooked =
        format!("{}&hmac={}", attempt.plain, raw.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
    family.refuses(world, "as a webhook carries it", FORGED, attempt.event(&hooked)).await;

    // Borders moved: joined again without its encoding, the text is the very one that was signed.
    let pairs: Vec<&str> = attempt.plain.split('&').collect();
    for at in 1..pairs.len() {
        let (before, after) = (pairs[at - 1], pairs[at]);
        for moved in [
            format!("{before}%26{after}"),
            format!("{before}%26{}", after.replace('=', "%3D")),
            // The name takes in its own value and what follows: without a code, that would be a merchant's refusal.
            format!("{}%26{after}", before.replace('=', "%3D")),
        ] {
            let query = attempt.query.replace(&format!("{before}&{after}"), &moved);
            family.refuses(world, &query, MALFORMED, attempt.event(&query)).await;
        }
    }
    // Into a value that is not looked at otherwise.
    let extra = attempt.plain.replace("host=YWRtaW4&", "");
    for query in [
        format!("{}%26host%3DYWRtaW4&{extra}&hmac={right}", "a=1"),
        format!(
            "host=YWRtaW4%26locale%3Dde&{extra}&hmac={}",
            mac(&attempt.plain.replace("&shop", "&locale=de&shop"), SECRET)
        ),
    ] {
        family.refuses(world, &query, FORGED, attempt.event(&query)).await;
    }
    family.owner_finishes(&mut attempt).await;
    family.report(25);
}

/// A world whose app has these secrets.
fn rotated(current: &str, previous: Option<&str>) -> World {
    let mut world = World::new();
    let app = AppSecret {
        client_id: "app-1".to_owned(),
        current: current.into(),
        previous: previous.map(Into::into),
    };
    world.vault = Arc::new(FakeVault::new(app, world.faults.clone()));
    world
}

#[tokio::test]
async fn o18_a_secret_that_was_retired_signs_nothing() {
    let mut family = Family::new("O18");
    for (what, current, previous, valid, invalid) in [
        ("before a rotation", SECRET, None, vec![SECRET], vec!["next", "", "none", "None", "null"]),
        ("while it runs", "next", Some(SECRET), vec!["next", SECRET], vec!["older", "", "nex", "next "]),
        ("after it", "next", None, vec!["next"], vec![SECRET, "", "older"]),
        (
            "after the one that follows",
            "third",
            Some("next"),
            vec!["third", "next"],
            vec![SECRET, "", "thirdnext", "nextthird"],
        ),
    ] {
        for key in invalid {
            let mut attempt = Attempt::within(rotated(current, previous), "st-1", "acme").await;
            let query = signed_by(key, &attempt.plain);
            family
                .refuses(&attempt.world, &format!("{what}, signed by {key:?}"), FORGED, attempt.event(&query))
                .await;
            attempt.query = signed_by(current, &attempt.plain);
            family.owner_finishes(&mut attempt).await;
        }
        for key in valid {
            let attempt = Attempt::within(rotated(current, previous), "st-1", "acme").await;
            let response = attempt.world.send(attempt.event(&signed_by(key, &attempt.plain))).await;
            family.check(&format!("{what}, {key} should sign"), outcome(&response) == "connected");
        }
    }
    family.report(36);
}
