//! Copies of a shop's files in the store's own bucket: what is to be copied, what a medium is linked to, and what is
//! shown of it.
//!
//! An object is named by the hash of its content, so the same content is stored once for a store. A medium is linked to
//! its next object before it lets go of the one before; what was let go of stands on the link until it is dealt with.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ids::{RunId, StoreId};
use super::plan::CodeCounts;
use super::record::{Resource, Source, StoredRecord};
use super::warning::Code;

/// The largest file that is copied: the platform takes no larger image.
pub const MAX_FILE_BYTES: usize = 20 * 1024 * 1024;

/// How often a run tries a file before it leaves it to the next run.
const TRIES: u32 = 5;
/// Seconds of the wait after the first failure; each further one is four times as long.
const FIRST_WAIT: i64 = 60;

/// A medium of a shop.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaKey {
    /// Platform and shop.
    pub source: Source,
    /// The platform's number of it.
    pub id: String,
}

/// The SHA-256 of a file's content, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContentHash(String);

impl ContentHash {
    /// The hash of a content.
    pub fn of(content: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(content)))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One object of a store. A content that is stored again after its object was let go gets the next generation, so that
/// whoever deletes the earlier one, however late, never meets the later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Of its content.
    pub hash: ContentHash,
    /// How often this content was let go before.
    pub generation: u32,
}

impl ObjectKey {
    /// Its key in the bucket. No id of a store holds a slash, so no store's objects stand among another's.
    pub fn path(&self, store: &StoreId) -> String {
        let hash = self.hash.as_str();
        match self.generation {
            0 => format!("stores/{store}/media/{hash}"),
            generation => format!("stores/{store}/media/{hash}.{generation}"),
        }
    }
}

/// Whether an object can be linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectState {
    /// It is there.
    Stored,
    /// Nothing links to it and it is being deleted. Nobody takes it up again.
    Going,
    /// It was deleted.
    Gone,
}

/// What is known of a content that a store has, or had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// Raised with every write, from 1 on; the condition of the next one.
    pub revision: u64,
    /// Its object.
    pub key: ObjectKey,
    /// Whether that can be linked to.
    pub state: ObjectState,
    /// Media that are linked to it.
    pub links: u64,
}

impl StoredObject {
    /// With one link more or less.
    pub fn linked(&self, more: bool) -> Self {
        let links = if more { self.links + 1 } else { self.links.saturating_sub(1) };
        Self { revision: self.revision + 1, links, ..self.clone() }
    }

    /// In another state.
    pub fn becomes(&self, state: ObjectState) -> Self {
        Self { revision: self.revision + 1, state, ..self.clone() }
    }
}

/// The copy that a medium has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaCopy {
    /// The object.
    pub object: ObjectKey,
    /// Its length.
    pub bytes: u64,
    /// What it is, by its first bytes.
    pub content_type: String,
    /// Where it came from, without a query.
    pub url: String,
    /// What the shop's server calls this state of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Whether another medium of the store had the same content.
    pub shared: bool,
    /// The run beside which it was copied.
    pub run: RunId,
    /// When.
    pub copied_at: Timestamp,
}

/// Why a medium was not copied the last time. A copy that it has stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFailure {
    /// The stable code.
    pub code: Code,
    /// Where it was to come from, without a query.
    pub url: String,
    /// How often the run tried.
    pub attempts: u32,
    /// When it tries again; none where it leaves that to the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// The run.
    pub run: RunId,
    /// When it tried last.
    pub at: Timestamp,
}

impl CopyFailure {
    /// Whether it is time to try again.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_try.is_some_and(|when| when <= now)
    }
}

/// What is known of a medium's copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaLink {
    /// Raised with every write, from 1 on; the condition of the next one. 0 of what is not stored.
    pub revision: u64,
    /// The copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<MediaCopy>,
    /// Why the last try failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<CopyFailure>,
    /// The object that it was linked to before, until that is dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlinked: Option<ObjectKey>,
}

impl MediaLink {
    /// With another failure of this run's. Only a file that could not be fetched may be there the next time.
    pub fn failed(&self, code: Code, lasting: bool, url: &str, run: &RunId, now: Timestamp) -> Self {
        let before = self.failure.as_ref().filter(|before| before.run == *run);
        let attempts = before.map_or(0, |before| before.attempts) + 1;
        let passes = code == Code::MedFetchFailed && !lasting && attempts < TRIES;
        // Whole seconds: the list of what is to be tried again knows no others.
        let wait = FIRST_WAIT * 4_i64.pow(attempts - 1);
        let next_try = passes.then(|| Timestamp::from_second(now.as_second() + wait).unwrap_or(now));
        let failure =
            CopyFailure { code, url: url.to_owned(), attempts, next_try, run: run.clone(), at: now };
        Self { revision: self.revision + 1, failure: Some(failure), ..self.clone() }
    }

    /// Whether a run has dealt with this file for now: copied it, or found that it cannot. Or a later run has.
    pub fn is_dealt_with(&self, url: &str, run: &RunId, now: Timestamp) -> bool {
        let (by, of, again) = match (&self.failure, &self.copy) {
            (Some(failure), _) => (&failure.run, &failure.url, failure.is_due(now)),
            (None, Some(copy)) => (&copy.run, &copy.url, false),
            (None, None) => return false,
        };
        by > run || (by == run && of == url && !again)
    }

