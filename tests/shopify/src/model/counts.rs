//! How much a shop holds, by resource.

use serde::Serialize;

use super::{Media, MediaContent, MediaStatus, Shop};

/// How many records a shop holds, by the resource names an import reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Products.
    pub products: u64,
    /// Variants.
    pub variants: u64,
    /// Media of products.
    pub media: u64,
    /// Metafields of products and variants.
    pub metafields: u64,
    /// Inventory levels, inactive ones included.
    pub stock: u64,
    /// Locations, inactive and legacy ones included.
    pub warehouses: u64,
    /// Collections.
    pub categories: u64,
    /// Products in collections, one for each pair.
    pub memberships: u64,
}

impl Shop {
    /// Counts every resource.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            products: self.products.len() as u64,
            warehouses: self.locations.len() as u64,
            categories: self.collections.len() as u64,
            memberships: self.collections.values().map(|collection| collection.products.len() as u64).sum(),
            ..Counts::default()
        };
        for product in self.products.values() {
            counts.variants += product.variants.len() as u64;
            counts.media += product.media.len() as u64;
            counts.metafields += product.metafields.len() as u64;
            for variant in &product.variants {
                counts.metafields += variant.metafields.len() as u64;
                counts.stock += variant.item.levels.len() as u64;
            }
        }
        counts
    }
}

/// The same shop in the units that a client sees which was written by others: finer than [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DetailCounts {
    /// Products.
    pub products: u64,
    /// Variants.
    pub variants: u64,
    /// Media that are images and ready: only these have an `Image`.
    pub images: u64,
    /// Collections.
    pub collections: u64,
    /// Products in collections, one for each pair.
    pub memberships: u64,
    /// Inventory items.
    pub inventory_items: u64,
    /// Inventory levels that are active: what `inventoryLevels` lists unless `includeInactive` is asked for.
    pub active_levels: u64,
    /// Locations, inactive and legacy ones included.
    pub locations: u64,
    /// Metafields of products.
    pub product_metafields: u64,
    /// Metafields of variants.
    pub variant_metafields: u64,
}

impl Shop {
    /// Counts in finer units.
    #[must_use]
    pub fn detail_counts(&self) -> DetailCounts {
        let counts = self.counts();
        let mut detail = DetailCounts {
            products: counts.products,
            variants: counts.variants,
            inventory_items: counts.variants,
            collections: counts.categories,
            memberships: counts.memberships,
            locations: counts.warehouses,
            ..DetailCounts::default()
        };
        for product in self.products.values() {
            let ready_image = |media: &&Media| {
                media.status == MediaStatus::Ready && matches!(media.content, MediaContent::Image { .. })
            };
            detail.images += product.media.iter().filter(ready_image).count() as u64;
            detail.product_metafields += product.metafields.len() as u64;
            for variant in &product.variants {
                detail.variant_metafields += variant.metafields.len() as u64;
                detail.active_levels +=
                    variant.item.levels.values().filter(|level| level.is_active).count() as u64;
            }
        }
        detail
    }
}
