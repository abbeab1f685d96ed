//! One table: the few calls that adapters make, with errors and old items in our own words.
//!
//! Attribute names stand in expressions as `#name`, because DynamoDB reserves hundreds of plain words; the list of
//! names that a call needs is read off its expressions.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, KeysAndAttributes, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::keys::Key;
use super::units::Item;
use super::wire::{key_item, s};
use crate::adapters::errors::port_error;
use crate::ports::PortError;

/// How often a call is repeated that the table took only in part, or that met another transaction.
const TRIES: u32 = 8;
/// Keys in one batch.
const BATCH: usize = 100;

/// An expression and the values it names.
#[derive(Clone)]
pub struct Expression {
    text: String,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Expression {
    /// An expression without values.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Something stands under the key.
    pub fn present() -> Self {
        Self::new("attribute_exists(#pk)")
    }

    /// Nothing stands under the key.
    pub fn absent() -> Self {
        Self::new("attribute_not_exists(#pk)")
    }

    /// Gives a name its value.
    pub fn with(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    fn names<'a>(expressions: impl IntoIterator<Item = &'a Self>) -> Option<HashMap<String, String>> {
        let mut names = HashMap::new();
        for expression in expressions {
            for part in expression.text.split('#').skip(1) {
                let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
                names.insert(format!("#{}", &part[..end]), part[..end].to_owned());
            }
        }
        (!names.is_empty()).then_some(names)
    }

    fn values<'a>(
        expressions: impl IntoIterator<Item = &'a Self>,
    ) -> Option<HashMap<String, AttributeValue>> {
        let all = expressions.into_iter().flat_map(|expression| expression.values.iter().cloned());
        let values: HashMap<String, AttributeValue> =
            all.map(|(name, value)| (name.to_owned(), value)).collect();
        (!values.is_empty()).then_some(values)
    }
}

/// How a write ended.
pub enum Wrote {
    /// Done; what it replaced, where that was asked for.
    Done(Option<Item>),
    /// The condition did not hold; what stands there.
    Refused(Option<Item>),
}

impl Wrote {
    /// A write whose condition must hold.
    pub fn or_conflict(self) -> Result<Option<Item>, PortError> {
        match self {
            Self::Done(old) => Ok(old),
            Self::Refused(_) => Err(PortError::Conflict),
        }
    }
}

/// One part of a transaction.
pub enum Write {
    /// Puts an item, whatever stands there or under a condition.
    Put(Item, Option<Expression>),
    /// Changes attributes of an item, or makes it.
    Update(Key, Expression, Expression),
    /// Deletes an item.
    Delete(Key, Expression),
}

/// What to look for in one partition.
pub struct Query<'a> {
    /// The partition.
    pub pk: &'a str,
    /// What sort keys begin with; empty for all.
    pub prefix: &'a str,
    /// What sort keys lie between, both included, where there is no prefix.
    pub between: Option<(&'a str, &'a str)>,
    /// The index, where it is not the table itself.
    pub index: Option<&'static str>,
    /// Last first.
    pub descending: bool,
    /// Consistently.
    pub consistent: bool,
    /// At most this many.
    pub limit: Option<usize>,
    /// The keys of the item after which to go on.
    pub after: Option<Item>,
}

impl<'a> Query<'a> {
    /// Everything in a partition that begins so, in order, consistently.
    pub fn all(pk: &'a str, prefix: &'a str) -> Self {
        Self {
            pk,
            prefix,
            between: None,
            index: None,
            descending: false,
            consistent: true,
            limit: None,
            after: None,
        }
    }
}

/// One table.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
    service: &'static str,
}

/// A pause before the n-th repetition.
async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis((25 << attempt.min(6)).min(1_000))).await;
}

impl Table {
    /// The table of this name; `service` is what errors call it.
    pub fn new(client: Client, name: String, service: &'static str) -> Self {
        Self { client, name, service }
    }

    fn refused<E>(error: &SdkError<E>, is: impl Fn(&E) -> Option<Option<Item>>) -> Option<Wrote> {
        error.as_service_error().and_then(is).map(Wrote::Refused)
    }

