//! The calling app and its installation.

use super::{Answer, FieldError, Obj, Res, World};
use crate::graphql::selection::Field;

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
