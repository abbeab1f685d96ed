//! REST leftovers that real clients still ask for.

use axum::response::Response;
use http::header::LINK;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::admin::{Caller, Incoming, json_answer};
use crate::clock::iso;
use crate::gid::gid;
use crate::model::{Location, MediaContent, MediaStatus, Product, Shop};
use crate::resolve::money;
use crate::shop::{ShopState, lock};

pub(crate) mod customers;

fn counted(state: &ShopState, name: &str) {
    *lock(&state.calls).rest_calls.entry(name.to_owned()).or_default() += 1;
}

/// `GET /admin/oauth/access_scopes.json`
pub fn access_scopes(state: &ShopState, caller: &Caller) -> Response {
    counted(state, "access_scopes");
    let scopes: Vec<Value> = caller.scopes.iter().map(|scope| json!({ "handle": scope })).collect();
    json_answer(StatusCode::OK, &json!({ "access_scopes": scopes }))
}

/// `GET /admin/api/{version}/{shop,locations,products,customers,orders}.json`
pub fn resource(
    state: &ShopState,
    caller: &Caller,
    version: &str,
    name: &str,
    incoming: &Incoming,
) -> Response {
    counted(state, name);
    let snapshot = state.snapshot();
    let shop = &snapshot.shop;
    let needs = |scope: &str| (!caller.scopes.contains(scope)).then(|| forbidden(scope));
    let mut answer = match name {
        "shop.json" => json_answer(StatusCode::OK, &json!({"shop": shop_json(shop)})),
        "locations.json" => needs("read_locations").unwrap_or_else(|| {
            let all: Vec<Value> = shop.locations.values().map(|location| location_json(location)).collect();
            json_answer(StatusCode::OK, &json!({ "locations": all }))
        }),
        "customers.json" => needs("read_customers").unwrap_or_else(|| {
            let all: Vec<Value> = shop.customers.values().map(|one| customers::customer_json(one)).collect();
            json_answer(StatusCode::OK, &json!({ "customers": all }))
        }),
        "orders.json" => needs("read_orders").unwrap_or_else(|| {
            let all: Vec<Value> = shop.orders.values().map(|one| customers::order_json(one, shop)).collect();
            json_answer(StatusCode::OK, &json!({ "orders": all }))
        }),
        "products.json" => needs("read_products").unwrap_or_else(|| products(shop, version, incoming)),
        _ => json_answer(StatusCode::NOT_FOUND, &json!({"errors": "Not Found"})),
    };
    answer.headers_mut().insert("x-shopify-shop-api-call-limit", HeaderValue::from_static("1/40"));
    if let Ok(version) = HeaderValue::from_str(version) {
        answer.headers_mut().insert("x-shopify-api-version", version);
    }
    answer
}

fn forbidden(scope: &str) -> Response {
    let message = format!("[API] This action requires merchant approval for {scope} scope.");
    json_answer(StatusCode::FORBIDDEN, &json!({ "errors": message }))
}

/// The resource as the REST API and webhooks show it.
pub(crate) fn shop_json(shop: &Shop) -> Value {
    let domain = if shop.primary_domain.is_empty() { shop.domain() } else { shop.primary_domain.clone() };
    json!({
        "id": shop.id,
        "name": shop.name,
        "email": shop.email,
        "customer_email": shop.email,
        "domain": domain,
        "myshopify_domain": shop.domain(),
        "country": shop.country_code,
        "country_code": shop.country_code,
        "currency": shop.currency,
        "enabled_presentment_currencies": [shop.currency],
        "iana_timezone": shop.iana_timezone,
        "taxes_included": shop.taxes_included,
        "plan_name": if shop.plan.shopify_plus { "shopify_plus" } else { "basic" },
        "plan_display_name": shop.plan.public_display_name,
        "shop_owner": shop.owner,
        "primary_location_id": shop.locations.keys().next(),
        "created_at": iso(shop.created_at),
        "updated_at": iso(shop.updated_at),
    })
}

/// The resource as the REST API and webhooks show it.
pub(crate) fn location_json(location: &Location) -> Value {
    let address = &location.address;
    json!({
        "id": location.id,
        "name": location.name,
        "address1": address.address1,
        "address2": address.address2,
        "city": address.city,
        "zip": address.zip,
        "province": address.province,
        "province_code": address.province_code,
        "country": address.country_code,
        "country_code": address.country_code,
        "country_name": address.country,
        "phone": address.phone,
        "active": location.is_active,
        "legacy": location.is_legacy,
        "created_at": iso(location.created_at),
        "updated_at": iso(location.updated_at),
        "admin_graphql_api_id": gid("Location", location.id),
    })
}

