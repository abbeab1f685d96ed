//! What shops post.

#[path = "../../../shared/src/providers/shopify/webhooks/topics.rs"]
mod topics;
#[path = "../../../shared/src/providers/shopify/webhooks/verify.rs"]
mod verify;

use crate::ports::provider::{AppSecret, Headers, Incoming, WebhookRefusal};

pub fn webhook(headers: Headers<'_>, body: &[u8], secret: &AppSecret) -> Result<Incoming, WebhookRefusal> {
    verify::verify(headers, body, secret)
}
