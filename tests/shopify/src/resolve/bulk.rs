//! Bulk operations as the API shows them.

use super::{Answer, FieldError, Res};
use crate::bulk::BulkOperation;
use crate::graphql::selection::Field;

pub(super) fn operation<'a>(operation: &BulkOperation, field: &Field<'_>) -> Answer<'a> {
    Ok(match field.name {
        "type" => Res::text("QUERY"),
        "status" => Res::text(operation.status.as_str()),
        "errorCode" => operation.error_code.map_or(Res::Null, Res::text),
        "objectCount" => Res::big(operation.object_count),
        "rootObjectCount" => Res::big(operation.root_object_count),
        "fileSize" => operation.file_size.map_or(Res::Null, Res::big),
        "url" => operation.url.as_ref().map_or(Res::Null, Res::owned),
        "partialDataUrl" => operation.partial_data_url.as_ref().map_or(Res::Null, Res::owned),
        "query" => Res::owned(&operation.query),
        "createdAt" => Res::time(operation.created_at),
        "completedAt" => Res::maybe_time(operation.completed_at),
        _ => return Err(FieldError::NotSimulated),
    })
}
