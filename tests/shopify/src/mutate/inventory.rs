//! Inventory: quantities are set or moved all together or not at all, and each bad one is named by its place.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::input::{arg, at_most, id, list};
use super::{Args, Desk, LARGEST_LIST, Out, Outcome, Problem, Told, Written};
use crate::gid::{self, gid};
use crate::model::{Level, Product};
use crate::resolve::FieldError;

/// The most an item may count.
const BOUND: i64 = 1_000_000_000;
const REASONS: [&str; 17] = [
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];

/// One quantity that is to change: whose, where, by how much.
struct Move {
    product: u64,
    item: u64,
    location: u64,
    delta: i64,
}

/// From 2026-04 the value that is to be compared must be named, null meaning that none is.
fn compares(desk: &Desk<'_>, input: &Value, type_name: &str) -> Result<(), FieldError> {
    if desk.version < "2026-04" || list(input).into_iter().all(|one| one.get("changeFromQuantity").is_some())
    {
        return Ok(());
    }
    let message = format!("{type_name} must include the following argument: changeFromQuantity.");
    Err(FieldError::Refused(message, "INVALID_FIELD_ARGUMENTS"))
}

/// What is wrong with the whole of an input.
fn general(input: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !input["reason"].as_str().is_some_and(|reason| REASONS.contains(&reason)) {
        problems.push(Problem::at("input.reason", "The specified reason is invalid.", "INVALID_REASON"));
    }
    if input["referenceDocumentUri"].as_str().is_some_and(|uri| url::Url::parse(uri).is_err()) {
        let message = "The specified reference document is invalid.";
        problems.push(Problem::at("input.referenceDocumentUri", message, "INVALID_REFERENCE_DOCUMENT"));
    }
    problems
}

/// The level that an entry is about, or what is wrong with it.
fn level_of(
    desk: &Desk<'_>,
    entry: &Value,
    path: &str,
) -> Result<Result<(Move, Level), Problem>, FieldError> {
    let at = |field: &str| format!("{path}.{field}");
    let found = id(&entry["inventoryItemId"], "InventoryItem")?;
    let found = found.and_then(|item| Some((item, *desk.index.items.get(&item)?)));
    let Some((item, (product, variant))) = found else {
        let message = "The specified inventory item could not be found.";
        return Ok(Err(Problem::at(&at("inventoryItemId"), message, "INVALID_INVENTORY_ITEM")));
    };
    let Some(location) = desk.active_location(&entry["locationId"])? else {
        let message = "The specified location could not be found.";
        return Ok(Err(Problem::at(&at("locationId"), message, "INVALID_LOCATION")));
    };
    let variants = desk.shop.products.get(&product).map(|product| &product.variants);
    let Some(variant) = variants.into_iter().flatten().find(|one| one.id == variant) else {
        let message = "The specified inventory item could not be found.";
        return Ok(Err(Problem::at(&at("inventoryItemId"), message, "INVALID_INVENTORY_ITEM")));
    };
    if variant.requires_components {
        let message = "The specified inventory item is not allowed to be adjusted via API.";
        return Ok(Err(Problem::at(&at("inventoryItemId"), message, "NON_MUTABLE_INVENTORY_ITEM")));
    }
    if !variant.item.tracked {
        let message = "The specified inventory item does not have inventory tracking enabled.";
        return Ok(Err(Problem::plain(&at("inventoryItemId"), message)));
    }
    match variant.item.levels.get(&location).filter(|level| level.is_active) {
        Some(level) => Ok(Ok((Move { product, item, location, delta: 0 }, *level))),
        None => {
            let message = "The specified inventory item is not stocked at the location.";
            let problem = Problem::at(&at("locationId"), message, "ITEM_NOT_STOCKED_AT_LOCATION");
            // The schema of 2026-10 has lost the code.
            let code = problem.code.filter(|_| desk.version < "2026-10");
            Ok(Err(Problem { code, ..problem }))
        }
    }
}

fn stale(entry: &Value, actual: i64, path: &str) -> Option<Problem> {
    let expected = entry["changeFromQuantity"].as_i64()?;
    let message = "The specified quantity to change from does not match the persisted quantity.";
    (expected != actual)
        .then(|| Problem::at(&format!("{path}.changeFromQuantity"), message, "CHANGE_FROM_QUANTITY_STALE"))
}

