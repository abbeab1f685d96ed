//! `Mutation`.

use super::{Answer, FieldError, Obj, Res, World, webhook};
use crate::gid::number;
use crate::graphql::selection::Field;

pub(super) fn problem<'a>(
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
    match world.written {
        Some(Ok(outcome)) => return Ok(super::written::payload(world, outcome)),
        Some(Err(problem)) => return Err(problem.clone()),
        None => {}
    }
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
        "webhookSubscriptionCreate" => return webhook::create(world, field),
        "webhookSubscriptionUpdate" => return webhook::update(world, field),
        "webhookSubscriptionDelete" => webhook::delete(world, field),
        _ => return Err(FieldError::NotSimulated),
    })
}
