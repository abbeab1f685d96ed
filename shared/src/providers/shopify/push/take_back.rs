//! Giving back what a push changed: only where the record still has what was written.

mod made;

use serde_json::{Map, Value, json};

use super::compare::{covers, is_empty, same, same_metafield};
use super::documents as doc;
use super::plan::{Plan, list, map, text};
use super::product_lists::same_name;
use super::{files, product_lists, products};
use crate::domain::push::code::Code;
use crate::domain::push::ledger::RowError;
use crate::domain::push::target::Stream;
use crate::ports::push::{FieldChange, How, LiveRecord, TakenBack, Writing};

/// What a change was about.
enum Place<'p> {
    Field(&'p str),
    Metafield {
        of: &'p str,
        namespace: &'p str,
        key: &'p str,
    },
    /// An element of a list, and the field of it, which is empty for the element itself.
    Element {
        list: &'p str,
        key: &'p str,
        field: &'p str,
    },
}

/// Namespace and key of a metafield that a path ends in.
fn named(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("metafields.")?.split_once('.')
}

fn place(path: &str) -> Place<'_> {
    if let Some((namespace, key)) = named(path) {
        return Place::Metafield { of: "", namespace, key };
    }
    let Some((list, rest)) = path.split_once('[') else { return Place::Field(path) };
    let (key, field) = match rest.split_once("].") {
        Some((key, field)) => (key, field),
        None => (rest.strip_suffix(']').unwrap_or(rest), ""),
    };
    match named(field) {
        Some((namespace, name)) => Place::Metafield { of: key, namespace, key: name },
        None => Place::Element { list, key, field },
    }
}

fn at<'v>(values: &'v Map<String, Value>, path: &str) -> &'v Value {
    let mut steps = path.split('.');
    let first = steps.next().and_then(|name| values.get(name));
    steps.fold(first, |value, name| value?.get(name)).unwrap_or(&Value::Null)
}

fn put(values: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            values.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            let nested = values.entry(name).or_insert_with(|| json!({}));
            if let Value::Object(nested) = nested {
                put(nested, rest, value);
            }
        }
    }
}

fn metafield<'v>(of: &'v Value, namespace: &str, key: &str) -> Option<&'v Value> {
    let all = list(of.get("metafields"));
    all.iter().find(|one| text(one, "namespace") == namespace && text(one, "key") == key)
}

fn drift(path: &str, message: &str) -> RowError {
    RowError::ours(Code::Drift, message).about(path, None)
}

const CHANGED: &str = "the shop has something else by now than what was written";

/// Plans the way back.
pub(super) fn take_back(stream: Stream, created: bool, diff: &[FieldChange], live: &LiveRecord) -> TakenBack {
    let taken = if created { made::undo(stream, diff, live) } else { undo_changes(stream, diff, live) };
    match taken {
        Ok(writing) => TakenBack::Writing(writing),
        Err(errors) => TakenBack::Drift(errors),
    }
}

/// What is given back of a record, gathered so that each call is made once.
#[derive(Default)]
struct Back {
    fields: Map<String, Value>,
    set: Vec<Value>,
    gone: Vec<Value>,
    tags_added: Vec<Value>,
    tags_removed: Vec<Value>,
    variants: Vec<Map<String, Value>>,
    variant_metafields: Vec<(String, Vec<Value>)>,
    variants_gone: Vec<Value>,
    addresses: Vec<(Value, Map<String, Value>)>,
    addresses_gone: Vec<Value>,
    addresses_new: Vec<Value>,
    exemptions: Option<Vec<Value>>,
    channels_joined: Vec<Value>,
    channels_left: Vec<Value>,
    /// Values that go, by the id of their option.
    values_gone: Vec<(Value, Value)>,
    options_gone: Vec<Value>,
    /// The whole list of files.
    files: Option<Vec<Value>>,
}

