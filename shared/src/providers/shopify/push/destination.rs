//! Shopify as a destination: the form of a connection, the scopes of each stream, the metafields a shop has defined.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::connect::{SHOP, ShopAnswer};
use super::super::{API_VERSION, Shopify};
use super::call::status;
use super::plan::text;
use super::{documents as doc, find, targets};
use crate::domain::push::target::{Definitions, Stream, Targets};
use crate::domain::push::throttle::Points;
use crate::domain::scopes::Scopes;
use crate::ports::destination::{Destination, Looked, OptIn};
use crate::ports::provider::{ProviderError, ShopAccess};

const DEFINITIONS: &str = include_str!("../documents/metafield_definitions.graphql");

/// A shop may have 256 definitions for each kind of owner; more pages than this are an answer without an end.
const MOST_PAGES: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    metafield_definitions: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    nodes: Vec<Definition>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
struct Definition {
    namespace: String,
    key: String,
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Deserialize)]
struct Kind {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// The kinds of owners whose metafields a stream fills, each with the list of the record they stand in.
fn owners(stream: Stream) -> &'static [(&'static str, &'static str)] {
    match stream {
        Stream::Products => &[("PRODUCT", ""), ("PRODUCTVARIANT", "variants")],
        Stream::ProductVariants => &[("PRODUCTVARIANT", "")],
        Stream::Customers => &[("CUSTOMER", "")],
        Stream::Orders => &[("ORDER", "")],
        Stream::InventoryLevels => &[],
    }
}

#[async_trait]
impl Destination for Shopify {
    fn api_version(&self) -> &'static str {
        API_VERSION
    }

    fn spec(&self) -> Value {
        spec()
    }

    fn targets(&self) -> &'static Targets {
        targets()
    }

    fn scopes_of(&self, stream: Stream) -> Scopes {
        Scopes::parse(match stream {
            Stream::Products | Stream::ProductVariants => "write_products",
            Stream::Customers => "write_customers",
            Stream::Orders => "write_orders,read_products",
            Stream::InventoryLevels => "write_inventory,read_products,read_locations",
        })
    }

    fn opt_ins(&self, stream: Stream) -> Vec<OptIn> {
        let all: &[(&str, &str)] = match stream {
            Stream::Products => &[("publications", "write_publications")],
            Stream::Customers => &[("allowConsent", "write_customers")],
            Stream::Orders => &[
                ("allowPaid", "write_orders"),
                ("allowFulfilled", "write_merchant_managed_fulfillment_orders"),
                ("allowCancelled", "write_orders"),
            ],
            Stream::ProductVariants | Stream::InventoryLevels => &[],
        };
        all.iter().map(|(name, scopes)| OptIn { name, scopes: Scopes::parse(scopes) }).collect()
    }

    async fn look(&self, access: &ShopAccess) -> Result<Looked, ProviderError> {
        let answer = self.send::<ShopAnswer>(access, SHOP, json!({})).await?;
        let cost = answer.cost.as_ref();
        Ok(Looked {
            points: cost.and_then(|cost| Points::read(cost.actual_query_cost?)),
            bucket: cost.and_then(status),
            profile: answer.data?.profile()?,
        })
    }

    async fn places(&self, access: &ShopAccess) -> Result<BTreeSet<String>, ProviderError> {
        let mut names = BTreeSet::new();
        let mut variables = json!({});
        for _ in 0..MOST_PAGES {
            let page: find::Page = self.call(access, doc::PLACES.text, &variables).await?;
            names.extend(page.found.nodes.iter().map(|place| text(place, "name").to_owned()));
            match page.found.page_info.next() {
                Some(cursor) => variables["after"] = json!(cursor),
                None => return Ok(names),
            }
        }
        Err(find::endless())
    }

    async fn definitions(&self, access: &ShopAccess, stream: Stream) -> Result<Definitions, ProviderError> {
        let mut definitions = Definitions::default();
        for (owner, of) in owners(stream) {
            let mut after: Option<String> = None;
            for page in 0.. {
                if page == MOST_PAGES {
                    let why = "the list of definitions has no end".to_owned();
                    return Err(ProviderError::Malformed { why });
                }
                let variables = json!({"owner": owner, "after": after});
                let answer: Answer = self.call(access, DEFINITIONS, variables).await?;
                let Page { nodes, page_info } = answer.metafield_definitions;
                for Definition { namespace, key, kind } in nodes {
                    definitions.insert(of, &namespace, &key, &kind.name);
                }
                after = page_info.end_cursor.filter(|_| page_info.has_next_page);
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(definitions)
    }
}

/// The configuration as data tools show it: Multiwoven reads its own marks, Airbyte its own.
fn spec() -> Value {
    let secret = |order: u8, title: &str, what: &str| {
        json!({
            "type": "string", "title": title, "description": what, "order": order,
            "multiwoven_secret": true, "airbyte_secret": true
        })
    };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Shopify",
        "type": "object",
        "required": ["shop_name"],
        "additionalProperties": false,
        "properties": {
            "shop_name": {
                "type": "string", "title": "Shop", "order": 0, "minLength": 1, "maxLength": 255,
                "description": "The shop's name (acme-outlet), its myshopify.com domain, or an address of its admin.",
                "examples": ["acme-outlet"]
            },
            "api_key": {
                "type": "string", "title": "API key", "order": 1,
                "description": "Client id of the merchant's own app. Not needed where the store is connected by OAuth."
            },
            "api_secret": secret(2, "API secret", "Client secret of the same app."),
            "access_token": secret(
                3, "Access token",
                "A token of the app, used as it is. Without one it is fetched by API key and secret, and renewed."
            ),
            "scopes": {
                "type": "array", "title": "Scopes", "order": 4, "uniqueItems": true,
                "description": "Scopes that the token must allow. Where one is missing, nothing is connected.",
                "items": {"type": "string", "pattern": "^(unauthenticated_)?(read|write)_[a-z_]+$"}
            }
        }
    })
}

#[cfg(test)]
mod tests;
