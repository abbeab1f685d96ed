//! Files cut at every place, in any order, and broken in every way.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::providers::shopify::map::category::CategoryDraft;
use crate::providers::shopify::map::product::ProductDraft;

mod download;

/// A file in memory, handed out in chunks.
struct Memory {
    bytes: Bytes,
    chunk: usize,
}

impl Memory {
    fn from(file: &str, start: u64, chunk: usize) -> Self {
        Self { bytes: Bytes::copy_from_slice(&file.as_bytes()[start as usize..]), chunk }
    }
}

impl ByteSource for Memory {
    async fn chunk(&mut self) -> Result<Option<Bytes>, ProviderError> {
        let length = self.chunk.min(self.bytes.len());
        Ok((length > 0).then(|| self.bytes.split_to(length)))
    }
}

fn context() -> MapContext {
    MapContext { currency: "CZK".to_owned(), stock: true }
}

type Read = (Vec<SourceItem>, RangeTally);

async fn drain(reader: &mut dyn RangeReader) -> Result<Read, ProviderError> {
    let mut items = Vec::new();
    while let Some(item) = reader.next().await? {
        items.push(item);
    }
    assert!(reader.next().await?.is_none(), "a reader that has ended goes on");
    Ok((items, reader.tally()))
}

async fn ranged<D: Draft>(
    file: &str,
    range: std::ops::Range<u64>,
    chunk: usize,
) -> Result<Read, ProviderError> {
    let source =
        Memory::from(file, Ranged::<D, Memory>::source_start(range.start).min(file.len() as u64), chunk);
    drain(&mut Ranged::<D, _>::new(source, range, context())).await
}

async fn joined<D: Draft>(file: &str) -> Result<Read, ProviderError> {
    drain(&mut Joined::<D, _>::new(Memory::from(file, 0, 1000), context())).await
}

fn whole(file: &str) -> std::ops::Range<u64> {
    0..file.len() as u64
}

fn level(item: u64, location: u64, variant: u64) -> Value {
    json!({"id": format!("gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"), "isActive": true,
        "location": {"id": format!("gid://shopify/Location/{location}")},
        "quantities": [{"name": "available", "quantity": item + location}],
        "__parentId": format!("gid://shopify/ProductVariant/{variant}")})
}

/// The lines of some products: the first without children, the others with more and more of them.
fn products(count: u64) -> Vec<Value> {
    let mut lines = Vec::new();
    for product in 1..=count {
        let id = format!("gid://shopify/Product/{product}");
        let variants = product - 1;
        lines.push(json!({"id": id, "title": format!("Č {product} {{\"__parentId\":"), "variantsCount": {"count": variants, "precision": "EXACT"},
            "mediaCount": {"count": 1, "precision": "EXACT"}}));
        for variant in (1..=variants).map(|n| product * 100 + n) {
            lines.push(json!({"id": format!("gid://shopify/ProductVariant/{variant}"), "price": "1.5", "position": variant % 100,
                "inventoryItem": {"id": format!("gid://shopify/InventoryItem/{variant}"), "tracked": true}, "__parentId": id}));
            lines.extend([1, 2].map(|location| level(variant, location, variant)));
        }
        lines.push(json!({"id": format!("gid://shopify/MediaImage/{product}"), "mediaContentType": "IMAGE", "status": "READY", "__parentId": id}));
    }
    lines
}

fn text(lines: &[Value], end: &str) -> String {
    lines.iter().map(|line| format!("{line}{end}")).collect()
}

