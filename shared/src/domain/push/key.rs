//! Keys of data tools: each lets its holder send rows of one stream to one store, and nothing else.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::super::ids::{ProviderId, StoreId};
use super::target::Stream;

/// What every key begins with, so that people and scanners of code know one when they see it.
const PREFIX: &str = "mck_";
/// The digits that nobody can guess.
const DIGITS: usize = 64;
/// The digits of the checksum.
const CHECK: usize = 8;

/// A key as its holder has it: `mck_`, 64 hexadecimal digits that nobody can guess, and 8 of a checksum, by which a key
/// that was cut or mistyped is told from one that opens nothing any more. We show it once and keep its hash.
pub struct KeyText(SecretString);

impl KeyText {
    /// Makes a key of unguessable bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        let body = format!("{PREFIX}{}", hex::encode(bytes));
        let check = checksum(&body);
        Self((body + &check).into())
    }

    /// Reads a key as it stands in a header.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, check) = text.split_at_checked(PREFIX.len() + DIGITS)?;
        let digits = body.strip_prefix(PREFIX)?;
        let small = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (small(digits) && checksum(body) == check).then(|| Self(text.into()))
    }

    /// What is kept of it. Nobody guesses 32 random bytes, so their hash needs neither salt nor time.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.expose_secret().as_bytes()))
    }

    /// The key itself, for the one who asked for it.
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

fn checksum(body: &str) -> String {
    let mut check = hex::encode(Sha256::digest(body.as_bytes()));
    check.truncate(CHECK);
    check
}

/// How a tool sends its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// As Multiwoven does: `{"records": [{"fields": …}]}`, and every apostrophe of a mapped column doubled.
    Multiwoven,
    /// A JSON list of rows, `{"rows": […]}`, or in Multiwoven's form; taken as they are.
    #[default]
    Other,
}

/// A key as it is kept: never itself, only its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationKey {
    /// The id of the destination, part of its address. Not a secret.
    pub id: String,
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The only stream that it may fill.
    pub stream: Stream,
    /// Who sends rows with it.
    pub tool: Tool,
    /// What the merchant calls it.
    pub name: String,
    /// The hash of the key, in hexadecimal digits.
    pub hash: String,
    /// Who made it: the subject of the token, which names nobody.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// From when on it opens nothing, where it was made for a time.
    pub expires_at: Option<Timestamp>,
    /// When rows were last sent with it, give or take [`DestinationKey::USED_EVERY`].
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back; from then on it opens nothing.
    pub revoked_at: Option<Timestamp>,
}

impl DestinationKey {
    /// How exactly it is known when a key was last used. Noting every use would cost a write with every row.
    pub const USED_EVERY: std::time::Duration = std::time::Duration::from_secs(300);

    /// Whether it opens anything at this time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether its use at this time is worth noting.
    pub fn notes_use(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|last| last + Self::USED_EVERY <= now)
    }
}

/// The key that a text opens this stream with. What was found is compared without regard to how much of it fits, and
/// where nothing was found something is compared all the same: whoever waits for the answer learns nothing.
pub fn opened(
    found: Option<DestinationKey>,
    text: &KeyText,
    stream: &str,
    now: Timestamp,
) -> Option<DestinationKey> {
    let nothing = "0".repeat(DIGITS);
    let kept = found.as_ref().map_or(nothing.as_str(), |key| &key.hash);
    let fits = bool::from(kept.as_bytes().ct_eq(text.hash().as_bytes()));
    found.filter(|key| fits & (key.stream.as_str() == stream) & key.is_live(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &KeyText) -> DestinationKey {
        DestinationKey {
            id: "dst_1".to_owned(),
            store: StoreId::for_test("st-1").unwrap(),
            provider: ProviderId::ALL[0],
            stream: Stream::Products,
            tool: Tool::Multiwoven,
            name: "CRM".to_owned(),
            hash: text.hash(),
            created_by: "user-1".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_is_known_by_its_beginning_and_its_checksum() {
        let text = KeyText::new([7; 32]).into_secret();
        let text = text.expose_secret();
        assert_eq!(text, "mck_070707070707070707070707070707070707070707070707070707070707070773032e17");
        assert_eq!(KeyText::parse(text).map(|read| read.hash()), Some(KeyText::new([7; 32]).hash()));
        assert_ne!(KeyText::new([7; 32]).hash(), KeyText::new([8; 32]).hash());
        let capitals = text.to_uppercase();
        let longer = format!("{text}0");
        let mistyped = text.replace("mck_07", "mck_17");
        for wrong in [&text[..75], &longer, &mistyped, &capitals, "", "mck_", "é".repeat(40).as_str()] {
            assert!(KeyText::parse(wrong).is_none(), "{wrong}");
        }
        for place in 0..text.len() {
            let digit = if text.as_bytes()[place] == b'0' { "1" } else { "0" };
            let changed = format!("{}{digit}{}", &text[..place], &text[place + 1..]);
            assert!(KeyText::parse(&changed).is_none(), "{place}");
        }
    }

    #[test]
    fn a_key_opens_its_own_stream_as_long_as_it_lives() {
        let (text, other) = (KeyText::new([1; 32]), KeyText::new([2; 32]));
        let (kept, now) = (key(&text), at(100));
        assert_eq!(opened(Some(kept.clone()), &text, "products", now), Some(kept.clone()));
        assert_eq!(opened(None, &text, "products", now), None);
        assert_eq!(opened(Some(kept.clone()), &other, "products", now), None);
        for stream in ["customers", "product", "Products", ""] {
            assert_eq!(opened(Some(kept.clone()), &text, stream, now), None, "{stream}");
        }
        let until = |second| DestinationKey { expires_at: Some(at(second)), ..kept.clone() };
        assert!(opened(Some(until(101)), &text, "products", now).is_some());
        assert!(opened(Some(until(100)), &text, "products", now).is_none());
        let revoked = DestinationKey { revoked_at: Some(at(200)), ..kept.clone() };
        assert!(opened(Some(revoked), &text, "products", now).is_none(), "whatever the clocks say");
        // A stored hash that is none fits nothing, the one of nothing among it.
        for hash in ["", "0", &"0".repeat(64), &text.hash()[..63]] {
            let broken = DestinationKey { hash: hash.to_owned(), ..kept.clone() };
            assert!(opened(Some(broken), &text, "products", now).is_none(), "{hash}");
        }
    }

    #[test]
    fn use_is_noted_every_few_minutes() {
        let unused = key(&KeyText::new([1; 32]));
        assert!(unused.notes_use(at(1)));
        let used = DestinationKey { last_used_at: Some(at(1000)), ..unused };
        assert!(!used.notes_use(at(1299)) && used.notes_use(at(1300)));
    }
}
