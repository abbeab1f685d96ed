//! The fields of a variant and its inventory item that several mutations share.

use jiff::SignedDuration;
use serde_json::Value;

use super::input::{cents, decimal, id, list, only, patch, patch_flag, weight};
use super::options::same;
use super::{Desk, Problem, Told};
use crate::gid::number;
use crate::model::{InventoryItem, InventoryPolicy, Level, OptionValue, OwnerKind, Product, Variant};
use crate::resolve::FieldError;
use crate::shop::lock;

/// A day, after which variants may be created again.
const DAY: i64 = 86_400;

impl Desk<'_> {
    /// Counts variants that are about to be created; a large shop may create only so many in a day, unless it is on Plus.
    pub(super) fn count_variants(&mut self, more: usize) -> Result<(), FieldError> {
        let plan = &self.shop.plan;
        let large = self.index.variants.len() >= plan.variants_free.unwrap_or(500_000);
        let mut made = lock(&self.state.variants_made);
        let yesterday =
            self.now.saturating_sub(SignedDuration::from_secs(DAY)).map_or(0, |time| time.as_second());
        let lately = made.since(yesterday);
        if more > 0 && large && !plan.shopify_plus && lately + more > plan.variants_a_day.unwrap_or(10_000) {
            let message = "Daily variant creation limit reached. Please try again later. See https://shopify.dev/docs/api/usage/limits for more information about rate limits and how to avoid them.";
            return Err(FieldError::Refused(message.to_owned(), "VARIANT_THROTTLE_EXCEEDED"));
        }
        made.add(self.now.as_second(), more);
        Ok(())
    }

    /// Reads what the input names into the variant; what it leaves out stays.
    pub(super) fn variant_fields(
        &mut self,
        variant: &mut Variant,
        input: &Value,
        path: &str,
    ) -> Result<Vec<Problem>, FieldError> {
        let mut problems = Vec::new();
        let at = |field: &str| format!("{path}.{field}");
        if let Some(price) = input.get("price").filter(|price| !price.is_null()) {
            match cents(price) {
                Some(price) if price >= 0 => variant.price = price,
                Some(_) => {
                    let message = "Price must be greater than or equal to 0";
                    problems.push(Problem::at(&at("price"), message, "GREATER_THAN_OR_EQUAL_TO"));
                }
                None => problems.push(Problem::at(&at("price"), "Price is not a number", "INVALID_INPUT")),
            }
        }
        if let Some(price) = input.get("compareAtPrice") {
            match cents(price) {
                Some(price) if price < 0 => {
                    let message = "Compare at price must be greater than or equal to 0";
                    problems.push(Problem::at(&at("compareAtPrice"), message, "GREATER_THAN_OR_EQUAL_TO"));
                }
                price => variant.compare_at_price = price,
            }
        }
        patch(&mut variant.barcode, input, "barcode");
        patch_flag(&mut variant.taxable, input, "taxable");
        patch_flag(&mut variant.requires_components, input, "requiresComponents");
        match input["inventoryPolicy"].as_str() {
            Some("CONTINUE") => variant.inventory_policy = InventoryPolicy::Continue,
            Some(_) => variant.inventory_policy = InventoryPolicy::Deny,
            None => {}
        }
        if let Some(item) = input.get("inventoryItem").filter(|item| !item.is_null()) {
            problems.extend(self.item_fields(&mut variant.item, item, &at("inventoryItem"))?);
        }
        if let Some(given) = input.get("metafields") {
            let own = std::mem::take(&mut variant.metafields);
            let id = Some(variant.id);
            let (made, more) = self.metafields_of(OwnerKind::Variant, id, &own, given, &at("metafields"))?;
            problems.extend(more);
            variant.metafields = own;
            super::metafields::join(&mut variant.metafields, made);
        }
        variant.updated_at = self.now;
        Ok(problems)
    }

    /// Reads what the input names into the inventory item.
    pub(super) fn item_fields(
        &self,
        item: &mut InventoryItem,
        input: &Value,
        path: &str,
    ) -> Result<Vec<Problem>, FieldError> {
        const KNOWN: [&str; 8] = [
            "cost",
            "countryCodeOfOrigin",
            "harmonizedSystemCode",
            "measurement",
            "provinceCodeOfOrigin",
            "requiresShipping",
            "sku",
            "tracked",
        ];
        only(input, "InventoryItemInput", &KNOWN)?;
        let mut problems = Vec::new();
        if let Some(cost) = input.get("cost") {
            let amount = decimal(cost).and_then(|_| cents(cost));
            if amount.is_some_and(|amount| amount < 0) {
                let message = "Cost must be greater than or equal to 0";
                problems.push(Problem::at(&format!("{path}.cost"), message, "GREATER_THAN_OR_EQUAL_TO"));
            } else {
                item.unit_cost = amount;
            }
        }
        patch(&mut item.country_code_of_origin, input, "countryCodeOfOrigin");
        patch(&mut item.harmonized_system_code, input, "harmonizedSystemCode");
        patch(&mut item.province_code_of_origin, input, "provinceCodeOfOrigin");
        patch_flag(&mut item.requires_shipping, input, "requiresShipping");
        patch_flag(&mut item.tracked, input, "tracked");
        set_sku(item, input, path, &mut problems);
        if let Some(measured) = input.get("measurement").filter(|measured| !measured.is_null()) {
            only(measured, "InventoryItemMeasurementInput", &["weight"])?;
            item.weight = weight(&measured["weight"]).or(item.weight);
        }
        item.updated_at = self.now;
        Ok(problems)
    }

    /// The values an input chooses, one for each option of the product. Values that are new join their option.
    pub(super) fn choose(
        &mut self,
        product: &mut Product,
        input: &Value,
        before: &[u64],
        path: &str,
    ) -> Result<Vec<u64>, Problem> {
        let given = list(input);
        for (place, one) in given.iter().enumerate() {
            if !product.options.iter().any(|option| names(one, option.id, &option.name)) {
                let message = "Option does not exist";
                return Err(Problem::at(
                    &format!("{path}.{place}"),
                    message,
                    "OPTION_VALUES_FOR_NUMBER_OF_UNKNOWN_OPTIONS",
                ));
            }
        }
        let mut chosen = Vec::new();
        for (place, option) in product.options.iter_mut().enumerate() {
            let Some(one) = given.iter().find(|one| names(one, option.id, &option.name)) else {
                match before.get(place) {
                    Some(value) => chosen.push(*value),
                    None => {
                        let message = format!("You need to add option values for {}", option.name);
                        return Err(Problem::at(path, message, "NEED_TO_ADD_OPTION_VALUES"));
                    }
                }
                continue;
            };
            let wanted = one["id"].as_str().and_then(|text| number(text, "ProductOptionValue"));
            let name = one["name"].as_str().map(str::trim).unwrap_or_default();
            let known = option.values.iter().find(|value| match wanted {
                Some(id) => value.id == id,
                None => same(&value.name, name),
            });
            match known {
                Some(value) => chosen.push(value.id),
                None if wanted.is_some() || name.is_empty() => {
                    return Err(Problem::at(path, "Option value does not exist", "INVALID_INPUT"));
                }
                None => {
                    let id = self.shop.take_id();
                    option.values.push(OptionValue { id, name: name.to_owned() });
                    chosen.push(id);
                }
            }
        }
        Ok(chosen)
    }

    /// Stocks an item at a location with so much; a level that is there keeps what it holds besides.
    pub(super) fn stock(&mut self, item: &mut InventoryItem, location: u64, name: &str, quantity: i64) {
        let now = self.now;
        let known = item.levels.contains_key(&location);
        let fresh = Level { created_at: now, ..Level::default() };
        let level = item.levels.entry(location).or_insert(fresh);
        level.is_active = true;
        level.updated_at = now;
        level.available =
            if name == "on_hand" { quantity - (level.on_hand() - level.available) } else { quantity };
        if known {
            self.told.push(Told::Level(false, item.id, location));
        }
    }

    /// A location of this shop that holds stock.
    pub(super) fn active_location(&self, value: &Value) -> Result<Option<u64>, FieldError> {
        let found =
            id(value, "Location")?.filter(|id| self.shop.locations.get(id).is_some_and(|l| l.is_active));
        Ok(found)
    }
}

/// Sets the SKU, named by the item or by the variant of a `productSet`.
pub(super) fn set_sku(item: &mut InventoryItem, input: &Value, path: &str, problems: &mut Vec<Problem>) {
    if input["sku"].as_str().is_some_and(|sku| sku.chars().count() > 255) {
        let message = "SKU is too long (maximum is 255 characters)";
        problems.push(Problem::at(&format!("{path}.sku"), message, "INVALID_INPUT"));
    }
    patch(&mut item.sku, input, "sku");
}

fn names(input: &Value, id: u64, name: &str) -> bool {
    match input["optionId"].as_str() {
        Some(text) => number(text, "ProductOption") == Some(id),
        None => input["optionName"].as_str().is_some_and(|given| same(given, name)),
    }
}
