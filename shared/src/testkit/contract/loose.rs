//! Rules of `LooseEnds`, and of the writes of `ConnectorStore` that put them down.

use futures::future::join_all;

use super::samples::{self, PROVIDER, at};
use super::{Checked, rules};
use crate::domain::claim::NotClosed;
use crate::domain::connection::{HistoryAction, HistoryEntry, LooseEnd, Reason};
use crate::domain::ids::StoreId;
use crate::ports::PortError;
use crate::ports::connectors::ConnectorStore;
use crate::ports::loose::{CARE_EVERY, Due, Take};

/// Checks every rule.
pub async fn all(connectors: &dyn ConnectorStore) -> Checked {
    rules!(
        a_loose_end_reads_back_until_it_is_struck_out,
        a_loose_end_is_struck_out_only_as_it_was_read,
        a_loose_end_is_one_takers_until_it_is_given_back_or_ends,
        what_is_taken_does_not_go_live,
        what_is_due_comes_longest_first_and_can_be_put_off_once,
        a_connector_is_looked_after_while_it_is_live,
        going_live_puts_loose_ends_down_or_nothing,
        letting_go_saves_and_puts_down_or_does_neither,
        a_shop_that_is_closing_is_nobodys_until_it_ends,
        a_shop_of_another_installation_cannot_be_closed,
        a_shop_that_attempts_count_on_is_closed_after_the_last_of_them;
        (connectors)
    )
}

fn is_conflict<T>(result: &Result<T, PortError>) -> bool {
    matches!(result, Err(PortError::Conflict))
}

async fn due_of(connectors: &dyn ConnectorStore, store: &StoreId, now: u64) -> Result<Vec<Due>, PortError> {
    let all = connectors.due(at(now), 10_000).await?;
    Ok(all.into_iter().filter(|due| due.store == *store).collect())
}

async fn a_loose_end_reads_back_until_it_is_struck_out(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop, install) = (samples::store()?, samples::shop(), samples::install());
    let mut end = samples::loose_end(&store, &shop, &install, 10);
    connectors.put_loose_end(&end).await?;
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![end.clone()]);
    assert_eq!(connectors.loose_ends(&samples::store()?, PROVIDER).await?, vec![]);
    (end.remove_app, end.due) = (false, at(20));
    end.entry = Some(HistoryEntry {
        store: store.clone(),
        provider: PROVIDER,
        id: samples::uuid(1).simple().to_string(),
        at: at(1),
        actor: "someone".to_owned(),
        origin: Some("192.0.2.1".to_owned()),
        action: HistoryAction::Disconnected,
        shop: Some(shop.clone()),
        reason: Some(Reason::Disconnected),
        scopes: None,
        detail: None,
    });
    connectors.put_loose_end(&end).await?;
    let second = samples::loose_end(&store, &shop, &samples::install(), 10);
    connectors.put_loose_end(&second).await?;
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?.len(), 2);
    assert!(connectors.loose_ends(&store, PROVIDER).await?.contains(&end));
    for _ in 0..2 {
        connectors.strike_loose_end(&end).await?;
        assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![second.clone()]);
    }
    assert_eq!(due_of(connectors, &store, 1_000).await?.len(), 1);
    connectors.strike_loose_end(&second).await?;
    Ok(())
}

async fn a_loose_end_is_struck_out_only_as_it_was_read(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop, install) = (samples::store()?, samples::shop(), samples::install());
    let before = samples::loose_end(&store, &shop, &install, 10);
    connectors.put_loose_end(&before).await?;
    let read = connectors.loose_ends(&store, PROVIDER).await?;
    let after = LooseEnd { remove_app: !before.remove_app, ..before.clone() };
    connectors.put_loose_end(&after).await?;
    connectors.strike_loose_end(&read[0]).await?;
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![after.clone()]);
    connectors.strike_loose_end(&after).await?;
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![]);
    Ok(())
}

