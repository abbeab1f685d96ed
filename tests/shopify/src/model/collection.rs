//! Collections: manual ones list their products, smart ones describe them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Cents, Metafield, Product, Seo};

/// A collection of products.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// Numeric id.
    pub id: u64,
    /// URL handle, unique in the shop.
    pub handle: String,
    /// Title.
    pub title: String,
    /// Description as HTML, may be empty.
    pub description_html: String,
    /// A value of Shopify's enum `CollectionSortOrder`, for instance `MANUAL` or `ALPHA_ASC`.
    pub sort_order: String,
    /// Theme template suffix.
    pub template_suffix: Option<String>,
    /// Search engine fields.
    pub seo: Seo,
    /// Address and alternative text of the collection's image.
    pub image: Option<(String, Option<String>)>,
    /// Metafields of the collection.
    pub metafields: Vec<Metafield>,
    /// Where members come from; usually one.
    pub sources: Vec<CollectionSource>,
    /// Members in order. [`super::Shop::refresh_collections`] fills it from `sources`.
    pub products: Vec<u64>,
    /// When it was published to the Online Store.
    pub published_at: Option<Timestamp>,
    /// Last change.
    pub updated_at: Timestamp,
}

/// One origin of members (`CollectionConditionsSource`).
#[derive(Clone, Debug, Default)]
pub struct CollectionSource {
    /// Numeric id.
    pub id: u64,
    /// Title.
    pub title: String,
    /// How members are found.
    pub kind: CollectionKind,
}

/// How a source finds its members.
#[derive(Clone, Debug)]
pub enum CollectionKind {
    /// Chosen one by one, in this order.
    Manual {
        /// Numeric ids of products; ids of deleted products are skipped.
        products: Vec<u64>,
    },
    /// Found by conditions.
    Smart {
        /// Whether all conditions must hold, or any.
        match_all: bool,
        /// The conditions.
        conditions: Vec<Condition>,
    },
}

impl Default for CollectionKind {
    fn default() -> Self {
        Self::Manual { products: Vec::new() }
    }
}

/// One condition of a smart collection.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Numeric id.
    pub id: u64,
    /// What is looked at.
    pub field: ConditionField,
    /// How it is compared.
    pub relation: Relation,
    /// What it is compared with: text, or hundredths as digits for [`ConditionField::VariantPrice`].
    pub value: String,
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionField {
    /// A tag; with [`Relation::Equals`] or [`Relation::NotEquals`] only.
    Tag,
    /// The title.
    Title,
    /// The product type.
    ProductType,
    /// The vendor.
    Vendor,
    /// The price of any variant; with the number relations only.
    VariantPrice,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Equal, ignoring case.
    Equals,
    /// Not equal, ignoring case.
    NotEquals,
    /// Contains the text, ignoring case.
    Contains,
    /// Starts with the text, ignoring case.
    StartsWith,
    /// Ends with the text, ignoring case.
    EndsWith,
    /// A greater number.
    GreaterThan,
    /// A smaller number.
    LessThan,
}

impl Collection {
    /// Whether any source finds its members by conditions.
    #[must_use]
    pub fn is_smart(&self) -> bool {
        self.sources.iter().any(|source| matches!(source.kind, CollectionKind::Smart { .. }))
    }

    /// The members as `sources` and `sort_order` make them of these products, without duplicates.
    #[must_use]
    pub fn members_among(&self, products: &BTreeMap<u64, Arc<Product>>) -> Vec<u64> {
        let mut seen = HashSet::new();
        let mut members: Vec<&Arc<Product>> = Vec::new();
        for source in &self.sources {
            match &source.kind {
                CollectionKind::Manual { products: chosen } => {
                    members.extend(
                        chosen.iter().filter(|id| seen.insert(**id)).filter_map(|id| products.get(id)),
                    );
                }
                CollectionKind::Smart { match_all, conditions } => members.extend(
                    products
                        .values()
                        .filter(|product| holds(*match_all, conditions, product) && seen.insert(product.id)),
                ),
            }
        }
        match self.sort_order.as_str() {
            "ALPHA_ASC" => members.sort_by_key(|product| product.title.to_lowercase()),
            "ALPHA_DESC" => members.sort_by_key(|product| Reverse(product.title.to_lowercase())),
            "CREATED" => members.sort_by_key(|product| product.created_at),
            "CREATED_DESC" => members.sort_by_key(|product| Reverse(product.created_at)),
            "PRICE_ASC" => members.sort_by_key(|product| lowest_price(product)),
            "PRICE_DESC" => members.sort_by_key(|product| Reverse(lowest_price(product))),
            _ => {}
        }
        members.into_iter().map(|product| product.id).collect()
    }
}

