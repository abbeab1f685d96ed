//! Everything the merchant connectors do, but for the entry points in `functions/`.
//!
//! Arrows go one way: `lambda` → `app` → `ports` → `domain`; `adapters` and `providers` → `ports`.
//! `tests/tests/tidy.rs` holds the code to it.

pub mod adapters;
pub mod app;
pub mod domain;
pub mod lambda;
pub mod ports;
pub mod providers;
#[cfg(feature = "testkit")]
pub mod testkit;
