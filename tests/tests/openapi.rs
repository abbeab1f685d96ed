//! `infra/openapi.yaml` is what the code's types say, and it tells of every route of the template and of no other.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use shared::domain::warning::Code;
use shared::lambda::openapi::{self, MERCHANT};
use system_tests::project_root;
use system_tests::template::Template;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

/// Every operation: `GET /path` and its definition.
fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            operations.insert(format!("{} {path}", method.to_uppercase()), operation);
        }
    }
    operations
}

#[test]
fn the_committed_document_is_the_code_s() {
    let path = project_root().join("infra/openapi.yaml");
    let made = openapi::document().to_yaml().unwrap();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    let differs = differs.unwrap_or_else(|| made.lines().count().min(committed.lines().count())) + 1;
    assert!(
        made == committed,
        "infra/openapi.yaml differs from the code's types from line {differs} on.\n\
         If that is meant: UPDATE_OPENAPI=1 cargo nextest run -p system-tests --test openapi, and commit the file."
    );
}

#[test]
fn codes_are_named_as_answers_name_them() {
    let document = document();
    let told = document["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    let told: Vec<&str> = told.iter().map(|code| code.as_str().unwrap()).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(told, codes);
}

#[test]
fn it_tells_of_the_template_s_routes_and_of_no_other() {
    let document = document();
    let told: BTreeSet<String> = operations(&document).into_keys().collect();
    let routes = Template::read().unwrap().routes().unwrap();
    let deployed: BTreeSet<String> =
        routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(told, deployed);
}

#[test]
fn a_token_is_asked_for_exactly_where_the_authorizer_stands() {
    let document = document();
    let operations = operations(&document);
    assert_eq!(document["components"]["securitySchemes"][MERCHANT]["scheme"], "bearer");
    for route in Template::read().unwrap().routes().unwrap() {
        let name = format!("{} {}", route.method, route.path);
        let security = &operations[&name]["security"];
        let signed_in = *security == serde_json::json!([{ MERCHANT: [] }]);
        assert!(signed_in || security.is_null(), "{name}: {security}");
        assert_eq!(signed_in, route.signed_in, "{name}");
    }
}

#[test]
fn every_operation_is_whole() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}: its id is taken");
        let in_path: BTreeSet<&str> =
            name.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let told: BTreeSet<&str> = parameters
            .filter(|parameter| parameter["in"] == "path" && parameter["required"] == true)
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(told, in_path, "{name}");
        let responses = operation["responses"].as_object().unwrap();
        let good = responses.iter().filter(|(status, _)| status.as_str() < "400");
        let good: BTreeSet<String> = good.map(|(_, response)| response["content"].to_string()).collect();
        assert_eq!(good.len(), 1, "{name}: whatever good comes of it is told in one form");
        for status in ["400", "404", "429", "500", "503"] {
            assert!(responses.contains_key(status), "{name} lacks {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            if status == "422" {
                // Rows were refused: the run tells of them.
                assert!(good.contains(&response["content"].to_string()), "{name} {status}");
                continue;
            }
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let there: BTreeSet<String> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(used, there.iter().map(String::as_str).collect());
}
