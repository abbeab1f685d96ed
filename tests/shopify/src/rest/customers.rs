//! Customers and orders as the REST API and webhooks show them.

use serde_json::{Value, json};

use crate::clock::iso;
use crate::gid::gid;
use crate::model::{Customer, MailingAddress, Order, Shop};
use crate::resolve::money;

fn address_json(address: &MailingAddress) -> Value {
    json!({
        "id": address.id,
        "first_name": address.first_name,
        "last_name": address.last_name,
        "company": address.company,
        "address1": address.address1,
        "address2": address.address2,
        "city": address.city,
        "province_code": address.province_code,
        "country_code": address.country_code,
        "zip": address.zip,
        "phone": address.phone,
    })
}

/// A customer.
pub(crate) fn customer_json(customer: &Customer) -> Value {
    let default = customer.addresses.iter().find(|one| Some(one.id) == customer.default_address);
    json!({
        "id": customer.id,
        "email": customer.email,
        "phone": customer.phone,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "note": customer.note,
        "tags": customer.tags.join(", "),
        "tax_exempt": customer.tax_exempt,
        "tax_exemptions": customer.tax_exemptions,
        "state": "disabled",
        "verified_email": customer.email.is_some(),
        "email_marketing_consent": {"state": customer.email_consent.state.to_lowercase()},
        "sms_marketing_consent": customer.phone.as_ref().map(|_| json!({"state": customer.sms_consent.state.to_lowercase()})),
        "addresses": customer.addresses.iter().map(address_json).collect::<Vec<_>>(),
        "default_address": default.map(address_json),
        "created_at": iso(customer.created_at),
        "updated_at": iso(customer.updated_at),
        "admin_graphql_api_id": gid("Customer", customer.id),
    })
}

/// An order.
pub(crate) fn order_json(order: &Order, shop: &Shop) -> Value {
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| {
            json!({
                "id": line.id,
                "variant_id": line.variant,
                "product_id": line.product,
                "title": line.title,
                "variant_title": line.variant_title,
                "sku": line.sku,
                "quantity": line.quantity,
                "price": money(line.price),
                "taxable": line.taxable,
                "requires_shipping": line.requires_shipping,
                "admin_graphql_api_id": gid("LineItem", line.id),
            })
        })
        .collect();
    let pairs = order.attributes.iter().map(|(name, value)| json!({"name": name, "value": value}));
    let fulfilled = match order.fulfillment_status() {
        "FULFILLED" => Some("fulfilled"),
        "PARTIALLY_FULFILLED" => Some("partial"),
        _ => None,
    };
    json!({
        "id": order.id,
        "name": order.name,
        "order_number": order.number,
        "email": order.email,
        "phone": order.phone,
        "note": order.note,
        "note_attributes": pairs.collect::<Vec<_>>(),
        "tags": order.tags.join(", "),
        "po_number": order.po_number,
        "source_name": order.source_name,
        "source_identifier": order.source_identifier,
        "currency": order.currency,
        "test": order.test,
        "taxes_included": order.taxes_included,
        "total_price": money(order.total()),
        "subtotal_price": money(order.lines_total() - order.discount_total()),
        "total_tax": money(order.tax_total()),
        "financial_status": order.financial_status().to_lowercase(),
        "fulfillment_status": fulfilled,
        "line_items": lines,
        "billing_address": order.billing_address.as_ref().map(address_json),
        "shipping_address": order.shipping_address.as_ref().map(address_json),
        "customer": order.customer.and_then(|id| shop.customers.get(&id)).map(|one| customer_json(one)),
        "cancel_reason": order.cancel_reason.as_ref().map(|reason| reason.to_lowercase()),
        "cancelled_at": order.cancelled_at.map(iso),
        "closed_at": order.closed_at.map(iso),
        "processed_at": iso(order.processed_at),
        "created_at": iso(order.created_at),
        "updated_at": iso(order.updated_at),
        "admin_graphql_api_id": gid("Order", order.id),
    })
}
