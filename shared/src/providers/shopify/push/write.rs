//! Making the calls of a writing, and what their answers mean.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::Shopify;
use super::call::{Document, Mutated, UserError};
use super::documents as doc;
use super::plan::{NEW, list, text};
use super::split::{smaller, too_costly};
use crate::domain::push::code::Code;
use crate::domain::push::ledger::RowError;
use crate::domain::push::throttle::Points;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::push::{Budget, Stopped, Writing, Written};

/// How long new variants are not taken any more, at most.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A development shop takes five orders a minute.
const ORDERS: Duration = Duration::from_secs(15);
/// A call with the same key is still on its way.
const IN_FLIGHT: Duration = Duration::from_secs(2);

/// What became of one call.
pub(super) enum Called {
    /// It was made; the id of its record, where it has one.
    Made(Option<String>),
    /// The shop did not like its values.
    Refused(Vec<UserError>),
    /// It ended in another way, which was put down.
    Stopped,
}

/// Puts the id of the record that was made where it is meant.
fn put_id(value: &mut Value, id: &str) {
    match value {
        Value::String(text) if text == NEW => id.clone_into(text),
        Value::Array(list) => list.iter_mut().for_each(|each| put_id(each, id)),
        Value::Object(map) => map.values_mut().for_each(|each| put_id(each, id)),
        _ => {}
    }
}

/// What a refusal means where that is more than that.
pub(super) fn code_of(error: &UserError) -> Code {
    match error.code.as_deref() {
        Some("TAKEN" | "HANDLE_NOT_UNIQUE" | "CAPABILITY_VIOLATION" | "DUPLICATED_METAFIELD_VALUE") => {
            Code::KeyConflict
        }
        Some("CHANGE_FROM_QUANTITY_STALE") => Code::StaleQuantity,
        Some("NON_MUTABLE_INVENTORY_ITEM") => Code::BundleParent,
        Some("INVALID_INVENTORY_ITEM" | "INVALID_LOCATION" | "ITEM_NOT_STOCKED_AT_LOCATION") => {
            Code::NotFound
        }
        Some("IDEMPOTENCY_CONCURRENT_REQUEST") => Code::KeyInFlight,
        Some("IDEMPOTENCY_KEY_PARAMETER_MISMATCH") => Code::KeyMismatch,
        Some("STALE_OBJECT") => Code::ChangedSincePlan,
        None if error.message.contains("tracking enabled") => Code::NotTracked,
        // Not every call has a code for it, and orders have one that says nothing.
        _ if ["already been taken", "already been assigned", "must be unique"]
            .iter()
            .any(|words| error.message.contains(words)) =>
        {
            Code::KeyConflict
        }
        _ => Code::Refused,
    }
}

/// The field as the mapping writes it.
fn path_of(error: &UserError, variables: &Value) -> Option<String> {
    let field = error.field.as_ref()?;
    let mut steps = field.iter().map(String::as_str).peekable();
    // The argument is no part of the mapping: `input`, `product`, `order`.
    if steps.peek().is_some_and(|step| ["input", "product", "order", "identifier", "address"].contains(step))
    {
        steps.next();
    }
    let steps: Vec<&str> = steps.collect();
    if let ["metafields", at, ..] = steps[..]
        && let Ok(at) = at.parse::<usize>()
    {
        let of = |root: &Value| list(root.get("metafields")).get(at).cloned();
        let found = ["input", "product", "order"].iter().find_map(|name| of(&variables[*name]));
        let one = found.or_else(|| of(variables)).unwrap_or_default();
        return Some(format!("metafields.{}.{}", text(&one, "namespace"), text(&one, "key")));
    }
    let mut path = String::new();
    for step in steps {
        if step.parse::<usize>().is_ok() {
            path.push_str("[]");
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(step);
        }
    }
    let path = path.replace("inventoryItem.sku", "sku");
    (!path.is_empty()).then_some(path)
}

fn row_error(error: &UserError, variables: &Value) -> RowError {
    let code = code_of(error);
    let told = match code {
        Code::Refused => RowError::refused(error.code.as_deref(), error.message.clone()),
        code => RowError::ours(code, error.message.clone()),
    };
    match path_of(error, variables) {
        Some(path) => told.about(path, None),
        None => told,
    }
}

/// Whether a refusal only says that it is too early.
fn too_early(document: Document, errors: &[UserError]) -> Option<Stopped> {
    let wait = |code, wait| {
        let message = errors.first().map(|error| error.message.clone()).unwrap_or_default();
        Some(Stopped::Later(Box::new(RowError::ours(code, message)), wait))
    };
    let any = |code: &str| errors.iter().any(|error| error.code.as_deref() == Some(code));
    if any("IDEMPOTENCY_CONCURRENT_REQUEST") {
        return wait(Code::KeyInFlight, IN_FLIGHT);
    }
    if any("VARIANT_THROTTLE_EXCEEDED") {
        return wait(Code::VariantDailyLimit, A_DAY);
    }
    // Shopify has no code for it.
    let attempts = errors.iter().any(|error| error.message.contains("Too many attempts"));
    if document.name == doc::ORDER_CREATE.name && attempts {
        return wait(Code::OrderRate, ORDERS);
    }
    None
}

