//! Rules of `Catalog`.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::samples::{self, SOURCE, key, record};
use super::{Checked, links, rules};
use crate::domain::ids::{ShopId, StoreId};
use crate::domain::options::OnMissing;
use crate::domain::record::{Kind, Record, RecordKey, Source, Standing, StoredRecord};
use crate::domain::run::Cost;
use crate::ports::PortError;
use crate::ports::catalog::{Catalog, Edit, Expect};

/// More than one item holds.
pub(super) const LARGE: usize = 900 * 1024;

/// Checks every rule.
pub async fn all(catalog: &dyn Catalog) -> Checked {
    links::all(catalog).await?;
    rules!(
        a_record_of_every_kind_reads_back_as_written,
        of_many_first_writes_one_wins,
        a_write_needs_the_version_it_expects,
        a_delete_needs_the_version_it_expects,
        an_edit_leaves_what_was_imported_and_a_deleted_record_keeps_its_place,
        reads_answer_in_the_order_of_their_keys,
        a_large_record_reads_back_whole,
        a_large_record_is_never_torn_by_another_write,
        external_ids_are_those_of_one_shop_and_kind,
        lists_reach_every_record_once_and_cursors_stay_in_their_list,
        units_are_those_of_the_table,
        nothing_of_one_store_shows_in_another;
        (catalog)
    )
}

pub(super) async fn put(
    catalog: &dyn Catalog,
    store: &StoreId,
    record: &StoredRecord,
    expect: Expect,
) -> Result<Cost, PortError> {
    let mut cost = Cost::default();
    catalog.put(store, record, expect, &mut cost).await.map(|()| cost)
}

pub(super) async fn get(
    catalog: &dyn Catalog,
    store: &StoreId,
    key: RecordKey,
) -> Result<Option<StoredRecord>, PortError> {
    let found = catalog.get(store, &[key], true, &mut Cost::default()).await?;
    Ok(found.into_iter().next().flatten())
}

pub(super) fn is_conflict<T>(result: &Result<T, PortError>) -> bool {
    matches!(result, Err(PortError::Conflict))
}

async fn a_record_of_every_kind_reads_back_as_written(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    for kind in Kind::ALL {
        let mut written = record(key(kind, u64::MAX - 1), 1, "Tasse „Größe“ 🍵", 2_000);
        let done = if kind == Kind::Stock { OnMissing::Keep } else { OnMissing::Delete };
        written.standing = Standing::Missing { since: written.written_run.clone(), done };
        put(catalog, &store, &written, Expect::Absent).await?;
        assert_eq!(get(catalog, &store, written.key).await?.as_ref(), Some(&written));
        let id = written.key.internal_id(&store);
        assert_eq!(catalog.find(&store, kind, id).await?.as_ref(), Some(&written));
        let other = Kind::ALL.into_iter().find(|other| *other != kind).ok_or("one kind only")?;
        assert_eq!(catalog.find(&store, other, id).await?, None);
    }
    Ok(())
}

async fn of_many_first_writes_one_wins(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let copies: Vec<_> = (0..10).map(|n| record(key(Kind::Product, 1), 1, &format!("by {n}"), 0)).collect();
    let puts = join_all(copies.iter().map(|copy| put(catalog, &store, copy, Expect::Absent))).await;
    let won = puts.iter().position(Result::is_ok).ok_or("none won")?;
    assert_eq!(puts.iter().filter(|put| is_conflict(put)).count(), 9, "{puts:?}");
    assert_eq!(get(catalog, &store, copies[0].key).await?.as_ref(), Some(&copies[won]));
    Ok(())
}

async fn a_write_needs_the_version_it_expects(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let at = key(Kind::Warehouse, 1);
    assert!(is_conflict(&put(catalog, &store, &record(at, 2, "b", 0), Expect::Version(1)).await));
    let first = put(catalog, &store, &record(at, 1, "a", 0), Expect::Absent).await?;
    assert_eq!(first.catalogue_writes, 1);
    let second = put(catalog, &store, &record(at, 2, "b", 0), Expect::Version(1)).await?;
    assert_eq!(second.catalogue_writes, 1);
    let mut cost = Cost::default();
    for (version, expect) in [(2, Expect::Absent), (3, Expect::Version(1)), (3, Expect::Version(3))] {
        let refused = catalog.put(&store, &record(at, version, "c", 0), expect, &mut cost).await;
        assert!(is_conflict(&refused), "{expect:?}: {refused:?}");
    }
    assert_eq!((cost.catalogue_writes, cost.write_units), (0, 3));
    assert_eq!(get(catalog, &store, at).await?.map(|stored| stored.version), Some(2));
    Ok(())
}

