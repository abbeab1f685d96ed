//! What a shop holds: plain data, public fields, numeric ids as Shopify's `legacyResourceId`.
//!
//! Products, locations and collections sit behind [`Arc`], so that a snapshot of a shop (taken when a
//! bulk operation starts) costs a few pointers and a change copies only the record it touches
//! ([`Arc::make_mut`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

mod collection;
mod counts;
mod customer;
mod definition;
mod media;
mod order;
mod product;
mod stock;

pub use collection::{Collection, CollectionKind, CollectionSource, Condition, ConditionField, Relation};
pub use counts::{Counts, DetailCounts};
pub use customer::{Consent, Customer, MailingAddress};
pub use definition::{Definition, OwnerKind};
pub use media::{Media, MediaContent, MediaStatus};
pub use order::{
    Fulfillment, FulfillmentOrder, FulfillmentOrderLine, Order, OrderLine, ShippingLine, TaxLine, Transaction,
};
pub use product::{
    Category, InventoryPolicy, Metafield, OptionValue, Product, ProductOption, ProductStatus, SelectedOption,
    Seo, Variant,
};
pub use stock::{Address, FulfillmentService, InventoryItem, Level, Location, Weight, WeightUnit};

/// An amount in hundredths of the shop's currency unit: `1250` is `12.50`.
pub type Cents = i64;

/// The number from which [`Shop::take_id`] counts in a shop that holds nothing yet.
pub const FIRST_ID: u64 = 7_000_000_000_001;

/// One Shopify shop.
#[derive(Clone, Debug, Default)]
pub struct Shop {
    /// First label of the domain: `demo` for `demo.myshopify.com`.
    pub label: String,
    /// Numeric id of the shop.
    pub id: u64,
    /// Name shown to merchants.
    pub name: String,
    /// Address of the shop's owner.
    pub email: String,
    /// Name of the shop's owner.
    pub owner: String,
    /// Host customers see; empty means the myshopify domain.
    pub primary_domain: String,
    /// ISO 4217 code, for instance `EUR`.
    pub currency: String,
    /// ISO 3166 alpha-2 code, for instance `DE`.
    pub country_code: String,
    /// For instance `Europe/Berlin`.
    pub iana_timezone: String,
    /// Unit the shop prefers for weights.
    pub weight_unit: WeightUnit,
    /// Whether prices include taxes.
    pub taxes_included: bool,
    /// The plan the shop is on.
    pub plan: Plan,
    /// When the shop was opened.
    pub created_at: Timestamp,
    /// When the shop's own settings last changed.
    pub updated_at: Timestamp,
    /// Locations by numeric id.
    pub locations: BTreeMap<u64, Arc<Location>>,
    /// Products by numeric id.
    pub products: BTreeMap<u64, Arc<Product>>,
    /// Collections by numeric id.
    pub collections: BTreeMap<u64, Arc<Collection>>,
    /// Customers by numeric id.
    pub customers: BTreeMap<u64, Arc<Customer>>,
    /// Orders by numeric id.
    pub orders: BTreeMap<u64, Arc<Order>>,
    /// Metafield definitions, oldest first.
    pub definitions: Vec<Definition>,
    /// Files that belong to no product yet, by numeric id.
    pub files: BTreeMap<u64, Arc<Media>>,
    /// Deleted products, oldest first, so that one can be brought back under its old id.
    pub deleted: Vec<Arc<Product>>,
    /// The next unused numeric id; see [`Shop::take_id`].
    pub next_id: u64,
}

/// The plan of a shop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// `Basic`, `Shopify`, `Advanced`, `Plus`, `Development`…
    pub public_display_name: String,
    /// Whether this is a development store.
    pub partner_development: bool,
    /// Whether this is a Plus store.
    pub shopify_plus: bool,
    /// Size and restore rate of its buckets, where they are not what the plan gives.
    pub bucket: Option<Bucket>,
    /// From so many variants on a shop may create only [`Plan::variants_a_day`]; none: 500,000.
    pub variants_free: Option<usize>,
    /// How many variants a shop that large may create in a day; none: 10,000.
    pub variants_a_day: Option<usize>,
}

/// How many points a bucket holds and gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Points it holds.
    pub maximum: u32,
    /// Points it gets back in a second.
    pub restore: u32,
}

impl Shop {
    /// The canonical domain: `{label}.myshopify.com`.
    #[must_use]
    pub fn domain(&self) -> String {
        format!("{}.myshopify.com", self.label)
    }

    /// Hands out a numeric id that no record of this shop carries. Products, variants, media, options, option values, metafields,
    /// inventory items, locations, collections and sources all draw from this one sequence.
    pub fn take_id(&mut self) -> u64 {
        let id = self.next_id.max(FIRST_ID);
        self.next_id = id + 1;
        id
    }

    /// Works out which products belong to each smart collection, in the collection's sort order, and refreshes the
    /// `products` field of every collection. To be called once after seeding and after every change.
    pub fn refresh_collections(&mut self) {
        let products = &self.products;
        for collection in self.collections.values_mut() {
            let members = collection.members_among(products);
            if members != collection.products {
                Arc::make_mut(collection).products = members;
            }
        }
    }
}