async fn a_loose_end_is_one_takers_until_it_is_given_back_or_ends(
    connectors: &dyn ConnectorStore,
) -> Checked {
    let (store, shop, install) = (samples::store()?, samples::shop(), samples::install());
    let end = samples::loose_end(&store, &shop, &install, 10);
    assert_eq!(connectors.take_loose_end(&end, at(0), at(60)).await?, Take::Gone, "it is not there");
    connectors.put_loose_end(&end).await?;
    // What is read off the table is known again.
    let read = connectors.loose_ends(&store, PROVIDER).await?.remove(0);
    let taken = join_all((0..8).map(|_| connectors.take_loose_end(&read, at(0), at(60)))).await;
    let taken: Vec<Take> = taken.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(taken.iter().filter(|taken| **taken == Take::Taken).count(), 1, "{taken:?}");
    assert_eq!(taken.iter().filter(|taken| **taken == Take::Busy { until: at(60) }).count(), 7, "{taken:?}");
    assert_eq!(connectors.take_loose_end(&end, at(59), at(90)).await?, Take::Busy { until: at(60) });
    assert_eq!(connectors.take_loose_end(&end, at(60), at(120)).await?, Take::Taken, "it has ended");
    connectors.give_back_loose_end(&end, at(60), at(61)).await?;
    let busy = connectors.take_loose_end(&end, at(62), at(130)).await?;
    assert_eq!(busy, Take::Busy { until: at(120) }, "given back by one whose it is not any more");
    connectors.give_back_loose_end(&end, at(120), at(63)).await?;
    assert_eq!(connectors.take_loose_end(&end, at(63), at(140)).await?, Take::Taken);
    let newer = LooseEnd { remove_app: !end.remove_app, ..end.clone() };
    connectors.put_loose_end(&newer).await?;
    assert_eq!(connectors.take_loose_end(&end, at(200), at(300)).await?, Take::Changed);
    assert_eq!(connectors.take_loose_end(&newer, at(64), at(150)).await?, Take::Taken, "nobody has taken it");
    connectors.strike_loose_end(&newer).await?;
    connectors.give_back_loose_end(&newer, at(150), at(70)).await?;
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![]);
    Ok(())
}

async fn what_is_taken_does_not_go_live(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop, install) = (samples::store()?, samples::shop(), samples::install());
    let mut connector = samples::connector(&store, &shop, &install);
    connectors.claim_shop(PROVIDER, &shop, &store, &install, at(0), at(60)).await?;
    let end = samples::loose_end(&store, &shop, &install, 5);
    connectors.put_loose_end(&end).await?;
    assert_eq!(connectors.take_loose_end(&end, at(0), at(60)).await?, Take::Taken);
    for given_back in [false, true] {
        if given_back {
            connectors.give_back_loose_end(&end, at(60), at(1)).await?;
        }
        let late = connectors.go_live(&mut connector, std::slice::from_ref(&end)).await;
        assert!(is_conflict(&late), "its token may be gone: {late:?}");
        assert_eq!(connectors.load(&store, PROVIDER).await?, None);
    }
    connectors.strike_loose_end(&end).await?;
    Ok(())
}

async fn what_is_due_comes_longest_first_and_can_be_put_off_once(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop) = (samples::store()?, samples::shop());
    let (early, late) = (samples::install(), samples::install());
    let second = samples::loose_end(&store, &shop, &late, 200);
    let end = samples::loose_end(&store, &shop, &early, 100);
    for end in [&second, &end] {
        connectors.put_loose_end(end).await?;
    }
    assert_eq!(due_of(connectors, &store, 99).await?, vec![]);
    let due = due_of(connectors, &store, 200).await?;
    let shown: Vec<_> = due.iter().map(|due| (due.install.clone(), due.at)).collect();
    assert_eq!(shown, [(Some(early.clone()), at(100)), (Some(late.clone()), at(200))]);
    let first = due.first().ok_or("nothing is due")?;
    assert!(connectors.postpone(first, at(300)).await?);
    assert!(!connectors.postpone(first, at(400)).await?, "someone else was first");
    assert_eq!(due_of(connectors, &store, 299).await?.len(), 1);
    assert_eq!(due_of(connectors, &store, 300).await?.len(), 2);
    connectors.strike_loose_end(&end).await?;
    let gone = Due { at: at(300), ..first.clone() };
    assert!(!connectors.postpone(&gone, at(400)).await?, "there is nothing to put off");
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?.len(), 1);
    connectors.strike_loose_end(&second).await?;
    Ok(())
}

