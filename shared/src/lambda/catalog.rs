//! The HTTP edge of browsing the catalogue.

use std::sync::Arc;

use super::http::{Call, Response, json};
use crate::app::browse_catalog::{BrowseCatalog, StandingFilter};
use crate::app::error::AppError;
use crate::domain::record::Resource;

/// Answers every route of `catalog`.
pub async fn catalog(app: Arc<BrowseCatalog>, call: Call) -> Result<Response, AppError> {
    let caller = call.caller()?;
    let resource = call.path("resource").and_then(Resource::parse).ok_or_else(AppError::not_found)?;
    match call.route() {
        "GET /stores/{store_id}/catalog/{resource}" => {}
        "GET /stores/{store_id}/catalog/{resource}/{id}" => {
            call.query(&[])?;
            let id = call.path("id").unwrap_or_default();
            return json(200, &app.one(&caller.store, resource, id).await?);
        }
        _ => return Err(AppError::not_found()),
    }
    let query = call.query(&["cursor", "limit", "standing"])?;
    let standing = match query.get("standing") {
        None => StandingFilter::default(),
        Some(text) => StandingFilter::parse(text).ok_or_else(|| {
            AppError::invalid("invalid_parameter", "`standing` must be `active`, `missing` or `all`.")
        })?,
    };
    let cursor = query.get("cursor").map(str::to_owned);
    json(200, &app.list(&caller.store, resource, standing, cursor, query.limit(50, 100)?).await?)
}
