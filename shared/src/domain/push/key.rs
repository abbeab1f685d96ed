//! Keys of data tools: each lets its holder send rows of one stream to one store, and nothing else.

use jiff::Timestamp;

use super::super::ids::{ProviderId, StoreId};
use super::target::Stream;

/// A key as it is kept: never itself, only its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationKey {
    /// The id of the destination, part of its address. Not a secret.
    pub id: String,
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The only stream that it may fill.
    pub stream: Stream,
    /// What the merchant calls it.
    pub name: String,
    /// The hash of the key, in hexadecimal digits.
    pub hash: String,
    /// Who made it: the subject of the token, which names nobody.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was taken back; from then on it opens nothing.
    pub revoked_at: Option<Timestamp>,
}
