//! The checks of what strangers send, compiled from the product's own files with coverage counters.
//!
//! The crate `shared` as a whole brings AWS's clients and a TLS library, which would be built anew for this; these
//! files need none of it. `python -m local fuzz` fails when one of them moves.

#![expect(dead_code, reason = "only the checks are called")]

mod connect;
#[path = "../../../shared/src/domain/mod.rs"]
mod domain;
mod mapping;
#[path = "../../../shared/src/ports/mod.rs"]
mod ports;
mod webhooks;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use ports::provider::{AppSecret, CallbackRefusal, WebhookRefusal};

const KEY: &str = "hush";
const NOW: i64 = 1_790_000_000;

fn secret() -> AppSecret {
    AppSecret { client_id: "app".to_owned(), current: KEY.into(), previous: None }
}

fn mac(text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap_or_else(|_| std::process::abort());
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// The one label before the one suffix that a host may consist of.
fn is_shop(host: &str) -> bool {
    host.strip_suffix(".myshopify.com").is_some_and(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// Whatever is typed, the host is a shop's, and is read back as itself.
pub fn shop_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(shop) = connect::typed(text) {
        assert!(is_shop(shop.as_str()), "{text:?} made {shop}");
        assert_eq!(connect::shop_domain(shop.as_str()).as_ref(), Some(&shop));
        let url = url::Url::parse(&format!("https://{shop}/admin"));
        assert_eq!(
            url.ok().and_then(|url| url.host_str().map(str::to_owned)).as_deref(),
            Some(shop.as_str())
        );
    }
}

/// Nothing that nobody signed is taken; what is taken after it was signed names a shop and a state.
pub fn callback(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let now = jiff::Timestamp::from_second(NOW).unwrap_or_default();
    let unsigned = connect::callback(query, &secret(), now);
    assert!(unsigned.is_err() || query.contains("hmac"), "taken without a signature: {query:?}");
    // Signed as it stands, so that what lies behind the signature is reached.
    let signed = format!("{query}&hmac={}", hex::encode(mac(query.as_bytes())));
    match connect::callback(&signed, &secret(), now) {
        Ok(callback) => {
            assert!(is_shop(callback.shop.as_str()), "{query:?} made {}", callback.shop);
            let flipped = format!("{query}&hmac={}", hex::encode(mac(signed.as_bytes())));
            let refused = connect::callback(&flipped, &secret(), now).err();
            assert_eq!(refused, Some(CallbackRefusal::Signature), "{query:?}");
        }
        Err(CallbackRefusal::Malformed | CallbackRefusal::Signature | CallbackRefusal::Stale) => {}
    }
}

/// Headers up to an empty line, then the body: refused without a signature, whatever stands in it.
pub fn webhook(data: &[u8]) {
    let at = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let lines = String::from_utf8_lossy(&data[..at]).into_owned();
    let body = data.get(at + 2..).unwrap_or_default();
    let given = |name: &str| {
        lines
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| *key == name))
            .map(|(_, v)| v.to_owned())
    };
    let unsigned = |name: &str| if name.ends_with("hmac-sha256") { None } else { given(name) };
    assert_eq!(webhooks::webhook(&unsigned, body, &secret()).err(), Some(WebhookRefusal::Signature));
    let right = base64::engine::general_purpose::STANDARD.encode(mac(body));
    let signed = |name: &str| if name == "x-shopify-hmac-sha256" { Some(right.clone()) } else { given(name) };
    if let Ok(incoming) = webhooks::webhook(&signed, body, &secret()) {
        assert!(is_shop(incoming.shop.as_str()) && incoming.id.len() <= 128 && incoming.topic.len() <= 64);
    }
}

/// A mapping on the first line, rows on the others: whatever they are, rows are mapped or refused, and twice alike.
pub fn mapped(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let document = lines.next().and_then(|line| serde_json::from_slice(line).ok());
    let rows = lines.next().map(domain::push::inputs::ndjson_rows).unwrap_or_default();
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    if let Some(document) = document {
        mapping::applied(&document, &rows);
    }
}
