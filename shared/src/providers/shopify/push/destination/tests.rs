use super::*;

/// What a tool enters is what `configure` takes with the method `credentials`: the same names, and no other.
#[test]
fn the_example_of_a_connection_fits_the_spec_and_secrets_are_marked() {
    let spec = spec();
    let example: Value =
        serde_json::from_str(include_str!("../../../../../../docs/examples/connection.json")).unwrap();
    let properties = spec["properties"].as_object().unwrap();
    for name in example.as_object().unwrap().keys() {
        assert!(properties.contains_key(name), "{name}");
    }
    let mut orders: Vec<u64> = properties.values().map(|field| field["order"].as_u64().unwrap()).collect();
    orders.sort_unstable();
    assert_eq!(orders, (0..5).collect::<Vec<_>>(), "every field has its place");
    for (name, field) in properties {
        let secret = ["api_secret", "access_token"].contains(&name.as_str());
        for mark in ["multiwoven_secret", "airbyte_secret"] {
            assert_eq!(field[mark] == true, secret, "{name}");
        }
    }
    assert_eq!(spec["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn writing_is_asked_for_where_something_is_written() {
    for stream in Stream::ALL {
        let scopes = Shopify::new().scopes_of(stream);
        assert!(scopes.iter().any(|scope| scope.starts_with("write_")), "{stream:?}");
    }
}
