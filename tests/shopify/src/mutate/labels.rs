//! Tags, and where things are published.

use jiff::Timestamp;

use super::input::{self, arg, list, only, texts};
use super::{Args, Desk, Out, Outcome, Problem, Written};
use crate::gid;
use crate::resolve::FieldError;

/// `tagsAdd`, `tagsRemove`: tags join those that are there, or leave them.
pub(super) fn tags(desk: &mut Desk<'_>, args: &Args, adds: bool) -> Written {
    let text = arg(args, "id").as_str().unwrap_or_default();
    let Some(parsed) = gid::parse(text) else {
        return Err(FieldError::Refused(format!("Invalid global id '{text}'"), "INVALID_VARIABLE"));
    };
    let given = input::tags(texts(arg(args, "tags")));
    let change = |own: &mut Vec<String>| {
        if adds {
            *own = input::tags(own.drain(..).chain(given.iter().cloned()));
        } else {
            own.retain(|tag| !given.iter().any(|gone| gone.to_lowercase() == tag.to_lowercase()));
        }
    };
    let found = match parsed.type_name {
        "Product" => {
            desk.need("write_products")?;
            desk.product(parsed.id).map(|mut product| {
                change(&mut product.tags);
                desk.put_product(product);
            })
        }
        "Customer" => {
            desk.need("write_customers")?;
            desk.shop.customers.get(&parsed.id).map(|known| known.as_ref().clone()).map(|mut customer| {
                change(&mut customer.tags);
                desk.put_customer(customer);
            })
        }
        "Order" => {
            desk.need("write_orders")?;
            desk.shop.orders.get(&parsed.id).map(|known| known.as_ref().clone()).map(|mut order| {
                change(&mut order.tags);
                desk.put_order(order);
            })
        }
        _ => return Err(FieldError::NotSimulatedInput(format!("tags of {}", parsed.type_name))),
    };
    let problems =
        if found.is_some() { Vec::new() } else { vec![Problem::plain("id", "Resource does not exist")] };
    let node = if found.is_some() { Out::Node(text.to_owned()) } else { Out::Null };
    let payload = if adds { "TagsAddPayload" } else { "TagsRemovePayload" };
    Ok(Outcome::new(payload).with("node", node).errors("UserError", &problems))
}

/// The one publication of a simulated shop: its Online Store.
#[must_use]
pub fn online_store(shop: u64) -> u64 {
    shop + 10
}

/// `publishablePublish`, `publishableUnpublish`
pub(super) fn publish(desk: &mut Desk<'_>, args: &Args, publishes: bool) -> Written {
    let text = arg(args, "id").as_str().unwrap_or_default();
    let inputs = list(arg(args, "input"));
    let mut problems = Vec::new();
    let mut at = desk.now;
    for (place, one) in inputs.iter().enumerate() {
        only(one, "PublicationInput", &["publicationId", "publishDate"])?;
        let id = one["publicationId"].as_str().and_then(|text| gid::number(text, "Publication"));
        if id != Some(online_store(desk.shop.id)) {
            let path = format!("input.{place}.publicationId");
            problems.push(Problem::plain(&path, "Publication does not exist or is not publishable"));
        }
        at = one["publishDate"].as_str().and_then(|date| date.parse::<Timestamp>().ok()).unwrap_or(at);
    }
    let parsed = gid::parse(text);
    let node = match parsed.map(|parsed| (parsed.type_name, parsed.id)) {
        Some(("Product", id)) if problems.is_empty() => desk.product(id).map(|mut product| {
            product.published_at = publishes.then_some(at);
            desk.put_product(product);
        }),
        Some(("Collection", id)) if problems.is_empty() => {
            desk.shop.collections.get_mut(&id).map(|collection| {
                std::sync::Arc::make_mut(collection).published_at = publishes.then_some(at);
            })
        }
        Some(("Product" | "Collection", _)) => None,
        _ => {
            let kind = parsed.map(|parsed| parsed.type_name).unwrap_or_default();
            return Err(FieldError::NotSimulatedInput(format!("publication of {kind}")));
        }
    };
    if node.is_none() && problems.is_empty() {
        problems.push(Problem::plain("id", "Resource does not exist"));
    }
    let payload = if publishes { "PublishablePublishPayload" } else { "PublishableUnpublishPayload" };
    Ok(Outcome::new(payload)
        .with("publishable", node.map_or(Out::Null, |()| Out::Node(text.to_owned())))
        .with("shop", Out::Shop)
        .errors("UserError", &problems))
}
