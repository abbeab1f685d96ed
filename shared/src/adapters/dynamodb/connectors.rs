//! Connectors, states, claims and leases in DynamoDB.
//!
//! Connectors and leases are changed by updates alone: the roles of steps may update and do nothing else.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use super::keys;
use super::table::{Expression, Table, Write, Wrote};
use super::wire::{Reader, item, n, s};
use super::wire_connectors::{V, connector_doc, read_connector, read_state, state_item};
use crate::domain::connection::{Connector, PendingConnect};
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::PortError;
use crate::ports::connectors::ConnectorStore;

const SERVICE: &str = "connectors";

/// Connectors in the connectors table.
#[derive(Clone)]
pub struct DynamoConnectors {
    table: Table,
}

impl DynamoConnectors {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table, SERVICE) }
    }
}

/// The change that stores a connector, and its condition.
fn change(connector: &Connector) -> Result<(keys::Key, Expression, Expression), PortError> {
    let key = keys::connector(&connector.store, connector.provider);
    let change = Expression::new("SET #doc = :doc, #rev = :next, #v = :v")
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
        let mut claim = item(&keys::claim(provider, shop), V);
        claim.insert("store".to_owned(), s(store.as_str()));
        claim.insert("install".to_owned(), s(install.as_str()));
        claim.insert("until".to_owned(), n(pending_until.as_nanosecond()));
        claim.insert("expires_at".to_owned(), n(pending_until.as_second() + 24 * 60 * 60));
        // A claim without an end is confirmed: it stands until it is released.
        let free = Expression::new(
            "attribute_not_exists(#pk) OR (attribute_exists(#until) AND (#store = :store OR #until <= :now))",
        )
        .with(":store", s(store.as_str()))
        .with(":now", n(now.as_nanosecond()));
        match self.table.put(claim, Some(free), true).await? {
            Wrote::Done(_) => Ok(true),
            Wrote::Refused(None) => Ok(false),
            Wrote::Refused(Some(held)) => {
                let read = Reader::new("claim", &held, 1..=u64::from(V))?;
                Ok(read.text("store")? == store.as_str())
            }
        }
    }

    async fn go_live(&self, connector: &mut Connector) -> Result<(), PortError> {
        let installation = connector.installation.as_ref().ok_or(PortError::Conflict)?;
        let claim = keys::claim(connector.provider, &installation.shop);
        let confirm = Expression::new("SET #install = :install REMOVE #until, #expires_at")
            .with(":install", s(installation.id.as_str()));
        let ours =
            Expression::new("#store = :store AND (attribute_not_exists(#until) OR #install = :install)")
                .with(":store", s(connector.store.as_str()));
        let (key, change, unchanged) = change(connector)?;
        let writes = vec![Write::Update(key, change, unchanged), Write::Update(claim, confirm, ours)];
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
        let ours = Expression::new("#install = :install").with(":install", s(install.as_str()));
        // Refused: it is another installation's, or gone.
        self.table.delete(&keys::claim(provider, shop), Some(ours)).await?;
        Ok(())
    }

    async fn lease_refresh(
        &self,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, PortError> {
        let take = Expression::new("SET #until = :until, #v = :v, #expires_at = :expires_at")
            .with(":until", n(until.as_nanosecond()))
            .with(":v", n(V))
            .with(":expires_at", n(until.as_second() + 24 * 60 * 60));
        let free = Expression::new("attribute_not_exists(#until) OR #until <= :now")
            .with(":now", n(now.as_nanosecond()));
        let wrote = self.table.update(&keys::lease(install), take, free).await?;
        Ok(matches!(wrote, Wrote::Done(_)))
    }

    async fn release_refresh(&self, install: &InstallId) -> Result<(), PortError> {
        let release = Expression::new("REMOVE #until");
        // Refused: there is none.
        self.table
            .update(&keys::lease(install), release, Expression::new("attribute_exists(#until)"))
            .await?;
        Ok(())
    }
}
