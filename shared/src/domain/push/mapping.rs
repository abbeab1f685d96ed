//! A mapping, compiled: every name is resolved, every template parsed, every constant checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::compile;
use super::document::{
    IfNull, LevelOptions, ListPolicy, MappingProblem, On, OnConflict, OnUnsupported, Operation, QuantityName,
    Write,
};
use super::needed::Needed;
use super::phone::Country;
use super::target::{Definitions, MatchBy, Scalar, Stream, Targets};
use super::template::Template;

/// A mapping of rows to what the shop has.
#[derive(Debug)]
pub enum Mapping {
    /// To records with fields.
    Records(Records),
    /// To stock levels.
    Levels(Levels),
}

impl Mapping {
    /// Compiles a document, or tells everything that is wrong with it. Where the columns of the rows are known, it is
    /// also told which of them do not exist.
    pub fn compile(
        document: &Value,
        targets: &Targets,
        definitions: &Definitions,
        columns: Option<&BTreeSet<String>>,
    ) -> Result<Self, Vec<MappingProblem>> {
        compile::compile(document, targets, definitions, columns)
    }

    /// What it fills.
    pub fn stream(&self) -> Stream {
        match self {
            Self::Records(records) => records.stream,
            Self::Levels(_) => Stream::InventoryLevels,
        }
    }
}

/// A mapping of rows to records.
#[derive(Debug)]
pub struct Records {
    /// What it fills.
    pub stream: Stream,
    /// What it does.
    pub operation: Operation,
    /// What applies to every record.
    pub options: Map<String, Value>,
    /// What happens to elements of lists that a row does not name; `Merge` where nothing is said.
    pub lists: BTreeMap<String, ListPolicy>,
    /// What happens to a change that the shop cannot make.
    pub on_unsupported_change: OnUnsupported,
    /// What happens where keys lead to different records.
    pub on_conflict: OnConflict,
    /// The keys, in the order in which they are tried.
    pub(super) keys: Vec<Key>,
    pub(super) group_by: Option<Reference>,
    pub(super) fields: Vec<Field>,
    pub(super) to_create: Needed,
    pub(super) to_update: Needed,
}

/// A key and where it comes from.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) by: MatchBy,
    /// Namespace and key of the metafield, of a custom id.
    pub(super) metafield: Option<(String, String)>,
    pub(super) from: Reference,
    /// Those of the field that is filled from the same place: a record is found by what is written.
    pub(super) transforms: Vec<Transform>,
}

/// A mapping of rows to stock levels.
#[derive(Debug)]
pub struct Levels {
    /// Which quantity is set.
    pub quantity: QuantityName,
    /// What applies to every level.
    pub options: LevelOptions,
    pub(super) from: Reference,
    pub(super) item: (MatchBy, Reference),
    pub(super) location: (MatchBy, Reference),
}

/// Where a value stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// In a column; of an element's own, inside `each`.
    Column(String),
    /// Where a JSON pointer leads, always from the row.
    Pointer(String),
}

impl Reference {
    pub(super) fn parse(text: &str) -> Self {
        if text.starts_with('/') { Self::Pointer(text.to_owned()) } else { Self::Column(text.to_owned()) }
    }

    /// As the mapping writes it.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Column(text) | Self::Pointer(text) => text,
        }
    }
}

/// One entry of `fields`.
#[derive(Debug)]
pub struct Field {
    /// The path as the mapping writes it.
    pub to: String,
    /// When it is written.
    pub on: On,
    /// Which values of a record that exists are overwritten.
    pub write: Write,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
    pub(super) source: Source,
    pub(super) split: Option<String>,
    pub(super) transforms: Vec<Transform>,
    pub(super) required: bool,
    pub(super) if_null: IfNull,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Field(String),
    Index(usize),
}

/// What stands at the end of a path.
#[derive(Debug)]
pub(super) enum End {
    /// A value.
    Value(Scalar),
    /// Values that are added to a list.
    Elements(Scalar),
    /// Objects that are added to a list.
    Objects,
    /// An amount and its currency.
    Money { amount: (String, Scalar), currency: (String, Scalar) },
    /// A metafield, added to the list of them.
    Metafield { namespace: String, key: String, kind: String, scalar: Scalar },
    /// The value of an option, added to the list of them.
    Choice { name: (String, String), value: String },
}

/// Where the value of a field comes from.
#[derive(Debug)]
pub(super) enum Source {
    Row(Reference),
    Constant(Value),
    Template(Template),
    Each { of: Each, fields: Vec<Field>, needed: Needed },
    Lookup { what: Wanted, from: Reference },
    Money { amount: Reference, currency: Reference },
}

/// The elements that `each` goes through.
#[derive(Debug)]
pub(super) enum Each {
    /// The rows of the group.
    Rows,
    /// A list in the row, or its JSON as text.
    Json(Reference),
}

/// A thing that the shop is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wanted {
    /// A variant.
    Variant(MatchBy),
    /// The item whose stock is kept.
    Item(MatchBy),
    /// A place that holds stock.
    Location(MatchBy),
}

/// What is done to a text before it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    Trim,
    Lowercase,
    Uppercase,
    E164(Country),
}
