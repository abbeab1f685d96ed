//! Pushing rows of a merchant's data tools into a shop: what a mapping says, what a row becomes by it, what happened to it.
//!
//! A mapping is compiled once, against the inputs that the destination has (`target`), and reports everything that is
//! wrong with it at once. Rows are then mapped, coerced and checked without a call to the shop.

pub mod change;
pub mod code;
mod coerce;
mod columns;
mod compile;
pub mod document;
pub mod inputs;
pub mod key;
pub mod ledger;
pub mod levels;
pub mod mapping;
mod needed;
mod phone;
mod place;
pub mod row;
pub mod run;
pub mod saved;
pub mod shown;
pub mod state;
pub mod target;
mod template;
pub mod throttle;
