//! Calls that are paid for from the budget of the shop.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::Shopify;
use super::super::client::{Answer, Cost};
use crate::domain::push::throttle::{Points, Status};
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::push::{Budget, Spent};

/// A document with the shape that its cost is learned by.
#[derive(Clone, Copy)]
pub(super) struct Document {
    /// The name of the call as run records tell it.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// What every mutation of a push answers, by the aliases of its document.
#[derive(Deserialize)]
pub(super) struct Mutated {
    pub(super) done: Option<Done>,
}

#[derive(Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    pub(super) record: Option<Made>,
    pub(super) errors: Vec<UserError>,
}

#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) id: String,
}

/// A refusal by the shop. Some mutations have no codes.
#[derive(Debug, Deserialize)]
pub(super) struct UserError {
    #[serde(default)]
    pub(super) field: Option<Vec<String>>,
    pub(super) message: String,
    #[serde(default)]
    pub(super) code: Option<String>,
}

fn points(points: Option<f64>) -> Option<Points> {
    points.and_then(Points::read)
}

pub(super) fn status(cost: &Cost) -> Option<Status> {
    let told = cost.throttle_status.as_ref()?;
    Some(Status {
        maximum: points(Some(told.maximum_available))?,
        available: points(Some(told.currently_available))?,
        restore_rate: points(Some(told.restore_rate))?,
    })
}

impl Shopify {
    /// Sends a document when the budget has the points for it. An error only where nothing was sent.
    pub(super) async fn paid<D: DeserializeOwned>(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        document: Document,
        formula: Points,
        variables: &Value,
    ) -> Result<(Answer<D>, Points), ProviderError> {
        let lease = budget.lease(document.name, formula).await?;
        let answer = match self.send::<D>(access, document.text, variables).await {
            Ok(answer) => answer,
            Err(error) => {
                budget.settle(lease, document.name, None, Spent::Nothing).await;
                return Err(error);
            }
        };
        let requested = answer.cost.as_ref().and_then(|cost| points(cost.requested_query_cost));
        let throttled = matches!(answer.data, Err(ProviderError::Throttled { .. }));
        let actual = answer.cost.as_ref().and_then(|cost| points(cost.actual_query_cost));
        let actual = if throttled { Some(Points::ZERO) } else { actual.or(requested) };
        let spent = match (actual, answer.cost.as_ref().and_then(status)) {
            (Some(points), Some(status)) => Spent::Told { points, status },
            _ if throttled || (answer.data.is_err() && !answer.in_doubt) => Spent::Nothing,
            _ => Spent::Unknown,
        };
        budget.settle(lease, document.name, requested, spent).await;
        Ok((answer, actual.unwrap_or(formula)))
    }

    /// Asks something. It changes nothing, so what became of a lost question is of no interest.
    pub(super) async fn ask<D: DeserializeOwned>(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        document: Document,
        formula: Points,
        variables: &Value,
    ) -> Result<D, ProviderError> {
        self.paid(access, budget, document, formula, variables).await?.0.data
    }
}
