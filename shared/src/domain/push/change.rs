//! What a push changes of a record.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::Op;

/// A value that a push changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldChange {
    /// The field, as a mapping writes it: `title`, `tags[]`, `metafields.custom.size`, `variants[SKU-1].price`.
    pub path: String,
    /// What the shop has; absent where the record is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub before: Option<Value>,
    /// What it will have; absent where the value goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub after: Option<Value>,
}

impl FieldChange {
    /// Whether an element of a list goes.
    pub fn takes_away(&self) -> bool {
        self.path.ends_with(']') && self.before.is_some() && self.after.is_none()
    }
}

/// What one row changes: of a plan, what it would. Stored before it is written; goes after the days of undo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The number of the row.
    pub seq: u64,
    /// What is done.
    pub op: Op,
    /// Every field that is changed.
    pub diff: Vec<FieldChange>,
}
