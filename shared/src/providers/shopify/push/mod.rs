//! Pushing rows into a shop: what can be filled, what is there, what a row changes, and the calls that change it.

mod call;
mod compare;
mod customers;
mod destination;
mod documents;
mod files;
mod find;
mod fulfill;
mod orders;
mod plan;
mod product_lists;
mod products;
mod split;
mod stock;
mod take_back;
mod targets;
mod write;
mod writer;

pub use targets::targets;

#[cfg(test)]
mod tests;
