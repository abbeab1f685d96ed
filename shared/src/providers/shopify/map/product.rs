//! Products with their variants, media and stock: one feed, two records per product.

pub(super) mod wire;

use std::collections::HashMap;

use serde_json::{Map, Value};

use self::wire::{FeedLine, LEVEL, LevelLine, LinkedMetafield, OptionLine, OptionValue, SelectedOption};
use super::stock::{Holder, Level};
use super::{
    Codes, Count, Draft, Line, Waiting, file_address, flag, id_text, miscounted, money, number, parse,
    root_id, text, unexpected,
};
use crate::domain::record::{Child, Kind, Record, Resource};
use crate::domain::warning::Code;
use crate::ports::provider::{MapContext, SourceItem};
use crate::providers::shopify::gid::{Gid, GidKind};

/// Position of `media_ids` in the fields of a variant; a test holds it to the shape.
const MEDIA_IDS: usize = 9;

/// A variant, complete but for its media.
pub(in crate::providers::shopify) struct Variant {
    id: u64,
    position: Option<i64>,
    holder: Option<Holder>,
    values: Vec<Value>,
}

/// What a line below a product holds.
pub(in crate::providers::shopify) enum ProductChild {
    /// A variant of the product, and the warnings about it.
    Variant(Variant, Codes),
    /// A file of the product, and the warnings about it.
    Media(Child, Codes),
    /// A file that a variant shows.
    VariantMedia(u64),
    /// A stock level of a variant.
    Level(Level),
    /// Something that the document did not ask for.
    Unknown,
}

/// A product while its lines come in.
pub(in crate::providers::shopify) struct ProductDraft {
    id: u64,
    record: Record,
    variants_count: Option<Count>,
    media_count: Option<Count>,
    variants: Vec<Variant>,
    /// Where a variant stands in `variants`.
    places: HashMap<u64, usize>,
    /// Where the variant of the last child stood: the next child is likely to be of the same or the next one.
    last_place: usize,
    media: Vec<Child>,
    levels: Vec<((u64, u64), Child)>,
    with_stock: bool,
    lost_levels: bool,
    codes: Codes,
    waiting: Waiting<ProductChild>,
}

impl Draft for ProductDraft {
    type Child = ProductChild;

    fn read(line: &[u8], context: &MapContext) -> Result<Line<Self, ProductChild>, serde_json::Error> {
        if line.starts_with(LEVEL) {
            let line: LevelLine = parse(line)?;
            let parent = line.parent.ok_or_else(|| unexpected("a root of another type"))?;
            return Ok(Line::Child(parent, level(parent, line)?));
        }
        let line: FeedLine = parse(line)?;
        let Some(parent) = line.parent else { return Ok(Line::Root(Self::begin(line, context)?)) };
        let child = match (parent.kind, line.id.kind) {
            (GidKind::Product, GidKind::ProductVariant) => variant(line, context)?,
            (GidKind::Product, _) if line.media_content_type.is_some() => media(line),
            (_, GidKind::InventoryLevel) => {
                let FeedLine { id: _id, is_active, location, quantities, .. } = line;
                level(parent, LevelLine { _id, parent: Some(parent), is_active, location, quantities })?
            }
            (GidKind::ProductVariant, _) => ProductChild::VariantMedia(line.id.id),
            _ => ProductChild::Unknown,
        };
        Ok(Line::Child(parent, child))
    }

    fn add(&mut self, parent: Gid, child: ProductChild) {
        if let Some((parent, child)) = self.place(parent, child) {
            self.waiting.push(parent, child);
        }
    }

    fn is_overrun(&self) -> bool {
        self.waiting.dropped > 0
    }

    fn finish(mut self) -> (SourceItem, u64) {
        let waiting = std::mem::take(&mut self.waiting.children);
        let mut orphans = self.waiting.dropped;
        for (parent, child) in waiting {
            orphans += u64::from(self.place(parent, child).is_some());
        }
        (self.into_item(), orphans)
    }
}

impl ProductDraft {
    fn begin(line: FeedLine, context: &MapContext) -> Result<Self, serde_json::Error> {
        let id = root_id(line.id, GidKind::Product)?;
        let mut codes = Codes::default();
        codes.raise_if(
            line.status.as_deref() == Some("ARCHIVED"),
            Resource::Products,
            Code::MissArchivedInSource,
        );
        let (category_id, category_name) = line.category.map_or((None, None), |c| (c.id, c.full_name));
        let (seo_title, seo_description) = line.seo.map_or((None, None), |seo| (seo.title, seo.description));
        let record = Record {
            kind: Kind::Product,
            values: vec![
                text(line.title),
                text(line.description_html),
                text(line.vendor),
                text(line.product_type),
                category_id.map_or(Value::Null, taxonomy_id),
                text(category_name),
                line.tags.map_or(Value::Null, tag_set),
                text(line.status),
                text(line.handle),
                text(seo_title),
                text(seo_description),
                line.options.map_or(Value::Null, options),
                flag(line.is_gift_card),
                text(line.published_at),
                text(line.online_store_url),
                text(line.template_suffix),
                text(line.created_at),
            ],
            children: Vec::new(),
        };
        Ok(Self {
            id,
            record,
            variants_count: line.variants_count,
            media_count: line.media_count,
            variants: Vec::new(),
            places: HashMap::new(),
            last_place: 0,
            media: Vec::new(),
            levels: Vec::new(),
            with_stock: context.stock,
            lost_levels: false,
            codes,
            waiting: Waiting::new(),
        })
    }

