//! What may be done to an order once it is made: a few fields, paid, cancelled, sent, deleted.

use serde_json::Value;

use super::input::{self, arg, id, list, only, patch, texts};
use super::metafields::join;
use super::orders::attributes;
use super::{Args, Desk, Out, Outcome, Problem, Told, Written};
use crate::gid::{gid, number};
use crate::model::{Fulfillment, Order, OwnerKind, Transaction};
use crate::resolve::FieldError;

impl Desk<'_> {
    fn order(&self, value: &Value) -> Result<Option<Order>, FieldError> {
        let found = id(value, "Order")?;
        Ok(found.and_then(|id| self.shop.orders.get(&id)).map(|order| order.as_ref().clone()))
    }
}

fn answer(payload: &'static str, id: Option<u64>, problems: &[Problem]) -> Outcome {
    let shown = id.map_or(Out::Null, |id| Out::node("Order", id));
    Outcome::new(payload).with("order", shown).errors("UserError", problems)
}

/// `orderUpdate`: its input names no lines, amounts, customer or dates, so the schema refuses those. No codes.
pub(super) fn update(desk: &mut Desk<'_>, args: &Args) -> Written {
    const KNOWN: [&str; 9] = [
        "id",
        "customAttributes",
        "email",
        "metafields",
        "note",
        "phone",
        "poNumber",
        "shippingAddress",
        "tags",
    ];
    let input = arg(args, "input");
    only(input, "OrderInput", &KNOWN)?;
    let Some(mut order) = desk.order(&input["id"])? else {
        return Ok(answer("OrderUpdatePayload", None, &[Problem::plain("id", "Order does not exist")]));
    };
    patch(&mut order.email, input, "email");
    patch(&mut order.phone, input, "phone");
    patch(&mut order.note, input, "note");
    patch(&mut order.po_number, input, "poNumber");
    if input.get("tags").is_some() {
        order.tags = input::tags(texts(&input["tags"]));
    }
    if input.get("customAttributes").is_some() {
        order.attributes = attributes(&input["customAttributes"]);
    }
    if input.get("shippingAddress").is_some() {
        order.shipping_address = desk.order_address(&input["shippingAddress"])?;
    }
    let own = std::mem::take(&mut order.metafields);
    let (made, problems) =
        desk.metafields_of(OwnerKind::Order, Some(order.id), &own, &input["metafields"], "metafields")?;
    order.metafields = own;
    join(&mut order.metafields, made);
    if !problems.is_empty() {
        return Ok(answer("OrderUpdatePayload", None, &problems));
    }
    let order_id = order.id;
    desk.put_order(order);
    Ok(answer("OrderUpdatePayload", Some(order_id), &[]))
}

/// `orderMarkAsPaid`: what is owed is paid by hand.
pub(super) fn mark_as_paid(desk: &mut Desk<'_>, args: &Args) -> Written {
    let refuse = |message: &str| Ok(answer("OrderMarkAsPaidPayload", None, &[Problem::plain("id", message)]));
    let Some(mut order) = desk.order(&arg(args, "input")["id"])? else {
        return refuse("Order does not exist");
    };
    if !order.can_be_paid() {
        return refuse("Order cannot be marked as paid.");
    }
    let transaction = Transaction {
        id: desk.shop.take_id(),
        kind: "SALE".to_owned(),
        status: "SUCCESS".to_owned(),
        gateway: "manual".to_owned(),
        amount: order.total() - order.received(),
        test: order.test,
        processed_at: desk.now,
    };
    order.transactions.push(transaction);
    order.given_financial_status = Some("PAID".to_owned());
    let order_id = order.id;
    desk.put_order(order);
    desk.told.push(Told::Order("orders/paid", order_id));
    Ok(answer("OrderMarkAsPaidPayload", Some(order_id), &[]))
}

/// `orderCancel`: gives back the money and the goods where it is told to. The job it answers is done at once.
pub(super) fn cancel(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |job, problems: &[Problem]| {
        Outcome::new("OrderCancelPayload")
            .with("job", job)
            .with("userErrors", Out::List(Vec::new()))
            .errors_named("orderCancelUserErrors", "OrderCancelUserError", problems)
    };
    let refuse = |message: &str, code| Ok(done(Out::Null, &[Problem::at("orderId", message, code)]));
    if arg(args, "refund") == true || !arg(args, "refundMethod")["storeCreditRefund"].is_null() {
        return Err(FieldError::NotSimulatedInput("orderCancel.refund".to_owned()));
    }
    let Some(mut order) = desk.order(arg(args, "orderId"))? else {
        return refuse("Order does not exist", "NOT_FOUND");
    };
    if order.cancelled_at.is_some() {
        return refuse("Order has already been cancelled", "INVALID");
    }
    if !order.fulfillments.is_empty() {
        return refuse("Cannot cancel an order that has been fulfilled", "INVALID");
    }
    let owed = order.received();
    if arg(args, "refundMethod")["originalPaymentMethodsRefund"] == true && owed > 0 {
        order.transactions.push(Transaction {
            id: desk.shop.take_id(),
            kind: "REFUND".to_owned(),
            status: "SUCCESS".to_owned(),
            gateway: order.transactions.first().map(|one| one.gateway.clone()).unwrap_or_default(),
            amount: owed,
            test: order.test,
            processed_at: desk.now,
        });
    }
    if arg(args, "restock") == true {
        release(desk, &mut order);
    }
    order.cancelled_at = Some(desk.now);
    order.closed_at = Some(desk.now);
    order.cancel_reason = arg(args, "reason").as_str().map(str::to_owned);
    order.fulfillment_orders.iter_mut().for_each(|one| one.status = "CLOSED");
    if arg(args, "notifyCustomer") == true && order.email.is_some() {
        order.mails.push("cancellation");
    }
    let order_id = order.id;
    desk.put_order(order);
    desk.told.push(Told::Order("orders/cancelled", order_id));
    let job = vec![("id", Out::Text(gid("Job", desk.shop.take_id()))), ("done", Out::Bool(true))];
    Ok(done(Out::Plain("Job", job), &[]))
}

