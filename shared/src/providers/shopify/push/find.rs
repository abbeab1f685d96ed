//! What the keys of rows lead to. Identifiers are asked for as such; where there is only a search, what it finds is
//! compared with the key again, because it takes texts apart into words and finds more than was asked for.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::Shopify;
use super::call::Document;
use super::documents as doc;
use super::files::file;
use super::plan::{list, map, text};
use crate::domain::push::code::Code;
use crate::domain::push::ledger::RowError;
use crate::domain::push::row::Identifier;
use crate::domain::push::target::{MatchBy, Stream};
use crate::domain::push::throttle::Points;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::push::{Budget, Found, LiveRecord, Sought};

/// Records that are asked for at once, where the budget has the points: as many as it takes to use those of the largest
/// shops.
const AT_ONCE: usize = 64;
/// Keys that one search asks for.
const KEYS: usize = 25;
/// More pages than this are an answer without an end.
pub(super) const MOST_PAGES: usize = 40;

#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) record: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) found: Nodes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Nodes {
    pub(super) nodes: Vec<Value>,
    pub(super) page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl PageInfo {
    /// Where the next page begins, where there is one.
    pub(super) fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

/// `namespace.key` of the metafields in a list.
fn keys_of(metafields: Option<&Value>) -> Vec<String> {
    let key = |one: &Value| format!("{}.{}", text(one, "namespace"), text(one, "key"));
    list(metafields).iter().map(key).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A key as the shop's identifiers are written.
fn identifier(one: &Identifier, stream: Stream) -> Option<Value> {
    Some(match (one.by, &one.metafield) {
        (MatchBy::CustomId, Some((namespace, key))) => {
            json!({"customId": {"namespace": namespace, "key": key, "value": one.value}})
        }
        (MatchBy::Id, _) => json!({"id": one.value}),
        (MatchBy::Handle, _) if stream == Stream::Products => json!({"handle": one.value}),
        (MatchBy::Email, _) if stream == Stream::Customers => json!({"emailAddress": one.value}),
        (MatchBy::Phone, _) if stream == Stream::Customers => json!({"phoneNumber": one.value}),
        _ => return None,
    })
}

/// A text as a search takes it literally.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The field of a search, and of a variant, that a key is compared with.
pub(super) fn searched(by: MatchBy) -> Option<&'static str> {
    match by {
        MatchBy::Sku => Some("sku"),
        MatchBy::Barcode => Some("barcode"),
        _ => None,
    }
}

/// What an identifier costs, with what is read of the record.
fn reading(stream: Stream, whole: bool, input: &Value) -> Points {
    Points::whole(match stream {
        Stream::Products if whole || ["variants", "files"].iter().any(|list| input.get(*list).is_some()) => {
            40
        }
        _ => 12,
    })
}

impl Shopify {
    pub(super) async fn find_records(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        stream: Stream,
        sought: &[Sought<'_>],
    ) -> Result<Vec<Found>, ProviderError> {
        // A key that many rows have in common kind is searched for once for all of them.
        let searched = match stream {
            Stream::ProductVariants => self.search(access, budget, sought).await?,
            _ => BTreeMap::new(),
        };
        let finding: Vec<_> =
            sought.iter().map(|one| self.find_one(access, budget, stream, one, &searched)).collect();
        stream::iter(finding).buffered(AT_ONCE).try_collect().await
    }

    async fn find_one(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        stream: Stream,
        sought: &Sought<'_>,
        searched_for: &BTreeMap<(MatchBy, String), Vec<LiveRecord>>,
    ) -> Result<Found, ProviderError> {
        let mut found: Vec<LiveRecord> = Vec::new();
        for one in sought.identifiers {
            let records = match (searched(one.by), identifier(one, stream)) {
                (Some(_), _) => searched_for.get(&(one.by, one.value.clone())).cloned().unwrap_or_default(),
                (None, Some(by)) => match self.by_identifier(access, budget, stream, &by, sought).await {
                    Ok(record) => record.into_iter().collect(),
                    Err(error) => match no_definition(&error, &by) {
                        Some(error) => return Ok(Found::Unclear(error)),
                        None => return Err(error),
                    },
                },
                (None, None) => Vec::new(),
            };
            if records.len() > 1 {
                let why = "several records of the shop have this key";
                return Ok(Found::Unclear(RowError::ours(Code::Ambiguous, why).about("match", None)));
            }
            found.extend(
                records
                    .into_iter()
                    .filter(|record| found.iter().all(|one| one.id != record.id))
                    .collect::<Vec<_>>(),
            );
        }
        Ok(match (found.pop(), found.is_empty()) {
            (None, _) => Found::Nothing,
            (Some(record), true) => Found::One(record),
            (Some(_), false) => {
                let why = "the keys of the row lead to different records of the shop";
                Found::Unclear(RowError::ours(Code::KeyConflict, why).about("match", None))
            }
        })
    }

    async fn by_identifier(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        stream: Stream,
        by: &Value,
        sought: &Sought<'_>,
    ) -> Result<Option<LiveRecord>, ProviderError> {
        let Sought { input, whole, .. } = *sought;
        let keys = keys_of(input.get("metafields"));
        let mut variables = json!({"by": by, "keys": keys, "metafields": !keys.is_empty()});
        let document: Document = match stream {
            Stream::Products => {
                let variants = list(input.get("variants"));
                let nested = variants.iter().flat_map(|one| list(one.get("metafields")).to_vec()).collect();
                let nested = keys_of(Some(&Value::Array(nested)));
                variables["variants"] = json!(whole || input.get("variants").is_some());
                variables["variantMetafields"] = json!(!nested.is_empty());
                variables["variantKeys"] = json!(nested);
                variables["collections"] = json!(input.get("collections").is_some());
                variables["files"] = json!(whole || input.get("files").is_some());
                variables["publications"] = json!(input.get("publications").is_some());
                doc::FIND_PRODUCT
            }
            Stream::ProductVariants | Stream::InventoryLevels => doc::FIND_VARIANT,
            Stream::Customers => {
                variables["addresses"] = json!(whole || input.get("addresses").is_some());
                doc::FIND_CUSTOMER
            }
            Stream::Orders => doc::FIND_ORDER,
        };
        let points = reading(stream, whole, input);
        let answer: Record = self.ask(access, budget, document, points, &variables).await?;
        let Some(mut record) = answer.record else { return Ok(None) };
        let long = match stream {
            Stream::Products => Some("variants"),
            Stream::Orders => Some("lineItems"),
            _ => None,
        };
        if let Some(long) = long {
            let mut pages = 1;
            while record[long]["pageInfo"]["hasNextPage"] == true {
                if pages == MOST_PAGES {
                    return Err(endless());
                }
                pages += 1;
                variables["after"] = record[long]["pageInfo"]["endCursor"].clone();
                let next: Record = self.ask(access, budget, document, points, &variables).await?;
                let mut next = next.record.unwrap_or_default()[long].take();
                let mut all = list(record[long].get("nodes")).to_vec();
                all.extend(list(next.get("nodes")).iter().cloned());
                next["nodes"] = Value::Array(all);
                record[long] = next;
            }
        }
        Ok(Some(match stream {
            Stream::Products => product(&record),
            Stream::ProductVariants | Stream::InventoryLevels => variant(&record),
            Stream::Customers => customer(&record),
            Stream::Orders => order(&record),
        }))
    }

    /// Variants by the keys that have no identifier.
    async fn search(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        sought: &[Sought<'_>],
    ) -> Result<BTreeMap<(MatchBy, String), Vec<LiveRecord>>, ProviderError> {
        let mut found: BTreeMap<(MatchBy, String), Vec<LiveRecord>> = BTreeMap::new();
        let metafields: Vec<Value> =
            sought.iter().flat_map(|one| list(one.input.get("metafields")).to_vec()).collect();
        let keys = keys_of(Some(&Value::Array(metafields)));
        let more = json!({"keys": keys, "metafields": !keys.is_empty()});
        for by in [MatchBy::Sku, MatchBy::Barcode] {
            let wanted: BTreeSet<&str> = sought
                .iter()
                .flat_map(|one| one.identifiers)
                .filter(|one| one.by == by)
                .map(|one| one.value.as_str())
                .collect();
            let name = searched(by).unwrap_or_default();
            for node in self.search_all(access, budget, doc::FIND_VARIANTS, by, &wanted, &more).await? {
                found.entry((by, text(&node, name).to_owned())).or_default().push(variant(&node));
            }
        }
        Ok(found)
    }

    /// Every variant that has one of these keys, compared once more.
    pub(super) async fn search_all(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        document: Document,
        by: MatchBy,
        wanted: &BTreeSet<&str>,
        more: &Value,
    ) -> Result<Vec<Value>, ProviderError> {
        let Some(name) = searched(by) else { return Ok(Vec::new()) };
        let wanted_list: Vec<&str> = wanted.iter().copied().collect();
        let mut found = Vec::new();
        for part in wanted_list.chunks(KEYS) {
            let terms: Vec<String> = part.iter().map(|key| format!("{name}:{}", quoted(key))).collect();
            let mut variables = more.clone();
            variables["query"] = json!(terms.join(" OR "));
            let nodes = self.pages(access, budget, document, variables).await?;
            found.extend(nodes.into_iter().filter(|node| part.contains(&text(node, name))));
        }
        Ok(found)
    }

    /// All nodes of all pages.
    pub(super) async fn pages(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        document: Document,
        mut variables: Value,
    ) -> Result<Vec<Value>, ProviderError> {
        let mut nodes = Vec::new();
        for _ in 0..MOST_PAGES {
            let points = Points::whole(30);
            let page: Page = self.ask(access, budget, document, points, &variables).await?;
            nodes.extend(page.found.nodes);
            match page.found.page_info.next() {
                Some(cursor) => variables["after"] = json!(cursor),
                None => return Ok(nodes),
            }
        }
        Err(endless())
    }
}

pub(super) fn endless() -> ProviderError {
    ProviderError::Malformed { why: "a list of the shop has no end".to_owned() }
}

/// Asked by a custom id, the shop answers so where it has no unique metafield of this name.
fn no_definition(error: &ProviderError, by: &Value) -> Option<RowError> {
    let ProviderError::Refused { code } = error else { return None };
    let told = by.get("customId").is_some() && ["BAD_REQUEST", "NOT_FOUND"].contains(&code.as_str());
    let why = "the shop has no metafield of the type `id` under this key";
    told.then(|| RowError::ours(Code::DefinitionMissing, why).about("match", None))
}

fn copied(record: &Value, names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), record.get(*name).cloned().unwrap_or_default())).collect()
}

