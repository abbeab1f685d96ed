//! When a value of a row is what the shop already has. Shopify writes back some values in another form than it takes them.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Fields whose texts are decimal numbers.
const DECIMALS: [&str; 5] = ["price", "compareAtPrice", "cost", "amount", "value"];

/// Whether there is nothing: Shopify answers an emptied text with null.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// A decimal number without the zeros that do not count.
fn decimal(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let sign = if whole.is_empty() && part.is_empty() { "" } else { sign };
    Some(format!("{sign}{whole}.{part}"))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn same_decimal(one: &Value, other: &Value) -> bool {
    match (text(one).as_deref().and_then(decimal), text(other).as_deref().and_then(decimal)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// Whether two values of a field are the same to the shop.
pub(super) fn same(name: &str, one: &Value, other: &Value) -> bool {
    if one == other || (is_empty(one) && is_empty(other)) {
        return true;
    }
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => covers(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(name, one, other))
        }
        _ if DECIMALS.contains(&name) => same_decimal(one, other),
        (Value::String(one), Value::String(other)) if name.ends_with("At") => {
            let instant = |text: &str| text.parse::<Timestamp>().ok();
            instant(one).is_some_and(|one| Some(one) == instant(other))
        }
        _ => false,
    }
}

/// Whether everything that is wanted is there.
pub(super) fn covers(wanted: &Map<String, Value>, there: &Map<String, Value>) -> bool {
    wanted.iter().all(|(name, value)| same(name, value, there.get(name).unwrap_or(&Value::Null)))
}

/// Whether two values of a metafield are the same: those with a structure are compared by it, not by how it is written.
pub(super) fn same_metafield(kind: &str, one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    if kind == "number_decimal" {
        return decimal(one).is_some_and(|one| Some(one) == decimal(other));
    }
    if kind.contains("date_time") {
        let instant = |text: &str| text.parse::<Timestamp>().ok();
        return instant(one).is_some_and(|one| Some(one) == instant(other));
    }
    let texts = ["single_line_text_field", "multi_line_text_field", "id", "url", "color"];
    if texts.contains(&kind) {
        return false;
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    read(one).is_some_and(|one| read(other).is_some_and(|other| same("value", &one, &other)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_shop_writes_differently_is_the_same() {
        assert!(
            same("price", &json!("10"), &json!("10.00")) && same("price", &json!("010.5"), &json!("10.50"))
        );
        assert!(same("price", &json!("-0"), &json!("0.00")) && !same("price", &json!("-1"), &json!("1")));
        assert!(!same("price", &json!("10.01"), &json!("10.1")));
        assert!(same("note", &Value::Null, &json!("")) && !same("note", &Value::Null, &json!("x")));
        assert!(!same("sku", &json!("007"), &json!("7")), "a stock keeping unit is no number");
        assert!(same("processedAt", &json!("2024-05-01T12:00:00+02:00"), &json!("2024-05-01T10:00:00Z")));
    }

    #[test]
    fn metafields_are_compared_by_what_they_mean() {
        assert!(same_metafield("json", r#"{"a": 1}"#, r#"{"a":1}"#));
        assert!(same_metafield("number_decimal", "1.50", "1.5"));
        assert!(!same_metafield("single_line_text_field", "1.50", "1.5"));
    }
}
