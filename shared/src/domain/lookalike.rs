//! Which records made here may be the same as one in the shop, and what such a record is when it is taken for it: its
//! children bear the shop's ids where they are the same, and nothing of it was ever imported.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::fingerprint::{Base, Digest};
use super::record::{Child, Kind, Record, RecordKey, Resource, StoredRecord};
use super::stock::{self, level_id};

/// What stands for a value that tells a record from others. Two values may have the same, so whoever finds a record by
/// it looks at the value.
pub type Mark = u64;

/// The values that tell a record from others, the best first: what is sold is known by its stock keeping units, a page
/// by its address. Never a title: two things may have the same.
fn telling(record: &Record) -> Vec<(&'static str, &str)> {
    let (of_children, own): (&[&'static str], &[&'static str]) = match record.kind {
        Kind::Product => (&["sku", "barcode"], &["handle"]),
        Kind::Category => (&[], &["handle"]),
        Kind::Warehouse | Kind::Stock | Kind::Metafields => (&[], &[]),
    };
    let shape = record.kind.shape();
    let mut found = Vec::new();
    for name in of_children {
        let at = shape.children[0].fields.iter().position(|field| field == name);
        let values = record.children[0].iter().filter(|child| child.missing_since.is_none());
        let texts = values.filter_map(|child| text(child.values.get(at?)?));
        found.extend(texts.map(|text| (*name, text)));
    }
    found.extend(own.iter().filter_map(|name| Some((*name, text(record.get(name))?))));
    found
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The marks that a record bears, each once.
pub fn marks(record: &Record) -> BTreeSet<Mark> {
    let mark = |(name, value): (&str, &str)| xxh3_64(format!("{name}\0{value}").as_bytes());
    telling(record).into_iter().map(mark).collect()
}

/// The field that tells two records to be the same; none where no such value is in both.
pub fn told_by(one: &Record, other: &Record) -> Option<&'static str> {
    let there: BTreeSet<_> = telling(other).into_iter().collect();
    telling(one).into_iter().find(|value| there.contains(value)).map(|(name, _)| name)
}

/// Ids of children made here, each with the shop's id of the same child.
pub type Pairs = HashMap<String, String>;

/// The variants of two products that are the same.
pub fn variants(theirs: &Record, ours: &Record) -> Pairs {
    pairs(Resource::Variants, &theirs.children[0], &ours.children[0])
}

/// The values that tell a child from its siblings, the best first.
fn telling_child(list: Resource, child: &Child) -> Vec<Option<String>> {
    let (kind, at) = list.home();
    let fields = at.map_or(&[][..], |at| kind.shape().children[at].fields);
    let get = |name: &str| {
        let at = fields.iter().position(|field| *field == name)?;
        text(child.values.get(at)?).map(str::to_owned)
    };
    match list {
        Resource::Variants => vec![get("sku"), get("barcode")],
        Resource::Media => vec![get("url")],
        Resource::Metafields => {
            vec![get("key").map(|key| format!("{}\0{key}", get("namespace").unwrap_or_default()))]
        }
        _ => Vec::new(),
    }
}

/// The children that are the same: a value that tells them stands once on either side. Of a product with one variant
/// here and one there, those two are.
fn pairs(list: Resource, theirs: &[Child], ours: &[Child]) -> Pairs {
    let once = |children: &[Child], at: usize| {
        let mut by_value: BTreeMap<String, Option<String>> = BTreeMap::new();
        for child in children {
            if let Some(value) = telling_child(list, child).into_iter().nth(at).flatten() {
                by_value.entry(value).and_modify(|id| *id = None).or_insert_with(|| Some(child.id.clone()));
            }
        }
        by_value
    };
    let (mut pairs, mut taken) = (Pairs::new(), BTreeSet::new());
    for at in 0..2 {
        let there = once(theirs, at);
        for (value, ours) in once(ours, at) {
            let (Some(ours), Some(Some(theirs))) = (ours, there.get(&value)) else { continue };
            if !pairs.contains_key(&ours) && taken.insert(theirs.clone()) {
                pairs.insert(ours, theirs.clone());
            }
        }
    }
    if let (Resource::Variants, [theirs], [ours]) = (list, theirs, ours) {
        pairs.insert(ours.id.clone(), theirs.id.clone());
    }
    pairs
}