#[tokio::test]
async fn a_file_cut_at_every_byte_yields_the_same_objects() {
    let lines = products(3);
    for file in [text(&lines, "\n"), text(&lines, "\r\n"), text(&lines, "\n").trim_end().to_owned()] {
        let (expected, tally) = ranged::<ProductDraft>(&file, whole(&file), 4096).await.unwrap();
        assert_eq!((tally.lines, tally.roots, tally.orphans), (lines.len() as u64, 3, 0));
        assert_eq!(expected.iter().map(|item| item.external_id).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(expected.iter().all(|item| !item.truncated));
        for cut in 0..=file.len() as u64 {
            let (mut items, before) = ranged::<ProductDraft>(&file, 0..cut, 61).await.unwrap();
            let (rest, after) = ranged::<ProductDraft>(&file, cut..file.len() as u64, 61).await.unwrap();
            items.extend(rest);
            assert_eq!(items, expected, "cut at {cut}");
            assert_eq!(before.lines + after.lines, tally.lines, "cut at {cut}");
            assert_eq!(before.roots + after.roots, tally.roots, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn many_small_ranges_and_chunks_of_any_size_yield_the_same_objects() {
    let file = text(&products(5), "\n");
    let (expected, whole_tally) = ranged::<ProductDraft>(&file, whole(&file), 4096).await.unwrap();
    for (size, chunk) in [(1, 4096), (7, 1), (100, 3), (333, 17), (5000, 1)] {
        let mut items = Vec::new();
        let mut lines = 0;
        for start in (0..file.len()).step_by(size) {
            let end = (start + size).min(file.len());
            let (some, tally) = ranged::<ProductDraft>(&file, start as u64..end as u64, chunk).await.unwrap();
            items.extend(some);
            lines += tally.lines;
        }
        assert_eq!(items, expected, "ranges of {size}");
        assert_eq!(lines, whole_tally.lines);
    }
}

#[tokio::test]
async fn an_empty_range_or_file_holds_nothing() {
    let file = text(&products(2), "\n");
    for (file, range) in [("", 0..0), (file.as_str(), 5..5), ("\n\r\n", 0..3)] {
        let (items, tally) = ranged::<ProductDraft>(file, range, 10).await.unwrap();
        assert_eq!((items.len(), tally.lines, tally.roots), (0, 0, 0));
    }
    assert_eq!(joined::<ProductDraft>("").await.unwrap().0.len(), 0);
}

#[tokio::test]
async fn joining_finds_every_parent_whatever_the_order() {
    let lines = products(5);
    let grouped = text(&lines, "\n");
    let (expected, tally) = ranged::<ProductDraft>(&grouped, whole(&grouped), 4096).await.unwrap();
    let is_root = |line: &&Value| line["__parentId"].is_null();
    let roots_first: Vec<Value> =
        lines.iter().filter(is_root).chain(lines.iter().filter(|line| !is_root(line))).cloned().collect();
    let roots_last: Vec<Value> = lines
        .iter()
        .rev()
        .filter(|line| !is_root(line))
        .chain(lines.iter().filter(is_root))
        .cloned()
        .collect();
    for order in [&lines, &roots_first, &roots_last] {
        let (items, joined) = joined::<ProductDraft>(&text(order, "\r\n")).await.unwrap();
        assert_eq!(items, expected);
        assert_eq!((joined.lines, joined.roots, joined.orphans), (tally.lines, tally.roots, 0));
    }
    // Without joining, the same files say that they are not grouped.
    for order in [&roots_first, &roots_last] {
        let file = text(order, "\n");
        let (items, tally) = ranged::<ProductDraft>(&file, whole(&file), 4096).await.unwrap();
        assert_eq!((tally.lines, tally.roots), (lines.len() as u64, 5));
        assert!(tally.orphans > 0);
        assert_ne!(items, expected);
    }
}

#[tokio::test]
async fn a_child_without_any_parent_is_counted_and_not_dropped_silently() {
    let mut lines = products(2);
    lines.push(level(1, 1, 999));
    let file = text(&lines, "\n");
    for (_, tally) in [
        ranged::<ProductDraft>(&file, whole(&file), 99).await.unwrap(),
        joined::<ProductDraft>(&file).await.unwrap(),
    ] {
        assert_eq!((tally.lines, tally.roots, tally.orphans), (lines.len() as u64, 2, 1));
    }
}

#[tokio::test]
async fn a_range_of_a_file_without_grouping_does_not_read_all_the_rest() {
    let root = |id: u64| json!({"id": format!("gid://shopify/Collection/{id}")});
    let mut lines = vec![root(1), root(2)];
    lines.extend((1..10_000).map(
        |id| json!({"id": format!("gid://shopify/Product/{id}"), "__parentId": "gid://shopify/Collection/1"}),
    ));
    let file = text(&lines, "\n");
    let (_, tally) = ranged::<CategoryDraft>(&file, 0..50, 64).await.unwrap();
    assert!(tally.orphans > 0);
    assert!(tally.bytes < 1000, "{tally:?}");
}

#[tokio::test]
async fn a_bad_line_names_its_place_and_not_its_content() {
    let file =
        text(&products(1), "\n") + "{\"id\":\"gid://shopify/Product/2\",\"title\":\"secret\",\"tags\":7}\n";
    let place = text(&products(1), "\n").len();
    for error in [
        ranged::<ProductDraft>(&file, whole(&file), 10).await.unwrap_err(),
        joined::<ProductDraft>(&file).await.unwrap_err(),
    ] {
        let ProviderError::Malformed { why } = error else { panic!("{error:?}") };
        assert!(why.contains(&format!("at byte {place} ")) && !why.contains("secret"), "{why}");
    }
}

#[tokio::test]
async fn a_file_that_ends_within_a_line_is_an_error() {
    let file = text(&products(3), "\n");
    let cut = &file[..file.len() - 20];
    for error in [
        ranged::<ProductDraft>(cut, whole(cut), 10).await.unwrap_err(),
        joined::<ProductDraft>(cut).await.unwrap_err(),
    ] {
        assert!(matches!(error, ProviderError::Malformed { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_tally_grows_with_the_objects_given_out() {
    let file = text(&products(3), "\n");
    let mut reader = Ranged::<ProductDraft, _>::new(Memory::from(&file, 0, 10), whole(&file), context());
    let mut seen = Vec::new();
    while reader.next().await.unwrap().is_some() {
        seen.push((reader.tally().roots, reader.tally().lines));
    }
    assert_eq!(seen, [(1, 2), (2, 7), (3, 15)]);
    assert_eq!(reader.tally().bytes, file.len() as u64);
}