/// What an error of a later call means for what was begun. The first call's is the caller's.
fn later(error: &ProviderError) -> Stopped {
    let after = |code, message: String, wait| Stopped::Later(Box::new(RowError::ours(code, message)), wait);
    match error {
        ProviderError::Throttled { retry_after } => {
            after(Code::Throttled, error.to_string(), retry_after.unwrap_or(Duration::from_secs(1)))
        }
        ProviderError::Refused { code } if code == Code::ProtectedDataDenied.as_str() => {
            after(Code::ProtectedDataDenied, error.to_string(), Duration::ZERO)
        }
        ProviderError::Refused { code } => {
            Stopped::Refused(vec![RowError::refused(Some(code), "the shop refused the call")])
        }
        ProviderError::TokenRejected => after(Code::TokenInvalid, error.to_string(), Duration::ZERO),
        ProviderError::ScopeDenied { .. } => after(Code::ScopeMissing, error.to_string(), Duration::ZERO),
        _ => after(Code::Reset, error.to_string(), Duration::from_secs(1)),
    }
}

impl Shopify {
    /// Makes one call. An error only where it was surely not carried out.
    pub(super) async fn carry_out(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        document: Document,
        formula: Points,
        variables: &Value,
        written: &mut Written,
    ) -> Result<Called, ProviderError> {
        let (answer, points) = self.paid::<Mutated>(access, budget, document, formula, variables).await?;
        written.request_id = answer.request_id.or(written.request_id.take());
        let data = match answer.data {
            Ok(data) => data,
            Err(error) if answer.in_doubt => {
                let lost = RowError::ours(Code::TimeoutAfterSend, error.to_string());
                written.stopped = Some(Stopped::InDoubt(Box::new(lost)));
                return Ok(Called::Stopped);
            }
            Err(ProviderError::Refused { code }) if code == "VARIANT_THROTTLE_EXCEEDED" => {
                let full =
                    RowError::ours(Code::VariantDailyLimit, "the shop takes no more new variants today");
                written.stopped = Some(Stopped::Later(Box::new(full), A_DAY));
                return Ok(Called::Stopped);
            }
            Err(error) => return Err(error),
        };
        written.calls.push(document.name.to_owned());
        written.points = Points::read(sum(written.points, points)).unwrap_or_default();
        let Some(done) = data.done else {
            let nothing = ProviderError::Malformed { why: "a call without a result".to_owned() };
            let lost = RowError::ours(Code::TimeoutAfterSend, nothing.to_string());
            written.stopped = Some(Stopped::InDoubt(Box::new(lost)));
            return Ok(Called::Stopped);
        };
        if done.errors.is_empty() {
            return Ok(Called::Made(done.record.map(|made| made.id)));
        }
        if let Some(stopped) = too_early(document, &done.errors) {
            written.stopped = Some(stopped);
            return Ok(Called::Stopped);
        }
        Ok(Called::Refused(done.errors))
    }

    /// Makes one call of a writing, or tells in which two smaller ones it may be made. An error only where nothing of the
    /// writing was carried out.
    async fn carry_out_one(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        document: Document,
        mut variables: Value,
        written: &mut Written,
    ) -> Result<Option<[(Document, Value); 2]>, ProviderError> {
        if let Some(id) = &written.id {
            put_id(&mut variables, id);
        }
        let points = formula(document, &variables);
        let called = if document.name == doc::FULFILL.name {
            self.fulfill(access, budget, &mut variables, written).await
        } else {
            self.carry_out(access, budget, document, points, &variables, written).await
        };
        match called {
            Ok(Called::Made(id)) => written.id = written.id.take().or(id),
            Ok(Called::Refused(errors)) => {
                let errors = errors.iter().map(|error| row_error(error, &variables)).collect();
                written.stopped = Some(Stopped::Refused(errors));
            }
            Ok(Called::Stopped) => {}
            Err(ProviderError::Refused { code }) if too_costly(&code) => {
                let two = smaller(document, &variables);
                if two.is_none() {
                    let why = format!("{} takes more points than the shop ever has at once", document.name);
                    written.stopped = Some(Stopped::Refused(vec![RowError::ours(Code::CostTooHigh, why)]));
                }
                return Ok(two);
            }
            Err(error) if written.calls.is_empty() => return Err(error),
            Err(error) => written.stopped = Some(later(&error)),
        }
        Ok(None)
    }

    pub(super) async fn carry_out_all(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        writing: &Writing,
    ) -> Result<Written, ProviderError> {
        let mut written = Written::default();
        for call in &writing.calls {
            let Some(document) = doc::by_name(&call.name) else {
                let error = RowError::ours(Code::Bug, "a call that there is no document for");
                written.stopped = Some(Stopped::Refused(vec![error]));
                break;
            };
            let mut parts = vec![(document, call.variables.clone())];
            while let Some((document, variables)) = parts.pop().filter(|_| written.stopped.is_none()) {
                if let Some(two) =
                    self.carry_out_one(access, budget, document, variables, &mut written).await?
                {
                    parts.extend(two.into_iter().rev());
                }
            }
            if written.stopped.is_some() {
                break;
            }
        }
        Ok(written)
    }
}

#[expect(clippy::cast_precision_loss, reason = "thousandths of points are far smaller")]
fn sum(one: Points, other: Points) -> f64 {
    (one.thousandths() + other.thousandths()) as f64 / 1000.0
}

/// What a call should cost as far as it is published.
#[expect(clippy::cast_precision_loss, reason = "lists are far shorter")]
fn formula(document: Document, variables: &Value) -> Points {
    let input = variables.get("input").cloned().unwrap_or_else(|| json!({}));
    let count = |of: &Value, name: &str| list(of.get(name)).len() as f64;
    let more = match document.name {
        "productSet" => {
            0.2 * count(&input, "variants") + 0.4 * count(&input, "metafields") + 1.9 * count(&input, "files")
        }
        _ => {
            0.2 * (count(variables, "variants") + count(variables, "variantsIds"))
                + 1.9 * count(variables, "media")
        }
    };
    Points::read(10.0 + more).unwrap_or_default()
}
