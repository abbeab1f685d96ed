//! The columns of Shopify's product export, by their names of yesterday and today.

/// A column that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Handle,
    Title,
    Body,
    Vendor,
    Category,
    Type,
    Tags,
    Published,
    OptionName(u8),
    OptionValue(u8),
    Sku,
    Grams,
    WeightUnit,
    Tracker,
    Quantity,
    Policy,
    Price,
    CompareAt,
    RequiresShipping,
    Taxable,
    Barcode,
    ImageSrc,
    ImagePosition,
    ImageAlt,
    GiftCard,
    SeoTitle,
    SeoDescription,
    VariantImage,
    Cost,
    Status,
    Collection,
}

/// Each column with the names it goes by, lower case: first that of the classic export, then newer ones.
const NAMES: [(Column, &[&str]); 35] = [
    (Column::Handle, &["handle", "url handle"]),
    (Column::Title, &["title"]),
    (Column::Body, &["body (html)", "description"]),
    (Column::Vendor, &["vendor"]),
    (Column::Category, &["product category", "standard product type"]),
    (Column::Type, &["type", "custom product type"]),
    (Column::Tags, &["tags"]),
    (Column::Published, &["published", "published on online store"]),
    (Column::OptionName(0), &["option1 name"]),
    (Column::OptionValue(0), &["option1 value"]),
    (Column::OptionName(1), &["option2 name"]),
    (Column::OptionValue(1), &["option2 value"]),
    (Column::OptionName(2), &["option3 name"]),
    (Column::OptionValue(2), &["option3 value"]),
    (Column::Sku, &["variant sku", "sku"]),
    (Column::Grams, &["variant grams", "weight value (grams)"]),
    (Column::WeightUnit, &["variant weight unit", "weight unit for display"]),
    (Column::Tracker, &["variant inventory tracker", "inventory tracker"]),
    (Column::Quantity, &["variant inventory qty", "inventory quantity"]),
    (Column::Policy, &["variant inventory policy", "continue selling when out of stock"]),
    (Column::Price, &["variant price", "price"]),
    (Column::CompareAt, &["variant compare at price", "compare-at price"]),
    (Column::RequiresShipping, &["variant requires shipping", "requires shipping"]),
    (Column::Taxable, &["variant taxable", "charge tax"]),
    (Column::Barcode, &["variant barcode", "barcode"]),
    (Column::ImageSrc, &["image src", "product image url"]),
    (Column::ImagePosition, &["image position"]),
    (Column::ImageAlt, &["image alt text"]),
    (Column::GiftCard, &["gift card"]),
    (Column::SeoTitle, &["seo title"]),
    (Column::SeoDescription, &["seo description"]),
    (Column::VariantImage, &["variant image", "variant image url"]),
    (Column::Cost, &["cost per item"]),
    (Column::Status, &["status"]),
    (Column::Collection, &["collection"]),
];

/// Finds the column a heading names, whatever its case and surrounding space.
pub(super) fn named(heading: &str) -> Option<Column> {
    let heading = heading.trim().to_lowercase();
    NAMES.iter().find(|(_, names)| names.contains(&heading.as_str())).map(|(column, _)| *column)
}
