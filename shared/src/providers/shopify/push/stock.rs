//! Stock: what lies where, setting it, and putting an item on stock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::Shopify;
use super::documents as doc;
use super::find::{Record, endless, searched};
use super::plan::{list, text};
use super::write::{Called, code_of};
use crate::domain::push::code::Code;
use crate::domain::push::document::{LevelOptions, QuantityName};
use crate::domain::push::levels::{Batch, Complaint, Live, LiveItem, SetLevel};
use crate::domain::push::mapping::Wanted;
use crate::domain::push::target::MatchBy;
use crate::domain::push::throttle::Points;
use crate::ports::provider::{ProviderError, ShopAccess};
use crate::ports::push::{Budget, Written};

fn quantity_name(quantity: QuantityName) -> &'static str {
    match quantity {
        QuantityName::Available => "available",
        QuantityName::OnHand => "on_hand",
    }
}

fn by(wanted: Wanted) -> MatchBy {
    match wanted {
        Wanted::Variant(by) | Wanted::Item(by) | Wanted::Location(by) => by,
    }
}

/// An item with its levels; levels that are not all there would be set without a comparison.
fn item(node: &Value, bundle: bool) -> Result<LiveItem, ProviderError> {
    if node["inventoryLevels"]["pageInfo"]["hasNextPage"] == true {
        return Err(endless());
    }
    let mut levels = BTreeMap::new();
    for level in list(node["inventoryLevels"].get("nodes")) {
        let quantity =
            level["quantities"][0]["quantity"].as_i64().and_then(|there| i32::try_from(there).ok());
        if let Some(quantity) = quantity {
            levels.insert(text(&level["location"], "id").to_owned(), quantity);
        }
    }
    Ok(LiveItem { id: text(node, "id").to_owned(), tracked: node["tracked"] == true, bundle, levels })
}

/// What puts an item on stock. The two quantities are arguments of their own, and only one may be given.
fn activation(level: &SetLevel, key: Uuid, quantity: QuantityName) -> Value {
    let mut variables = json!({"key": key, "inventoryItemId": level.item, "locationId": level.location});
    let argument = match quantity {
        QuantityName::Available => "available",
        QuantityName::OnHand => "onHand",
    };
    variables[argument] = json!(level.quantity);
    variables
}

impl Shopify {
    pub(super) async fn live_levels(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        items: &[(Wanted, String)],
        locations: &[(Wanted, String)],
        quantity: QuantityName,
    ) -> Result<Live, ProviderError> {
        let mut live = Live::default();
        let names = json!({"names": [quantity_name(quantity)]});
        for kind in [MatchBy::Sku, MatchBy::Barcode] {
            let wanted: BTreeSet<&str> =
                items.iter().filter(|(wanted, _)| by(*wanted) == kind).map(|(_, key)| key.as_str()).collect();
            let name = searched(kind).unwrap_or_default();
            for node in self.search_all(access, budget, doc::ITEMS, kind, &wanted, &names).await? {
                let found = match item(&node["inventoryItem"], node["requiresComponents"] == true) {
                    Ok(found) => found,
                    Err(_) => match self
                        .item_by_id(access, budget, text(&node["inventoryItem"], "id"), &names)
                        .await?
                    {
                        Some(found) => found,
                        None => continue,
                    },
                };
                live.items.entry(text(&node, name).to_owned()).or_default().push(found);
            }
        }
        for (_, key) in items.iter().filter(|(wanted, _)| by(*wanted) == MatchBy::Id) {
            if let Some(found) = self.item_by_id(access, budget, key, &names).await? {
                live.items.insert(key.clone(), vec![found]);
            }
        }
        if !locations.is_empty() {
            let places = self.pages(access, budget, doc::PLACES, json!({})).await?;
            for (wanted, key) in locations {
                let name = if by(*wanted) == MatchBy::Id { "id" } else { "name" };
                let ids = places.iter().filter(|place| text(place, name) == key);
                live.locations.insert(key.clone(), ids.map(|place| text(place, "id").to_owned()).collect());
            }
        }
        Ok(live)
    }

    async fn item_by_id(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        id: &str,
        names: &Value,
    ) -> Result<Option<LiveItem>, ProviderError> {
        let mut variables = names.clone();
        variables["id"] = json!(id);
        let answer: Record = self.ask(access, budget, doc::ITEM, Points::whole(20), &variables).await?;
        let Some(node) = answer.record else { return Ok(None) };
        let bundle = node["variants"]["nodes"][0]["requiresComponents"] == true;
        item(&node, bundle).map(Some)
    }

