//! One generated product.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::seq::SliceRandom;

use super::{ACTIVE_LOCATIONS, Ids, Peculiar, Rng, pick};
use crate::model::{
    Category, Cents, FIRST_ID, InventoryItem, InventoryPolicy, Level, Media, MediaStatus, Metafield, Product,
    ProductOption, ProductStatus, Seo, Variant, Weight, WeightUnit,
};
use crate::seed::build::{self, NEWEST, at};
use crate::seed::words::{ADJECTIVES, CARE, EXTRAS, Line, NAMES, OPTIONS, SENTENCES, TAGS, VENDORS};

/// German articles begin so.
const EAN_PREFIX: u64 = 400_000_000_000;

/// Makes one product.
pub(super) struct Maker {
    pub(super) rng: Rng,
    pub(super) ids: Ids,
    pub(super) line: &'static Line,
    pub(super) peculiar: Peculiar,
    /// Birth of the product, in seconds since 1970.
    pub(super) created: i64,
}

impl Maker {
    /// The product: `stocked_at` says for each variant at how many locations it is stocked.
    pub(super) fn product(&mut self, index: u64, images: usize, stocked_at: Vec<usize>) -> Product {
        let id = self.ids.take();
        let updated = self.later();
        let title = self.title();
        let handle = format!("{}-{index}", build::slug(&title));
        let options = self.options(stocked_at.len());
        let media = self.media(images, &handle, &title);
        let base = self.price();
        let on_sale = self.rng.random_bool(0.25);
        let rows = build::combinations(&options);
        let variants: Vec<Variant> = stocked_at
            .into_iter()
            .zip(rows)
            .zip(1_u32..)
            .map(|((stocked_at, values), position)| {
                self.variant(position, values, stocked_at, (base, on_sale), &media, index)
            })
            .collect();
        let mut tags: Vec<String> =
            (0..self.rng.random_range(0..6)).map(|_| pick(&mut self.rng, &TAGS).to_owned()).collect();
        if on_sale {
            tags.push("sale".to_owned());
        }
        tags.sort();
        tags.dedup();
        Product {
            id,
            handle,
            description_html: self.description(),
            vendor: pick(&mut self.rng, &VENDORS).to_owned(),
            product_type: if self.is(Peculiar::GiftCard) { "Gift Cards" } else { self.line.product_type }
                .to_owned(),
            category: self.category(),
            tags,
            status: match self.peculiar {
                Peculiar::Draft => ProductStatus::Draft,
                Peculiar::Archived => ProductStatus::Archived,
                Peculiar::Unlisted => ProductStatus::Unlisted,
                _ => ProductStatus::Active,
            },
            gift_card: self.is(Peculiar::GiftCard),
            requires_selling_plan: false,
            template_suffix: self.rng.random_bool(0.05).then(|| "editorial".to_owned()),
            seo: self.seo(&title),
            created_at: at(self.created),
            updated_at: at(updated),
            published_at: (!matches!(
                self.peculiar,
                Peculiar::Draft | Peculiar::Archived | Peculiar::Unpublished
            ))
            .then(|| at(self.created + 3600)),
            options,
            variants,
            media,
            metafields: self.metafields(),
            title,
        }
    }

    fn is(&self, peculiar: Peculiar) -> bool {
        self.peculiar == peculiar
    }

    /// A time between the product's creation and the end of the seeded world.
    fn later(&mut self) -> i64 {
        self.rng.random_range(self.created..=NEWEST)
    }

    fn price(&mut self) -> Cents {
        let (low, high) = self.line.price;
        self.rng.random_range(low / 50..=high / 50) * 50 - 5
    }

    fn title(&mut self) -> String {
        let name = pick(&mut self.rng, &NAMES);
        if self.is(Peculiar::GiftCard) {
            return format!("Gutschein {name}");
        }
        let title =
            format!("{} {} {name}", pick(&mut self.rng, &ADJECTIVES), pick(&mut self.rng, self.line.nouns));
        if self.is(Peculiar::Unicode) { format!("{title} {}", pick(&mut self.rng, &EXTRAS)) } else { title }
    }

    fn category(&self) -> Option<Category> {
        let gift = ("gc", "Gift Cards", "Gift Cards", true);
        let (id, name, full_name, is_leaf) =
            if self.is(Peculiar::GiftCard) { gift } else { self.line.category? };
        Some(Category { id: id.to_owned(), name: name.to_owned(), full_name: full_name.to_owned(), is_leaf })
    }

