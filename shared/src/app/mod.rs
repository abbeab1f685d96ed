//! One file per use case: load, decide in the domain, store, send. No transport and no SDK may enter here.

pub mod access;
pub mod audit;
pub mod browse_catalog;
mod care;
pub mod complete_oauth;
pub mod configure;
pub mod credentials;
pub mod destination;
pub mod disconnect;
pub mod error;
pub mod import;
mod live;
mod loose;
pub mod media;
pub mod push;
pub mod status;
mod stop;
pub mod sweep;
pub mod webhooks;
