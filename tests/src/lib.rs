//! What the system tests share: reading the project's own files. Nothing of the product may enter.

pub mod alarm;
pub mod template;

use std::path::{Path, PathBuf};

/// The root of the checkout.
#[must_use]
pub fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
