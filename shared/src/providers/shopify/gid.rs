//! Global ids: `gid://shopify/{type}/{number}`, the only names of things in Shopify's answers.

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// What a global id names. Types that the documents here do not meet are one and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum GidKind {
    Product,
    ProductVariant,
    ProductOption,
    ProductOptionValue,
    InventoryItem,
    InventoryLevel,
    Location,
    Collection,
    Metafield,
    MediaImage,
    Video,
    ExternalVideo,
    Model3d,
    Other,
}

/// A global id, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Gid {
    /// Its type.
    pub(super) kind: GidKind,
    /// Its number. Of a level only unique together with the inventory item in its query.
    pub(super) id: u64,
}

impl Gid {
    /// Reads a global id. Strict: only a level's id may carry a query.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let path = text.strip_prefix("gid://shopify/")?;
        // Nearly half of all texts of a result file are ids: a plain loop finds a near end faster than a search does.
        let (name, number) = path.split_at(path.bytes().position(|byte| byte == b'/')?);
        let number = &number[1..];
        let kind = match name {
            "Product" => GidKind::Product,
            "ProductVariant" => GidKind::ProductVariant,
            "ProductOption" => GidKind::ProductOption,
            "ProductOptionValue" => GidKind::ProductOptionValue,
            "InventoryItem" => GidKind::InventoryItem,
            "InventoryLevel" => GidKind::InventoryLevel,
            "Location" => GidKind::Location,
            "Collection" => GidKind::Collection,
            "Metafield" => GidKind::Metafield,
            "MediaImage" => GidKind::MediaImage,
            "Video" => GidKind::Video,
            "ExternalVideo" => GidKind::ExternalVideo,
            "Model3d" => GidKind::Model3d,
            "" => return None,
            _ => GidKind::Other,
        };
        let (id, rest) = leading_number(number)?;
        let may_have_query = kind == GidKind::InventoryLevel && rest.starts_with("?inventory_item_id=");
        if !rest.is_empty() && !may_have_query {
            return None;
        }
        Some(Self { kind, id })
    }
}

/// The digits that a text begins with, at least one, and what follows them.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits]
        .bytes()
        .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    (digits > 0).then_some((number, &text[digits..]))
}

impl<'de> Deserialize<'de> for Gid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GidVisitor;
        impl Visitor<'_> for GidVisitor {
            type Value = Gid;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a global id")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Gid, E> {
                Gid::parse(text).ok_or_else(|| E::custom("not a global id"))
            }
        }
        deserializer.deserialize_str(GidVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_what_shopify_writes() {
        let read = |text| Gid::parse(text).map(|gid| (gid.kind, gid.id));
        assert_eq!(read("gid://shopify/Product/632910392"), Some((GidKind::Product, 632_910_392)));
        assert_eq!(
            read("gid://shopify/InventoryLevel/523463154?inventory_item_id=808950810"),
            Some((GidKind::InventoryLevel, 523_463_154))
        );
        assert_eq!(read("gid://shopify/NewThing/7"), Some((GidKind::Other, 7)));
        for wrong in [
            "",
            "632910392",
            "gid://shopify/Product/",
            "gid://shopify/Product/+5",
            "gid://shopify/Product/-5",
            "gid://shopify/Product/5x",
            "gid://shopify/Product/5?x=1",
            "gid://shopify/InventoryLevel/5?x=1",
            "gid://shopify/Product/5/6",
            "gid://shopify//5",
            "gid://other/Product/5",
            "gid://shopify/Product/99999999999999999999",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
