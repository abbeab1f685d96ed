//! Rows on their whole way into a shop: mapped, planned, written, applied, replayed, undone, and what the shop then has.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod pains;
mod pipeline;
mod runs;
#[expect(dead_code, reason = "each test file uses its part of the world")]
#[path = "../push_writers/world.rs"]
mod world;
