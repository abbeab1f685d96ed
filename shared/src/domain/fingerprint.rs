//! Hashes of what was imported: they tell what the shop has changed since, and what the merchant has changed here.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::record::{Child, ChildShape};

/// What was last imported, as hashes: one for each field, child and order. Sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base(Vec<u64>);

impl Base {
    /// The base that consists of these hashes.
    pub fn of(mut hashes: Vec<u64>) -> Self {
        hashes.sort_unstable();
        Self(hashes)
    }

    /// Whether this very value was imported last.
    pub fn holds(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }

    /// The bytes to store: eight per hash, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.to_le_bytes()).collect()
    }

    /// Reads stored bytes back; none where their length is not a multiple of eight.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        rest.is_empty().then(|| Self(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()))
    }
}

/// A record's fingerprint: equal fingerprints mean that nothing a merchant could see differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub u64);

impl Digest {
    /// Sixteen hexadecimal digits.
    pub fn to_hex(self) -> String {
        format!("{:016x}", self.0)
    }

    /// Reads sixteen hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("a digest is 16 hexadecimal digits"))
    }
}

/// Hashes values by their canonical JSON. Keeps its buffer, because a product makes hundreds.
#[derive(Default)]
pub struct Hasher {
    buffer: Vec<u8>,
}

impl Hasher {
    /// The hash of one field of a record (`child` empty) or of a child.
    pub fn field(&mut self, list: &str, child: &str, name: &str, value: &Value) -> u64 {
        self.begin(list, child, name);
        // Writing JSON into memory cannot fail: every key is a string.
        let _ = serde_json::to_writer(&mut self.buffer, value);
        xxh3_64(&self.buffer)
    }

    /// The hash of all values of a child at once, notes of ours left out.
    pub fn whole(&mut self, list: &ChildShape, child: &Child) -> u64 {
        self.begin(list.resource.as_str(), &child.id, "*");
        let _ = serde_json::to_writer(&mut self.buffer, &child.values[..list.fields.len() - list.notes]);
        xxh3_64(&self.buffer)
    }

    /// The hash that says that a child was there.
    pub fn presence(&mut self, list: &str, child: &str) -> u64 {
        self.begin(list, child, "@");
        xxh3_64(&self.buffer)
    }

    /// The hash of the order of children.
    pub fn order<'a>(&mut self, list: &str, ids: impl Iterator<Item = &'a str>) -> u64 {
        self.begin(list, "", "#");
        for id in ids {
            self.buffer.extend_from_slice(id.as_bytes());
            self.buffer.push(b'\n');
        }
        xxh3_64(&self.buffer)
    }

    /// The fingerprint of a record with these hashes, in their fixed order.
    pub fn all(&mut self, hashes: &[u64]) -> Digest {
        self.buffer.clear();
        self.buffer.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
        Digest(xxh3_64(&self.buffer))
    }

    /// Begins the text to hash with what it is about. Hashing it in one go costs a fraction of a streaming hash, whose
    /// state alone is longer than most fields.
    fn begin(&mut self, list: &str, child: &str, name: &str) {
        self.buffer.clear();
        for part in [list, child, name] {
            self.buffer.extend_from_slice(part.as_bytes());
            self.buffer.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::Xxh3;

    use super::*;
    use crate::domain::record::Kind;

    /// Stored records keep these hashes: computed in another way, every record would seem to have changed.
    #[test]
    fn a_hash_is_that_of_its_parts_one_after_the_other() {
        let streamed = |parts: &[&str]| {
            let mut hash = Xxh3::new();
            parts.iter().for_each(|part| hash.update(part.as_bytes()));
            hash.digest()
        };
        let mut hasher = Hasher::default();
        let long = "x".repeat(1000);
        for (value, json) in [
            (Value::Null, "null".to_owned()),
            (Value::from(-7), "-7".to_owned()),
            (Value::from("a\"b"), r#""a\"b""#.to_owned()),
            (Value::from(long.as_str()), format!("\"{long}\"")),
        ] {
            let whole = streamed(&["variants\0", "12\0", "sku\0", &json]);
            assert_eq!(hasher.field("variants", "12", "sku", &value), whole);
        }
        let members = &Kind::Category.shape().children[0];
        let child = Child { id: "12".to_owned(), values: Vec::new(), missing_since: None };
        assert_eq!(hasher.whole(members, &child), streamed(&["memberships\0", "12\0", "*\0", "[]"]));
        let stock = &Kind::Stock.shape().children[0];
        let child =
            Child { id: "12:7".to_owned(), values: vec![1.into(); stock.fields.len()], missing_since: None };
        let without_note = "[1,1,1,1,1,1,1,1,1,1,1]";
        assert_eq!(hasher.whole(stock, &child), streamed(&["stock\0", "12:7\0", "*\0", without_note]));
        assert_eq!(hasher.presence("media", "12"), streamed(&["media\0", "12\0", "@\0"]));
        let order = hasher.order("media", ["2", "1"].into_iter());
        assert_eq!(order, streamed(&["media\0", "\0", "#\0", "2\n1\n"]));
    }
}