/// Puts back what was taken for the lines.
fn release(desk: &mut Desk<'_>, order: &mut Order) {
    for line in &mut order.lines {
        let (Some(variant), Some(place)) = (line.variant, line.stock_from.take()) else { continue };
        let Some(mut product) = desk.index.variants.get(&variant).and_then(|id| desk.product(*id)) else {
            continue;
        };
        let item = product.variants.iter_mut().find(|one| one.id == variant).map(|one| &mut one.item);
        let Some(item) = item else { continue };
        if let Some(level) = item.levels.get_mut(&place) {
            level.available += line.quantity;
            level.committed -= line.quantity;
            level.updated_at = desk.now;
        }
        let told = Told::Level(false, item.id, place);
        desk.told.push(told);
        desk.put_product(product);
    }
}

/// `orderDelete`
pub(super) fn delete(desk: &mut Desk<'_>, args: &Args) -> Written {
    let problems = match desk.order(arg(args, "orderId"))? {
        None => vec![Problem::at("orderId", "Order does not exist", "NOT_FOUND")],
        Some(order) => {
            desk.index.remove_order(&order);
            desk.shop.orders.remove(&order.id);
            desk.told.push(Told::OrderGone(order.id));
            Vec::new()
        }
    };
    let deleted = if problems.is_empty() { Out::of(arg(args, "orderId")) } else { Out::Null };
    Ok(Outcome::new("OrderDeletePayload")
        .with("deletedId", deleted)
        .errors("OrderDeleteUserError", &problems))
}

/// `fulfillmentCreate`: sends lines of fulfilment orders of one order; none named means all.
pub(super) fn fulfill(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |shown, problems: &[Problem]| {
        Outcome::new("FulfillmentCreatePayload").with("fulfillment", shown).errors("UserError", problems)
    };
    let refuse = |path: &str, message: &str| Ok(done(Out::Null, &[Problem::plain(path, message)]));
    let input = arg(args, "fulfillment");
    only(input, "FulfillmentInput", &["lineItemsByFulfillmentOrder", "notifyCustomer", "trackingInfo"])?;
    let path = "fulfillment.lineItemsByFulfillmentOrder";
    let wanted = list(&input["lineItemsByFulfillmentOrder"]);
    let first =
        wanted.first().and_then(|one| number(one["fulfillmentOrderId"].as_str()?, "FulfillmentOrder"));
    let owner =
        first.and_then(|id| desk.index.fulfillment_orders.get(&id)).and_then(|id| desk.shop.orders.get(id));
    let Some(mut order) = owner.map(|order| order.as_ref().clone()) else {
        return refuse(path, "Fulfillment order does not exist.");
    };
    let (mut sent, mut location) = (Vec::new(), None);
    for one in wanted {
        let wanted = number(one["fulfillmentOrderId"].as_str().unwrap_or_default(), "FulfillmentOrder");
        let Some(target) = order.fulfillment_orders.iter_mut().find(|target| Some(target.id) == wanted)
        else {
            return refuse(path, "All fulfillment orders must belong to the same order.");
        };
        if !matches!(target.status, "OPEN" | "IN_PROGRESS") {
            let message = format!(
                "Fulfillment order {} has an unfulfillable status= {}.",
                target.id,
                target.status.to_lowercase()
            );
            return refuse(path, &message);
        }
        location = target.location;
        let parts = list(&one["fulfillmentOrderLineItems"]);
        for line in &mut target.lines {
            let named = parts.iter().find(|part| {
                part["id"].as_str().and_then(|t| number(t, "FulfillmentOrderLineItem")) == Some(line.id)
            });
            let quantity = match named {
                Some(part) => part["quantity"].as_i64().unwrap_or_default(),
                None if parts.is_empty() => line.remaining,
                None => continue,
            };
            if quantity < 1 || quantity > line.remaining {
                return refuse(path, "Invalid fulfillment order line item quantity requested.");
            }
            line.remaining -= quantity;
            sent.push((line.line, quantity));
        }
        target.status =
            if target.lines.iter().all(|line| line.remaining == 0) { "CLOSED" } else { "IN_PROGRESS" };
    }
    if sent.is_empty() {
        return refuse(path, "There is nothing to fulfill.");
    }
    let tracking = &input["trackingInfo"];
    let text = |name: &str| tracking[name].as_str().map(str::to_owned);
    let fulfillment = Fulfillment {
        id: desk.shop.take_id(),
        name: format!("{}.{}", order.name, order.fulfillments.len() + 1),
        lines: sent,
        location,
        tracking: (text("company"), text("number"), text("url")),
        created_at: desk.now,
    };
    let (fulfillment_id, order_id) = (fulfillment.id, order.id);
    order.fulfillments.push(fulfillment);
    if input["notifyCustomer"] == true && order.email.is_some() {
        order.mails.push("shipping");
    }
    let complete = order.fulfillment_status() == "FULFILLED";
    desk.put_order(order);
    if complete {
        desk.told.push(Told::Order("orders/fulfilled", order_id));
    }
    Ok(done(Out::Fulfillment(order_id, fulfillment_id), &[]))
}
