//! From the rows of one product to the product.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::build::{self, OPENED, at};
use super::super::columns::Column;
use super::{Columns, CsvError, Row, Warning};
use crate::model::{
    Category, Collection, CollectionKind, CollectionSource, InventoryItem, InventoryPolicy, Level, Media,
    MediaContent, OptionValue, Product, ProductOption, ProductStatus, Seo, Shop, Variant, Weight, WeightUnit,
};

/// Builds one product after the other into a shop.
pub(super) struct Assembler<'a> {
    shop: &'a mut Shop,
    location: u64,
    columns: &'a Columns,
    warnings: &'a mut Vec<Warning>,
}

/// A manual collection of these products.
pub(super) fn collection(shop: &mut Shop, name: &str, products: Vec<u64>) -> Collection {
    let id = shop.take_id();
    let taken = |handle: &str| shop.collections.values().any(|other| other.handle == handle);
    let slug = build::slug(name);
    let handle = if taken(&slug) { format!("{slug}-{id}") } else { slug };
    let source = CollectionSource {
        id: shop.take_id(),
        title: name.to_owned(),
        kind: CollectionKind::Manual { products },
    };
    Collection {
        id,
        handle,
        title: name.to_owned(),
        sort_order: "MANUAL".to_owned(),
        sources: vec![source],
        published_at: Some(at(OPENED)),
        updated_at: at(OPENED),
        ..Collection::default()
    }
}

impl<'a> Assembler<'a> {
    pub(super) fn new(
        shop: &'a mut Shop,
        location: u64,
        columns: &'a Columns,
        warnings: &'a mut Vec<Warning>,
    ) -> Self {
        Self { shop, location, columns, warnings }
    }

    pub(super) fn product(&mut self, rows: &[Row]) -> Result<Product, CsvError> {
        let Some(first) = rows.first() else {
            return Err(CsvError::Row { line: 0, what: "a product without rows" });
        };
        if first.text(Column::Title).is_empty() {
            return Err(CsvError::Row {
                line: first.line,
                what: "the first row of a product has no title; the rows before it may be missing",
            });
        }
        let id = self.shop.take_id();
        let created = OPENED + i64::try_from(self.shop.products.len()).unwrap_or_default() * 60;
        let status = self.status(first)?;
        let published =
            first.flag(Column::Published, self.columns)?.unwrap_or(status == ProductStatus::Active);
        let (media, by_url) = self.media(rows, created)?;
        let (options, variants) = self.variants(rows, &by_url, created)?;
        let mut tags: Vec<String> = first
            .text(Column::Tags)
            .split(',')
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect();
        tags.sort();
        tags.dedup();
        Ok(Product {
            id,
            handle: first.text(Column::Handle).to_owned(),
            title: first.text(Column::Title).to_owned(),
            description_html: first.raw(Column::Body).to_owned(),
            vendor: first.text(Column::Vendor).to_owned(),
            product_type: first.text(Column::Type).to_owned(),
            category: self.category(first),
            tags,
            status,
            gift_card: first.flag(Column::GiftCard, self.columns)?.unwrap_or(false),
            seo: Seo { title: first.some(Column::SeoTitle), description: first.some(Column::SeoDescription) },
            created_at: at(created),
            updated_at: at(created),
            published_at: published.then(|| at(created)),
            options,
            variants,
            media,
            ..Product::default()
        })
    }

    fn warn(&mut self, line: u64, text: String) {
        self.warnings.push(Warning { line, text });
    }

    fn status(&self, row: &Row) -> Result<ProductStatus, CsvError> {
        match row.text(Column::Status).to_lowercase().as_str() {
            "" | "active" => Ok(ProductStatus::Active),
            "draft" => Ok(ProductStatus::Draft),
            "archived" => Ok(ProductStatus::Archived),
            "unlisted" => Ok(ProductStatus::Unlisted),
            _ => Err(self.columns.wrong(row, Column::Status, "active, draft, archived or unlisted")),
        }
    }

    /// The export names a category by its path only; equal paths share one made-up id.
    fn category(&mut self, row: &Row) -> Option<Category> {
        let full_name = row.some(Column::Category)?;
        let name = full_name.rsplit('>').next().unwrap_or_default().trim().to_owned();
        let known = self.shop.products.values().filter_map(|product| product.category.as_ref());
        let id = known
            .filter(|category| category.full_name == full_name)
            .map(|category| category.id.clone())
            .next()
            .unwrap_or_else(|| format!("csv-{}", self.shop.take_id()));
        Some(Category { id, name, full_name, is_leaf: true })
    }