/// Puts the nodes of a connection that was asked for.
fn nodes(values: &mut Map<String, Value>, record: &Value, name: &str) {
    if let Some(nodes) = record.get(name).and_then(|list| list.get("nodes")) {
        values.insert(name.to_owned(), nodes.clone());
    }
}

fn product(record: &Value) -> LiveRecord {
    let mut values = copied(
        record,
        &[
            "title",
            "handle",
            "descriptionHtml",
            "vendor",
            "productType",
            "status",
            "tags",
            "templateSuffix",
            "requiresSellingPlan",
            "seo",
        ],
    );
    values.insert("giftCard".to_owned(), record["isGiftCard"].clone());
    values.insert("category".to_owned(), record["category"]["id"].clone());
    let option = |one: &Value| json!({"id": one["id"], "name": one["name"], "values": one["optionValues"]});
    let options: Vec<Value> = list(record.get("options")).iter().map(option).collect();
    values.insert("productOptions".to_owned(), Value::Array(options));
    nodes(&mut values, record, "metafields");
    if let Some(collections) = record.get("collections") {
        let ids = list(collections.get("nodes")).iter().map(|one| one["id"].clone()).collect();
        values.insert("collections".to_owned(), Value::Array(ids));
    }
    // Where there are more than one page of them they are not all known, and the list is left alone.
    if let Some(media) = record.get("media").filter(|media| media["pageInfo"]["hasNextPage"] != true) {
        let files = list(media.get("nodes")).iter().map(file).collect();
        values.insert("files".to_owned(), Value::Array(files));
    }
    if let Some(channels) = record.get("resourcePublicationsV2") {
        let ids = list(channels.get("nodes")).iter().map(|one| one["publication"]["id"].clone());
        values.insert("publications".to_owned(), ids.collect());
    }
    if let Some(variants) = record.get("variants") {
        let one = |node: &Value| {
            let LiveRecord { id, mut values } = variant(node);
            values.insert("id".to_owned(), json!(id));
            Value::Object(values)
        };
        let variants = list(variants.get("nodes")).iter().map(one).collect();
        values.insert("variants".to_owned(), Value::Array(variants));
    }
    LiveRecord { id: text(record, "id").to_owned(), values }
}

