//! The columns that a mapping reads, so that a tool can offer them to whoever fills them.

use std::collections::BTreeMap;

use super::mapping::{Each, End, Field, Mapping, Reference, Source};

/// Columns by name, each with whether a row fails without it.
type Columns = BTreeMap<String, bool>;

impl Mapping {
    /// The columns that rows should have, each with whether a row fails without it. Of a template those that it prints.
    pub fn columns(&self) -> BTreeMap<String, bool> {
        let mut columns = Columns::new();
        match self {
            Self::Records(records) => {
                // Where there are several keys, any of them will do.
                let only = records.keys.len() == 1;
                for key in &records.keys {
                    note(&mut columns, &key.from, only);
                }
                if let Some(by) = &records.group_by {
                    note(&mut columns, by, false);
                }
                for field in &records.fields {
                    of_field(&mut columns, field, true);
                }
            }
            Self::Levels(levels) => {
                for from in [&levels.item.1, &levels.location.1, &levels.from] {
                    note(&mut columns, from, true);
                }
            }
        }
        columns
    }
}

fn note(columns: &mut Columns, from: &Reference, required: bool) {
    let name = match from {
        Reference::Column(name) => name.clone(),
        Reference::Pointer(pointer) => {
            let first = pointer.split('/').nth(1).unwrap_or_default();
            first.replace("~1", "/").replace("~0", "~")
        }
    };
    *columns.entry(name).or_default() |= required;
}

/// `of_row`: whether what it names are columns of the row, and not of an element of a list in it.
fn of_field(columns: &mut Columns, field: &Field, of_row: bool) {
    let mut from = |reference: &Reference, required: bool| {
        if of_row || matches!(reference, Reference::Pointer(_)) {
            note(columns, reference, required);
        }
    };
    match &field.source {
        Source::Row(reference) => from(reference, field.required && of_row),
        Source::Lookup { from: reference, .. } => from(reference, false),
        Source::Money { amount, currency } => {
            from(amount, false);
            from(currency, false);
        }
        Source::Template(template) if of_row => {
            for name in template.printed() {
                columns.entry(name.to_owned()).or_default();
            }
        }
        Source::Template(_) | Source::Constant(_) => {}
        Source::Each { of, fields, .. } => {
            if let Each::Json(reference) = of {
                from(reference, false);
            }
            let rows = of_row && matches!(of, Each::Rows) && matches!(field.end, End::Objects);
            for inner in fields {
                of_field(columns, inner, rows);
            }
        }
    }
}