/// `inventorySetQuantities`
pub(super) fn set(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = arg(args, "input");
    at_most(&input["quantities"], LARGEST_LIST, "quantities")?;
    compares(desk, &input["quantities"], "InventoryQuantityInput")?;
    let name = input["name"].as_str().unwrap_or_default();
    let mut problems = general(input);
    if !matches!(name, "available" | "on_hand") {
        let message = "The quantity name must be either 'available' or 'on_hand'.";
        problems.push(Problem::at("input.name", message, "INVALID_NAME"));
    }
    let (mut moves, mut seen) = (Vec::new(), HashSet::new());
    for (place, entry) in list(&input["quantities"]).into_iter().enumerate() {
        let path = format!("input.quantities.{place}");
        let quantity = entry["quantity"].as_i64().unwrap_or_default();
        if let Some((message, code)) = out_of_bounds(quantity) {
            problems.push(Problem::at(&format!("{path}.quantity"), message, code));
            continue;
        }
        match level_of(desk, entry, &path)? {
            Err(problem) => problems.push(problem),
            Ok((one, _)) if !seen.insert((one.item, one.location)) => {
                let message = "The combination of inventoryItemId and locationId must be unique.";
                problems.push(Problem::at(&path, message, "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"));
            }
            Ok((one, level)) => {
                let actual = level.quantity(name).unwrap_or_default();
                problems.extend(stale(entry, actual, &path));
                moves.push(Move { delta: quantity - actual, ..one });
            }
        }
    }
    let group = if problems.is_empty() { apply(desk, "available", &moves, input) } else { Out::Null };
    Ok(Outcome::new("InventorySetQuantitiesPayload")
        .with("inventoryAdjustmentGroup", group)
        .errors("InventorySetQuantitiesUserError", &problems))
}

fn out_of_bounds(quantity: i64) -> Option<(&'static str, &'static str)> {
    if quantity > BOUND {
        Some(("The total quantity can't be higher than 1,000,000,000.", "INVALID_QUANTITY_TOO_HIGH"))
    } else if quantity < -BOUND {
        Some(("The total quantity can't be lower than -1,000,000,000.", "INVALID_QUANTITY_TOO_LOW"))
    } else if quantity < 0 {
        Some(("The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE"))
    } else {
        None
    }
}

/// `inventoryAdjustQuantities`
pub(super) fn adjust(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = arg(args, "input");
    at_most(&input["changes"], LARGEST_LIST, "changes")?;
    compares(desk, &input["changes"], "InventoryChangeInput")?;
    let name = input["name"].as_str().unwrap_or_default();
    let state =
        Level::STATES.iter().find(|state| **state == name && !matches!(**state, "committed" | "on_hand"));
    let mut problems = general(input);
    if state.is_none() {
        let message = "The specified quantity name is invalid.";
        problems.push(Problem::at("input.name", message, "INVALID_QUANTITY_NAME"));
    }
    let mut moves = Vec::new();
    for (place, entry) in list(&input["changes"]).into_iter().enumerate() {
        let path = format!("input.changes.{place}");
        let ledger = &entry["ledgerDocumentUri"];
        if name == "available" && !ledger.is_null() {
            let message = "A ledger document URI is not allowed when adjusting available.";
            problems.push(Problem::at(&path, message, "INVALID_AVAILABLE_DOCUMENT"));
        } else if name != "available" && ledger.is_null() {
            let message = "A ledger document URI is required except when adjusting available.";
            problems.push(Problem::at(&path, message, "INVALID_QUANTITY_DOCUMENT"));
        }
        let delta = entry["delta"].as_i64().unwrap_or_default();
        match level_of(desk, entry, &path)? {
            Err(problem) => problems.push(problem),
            Ok((one, level)) => {
                let actual = level.quantity(name).unwrap_or_default();
                problems.extend(stale(entry, actual, &path).filter(|_| state.is_some()));
                if (actual + delta).abs() > BOUND {
                    let code =
                        if delta > 0 { "INVALID_QUANTITY_TOO_HIGH" } else { "INVALID_QUANTITY_TOO_LOW" };
                    problems.push(Problem::at(
                        &format!("{path}.delta"),
                        "The quantity is out of bounds.",
                        code,
                    ));
                }
                moves.push(Move { delta, ..one });
            }
        }
    }
    let group = match state {
        Some(state) if problems.is_empty() => apply(desk, state, &moves, input),
        _ => Out::Null,
    };
    Ok(Outcome::new("InventoryAdjustQuantitiesPayload")
        .with("inventoryAdjustmentGroup", group)
        .errors("InventoryAdjustQuantitiesUserError", &problems))
}

