//! Copying one file of a shop into the store's bucket.
//!
//! In this order, so that a crash anywhere leaves at most an object that nobody links to, and never a link to nothing:
//! the object is stored, then one write links the medium to it and lets go of the object before, then that one is
//! deleted if it was the last to be linked to it. The link remembers what it let go of until that is done.

use std::sync::Arc;

use bytes::Bytes;

use super::error::AppError;
use crate::domain::ids::StoreId;
use crate::domain::media::{
    ContentHash, MediaCopy, MediaKey, MediaLink, ObjectKey, ObjectState, StoredObject, WantedFile, image_type,
};
use crate::domain::run::Run;
use crate::domain::warning::Code;
use crate::ports::media::{FetchError, Fetched, MediaFiles, MediaLinks, MediaObjects};
use crate::ports::metrics::{Metric, Metrics};
use crate::ports::time::Clock;
use crate::ports::{PortError, chain};

/// How often a change begins anew because someone else was first. Only copies of the same content, or of the same
/// medium, meet each other.
const TRIES: u32 = 16;

/// Everything that copying may use.
pub struct CopyMedia {
    /// The shop's files.
    pub files: Arc<dyn MediaFiles>,
    /// The store's objects.
    pub objects: Arc<dyn MediaObjects>,
    /// What links the two.
    pub links: Arc<dyn MediaLinks>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Numbers for operators.
    pub metrics: Arc<dyn Metrics>,
}

impl CopyMedia {
    /// Sees to it that a medium is linked to a copy of what the shop has now, and returns its link. A file that cannot
    /// be copied is noted on the link, which keeps the copy it has.
    pub async fn copy(
        &self,
        run: &Run,
        wanted: &WantedFile,
        link: Option<MediaLink>,
    ) -> Result<MediaLink, AppError> {
        let link = self.tidy(&run.store, &wanted.key, link.unwrap_or_default()).await?;
        if link.is_dealt_with(&wanted.url, &run.id, self.clock.now()) {
            return Ok(link);
        }
        let copy = link.copy.as_ref().filter(|copy| copy.url == wanted.url);
        let etag = copy.and_then(|copy| copy.etag.as_deref());
        match self.files.fetch(&wanted.url, run.created_at, etag).await {
            Ok(Fetched::Unchanged) if link.failure.is_none() => Ok(link),
            Ok(Fetched::Unchanged) => self.note(run, wanted, link.cleared()).await,
            Ok(Fetched::File { content, etag }) => match image_type(&content) {
                Some(content_type) => self.keep(run, wanted, link, content, content_type, etag).await,
                None => self.fail(run, wanted, link, Code::MedTypeUnsupported, true).await,
            },
            Err(FetchError::TooLarge) => self.fail(run, wanted, link, Code::MedTooLarge, true).await,
            Err(error) => {
                let lasting = matches!(error, FetchError::Elsewhere);
                tracing::info!(
                    media.id = wanted.key.id,
                    cause = chain(&error),
                    "a file could not be fetched"
                );
                self.fail(run, wanted, link, Code::MedFetchFailed, lasting).await
            }
        }
    }

