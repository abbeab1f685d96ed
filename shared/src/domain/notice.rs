//! What a shop tells us by itself. A notice is a hint: it carries ids alone, it may come late, twice or in another
//! order, and whoever acts on it asks the shop again.

use super::ids::ShopId;
use super::run::Wanted;

/// A person at a shop, by the shop's own numbers. Nothing else about them is ever taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The customer's number; a shop may leave it out.
    pub customer: Option<u64>,
    /// Numbers of the orders concerned.
    pub orders: Vec<u64>,
}

/// What data about a person hangs on, by the shop's own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The customer.
    Customer(u64),
    /// One of their orders.
    Order(u64),
}

impl Person {
    /// Everything that data about them hangs on.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> + '_ {
        let customer = self.customer.iter().copied().map(Subject::Customer);
        customer.chain(self.orders.iter().copied().map(Subject::Order))
    }
}

/// What a shop tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The app was removed.
    Uninstalled,
    /// More or less is granted to us than before.
    ScopesChanged,
    /// The shop's name, domain, plan or currency changed.
    ShopChanged,
    /// The shop has finished collecting a feed, well or not.
    FeedFinished {
        /// The shop's name for the work.
        handle: String,
    },
    /// Something in the catalogue changed.
    CatalogueChanged {
        /// What.
        what: Wanted,
    },
    /// A customer wants to know what is kept about them.
    DataRequested {
        /// The shop.
        shop: ShopId,
        /// The number of the request.
        request: Option<u64>,
        /// Who.
        person: Person,
    },
    /// What is kept about a customer has to go.
    EraseCustomer {
        /// The shop.
        shop: ShopId,
        /// Who.
        person: Person,
    },
    /// What is kept about a shop that left has to go.
    EraseShop {
        /// The shop.
        shop: ShopId,
    },
}

impl Notice {
    /// Whether it comes to the app as a whole, and not at the address of one installation.
    pub fn is_for_the_app(&self) -> bool {
        matches!(self, Self::DataRequested { .. } | Self::EraseCustomer { .. } | Self::EraseShop { .. })
    }

    /// A short name for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Uninstalled => "uninstalled",
            Self::ScopesChanged => "scopes_changed",
            Self::ShopChanged => "shop_changed",
            Self::FeedFinished { .. } => "feed_finished",
            Self::CatalogueChanged { .. } => "catalogue_changed",
            Self::DataRequested { .. } => "data_requested",
            Self::EraseCustomer { .. } => "erase_customer",
            Self::EraseShop { .. } => "erase_shop",
        }
    }
}
