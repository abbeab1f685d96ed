//! A merchant's own catalogue: the product export of Shopify's admin
//! (<https://help.shopify.com/en/manual/products/import-export/using-csv>).
//!
//! One row per variant or image, grouped by handle; what belongs to the product stands in the first of its rows.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Read;

use super::build::{self, OPENED};
use super::columns::{Column, named};
use crate::model::{Cents, Shop};

mod assemble;

/// A shop read from a file.
#[derive(Clone, Debug)]
pub struct CsvShop {
    /// The shop: its products, one location called `Main`, and a manual collection per name in a column `Collection`.
    pub shop: Shop,
    /// What was left out or guessed.
    pub warnings: Vec<Warning>,
}

/// Something in the file that was left out or guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line of the file, the heading being line 1.
    pub line: u64,
    /// What, in words.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.text)
    }
}

/// Why a file cannot be read. Lines are counted in the file, so a row with line breaks inside quotes takes several.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CsvError {
    /// It is empty.
    #[error("the file is empty")]
    Empty,
    /// It is not a product export.
    #[error("the first line names no column `Handle`{hint}; it names: {found}")]
    NoHandle {
        /// What may have happened.
        hint: &'static str,
        /// The headings, joined by commas.
        found: String,
    },
    /// The same column stands there twice.
    #[error("the first line names the column `{heading}` twice")]
    Twice {
        /// The heading.
        heading: String,
    },
    /// The text is broken: not UTF-8, or a row with too many or too few cells.
    #[error("line {line}: {what}")]
    Broken {
        /// Where.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A cell holds something else than its column says.
    #[error("line {line}: `{value}` in column `{column}` is not {wanted}")]
    Cell {
        /// Where the row begins.
        line: u64,
        /// The heading.
        column: String,
        /// What stands there.
        value: String,
        /// What should.
        wanted: &'static str,
    },
    /// The row belongs to no product.
    #[error("line {line}: {what}")]
    Row {
        /// Where the row begins.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads the export into the shop `{label}.myshopify.com`.
///
/// # Errors
/// [`CsvError`] for the first thing that cannot be read, with its line.
pub fn csv<R: Read>(label: &str, reader: R) -> Result<CsvShop, CsvError> {
    let mut reader = ::csv::ReaderBuilder::new().from_reader(reader);
    let headings = reader.headers().map_err(|error| broken(&error))?.clone();
    let mut warnings = Vec::new();
    let columns = Columns::read(&headings, &mut warnings)?;

    let mut groups: Vec<Vec<Row>> = Vec::new();
    let mut group_of: HashMap<String, usize> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error))?;
        let line = record.position().map_or(0, ::csv::Position::line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let row = Row { line, cells: columns.cells(&record) };
        let handle = row.text(Column::Handle);
        if handle.is_empty() {
            return Err(CsvError::Row { line, what: "the row has no handle, so it belongs to no product" });
        }
        let last = groups.len();
        let group = *group_of.entry(handle.to_owned()).or_insert(last);
        if group == last {
            groups.push(vec![row]);
        } else {
            if group + 1 != last {
                warnings.push(Warning {
                    line,
                    text: format!("the rows of `{handle}` are not together; joined by their handle"),
                });
            }
            groups[group].push(row);
        }
    }

    let mut shop = build::shop(label, label);
    let main = build::location(shop.take_id(), "Main", OPENED);
    let main_id = main.id;
    shop.locations.insert(main_id, main.into());
    let mut collections: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for rows in &groups {
        let mut assembler = assemble::Assembler::new(&mut shop, main_id, &columns, &mut warnings);
        let product = assembler.product(rows)?;
        for name in rows.iter().map(|row| row.text(Column::Collection)).filter(|name| !name.is_empty()) {
            let members = collections.entry(name.to_owned()).or_default();
            if !members.contains(&product.id) {
                members.push(product.id);
            }
        }
        shop.products.insert(product.id, product.into());
    }
    for (name, members) in collections {
        let collection = assemble::collection(&mut shop, &name, members);
        shop.collections.insert(collection.id, collection.into());
    }
    shop.refresh_collections();
    Ok(CsvShop { shop, warnings })
}

fn broken(error: &::csv::Error) -> CsvError {
    let line = error.position().map_or(0, ::csv::Position::line);
    let what = match error.kind() {
        ::csv::ErrorKind::Utf8 { .. } => {
            "the text is not UTF-8; export it again, or save it as UTF-8".to_owned()
        }
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "the row has {len} cells, the heading has {expected_len}; a quotation mark may be missing"
            )
        }
        _ => error.to_string(),
    };
    CsvError::Broken { line, what }
}

