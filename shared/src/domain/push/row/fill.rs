//! The value of one field of one record.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::code::Code;
use super::super::coerce::{Misfit, coerce, is_nothing};
use super::super::document::IfNull;
use super::super::mapping::{Each, End, Field, Reference, Source, Transform, Wanted};
use super::super::target::Scalar;
use super::{Row, RowProblem};

/// The longest list that `each` goes through in one row.
const MOST_ELEMENTS: usize = 10_000;

/// Where values are looked for.
#[derive(Clone, Copy)]
pub(super) struct Rows<'r> {
    /// The row, or the first of the group.
    pub(super) row: &'r Row,
    /// The element that `each` is at; the row itself outside of it.
    pub(super) element: &'r Row,
    /// The rows of the group.
    pub(super) all: &'r [&'r Row],
}

impl<'r> Rows<'r> {
    /// The value that a reference leads to.
    pub(super) fn get(&self, reference: &Reference) -> Option<&'r Value> {
        match reference {
            Reference::Column(column) => self.element.get(column),
            Reference::Pointer(pointer) => {
                let rest = pointer.strip_prefix('/')?;
                let end = rest.find('/').unwrap_or(rest.len());
                let (name, below) = rest.split_at(end);
                let name = if name.contains('~') {
                    Cow::Owned(name.replace("~1", "/").replace("~0", "~"))
                } else {
                    Cow::Borrowed(name)
                };
                self.row.get(name.as_ref())?.pointer(below)
            }
        }
    }
}

/// A key as text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The value of a field of a record: what it fills, and the ids that are still to be asked for.
#[derive(Debug)]
pub(super) struct Filled {
    /// Its number in the mapping.
    pub(super) field: usize,
    /// The value; a list of what is added, where the field adds to one. `null` clears.
    pub(super) value: Value,
    /// The ids that are lacking in it.
    pub(super) lookups: Vec<Lacking>,
}

/// An id that is to be asked for, within the value of a field.
#[derive(Debug)]
pub(super) struct Lacking {
    pub(super) what: Wanted,
    pub(super) key: String,
    /// The element it belongs to, where the field adds to a list.
    pub(super) element: Option<usize>,
    /// The pointer from there.
    pub(super) below: String,
}

/// Why a field has no value.
enum Trouble {
    Missing,
    Told,
}

impl Field {
    /// The part of the row it is filled from, where it is filled once and from a column.
    pub(super) fn of_the_row(&self) -> Option<&Reference> {
        match &self.source {
            Source::Row(reference) => Some(reference),
            _ => None,
        }
    }

    /// What is done to the text of this part of the row, where the field is filled from it.
    pub(in super::super) fn transforms_of(&self, from: &Reference) -> Option<Vec<Transform>> {
        let same = self.of_the_row() == Some(from) && !self.transforms.is_empty();
        same.then(|| self.transforms.clone())
    }
}

/// Fills a field. What is wrong is told; none where there is nothing to fill it with.
pub(super) fn fill(
    at: usize,
    field: &Field,
    rows: &Rows<'_>,
    shown: &str,
    problems: &mut Vec<RowProblem>,
) -> Option<Filled> {
    let mut lookups = Vec::new();
    match value(field, rows, shown, &mut lookups, problems) {
        Ok(value) => Some(Filled { field: at, value, lookups }),
        Err(Trouble::Told) => None,
        Err(Trouble::Missing) => {
            if field.required || field.if_null == IfNull::Fail {
                tell(field, shown, Code::RequiredMissing, "there is no value", problems);
            } else if field.if_null == IfNull::Clear {
                let empty = match field.end {
                    End::Elements(_) => Value::Array(Vec::new()),
                    _ => Value::Null,
                };
                return Some(Filled { field: at, value: empty, lookups });
            }
            None
        }
    }
}

fn tell(field: &Field, shown: &str, code: Code, message: &str, problems: &mut Vec<RowProblem>) {
    let column = match &field.source {
        Source::Row(from) | Source::Lookup { from, .. } => Some(from.as_str().to_owned()),
        Source::Each { of: Each::Json(from), .. } => Some(from.as_str().to_owned()),
        _ => None,
    };
    problems.push(RowProblem { code, path: shown.to_owned(), column, message: message.to_owned() });
}

