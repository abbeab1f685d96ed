//! Webhook subscriptions: making, changing, listing them.

use serde_json::Value;

use super::mutation::problem;
use super::{Answer, FieldError, Obj, Res, World};
use crate::gid::{gid, number};
use crate::graphql::connection::Connection;
use crate::graphql::search::{Fact, Filter};
use crate::graphql::selection::Field;
use crate::shop::lock;
use crate::webhooks::subscription::Webhook;
use crate::webhooks::topic::Topic;

/// A field of a subscription.
pub(super) fn webhook<'a>(webhook: &Webhook, field: &Field<'_>) -> Answer<'a> {
    let texts = |texts: &[String]| Res::List(texts.iter().map(Res::owned).collect());
    Ok(match field.name {
        "legacyResourceId" => Res::big(webhook.id),
        "topic" => Res::owned(&webhook.topic.value),
        "uri" | "callbackUrl" => Res::owned(&webhook.uri),
        "endpoint" => endpoint(&webhook.uri),
        "format" => Res::text("JSON"),
        "filter" => webhook.filter.as_ref().map_or(Res::Null, Res::owned),
        "name" => webhook.name.as_ref().map_or(Res::Null, Res::owned),
        "includeFields" => texts(&webhook.include_fields),
        "metafieldNamespaces" => texts(&webhook.metafield_namespaces),
        "metafields" => Res::List(Vec::new()),
        "apiVersion" => Res::plain(
            "ApiVersion",
            vec![
                ("handle", Res::owned(&webhook.version)),
                ("displayName", Res::owned(&webhook.version)),
                ("supported", Res::Bool(true)),
            ],
        ),
        "createdAt" => Res::time(webhook.created_at),
        "updatedAt" => Res::time(webhook.updated_at),
        _ => return Err(FieldError::NotSimulated),
    })
}

fn endpoint<'a>(uri: &str) -> Res<'a> {
    if uri.starts_with("arn:") {
        return Res::plain("WebhookEventBridgeEndpoint", vec![("arn", Res::owned(uri))]);
    }
    match uri.strip_prefix("pubsub://") {
        Some(rest) => {
            let (project, topic) = rest.split_once(':').unwrap_or((rest, ""));
            let fields = vec![("pubSubProject", Res::owned(project)), ("pubSubTopic", Res::owned(topic))];
            Res::plain("WebhookPubSubEndpoint", fields)
        }
        None => Res::plain("WebhookHttpEndpoint", vec![("callbackUrl", Res::owned(uri))]),
    }
}

/// `webhookSubscriptions`: those of the calling app.
pub(super) fn list<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let topics = field.texts("topics");
    let uri = field.text("uri").or_else(|| field.text("callbackUrl"));
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let chosen = world.webhooks.iter().filter(|webhook| {
        let fact = |name: &str| match name {
            "id" => Fact::Numbers(i64::try_from(webhook.id).into_iter().collect()),
            "created_at" => Fact::Time(Some(webhook.created_at)),
            "updated_at" => Fact::Time(Some(webhook.updated_at)),
            // These two filter counts only, by the documents; the list takes them as well.
            "topic" => Fact::Texts(vec![webhook.topic.value.clone(), webhook.topic.name.clone()]),
            "endpoint" => Fact::Texts(vec![webhook.uri.clone()]),
            _ => Fact::Unknown,
        };
        (topics.is_empty() || topics.contains(&webhook.topic.value.as_str()))
            && uri.is_none_or(|uri| webhook.uri == uri)
            && field.text("format").is_none_or(|format| format == "JSON")
            && filter.passes(&fact, &|_| true)
    });
    let nodes = chosen.map(|webhook| (webhook.id, Obj::Webhook(webhook.clone())));
    Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
}

/// `webhookSubscriptionDelete`
pub(super) fn delete<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let id = field.text("id").and_then(|text| number(text, "WebhookSubscription"));
    let mut webhooks = lock(&world.state.webhooks);
    let before = webhooks.len();
    webhooks.retain(|webhook| webhook.client_id != world.client_id || Some(webhook.id) != id);
    let (deleted, problems) = match id {
        Some(id) if webhooks.len() < before => (Res::owned(gid("WebhookSubscription", id)), Vec::new()),
        _ => {
            let message = "Webhook subscription does not exist".to_owned();
            (Res::Null, vec![problem("UserError", &["id"], message, None)])
        }
    };
    Res::plain(
        "WebhookSubscriptionDeletePayload",
        vec![("deletedWebhookSubscriptionId", deleted), ("userErrors", Res::List(problems))],
    )
}

/// Why a subscription is refused: the path to what is wrong and a message.
type Refusal = (&'static [&'static str], String);

const ADDRESS: &[&str] = &["webhookSubscription", "callbackUrl"];

