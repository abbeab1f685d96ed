//! Random edits of a record, as either side makes them.

use serde_json::{Value, json};
use shared::domain::record::{Child, Kind, Record, Resource};

/// A generator whose numbers a seed tells.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Fields that either side edits, of a record's own or of a list.
fn editable(kind: Kind, list: Option<Resource>) -> &'static [&'static str] {
    match (kind, list) {
        (Kind::Product, None) => &["title", "vendor", "handle", "seo_title", "tags"],
        (Kind::Category, None) => &["title", "description_html", "sort_order"],
        (Kind::Warehouse, None) => &["name", "address", "active"],
        (_, Some(Resource::Variants)) => &["sku", "price", "barcode"],
        (_, Some(Resource::Media)) => &["alt", "url"],
        (_, Some(Resource::Metafields)) => &["value"],
        _ => &[],
    }
}

/// Few values, so that both sides come upon the same one now and then.
fn value(dice: &mut Dice) -> Value {
    [Value::Null, json!(""), json!("a"), json!("b"), json!("c"), json!(7)][dice.below(6)].clone()
}

/// Edits both versions of a record that were the same before. Of each list one child at most is taken away, by one
/// side: what the base's hashes do not tell apart beyond that is resolved in the merchant's favour and not modelled.
pub fn both(theirs: &mut Record, ours: &mut Record, dice: &mut Dice) {
    let shape = theirs.kind.shape();
    for record in [&mut *theirs, &mut *ours] {
        for name in editable(record.kind, None) {
            if dice.one_in(4) {
                record.set(name, value(dice));
            }
        }
    }
    for (at, list) in shape.children.iter().enumerate() {
        if list.resource == Resource::Stock {
            continue;
        }
        for (record, prefix) in [(&mut *theirs, "new-"), (&mut *ours, "local-")] {
            let children = &mut record.children[at];
            for child in children.iter_mut() {
                for name in editable(record.kind, Some(list.resource)) {
                    let field = list.fields.iter().position(|field| field == name).unwrap();
                    if dice.one_in(6) {
                        child.values[field] = value(dice);
                    }
                }
            }
            if list.ordered && children.len() > 1 && dice.one_in(3) {
                let (a, b) = (dice.below(children.len()), dice.below(children.len()));
                children.swap(a, b);
            }
            if dice.one_in(3) {
                let mut values = vec![Value::Null; list.fields.len()];
                for name in editable(record.kind, Some(list.resource)) {
                    values[list.fields.iter().position(|field| field == name).unwrap()] = value(dice);
                }
                let id = format!("{prefix}{}{at}", dice.below(1_000_000));
                let place = dice.below(children.len() + 1);
                children.insert(place, Child { id, values, missing_since: None });
            }
        }
        let taken = dice.below(6);
        let side = if dice.one_in(2) { &mut *theirs } else { &mut *ours };
        if taken < side.children[at].len().min(3) {
            let imported: Vec<usize> =
                (0..side.children[at].len()).filter(|n| !side.children[at][*n].id.contains('-')).collect();
            if let Some(place) = imported.get(taken) {
                side.children[at].remove(*place);
            }
        }
    }
}
