//! The mapping engine against Shopify's inputs.

mod maps;
mod properties;
mod refuses;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::targets;
use crate::domain::push::document::MappingProblem;
use crate::domain::push::mapping::Mapping;
use crate::domain::push::row::Row;
use crate::domain::push::target::{Definitions, Kind, Stream};

/// The documents of `docs/examples/mappings`.
fn example(stream: Stream) -> Value {
    let text = match stream {
        Stream::Products => include_str!("../../../../../docs/examples/mappings/products.json"),
        Stream::Customers => include_str!("../../../../../docs/examples/mappings/customers.json"),
        Stream::Orders => include_str!("../../../../../docs/examples/mappings/orders.json"),
        Stream::InventoryLevels => {
            include_str!("../../../../../docs/examples/mappings/inventory_levels.json")
        }
        Stream::ProductVariants => {
            include_str!("../../../../../docs/examples/mappings/product_variants.json")
        }
    };
    serde_json::from_str(text).unwrap()
}

fn definitions() -> Definitions {
    let mut definitions = Definitions::default();
    for (of, namespace, key, kind) in [
        ("", "sync", "external_id", "id"),
        ("", "sync", "order_ref", "id"),
        ("", "custom", "care_guide", "multi_line_text_field"),
        ("", "custom", "size", "number_integer"),
        ("", "crm", "lifetime_value", "number_decimal"),
        ("variants", "custom", "season", "single_line_text_field"),
    ] {
        definitions.insert(of, namespace, key, kind);
    }
    definitions
}

fn compile(document: &Value) -> Result<Mapping, Vec<MappingProblem>> {
    Mapping::compile(document, targets(), &definitions(), None)
}

/// Path and code of everything that is wrong with a document, with the columns of the rows known.
fn refused_with(document: &Value, columns: &[&str]) -> BTreeSet<(String, &'static str)> {
    let columns: BTreeSet<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let columns = (!columns.is_empty()).then_some(&columns);
    let problems = Mapping::compile(document, targets(), &definitions(), columns).map(|_| ()).unwrap_err();
    assert!(problems.iter().all(|problem| !problem.hint.is_empty()));
    problems.into_iter().map(|problem| (problem.path, problem.code.as_str())).collect()
}

fn row(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => panic!("a row is an object"),
    }
}

#[test]
fn the_table_holds_every_object_that_a_field_names() {
    let targets = targets();
    for target in targets.streams.values() {
        let root = &targets.objects[&target.root];
        assert!(target.needed.iter().all(|name| root.fields.contains_key(name)), "{}", target.root);
    }
    for (name, object) in &targets.objects {
        for (field, of) in &object.fields {
            if let Kind::Object(inner) = &of.kind {
                assert!(targets.objects.contains_key(inner), "{name}.{field}: {inner}");
            }
        }
    }
    let variant = &targets.objects["ProductVariantSetInput"];
    assert!(variant.fields["optionValues"].required && variant.fields["optionValues"].list);
    assert!(targets.objects["OrderCreateCustomerInput"].one_of);
    assert!(!targets.objects["CustomerSetInput"].fields.contains_key("id"), "what is deprecated is left out");
}

#[test]
fn every_example_is_accepted() {
    for stream in Stream::ALL {
        let mapping =
            compile(&example(stream)).unwrap_or_else(|problems| panic!("{stream:?}: {problems:#?}"));
        assert_eq!(mapping.stream(), stream);
    }
}

/// A mapping of products with these fields and a title.
fn products(fields: Value) -> Value {
    let mut all = vec![json!({"to": "title", "from": "name"})];
    all.extend(fields.as_array().unwrap().iter().cloned());
    json!({
        "version": 1, "stream": "products", "operation": "upsert",
        "match": {"by": "handle", "from": "handle"}, "fields": all
    })
}