/// `webhookSubscriptionCreate`
pub(super) fn create<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    let input = input(field)?;
    let topic = field.text("topic").and_then(|value| Topic::of(world.api, value));
    let topic = topic.ok_or(FieldError::NotSimulated)?;
    let made = admissible(world, &topic).and_then(|()| {
        let mut webhooks = lock(&world.state.webhooks);
        let uri = address(&input, None)?;
        free(world, &webhooks, &topic, &uri, None)?;
        let id = webhooks.iter().map(|webhook| webhook.id).max().unwrap_or(1_400_000_000_000) + 1;
        let mut webhook = Webhook {
            id,
            client_id: world.client_id.to_owned(),
            topic,
            uri,
            filter: None,
            include_fields: Vec::new(),
            metafield_namespaces: Vec::new(),
            name: None,
            version: world.version.to_owned(),
            created_at: world.now,
            updated_at: world.now,
            last_success: None,
        };
        fill(&mut webhook, &input);
        webhooks.push(webhook.clone());
        Ok(webhook)
    });
    Ok(payload("WebhookSubscriptionCreatePayload", made))
}

/// `webhookSubscriptionUpdate`: what the input leaves out stays, the topic always.
pub(super) fn update<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    let input = input(field)?;
    let id = field.text("id").and_then(|text| number(text, "WebhookSubscription"));
    let mut webhooks = lock(&world.state.webhooks);
    let own = webhooks.iter().find(|webhook| webhook.client_id == world.client_id && Some(webhook.id) == id);
    let missing: Refusal = (&["id"], "Webhook subscription does not exist".to_owned());
    let changed = own.cloned().ok_or(missing).and_then(|mut webhook| {
        admissible(world, &webhook.topic)?;
        webhook.uri = address(&input, Some(&webhook.uri))?;
        free(world, &webhooks, &webhook.topic, &webhook.uri, Some(webhook.id))?;
        fill(&mut webhook, &input);
        webhook.version = world.version.to_owned();
        webhook.updated_at = world.now;
        Ok(webhook)
    });
    if let Ok(changed) = &changed {
        let place = webhooks.iter_mut().find(|webhook| webhook.id == changed.id);
        place.into_iter().for_each(|place| *place = changed.clone());
    }
    Ok(payload("WebhookSubscriptionUpdatePayload", changed))
}

fn payload<'a>(type_name: &'static str, outcome: Result<Webhook, Refusal>) -> Res<'a> {
    let (webhook, problems) = match outcome {
        Ok(webhook) => (Res::obj(Obj::Webhook(webhook)), Vec::new()),
        Err((path, message)) => (Res::Null, vec![problem("UserError", path, message, None)]),
    };
    Res::plain(type_name, vec![("webhookSubscription", webhook), ("userErrors", Res::List(problems))])
}

fn input(field: &Field<'_>) -> Result<Value, FieldError> {
    let input = field.args.get("webhookSubscription").cloned().unwrap_or_default();
    // Payloads in XML, and metafields in them, are not simulated.
    let asks_more = input["format"] == "XML" || !input["metafields"].is_null();
    if asks_more { Err(FieldError::NotSimulated) } else { Ok(input) }
}

fn admissible(world: &World<'_>, topic: &Topic) -> Result<(), Refusal> {
    if topic.open_to(world.scopes) {
        return Ok(());
    }
    let message =
        format!("You do not have permission to create or update webhooks with {} topic.", topic.name);
    Err((&["topic"], message))
}

fn address(input: &Value, before: Option<&str>) -> Result<String, Refusal> {
    let given = input["uri"].as_str().or_else(|| input["callbackUrl"].as_str()).or(before);
    let uri = given.filter(|uri| !uri.is_empty()).ok_or((ADDRESS, "Address can't be blank".to_owned()))?;
    if uri.starts_with("pubsub://") || uri.starts_with("arn:aws:events:") {
        return Ok(uri.to_owned());
    }
    match url::Url::parse(uri) {
        Ok(url) if url.scheme() == "https" && url.host_str().is_some() => Ok(uri.to_owned()),
        Ok(url) => Err((ADDRESS, format!("Address protocol {}:// is not supported", url.scheme()))),
        Err(_) => Err((ADDRESS, "Address is invalid".to_owned())),
    }
}

fn free(
    world: &World<'_>,
    webhooks: &[Webhook],
    topic: &Topic,
    uri: &str,
    itself: Option<u64>,
) -> Result<(), Refusal> {
    let taken = webhooks.iter().any(|webhook| {
        webhook.client_id == world.client_id
            && webhook.topic == *topic
            && webhook.uri == uri
            && Some(webhook.id) != itself
    });
    if taken { Err((ADDRESS, "Address for this topic has already been taken".to_owned())) } else { Ok(()) }
}

fn fill(webhook: &mut Webhook, input: &Value) {
    let texts = |name: &str| {
        let items = input[name].as_array()?;
        Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    let text = |name: &str| input.get(name).map(|value| value.as_str().map(str::to_owned));
    webhook.filter = text("filter").unwrap_or_else(|| webhook.filter.take());
    webhook.name = text("name").unwrap_or_else(|| webhook.name.take());
    if let Some(fields) = texts("includeFields") {
        webhook.include_fields = fields;
    }
    if let Some(namespaces) = texts("metafieldNamespaces") {
        webhook.metafield_namespaces = namespaces;
    }
}
