//! What is imported: records in eshopOS's own shape, whatever platform they come from.
//!
//! A record is a list of field values in the order of its [`Shape`] plus lists of children (variants of a product,
//! levels of its stock, …). Values stand by position so that a stored product stays small: a write unit is a
//! kilobyte. Names appear where people read: differences, the catalogue's answers, the documents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::fingerprint::Hasher;
pub use super::fingerprint::{Base, Digest};
use super::ids::{ProviderId, RunId, ShopId, StoreId};
use super::options::OnMissing;
use super::shape::{CATEGORY, METAFIELDS, PRODUCT, STOCK, WAREHOUSE};
pub use super::shape::{ChildShape, Gone, Shape};

/// A resource whose records are counted: the whole records and the children inside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Places that hold stock.
    Warehouses,
    /// Products.
    Products,
    /// Variants inside products.
    Variants,
    /// Media inside products.
    Media,
    /// Stock levels: one per variant and warehouse.
    Stock,
    /// Raw metafields of products and variants.
    Metafields,
    /// Collections of the shop.
    Categories,
    /// Products inside categories.
    Memberships,
}

impl Resource {
    /// Every resource, in the order a run applies them.
    pub const ALL: [Self; 8] = [
        Self::Warehouses,
        Self::Products,
        Self::Variants,
        Self::Media,
        Self::Stock,
        Self::Metafields,
        Self::Categories,
        Self::Memberships,
    ];

    /// The stable name used in paths, keys and counts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warehouses => "warehouses",
            Self::Products => "products",
            Self::Variants => "variants",
            Self::Media => "media",
            Self::Stock => "stock",
            Self::Metafields => "metafields",
            Self::Categories => "categories",
            Self::Memberships => "memberships",
        }
    }

    /// Reads a name as it stands in a path or query.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.as_str() == text)
    }

    /// The kind of record that it is, or that it is a list of: then with the list's place in [`Shape::children`].
    pub fn home(self) -> (Kind, Option<usize>) {
        match self {
            Self::Warehouses => (Kind::Warehouse, None),
            Self::Products => (Kind::Product, None),
            Self::Variants => (Kind::Product, Some(0)),
            Self::Media => (Kind::Product, Some(1)),
            Self::Stock => (Kind::Stock, Some(0)),
            Self::Metafields => (Kind::Metafields, Some(0)),
            Self::Categories => (Kind::Category, None),
            Self::Memberships => (Kind::Category, Some(0)),
        }
    }
}

/// One of the kinds of record that are stored as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One warehouse.
    Warehouse,
    /// One product with its variants and media.
    Product,
    /// The stock of one product.
    Stock,
    /// The metafields of one product and its variants.
    Metafields,
    /// One category with its members.
    Category,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Warehouse, Self::Product, Self::Stock, Self::Metafields, Self::Category];

    /// The stable name used in keys.
    pub fn as_str(self) -> &'static str {
        self.shape().name
    }

    /// Reads a name as it stands in a key.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What a record of this kind counts as; where only its children are counted, what those do.
    pub fn own_resource(self) -> Resource {
        match self {
            Self::Warehouse => Resource::Warehouses,
            Self::Product => Resource::Products,
            Self::Stock => Resource::Stock,
            Self::Metafields => Resource::Metafields,
            Self::Category => Resource::Categories,
        }
    }

    /// The fields and children of records of this kind.
    pub fn shape(self) -> &'static Shape {
        match self {
            Self::Warehouse => &WAREHOUSE,
            Self::Product => &PRODUCT,
            Self::Stock => &STOCK,
            Self::Metafields => &METAFIELDS,
            Self::Category => &CATEGORY,
        }
    }
}

/// Where a record comes from. Never a domain: domains alias and redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// The platform.
    pub provider: ProviderId,
    /// The permanent number of the shop.
    pub shop_id: ShopId,
}

impl Source {
    /// The number that stands for "made here, not imported": no shop has it.
    pub const LOCAL_SHOP: ShopId = ShopId(0);

    /// Whether the record was made here and is linked to no shop.
    pub fn is_local(self) -> bool {
        self.shop_id == Self::LOCAL_SHOP
    }
}

/// The key of a record within a store: where it comes from, its kind and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordKey {
    /// Platform and shop.
    pub source: Source,
    /// What it is.
    pub kind: Kind,
    /// The number the platform gave it. Stock and metafields carry their product's.
    pub external_id: u64,
}

