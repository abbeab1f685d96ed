//! Both sides change what was imported: import.md §2.5 and cases 8, 9 and 10 of §6.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod decided;
mod edits;
mod model;
mod random;
mod rules;
#[path = "../world/mod.rs"]
#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;
