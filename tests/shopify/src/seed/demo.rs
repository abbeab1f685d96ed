//! The shop of the demo: Nordlicht Kontor, tea, paper, wool and lamps by the harbour.
//!
//! Small enough to read, and every case an import meets is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::{self, OPENED, at};
use super::demo_items::{Item, Shelf, Twist, items};
use crate::model::{
    Category, Collection, CollectionKind, CollectionSource, Condition, ConditionField, InventoryItem,
    InventoryPolicy, Level, Location, Media, MediaStatus, Metafield, Product, ProductStatus, Relation, Seo,
    Shop, Variant, Weight, WeightUnit,
};

/// Seconds between the births of two products of the demo.
const PACE: i64 = 1_300_000;

/// The demo shop.
#[must_use]
pub fn demo(label: &str) -> Shop {
    let mut shop = build::shop(label, "Nordlicht Kontor");
    let places = locations(&mut shop);
    for (number, item) in (0_u64..).zip(items()) {
        let product = Shelved { shop: &mut shop, item, number, places: &places, created: 0 }.product();
        shop.products.insert(product.id, Arc::new(product));
    }
    collections(&mut shop);
    shop.refresh_collections();
    shop
}

/// Where goods are: two shops that happen to share a name, a warehouse, a service, and a place that is closed.
fn locations(shop: &mut Shop) -> Vec<u64> {
    let germany = ("Germany", "DE");
    let mut ids = || shop.take_id();
    let all: Vec<Location> = vec![
        build::location(ids(), "Kontor Speicherstadt", OPENED).placed(
            "Brooktorkai 7",
            "20457",
            "Hamburg",
            germany,
        ),
        build::location(ids(), "Laden", OPENED + 4_000_000).placed(
            "Bahrenfelder Str. 100",
            "22765",
            "Hamburg",
            germany,
        ),
        build::location(ids(), "Laden", OPENED + 40_000_000).placed(
            "Mühlenstr. 22",
            "23552",
            "Lübeck",
            germany,
        ),
        build::location(ids(), "PacketPort", OPENED + 60_000_000)
            .placed("Havenweg 2", "8011", "Zwolle", ("Netherlands", "NL"))
            .run_by(ids(), "packetport"),
        build::location(ids(), "Marktstand Isestraße", OPENED)
            .placed("Isestr. 1", "20144", "Hamburg", germany)
            .closed(OPENED + 70_000_000),
    ];
    let places = all.iter().map(|location| location.id).collect();
    shop.locations = all.into_iter().map(|location| (location.id, Arc::new(location))).collect();
    places
}

/// A product on its way into the shop.
struct Shelved<'a> {
    shop: &'a mut Shop,
    item: Item,
    number: u64,
    places: &'a [u64],
    created: i64,
}