    /// Leaves what failed to a run that meets it again.
    pub async fn leave(&self, store: &StoreId, key: &MediaKey, link: &MediaLink) -> Result<(), AppError> {
        match self.links.save(store, Some((key, &link.left())), &[]).await {
            Ok(()) | Err(PortError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn fail(
        &self,
        run: &Run,
        wanted: &WantedFile,
        link: MediaLink,
        code: Code,
        lasting: bool,
    ) -> Result<MediaLink, AppError> {
        let now = self.clock.now();
        let failed = link.failed(code, lasting, &wanted.url, &run.id, now);
        if code == Code::MedFetchFailed && failed.is_given_up() {
            self.metrics.count(Metric::CopiesGivenUp);
        }
        self.note(run, wanted, failed).await
    }

    /// Stores what a link says now. Where someone else was first, theirs stands: they asked at the same time.
    async fn note(&self, run: &Run, wanted: &WantedFile, next: MediaLink) -> Result<MediaLink, AppError> {
        match self.links.save(&run.store, Some((&wanted.key, &next)), &[]).await {
            Ok(()) => Ok(next),
            Err(PortError::Conflict) => self.link(&run.store, &wanted.key).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn link(&self, store: &StoreId, key: &MediaKey) -> Result<MediaLink, AppError> {
        let found = self.links.links(store, std::slice::from_ref(key)).await?.pop().flatten();
        Ok(found.unwrap_or_default())
    }

    /// Stores a content and links the medium to it, then deals with what it was linked to before.
    async fn keep(
        &self,
        run: &Run,
        wanted: &WantedFile,
        mut link: MediaLink,
        content: Bytes,
        content_type: &str,
        etag: Option<String>,
    ) -> Result<MediaLink, AppError> {
        let (store, hash) = (&run.store, ContentHash::of(&content));
        for _ in 0..TRIES {
            let linked = link.copy.as_ref().filter(|copy| copy.object.hash == hash);
            let (object, objects, shared) = match linked {
                Some(linked) => (linked.object.clone(), Vec::new(), linked.shared),
                None => {
                    let object = self.stored(store, &hash, &content, content_type).await?;
                    let shared = object.links > 1;
                    let mut objects = vec![object];
                    if let Some(before) = &link.copy {
                        objects.extend(self.let_go(store, &before.object).await?);
                    }
                    (objects[0].key.clone(), objects, shared)
                }
            };
            let next = link.copied(MediaCopy {
                object: object.clone(),
                bytes: content.len() as u64,
                content_type: content_type.to_owned(),
                url: wanted.url.clone(),
                etag: etag.clone(),
                shared,
                run: run.id.clone(),
                copied_at: self.clock.now(),
            });
            match self.links.save(store, Some((&wanted.key, &next)), &objects).await {
                Ok(()) => return self.tidy(store, &wanted.key, next).await,
                Err(PortError::Conflict) => {
                    // What was stored for nobody goes, unless it is someone's by now.
                    self.delete_unlinked(store, &object).await?;
                    let found = self.link(store, &wanted.key).await?;
                    link = self.tidy(store, &wanted.key, found).await?;
                    if link.failure.is_none() && link.is_dealt_with(&wanted.url, &run.id, self.clock.now()) {
                        return Ok(link);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(AppError::bug("a medium could not be linked to its copy"))
    }

    /// Sees to it that a content is stored, and returns what is to be known of it with one link more.
    async fn stored(
        &self,
        store: &StoreId,
        hash: &ContentHash,
        content: &Bytes,
        content_type: &str,
    ) -> Result<StoredObject, AppError> {
        let known = self.links.object(store, hash).await?;
        if let Some(known) = known.as_ref().filter(|known| known.state == ObjectState::Stored) {
            return Ok(known.linked(true));
        }
        let (revision, generation) = known.map_or((0, 0), |known| (known.revision, known.key.generation + 1));
        let key = ObjectKey { hash: hash.clone(), generation };
        self.objects.put(store, &key, content.clone(), content_type).await?;
        Ok(StoredObject { revision: revision + 1, key, state: ObjectState::Stored, links: 1 })
    }

    /// What is to be known of an object with one link less.
    async fn let_go(&self, store: &StoreId, object: &ObjectKey) -> Result<Option<StoredObject>, AppError> {
        let known = self.links.object(store, &object.hash).await?;
        Ok(known.filter(|known| known.key == *object).map(|known| known.linked(false)))
    }

    /// Deals with what a link let go of.
    async fn tidy(&self, store: &StoreId, key: &MediaKey, link: MediaLink) -> Result<MediaLink, AppError> {
        let Some(object) = &link.unlinked else { return Ok(link) };
        self.delete_unlinked(store, object).await?;
        let next = link.tidied();
        match self.links.save(store, Some((key, &next)), &[]).await {
            Ok(()) => Ok(next),
            Err(PortError::Conflict) => self.link(store, key).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object if nothing links to it. Whoever links to the same content from then on stores it again, under
    /// the next generation.
    async fn delete_unlinked(&self, store: &StoreId, object: &ObjectKey) -> Result<(), AppError> {
        for _ in 0..TRIES {
            let Some(known) = self.links.object(store, &object.hash).await? else { return Ok(()) };
            let ours = known.key == *object;
            let linked = ours && known.state == ObjectState::Stored && known.links > 0;
            // One of a generation that nobody has written down yet may be someone's who is about to.
            if linked || known.key.generation < object.generation {
                return Ok(());
            }
            let going = match known.state {
                ObjectState::Stored if ours => {
                    let going = known.becomes(ObjectState::Going);
                    match self.links.save(store, None, std::slice::from_ref(&going)).await {
                        Ok(()) => going,
                        Err(PortError::Conflict) => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                _ => known,
            };
            self.objects.delete(store, object).await?;
            if going.key == *object && going.state == ObjectState::Going {
                let gone = going.becomes(ObjectState::Gone);
                match self.links.save(store, None, std::slice::from_ref(&gone)).await {
                    Ok(()) | Err(PortError::Conflict) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(());
        }
        Err(AppError::bug("an object that nothing links to could not be deleted"))
    }
}
