//! `productCreate`, `productUpdate`, `productDelete`. Their errors carry no code.

use serde_json::Value;

use super::input::{arg, id, one_of, only};
use super::metafields::join;
use super::product_fields::FIELDS;
use super::{Args, Desk, Out, Outcome, Problem, Written};
use crate::model::OwnerKind;
use crate::resolve::FieldError;

fn known<'n>(more: &[&'n str]) -> Vec<&'n str> {
    FIELDS.iter().chain(more).copied().collect()
}

/// The deprecated form of the input is not simulated.
fn product_input(args: &Args) -> Result<&Value, FieldError> {
    if !arg(args, "input").is_null() {
        return Err(FieldError::NotSimulatedInput("Mutation.input".to_owned()));
    }
    let input = arg(args, "product");
    if input.is_null() {
        return Err(FieldError::Refused("product is required".to_owned(), "BAD_REQUEST"));
    }
    Ok(input)
}

/// `productCreate`: one variant only, whatever options are given.
pub(super) fn create(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = product_input(args)?;
    only(input, "ProductCreateInput", &known(&["metafields", "collectionsToJoin", "productOptions"]))?;
    let mut product = desk.blank_product();
    let mut problems = desk.product_fields(&mut product, input, "product", true);
    let (collections, more) =
        desk.collections_named(&input["collectionsToJoin"], "product.collectionsToJoin");
    problems.extend(more);
    let (metafields, more) =
        desk.metafields_of(OwnerKind::Product, None, &[], &input["metafields"], "product.metafields")?;
    problems.extend(more);
    product.metafields = metafields;
    desk.standalone(&mut product);
    if !input["productOptions"].is_null() {
        let (options, more) = desk.options_of(&input["productOptions"], &[], "product.productOptions")?;
        problems.extend(more);
        if let (Some(variant), true) = (product.variants.first_mut(), problems.is_empty()) {
            variant.option_value_ids =
                options.iter().filter_map(|option| option.values.first()).map(|value| value.id).collect();
            product.options = options;
        }
    }
    let (media, more) = desk.media_of(arg(args, "media"), "media")?;
    problems.extend(more);
    product.media.extend(media);
    let shown = if problems.is_empty() {
        desk.count_variants(1)?;
        let product_id = product.id;
        desk.put_product(product);
        for collection in collections {
            desk.join_collection(collection, product_id, true);
        }
        Out::node("Product", product_id)
    } else {
        Out::Null
    };
    Ok(Outcome::new("ProductCreatePayload")
        .with("product", shown)
        .with("shop", Out::Shop)
        .errors("UserError", &problems))
}

/// `productUpdate`: metafields join those that are there, tags replace them.
pub(super) fn update(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = product_input(args)?;
    only(
        input,
        "ProductUpdateInput",
        &known(&["id", "metafields", "collectionsToJoin", "collectionsToLeave"]),
    )?;
    let identifier = arg(args, "identifier");
    let found = if identifier.is_null() {
        id(&input["id"], "Product")?
    } else {
        match one_of(identifier, "ProductUpdateIdentifiers")? {
            ("id", value) => id(value, "Product")?,
            ("handle", value) => desk.index.handles.get(value.as_str().unwrap_or_default()).copied(),
            (_, value) => desk.by_custom_id(OwnerKind::Product, value).unwrap_or_default(),
        }
    };
    let Some(mut product) = found.and_then(|id| desk.product(id)) else {
        let problem =
            Problem::plain(if identifier.is_null() { "id" } else { "identifier" }, "Product does not exist");
        return Ok(updated(Out::Null, &[problem]));
    };
    let mut problems = desk.product_fields(&mut product, input, "product", false);
    let (joins, more) = desk.collections_named(&input["collectionsToJoin"], "product.collectionsToJoin");
    problems.extend(more);
    let (leaves, more) = desk.collections_named(&input["collectionsToLeave"], "product.collectionsToLeave");
    problems.extend(more);
    let own = std::mem::take(&mut product.metafields);
    let (metafields, more) = desk.metafields_of(
        OwnerKind::Product,
        Some(product.id),
        &own,
        &input["metafields"],
        "product.metafields",
    )?;
    problems.extend(more);
    product.metafields = own;
    join(&mut product.metafields, metafields);
    let (media, more) = desk.media_of(arg(args, "media"), "media")?;
    problems.extend(more);
    product.media.extend(media);
    if !problems.is_empty() {
        return Ok(updated(Out::Null, &problems));
    }
    let product_id = product.id;
    desk.put_product(product);
    for (collections, joining) in [(joins, true), (leaves, false)] {
        for collection in collections {
            desk.join_collection(collection, product_id, joining);
        }
    }
    Ok(updated(Out::node("Product", product_id), &[]))
}

fn updated(product: Out, problems: &[Problem]) -> Outcome {
    Outcome::new("ProductUpdatePayload").with("product", product).errors("UserError", problems)
}

/// `productDelete`
pub(super) fn delete(desk: &mut Desk<'_>, args: &Args) -> Written {
    if arg(args, "synchronous") == false {
        return Err(FieldError::NotSimulatedInput("productDelete.synchronous".to_owned()));
    }
    let wanted = &arg(args, "input")["id"];
    let deleted = id(wanted, "Product")?.is_some_and(|id| desk.remove_product(id));
    let problems = if deleted { Vec::new() } else { vec![Problem::plain("id", "Product does not exist")] };
    Ok(Outcome::new("ProductDeletePayload")
        .with("deletedProductId", if deleted { Out::of(wanted) } else { Out::Null })
        .with("productDeleteOperation", Out::Null)
        .with("shop", Out::Shop)
        .errors("UserError", &problems))
}
