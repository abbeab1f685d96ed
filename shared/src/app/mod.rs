//! One file per use case: load, decide in the domain, store, send. No transport and no SDK may enter here.

pub mod browse_catalog;
pub mod error;
pub mod import;