/// Pages by `page_info`, which here is the last id seen, announced by a `Link` header with `rel="next"`.
fn products(shop: &Shop, version: &str, incoming: &Incoming) -> Response {
    let parameters = incoming.parameters();
    let number = |name: &str| parameters.get(name).and_then(|text| text.parse::<u64>().ok());
    let limit = usize::try_from(number("limit").unwrap_or(50).clamp(1, 250)).unwrap_or(50);
    let after = number("page_info").or_else(|| number("since_id")).unwrap_or(0);
    let page: Vec<&Product> =
        shop.products.range(after + 1..).take(limit + 1).map(|(_, p)| p.as_ref()).collect();
    let shown = page.get(..limit.min(page.len())).unwrap_or_default();
    let body: Vec<Value> = shown.iter().map(|product| product_json(product)).collect();
    let mut answer = json_answer(StatusCode::OK, &json!({ "products": body }));
    if let (true, Some(last)) = (page.len() > limit, shown.last()) {
        let domain = shop.domain();
        let id = last.id;
        let link = format!(
            "<https://{domain}/admin/api/{version}/products.json?limit={limit}&page_info={id}>; rel=\"next\""
        );
        if let Ok(link) = HeaderValue::from_str(&link) {
            answer.headers_mut().insert(LINK, link);
        }
    }
    answer
}

/// The resource as the REST API and webhooks show it.
pub(crate) fn product_json(product: &Product) -> Value {
    let variants: Vec<Value> = product
        .variants
        .iter()
        .map(|variant| {
            let chosen: Vec<&str> =
                product.selected(variant).map(|chosen| chosen.value.name.as_str()).collect();
            let quantity: i64 =
                variant.item.levels.values().filter(|l| l.is_active).map(|l| l.available).sum();
            json!({
                "id": variant.id,
                "product_id": product.id,
                "title": product.variant_title(variant),
                "price": money(variant.price),
                "compare_at_price": variant.compare_at_price.map(money),
                "position": variant.position,
                "inventory_policy": variant.inventory_policy.as_str().to_lowercase(),
                "inventory_management": variant.item.tracked.then_some("shopify"),
                "inventory_item_id": variant.item.id,
                "inventory_quantity": quantity,
                "option1": chosen.first(),
                "option2": chosen.get(1),
                "option3": chosen.get(2),
                "sku": variant.item.sku,
                "barcode": variant.barcode,
                "taxable": variant.taxable,
                "requires_shipping": variant.item.requires_shipping,
                "created_at": iso(variant.created_at),
                "updated_at": iso(variant.updated_at),
                "admin_graphql_api_id": gid("ProductVariant", variant.id),
            })
        })
        .collect();
    let images: Vec<Value> = product
        .media
        .iter()
        .filter(|media| media.status == MediaStatus::Ready)
        .zip(1..)
        .filter_map(|(media, position)| match &media.content {
            MediaContent::Image { url, width, height, .. } => Some(json!({
                "id": media.id, "product_id": product.id, "position": position, "src": url,
                "alt": media.alt, "width": width, "height": height,
            })),
            _ => None,
        })
        .collect();
    let options: Vec<Value> = product
        .options
        .iter()
        .zip(1..)
        .map(|(option, position)| {
            let values: Vec<&str> = option.values.iter().map(|value| value.name.as_str()).collect();
            json!({"id": option.id, "product_id": product.id, "name": option.name, "position": position, "values": values})
        })
        .collect();
    json!({
        "id": product.id,
        "title": product.title,
        "body_html": product.description_html,
        "vendor": product.vendor,
        "product_type": product.product_type,
        "handle": product.handle,
        "status": product.status.as_str().to_lowercase(),
        "tags": product.tags.join(", "),
        "template_suffix": product.template_suffix,
        "created_at": iso(product.created_at),
        "updated_at": iso(product.updated_at),
        "published_at": product.published_at.map(iso),
        "variants": variants,
        "options": options,
        "images": images,
        "image": images.first(),
        "admin_graphql_api_id": gid("Product", product.id),
    })
}
