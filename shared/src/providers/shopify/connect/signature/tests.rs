use proptest::prelude::*;

use super::*;

const KEY: &str = "hush";
const NOW: i64 = 1_790_000_000;

fn sign(text: &str, key: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn secret() -> AppSecret {
    AppSecret { client_id: "app".to_owned(), current: KEY.into(), previous: Some("old hush".into()) }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// Signs parameters (already encoded, sorted by the caller) and appends the signature.
fn signed(text: &str, key: &str) -> String {
    format!("{text}&hmac={}", sign(text, key))
}

fn good() -> String {
    format!("code=c0de&host=YWRtaW4&shop=acme.myshopify.com&state=st4te&timestamp={NOW}")
}

fn check(query: &str) -> Result<Callback, CallbackRefusal> {
    verify(query, &secret(), now())
}

#[test]
fn matches_the_published_vectors() {
    let first = "code=0907a61c0c8d55e99db179b68161bc00&shop=some-shop.myshopify.com&timestamp=1337178173";
    assert_eq!(sign(first, "hush"), "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20");
    let shuffled = "timestamp=1337178173&hmac=00&shop=some-shop.myshopify.com&signature=x&code=0907a61c0c8d55e99db179b68161bc00";
    assert_eq!(canonical(&parse(shuffled).unwrap()), first);

    let second = "code=some%20code%20goes%20here&shop=the%20shop%20URL&state=some%20nonce%20passed%20from%20auth&timestamp=1700000000";
    let key = "my super secret key";
    assert_eq!(sign(second, key), "10207991f5c2c65c114b70a3c3544ce1d00a236ea4ab034793de0d6407be9165");
    // The same values, sent with `+` for a space, are encoded anew before they are compared.
    let plus = second.replace("%20", "+");
    assert_eq!(canonical(&parse(&plus).unwrap()), second);
    // The library sorts as people do.
    assert_eq!(canonical(&parse("a1=1&ab=2&a_b=3&a=4").unwrap()), "a=4&a_b=3&a1=1&ab=2");
}

#[test]
fn takes_what_either_secret_signed_in_any_order() {
    let callback = check(&signed(&good(), KEY)).unwrap();
    assert_eq!(callback.shop.as_str(), "acme.myshopify.com");
    assert_eq!(callback.state.expose_secret(), "st4te");
    assert_eq!(callback.code.unwrap().expose_secret(), "c0de");

    assert!(check(&signed(&good(), "old hush")).is_ok());
    let only = AppSecret { previous: None, ..secret() };
    let refused = verify(&signed(&good(), "old hush"), &only, now());
    assert_eq!(refused.err(), Some(CallbackRefusal::Signature));

    // `=` and `/` of a padded host are signed in their encoded form, however they are sent.
    let plain = good().replace("YWRtaW4", "YWRt/W4=");
    let encoded = good().replace("YWRtaW4", "YWRt%2FW4%3D");
    assert!(check(&signed(&encoded, KEY)).is_ok());
    assert!(check(&format!("{plain}&hmac={}", sign(&encoded, KEY))).is_ok());
    assert_eq!(check(&signed(&plain, KEY)).err(), Some(CallbackRefusal::Signature));

    let shuffled = format!(
        "hmac={}&timestamp={NOW}&state=st4te&shop=acme.myshopify.com&host=YWRtaW4&code=c0de",
        sign(&good(), KEY)
    );
    assert!(check(&shuffled).is_ok());
}

#[test]
fn a_refusal_by_the_merchant_is_no_code() {
    let denied = format!("error=access_denied&shop=acme.myshopify.com&state=st4te&timestamp={NOW}");
    assert!(check(&signed(&denied, KEY)).unwrap().code.is_none());
    let both = format!("code=c0de&{denied}");
    assert!(check(&signed(&both, KEY)).unwrap().code.is_none());
}

#[test]
fn refuses_every_change_of_a_signed_query() {
    let query = signed(&good(), KEY);
    for (from, to) in [
        ("c0de", "c0df"),
        ("acme.", "evil."),
        ("st4te", "st4tf"),
        ("1790000000", "1790000001"),
        ("YWRtaW4", "YWRtaW5"),
        ("&hmac=", "&extra=1&hmac="),
        ("code=c0de&", ""),
    ] {
        let changed = query.replacen(from, to, 1);
        assert_ne!(changed, query);
        assert_eq!(check(&changed).err(), Some(CallbackRefusal::Signature), "{from} -> {to}");
    }
}

#[test]
fn refuses_other_forms_of_a_signature() {
    let good_hmac = sign(&good(), KEY);
    for hmac in [
        good_hmac.to_uppercase(),
        good_hmac[..63].to_owned(),
        format!("{good_hmac}0"),
        format!("0x{}", &good_hmac[..62]),
        format!("%20{good_hmac}"),
        String::new(),
        "0".repeat(64),
        sign(&good(), ""),
        sign(&format!("{}&hmac=", good()), KEY),
    ] {
        let query = format!("{}&hmac={hmac}", good());
        assert_eq!(check(&query).err(), Some(CallbackRefusal::Signature), "{hmac}");
    }
    assert_eq!(check(&good()).err(), Some(CallbackRefusal::Malformed));
}

#[test]
fn refuses_queries_that_can_be_read_in_two_ways() {
    let query = signed(&good(), KEY);
    for twice in [
        "code=other",
        "shop=evil.myshopify.com",
        "state=other",
        "%73hop=evil.myshopify.com",
        "timestamp=1",
        "hmac=00",
    ] {
        for query in [format!("{query}&{twice}"), format!("{twice}&{query}")] {
            assert_eq!(check(&query).err(), Some(CallbackRefusal::Malformed), "{twice}");
        }
    }
    for text in [
        good().replace("code=c0de", "code"),
        good().replace("code=c0de", "ids[]=1&ids[]=2"),
        good().replace("code=c0de", "Code=c0de"),
        good().replace("code=c0de", "code%3Dc0de%26x=1"),
        good().replace("code=c0de", "code=%ff"),
        good().replace("code=c0de", "code=c0%0ade"),
        good().replace("code=c0de", &format!("code={}", "c".repeat(5_000))),
        good().replace("state=st4te", "state="),
        good().replace("state=st4te", "state=a%20b"),
        good().replace("acme.myshopify.com", "acme.myshopify.com%2F"),
        good().replace("acme.myshopify.com", "ACME.myshopify.com"),
        good().replace("acme.myshopify.com", "evil.example"),
        good().replace("acme.myshopify.com", "acme.myshopify.com.evil.example"),
        good().replace("&state=st4te", ""),
    ] {
        assert_eq!(check(&signed(&text, KEY)).err(), Some(CallbackRefusal::Malformed), "{text}");
    }
    assert_eq!(check("").err(), Some(CallbackRefusal::Malformed));
}

#[test]
fn refuses_times_that_are_not_now() {
    for (timestamp, fits) in [
        (NOW.to_string(), true),
        ((NOW - 90).to_string(), true),
        ((NOW + 90).to_string(), true),
        ((NOW - 91).to_string(), false),
        ((NOW + 91).to_string(), false),
        (format!("{NOW}.0"), false),
        (format!("%2B{NOW}"), false),
        (format!("{NOW}e0"), false),
        (format!("0x{NOW:x}"), false),
        (format!("%20{NOW}"), false),
        (format!("{NOW}000"), false),
        ("-1".to_owned(), false),
        (String::new(), false),
        ("99999999999999999999".to_owned(), false),
    ] {
        let text = good().replace(&NOW.to_string(), &timestamp);
        let refused = check(&signed(&text, KEY)).err();
        assert_eq!(refused, (!fits).then_some(CallbackRefusal::Stale), "{timestamp}");
    }
}

proptest! {
    #[test]
    fn never_panics_and_never_takes_what_nobody_signed(query in ".{0,200}") {
        prop_assert!(check(&query).is_err());
    }

    #[test]
    fn never_takes_a_random_signature(bytes in proptest::array::uniform32(any::<u8>())) {
        let query = format!("{}&hmac={}", good(), hex::encode(bytes));
        prop_assert_eq!(check(&query).err(), Some(CallbackRefusal::Signature));
    }
}
