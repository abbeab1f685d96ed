//! Catalogues of any size. Product number `n` is a pure function of the seed and of `n`, so one can be made without
//! the others; the proportions are exact for every twenty products: 60 variants, 40 ready images, 240 levels.

use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use self::maker::Maker;
use super::build::{self, NEWEST, OPENED, at};
use super::words::{LINES, NAMES};
use crate::model::{
    Collection, CollectionKind, CollectionSource, Condition, ConditionField, FIRST_ID, Location, Product,
    Relation, Shop,
};

mod maker;

/// Products that share one set of exact proportions.
const BLOCK: usize = 20;
/// Variants of the products of a block, before shuffling: 60 together.
const VARIANTS: [usize; BLOCK] = [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 6, 8, 11];
/// Ready images of the products of a block, before shuffling: 40 together.
const IMAGES: [usize; BLOCK] = [0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5];
/// At how many locations each of twenty variants is stocked, before shuffling: 80 together.
const STOCKED_AT: [usize; BLOCK] = [5, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 0];
/// Numeric ids set aside for the shop itself.
const SHOP_IDS: u64 = 100_000;
/// Numeric ids set aside for each product.
const PRODUCT_IDS: u64 = 256;
/// Active locations; one more is closed.
const ACTIVE_LOCATIONS: usize = 5;

type Rng = Xoshiro256PlusPlus;

/// A catalogue that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generator {
    products: u64,
    seed: u64,
}

/// A whole generated shop.
#[must_use]
pub fn generated(label: &str, products: u64, rng: u64) -> Shop {
    Generator::new(products, rng).shop(label)
}

/// What is peculiar about a product, by its number; every forty products show all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peculiar {
    Nothing,
    Draft,
    Archived,
    Unlisted,
    Unpublished,
    GiftCard,
    Untracked,
    SoldOut,
    Oversold,
    Backorder,
    NoDescription,
    Unicode,
    Video,
    ExternalVideo,
    Model3d,
    UnfinishedImage,
}

impl Peculiar {
    fn of(index: u64) -> Self {
        match index % 40 {
            1 => Self::Draft,
            3 => Self::Archived,
            5 | 25 => Self::Unicode,
            7 => Self::Unlisted,
            9 => Self::Video,
            11 => Self::NoDescription,
            13 => Self::ExternalVideo,
            15 => Self::GiftCard,
            17 => Self::Untracked,
            19 => Self::Model3d,
            21 => Self::Draft,
            23 => Self::Unpublished,
            27 => Self::UnfinishedImage,
            31 => Self::SoldOut,
            33 => Self::Oversold,
            37 => Self::Backorder,
            _ => Self::Nothing,
        }
    }
}

/// The numeric ids of one product, in order.
struct Ids(u64);

impl Ids {
    fn take(&mut self) -> u64 {
        let id = self.0;
        self.0 += 1;
        id
    }
}

impl Generator {
    /// A catalogue of so many products; another seed gives another catalogue.
    #[must_use]
    pub fn new(products: u64, seed: u64) -> Self {
        Self { products, seed }
    }