async fn a_delete_needs_the_version_it_expects(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let at = key(Kind::Category, 1);
    put(catalog, &store, &record(at, 1, "a", 100), Expect::Absent).await?;
    let mut cost = Cost::default();
    assert!(is_conflict(&catalog.delete(&store, &at, 2, &mut cost).await));
    assert!(get(catalog, &store, at).await?.is_some());
    assert_eq!(cost.catalogue_writes, 0);
    catalog.delete(&store, &at, 1, &mut cost).await?;
    assert_eq!(cost.catalogue_writes, 1);
    assert_eq!(get(catalog, &store, at).await?, None);
    assert!(is_conflict(&catalog.delete(&store, &at, 1, &mut cost).await));
    let ids = catalog.external_ids(&store, SOURCE, Kind::Category, None, &mut cost).await?;
    assert!(ids.items.is_empty() && ids.next.is_none());
    put(catalog, &store, &record(at, 1, "again", 0), Expect::Absent).await?;
    Ok(())
}

async fn an_edit_leaves_what_was_imported_and_a_deleted_record_keeps_its_place(
    catalog: &dyn Catalog,
) -> Checked {
    let store = samples::store()?;
    let imported = record(key(Kind::Product, 1), 4, "Cup", 10);
    put(catalog, &store, &imported, Expect::Absent).await?;
    let mut content = imported.record.clone();
    content.set("title", "Mug".into());
    let cost = &mut Cost::default();
    catalog.edit(&store, &imported, Edit::Change(content.clone()), cost).await?;
    let edited = StoredRecord { version: 5, record: content.clone(), ..imported.clone() };
    assert_eq!(get(catalog, &store, imported.key).await?.as_ref(), Some(&edited));
    for edit in [Edit::Change(content), Edit::Delete] {
        assert!(
            is_conflict(&catalog.edit(&store, &imported, edit, cost).await),
            "it was read before the edit"
        );
    }
    catalog.edit(&store, &edited, Edit::Delete, cost).await?;
    let deleted = StoredRecord {
        version: 6,
        standing: Standing::Detached,
        record: Record::empty(Kind::Product),
        ..imported.clone()
    };
    assert_eq!(get(catalog, &store, imported.key).await?.as_ref(), Some(&deleted));
    let made_here = record(RecordKey::local(samples::PROVIDER, Kind::Product, 2), 1, "Own", 10);
    put(catalog, &store, &made_here, Expect::Absent).await?;
    catalog.edit(&store, &made_here, Edit::Delete, cost).await?;
    assert_eq!(get(catalog, &store, made_here.key).await?, None);
    assert_eq!(cost.catalogue_writes, 3);
    Ok(())
}

async fn reads_answer_in_the_order_of_their_keys(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let written: Vec<_> = (0..130).map(|n| record(key(Kind::Product, n), 1, &n.to_string(), 0)).collect();
    for batch in written.chunks(20) {
        for put in join_all(batch.iter().map(|record| put(catalog, &store, record, Expect::Absent))).await {
            put?;
        }
    }
    let mut keys: Vec<_> = (0..150).rev().map(|n| key(Kind::Product, n)).collect();
    keys.push(key(Kind::Product, 7));
    keys.push(key(Kind::Stock, 7));
    for consistent in [false, true] {
        let mut cost = Cost::default();
        let found = catalog.get(&store, &keys, consistent, &mut cost).await?;
        assert_eq!(found.len(), keys.len());
        for (at, found) in keys.iter().zip(&found) {
            let expected = written.iter().find(|record| record.key == *at);
            assert_eq!(found.as_ref(), expected, "{at:?}");
        }
        // A key asked for twice is read once; what is not there costs as much as the smallest item.
        assert_eq!(cost.read_units, if consistent { 151.0 } else { 75.5 });
    }
    assert!(catalog.get(&store, &[], true, &mut Cost::default()).await?.is_empty());
    Ok(())
}