fn variant(node: &Value) -> LiveRecord {
    let mut values = copied(node, &["barcode", "price", "compareAtPrice", "taxable", "inventoryPolicy"]);
    let item = &node["inventoryItem"];
    let mut live_item = copied(
        item,
        &[
            "tracked",
            "requiresShipping",
            "harmonizedSystemCode",
            "countryCodeOfOrigin",
            "provinceCodeOfOrigin",
            "measurement",
        ],
    );
    live_item.insert("cost".to_owned(), item["unitCost"]["amount"].clone());
    live_item.insert("sku".to_owned(), node["sku"].clone());
    values.insert("inventoryItem".to_owned(), Value::Object(live_item));
    let choice = |one: &Value| json!({"optionName": one["name"], "name": one["value"]});
    let choices = list(node.get("selectedOptions")).iter().map(choice).collect();
    values.insert("optionValues".to_owned(), Value::Array(choices));
    nodes(&mut values, node, "metafields");
    if let Some(product) = node.get("product") {
        values.insert("productId".to_owned(), product["id"].clone());
    }
    LiveRecord { id: text(node, "id").to_owned(), values }
}

fn address(address: &Value) -> Value {
    let mut address = map(address).clone();
    if let Some(country) = address.remove("countryCodeV2") {
        address.insert("countryCode".to_owned(), country);
    }
    Value::Object(address)
}

