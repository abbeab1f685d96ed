//! Who calls: the one place that turns an authorizer's claims into a tenant.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest as _, Sha256};

use crate::app::error::{AppError, ErrorKind};
use crate::domain::ids::StoreId;

/// The caller of a protected route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the token speaks for.
    pub store: StoreId,
    /// The store's name, where the token has a claim `store_name`. For display only.
    pub store_name: Option<String>,
    /// The subject of the token, or its hash: an id that names nobody.
    pub subject: String,
    /// The network the request came from.
    pub origin: Option<String>,
}

/// Makes the caller from verified claims. The store that the path names must be the claim's own: another one is
/// answered exactly like one that does not exist.
pub(super) fn caller(
    claims: Option<&HashMap<String, String>>,
    store_claim: &str,
    path_store: Option<&str>,
    origin: Option<String>,
) -> Result<Caller, AppError> {
    let Some(claims) = claims else {
        return Err(AppError::new(
            ErrorKind::Unauthenticated,
            "unauthenticated",
            "This needs the token of a signed-in merchant.",
        ));
    };
    let text = |name: &str| claims.get(name).map(String::as_str).filter(|value| !value.is_empty());
    // A claim of several values arrives as `[a b]`, which is no store.
    let store = text(store_claim).and_then(|claim| StoreId::from_claim(claim).ok());
    let (Some(store), Some(subject)) = (store, text("sub").filter(|subject| subject.len() <= 256)) else {
        return Err(AppError::new(
            ErrorKind::Forbidden,
            "no_store",
            "This token does not speak for one store. Sign in to a store first.",
        ));
    };
    if path_store != Some(store.as_str()) {
        return Err(AppError::not_found());
    }
    let subject = opaque(subject);
    let store_name = text("store_name").filter(|name| name.len() <= 256).map(str::to_owned);
    Ok(Caller { store, store_name, subject, origin })
}

/// What is kept of a token's subject in runs and histories, which are never erased: the subject itself where it is an
/// opaque id, else a part of its hash. Some issuers put an e-mail address there, and that would name a person.
fn opaque(subject: &str) -> String {
    if subject.len() <= 128 && subject.bytes().all(|b| b.is_ascii_graphic() && b != b'@') {
        return subject.to_owned();
    }
    format!("sha256:{}", hex::encode(&Sha256::digest(subject.as_bytes())[..16]))
}

/// What is kept of a caller's address: its network, which tells one site from another and names nobody. None where
/// it is no address.
pub(super) fn network(address: &str) -> Option<String> {
    Some(match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(claims: serde_json::Value, path: Option<&str>) -> Result<String, &'static str> {
        let claims: HashMap<String, String> = serde_json::from_value(claims).unwrap();
        caller(Some(&claims), "store_id", path, None)
            .map(|caller| caller.store.as_str().to_owned())
            .map_err(|error| error.code)
    }

    #[test]
    fn takes_the_store_from_the_claim_alone() {
        use serde_json::json;
        let own = json!({"store_id": "st-1", "sub": "u1"});
        assert_eq!(code(own.clone(), Some("st-1")), Ok("st-1".to_owned()));
        assert_eq!(code(own.clone(), Some("st-2")), Err("not_found"));
        assert_eq!(code(own.clone(), Some("ST-1")), Err("not_found"));
        assert_eq!(code(own, None), Err("not_found"));
        assert_eq!(code(json!({"sub": "u1"}), Some("st-1")), Err("no_store"));
        assert_eq!(code(json!({"store_id": "st-1"}), Some("st-1")), Err("no_store"));
        assert_eq!(code(json!({"store_id": "[st-1 st-2]", "sub": "u1"}), Some("st-1")), Err("no_store"));
        assert_eq!(caller(None, "store_id", Some("st-1"), None).map_err(|e| e.code), Err("unauthenticated"));
    }

    #[test]
    fn keeps_a_subject_that_is_an_opaque_id_and_hashes_any_other() {
        for kept in ["u1", "auth0|5f7c8ec7", "google-oauth2|1234", "01890a5d-ac96-774b", &"x".repeat(128)] {
            assert_eq!(opaque(kept), kept);
        }
        for hashed in ["jo@example.com", "Jo Doe", "Zoë", "a\u{7f}", &"x".repeat(129)] {
            let subject = opaque(hashed);
            assert!(subject.starts_with("sha256:") && subject.len() == 39, "{hashed}: {subject}");
            assert_eq!(opaque(hashed), subject, "the same person acts under the same name");
        }
        let claims = serde_json::json!({"store_id": "st-1", "sub": "jo@example.com"});
        let claims: HashMap<String, String> = serde_json::from_value(claims).unwrap();
        let caller = caller(Some(&claims), "store_id", Some("st-1"), None).unwrap();
        assert!(!caller.subject.contains('@'), "{}", caller.subject);
    }

    #[test]
    fn keeps_the_network_of_an_address() {
        for (address, kept) in [
            ("203.0.113.9", Some("203.0.113.0/24")),
            ("2001:db8:1234:5678::9", Some("2001:db8:1234::/48")),
            ("::ffff:203.0.113.9", Some("203.0.113.0/24")),
            ("203.0.113", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(network(address).as_deref(), kept, "{address}");
        }
    }
}
