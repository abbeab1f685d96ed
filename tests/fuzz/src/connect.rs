//! Names and callbacks.

#[path = "../../../shared/src/providers/shopify/connect/name.rs"]
mod name;
#[path = "../../../shared/src/providers/shopify/connect/signature.rs"]
mod signature;

use crate::domain::ids::ShopDomain;
use crate::ports::provider::{AppSecret, Callback, CallbackRefusal, InvalidShop};

pub fn shop_domain(text: &str) -> Option<ShopDomain> {
    name::domain(text)
}

pub fn typed(text: &str) -> Result<ShopDomain, InvalidShop> {
    name::typed(text)
}

pub fn callback(query: &str, secret: &AppSecret, now: jiff::Timestamp) -> Result<Callback, CallbackRefusal> {
    signature::verify(query, secret, now)
}
