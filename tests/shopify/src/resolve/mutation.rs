//! `Mutation`.

use serde_json::Value;

use super::{Answer, FieldError, Obj, Res, World};
use crate::gid::{gid, number};
use crate::graphql::selection::Field;
use crate::shop::{Webhook, lock};

fn problem<'a>(
    type_name: &'static str,
    path: &[&'static str],
    message: String,
    code: Option<&'static str>,
) -> Res<'a> {
    let path = if path.is_empty() {
        Res::Null
    } else {
        Res::List(path.iter().map(|part| Res::text(part)).collect())
    };
    let mut fields = vec![("field", path), ("message", Res::owned(message))];
    if let Some(code) = code {
        fields.push(("code", Res::text(code)));
    }
    Res::plain(type_name, fields)
}

pub(super) fn mutation<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    let Some(effects) = world.effects else { return Err(FieldError::NotSimulated) };
    let none = || Res::List(Vec::new());
    Ok(match field.name {
        "bulkOperationRunQuery" => {
            let (operation, problems) = match effects
                .start_bulk(field.text("query").unwrap_or_default(), field.flag("groupObjects"))
            {
                Ok(operation) => (Res::obj(Obj::Bulk(operation)), none()),
                Err((code, message)) => {
                    let path: &[&str] = if code == "INVALID" { &["query"] } else { &[] };
                    let error = problem("BulkOperationUserError", path, message, Some(code));
                    (Res::Null, Res::List(vec![error]))
                }
            };
            Res::plain(
                "BulkOperationRunQueryPayload",
                vec![("bulkOperation", operation), ("userErrors", problems)],
            )
        }
        "bulkOperationCancel" => {
            let id = field.text("id").and_then(|text| number(text, "BulkOperation"));
            let (operation, problems) = match id.and_then(|id| effects.cancel_bulk(id)) {
                Some(operation) => (Res::obj(Obj::Bulk(operation)), none()),
                None => {
                    let error =
                        problem("UserError", &["id"], "Bulk operation does not exist".to_owned(), None);
                    (Res::Null, Res::List(vec![error]))
                }
            };
            Res::plain(
                "BulkOperationCancelPayload",
                vec![("bulkOperation", operation), ("userErrors", problems)],
            )
        }
        "appUninstall" => {
            effects.uninstall();
            Res::plain("AppUninstallPayload", vec![("app", Res::obj(Obj::App)), ("userErrors", none())])
        }
        "webhookSubscriptionCreate" => subscribe(world, field),
        "webhookSubscriptionDelete" => {
            let id = field.text("id").and_then(|text| number(text, "WebhookSubscription"));
            let mut webhooks = lock(&world.state.webhooks);
            let before = webhooks.len();
            webhooks.retain(|webhook| webhook.client_id != world.client_id || Some(webhook.id) != id);
            let (deleted, problems) = match id {
                Some(id) if webhooks.len() < before => (Res::owned(gid("WebhookSubscription", id)), none()),
                _ => {
                    let message = "Webhook subscription does not exist".to_owned();
                    (Res::Null, Res::List(vec![problem("UserError", &["id"], message, None)]))
                }
            };
            Res::plain(
                "WebhookSubscriptionDeletePayload",
                vec![("deletedWebhookSubscriptionId", deleted), ("userErrors", problems)],
            )
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

fn subscribe<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let input = field.args.get("webhookSubscription").cloned().unwrap_or_default();
    let text = |name: &str| input[name].as_str().map(str::to_owned);
    let texts = |name: &str| {
        let items = input[name].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let topic = field.text("topic").unwrap_or_default().to_owned();
    let payload = |webhook: Res<'a>, problems: Vec<Res<'a>>| {
        let fields = vec![("webhookSubscription", webhook), ("userErrors", Res::List(problems))];
        Res::plain("WebhookSubscriptionCreatePayload", fields)
    };
    let refuse = |message: &str| {
        let path = &["webhookSubscription", "callbackUrl"];
        payload(Res::Null, vec![problem("UserError", path, message.to_owned(), None)])
    };
    let Some(uri) = text("uri").or_else(|| text("callbackUrl")) else {
        return refuse("Address can't be blank");
    };
    if !["https://", "pubsub://", "arn:aws:events:"].iter().any(|scheme| uri.starts_with(scheme)) {
        return refuse("Address protocol http:// is not supported");
    }
    let mut webhooks = lock(&world.state.webhooks);
    let own = |webhook: &&Webhook| webhook.client_id == world.client_id;
    if webhooks.iter().filter(own).any(|webhook| webhook.topic == topic && webhook.uri == uri) {
        return refuse("Address for this topic has already been taken");
    }
    let id = webhooks.iter().map(|webhook| webhook.id).max().unwrap_or(1_400_000_000_000) + 1;
    let webhook = Webhook {
        id,
        client_id: world.client_id.to_owned(),
        topic,
        uri,
        format: text("format").unwrap_or_else(|| "JSON".to_owned()),
        filter: text("filter"),
        include_fields: texts("includeFields"),
        metafield_namespaces: texts("metafieldNamespaces"),
        name: text("name"),
        version: world.version.to_owned(),
        created_at: world.now,
    };
    webhooks.push(webhook.clone());
    payload(Res::obj(Obj::Webhook(webhook)), Vec::new())
}
