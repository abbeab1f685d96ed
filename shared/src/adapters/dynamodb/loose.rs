//! Loose ends, and the index of what is due, in the connectors table.

use async_trait::async_trait;
use jiff::Timestamp;

use super::connectors::DynamoConnectors;
use super::keys::{self, DUE_INDEX, DUE_SHARDS};
use super::table::{Expression, Query, Wrote};
use super::units::Item;
use super::wire::{Reader, n, s};
use super::wire_connectors::V;
use super::wire_loose::{loose_doc, loose_item, read_due, read_loose};
use crate::domain::claim::{Claim, NotClosed};
use crate::domain::connection::LooseEnd;
use crate::domain::ids::{InstallId, ProviderId, ShopDomain, StoreId};
use crate::ports::loose::{Due, LooseEnds, Take};
use crate::ports::{PortError, chain};

#[async_trait]
impl LooseEnds for DynamoConnectors {
    async fn put_loose_end(&self, end: &LooseEnd) -> Result<(), PortError> {
        self.table.put(loose_item(end)?, None, false).await?;
        Ok(())
    }

    async fn loose_ends(&self, store: &StoreId, provider: ProviderId) -> Result<Vec<LooseEnd>, PortError> {
        let (pk, prefix) = (keys::of_store(store), keys::loose_ends(provider));
        let items = self.table.query_all(Query::all(&pk, &prefix)).await?;
        items.iter().map(|item| read_loose(store, provider, item)).collect()
    }

    async fn take_loose_end(
        &self,
        end: &LooseEnd,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Take, PortError> {
        let take = Expression::new("SET #until = :until").with(":until", n(until.as_nanosecond()));
        let doc = loose_doc(end)?;
        let free = Expression::new("#doc = :doc AND (attribute_not_exists(#until) OR #until <= :now)")
            .with(":doc", s(doc.as_str()))
            .with(":now", n(now.as_nanosecond()));
        let key = keys::loose_end(&end.store, end.provider, &end.install);
        let Wrote::Refused(held) = self.table.update(&key, take, free).await? else {
            return Ok(Take::Taken);
        };
        let Some(held) = held else { return Ok(Take::Gone) };
        let read = Reader::new("loose end", &held, 1..=u64::from(V))?;
        if read.text("doc")? != doc {
            return Ok(Take::Changed);
        }
        let until = Timestamp::from_nanosecond(read.number("until")?);
        Ok(Take::Busy { until: until.map_err(|_| read.malformed("it is no time"))? })
    }

    async fn give_back_loose_end(
        &self,
        end: &LooseEnd,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), PortError> {
        // The mark stays: an installation that was about to be put away does not go live any more.
        let ended = Expression::new("SET #until = :now").with(":now", n(now.as_nanosecond()));
        let ours = Expression::new("#until = :until").with(":until", n(until.as_nanosecond()));
        let key = keys::loose_end(&end.store, end.provider, &end.install);
        self.table.update(&key, ended, ours).await?;
        Ok(())
    }

    async fn strike_loose_end(&self, end: &LooseEnd) -> Result<(), PortError> {
        let same = Expression::new("#doc = :doc").with(":doc", s(loose_doc(end)?));
        let key = keys::loose_end(&end.store, end.provider, &end.install);
        // Refused: another one has taken its place, or it is gone.
        self.table.delete(&key, Some(same)).await?;
        Ok(())
    }

    async fn close_claim(
        &self,
        provider: ProviderId,
        shop: &ShopDomain,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), NotClosed>, PortError> {
        self.change_claim(provider, shop, |held| {
            match Claim::closed(held.as_ref(), store, install, now, until) {
                Ok(claim) => (Some(claim), Ok(())),
                Err(why) => (held, Err(why)),
            }
        })
        .await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, PortError> {
        let mut found: Vec<Due> = Vec::new();
        // What was due in the second before this one has passed.
        let until = keys::due_before(now);
        for shard in 0..DUE_SHARDS {
            let pk = keys::of_due(shard);
            let query = Query {
                index: Some(DUE_INDEX),
                consistent: false,
                limit: Some(limit),
                between: Some(("0", &until)),
                ..Query::all(&pk, "")
            };
            let items: Vec<Item> = self.table.query_all(query).await?;
            for item in &items {
                match read_due(&Reader::keys_only("due", item)) {
                    Ok(due) => found.push(due),
                    // One that cannot be read must not keep the others waiting.
                    Err(error) => {
                        tracing::error!(cause = chain(&error), "an entry of the index was left out")
                    }
                }
            }
        }
        found.sort_by_key(|due| due.at);
        found.truncate(limit);
        Ok(found)
    }

    async fn postpone(&self, due: &Due, until: Timestamp) -> Result<bool, PortError> {
        let key = match &due.install {
            Some(install) => keys::loose_end(&due.store, due.provider, install),
            None => keys::connector(&due.store, due.provider),
        };
        let place = |at| s(keys::due(&due.store, due.provider, due.install.as_ref(), at).sk);
        let later = Expression::new("SET #gsk = :later").with(":later", place(until));
        let unmoved = Expression::new("#gsk = :seen").with(":seen", place(due.at));
        Ok(matches!(self.table.update(&key, later, unmoved).await?, Wrote::Done(_)))
    }
}
