//! A Shopify that runs on loopback: OAuth, Admin GraphQL checked against Shopify's own schema,
//! bulk operations, webhooks, REST leftovers, and switches that make it misbehave.
//!
//! It shares no code with the product it tests, so that both cannot be wrong in the same way.
//! `README.md` beside this package lists the surface and the switches.

pub mod admin;
pub mod apps;
pub mod bulk;
pub mod changes;
pub mod clock;
pub mod control;
pub mod faults;
pub mod gid;
pub mod graphql;
pub mod images;
pub mod model;
pub mod mutate;
pub mod oauth;
pub mod proxy;
pub mod resolve;
pub mod rest;
pub mod results;
pub mod schema;
pub mod seed;
pub mod server;
pub mod shop;
pub mod tls;
pub mod webhooks;
