//! Options of products and their values.

use serde_json::Value;

use super::input::{arg, id, list, only, texts};
use super::{Args, Desk, MAX_OPTIONS, Out, Outcome, Problem, Written};
use crate::gid::number;
use crate::model::{OptionValue, Product, ProductOption};
use crate::resolve::FieldError;

impl Desk<'_> {
    /// The options of an input, in order; those that are there lend their ids, by id or by name.
    pub(super) fn options_of(
        &mut self,
        input: &Value,
        own: &[ProductOption],
        path: &str,
    ) -> Result<(Vec<ProductOption>, Vec<Problem>), FieldError> {
        let (mut placed, mut problems) = (Vec::<(i64, ProductOption)>::new(), Vec::new());
        for (place, one) in list(input).into_iter().enumerate() {
            only(one, "OptionSetInput", &["id", "name", "position", "values"])?;
            let at = |field: &str| format!("{path}.{place}{field}");
            let wanted = one["id"].as_str().and_then(|text| number(text, "ProductOption"));
            let name = one["name"].as_str().map(str::trim).filter(|name| !name.is_empty());
            let before = own.iter().find(|option| match wanted {
                Some(id) => option.id == id,
                None => name.is_some_and(|name| same(&option.name, name)),
            });
            if wanted.is_some() && before.is_none() {
                problems.push(Problem::at(&at(".id"), "Option does not exist", "OPTION_DOES_NOT_EXIST"));
                continue;
            }
            let Some(name) = name.or(before.map(|option| option.name.as_str())) else {
                problems.push(Problem::at(&at(".name"), "Option name can't be blank", "INVALID_INPUT"));
                continue;
            };
            if placed.iter().any(|(_, option)| same(&option.name, name)) {
                let message = format!("Duplicated option name '{name}'");
                problems.push(Problem::at(&at(".name"), message, "DUPLICATED_OPTION_NAME"));
            }
            let mut values = Vec::<OptionValue>::new();
            for (index, value) in list(&one["values"]).into_iter().enumerate() {
                only(value, "OptionValueSetInput", &["id", "name"])?;
                let old = before.into_iter().flat_map(|option| &option.values);
                let wanted = value["id"].as_str().and_then(|text| number(text, "ProductOptionValue"));
                let text = value["name"].as_str().map(str::trim);
                let old = old.into_iter().find(|old| match wanted {
                    Some(id) => old.id == id,
                    None => text.is_some_and(|text| same(&old.name, text)),
                });
                let text = text.or(old.map(|old| old.name.as_str())).unwrap_or_default().to_owned();
                if text.is_empty() {
                    let message = "Option value does not exist";
                    problems.push(Problem::at(
                        &at(&format!(".values.{index}")),
                        message,
                        "OPTION_VALUE_DOES_NOT_EXIST",
                    ));
                } else if values.iter().any(|known| same(&known.name, &text)) {
                    let message = format!("Duplicated option value '{text}'");
                    problems.push(Problem::at(
                        &at(&format!(".values.{index}")),
                        message,
                        "DUPLICATED_OPTION_VALUE",
                    ));
                } else {
                    values.push(OptionValue {
                        id: old.map_or_else(|| self.shop.take_id(), |old| old.id),
                        name: text,
                    });
                }
            }
            if values.is_empty() {
                let message = "Each option must have at least one option value specified.";
                problems.push(Problem::at(&at(".values"), message, "OPTION_VALUES_MISSING"));
            }
            let option = ProductOption {
                id: before.map_or_else(|| self.shop.take_id(), |option| option.id),
                name: name.to_owned(),
                values,
            };
            let position =
                one["position"].as_i64().unwrap_or_else(|| i64::try_from(place + 1).unwrap_or(i64::MAX));
            placed.push((position, option));
        }
        if placed.len() > MAX_OPTIONS {
            let message = format!("Exceeded maximum number of options allowed per product ({MAX_OPTIONS})");
            problems.push(Problem::at(path, message, "OPTIONS_OVER_LIMIT"));
        }
        placed.sort_by_key(|(position, _)| *position);
        Ok((placed.into_iter().map(|(_, option)| option).collect(), problems))
    }
}

