//! Locations, which are read by pages.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Codes, flag, text};
use crate::domain::record::{Kind, Record, Resource};
use crate::domain::warning::Code;
use crate::ports::provider::SourceItem;
use crate::providers::shopify::gid::Gid;

/// A location as the shop answers it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::providers::shopify) struct Location {
    id: Gid,
    name: Option<String>,
    is_active: Option<bool>,
    is_fulfillment_service: Option<bool>,
    fulfills_online_orders: Option<bool>,
    ships_inventory: Option<bool>,
    created_at: Option<String>,
    address: Option<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    address1: Option<String>,
    address2: Option<String>,
    city: Option<String>,
    country_code: Option<String>,
    phone: Option<String>,
    province_code: Option<String>,
    zip: Option<String>,
}

impl From<Location> for SourceItem {
    fn from(location: Location) -> Self {
        let mut codes = Codes::default();
        codes.raise_if(location.is_active == Some(false), Resource::Warehouses, Code::LocInactive);
        let service = location.is_fulfillment_service == Some(true);
        codes.raise_if(service, Resource::Warehouses, Code::LocFulfillmentService);
        let label = location.name.clone().unwrap_or_default();
        // The warehouse's own name may be changed by the merchant; the shop's is kept beside it.
        let source_name = location.name.clone();
        let record = Record {
            kind: Kind::Warehouse,
            values: vec![
                text(location.name),
                flag(location.is_active),
                flag(location.is_fulfillment_service),
                flag(location.fulfills_online_orders),
                flag(location.ships_inventory),
                location.address.map_or(Value::Null, address),
                text(location.created_at),
                text(source_name),
            ],
            children: Vec::new(),
        };
        Self {
            external_id: location.id.id,
            label,
            records: vec![(Kind::Warehouse, record)],
            codes: codes.sorted(),
            truncated: false,
        }
    }
}

/// Only what is there, keys in order.
fn address(address: Address) -> Value {
    let parts = [
        ("address1", address.address1),
        ("address2", address.address2),
        ("city", address.city),
        ("country_code", address.country_code),
        ("phone", address.phone),
        ("province_code", address.province_code),
        ("zip", address.zip),
    ];
    let parts: Map<String, Value> =
        parts.into_iter().filter_map(|(key, part)| Some((key.to_owned(), Value::String(part?)))).collect();
    Value::Object(parts)
}
