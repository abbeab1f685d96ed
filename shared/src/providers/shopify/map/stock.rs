//! Stock levels: one per inventory item and location, absolute.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::{id_text, number};
use crate::domain::record::Child;

/// The names of quantities, in the order in which a stock level holds them.
const NAMES: [&str; 8] = [
    "available",
    "on_hand",
    "committed",
    "incoming",
    "reserved",
    "damaged",
    "safety_stock",
    "quality_control",
];

/// The quantities of a level. One that did not come is not zero.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::providers::shopify) struct Quantities([Option<i64>; NAMES.len()]);

#[derive(Deserialize)]
struct Quantity<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    quantity: Option<i64>,
}

impl<'de> Deserialize<'de> for Quantities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuantitiesVisitor;
        impl<'de> Visitor<'de> for QuantitiesVisitor {
            type Value = Quantities;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of quantities")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Quantities, A::Error> {
                let mut quantities = Quantities::default();
                while let Some(quantity) = list.next_element::<Quantity<'de>>()? {
                    if let Some(at) = NAMES.iter().position(|name| *name == quantity.name) {
                        quantities.0[at] = quantity.quantity;
                    }
                }
                Ok(quantities)
            }
        }
        deserializer.deserialize_seq(QuantitiesVisitor)
    }
}

/// A stock level as its line gives it.
#[derive(Debug, Clone, Copy)]
pub(in crate::providers::shopify) struct Level {
    /// The location's number.
    pub(super) location: u64,
    /// Whether the item is stocked there.
    pub(super) active: Option<bool>,
    /// The numbers.
    pub(super) quantities: Quantities,
}

/// Where a level hangs: what the variant knows and its own line does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    /// The variant's number.
    pub(super) variant: u64,
    /// The number of its inventory item.
    pub(super) item: u64,
    /// Whether the shop tracks the item.
    pub(super) tracked: Option<bool>,
}

impl Level {
    /// The child of the stock record.
    pub(super) fn to_child(self, holder: Holder) -> Child {
        let Quantities(quantities) = self.quantities;
        let mut values = Vec::with_capacity(4 + NAMES.len());
        values.push(id_text(holder.variant));
        values.push(Value::Bool(holder.tracked.unwrap_or(true)));
        values.push(Value::Bool(self.active.unwrap_or(true)));
        values.extend(quantities.into_iter().map(number));
        // What is imported of them is noted by the run.
        values.push(Value::Null);
        Child { id: format!("{}:{}", holder.item, self.location), values, missing_since: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Kind;

    #[test]
    fn quantities_stand_where_the_shape_names_them() {
        let fields = Kind::Stock.shape().children[0].fields;
        assert_eq!(fields[..3], ["variant_id", "tracked", "stocked"]);
        assert_eq!(fields[3..11], NAMES);
        assert_eq!(fields[11..], ["imported_available"]);
    }

    #[test]
    fn unknown_quantities_are_ignored_and_absent_ones_are_not_zero() {
        let json = r#"[{"name":"on_hand","quantity":0},{"name":"ava\u0069lable","quantity":-3},{"name":"new","quantity":9}]"#;
        let quantities: Quantities = serde_json::from_str(json).unwrap();
        assert_eq!(quantities.0, [Some(-3), Some(0), None, None, None, None, None, None]);
    }
}
