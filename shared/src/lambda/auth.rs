//! Who calls: the one place that turns an authorizer's claims into a tenant.

use std::collections::HashMap;

use crate::app::error::{AppError, ErrorKind};
use crate::domain::ids::StoreId;

/// The caller of a protected route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the token speaks for.
    pub store: StoreId,
    /// The store's name, where the token has a claim `store_name`. For display only.
    pub store_name: Option<String>,
    /// The subject of the token: an opaque id.
    pub subject: String,
    /// The address the request came from.
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
    let store_name = text("store_name").filter(|name| name.len() <= 256).map(str::to_owned);
    Ok(Caller { store, store_name, subject: subject.to_owned(), origin })
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
}
