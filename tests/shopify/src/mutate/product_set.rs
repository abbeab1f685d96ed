//! `productSet`: a product as it is to be, found by an identifier.
//!
//! What is left out stays; a list that is given becomes the whole list, and what it does not name is deleted.

use std::collections::HashSet;

use serde_json::Value;

use super::input::{arg, list, one_of, only};
use super::metafields::Given;
use super::product_fields::FIELDS;
use super::variant_fields::set_sku;
use super::{Args, Desk, MAX_VARIANTS, Out, Outcome, Problem, Written, input};
use crate::model::{Metafield, OwnerKind, Product, Variant};
use crate::resolve::FieldError;

/// The most quantities of one call, over all variants.
const MAX_QUANTITIES: usize = 50_000;
const VARIANT: [&str; 14] = [
    "id",
    "barcode",
    "compareAtPrice",
    "file",
    "inventoryItem",
    "inventoryPolicy",
    "inventoryQuantities",
    "metafields",
    "optionValues",
    "position",
    "price",
    "sku",
    "taxable",
    "requiresComponents",
];

pub(super) fn set(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = arg(args, "input");
    let lists = ["files", "metafields", "productOptions", "variants", "collections"];
    let known: Vec<&str> = FIELDS.iter().chain(&lists).copied().collect();
    only(input, "ProductSetInput", &known)?;
    let (found, mut problems) = identify(desk, arg(args, "identifier"), input)?;
    if !problems.is_empty() {
        return Ok(payload(desk, args, None, &problems));
    }
    let (mut product, own_id) = match found {
        Found::Known(product) => {
            let id = product.id;
            (*product, Some(id))
        }
        Found::New(custom) => {
            let mut product = desk.blank_product();
            if let Some(given) = custom {
                match desk.metafield(OwnerKind::Product, None, &[], &given) {
                    Ok(metafield) => product.metafields.push(metafield),
                    Err((_, message, _)) => {
                        problems.push(Problem::at("identifier.customId", message, "INVALID_METAFIELD"))
                    }
                }
            }
            (product, None)
        }
    };
    problems.extend(desk.product_fields(&mut product, input, "input", own_id.is_none()));
    if input.get("metafields").is_some() {
        let own = std::mem::take(&mut product.metafields);
        let given = &input["metafields"];
        let (made, more) = desk.metafields_of(OwnerKind::Product, own_id, &own, given, "input.metafields")?;
        problems.extend(more);
        product.metafields = made;
    }
    let (collections, more) = desk.collections_named(&input["collections"], "input.collections");
    problems.extend(more);
    if input.get("files").is_some() {
        problems.extend(desk.files_set(&mut product, &input["files"], "input.files")?);
    }
    let before: HashSet<u64> = product.variants.iter().map(|variant| variant.id).collect();
    problems.extend(variants(desk, &mut product, input, own_id.is_none())?);
    if !problems.is_empty() {
        desk.told.clear();
        return Ok(payload(desk, args, None, &problems));
    }
    let added = product.variants.iter().filter(|variant| !before.contains(&variant.id)).count();
    desk.count_variants(added)?;
    let id = product.id;
    desk.put_product(product);
    if input.get("collections").is_some() {
        let memberships = desk.shop.collections.values();
        let left: Vec<u64> = memberships
            .filter(|one| !one.is_smart() && one.products.contains(&id) && !collections.contains(&one.id))
            .map(|one| one.id)
            .collect();
        left.into_iter().for_each(|collection| desk.join_collection(collection, id, false));
        collections.into_iter().for_each(|collection| desk.join_collection(collection, id, true));
    }
    Ok(payload(desk, args, Some(id), &[]))
}

/// Done at once, or as an operation that is polled: then nothing is said here, not even what was wrong.
fn payload(desk: &mut Desk<'_>, args: &Args, product: Option<u64>, problems: &[Problem]) -> Outcome {
    let shown = product.map_or(Out::Null, |id| Out::node("Product", id));
    if arg(args, "synchronous") != false {
        return Outcome::new("ProductSetPayload")
            .with("product", shown)
            .with("productSetOperation", Out::Null)
            .errors("ProductSetUserError", problems);
    }
    let id = desk.shop.take_id();
    let result = Outcome::new("ProductSetOperation")
        .with("id", Out::Text(crate::gid::gid("ProductSetOperation", id)))
        .with("product", shown)
        .errors("ProductSetUserError", problems);
    let refused = result.refused;
    desk.state.operations.add(id, result);
    let started = vec![
        ("id", Out::Text(crate::gid::gid("ProductSetOperation", id))),
        ("status", Out::Text("CREATED".to_owned())),
        ("product", Out::Null),
        ("userErrors", Out::List(Vec::new())),
    ];
    let mut outcome = Outcome::new("ProductSetPayload")
        .with("product", Out::Null)
        .with("productSetOperation", Out::Plain("ProductSetOperation", started))
        .errors("ProductSetUserError", &[]);
    outcome.refused = refused;
    outcome
}

