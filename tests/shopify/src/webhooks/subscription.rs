//! A subscription that an app made for one shop.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::filter;
use super::topic::Topic;
use crate::graphql::search::Filter;

/// A webhook subscription.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Numeric id.
    pub id: u64,
    /// The app.
    pub client_id: String,
    /// The topic.
    pub topic: Topic,
    /// Where deliveries go.
    pub uri: String,
    /// Filter, if any.
    pub filter: Option<String>,
    /// Fields kept in deliveries; empty: all.
    pub include_fields: Vec<String>,
    /// Metafield namespaces.
    pub metafield_namespaces: Vec<String>,
    /// Name, if any.
    pub name: Option<String>,
    /// API version of the request that made it.
    pub version: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
    /// When a delivery last succeeded.
    pub last_success: Option<Timestamp>,
}

impl Webhook {
    /// What this subscription gets of a payload; none if its filter stops it. The filter sees only the fields that are kept.
    #[must_use]
    pub fn cut(&self, payload: &Value) -> Option<Value> {
        let kept = if self.include_fields.is_empty() {
            payload.clone()
        } else {
            let mut kept = Value::Object(Map::new());
            for field in &self.include_fields {
                let path: Vec<&str> = field.split('.').collect();
                keep(payload, &path, &mut kept);
            }
            kept
        };
        let passes = self.filter.as_ref().is_none_or(|text| filter::passes(&Filter::parse(text), &kept));
        passes.then_some(kept)
    }
}

/// Copies what lies at a path, item by item where there is a list.
fn keep(from: &Value, path: &[&str], to: &mut Value) {
    let [first, rest @ ..] = path else { return };
    let Some(found) = from.get(*first) else { return };
    let place = &mut to[*first];
    match found {
        _ if rest.is_empty() => *place = found.clone(),
        Value::Array(items) => {
            if !place.is_array() {
                *place = items.iter().map(|_| Value::Object(Map::new())).collect();
            }
            for (item, kept) in items.iter().zip(place.as_array_mut().into_iter().flatten()) {
                keep(item, rest, kept);
            }
        }
        Value::Object(_) => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            keep(found, rest, place);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_named_fields_and_filters_by_them_alone() {
        let topic = Topic { value: "X".to_owned(), name: "x/y".to_owned(), needs: Vec::new() };
        let mut webhook = Webhook {
            id: 1,
            client_id: "app".to_owned(),
            topic,
            uri: "https://app.example/".to_owned(),
            filter: None,
            include_fields: ["id", "variants.id", "variants.sku", "missing"].map(str::to_owned).into(),
            metafield_namespaces: Vec::new(),
            name: None,
            version: "2026-07".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            last_success: None,
        };
        let payload =
            json!({"id": 1, "title": "T", "variants": [{"id": 2, "sku": "S", "price": "1"}, {"id": 3}]});
        let kept = json!({"id": 1, "variants": [{"id": 2, "sku": "S"}, {"id": 3}]});
        assert_eq!(webhook.cut(&payload), Some(kept));
        webhook.filter = Some("title:T".to_owned());
        assert_eq!(webhook.cut(&payload), None, "the title is not among the fields kept");
        webhook.include_fields.clear();
        assert_eq!(webhook.cut(&payload), Some(payload));
    }
}