    /// The ids that have each key.
    pub(super) async fn ids(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        keys: &[(Wanted, String)],
    ) -> Result<Vec<Vec<String>>, ProviderError> {
        let of = |wanted: &Wanted| matches!(wanted, Wanted::Location(_));
        let (places, items): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|(wanted, _)| of(wanted));
        let mut found: BTreeMap<(bool, bool, String), Vec<String>> = BTreeMap::new();
        if !places.is_empty() {
            let live = self.live_levels(access, budget, &[], &places, QuantityName::Available).await?;
            found.extend(live.locations.into_iter().map(|(key, ids)| ((true, false, key), ids)));
        }
        let none = json!({"names": ["available"]});
        for kind in [MatchBy::Sku, MatchBy::Barcode] {
            let wanted: BTreeSet<&str> =
                items.iter().filter(|(wanted, _)| by(*wanted) == kind).map(|(_, key)| key.as_str()).collect();
            let name = searched(kind).unwrap_or_default();
            for node in self.search_all(access, budget, doc::ITEMS, kind, &wanted, &none).await? {
                let key = text(&node, name).to_owned();
                let barcode = kind == MatchBy::Barcode;
                let ids = found.entry((false, barcode, key)).or_default();
                ids.push(format!("{} {}", text(&node, "id"), text(&node["inventoryItem"], "id")));
            }
        }
        let answer = |(wanted, key): &(Wanted, String)| {
            let kind = by(*wanted);
            if kind == MatchBy::Id && !of(wanted) {
                return vec![key.clone()];
            }
            let ids = found.get(&(of(wanted), kind == MatchBy::Barcode, key.clone()));
            let ids = ids.into_iter().flatten().map(String::as_str);
            let half = |ids: &str| match (wanted, ids.split_once(' ')) {
                (Wanted::Item(_), Some((_, item))) => item.to_owned(),
                (Wanted::Variant(_), Some((variant, _))) => variant.to_owned(),
                _ => ids.to_owned(),
            };
            ids.map(half).collect()
        };
        Ok(keys.iter().map(answer).collect())
    }

    pub(super) async fn set(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        batch: &Batch,
        key: Uuid,
        quantity: QuantityName,
        options: &LevelOptions,
    ) -> Result<(Vec<Complaint>, Written), ProviderError> {
        let one = |level: &SetLevel| {
            json!({
                "inventoryItemId": level.item, "locationId": level.location,
                "quantity": level.quantity, "changeFromQuantity": level.from,
            })
        };
        let quantities: Vec<Value> = batch.levels.iter().map(one).collect();
        let variables = json!({
            "key": key,
            "input": {
                "name": quantity_name(quantity), "reason": options.reason, "quantities": quantities,
                "referenceDocumentUri": format!("gid://merchant-connector/Push/{key}"),
            },
        });
        let mut written = Written::default();
        let points = Points::whole(10);
        let called =
            self.carry_out(access, budget, doc::LEVELS_SET, points, &variables, &mut written).await?;
        let Called::Refused(errors) = called else { return Ok((Vec::new(), written)) };
        let complaint = |error: &super::call::UserError| {
            let place = error.field.iter().flatten().find_map(|step| step.parse().ok());
            Complaint { index: place, code: code_of(error) }
        };
        Ok((errors.iter().map(complaint).collect(), written))
    }

    pub(super) async fn stock(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        level: &SetLevel,
        key: Uuid,
        quantity: QuantityName,
    ) -> Result<Written, ProviderError> {
        let variables = activation(level, key, quantity);
        let mut written = Written::default();
        let points = Points::whole(10);
        let called =
            self.carry_out(access, budget, doc::LEVEL_ACTIVATE, points, &variables, &mut written).await?;
        if let Called::Refused(errors) = called {
            let refused = errors.iter().map(|error| {
                crate::domain::push::ledger::RowError::ours(
                    if error.code.is_some() { code_of(error) } else { Code::Refused },
                    error.message.clone(),
                )
            });
            written.stopped = Some(crate::ports::push::Stopped::Refused(refused.collect()));
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_put_on_stock_with_the_quantity_that_is_meant() {
        let level = SetLevel {
            seq: 0,
            item: "item".to_owned(),
            location: "place".to_owned(),
            quantity: 5,
            from: None,
        };
        let sent = |quantity| activation(&level, Uuid::nil(), quantity);
        let available = sent(QuantityName::Available);
        assert_eq!((&available["available"], available.get("onHand")), (&json!(5), None));
        let on_hand = sent(QuantityName::OnHand);
        assert_eq!((on_hand.get("available"), &on_hand["onHand"]), (None, &json!(5)));
    }
}