    fn seo(&mut self, title: &str) -> Seo {
        Seo {
            title: self.rng.random_bool(0.3).then(|| format!("{title} | Hafen & Söhne")),
            description: self.rng.random_bool(0.2).then(|| format!("{title}: made to last, shipped today.")),
        }
    }

    fn description(&mut self) -> String {
        if self.is(Peculiar::NoDescription) {
            return String::new();
        }
        let mut html = String::new();
        for _ in 0..self.rng.random_range(1..=3) {
            html.push_str("<p>");
            for _ in 0..self.rng.random_range(1..=3) {
                html.push_str(pick(&mut self.rng, &SENTENCES));
                html.push(' ');
            }
            html.push_str("</p>\n");
        }
        if self.rng.random_bool(0.4) {
            let origin = self.line.origin;
            let care = pick(&mut self.rng, &CARE);
            html.push_str(&format!(
                "<ul>\n<li><strong>Origin:</strong> {origin}</li>\n<li>{}</li>\n</ul>",
                care.replace('\n', "<br>")
            ));
        }
        html
    }

    /// Options that have exactly so many combinations.
    fn options(&mut self, combinations: usize) -> Vec<ProductOption> {
        let sizes: &[usize] = match combinations {
            0 | 1 => return vec![build::no_option(|| self.ids.take())],
            4 => [&[4][..], &[2, 2]][self.rng.random_range(0..2)],
            6 => &[3, 2],
            8 => &[2, 2, 2],
            other => &[other],
        };
        let from = self.rng.random_range(0..OPTIONS.len());
        let mut names = OPTIONS.iter().cycle().skip(from);
        sizes
            .iter()
            .filter_map(|size| {
                let (name, values) = names.find(|(_, values)| values.len() >= *size)?;
                let first = self.rng.random_range(0..=values.len() - size);
                Some(build::option(name, values.iter().skip(first).take(*size), || self.ids.take()))
            })
            .collect()
    }

    fn media(&mut self, images: usize, handle: &str, title: &str) -> Vec<Media> {
        let mut media: Vec<Media> = (1..=images)
            .map(|number| {
                let alt = self.rng.random_bool(0.6).then(|| format!("{title}, view {number}"));
                let second = self.later();
                build::image(self.ids.take(), &format!("{handle}-{number}"), alt.as_deref(), second)
            })
            .collect();
        let second = self.later();
        match self.peculiar {
            Peculiar::Video => media.push(build::video(self.ids.take(), handle, second)),
            Peculiar::ExternalVideo => media.insert(0, build::external_video(self.ids.take(), second)),
            Peculiar::Model3d => media.push(build::model3d(self.ids.take(), handle, second)),
            Peculiar::UnfinishedImage => {
                media.push(build::unfinished_image(self.ids.take(), MediaStatus::Processing, second));
            }
            _ => {}
        }
        media
    }

