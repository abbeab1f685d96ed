//! Rules of `ConnectorStore` and `History`.

use futures::future::join_all;

use super::samples::{self, PROVIDER, at};
use super::{Checked, rules};
use crate::domain::connection::{Attempt, Connector, HistoryAction, HistoryEntry, Reason, ScopeChange};
use crate::domain::history::{ChainedEntry, verify_chain};
use crate::domain::ids::{ShopDomain, StoreId};
use crate::domain::scopes::Scopes;
use crate::ports::PortError;
use crate::ports::connectors::{ConnectorStore, History, Lease, REFRESH_CAP, REFRESH_WINDOW, Release};

/// Checks every rule of `ConnectorStore`.
pub async fn all(connectors: &dyn ConnectorStore) -> Checked {
    rules!(
        a_connector_reads_back_as_saved,
        of_two_saves_of_one_revision_one_wins,
        a_state_works_once_whoever_comes_at_once,
        a_state_works_for_its_owner_in_time_and_nobody_else,
        of_many_stores_one_gets_the_shop,
        a_pending_claim_ends_and_a_confirmed_one_stays,
        a_failed_reconnect_leaves_the_confirmed_claim,
        going_live_saves_and_confirms_or_does_neither,
        a_claim_is_released_by_its_own_installation_alone,
        an_attempt_gives_up_its_claim_only_while_it_is_pending,
        a_claim_is_freed_with_the_last_attempt_that_counts_on_it,
        every_attempt_of_a_store_can_go_live_until_it_ends_its_own,
        attempts_that_come_and_go_at_once_are_all_counted,
        of_many_one_gets_the_lease_until_it_ends,
        a_window_sees_no_more_refreshes_than_are_allowed;
        (connectors)
    )
}

/// Checks every rule of `History`.
pub async fn history(history: &dyn History) -> Checked {
    rules!(
        entries_come_newest_first_by_pages,
        an_entry_is_never_changed,
        entries_that_come_at_once_make_one_chain,
        an_entry_added_by_many_at_once_stands_once;
        (history)
    )
}

fn is_conflict<T>(result: &Result<T, PortError>) -> bool {
    matches!(result, Err(PortError::Conflict))
}

async fn a_connector_reads_back_as_saved(connectors: &dyn ConnectorStore) -> Checked {
    let store = samples::store()?;
    assert_eq!(connectors.load(&store, PROVIDER).await?, None);
    let mut connector = Connector::new(store.clone(), PROVIDER, at(0));
    connectors.save(&mut connector).await?;
    assert_eq!(connector.revision, 1);
    assert_eq!(connectors.load(&store, PROVIDER).await?.as_ref(), Some(&connector));
    let mut live = samples::connector(&store, &samples::shop(), &samples::install());
    live.revision = connector.revision;
    live.last_attempt = Some(Attempt { shop: samples::shop(), reason: Reason::StateExpired, at: at(5) });
    connectors.save(&mut live).await?;
    assert_eq!(connectors.load(&store, PROVIDER).await?, Some(live));
    assert_eq!(connectors.load(&samples::store()?, PROVIDER).await?, None);
    Ok(())
}

async fn of_two_saves_of_one_revision_one_wins(connectors: &dyn ConnectorStore) -> Checked {
    let store = samples::store()?;
    for revision in 0..2 {
        let mut copies: Vec<_> = (0..8)
            .map(|_| Connector { revision, ..Connector::new(store.clone(), PROVIDER, at(0)) })
            .collect();
        let saved = join_all(copies.iter_mut().map(|copy| connectors.save(copy))).await;
        assert_eq!(saved.iter().filter(|saved| saved.is_ok()).count(), 1, "{saved:?}");
        assert_eq!(saved.iter().filter(|saved| is_conflict(saved)).count(), 7, "{saved:?}");
    }
    assert_eq!(connectors.load(&store, PROVIDER).await?.map(|connector| connector.revision), Some(2));
    Ok(())
}

async fn a_state_works_once_whoever_comes_at_once(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop) = (samples::store()?, samples::shop());
    let pending = samples::pending(&store, &shop);
    connectors.put_state(&pending).await?;
    let (hash, cookie) = (&pending.state_hash, &pending.cookie_hash);
    let used =
        join_all((0..50).map(|_| connectors.consume_state(hash, PROVIDER, &shop, cookie, at(1)))).await;
    let used: Vec<_> = used.into_iter().collect::<Result<_, _>>()?;
    let winners: Vec<_> = used.into_iter().flatten().collect();
    assert_eq!(winners, std::slice::from_ref(&pending));
    assert_eq!(connectors.peek_state(hash).await?, None);
    Ok(())
}

