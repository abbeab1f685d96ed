//! Making a value what its field takes. Tools often send every value as text; what cannot be told apart is refused.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Number, Value};
use url::Url;

use super::target::Scalar;

/// Why a value does not fit its field, as what would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value must be {0}")]
pub(super) struct Misfit(&'static str);

impl Misfit {
    /// Of a text that is no phone number.
    pub(super) const PHONE: Self = Self("a phone number");
}

/// Whether a value stands for nothing: `null`, and an empty text where the field takes no text.
pub(super) fn is_nothing(value: &Value, scalar: &Scalar) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => *scalar != Scalar::Text && text.trim().is_empty(),
        _ => false,
    }
}

/// The value as the field takes it.
pub(super) fn coerce(value: &Value, scalar: &Scalar) -> Result<Value, Misfit> {
    match scalar {
        Scalar::Text => text(value).map(|text| Value::String(text.into_owned())),
        Scalar::Integer => {
            let number = integer(value).and_then(|number| i32::try_from(number).ok());
            number.map(Value::from).ok_or(Misfit("a whole number of 32 bits"))
        }
        Scalar::Long => integer(value).map(Value::from).ok_or(Misfit("a whole number")),
        Scalar::Decimal => decimal(value).map(Value::String),
        Scalar::Number => {
            let number = serde_json::from_str(&decimal(value)?).map_err(|_| Misfit("a number"))?;
            Ok(Value::Number(number))
        }
        Scalar::Boolean => boolean(value).map(Value::Bool),
        Scalar::Timestamp => timestamp(value).map(Value::String),
        Scalar::Date => {
            let date: Option<Date> = value.as_str().and_then(|text| text.trim().parse().ok());
            date.map(|date| date.to_string().into()).ok_or(Misfit("a day like 2026-07-01"))
        }
        Scalar::Url => {
            let url = value.as_str().and_then(|text| Url::parse(text.trim()).ok());
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
            url.map(|url| String::from(url).into()).ok_or(Misfit("an address with http or https"))
        }
        Scalar::Json => json(value).map(Value::String),
        Scalar::Id(start) => {
            let id =
                value.as_str().map(str::trim).filter(|id| id.len() > start.len() && id.starts_with(start));
            id.map(Value::from).ok_or(Misfit("the shop's own id of a thing, as it writes it"))
        }
        Scalar::OneOf(words) => {
            let given = value.as_str().map(str::trim).ok_or(Misfit("one of the words of this field"))?;
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(given));
            word.map(|word| Value::String(word.clone())).ok_or(Misfit("one of the words of this field"))
        }
    }
}

fn text(value: &Value) -> Result<Cow<'_, str>, Misfit> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) => Ok(Cow::Owned(number.to_string())),
        Value::Bool(yes) => Ok(Cow::Borrowed(if *yes { "true" } else { "false" })),
        _ => Err(Misfit("a text")),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => whole(number),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number that is whole, however it is written: data tools send 3 as 3.0.
fn whole(number: &Number) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.')?;
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok()).flatten()
}

/// Digits with at most one point, the sign before: no exponents, no separators, which mean different things in
/// different countries.
fn decimal(value: &Value) -> Result<String, Misfit> {
    const MISFIT: Misfit = Misfit("a decimal number like 1234.50, without separators");
    let text = match value {
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::String(text) => Cow::Borrowed(text.trim()),
        _ => return Err(MISFIT),
    };
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_ref()), |digits| ("-", digits));
    let digits = digits.strip_prefix('+').filter(|_| sign.is_empty()).unwrap_or(digits);
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !fraction.is_none_or(all_digits) || digits.len() > 40 {
        return Err(MISFIT);
    }
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let fraction = fraction.map(|fraction| format!(".{fraction}")).unwrap_or_default();
    Ok(format!("{sign}{whole}{fraction}"))
}

fn boolean(value: &Value) -> Result<bool, Misfit> {
    const MISFIT: Misfit = Misfit("true or false");
    match value {
        Value::Bool(yes) => Ok(*yes),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(MISFIT),
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "0" => Ok(false),
            _ => Err(MISFIT),
        },
        _ => Err(MISFIT),
    }
}

/// A point in time. One without a zone is taken as UTC, as warehouses mean it.
fn timestamp(value: &Value) -> Result<String, Misfit> {
    const MISFIT: Misfit = Misfit("a time like 2026-07-01T12:00:00Z");
    let text = value.as_str().map(str::trim).ok_or(MISFIT)?;
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.to_string());
    }
    let civil: DateTime = text.parse().map_err(|_| MISFIT)?;
    TimeZone::UTC.to_timestamp(civil).map(|timestamp| timestamp.to_string()).map_err(|_| MISFIT)
}

fn json(value: &Value) -> Result<String, Misfit> {
    const MISFIT: Misfit = Misfit("JSON");
    if let Value::String(text) = value {
        let read: Value = serde_json::from_str(text).map_err(|_| MISFIT)?;
        return Ok(read.to_string());
    }
    Ok(value.to_string())
}

/// What the value of a metafield of some type must be; the destination takes all of them as text.
pub(super) fn of_metafield(kind: &str) -> Scalar {
    match kind {
        "number_integer" => Scalar::Long,
        "number_decimal" => Scalar::Decimal,
        "boolean" => Scalar::Boolean,
        "date" => Scalar::Date,
        "date_time" => Scalar::Timestamp,
        "url" => Scalar::Url,
        "single_line_text_field" | "multi_line_text_field" | "id" | "color" => Scalar::Text,
        kind if kind.ends_with("_reference") && !kind.starts_with("list.") => Scalar::Id(String::new()),
        // Lists, measures, money, ratings, rich text.
        _ => Scalar::Json,
    }
}
