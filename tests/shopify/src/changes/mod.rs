//! Changes to a shop, as a merchant would make them in the admin.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Product, Shop};
use crate::shop::ShopState;

mod collections;
mod products;
mod stock;

/// What is to be changed. Without a target one is picked: the first by id that the change suits, never a product that another
/// change of the same request touches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The kind of change.
    pub kind: Kind,
    /// Numeric id of the product.
    pub product: Option<u64>,
    /// Numeric id of the variant.
    pub variant: Option<u64>,
    /// Numeric id of the location.
    pub location: Option<u64>,
    /// Numeric id of the collection.
    pub collection: Option<u64>,
    /// The new text or price; made up where absent.
    pub value: Option<String>,
    /// The new quantity available; 0 where absent.
    pub quantity: Option<i64>,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Another title.
    Title,
    /// Another price of one variant.
    Price,
    /// Another handle.
    Handle,
    /// Another file in the place of an image's: its address keeps all but the version.
    Image,
    /// Another SKU of one variant.
    Sku,
    /// Another name of an option.
    OptionRename,
    /// One variant more.
    VariantAdd,
    /// One variant less.
    VariantRemove,
    /// Another quantity available.
    StockSet,
    /// An item is no longer stocked at a location.
    LevelRemove,
    /// Another name of a location.
    LocationRename,
    /// A product joins a manual collection.
    CollectionAddProduct,
    /// A product leaves a manual collection.
    CollectionRemoveProduct,
    /// A product is deleted.
    ProductDelete,
    /// The product deleted last comes back under its id.
    ProductRestore,
    /// A new product.
    ProductCreate,
    /// A new manual collection.
    CollectionCreate,
    /// A collection is deleted; its products stay.
    CollectionDelete,
    /// A new location, where nothing is stocked yet.
    LocationCreate,
    /// Another name of the shop.
    ShopRename,
}

/// What was changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Applied {
    /// The kind of change.
    pub kind: Option<Kind>,
    /// The product, if one is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<u64>,
    /// The variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<u64>,
    /// The inventory item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory_item: Option<u64>,
    /// The location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<u64>,
    /// The collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<u64>,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Why a change cannot be made. Nothing of its request was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// Nothing in the shop suits it.
    #[error("nothing in the shop suits the change {0:?}")]
    NoTarget(Kind),
    /// The price is no decimal.
    #[error("`{0}` is no price")]
    Price(String),
}

/// Makes all changes of a request, or none.
///
/// # Errors
/// When one of them finds nothing to change.
pub fn apply(state: &ShopState, changes: &[Change], now: Timestamp) -> Result<Vec<Applied>, ChangeError> {
    state.change(|shop| {
        let mut draft = shop.clone();
        // Named targets are set aside first, so that no picked one collides with them.
        let mut touched: BTreeSet<u64> = changes.iter().filter_map(|change| change.product).collect();
        let mut applied = Vec::with_capacity(changes.len());
        for change in changes {
            let mut site = Site { shop: &mut draft, touched: &mut touched, change, now };
            applied.push(site.apply()?);
        }
        *shop = draft;
        Ok(applied)
    })
}

/// One change and what it may touch.
struct Site<'s> {
    shop: &'s mut Shop,
    touched: &'s mut BTreeSet<u64>,
    change: &'s Change,
    now: Timestamp,
}

impl Site<'_> {
    fn apply(&mut self) -> Result<Applied, ChangeError> {
        let applied = match self.change.kind {
            Kind::Title => self.title(),
            Kind::Price => return self.price(),
            Kind::Handle => self.handle(),
            Kind::Image => self.image(),
            Kind::Sku => self.sku(),
            Kind::OptionRename => self.option_rename(),
            Kind::VariantAdd => self.variant_add(),
            Kind::VariantRemove => self.variant_remove(),
            Kind::StockSet => self.stock_set(),
            Kind::LevelRemove => self.level_remove(),
            Kind::LocationRename => self.location_rename(),
            Kind::CollectionAddProduct => self.collection_add(),
            Kind::CollectionRemoveProduct => self.collection_remove(),
            Kind::ProductDelete => self.product_delete(),
            Kind::ProductRestore => self.product_restore(),
            Kind::ProductCreate => self.product_create(),
            Kind::CollectionCreate => Some(self.collection_create()),
            Kind::CollectionDelete => self.collection_delete(),
            Kind::LocationCreate => Some(self.location_create()),
            Kind::ShopRename => Some(self.shop_rename()),
        };
        applied.ok_or(ChangeError::NoTarget(self.change.kind))
    }

    /// What is known of the change before it is made.
    fn begin(&self) -> Applied {
        Applied { kind: Some(self.change.kind), ..Applied::default() }
    }

    fn shop_rename(&mut self) -> Applied {
        let name = self.change.value.clone().unwrap_or_else(|| format!("{} & Co", self.shop.name));
        let before = std::mem::replace(&mut self.shop.name, name.clone());
        self.shop.updated_at = self.now;
        Applied { before: Some(before), after: Some(name), ..self.begin() }
    }

    /// The named product, or the first that suits and is not touched yet.
    fn product_id(&mut self, suits: impl Fn(&Product) -> bool) -> Option<u64> {
        let named = self.change.product.or_else(|| {
            let variant = self.change.variant?;
            let all = self.shop.products.values();
            all.filter(|p| p.variants.iter().any(|v| v.id == variant)).map(|p| p.id).next()
        });
        let id = match named {
            Some(id) => {
                self.shop.products.get(&id).filter(|product| suits(product)).map(|product| product.id)?
            }
            None => self
                .shop
                .products
                .values()
                .find(|product| !self.touched.contains(&product.id) && suits(product))
                .map(|product| product.id)?,
        };
        self.touched.insert(id);
        Some(id)
    }

    /// A product to be changed; its `updatedAt` moves.
    fn product_mut(&mut self, id: u64) -> Option<&mut Product> {
        let now = self.now;
        let product = Arc::make_mut(self.shop.products.get_mut(&id)?);
        product.updated_at = now;
        Some(product)
    }
}
