//! Claims on shops: read, decided in the domain, written on the condition that the claim is still the one that was read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connectors::DynamoConnectors;
use super::keys;
use super::table::{Expression, Write, Wrote};
use super::units::Item;
use super::wire::{Reader, item, n, s, to_json};
use super::wire_connectors::V;
use crate::domain::claim::{Claim, Stands};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;

/// How often a claim is read again that someone else changed meanwhile.
pub(super) const TRIES: usize = 16;

/// Every attribute that says something: together they are what a claim is known by again.
const SAYS: [(&str, &str); 5] = [
    ("store", ":store"),
    ("install", ":install"),
    ("until", ":until"),
    ("closing", ":closing"),
    ("doc", ":doc"),
];

#[derive(Serialize, Deserialize)]
struct ClaimV1 {
    attempts: BTreeMap<InstallId, Timestamp>,
}

/// A claim as it stands in the table. `store`, `install`, `until` and `closing` say to the version before this one, which
/// knows no attempts, the nearest that it understands.
fn claim_item(key: &keys::Key, claim: &Claim) -> Result<Item, PortError> {
    let last = claim.attempts.iter().max_by_key(|(_, end)| **end);
    let (install, until) = match &claim.stands {
        Stands::Pending => last.map(|(install, end)| (install, Some(*end))).ok_or(PortError::Conflict)?,
        Stands::Confirmed(install) => (install, None),
        Stands::Closing { install, until } => (install, Some(*until)),
    };
    let mut stored = item(key, V);
    stored.insert("store".to_owned(), s(claim.store.as_str()));
    stored.insert("install".to_owned(), s(install.as_str()));
    if let Some(until) = until {
        stored.insert("until".to_owned(), n(until.as_nanosecond()));
        stored.insert("expires_at".to_owned(), n(until.as_second() + 24 * 60 * 60));
    }
    if matches!(claim.stands, Stands::Closing { .. }) {
        stored.insert("closing".to_owned(), n(1));
    }
    let record = ClaimV1 { attempts: claim.attempts.clone() };
    stored.insert("doc".to_owned(), s(to_json("claim", &record)?));
    Ok(stored)
}

fn read_claim(item: &Item) -> Result<Claim, PortError> {
    let read = Reader::new("claim", item, 1..=u64::from(V))?;
    let store = StoreId::from_stored(read.text("store")?);
    let store = store.map_err(|_| read.malformed("`store` is not one of ours"))?;
    let install = read.parsed("install", InstallId::parse)?;
    let until = item.contains_key("until").then(|| read.number("until")).transpose()?;
    let until = until.map(Timestamp::from_nanosecond).transpose();
    let until = until.map_err(|_| read.malformed("`until` is no time"))?;
    let mut attempts = match item.contains_key("doc") {
        true => read.json::<ClaimV1>("doc")?.attempts,
        // The version before this one knew the one that it was taken for.
        false => until.map(|until| (install.clone(), until)).into_iter().collect(),
    };
    let stands = match until {
        Some(until) if item.contains_key("closing") => {
            attempts.clear();
            Stands::Closing { install, until }
        }
        Some(_) => Stands::Pending,
        None => {
            attempts.remove(&install);
            Stands::Confirmed(install)
        }
    };
    Ok(Claim { store, stands, attempts })
}

/// The condition that a claim is still the one that was read.
fn as_read(held: Option<&Item>) -> Expression {
    let Some(held) = held else { return Expression::absent() };
    let same: Vec<String> = SAYS
        .iter()
        .map(|(name, value)| match held.contains_key(*name) {
            true => format!("#{name} = {value}"),
            false => format!("attribute_not_exists(#{name})"),
        })
        .collect();
    let same = Expression::new(same.join(" AND "));
    let said = SAYS.iter().filter_map(|(name, value)| Some((*value, held.get(*name)?.clone())));
    said.fold(same, |same, (value, said)| same.with(value, said))
}

