//! Rules of `MediaLinks` and `MediaObjects`.

use std::time::Duration;

use bytes::Bytes;

use super::samples::{self, SOURCE, at};
use super::{Checked, rules};
use crate::domain::ids::RunId;
use crate::domain::ids::ShopId;
use crate::domain::media::{
    ContentHash, MediaCopy, MediaKey, MediaLink, ObjectKey, ObjectState, StoredObject,
};
use crate::domain::record::Source;
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::media::{MediaLinks, MediaObjects};

/// Checks every rule of links.
pub async fn links(links: &dyn MediaLinks) -> Checked {
    rules!(
        a_link_and_its_objects_are_stored_together_or_not_at_all,
        a_link_is_its_stores_and_shops_own,
        what_is_to_be_tried_again_is_listed_soonest_first_and_leaves_the_list;
        (links)
    )
}

fn key(id: &str) -> MediaKey {
    MediaKey { source: SOURCE, id: id.to_owned() }
}

fn object(text: &str, revision: u64, links: u64) -> StoredObject {
    let key = ObjectKey { hash: ContentHash::of(text.as_bytes()), generation: 0 };
    StoredObject { revision, key, state: ObjectState::Stored, links }
}

fn linked(to: &StoredObject) -> MediaLink {
    MediaLink::default().copied(MediaCopy {
        object: to.key.clone(),
        bytes: 7,
        content_type: "image/png".to_owned(),
        url: "https://files.example/a.png".to_owned(),
        etag: Some("\"1\"".to_owned()),
        shared: false,
        run: RunId::new(samples::uuid(1)),
        copied_at: at(1),
    })
}

fn is_conflict(saved: &Result<(), PortError>) -> bool {
    matches!(saved, Err(PortError::Conflict))
}

async fn a_link_and_its_objects_are_stored_together_or_not_at_all(links: &dyn MediaLinks) -> Checked {
    let store = samples::store()?;
    let (first, second) = (object("first", 1, 1), object("second", 1, 1));
    let link = linked(&first);
    links.save(&store, Some((&key("1"), &link)), std::slice::from_ref(&first)).await?;
    assert_eq!(
        links.links(&store, &[key("2"), key("1"), key("1")]).await?,
        [None, Some(link.clone()), Some(link.clone())]
    );
    assert_eq!(links.object(&store, &first.key.hash).await?, Some(first.clone()));
    // An old revision of either refuses both.
    let moved = link.copied(linked(&second).copy.ok_or("a copy")?);
    let let_go = first.linked(false);
    for (link, objects) in [
        (&link, [second.clone(), let_go.clone()]),
        (&moved, [second.clone(), first.clone()]),
        (&moved, [second.linked(true), let_go.clone()]),
    ] {
        let saved = links.save(&store, Some((&key("1"), link)), &objects).await;
        assert!(is_conflict(&saved), "{saved:?}");
    }
    assert_eq!(links.object(&store, &second.key.hash).await?, None);
    links.save(&store, Some((&key("1"), &moved)), &[second.clone(), let_go.clone()]).await?;
    assert_eq!(links.links(&store, &[key("1")]).await?, [Some(moved)]);
    let going = let_go.becomes(ObjectState::Going);
    links.save(&store, None, std::slice::from_ref(&going)).await?;
    let again = links.save(&store, None, std::slice::from_ref(&going)).await;
    assert!(is_conflict(&again), "{again:?}");
    assert_eq!(links.object(&store, &first.key.hash).await?, Some(going));
    Ok(())
}

async fn a_link_is_its_stores_and_shops_own(links: &dyn MediaLinks) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let stored = object("own", 1, 1);
    links.save(&store, Some((&key("1"), &linked(&stored))), std::slice::from_ref(&stored)).await?;
    let elsewhere = MediaKey { source: Source { shop_id: ShopId(1), ..SOURCE }, ..key("1") };
    assert_eq!(links.links(&store, &[elsewhere]).await?, [None]);
    assert_eq!(links.links(&other, &[key("1")]).await?, [None]);
    assert_eq!(links.object(&other, &stored.key.hash).await?, None);
    assert_eq!(links.links(&store, &[]).await?, []);
    Ok(())
}

async fn what_is_to_be_tried_again_is_listed_soonest_first_and_leaves_the_list(
    links: &dyn MediaLinks,
) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let run = RunId::new(samples::uuid(1));
    let failed = |seconds| {
        MediaLink::default().failed(Code::MedFetchFailed, false, "https://files.example/a", &run, at(seconds))
    };
    for (id, seconds) in [("1", 30), ("2", 10), ("3", 20)] {
        links.save(&store, Some((&key(id), &failed(seconds))), &[]).await?;
    }
    let lasting = MediaLink::default().failed(Code::MedTooLarge, true, "", &run, at(1));
    links.save(&store, Some((&key("4"), &lasting)), &[]).await?;
    let wait = Duration::from_secs(60);
    let all = [(at(10) + wait, key("2")), (at(20) + wait, key("3")), (at(30) + wait, key("1"))];
    assert_eq!(links.to_try(&store, SOURCE, 9).await?, all);
    assert_eq!(links.to_try(&store, SOURCE, 2).await?, all[..2]);
    assert_eq!(links.to_try(&other, SOURCE, 9).await?, []);
    links.save(&store, Some((&key("2"), &failed(10).cleared())), &[]).await?;
    links.save(&store, Some((&key("3"), &failed(20).left())), &[]).await?;
    assert_eq!(links.to_try(&store, SOURCE, 9).await?, all[2..]);
    Ok(())
}

/// Checks every rule of objects.
pub async fn objects(objects: &dyn MediaObjects) -> Checked {
    let store = samples::store()?;
    let key = object("content", 1, 1).key;
    for _ in 0..2 {
        objects.put(&store, &key, Bytes::from_static(b"content"), "image/png").await?;
    }
    for _ in 0..2 {
        objects.delete(&store, &key).await?;
    }
    Ok(())
}
