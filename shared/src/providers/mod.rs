//! The platforms. Each is a module behind the traits of `ports::provider`.

pub mod shopify;
