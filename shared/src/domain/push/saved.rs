//! Mappings as they are kept: every revision, so that what a run was made with can be read afterwards.

use jiff::Timestamp;
use serde_json::Value;

use super::target::Stream;

/// One revision of a store's mapping of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedMapping {
    /// What it fills.
    pub stream: Stream,
    /// Its number, from 1.
    pub revision: u32,
    /// What was saved; none where the mapping was taken away.
    pub document: Option<Value>,
    /// Who saved it: the subject of the token, which names nobody.
    pub saved_by: String,
    /// When.
    pub saved_at: Timestamp,
}