/// The value as the field's end takes it.
fn value(
    field: &Field,
    rows: &Rows<'_>,
    shown: &str,
    lookups: &mut Vec<Lacking>,
    problems: &mut Vec<RowProblem>,
) -> Result<Value, Trouble> {
    let raw = match &field.source {
        Source::Row(reference) => Cow::Borrowed(rows.get(reference).ok_or(Trouble::Missing)?),
        Source::Constant(value) => Cow::Borrowed(value),
        Source::Template(template) => {
            let text = template.render(rows.element).map_err(|error| {
                tell(field, shown, Code::TemplateError, &error.to_string(), problems);
                Trouble::Told
            })?;
            // A template that makes nothing of a row has nothing for the field.
            if text.trim().is_empty() {
                return Err(Trouble::Missing);
            }
            Cow::Owned(Value::String(text))
        }
        Source::Each { of, fields, needed } => {
            let elements = elements(field, of, fields, rows, shown, lookups, problems)?;
            let before = problems.len();
            needed.check(&elements, shown.trim_end_matches("[]"), problems);
            return if problems.len() > before { Err(Trouble::Told) } else { Ok(elements) };
        }
        Source::Lookup { what, from } => {
            let key =
                rows.get(from).and_then(text_of).filter(|key| !key.is_empty()).ok_or(Trouble::Missing)?;
            lookups.push(Lacking { what: *what, key, element: None, below: String::new() });
            return Ok(Value::Null);
        }
        Source::Money { amount, currency } => {
            let End::Money { amount: (amount_name, of_amount), currency: (currency_name, of_currency) } =
                &field.end
            else {
                return Err(Trouble::Missing);
            };
            let part = |from: &Reference, scalar: &Scalar| {
                let value = rows.get(from).filter(|value| !is_nothing(value, scalar)).ok_or(None)?;
                coerce(value, scalar).map_err(|misfit| Some((from.as_str().to_owned(), misfit)))
            };
            let parts = part(amount, of_amount).and_then(|amount| Ok((amount, part(currency, of_currency)?)));
            return match parts {
                Ok((amount, currency)) => {
                    let money = [(amount_name.clone(), amount), (currency_name.clone(), currency)];
                    Ok(Value::Object(Map::from_iter(money)))
                }
                Err(None) => Err(Trouble::Missing),
                Err(Some((column, misfit))) => {
                    let (code, path) = (Code::TypeMismatch, shown.to_owned());
                    problems.push(RowProblem {
                        code,
                        path,
                        column: Some(column),
                        message: misfit.to_string(),
                    });
                    Err(Trouble::Told)
                }
            };
        }
    };
    ended(field, &raw, shown, problems)
}

/// A plain value as the field's end takes it.
fn ended(field: &Field, raw: &Value, shown: &str, problems: &mut Vec<RowProblem>) -> Result<Value, Trouble> {
    let mut misfit = |misfit: Misfit| {
        tell(field, shown, Code::TypeMismatch, &misfit.to_string(), problems);
        Trouble::Told
    };
    match &field.end {
        End::Value(scalar) => {
            if is_nothing(raw, scalar) {
                return Err(Trouble::Missing);
            }
            let raw = transformed(raw, &field.transforms).map_err(&mut misfit)?;
            coerce(&raw, scalar).map_err(misfit)
        }
        End::Elements(scalar) => {
            let parts: Vec<Cow<'_, Value>> = match (raw, &field.split) {
                (Value::Null, _) => return Err(Trouble::Missing),
                (Value::String(text), Some(between)) => {
                    let parts = text.split(between.as_str()).map(str::trim).filter(|part| !part.is_empty());
                    parts.map(|part| Cow::Owned(Value::from(part))).collect()
                }
                (Value::Array(list), _) => list.iter().map(Cow::Borrowed).collect(),
                (one, _) => vec![Cow::Borrowed(one)],
            };
            let mut elements = Vec::with_capacity(parts.len());
            for part in parts.iter().filter(|part| !is_nothing(part, scalar)) {
                let part = transformed(part, &field.transforms).map_err(&mut misfit)?;
                elements.push(coerce(&part, scalar).map_err(&mut misfit)?);
            }
            if elements.is_empty() { Err(Trouble::Missing) } else { Ok(Value::Array(elements)) }
        }
        End::Metafield { namespace, key, kind, scalar } => {
            if is_nothing(raw, scalar) || raw.as_str() == Some("") {
                return Err(Trouble::Missing);
            }
            let raw = transformed(raw, &field.transforms).map_err(&mut misfit)?;
            let value = match coerce(&raw, scalar).map_err(misfit)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let metafield = [
                ("namespace".to_owned(), Value::from(namespace.as_str())),
                ("key".to_owned(), Value::from(key.as_str())),
                ("type".to_owned(), Value::from(kind.as_str())),
                ("value".to_owned(), Value::from(value)),
            ];
            Ok(Value::Array(vec![Value::Object(Map::from_iter(metafield))]))
        }
        End::Choice { name: (name_field, name), value: value_field } => {
            if is_nothing(raw, &Scalar::Decimal) {
                return Err(Trouble::Missing);
            }
            let raw = transformed(raw, &field.transforms).map_err(&mut misfit)?;
            let value = coerce(&raw, &Scalar::Text).map_err(misfit)?;
            let choice = [(name_field.clone(), Value::from(name.as_str())), (value_field.clone(), value)];
            Ok(Value::Array(vec![Value::Object(Map::from_iter(choice))]))
        }
        // Filled by `each` and `money` alone; the mapping would not have been compiled otherwise.
        End::Objects | End::Money { .. } => Err(Trouble::Missing),
    }
}

