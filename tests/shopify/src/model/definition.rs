//! Metafield definitions.

use super::{Metafield, Shop};

/// What a metafield can belong to, of those that the simulator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnerKind {
    /// `PRODUCT`
    Product,
    /// `PRODUCTVARIANT`
    Variant,
    /// `COLLECTION`
    Collection,
    /// `CUSTOMER`
    Customer,
    /// `ORDER`
    Order,
}

impl OwnerKind {
    /// The value of Shopify's enum `MetafieldOwnerType`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Product => "PRODUCT",
            Self::Variant => "PRODUCTVARIANT",
            Self::Collection => "COLLECTION",
            Self::Customer => "CUSTOMER",
            Self::Order => "ORDER",
        }
    }

    /// The kind of a value of that enum; none for those that are not simulated.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Product, Self::Variant, Self::Collection, Self::Customer, Self::Order]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// What all metafields of one name must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Numeric id.
    pub id: u64,
    /// What they belong to.
    pub owner: OwnerKind,
    /// Namespace.
    pub namespace: String,
    /// Key within the namespace.
    pub key: String,
    /// Name shown to merchants.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Type, for instance `id`.
    pub kind: String,
    /// Whether no two owners may have the same value. Always so for the type `id`.
    pub unique: bool,
    /// Name and value of each further rule, for instance `max`.
    pub validations: Vec<(String, String)>,
}

impl Shop {
    /// The definition of a metafield.
    #[must_use]
    pub fn definition(&self, owner: OwnerKind, namespace: &str, key: &str) -> Option<&Definition> {
        let fits = |one: &&Definition| one.owner == owner && one.namespace == namespace && one.key == key;
        self.definitions.iter().find(fits)
    }

    /// The metafields among these whose values no other owner may have.
    pub fn unique_among<'s>(
        &'s self,
        owner: OwnerKind,
        metafields: &'s [Metafield],
    ) -> impl Iterator<Item = &'s Metafield> {
        let unique = move |one: &&Metafield| {
            self.definition(owner, &one.namespace, &one.key).is_some_and(|definition| definition.unique)
        };
        metafields.iter().filter(unique)
    }
}
