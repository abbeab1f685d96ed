//! Rules of `HookStore`.

use std::collections::BTreeMap;

use super::samples::{self, PROVIDER, at};
use super::{Checked, rules};
use crate::domain::ids::ShopId;
use crate::domain::notice::Notice;
use crate::domain::run::Wanted;
use crate::ports::webhooks::{Hook, HookStore, Owner, Signals, Task, WebhookMessage};

/// Checks every rule.
pub async fn all(hooks: &dyn HookStore) -> Checked {
    rules!(
        an_address_is_found_by_its_key_until_its_installation_is_forgotten,
        a_message_is_done_for_its_own_installation_alone,
        of_changes_the_newest_counts_in_whatever_order_they_come,
        an_installation_is_noted_as_subscribed_by_the_newest_look,
        a_shop_knows_the_stores_that_were_connected_to_it;
        (hooks)
    )
}

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn hook(owner: &Owner) -> Hook {
    Hook {
        key_hash: samples::uuid(0).simple().to_string(),
        provider: PROVIDER,
        shop: samples::shop(),
        owner: owner.clone(),
    }
}

fn owner() -> Fallible<Owner> {
    Ok(Owner { store: samples::store()?, install: samples::install() })
}

/// A shop that nobody else has.
fn shop() -> ShopId {
    ShopId(samples::uuid(0).as_u64_pair().1 >> 16)
}

async fn an_address_is_found_by_its_key_until_its_installation_is_forgotten(
    hooks: &dyn HookStore,
) -> Checked {
    let (one, two) = (owner()?, owner()?);
    let (first, second, other) = (hook(&one), hook(&one), hook(&two));
    for hook in [&first, &second, &other] {
        hooks.put(hook).await?;
        hooks.put(hook).await?;
    }
    assert_eq!(hooks.find(&first.key_hash).await?.as_ref(), Some(&first));
    assert_eq!(hooks.find("another").await?, None);
    let mut keys = hooks.keys_of(&one.install).await?;
    keys.sort();
    let mut expected = [first.key_hash.clone(), second.key_hash.clone()];
    expected.sort();
    assert_eq!(keys, expected);
    for _ in 0..2 {
        hooks.forget(&one.install).await?;
        assert_eq!(hooks.find(&first.key_hash).await?, None);
        assert_eq!(hooks.find(&second.key_hash).await?, None);
        assert!(hooks.keys_of(&one.install).await?.is_empty());
        assert_eq!(hooks.find(&other.key_hash).await?.as_ref(), Some(&other));
    }
    Ok(())
}

async fn a_message_is_done_for_its_own_installation_alone(hooks: &dyn HookStore) -> Checked {
    let message = |owner| WebhookMessage {
        id: "one".to_owned(),
        provider: PROVIDER,
        shop: samples::shop(),
        at: at(0),
        owner,
        task: Task::Notice(Notice::ShopChanged),
    };
    let (ours, theirs, nobodys) = (message(Some(owner()?)), message(Some(owner()?)), message(None));
    assert!(!hooks.is_done(&ours).await?);
    hooks.mark_done(&ours, at(1)).await?;
    hooks.mark_done(&ours, at(2)).await?;
    assert!(hooks.is_done(&ours).await?);
    assert!(!hooks.is_done(&theirs).await?, "an id of another installation's");
    assert!(!hooks.is_done(&nobodys).await?);
    assert!(!hooks.is_done(&WebhookMessage { id: "two".to_owned(), ..ours }).await?);
    hooks.mark_done(&nobodys, at(1)).await?;
    assert!(hooks.is_done(&nobodys).await?);
    assert!(!hooks.is_done(&WebhookMessage { shop: samples::shop(), ..nobodys }).await?, "another shop's");
    Ok(())
}

async fn of_changes_the_newest_counts_in_whatever_order_they_come(hooks: &dyn HookStore) -> Checked {
    let (store, shop) = (samples::store()?, shop());
    assert_eq!(hooks.signals(&store, PROVIDER, shop).await?, Signals::default());
    for second in [5, 9, 9, 2] {
        hooks.note_change(&store, PROVIDER, shop, Wanted::Stock, at(second)).await?;
    }
    hooks.note_change(&store, PROVIDER, shop, Wanted::Products, at(1)).await?;
    let expected = BTreeMap::from([(Wanted::Products, at(1)), (Wanted::Stock, at(9))]);
    assert_eq!(hooks.signals(&store, PROVIDER, shop).await?.changed, expected);
    assert_eq!(hooks.signals(&samples::store()?, PROVIDER, shop).await?, Signals::default());
    assert_eq!(hooks.signals(&store, PROVIDER, ShopId(shop.0 + 1)).await?, Signals::default());
    hooks.forget_signals(&store, PROVIDER, shop).await?;
    hooks.forget_signals(&store, PROVIDER, shop).await?;
    assert_eq!(hooks.signals(&store, PROVIDER, shop).await?, Signals::default());
    Ok(())
}

async fn an_installation_is_noted_as_subscribed_by_the_newest_look(hooks: &dyn HookStore) -> Checked {
    let (store, shop) = (samples::store()?, shop());
    let (old, new) = (samples::install(), samples::install());
    hooks.note_subscribed(&store, PROVIDER, shop, &new, at(7)).await?;
    hooks.note_subscribed(&store, PROVIDER, shop, &old, at(6)).await?;
    hooks.note_change(&store, PROVIDER, shop, Wanted::Stock, at(1)).await?;
    let signals = hooks.signals(&store, PROVIDER, shop).await?;
    assert_eq!(signals.subscribed, Some((new, at(7))));
    assert_eq!(signals.changed.len(), 1);
    Ok(())
}

async fn a_shop_knows_the_stores_that_were_connected_to_it(hooks: &dyn HookStore) -> Checked {
    let (one, two, shop) = (samples::store()?, samples::store()?, shop());
    assert!(hooks.stores_of(PROVIDER, shop).await?.is_empty());
    for store in [&one, &two, &one] {
        hooks.note_shop(PROVIDER, shop, store).await?;
    }
    let mut stores = hooks.stores_of(PROVIDER, shop).await?;
    stores.sort();
    let mut expected = [one.clone(), two.clone()];
    expected.sort();
    assert_eq!(stores, expected);
    hooks.forget_shop(PROVIDER, shop, &one).await?;
    hooks.forget_shop(PROVIDER, shop, &one).await?;
    assert_eq!(hooks.stores_of(PROVIDER, shop).await?, [two]);
    Ok(())
}
