//! The lines of the products feed as they come over the wire.

use serde::Deserialize;

use crate::providers::shopify::gid::Gid;
use crate::providers::shopify::map::stock::Quantities;
use crate::providers::shopify::map::{Count, Money, Reference};

/// Any line of the feed: product, variant, media, media of a variant, stock level. One form for all, so that each line
/// is parsed once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeedLine {
    pub(super) id: Gid,
    #[serde(rename = "__parentId")]
    pub(super) parent: Option<Gid>,
    pub(super) title: Option<String>,
    pub(super) status: Option<String>,
    // Products.
    pub(super) description_html: Option<String>,
    pub(super) vendor: Option<String>,
    pub(super) product_type: Option<String>,
    pub(super) category: Option<Category>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) handle: Option<String>,
    pub(super) seo: Option<Seo>,
    pub(super) options: Option<Vec<OptionLine>>,
    pub(super) is_gift_card: Option<bool>,
    pub(super) published_at: Option<String>,
    pub(super) online_store_url: Option<String>,
    pub(super) template_suffix: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) variants_count: Option<Count>,
    pub(super) media_count: Option<Count>,
    // Variants.
    pub(super) sku: Option<String>,
    pub(super) barcode: Option<String>,
    pub(super) position: Option<i64>,
    pub(super) price: Option<Money>,
    pub(super) compare_at_price: Option<Money>,
    pub(super) taxable: Option<bool>,
    pub(super) inventory_policy: Option<String>,
    pub(super) selected_options: Option<Vec<SelectedOption>>,
    pub(super) inventory_item: Option<InventoryItem>,
    // Media.
    pub(super) alt: Option<String>,
    pub(super) media_content_type: Option<String>,
    pub(super) mime_type: Option<String>,
    pub(super) image: Option<File>,
    pub(super) video_source: Option<File>,
    pub(super) model_source: Option<File>,
    pub(super) host: Option<String>,
    pub(super) origin_url: Option<String>,
    // Stock levels.
    pub(super) is_active: Option<bool>,
    pub(super) location: Option<Reference>,
    pub(super) quantities: Option<Quantities>,
}

/// How the line of a stock level begins: the document asks for its id first.
pub(super) const LEVEL: &[u8] = br#"{"id":"gid://shopify/InventoryLevel/"#;

/// A stock level in a form of its own. More than half of all lines are levels, and a form of its five fields is made and
/// dropped much faster than one of forty.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LevelLine {
    /// Read to be checked: only its form matters, the item and the location say which level it is.
    #[serde(rename = "id")]
    pub(super) _id: Gid,
    #[serde(rename = "__parentId")]
    pub(super) parent: Option<Gid>,
    pub(super) is_active: Option<bool>,
    pub(super) location: Option<Reference>,
    pub(super) quantities: Option<Quantities>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Category {
    pub(super) id: Option<String>,
    pub(super) full_name: Option<String>,
}

#[derive(Deserialize)]
pub(in crate::providers::shopify::map) struct Seo {
    pub(in crate::providers::shopify::map) title: Option<String>,
    pub(in crate::providers::shopify::map) description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OptionLine {
    pub(super) id: Gid,
    pub(super) name: Option<String>,
    pub(super) position: Option<i64>,
    pub(super) linked_metafield: Option<LinkedMetafield>,
    pub(super) option_values: Option<Vec<OptionValue>>,
}

#[derive(Deserialize)]
pub(super) struct LinkedMetafield {
    pub(super) namespace: Option<String>,
    pub(super) key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OptionValue {
    pub(super) id: Gid,
    pub(super) name: Option<String>,
    pub(super) linked_metafield_value: Option<String>,
    pub(super) swatch: Option<Swatch>,
}

#[derive(Deserialize)]
pub(super) struct Swatch {
    pub(super) color: Option<String>,
    pub(super) image: Option<SwatchImage>,
}

#[derive(Deserialize)]
pub(super) struct SwatchImage {
    pub(super) image: Option<File>,
}

#[derive(Deserialize)]
pub(super) struct SelectedOption {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InventoryItem {
    pub(super) id: Gid,
    pub(super) tracked: Option<bool>,
    pub(super) requires_shipping: Option<bool>,
    pub(super) country_code_of_origin: Option<String>,
    pub(super) harmonized_system_code: Option<String>,
    pub(super) unit_cost: Option<UnitCost>,
    pub(super) measurement: Option<Measurement>,
}

#[derive(Deserialize)]
pub(super) struct UnitCost {
    pub(super) amount: Option<Money>,
}

#[derive(Deserialize)]
pub(super) struct Measurement {
    pub(super) weight: Option<Weight>,
}

#[derive(Deserialize)]
pub(super) struct Weight {
    pub(super) value: Option<f64>,
    pub(super) unit: Option<String>,
}

/// An image, or the source of a video or model.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) url: Option<String>,
    pub(super) mime_type: Option<String>,
    pub(super) width: Option<i64>,
    pub(super) height: Option<i64>,
}
