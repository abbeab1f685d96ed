//! The edge that all functions share: configuration, tracing, requests, problems, the batch loop.

pub mod auth;
mod batch;
pub mod catalog;
pub mod config;
pub mod connectors;
pub mod destination;
pub mod destination_step;
pub mod http;
pub mod import_step;
pub mod imports;
pub mod metrics;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod problem;
pub mod pushes;
mod report;
pub mod sweeper;
pub mod trace;
pub mod webhooks;