fn undo_changes(stream: Stream, diff: &[FieldChange], live: &LiveRecord) -> Result<Writing, Vec<RowError>> {
    let how = How::default();
    let mut plan = Plan::new(&how);
    let mut back = Back::default();
    let mut errors = Vec::new();
    for change in diff {
        match one(change, live, &mut back) {
            Ok(true) => plan.diff.push(FieldChange {
                path: change.path.clone(),
                before: change.after.clone(),
                after: change.before.clone(),
            }),
            Ok(false) => {}
            Err(message) => errors.push(drift(&change.path, message)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    calls(&mut plan, stream, live, back);
    plan.done()
}

/// Takes one change into what is given back: false where the record already has what it had, an error where it has
/// something else.
fn one(change: &FieldChange, live: &LiveRecord, back: &mut Back) -> Result<bool, &'static str> {
    let nothing = Value::Null;
    let before = change.before.as_ref().unwrap_or(&nothing);
    let after = change.after.as_ref().unwrap_or(&nothing);
    match place(&change.path) {
        Place::Field("financialStatus") => Err("a payment cannot be taken back"),
        Place::Field("fulfillmentStatus") => Err("what was sent cannot be taken back"),
        Place::Field("cancelReason") => Err("an order that was cancelled stays so"),
        Place::Field("emailMarketingConsent.marketingState") => {
            Err("what a customer decided is not given back: nobody else can decide it")
        }
        Place::Field(path) => {
            let name = path.rsplit('.').next().unwrap_or(path);
            let now = at(&live.values, path);
            if same(name, now, before) {
                return Ok(false);
            }
            if !same(name, now, after) {
                return Err(CHANGED);
            }
            put(&mut back.fields, path, before.clone());
            Ok(true)
        }
        Place::Metafield { of, namespace, key } => {
            let whole = Value::Object(live.values.clone());
            let variants = list(live.values.get("variants"));
            let owner = if of.is_empty() {
                Some((live.id.as_str(), &whole))
            } else {
                let found = variants.iter().find(|one| products::label(one) == of);
                found.map(|one| (text(one, "id"), one))
            };
            let Some((id, owner)) = owner else { return Err("the variant is gone") };
            let now = metafield(owner, namespace, key);
            let kind = now.map_or("", |now| text(now, "type"));
            let is = |value: &Value| match (now, value.as_str()) {
                (None, None) => true,
                (Some(now), Some(value)) => same_metafield(kind, text(now, "value"), value),
                _ => false,
            };
            if is(before) {
                return Ok(false);
            }
            if !is(after) {
                return Err(CHANGED);
            }
            let mut named = json!({"namespace": namespace, "key": key});
            if is_empty(before) {
                named["ownerId"] = json!(id);
                back.gone.push(named);
            } else {
                // One that the push took away has a definition, so its type is known to the shop.
                if !kind.is_empty() {
                    named["type"] = json!(kind);
                }
                named["value"] = before.clone();
                if of.is_empty() {
                    back.set.push(named);
                } else {
                    back.variant_metafields.push((id.to_owned(), vec![named]));
                }
            }
            Ok(true)
        }
        Place::Element { list: name, key, field } => element(name, key, field, (before, after), live, back),
    }
}

fn element(
    name: &str,
    key: &str,
    field: &str,
    (before, after): (&Value, &Value),
    live: &LiveRecord,
    back: &mut Back,
) -> Result<bool, &'static str> {
    let there = list(live.values.get(name));
    match name {
        "tags" | "collections" | "publications" | "taxExemptions" => {
            let wanted = if is_empty(before) { after } else { before };
            let has = there.contains(wanted);
            let goes = is_empty(before);
            if has != goes {
                return Ok(false);
            }
            if name == "taxExemptions" {
                let all = back.exemptions.get_or_insert_with(|| there.to_vec());
                if goes {
                    all.retain(|one| one != wanted)
                } else {
                    all.push(wanted.clone())
                }
                return Ok(true);
            }
            if name == "collections" {
                let list = if goes { "collectionsToLeave" } else { "collectionsToJoin" };
                let ids = back.fields.entry(list).or_insert_with(|| json!([]));
                if let Value::Array(ids) = ids {
                    ids.push(wanted.clone());
                }
                return Ok(true);
            }
            let list = match (name, goes) {
                ("publications", true) => &mut back.channels_left,
                ("publications", false) => &mut back.channels_joined,
                (_, true) => &mut back.tags_removed,
                (_, false) => &mut back.tags_added,
            };
            list.push(wanted.clone());
            Ok(true)
        }
        "files" => file(key, field, (before, after), there, back),
        "productOptions" => option(key, field, there, back),
        "variants" => {
            let known = there.iter().find(|one| products::label(one) == key);
            match (known, field) {
                (None, "") if is_empty(before) => Ok(false),
                (Some(known), "") if is_empty(before) => {
                    back.variants_gone.push(known["id"].clone());
                    Ok(true)
                }
                (_, "") => {
                    Err("a variant that was taken away cannot be given back with its stock and its id")
                }
                (None, _) => Err("the variant is gone"),
                (Some(known), field) => {
                    let last = field.rsplit('.').next().unwrap_or(field);
                    let now = at(map(known), field);
                    if same(last, now, before) {
                        return Ok(false);
                    }
                    if !same(last, now, after) {
                        return Err(CHANGED);
                    }
                    let place = back.variants.iter().position(|one| one.get("id") == known.get("id"));
                    let place = place.unwrap_or_else(|| {
                        back.variants.push(Map::from_iter([("id".to_owned(), known["id"].clone())]));
                        back.variants.len() - 1
                    });
                    put(&mut back.variants[place], field, before.clone());
                    Ok(true)
                }
            }
        }
        "addresses" => {
            let number = |one: &Value| {
                let id = text(one, "id").rsplit('/').next().unwrap_or_default().to_owned();
                id.split('?').next().unwrap_or_default() == key
            };
            let known = match is_empty(before) && field.is_empty() {
                true => there.iter().find(|one| covers(map(after), map(one))),
                false => there.iter().find(|one| number(one)),
            };
            match (known, field) {
                (None, "") if is_empty(before) => Ok(false),
                (Some(known), "") if is_empty(before) => {
                    back.addresses_gone.push(known["id"].clone());
                    Ok(true)
                }
                (Some(_), "") => Ok(false),
                (None, "") => {
                    let mut address = map(before).clone();
                    address.remove("id");
                    back.addresses_new.push(Value::Object(address));
                    Ok(true)
                }
                (None, _) => Err("the address is gone"),
                (Some(known), field) => {
                    let now = at(map(known), field);
                    if same(field, now, before) {
                        return Ok(false);
                    }
                    if !same(field, now, after) {
                        return Err(CHANGED);
                    }
                    let place = back.addresses.iter().position(|(id, _)| *id == known["id"]);
                    let place = place.unwrap_or_else(|| {
                        back.addresses.push((known["id"].clone(), Map::new()));
                        back.addresses.len() - 1
                    });
                    put(&mut back.addresses[place].1, field, before.clone());
                    Ok(true)
                }
            }
        }
        _ => Err("this cannot be given back"),
    }
}

/// Files are given back as a whole list: those that joined leave it, those that left are put back into it.
fn file(
    key: &str,
    field: &str,
    (before, after): (&Value, &Value),
    there: &[Value],
    back: &mut Back,
) -> Result<bool, &'static str> {
    let bare = |one: &Value| json!({"id": one["id"]});
    let known = there.iter().find(|one| files::label(one) == format!("files[{key}]"));
    let all = back.files.get_or_insert_with(|| there.iter().map(bare).collect());
    let place = known.and_then(|known| all.iter().position(|one| one["id"] == known["id"]));
    match (known.zip(place), field) {
        (Some((known, place)), "alt") => {
            if same(field, &known["alt"], before) {
                return Ok(false);
            }
            if !same(field, &known["alt"], after) {
                return Err(CHANGED);
            }
            all[place]["alt"] = before.clone();
        }
        (None, "alt") => return Err("the file is gone"),
        (Some((_, place)), _) if is_empty(before) => {
            all.remove(place);
        }
        (None, _) if !is_empty(before) => all.push(bare(before)),
        _ => return Ok(false),
    }
    Ok(true)
}

