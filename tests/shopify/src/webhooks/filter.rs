//! Filters of subscriptions (<https://shopify.dev/docs/apps/build/webhooks/customize/filters>): search syntax over the payload,
//! case-sensitive, `:` means equal. A field that the payload lacks matches nothing.

use std::cmp::Ordering;

use serde_json::Value;

use crate::graphql::search::{Comparison, Filter, Term};

/// Whether a payload passes.
pub(super) fn passes(filter: &Filter, payload: &Value) -> bool {
    match filter {
        Filter::All => true,
        Filter::Term(term) => {
            let path: Vec<&str> = term.field.split('.').collect();
            holds(term, payload, &path)
        }
        // A word without a field says nothing that a payload could answer.
        Filter::Word(_) => false,
        Filter::And(one, other) => passes(one, payload) && passes(other, payload),
        Filter::Or(one, other) => passes(one, payload) || passes(other, payload),
        Filter::Not(inner) => !passes(inner, payload),
    }
}

fn holds(term: &Term, value: &Value, path: &[&str]) -> bool {
    match (value, path) {
        (Value::Array(items), _) => items.iter().any(|item| holds(term, item, path)),
        (Value::Object(fields), [first, rest @ ..]) => {
            fields.get(*first).is_some_and(|inner| holds(term, inner, rest))
        }
        (Value::Null | Value::Object(_), _) | (_, [_, ..]) => false,
        (_, []) if term.value == "*" => true,
        (value, []) => compare(value, &term.value).is_some_and(|ordering| match term.comparison {
            Comparison::Equal => ordering.is_eq(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        }),
    }
}

fn compare(value: &Value, wanted: &str) -> Option<Ordering> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (text.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(number), Ok(limit)) => number.partial_cmp(&limit),
        _ => Some(text.as_str().cmp(wanted)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn looks_into_the_payload_and_minds_case() {
        let payload = json!({"id": 7, "vendor": "Acme", "variants": [{"price": "9.50"}, {"price": "20.00"}], "note": null});
        let pass = |filter: &str| passes(&Filter::parse(filter), &payload);
        for filter in ["vendor:Acme", "variants.price:>=20", "id:7 AND NOT vendor:Other", "-vendor:Other"] {
            assert!(pass(filter), "{filter}");
        }
        for filter in
            ["vendor:acme", "variants.price:>20", "colour:red", "Acme", "note:*", "vendor.name:Acme"]
        {
            assert!(!pass(filter), "{filter}");
        }
    }
}
