//! Fakes that inject faults, builders, and the contract suite that binds fakes and adapters.

pub mod bad_shop;
pub mod canaries;
pub mod catalog;
pub mod clock;
mod connect_loose;
pub mod connect_shop;
pub mod connect_store;
pub mod connect_vault;
pub mod contract;
pub mod destination;
pub mod faults;
pub mod hooks;
pub mod media;
pub mod metrics;
pub mod push_store;
pub mod push_writer;
pub mod queue;
pub mod runs;
pub mod source;