    /// The images in the order of `Image Position` (rows without one keep their place), each address once.
    fn media(&mut self, rows: &[Row], created: i64) -> Result<(Vec<Media>, HashMap<String, u64>), CsvError> {
        let mut found: Vec<(i64, String, Option<String>)> = Vec::new();
        for row in rows {
            let last = found.last().map_or(0, |(position, ..)| *position);
            let position = row.number(Column::ImagePosition, self.columns)?.unwrap_or(last + 1);
            if let Some(url) = row.some(Column::ImageSrc) {
                found.push((position, url, row.some(Column::ImageAlt)));
            }
        }
        found.sort_by_key(|(position, ..)| *position);
        let end = found.last().map_or(0, |(position, ..)| *position) + 1;
        for row in rows {
            if let Some(url) = row.some(Column::VariantImage) {
                found.push((end, url, None));
            }
        }
        let mut media = Vec::new();
        let mut by_url = HashMap::new();
        for (_, url, alt) in found {
            if by_url.contains_key(&url) {
                continue;
            }
            let mut image = build::image(self.shop.take_id(), "", alt.as_deref(), created);
            by_url.insert(url.clone(), image.id);
            if let MediaContent::Image { url: address, .. } = &mut image.content {
                *address = url;
            }
            media.push(image);
        }
        Ok((media, by_url))
    }

    fn variants(
        &mut self,
        rows: &[Row],
        images: &HashMap<String, u64>,
        created: i64,
    ) -> Result<(Vec<ProductOption>, Vec<Variant>), CsvError> {
        let mut options = self.options(rows)?;
        let mut variants: Vec<Variant> = Vec::new();
        let mut seen: HashSet<Vec<u64>> = HashSet::new();
        for (number, row) in rows.iter().enumerate() {
            if number > 0 && !is_variant(row) {
                if row.text(Column::ImageSrc).is_empty() {
                    self.warn(row.line, "the row holds neither a variant nor an image".to_owned());
                }
                continue;
            }
            let mut values = Vec::with_capacity(options.len());
            for (place, option) in (0_u8..).zip(&mut options) {
                let name = match row.text(Column::OptionValue(place)) {
                    "" if option.name == "Title" => "Default Title",
                    "" => {
                        return Err(CsvError::Row {
                            line: row.line,
                            what: "the variant lacks the value of an option",
                        });
                    }
                    name => name,
                };
                values.push(value_id(option, name, || self.shop.take_id()));
            }
            if !seen.insert(values.clone()) {
                return Err(CsvError::Row { line: row.line, what: "the product has this variant already" });
            }
            let position = u32::try_from(variants.len()).unwrap_or(u32::MAX).saturating_add(1);
            let shown = row.some(Column::VariantImage).and_then(|url| images.get(&url).copied());
            variants.push(self.variant(row, position, values, shown, created)?);
        }
        Ok((options, variants))
    }

    fn options(&mut self, rows: &[Row]) -> Result<Vec<ProductOption>, CsvError> {
        let mut options: Vec<ProductOption> = Vec::new();
        for place in 0..3 {
            let name = rows.first().map_or("", |row| row.text(Column::OptionName(place)));
            let orphan = rows.iter().find(|row| !row.text(Column::OptionValue(place)).is_empty());
            match (name, orphan) {
                ("", Some(row)) if place > 0 || row.text(Column::OptionValue(0)) != "Default Title" => {
                    return Err(CsvError::Row {
                        line: row.line,
                        what: "the row has a value for an option that the product's first row does not name",
                    });
                }
                ("", _) => {}
                (name, _) if options.iter().any(|option| option.name == name) => {
                    return Err(CsvError::Row { line: rows[0].line, what: "two options have the same name" });
                }
                (name, _) => {
                    options.push(ProductOption {
                        id: self.shop.take_id(),
                        name: name.to_owned(),
                        values: Vec::new(),
                    });
                }
            }
        }
        if options.is_empty() {
            options.push(ProductOption {
                id: self.shop.take_id(),
                name: "Title".to_owned(),
                values: Vec::new(),
            });
        }
        Ok(options)
    }

