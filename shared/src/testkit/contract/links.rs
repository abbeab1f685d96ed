//! Rules of `Catalog` about records that were made here: how they are found, linked to a shop's and released.

use futures::future::join_all;

use super::catalog::{LARGE, get, is_conflict, put};
use super::samples::{self, SOURCE, key, record};
use super::{Checked, rules};
use crate::domain::ids::StoreId;
use crate::domain::lookalike::{Mark, marks};
use crate::domain::record::{Child, Kind, Record, RecordKey, Source, Standing, StoredRecord};
use crate::domain::run::Cost;
use crate::ports::PortError;
use crate::ports::catalog::{Catalog, Edit, Expect};

/// Checks every rule.
pub(super) async fn all(catalog: &dyn Catalog) -> Checked {
    rules!(
        records_made_here_are_found_by_their_marks_until_they_lose_them,
        a_record_made_here_becomes_the_shop_s_and_keeps_its_id,
        a_linked_record_is_released_as_it_was,
        of_many_who_link_one_record_one_wins,
        one_made_here_takes_another_s_place_and_gives_it_back,
        of_many_who_take_a_place_one_wins,
        lists_and_indexes_pass_over_links;
        (catalog)
    )
}

/// A product made here, with these stock keeping units.
fn made_here(number: u64, version: u64, skus: &[&str], bytes: usize) -> StoredRecord {
    let mut stored =
        record(RecordKey::local(samples::PROVIDER, Kind::Product, number), version, "Own", bytes);
    let variants = &mut stored.record.children[0];
    let fields = Kind::Product.shape().children[0].fields;
    for sku in skus {
        let value = |name: &&str| if *name == "sku" { (*sku).into() } else { serde_json::Value::Null };
        let values = fields.iter().map(value).collect();
        variants.push(Child { id: format!("own-{sku}"), values, missing_since: None });
    }
    stored
}

/// What one becomes that is linked to the shop's.
fn linked(ours: &StoredRecord, number: u64) -> StoredRecord {
    StoredRecord {
        key: key(ours.key.kind, number),
        local: Some(ours.key.external_id),
        version: ours.version + 1,
        ..ours.clone()
    }
}

async fn bearing(catalog: &dyn Catalog, store: &StoreId, skus: &[&str]) -> Result<Vec<Vec<u64>>, PortError> {
    let marks: Vec<Mark> =
        skus.iter().flat_map(|sku| marks(&made_here(1, 1, &[sku], 0).record).into_iter()).collect();
    catalog.bearing(store, samples::PROVIDER, Kind::Product, &marks, &mut Cost::default()).await
}

async fn records_made_here_are_found_by_their_marks_until_they_lose_them(catalog: &dyn Catalog) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    put(catalog, &store, &made_here(1, 1, &["A", "B"], 0), Expect::Absent).await?;
    put(catalog, &store, &made_here(2, 1, &["B", "C"], LARGE), Expect::Absent).await?;
    put(catalog, &other, &made_here(3, 1, &["A"], 0), Expect::Absent).await?;
    let imported = StoredRecord { key: key(Kind::Product, 9), ..made_here(9, 1, &["A"], 0) };
    put(catalog, &store, &imported, Expect::Absent).await?;
    assert_eq!(
        bearing(catalog, &store, &["A", "B", "C", "D"]).await?,
        [vec![1], vec![1, 2], vec![2], vec![]]
    );
    put(catalog, &store, &made_here(1, 2, &["B", "D"], 0), Expect::Version(1)).await?;
    assert_eq!(bearing(catalog, &store, &["A", "B", "D"]).await?, [vec![], vec![1, 2], vec![1]]);
    let large = RecordKey::local(samples::PROVIDER, Kind::Product, 2);
    catalog.delete(&store, &large, 1, &mut Cost::default()).await?;
    assert_eq!(bearing(catalog, &store, &["B", "C"]).await?, [vec![1], vec![]]);
    for number in 10..20 {
        put(catalog, &store, &made_here(number, 1, &["E"], 0), Expect::Absent).await?;
    }
    assert_eq!(bearing(catalog, &store, &["E"]).await?, [(10..15).collect::<Vec<u64>>()]);
    assert!(bearing(catalog, &store, &[]).await?.is_empty());
    Ok(())
}

