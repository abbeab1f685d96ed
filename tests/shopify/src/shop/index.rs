//! Where things are in a shop, kept up to date record by record.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Customer, Metafield, Order, OwnerKind, Product, Shop};

/// A value that only one owner may have: what kind of owner, `namespace.key`, the value.
pub type UniqueValue = (OwnerKind, String, String);

/// Where things are.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Variant id → product id.
    pub variants: HashMap<u64, u64>,
    /// Inventory item id → product id and variant id.
    pub items: HashMap<u64, (u64, u64)>,
    /// Media id → product id.
    pub media: HashMap<u64, u64>,
    /// Product id → collections it is in.
    pub collections: HashMap<u64, Vec<u64>>,
    /// Level key → location id.
    pub level_keys: HashMap<u64, u64>,
    /// Handle → product id.
    pub handles: HashMap<String, u64>,
    /// E-mail address → customer id.
    pub emails: HashMap<String, u64>,
    /// Phone number → customer id.
    pub phones: HashMap<String, u64>,
    /// Values of unique metafields → numeric id of the owner.
    pub unique: HashMap<UniqueValue, u64>,
    /// Fulfillment order id → order id.
    pub fulfillment_orders: HashMap<u64, u64>,
}

impl Index {
    /// Looks through a whole shop.
    #[must_use]
    pub fn of(shop: &Shop) -> Self {
        let mut index = Self::default();
        for product in shop.products.values() {
            index.add_product(shop, product);
        }
        for customer in shop.customers.values() {
            index.add_customer(shop, customer);
        }
        for order in shop.orders.values() {
            index.add_order(shop, order);
        }
        for location in shop.locations.values() {
            index.level_keys.insert(location.level_key, location.id);
        }
        index.refresh_collections(shop);
        index
    }

    /// Looks up again which collections each product is in.
    pub fn refresh_collections(&mut self, shop: &Shop) {
        self.collections.clear();
        for collection in shop.collections.values() {
            for product in &collection.products {
                self.collections.entry(*product).or_default().push(collection.id);
            }
        }
    }

    /// Notes whether a product is in a collection.
    pub fn member(&mut self, collection: u64, product: u64, is: bool) {
        let own = self.collections.entry(product).or_default();
        own.retain(|known| *known != collection);
        if is {
            own.push(collection);
            own.sort_unstable();
        }
    }

    fn add_unique(&mut self, shop: &Shop, kind: OwnerKind, owner: u64, all: &[Metafield]) {
        for metafield in shop.unique_among(kind, all) {
            self.unique.insert(unique_value(kind, metafield), owner);
        }
    }

    fn remove_unique(&mut self, kind: OwnerKind, owner: u64, all: &[Metafield]) {
        for metafield in all {
            let value = unique_value(kind, metafield);
            if self.unique.get(&value) == Some(&owner) {
                self.unique.remove(&value);
            }
        }
    }

    /// Adds a product with all that belongs to it.
    pub fn add_product(&mut self, shop: &Shop, product: &Product) {
        self.handles.insert(product.handle.clone(), product.id);
        self.add_unique(shop, OwnerKind::Product, product.id, &product.metafields);
        for variant in &product.variants {
            self.variants.insert(variant.id, product.id);
            self.items.insert(variant.item.id, (product.id, variant.id));
            self.add_unique(shop, OwnerKind::Variant, variant.id, &variant.metafields);
        }
        for media in &product.media {
            self.media.insert(media.id, product.id);
        }
    }

    /// Forgets a product.
    pub fn remove_product(&mut self, product: &Product) {
        self.handles.remove(&product.handle);
        self.remove_unique(OwnerKind::Product, product.id, &product.metafields);
        for variant in &product.variants {
            self.variants.remove(&variant.id);
            self.items.remove(&variant.item.id);
            self.remove_unique(OwnerKind::Variant, variant.id, &variant.metafields);
        }
        for media in &product.media {
            self.media.remove(&media.id);
        }
    }

    /// Adds a customer.
    pub fn add_customer(&mut self, shop: &Shop, customer: &Customer) {
        self.emails.extend(customer.email.clone().map(|email| (email, customer.id)));
        self.phones.extend(customer.phone.clone().map(|phone| (phone, customer.id)));
        self.add_unique(shop, OwnerKind::Customer, customer.id, &customer.metafields);
    }

    /// Forgets a customer.
    pub fn remove_customer(&mut self, customer: &Customer) {
        if let Some(email) = &customer.email {
            self.emails.remove(email);
        }
        if let Some(phone) = &customer.phone {
            self.phones.remove(phone);
        }
        self.remove_unique(OwnerKind::Customer, customer.id, &customer.metafields);
    }

    /// Adds an order.
    pub fn add_order(&mut self, shop: &Shop, order: &Order) {
        self.add_unique(shop, OwnerKind::Order, order.id, &order.metafields);
        self.fulfillment_orders.extend(order.fulfillment_orders.iter().map(|one| (one.id, order.id)));
    }

    /// Forgets an order.
    pub fn remove_order(&mut self, order: &Order) {
        self.remove_unique(OwnerKind::Order, order.id, &order.metafields);
        for one in &order.fulfillment_orders {
            self.fulfillment_orders.remove(&one.id);
        }
    }

    /// Who has this value of a unique metafield.
    #[must_use]
    pub fn owner_of(&self, kind: OwnerKind, namespace: &str, key: &str, value: &str) -> Option<u64> {
        self.unique.get(&(kind, format!("{namespace}.{key}"), value.to_owned())).copied()
    }
}

fn unique_value(kind: OwnerKind, metafield: &Metafield) -> UniqueValue {
    (kind, format!("{}.{}", metafield.namespace, metafield.key), metafield.value.clone())
}

/// How many variants were made lately, by the second in which they were.
#[derive(Clone, Debug, Default)]
pub struct Made {
    by_second: BTreeMap<i64, usize>,
}

impl Made {
    /// Counts more of them.
    pub fn add(&mut self, second: i64, count: usize) {
        *self.by_second.entry(second).or_default() += count;
    }

    /// How many there were after this second; forgets the others.
    pub fn since(&mut self, second: i64) -> usize {
        self.by_second = self.by_second.split_off(&second);
        self.by_second.values().sum()
    }
}
