//! Signed links to result files, in the form of the storage Shopify uses.

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::apps::hmac_hex;

/// The host result files come from.
pub const RESULT_HOST: &str = "storage.googleapis.com";
const FOLDER: &str = "/shopify-tiers-assets-prod-us-east1/bulk-operation-outputs/";

/// Makes a link that works until the given time.
#[must_use]
pub fn sign(key: &str, label: &str, id: u64, partial: bool, until: Timestamp) -> String {
    let suffix = if partial { "partial" } else { "final" };
    let path = format!("{FOLDER}{label}-{id}-{suffix}");
    let expires = until.as_second();
    let signature = hmac_hex(key, &format!("{path}\n{expires}"));
    let filename = format!("bulk-{id}.jsonl");
    let disposition = format!("attachment; filename=\"{filename}\"; filename*=UTF-8''{filename}");
    let disposition = utf8_percent_encode(&disposition, NON_ALPHANUMERIC);
    format!(
        "https://{RESULT_HOST}{path}?GoogleAccessId=assets-us-prod%40shopify-tiers.iam.gserviceaccount.com&Expires={expires}\
         &Signature={signature}&response-content-disposition={disposition}&response-content-type=application%2Fjsonl"
    )
}

/// Why a link does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such file.
    Unknown,
    /// The signature is missing or wrong.
    Signature,
    /// It is older than 7 days.
    Expired,
}

/// What a link gives access to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Label of the shop.
    pub label: String,
    /// The operation.
    pub id: u64,
}

/// Checks a link.
///
/// # Errors
/// When it does not work.
pub fn check(key: &str, path: &str, query: &str, now: Timestamp) -> Result<Target, Refusal> {
    let parameter = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let name = path.strip_prefix(FOLDER).ok_or(Refusal::Unknown)?;
    let (name, _) = name.rsplit_once('-').ok_or(Refusal::Unknown)?;
    let (label, id) = name.rsplit_once('-').ok_or(Refusal::Unknown)?;
    let expires = parameter("Expires").ok_or(Refusal::Signature)?;
    let signature = parameter("Signature").ok_or(Refusal::Signature)?;
    if signature != hmac_hex(key, &format!("{path}\n{expires}")) {
        return Err(Refusal::Signature);
    }
    if expires.parse::<i64>().is_ok_and(|end| end <= now.as_second()) {
        return Err(Refusal::Expired);
    }
    let id = id.parse().map_err(|_| Refusal::Unknown)?;
    Ok(Target { label: label.to_owned(), id })
}
