//! Orders. Nothing but the unique metafield in it keeps an order from being made twice.

use serde_json::{Map, Value, json};

use super::compare::same;
use super::documents as doc;
use super::plan::{Plan, list, map};
use super::products::{id_metafield, with_id};
use crate::domain::push::code::Code;
use crate::domain::push::row::Identifier;
use crate::ports::push::LiveRecord;

/// What an order lets change; tags and metafields have calls of their own.
const CHANGEABLE: [&str; 6] = ["customAttributes", "email", "note", "phone", "poNumber", "shippingAddress"];

/// What is made with an order and not read back: the shop keeps sums of it, not what was sent.
const ONCE: [&str; 12] = [
    "transactions",
    "shippingLines",
    "taxLines",
    "discountCode",
    "customer",
    "buyerAcceptsMarketing",
    "fulfillment",
    "fulfillmentStatus",
    "referringSite",
    "sourceUrl",
    "userId",
    "companyLocationId",
];

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
    let sent = with_id(input, identifiers);
    plan.all_new(&sent);
    plan.call(doc::ORDER_CREATE, 10.0, json!({"order": sent, "options": options}));
}

/// Plans changes of an order that exists.
pub(super) fn update(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    let there = &live.values;
    let mut fixed = input.clone();
    fixed.retain(|name, _| {
        let handled = ["tags", "metafields", "lineItems", "financialStatus"];
        !CHANGEABLE.contains(&name.as_str())
            && !ONCE.contains(&name.as_str())
            && !handled.contains(&name.as_str())
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

/// Where the row says that an order is paid, it is marked so. There is no way back.
fn paid(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    let Some(wanted) = input.get("financialStatus").filter(|wanted| !wanted.is_null()) else { return };
    let before = live.values.get("financialStatus").cloned().unwrap_or_default();
    if *wanted == before {
        return;
    }
    if wanted != "PAID" || !["PENDING", "AUTHORIZED", "PARTIALLY_PAID"].iter().any(|open| before == *open) {
        return plan.unsupported("financialStatus", "an order can be marked as paid, and nothing else");
    }
    plan.differs("financialStatus".to_owned(), Some(before), Some(wanted.clone()));
    plan.call(doc::ORDER_PAID, 10.0, json!({"input": {"id": live.id}}));
}