/// Moves the quantities. What changes nothing leaves no group behind.
fn apply(desk: &mut Desk<'_>, state: &'static str, moves: &[Move], input: &Value) -> Out {
    let mut products: BTreeMap<u64, Product> = BTreeMap::new();
    let mut changes = Vec::new();
    for one in moves.iter().filter(|one| one.delta != 0) {
        let product = match products.remove(&one.product).or_else(|| desk.product(one.product)) {
            Some(product) => products.entry(one.product).or_insert(product),
            None => continue,
        };
        let item =
            product.variants.iter_mut().map(|variant| &mut variant.item).find(|item| item.id == one.item);
        let Some(level) = item.and_then(|item| item.levels.get_mut(&one.location)) else { continue };
        *level.state_mut(state) += one.delta;
        level.updated_at = desk.now;
        let mut shown = vec![(state, level.quantity(state))];
        if state != "incoming" {
            shown.push(("on_hand", Some(level.on_hand())));
        }
        for (name, after) in shown {
            changes.push(Out::Plain(
                "InventoryChange",
                vec![
                    ("name", Out::Text(name.to_owned())),
                    ("delta", Out::Int(one.delta)),
                    ("quantityAfterChange", after.map_or(Out::Null, Out::Int)),
                    ("ledgerDocumentUri", Out::Null),
                    ("item", Out::node("InventoryItem", one.item)),
                    ("location", Out::node("Location", one.location)),
                ],
            ));
        }
        desk.told.push(Told::Level(false, one.item, one.location));
    }
    // Stock moves the product's `updatedAt` as well, though nothing of the product changes.
    products.into_values().for_each(|product| desk.put_product(product));
    if changes.is_empty() {
        return Out::Null;
    }
    let id = gid("InventoryAdjustmentGroup", desk.shop.take_id());
    Out::Plain(
        "InventoryAdjustmentGroup",
        vec![
            ("id", Out::Text(id)),
            ("createdAt", Out::Text(crate::clock::iso(desk.now))),
            ("reason", Out::of(&input["reason"])),
            ("referenceDocumentUri", Out::of(&input["referenceDocumentUri"])),
            ("app", Out::App),
            ("changes", Out::List(changes)),
        ],
    )
}

/// `inventoryActivate`: stocks an item at a location. Its errors carry no code.
pub(super) fn activate(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |level, problems: &[Problem]| {
        Outcome::new("InventoryActivatePayload").with("inventoryLevel", level).errors("UserError", problems)
    };
    let refuse = |path: &str, message: &str| Ok(done(Out::Null, &[Problem::plain(path, message)]));
    let found = id(arg(args, "inventoryItemId"), "InventoryItem")?;
    let found = found.and_then(|item| Some((item, *desk.index.items.get(&item)?)));
    let Some((item_id, (product_id, variant_id))) = found else {
        return refuse(
            "inventoryItemId",
            "The product couldn't be stocked because the inventory item wasn't found.",
        );
    };
    let Some(location_id) = desk.active_location(arg(args, "locationId"))? else {
        return refuse("locationId", "The product couldn't be stocked because the location wasn't found.");
    };
    let (available, on_hand) = (arg(args, "available").as_i64(), arg(args, "onHand").as_i64());
    if available.is_some() && on_hand.is_some() {
        return refuse("onHand", "Cannot set both available and onHand.");
    }
    let Some(mut product) = desk.product(product_id) else { return refuse("inventoryItemId", "Not found") };
    let Some(variant) = product.variants.iter_mut().find(|one| one.id == variant_id) else {
        return refuse("inventoryItemId", "Not found");
    };
    let place = desk.shop.locations.get(&location_id).cloned().unwrap_or_default();
    if place.is_legacy && arg(args, "stockAtLegacyLocation") != true {
        return refuse("locationId", "The product couldn't be stocked at a legacy location.");
    }
    let served =
        |id: &u64| desk.shop.locations.get(id).is_some_and(|place| place.fulfillment_service.is_some());
    let mut elsewhere =
        variant.item.levels.iter().filter(|(id, level)| **id != location_id && level.is_active);
    if elsewhere.any(|(id, _)| place.fulfillment_service.is_some() || served(id)) {
        let message = "An item cannot be active at more than one location if one of them is a fulfillment service location.";
        return refuse("locationId", message);
    }
    let before = variant.item.levels.get(&location_id).copied();
    if before.is_some_and(|level| level.is_active) && (available.is_some() || on_hand.is_some()) {
        let field = if available.is_some() { "available" } else { "onHand" };
        return refuse(
            field,
            "Not allowed to set available quantity when the item is already active at the location.",
        );
    }
    // From 2026-04 what was there before comes back; earlier it began at nothing again.
    let fresh = Level { created_at: desk.now, ..Level::default() };
    let mut level = before.filter(|level| level.is_active || desk.version >= "2026-04").unwrap_or(fresh);
    level.is_active = true;
    level.updated_at = desk.now;
    match (available, on_hand) {
        (Some(quantity), _) => level.available = quantity,
        (None, Some(quantity)) => level.available = quantity - (level.on_hand() - level.available),
        (None, None) => {}
    }
    variant.item.levels.insert(location_id, level);
    let fresh = !before.is_some_and(|level| level.is_active);
    desk.told.push(Told::Level(fresh, item_id, location_id));
    desk.put_product(product);
    Ok(done(Out::Node(gid::level_gid(place.level_key, item_id)), &[]))
}

