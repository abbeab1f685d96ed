//! Identifiers. Each has a private field and a fallible `parse`: holding one is the proof that it is well formed.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

/// The merchant's store on our side: the tenant.
///
/// Made only from the authorizer's verified claim (`from_claim`) or read back from what such a store
/// wrote (`from_stored`); never from a path, header or body. The key of a data tool is what a store wrote: whoever has
/// it acts for that store, in one place (`app/push/keys.rs`) and for one stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct StoreId(String);

const STORE_RULE: &str = "1 to 64 letters, digits, `-` or `_`";

impl StoreId {
    fn checked(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidId { what: "store_id", rule: STORE_RULE }) }
    }

    /// The tenant named by a verified claim of the caller's token.
    pub(crate) fn from_claim(claim: &str) -> Result<Self, InvalidId> {
        Self::checked(claim)
    }

    /// The tenant under which a record or message of our own was written.
    pub(crate) fn from_stored(text: &str) -> Result<Self, InvalidId> {
        Self::checked(text)
    }

    /// A tenant for tests.
    #[cfg(feature = "testkit")]
    pub fn for_test(text: &str) -> Result<Self, InvalidId> {
        Self::checked(text)
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commerce platform that a store can be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProviderId {
    /// Shopify.
    Shopify,
}

impl ProviderId {
    /// Every provider there is.
    pub const ALL: [Self; 1] = [Self::Shopify];

    /// Reads the path segment or key part that names a provider.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == text)
            .ok_or(InvalidId { what: "provider", rule: "`shopify`" })
    }

    /// The stable name used in paths and keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
        }
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub struct $name(String);

        impl $name {
            /// Makes a new id from a time-ordered (version 7) uuid.
            pub fn new(uuid: Uuid) -> Self {
                Self(format!(concat!($prefix, "{}"), uuid.simple()))
            }

            /// Reads an id as it stands in a path, a key or a message.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let fits = text.strip_prefix($prefix).is_some_and(|rest| {
                    rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                });
                if fits {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { what: $what, rule: concat!("`", $prefix, "` and 32 hexadecimal digits") })
                }
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

prefixed_id!(
    /// One run of an import, preview or undo. Sorts by time of creation.
    RunId, "run_", "run_id"
);
prefixed_id!(
    /// One installation of our app in one shop for one store. Every token belongs to one; none is ever reused.
    InstallId, "ins_", "install_id"
);

/// The permanent number of a shop at its provider. Domains alias and redirect; this never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShopId(pub u64);

impl fmt::Display for ShopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shop's normalised address at its provider (`acme.myshopify.com`), as the provider's own rules accept it.
/// Only `Provider::parse_shop` makes one from outside input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShopDomain(String);

impl ShopDomain {
    /// Takes a domain that the provider's rule has accepted.
    pub(crate) fn accepted(domain: String) -> Self {
        Self(domain)
    }

    /// The text of the domain, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShopDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
