//! What people do with runs beside beginning them: decide, limit, retry, cancel, take back, on fakes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod brake;
mod cancel;
mod crashes;
mod limit;
mod missing;
mod retry;
mod starts;
mod undo;
#[expect(dead_code, reason = "each test file uses its part of the world")]
#[path = "../world/mod.rs"]
mod world;