/// The name space of internal ids. Changing it would make every record a new one.
const ID_NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7263_6861_6e74_2d63_6f6e_6e65_6374);

impl RecordKey {
    /// The key of a record that was made here and is linked to no shop.
    pub fn local(provider: ProviderId, kind: Kind, number: u64) -> Self {
        Self { source: Source { provider, shop_id: Source::LOCAL_SHOP }, kind, external_id: number }
    }

    /// The internal id, derived from store, provider, shop, kind and number, so that a replayed chunk computes the
    /// same one.
    pub fn internal_id(&self, store: &StoreId) -> Uuid {
        let name = format!(
            "{store}\n{}\n{}\n{}\n{}",
            self.source.provider,
            self.source.shop_id,
            self.kind.as_str(),
            self.external_id
        );
        Uuid::new_v5(&ID_NAMESPACE, name.as_bytes())
    }
}

/// One child of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Its id at the source, unique within its list.
    pub id: String,
    /// Values in the order of [`ChildShape::fields`].
    pub values: Vec<Value>,
    /// The run that found it gone, where [`Gone::Marked`] applies.
    pub missing_since: Option<RunId>,
}

/// The content of a record: what a mapper makes of the source, and what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Values in the order of [`Shape::fields`].
    pub values: Vec<Value>,
    /// One list for each of [`Shape::children`].
    pub children: Vec<Vec<Child>>,
}

impl Record {
    /// An empty record of a kind, every field absent.
    pub fn empty(kind: Kind) -> Self {
        let shape = kind.shape();
        Self {
            kind,
            values: vec![Value::Null; shape.fields.len()],
            children: shape.children.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// The value of a field by name; null where absent.
    pub fn get(&self, name: &str) -> &Value {
        let position = self.kind.shape().fields.iter().position(|field| *field == name);
        position.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// Sets a field by name. A name outside the shape is a mistake of ours and is ignored in release builds.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.kind.shape().fields.iter().position(|field| *field == name) {
            Some(at) => self.values[at] = value,
            None => debug_assert!(false, "{name} is not a field of {:?}", self.kind),
        }
    }

    /// How many hashes its fingerprint is made of, at most.
    fn hashes(&self) -> usize {
        let shape = self.kind.shape();
        let of_children = shape.children.iter().zip(&self.children).map(|(list, children)| {
            let each = if list.base_per_field { 1 + list.fields.len() } else { 1 };
            children.len() * each + usize::from(list.ordered)
        });
        shape.fields.len() + of_children.sum::<usize>()
    }

    /// The hashes of everything a rerun compares, in a fixed order; the digest is made of them.
    pub fn fingerprint(&self) -> (Digest, Base) {
        let shape = self.kind.shape();
        let mut hasher = Hasher::default();
        let mut hashes = Vec::with_capacity(self.hashes());
        for (name, value) in shape.fields.iter().zip(&self.values) {
            hashes.push(hasher.field("", "", name, value));
        }
        for (list, children) in shape.children.iter().zip(&self.children) {
            let tag = list.resource.as_str();
            let present = || children.iter().filter(|child| child.missing_since.is_none());
            let start = hashes.len();
            for child in present() {
                if list.base_per_field {
                    hashes.push(hasher.presence(tag, &child.id));
                    for (name, value) in list.fields.iter().zip(&child.values) {
                        hashes.push(hasher.field(tag, &child.id, name, value));
                    }
                } else {
                    hashes.push(hasher.whole(list, child));
                }
            }
            if list.ordered {
                hashes.push(hasher.order(tag, present().map(|child| child.id.as_str())));
            } else {
                hashes[start..].sort_unstable();
            }
        }
        let digest = hasher.all(&hashes);
        (digest, Base::of(hashes))
    }

    /// The record as JSON with names, for people: own fields plus one list per kind of child, the missing left out.
    pub fn to_named_json(&self) -> serde_json::Map<String, Value> {
        let shape = self.kind.shape();
        let mut named: serde_json::Map<String, Value> = shape
            .fields
            .iter()
            .zip(&self.values)
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        for (list, children) in shape.children.iter().zip(&self.children) {
            let rows = children
                .iter()
                .filter(|child| child.missing_since.is_none())
                .map(|child| {
                    let mut row = serde_json::Map::new();
                    row.insert("id".to_owned(), Value::String(child.id.clone()));
                    for (name, value) in list.fields.iter().zip(&child.values) {
                        row.insert((*name).to_owned(), value.clone());
                    }
                    Value::Object(row)
                })
                .collect();
            named.insert(list.resource.as_str().to_owned(), Value::Array(rows));
        }
        named
    }

    /// The compact JSON that is stored: `{"f":[values],"c":[[[id,[values],missing_since?],…],…]}`.
    pub fn to_stored_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let body = StoredBody {
            f: self.values.iter().map(std::borrow::Cow::Borrowed).collect(),
            c: self
                .children
                .iter()
                .map(|list| {
                    list.iter()
                        .map(|child| {
                            (
                                std::borrow::Cow::Borrowed(child.id.as_str()),
                                std::borrow::Cow::Borrowed(child.values.as_slice()),
                                child.missing_since.clone(),
                            )
                        })
                        .collect()
                })
                .collect(),
        };
        serde_json::to_vec(&body)
    }

