//! Putting values where the path of a field leads.

use serde_json::{Map, Value};

use super::mapping::Step;

/// The object that a value stands for; made where it is not one yet.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// The list that a value stands for; made where it is not one yet.
fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(list) => list,
        _ => unreachable!("made a list above"),
    }
}

/// Goes along the steps, makes what is not there, and returns what stands at their end with the pointer to it.
fn walk<'t>(root: &'t mut Value, steps: &[Step]) -> (&'t mut Value, String) {
    let mut at = root;
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        match step {
            Step::Field(name) => {
                pointer.push_str(name);
                at = object(at).entry(name.as_str()).or_insert(Value::Null);
            }
            Step::Index(index) => {
                pointer.push_str(&index.to_string());
                let list = list(at);
                if list.len() <= *index {
                    list.resize(index + 1, Value::Object(Map::new()));
                }
                at = &mut list[*index];
            }
        }
    }
    (at, pointer)
}

/// Puts a value; returns the pointer to it.
pub(super) fn put(root: &mut Value, steps: &[Step], value: Value) -> String {
    let (at, pointer) = walk(root, steps);
    *at = value;
    pointer
}

/// Adds elements to a list; returns the pointer to the list and the index of the first.
pub(super) fn append(root: &mut Value, steps: &[Step], values: Vec<Value>) -> (String, usize) {
    let (at, pointer) = walk(root, steps);
    let list = list(at);
    let first = list.len();
    list.extend(values);
    (pointer, first)
}
