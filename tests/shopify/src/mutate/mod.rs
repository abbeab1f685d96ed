//! The writing half: what each mutation does to a shop. One file per resource.
//!
//! A mutation that answers `userErrors` has changed nothing, unless its schema says otherwise. What an input names and the
//! simulator does not know is refused with `NOT_SIMULATED`: a field that is silently ignored would look written.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::graphql::selection::Field;
use crate::model::{Customer, Metafield, Order, OwnerKind, Product, Shop};
use crate::resolve::FieldError;
use crate::shop::{Index, ShopState};

mod addresses;
mod customers;
mod definitions;
pub mod idempotency;
mod input;
mod inventory;
mod labels;
pub mod media;
mod metafield_values;
mod metafields;
pub mod operations;
mod options;
mod order_changes;
mod orders;
mod outcome;
mod product_fields;
mod product_set;
mod products;
mod variant_fields;
mod variants;

pub use labels::online_store;
pub use outcome::{Out, Outcome, Problem, Told};

/// What came of a mutation; an error is one of `errors[]`, with null in place of the payload.
pub type Written = Result<Outcome, FieldError>;

/// The largest list of an input (<https://shopify.dev/docs/api/usage/limits>), where the mutation has no limit of its own.
const LARGEST_LIST: usize = 250;
/// The variants one product may have.
pub(crate) const MAX_VARIANTS: usize = 2_048;
/// The options one product may have.
const MAX_OPTIONS: usize = 3;

/// A shop open for writing, and who writes.
#[derive(Debug)]
pub struct Desk<'s> {
    /// The shop.
    pub shop: &'s mut Shop,
    /// Where things are in it.
    pub index: &'s mut Index,
    /// The shop with its counters.
    pub state: &'s ShopState,
    /// Simulated time.
    pub now: Timestamp,
    /// Version in the path of the request.
    pub version: &'s str,
    /// Granted scopes, implied ones included.
    pub scopes: &'s BTreeSet<String>,
    /// What webhooks will tell.
    pub told: Vec<Told>,
    moved: BTreeSet<u64>,
}

/// Whether a mutation is one of these.
#[must_use]
pub fn knows(name: &str) -> bool {
    scope_of(name).is_some()
}

/// The scopes of which any one opens a mutation; none for those that go by what they are about.
#[must_use]
pub fn scope_of(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "productSet"
        | "productCreate"
        | "productUpdate"
        | "productDelete"
        | "productVariantsBulkCreate"
        | "productVariantsBulkUpdate"
        | "productVariantsBulkDelete"
        | "productOptionsCreate"
        | "productOptionUpdate"
        | "productOptionsDelete" => &["write_products"],
        "inventorySetQuantities"
        | "inventoryAdjustQuantities"
        | "inventoryActivate"
        | "inventoryDeactivate"
        | "inventoryItemUpdate" => &["write_inventory"],
        "customerCreate"
        | "customerUpdate"
        | "customerSet"
        | "customerDelete"
        | "customerAddressCreate"
        | "customerAddressUpdate"
        | "customerAddressDelete"
        | "customerEmailMarketingConsentUpdate"
        | "customerSmsMarketingConsentUpdate" => &["write_customers"],
        "orderCreate" | "orderMarkAsPaid" | "orderCancel" | "orderDelete" => &["write_orders"],
        "orderUpdate" => &["write_orders", "write_marketplace_orders", "write_quick_sale"],
        "fulfillmentCreate" => &[
            "write_assigned_fulfillment_orders",
            "write_merchant_managed_fulfillment_orders",
            "write_third_party_fulfillment_orders",
            "write_marketplace_fulfillment_orders",
        ],
        "publishablePublish" | "publishableUnpublish" => &["write_publications"],
        "fileCreate" => &["write_files", "write_themes", "write_images"],
        "metafieldsSet" | "metafieldsDelete" | "metafieldDefinitionCreate" | "tagsAdd" | "tagsRemove" => &[],
        _ => return None,
    })
}