impl Shelved<'_> {
    fn product(mut self) -> Product {
        let item = self.item;
        self.created = OPENED + i64::try_from(self.number).unwrap_or_default() * PACE;
        let id = self.shop.take_id();
        let handle = build::slug(item.title);
        let media = self.media(&handle);
        let options = if item.options.is_empty() {
            vec![build::no_option(|| self.shop.take_id())]
        } else {
            item.options
                .iter()
                .map(|(name, values)| build::option(name, *values, || self.shop.take_id()))
                .collect()
        };
        let variants = build::combinations(&options)
            .into_iter()
            .zip(1_u32..)
            .map(|(values, position)| self.variant(values, position, &media))
            .collect();
        let mut tags: Vec<String> = item.tags.iter().map(|tag| (*tag).to_owned()).collect();
        tags.sort();
        Product {
            id,
            handle,
            title: item.title.to_owned(),
            description_html: description(&item),
            vendor: item.vendor.to_owned(),
            product_type: item.shelf.product_type().to_owned(),
            category: item.shelf.category().map(|(id, name, full_name, is_leaf)| Category {
                id: id.to_owned(),
                name: name.to_owned(),
                full_name: full_name.to_owned(),
                is_leaf,
            }),
            tags,
            status: match item.twist {
                Twist::Draft => ProductStatus::Draft,
                Twist::Archived => ProductStatus::Archived,
                Twist::Unlisted => ProductStatus::Unlisted,
                _ => ProductStatus::Active,
            },
            gift_card: self.is(Twist::GiftCard),
            template_suffix: self.is(Twist::Enormous).then(|| "made-to-order".to_owned()),
            seo: self.seo(),
            created_at: at(self.created),
            updated_at: at(self.created + 86_400),
            published_at: (!matches!(item.twist, Twist::Draft | Twist::Archived | Twist::NotPublished))
                .then(|| at(self.created + 600)),
            metafields: self.metafields(),
            options,
            variants,
            media,
            ..Product::default()
        }
    }

    fn is(&self, twist: Twist) -> bool {
        self.item.twist == twist
    }

    fn seo(&self) -> Seo {
        if !self.number.is_multiple_of(4) {
            return Seo::default();
        }
        Seo {
            title: Some(format!("{} – Nordlicht Kontor", self.item.title)),
            description: self
                .number
                .is_multiple_of(8)
                .then(|| format!("{}, from the shop by the harbour.", self.item.title)),
        }
    }

    fn media(&mut self, handle: &str) -> Vec<Media> {
        let item = self.item;
        let mut media: Vec<Media> = (1..=item.images)
            .map(|view| {
                let alt = (view < 3).then(|| format!("{}, view {view}", item.title));
                build::image(self.shop.take_id(), &format!("{handle}-{view}"), alt.as_deref(), self.created)
            })
            .collect();
        match item.twist {
            Twist::Video => media.push(build::video(self.shop.take_id(), handle, self.created)),
            Twist::ExternalVideo => media.insert(0, build::external_video(self.shop.take_id(), self.created)),
            Twist::Model => media.push(build::model3d(self.shop.take_id(), handle, self.created)),
            Twist::BrokenImage => {
                media.push(build::unfinished_image(self.shop.take_id(), MediaStatus::Failed, self.created));
            }
            _ => {}
        }
        media
    }

    fn metafields(&mut self) -> Vec<Metafield> {
        let item = self.item;
        let mut fields: Vec<((&str, &str), &str, String)> = Vec::new();
        match item.shelf {
            Shelf::Tea => {
                fields.push((
                    ("tea", "temperature"),
                    "temperature",
                    r#"{"value":80.0,"unit":"CELSIUS"}"#.to_owned(),
                ));
                fields.push((("tea", "minutes"), "number_integer", (2 + self.number % 4).to_string()));
            }
            Shelf::Ceramics => {
                fields.push((("custom", "dishwasher"), "boolean", self.number.is_multiple_of(2).to_string()))
            }
            Shelf::Knitwear => fields.push((
                ("custom", "care"),
                "multi_line_text_field",
                "Hand wash, 30 °C.\nDry flat.\nNicht wringen!".to_owned(),
            )),
            Shelf::Paper if item.images > 1 => {
                fields.push((
                    ("custom", "paper"),
                    "json",
                    r#"{"gsm":120,"fsc":true,"mill":"Büttenpapier"}"#.to_owned(),
                ));
            }
            _ => {}
        }
        if item.tags.contains(&"bestseller") {
            let rating = r#"{"value":"4.8","scale_min":"1.0","scale_max":"5.0"}"#;
            fields.push((("reviews", "rating"), "rating", rating.to_owned()));
        }
        fields
            .into_iter()
            .map(|(key, kind, value)| build::metafield(self.shop.take_id(), key, kind, value, self.created))
            .collect()
    }

    fn variant(&mut self, option_value_ids: Vec<u64>, position: u32, media: &[Media]) -> Variant {
        let item = self.item;
        let id = self.shop.take_id();
        let place = usize::try_from(position).unwrap_or_default();
        let gift = self.is(Twist::GiftCard);
        let price = if gift && position > 1 {
            item.price << (position - 1)
        } else {
            item.price + i64::from((position - 1) % 8) * if item.options.is_empty() { 0 } else { 100 }
        };
        let with_bin = item.shelf == Shelf::Knitwear && position == 1;
        let metafields = if with_bin {
            let bin = format!("Regal {}", self.number);
            vec![build::metafield(
                self.shop.take_id(),
                ("custom", "bin"),
                "single_line_text_field",
                bin,
                self.created,
            )]
        } else {
            Vec::new()
        };
        Variant {
            requires_components: false,
            id,
            position,
            barcode: (self.number % 3 != 2)
                .then(|| build::ean13(400_000_000_000 + self.number * 10_000 + u64::from(position))),
            price,
            compare_at_price: item.before.map(|before| before + price - item.price),
            taxable: !gift,
            inventory_policy: if matches!(item.twist, Twist::Backorder | Twist::Enormous) {
                InventoryPolicy::Continue
            } else {
                InventoryPolicy::Deny
            },
            option_value_ids,
            media_ids: media.get(place).filter(|_| position < 9).map(|one| one.id).into_iter().collect(),
            metafields,
            item: self.inventory_item(position),
            created_at: at(self.created),
            updated_at: at(self.created + 86_400),
        }
    }

    fn inventory_item(&mut self, position: u32) -> InventoryItem {
        let item = self.item;
        let prefix = item.shelf.prefix();
        let shipped = !self.is(Twist::GiftCard) && !item.tags.contains(&"experience");
        let grams = 40.0 + f64::from(position % 10) * 35.0;
        InventoryItem {
            id: self.shop.take_id(),
            sku: match item.twist {
                Twist::NoSku => None,
                Twist::SharedSku => Some(format!("{prefix}-SHARED")),
                _ => Some(format!("{prefix}-{:03}-{position:02}", self.number + 1)),
            },
            tracked: !matches!(item.twist, Twist::Untracked | Twist::GiftCard),
            requires_shipping: shipped,
            unit_cost: (self.number % 5 != 4 && shipped).then_some(item.price * 2 / 5),
            weight: match (shipped, item.shelf) {
                (false, _) => None,
                (_, Shelf::Knitwear) => Some(Weight { value: grams / 100.0, unit: WeightUnit::Kilograms }),
                _ => Some(Weight { value: grams, unit: WeightUnit::Grams }),
            },
            country_code_of_origin: match item.vendor {
                "株式会社茶の間" => Some("JP".to_owned()),
                "Maison Été" => Some("FR".to_owned()),
                "Atelier Łódź" => Some("PL".to_owned()),
                _ => None,
            },
            harmonized_system_code: (item.shelf == Shelf::Tea).then(|| "090230".to_owned()),
            levels: self.levels(position),
            created_at: at(self.created),
            updated_at: at(self.created + 86_400),
            ..InventoryItem::default()
        }
    }

    /// The warehouse holds everything, the two shops most things, the service some, the closed stand what was left there.
    fn levels(&self, position: u32) -> BTreeMap<u64, Level> {
        let dice = self.number * 7 + u64::from(position) * 3;
        let quantity = |place: usize| match self.item.twist {
            Twist::SoldOut | Twist::Untracked | Twist::GiftCard => 0,
            Twist::Oversold if place == 1 => -2,
            _ => {
                i64::try_from((dice + place as u64 * 5) % 23).unwrap_or_default()
                    * if place == 0 { 4 } else { 1 }
            }
        };
        let stocked = |place: usize| match (self.item.twist, place) {
            (Twist::NowhereStocked, _) => false,
            (Twist::GiftCard | Twist::Untracked | Twist::Enormous, place) => place == 0,
            (Twist::LevelSwitchedOff, 4) => true,
            (_, 0) => true,
            (_, 1) => !dice.is_multiple_of(5),
            (_, 2) => !dice.is_multiple_of(3),
            (_, 3) => dice.is_multiple_of(4),
            _ => false,
        };
        self.places
            .iter()
            .enumerate()
            .filter(|(place, _)| stocked(*place))
            .map(|(place, location)| {
                let level = Level {
                    is_active: place != 4,
                    available: quantity(place),
                    committed: i64::from(dice.is_multiple_of(11)),
                    incoming: if dice.is_multiple_of(13) && place == 0 { 24 } else { 0 },
                    damaged: i64::from(dice.is_multiple_of(29)),
                    safety_stock: if self.item.shelf == Shelf::Ceramics && place == 0 { 2 } else { 0 },
                    created_at: at(self.created),
                    updated_at: at(self.created + 90_000),
                    ..Level::default()
                };
                (*location, level)
            })
            .collect()
    }
}

