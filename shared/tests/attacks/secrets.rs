//! Nothing that an attack brings or meets leaks: neither into logs nor tables nor answers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::family::{Attempt, Family, signed, signed_by, stored};
use crate::lines;
use crate::world::{Browser, SECRET, callback_event, outcome, profile};

#[tokio::test]
async fn o13_nothing_secret_is_told_to_anyone() {
    let (lines, guard) = lines::collect();
    let mut family = Family::new("O13");
    let mut told = Vec::new();

    let attempt = Attempt::new().await;
    let world = &attempt.world;
    let cookie = attempt.browser.0.values().next().unwrap().clone();
    let mut secrets: Vec<String> = vec![SECRET.to_owned(), cookie];
    for name in ["code", "state", "hmac"] {
        let value = attempt.query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap();
        secrets.push(value.to_owned());
    }
    // Refused at every stage, with markers of the attacker's own that must not be repeated either.
    let marker = "m4rk3r-of-the-attacker";
    secrets.push(marker.to_owned());
    let malformed = (400, "callback_malformed");
    for (query, expected) in [
        (attempt.with("shop", marker), malformed),
        (signed(&attempt.with("shop", &format!("{marker}.evil.example"))), malformed),
        (format!("{}&hmac={marker}", attempt.plain), (403, "callback_forged")),
        (format!("{}&{marker}=1", attempt.query), malformed),
        (format!("{}&marker={marker}", attempt.query), (403, "callback_forged")),
        (signed_by(marker, &attempt.plain), (403, "callback_forged")),
        (signed(&attempt.with("timestamp", marker)), (403, "callback_stale")),
        (signed(&attempt.with("state", marker)), (403, "callback_mismatch")),
    ] {
        told.push(world.send(attempt.event(&query)).await.body);
        family.refuses(world, &query, expected, attempt.event(&query)).await;
    }
    told.push(world.send(callback_event(&attempt.query, &Browser::default())).await.body);
    let invalid = world.begin("st-1", &format!("{marker}@evil.example"), &mut Browser::default()).await;
    told.push(invalid.body);
    told.push(world.stored("st-1").map(|connector| format!("{connector:?}")).unwrap());

    // Taken, replayed, failed at the shop.
    let response = world.send(attempt.event(&attempt.query)).await;
    family.check("it should connect", outcome(&response) == "connected");
    told.extend([response.headers["location"].clone(), response.cookies.join("\n"), response.body]);
    secrets.extend(world.vault.readable_tokens());
    told.push(world.send(attempt.event(&attempt.query)).await.body);
    let poor = Attempt::new().await;
    poor.world.shop.open(profile("acme", 1_001, "read_locations"));
    told.push(poor.world.send(poor.event(&poor.query)).await.headers["location"].clone());
    let lost = Attempt::new().await;
    lost.world.shop.set_down(true);
    told.push(lost.world.send(lost.event(&lost.query)).await.headers["location"].clone());
    secrets.extend([poor.value("code").to_owned(), lost.value("state").to_owned()]);
    told.push(world.card("st-1").await.to_string());
    drop(guard);

    // The vault is where tokens belong, so only the other tables are searched.
    let tables = [stored(&poor.world), stored(&lost.world), world.connectors.dump()].join("\n");
    let logs = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    family.check("nothing was logged at all", logs.contains("connected") && logs.contains("refused"));
    for (place, text) in [("logs", logs.as_str()), ("tables", &tables), ("answers", &told.join("\n"))] {
        for secret in &secrets {
            let lower = secret.to_lowercase();
            let forms = [
                secret.clone(),
                lower,
                hex::encode(secret),
                STANDARD_NO_PAD.encode(secret),
                URL_SAFE_NO_PAD.encode(secret),
                url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
                secret.chars().rev().collect(),
            ];
            for form in forms {
                family.check(&format!("{form} in the {place}"), !text.contains(&form));
            }
        }
    }
    family.report(180);
}