    /// Reads what [`Record::to_stored_json`] wrote, also by an older version with fewer fields.
    pub fn from_stored_json(kind: Kind, bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let body: StoredBody<'_> = serde_json::from_slice(bytes)?;
        let shape = kind.shape();
        let mut values: Vec<Value> = body.f.into_iter().map(std::borrow::Cow::into_owned).collect();
        values.resize(shape.fields.len(), Value::Null);
        let mut lists = body.c.into_iter();
        let children = shape
            .children
            .iter()
            .map(|list| {
                lists
                    .next()
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(id, values, missing_since)| {
                        let mut values = values.into_owned();
                        values.resize(list.fields.len(), Value::Null);
                        Child { id: id.into_owned(), values, missing_since }
                    })
                    .collect()
            })
            .collect();
        Ok(Self { kind, values, children })
    }
}

type StoredChild<'a> = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, [Value]>, Option<RunId>);

#[derive(Serialize, Deserialize)]
struct StoredBody<'a> {
    f: Vec<std::borrow::Cow<'a, Value>>,
    c: Vec<Vec<StoredChild<'a>>>,
}

/// Whether a stored record still stands for something in the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// It was in the shop when it was last looked for.
    Active,
    /// A complete scan no longer found it.
    Missing {
        /// The run that found it gone.
        since: RunId,
        /// What was done about it.
        #[serde(default)]
        done: OnMissing,
    },
    /// It was deleted here, whatever the shop has. Only its place is left, so that no run makes it again unasked.
    Detached,
    /// A record made here took its place: it was a second one for the same thing. It is kept, archived, and whoever asks
    /// for the shop's record is given the other.
    Replaced {
        /// The number of that record here.
        by: u64,
    },
}

/// A record as it is stored: content, base and the guards of every write.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// Where it comes from and what it is.
    pub key: RecordKey,
    /// Raised by every write, by whomever.
    pub version: u64,
    /// The run that wrote it last.
    pub written_run: RunId,
    /// Whether it is still in the shop.
    pub standing: Standing,
    /// Fingerprint of what was last imported.
    pub digest: Digest,
    /// Hashes of what was last imported.
    pub base: Base,
    /// The version of the mapper that made it.
    pub mapper: u32,
    /// The content.
    pub record: Record,
    /// The number that it has here, where it was made here and linked to the shop's later. It keeps the id it had.
    pub local: Option<u64>,
}

impl StoredRecord {
    /// The key under which it stands, which gives it its id: the shop's, or the one it was made here under.
    pub fn place(&self) -> RecordKey {
        let RecordKey { source, kind, .. } = self.key;
        self.local.map_or(self.key, |number| RecordKey::local(source.provider, kind, number))
    }

    /// The internal id.
    pub fn internal_id(&self, store: &StoreId) -> Uuid {
        self.place().internal_id(store)
    }

    /// The key of the record that took its place.
    pub fn replaced_by(&self) -> Option<RecordKey> {
        let RecordKey { source, kind, .. } = self.key;
        match self.standing {
            Standing::Replaced { by } => Some(RecordKey::local(source.provider, kind, by)),
            _ => None,
        }
    }

    /// Whether nothing is left of it but its place.
    pub fn is_deleted(&self) -> bool {
        match self.standing {
            Standing::Detached => true,
            // What was deleted before it was replaced, or since, has nothing in it.
            Standing::Replaced { .. } => self.record == Record::empty(self.key.kind),
            _ => self.standing.is_tombstone(),
        }
    }
}

/// The version of the mapping rules. Raised when the same source would map to something else.
pub const MAPPER_VERSION: u32 = 1;

/// Numbers of records by outcome.
pub type CountsByOutcome = BTreeMap<super::plan::Outcome, u64>;