async fn a_connector_is_looked_after_while_it_is_live(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop) = (samples::store()?, samples::shop());
    let mut connector = samples::connector(&store, &shop, &samples::install());
    connectors.save(&mut connector).await?;
    let first = 1 + CARE_EVERY.as_secs();
    assert_eq!(due_of(connectors, &store, first - 1).await?, vec![]);
    let due = due_of(connectors, &store, first).await?;
    let expected = Due { store: store.clone(), provider: PROVIDER, install: None, at: at(first) };
    assert_eq!(due, [expected]);
    assert!(connectors.postpone(&due[0], at(first + 60)).await?);
    // Other changes leave the time as it is.
    connector.updated_at = at(first + 10);
    connectors.save(&mut connector).await?;
    assert_eq!(due_of(connectors, &store, first + 60).await?.len(), 1);
    connector.reason = Some(Reason::NeedsReauthorization);
    connectors.save(&mut connector).await?;
    assert_eq!(due_of(connectors, &store, 10 * first).await?, vec![]);
    Ok(())
}

async fn going_live_puts_loose_ends_down_or_nothing(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop) = (samples::store()?, samples::shop());
    let (install, old) = (samples::install(), samples::install());
    let mut connector = samples::connector(&store, &shop, &install);
    connectors.claim_shop(PROVIDER, &shop, &store, &install, at(0), at(60)).await?;
    let own = samples::loose_end(&store, &shop, &install, 5);
    let ends = [own.clone(), samples::loose_end(&store, &samples::shop(), &old, 5)];
    let struck_out = connectors.go_live(&mut connector, &ends).await;
    assert!(is_conflict(&struck_out), "its token was put away: {struck_out:?}");
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![]);
    assert_eq!(connectors.load(&store, PROVIDER).await?, None);
    connectors.put_loose_end(&own).await?;
    connectors.go_live(&mut connector, &ends).await?;
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?.len(), 2);
    for end in &ends {
        connectors.strike_loose_end(end).await?;
    }
    Ok(())
}

async fn letting_go_saves_and_puts_down_or_does_neither(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop, install) = (samples::store()?, samples::shop(), samples::install());
    let mut connector = samples::connector(&store, &shop, &install);
    connectors.save(&mut connector).await?;
    let end = samples::loose_end(&store, &shop, &install, 5);
    connector.installation = None;
    connector.reason = Some(Reason::Disconnected);
    connector.revision = 7;
    assert!(is_conflict(&connectors.let_go(&mut connector, &end).await), "the revision moved");
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![]);
    connector.revision = 1;
    connectors.let_go(&mut connector, &end).await?;
    assert_eq!(connectors.load(&store, PROVIDER).await?, Some(connector));
    assert_eq!(connectors.loose_ends(&store, PROVIDER).await?, vec![end.clone()]);
    connectors.strike_loose_end(&end).await?;
    Ok(())
}

