//! Rules of `MappingStore`.

use serde_json::json;

use super::samples::{self, PROVIDER, at};
use super::{Checked, rules};
use crate::domain::push::saved::SavedMapping;
use crate::domain::push::target::Stream;
use crate::ports::PortError;
use crate::ports::destination::MappingStore;

/// Checks every rule.
pub async fn all(mappings: &dyn MappingStore) -> Checked {
    rules!(
        the_newest_revision_is_found_and_belongs_to_its_store_and_stream,
        a_revision_is_written_once;
        (mappings)
    )
}

fn saved(stream: Stream, revision: u32) -> SavedMapping {
    SavedMapping {
        stream,
        revision,
        document: Some(json!({"stream": stream.as_str(), "note": "O''Brien — 5 °C", "n": [1, 2.5, null]})),
        saved_by: "someone".to_owned(),
        saved_at: at(u64::from(revision)),
    }
}

async fn the_newest_revision_is_found_and_belongs_to_its_store_and_stream(
    mappings: &dyn MappingStore,
) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    assert_eq!(mappings.newest(&store, PROVIDER, Stream::Products).await?, None);
    // Past ten, where the order of texts and that of numbers part.
    for revision in 1..=11 {
        mappings.add(&store, PROVIDER, &saved(Stream::Products, revision)).await?;
    }
    mappings.add(&store, PROVIDER, &saved(Stream::ProductVariants, 1)).await?;
    let newest = mappings.newest(&store, PROVIDER, Stream::Products).await?;
    assert_eq!(newest, Some(saved(Stream::Products, 11)));
    let gone = SavedMapping { document: None, ..saved(Stream::Products, 12) };
    mappings.add(&store, PROVIDER, &gone).await?;
    assert_eq!(mappings.newest(&store, PROVIDER, Stream::Products).await?, Some(gone));
    let variants = mappings.newest(&store, PROVIDER, Stream::ProductVariants).await?;
    assert_eq!(variants, Some(saved(Stream::ProductVariants, 1)));
    assert_eq!(mappings.newest(&store, PROVIDER, Stream::Orders).await?, None);
    assert_eq!(mappings.newest(&other, PROVIDER, Stream::Products).await?, None);
    let earlier = mappings.revision(&store, PROVIDER, Stream::Products, 10).await?;
    assert_eq!(earlier, Some(saved(Stream::Products, 10)));
    assert_eq!(mappings.revision(&store, PROVIDER, Stream::Products, 13).await?, None);
    assert_eq!(mappings.revision(&store, PROVIDER, Stream::Orders, 1).await?, None);
    assert_eq!(mappings.revision(&other, PROVIDER, Stream::Products, 10).await?, None);
    Ok(())
}

async fn a_revision_is_written_once(mappings: &dyn MappingStore) -> Checked {
    let store = samples::store()?;
    let first = saved(Stream::Customers, 1);
    mappings.add(&store, PROVIDER, &first).await?;
    for second in [first.clone(), SavedMapping { document: None, ..first.clone() }] {
        let refused = mappings.add(&store, PROVIDER, &second).await;
        assert!(matches!(refused, Err(PortError::Conflict)), "{refused:?}");
    }
    assert_eq!(mappings.newest(&store, PROVIDER, Stream::Customers).await?, Some(first));
    Ok(())
}
