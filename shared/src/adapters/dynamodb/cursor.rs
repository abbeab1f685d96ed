//! Cursors: a position in one list, of use in no other. A position never names a partition by itself, so that a
//! cursor made up by a caller reaches nothing beyond the list he asks for anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::Xxh3;

use crate::ports::PortError;

/// Longest cursor taken.
const MAX_CHARS: usize = 512;

/// The list that a cursor belongs to.
pub struct Scope(u64);

impl Scope {
    /// A list by its name and everything that tells it from others: tenant, kind, …
    pub fn new(parts: &[&str]) -> Self {
        let mut hash = Xxh3::new();
        for part in parts {
            hash.update(part.as_bytes());
            hash.update(b"\0");
        }
        Self(hash.digest())
    }

    /// The cursor for a position.
    pub fn encode(&self, position: &str) -> String {
        let mut bytes = self.0.to_le_bytes().to_vec();
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a cursor; `PortError::Malformed` of a `cursor` where it is of another list or no cursor at all.
    pub fn decode(&self, cursor: &str) -> Result<String, PortError> {
        if cursor.len() > MAX_CHARS {
            return Err(refused("it is too long"));
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused("it is not one of ours"))?;
        let Some((scope, position)) = bytes.split_first_chunk::<8>() else {
            return Err(refused("it is not one of ours"));
        };
        if u64::from_le_bytes(*scope) != self.0 {
            return Err(refused("it belongs to another list"));
        }
        String::from_utf8(position.to_vec()).map_err(|_| refused("it is not one of ours"))
    }
}

/// A cursor that cannot be used.
pub fn refused(why: &str) -> PortError {
    PortError::Malformed { what: "cursor", why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_works_in_its_own_list_only() {
        let (a, b) = (Scope::new(&["runs", "one"]), Scope::new(&["runs", "two"]));
        let cursor = a.encode("run_1");
        assert_eq!(a.decode(&cursor).ok().as_deref(), Some("run_1"));
        for bad in [cursor.as_str(), "", "!", "AAAA", &"A".repeat(600)] {
            let error = b.decode(bad).err();
            assert!(matches!(error, Some(PortError::Malformed { what: "cursor", .. })), "{bad}: {error:?}");
        }
        assert_ne!(Scope::new(&["ab", "c"]).0, Scope::new(&["a", "bc"]).0);
    }
}