async fn a_record_made_here_becomes_the_shop_s_and_keeps_its_id(catalog: &dyn Catalog) -> Checked {
    for bytes in [0, LARGE] {
        let store = samples::store()?;
        let ours = made_here(4, 3, &["A"], bytes);
        let id = ours.internal_id(&store);
        put(catalog, &store, &ours, Expect::Absent).await?;
        put(catalog, &store, &record(key(Kind::Product, 70), 1, "taken", 0), Expect::Absent).await?;
        for (number, version) in [(71, 2), (71, 4), (70, 3)] {
            let refused = put(catalog, &store, &linked(&ours, number), Expect::Unlinked(version)).await;
            assert!(is_conflict(&refused), "{number} at {version}: {refused:?}");
            assert_eq!(get(catalog, &store, ours.key).await?.as_ref(), Some(&ours));
        }
        let theirs = linked(&ours, 71);
        let cost = put(catalog, &store, &theirs, Expect::Unlinked(3)).await?;
        assert_eq!(cost.catalogue_writes, 1);
        let derived = theirs.key.internal_id(&store);
        for found in [
            get(catalog, &store, theirs.key).await?,
            get(catalog, &store, ours.key).await?,
            catalog.find(&store, Kind::Product, id).await?,
            catalog.find(&store, Kind::Product, derived).await?,
        ] {
            assert_eq!(found.as_ref(), Some(&theirs));
        }
        assert_eq!((theirs.internal_id(&store), bearing(catalog, &store, &["A"]).await?), (id, vec![vec![]]));
        // It is the shop's now: written under its key, in the shop's index, listed once, and nobody's to link again.
        let next = StoredRecord { version: 5, ..theirs.clone() };
        for (again, expect) in [(linked(&theirs, 72), Expect::Unlinked(3)), (theirs.clone(), Expect::Absent)]
        {
            assert!(is_conflict(&put(catalog, &store, &again, expect).await));
        }
        put(catalog, &store, &next, Expect::Version(4)).await?;
        assert_eq!(get(catalog, &store, theirs.key).await?.as_ref(), Some(&next));
        let cost = &mut Cost::default();
        assert!(is_conflict(&catalog.delete(&store, &theirs.key, 5, cost).await));
        let both = Source { shop_id: Source::LOCAL_SHOP, ..SOURCE };
        assert!(catalog.external_ids(&store, both, Kind::Product, None, cost).await?.items.is_empty());
        let mut ids = catalog.external_ids(&store, SOURCE, Kind::Product, None, cost).await?.items;
        ids.sort_unstable();
        assert_eq!(ids, [70, 71]);
        let listed = catalog.list(&store, Kind::Product, None, 10).await?;
        assert_eq!((listed.items.len(), listed.next), (2, None));
        let of_both = catalog.get(&store, &[theirs.key, ours.key, theirs.key], false, cost).await?;
        assert!(of_both.iter().all(|found| found.as_ref() == Some(&next)));
    }
    Ok(())
}

