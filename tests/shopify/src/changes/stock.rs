//! Changes to stock and locations.

use std::sync::Arc;

use super::{Applied, Site};
use crate::model::{Level, Location, Product, Variant};

impl Site<'_> {
    /// A product with a level that suits: its id, the place of the variant, the location.
    fn level_at(&mut self, suits: impl Fn(&Variant, &Level) -> bool) -> Option<(u64, usize, u64)> {
        let (variant, location) = (self.change.variant, self.change.location);
        let fits = |candidate: &Variant| {
            if variant.is_some_and(|id| id != candidate.id) {
                return None;
            }
            let mut levels = candidate.item.levels.iter();
            levels
                .find(|(id, level)| location.is_none_or(|wanted| wanted == **id) && suits(candidate, level))
                .map(|(id, _)| *id)
        };
        let id = self.product_id(|product: &Product| product.variants.iter().any(|v| fits(v).is_some()))?;
        let variants = &self.shop.products.get(&id)?.variants;
        variants.iter().enumerate().find_map(|(place, variant)| Some((id, place, fits(variant)?)))
    }

    pub(super) fn stock_set(&mut self) -> Option<Applied> {
        let quantity = self.change.quantity.unwrap_or(0);
        let named = self.change.variant.is_some() || self.change.product.is_some();
        let (id, place, location) = self.level_at(|variant, level| {
            level.is_active && (named || variant.item.tracked && level.available != quantity)
        })?;
        let (now, applied) = (self.now, self.begin());
        // Stock moves the product's `updatedAt` as well, though nothing of the product changes.
        let variant = self.product_mut(id)?.variants.get_mut(place)?;
        let (variant_id, item_id) = (variant.id, variant.item.id);
        let level = variant.item.levels.get_mut(&location)?;
        let before = std::mem::replace(&mut level.available, quantity);
        level.updated_at = now;
        Some(Applied {
            product: Some(id),
            variant: Some(variant_id),
            inventory_item: Some(item_id),
            location: Some(location),
            before: Some(before.to_string()),
            after: Some(quantity.to_string()),
            ..applied
        })
    }

    pub(super) fn level_remove(&mut self) -> Option<Applied> {
        let (id, place, location) = self.level_at(|_, level| level.is_active)?;
        let applied = self.begin();
        let variant = self.product_mut(id)?.variants.get_mut(place)?;
        let level = variant.item.levels.remove(&location)?;
        Some(Applied {
            product: Some(id),
            variant: Some(variant.id),
            inventory_item: Some(variant.item.id),
            location: Some(location),
            before: Some(level.available.to_string()),
            ..applied
        })
    }

    pub(super) fn location_rename(&mut self) -> Option<Applied> {
        let id = match self.change.location {
            Some(id) => id,
            None => self.shop.locations.values().find(|location| location.is_active)?.id,
        };
        let value = self.change.value.clone();
        let (now, applied) = (self.now, self.begin());
        let location = Arc::make_mut(self.shop.locations.get_mut(&id)?);
        let after = value.unwrap_or_else(|| format!("{} (moved)", location.name));
        let before = std::mem::replace(&mut location.name, after.clone());
        location.updated_at = now;
        Some(Applied { location: Some(id), before: Some(before), after: Some(after), ..applied })
    }

    pub(super) fn location_create(&mut self) -> Applied {
        let (id, level_key) = (self.shop.take_id(), self.shop.take_id());
        let name = self.change.value.clone().unwrap_or_else(|| format!("Location {id}"));
        let location = Location {
            id,
            name: name.clone(),
            is_active: true,
            fulfills_online_orders: true,
            ships_inventory: true,
            level_key,
            created_at: self.now,
            updated_at: self.now,
            ..Location::default()
        };
        self.shop.locations.insert(id, Arc::new(location));
        Applied { location: Some(id), after: Some(name), ..self.begin() }
    }
}