    fn variant(
        &mut self,
        row: &Row,
        position: u32,
        option_value_ids: Vec<u64>,
        shown: Option<u64>,
        created: i64,
    ) -> Result<Variant, CsvError> {
        let columns = self.columns;
        let price = row.money(Column::Price, columns)?;
        if price.is_none() && columns.has(Column::Price) {
            self.warn(row.line, "the variant has no price; taken as 0.00".to_owned());
        }
        Ok(Variant {
            requires_components: false,
            id: self.shop.take_id(),
            position,
            barcode: row.some(Column::Barcode).map(|barcode| barcode.trim_start_matches('\'').to_owned()),
            price: price.unwrap_or_default(),
            compare_at_price: row.money(Column::CompareAt, columns)?,
            taxable: row.flag(Column::Taxable, columns)?.unwrap_or(true),
            inventory_policy: self.policy(row)?,
            option_value_ids,
            media_ids: shown.into_iter().collect(),
            metafields: Vec::new(),
            item: self.item(row, created)?,
            created_at: at(created),
            updated_at: at(created),
        })
    }

    /// `deny` or `continue`; the newer export asks "continue selling when out of stock" and answers with these or true and false.
    fn policy(&self, row: &Row) -> Result<InventoryPolicy, CsvError> {
        match row.text(Column::Policy).to_lowercase().as_str() {
            "" | "deny" | "false" => Ok(InventoryPolicy::Deny),
            "continue" | "true" => Ok(InventoryPolicy::Continue),
            _ => Err(self.columns.wrong(row, Column::Policy, "deny or continue")),
        }
    }

    fn item(&mut self, row: &Row, created: i64) -> Result<InventoryItem, CsvError> {
        let columns = self.columns;
        let quantity = row.number(Column::Quantity, columns)?;
        let tracker = row.text(Column::Tracker).to_lowercase();
        if !matches!(tracker.as_str(), "" | "shopify") {
            self.warn(
                row.line,
                format!("stock is kept by `{tracker}`, not by Shopify; taken as not tracked"),
            );
        }
        let level = Level {
            is_active: true,
            available: quantity.unwrap_or_default(),
            created_at: at(created),
            updated_at: at(created),
            ..Level::default()
        };
        Ok(InventoryItem {
            id: self.shop.take_id(),
            sku: row.some(Column::Sku).map(|sku| sku.trim_start_matches('\'').to_owned()),
            tracked: tracker == "shopify",
            requires_shipping: row.flag(Column::RequiresShipping, columns)?.unwrap_or(true),
            unit_cost: row.money(Column::Cost, columns)?,
            weight: self.weight(row)?,
            levels: BTreeMap::from([(self.location, level)]),
            created_at: at(created),
            updated_at: at(created),
            ..InventoryItem::default()
        })
    }

    /// The weight stands in grams, whatever unit it is shown in.
    fn weight(&self, row: &Row) -> Result<Option<Weight>, CsvError> {
        let Some(grams) = row.grams(self.columns)? else { return Ok(None) };
        let (unit, grams_each) = match row.text(Column::WeightUnit).to_lowercase().as_str() {
            "" | "g" => (WeightUnit::Grams, 1.0),
            "kg" => (WeightUnit::Kilograms, 1000.0),
            "oz" => (WeightUnit::Ounces, 28.349_523_125),
            "lb" => (WeightUnit::Pounds, 453.592_37),
            _ => return Err(self.columns.wrong(row, Column::WeightUnit, "g, kg, oz or lb")),
        };
        Ok(Some(Weight { value: (grams / grams_each * 10_000.0).round() / 10_000.0, unit }))
    }
}

/// Whether a further row of a product holds a variant. Image rows carry the handle and image cells only.
fn is_variant(row: &Row) -> bool {
    let cells = [Column::OptionValue(0), Column::Sku, Column::Price, Column::Tracker];
    cells.iter().any(|column| !row.text(*column).is_empty())
}

fn value_id(option: &mut ProductOption, name: &str, take_id: impl FnOnce() -> u64) -> u64 {
    if let Some(value) = option.values.iter().find(|value| value.name == name) {
        return value.id;
    }
    let id = take_id();
    option.values.push(OptionValue { id, name: name.to_owned() });
    id
}