async fn a_large_record_reads_back_whole(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let at = key(Kind::Product, 2_048);
    let large = record(at, 1, "large", LARGE);
    put(catalog, &store, &large, Expect::Absent).await?;
    assert_eq!(get(catalog, &store, at).await?.as_ref(), Some(&large));
    let id = at.internal_id(&store);
    assert_eq!(catalog.find(&store, Kind::Product, id).await?.as_ref(), Some(&large));
    let listed = catalog.list(&store, Kind::Product, None, 5).await?;
    assert_eq!(listed.items, std::slice::from_ref(&large));
    // Refused writes leave it whole.
    let refused = put(catalog, &store, &record(at, 1, "other", LARGE), Expect::Absent).await;
    assert!(is_conflict(&refused));
    assert_eq!(get(catalog, &store, at).await?.as_ref(), Some(&large));
    // Larger, small, large again: every form follows every other.
    for (version, bytes) in [(2, LARGE + 300_000), (3, 10), (4, LARGE)] {
        let next = record(at, version, "next", bytes);
        put(catalog, &store, &next, Expect::Version(version - 1)).await?;
        assert_eq!(get(catalog, &store, at).await?.as_ref(), Some(&next));
    }
    let ids = catalog.external_ids(&store, SOURCE, Kind::Product, None, &mut Cost::default()).await?;
    assert_eq!(ids.items, [2_048]);
    catalog.delete(&store, &at, 4, &mut Cost::default()).await?;
    assert_eq!(get(catalog, &store, at).await?, None);
    Ok(())
}

async fn a_large_record_is_never_torn_by_another_write(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let at = key(Kind::Product, 1);
    put(catalog, &store, &record(at, 1, "0", LARGE), Expect::Absent).await?;
    let write = async {
        for version in 2..4 {
            let rivals: Vec<_> = (0..2).map(|n| record(at, version, &n.to_string(), LARGE)).collect();
            let expect = Expect::Version(version - 1);
            let puts = join_all(rivals.iter().map(|rival| put(catalog, &store, rival, expect))).await;
            let won = puts.iter().position(Result::is_ok).ok_or("none won")?;
            assert!(is_conflict(&puts[1 - won]), "{puts:?}");
            assert_eq!(get(catalog, &store, at).await?.as_ref(), Some(&rivals[won]));
        }
        Checked::Ok(())
    };
    let read = async {
        for n in 0..8 {
            let found = catalog.get(&store, &[at], n % 2 == 0, &mut Cost::default()).await?;
            let found = found.into_iter().next().flatten().ok_or("it is always there")?;
            assert_eq!(found.record.fingerprint().0, found.digest, "torn at version {}", found.version);
        }
        Checked::Ok(())
    };
    let (wrote, read) = futures::join!(write, read);
    wrote.and(read)
}

