//! Rows as they came, in pages.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mapping::Records;
use super::row::Row;

/// The most rows of one page.
pub const PAGE_ROWS: usize = 500;
/// The most bytes of one page, but for a row or group that is larger by itself.
pub const PAGE_BYTES: usize = 1_000_000;
/// The form of pages.
const FORM: u32 = 1;

/// One row and its number in the run; none where the line was no JSON object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberedRow {
    /// The number, from 0, in the order in which they were sent.
    pub seq: u64,
    /// The row.
    pub row: Option<Row>,
}

/// One page of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputPage {
    v: u32,
    /// The rows.
    pub rows: Vec<NumberedRow>,
}

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadablePage {
    /// It is not the JSON of one.
    #[error("a page of rows is not of the known form")]
    Form(#[from] serde_json::Error),
    /// A form that this version does not know.
    #[error("pages of form {0} are not known to this version")]
    Version(u32),
}

impl InputPage {
    /// Reads a page.
    pub fn read(bytes: &[u8]) -> Result<Self, UnreadablePage> {
        let page: Self = serde_json::from_slice(bytes)?;
        if page.v == FORM { Ok(page) } else { Err(UnreadablePage::Version(page.v)) }
    }

    /// The bytes of a page.
    pub fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// The rows of a body: a JSON list of objects, or an object that has nothing but `rows`, which are one. None where it is
/// neither.
pub fn json_rows(body: Value) -> Option<Vec<Option<Row>>> {
    match body {
        Value::Array(rows) => Some(rows.into_iter().map(as_row).collect()),
        Value::Object(mut map) => match map.remove("rows")? {
            Value::Array(rows) if map.is_empty() => Some(rows.into_iter().map(as_row).collect()),
            _ => None,
        },
        _ => None,
    }
}

/// The rows of NDJSON. Blank lines are none; a line that cannot be read is a row that fails by itself.
pub fn ndjson_rows(body: &[u8]) -> Vec<Option<Row>> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok().and_then(as_row)).collect()
}

fn as_row(value: Value) -> Option<Row> {
    match value {
        Value::Object(row) => Some(row),
        _ => None,
    }
}

/// Cuts rows into pages. Rows of one record stand on one page, wherever in the body they were.
pub fn pages(rows: Vec<Option<Row>>, records: Option<&Records>) -> Vec<InputPage> {
    let mut groups = grouped(rows, records).into_iter().peekable();
    let mut pages = Vec::new();
    let mut rows: Vec<NumberedRow> = Vec::new();
    let mut bytes = 0;
    while let Some(group) = groups.next() {
        bytes += group.iter().map(size).sum::<usize>();
        rows.extend(group);
        let next = groups.peek().map(|group| (group.len(), group.iter().map(size).sum::<usize>()));
        let full = next.is_none_or(|(more, size)| rows.len() + more > PAGE_ROWS || bytes + size > PAGE_BYTES);
        if full {
            pages.push(InputPage { v: FORM, rows: std::mem::take(&mut rows) });
            bytes = 0;
        }
    }
    pages
}

fn size(row: &NumberedRow) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // A map of values can always be written, and the counter takes everything.
    let _ = serde_json::to_writer(&mut counter, row);
    counter.0
}

fn grouped(rows: Vec<Option<Row>>, records: Option<&Records>) -> Vec<Vec<NumberedRow>> {
    let numbered = |(seq, row)| NumberedRow { seq, row };
    let mut rows: Vec<Option<NumberedRow>> = (0..).zip(rows).map(numbered).map(Some).collect();
    let Some(records) = records else { return rows.into_iter().flatten().map(|row| vec![row]).collect() };
    let there: Vec<(usize, &Row)> = rows
        .iter()
        .enumerate()
        .filter_map(|(at, row)| row.as_ref().and_then(|row| row.row.as_ref()).map(|row| (at, row)))
        .collect();
    let found: Vec<&Row> = there.iter().map(|(_, row)| *row).collect();
    let groups: Vec<Vec<usize>> = records.group(&found);
    let mut of: HashMap<usize, Vec<usize>> = HashMap::new();
    for group in &groups {
        let places: Vec<usize> = group.iter().map(|at| there[*at].0).collect();
        if let Some(first) = places.first() {
            of.insert(*first, places);
        }
    }
    let mut cut = Vec::new();
    for at in 0..rows.len() {
        let places = of.remove(&at).unwrap_or_else(|| vec![at]);
        let group: Vec<NumberedRow> = places.into_iter().filter_map(|at| rows[at].take()).collect();
        if !group.is_empty() {
            cut.push(group);
        }
    }
    cut
}
