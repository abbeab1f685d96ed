//! Products and their variants. A product that exists is never written as a whole: what a row does not name would go.

use serde_json::{Map, Value, json};

use super::documents as doc;
use super::files::files;
use super::plan::{NEW, Plan, list, map, text};
use super::product_lists::{collections, in_channels, options, publications};
use crate::domain::push::code::Code;
use crate::domain::push::document::ListPolicy;
use crate::domain::push::row::Identifier;
use crate::domain::push::target::MatchBy;
use crate::ports::push::LiveRecord;

/// The most variants that one call takes here: the cost of a call grows with them, and small shops have small buckets.
const VARIANTS: usize = 100;

/// The metafield that a custom id is kept in.
pub(super) fn id_metafield(identifiers: &[Identifier]) -> Option<Value> {
    let custom = identifiers.iter().find(|one| one.by == MatchBy::CustomId)?;
    let (namespace, key) = custom.metafield.as_ref()?;
    Some(json!({"namespace": namespace, "key": key, "type": "id", "value": custom.value}))
}

/// The input with the metafield by which the record is found again.
pub(super) fn with_id(input: &Map<String, Value>, identifiers: &[Identifier]) -> Map<String, Value> {
    let mut input = input.clone();
    if let Some(own) = id_metafield(identifiers) {
        let mut metafields = list(input.get("metafields")).to_vec();
        metafields.retain(|one| one["namespace"] != own["namespace"] || one["key"] != own["key"]);
        metafields.push(own);
        input.insert("metafields".to_owned(), Value::Array(metafields));
    }
    input
}

/// The key by which a record of its kind is made, as the shop's identifiers are written.
pub(super) fn made_by(identifiers: &[Identifier]) -> Value {
    let wanted = |by| identifiers.iter().find(move |one| one.by == by);
    if let Some(one) = wanted(MatchBy::CustomId)
        && let Some((namespace, key)) = &one.metafield
    {
        return json!({"customId": {"namespace": namespace, "key": key, "value": one.value}});
    }
    let named = [(MatchBy::Handle, "handle"), (MatchBy::Email, "email"), (MatchBy::Phone, "phone")];
    let found = named.into_iter().find_map(|(by, name)| Some((name, &wanted(by)?.value)));
    found.map_or(Value::Null, |(name, value)| json!({ name: value }))
}

/// What options a product has, by the values of its variants.
pub(super) fn options_of(variants: &[Value]) -> Vec<Value> {
    let mut options: Vec<(String, Vec<Value>)> = Vec::new();
    for choice in variants.iter().flat_map(|variant| list(variant.get("optionValues"))) {
        let (name, value) = (text(choice, "optionName"), json!({"name": choice["name"]}));
        match options.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => options.push((name.to_owned(), vec![value])),
        }
    }
    options.into_iter().map(|(name, values)| json!({"name": name, "values": values})).collect()
}

/// Plans a new product.
pub(super) fn create(plan: &mut Plan<'_>, input: &Map<String, Value>, identifiers: &[Identifier]) {
    let identifier = made_by(identifiers);
    if identifier.is_null() {
        return plan.refuse(Code::RequiredMissing, "match", "a new product needs a handle or a custom id");
    }
    let mut sent = with_id(input, identifiers);
    if let Some(handle) = identifier.get("handle") {
        sent.insert("handle".to_owned(), handle.clone());
    }
    plan.all_new(&sent);
    let channels = sent.remove("publications");
    if let Some(Value::Array(variants)) = sent.get_mut("variants") {
        for variant in variants.iter_mut().filter(|variant| list(variant.get("optionValues")).is_empty()) {
            variant["optionValues"] = json!([{"optionName": "Title", "name": "Default Title"}]);
        }
        let options = options_of(variants);
        sent.entry("productOptions").or_insert(Value::Array(options));
    }
    let count = |name: &str| list(sent.get(name)).len();
    #[expect(clippy::cast_precision_loss, reason = "lists are far shorter")]
    let points = 10.0
        + 0.2 * count("variants") as f64
        + 0.4 * count("metafields") as f64
        + 1.9 * count("files") as f64;
    plan.call(doc::PRODUCT_SET, points, json!({"identifier": identifier, "input": sent}));
    let channels = list(channels.as_ref());
    if !channels.is_empty() {
        plan.call(doc::PUBLISH, 10.0, json!({"id": NEW, "input": in_channels(channels)}));
    }
}

