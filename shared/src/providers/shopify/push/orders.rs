//! Orders. Nothing but the unique metafield in it keeps an order from being made twice.

use serde_json::{Map, Value, json};

use super::compare::same;
use super::documents as doc;
use super::plan::{NEW, Plan, list, map};
use super::products::{id_metafield, with_id};
use crate::domain::push::code::Code;
use crate::domain::push::row::Identifier;
use crate::ports::push::LiveRecord;

/// What an order lets change; tags and metafields have calls of their own.
const CHANGEABLE: [&str; 6] = ["customAttributes", "email", "note", "phone", "poNumber", "shippingAddress"];

/// What is made with an order and not read back: the shop keeps sums of it, not what was sent.
const ONCE: [&str; 11] = [
    "transactions",
    "shippingLines",
    "taxLines",
    "discountCode",
    "customer",
    "buyerAcceptsMarketing",
    "fulfillment",
    "referringSite",
    "sourceUrl",
    "userId",
    "companyLocationId",
];

/// Fields whose changes have calls of their own.
const HANDLED: [&str; 6] =
    ["tags", "metafields", "lineItems", "financialStatus", "fulfillmentStatus", "cancelReason"];

/// What the shop takes of the options with a new order; the others are ours.
const OPTIONS: [&str; 3] = ["inventoryBehaviour", "sendReceipt", "sendFulfillmentReceipt"];

