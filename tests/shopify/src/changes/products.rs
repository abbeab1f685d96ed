//! Changes to products and variants.

use std::sync::Arc;

use super::{Applied, ChangeError, Site};
use crate::model::{
    Cents, InventoryItem, Level, Media, MediaContent, MediaStatus, OptionValue, Product, ProductOption,
    Variant,
};
use crate::resolve::money;

fn cents(text: &str) -> Option<Cents> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<2}");
    if fraction.len() != 2 || whole.is_empty() {
        return None;
    }
    Some(whole.parse::<Cents>().ok()? * 100 + fraction.parse::<Cents>().ok()?)
}

fn has_options(product: &Product) -> bool {
    !product.has_only_default_variant()
}

impl Site<'_> {
    pub(super) fn title(&mut self) -> Option<Applied> {
        let id = self.product_id(|_| true)?;
        let value = self.change.value.clone();
        let applied = self.begin();
        let product = self.product_mut(id)?;
        let after = value.unwrap_or_else(|| format!("{} (new edition)", product.title));
        let before = std::mem::replace(&mut product.title, after.clone());
        Some(Applied { product: Some(id), before: Some(before), after: Some(after), ..applied })
    }

    pub(super) fn handle(&mut self) -> Option<Applied> {
        let id = self.product_id(|_| true)?;
        let value = self.change.value.clone();
        let applied = self.begin();
        let product = self.product_mut(id)?;
        let after = value.unwrap_or_else(|| format!("{}-new", product.handle));
        let before = std::mem::replace(&mut product.handle, after.clone());
        Some(Applied { product: Some(id), before: Some(before), after: Some(after), ..applied })
    }

    pub(super) fn image(&mut self) -> Option<Applied> {
        let is_shown = |media: &Media| {
            media.status == MediaStatus::Ready && matches!(media.content, MediaContent::Image { .. })
        };
        let id = self.product_id(|product| product.media.iter().any(is_shown))?;
        let (now, applied) = (self.now, self.begin());
        let media = self.product_mut(id)?.media.iter_mut().find(|media| is_shown(media))?;
        let MediaContent::Image { url, .. } = &mut media.content else { return None };
        let (address, version) = url.split_once("?v=").unwrap_or((url.as_str(), "0"));
        let version = now.as_second().max(version.parse::<i64>().unwrap_or_default() + 1);
        let after = format!("{address}?v={version}");
        let before = std::mem::replace(url, after.clone());
        media.updated_at = now;
        Some(Applied { product: Some(id), before: Some(before), after: Some(after), ..applied })
    }

    /// The product and the place of the variant named, or of its first one.
    fn variant_at(&mut self, suits: impl Fn(&Variant) -> bool) -> Option<(u64, usize)> {
        let named = self.change.variant;
        let fits = |variant: &Variant| named.map_or_else(|| suits(variant), |id| variant.id == id);
        let id = self.product_id(|product| product.variants.iter().any(fits))?;
        let place = self.shop.products.get(&id)?.variants.iter().position(fits)?;
        Some((id, place))
    }

    pub(super) fn price(&mut self) -> Result<Applied, ChangeError> {
        let wanted = match &self.change.value {
            Some(text) => Some(cents(text).ok_or_else(|| ChangeError::Price(text.clone()))?),
            None => None,
        };
        let none = ChangeError::NoTarget(self.change.kind);
        let Some((id, place)) = self.variant_at(|_| true) else { return Err(none) };
        let now = self.now;
        let applied = self.begin();
        let Some(variant) = self.product_mut(id).and_then(|product| product.variants.get_mut(place)) else {
            return Err(none);
        };
        let before = variant.price;
        variant.price = wanted.unwrap_or(before + 100);
        variant.updated_at = now;
        Ok(Applied {
            product: Some(id),
            variant: Some(variant.id),
            before: Some(money(before)),
            after: Some(money(variant.price)),
            ..applied
        })
    }

    pub(super) fn sku(&mut self) -> Option<Applied> {
        let (id, place) = self.variant_at(|variant| variant.item.sku.is_some())?;
        let value = self.change.value.clone();
        let (now, applied) = (self.now, self.begin());
        let variant = self.product_mut(id)?.variants.get_mut(place)?;
        let after = value.unwrap_or_else(|| format!("{}-B", variant.item.sku.as_deref().unwrap_or("SKU")));
        let before = variant.item.sku.replace(after.clone());
        variant.updated_at = now;
        variant.item.updated_at = now;
        let inventory_item = Some(variant.item.id);
        Some(Applied {
            product: Some(id),
            variant: Some(variant.id),
            inventory_item,
            before,
            after: Some(after),
            ..applied
        })
    }

    pub(super) fn option_rename(&mut self) -> Option<Applied> {
        let id = self.product_id(has_options)?;
        let value = self.change.value.clone();
        let applied = self.begin();
        let option = self.product_mut(id)?.options.first_mut()?;
        let after = value.unwrap_or_else(|| format!("{} type", option.name));
        let before = std::mem::replace(&mut option.name, after.clone());
        Some(Applied { product: Some(id), before: Some(before), after: Some(after), ..applied })
    }

    pub(super) fn variant_add(&mut self) -> Option<Applied> {
        let id = self.product_id(|product| has_options(product) && product.variants.len() < 2_048)?;
        let location = self.shop.locations.values().find(|location| location.is_active)?.id;
        let (value_id, variant_id, item_id) = (self.shop.take_id(), self.shop.take_id(), self.shop.take_id());
        let value = self.change.value.clone();
        let quantity = self.change.quantity.unwrap_or(3);
        let (now, applied) = (self.now, self.begin());
        let product = self.product_mut(id)?;
        let name = value.unwrap_or_else(|| format!("Extra {}", product.variants.len() + 1));
        product.options.first_mut()?.values.push(OptionValue { id: value_id, name: name.clone() });
        let mut variant = product.variants.last()?.clone();
        *variant.option_value_ids.first_mut()? = value_id;
        variant.id = variant_id;
        variant.position += 1;
        variant.barcode = None;
        variant.metafields = Vec::new();
        variant.media_ids = Vec::new();
        (variant.created_at, variant.updated_at) = (now, now);
        let level = Level {
            is_active: true,
            available: quantity,
            created_at: now,
            updated_at: now,
            ..Level::default()
        };
        variant.item = InventoryItem {
            id: item_id,
            sku: Some(format!("NEW-{variant_id}")),
            levels: [(location, level)].into(),
            created_at: now,
            updated_at: now,
            ..variant.item
        };
        product.variants.push(variant);
        let inventory_item = Some(item_id);
        Some(Applied {
            product: Some(id),
            variant: Some(variant_id),
            inventory_item,
            after: Some(name),
            ..applied
        })
    }

    pub(super) fn variant_remove(&mut self) -> Option<Applied> {
        let named = self.change.variant;
        let id = self.product_id(|product| product.variants.len() > 1)?;
        let applied = self.begin();
        let product = self.product_mut(id)?;
        let place = match named {
            Some(variant) => product.variants.iter().position(|v| v.id == variant)?,
            None => product.variants.len() - 1,
        };
        let removed = product.variants.remove(place);
        for (variant, position) in product.variants.iter_mut().zip(1..) {
            variant.position = position;
        }
        let inventory_item = Some(removed.item.id);
        Some(Applied { product: Some(id), variant: Some(removed.id), inventory_item, ..applied })
    }

    pub(super) fn product_delete(&mut self) -> Option<Applied> {
        let id = self.product_id(|_| true)?;
        let product = self.shop.products.remove(&id)?;
        let before = Some(product.handle.clone());
        self.shop.deleted.push(product);
        Some(Applied { product: Some(id), before, ..self.begin() })
    }

    pub(super) fn product_restore(&mut self) -> Option<Applied> {
        let place = match self.change.product {
            Some(id) => self.shop.deleted.iter().position(|product| product.id == id)?,
            None => self.shop.deleted.len().checked_sub(1)?,
        };
        let product = self.shop.deleted.remove(place);
        let id = product.id;
        self.touched.insert(id);
        let after = Some(product.handle.clone());
        self.shop.products.insert(id, product);
        self.product_mut(id)?;
        Some(Applied { product: Some(id), after, ..self.begin() })
    }

    pub(super) fn product_create(&mut self) -> Option<Applied> {
        let location = self.shop.locations.values().find(|location| location.is_active)?.id;
        let id = self.shop.take_id();
        let (option_id, value_id) = (self.shop.take_id(), self.shop.take_id());
        let (variant_id, item_id) = (self.shop.take_id(), self.shop.take_id());
        let now = self.now;
        let title = self.change.value.clone().unwrap_or_else(|| format!("Newcomer {id}"));
        let quantity = self.change.quantity.unwrap_or(5);
        let level = Level {
            is_active: true,
            available: quantity,
            created_at: now,
            updated_at: now,
            ..Level::default()
        };
        let variant = Variant {
            id: variant_id,
            position: 1,
            price: 1_990,
            taxable: true,
            option_value_ids: vec![value_id],
            item: InventoryItem {
                id: item_id,
                sku: Some(format!("NEW-{id}")),
                tracked: true,
                requires_shipping: true,
                levels: [(location, level)].into(),
                created_at: now,
                updated_at: now,
                ..InventoryItem::default()
            },
            created_at: now,
            updated_at: now,
            ..Variant::default()
        };
        let product = Product {
            id,
            handle: format!("newcomer-{id}"),
            title: title.clone(),
            description_html: "<p>Just arrived.</p>".to_owned(),
            vendor: self.shop.name.clone(),
            created_at: now,
            updated_at: now,
            published_at: Some(now),
            options: vec![ProductOption {
                id: option_id,
                name: "Title".to_owned(),
                values: vec![OptionValue { id: value_id, name: "Default Title".to_owned() }],
            }],
            variants: vec![variant],
            ..Product::default()
        };
        self.touched.insert(id);
        self.shop.products.insert(id, Arc::new(product));
        Some(Applied {
            product: Some(id),
            variant: Some(variant_id),
            inventory_item: Some(item_id),
            after: Some(title),
            ..self.begin()
        })
    }
}
