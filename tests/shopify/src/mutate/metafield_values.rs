//! What a metafield's value must look like by its type
//! (<https://shopify.dev/docs/apps/build/metafields/list-of-data-types>) and by its definition.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use crate::model::Definition;

/// The types there are, without `list.`.
const TYPES: [&str; 33] = [
    "boolean",
    "color",
    "date",
    "date_time",
    "dimension",
    "id",
    "json",
    "language",
    "link",
    "money",
    "multi_line_text_field",
    "number_decimal",
    "number_integer",
    "rating",
    "rich_text_field",
    "single_line_text_field",
    "url",
    "volume",
    "weight",
    "antenna_gain",
    "article_reference",
    "collection_reference",
    "company_reference",
    "customer_reference",
    "file_reference",
    "metaobject_reference",
    "mixed_reference",
    "order_reference",
    "page_reference",
    "product_reference",
    "product_taxonomy_value_reference",
    "variant_reference",
    "battery_charge_capacity",
];
/// Types that have no list.
const SINGLE: [&str; 7] =
    ["boolean", "id", "json", "money", "multi_line_text_field", "rich_text_field", "language"];
/// The largest whole number that survives JSON.
const LARGEST: i64 = 9_007_199_254_740_991;

/// Whether a type exists.
pub fn exists(kind: &str) -> bool {
    match kind.strip_prefix("list.") {
        Some(inner) => TYPES.contains(&inner) && !SINGLE.contains(&inner),
        None => TYPES.contains(&kind),
    }
}

/// What is wrong with a value; none if nothing is.
pub fn wrong(kind: &str, value: &str) -> Option<String> {
    if let Some(inner) = kind.strip_prefix("list.") {
        let Ok(Value::Array(items)) = serde_json::from_str::<Value>(value) else {
            return Some("Value must be a JSON array".to_owned());
        };
        return items.iter().find_map(|item| {
            let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            wrong(inner, &text)
        });
    }
    let message = match kind {
        "single_line_text_field" => {
            value.contains(['\n', '\r']).then_some("Value must be a single line text string")
        }
        "number_integer" => {
            let whole = value.parse::<i64>().ok().filter(|number| number.abs() <= LARGEST);
            whole.is_none().then_some("Value must be an integer")
        }
        "number_decimal" => {
            let digits = value.strip_prefix('-').unwrap_or(value);
            let fits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            (!fits || value.parse::<f64>().is_err()).then_some("Value must be a decimal")
        }
        "boolean" => (!matches!(value, "true" | "false")).then_some("Value must be true or false"),
        "date" => value.parse::<Date>().is_err().then_some("Value must be in YYYY-MM-DD format"),
        "date_time" => {
            let reads = value.parse::<Timestamp>().is_ok() || value.parse::<jiff::civil::DateTime>().is_ok();
            (!reads).then_some("Value must be in “YYYY-MM-DDTHH:MM:SS” format")
        }
        "url" => {
            let known = |url: &url::Url| matches!(url.scheme(), "http" | "https" | "mailto" | "sms" | "tel");
            let reads = url::Url::parse(value).is_ok_and(|url| known(&url));
            (!reads)
                .then_some("Value must be a valid URL with one of the schemes http, https, mailto, sms, tel")
        }
        "color" => {
            let hex = value.strip_prefix('#').filter(|hex| hex.len() == 6);
            let reads = hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
            (!reads).then_some("Value must be a hexadecimal color like #fff123")
        }
        "id" => (value.chars().count() > 255).then_some("Value is too long (maximum is 255 characters)"),
        "json" | "rich_text_field" => {
            serde_json::from_str::<Value>(value).is_err().then_some("Value must be valid JSON")
        }
        "rating" => object(value, &["value", "scale_min", "scale_max"]),
        "money" => object(value, &["amount", "currency_code"]),
        "dimension" | "volume" | "weight" => object(value, &["value", "unit"]),
        _ if kind.ends_with("_reference") => {
            crate::gid::parse(value).is_none().then_some("Value must be a valid reference")
        }
        _ => None,
    };
    message.map(str::to_owned)
}

fn object(value: &str, fields: &[&str]) -> Option<&'static str> {
    let parsed = serde_json::from_str::<Value>(value).unwrap_or_default();
    (!fields.iter().all(|name| parsed.get(name).is_some()))
        .then_some("Value must be a stringified JSON object with the fields of its type")
}

/// What a definition says against a value that is right by its type.
pub fn against(definition: &Definition, value: &str) -> Option<String> {
    definition.validations.iter().find_map(|(name, limit)| {
        let by_number = definition.kind.starts_with("number_");
        let size = || {
            if by_number {
                value.parse().unwrap_or_default()
            } else {
                f64::from(u32::try_from(value.chars().count()).unwrap_or(u32::MAX))
            }
        };
        let bound: f64 = limit.parse().unwrap_or_default();
        match name.as_str() {
            "min" if size() < bound => Some(format!("Value has a minimum of {limit}")),
            "max" if size() > bound => Some(format!("Value has a maximum of {limit}")),
            "choices" => {
                let choices = serde_json::from_str::<Vec<String>>(limit).unwrap_or_default();
                (!choices.iter().any(|choice| choice == value))
                    .then(|| format!("Value does not exist in provided choices: {limit}"))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_held_to_their_types() {
        for (kind, right, bad) in [
            ("number_integer", "-12", "1.5"),
            ("number_decimal", "1.50", "1e3"),
            ("boolean", "true", "yes"),
            ("date", "2026-02-28", "2026-02-30"),
            ("color", "#a1B2c3", "red"),
            ("url", "https://a.example/x", "a.example"),
            ("json", "{\"a\":1}", "{a:1}"),
            ("single_line_text_field", "one", "one\ntwo"),
            ("list.number_integer", "[1,2]", "[1,\"x\"]"),
            ("rating", "{\"value\":\"4\",\"scale_min\":\"1\",\"scale_max\":\"5\"}", "4"),
            ("product_reference", "gid://shopify/Product/1", "1"),
        ] {
            assert_eq!(wrong(kind, right), None, "{kind}");
            assert!(wrong(kind, bad).is_some(), "{kind}");
        }
    }

    #[test]
    fn some_types_have_no_list() {
        assert!(exists("list.single_line_text_field") && exists("id"));
        assert!(!exists("list.id") && !exists("string"));
    }
}
