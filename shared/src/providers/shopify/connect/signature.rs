//! The callback's query string: its form, its signature, its time. Pure.
//!
//! Rules: <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant>
//! ("Validate the HMAC") and Shopify's own library, which is where the encoding and the 90 seconds come from.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use super::name;
use crate::ports::provider::{AppSecret, Callback, CallbackRefusal};

const MAX_QUERY_BYTES: usize = 4 * 1024;
const MAX_PARAMETERS: usize = 32;
const MAX_SKEW_SECONDS: i64 = 90;

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

/// The names that the shop gives its parameters.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Splits and decodes a query. Names are unique: of two values, one could be signed and the other used.
fn parse(raw_query: &str) -> Option<BTreeMap<String, String>> {
    if raw_query.is_empty() || raw_query.len() > MAX_QUERY_BYTES {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for pair in raw_query.split('&') {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (decode(name)?, decode(value)?);
        if !is_name(&name) || parameters.len() == MAX_PARAMETERS {
            return None;
        }
        if parameters.insert(name, value).is_some() {
            return None;
        }
    }
    Some(parameters)
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The text that was signed: sorted by name, values encoded anew, as Shopify's library does it. `agreement` in
/// `infra/local/drills/` compares the two.
fn canonical(parameters: &BTreeMap<String, String>) -> String {
    let mut signed: Vec<_> =
        parameters.iter().filter(|(name, _)| *name != "hmac" && *name != "signature").collect();
    // Its order is one for people, in which `_` stands before the digits.
    signed.sort_by_cached_key(|(name, _)| name.replace('_', " "));
    let pairs: Vec<String> =
        signed.into_iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
    pairs.join("&")
}

/// Whether a text carries this signature. Takes the same time whatever the answer.
fn is_signed(text: &str, key: &str, signature: &[u8]) -> bool {
    // A key of any length is fine, so the error cannot occur.
    Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .is_ok_and(|mac| mac.chain_update(text.as_bytes()).verify_slice(signature).is_ok())
}

fn hex_signature(text: &str) -> Option<Vec<u8>> {
    let lower = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| hex::decode(text).ok()).flatten()
}

fn is_token(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
}

fn whole_seconds(text: &str) -> Option<i64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Checks form, signature and time, in that order.
pub(super) fn verify(
    raw_query: &str,
    secret: &AppSecret,
    now: Timestamp,
) -> Result<Callback, CallbackRefusal> {
    let parameters = parse(raw_query).ok_or(CallbackRefusal::Malformed)?;
    let value = |name: &str| parameters.get(name).map(String::as_str);
    let needed = |name: &str| value(name).ok_or(CallbackRefusal::Malformed);
    let (shop, state, hmac, timestamp) =
        (needed("shop")?, needed("state")?, needed("hmac")?, needed("timestamp")?);
    let shop = name::domain(shop).filter(|domain| domain.as_str() == shop);
    let shop = shop.ok_or(CallbackRefusal::Malformed)?;
    let code = value("code").filter(|_| value("error").is_none());
    if !is_token(state, 128) || !code.is_none_or(|code| is_token(code, 512)) {
        return Err(CallbackRefusal::Malformed);
    }
    let signature = hex_signature(hmac).ok_or(CallbackRefusal::Signature)?;
    let text = canonical(&parameters);
    let mut signed = false;
    for key in std::iter::once(&secret.current).chain(&secret.previous) {
        signed |= is_signed(&text, key.expose_secret(), &signature);
    }
    if !signed {
        return Err(CallbackRefusal::Signature);
    }
    let at = whole_seconds(timestamp).ok_or(CallbackRefusal::Stale)?;
    if (now.as_second() - at).abs() > MAX_SKEW_SECONDS {
        return Err(CallbackRefusal::Stale);
    }
    Ok(Callback { shop, state: state.into(), code: code.map(Into::into) })
}

#[cfg(test)]
mod tests;