async fn a_state_works_for_its_owner_in_time_and_nobody_else(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop) = (samples::store()?, samples::shop());
    let pending = samples::pending(&store, &shop);
    connectors.put_state(&pending).await?;
    let (hash, cookie) = (pending.state_hash.as_str(), pending.cookie_hash.as_str());
    let other = samples::shop();
    for (hash, shop, cookie, now) in [
        (hash, &other, cookie, at(1)),
        (hash, &shop, "another browser", at(1)),
        (hash, &shop, cookie, at(600)),
        (hash, &shop, cookie, at(601)),
        ("another state", &shop, cookie, at(1)),
    ] {
        assert_eq!(connectors.consume_state(hash, PROVIDER, shop, cookie, now).await?, None);
        assert_eq!(connectors.peek_state(&pending.state_hash).await?.as_ref(), Some(&pending));
    }
    let used = connectors.consume_state(hash, PROVIDER, &shop, cookie, at(599)).await?;
    assert_eq!(used, Some(pending));
    Ok(())
}

async fn claim(
    connectors: &dyn ConnectorStore,
    shop: &ShopDomain,
    store: &StoreId,
    now: u64,
) -> Result<bool, PortError> {
    connectors.claim_shop(PROVIDER, shop, store, &samples::install(), at(now), at(now + 60)).await
}

async fn of_many_stores_one_gets_the_shop(connectors: &dyn ConnectorStore) -> Checked {
    let shop = samples::shop();
    let stores: Vec<StoreId> = (0..10).map(|_| samples::store()).collect::<Result<_, _>>()?;
    let got = join_all(stores.iter().map(|store| claim(connectors, &shop, store, 0))).await;
    let got: Vec<bool> = got.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(got.iter().filter(|got| **got).count(), 1, "{got:?}");
    Ok(())
}

async fn a_pending_claim_ends_and_a_confirmed_one_stays(connectors: &dyn ConnectorStore) -> Checked {
    let (shop, one, two) = (samples::shop(), samples::store()?, samples::store()?);
    assert!(claim(connectors, &shop, &one, 0).await?);
    assert!(!claim(connectors, &shop, &two, 59).await?);
    assert!(claim(connectors, &shop, &two, 60).await?, "a pending claim is free from its end on");
    let install = samples::install();
    assert!(
        connectors.claim_shop(PROVIDER, &shop, &two, &install, at(61), at(120)).await?,
        "its own store's"
    );
    let mut connector = samples::connector(&two, &shop, &install);
    connectors.go_live(&mut connector, &[]).await?;
    assert!(!claim(connectors, &shop, &one, 1_000_000).await?, "a confirmed claim has no end");
    assert!(claim(connectors, &shop, &two, 1_000_000).await?);
    Ok(())
}

async fn a_failed_reconnect_leaves_the_confirmed_claim(connectors: &dyn ConnectorStore) -> Checked {
    let (shop, store, other) = (samples::shop(), samples::store()?, samples::store()?);
    let (first, second) = (samples::install(), samples::install());
    connectors.claim_shop(PROVIDER, &shop, &store, &first, at(0), at(60)).await?;
    let mut connector = samples::connector(&store, &shop, &first);
    connectors.go_live(&mut connector, &[]).await?;
    assert!(connectors.claim_shop(PROVIDER, &shop, &store, &second, at(70), at(130)).await?);
    // The attempt fails: what it releases is not the installation that the claim stands for.
    connectors.release_claim(PROVIDER, &shop, &second).await?;
    assert!(!claim(connectors, &shop, &other, 10_000).await?);
    // The next one succeeds: the claim passes to the new installation.
    assert!(connectors.claim_shop(PROVIDER, &shop, &store, &second, at(75), at(135)).await?);
    let installation = samples::connector(&store, &shop, &second).installation.ok_or("no installation")?;
    connector.take_installation(installation, at(80));
    connectors.go_live(&mut connector, &[]).await?;
    connectors.release_claim(PROVIDER, &shop, &first).await?;
    assert!(!claim(connectors, &shop, &other, 10_000).await?);
    connectors.release_claim(PROVIDER, &shop, &second).await?;
    assert!(claim(connectors, &shop, &other, 10_000).await?);
    Ok(())
}