/// Option names and values are compared without case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn answer(payload: &'static str, error: &'static str, product: Out, problems: &[Problem]) -> Outcome {
    let product = if problems.is_empty() { product } else { Out::Null };
    Outcome::new(payload).with("product", product).errors(error, problems)
}

fn product_of(desk: &Desk<'_>, args: &Args) -> Result<Result<Product, Problem>, FieldError> {
    let found = id(arg(args, "productId"), "Product")?.and_then(|id| desk.product(id));
    Ok(found.ok_or_else(|| Problem::at("productId", "Product does not exist", "PRODUCT_DOES_NOT_EXIST")))
}

/// `productOptionsCreate`: variants that are there take the first value of each new option; none are added.
pub(super) fn create(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |product, problems: &[Problem]| {
        answer("ProductOptionsCreatePayload", "ProductOptionsCreateUserError", product, problems)
    };
    if arg(args, "variantStrategy") == "CREATE" {
        return Err(FieldError::NotSimulatedInput("productOptionsCreate.variantStrategy".to_owned()));
    }
    let mut product = match product_of(desk, args)? {
        Ok(product) => product,
        Err(problem) => return Ok(done(Out::Null, &[problem])),
    };
    let (options, mut problems) = desk.options_of(arg(args, "options"), &[], "options")?;
    let alone = product.has_only_default_variant();
    let kept = if alone { Vec::new() } else { product.options.clone() };
    for option in &options {
        if kept.iter().any(|known| same(&known.name, &option.name)) {
            let message = format!("Option '{}' already exists.", option.name);
            problems.push(Problem::at("options", message, "OPTION_ALREADY_EXISTS"));
        }
    }
    if kept.len() + options.len() > MAX_OPTIONS {
        let message = format!("Can only specify a maximum of {MAX_OPTIONS} options");
        problems.push(Problem::at("options", message, "OPTIONS_OVER_LIMIT"));
    }
    if !problems.is_empty() {
        return Ok(done(Out::Null, &problems));
    }
    for variant in &mut product.variants {
        if alone {
            variant.option_value_ids.clear();
        }
        variant.option_value_ids.extend(options.iter().filter_map(|option| Some(option.values.first()?.id)));
    }
    product.options = kept.into_iter().chain(options).collect();
    let id = product.id;
    desk.put_product(product);
    Ok(done(Out::node("Product", id), &[]))
}

