//! What Shopify posts: its signature, its headers, the few ids in it. Pure.
//!
//! Rules: <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries> and
//! <https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance>. The signature covers the body alone; no
//! header is signed. Names of headers lose their `X-` with Shopify's coming events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use sha2::Sha256;

use super::super::connect::shop_domain;
use super::topics::changed;
use crate::domain::ids::{ShopDomain, ShopId};
use crate::domain::notice::{Notice, Person};
use crate::ports::provider::{AppSecret, Headers, Incoming, WebhookRefusal};

/// Orders that one message names at most. More than any customer has; whoever names more is not the shop we know.
const MAX_ORDERS: usize = 2_000;

#[derive(Deserialize)]
struct Uninstalled {
    #[serde(default)]
    myshopify_domain: Option<String>,
}

#[derive(Deserialize)]
struct Finished {
    admin_graphql_api_id: String,
}

/// A compliance body. E-mail addresses and telephone numbers stand in it too, and are not read.
#[derive(Deserialize)]
struct Compliance {
    shop_id: u64,
    shop_domain: String,
    #[serde(default)]
    customer: Option<Numbered>,
    #[serde(default)]
    orders_requested: Option<Vec<u64>>,
    #[serde(default)]
    orders_to_redact: Option<Vec<u64>>,
    #[serde(default)]
    data_request: Option<Numbered>,
}

#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    id: Option<u64>,
}

impl Compliance {
    fn person(self) -> Person {
        let orders = self.orders_requested.into_iter().chain(self.orders_to_redact).flatten().collect();
        Person { customer: self.customer.and_then(|customer| customer.id), orders }
    }
}

/// Whether the body carries this signature by one of the app's secrets. Takes the same time whatever the answer.
fn is_signed(body: &[u8], signature: &[u8], secret: &AppSecret) -> bool {
    let mut signed = false;
    for key in std::iter::once(&secret.current).chain(&secret.previous) {
        // A key of any length is fine, so the error cannot occur.
        signed |= Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok());
    }
    signed
}

/// Where both names came, the newer one counts, as in Shopify's own library.
fn header(headers: Headers<'_>, name: &str) -> Option<String> {
    headers(&format!("shopify-{name}")).or_else(|| headers(&format!("x-shopify-{name}")))
}

/// A header of 1 to `max` letters, digits and `also`. Two of a name arrive joined by a comma, which is none of these.
fn plain(headers: Headers<'_>, name: &str, max: usize, also: &[u8]) -> Option<String> {
    header(headers, name).filter(|text| {
        (1..=max).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
    })
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, WebhookRefusal> {
    // Serde would read a list of values in the order of the fields, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(WebhookRefusal::Malformed);
    }
    // Serde's words may repeat a part of the body.
    serde_json::from_slice(body).map_err(|_| WebhookRefusal::Malformed)
}

/// A compliance body that is about the shop that the headers name.
fn compliance(body: &[u8], shop: &ShopDomain) -> Result<(ShopId, Option<u64>, Person), WebhookRefusal> {
    let read: Compliance = read(body)?;
    let own = shop_domain(&read.shop_domain).as_ref() == Some(shop);
    let (id, request) = (ShopId(read.shop_id), read.data_request.as_ref().and_then(|request| request.id));
    let person = read.person();
    if !own || person.orders.len() > MAX_ORDERS {
        return Err(WebhookRefusal::Malformed);
    }
    Ok((id, request, person))
}

fn notice(topic: &str, body: &[u8], shop: &ShopDomain) -> Result<Option<Notice>, WebhookRefusal> {
    Ok(Some(match topic {
        "app/uninstalled" => {
            let named = read::<Uninstalled>(body)?.myshopify_domain;
            if named.is_some_and(|named| shop_domain(&named).as_ref() != Some(shop)) {
                return Err(WebhookRefusal::Malformed);
            }
            Notice::Uninstalled
        }
        "app/scopes_update" => Notice::ScopesChanged,
        "shop/update" => Notice::ShopChanged,
        "bulk_operations/finish" => {
            let handle = read::<Finished>(body)?.admin_graphql_api_id;
            if handle.len() > 128 || !handle.starts_with("gid://shopify/BulkOperation/") {
                return Err(WebhookRefusal::Malformed);
            }
            Notice::FeedFinished { handle }
        }
        "customers/data_request" => {
            let (shop, request, person) = compliance(body, shop)?;
            Notice::DataRequested { shop, request, person }
        }
        "customers/redact" => {
            let (shop, _, person) = compliance(body, shop)?;
            Notice::EraseCustomer { shop, person }
        }
        "shop/redact" => Notice::EraseShop { shop: compliance(body, shop)?.0 },
        _ => return Ok(changed(topic).map(|what| Notice::CatalogueChanged { what })),
    }))
}

/// Checks the signature, then the form.
pub(super) fn verify(
    headers: Headers<'_>,
    body: &[u8],
    secret: &AppSecret,
) -> Result<Incoming, WebhookRefusal> {
    let signature = header(headers, "hmac-sha256").and_then(|text| STANDARD.decode(text).ok());
    // A shop always says something; a signature of nothing fits every empty body.
    if body.is_empty() || !is_signed(body, &signature.unwrap_or_default(), secret) {
        return Err(WebhookRefusal::Signature);
    }
    let shop = header(headers, "shop-domain").and_then(|text| shop_domain(&text));
    let topic = plain(headers, "topic", 64, b"_/");
    let id = plain(headers, "webhook-id", 128, b"-_");
    let (Some(shop), Some(topic), Some(id)) = (shop, topic, id) else {
        return Err(WebhookRefusal::Malformed);
    };
    let at = header(headers, "triggered-at").and_then(|text| text.parse().ok());
    let notice = notice(&topic, body, &shop)?;
    Ok(Incoming { shop, id, topic, at, notice })
}