    fn metafields(&mut self) -> Vec<Metafield> {
        let grams = self.rng.random_range(self.line.grams.0..=self.line.grams.1);
        let candidates: [(f64, (&str, &str), &str, String); 6] = [
            (0.4, ("custom", "care"), "multi_line_text_field", pick(&mut self.rng, &CARE).to_owned()),
            (0.3, ("custom", "maker"), "single_line_text_field", pick(&mut self.rng, &NAMES).to_owned()),
            (0.15, ("custom", "handmade"), "boolean", "true".to_owned()),
            (0.1, ("custom", "released"), "date", format!("2024-0{}-15", 1 + grams % 9)),
            (
                0.1,
                ("reviews", "rating"),
                "rating",
                format!(r#"{{"value":"4.{}","scale_min":"1.0","scale_max":"5.0"}}"#, grams % 10),
            ),
            (0.1, ("custom", "box"), "json", format!(r#"{{"w":{grams},"unit":"mm","notes":["flach","ü"]}}"#)),
        ];
        candidates
            .into_iter()
            .filter_map(|(share, key, kind, value)| {
                let second = self.later();
                self.rng
                    .random_bool(share)
                    .then(|| build::metafield(self.ids.take(), key, kind, value, second))
            })
            .collect()
    }

    fn variant(
        &mut self,
        position: u32,
        option_value_ids: Vec<u64>,
        stocked_at: usize,
        (base, on_sale): (Cents, bool),
        media: &[Media],
        index: u64,
    ) -> Variant {
        let id = self.ids.take();
        let updated = self.later();
        let price = base + Cents::from(position / 3) * 100;
        let gift = self.is(Peculiar::GiftCard);
        let shown = (position > 1 && !media.is_empty() && self.rng.random_bool(0.5))
            .then(|| media[usize::try_from(position).unwrap_or_default() % media.len()].id);
        let metafields = if self.rng.random_bool(0.15) {
            let second = self.later();
            let bin = format!("R{}-{}", self.rng.random_range(1..40), self.rng.random_range(1..9));
            vec![build::metafield(self.ids.take(), ("custom", "bin"), "single_line_text_field", bin, second)]
        } else {
            Vec::new()
        };
        Variant {
            requires_components: false,
            id,
            position,
            barcode: self.rng.random_bool(0.8).then(|| build::ean13(EAN_PREFIX + id % 100_000_000_000)),
            price,
            compare_at_price: (on_sale && self.rng.random_bool(0.8)).then(|| price * 5 / 4 + 5),
            taxable: !gift,
            inventory_policy: if self.is(Peculiar::Backorder) {
                InventoryPolicy::Continue
            } else {
                InventoryPolicy::Deny
            },
            option_value_ids,
            media_ids: shown.into_iter().collect(),
            metafields,
            item: self.item(index, position, stocked_at, updated),
            created_at: at(self.created),
            updated_at: at(updated),
        }
    }

    fn item(&mut self, index: u64, position: u32, stocked_at: usize, updated: i64) -> InventoryItem {
        let gift = self.is(Peculiar::GiftCard);
        let letters = self.line.product_type.chars().filter(char::is_ascii_alphabetic);
        let prefix = letters.chain("XX".chars()).take(2).collect::<String>().to_uppercase();
        let grams = f64::from(self.rng.random_range(self.line.grams.0..=self.line.grams.1));
        let weight = match self.rng.random_range(0..10) {
            _ if gift => None,
            0 => None,
            1 | 2 => Some(Weight { value: grams / 1000.0, unit: WeightUnit::Kilograms }),
            _ => Some(Weight { value: grams, unit: WeightUnit::Grams }),
        };
        InventoryItem {
            id: self.ids.take(),
            sku: match self.rng.random_range(0..40) {
                0 => None,
                1 => Some(format!("{prefix}-SHARED")),
                2 => Some(format!(" {prefix}-{index:05}-{position} ")),
                _ => Some(format!("{prefix}-{index:05}-{position}")),
            },
            tracked: !gift && !self.is(Peculiar::Untracked),
            requires_shipping: !gift,
            unit_cost: self.rng.random_bool(0.7).then(|| self.line.price.0 * 2 / 5 + Cents::from(position)),
            weight,
            country_code_of_origin: self.rng.random_bool(0.5).then(|| self.line.origin.to_owned()),
            province_code_of_origin: None,
            harmonized_system_code: self.rng.random_bool(0.5).then(|| self.line.hs.to_owned()),
            levels: self.levels(stocked_at),
            created_at: at(self.created),
            updated_at: at(updated),
        }
    }

    fn levels(&mut self, stocked_at: usize) -> BTreeMap<u64, Level> {
        let mut places: Vec<u64> = (1..=ACTIVE_LOCATIONS as u64).map(|number| FIRST_ID + number).collect();
        places.shuffle(&mut self.rng);
        places.truncate(stocked_at);
        places.into_iter().map(|place| (place, self.level())).collect()
    }

    fn level(&mut self) -> Level {
        let available = match (self.peculiar, self.rng.random_range(0..20)) {
            (Peculiar::GiftCard | Peculiar::Untracked | Peculiar::SoldOut, _) | (_, 0..3) => 0,
            (Peculiar::Oversold, _) | (_, 3) => -self.rng.random_range(1..9),
            (_, 4) => self.rng.random_range(500..5000),
            _ => self.rng.random_range(1..80),
        };
        let sometimes =
            |rng: &mut Rng, share: f64| if rng.random_bool(share) { rng.random_range(1..12) } else { 0 };
        Level {
            is_active: true,
            available,
            committed: sometimes(&mut self.rng, 0.2),
            incoming: sometimes(&mut self.rng, 0.1),
            reserved: sometimes(&mut self.rng, 0.03),
            damaged: sometimes(&mut self.rng, 0.03),
            safety_stock: sometimes(&mut self.rng, 0.02),
            quality_control: sometimes(&mut self.rng, 0.02),
            created_at: at(self.created),
            updated_at: at(self.later()),
        }
    }
}
