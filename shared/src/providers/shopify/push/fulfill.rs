//! Telling that an order was sent. What is still open of it stands with the places that send it, and is asked for first.

use serde_json::{Value, json};

use super::super::Shopify;
use super::call::UserError;
use super::documents as doc;
use super::find::{MOST_PAGES, Record, endless};
use super::plan::{list, text};
use super::write::Called;
use crate::domain::push::throttle::Points;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::push::{Budget, Written};

impl Shopify {
    /// One call for each place that has something to send. Made again it finds less that is open, or nothing.
    pub(super) async fn fulfill(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        variables: &mut Value,
        written: &mut Written,
    ) -> Result<Called, ProviderError> {
        let notify = variables["notifyCustomer"].take();
        let open = self.open_parts(access, budget, &variables["order"]).await?;
        if open.is_empty() {
            let message =
                "nothing of the order can be told to be sent: it is on hold, with a service, or cancelled";
            let (field, code) = (Some(vec!["fulfillmentStatus".to_owned()]), None);
            return Ok(Called::Refused(vec![UserError { field, message: message.to_owned(), code }]));
        }
        for part in open {
            *variables = json!({"fulfillment": {
                "lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": part}], "notifyCustomer": notify,
            }});
            let points = Points::whole(10);
            let called = self.carry_out(access, budget, doc::FULFILL, points, variables, written).await?;
            if !matches!(called, Called::Made(_)) {
                return Ok(called);
            }
        }
        Ok(Called::Made(None))
    }

    /// What of an order is open, by place.
    async fn open_parts(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        order: &Value,
    ) -> Result<Vec<String>, ProviderError> {
        let mut parts = Vec::new();
        let mut variables = json!({"id": order});
        for _ in 0..MOST_PAGES {
            let answer: Record =
                self.ask(access, budget, doc::ORDER_OPEN, Points::whole(12), &variables).await?;
            let page = answer.record.unwrap_or_default()["fulfillmentOrders"].take();
            let open = list(page.get("nodes")).iter().filter(|part| {
                let status = text(part, "status");
                status == "OPEN" || status == "IN_PROGRESS"
            });
            parts.extend(open.map(|part| text(part, "id").to_owned()));
            if page["pageInfo"]["hasNextPage"] != true {
                return Ok(parts);
            }
            variables["after"] = page["pageInfo"]["endCursor"].clone();
        }
        Err(endless())
    }
}
