//! Idempotency keys (<https://shopify.dev/docs/api/usage/idempotent-requests>): remembered for 24 hours, for an app in a shop.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Args, Out, Outcome, Problem};
use crate::resolve::FieldError;

/// How long a key is remembered, in seconds.
const REMEMBERED: i64 = 86_400;

/// The keys seen lately.
#[derive(Debug, Default)]
pub struct Memory {
    seen: HashMap<(String, String), Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Timestamp,
    /// The mutation with its arguments.
    request: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Running,
    Done(Box<Outcome>),
    Failed,
}

/// What is to be done with a mutation that carries a key.
#[derive(Debug)]
pub enum Claim {
    /// It is new: to be carried out, and settled under its key.
    Fresh,
    /// It is answered already.
    Answered(Outcome),
}

/// The mutations that take a key: the type of the payload, the field that is null when the key is refused, the type of the
/// errors.
fn shape(name: &str) -> Option<(&'static str, Option<&'static str>, &'static str)> {
    Some(match name {
        "inventorySetQuantities" => (
            "InventorySetQuantitiesPayload",
            Some("inventoryAdjustmentGroup"),
            "InventorySetQuantitiesUserError",
        ),
        "inventoryAdjustQuantities" => (
            "InventoryAdjustQuantitiesPayload",
            Some("inventoryAdjustmentGroup"),
            "InventoryAdjustQuantitiesUserError",
        ),
        "inventoryActivate" => ("InventoryActivatePayload", Some("inventoryLevel"), "UserError"),
        _ => return None,
    })
}

/// Whether a mutation must carry a key, and whether what it carries is one.
///
/// # Errors
/// As Shopify refuses it, before anything else is looked at.
pub fn admissible(name: &str, key: Option<&str>, version: &str) -> Result<(), FieldError> {
    let refuse = |message: &str| Err(FieldError::Refused(message.to_owned(), "BAD_REQUEST"));
    match (shape(name), key) {
        (Some(_), None) if version >= "2026-04" => {
            refuse("The @idempotent directive is required for this mutation but was not provided.")
        }
        (Some(_), Some(key)) if key.trim().is_empty() => refuse("The idempotency key cannot be blank."),
        (None, Some(_)) => refuse("The @idempotent directive is not supported for this mutation."),
        _ => Ok(()),
    }
}

impl Memory {
    /// Claims a key for a mutation.
    pub fn claim(&mut self, client_id: &str, key: &str, name: &str, args: &Args, now: Timestamp) -> Claim {
        self.seen.retain(|_, seen| now.duration_since(seen.at) < SignedDuration::from_secs(REMEMBERED));
        let request = format!("{name} {}", Value::Object(args.clone()));
        let place = (client_id.to_owned(), key.to_owned());
        let refused = |message, code| Claim::Answered(refused(name, message, code));
        match self.seen.get(&place) {
            None => {
                self.seen.insert(place, Seen { at: now, request, state: State::Running });
                Claim::Fresh
            }
            Some(seen) if seen.request != request => refused(
                "The same idempotency key cannot be used with different operation parameters.",
                "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
            ),
            Some(Seen { state: State::Running, .. }) => refused(
                "This request is currently in progress, please try again.",
                "IDEMPOTENCY_CONCURRENT_REQUEST",
            ),
            Some(Seen { state: State::Failed, .. }) => refused(
                "A previous request with this idempotency key failed. Retry with a new idempotency key.",
                "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
            ),
            Some(Seen { state: State::Done(outcome), .. }) => Claim::Answered(outcome.as_ref().clone()),
        }
    }

    /// Notes what came of a mutation; nothing if it failed.
    pub fn settle(&mut self, client_id: &str, key: &str, outcome: Option<&Outcome>) {
        if let Some(seen) = self.seen.get_mut(&(client_id.to_owned(), key.to_owned())) {
            seen.state = outcome.map_or(State::Failed, |outcome| State::Done(Box::new(outcome.clone())));
        }
    }
}

fn refused(name: &str, message: &str, code: &'static str) -> Outcome {
    let (payload, field, error) = shape(name).unwrap_or(("", None, "UserError"));
    let outcome =
        field.into_iter().fold(Outcome::new(payload), |outcome, field| outcome.with(field, Out::Null));
    outcome.errors(error, &[Problem { code: Some(code), ..Problem::general(message) }])
}
