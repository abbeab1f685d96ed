//! Exhaustive models of the three places where interleavings decide: refreshing a token, connecting a shop, completing
//! a run. Each mirrors the code as it is, and each comes with variants that are known to be bad and must fail: a model
//! that cannot tell them apart proves nothing.
//!
//! The models know nothing of `shared`; README.md says which lines each one follows.

mod check;
pub mod completion;
pub mod connect;
pub mod refresh;

pub use check::{Case, Verdict};

/// Every model with every variant, the good ones first.
#[must_use]
pub fn cases() -> Vec<Case> {
    [refresh::cases(), connect::cases(), completion::cases()].into_iter().flatten().collect()
}