/// The stock of a product of the shop's as it is compared: without what it holds of its own where the shop's levels stand.
pub fn settled(stored: &StoredRecord, theirs: &Record, places: &HashMap<u64, u64>) -> StoredRecord {
    let mut settled = stored.clone();
    stock::give_up(&mut settled.record, theirs, places);
    settled
}

/// What children made here are taken for that a record alone does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Of stock: the variants of its product.
    pub variants: Pairs,
    /// Of stock: numbers of warehouses made here, each with the location that it is.
    pub places: HashMap<u64, u64>,
    /// Of a category: ids of products in the store, each with the shop's number.
    pub members: Pairs,
}

/// A record made here as it is compared with the one in the shop that it is taken for: under that one's key, its
/// children under the shop's ids, and without a base, so that every difference is a conflict.
pub fn taken_for(ours: &StoredRecord, key: RecordKey, theirs: &Record, known: &Known) -> StoredRecord {
    let mut record = ours.record.clone();
    let mut media = Pairs::new();
    for (at, list) in key.kind.shape().children.iter().enumerate() {
        let (there, here) = (&theirs.children[at], &mut record.children[at]);
        let pairs = match list.resource {
            Resource::Stock => levels(there, here, known),
            Resource::Memberships => known.members.clone(),
            resource => pairs(resource, there, here),
        };
        let their_ids: BTreeSet<&str> = there.iter().map(|child| child.id.as_str()).collect();
        for child in here.iter_mut() {
            match pairs.get(&child.id) {
                Some(id) => child.id = id.clone(),
                // An id of the store's own that happens to be one of the shop's is another child all the same.
                None if their_ids.contains(child.id.as_str()) => child.id.insert_str(0, "here-"),
                None => {}
            }
        }
        match list.resource {
            Resource::Media => media = pairs,
            Resource::Stock => stock::give_up(&mut record, theirs, &known.places),
            _ => {}
        }
    }
    if key.kind == Kind::Product {
        rename_media(&mut record.children[0], &media);
    }
    StoredRecord {
        key,
        local: Some(ours.key.external_id),
        digest: Digest(0),
        base: Base::default(),
        record,
        ..ours.clone()
    }
}

/// The levels that are the same: of variants and at places that are.
fn levels(theirs: &[Child], ours: &[Child], known: &Known) -> Pairs {
    let place = |level: &Child| {
        let variant = level.values.first().and_then(text)?.to_owned();
        level_id(&level.id).map(|(_, location)| (variant, location))
    };
    let there: HashMap<(String, u64), &str> =
        theirs.iter().filter_map(|level| Some((place(level)?, level.id.as_str()))).collect();
    let same = |level: &Child| {
        let (variant, location) = place(level)?;
        let same = (known.variants.get(&variant)?.clone(), *known.places.get(&location)?);
        Some((level.id.clone(), (*there.get(&same)?).to_owned()))
    };
    ours.iter().filter_map(same).collect()
}

/// Variants name the media that show them.
fn rename_media(variants: &mut [Child], media: &Pairs) {
    let at = Kind::Product.shape().children[0].fields.iter().position(|name| *name == "media_ids");
    for variant in variants {
        let ids = at.and_then(|at| variant.values.get_mut(at)).and_then(Value::as_array_mut);
        for id in ids.into_iter().flatten() {
            if let Some(theirs) = id.as_str().and_then(|id| media.get(id)) {
                *id = Value::from(theirs.as_str());
            }
        }
    }
}