async fn going_live_saves_and_confirms_or_does_neither(connectors: &dyn ConnectorStore) -> Checked {
    let (shop, store, other) = (samples::shop(), samples::store()?, samples::store()?);
    let install = samples::install();
    let mut connector = samples::connector(&store, &shop, &install);
    assert!(is_conflict(&connectors.go_live(&mut connector, &[]).await), "there is no claim");
    connectors.claim_shop(PROVIDER, &shop, &store, &samples::install(), at(0), at(60)).await?;
    assert!(is_conflict(&connectors.go_live(&mut connector, &[]).await), "it is another attempt's claim");
    assert_eq!((connectors.load(&store, PROVIDER).await?, connector.revision), (None, 0));
    connectors.claim_shop(PROVIDER, &shop, &store, &install, at(0), at(60)).await?;
    let mut stale = Connector { revision: 5, ..connector.clone() };
    assert!(is_conflict(&connectors.go_live(&mut stale, &[]).await), "the revision moved");
    assert!(claim(connectors, &shop, &other, 60).await?, "the claim was not confirmed by it");
    assert!(is_conflict(&connectors.go_live(&mut connector, &[]).await), "it is another store's claim now");
    let free = samples::shop();
    connectors.claim_shop(PROVIDER, &free, &store, &install, at(0), at(60)).await?;
    let mut connector = samples::connector(&store, &free, &install);
    connectors.go_live(&mut connector, &[]).await?;
    assert_eq!(connector.revision, 1);
    assert_eq!(connectors.load(&store, PROVIDER).await?, Some(connector));
    Ok(())
}

async fn a_claim_is_released_by_its_own_installation_alone(connectors: &dyn ConnectorStore) -> Checked {
    let (shop, store, other) = (samples::shop(), samples::store()?, samples::store()?);
    let install = samples::install();
    connectors.release_claim(PROVIDER, &shop, &install).await?;
    connectors.claim_shop(PROVIDER, &shop, &store, &install, at(0), at(60)).await?;
    connectors.release_claim(PROVIDER, &shop, &samples::install()).await?;
    assert!(!claim(connectors, &shop, &other, 1).await?);
    connectors.release_claim(PROVIDER, &shop, &install).await?;
    assert!(claim(connectors, &shop, &other, 1).await?);
    Ok(())
}

async fn an_attempt_gives_up_its_claim_only_while_it_is_pending(connectors: &dyn ConnectorStore) -> Checked {
    let (shop, store, other) = (samples::shop(), samples::store()?, samples::store()?);
    let install = samples::install();
    connectors.give_up_claim(PROVIDER, &shop, &install).await?;
    connectors.claim_shop(PROVIDER, &shop, &store, &install, at(0), at(60)).await?;
    connectors.give_up_claim(PROVIDER, &shop, &samples::install()).await?;
    assert!(!claim(connectors, &shop, &other, 1).await?, "it is another installation's");
    connectors.go_live(&mut samples::connector(&store, &shop, &install), &[]).await?;
    connectors.give_up_claim(PROVIDER, &shop, &install).await?;
    assert!(!claim(connectors, &shop, &other, 1_000).await?, "it is confirmed");
    assert_eq!(connectors.close_claim(PROVIDER, &shop, &store, &install, at(100), at(160)).await?, Ok(()));
    connectors.give_up_claim(PROVIDER, &shop, &install).await?;
    assert!(!claim(connectors, &shop, &other, 101).await?, "it is closing");
    let pending = samples::shop();
    connectors.claim_shop(PROVIDER, &pending, &store, &install, at(0), at(60)).await?;
    connectors.give_up_claim(PROVIDER, &pending, &install).await?;
    assert!(claim(connectors, &pending, &other, 1).await?);
    Ok(())
}

async fn a_claim_is_freed_with_the_last_attempt_that_counts_on_it(
    connectors: &dyn ConnectorStore,
) -> Checked {
    let (shop, store, other) = (samples::shop(), samples::store()?, samples::store()?);
    let (old, one, two) = (samples::install(), samples::install(), samples::install());
    for install in [&one, &two] {
        assert!(connectors.claim_shop(PROVIDER, &shop, &store, install, at(0), at(60)).await?);
    }
    connectors.give_up_claim(PROVIDER, &shop, &two).await?;
    assert!(!claim(connectors, &shop, &other, 1).await?, "the first still counts on it");
    connectors.release_claim(PROVIDER, &shop, &one).await?;
    assert!(claim(connectors, &shop, &other, 1).await?);
    // The same beneath a claim that is confirmed, which a disconnect releases.
    let shop = samples::shop();
    connectors.claim_shop(PROVIDER, &shop, &store, &old, at(0), at(60)).await?;
    connectors.go_live(&mut samples::connector(&store, &shop, &old), &[]).await?;
    connectors.claim_shop(PROVIDER, &shop, &store, &one, at(100), at(160)).await?;
    connectors.release_claim(PROVIDER, &shop, &old).await?;
    assert!(!claim(connectors, &shop, &other, 159).await?, "an attempt still counts on it");
    assert!(claim(connectors, &shop, &other, 160).await?, "and keeps it no longer than it lasts");
    Ok(())
}