/// Carries out a mutation.
///
/// # Errors
/// What Shopify answers in `errors[]`.
pub fn perform(desk: &mut Desk<'_>, field: &Field<'_>) -> Written {
    let args = &field.args;
    match field.name {
        "productSet" => product_set::set(desk, args),
        "productCreate" => products::create(desk, args),
        "productUpdate" => products::update(desk, args),
        "productDelete" => products::delete(desk, args),
        "productVariantsBulkCreate" => variants::create(desk, args),
        "productVariantsBulkUpdate" => variants::update(desk, args),
        "productVariantsBulkDelete" => variants::delete(desk, args),
        "productOptionsCreate" => options::create(desk, args),
        "productOptionUpdate" => options::update(desk, args),
        "productOptionsDelete" => options::delete(desk, args),
        "inventorySetQuantities" => inventory::set(desk, args),
        "inventoryAdjustQuantities" => inventory::adjust(desk, args),
        "inventoryActivate" => inventory::activate(desk, args),
        "inventoryDeactivate" => inventory::deactivate(desk, args),
        "inventoryItemUpdate" => inventory::item_update(desk, args),
        "customerCreate" => customers::write(desk, args, true),
        "customerUpdate" => customers::write(desk, args, false),
        "customerSet" => customers::set(desk, args),
        "customerDelete" => customers::delete(desk, args),
        "customerAddressCreate" => addresses::create(desk, args),
        "customerAddressUpdate" => addresses::update(desk, args),
        "customerAddressDelete" => addresses::delete(desk, args),
        "customerEmailMarketingConsentUpdate" => customers::consent(desk, args, true),
        "customerSmsMarketingConsentUpdate" => customers::consent(desk, args, false),
        "orderCreate" => orders::create(desk, args),
        "orderUpdate" => order_changes::update(desk, args),
        "orderMarkAsPaid" => order_changes::mark_as_paid(desk, args),
        "orderCancel" => order_changes::cancel(desk, args),
        "orderDelete" => order_changes::delete(desk, args),
        "fulfillmentCreate" => order_changes::fulfill(desk, args),
        "publishablePublish" => labels::publish(desk, args, true),
        "publishableUnpublish" => labels::publish(desk, args, false),
        "tagsAdd" => labels::tags(desk, args, true),
        "tagsRemove" => labels::tags(desk, args, false),
        "fileCreate" => media::create(desk, args),
        "metafieldsSet" => metafields::set(desk, args),
        "metafieldsDelete" => metafields::delete(desk, args),
        "metafieldDefinitionCreate" => definitions::create(desk, args),
        _ => Err(FieldError::NotSimulated),
    }
}

/// The arguments of a mutation.
type Args = Map<String, Value>;

impl<'s> Desk<'s> {
    /// Opens a shop for writing.
    #[must_use]
    pub fn new(
        shop: &'s mut Shop,
        index: &'s mut Index,
        state: &'s ShopState,
        now: Timestamp,
        version: &'s str,
        scopes: &'s BTreeSet<String>,
    ) -> Self {
        Self { shop, index, state, now, version, scopes, told: Vec::new(), moved: BTreeSet::new() }
    }

    /// Ends the writing: collections follow their conditions.
    #[must_use]
    pub fn close(self) -> Vec<Told> {
        let products = &self.shop.products;
        for id in &self.moved {
            let product = products.get(id).map(AsRef::as_ref);
            for collection in self.shop.collections.values_mut().filter(|one| one.concerns(*id, product)) {
                Arc::make_mut(collection).place(*id, products);
                self.index.member(collection.id, *id, collection.products.contains(id));
            }
        }
        self.told
    }