async fn a_linked_record_is_released_as_it_was(catalog: &dyn Catalog) -> Checked {
    for bytes in [0, LARGE] {
        let store = samples::store()?;
        let ours = made_here(4, 1, &["A"], bytes);
        let theirs = linked(&ours, 71);
        put(catalog, &store, &ours, Expect::Absent).await?;
        put(catalog, &store, &theirs, Expect::Unlinked(1)).await?;
        let back = StoredRecord { version: 3, ..ours.clone() };
        assert!(is_conflict(&put(catalog, &store, &back, Expect::Linked(theirs.key, 1)).await));
        let other = key(Kind::Product, 72);
        assert!(is_conflict(&put(catalog, &store, &back, Expect::Linked(other, 2)).await));
        put(catalog, &store, &back, Expect::Linked(theirs.key, 2)).await?;
        assert_eq!(get(catalog, &store, theirs.key).await?, None);
        assert_eq!(catalog.find(&store, Kind::Product, theirs.key.internal_id(&store)).await?, None);
        assert_eq!(get(catalog, &store, ours.key).await?.as_ref(), Some(&back));
        assert_eq!(bearing(catalog, &store, &["A"]).await?, [vec![4]]);
        let ids = catalog.external_ids(&store, SOURCE, Kind::Product, None, &mut Cost::default()).await?;
        assert!(ids.items.is_empty());
        // And again.
        let once_more = StoredRecord { version: 4, ..theirs.clone() };
        put(catalog, &store, &once_more, Expect::Unlinked(3)).await?;
        assert_eq!(get(catalog, &store, theirs.key).await?.as_ref(), Some(&once_more));
    }
    Ok(())
}

async fn of_many_who_link_one_record_one_wins(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let ours = made_here(4, 1, &["A"], 0);
    put(catalog, &store, &ours, Expect::Absent).await?;
    let rivals: Vec<_> = (0..6).map(|n| linked(&ours, 70 + n % 2)).collect();
    let puts = join_all(rivals.iter().map(|rival| put(catalog, &store, rival, Expect::Unlinked(1)))).await;
    let won = puts.iter().position(Result::is_ok).ok_or("none won")?;
    assert_eq!(puts.iter().filter(|put| is_conflict(put)).count(), 5, "{puts:?}");
    assert_eq!(get(catalog, &store, rivals[won].key).await?.as_ref(), Some(&rivals[won]));
    assert_eq!(get(catalog, &store, rivals[1 - won % 2].key).await?, None);
    Ok(())
}

/// One made here as it takes the place of another, and the other as it is then.
fn taking(ours: &StoredRecord, theirs: &StoredRecord) -> [StoredRecord; 2] {
    let standing = Standing::Replaced { by: ours.key.external_id };
    let replaced = StoredRecord { standing, version: theirs.version + 1, ..theirs.clone() };
    [linked(ours, theirs.key.external_id), replaced]
}

async fn put_both(
    catalog: &dyn Catalog,
    store: &StoreId,
    [one, other]: &[StoredRecord; 2],
) -> Result<Cost, PortError> {
    let mut cost = Cost::default();
    catalog.put_both(store, [one, other], &mut cost).await.map(|()| cost)
}

