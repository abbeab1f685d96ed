//! Webhooks: what apps subscribed to, what happens in a shop, and how it is told.
//!
//! Rules from <https://shopify.dev/docs/apps/build/webhooks>. Only loopback is ever spoken to: see [`address`].

pub mod address;
pub mod events;
mod filter;
pub mod outbox;
pub mod payload;
pub mod publish;
pub mod sender;
pub mod subscription;
pub mod topic;
