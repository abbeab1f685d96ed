//! Where shops come from: a generator of any size, a small hand-made shop, a merchant's own product export.
//!
//! Everything here is a pure function of its arguments: the same arguments give the same shop, with the same ids and
//! times, on every machine.

use std::str::FromStr;

use crate::model::Shop;

mod build;
mod columns;
mod demo;
mod demo_items;
mod generator;
mod product_csv;
mod words;

pub(crate) use build::slug;
pub use demo::demo;
pub use generator::{Generator, generated};
pub use product_csv::{CsvError, CsvShop, Warning, csv};

/// What a shop starts with, as written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Nothing but one location.
    Empty,
    /// The hand-made shop of [`demo`].
    Demo,
    /// A shop of [`generated`].
    Generated {
        /// How many products.
        products: u64,
        /// Another number, another catalogue.
        rng: u64,
    },
}

impl Seed {
    /// Builds the shop `{label}.myshopify.com`.
    #[must_use]
    pub fn shop(&self, label: &str) -> Shop {
        match self {
            Self::Empty => empty(label),
            Self::Demo => demo(label),
            Self::Generated { products, rng } => generated(label, *products, *rng),
        }
    }
}

impl FromStr for Seed {
    type Err = String;

    /// Reads `demo`, `empty`, `generated:<products>` or `generated:<products>:<rng>`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            part.parse::<u64>().map_err(|_| format!("`{part}` in the seed `{text}` is not a whole number"))
        };
        match text.split(':').collect::<Vec<_>>().as_slice() {
            ["demo"] => Ok(Self::Demo),
            ["empty"] => Ok(Self::Empty),
            ["generated", products] => Ok(Self::Generated { products: number(products)?, rng: 1 }),
            ["generated", products, rng] => {
                Ok(Self::Generated { products: number(products)?, rng: number(rng)? })
            }
            _ => Err(format!(
                "`{text}` is no seed: write demo, empty, generated:<products> or generated:<products>:<rng>"
            )),
        }
    }
}

/// A shop with one location and nothing else.
#[must_use]
pub fn empty(label: &str) -> Shop {
    let mut shop = build::shop(label, label);
    let location = build::location(shop.take_id(), "Main", build::OPENED);
    shop.locations.insert(location.id, location.into());
    shop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read() {
        assert_eq!("demo".parse(), Ok(Seed::Demo));
        assert_eq!("generated:12".parse(), Ok(Seed::Generated { products: 12, rng: 1 }));
        assert_eq!("generated:12:9".parse(), Ok(Seed::Generated { products: 12, rng: 9 }));
        for wrong in ["", "demo:1", "generated", "generated:x", "generated:1:2:3", "generated:-1"] {
            assert!(wrong.parse::<Seed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_empty_shop_holds_one_location() {
        let counts = empty("bare").counts();
        assert_eq!((counts.warehouses, counts.products, counts.stock), (1, 0, 0));
    }
}