/// `productOptionUpdate`: another name, values renamed, added, or taken away where no variant has them.
pub(super) fn update(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |product, problems: &[Problem]| {
        answer("ProductOptionUpdatePayload", "ProductOptionUpdateUserError", product, problems)
    };
    if arg(args, "variantStrategy") == "MANAGE" {
        return Err(FieldError::NotSimulatedInput("productOptionUpdate.variantStrategy".to_owned()));
    }
    let mut product = match product_of(desk, args)? {
        Ok(product) => product,
        Err(problem) => return Ok(done(Out::Null, &[problem])),
    };
    let wanted = arg(args, "option");
    only(wanted, "OptionUpdateInput", &["id", "name"])?;
    let option_id = id(&wanted["id"], "ProductOption")?;
    let others: Vec<String> =
        product.options.iter().filter(|one| Some(one.id) != option_id).map(|one| one.name.clone()).collect();
    let used: Vec<u64> =
        product.variants.iter().flat_map(|variant| variant.option_value_ids.clone()).collect();
    let added: Vec<(u64, String)> = list(arg(args, "optionValuesToAdd"))
        .into_iter()
        .filter_map(|value| value["name"].as_str())
        .map(|name| (desk.shop.take_id(), name.to_owned()))
        .collect();
    let Some(option) = product.options.iter_mut().find(|one| Some(one.id) == option_id) else {
        let problem = Problem::at("option.id", "Option does not exist", "OPTION_DOES_NOT_EXIST");
        return Ok(done(Out::Null, &[problem]));
    };
    let mut problems = Vec::new();
    if let Some(name) = wanted["name"].as_str() {
        if others.iter().any(|other| same(other, name)) {
            problems.push(Problem::at("option.name", "Option already exists.", "OPTION_ALREADY_EXISTS"));
        }
        name.clone_into(&mut option.name);
    }
    for value in list(arg(args, "optionValuesToUpdate")) {
        let value_id = id(&value["id"], "ProductOptionValue")?;
        match option.values.iter_mut().find(|one| Some(one.id) == value_id) {
            Some(known) => {
                value["name"].as_str().unwrap_or(&known.name).to_owned().clone_into(&mut known.name)
            }
            None => {
                let message = "Option value does not exist";
                problems.push(Problem::at("optionValuesToUpdate", message, "OPTION_VALUE_DOES_NOT_EXIST"));
            }
        }
    }
    for text in texts(arg(args, "optionValuesToDelete")) {
        let value_id = number(&text, "ProductOptionValue").unwrap_or_default();
        if used.contains(&value_id) {
            let message = "Option value has variants and cannot be deleted";
            problems.push(Problem::at("optionValuesToDelete", message, "OPTION_VALUE_HAS_VARIANTS"));
        }
        option.values.retain(|value| value.id != value_id);
    }
    for (id, name) in added {
        if option.values.iter().any(|value| same(&value.name, &name)) {
            problems.push(Problem::at(
                "optionValuesToAdd",
                "Option value already exists.",
                "OPTION_VALUE_ALREADY_EXISTS",
            ));
        }
        option.values.push(OptionValue { id, name });
    }
    if !problems.is_empty() {
        return Ok(done(Out::Null, &problems));
    }
    let id = product.id;
    desk.put_product(product);
    Ok(done(Out::node("Product", id), &[]))
}

/// `productOptionsDelete`: only options with one value go, so that no two variants become the same.
pub(super) fn delete(desk: &mut Desk<'_>, args: &Args) -> Written {
    if !matches!(arg(args, "strategy").as_str(), None | Some("DEFAULT")) {
        return Err(FieldError::NotSimulatedInput("productOptionsDelete.strategy".to_owned()));
    }
    let done = |product, deleted, problems: &[Problem]| {
        answer("ProductOptionsDeletePayload", "ProductOptionsDeleteUserError", product, problems)
            .with("deletedOptionsIds", deleted)
    };
    let mut product = match product_of(desk, args)? {
        Ok(product) => product,
        Err(problem) => return Ok(done(Out::Null, Out::Null, &[problem])),
    };
    let mut problems = Vec::new();
    let wanted = texts(arg(args, "options"));
    for (place, text) in wanted.iter().enumerate() {
        let option_id = number(text, "ProductOption");
        let Some(index) = product.options.iter().position(|option| Some(option.id) == option_id) else {
            let message = "Option does not exist";
            problems.push(Problem::at(&format!("options.{place}"), message, "OPTION_DOES_NOT_EXIST"));
            continue;
        };
        if product.options.get(index).is_some_and(|option| option.values.len() > 1) {
            let message = "Can't delete an option with multiple values";
            problems.push(Problem::at(
                &format!("options.{place}"),
                message,
                "CANNOT_DELETE_OPTION_WITH_MULTIPLE_VALUES",
            ));
            continue;
        }
        product.options.remove(index);
        for variant in &mut product.variants {
            if index < variant.option_value_ids.len() {
                variant.option_value_ids.remove(index);
            }
        }
    }
    if !problems.is_empty() {
        return Ok(done(Out::Null, Out::Null, &problems));
    }
    if product.options.is_empty() {
        let [option, value] = desk.take_ids();
        let values = vec![OptionValue { id: value, name: "Default Title".to_owned() }];
        product.options = vec![ProductOption { id: option, name: "Title".to_owned(), values }];
        product.variants.iter_mut().for_each(|variant| variant.option_value_ids = vec![value]);
    }
    let id = product.id;
    desk.put_product(product);
    Ok(done(Out::node("Product", id), Out::List(wanted.into_iter().map(Out::Text).collect()), &[]))
}