fn customer(record: &Value) -> LiveRecord {
    let names = ["firstName", "lastName", "note", "tags", "taxExempt", "taxExemptions", "locale"];
    let mut values = copied(record, &names);
    values.insert("email".to_owned(), record["defaultEmailAddress"]["emailAddress"].clone());
    values.insert("phone".to_owned(), record["defaultPhoneNumber"]["phoneNumber"].clone());
    let (state, at) = ("marketingState", "marketingUpdatedAt");
    let email = &record["defaultEmailAddress"];
    let consent = json!({"marketingState": email[state], "consentUpdatedAt": email[at]});
    values.insert("emailMarketingConsent".to_owned(), consent);
    nodes(&mut values, record, "metafields");
    if let Some(addresses) = record.get("addressesV2") {
        let addresses = list(addresses.get("nodes")).iter().map(address).collect();
        values.insert("addresses".to_owned(), Value::Array(addresses));
    }
    LiveRecord { id: text(record, "id").to_owned(), values }
}

fn order(record: &Value) -> LiveRecord {
    let names = [
        "name",
        "email",
        "phone",
        "note",
        "poNumber",
        "tags",
        "sourceName",
        "sourceIdentifier",
        "processedAt",
        "test",
        "taxesIncluded",
        "customAttributes",
    ];
    let mut values = copied(record, &names);
    values.insert("currency".to_owned(), record["currencyCode"].clone());
    values.insert("presentmentCurrency".to_owned(), record["presentmentCurrencyCode"].clone());
    values.insert("financialStatus".to_owned(), record["displayFinancialStatus"].clone());
    values.insert("fulfillmentStatus".to_owned(), record["displayFulfillmentStatus"].clone());
    values.insert("cancelledAt".to_owned(), record["cancelledAt"].clone());
    values.insert("cancelReason".to_owned(), record["cancelReason"].clone());
    for name in ["shippingAddress", "billingAddress"] {
        values.insert(name.to_owned(), address(&record[name]));
    }
    let line = |one: &Value| {
        json!({
            "title": one["title"], "sku": one["sku"], "quantity": one["quantity"],
            "variantId": one["variant"]["id"], "priceSet": one["originalUnitPriceSet"],
        })
    };
    let lines = list(record["lineItems"].get("nodes")).iter().map(line).collect();
    values.insert("lineItems".to_owned(), Value::Array(lines));
    nodes(&mut values, record, "metafields");
    LiveRecord { id: text(record, "id").to_owned(), values }
}