    /// Takes a child, or gives it back where its parent is not there.
    fn place(&mut self, parent: Gid, child: ProductChild) -> Option<(Gid, ProductChild)> {
        if parent.kind == GidKind::Product {
            if parent.id != self.id {
                return Some((parent, child));
            }
            match child {
                ProductChild::Variant(variant, codes) => {
                    self.places.insert(variant.id, self.variants.len());
                    self.variants.push(variant);
                    self.take_codes(codes);
                }
                ProductChild::Media(media, codes) => {
                    self.media.push(media);
                    self.take_codes(codes);
                }
                _ => self.codes.raise(Resource::Products, Code::FldUnsupported),
            }
            return None;
        }
        let Some(place) = self.find(parent) else { return Some((parent, child)) };
        let variant = &mut self.variants[place];
        match child {
            ProductChild::VariantMedia(id) => {
                if let Value::Array(ids) = &mut variant.values[MEDIA_IDS] {
                    ids.push(id_text(id));
                }
            }
            ProductChild::Level(level) => match variant.holder {
                Some(holder) => {
                    let child = level.to_child(holder);
                    self.levels.push(((holder.item, level.location), child));
                }
                None => self.lost_levels = true,
            },
            _ => self.codes.raise(Resource::Variants, Code::FldUnsupported),
        }
        None
    }

    fn find(&mut self, parent: Gid) -> Option<usize> {
        if parent.kind != GidKind::ProductVariant {
            return None;
        }
        let near = [self.last_place, self.last_place + 1];
        let place = near
            .into_iter()
            .find(|place| self.variants.get(*place).is_some_and(|variant| variant.id == parent.id))
            .or_else(|| self.places.get(&parent.id).copied())?;
        self.last_place = place;
        Some(place)
    }

    fn take_codes(&mut self, codes: Codes) {
        for (resource, code) in codes.0 {
            self.codes.raise(resource, code);
        }
    }

    fn into_item(mut self) -> SourceItem {
        let truncated = self.lost_levels
            || miscounted(self.variants_count.as_ref(), self.variants.len())
            || miscounted(self.media_count.as_ref(), self.media.len());
        if !self.variants.is_sorted_by_key(|variant| variant.position) {
            self.variants.sort_by_key(|variant| variant.position);
        }
        self.codes.raise_if(shares_a_sku(&self.variants), Resource::Variants, Code::IdDuplicateSku);
        let variants = self
            .variants
            .into_iter()
            .map(|variant| Child { id: variant.id.to_string(), values: variant.values, missing_since: None })
            .collect();
        let label = self.record.values[0].as_str().unwrap_or_default().to_owned();
        self.record.children = vec![variants, self.media];
        let mut records = vec![(Kind::Product, self.record)];
        if self.with_stock {
            // An item may back several variants; its level is one all the same.
            self.levels.sort_by_key(|(key, _)| *key);
            self.levels.dedup_by_key(|(key, _)| *key);
            let levels = self.levels.into_iter().map(|(_, level)| level).collect();
            records.push((
                Kind::Stock,
                Record { kind: Kind::Stock, values: Vec::new(), children: vec![levels] },
            ));
        }
        SourceItem { external_id: self.id, label, records, codes: self.codes.sorted(), truncated }
    }
}

fn level(parent: Gid, line: LevelLine) -> Result<ProductChild, serde_json::Error> {
    if parent.kind != GidKind::ProductVariant {
        return Ok(ProductChild::Unknown);
    }
    let location = line.location.ok_or_else(|| unexpected("a level without location"))?;
    Ok(ProductChild::Level(Level {
        location: location.id.id,
        active: line.is_active,
        quantities: line.quantities.unwrap_or_default(),
    }))
}