/// Plans a new order.
pub(super) fn create(
    plan: &mut Plan<'_>,
    input: &Map<String, Value>,
    identifiers: &[Identifier],
    options: &Map<String, Value>,
) {
    if id_metafield(identifiers).is_none() {
        let why = "an order is only made with a custom id: without it a lost answer becomes a second order";
        return plan.refuse(Code::DefinitionMissing, "match", why);
    }
    let mut sent = with_id(input, identifiers);
    let reason = sent.remove("cancelReason").filter(|reason| !reason.is_null());
    plan.all_new(&sent);
    let options: Map<String, Value> =
        options.iter().filter(|(name, _)| OPTIONS.contains(&name.as_str())).map(owned).collect();
    plan.call(doc::ORDER_CREATE, 10.0, json!({"order": sent, "options": options}));
    if let Some(reason) = reason {
        cancel(plan, NEW, reason);
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Plans changes of an order that exists.
pub(super) fn update(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    let there = &live.values;
    let mut fixed = input.clone();
    fixed.retain(|name, _| {
        let name = name.as_str();
        !CHANGEABLE.contains(&name) && !ONCE.contains(&name) && !HANDLED.contains(&name)
    });
    for (name, wanted) in &fixed {
        let before = there.get(name).unwrap_or(&Value::Null);
        if !same(name, wanted, before) {
            plan.unsupported(name, "this of an order is set when it is made and stays");
        }
    }
    lines(plan, input, there);
    let mut changeable = input.clone();
    changeable.retain(|name, _| CHANGEABLE.contains(&name.as_str()));
    let mut changed = plan.fields("", &changeable, there, &[]);
    if !changed.is_empty() {
        changed.insert("id".to_owned(), json!(live.id));
        plan.call(doc::ORDER_UPDATE, 10.0, json!({"input": changed}));
    }
    plan.tags(&live.id, input.get("tags"), there);
    let (set, gone) = plan.metafields("", input.get("metafields"), there.get("metafields"));
    plan.write_metafields(&live.id, &set, &gone);
    paid(plan, input, live);
    fulfilled(plan, input, live);
    cancelled(plan, input, live);
}

/// Lines that differ are told: a row whose lines cannot be written is not done.
fn lines(plan: &mut Plan<'_>, input: &Map<String, Value>, there: &Map<String, Value>) {
    let Some(wanted) = input.get("lineItems") else { return };
    let (wanted, there) = (list(Some(wanted)), list(there.get("lineItems")));
    let compared = ["variantId", "title", "sku", "quantity", "priceSet"];
    let line = |(wanted, there): (&Value, &Value)| {
        let wanted = map(wanted);
        compared.iter().all(|name| match wanted.get(*name) {
            // A line of a variant has the variant's title.
            Some(_) if *name == "title" && wanted.contains_key("variantId") => true,
            Some(wanted) => same(name, wanted, &there[*name]),
            None => true,
        })
    };
    if wanted.len() != there.len() || !wanted.iter().zip(there).all(line) {
        plan.unsupported("lineItems[]", "the lines of an order cannot be changed by a push");
    }
}

/// Whether the mapping allows to move the state of orders in this way, which has consequences outside of the shop.
fn allows(plan: &mut Plan<'_>, option: &str, path: &str, what: &str) -> bool {
    let allowed = plan.how.options.get(option) == Some(&Value::Bool(true));
    if !allowed {
        plan.unsupported(path, &format!("orders are {what} only where the option `{option}` says so"));
    }
    allowed
}

/// Where the row says that an order is paid, it is marked so. There is no way back.
fn paid(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    const PATH: &str = "financialStatus";
    let Some((wanted, before)) = differs(PATH, input, live) else { return };
    if wanted != "PAID" || !["PENDING", "AUTHORIZED", "PARTIALLY_PAID"].iter().any(|open| before == *open) {
        return plan.unsupported(PATH, "an order can be marked as paid, and nothing else");
    }
    if allows(plan, "allowPaid", PATH, "marked as paid") {
        plan.differs(PATH.to_owned(), Some(before), Some(wanted));
        plan.call(doc::ORDER_PAID, 10.0, json!({"input": {"id": live.id}}));
    }
}

/// Where the row says that an order was sent, everything that is still open of it is told to be sent.
fn fulfilled(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    const PATH: &str = "fulfillmentStatus";
    let Some((wanted, before)) = differs(PATH, input, live) else { return };
    let same = match wanted.as_str() {
        Some("PARTIAL") => before == "PARTIALLY_FULFILLED",
        // Shopify shows such orders as not sent again.
        Some("RESTOCKED") => before == "UNFULFILLED",
        _ => false,
    };
    if same {
        return;
    }
    if wanted != "FULFILLED" {
        return plan.unsupported(PATH, "an order can be told to be sent as a whole, and nothing else");
    }
    if allows(plan, "allowFulfilled", PATH, "told to be sent") {
        plan.differs(PATH.to_owned(), Some(before), Some(wanted));
        let notify = plan.how.options.get("notifyCustomer").cloned().unwrap_or(Value::Bool(false));
        plan.call(doc::FULFILL, 20.0, json!({"order": live.id, "notifyCustomer": notify}));
    }
}

/// Where the row has a reason, the order is cancelled. There is no way back either.
fn cancelled(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    const PATH: &str = "cancelReason";
    let Some((wanted, _)) = differs(PATH, input, live) else { return };
    if live.values.get("cancelledAt").is_some_and(|at| !at.is_null()) {
        return plan.unsupported(PATH, "the reason of an order that is cancelled stays");
    }
    cancel(plan, &live.id, wanted);
}

/// The call that cancels. What it gives back to whom is the mapping's to say; by itself nothing.
fn cancel(plan: &mut Plan<'_>, id: &str, reason: Value) {
    if !allows(plan, "allowCancelled", "cancelReason", "cancelled") {
        return;
    }
    let says = |name: &str| plan.how.options.get(name) == Some(&Value::Bool(true));
    let mut variables = json!({
        "orderId": id, "reason": reason, "restock": says("cancelRestocks"), "notifyCustomer": says("notifyCustomer"),
    });
    if says("cancelRefunds") {
        variables["refundMethod"] = json!({"originalPaymentMethodsRefund": true});
    }
    plan.differs("cancelReason".to_owned(), None, Some(reason));
    plan.call(doc::ORDER_CANCEL, 10.0, variables);
}

/// What is wanted of a field and what is there, where the two differ. Nothing wanted differs from nothing.
fn differs(name: &str, input: &Map<String, Value>, live: &LiveRecord) -> Option<(Value, Value)> {
    let wanted = input.get(name).filter(|wanted| !wanted.is_null())?.clone();
    let before = live.values.get(name).cloned().unwrap_or_default();
    (wanted != before).then_some((wanted, before))
}