enum Found {
    Known(Box<Product>),
    /// A new product, with the custom id it was looked for by.
    New(Option<Given>),
}

fn identify(desk: &Desk<'_>, identifier: &Value, input: &Value) -> Result<(Found, Vec<Problem>), FieldError> {
    if identifier.is_null() {
        return Ok((Found::New(None), Vec::new()));
    }
    let wrong =
        |field: &str, message: &str, code| Ok((Found::New(None), vec![Problem::at(field, message, code)]));
    let known = |id: u64| desk.product(id).map(|product| Found::Known(Box::new(product)));
    match one_of(identifier, "ProductSetIdentifiers")? {
        ("id", value) => match input::id(value, "Product")?.and_then(known) {
            Some(found) => Ok((found, Vec::new())),
            None => wrong("identifier.id", "Product does not exist", "PRODUCT_DOES_NOT_EXIST"),
        },
        ("handle", value) => {
            let handle = value.as_str().unwrap_or_default();
            match input["handle"].as_str() {
                None => {
                    return wrong(
                        "input.handle",
                        "The input field corresponding to the identifier is required.",
                        "MISSING_FIELD_REQUIRED",
                    );
                }
                Some(given) if given != handle => {
                    let message = "The identifier value does not match the value of the corresponding field in the input.";
                    return wrong("input.handle", message, "INPUT_MISMATCH");
                }
                Some(_) => {}
            }
            let found = desk.index.handles.get(handle).copied().and_then(known);
            Ok((found.unwrap_or(Found::New(None)), Vec::new()))
        }
        (_, value) => {
            let holder = match desk.by_custom_id(OwnerKind::Product, value) {
                Ok(holder) => holder,
                Err(message) => return wrong("identifier.customId", &message, "NOT_FOUND"),
            };
            let given = custom(value);
            let listed = list(&input["metafields"]).into_iter().map(Given::read);
            let carries = |one: Given| {
                one.namespace == given.namespace && one.key == given.key && one.value == given.value
            };
            if input.get("metafields").is_some() && !listed.into_iter().any(carries) {
                let message =
                    "The input argument `metafields` (if present) must contain the `customId` value.";
                return wrong("input.metafields", message, "METAFIELD_MISMATCH");
            }
            Ok((holder.and_then(known).unwrap_or(Found::New(Some(given))), Vec::new()))
        }
    }
}

/// The metafield that a custom id stands for.
pub(super) fn custom(value: &Value) -> Given {
    Given { kind: Some("id".to_owned()), ..Given::read(value) }
}

impl Desk<'_> {
    /// Who has a custom id; a definition of the type `id` must exist.
    pub(super) fn by_custom_id(&self, kind: OwnerKind, value: &Value) -> Result<Option<u64>, String> {
        let given = custom(value);
        match self.shop.definition(kind, &given.namespace, &given.key) {
            Some(definition) if definition.kind == "id" => {
                Ok(self.index.owner_of(kind, &given.namespace, &given.key, &given.value))
            }
            _ => Err("Metafield definition of type 'id' is required when using custom ids.".to_owned()),
        }
    }
}

