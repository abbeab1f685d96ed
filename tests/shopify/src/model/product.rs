//! Products, options, variants, metafields.

use jiff::Timestamp;

use super::{Cents, InventoryItem, Media};

/// A product with everything that belongs to it alone.
#[derive(Clone, Debug, Default)]
pub struct Product {
    /// Numeric id.
    pub id: u64,
    /// URL handle, unique in the shop.
    pub handle: String,
    /// Title.
    pub title: String,
    /// Description as HTML, may be empty.
    pub description_html: String,
    /// Vendor, may be empty.
    pub vendor: String,
    /// Free-text product type, may be empty.
    pub product_type: String,
    /// Node of Shopify's standard taxonomy.
    pub category: Option<Category>,
    /// Tags, sorted as Shopify does (alphabetically).
    pub tags: Vec<String>,
    /// State of the product.
    pub status: ProductStatus,
    /// Whether it is a gift card.
    pub gift_card: bool,
    /// Whether it can only be bought with a selling plan.
    pub requires_selling_plan: bool,
    /// Theme template suffix.
    pub template_suffix: Option<String>,
    /// Search engine fields.
    pub seo: Seo,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// When it was published to the Online Store; none means it is not there.
    pub published_at: Option<Timestamp>,
    /// At least one option. A product without options has `Title` with the one value `Default Title`.
    pub options: Vec<ProductOption>,
    /// At least one variant, in order of position (first = 1).
    pub variants: Vec<Variant>,
    /// Media in order of position.
    pub media: Vec<Media>,
    /// Metafields of the product.
    pub metafields: Vec<Metafield>,
}

/// State of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProductStatus {
    /// On sale.
    #[default]
    Active,
    /// Not ready.
    Draft,
    /// Put away.
    Archived,
    /// Reachable by link only (from 2025-10).
    Unlisted,
}

impl ProductStatus {
    /// The value of Shopify's enum `ProductStatus`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draft => "DRAFT",
            Self::Archived => "ARCHIVED",
            Self::Unlisted => "UNLISTED",
        }
    }
}

/// A node of the standard product taxonomy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Category {
    /// Last part of the global id, for instance `aa-1-13-8`.
    pub id: String,
    /// For instance `T-Shirts`.
    pub name: String,
    /// For instance `Apparel & Accessories > Clothing > Clothing Tops > T-Shirts`.
    pub full_name: String,
    /// Whether the node has no children.
    pub is_leaf: bool,
}

/// Search engine fields; both may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seo {
    /// Page title.
    pub title: Option<String>,
    /// Meta description.
    pub description: Option<String>,
}

/// One of at most three options of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductOption {
    /// Numeric id.
    pub id: u64,
    /// For instance `Size`.
    pub name: String,
    /// Values in order; some may belong to no variant.
    pub values: Vec<OptionValue>,
}

/// One value of an option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionValue {
    /// Numeric id.
    pub id: u64,
    /// For instance `Large`.
    pub name: String,
}

/// What a buyer picks.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    /// Numeric id.
    pub id: u64,
    /// Place in the product, from 1.
    pub position: u32,
    /// Barcode, if any.
    pub barcode: Option<String>,
    /// Price in hundredths.
    pub price: Cents,
    /// Price before the sale, in hundredths.
    pub compare_at_price: Option<Cents>,
    /// Whether taxes are charged.
    pub taxable: bool,
    /// Whether it is a bundle, whose stock is that of its parts.
    pub requires_components: bool,
    /// Whether it may be sold without stock.
    pub inventory_policy: InventoryPolicy,
    /// Ids of [`OptionValue`], one per option of the product, in the order of the options.
    pub option_value_ids: Vec<u64>,
    /// Ids of the product's media shown for this variant.
    pub media_ids: Vec<u64>,
    /// Metafields of the variant.
    pub metafields: Vec<Metafield>,
    /// Its stock-keeping side, with SKU, cost, weight and levels.
    pub item: InventoryItem,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

/// Whether a variant may be sold without stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InventoryPolicy {
    /// No.
    #[default]
    Deny,
    /// Yes.
    Continue,
}

impl InventoryPolicy {
    /// The value of Shopify's enum `ProductVariantInventoryPolicy`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "DENY",
            Self::Continue => "CONTINUE",
        }
    }
}

/// A custom field of a product, variant or collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metafield {
    /// Numeric id.
    pub id: u64,
    /// Namespace.
    pub namespace: String,
    /// Key within the namespace.
    pub key: String,
    /// Type, for instance `single_line_text_field` or `json`.
    pub kind: String,
    /// Value as stored text.
    pub value: String,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

/// What a variant chose for one option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedOption<'a> {
    /// Name of the option.
    pub option: &'a str,
    /// The chosen value.
    pub value: &'a OptionValue,
}

impl Product {
    /// What the variant chose, in the order of the options.
    pub fn selected<'a>(&'a self, variant: &'a Variant) -> impl Iterator<Item = SelectedOption<'a>> + 'a {
        self.options.iter().zip(&variant.option_value_ids).filter_map(|(option, id)| {
            let value = option.values.iter().find(|value| value.id == *id)?;
            Some(SelectedOption { option: &option.name, value })
        })
    }

    /// The variant's title: its values joined by ` / `.
    #[must_use]
    pub fn variant_title(&self, variant: &Variant) -> String {
        let values: Vec<&str> = self.selected(variant).map(|chosen| chosen.value.name.as_str()).collect();
        values.join(" / ")
    }

    /// Whether the product has no options of its own: one variant called `Default Title`.
    #[must_use]
    pub fn has_only_default_variant(&self) -> bool {
        self.variants.len() == 1
            && self.options.len() == 1
            && self.options.iter().all(|option| {
                option.name == "Title"
                    && option.values.len() == 1
                    && option.values.iter().all(|v| v.name == "Default Title")
            })
    }
}