fn description(item: &Item) -> String {
    if item.text.is_empty() {
        return String::new();
    }
    let mut html = format!("<p>{}</p>", item.text);
    if item.tags.contains(&"handmade") {
        html.push_str("\n<p>Made by hand; size and shade vary a little.</p>");
    }
    if item.shelf == Shelf::Knitwear {
        html.push_str(
            "\n<ul>\n<li>100&nbsp;% wool, mulesing-free</li>\n<li>Knitted in Schleswig-Holstein</li>\n</ul>",
        );
    }
    html
}

fn collections(shop: &mut Shop) {
    let tagged = |tag: &'static str| (ConditionField::Tag, Relation::Equals, tag);
    let smart = [
        ("Tea", "ALPHA_ASC", true, vec![(ConditionField::ProductType, Relation::Equals, "Tea")]),
        ("Bestsellers", "BEST_SELLING", true, vec![tagged("bestseller")]),
        (
            "Gifts under 20 €",
            "PRICE_ASC",
            true,
            vec![tagged("gift"), (ConditionField::VariantPrice, Relation::LessThan, "2000")],
        ),
        (
            "Warm things",
            "CREATED_DESC",
            false,
            vec![tagged("winter"), (ConditionField::ProductType, Relation::Equals, "Knitwear")],
        ),
        ("From Japan 日本", "ALPHA_DESC", true, vec![(ConditionField::Vendor, Relation::Contains, "茶の間")]),
        ("Not for sale yet", "CREATED", true, vec![tagged("nothing has this tag")]),
    ];
    for (title, sort_order, match_all, conditions) in smart {
        let conditions = conditions
            .into_iter()
            .map(|(field, relation, value)| Condition {
                id: shop.take_id(),
                field,
                relation,
                value: value.to_owned(),
            })
            .collect();
        add(shop, title, sort_order, vec![CollectionKind::Smart { match_all, conditions }]);
    }
    let chosen = |shop: &Shop, part: &str| -> Vec<u64> {
        shop.products
            .values()
            .filter(|product| product.title.contains(part))
            .map(|product| product.id)
            .collect()
    };
    let manual = |parts: &[&str], shop: &Shop| CollectionKind::Manual {
        products: parts.iter().flat_map(|part| chosen(shop, part)).collect(),
    };
    let window =
        manual(&["Umbrella", "Harbour Mug", "Sturmflut", "Kite", "Desk Lamp", "Notebook to Order"], shop);
    add(shop, "Shop window", "MANUAL", vec![window]);
    let table = manual(&["Teapot", "Vase", "Guestbook", "Candle", "Breakfast Plate"], shop);
    add(shop, "A table for two", "MANUAL", vec![table]);
    let ours = manual(&["Message in a Bottle", "Tin Whistle"], shop);
    let kids = Condition {
        id: shop.take_id(),
        field: ConditionField::Tag,
        relation: Relation::Equals,
        value: "kids".to_owned(),
    };
    add(
        shop,
        "For small captains",
        "MANUAL",
        vec![ours, CollectionKind::Smart { match_all: true, conditions: vec![kids] }],
    );
}

fn add(shop: &mut Shop, title: &str, sort_order: &str, kinds: Vec<CollectionKind>) {
    let id = shop.take_id();
    let sources = kinds
        .into_iter()
        .map(|kind| CollectionSource { id: shop.take_id(), title: title.to_owned(), kind })
        .collect();
    let image = format!("https://cdn.shopify.com/s/files/1/0600/collections/{}.jpg", build::slug(title));
    let metafields = (title == "Tea").then(|| {
        build::metafield(shop.take_id(), ("custom", "shelf"), "single_line_text_field", "3b", OPENED)
    });
    let collection = Collection {
        id,
        handle: build::slug(title),
        title: title.to_owned(),
        description_html: format!("<p>{title}, as we like it.</p>"),
        sort_order: sort_order.to_owned(),
        image: title.len().is_multiple_of(2).then(|| (image, Some(title.to_owned()))),
        metafields: metafields.into_iter().collect(),
        sources,
        published_at: (title != "Not for sale yet").then(|| at(OPENED + 7_200)),
        updated_at: at(OPENED + 7_200),
        ..Collection::default()
    };
    shop.collections.insert(id, Arc::new(collection));
}

#[cfg(test)]
#[path = "demo_tests.rs"]
mod tests;
