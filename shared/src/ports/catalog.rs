//! The store's eshopOS records.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Page, PortError};
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::lookalike::Mark;
use crate::domain::record::{Kind, Record, RecordKey, Source, Standing, StoredRecord};
use crate::domain::run::Cost;

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No record.
    Absent,
    /// A record of this version.
    Version(u64),
    /// A record of this version that was made here and is linked to no shop, and none under the new key: from now on
    /// they are one, under the id of the one made here.
    Unlinked(u64),
    /// A record of this version that was linked to the shop's under this key: it becomes one made here again.
    Linked(RecordKey, u64),
}

/// How many records that bear one mark are told of. More than one is too many to choose from without a person.
pub const MOST_ALIKE: usize = 5;

/// What eshopOS itself does to a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// The merchant changed its content.
    Change(Record),
    /// The merchant deleted it.
    Delete,
}

/// Records of the platform eshopOS, keyed by store. Record and mapping are one item, so no crash parts them.
///
/// Every method counts what it costs into `cost` (units as the table charges them; `catalogue_writes` only for
/// record writes).
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Reads records, in the order of `keys`. Eventually consistent unless `consistent`. One that was made here and is
    /// linked to the shop's is found under both keys, and carries the shop's; one that it replaced is not found.
    async fn get(
        &self,
        store: &StoreId,
        keys: &[RecordKey],
        consistent: bool,
        cost: &mut Cost,
    ) -> Result<Vec<Option<StoredRecord>>, PortError>;

    /// Writes one record if what is stored is as expected; `PortError::Conflict` otherwise.
    async fn put(
        &self,
        store: &StoreId,
        record: &StoredRecord,
        expect: Expect,
        cost: &mut Cost,
    ) -> Result<(), PortError>;

    /// Writes two records, each over the version before its own: both or neither, `PortError::Conflict` where one is not
    /// of that version. So one made here takes the place of one of the shop's, which stands on as [`Standing::Replaced`]
    /// where it did and leads to the other; and so it gives the place back.
    async fn put_both(
        &self,
        store: &StoreId,
        records: [&StoredRecord; 2],
        cost: &mut Cost,
    ) -> Result<(), PortError>;

    /// Deletes one record of exactly this version; `PortError::Conflict` otherwise. One that is linked is not deleted but
    /// released, see [`Expect::Linked`].
    async fn delete(
        &self,
        store: &StoreId,
        key: &RecordKey,
        version: u64,
        cost: &mut Cost,
    ) -> Result<(), PortError>;

    /// Changes or deletes a record as eshopOS itself does: under the version that was read, which it raises. What was
    /// last imported stays noted, so that the next run can tell whose change is whose. Of a record that was deleted the
    /// place stays, so that no run makes it again; one that was made here is gone.
    async fn edit(
        &self,
        store: &StoreId,
        read: &StoredRecord,
        edit: Edit,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let (standing, record) = match edit {
            Edit::Delete if read.key.source.is_local() => {
                return self.delete(store, &read.key, read.version, cost).await;
            }
            // It still leads to the one that took its place.
            Edit::Delete if read.replaced_by().is_some() => {
                (read.standing.clone(), Record::empty(read.key.kind))
            }
            Edit::Delete => (Standing::Detached, Record::empty(read.key.kind)),
            Edit::Change(record) => (read.standing.clone(), record),
        };
        let edited = StoredRecord { version: read.version + 1, standing, record, ..read.clone() };
        self.put(store, &edited, Expect::Version(read.version), cost).await
    }

    /// The external ids of all records of a kind from one shop, from the keys-only index.
    async fn external_ids(
        &self,
        store: &StoreId,
        source: Source,
        kind: Kind,
        cursor: Option<String>,
        cost: &mut Cost,
    ) -> Result<Page<u64>, PortError>;

    /// The numbers of records that were made here, are linked to no shop and bear one of these marks: for each mark in
    /// its order, at most [`MOST_ALIKE`]. One of them may have lost its mark since.
    async fn bearing(
        &self,
        store: &StoreId,
        provider: ProviderId,
        kind: Kind,
        marks: &[Mark],
        cost: &mut Cost,
    ) -> Result<Vec<Vec<u64>>, PortError>;

    /// Lists a store's records of a kind, whatever their source, at most `limit`.
    async fn list(
        &self,
        store: &StoreId,
        kind: Kind,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<StoredRecord>, PortError>;

    /// One record by internal id. One that was replaced is itself here, not the one that took its place.
    async fn find(&self, store: &StoreId, kind: Kind, id: Uuid) -> Result<Option<StoredRecord>, PortError>;
}