fn variant(line: FeedLine, context: &MapContext) -> Result<ProductChild, serde_json::Error> {
    let mut codes = Codes::default();
    let mut holder = None;
    let (mut item_id, mut tracked, mut shipping, mut country, mut harmonized, mut cost, mut weight) =
        (None, None, None, None, None, None, None);
    if let Some(item) = line.inventory_item {
        if item.id.kind != GidKind::InventoryItem {
            return Err(unexpected("an inventory item of another type"));
        }
        holder = Some(Holder { variant: line.id.id, item: item.id.id, tracked: item.tracked });
        item_id = Some(item.id.id);
        tracked = item.tracked;
        shipping = item.requires_shipping;
        country = item.country_code_of_origin;
        harmonized = item.harmonized_system_code;
        cost = item.unit_cost.and_then(|cost| cost.amount);
        weight = item.measurement.and_then(|measurement| measurement.weight);
    }
    let (weight, weight_unit) = weight.map_or((None, None), |weight| (weight.value, weight.unit));
    let options = line.selected_options.map(|selected| {
        let pair = |o: SelectedOption| Value::Array(vec![Value::String(o.name), Value::String(o.value)]);
        Value::Array(selected.into_iter().map(pair).collect())
    });
    let values = vec![
        text(line.title),
        text(line.sku),
        text(line.barcode),
        money(line.price, &mut codes),
        money(line.compare_at_price, &mut codes),
        Value::String(context.currency.clone()),
        flag(line.taxable),
        text(line.inventory_policy),
        options.unwrap_or(Value::Null),
        Value::Array(Vec::new()),
        item_id.map_or(Value::Null, id_text),
        flag(tracked),
        flag(shipping),
        // A text, because a float read back may be another one.
        weight.map_or(Value::Null, |weight| Value::String(weight.to_string())),
        text(weight_unit),
        money(cost, &mut codes),
        text(country),
        text(harmonized),
    ];
    Ok(ProductChild::Variant(Variant { id: line.id.id, position: line.position, holder, values }, codes))
}

fn media(line: FeedLine) -> ProductChild {
    let mut codes = Codes::default();
    let is_image = line.media_content_type.as_deref() == Some("IMAGE");
    codes.raise_if(!is_image, Resource::Media, Code::MedTypeUnsupported);
    codes.raise_if(line.status.as_deref() != Some("READY"), Resource::Media, Code::MedNotReady);
    let file = line.image.or(line.video_source).or(line.model_source);
    let (url, mime_type, width, height) =
        file.map_or((None, None, None, None), |file| (file.url, file.mime_type, file.width, file.height));
    let values = vec![
        text(line.media_content_type),
        text(url.or(line.origin_url).map(file_address)),
        text(line.alt),
        text(line.status),
        text(line.mime_type.or(mime_type)),
        number(width),
        number(height),
        text(line.host),
    ];
    ProductChild::Media(Child { id: line.id.id.to_string(), values, missing_since: None }, codes)
}

/// The number of a category in Shopify's taxonomy, such as `aa-1-13-8`.
fn taxonomy_id(gid: String) -> Value {
    Value::String(gid.strip_prefix("gid://shopify/TaxonomyCategory/").map(str::to_owned).unwrap_or(gid))
}

fn tag_set(mut tags: Vec<String>) -> Value {
    tags.sort_unstable();
    tags.dedup();
    Value::Array(tags.into_iter().map(Value::String).collect())
}

fn options(options: Vec<OptionLine>) -> Value {
    Value::Array(options.into_iter().map(option).collect())
}

fn option(option: OptionLine) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), id_text(option.id.id));
    if let Some(LinkedMetafield { namespace: Some(namespace), key: Some(key) }) = option.linked_metafield {
        object.insert("linked_metafield".to_owned(), Value::String(format!("{namespace}.{key}")));
    }
    object.insert("name".to_owned(), text(option.name));
    object.insert("position".to_owned(), number(option.position));
    let values = option.option_values.unwrap_or_default().into_iter().map(option_value).collect();
    object.insert("values".to_owned(), Value::Array(values));
    Value::Object(object)
}

fn option_value(value: OptionValue) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), id_text(value.id.id));
    if let Some(linked) = value.linked_metafield_value {
        object.insert("linked_value".to_owned(), Value::String(linked));
    }
    object.insert("name".to_owned(), text(value.name));
    if let Some(swatch) = value.swatch {
        let url = swatch.image.and_then(|image| image.image).and_then(|image| image.url);
        let mut look = Map::new();
        if let Some(color) = swatch.color {
            look.insert("color".to_owned(), Value::String(color));
        }
        if let Some(url) = url {
            look.insert("image".to_owned(), Value::String(file_address(url)));
        }
        object.insert("swatch".to_owned(), Value::Object(look));
    }
    Value::Object(object)
}

/// Position of `sku` in the fields of a variant; a test holds it to the shape.
const SKU: usize = 1;

fn shares_a_sku(variants: &[Variant]) -> bool {
    let mut skus: Vec<&str> =
        variants.iter().filter_map(|v| v.values[SKU].as_str()).filter(|sku| !sku.is_empty()).collect();
    skus.sort_unstable();
    skus.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_shape() {
        let fields = Kind::Product.shape().children[0].fields;
        assert_eq!((fields[SKU], fields[MEDIA_IDS]), ("sku", "media_ids"));
    }
}