    /// Reads an item.
    pub async fn get(&self, key: &Key, consistent: bool) -> Result<Option<Item>, PortError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key)))
            .consistent_read(consistent)
            .send()
            .await
            .map_err(|error| port_error(self.service, error))?;
        Ok(got.item)
    }

    /// Reads up to any number of items, in no order; those that are not there are left out.
    pub async fn get_many(&self, keys: &[Key], consistent: bool) -> Result<Vec<Item>, PortError> {
        let mut found = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            let mut open: Vec<Item> = batch.iter().map(key_item).collect();
            for attempt in 0.. {
                let wanted =
                    KeysAndAttributes::builder().set_keys(Some(open)).consistent_read(consistent).build();
                let wanted = wanted.map_err(|error| self.misbuilt(error))?;
                let got = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, wanted)
                    .send()
                    .await
                    .map_err(|error| port_error(self.service, error))?;
                found.extend(got.responses.into_iter().flatten().flat_map(|(_, items)| items));
                let rest = got.unprocessed_keys.into_iter().flatten().next();
                open = rest.map(|(_, rest)| rest.keys).unwrap_or_default();
                if open.is_empty() {
                    break;
                }
                if attempt == TRIES {
                    return Err(self.throttled());
                }
                pause(attempt).await;
            }
        }
        Ok(found)
    }

    /// Writes an item; with `old`, tells what it replaced or what stood in the way.
    pub async fn put(
        &self,
        item: Item,
        condition: Option<Expression>,
        old: bool,
    ) -> Result<Wrote, PortError> {
        let call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let call = call
            .set_return_values(old.then_some(ReturnValue::AllOld))
            .set_return_values_on_condition_check_failure(
                old.then_some(ReturnValuesOnConditionCheckFailure::AllOld),
            )
            .set_expression_attribute_names(Expression::names(&condition))
            .set_expression_attribute_values(Expression::values(&condition))
            .set_condition_expression(condition.map(|condition| condition.text));
        match call.send().await {
            Ok(done) => Ok(Wrote::Done(done.attributes)),
            Err(error) => Self::refused(&error, |error| match error {
                PutItemError::ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                _ => None,
            })
            .ok_or_else(|| port_error(self.service, error)),
        }
    }

    /// Changes attributes of an item, or makes it; where refused, tells what stood in the way.
    pub async fn update(
        &self,
        key: &Key,
        change: Expression,
        condition: Expression,
    ) -> Result<Wrote, PortError> {
        let both = [&change, &condition];
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key)))
            .set_expression_attribute_names(Expression::names(both))
            .set_expression_attribute_values(Expression::values(both))
            .update_expression(&change.text)
            .condition_expression(&condition.text)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(_) => Ok(Wrote::Done(None)),
            Err(error) => Self::refused(&error, |error| match error {
                UpdateItemError::ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                _ => None,
            })
            .ok_or_else(|| port_error(self.service, error)),
        }
    }

    /// Deletes an item and returns what it was.
    pub async fn delete(&self, key: &Key, condition: Option<Expression>) -> Result<Wrote, PortError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key_item(key)))
            .return_values(ReturnValue::AllOld)
            .set_expression_attribute_names(Expression::names(&condition))
            .set_expression_attribute_values(Expression::values(&condition))
            .set_condition_expression(condition.map(|condition| condition.text));
        match call.send().await {
            Ok(done) => Ok(Wrote::Done(done.attributes)),
            Err(error) => Self::refused(&error, |error| match error {
                DeleteItemError::ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                _ => None,
            })
            .ok_or_else(|| port_error(self.service, error)),
        }
    }

    /// Reads one page of a partition, and where the next begins.
    pub async fn query(&self, query: Query<'_>) -> Result<(Vec<Item>, Option<Item>), PortError> {
        let (pk, sk) = if query.index.is_some() { ("#gpk", "#gsk") } else { ("#pk", "#sk") };
        let mut condition = Expression::new(format!("{pk} = :pk")).with(":pk", s(query.pk));
        if !query.prefix.is_empty() {
            condition.text.push_str(&format!(" AND begins_with({sk}, :prefix)"));
            condition = condition.with(":prefix", s(query.prefix));
        } else if let Some((from, to)) = query.between {
            condition.text.push_str(&format!(" AND {sk} BETWEEN :from AND :to"));
            condition = condition.with(":from", s(from)).with(":to", s(to));
        }
        let got = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(query.index.map(str::to_owned))
            .set_expression_attribute_names(Expression::names([&condition]))
            .set_expression_attribute_values(Expression::values([&condition]))
            .key_condition_expression(&condition.text)
            .scan_index_forward(!query.descending)
            .consistent_read(query.consistent && query.index.is_none())
            .set_limit(query.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .set_exclusive_start_key(query.after)
            .send()
            .await
            .map_err(|error| port_error(self.service, error))?;
        Ok((got.items.unwrap_or_default(), got.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// Reads a partition to the end, or until there are `limit`.
    pub async fn query_all(&self, query: Query<'_>) -> Result<Vec<Item>, PortError> {
        let Query { pk, prefix, between, index, descending, consistent, limit, mut after } = query;
        let mut found: Vec<Item> = Vec::new();
        loop {
            let open = limit.map(|limit| limit - found.len());
            let page = Query { pk, prefix, between, index, descending, consistent, limit: open, after };
            let (items, next) = self.query(page).await?;
            found.extend(items);
            after = next;
            if after.is_none() || limit.is_some_and(|limit| found.len() >= limit) {
                return Ok(found);
            }
        }
    }

    /// Writes everything or nothing. Where a condition did not hold, the reason of each part.
    pub async fn transact(
        &self,
        writes: Vec<Write>,
    ) -> Result<Result<(), Vec<CancellationReason>>, PortError> {
        let writes: Result<Vec<TransactWriteItem>, PortError> =
            writes.into_iter().map(|write| self.part(write)).collect();
        let writes = writes?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                pause(attempt).await;
            }
            let sent =
                self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let error = match sent {
                Ok(_) => return Ok(Ok(())),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return Err(port_error(self.service, error));
            };
            let reasons = cancelled.cancellation_reasons();
            let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
            // Another transaction is at it, or the table is busy: only then is asking again of use.
            if has("TransactionConflict") || has("ThrottlingError") || has("ProvisionedThroughputExceeded") {
                continue;
            }
            if has("ConditionalCheckFailed") {
                return Ok(Err(reasons.to_vec()));
            }
            return Err(port_error(self.service, error));
        }
        Err(self.throttled())
    }

    fn part(&self, write: Write) -> Result<TransactWriteItem, PortError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        let part = TransactWriteItem::builder();
        Ok(match write {
            Write::Put(item, condition) => {
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(item))
                    .set_expression_attribute_names(Expression::names(&condition))
                    .set_expression_attribute_values(Expression::values(&condition))
                    .set_condition_expression(condition.map(|condition| condition.text))
                    .return_values_on_condition_check_failure(all_old)
                    .build();
                part.put(put.map_err(|error| self.misbuilt(error))?)
            }
            Write::Delete(key, condition) => {
                let condition = Some(condition);
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_item(&key)))
                    .set_expression_attribute_names(Expression::names(&condition))
                    .set_expression_attribute_values(Expression::values(&condition))
                    .set_condition_expression(condition.map(|condition| condition.text))
                    .build();
                part.delete(delete.map_err(|error| self.misbuilt(error))?)
            }
            Write::Update(key, change, condition) => {
                let both = [&change, &condition];
                let update = Update::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_item(&key)))
                    .set_expression_attribute_names(Expression::names(both))
                    .set_expression_attribute_values(Expression::values(both))
                    .update_expression(&change.text)
                    .condition_expression(&condition.text)
                    .build();
                part.update(update.map_err(|error| self.misbuilt(error))?)
            }
        }
        .build())
    }

    fn throttled(&self) -> PortError {
        PortError::Throttled { service: self.service, retry_after: None }
    }

    fn misbuilt(&self, error: aws_sdk_dynamodb::error::BuildError) -> PortError {
        PortError::Malformed { what: self.service, why: error.to_string() }
    }
}

/// Whether the condition of this part of a transaction did not hold.
pub fn refused(reasons: &[CancellationReason], part: usize) -> Option<&CancellationReason> {
    reasons.get(part).filter(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_off_expressions() {
        let change = Expression::new("SET #doc = :doc, #rev=:rev REMOVE #expires_at");
        let condition = Expression::new("attribute_not_exists(#pk) OR #rev = :old");
        let names = Expression::names([&change, &condition]).unwrap();
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort();
        let plain: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(plain, ["doc", "expires_at", "pk", "rev"]);
        assert!(names.iter().all(|(alias, name)| *alias == format!("#{name}")));
        assert!(Expression::values([&change]).is_none());
    }
}
