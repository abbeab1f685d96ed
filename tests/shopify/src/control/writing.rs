//! What tests of the writing half need to see and to set: rows by resource, the plan of a shop.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sim, refused, unknown};
use crate::clock::iso;
use crate::model::{Bucket, Metafield, Shop};
use crate::resolve::money;
use crate::server::Simulator;

pub(super) fn router() -> Router<Arc<Simulator>> {
    Router::new().route("/shops/{label}/rows/{resource}", get(rows)).route("/shops/{label}/plan", put(plan))
}

fn metafields(all: &[Metafield]) -> Value {
    all.iter().map(|one| (format!("{}.{}", one.namespace, one.key), json!(one.value))).collect()
}

async fn rows(State(simulator): Sim, Path((label, resource)): Path<(String, String)>) -> Response {
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    let snapshot = state.snapshot();
    let shop = &snapshot.shop;
    let rows = match resource.as_str() {
        "products" => products(shop),
        "variants" => variants(shop),
        "customers" => customers(shop),
        "orders" => orders(shop),
        "definitions" => definitions(shop),
        _ => return unknown("resource"),
    };
    Json(Value::Array(rows)).into_response()
}

fn products(shop: &Shop) -> Vec<Value> {
    let one = |product: &Arc<crate::model::Product>| {
        json!({
            "id": product.id,
            "handle": product.handle,
            "title": product.title,
            "status": product.status.as_str(),
            "tags": product.tags,
            "variants": product.variants.len(),
            "media": product.media.len(),
            "metafields": metafields(&product.metafields),
            "published": product.published_at.is_some(),
            "updated_at": iso(product.updated_at),
        })
    };
    shop.products.values().map(one).collect()
}

fn variants(shop: &Shop) -> Vec<Value> {
    let all =
        shop.products.values().flat_map(|product| product.variants.iter().map(move |one| (product, one)));
    all.map(|(product, variant)| {
        json!({
            "id": variant.id,
            "product_id": product.id,
            "title": product.variant_title(variant),
            "sku": variant.item.sku,
            "price": money(variant.price),
            "inventory_item_id": variant.item.id,
            "tracked": variant.item.tracked,
            "metafields": metafields(&variant.metafields),
        })
    })
    .collect()
}

fn customers(shop: &Shop) -> Vec<Value> {
    let one = |customer: &Arc<crate::model::Customer>| {
        json!({
            "id": customer.id,
            "email": customer.email,
            "phone": customer.phone,
            "first_name": customer.first_name,
            "last_name": customer.last_name,
            "tags": customer.tags,
            "addresses": customer.addresses.len(),
            "email_consent": customer.email_consent.state,
            "sms_consent": customer.sms_consent.state,
            "metafields": metafields(&customer.metafields),
            "updated_at": iso(customer.updated_at),
        })
    };
    shop.customers.values().map(one).collect()
}

fn orders(shop: &Shop) -> Vec<Value> {
    let one = |order: &Arc<crate::model::Order>| {
        json!({
            "id": order.id,
            "name": order.name,
            "source_identifier": order.source_identifier,
            "customer_id": order.customer,
            "total": money(order.total()),
            "financial_status": order.financial_status(),
            "fulfillment_status": order.fulfillment_status(),
            "cancelled": order.cancelled_at.is_some(),
            "mails": order.mails,
            "metafields": metafields(&order.metafields),
            "updated_at": iso(order.updated_at),
        })
    };
    shop.orders.values().map(one).collect()
}

fn definitions(shop: &Shop) -> Vec<Value> {
    let all = shop.definitions.iter();
    all.map(|one| {
        json!({
            "id": one.id,
            "owner": one.owner.as_str(),
            "name": format!("{}.{}", one.namespace, one.key),
            "type": one.kind,
            "unique": one.unique,
        })
    })
    .collect()
}

/// What is known of a shop's plan; what is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: Option<String>,
    development: Option<bool>,
    bucket: Option<WantedBucket>,
    variants_free: Option<usize>,
    variants_a_day: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedBucket {
    maximum: u32,
    restore: u32,
}

/// Puts a shop on another plan: `Basic`, `Advanced`, `Plus` or `Development`.
async fn plan(State(simulator): Sim, Path(label): Path<String>, Json(wanted): Json<Wanted>) -> Response {
    let Some(state) = simulator.shop(&label) else { return unknown("shop") };
    if wanted.bucket.as_ref().is_some_and(|bucket| bucket.restore == 0) {
        return refused("a bucket that gets nothing back stays empty");
    }
    state.change(|shop| {
        let plan = &mut shop.plan;
        if let Some(name) = wanted.name {
            plan.shopify_plus = name == "Plus";
            plan.partner_development = name == "Development";
            plan.public_display_name = name;
        }
        plan.partner_development = wanted.development.unwrap_or(plan.partner_development);
        plan.bucket = wanted
            .bucket
            .map(|bucket| Bucket { maximum: bucket.maximum, restore: bucket.restore })
            .or(plan.bucket);
        plan.variants_free = wanted.variants_free.or(plan.variants_free);
        plan.variants_a_day = wanted.variants_a_day.or(plan.variants_a_day);
    });
    crate::shop::lock(&state.buckets).clear();
    let snapshot = state.snapshot();
    let plan = &snapshot.shop.plan;
    let (restore, maximum) = state.bucket_size();
    Json(json!({
        "name": plan.public_display_name,
        "development": plan.partner_development,
        "bucket": {"maximum": maximum, "restore": restore},
    }))
    .into_response()
}
