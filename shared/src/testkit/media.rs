//! Files of a shop, a store's objects and what links them, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::faults::Faults;
use crate::domain::ids::StoreId;
use crate::domain::media::{ContentHash, MAX_FILE_BYTES, MediaKey, MediaLink, ObjectKey, StoredObject};
use crate::domain::record::Source;
use crate::ports::PortError;
use crate::ports::media::{FetchError, Fetched, MediaFiles, MediaLinks, MediaObjects};
use crate::ports::provider::ProviderError;

/// The place where the shop of tests keeps its files.
pub const FILES: &str = "https://files.example/";

/// A small image of the form that a store can show; different for each text.
pub fn image(text: &str) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".as_slice(), text.as_bytes()].concat()
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, Vec<u8>>,
    objects: BTreeMap<(StoreId, ObjectKey), Bytes>,
    links: BTreeMap<(StoreId, MediaKey), MediaLink>,
    known: BTreeMap<(StoreId, ContentHash), StoredObject>,
    sent: u64,
    down: bool,
}

/// All of it in memory. Clones share it.
#[derive(Clone)]
pub struct FakeMedia {
    faults: Faults,
    inner: Arc<Mutex<Inner>>,
}

impl FakeMedia {
    /// No file, no object.
    pub fn new(faults: Faults) -> Self {
        Self { faults, inner: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a file into the shop, or another in its place, and returns its address.
    pub fn file(&self, name: &str, content: Vec<u8>) -> String {
        let url = format!("{FILES}{name}");
        self.inner().files.insert(url.clone(), content);
        url
    }

    /// Takes a file from the shop.
    pub fn lose(&self, name: &str) {
        self.inner().files.remove(&format!("{FILES}{name}"));
    }

    /// From now on no file can be fetched, or all can again.
    pub fn down(&self, down: bool) {
        self.inner().down = down;
    }

    /// Files that were sent as a whole so far.
    pub fn sent(&self) -> u64 {
        self.inner().sent
    }

    /// The objects of a store, by key, past all faults.
    pub fn stored(&self, store: &StoreId) -> BTreeMap<String, Bytes> {
        let inner = self.inner();
        let ours = inner.objects.iter().filter(|((of, _), _)| of == store);
        ours.map(|((_, key), content)| (key.path(store), content.clone())).collect()
    }

    /// A link, past all faults.
    pub fn link(&self, store: &StoreId, key: &MediaKey) -> Option<MediaLink> {
        self.inner().links.get(&(store.clone(), key.clone())).cloned()
    }

    /// Every link of a store leads to an object of its content, every object is linked to as often as is known, and
    /// nothing is left to be done about any. With `leaks`, an object that nobody knows of may have been left by a crash.
    pub fn check(&self, store: &StoreId, leaks: bool) {
        let inner = self.inner();
        let mut linked: BTreeMap<ObjectKey, u64> = BTreeMap::new();
        for ((_, key), link) in inner.links.iter().filter(|((of, _), _)| of == store) {
            assert_eq!(link.unlinked, None, "{key:?}: something is left to be let go");
            if let Some(copy) = &link.copy {
                let content = inner.objects.get(&(store.clone(), copy.object.clone()));
                let hash = content.map(|content| ContentHash::of(content));
                assert_eq!(hash.as_ref(), Some(&copy.object.hash), "{key:?} is linked to nothing");
                *linked.entry(copy.object.clone()).or_default() += 1;
            }
        }
        for (key, n) in &linked {
            let known = inner.known.get(&(store.clone(), key.hash.clone()));
            assert_eq!(known.map(|known| (&known.key, known.links)), Some((key, *n)));
        }
        let objects: BTreeSet<_> =
            inner.objects.keys().filter(|(of, _)| of == store).map(|(_, key)| key.clone()).collect();
        let left: Vec<_> = objects.iter().filter(|key| !linked.contains_key(*key)).collect();
        assert!(leaks || left.is_empty(), "nothing links to {left:?}");
    }
}

#[async_trait]
impl MediaFiles for FakeMedia {
    async fn fetch(&self, url: &str, _: Timestamp, etag: Option<&str>) -> Result<Fetched, FetchError> {
        if !url.starts_with(FILES) {
            return Err(FetchError::Elsewhere);
        }
        let lost = || FetchError::Failed(ProviderError::Unavailable { source: None });
        let fetch = || {
            let mut inner = self.inner();
            let content = inner.files.get(url).filter(|_| !inner.down).cloned().ok_or_else(lost)?;
            if content.len() > MAX_FILE_BYTES {
                return Err(FetchError::TooLarge);
            }
            let now = ContentHash::of(&content).as_str().to_owned();
            if etag == Some(now.as_str()) {
                return Ok(Fetched::Unchanged);
            }
            inner.sent += 1;
            Ok(Fetched::File { content: content.into(), etag: Some(now) })
        };
        self.faults.run("files.fetch", lost, fetch).await
    }
}

#[async_trait]
impl MediaObjects for FakeMedia {
    async fn put(
        &self,
        store: &StoreId,
        object: &ObjectKey,
        content: Bytes,
        _: &str,
    ) -> Result<(), PortError> {
        let put = || {
            self.inner().objects.insert((store.clone(), object.clone()), content.clone());
            Ok(())
        };
        self.faults.port("objects", "objects.put", put).await
    }

    async fn delete(&self, store: &StoreId, object: &ObjectKey) -> Result<(), PortError> {
        let delete = || {
            self.inner().objects.remove(&(store.clone(), object.clone()));
            Ok(())
        };
        self.faults.port("objects", "objects.delete", delete).await
    }
}

#[async_trait]
impl MediaLinks for FakeMedia {
    async fn links(&self, store: &StoreId, media: &[MediaKey]) -> Result<Vec<Option<MediaLink>>, PortError> {
        let read = || {
            let inner = self.inner();
            Ok(media.iter().map(|key| inner.links.get(&(store.clone(), key.clone())).cloned()).collect())
        };
        self.faults.port("links", "links.get", read).await
    }

    async fn object(&self, store: &StoreId, hash: &ContentHash) -> Result<Option<StoredObject>, PortError> {
        let read = || Ok(self.inner().known.get(&(store.clone(), hash.clone())).cloned());
        self.faults.port("links", "links.object", read).await
    }

    async fn save(
        &self,
        store: &StoreId,
        link: Option<(&MediaKey, &MediaLink)>,
        objects: &[StoredObject],
    ) -> Result<(), PortError> {
        let save = || {
            let mut inner = self.inner();
            let place = link.map(|(key, _)| (store.clone(), key.clone()));
            let stands = |before: Option<u64>, next: u64| before.unwrap_or_default() + 1 == next;
            let link_fits = link.zip(place.as_ref()).is_none_or(|((_, link), place)| {
                stands(inner.links.get(place).map(|before| before.revision), link.revision)
            });
            let objects_fit = objects.iter().all(|object| {
                let before = inner.known.get(&(store.clone(), object.key.hash.clone()));
                stands(before.map(|before| before.revision), object.revision)
            });
            if !link_fits || !objects_fit {
                return Err(PortError::Conflict);
            }
            if let Some(((_, link), place)) = link.zip(place) {
                inner.links.insert(place, link.clone());
            }
            for object in objects {
                inner.known.insert((store.clone(), object.key.hash.clone()), object.clone());
            }
            Ok(())
        };
        self.faults.port("links", "links.save", save).await
    }

    async fn to_try(
        &self,
        store: &StoreId,
        source: Source,
        limit: usize,
    ) -> Result<Vec<(Timestamp, MediaKey)>, PortError> {
        let read = || {
            let inner = self.inner();
            let ours = inner.links.iter().filter(|((of, key), _)| of == store && key.source == source);
            let mut due: Vec<_> = ours
                .filter_map(|((_, key), link)| Some((link.failure.as_ref()?.next_try?, key.clone())))
                .collect();
            due.sort();
            due.truncate(limit);
            Ok(due)
        };
        self.faults.port("links", "links.to_try", read).await
    }
}
