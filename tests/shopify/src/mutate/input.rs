//! Reading inputs. What is absent is left alone; null clears.

use serde_json::Value;

use super::Args;
use crate::gid;
use crate::model::{Cents, Weight, WeightUnit};
use crate::resolve::FieldError;

/// Refuses an input that names what the simulator does not know. Null and no ask for nothing.
///
/// # Errors
/// Names the first such field.
pub fn only(value: &Value, type_name: &str, known: &[&str]) -> Result<(), FieldError> {
    let mut fields = value.as_object().into_iter().flatten();
    match fields.find(|(name, value)| {
        !value.is_null() && **value != Value::Bool(false) && !known.contains(&name.as_str())
    }) {
        Some((name, _)) => Err(FieldError::NotSimulatedInput(format!("{type_name}.{name}"))),
        None => Ok(()),
    }
}

/// An argument; null where absent.
pub fn arg<'v>(args: &'v Args, name: &str) -> &'v Value {
    args.get(name).unwrap_or(&Value::Null)
}

/// The elements of a list; a single value counts as a list of one, as GraphQL has it.
pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        single => vec![single],
    }
}

/// The texts of a list.
pub fn texts(value: &Value) -> Vec<String> {
    list(value).into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Refuses a list that is too long, as Shopify does before it looks at anything else.
///
/// # Errors
/// With the code of the limit.
pub fn at_most(value: &Value, most: usize, name: &str) -> Result<(), FieldError> {
    let count = list(value).len();
    if count <= most {
        return Ok(());
    }
    let message =
        format!("The input array size of {count} is greater than the maximum allowed of {most} for {name}.");
    Err(FieldError::Refused(message, "MAX_INPUT_SIZE_EXCEEDED"))
}

/// The number of a global id of this type; none if it is of another.
///
/// # Errors
/// When it is no global id.
pub fn id(value: &Value, type_name: &str) -> Result<Option<u64>, FieldError> {
    let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
    match gid::parse(&text) {
        Some(parsed) => Ok((parsed.type_name == type_name).then_some(parsed.id)),
        None => Err(FieldError::Refused(format!("Invalid global id '{text}'"), "INVALID_VARIABLE")),
    }
}

/// The one member that is given of an input that takes exactly one.
///
/// # Errors
/// When there are none or several.
pub fn one_of<'v>(value: &'v Value, type_name: &str) -> Result<(&'v str, &'v Value), FieldError> {
    let given: Vec<_> = value.as_object().into_iter().flatten().collect();
    match given.as_slice() {
        [(name, value)] if !value.is_null() => Ok((name, value)),
        _ => {
            let message = format!("{type_name} requires exactly one argument");
            Err(FieldError::Refused(message, "INVALID_VARIABLE"))
        }
    }
}

/// Sets a text that may be absent; null and blanks clear it.
pub fn patch(target: &mut Option<String>, input: &Value, name: &str) {
    if let Some(value) = input.get(name) {
        *target = value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    }
}

/// Sets a text that is never absent; null empties it.
pub fn patch_text(target: &mut String, input: &Value, name: &str) {
    if let Some(value) = input.get(name) {
        *target = value.as_str().unwrap_or_default().to_owned();
    }
}

/// Sets a yes or no; null leaves it.
pub fn patch_flag(target: &mut bool, input: &Value, name: &str) {
    *target = input[name].as_bool().unwrap_or(*target);
}

/// An amount of money in hundredths: a decimal, as text or number, rounded.
pub fn cents(value: &Value) -> Option<Cents> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let thousandths: Cents = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(sign * (whole.parse::<Cents>().ok()? * 100 + (thousandths + 5) / 10))
}

/// A decimal, as text or number.
pub fn decimal(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number: &f64| number.is_finite())
}

/// A `WeightInput`.
pub fn weight(value: &Value) -> Option<Weight> {
    let unit = match value["unit"].as_str()? {
        "GRAMS" => WeightUnit::Grams,
        "OUNCES" => WeightUnit::Ounces,
        "POUNDS" => WeightUnit::Pounds,
        _ => WeightUnit::Kilograms,
    };
    Some(Weight { value: value["value"].as_f64()?, unit })
}

/// Tags as Shopify keeps them: trimmed, once each whatever their case, sorted. A comma separates.
pub fn tags(given: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in given {
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if !all.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
                all.push(tag.to_owned());
            }
        }
    }
    all.sort_by_key(|tag| tag.to_lowercase());
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn money_is_rounded_to_hundredths() {
        let read = |value: Value| cents(&value);
        assert_eq!(read(json!("12.5")), Some(1_250));
        assert_eq!(read(json!(12.5)), Some(1_250));
        assert_eq!(read(json!(7)), Some(700));
        assert_eq!(read(json!("0.995")), Some(100));
        assert_eq!(read(json!("-3.20")), Some(-320));
        for wrong in ["", "12,5", "1e3", ".5", "twelve", "-"] {
            assert_eq!(read(json!(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn tags_are_kept_once_and_sorted() {
        let given = ["summer, Sale".to_owned(), "SALE".to_owned(), " ".to_owned(), "art".to_owned()];
        assert_eq!(tags(given), ["art", "Sale", "summer"]);
    }
}
