//! A shop of any size, made of a small one: the files that it collects are those of the small shop over and over, each
//! time under other ids. Nothing of it is ever in memory or on disk as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use shared::domain::record::Resource;
use shared::domain::run::{Feed, FeedFile, Wanted};
use shared::domain::scopes::Scopes;
use shared::ports::provider::{
    ChangedLevels, Extract, FeedStatus, MapContext, ProviderError, RangeReader, ShopAccess, SourceItem,
};
use shared::providers::shopify::Shopify;
use shared::providers::shopify::made::{MadeFile, open};

/// What stands before the ids that differ from one repetition to the next.
const MARKS: [&str; 6] = [
    "gid://shopify/Product/",
    "gid://shopify/ProductVariant/",
    "gid://shopify/InventoryItem/",
    "gid://shopify/InventoryLevel/",
    "gid://shopify/Metafield/",
    "inventory_item_id=",
];
/// Those of media have many names, those of options two.
const MEDIA_MARKS: [&str; 6] = [
    "gid://shopify/MediaImage/",
    "gid://shopify/Video/",
    "gid://shopify/ExternalVideo/",
    "gid://shopify/Model3d/",
    "gid://shopify/ProductOption/",
    "gid://shopify/ProductOptionValue/",
];
/// By how much ids differ from one repetition to the next: more than the small shop spans.
const STEP: u64 = 1_000_000;

/// A number in the text of a file.
struct Number {
    at: usize,
    digits: usize,
    value: u64,
}

/// A file, repeated.
pub struct Repeated {
    text: Vec<u8>,
    numbers: Vec<Number>,
    /// Where each top-level object begins, and its id.
    roots: Vec<(usize, u64)>,
    times: u64,
}

impl Repeated {
    /// Repeats the objects of a file that `keep` says, by their id.
    fn new(file: &[u8], times: u64, keep: impl Fn(u64) -> bool) -> Result<Self> {
        let (mut text, mut roots, mut kept) = (Vec::new(), Vec::new(), false);
        for line in file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let value: serde_json::Value = serde_json::from_slice(line)?;
            if value.get("__parentId").is_none() {
                let id = value["id"].as_str().and_then(|id| id.rsplit('/').next()).context("no id")?;
                let id = id.parse()?;
                kept = keep(id);
                if kept {
                    roots.push((text.len(), id));
                }
            }
            if kept {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
        }
        let mut numbers = Vec::new();
        let plain = std::str::from_utf8(&text)?;
        for mark in MARKS.iter().chain(&MEDIA_MARKS) {
            for (at, _) in plain.match_indices(mark) {
                let at = at + mark.len();
                let digits = plain[at..].bytes().take_while(u8::is_ascii_digit).count();
                numbers.push(Number { at, digits, value: plain[at..at + digits].parse()? });
            }
        }
        numbers.sort_by_key(|number| number.at);
        Ok(Self { text, numbers, roots, times })
    }

    /// Objects in all.
    pub fn objects(&self) -> u64 {
        self.roots.len() as u64 * self.times
    }

    /// The id of an object, by its number.
    pub fn id(&self, number: u64) -> u64 {
        let (time, at) = (number / self.roots.len() as u64, number % self.roots.len() as u64);
        self.roots[at as usize].1 + time * STEP
    }

    /// The number of an object, by its id; none where there is none.
    pub fn number(&self, id: u64) -> Option<u64> {
        let first = self.roots.first()?.1;
        let time = id.checked_sub(first)? / STEP;
        // A bulk operation delivers by id.
        let at = self.roots.binary_search_by_key(&id, |(_, root)| root + time * STEP).ok()? as u64;
        (time < self.times).then_some(time * self.roots.len() as u64 + at)
    }

    /// The bytes of an object, by its number.
    pub fn place(&self, number: u64) -> Range<u64> {
        let (time, at) = (number / self.roots.len() as u64, (number % self.roots.len() as u64) as usize);
        let begin = time * self.text.len() as u64;
        let end = self.roots.get(at + 1).map_or(self.text.len(), |(next, _)| *next);
        begin + self.roots[at].0 as u64..begin + end as u64
    }
}

impl MadeFile for Repeated {
    fn size(&self) -> u64 {
        self.text.len() as u64 * self.times
    }

    fn bytes(&self, range: Range<u64>) -> Bytes {
        let length = self.text.len() as u64;
        let time = range.start / length;
        // At most to the end of this repetition.
        let (start, end) = (range.start - time * length, (range.end - time * length).min(length));
        let (start, end) = (start as usize, end as usize);
        let mut piece = self.text[start..end].to_vec();
        let from = self.numbers.partition_point(|number| number.at + number.digits <= start);
        for number in self.numbers[from..].iter().take_while(|number| number.at < end) {
            let text = format!("{:0width$}", number.value + time * STEP, width = number.digits);
            for (at, digit) in (number.at..).zip(text.bytes()).filter(|(at, _)| (start..end).contains(at)) {
                piece[at - start] = digit;
            }
        }
        Bytes::from(piece)
    }
}

