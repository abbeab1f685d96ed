//! Reading and writing attributes. An attribute that is not there or has another type is an item that this version
//! cannot read; the reason names the attribute, never its value.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::Key;
use super::units::Item;
use crate::ports::PortError;

/// A text.
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A whole number.
pub fn n(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// Bytes.
pub fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// An item that holds nothing but its key and the version of its form.
pub fn item(key: &Key, v: u32) -> Item {
    HashMap::from([("pk".to_owned(), s(&key.pk)), ("sk".to_owned(), s(&key.sk)), ("v".to_owned(), n(v))])
}

/// The key alone, as reads and deletes need it.
pub fn key_item(key: &Key) -> Item {
    HashMap::from([("pk".to_owned(), s(&key.pk)), ("sk".to_owned(), s(&key.sk))])
}

/// An item that was read.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    what: &'static str,
    item: &'a Item,
}

impl<'a> Reader<'a> {
    /// Reads an item of these versions of its form; any other is refused, so that an older build never misreads what
    /// a newer one wrote.
    pub fn new(
        what: &'static str,
        item: &'a Item,
        known: std::ops::RangeInclusive<u64>,
    ) -> Result<Self, PortError> {
        let reader = Self { what, item };
        let v: u64 = reader.number("v")?;
        if known.contains(&v) {
            Ok(reader)
        } else {
            Err(reader.malformed(format!("form {v} is not known to this version")))
        }
    }

    /// Reads what an index tells of an item: its keys, which have no version.
    pub fn keys_only(what: &'static str, item: &'a Item) -> Self {
        Self { what, item }
    }

    /// The error for an item that cannot be read.
    pub fn malformed(&self, why: impl ToString) -> PortError {
        PortError::Malformed { what: self.what, why: why.to_string() }
    }

    fn odd(&self, name: &str) -> PortError {
        self.malformed(format!("`{name}` is missing or has another type"))
    }

    /// A text that may be missing.
    pub fn maybe_text(&self, name: &str) -> Option<&'a str> {
        self.item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<&'a str, PortError> {
        self.maybe_text(name).ok_or_else(|| self.odd(name))
    }

    /// A whole number that may be missing.
    pub fn maybe_number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.item.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok())
    }

    /// A whole number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, PortError> {
        self.maybe_number(name).ok_or_else(|| self.odd(name))
    }

    /// Bytes.
    pub fn bytes(&self, name: &str) -> Result<&'a [u8], PortError> {
        let bytes = self.item.get(name).and_then(|value| value.as_b().ok());
        bytes.map(AsRef::as_ref).ok_or_else(|| self.odd(name))
    }

    /// A text that reads as an id or another checked type.
    pub fn parsed<T, E>(&self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, PortError> {
        parse(self.text(name)?).map_err(|_| self.odd(name))
    }

    /// JSON in a text.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, PortError> {
        from_json(self.what, self.text(name)?.as_bytes())
    }
}

/// Writes JSON.
pub fn to_json<T: Serialize>(what: &'static str, value: &T) -> Result<String, PortError> {
    serde_json::to_string(value).map_err(|error| json_error(what, &error))
}

/// Reads JSON.
pub fn from_json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, PortError> {
    serde_json::from_slice(bytes).map_err(|error| json_error(what, &error))
}

/// Where JSON is wrong. The parser's own words may repeat a value, so they stay out.
pub fn json_error(what: &'static str, error: &serde_json::Error) -> PortError {
    let why = format!("{:?} error in line {}, column {}", error.classify(), error.line(), error.column());
    PortError::Malformed { what, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_form_fails_loudly_and_no_value_is_repeated() {
        let key = Key { pk: "p".to_owned(), sk: "s".to_owned() };
        let newer = item(&key, 2);
        let error = Reader::new("run", &newer, 1..=1).err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("run cannot be read: form 2 is not known to this version"));
        let mut odd = item(&key, 1);
        odd.insert("doc".to_owned(), s("{\"token\":\"sesame"));
        let reader = Reader::new("run", &odd, 1..=1).unwrap();
        let error = reader.json::<serde_json::Value>("doc").err().map(|e| e.to_string()).unwrap();
        assert!(!error.contains("sesame"), "{error}");
        assert!(reader.number::<u64>("rev").is_err());
    }
}