async fn external_ids_are_those_of_one_shop_and_kind(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let other = Source { shop_id: ShopId(1), ..SOURCE };
    for n in 0..40 {
        put(catalog, &store, &record(key(Kind::Product, n), 1, "p", 0), Expect::Absent).await?;
    }
    for kind in [Kind::Category, Kind::Warehouse] {
        put(catalog, &store, &record(key(kind, 7_000), 1, "c", 0), Expect::Absent).await?;
    }
    put(catalog, &store, &record(key(Kind::Stock, 3), 1, "s", 0), Expect::Absent).await?;
    let foreign = RecordKey { source: other, ..key(Kind::Product, 99) };
    put(catalog, &store, &record(foreign, 1, "f", 0), Expect::Absent).await?;
    // Stock and metafields carry their product's id, so theirs are the products'.
    for (source, kind, expected) in [
        (SOURCE, Kind::Product, (0..40).collect::<BTreeSet<u64>>()),
        (SOURCE, Kind::Stock, (0..40).collect()),
        (SOURCE, Kind::Metafields, (0..40).collect()),
        (SOURCE, Kind::Category, BTreeSet::from([7_000])),
        (SOURCE, Kind::Warehouse, BTreeSet::from([7_000])),
        (other, Kind::Product, BTreeSet::from([99])),
        (other, Kind::Category, BTreeSet::new()),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        let mut cost = Cost::default();
        loop {
            let page = catalog.external_ids(&store, source, kind, cursor, &mut cost).await?;
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let unique: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!((seen.len(), &unique), (expected.len(), &expected), "{kind:?}");
        assert!(cost.read_units > 0.0);
    }
    let list = catalog.list(&store, Kind::Product, None, 1).await?.next;
    let mut cost = Cost::default();
    let refused = catalog.external_ids(&store, SOURCE, Kind::Product, list, &mut cost).await;
    assert!(matches!(refused, Err(PortError::Malformed { what: "cursor", .. })), "{refused:?}");
    Ok(())
}

async fn lists_reach_every_record_once_and_cursors_stay_in_their_list(catalog: &dyn Catalog) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let mut written: Vec<_> = (0..45).map(|n| record(key(Kind::Product, n), 1, &n.to_string(), 0)).collect();
    for record in &written {
        put(catalog, &store, record, Expect::Absent).await?;
    }
    put(catalog, &store, &record(key(Kind::Category, 1), 1, "c", 0), Expect::Absent).await?;
    for limit in [1, 7, 45, 100] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = catalog.list(&store, Kind::Product, cursor, limit).await?;
            assert!(page.items.len() <= limit as usize);
            seen.extend(page.items);
            cursor = page.next;
            let Some(next) = &cursor else { break };
            for (store, kind) in [(&other, Kind::Product), (&store, Kind::Category)] {
                let refused = catalog.list(store, kind, Some(next.clone()), limit).await;
                assert!(matches!(refused, Err(PortError::Malformed { what: "cursor", .. })), "{refused:?}");
            }
        }
        seen.sort_by_key(|record| record.key);
        written.sort_by_key(|record| record.key);
        assert_eq!(seen, written, "limit {limit}");
    }
    let garbage = catalog.list(&store, Kind::Product, Some("garbage".to_owned()), 5).await;
    assert!(matches!(garbage, Err(PortError::Malformed { what: "cursor", .. })), "{garbage:?}");
    assert!(catalog.list(&other, Kind::Product, None, 5).await?.items.is_empty());
    Ok(())
}

async fn units_are_those_of_the_table(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let at = key(Kind::Product, 1);
    // 2 units for the item and one for the index; a write over it pays for the larger of the two.
    let created = put(catalog, &store, &record(at, 1, "t", 1_200), Expect::Absent).await?;
    assert_eq!(created.write_units, 3, "{created:?}");
    let shrunk = put(catalog, &store, &record(at, 2, "t", 0), Expect::Version(1)).await?;
    assert_eq!(shrunk.write_units, 2, "{shrunk:?}");
    let stock = put(catalog, &store, &record(key(Kind::Stock, 1), 1, "", 0), Expect::Absent).await?;
    assert_eq!(stock.write_units, 1, "stock is in no index");
    let mut cost = Cost::default();
    catalog.delete(&store, &at, 2, &mut cost).await?;
    assert_eq!(cost.write_units, 2);
    let large = put(catalog, &store, &record(at, 1, "t", LARGE), Expect::Absent).await?;
    let mut read = Cost::default();
    catalog.get(&store, &[at], false, &mut read).await?;
    // Root, index and three pages; the root is read as asked, the pages consistently.
    assert_eq!((large.write_units, read.read_units), (702, 175.5));
    Ok(())
}

async fn nothing_of_one_store_shows_in_another(catalog: &dyn Catalog) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let mine = record(key(Kind::Product, 1), 1, "mine", 0);
    put(catalog, &store, &mine, Expect::Absent).await?;
    assert_eq!(get(catalog, &other, mine.key).await?, None);
    assert_eq!(catalog.find(&other, Kind::Product, mine.key.internal_id(&store)).await?, None);
    let ids = catalog.external_ids(&other, SOURCE, Kind::Product, None, &mut Cost::default()).await?;
    assert!(ids.items.is_empty());
    assert!(is_conflict(&catalog.delete(&other, &mine.key, 1, &mut Cost::default()).await));
    put(catalog, &other, &record(mine.key, 1, "theirs", 0), Expect::Absent).await?;
    assert_eq!(get(catalog, &store, mine.key).await?, Some(mine));
    Ok(())
}
