//! Lists, sorted and cut into pages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::selection::Field;
use crate::resolve::{FieldError, Obj};

/// The largest page.
pub const MAX_PAGE: i64 = 250;

/// What a list is ordered by, made unique by the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    /// A number or time.
    Number(i64),
    /// A text.
    Text(String),
}

/// Place of a node in its list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    #[serde(rename = "last_value")]
    value: SortValue,
    #[serde(rename = "last_id")]
    id: u64,
}

impl Cursor {
    /// The opaque form.
    #[must_use]
    pub fn encode(&self) -> String {
        STANDARD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
    }
}

/// A list in order, before it is cut into pages.
#[derive(Clone, Debug)]
pub struct Connection<'a> {
    /// The nodes in order, each with its place.
    pub nodes: Vec<(Cursor, Obj<'a>)>,
}

/// One page.
#[derive(Debug)]
pub struct Page<'c, 'a> {
    /// The nodes of the page.
    pub nodes: &'c [(Cursor, Obj<'a>)],
    /// Whether there are more before.
    pub has_previous: bool,
    /// Whether there are more after.
    pub has_next: bool,
}

impl<'a> Connection<'a> {
    /// A list whose order is given by a number for each node; equal numbers go by id.
    pub fn by_number(nodes: impl Iterator<Item = (i64, u64, Obj<'a>)>, reverse: bool) -> Self {
        let placed = nodes.map(|(value, id, node)| (Cursor { value: SortValue::Number(value), id }, node));
        Self::sorted(placed.collect(), reverse)
    }

    /// A list whose order is given by a text for each node; equal texts go by id.
    pub fn by_text(nodes: impl Iterator<Item = (String, u64, Obj<'a>)>, reverse: bool) -> Self {
        let placed = nodes
            .map(|(value, id, node)| (Cursor { value: SortValue::Text(value.to_lowercase()), id }, node));
        Self::sorted(placed.collect(), reverse)
    }

    /// A list in the order in which it is given.
    pub fn in_order(nodes: impl Iterator<Item = (u64, Obj<'a>)>, reverse: bool) -> Self {
        let numbered = nodes.zip(1..).map(|((id, node), place)| (place, id, node));
        Self::by_number(numbered, reverse)
    }

    fn sorted(mut nodes: Vec<(Cursor, Obj<'a>)>, reverse: bool) -> Self {
        if !nodes.is_sorted_by(|one, other| one.0 <= other.0) {
            nodes.sort_by(|one, other| one.0.cmp(&other.0));
        }
        if reverse {
            nodes.reverse();
        }
        Self { nodes }
    }

    /// Cuts the page that the arguments `first`, `last`, `after` and `before` ask for.
    ///
    /// # Errors
    /// As Shopify answers them: no size, a size out of bounds, a foreign cursor.
    pub fn page(&self, field: &Field<'_>) -> Result<Page<'_, 'a>, FieldError> {
        let refuse = |message: String| Err(FieldError::Refused(message, "BAD_REQUEST"));
        let (first, last) = (field.integer("first"), field.integer("last"));
        for (name, size) in [("first", first), ("last", last)] {
            match size {
                Some(size) if size < 0 => return refuse(format!("{name} cannot be negative")),
                Some(size) if size > MAX_PAGE => {
                    return refuse(format!("{name} cannot exceed {MAX_PAGE} but is {size}"));
                }
                _ => {}
            }
        }
        if first.is_none() && last.is_none() {
            return refuse(format!("you must provide one of first or last to {}", field.name));
        }
        let reverse = field.flag("reverse");
        let place = |name: &str| match field.text(name) {
            None => Ok(None),
            Some(text) => Cursor::decode(text).map(Some).ok_or_else(|| {
                FieldError::Refused("Invalid cursor for current pagination sort.".to_owned(), "BAD_REQUEST")
            }),
        };
        let passed = |node: &Cursor, cursor: &Cursor| if reverse { node <= cursor } else { node >= cursor };
        let start = match place("after")? {
            Some(cursor) => self
                .nodes
                .partition_point(|(node, _)| if reverse { *node >= cursor } else { *node <= cursor }),
            None => 0,
        };
        let end = match place("before")? {
            Some(cursor) => self.nodes.partition_point(|(node, _)| !passed(node, &cursor)),
            None => self.nodes.len(),
        };
        let (mut from, mut to) = (start, end.max(start));
        if let Some(first) = first.and_then(|size| usize::try_from(size).ok()) {
            to = to.min(from + first);
        }
        if let Some(last) = last.and_then(|size| usize::try_from(size).ok()) {
            from = from.max(to.saturating_sub(last));
        }
        Ok(Page { nodes: &self.nodes[from..to], has_previous: from > 0, has_next: to < self.nodes.len() })
    }
}