/// The small shop, asked for everything but the content of what it collects.
pub struct Grown {
    small: Arc<Shopify>,
    times: u64,
    least_variants: usize,
    files: Mutex<BTreeMap<Feed, Arc<Repeated>>>,
    handles: Mutex<BTreeMap<String, Feed>>,
}

impl Grown {
    /// Repeats a shop's products, those alone that have so many variants.
    pub fn new(small: Arc<Shopify>, times: u64, least_variants: usize) -> Self {
        Self { small, times, least_variants, files: Mutex::default(), handles: Mutex::default() }
    }

    /// A file that was collected.
    pub fn file(&self, feed: Feed) -> Option<Arc<Repeated>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).get(&feed).cloned()
    }

    async fn collected(&self, feed: Feed, url: &str) -> Result<Arc<Repeated>> {
        if let Some(file) = self.file(feed) {
            return Ok(file);
        }
        let text = reqwest::get(url).await?.error_for_status()?.bytes().await?;
        let repeated = match feed {
            Feed::Products => {
                let variants = variants(&text)?;
                let enough = |id| variants.get(&id).is_some_and(|n| *n >= self.least_variants);
                Repeated::new(&text, self.times, enough)?
            }
            Feed::Metafields => {
                // The same products as in the other file, which is asked for first.
                let products = self.file(Feed::Products).context("products come first")?;
                Repeated::new(&text, self.times, |id| products.number(id).is_some())?
            }
            _ => Repeated::new(&text, 1, |_| true)?,
        };
        let repeated = Arc::new(repeated);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(feed, Arc::clone(&repeated));
        Ok(repeated)
    }
}

/// The number of variants of each product.
fn variants(text: &[u8]) -> Result<BTreeMap<u64, usize>> {
    let (mut counts, mut last) = (BTreeMap::new(), 0);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let value: serde_json::Value = serde_json::from_slice(line)?;
        let id = value["id"].as_str().unwrap_or_default();
        if value.get("__parentId").is_none() {
            last = id.rsplit('/').next().context("no id")?.parse()?;
            counts.insert(last, 0);
        } else if id.contains("/ProductVariant/") {
            *counts.entry(last).or_default() += 1;
        }
    }
    Ok(counts)
}

fn failed(error: anyhow::Error) -> ProviderError {
    ProviderError::Malformed { why: error.to_string() }
}

#[async_trait]
impl Extract for Grown {
    fn scopes_for(&self, wanted: Wanted) -> Scopes {
        self.small.scopes_for(wanted)
    }

    fn feeds_for(&self, wanted: &BTreeSet<Wanted>) -> BTreeSet<Feed> {
        self.small.feeds_for(wanted)
    }

    async fn source_counts(&self, access: &ShopAccess) -> Result<BTreeMap<Resource, u64>, ProviderError> {
        // What the large shop has is known when its files are; a shop may leave a count out.
        let mut counts = self.small.source_counts(access).await?;
        counts.retain(|resource, _| *resource == Resource::Categories);
        Ok(counts)
    }

    async fn locations(&self, access: &ShopAccess) -> Result<Vec<SourceItem>, ProviderError> {
        self.small.locations(access).await
    }

    async fn levels_since(
        &self,
        access: &ShopAccess,
        since: Timestamp,
        locations: &BTreeSet<u64>,
    ) -> Result<ChangedLevels, ProviderError> {
        self.small.levels_since(access, since, locations).await
    }

    async fn start_feed(
        &self,
        access: &ShopAccess,
        feed: Feed,
        context: &MapContext,
    ) -> Result<String, ProviderError> {
        let handle = self.small.start_feed(access, feed, context).await?;
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).insert(handle.clone(), feed);
        Ok(handle)
    }

    async fn feed_status(&self, access: &ShopAccess, handle: &str) -> Result<FeedStatus, ProviderError> {
        let feed = self.handles.lock().unwrap_or_else(PoisonError::into_inner).get(handle).copied();
        let status = self.small.feed_status(access, handle).await?;
        let (FeedStatus::Ready { file: Some(file), objects, roots }, Some(feed)) = (&status, feed) else {
            return Ok(status);
        };
        if feed == Feed::Metafields && self.file(Feed::Products).is_none() {
            return Ok(FeedStatus::Pending { objects: *objects, roots: *roots });
        }
        let large = self.collected(feed, &file.url).await.map_err(failed)?;
        let lines = large.text.iter().filter(|byte| **byte == b'\n').count() as u64 * large.times;
        Ok(FeedStatus::Ready {
            file: Some(FeedFile { url: file.url.clone(), size: large.size() }),
            objects: lines,
            roots: large.objects(),
        })
    }

    async fn cancel_feed(&self, access: &ShopAccess, handle: &str) -> Result<(), ProviderError> {
        self.small.cancel_feed(access, handle).await
    }

    async fn open_range(
        &self,
        feed: Feed,
        _: &FeedFile,
        range: Range<u64>,
        _: bool,
        context: &MapContext,
    ) -> Result<Box<dyn RangeReader>, ProviderError> {
        let file = self.file(feed).ok_or(ProviderError::ResultExpired)?;
        open(feed, file, range, context)
    }
}
