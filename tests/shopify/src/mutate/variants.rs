//! `productVariantsBulkCreate`, `…Update`, `…Delete`: variants of one product, up to 2,048.

use std::collections::HashSet;

use serde_json::Value;

use super::input::{arg, at_most, id, list, only, texts};
use super::{Args, Desk, MAX_VARIANTS, Out, Outcome, Problem, Written};
use crate::gid::number;
use crate::model::{Product, Variant};
use crate::resolve::FieldError;

const KNOWN: [&str; 12] = [
    "id",
    "barcode",
    "compareAtPrice",
    "inventoryItem",
    "inventoryPolicy",
    "inventoryQuantities",
    "mediaId",
    "metafields",
    "optionValues",
    "price",
    "requiresComponents",
    "taxable",
];

fn answer(
    payload: &'static str,
    error: &'static str,
    product: Out,
    shown: Out,
    problems: &[Problem],
) -> Outcome {
    Outcome::new(payload).with("product", product).with("productVariants", shown).errors(error, problems)
}

fn shown(ids: &[u64]) -> Out {
    Out::List(ids.iter().map(|id| Out::node("ProductVariant", *id)).collect())
}

/// A product that is not there refuses everything.
fn missing() -> Problem {
    Problem::at("productId", "Product does not exist", "PRODUCT_DOES_NOT_EXIST")
}

fn clash(place: usize, code: &'static str) -> Problem {
    let message = "The variant already exists. Please change at least one option value.";
    Problem::at(&format!("variants.{place}"), message, code)
}

impl Desk<'_> {
    fn variant_media(
        &self,
        product: &Product,
        variant: &mut Variant,
        input: &Value,
        path: &str,
    ) -> Option<Problem> {
        let text = input["mediaId"].as_str()?;
        let wanted = crate::gid::parse(text).map(|parsed| parsed.id);
        match product.media.iter().find(|media| Some(media.id) == wanted) {
            Some(media) => {
                variant.media_ids = vec![media.id];
                None
            }
            None => {
                let message = "Media does not exist on the product";
                Some(Problem::at(&format!("{path}.mediaId"), message, "INVALID_INPUT"))
            }
        }
    }
}

/// `productVariantsBulkCreate`: all of them or none.
pub(super) fn create(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |product, shown, problems: &[Problem]| {
        let error = "ProductVariantsBulkCreateUserError";
        answer("ProductVariantsBulkCreatePayload", error, product, shown, problems)
    };
    if !arg(args, "media").is_null() {
        return Err(FieldError::NotSimulatedInput("productVariantsBulkCreate.media".to_owned()));
    }
    at_most(arg(args, "variants"), MAX_VARIANTS, "variants")?;
    let Some(mut product) = id(arg(args, "productId"), "Product")?.and_then(|id| desk.product(id)) else {
        return Ok(done(Out::Null, Out::Null, &[missing()]));
    };
    let inputs = list(arg(args, "variants"));
    let alone = product.has_only_default_variant();
    let removes = match arg(args, "strategy").as_str() {
        Some("REMOVE_STANDALONE_VARIANT") => product.variants.len() == 1,
        Some("PRESERVE_STANDALONE_VARIANT") => false,
        _ => alone,
    };
    if removes {
        product.variants.clear();
    }
    let mut taken: HashSet<Vec<u64>> =
        product.variants.iter().map(|one| one.option_value_ids.clone()).collect();
    let (mut made, mut problems) = (Vec::new(), Vec::new());
    for (place, input) in inputs.iter().enumerate() {
        only(input, "ProductVariantsBulkInput", &KNOWN)?;
        let path = format!("variants.{place}");
        if !input["id"].is_null() {
            problems.push(Problem::at(
                &format!("{path}.id"),
                "Can't set an id on create",
                "NO_KEY_ON_CREATE",
            ));
            continue;
        }
        let mut variant = desk.blank_variant();
        match desk.choose(&mut product, &input["optionValues"], &[], &format!("{path}.optionValues")) {
            Ok(chosen) if taken.insert(chosen.clone()) => variant.option_value_ids = chosen,
            Ok(_) => problems.push(clash(place, "VARIANT_ALREADY_EXISTS")),
            Err(problem) => problems.push(problem),
        }
        problems.extend(desk.variant_fields(&mut variant, input, &path)?);
        problems.extend(desk.variant_media(&product, &mut variant, input, &path));
        for quantity in list(&input["inventoryQuantities"]) {
            match desk.active_location(&quantity["locationId"])? {
                Some(location) => {
                    let available = quantity["availableQuantity"].as_i64().unwrap_or_default();
                    desk.stock(&mut variant.item, location, "available", available);
                }
                None => {
                    let message = "Quantity could not be set: the location was not found";
                    let path = format!("{path}.inventoryQuantities");
                    problems.push(Problem::at(&path, message, "TRACKED_VARIANT_LOCATION_NOT_FOUND"));
                }
            }
        }
        made.push(variant);
    }
    if product.variants.len() + made.len() > MAX_VARIANTS {
        let message = format!("Exceeded maximum number of variants allowed per product ({MAX_VARIANTS})");
        problems.push(Problem::at("variants", message, "INVALID_INPUT"));
    }
    if !problems.is_empty() {
        desk.told.clear();
        return Ok(done(Out::node("Product", product.id), Out::Null, &problems));
    }
    desk.count_variants(made.len())?;
    let ids: Vec<u64> = made.iter().map(|variant| variant.id).collect();
    product.variants.extend(made);
    if removes {
        drop_unused_default(&mut product);
    }
    let product_id = product.id;
    desk.put_product(product);
    Ok(done(Out::node("Product", product_id), shown(&ids), &[]))
}

