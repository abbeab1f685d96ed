//! Files of shops, the objects they are copied into, and what links the two.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::PortError;
use super::provider::ProviderError;
use crate::domain::ids::StoreId;
use crate::domain::media::{ContentHash, MediaKey, MediaLink, ObjectKey, StoredObject};
use crate::domain::record::Source;

/// What came of asking a shop for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It still is what was fetched under this tag.
    Unchanged,
    /// The file.
    File {
        /// Its content as a whole.
        content: Bytes,
        /// What the server calls this state of it, where it does.
        etag: Option<String>,
    },
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address does not lie where the platform keeps its shops' files. Nothing was asked.
    #[error("the file lies at an unexpected place")]
    Elsewhere,
    /// It is longer than what is copied.
    #[error("the file is too large")]
    TooLarge,
    /// It was not delivered.
    #[error("the file could not be fetched")]
    Failed(#[source] ProviderError),
}

/// Where a platform keeps the files of its shops. Anyone may read there: no token is sent.
#[async_trait]
pub trait MediaFiles: Send + Sync {
    /// Fetches a file of at most `MAX_FILE_BYTES` as it is at `asked`, unless it still has this tag.
    async fn fetch(&self, url: &str, asked: Timestamp, etag: Option<&str>) -> Result<Fetched, FetchError>;
}

/// The objects that files are copied into.
#[async_trait]
pub trait MediaObjects: Send + Sync {
    /// Stores an object. Again: nothing changes, as its key says what is in it.
    async fn put(
        &self,
        store: &StoreId,
        object: &ObjectKey,
        content: Bytes,
        content_type: &str,
    ) -> Result<(), PortError>;

    /// Deletes an object. One that is not there is a success.
    async fn delete(&self, store: &StoreId, object: &ObjectKey) -> Result<(), PortError>;
}

/// What links media to objects.
#[async_trait]
pub trait MediaLinks: Send + Sync {
    /// Reads links, in the order of `media`, consistently.
    async fn links(&self, store: &StoreId, media: &[MediaKey]) -> Result<Vec<Option<MediaLink>>, PortError>;

    /// What is known of a content, consistently.
    async fn object(&self, store: &StoreId, hash: &ContentHash) -> Result<Option<StoredObject>, PortError>;

    /// Stores a link and what is known of objects, all or nothing, each under the condition that the revision before it
    /// is what stands there. `PortError::Conflict` otherwise.
    async fn save(
        &self,
        store: &StoreId,
        link: Option<(&MediaKey, &MediaLink)>,
        objects: &[StoredObject],
    ) -> Result<(), PortError>;

    /// The media of a shop that are to be tried again, soonest first, at most `limit`, with when. May be some moments
    /// behind.
    async fn to_try(
        &self,
        store: &StoreId,
        source: Source,
        limit: usize,
    ) -> Result<Vec<(Timestamp, MediaKey)>, PortError>;
}