    /// Refuses who lacks a scope, where the mutation alone does not say which is needed.
    ///
    /// # Errors
    /// As Shopify words it.
    fn need(&self, scope: &str) -> Result<(), FieldError> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        let message = format!("Access denied. Required access: `{scope}` access scope.");
        Err(FieldError::Refused(message, "ACCESS_DENIED"))
    }

    fn take_ids<const N: usize>(&mut self) -> [u64; N] {
        std::array::from_fn(|_| self.shop.take_id())
    }

    /// Stores a product, and tells what became of it and its items.
    fn put_product(&mut self, mut product: Product) {
        product.updated_at = self.now;
        for (variant, position) in product.variants.iter_mut().zip(1..) {
            variant.position = position;
        }
        let before = self.shop.products.get(&product.id).map(Arc::clone);
        if let Some(before) = &before {
            self.index.remove_product(before);
        }
        self.index.add_product(self.shop, &product);
        self.told.push(Told::Product(before.is_none(), product.id));
        let known =
            |item: u64| before.iter().flat_map(|p| &p.variants).find(|variant| variant.item.id == item);
        for variant in &product.variants {
            match known(variant.item.id) {
                None => {
                    self.told.push(Told::Item(true, variant.item.id));
                    let levels = variant.item.levels.keys();
                    self.told.extend(levels.map(|place| Told::Level(true, variant.item.id, *place)));
                }
                Some(old) if old.item.updated_at != variant.item.updated_at => {
                    self.told.push(Told::Item(false, variant.item.id));
                }
                Some(_) => {}
            }
        }
        let kept = |item: u64| product.variants.iter().any(|variant| variant.item.id == item);
        let gone = before.iter().flat_map(|p| &p.variants).map(|variant| variant.item.id);
        self.told.extend(gone.filter(|item| !kept(*item)).map(Told::ItemGone));
        if before.is_none_or(|before| shows_otherwise(&before, &product)) {
            self.moved.insert(product.id);
        }
        self.shop.products.insert(product.id, Arc::new(product));
    }

    fn remove_product(&mut self, id: u64) -> bool {
        let Some(product) = self.shop.products.remove(&id) else { return false };
        self.index.remove_product(&product);
        self.told.push(Told::ProductGone(id));
        self.shop.deleted.push(product);
        self.moved.insert(id);
        true
    }

    fn product(&self, id: u64) -> Option<Product> {
        self.shop.products.get(&id).map(|product| Product::clone(product))
    }

    fn put_customer(&mut self, mut customer: Customer) {
        customer.updated_at = self.now;
        let before = self.shop.customers.get(&customer.id).map(Arc::clone);
        if let Some(before) = &before {
            self.index.remove_customer(before);
        }
        self.index.add_customer(self.shop, &customer);
        self.told.push(Told::Customer(before.is_none(), customer.id));
        self.shop.customers.insert(customer.id, Arc::new(customer));
    }

    fn put_order(&mut self, mut order: Order) {
        order.updated_at = self.now;
        let before = self.shop.orders.get(&order.id).map(Arc::clone);
        if let Some(before) = &before {
            self.index.remove_order(before);
        }
        self.index.add_order(self.shop, &order);
        let topic = if before.is_none() { "orders/create" } else { "orders/updated" };
        self.told.push(Told::Order(topic, order.id));
        self.shop.orders.insert(order.id, Arc::new(order));
    }

    /// Whether another owner already has a value that is to be unique.
    fn taken(&self, kind: OwnerKind, owner: Option<u64>, metafield: &Metafield) -> bool {
        let unique =
            self.shop.definition(kind, &metafield.namespace, &metafield.key).is_some_and(|d| d.unique);
        let holder = self.index.owner_of(kind, &metafield.namespace, &metafield.key, &metafield.value);
        unique && holder.is_some_and(|holder| Some(holder) != owner)
    }
}

/// Whether anything differs that a smart collection could look at.
fn shows_otherwise(before: &Product, after: &Product) -> bool {
    let prices = |product: &Product| product.variants.iter().map(|variant| variant.price).collect::<Vec<_>>();
    before.title != after.title
        || before.tags != after.tags
        || before.vendor != after.vendor
        || before.product_type != after.product_type
        || prices(before) != prices(after)
}