async fn every_attempt_of_a_store_can_go_live_until_it_ends_its_own(
    connectors: &dyn ConnectorStore,
) -> Checked {
    let (shop, store, other) = (samples::shop(), samples::store()?, samples::store()?);
    let (one, two, three) = (samples::install(), samples::install(), samples::install());
    for install in [&one, &two, &three] {
        connectors.claim_shop(PROVIDER, &shop, &store, install, at(0), at(60)).await?;
    }
    connectors.give_up_claim(PROVIDER, &shop, &two).await?;
    for (install, revision) in [(&one, 0), (&three, 1)] {
        let mut connector = samples::connector(&store, &shop, install);
        connector.revision = revision;
        connectors.go_live(&mut connector, &[]).await?;
        let mut late = samples::connector(&store, &shop, &two);
        late.revision = connector.revision;
        assert!(is_conflict(&connectors.go_live(&mut late, &[]).await), "it has given up");
    }
    connectors.release_claim(PROVIDER, &shop, &one).await?;
    assert!(!claim(connectors, &shop, &other, 1_000).await?, "the last one has it");
    connectors.release_claim(PROVIDER, &shop, &three).await?;
    assert!(claim(connectors, &shop, &other, 1_000).await?);
    Ok(())
}

async fn attempts_that_come_and_go_at_once_are_all_counted(connectors: &dyn ConnectorStore) -> Checked {
    let (shop, store, other) = (samples::shop(), samples::store()?, samples::store()?);
    let installs: Vec<_> = (0..6).map(|_| samples::install()).collect();
    let come =
        installs.iter().map(|install| connectors.claim_shop(PROVIDER, &shop, &store, install, at(0), at(60)));
    let come: Vec<bool> = join_all(come).await.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(come, [true; 6]);
    let (last, gone) = installs.split_last().ok_or("no attempts")?;
    let go = gone.iter().map(|install| connectors.give_up_claim(PROVIDER, &shop, install));
    join_all(go).await.into_iter().collect::<Result<Vec<()>, _>>()?;
    assert!(!claim(connectors, &shop, &other, 1).await?, "the last one still counts on it");
    connectors.give_up_claim(PROVIDER, &shop, last).await?;
    assert!(claim(connectors, &shop, &other, 1).await?);
    Ok(())
}

async fn of_many_one_gets_the_lease_until_it_ends(connectors: &dyn ConnectorStore) -> Checked {
    let install = samples::install();
    connectors.release_refresh(&install, at(30), Release::Used).await?;
    let got = join_all((0..10).map(|_| connectors.lease_refresh(&install, at(0), at(30)))).await;
    let got: Vec<Lease> = got.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(got.iter().filter(|got| matches!(got, Lease::Taken { nth: 1 })).count(), 1, "{got:?}");
    let busy = Lease::Busy { until: at(30) };
    assert!(got.iter().filter(|got| **got == busy).count() >= 6, "{got:?}");
    assert_eq!(connectors.lease_refresh(&install, at(29), at(60)).await?, busy);
    assert_eq!(connectors.lease_refresh(&install, at(30), at(60)).await?, Lease::Taken { nth: 2 });
    // The one before woke up; the lease is not its own any more.
    connectors.release_refresh(&install, at(30), Release::Used).await?;
    assert_eq!(connectors.lease_refresh(&install, at(31), at(61)).await?, Lease::Busy { until: at(60) });
    connectors.release_refresh(&install, at(60), Release::Pause(at(90))).await?;
    assert_eq!(connectors.lease_refresh(&install, at(89), at(119)).await?, Lease::Busy { until: at(90) });
    assert_eq!(connectors.lease_refresh(&install, at(90), at(120)).await?, Lease::Taken { nth: 3 });
    let other = samples::install();
    assert_eq!(connectors.lease_refresh(&other, at(31), at(60)).await?, Lease::Taken { nth: 1 });
    Ok(())
}

