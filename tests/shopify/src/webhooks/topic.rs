//! Topics, read from the descriptions in Shopify's own schema: they name the event and the scopes it needs.

use std::collections::BTreeSet;

use apollo_compiler::schema::{EnumType, ExtendedType};

use crate::schema::ApiSchema;

/// The topics that no app can subscribe to by API: Shopify sends them to an address in the app's own settings.
pub const COMPLIANCE: [&str; 3] = ["customers/data_request", "customers/redact", "shop/redact"];

/// A topic an app can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The value of `WebhookSubscriptionTopic`, for instance `PRODUCTS_UPDATE`.
    pub value: String,
    /// The name in deliveries, for instance `products/update`.
    pub name: String,
    /// Any one of these scopes opens it; empty: none needed.
    pub needs: Vec<String>,
}

impl Topic {
    /// The topic of an enum value.
    #[must_use]
    pub fn of(api: &ApiSchema, value: &str) -> Option<Self> {
        read(value, topics(api)?.values.get(value)?.description.as_deref()?)
    }

    /// The topic of a name in deliveries.
    #[must_use]
    pub fn named(api: &ApiSchema, name: &str) -> Option<Self> {
        let mut all = topics(api)?.values.iter();
        all.find_map(|(value, definition)| {
            read(value, definition.description.as_deref()?).filter(|topic| topic.name == name)
        })
    }

    /// Whether these scopes, implied ones included, open the topic.
    #[must_use]
    pub fn open_to(&self, granted: &BTreeSet<String>) -> bool {
        self.needs.is_empty() || self.needs.iter().any(|scope| granted.contains(scope))
    }
}

fn topics(api: &ApiSchema) -> Option<&EnumType> {
    match api.schema.types.get("WebhookSubscriptionTopic")? {
        ExtendedType::Enum(topics) => Some(topics),
        _ => None,
    }
}

fn read(value: &str, description: &str) -> Option<Topic> {
    let text = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = text.split_once("webhook topic for `")?.1.split_once('`')?.0.to_owned();
    let rest = text.split_once("Requires the `").or_else(|| text.split_once("following scopes: "));
    let needs = rest.and_then(|(_, rest)| rest.split_once('.')).map(|(scopes, _)| {
        let words = scopes.split([',', ' ', '`']).filter(|word| word.contains('_'));
        words.map(str::to_owned).collect()
    });
    Some(Topic { value: value.to_owned(), name, needs: needs.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_scope_many_scopes_and_none() {
        let text = "The webhook topic for `products/update` events. Occurs whenever a product is\nupdated. Requires the\n`read_products` scope.";
        let topic = read("PRODUCTS_UPDATE", text).unwrap();
        assert_eq!((topic.name.as_str(), topic.needs), ("products/update", vec!["read_products".to_owned()]));
        let text = "The webhook topic for `inventory_items/update` events. Requires at least one of the following scopes: read_inventory,\nread_products.";
        assert_eq!(read("X", text).unwrap().needs, ["read_inventory", "read_products"]);
        let text = "The webhook topic for `shop/update` events. Occurs whenever a shop is updated.";
        assert_eq!(read("X", text).unwrap().needs, Vec::<String>::new());
    }
}
