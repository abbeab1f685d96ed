//! Connectors, states, claims and leases in DynamoDB.
//!
//! Connectors and leases are changed by updates alone: the roles of steps may update and do nothing else.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use super::claims::TRIES;
use super::keys;
use super::table::{Expression, Table, Write, Wrote, refused};
use super::wire::{Reader, n, s};
use super::wire_connectors::{V, connector_doc, read_connector, read_state, state_item};
use super::wire_loose::loose_item;
use crate::domain::claim::Claim;
use crate::domain::connection::{Connector, ConnectorState, LooseEnd, PendingConnect};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;
use crate::ports::connectors::{ConnectorStore, Lease, REFRESH_CAP, REFRESH_WINDOW, Release};
use crate::ports::loose::CARE_EVERY;

const SERVICE: &str = "connectors";
/// How often a lease is asked for anew when it changes hands meanwhile.
const LEASE_TRIES: usize = 4;
/// The condition that nobody holds a lease.
const FREE: &str = "(attribute_not_exists(#until) OR #until <= :now)";

/// Connectors in the connectors table.
#[derive(Clone)]
pub struct DynamoConnectors {
    pub(super) table: Table,
}

impl DynamoConnectors {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }

    /// Takes a lease by this change, if this holds.
    async fn take_lease(
        &self,
        key: &keys::Key,
        change: Expression,
        condition: Expression,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Wrote, PortError> {
        let change = change
            .with(":until", n(until.as_nanosecond()))
            .with(":v", n(V))
            .with(":expires_at", n(until.as_second() + 24 * 60 * 60));
        self.table.update(key, change, condition.with(":now", n(now.as_nanosecond()))).await
    }
}

/// The change that stores a connector, and its condition. One that is live keeps its place among what is to be looked
/// after, or gets one; any other has none.
fn change(connector: &Connector) -> Result<(keys::Key, Expression, Expression), PortError> {
    let key = keys::connector(&connector.store, connector.provider);
    let change = if connector.state() == ConnectorState::Live {
        let at = connector.updated_at + CARE_EVERY;
        let place = keys::due(&connector.store, connector.provider, None, at);
        Expression::new(
            "SET #doc = :doc, #rev = :next, #v = :v, #gpk = :gpk, #gsk = if_not_exists(#gsk, :gsk)",
        )
        .with(":gpk", s(place.pk))
        .with(":gsk", s(place.sk))
    } else {
        Expression::new("SET #doc = :doc, #rev = :next, #v = :v REMOVE #gpk, #gsk")
    };
    let change = change
        .with(":doc", s(connector_doc(connector)?))
        .with(":next", n(connector.revision + 1))
        .with(":v", n(V));
    let unchanged = match connector.revision {
        0 => Expression::absent(),
        revision => Expression::new("#rev = :rev").with(":rev", n(revision)),
    };
    Ok((key, change, unchanged))
}

#[async_trait]
impl ConnectorStore for DynamoConnectors {
    async fn load(&self, store: &StoreId, provider: ProviderId) -> Result<Option<Connector>, PortError> {
        let item = self.table.get(&keys::connector(store, provider), true).await?;
        item.map(|item| read_connector(store, provider, &item)).transpose()
    }

    async fn save(&self, connector: &mut Connector) -> Result<(), PortError> {
        let (key, change, unchanged) = change(connector)?;
        self.table.update(&key, change, unchanged).await?.or_conflict()?;
        connector.revision += 1;
        Ok(())
    }

    async fn put_state(&self, pending: &PendingConnect) -> Result<(), PortError> {
        self.table.put(state_item(pending)?, None, false).await?;
        Ok(())
    }

    async fn consume_state(
        &self,
        state_hash: &str,
        provider: ProviderId,
        shop: &ShopDomain,
        cookie_hash: &str,
        now: Timestamp,
    ) -> Result<Option<PendingConnect>, PortError> {
        let fits = Expression::new(
            "#provider = :provider AND #shop = :shop AND #cookie = :cookie AND #until > :now",
        )
        .with(":provider", s(provider.as_str()))
        .with(":shop", s(shop.as_str()))
        .with(":cookie", s(cookie_hash))
        .with(":now", n(now.as_nanosecond()));
        match self.table.delete(&keys::state(state_hash), Some(fits)).await? {
            Wrote::Done(old) => old.map(|item| read_state(state_hash, &item)).transpose(),
            Wrote::Refused(_) => Ok(None),
        }
    }

    async fn peek_state(&self, state_hash: &str) -> Result<Option<PendingConnect>, PortError> {
        let item = self.table.get(&keys::state(state_hash), true).await?;
        item.map(|item| read_state(state_hash, &item)).transpose()
    }