/// An option that joined goes again where it has one value, and a value where no variant has it; else the shop refuses.
fn option(key: &str, field: &str, there: &[Value], back: &mut Back) -> Result<bool, &'static str> {
    let Some(known) = there.iter().find(|one| same_name(text(one, "name"), key)) else { return Ok(false) };
    let values = list(known.get("values"));
    if field.is_empty() {
        if values.len() > 1 {
            return Err("an option with more than one value stays with its variants");
        }
        back.options_gone.push(known["id"].clone());
        return Ok(true);
    }
    let name = field.strip_prefix("values[").and_then(|name| name.strip_suffix(']')).unwrap_or_default();
    let Some(value) = values.iter().find(|one| same_name(text(one, "name"), name)) else { return Ok(false) };
    back.values_gone.push((known["id"].clone(), value["id"].clone()));
    Ok(true)
}

fn calls(plan: &mut Plan<'_>, stream: Stream, live: &LiveRecord, back: Back) {
    let mut fields = back.fields;
    if let Some(exemptions) = back.exemptions {
        fields.insert("taxExemptions".to_owned(), Value::Array(exemptions));
    }
    if !fields.is_empty() {
        fields.insert("id".to_owned(), json!(live.id));
        match stream {
            Stream::Products => plan.call(doc::PRODUCT_UPDATE, 10.0, json!({"product": fields})),
            Stream::Customers => plan.call(doc::CUSTOMER_UPDATE, 10.0, json!({"input": fields})),
            Stream::Orders => plan.call(doc::ORDER_UPDATE, 10.0, json!({"input": fields})),
            Stream::ProductVariants | Stream::InventoryLevels => {
                let product = live.values.get("productId").and_then(Value::as_str).unwrap_or_default();
                products::write_variants(plan, product, &[Value::Object(fields)], &[], &[]);
            }
        }
    }
    if !back.tags_added.is_empty() {
        plan.call(doc::TAGS_ADD, 10.0, json!({"id": live.id, "tags": back.tags_added}));
    }
    if !back.tags_removed.is_empty() {
        plan.call(doc::TAGS_REMOVE, 10.0, json!({"id": live.id, "tags": back.tags_removed}));
    }
    plan.write_metafields(&live.id, &back.set, &[]);
    for (id, set) in &back.variant_metafields {
        plan.write_metafields(id, set, &[]);
    }
    if !back.gone.is_empty() {
        plan.call(doc::METAFIELDS_DELETE, 10.0, json!({"metafields": back.gone}));
    }
    let variants: Vec<Value> = back.variants.into_iter().map(Value::Object).collect();
    products::write_variants(plan, &live.id, &variants, &[], &back.variants_gone);
    for (option, value) in back.values_gone {
        let variables = json!({"productId": live.id, "option": {"id": option}, "remove": [value]});
        plan.call(doc::OPTION_UPDATE, 10.0, variables);
    }
    if !back.options_gone.is_empty() {
        plan.call(doc::OPTIONS_DELETE, 10.0, json!({"productId": live.id, "options": back.options_gone}));
    }
    if let Some(files) = back.files {
        files::set_files(plan, &live.id, &files);
    }
    for (document, ids) in [(doc::PUBLISH, back.channels_joined), (doc::UNPUBLISH, back.channels_left)] {
        if !ids.is_empty() {
            let variables = json!({"id": live.id, "input": product_lists::in_channels(&ids)});
            plan.call(document, 10.0, variables);
        }
    }
    for (id, address) in back.addresses {
        let variables = json!({"customerId": live.id, "addressId": id, "address": address});
        plan.call(doc::ADDRESS_UPDATE, 10.0, variables);
    }
    for address in back.addresses_new {
        plan.call(doc::ADDRESS_CREATE, 10.0, json!({"customerId": live.id, "address": address}));
    }
    for id in back.addresses_gone {
        plan.call(doc::ADDRESS_DELETE, 10.0, json!({"customerId": live.id, "addressId": id}));
    }
}
