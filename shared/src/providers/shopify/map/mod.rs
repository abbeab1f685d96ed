//! From Shopify's objects to records: one submodule per kind, this one for what they share.
//!
//! Values are normalised so that a rerun sees only what a merchant could see: decimals have one spelling, addresses of
//! files lose their query, sets are sorted, null and absent are the same. An empty text is not null.

pub(super) mod category;
pub(super) mod location;
pub(super) mod metafields;
pub(super) mod product;
mod stock;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::Value;

use super::gid::{Gid, GidKind};
use crate::domain::record::Resource;
use crate::domain::warning::Code;
use crate::ports::provider::{MapContext, SourceItem};

/// Children that are kept while their parent has not come yet. Shopify writes parents first; more than this many in
/// waiting means that the file is not grouped.
const MAX_WAITING: usize = 16_384;

/// One line of a feed.
pub(super) enum Line<D, C> {
    /// It begins an object.
    Root(D),
    /// It belongs to the object with this id, or to a child of it.
    Child(Gid, C),
}

/// A top-level object while its lines come in. It keeps what the record needs, not the lines.
pub(super) trait Draft: Sized + Send {
    /// What a line below the root holds.
    type Child: Send;

    /// Reads one line of the feed.
    fn read(line: &[u8], context: &MapContext) -> Result<Line<Self, Self::Child>, serde_json::Error>;

    /// Takes a child of the root or of one of its children, in whatever order they come.
    fn add(&mut self, parent: Gid, child: Self::Child);

    /// Whether so many children have no parent here that the file cannot be grouped.
    fn is_overrun(&self) -> bool;

    /// The object with all its children, and how many of them had no parent in it.
    fn finish(self) -> (SourceItem, u64);
}

/// Reads one line. Its text is checked as a whole, because checking every string in it costs several times as much.
fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(line) {
        Ok(text) => serde_json::from_str(text),
        // This reading fails too, and says where.
        Err(_) => Err(serde_json::from_slice::<Value>(line).err().unwrap_or_else(|| unexpected("no text"))),
    }
}

/// Children whose parent has not come yet.
struct Waiting<C> {
    children: Vec<(Gid, C)>,
    dropped: u64,
}

impl<C> Waiting<C> {
    fn new() -> Self {
        Self { children: Vec::new(), dropped: 0 }
    }

    fn push(&mut self, parent: Gid, child: C) {
        if self.children.len() < MAX_WAITING {
            self.children.push((parent, child));
        } else {
            self.dropped += 1;
        }
    }
}

/// Warnings about one object, each named once.
#[derive(Default)]
pub(super) struct Codes(Vec<(Resource, Code)>);

impl Codes {
    fn raise(&mut self, resource: Resource, code: Code) {
        if !self.0.contains(&(resource, code)) {
            self.0.push((resource, code));
        }
    }

    fn raise_if(&mut self, condition: bool, resource: Resource, code: Code) {
        if condition {
            self.raise(resource, code);
        }
    }

    /// In a fixed order, whatever order the lines came in.
    fn sorted(mut self) -> Vec<(Resource, Code)> {
        self.0.sort_unstable();
        self.0
    }
}

/// An object of which only the id was asked for.
#[derive(Deserialize)]
struct Reference {
    id: Gid,
}

/// `Count`: a number that may be a lower bound.
#[derive(Deserialize)]
pub(super) struct Count {
    pub(super) count: u64,
    precision: String,
}

impl Count {
    /// The number, where the shop vouches for it.
    pub(super) fn exact(&self) -> Option<u64> {
        (self.precision == "EXACT").then_some(self.count)
    }
}

/// Whether fewer or more children came than the object counts itself.
fn miscounted(announced: Option<&Count>, received: usize) -> bool {
    announced.and_then(Count::exact).is_some_and(|count| count != received as u64)
}

/// `Money` and `Decimal`: a decimal number as a text, in one spelling.
enum Money {
    Valid(String),
    Invalid,
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MoneyVisitor;
        impl Visitor<'_> for MoneyVisitor {
            type Value = Money;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decimal number as a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Money, E> {
                Ok(canonical_decimal(text).map_or(Money::Invalid, Money::Valid))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Money, E> {
                Ok(Money::Valid(format!("{number}.00")))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Money, E> {
                Ok(Money::Valid(format!("{number}.00")))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Money, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(MoneyVisitor)
    }
}

/// The value of an amount of money; an invalid one is left out and raises a warning.
fn money(amount: Option<Money>, codes: &mut Codes) -> Value {
    match amount {
        Some(Money::Valid(text)) => Value::String(text),
        Some(Money::Invalid) => {
            codes.raise(Resource::Variants, Code::FldPriceInvalid);
            Value::Null
        }
        None => Value::Null,
    }
}

/// The one spelling of a decimal number: no leading zeros, two decimals, more only where they say something.
fn canonical_decimal(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > 64 || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    // There is no negative zero.
    let sign = if negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    Some(format!("{sign}{whole}.{fraction:0<2}"))
}

/// The address of a file without what changes from one answer to the next.
fn file_address(mut url: String) -> String {
    if let Some(end) = url.find(['?', '#']) {
        url.truncate(end);
    }
    url
}

fn text(value: Option<String>) -> Value {
    value.map_or(Value::Null, Value::String)
}

fn flag(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::Bool)
}

fn number(value: Option<i64>) -> Value {
    value.map_or(Value::Null, Value::from)
}

/// A number that identifies something: a text, as the ids of children are.
fn id_text(id: u64) -> Value {
    Value::String(id.to_string())
}

/// A line of the wrong feed, or an object without what every such object has.
fn unexpected(what: &str) -> serde_json::Error {
    serde_json::Error::custom(what)
}

/// The number of a root, which must be of the kind the feed consists of.
fn root_id(id: Gid, kind: GidKind) -> Result<u64, serde_json::Error> {
    if id.kind == kind { Ok(id.id) } else { Err(unexpected("a root of another type")) }
}

#[cfg(test)]
mod tests;