async fn a_window_sees_no_more_refreshes_than_are_allowed(connectors: &dyn ConnectorStore) -> Checked {
    let install = samples::install();
    let mut second = 0;
    let mut lease = async |release: Release| -> Result<Lease, PortError> {
        second += 1;
        let lease = connectors.lease_refresh(&install, at(second), at(second + 30)).await?;
        connectors.release_refresh(&install, at(second + 30), release).await?;
        Ok(lease)
    };
    for nth in 1..=REFRESH_CAP {
        assert_eq!(
            lease(Release::Unused).await?,
            Lease::Taken { nth },
            "one that was not used does not count"
        );
        assert_eq!(lease(Release::Used).await?, Lease::Taken { nth });
    }
    let window = REFRESH_WINDOW.as_secs();
    // The first lease of all was taken at second 1.
    assert_eq!(lease(Release::Used).await?, Lease::Capped { until: at(1 + window) });
    let last = connectors.lease_refresh(&install, at(window), at(window + 30)).await?;
    assert_eq!(last, Lease::Capped { until: at(1 + window) });
    let next = connectors.lease_refresh(&install, at(1 + window), at(window + 31)).await?;
    assert_eq!(next, Lease::Taken { nth: 1 });
    let held = connectors.lease_refresh(&install, at(2 + window), at(window + 32)).await?;
    assert_eq!(held, Lease::Busy { until: at(window + 31) });
    Ok(())
}

fn entry(store: &StoreId, second: u64) -> HistoryEntry {
    HistoryEntry {
        store: store.clone(),
        provider: PROVIDER,
        id: samples::uuid(second).simple().to_string(),
        at: at(second),
        actor: "someone".to_owned(),
        origin: Some("192.0.2.1".to_owned()),
        action: HistoryAction::ConnectFailed,
        shop: Some(samples::shop()),
        reason: Some(Reason::MissingScopes),
        scopes: Some(ScopeChange { lost: Scopes::parse("read_a,read_b"), gained: Scopes::default() }),
        detail: Some("runs 0".to_owned()),
    }
}

/// Everything in a store's history, oldest first, read by pages of this size.
async fn whole(history: &dyn History, store: &StoreId, limit: u32) -> Result<Vec<ChainedEntry>, PortError> {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = history.list(store, PROVIDER, cursor, limit).await?;
        assert!(page.items.len() <= limit as usize);
        seen.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            seen.reverse();
            return Ok(seen);
        }
    }
}

async fn entries_come_newest_first_by_pages(history: &dyn History) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let entries: Vec<_> = (0..5).map(|second| entry(&store, second)).collect();
    for entry in &entries {
        history.append(entry).await?;
    }
    history.append(&entry(&other, 9)).await?;
    let seen = whole(history, &store, 2).await?;
    assert_eq!(verify_chain(&seen), Ok(()));
    assert_eq!(seen.into_iter().map(|chained| chained.entry).collect::<Vec<_>>(), entries);
    assert_eq!(whole(history, &other, 2).await?.len(), 1);
    let foreign = history.list(&store, PROVIDER, None, 2).await?.next;
    let refused = history.list(&other, PROVIDER, foreign, 2).await;
    assert!(matches!(refused, Err(PortError::Malformed { what: "cursor", .. })), "{refused:?}");
    Ok(())
}

async fn an_entry_is_never_changed(history: &dyn History) -> Checked {
    let store = samples::store()?;
    let first = entry(&store, 0);
    history.append(&first).await?;
    let before = whole(history, &store, 5).await?;
    let changed = HistoryEntry { actor: "someone else".to_owned(), ..first.clone() };
    history.append(&changed).await?;
    history.append(&entry(&store, 1)).await?;
    history.append(&changed).await?;
    let after = whole(history, &store, 5).await?;
    assert_eq!((&after[..1], after.len()), (&before[..], 2));
    Ok(())
}

async fn entries_that_come_at_once_make_one_chain(history: &dyn History) -> Checked {
    let store = samples::store()?;
    let entries: Vec<_> = (0..20).map(|second| entry(&store, second)).collect();
    let added = join_all(entries.iter().map(|entry| history.append(entry))).await;
    added.into_iter().collect::<Result<Vec<()>, _>>()?;
    let seen = whole(history, &store, 50).await?;
    assert_eq!(verify_chain(&seen), Ok(()));
    let mut seen: Vec<_> = seen.into_iter().map(|chained| chained.entry).collect();
    seen.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(seen, entries);
    Ok(())
}

async fn an_entry_added_by_many_at_once_stands_once(history: &dyn History) -> Checked {
    let store = samples::store()?;
    let one = entry(&store, 0);
    let added = join_all((0..8).map(|_| history.append(&one))).await;
    added.into_iter().collect::<Result<Vec<()>, _>>()?;
    let seen = whole(history, &store, 50).await?;
    assert_eq!(seen.into_iter().map(|chained| chained.entry).collect::<Vec<_>>(), [one]);
    Ok(())
}