/// The text as the transforms leave it.
pub(super) fn transformed<'v>(raw: &'v Value, transforms: &[Transform]) -> Result<Cow<'v, Value>, Misfit> {
    let (Value::String(text), false) = (raw, transforms.is_empty()) else { return Ok(Cow::Borrowed(raw)) };
    let mut text = text.clone();
    for transform in transforms {
        text = match transform {
            Transform::Trim => text.trim().to_owned(),
            Transform::Lowercase => text.to_lowercase(),
            Transform::Uppercase => text.to_uppercase(),
            Transform::E164(country) => country.complete(&text).ok_or(Misfit::PHONE)?,
        };
    }
    Ok(Cow::Owned(Value::String(text)))
}

/// The objects that `each` makes of a list.
fn elements(
    field: &Field,
    of: &Each,
    fields: &[Field],
    rows: &Rows<'_>,
    shown: &str,
    lookups: &mut Vec<Lacking>,
    problems: &mut Vec<RowProblem>,
) -> Result<Value, Trouble> {
    let parsed: Vec<Value>;
    let elements: Vec<&Row> = match of {
        Each::Rows => rows.all.to_vec(),
        Each::Json(reference) => {
            let list = match rows.get(reference) {
                None | Some(Value::Null) => return Err(Trouble::Missing),
                Some(Value::String(text)) if text.trim().is_empty() => return Err(Trouble::Missing),
                Some(Value::Array(list)) => list,
                Some(Value::String(text)) => {
                    parsed = serde_json::from_str(text).map_err(|_| {
                        tell(
                            field,
                            shown,
                            Code::TypeMismatch,
                            "the column must hold a list in JSON",
                            problems,
                        );
                        Trouble::Told
                    })?;
                    &parsed
                }
                Some(_) => {
                    tell(field, shown, Code::TypeMismatch, "the column must hold a list", problems);
                    return Err(Trouble::Told);
                }
            };
            let objects: Vec<&Row> = list.iter().filter_map(Value::as_object).collect();
            if objects.len() < list.len() || list.len() > MOST_ELEMENTS {
                let message = format!("the list must hold objects, {MOST_ELEMENTS} at most");
                tell(field, shown, Code::TypeMismatch, &message, problems);
                return Err(Trouble::Told);
            }
            objects
        }
    };
    if elements.is_empty() {
        return Err(Trouble::Missing);
    }
    let before = problems.len();
    let mut objects = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let context = Rows { row: rows.row, element, all: &[] };
        let mut object = super::Input { values: Value::Object(Map::new()), lookups: Vec::new() };
        for (at, inner) in fields.iter().enumerate() {
            let told = problems.len();
            let filled = fill(at, inner, &context, &inner.to, problems);
            for problem in &mut problems[told..] {
                problem.path = format!("{}[{index}].{}", shown.trim_end_matches("[]"), problem.path);
            }
            if let Some(filled) = filled {
                filled.place(inner, &mut object);
            }
        }
        lookups.extend(object.lookups.into_iter().map(|lookup| Lacking {
            what: lookup.what,
            key: lookup.key,
            element: Some(index),
            below: lookup.pointer,
        }));
        objects.push(object.values);
    }
    if problems.len() > before { Err(Trouble::Told) } else { Ok(Value::Array(objects)) }
}
