//! What rows become by a mapping: values that fit, or everything that is wrong with them. No call is made for it.

mod fill;

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};

use self::fill::{Filled, Rows, fill, text_of, transformed};
use super::code::Code;
use super::coerce::{coerce, is_nothing};
use super::document::{On, Operation, Write};
use super::mapping::{End, Field, Levels, Mapping, Records, Reference, Wanted};
use super::place;
use super::target::{MatchBy, Scalar};

/// One row as a data tool sends it.
pub type Row = Map<String, Value>;

/// One thing that is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    /// What is wrong.
    pub code: Code,
    /// The field, as the mapping writes it.
    pub path: String,
    /// The column that the value came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is wrong, in words. Never the value: it may be about a customer.
    pub message: String,
}

/// A key by which the record is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// What kind of key.
    pub by: MatchBy,
    /// Namespace and key of the metafield, of a custom id.
    pub metafield: Option<(String, String)>,
    /// Its value.
    pub value: String,
}

/// An id that has to be asked for, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// What is asked for.
    pub what: Wanted,
    /// Its key.
    pub key: String,
    /// Where the id belongs, as a JSON pointer into the input.
    pub pointer: String,
}

/// What a record shall be.
#[derive(Debug)]
pub struct Record<'m> {
    mapping: &'m Records,
    /// The keys that the row has, in the order in which they are tried. At least one.
    pub identifiers: Vec<Identifier>,
    filled: Vec<Filled>,
}

/// Whether a record comes into being or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is new.
    Create,
    /// It exists.
    Update,
}

/// What is sent, but for the ids that have to be asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// The values.
    pub values: Value,
    /// The ids that are lacking.
    pub lookups: Vec<Lookup>,
}

impl<'m> Record<'m> {
    /// The mapping it was made by.
    pub fn mapping(&self) -> &'m Records {
        self.mapping
    }

    /// The first of its keys: rows with the same one are the same record.
    pub fn key(&self) -> &str {
        self.identifiers.first().map_or("", |identifier| &identifier.value)
    }

    /// The fields that are filled, each with how it is written.
    pub fn fields(&self) -> impl Iterator<Item = (&'m Field, Write)> {
        self.filled.iter().map(|filled| {
            let field = &self.mapping.fields[filled.field];
            (field, field.write)
        })
    }

    /// What is sent for a purpose, or what the shop would refuse it for the lack of.
    pub fn input(&self, purpose: Purpose) -> Result<Input, Vec<RowProblem>> {
        let mut input = Input { values: Value::Object(Map::new()), lookups: Vec::new() };
        for filled in &self.filled {
            let field = &self.mapping.fields[filled.field];
            let wanted = match field.on {
                On::Both => true,
                On::Create => purpose == Purpose::Create,
                On::Update => purpose == Purpose::Update,
            };
            if wanted {
                filled.place(field, &mut input);
            }
        }
        let needed = match purpose {
            Purpose::Create => &self.mapping.to_create,
            Purpose::Update => &self.mapping.to_update,
        };
        let mut problems = Vec::new();
        needed.check(&input.values, "", &mut problems);
        if problems.is_empty() { Ok(input) } else { Err(problems) }
    }
}

/// What a stock level shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// The item.
    pub item: (Wanted, String),
    /// The place.
    pub location: (Wanted, String),
    /// The quantity.
    pub quantity: i32,
}

impl Records {
    /// What the rows of one record become. Without `group_rows_by` there is one.
    pub fn map<'m>(&'m self, rows: &[&Row]) -> Result<Record<'m>, Vec<RowProblem>> {
        let mut problems = Vec::new();
        let Some(first) = rows.first() else { return Err(problems) };
        let context = Rows { row: first, element: first, all: rows };
        let mut identifiers = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let value = context.get(&key.from).and_then(|value| transformed(value, &key.transforms).ok());
            let value = value.and_then(|value| text_of(&value)).filter(|value| !value.is_empty());
            identifiers.extend(value.map(|value| Identifier {
                by: key.by,
                metafield: key.metafield.clone(),
                value,
            }));
        }
        if identifiers.is_empty() {
            problems.push(RowProblem {
                code: Code::RequiredMissing,
                path: "match".to_owned(),
                column: self.keys.first().map(|key| key.from.as_str().to_owned()),
                message: "the row has no key".to_owned(),
            });
        }
        self.check_group(rows, &mut problems);
        let mut filled = Vec::with_capacity(self.fields.len());
        for (at, field) in self.fields.iter().enumerate() {
            filled.extend(fill(at, field, &context, &field.to, &mut problems));
        }
        if problems.is_empty() { Ok(Record { mapping: self, identifiers, filled }) } else { Err(problems) }
    }

    /// Rows of one record must agree on what is filled once.
    fn check_group(&self, rows: &[&Row], problems: &mut Vec<RowProblem>) {
        if rows.len() < 2 {
            return;
        }
        for field in &self.fields {
            let Some(from) = field.of_the_row() else { continue };
            let value = |row| {
                Rows { row, element: row, all: &[] }.get(from).filter(|value| !value.is_null()).cloned()
            };
            let first = value(rows[0]);
            if rows[1..].iter().any(|row| value(row) != first) {
                problems.push(RowProblem {
                    code: Code::GroupDisagrees,
                    path: field.to.clone(),
                    column: Some(from.as_str().to_owned()),
                    message: "the rows of this record have different values".to_owned(),
                });
            }
        }
    }

    /// The rows by record, in the order in which the records are met. A row without the column stands alone, and fails
    /// when it is mapped where the column is its key.
    pub fn group(&self, rows: &[&Row]) -> Vec<Vec<usize>> {
        let Some(by) = &self.group_by else { return (0..rows.len()).map(|at| vec![at]).collect() };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            let key = Rows { row, element: row, all: &[] }.get(by).and_then(text_of);
            match key.map(|key| *known.entry(key).or_insert(groups.len())) {
                Some(group) if group < groups.len() => groups[group].push(at),
                _ => groups.push(vec![at]),
            }
        }
        groups
    }

    /// Whether records may come into being.
    pub fn creates(&self) -> bool {
        self.operation.creates()
    }

    /// Whether records that exist are changed.
    pub fn changes(&self) -> bool {
        self.operation != Operation::Create
    }
}