impl DynamoConnectors {
    /// Reads a claim, has it decided on, writes what came of it; again where someone else was first. What was decided
    /// is the answer.
    pub(super) async fn change_claim<T>(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        decide: impl Fn(Option<Claim>) -> (Option<Claim>, T) + Send,
    ) -> Result<T, PortError> {
        let key = keys::claim(provider, shop);
        for _ in 0..TRIES {
            let held = self.table.get(&key, true).await?;
            let read = held.as_ref().map(read_claim).transpose()?;
            let (next, decided) = decide(read.clone());
            let wrote = match &next {
                _ if next == read => return Ok(decided),
                Some(claim) => {
                    self.table.put(claim_item(&key, claim)?, Some(as_read(held.as_ref())), false).await?
                }
                None => self.table.delete(&key, Some(as_read(held.as_ref()))).await?,
            };
            if let Wrote::Done(_) = wrote {
                return Ok(decided);
            }
        }
        Err(PortError::Conflict)
    }

    /// The write that makes the claim on a shop an installation's. None where it does not count on it.
    pub(super) async fn confirming(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
    ) -> Result<Option<Write>, PortError> {
        let key = keys::claim(provider, shop);
        let held = self.table.get(&key, true).await?;
        let read = held.as_ref().map(read_claim).transpose()?;
        let Some(claim) = Claim::confirmed(read, store, install) else { return Ok(None) };
        Ok(Some(Write::Put(claim_item(&key, &claim)?, Some(as_read(held.as_ref())))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::contract::samples::{self, at};

    fn key() -> keys::Key {
        keys::claim(ProviderId::Shopify, &samples::shop())
    }

    #[test]
    fn a_claim_reads_back_as_written() {
        let (install, other) = (samples::install(), samples::install());
        let attempts = BTreeMap::from([(other, at(60))]);
        let closing = Stands::Closing { install: install.clone(), until: at(30) };
        for (stands, attempts) in [
            (Stands::Pending, attempts.clone()),
            (Stands::Confirmed(install), attempts),
            (closing, BTreeMap::new()),
        ] {
            let claim = Claim { store: samples::store().unwrap(), stands, attempts };
            assert_eq!(read_claim(&claim_item(&key(), &claim).unwrap()).unwrap(), claim);
        }
    }

    #[test]
    fn a_claim_of_the_version_before_reads_as_what_it_was() {
        let (store, install) = (samples::store().unwrap(), samples::install());
        let until = n(at(60).as_nanosecond());
        let mut old = item(&key(), 1);
        old.insert("store".to_owned(), s(store.as_str()));
        old.insert("install".to_owned(), s(install.as_str()));
        let confirmed = read_claim(&old).unwrap();
        assert_eq!((confirmed.stands, confirmed.attempts.len()), (Stands::Confirmed(install.clone()), 0));
        old.insert("until".to_owned(), until);
        let pending = read_claim(&old).unwrap();
        assert_eq!(pending.stands, Stands::Pending);
        assert_eq!(pending.attempts, BTreeMap::from([(install.clone(), at(60))]));
        old.insert("closing".to_owned(), n(1));
        let closing = read_claim(&old).unwrap();
        let stands = Stands::Closing { install, until: at(60) };
        assert_eq!(closing, Claim { store, stands, attempts: BTreeMap::new() });
    }

    #[test]
    fn a_claim_that_the_version_before_has_confirmed_is_no_attempt_any_more() {
        let install = samples::install();
        let attempts = BTreeMap::from([(install.clone(), at(60))]);
        let pending = Claim { store: samples::store().unwrap(), stands: Stands::Pending, attempts };
        let mut stored = claim_item(&key(), &pending).unwrap();
        // It sets the installation and takes the end away.
        stored.retain(|name, _| name != "until" && name != "expires_at");
        let read = read_claim(&stored).unwrap();
        assert_eq!((read.stands, read.attempts.len()), (Stands::Confirmed(install), 0));
    }
}
