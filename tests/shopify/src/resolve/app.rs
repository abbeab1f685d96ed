//! The calling app, its installation, its webhook subscriptions.

use super::{Answer, FieldError, Obj, Res, World};
use crate::graphql::selection::Field;
use crate::shop::Webhook;

/// A number that stands for an app, the same in every run.
pub(super) fn number(client_id: &str) -> u64 {
    let digits = crate::apps::fingerprint(client_id);
    u64::from_str_radix(digits.get(..10).unwrap_or_default(), 16).unwrap_or_default()
}

fn scopes<'a>(scopes: impl Iterator<Item = String>) -> Res<'a> {
    let scope = |handle: String| {
        let description = handle.replace('_', " ");
        let fields = vec![("handle", Res::owned(handle)), ("description", Res::owned(description))];
        Res::plain("AccessScope", fields)
    };
    Res::List(scopes.map(scope).collect())
}

pub(super) fn app<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    Ok(match field.name {
        "apiKey" => Res::text(world.client_id),
        "title" => Res::text(world.app_name),
        "handle" => Res::owned(world.app_name.to_lowercase().replace(' ', "-")),
        "embedded" => Res::Bool(false),
        "requestedAccessScopes" => scopes(world.app_scopes.iter().cloned()),
        "optionalAccessScopes" => Res::List(Vec::new()),
        "installation" => Res::obj(Obj::Installation),
        _ => return Err(FieldError::NotSimulated),
    })
}

pub(super) fn installation<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    Ok(match field.name {
        "accessScopes" => scopes(world.scopes.iter().cloned()),
        "app" => Res::obj(Obj::App),
        _ => return Err(FieldError::NotSimulated),
    })
}

pub(super) fn webhook<'a>(webhook: &Webhook, field: &Field<'_>) -> Answer<'a> {
    let texts = |texts: &[String]| Res::List(texts.iter().map(Res::owned).collect());
    Ok(match field.name {
        "legacyResourceId" => Res::big(webhook.id),
        "topic" => Res::owned(&webhook.topic),
        "uri" | "callbackUrl" => Res::owned(&webhook.uri),
        "format" => Res::owned(&webhook.format),
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
        "createdAt" | "updatedAt" => Res::time(webhook.created_at),
        _ => return Err(FieldError::NotSimulated),
    })
}
