//! Being told by Shopify itself: what it posts, and what it was asked to post.

mod topics;
mod verify;

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use self::topics::{TOPICS, Topic};
use super::Shopify;
use crate::domain::scopes::Scopes;
use crate::ports::provider::{
    AppSecret, Headers, Incoming, ProviderError, ShopAccess, WebhookRefusal, Webhooks,
};

const LIST: &str = include_str!("../documents/webhooks_list.graphql");
const CREATE: &str = include_str!("../documents/webhook_create.graphql");
const DELETE: &str = include_str!("../documents/webhook_delete.graphql");

/// The headers that are read of what Shopify posts, whether it must carry them, and what they say.
pub const WEBHOOK_HEADERS: [(&str, bool, &str); 5] = [
    ("X-Shopify-Hmac-Sha256", true, "HMAC-SHA256 of the body by the app's secret, in base64."),
    ("X-Shopify-Topic", true, "What it is about."),
    ("X-Shopify-Shop-Domain", true, "The shop."),
    ("X-Shopify-Webhook-Id", true, "The same for every delivery of one message."),
    ("X-Shopify-Triggered-At", false, "When it happened, RFC 3339."),
];

/// Pages of subscriptions that are read at most: far more than one app may have.
const MAX_PAGES: usize = 20;
/// Calls under way at once.
const CONCURRENCY: usize = 4;

#[derive(Serialize)]
struct ListVariables<'a> {
    after: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAnswer {
    webhook_subscriptions: Subscriptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscriptions {
    nodes: Vec<Subscription>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// One subscription. Its address ends in a key, so it has no `Debug`.
#[derive(Deserialize)]
struct Subscription {
    id: String,
    topic: String,
    uri: String,
}

#[derive(Serialize)]
struct CreateVariables<'a> {
    topic: String,
    webhook: WebhookInput<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookInput<'a> {
    uri: &'a str,
    format: &'static str,
    include_fields: &'static [&'static str],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateAnswer {
    webhook_subscription_create: Option<Payload>,
}

#[derive(Serialize)]
struct DeleteVariables<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteAnswer {
    webhook_subscription_delete: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct UserError {
    message: String,
}

/// The refusal in a payload, unless it says what was wanted anyway. Its errors carry no code.
fn refusal(payload: Option<Payload>, fine: &str) -> Result<(), ProviderError> {
    let errors = payload.map(|payload| payload.user_errors).unwrap_or_default();
    match errors.into_iter().find(|error| !error.message.contains(fine)) {
        Some(error) => Err(ProviderError::Refused { code: error.message.chars().take(100).collect() }),
        None => Ok(()),
    }
}

/// What an address below `base` ends in.
fn key_below<'a>(base: &Url, uri: &'a str) -> Option<&'a str> {
    let key = uri.strip_prefix(base.as_str().trim_end_matches('/'))?.strip_prefix('/')?;
    (!key.is_empty() && !key.contains(['/', '?', '#'])).then_some(key)
}

impl Shopify {
    async fn subscriptions(&self, access: &ShopAccess) -> Result<Vec<Subscription>, ProviderError> {
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let variables = ListVariables { after: after.as_deref() };
            let page = self.call::<ListAnswer>(access, LIST, variables).await?.webhook_subscriptions;
            all.extend(page.nodes);
            after = page.page_info.end_cursor.filter(|_| page.page_info.has_next_page);
            if after.is_none() {
                return Ok(all);
            }
        }
        Err(ProviderError::Malformed { why: "the pages of subscriptions do not end".to_owned() })
    }

    async fn create(&self, access: &ShopAccess, topic: &Topic, uri: &str) -> Result<(), ProviderError> {
        let webhook = WebhookInput { uri, format: "JSON", include_fields: topic.fields };
        let variables = CreateVariables { topic: topic.in_graphql(), webhook };
        let answer: CreateAnswer = self.call(access, CREATE, variables).await?;
        refusal(answer.webhook_subscription_create, "already been taken")
    }

    async fn delete(&self, access: &ShopAccess, id: &str) -> Result<(), ProviderError> {
        let answer: DeleteAnswer = self.call(access, DELETE, DeleteVariables { id }).await?;
        refusal(answer.webhook_subscription_delete, "does not exist")
    }
}

#[async_trait]
impl Webhooks for Shopify {
    fn verify_webhook(
        &self,
        headers: Headers<'_>,
        body: &[u8],
        secret: &AppSecret,
    ) -> Result<Incoming, WebhookRefusal> {
        verify::verify(headers, body, secret)
    }

    async fn subscribed_keys(
        &self,
        access: &ShopAccess,
        base: &Url,
    ) -> Result<Vec<SecretString>, ProviderError> {
        let all = self.subscriptions(access).await?;
        let keys: BTreeSet<&str> = all.iter().filter_map(|one| key_below(base, &one.uri)).collect();
        Ok(keys.into_iter().map(SecretString::from).collect())
    }

    async fn subscribe(
        &self,
        access: &ShopAccess,
        base: &Url,
        key: &SecretString,
        granted: &Scopes,
    ) -> Result<(), ProviderError> {
        let key = key.expose_secret();
        let uri = format!("{}/{key}", base.as_str().trim_end_matches('/'));
        let all = self.subscriptions(access).await?;
        let (ours, old): (Vec<_>, Vec<_>) = all
            .iter()
            .filter_map(|one| key_below(base, &one.uri).map(|its| (its == key, one)))
            .partition(|(ours, _)| *ours);
        let there: BTreeSet<&str> = ours.iter().map(|(_, one)| one.topic.as_str()).collect();
        let missing: Vec<_> = TOPICS
            .iter()
            .filter(|topic| topic.is_allowed(granted) && !there.contains(topic.in_graphql().as_str()))
            .map(|topic| self.create(access, topic, &uri))
            .collect();
        stream::iter(missing).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        // Only when the new ones stand: in between, the shop tells both.
        let old: Vec<_> = old.iter().map(|(_, one)| self.delete(access, &one.id)).collect();
        stream::iter(old).buffer_unordered(CONCURRENCY).try_collect::<()>().await
    }
}

#[cfg(test)]
mod tests;