    /// How many products there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.products
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.products == 0
    }

    /// All products in order of their ids, made one at a time.
    pub fn products(&self) -> impl Iterator<Item = Product> + '_ {
        (0..self.products).map(|index| self.product(index))
    }

    /// Numeric id of the product with this number.
    #[must_use]
    pub fn product_id(index: u64) -> u64 {
        FIRST_ID + SHOP_IDS + index * PRODUCT_IDS
    }

    /// The whole shop in memory.
    #[must_use]
    pub fn shop(&self, label: &str) -> Shop {
        let mut shop = build::shop(label, "Hafen & Söhne");
        shop.next_id = Self::product_id(self.products);
        shop.locations =
            self.locations().into_iter().map(|location| (location.id, Arc::new(location))).collect();
        shop.products = self.products().map(|product| (product.id, Arc::new(product))).collect();
        shop.collections = self.collections().into_iter().map(|one| (one.id, Arc::new(one))).collect();
        shop.refresh_collections();
        shop
    }

    fn rng(&self, purpose: u64, number: u64) -> Rng {
        Rng::seed_from_u64(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (purpose << 56) ^ number)
    }

    /// The locations: five active ones, of which a fulfilment service runs one, and one that is closed.
    #[must_use]
    pub fn locations(&self) -> Vec<Location> {
        let id = |number: u64| FIRST_ID + number;
        let germany = ("Germany", "DE");
        vec![
            build::location(id(1), "Lager Hamburg", OPENED).placed(
                "Speicherstadt 14",
                "20457",
                "Hamburg",
                germany,
            ),
            build::location(id(2), "Laden Altona", OPENED).placed(
                "Große Bergstr. 3",
                "22767",
                "Hamburg",
                germany,
            ),
            build::location(id(3), "Laden Wien", OPENED + 9_000_000).placed(
                "Neubaugasse 8",
                "1070",
                "Wien",
                ("Austria", "AT"),
            ),
            build::location(id(4), "Marktstand", OPENED + 20_000_000).placed(
                "Isestr. 1",
                "20144",
                "Hamburg",
                germany,
            ),
            build::location(id(5), "ShipBridge Fulfilment", OPENED + 30_000_000)
                .placed("Dock 9", "8011", "Zwolle", ("Netherlands", "NL"))
                .run_by(id(20), "shipbridge"),
            build::location(id(6), "Altes Lager", OPENED)
                .placed("Am Sandtorkai 2", "20457", "Hamburg", germany)
                .closed(OPENED + 50_000_000),
        ]
    }

    /// The product with this number, counted from 0.
    #[must_use]
    pub fn product(&self, index: u64) -> Product {
        let block = index / BLOCK as u64;
        let place = usize::try_from(index % BLOCK as u64).unwrap_or_default();
        let mut block_rng = self.rng(1, block);
        let (mut variants, mut images, mut stocked_at) = (VARIANTS, IMAGES, STOCKED_AT);
        variants.shuffle(&mut block_rng);
        images.shuffle(&mut block_rng);
        stocked_at.shuffle(&mut block_rng);
        let before: usize = variants.iter().take(place).sum();

        let mut maker = Maker {
            rng: self.rng(2, index),
            ids: Ids(Self::product_id(index)),
            line: &LINES[usize::try_from((index / 3) % LINES.len() as u64).unwrap_or_default()],
            peculiar: Peculiar::of(index),
            created: 0,
        };
        maker.created = maker.rng.random_range(OPENED..NEWEST - 10_000_000);
        let stocked_at = (before..).map(|ordinal| stocked_at[ordinal % BLOCK]).take(variants[place]);
        maker.product(index, images[place], stocked_at.collect())
    }

    /// Smart collections over the product types, tags, prices, titles and vendors, and manual ones with chosen products.
    #[must_use]
    pub fn collections(&self) -> Vec<Collection> {
        let mut ids = Ids(FIRST_ID + 1000);
        let smart = [
            ("Tee", true, vec![(ConditionField::ProductType, Relation::Equals, "Tea")], "ALPHA_ASC"),
            (
                "Everything to wear",
                false,
                vec![
                    (ConditionField::ProductType, Relation::Equals, "T-Shirts"),
                    (ConditionField::ProductType, Relation::Equals, "Shoes"),
                ],
                "BEST_SELLING",
            ),
            ("Sale", true, vec![(ConditionField::Tag, Relation::Equals, "sale")], "PRICE_ASC"),
            (
                "Under ten",
                true,
                vec![(ConditionField::VariantPrice, Relation::LessThan, "1000")],
                "PRICE_DESC",
            ),
            (
                "Nordlicht gifts",
                true,
                vec![
                    (ConditionField::Vendor, Relation::StartsWith, "nord"),
                    (ConditionField::Tag, Relation::NotEquals, "b2b"),
                ],
                "CREATED_DESC",
            ),
            ("Étoile", true, vec![(ConditionField::Title, Relation::Contains, "étoile")], "CREATED"),
        ];
        let mut all: Vec<Collection> = smart
            .into_iter()
            .map(|(title, match_all, conditions, sort)| {
                let conditions = conditions
                    .into_iter()
                    .map(|(field, relation, value)| Condition {
                        id: ids.take(),
                        field,
                        relation,
                        value: value.to_owned(),
                    })
                    .collect();
                collection(&mut ids, title, sort, CollectionKind::Smart { match_all, conditions })
            })
            .collect();
        for number in 0..(self.products / 100).clamp(2, 40) {
            let mut rng = self.rng(3, number);
            let wanted = usize::try_from(self.products.min(40)).unwrap_or_default();
            let products =
                (0..wanted).map(|_| Self::product_id(rng.random_range(0..self.products))).collect();
            let title = format!("{}’s picks {}", pick(&mut rng, &NAMES), number + 1);
            all.push(collection(&mut ids, &title, "MANUAL", CollectionKind::Manual { products }));
        }
        all
    }
}

fn collection(ids: &mut Ids, title: &str, sort_order: &str, kind: CollectionKind) -> Collection {
    let id = ids.take();
    let updated = OPENED + i64::try_from(id % 100_000_000).unwrap_or_default();
    Collection {
        id,
        handle: build::slug(title),
        title: title.to_owned(),
        description_html: format!("<p>{title}, hand-picked &amp; kept fresh.</p>"),
        sort_order: sort_order.to_owned(),
        image: id.is_multiple_of(3).then(|| {
            (format!("https://cdn.shopify.com/s/files/1/0600/collections/{id}.jpg"), Some(title.to_owned()))
        }),
        sources: vec![CollectionSource { id: ids.take(), title: title.to_owned(), kind }],
        published_at: (!id.is_multiple_of(5)).then(|| at(updated)),
        updated_at: at(updated),
        ..Collection::default()
    }
}

fn pick<'a>(rng: &mut Rng, words: &[&'a str]) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "generator_tests.rs"]
mod tests;