/// With the standalone variant goes the value that only it had.
fn drop_unused_default(product: &mut Product) {
    let used: HashSet<u64> =
        product.variants.iter().flat_map(|one| one.option_value_ids.iter().copied()).collect();
    for option in &mut product.options {
        option.values.retain(|value| value.name != "Default Title" || used.contains(&value.id));
    }
}

/// `productVariantsBulkUpdate`: all of them or none, unless partial updates are allowed.
pub(super) fn update(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |product, shown, problems: &[Problem]| {
        let error = "ProductVariantsBulkUpdateUserError";
        answer("ProductVariantsBulkUpdatePayload", error, product, shown, problems)
    };
    if !arg(args, "media").is_null() {
        return Err(FieldError::NotSimulatedInput("productVariantsBulkUpdate.media".to_owned()));
    }
    at_most(arg(args, "variants"), MAX_VARIANTS, "variants")?;
    let Some(mut product) = id(arg(args, "productId"), "Product")?.and_then(|id| desk.product(id)) else {
        return Ok(done(Out::Null, Out::Null, &[missing()]));
    };
    let partial = arg(args, "allowPartialUpdates") == true;
    let (mut updated, mut problems) = (Vec::new(), Vec::new());
    for (place, input) in list(arg(args, "variants")).into_iter().enumerate() {
        only(input, "ProductVariantsBulkInput", &KNOWN)?;
        let mut draft = product.clone();
        match update_one(desk, &mut draft, input, place)? {
            Ok(id) => {
                updated.push(id);
                product = draft;
            }
            Err(more) => problems.extend(more),
        }
    }
    let wrong = !problems.is_empty();
    if (wrong && !partial) || updated.is_empty() {
        return Ok(done(
            Out::node("Product", product.id),
            if wrong { Out::Null } else { shown(&[]) },
            &problems,
        ));
    }
    let product_id = product.id;
    desk.put_product(product);
    Ok(done(Out::node("Product", product_id), shown(&updated), &problems))
}

fn update_one(
    desk: &mut Desk<'_>,
    product: &mut Product,
    input: &Value,
    index: usize,
) -> Result<Result<u64, Vec<Problem>>, FieldError> {
    let path = format!("variants.{index}");
    let one = |problem: Problem| Ok(Err(vec![problem]));
    let Some(text) = input["id"].as_str() else {
        let message = "Product variant is missing ID attribute";
        return one(Problem::at(&format!("{path}.id"), message, "PRODUCT_VARIANT_ID_MISSING"));
    };
    let wanted = number(text, "ProductVariant");
    let Some(place) = product.variants.iter().position(|variant| Some(variant.id) == wanted) else {
        let message = "Product variant does not exist";
        return one(Problem::at(&format!("{path}.id"), message, "PRODUCT_VARIANT_DOES_NOT_EXIST"));
    };
    if !input["inventoryQuantities"].is_null() {
        let message = "Inventory quantities can only be provided during create. To update inventory for existing variants, use inventoryAdjustQuantities.";
        let path = format!("{path}.inventoryQuantities");
        return one(Problem::at(&path, message, "NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE"));
    }
    let Some(mut variant) = product.variants.get(place).cloned() else { return Ok(Err(Vec::new())) };
    let mut problems = Vec::new();
    if !input["optionValues"].is_null() {
        let before = variant.option_value_ids.clone();
        match desk.choose(product, &input["optionValues"], &before, &format!("{path}.optionValues")) {
            Ok(chosen) => {
                let others = product.variants.iter().filter(|other| other.id != variant.id);
                if others.into_iter().any(|other| other.option_value_ids == chosen) {
                    problems.push(clash(index, "VARIANT_ALREADY_EXISTS"));
                }
                variant.option_value_ids = chosen;
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(desk.variant_fields(&mut variant, input, &path)?);
    problems.extend(desk.variant_media(product, &mut variant, input, &path));
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let id = variant.id;
    if let Some(slot) = product.variants.get_mut(place) {
        *slot = variant;
    }
    Ok(Ok(id))
}

/// `productVariantsBulkDelete`: all of them or none, and never the last.
pub(super) fn delete(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |product, problems: &[Problem]| {
        Outcome::new("ProductVariantsBulkDeletePayload")
            .with("product", product)
            .errors("ProductVariantsBulkDeleteUserError", problems)
    };
    at_most(arg(args, "variantsIds"), MAX_VARIANTS, "variantsIds")?;
    let Some(mut product) = id(arg(args, "productId"), "Product")?.and_then(|id| desk.product(id)) else {
        return Ok(done(Out::Null, &[missing()]));
    };
    let (mut gone, mut problems) = (HashSet::new(), Vec::new());
    for (place, text) in texts(arg(args, "variantsIds")).iter().enumerate() {
        match number(text, "ProductVariant").filter(|id| product.variants.iter().any(|one| one.id == *id)) {
            Some(id) => drop(gone.insert(id)),
            None => {
                let message = "At least one variant does not belong to the product";
                let code = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT";
                problems.push(Problem::at(&format!("variantsIds.{place}"), message, code));
            }
        }
    }
    if gone.len() == product.variants.len() {
        let message = "A product must have at least one variant";
        problems.push(Problem::at("variantsIds", message, "CANNOT_DELETE_LAST_VARIANT"));
    }
    if !problems.is_empty() {
        return Ok(done(Out::Null, &problems));
    }
    product.variants.retain(|variant| !gone.contains(&variant.id));
    let product_id = product.id;
    desk.put_product(product);
    Ok(done(Out::node("Product", product_id), &[]))
}