/// Options and variants: given together, or not at all.
fn variants(
    desk: &mut Desk<'_>,
    product: &mut Product,
    input: &Value,
    new: bool,
) -> Result<Vec<Problem>, FieldError> {
    let given = |name: &str| !input[name].is_null();
    match (given("productOptions"), given("variants")) {
        (false, false) => {
            if new {
                desk.standalone(product);
            }
            return Ok(Vec::new());
        }
        (false, true) => {
            let message = "Must specify product options when updating variants.";
            return Ok(vec![Problem::at("input.productOptions", message, "PRODUCT_OPTIONS_INPUT_MISSING")]);
        }
        (true, false) if !new => {
            let message = "Must specify variants when updating options.";
            return Ok(vec![Problem::at("input.variants", message, "VARIANTS_INPUT_MISSING")]);
        }
        (true, _) => {}
    }
    let (options, mut problems) =
        desk.options_of(&input["productOptions"], &product.options, "input.productOptions")?;
    let inputs = list(&input["variants"]);
    if inputs.len() > MAX_VARIANTS {
        let message = format!("Number of product variants exceeds shop limit ({MAX_VARIANTS}).");
        problems.push(Problem::at("input.variants", message, "VARIANTS_OVER_LIMIT"));
    }
    let quantities: usize = inputs.iter().map(|one| list(&one["inventoryQuantities"]).len()).sum();
    if quantities > MAX_QUANTITIES {
        let message = format!(
            "Inventory quantity input exceeds the limit of {MAX_QUANTITIES}. Consider using separate `inventorySetQuantities` mutations."
        );
        problems.push(Problem::at("input.variants", message, "INVENTORY_QUANTITIES_LIMIT_EXCEEDED"));
    }
    if !problems.is_empty() {
        return Ok(problems);
    }
    let old = std::mem::replace(&mut product.options, options);
    let own = std::mem::take(&mut product.variants);
    let mut taken = HashSet::new();
    let mut placed: Vec<(i64, Variant)> = Vec::new();
    for (place, one) in inputs.iter().enumerate() {
        only(one, "ProductVariantSetInput", &VARIANT)?;
        let path = format!("input.variants.{place}");
        let values: usize = product.options.iter().map(|option| option.values.len()).sum();
        let chosen = desk.choose(product, &one["optionValues"], &[], &format!("{path}.optionValues"));
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(problem) => {
                let code = if problem.code == Some("NEED_TO_ADD_OPTION_VALUES") {
                    "INVALID_VARIANT"
                } else {
                    "OPTION_DOES_NOT_EXIST"
                };
                problems.push(Problem { code: Some(code), ..problem });
                continue;
            }
        };
        if product.options.iter().map(|option| option.values.len()).sum::<usize>() > values {
            let message = "Option value does not exist";
            problems.push(Problem::at(
                &format!("{path}.optionValues"),
                message,
                "OPTION_VALUE_DOES_NOT_EXIST",
            ));
            continue;
        }
        if !taken.insert(chosen.clone()) {
            let message = "The variant already exists: two variants have the same option values.";
            problems.push(Problem::at(&path, message, "INVALID_VARIANT"));
            continue;
        }
        let wanted = one["id"].as_str().map(|text| crate::gid::number(text, "ProductVariant"));
        let before = own.iter().find(|variant| match wanted {
            Some(id) => Some(variant.id) == id,
            None => variant.option_value_ids == chosen && old.len() == product.options.len(),
        });
        if wanted.is_some() && before.is_none() {
            let message = "Product variant does not exist.";
            problems.push(Problem::at(&format!("{path}.id"), message, "PRODUCT_VARIANT_DOES_NOT_EXIST"));
            continue;
        }
        let mut variant = before.cloned().unwrap_or_else(|| desk.blank_variant());
        variant.option_value_ids = chosen;
        if one.get("metafields").is_some() {
            keep_named(&mut variant.metafields, &one["metafields"]);
        }
        let mut wrong = desk.variant_fields(&mut variant, one, &path)?;
        if one.get("sku").is_some() {
            set_sku(&mut variant.item, one, &path, &mut wrong);
            variant.item.updated_at = desk.now;
        }
        wrong.extend(desk.variant_file(product, &mut variant, &one["file"], &path)?);
        wrong.extend(stocked(desk, &mut variant, before.is_some(), &one["inventoryQuantities"], &path)?);
        problems
            .extend(wrong.into_iter().map(|problem| Problem { code: Some("INVALID_VARIANT"), ..problem }));
        let position =
            one["position"].as_i64().unwrap_or_else(|| i64::try_from(place + 1).unwrap_or(i64::MAX));
        placed.push((position, variant));
    }
    if placed.is_empty() && problems.is_empty() {
        desk.first_variant(product);
    } else {
        placed.sort_by_key(|(position, _)| *position);
        product.variants = placed.into_iter().map(|(_, variant)| variant).collect();
    }
    Ok(problems)
}

/// A list of metafields is the whole list, of a variant too.
fn keep_named(own: &mut Vec<Metafield>, given: &Value) {
    let named: Vec<Given> = list(given).into_iter().map(Given::read).collect();
    own.retain(|one| named.iter().any(|given| given.namespace == one.namespace && given.key == one.key));
}

fn stocked(
    desk: &mut Desk<'_>,
    variant: &mut Variant,
    known: bool,
    quantities: &Value,
    path: &str,
) -> Result<Vec<Problem>, FieldError> {
    let mut problems = Vec::new();
    for (place, one) in list(quantities).into_iter().enumerate() {
        let path = format!("{path}.inventoryQuantities.{place}");
        let name = one["name"].as_str().unwrap_or_default();
        if !matches!(name, "available" | "on_hand") {
            let message = "The quantity name must be either 'available' or 'on_hand'.";
            problems.push(Problem::at(&format!("{path}.name"), message, "INVALID_VARIANT"));
            continue;
        }
        let Some(location) = desk.active_location(&one["locationId"])? else {
            let message = "The specified location could not be found.";
            problems.push(Problem::at(&format!("{path}.locationId"), message, "INVALID_VARIANT"));
            continue;
        };
        if known && !variant.item.levels.get(&location).is_some_and(|level| level.is_active) {
            let message =
                "Inventory quantities of an existing variant can only be set where it is already stocked.";
            problems.push(Problem::at(&format!("{path}.locationId"), message, "INVALID_VARIANT"));
            continue;
        }
        desk.stock(&mut variant.item, location, name, one["quantity"].as_i64().unwrap_or_default());
    }
    Ok(problems)
}

impl Desk<'_> {
    /// A product with options and no variant named gets one of the first values.
    fn first_variant(&mut self, product: &mut Product) {
        let mut variant = self.blank_variant();
        variant.option_value_ids =
            product.options.iter().filter_map(|option| Some(option.values.first()?.id)).collect();
        product.variants = vec![variant];
    }
}