async fn a_shop_that_is_closing_is_nobodys_until_it_ends(connectors: &dyn ConnectorStore) -> Checked {
    let (store, other, shop) = (samples::store()?, samples::store()?, samples::shop());
    let (old, new) = (samples::install(), samples::install());
    connectors.claim_shop(PROVIDER, &shop, &store, &old, at(0), at(60)).await?;
    connectors.go_live(&mut samples::connector(&store, &shop, &old), &[]).await?;
    assert_eq!(connectors.close_claim(PROVIDER, &shop, &store, &old, at(100), at(160)).await?, Ok(()));
    for store in [&store, &other] {
        assert!(!connectors.claim_shop(PROVIDER, &shop, store, &new, at(159), at(200)).await?);
    }
    let mut late = samples::connector(&samples::store()?, &shop, &old);
    late.store = store.clone();
    late.revision = 1;
    assert!(is_conflict(&connectors.go_live(&mut late, &[]).await), "it is being put away");
    let again = connectors.close_claim(PROVIDER, &shop, &store, &old, at(110), at(170)).await?;
    assert_eq!(again, Ok(()), "asked again");
    assert!(connectors.claim_shop(PROVIDER, &shop, &other, &new, at(170), at(230)).await?);
    connectors.release_claim(PROVIDER, &shop, &old).await?;
    assert!(!connectors.claim_shop(PROVIDER, &shop, &store, &old, at(180), at(240)).await?);
    Ok(())
}

async fn a_shop_of_another_installation_cannot_be_closed(connectors: &dyn ConnectorStore) -> Checked {
    let (store, shop) = (samples::store()?, samples::shop());
    let (old, new) = (samples::install(), samples::install());
    connectors.claim_shop(PROVIDER, &shop, &store, &new, at(0), at(60)).await?;
    connectors.go_live(&mut samples::connector(&store, &shop, &new), &[]).await?;
    let closed = connectors.close_claim(PROVIDER, &shop, &store, &old, at(1_000), at(1_060)).await?;
    assert_eq!(closed, Err(NotClosed::Others), "confirmed");
    assert_eq!(connectors.close_claim(PROVIDER, &shop, &store, &new, at(1_000), at(1_060)).await?, Ok(()));
    let closed = connectors.close_claim(PROVIDER, &shop, &store, &old, at(1_001), at(1_060)).await?;
    assert_eq!(closed, Err(NotClosed::Others), "closing");
    let free = samples::shop();
    assert_eq!(connectors.close_claim(PROVIDER, &free, &store, &old, at(1), at(60)).await?, Ok(()));
    connectors.release_claim(PROVIDER, &free, &old).await?;
    assert!(connectors.claim_shop(PROVIDER, &free, &store, &new, at(2), at(60)).await?);
    Ok(())
}

async fn a_shop_that_attempts_count_on_is_closed_after_the_last_of_them(
    connectors: &dyn ConnectorStore,
) -> Checked {
    let (store, shop) = (samples::store()?, samples::shop());
    let (old, one, two) = (samples::install(), samples::install(), samples::install());
    let close =
        async |now: u64| connectors.close_claim(PROVIDER, &shop, &store, &old, at(now), at(now + 60)).await;
    connectors.claim_shop(PROVIDER, &shop, &store, &old, at(0), at(60)).await?;
    connectors.go_live(&mut samples::connector(&store, &shop, &old), &[]).await?;
    for (install, until) in [(&one, 160), (&two, 170)] {
        assert!(connectors.claim_shop(PROVIDER, &shop, &store, install, at(100), at(until)).await?);
    }
    assert_eq!(close(110).await?, Err(NotClosed::Attempts { until: at(170) }), "one may be put in its place");
    // The installation goes, the attempts stay.
    connectors.release_claim(PROVIDER, &shop, &old).await?;
    assert_eq!(close(111).await?, Err(NotClosed::Attempts { until: at(170) }));
    connectors.give_up_claim(PROVIDER, &shop, &two).await?;
    assert_eq!(close(159).await?, Err(NotClosed::Attempts { until: at(160) }));
    assert_eq!(close(160).await?, Ok(()), "whoever died keeps it no longer");
    assert!(!connectors.claim_shop(PROVIDER, &shop, &store, &two, at(161), at(200)).await?);
    Ok(())
}
