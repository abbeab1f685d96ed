//! Protected customer data: what an app has not been approved for is refused object by object, or field by field
//! (<https://shopify.dev/docs/apps/launch/protected-customer-data>).

use std::collections::BTreeSet;

use serde_json::Value;

/// What an app without the approval is told of a field; none if it may read it.
#[must_use]
pub fn refused(denied: &BTreeSet<String>, type_name: &str, field: &str, returns: &str) -> Option<String> {
    if denied.is_empty() {
        return None;
    }
    let element = returns.strip_suffix("Connection").unwrap_or(returns);
    if denied.contains("all") && matches!(element, "Customer" | "Order" | "FulfillmentOrder" | "Fulfillment")
    {
        return Some(format!(
            "This app is not approved to access the {element} object. See https://shopify.dev/docs/apps/launch/protected-customer-data for more details."
        ));
    }
    let kind = match (type_name, field) {
        ("Customer" | "MailingAddress", "firstName" | "lastName") | ("MailingAddress", "name") => "name",
        ("MailingAddress", "address1" | "address2" | "zip" | "latitude" | "longitude") => "address",
        ("Customer" | "Order", "email") | ("CustomerEmailAddress", "emailAddress") => "email",
        ("Customer" | "Order" | "MailingAddress", "phone") | ("CustomerPhoneNumber", "phoneNumber") => {
            "phone"
        }
        _ => return None,
    };
    denied.contains(kind).then(|| {
        format!(
            "This app is not approved to use the {field} field. See https://shopify.dev/docs/apps/launch/protected-customer-data for more details."
        )
    })
}

/// Takes out of a payload what the app may not have; false if it may not have it at all.
pub fn redact(denied: &BTreeSet<String>, topic: &str, body: &mut Value) -> bool {
    if denied.is_empty() || !["customers/", "orders/"].iter().any(|start| topic.starts_with(start)) {
        return true;
    }
    strip(denied, body);
    !denied.contains("all")
}

fn strip(denied: &BTreeSet<String>, body: &mut Value) {
    match body {
        Value::Array(items) => items.iter_mut().for_each(|item| strip(denied, item)),
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let kind = match name.as_str() {
                    "first_name" | "last_name" => "name",
                    "address1" | "address2" | "zip" => "address",
                    "email" => "email",
                    "phone" => "phone",
                    _ => return true,
                };
                !denied.contains(kind)
            });
            fields.values_mut().for_each(|value| strip(denied, value));
        }
        _ => {}
    }
}
