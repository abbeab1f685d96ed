//! What a push writes to a shop, held against the simulator.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod customers;
mod orders;
mod pains;
mod product_lists;
mod products;
mod stock;
mod taken_back;
mod world;
