//! Pushes from the request to the last line, on a shop in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where the world is not as it set it up")]

mod again;
mod crashes;
#[path = "../drill/mod.rs"]
mod drill;
mod erasures;
mod keys;
mod runs;
mod together;
mod tools;
mod world;
