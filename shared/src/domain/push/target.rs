//! What a push may fill: the inputs of the destination, as its pinned schema has them. The tables stand with the provider.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What a push can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Products with their variants.
    Products,
    /// Variants that exist, one a row.
    ProductVariants,
    /// Customers.
    Customers,
    /// Orders.
    Orders,
    /// Stock of items at locations.
    InventoryLevels,
}

impl Stream {
    /// Every stream, in the order in which they depend on each other.
    pub const ALL: [Self; 5] =
        [Self::Products, Self::ProductVariants, Self::Customers, Self::InventoryLevels, Self::Orders];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::ProductVariants => "product_variants",
            Self::Customers => "customers",
            Self::Orders => "orders",
            Self::InventoryLevels => "inventory_levels",
        }
    }

    /// Reads the stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.as_str() == text)
    }
}

/// The type of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Any text.
    Text,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A decimal number, kept as text so that nothing is lost of it.
    Decimal,
    /// A decimal number that the destination takes as a number.
    Number,
    /// Yes or no.
    Boolean,
    /// A point in time, RFC 3339.
    Timestamp,
    /// A day.
    Date,
    /// An address, `http` or `https`.
    Url,
    /// Any JSON, as text.
    Json,
    /// The destination's own id of a thing, which begins with this.
    Id(String),
    /// One of these words.
    OneOf(Vec<String>),
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A value.
    Scalar(Scalar),
    /// An object of this name.
    Object(String),
}

/// One field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What it holds, or what each of its elements is.
    pub kind: Kind,
    /// Whether it is a list.
    pub list: bool,
    /// Whether its object is refused without it.
    pub required: bool,
}

/// An object of the destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Its fields by name.
    pub fields: BTreeMap<String, Field>,
    /// Whether exactly one of them may be filled.
    pub one_of: bool,
}

/// How `option.<Name>` is written: an element of a list that names the option and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The list.
    pub list: String,
    /// The field that names the option.
    pub name: String,
    /// The field that holds the value.
    pub value: String,
}

/// What one stream may fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The object that a row becomes.
    pub root: String,
    /// What a new record is refused without.
    pub needed: BTreeSet<String>,
    /// How options are written, where there are any.
    pub choice: Option<Choice>,
    /// The object of what applies to the whole mapping, where there is one.
    pub options: Option<String>,
    /// The keys by which its records can be found again.
    pub matched_by: Vec<MatchBy>,
}

/// What every stream may fill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// Every object that can be reached.
    pub objects: BTreeMap<String, Object>,
    /// The streams of records. Stock levels have a form of their own.
    pub streams: BTreeMap<Stream, Target>,
}

/// A key by which a record is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchBy {
    /// A metafield with unique values.
    CustomId,
    /// The destination's own id.
    Id,
    /// The part of the address that names it.
    Handle,
    /// The stock keeping unit.
    Sku,
    /// The bar code.
    Barcode,
    /// The e-mail address.
    Email,
    /// The phone number.
    Phone,
    /// The name.
    Name,
}

/// The metafields that the shop has defined: for the record itself (an empty text) or the elements of a list of its.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions(BTreeMap<String, BTreeMap<(String, String), String>>);

impl Definitions {
    /// Adds a definition.
    pub fn insert(&mut self, of: &str, namespace: &str, key: &str, kind: &str) {
        let of = self.0.entry(of.to_owned()).or_default();
        of.insert((namespace.to_owned(), key.to_owned()), kind.to_owned());
    }

    /// The record itself, as an empty text, and the lists of it whose elements may have metafields.
    pub fn owners(&self) -> impl Iterator<Item = &str> {
        let lists = self.0.keys().map(String::as_str).filter(|of| !of.is_empty());
        std::iter::once("").chain(lists)
    }

    /// Namespace, key and type of each that is defined for the record itself or the elements of a list.
    pub fn of(&self, of: &str) -> impl Iterator<Item = (&str, &str, &str)> {
        let found = self.0.get(of).into_iter().flatten();
        found.map(|((namespace, key), kind)| (namespace.as_str(), key.as_str(), kind.as_str()))
    }

    /// The type of a metafield.
    pub fn kind(&self, of: &str, namespace: &str, key: &str) -> Option<&str> {
        let of = self.0.get(of)?;
        of.get(&(namespace.to_owned(), key.to_owned())).map(String::as_str)
    }
}
