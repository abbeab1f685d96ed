//! A mapping as the merchant writes it. Everything that serde can hold is held here; `compile` does the rest.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::code::Code;
use super::target::{MatchBy, Stream};

/// The version of mappings that is read.
pub const VERSION: u64 = 1;

/// One thing that is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MappingProblem {
    /// Where it stands in the document, as a JSON pointer.
    pub path: String,
    /// What is wrong; `docs/push.md` lists the codes.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub code: Code,
    /// What to do about it.
    pub hint: String,
}

/// What a mapping does with the records of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Creates what is not there; what is there is skipped.
    Create,
    /// Changes what is there; what is not fails.
    Update,
    /// Creates or changes.
    Upsert,
    /// Creates, or changes what can be changed.
    CreateOrUpdate,
    /// Sets absolute quantities.
    Set,
}

impl Operation {
    /// What can be done with a stream.
    pub fn of(stream: Stream) -> &'static [Self] {
        match stream {
            Stream::Products | Stream::Customers => &[Self::Upsert, Self::Create, Self::Update],
            Stream::ProductVariants => &[Self::Update],
            Stream::Orders => &[Self::CreateOrUpdate, Self::Create],
            Stream::InventoryLevels => &[Self::Set],
        }
    }

    /// Whether records may come into being.
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::Upsert | Self::CreateOrUpdate)
    }
}

/// What a missing value means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfNull {
    /// The field is left alone.
    #[default]
    Omit,
    /// The field is emptied.
    Clear,
    /// The row fails.
    Fail,
}

/// When a field is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// With a new record and with one that exists.
    #[default]
    Both,
    /// With a new record alone.
    Create,
    /// With a record that exists alone.
    Update,
}

/// Which values of a record that exists are overwritten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// Those that differ.
    #[default]
    IfChanged,
    /// Those that are empty.
    IfEmpty,
    /// All of them.
    Always,
}

/// What happens to the elements of a list that the row does not name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListPolicy {
    /// They stay; what the row names is changed or added.
    #[default]
    Merge,
    /// They go.
    Replace,
    /// They stay; what the row names is added.
    Add,
    /// They stay; what the row names goes.
    Remove,
}

/// What happens where keys lead to different records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The row fails.
    #[default]
    Fail,
}

/// What happens to a change that the destination cannot make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnsupported {
    /// The row fails.
    #[default]
    Fail,
    /// The rest of the row is written.
    Skip,
}

/// One text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneOrMore<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(serde::de::value::StrDeserializer::new(text)).map(|one| OneOrMore(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(each) = list.next_element()? {
                    all.push(each);
                }
                Ok(OneOrMore(all))
            }
        }
        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// How a record is found again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matching {
    pub(super) by: OneOrMore<MatchBy>,
    pub(super) key: Option<String>,
    pub(super) from: OneOrMore<String>,
    #[serde(default)]
    pub(super) on_conflict: OnConflict,
}

/// A mapping of rows to records. Its fields are read one by one, so that each tells its own problem.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordDocument {
    pub(super) version: u64,
    #[serde(rename = "stream")]
    pub(super) _stream: Stream,
    pub(super) operation: Operation,
    #[serde(rename = "match")]
    pub(super) matching: Matching,
    pub(super) group_rows_by: Option<String>,
    #[serde(default)]
    pub(super) options: Map<String, Value>,
    pub(super) fields: Vec<Value>,
    #[serde(default)]
    pub(super) lists: BTreeMap<String, ListPolicy>,
    #[serde(default)]
    pub(super) on_unsupported_change: OnUnsupported,
}

/// A constant. Apart from `Value`, so that `null` is one too.
#[derive(Debug)]
pub(super) struct Constant(pub(super) Value);

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Constant>, D::Error> {
    Constant::deserialize(deserializer).map(Some)
}

/// One entry of `fields`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldDocument {
    pub(super) to: String,
    pub(super) from: Option<String>,
    #[serde(rename = "const", default, deserialize_with = "given")]
    pub(super) constant: Option<Constant>,
    pub(super) template: Option<String>,
    pub(super) each: Option<String>,
    pub(super) lookup: Option<LookupDocument>,
    pub(super) money: Option<MoneyDocument>,
    pub(super) fields: Option<Vec<Value>>,
    pub(super) split: Option<String>,
    #[serde(default)]
    pub(super) transform: Vec<String>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) if_null: Option<IfNull>,
    pub(super) on: Option<On>,
    pub(super) write: Option<Write>,
}

/// A value that the shop has to be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupDocument {
    pub(super) variant_by: Option<MatchBy>,
    pub(super) item_by: Option<MatchBy>,
    pub(super) location_by: Option<MatchBy>,
    pub(super) from: String,
}

/// An amount with its currency.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MoneyDocument {
    pub(super) amount: String,
    pub(super) currency: String,
}

/// A mapping of rows to stock levels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelDocument {
    pub(super) version: u64,
    #[serde(rename = "stream")]
    pub(super) _stream: Stream,
    pub(super) operation: Operation,
    #[serde(rename = "match")]
    pub(super) matching: LevelMatching,
    pub(super) quantity: Quantity,
    #[serde(default)]
    pub(super) options: LevelOptions,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelMatching {
    pub(super) item: KeyDocument,
    pub(super) location: KeyDocument,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyDocument {
    pub(super) by: MatchBy,
    pub(super) from: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quantity {
    pub(super) name: QuantityName,
    pub(super) from: String,
    #[serde(rename = "mode")]
    pub(super) _mode: QuantityMode,
}

/// Which quantity is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantityName {
    /// What can be sold.
    Available,
    /// What lies there.
    OnHand,
}

/// How a quantity is meant: there is no other way yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum QuantityMode {
    /// As the whole stock.
    Absolute,
}

/// What applies to every level.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LevelOptions {
    /// The reason that the shop's history of the stock tells.
    pub reason: Reason,
    /// What the stock must still be for the write to take place.
    pub compare: Compare,
    /// Whether an item is put on stock where it is not.
    pub activate_if_not_stocked: bool,
    /// Which items are left out instead of failing.
    pub skip: Vec<Skip>,
    /// What happens where several items have the key.
    pub duplicate_sku: OnConflict,
}

impl Default for LevelOptions {
    fn default() -> Self {
        Self {
            reason: Reason::Correction,
            compare: Compare::Live,
            activate_if_not_stocked: false,
            skip: Vec::new(),
            duplicate_sku: OnConflict::Fail,
        }
    }
}

/// Why stock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was wrong.
    Correction,
    /// It was counted.
    CycleCountAvailable,
    /// Goods came in.
    Received,
    /// Goods were put back.
    Restock,
    /// Something else.
    Other,
}

/// What a stock level is compared with before it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// With what was read in the same plan.
    Live,
}

/// What may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Items whose stock is not tracked.
    Untracked,
    /// Items that consist of others.
    BundleParent,
}

/// Reads a part of a document; what is wrong with its form becomes a problem.
pub(super) fn read<T: DeserializeOwned>(
    value: &Value,
    path: &str,
    problems: &mut Vec<MappingProblem>,
) -> Option<T> {
    let read = T::deserialize(value);
    read.map_err(|error| {
        problems.push(MappingProblem {
            path: path.to_owned(),
            code: Code::MappingMalformed,
            hint: error.to_string(),
        });
    })
    .ok()
}
