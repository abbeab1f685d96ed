//! Reading a feed from bytes that are made as they are asked for, so that a benchmark can have files of any size.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::map::Draft;
use super::map::category::CategoryDraft;
use super::map::metafields::MetafieldsDraft;
use super::map::product::ProductDraft;
use super::range::{ByteSource, Ranged};
use crate::domain::run::Feed;
use crate::ports::provider::{MapContext, ProviderError, RangeReader};

/// What a download delivers at a time, about.
const PIECE: u64 = 64 * 1024;

/// A file that is nowhere as a whole.
pub trait MadeFile: Send + Sync {
    /// Its length.
    fn size(&self) -> u64;

    /// Its bytes from the beginning of a range on: some of them at least, at most all.
    fn bytes(&self, range: Range<u64>) -> Bytes;
}

struct Reading<F: ?Sized> {
    file: Arc<F>,
    position: u64,
}

impl<F: MadeFile + ?Sized> ByteSource for Reading<F> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, ProviderError> {
        if self.position >= self.file.size() {
            return Ok(None);
        }
        let piece = self.file.bytes(self.position..(self.position + PIECE).min(self.file.size()));
        self.position += piece.len() as u64;
        Ok(Some(piece))
    }
}

/// Opens the objects whose lines begin in a range, as [`Extract::open_range`](crate::ports::provider::Extract) does.
pub fn open<F: MadeFile + 'static>(
    feed: Feed,
    file: Arc<F>,
    range: Range<u64>,
    context: &MapContext,
) -> Result<Box<dyn RangeReader>, ProviderError> {
    fn reader<D: Draft + 'static, F: MadeFile + 'static>(
        file: Arc<F>,
        range: Range<u64>,
        context: &MapContext,
    ) -> Box<dyn RangeReader> {
        let position = Ranged::<D, Reading<F>>::source_start(range.start);
        Box::new(Ranged::<D, _>::new(Reading { file, position }, range, context.clone()))
    }
    match feed {
        Feed::Products => Ok(reader::<ProductDraft, F>(file, range, context)),
        Feed::Metafields => Ok(reader::<MetafieldsDraft, F>(file, range, context)),
        Feed::Collections => Ok(reader::<CategoryDraft, F>(file, range, context)),
        Feed::Locations | Feed::Missing => {
            Err(ProviderError::Malformed { why: format!("{feed:?} is not a feed of the shop's") })
        }
    }
}