/// Which column stands where.
struct Columns {
    at: HashMap<Column, usize>,
    headings: Vec<String>,
}

impl Columns {
    fn read(headings: &::csv::StringRecord, warnings: &mut Vec<Warning>) -> Result<Self, CsvError> {
        if headings.iter().all(|heading| heading.trim().is_empty()) {
            return Err(CsvError::Empty);
        }
        let mut columns = Self { at: HashMap::new(), headings: headings.iter().map(str::to_owned).collect() };
        let mut ignored = Vec::new();
        for (place, heading) in headings.iter().enumerate() {
            match named(heading) {
                Some(column) if columns.at.insert(column, place).is_some() => {
                    return Err(CsvError::Twice { heading: heading.to_owned() });
                }
                Some(_) => {}
                None => ignored.push(heading),
            }
        }
        if !columns.has(Column::Handle) {
            let hint = if headings.len() == 1 && headings.iter().any(|heading| heading.contains(';')) {
                " (its cells seem to be separated by `;`: export it again instead of saving it from a spreadsheet)"
            } else {
                ""
            };
            let found = columns.headings.join(", ");
            return Err(CsvError::NoHandle { hint, found });
        }
        warnings.extend(
            ignored
                .into_iter()
                .map(|heading| Warning { line: 1, text: format!("column `{heading}` is not imported") }),
        );
        Ok(columns)
    }

    fn has(&self, column: Column) -> bool {
        self.at.contains_key(&column)
    }

    fn heading(&self, column: Column) -> String {
        self.at.get(&column).and_then(|place| self.headings.get(*place)).cloned().unwrap_or_default()
    }

    fn cells(&self, record: &::csv::StringRecord) -> HashMap<Column, String> {
        let cell = |place: &usize| record.get(*place).filter(|cell| !cell.is_empty()).map(str::to_owned);
        self.at.iter().filter_map(|(column, place)| Some((*column, cell(place)?))).collect()
    }

    fn wrong(&self, row: &Row, column: Column, wanted: &'static str) -> CsvError {
        let value = row.text(column).to_owned();
        CsvError::Cell { line: row.line, column: self.heading(column), value, wanted }
    }
}

/// One row: its filled cells.
struct Row {
    line: u64,
    cells: HashMap<Column, String>,
}

impl Row {
    /// The cell without surrounding space; empty if there is none.
    fn text(&self, column: Column) -> &str {
        self.raw(column).trim()
    }

    /// The cell as it stands.
    fn raw(&self, column: Column) -> &str {
        self.cells.get(&column).map_or("", String::as_str)
    }

    fn some(&self, column: Column) -> Option<String> {
        let text = self.text(column);
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn number(&self, column: Column, columns: &Columns) -> Result<Option<i64>, CsvError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| columns.wrong(self, column, "a whole number"))
    }

    /// Grams, that exports write with or without decimals.
    fn grams(&self, columns: &Columns) -> Result<Option<f64>, CsvError> {
        let text = self.text(Column::Grams);
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(grams) if grams.is_finite() && grams >= 0.0 => Ok(Some(grams)),
            _ => Err(columns.wrong(self, Column::Grams, "a weight in grams")),
        }
    }

    fn flag(&self, column: Column, columns: &Columns) -> Result<Option<bool>, CsvError> {
        match self.text(column).to_lowercase().as_str() {
            "" => Ok(None),
            "true" | "yes" | "1" => Ok(Some(true)),
            "false" | "no" | "0" => Ok(Some(false)),
            _ => Err(columns.wrong(self, column, "true or false")),
        }
    }

    /// An amount such as `12`, `12.5` or `12.50`, in hundredths.
    fn money(&self, column: Column, columns: &Columns) -> Result<Option<Cents>, CsvError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        cents(text).map(Some).ok_or_else(|| columns.wrong(self, column, "an amount such as 12.50"))
    }
}

fn cents(text: &str) -> Option<Cents> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 2 {
        return None;
    }
    whole.parse::<Cents>().ok()?.checked_mul(100)?.checked_add(format!("{part:0<2}").parse().ok()?)
}

#[cfg(test)]
#[path = "product_csv_tests.rs"]
mod tests;
