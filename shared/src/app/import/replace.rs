//! A warehouse made here takes the place of the one that was imported for the same location, where the merchant says that
//! they are one: it becomes the location's under its own id, the other is archived, and both or neither is done. Stock
//! lies at the location and so goes with it: nothing is added up.

use super::apply::Task;
use super::{ImportStep, StepError};
use crate::domain::gone;
use crate::domain::record::StoredRecord;
use crate::domain::run::{Cost, Run};
use crate::ports::PortError;

impl ImportStep {
    /// The records whose places those of some tasks take, as they stand now, in the order of the tasks.
    pub(super) async fn giving_way(
        &self,
        run: &Run,
        tasks: &[Task],
    ) -> Result<Vec<Option<StoredRecord>>, StepError> {
        let mut found = Vec::with_capacity(tasks.len());
        for task in tasks {
            found.push(self.given_way(run, task).await?);
        }
        Ok(found)
    }

    /// The record whose place that of a task takes, as it stands now, whether it has given way or not.
    pub(super) async fn given_way(&self, run: &Run, task: &Task) -> Result<Option<StoredRecord>, StepError> {
        match task.entry.replaces {
            None => Ok(None),
            Some(_) => {
                Ok(self.catalog.find(&run.store, task.key.kind, task.key.internal_id(&run.store)).await?)
            }
        }
    }

    /// Writes a record in the place of another.
    pub(super) async fn put_in_place(
        &self,
        run: &Run,
        record: &StoredRecord,
        replaced: &StoredRecord,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let replaced = gone::replaced(replaced, record.place().external_id, &run.id);
        self.catalog.put_both(&run.store, [record, &replaced], cost).await
    }

    /// Takes that back: a record as it was, and in its place the one that was there `before`, if nobody has touched that
    /// since it gave way.
    pub(super) async fn give_back(
        &self,
        run: &Run,
        record: &StoredRecord,
        before: StoredRecord,
        cost: &mut Cost,
    ) -> Result<(), PortError> {
        let back = StoredRecord { version: before.version + 2, written_run: run.id.clone(), ..before };
        self.catalog.put_both(&run.store, [record, &back], cost).await
    }
}

#[cfg(test)]
mod tests {
    use crate::app::import::pages::JournalEntry;
    use crate::domain::ids::{ProviderId, ShopId};
    use crate::domain::record::Source;

    /// Written before records could be replaced.
    #[test]
    fn a_journal_of_before_still_reads() {
        let text = r#"{"k":"warehouse","x":7,"b":{"v":3,"r":"run_01a0c4506c007838a5822a6f9e62da21","s":{"state":"active"},
            "d":"0000000000000001","m":1,"b":"","c":{"f":["Main"],"c":[]}},"l":12,"u":true}"#;
        let entry: JournalEntry = serde_json::from_str(text).unwrap();
        let source = Source { provider: ProviderId::Shopify, shop_id: ShopId(1) };
        let before = entry.stored(source).unwrap().unwrap();
        assert_eq!(
            (before.version, before.key.external_id, before.record.get("name").as_str()),
            (3, 12, Some("Main"))
        );
        assert!(before.key.source.is_local() && entry.replaced(source).unwrap().is_none());
    }
}