/// Plans changes of a product that exists.
pub(super) fn update(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    let there = &live.values;
    let handled = [
        "tags",
        "metafields",
        "variants",
        "productOptions",
        "collections",
        "files",
        "publications",
        "redirectNewHandle",
    ];
    let mut changed = plan.fields("", input, there, &handled);
    if changed.contains_key("handle")
        && let Some(redirect) = input.get("redirectNewHandle")
    {
        changed.insert("redirectNewHandle".to_owned(), redirect.clone());
    }
    collections(plan, input, there, &mut changed);
    let media = files(plan, &live.id, input, there);
    if !changed.is_empty() || !media.is_empty() {
        changed.insert("id".to_owned(), json!(live.id));
        let mut variables = json!({"product": changed});
        if !media.is_empty() {
            variables["media"] = Value::Array(media);
        }
        plan.call(doc::PRODUCT_UPDATE, 10.0, variables);
    }
    options(plan, &live.id, input, there);
    publications(plan, &live.id, input.get("publications"), there);
    plan.tags(&live.id, input.get("tags"), there);
    let (set, gone) = plan.metafields("", input.get("metafields"), there.get("metafields"));
    plan.write_metafields(&live.id, &set, &gone);
    if let Some(wanted) = input.get("variants") {
        variants(plan, &live.id, list(Some(wanted)), list(there.get("variants")));
    }
}

fn sku(variant: &Value) -> &str {
    match text(variant, "sku") {
        "" => text(&variant["inventoryItem"], "sku"),
        sku => sku,
    }
}

/// How a variant is named in a diff: by its SKU, else by its options.
pub(super) fn label(variant: &Value) -> String {
    match sku(variant) {
        "" => {
            let values = list(variant.get("optionValues")).iter().map(|choice| text(choice, "name"));
            let values: Vec<&str> = values.filter(|name| !name.is_empty()).collect();
            if values.is_empty() { text(variant, "id").to_owned() } else { values.join(" / ") }
        }
        sku => sku.to_owned(),
    }
}

/// Whether all options that are wanted have their value.
fn chosen(wanted: &Value, there: &Value) -> bool {
    let wanted = list(wanted.get("optionValues"));
    let there = list(there.get("optionValues"));
    let named = |choice: &Value| {
        there.iter().any(|one| one["optionName"] == choice["optionName"] && one["name"] == choice["name"])
    };
    !wanted.is_empty() && wanted.iter().all(named)
}

/// The variant that is meant: by id, by SKU, by its options. A SKU that several have says nothing.
fn meant<'v>(wanted: &Value, there: &'v [Value]) -> Option<&'v Value> {
    if !text(wanted, "id").is_empty() {
        return there.iter().find(|one| one["id"] == wanted["id"]);
    }
    if !sku(wanted).is_empty() {
        let mut same = there.iter().filter(|one| sku(one) == sku(wanted));
        if let (Some(one), None) = (same.next(), same.next()) {
            return Some(one);
        }
    }
    let only = there.len() == 1 && list(wanted.get("optionValues")).is_empty() && sku(wanted).is_empty();
    there.iter().find(|one| chosen(wanted, one) || only)
}

/// A variant in the form that the granular calls take: the SKU belongs to the item there.
fn granular(variant: &Value) -> Map<String, Value> {
    let mut variant = map(variant).clone();
    if let Some(sku) = variant.remove("sku") {
        let item = variant.entry("inventoryItem").or_insert_with(|| json!({}));
        item["sku"] = sku;
    }
    variant
}

/// Plans changes of a variant: what is sent, but for its id. The live one is in the granular form too.
pub(super) fn variant(
    plan: &mut Plan<'_>,
    base: &str,
    wanted: &Map<String, Value>,
    there: &Map<String, Value>,
) -> (Map<String, Value>, Vec<Value>) {
    let handled = ["id", "metafields", "optionValues"];
    let mut changed = plan.fields(base, wanted, there, &handled);
    let (set, gone) = plan.metafields(base, wanted.get("metafields"), there.get("metafields"));
    if !set.is_empty() {
        changed.insert("metafields".to_owned(), Value::Array(set));
    }
    if let Some(choices) = wanted.get("optionValues") {
        let known = there.get("optionValues").cloned().unwrap_or_default();
        let whole = Value::Object(there.clone());
        if !list(Some(choices)).is_empty() && !chosen(&json!({"optionValues": choices}), &whole) {
            let path =
                if base.is_empty() { "optionValues".to_owned() } else { format!("{base}.optionValues") };
            plan.differs(path, Some(known), Some(choices.clone()));
            changed.insert("optionValues".to_owned(), choices.clone());
        }
    }
    (changed, gone)
}

