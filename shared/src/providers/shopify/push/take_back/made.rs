//! Taking away what a push made. With a record goes everything that came to it later, so what came later is looked for.

use serde_json::{Map, Value, json};

use super::super::compare::is_empty;
use super::super::documents as doc;
use super::super::plan::{Plan, list};
use super::super::{customers, orders, products};
use super::{CHANGED, drift};
use crate::domain::push::code::Code;
use crate::domain::push::document::ListPolicy;
use crate::domain::push::ledger::RowError;
use crate::domain::push::target::Stream;
use crate::ports::push::{FieldChange, How, LiveRecord, Writing};

const JOINED: &str = "this came to the record after it was made, and would go with it";

/// Texts that are empty until someone fills them.
fn texts(stream: Stream) -> &'static [&'static str] {
    match stream {
        Stream::Products => &["descriptionHtml", "productType", "category"],
        Stream::Customers => &["firstName", "lastName", "note", "email", "phone"],
        Stream::Orders => &["note", "poNumber"],
        Stream::ProductVariants | Stream::InventoryLevels => &[],
    }
}

/// Whether a product has nothing but the one variant that every product has.
fn is_plain(live: &LiveRecord) -> bool {
    let variants = list(live.values.get("variants"));
    let plain = json!([{"optionName": "Title", "name": "Default Title"}]);
    variants.len() < 2 && variants.iter().all(|one| one["optionValues"] == plain)
}

/// Lists into which nothing was put, so that all that is in them came later.
fn empty_lists(stream: Stream, made: &Map<String, Value>, live: &LiveRecord) -> Vec<&'static str> {
    let mut lists = match stream {
        Stream::Products => vec!["tags", "variants"],
        Stream::Customers => vec!["tags", "addresses"],
        Stream::Orders => vec!["tags", "customAttributes"],
        Stream::ProductVariants | Stream::InventoryLevels => Vec::new(),
    };
    lists.retain(|list| {
        !made.contains_key(*list) && !is_empty(live.values.get(*list).unwrap_or(&Value::Null))
    });
    lists.retain(|list| *list != "variants" || !is_plain(live));
    lists
}

/// What came to a record since, as far as comparing what was put into it does not tell.
fn since(stream: Stream, made: &Map<String, Value>, live: &LiveRecord) -> Vec<&'static str> {
    let now = |name: &str| live.values.get(name).unwrap_or(&Value::Null);
    let filled = |name: &&&str| !made.contains_key(**name) && !is_empty(now(name));
    let mut since: Vec<&str> = texts(stream).iter().filter(filled).copied().collect();
    if list(live.values.get("files")).len() > list(made.get("files")).len() {
        since.push("files[]");
    }
    if stream == Stream::Orders {
        let cancelled = !now("cancelledAt").is_null() && !made.contains_key("cancelReason");
        let sent = *now("fulfillmentStatus") != "UNFULFILLED"
            && !["fulfillment", "fulfillmentStatus"].iter().any(|name| made.contains_key(*name));
        let paid = made.get("financialStatus").is_some_and(|wanted| wanted != now("financialStatus"));
        let moved = [("cancelReason", cancelled), ("fulfillmentStatus", sent), ("financialStatus", paid)];
        since.extend(moved.into_iter().filter(|(_, moved)| *moved).map(|(name, _)| name));
    }
    since
}

/// A record that the push made goes, unless it was changed since.
pub(super) fn undo(
    stream: Stream,
    diff: &[FieldChange],
    live: &LiveRecord,
) -> Result<Writing, Vec<RowError>> {
    let lists = ["tags", "variants", "addresses", "customAttributes"];
    let lists = lists.map(|list| (list.to_owned(), ListPolicy::Replace)).into();
    let how = How { lists, ..How::default() };
    let mut again = Plan::new(&how);
    let mut made: Map<String, Value> =
        diff.iter().filter_map(|change| Some((change.path.clone(), change.after.clone()?))).collect();
    let since = since(stream, &made, live);
    if !since.is_empty() {
        return Err(since.into_iter().map(|path| drift(path, JOINED)).collect());
    }
    for list in empty_lists(stream, &made, live) {
        made.insert(list.to_owned(), json!([]));
    }
    // Files are counted; what they are called may not be known yet.
    made.remove("files");
    // What cannot be compared is not held against the way back; what differs is.
    match stream {
        Stream::Products => {
            let known = made.into_iter().filter(|(name, _)| live.values.contains_key(name)).collect();
            products::update(&mut again, &known, live);
        }
        Stream::Customers => {
            let known = made.into_iter().filter(|(name, _)| live.values.contains_key(name)).collect();
            customers::update(&mut again, &known, live);
        }
        Stream::Orders => {
            let known = made.into_iter().filter(|(name, _)| live.values.contains_key(name));
            orders::update(&mut again, &known.filter(|(name, _)| name != "financialStatus").collect(), live);
        }
        Stream::ProductVariants | Stream::InventoryLevels => {}
    }
    if !again.diff.is_empty() {
        return Err(again.diff.iter().map(|change| drift(&change.path, CHANGED)).collect());
    }
    again.done()?;
    let mut plan = Plan::new(&how);
    plan.diff = diff
        .iter()
        .map(|change| FieldChange { path: change.path.clone(), before: change.after.clone(), after: None })
        .collect();
    match stream {
        Stream::Products => plan.call(doc::PRODUCT_DELETE, 10.0, json!({"input": {"id": live.id}})),
        Stream::Customers => plan.call(doc::CUSTOMER_DELETE, 10.0, json!({"input": {"id": live.id}})),
        Stream::Orders => plan.call(doc::ORDER_DELETE, 10.0, json!({"orderId": live.id})),
        Stream::ProductVariants | Stream::InventoryLevels => {
            plan.refuse(Code::Bug, "", "a push makes no such record");
        }
    }
    plan.done()
}