impl Collection {
    /// Whether it has one source only, which finds its members by conditions.
    fn only_smart(&self) -> Option<(bool, &[Condition])> {
        match self.sources.as_slice() {
            [CollectionSource { kind: CollectionKind::Smart { match_all, conditions }, .. }] => {
                Some((*match_all, conditions))
            }
            _ => None,
        }
    }

    /// Whether a product that was changed can be, or have been, one of the members.
    #[must_use]
    pub fn concerns(&self, id: u64, product: Option<&Product>) -> bool {
        let named = |source: &CollectionSource| match &source.kind {
            CollectionKind::Manual { products } => products.contains(&id),
            CollectionKind::Smart { match_all, conditions } => {
                product.is_some_and(|product| holds(*match_all, conditions, product))
            }
        };
        self.sources.iter().any(named) || self.products.contains(&id)
    }

    /// Puts one product that was changed where it belongs, and leaves the others as they stand.
    pub fn place(&mut self, id: u64, products: &BTreeMap<u64, Arc<Product>>) {
        let Some((match_all, conditions)) = self.only_smart() else {
            self.products = self.members_among(products);
            return;
        };
        let joins = products.get(&id).filter(|product| holds(match_all, conditions, product));
        self.products.retain(|member| *member != id);
        if let Some(product) = joins {
            let order = self.sort_order.as_str();
            let before =
                |member: &u64| products.get(member).is_some_and(|one| comes_before(order, one, product));
            let place = self.products.partition_point(before);
            self.products.insert(place, id);
        }
    }
}

/// The order of members of a smart collection; equal ones go by id.
fn comes_before(order: &str, one: &Product, other: &Product) -> bool {
    let by_title = || one.title.to_lowercase().cmp(&other.title.to_lowercase());
    let by_price = || lowest_price(one).cmp(&lowest_price(other));
    let by = match order {
        "ALPHA_ASC" => by_title(),
        "ALPHA_DESC" => by_title().reverse(),
        "CREATED" => one.created_at.cmp(&other.created_at),
        "CREATED_DESC" => other.created_at.cmp(&one.created_at),
        "PRICE_ASC" => by_price(),
        "PRICE_DESC" => by_price().reverse(),
        _ => Ordering::Equal,
    };
    by.then(one.id.cmp(&other.id)).is_lt()
}

fn lowest_price(product: &Product) -> Cents {
    product.variants.iter().map(|variant| variant.price).min().unwrap_or_default()
}

fn holds(match_all: bool, conditions: &[Condition], product: &Product) -> bool {
    if match_all {
        conditions.iter().all(|condition| condition.holds(product))
    } else {
        conditions.iter().any(|condition| condition.holds(product))
    }
}

impl Condition {
    /// Whether the product meets the condition.
    #[must_use]
    pub fn holds(&self, product: &Product) -> bool {
        let wanted = self.value.to_lowercase();
        let text = |actual: &str| {
            let actual = actual.to_lowercase();
            match self.relation {
                Relation::Equals => actual == wanted,
                Relation::NotEquals => actual != wanted,
                Relation::Contains => actual.contains(&wanted),
                Relation::StartsWith => actual.starts_with(&wanted),
                Relation::EndsWith => actual.ends_with(&wanted),
                Relation::GreaterThan | Relation::LessThan => false,
            }
        };
        match self.field {
            ConditionField::Tag => {
                let tagged = product.tags.iter().any(|tag| tag.to_lowercase() == wanted);
                tagged == (self.relation == Relation::Equals)
            }
            ConditionField::Title => text(&product.title),
            ConditionField::ProductType => text(&product.product_type),
            ConditionField::Vendor => text(&product.vendor),
            ConditionField::VariantPrice => {
                let limit: Cents = self.value.parse().unwrap_or_default();
                product.variants.iter().any(|variant| match self.relation {
                    Relation::GreaterThan => variant.price > limit,
                    Relation::LessThan => variant.price < limit,
                    Relation::Equals => variant.price == limit,
                    Relation::NotEquals => variant.price != limit,
                    Relation::Contains | Relation::StartsWith | Relation::EndsWith => false,
                })
            }
        }
    }
}