fn variants(plan: &mut Plan<'_>, product: &str, wanted: &[Value], there: &[Value]) {
    let policy = plan.policy("variants");
    let (mut update, mut create, mut delete, mut gone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut met: Vec<&str> = Vec::new();
    for one in wanted {
        let base = format!("variants[{}]", label(one));
        match meant(one, there) {
            Some(known) if met.contains(&text(known, "id")) => {
                plan.refuse(
                    Code::DuplicateKeyInInput,
                    "variants[]",
                    "two variants of the row are the same one",
                );
            }
            Some(known) => {
                met.push(text(known, "id"));
                if policy == ListPolicy::Remove {
                    plan.differs(base, Some(known.clone()), None);
                    delete.push(known["id"].clone());
                } else if policy != ListPolicy::Add {
                    let base = format!("variants[{}]", label(known));
                    let (mut changed, metafields) = variant(plan, &base, &granular(one), map(known));
                    if !metafields.is_empty() {
                        gone.push((text(known, "id").to_owned(), metafields));
                    }
                    if !changed.is_empty() {
                        changed.insert("id".to_owned(), known["id"].clone());
                        update.push(Value::Object(changed));
                    }
                }
            }
            None if policy == ListPolicy::Remove => {}
            None if !text(one, "id").is_empty() => {
                plan.refuse(Code::NotFound, "variants[].id", "the product has no variant of this id");
            }
            None => {
                plan.differs(base, None, Some(one.clone()));
                if one.get("file").is_some() {
                    let why =
                        "the file of a variant is set with a new product and cannot be set by a push later";
                    plan.unsupported("variants[].file", why);
                }
                create.push(fresh_variant(one));
            }
        }
    }
    if policy == ListPolicy::Replace {
        for known in there.iter().filter(|known| !met.contains(&text(known, "id"))) {
            plan.differs(format!("variants[{}]", label(known)), Some(known.clone()), None);
            delete.push(known["id"].clone());
        }
    }
    write_variants(plan, product, &update, &create, &delete);
    for (id, metafields) in gone {
        plan.write_metafields(&id, &[], &metafields);
    }
}

/// A new variant, as the granular call takes it.
pub(super) fn fresh_variant(variant: &Value) -> Value {
    let mut fresh = granular(variant);
    fresh.remove("position");
    fresh.remove("file");
    stocked(&mut fresh);
    Value::Object(fresh)
}

/// Stock of a new variant, as the granular call takes it.
fn stocked(variant: &mut Map<String, Value>) {
    if let Some(Value::Array(quantities)) = variant.get_mut("inventoryQuantities") {
        for one in quantities {
            *one = json!({"locationId": one["locationId"], "availableQuantity": one["quantity"]});
        }
    }
}

/// The calls for variants. New ones come before old ones go: a product has at least one.
pub(super) fn write_variants(
    plan: &mut Plan<'_>,
    product: &str,
    update: &[Value],
    create: &[Value],
    delete: &[Value],
) {
    #[expect(clippy::cast_precision_loss, reason = "a part has a hundred at most")]
    let points = |part: &[Value]| 10.0 + 0.2 * part.len() as f64;
    for part in update.chunks(VARIANTS) {
        plan.call(doc::VARIANTS_UPDATE, points(part), json!({"productId": product, "variants": part}));
    }
    for part in create.chunks(VARIANTS) {
        plan.call(doc::VARIANTS_CREATE, points(part), json!({"productId": product, "variants": part}));
    }
    for part in delete.chunks(VARIANTS) {
        plan.call(doc::VARIANTS_DELETE, points(part), json!({"productId": product, "variantsIds": part}));
    }
}

/// Plans changes of one variant, which is a record of its own in its stream.
pub(super) fn update_variant(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    let (mut changed, gone) = variant(plan, "", input, &live.values);
    let product = text(&Value::Object(live.values.clone()), "productId").to_owned();
    if !changed.is_empty() {
        changed.insert("id".to_owned(), json!(live.id));
        write_variants(plan, &product, &[Value::Object(changed)], &[], &[]);
    }
    plan.write_metafields(&live.id, &[], &gone);
}