impl Levels {
    /// What a row becomes.
    pub fn map(&self, row: &Row) -> Result<Level, Vec<RowProblem>> {
        let context = Rows { row, element: row, all: &[] };
        let mut problems = Vec::new();
        let mut key = |path: &str, from: &Reference| {
            let value = context.get(from).and_then(text_of).filter(|value| !value.is_empty());
            if value.is_none() {
                problems.push(RowProblem {
                    code: Code::RequiredMissing,
                    path: path.to_owned(),
                    column: Some(from.as_str().to_owned()),
                    message: "the row has no such key".to_owned(),
                });
            }
            value.unwrap_or_default()
        };
        let item = (Wanted::Item(self.item.0), key("match.item", &self.item.1));
        let location = (Wanted::Location(self.location.0), key("match.location", &self.location.1));
        let quantity = context.get(&self.from).filter(|value| !is_nothing(value, &Scalar::Integer));
        let told = match quantity.map(|value| coerce(value, &Scalar::Integer)) {
            Some(Ok(quantity)) => match quantity.as_i64().and_then(|quantity| i32::try_from(quantity).ok()) {
                Some(quantity) if problems.is_empty() => return Ok(Level { item, location, quantity }),
                Some(_) => return Err(problems),
                None => (Code::TypeMismatch, "the value must be a whole number of 32 bits".to_owned()),
            },
            Some(Err(misfit)) => (Code::TypeMismatch, misfit.to_string()),
            None => (Code::RequiredMissing, "the row has no quantity".to_owned()),
        };
        problems.push(RowProblem {
            code: told.0,
            path: "quantity".to_owned(),
            column: Some(self.from.as_str().to_owned()),
            message: told.1,
        });
        Err(problems)
    }
}

impl Mapping {
    /// The mapping to records, where it is one.
    pub fn records(&self) -> Option<&Records> {
        match self {
            Self::Records(records) => Some(records),
            Self::Levels(_) => None,
        }
    }

    /// The mapping to stock levels, where it is one.
    pub fn levels(&self) -> Option<&Levels> {
        match self {
            Self::Records(_) => None,
            Self::Levels(levels) => Some(levels),
        }
    }
}

/// Undoes what Multiwoven does to every text since 2025-02: it doubles apostrophes, so that `O'Brien` arrives as
/// `O''Brien`. Only for what comes from there.
pub fn undouble_apostrophes(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("''") => *text = text.replace("''", "'"),
        Value::Array(list) => list.iter_mut().for_each(undouble_apostrophes),
        Value::Object(map) => map.values_mut().for_each(undouble_apostrophes),
        _ => {}
    }
}

impl Filled {
    /// Puts the value where it belongs, and the look-ups with it.
    fn place(&self, field: &Field, input: &mut Input) {
        let adds =
            matches!(field.end, End::Elements(_) | End::Objects | End::Metafield { .. } | End::Choice { .. });
        let (base, first) = match &self.value {
            Value::Array(values) if adds => place::append(&mut input.values, &field.steps, values.clone()),
            value => (place::put(&mut input.values, &field.steps, value.clone()), 0),
        };
        input.lookups.extend(self.lookups.iter().map(|lookup| Lookup {
            what: lookup.what,
            key: lookup.key.clone(),
            pointer: match lookup.element {
                Some(element) => format!("{base}/{}{}", first + element, lookup.below),
                None => format!("{base}{}", lookup.below),
            },
        }));
    }
}
