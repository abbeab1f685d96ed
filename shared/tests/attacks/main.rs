//! The attack corpus (D9): eighteen families of attacks on connecting, each in many concrete forms, fed to the real
//! handlers on fakes. `docs/security.md` tells which defence each one tries, `tests/mutants/` holds the broken builds
//! that it must catch.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod afterwards;
mod browsers;
#[expect(dead_code, reason = "attacks only say what became of them")]
#[path = "../drill/mod.rs"]
mod drill;
mod family;
#[path = "../connect/lines.rs"]
mod lines;
mod queries;
mod secrets;
mod shops;
mod states;
#[expect(dead_code, reason = "attacks use their part of the world")]
#[path = "../connect/world.rs"]
mod world;