    async fn claim_shop(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        pending_until: Timestamp,
    ) -> Result<bool, PortError> {
        self.change_claim(provider, shop, |held| {
            match Claim::counted_on(held.clone(), store, install, now, pending_until) {
                Some(claim) => (Some(claim), true),
                None => (held, false),
            }
        })
        .await
    }

    async fn go_live(&self, connector: &mut Connector, ends: &[LooseEnd]) -> Result<(), PortError> {
        let installation = connector.installation.as_ref().ok_or(PortError::Conflict)?;
        let (provider, shop, install) = (connector.provider, &installation.shop, &installation.id);
        for _ in 0..TRIES {
            let confirming = self.confirming(provider, shop, &connector.store, install).await?;
            let mut writes = vec![confirming.ok_or(PortError::Conflict)?];
            let (key, change, unchanged) = change(connector)?;
            writes.push(Write::Update(key, change, unchanged));
            for end in ends {
                // Its own must still be on the list, and nobody's: whoever took it puts the token away.
                let listed = (end.install == *install)
                    .then(|| Expression::new("attribute_exists(#pk) AND attribute_not_exists(#until)"));
                writes.push(Write::Put(loose_item(end)?, listed));
            }
            let parts = writes.len();
            let Err(reasons) = self.table.transact(writes).await? else {
                connector.revision += 1;
                return Ok(());
            };
            // Others of this store have come to the claim or left it: that is looked at again, anything else is over.
            if refused(&reasons, 0).is_none() || (1..parts).any(|part| refused(&reasons, part).is_some()) {
                break;
            }
        }
        Err(PortError::Conflict)
    }

    async fn let_go(&self, connector: &mut Connector, end: &LooseEnd) -> Result<(), PortError> {
        let (key, change, unchanged) = change(connector)?;
        let writes = vec![Write::Update(key, change, unchanged), Write::Put(loose_item(end)?, None)];
        self.table.transact(writes).await?.map_err(|_| PortError::Conflict)?;
        connector.revision += 1;
        Ok(())
    }

    async fn release_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
    ) -> Result<(), PortError> {
        self.change_claim(provider, shop, |held| (Claim::released(held, install), ())).await
    }

    async fn give_up_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        install: &InstallId,
    ) -> Result<(), PortError> {
        self.change_claim(provider, shop, |held| (Claim::given_up(held, install), ())).await
    }

    async fn lease_refresh(
        &self,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, PortError> {
        let key = keys::lease(install);
        let ends = now + REFRESH_WINDOW;
        // Which of the two holds depends on what stands there; a refused one tells.
        for _ in 0..LEASE_TRIES {
            let begin = Expression::new(
                "SET #until = :until, #ends = :ends, #taken = :one, #v = :v, #expires_at = :expires_at",
            )
            .with(":ends", n(ends.as_nanosecond()))
            .with(":one", n(1));
            let over = Expression::new(format!("{FREE} AND (attribute_not_exists(#ends) OR #ends <= :now)"));
            let held = match self.take_lease(&key, begin, over, now, until).await? {
                Wrote::Done(_) => return Ok(Lease::Taken { nth: 1 }),
                Wrote::Refused(held) => held.unwrap_or_default(),
            };
            let read = Reader::new("lease", &held, 1..=u64::from(V))?;
            let moment = |name: &str| -> Result<Timestamp, PortError> {
                Timestamp::from_nanosecond(read.number(name)?).map_err(|_| read.malformed("it is no time"))
            };
            if held.contains_key("until") && moment("until")? > now {
                return Ok(Lease::Busy { until: moment("until")? });
            }
            let (ends, taken): (_, u32) = (moment("ends")?, read.number("taken")?);
            if taken >= REFRESH_CAP {
                return Ok(Lease::Capped { until: ends });
            }
            let go_on = Expression::new(
                "SET #until = :until, #taken = #taken + :one, #expires_at = :expires_at, #v = :v",
            )
            .with(":one", n(1));
            let same = Expression::new(format!("{FREE} AND #ends > :now AND #taken = :taken"))
                .with(":taken", n(taken));
            if let Wrote::Done(_) = self.take_lease(&key, go_on, same, now, until).await? {
                return Ok(Lease::Taken { nth: taken + 1 });
            }
        }
        Ok(Lease::Busy { until: now })
    }

    async fn release_refresh(
        &self,
        install: &InstallId,
        until: Timestamp,
        release: Release,
    ) -> Result<(), PortError> {
        let change = match release {
            Release::Used => Expression::new("REMOVE #until"),
            Release::Unused => Expression::new("SET #taken = #taken - :one REMOVE #until").with(":one", n(1)),
            Release::Pause(later) => {
                Expression::new("SET #until = :later").with(":later", n(later.as_nanosecond()))
            }
        };
        let ours = Expression::new("#until = :until").with(":until", n(until.as_nanosecond()));
        // Refused: it is someone else's, or gone.
        self.table.update(&keys::lease(install), change, ours).await?;
        Ok(())
    }
}