/// `inventoryDeactivate`: no longer stocked there; its quantities are kept.
pub(super) fn deactivate(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done =
        |problems: &[Problem]| Outcome::new("InventoryDeactivatePayload").errors("UserError", problems);
    let text = arg(args, "inventoryLevelId").as_str().unwrap_or_default();
    let refuse = |message: &str| Ok(done(&[Problem::plain("inventoryLevelId", message)]));
    let parsed = gid::parse(text).filter(|parsed| parsed.type_name == "InventoryLevel");
    let item =
        parsed.and_then(|parsed| parsed.query?.strip_prefix("inventory_item_id=")?.parse::<u64>().ok());
    let location = parsed.and_then(|parsed| desk.index.level_keys.get(&parsed.id).copied());
    let owner = item.and_then(|item| desk.index.items.get(&item).copied());
    let (Some(item), Some(location), Some((product, _))) = (item, location, owner) else {
        return refuse("The product couldn't be unstocked because it was already unstocked.");
    };
    let Some(mut product) = desk.product(product) else { return refuse("Not found") };
    let found = product.variants.iter_mut().map(|variant| &mut variant.item).find(|one| one.id == item);
    match found.and_then(|item| item.levels.get_mut(&location)).filter(|level| level.is_active) {
        Some(level) if level.committed > 0 => {
            return refuse(
                "The product couldn't be unstocked because there is committed inventory at the location.",
            );
        }
        Some(level) => level.is_active = false,
        None => return refuse("The product couldn't be unstocked because it was already unstocked."),
    }
    desk.told.push(Told::LevelGone(item, location));
    desk.put_product(product);
    Ok(done(&[]))
}

/// `inventoryItemUpdate`. Its errors carry no code.
pub(super) fn item_update(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |item, problems: &[Problem]| {
        Outcome::new("InventoryItemUpdatePayload").with("inventoryItem", item).errors("UserError", problems)
    };
    let found = id(arg(args, "id"), "InventoryItem")?;
    let owner = found.and_then(|item| desk.index.items.get(&item).copied());
    let product = owner.and_then(|(product, _)| desk.product(product));
    let (Some(item_id), Some((_, variant_id)), Some(mut product)) = (found, owner, product) else {
        return Ok(done(Out::Null, &[Problem::plain("id", "The inventory item couldn't be found.")]));
    };
    let Some(variant) = product.variants.iter_mut().find(|one| one.id == variant_id) else {
        return Ok(done(Out::Null, &[Problem::plain("id", "The inventory item couldn't be found.")]));
    };
    let problems = desk.item_fields(&mut variant.item, arg(args, "input"), "input")?;
    if !problems.is_empty() {
        return Ok(done(Out::Null, &problems));
    }
    desk.put_product(product);
    Ok(done(Out::node("InventoryItem", item_id), &[]))
}
