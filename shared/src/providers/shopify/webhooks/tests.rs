use std::collections::BTreeMap;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha2::Sha256;

use super::topics::changed;
use super::*;
use crate::domain::run::Wanted;

fn secret() -> AppSecret {
    AppSecret { client_id: "app".to_owned(), current: "hush".into(), previous: Some("before".into()) }
}

fn sign(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(body);
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

fn headers(topic: &str, hmac: String) -> BTreeMap<String, String> {
    [
        ("x-shopify-topic", topic.to_owned()),
        ("x-shopify-hmac-sha256", hmac),
        ("x-shopify-shop-domain", "acme.myshopify.com".to_owned()),
        ("x-shopify-webhook-id", "id-1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn verify(headers: &BTreeMap<String, String>, body: &[u8]) -> Result<Incoming, WebhookRefusal> {
    Shopify::new().verify_webhook(&|name| headers.get(name).cloned(), body, &secret())
}

/// Shopify's own: <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries> computes it this way.
#[test]
fn the_signature_is_the_one_that_openssl_computes() {
    // printf '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
    let hmac = "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=".to_owned();
    assert_eq!(sign("hush", br#"{"id":1}"#), hmac);
    assert!(verify(&headers("products/update", hmac), br#"{"id":1}"#).is_ok());
}

#[test]
fn every_topic_that_is_subscribed_to_is_understood_and_carries_what_is_read() {
    for topic in TOPICS {
        let fields = topic.fields.iter().map(|field| {
            let value = match *field {
                "admin_graphql_api_id" => "gid://shopify/BulkOperation/1",
                "myshopify_domain" => "acme.myshopify.com",
                _ => "1",
            };
            ((*field).to_owned(), serde_json::Value::from(value))
        });
        let body = serde_json::Value::Object(fields.collect()).to_string();
        let incoming = verify(&headers(topic.name, sign("hush", body.as_bytes())), body.as_bytes()).unwrap();
        assert!(incoming.notice.is_some_and(|notice| !notice.is_for_the_app()), "{}", topic.name);
        // Deliveries that equal the one before are dropped, so that each needs something of its own.
        let once = ["app/uninstalled", "bulk_operations/finish"].contains(&topic.name)
            || topic.name.ends_with("/delete")
            || topic.name.ends_with("/disconnect");
        assert!(once || topic.fields.contains(&"updated_at"), "{}", topic.name);
    }
}

#[test]
fn topics_are_asked_for_as_far_as_scopes_allow() {
    let allowed = |scopes: &str| {
        let granted = Scopes::parse(scopes);
        TOPICS.iter().filter(|topic| topic.is_allowed(&granted)).count()
    };
    assert_eq!(allowed(""), 4);
    assert_eq!(allowed("read_products"), 10);
    assert_eq!(allowed("write_products,read_inventory,read_locations"), TOPICS.len());
    assert_eq!(TOPICS[0].in_graphql(), "APP_UNINSTALLED");
    assert_eq!(changed("inventory_levels/connect"), Some(Wanted::Stock));
    assert_eq!(changed("orders/create"), None);
}

#[test]
fn only_addresses_of_ours_have_a_key() {
    let base = Url::parse("https://api.example/webhooks/shopify").unwrap();
    let key = |uri| key_below(&base, uri);
    assert_eq!(key("https://api.example/webhooks/shopify/abc"), Some("abc"));
    for other in [
        "https://api.example/webhooks/shopify",
        "https://api.example/webhooks/shopify/",
        "https://api.example/webhooks/shopify/a/b",
        "https://api.example/webhooks/shopify2/abc",
        "https://api.example.evil/webhooks/shopify/abc",
        "arn:aws:events:eu-central-1::event-source/aws.partner/shopify.com/1/x",
    ] {
        assert_eq!(key(other), None, "{other}");
    }
}

#[test]
fn a_signature_of_nothing_is_none() {
    let right = headers("products/update", sign("hush", b""));
    assert_eq!(verify(&right, b""), Err(WebhookRefusal::Signature));
}

#[test]
fn of_two_signatures_the_one_under_the_newer_name_counts() {
    for (older, newer, signed) in [("hush", "other", false), ("other", "hush", true), ("hush", "hush", true)]
    {
        let mut both = headers("products/update", sign(older, b"{}"));
        both.insert("shopify-hmac-sha256".to_owned(), sign(newer, b"{}"));
        assert_eq!(verify(&both, b"{}") != Err(WebhookRefusal::Signature), signed, "{older}, {newer}");
    }
}

proptest! {
    #[test]
    fn nothing_unsigned_passes_and_nothing_panics(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        hmac in "[A-Za-z0-9+/=,]{0,60}",
        topic in "[a-z_/]{0,30}",
    ) {
        prop_assert_eq!(verify(&headers(&topic, hmac), &body), Err(WebhookRefusal::Signature));
    }

    #[test]
    fn whatever_is_signed_is_read_or_refused(
        body in ".{1,200}",
        topic in prop::sample::select(vec!["app/uninstalled", "customers/redact", "shop/redact", "bulk_operations/finish", "products/update", "x"]),
        key in prop::sample::select(vec!["hush", "before"]),
    ) {
        let read = verify(&headers(topic, sign(key, body.as_bytes())), body.as_bytes());
        prop_assert_ne!(read, Err(WebhookRefusal::Signature));
    }
}