async fn one_made_here_takes_another_s_place_and_gives_it_back(catalog: &dyn Catalog) -> Checked {
    for bytes in [0, LARGE] {
        let store = samples::store()?;
        let (ours, theirs) =
            (made_here(4, 3, &["A"], bytes), record(key(Kind::Product, 71), 2, "Theirs", bytes));
        put(catalog, &store, &ours, Expect::Absent).await?;
        let taken = taking(&ours, &theirs);
        assert!(
            is_conflict(&put_both(catalog, &store, &taken).await),
            "there is nothing to take the place of"
        );
        put(catalog, &store, &theirs, Expect::Absent).await?;
        for (of_ours, of_theirs) in [(4, 2), (2, 2), (3, 3), (3, 1)] {
            let ours = StoredRecord { version: of_ours, ..ours.clone() };
            let theirs = StoredRecord { version: of_theirs, ..theirs.clone() };
            let refused = put_both(catalog, &store, &taking(&ours, &theirs)).await;
            assert!(is_conflict(&refused), "{of_ours} {of_theirs}: {refused:?}");
        }
        assert_eq!(get(catalog, &store, ours.key).await?.as_ref(), Some(&ours));
        assert_eq!(get(catalog, &store, theirs.key).await?.as_ref(), Some(&theirs));

        let cost = put_both(catalog, &store, &taken).await?;
        assert_eq!(cost.catalogue_writes, 2);
        let (id, derived) = (ours.internal_id(&store), theirs.internal_id(&store));
        for found in [
            get(catalog, &store, theirs.key).await?,
            get(catalog, &store, ours.key).await?,
            catalog.find(&store, Kind::Product, id).await?,
        ] {
            assert_eq!(found.as_ref(), Some(&taken[0]));
        }
        assert_eq!(catalog.find(&store, Kind::Product, derived).await?.as_ref(), Some(&taken[1]));
        // Both are listed, one is the shop's, and none is nobody's any more.
        let listed = catalog.list(&store, Kind::Product, None, 10).await?.items;
        assert!(listed.len() == 2 && taken.iter().all(|one| listed.contains(one)), "{}", listed.len());
        let ids =
            catalog.external_ids(&store, SOURCE, Kind::Product, None, &mut Cost::default()).await?.items;
        assert_eq!((ids, bearing(catalog, &store, &["A"]).await?), (vec![71], vec![vec![]]));

        // What is changed of either stands where it did.
        let next = StoredRecord { version: 5, ..taken[0].clone() };
        put(catalog, &store, &next, Expect::Version(4)).await?;
        catalog.edit(&store, &taken[1], Edit::Delete, &mut Cost::default()).await?;
        let emptied = StoredRecord { version: 4, record: Record::empty(Kind::Product), ..taken[1].clone() };
        assert_eq!(catalog.find(&store, Kind::Product, derived).await?.as_ref(), Some(&emptied));
        assert_eq!(get(catalog, &store, theirs.key).await?.as_ref(), Some(&next));
        assert!(is_conflict(&put(catalog, &store, &theirs, Expect::Absent).await));

        let back =
            [StoredRecord { version: 6, ..ours.clone() }, StoredRecord { version: 5, ..theirs.clone() }];
        put_both(catalog, &store, &back).await?;
        assert_eq!(get(catalog, &store, ours.key).await?.as_ref(), Some(&back[0]));
        assert_eq!(get(catalog, &store, theirs.key).await?.as_ref(), Some(&back[1]));
        assert_eq!(bearing(catalog, &store, &["A"]).await?, [vec![4]]);
    }
    Ok(())
}

async fn of_many_who_take_a_place_one_wins(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    let theirs = record(key(Kind::Warehouse, 71), 1, "Theirs", 0);
    put(catalog, &store, &theirs, Expect::Absent).await?;
    let mut rivals = Vec::new();
    for number in 1..=4 {
        let local = RecordKey::local(samples::PROVIDER, Kind::Warehouse, number);
        let ours = record(local, 1, "Own", 0);
        put(catalog, &store, &ours, Expect::Absent).await?;
        rivals.push(taking(&ours, &theirs));
    }
    let puts = join_all(rivals.iter().map(|rival| put_both(catalog, &store, rival))).await;
    let won = puts.iter().position(Result::is_ok).ok_or("none won")?;
    assert_eq!(puts.iter().filter(|put| is_conflict(put)).count(), 3, "{puts:?}");
    assert_eq!(get(catalog, &store, theirs.key).await?.as_ref(), Some(&rivals[won][0]));
    for (at, [rival, _]) in rivals.iter().enumerate().filter(|(at, _)| *at != won) {
        let stored = get(catalog, &store, rival.place()).await?;
        assert_eq!(stored.map(|stored| (stored.version, stored.local)), Some((1, None)), "{at}");
    }
    Ok(())
}

async fn lists_and_indexes_pass_over_links(catalog: &dyn Catalog) -> Checked {
    let store = samples::store()?;
    for number in 0..30 {
        let ours = made_here(number, 1, &[], 0);
        put(catalog, &store, &ours, Expect::Absent).await?;
        put(catalog, &store, &linked(&ours, 1_000 + number), Expect::Unlinked(1)).await?;
    }
    for limit in [1, 4, 29, 30] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = catalog.list(&store, Kind::Product, cursor, limit).await?;
            assert!(page.items.len() <= limit as usize);
            seen.extend(page.items.into_iter().map(|record| record.key.external_id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (1_000..1_030).collect::<Vec<u64>>(), "limit {limit}");
    }
    Ok(())
}