    /// With a failure that nothing is done about before a run meets the medium again.
    pub fn left(&self) -> Self {
        let failure = self.failure.clone().map(|failure| CopyFailure { next_try: None, ..failure });
        Self { revision: self.revision + 1, failure, ..self.clone() }
    }

    /// Whether the last try failed and nothing more is done before the next run.
    pub fn is_given_up(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.next_try.is_none())
    }

    /// Without a failure.
    pub fn cleared(&self) -> Self {
        Self { revision: self.revision + 1, failure: None, ..self.clone() }
    }

    /// With a copy, in the place of the one it has.
    pub fn copied(&self, copy: MediaCopy) -> Self {
        let before = self.copy.as_ref().map(|before| &before.object);
        let unlinked = before.filter(|before| **before != copy.object).cloned();
        Self { revision: self.revision + 1, copy: Some(copy), failure: None, unlinked }
    }

    /// With what it was linked to before dealt with.
    pub fn tidied(&self) -> Self {
        Self { revision: self.revision + 1, unlinked: None, ..self.clone() }
    }
}

/// A file that is to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// The medium.
    pub key: MediaKey,
    /// Where the shop has it.
    pub url: String,
}

/// The media that a product shows, each with the file that is to be copied of it, or why there is none: only images are
/// copied, and only once the shop has them ready.
pub fn media_of(product: &StoredRecord) -> impl Iterator<Item = (MediaKey, Result<WantedFile, Code>)> {
    let (kind, place) = Resource::Media.home();
    let list = place.and_then(|at| kind.shape().children.get(at));
    let media = place.and_then(|at| product.record.children.get(at)).into_iter().flatten();
    let source = product.key.source;
    media.filter(|medium| medium.missing_since.is_none()).map(move |medium| {
        let field = |name: &str| {
            let at = list?.fields.iter().position(|field| *field == name)?;
            medium.values.get(at)?.as_str()
        };
        let key = MediaKey { source, id: medium.id.clone() };
        let wanted = match (field("type"), field("url")) {
            (Some(kind), Some(url)) if kind.eq_ignore_ascii_case("image") => {
                Ok(WantedFile { key: key.clone(), url: url.to_owned() })
            }
            (Some(kind), None) if kind.eq_ignore_ascii_case("image") => Err(Code::MedNotReady),
            _ => Err(Code::MedTypeUnsupported),
        };
        (key, wanted)
    })
}

/// What a content is by its first bytes, where a store can show it. A drawing with scripts in it (SVG) is none.
pub fn image_type(content: &[u8]) -> Option<&'static str> {
    let found = infer::get(content)?.mime_type();
    const SHOWN: [&str; 6] =
        ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heif"];
    SHOWN.into_iter().find(|shown| *shown == found)
}

/// How the copying beside a run stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CopyingState {
    /// It goes through the store's products.
    #[default]
    Copying,
    /// It has been through them and tries again what failed.
    Retrying,
    /// It is over. What failed is tried again by the next run.
    Done,
    /// The store is no longer connected to the shop, or a step failed for good. The next run goes on.
    Stopped,
}

impl CopyingState {
    /// Whether nothing more is done.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Stopped)
    }
}

/// Numbers of media. `files` is the sum of `copied`, `kept` and what could not be copied, by code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyTally {
    /// Media that were looked at.
    pub files: u64,
    /// Copied beside this run.
    pub copied: u64,
    /// Copied before, and still what the shop has.
    pub kept: u64,
    /// Bytes of those that were copied.
    pub bytes: u64,
    /// Numbers by code.
    pub codes: CodeCounts,
}

impl CopyTally {
    /// Counts one medium by its link, after it was dealt with.
    pub fn count(&mut self, link: &MediaLink, run: &RunId) {
        self.files += 1;
        if let Some(failure) = &link.failure {
            *self.codes.entry(failure.code).or_default() += 1;
            return;
        }
        match link.copy.as_ref().filter(|copy| copy.run == *run) {
            None => self.kept += 1,
            Some(copy) => {
                self.copied += 1;
                self.bytes += copy.bytes;
                if copy.shared {
                    *self.codes.entry(Code::MedDuplicateContent).or_default() += 1;
                }
            }
        }
    }

    /// Counts one that cannot be copied.
    pub fn count_code(&mut self, code: Code) {
        self.files += 1;
        *self.codes.entry(code).or_default() += 1;
    }

    /// Counts one anew that could not be fetched before.
    pub fn recount(&mut self, link: &MediaLink, run: &RunId) {
        self.files = self.files.saturating_sub(1);
        if let Some(failed) = self.codes.get_mut(&Code::MedFetchFailed) {
            *failed = failed.saturating_sub(1);
        }
        self.codes.retain(|_, n| *n > 0);
        self.count(link, run);
    }
}

/// How far the copying beside a run is. Stands in the run and is no part of what the run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copying {
    /// How it stands.
    pub state: CopyingState,
    /// Messages that were handed over; one with an earlier number is old.
    pub hop: u32,
    /// The page of products it is at; the first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Media of that page that are done.
    #[serde(default)]
    pub done: usize,
    /// Media that are being tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<String>,
    /// What came of it so far.
    pub tally: CopyTally,
}
