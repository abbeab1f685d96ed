//! Lists of a product that have calls of their own: collections, channels, options.

use serde_json::{Map, Value, json};

use super::documents as doc;
use super::plan::{Plan, list, text};
use super::products::options_of;
use crate::domain::push::document::ListPolicy;

/// What joins a list of ids, and what leaves it.
fn moved(policy: ListPolicy, wanted: &[Value], there: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let join = match policy {
        ListPolicy::Remove => Vec::new(),
        _ => wanted.iter().filter(|id| !there.contains(id)).cloned().collect(),
    };
    let leave = match policy {
        ListPolicy::Remove => there.iter().filter(|id| wanted.contains(id)).cloned().collect(),
        ListPolicy::Replace => there.iter().filter(|id| !wanted.contains(id)).cloned().collect(),
        ListPolicy::Merge | ListPolicy::Add => Vec::new(),
    };
    (join, leave)
}

fn tell(plan: &mut Plan<'_>, list: &str, join: &[Value], leave: &[Value]) {
    let path = |id: &Value| format!("{list}[{}]", id.as_str().unwrap_or_default());
    for id in join {
        plan.differs(path(id), None, Some(id.clone()));
    }
    for id in leave {
        plan.differs(path(id), Some(id.clone()), None);
    }
}

/// Collections are joined and left with the other fields.
pub(super) fn collections(
    plan: &mut Plan<'_>,
    input: &Map<String, Value>,
    there: &Map<String, Value>,
    changed: &mut Map<String, Value>,
) {
    let Some(wanted) = input.get("collections") else { return };
    let (wanted, there) = (list(Some(wanted)), list(there.get("collections")));
    let (join, leave) = moved(plan.policy("collections"), wanted, there);
    tell(plan, "collections", &join, &leave);
    if !join.is_empty() {
        changed.insert("collectionsToJoin".to_owned(), Value::Array(join));
    }
    if !leave.is_empty() {
        changed.insert("collectionsToLeave".to_owned(), Value::Array(leave));
    }
}

/// Channels as the calls name them.
pub(super) fn in_channels(ids: &[Value]) -> Value {
    ids.iter().map(|id| json!({"publicationId": id})).collect()
}

/// The channels that a product is shown in.
pub(super) fn publications(
    plan: &mut Plan<'_>,
    id: &str,
    wanted: Option<&Value>,
    there: &Map<String, Value>,
) {
    let Some(wanted) = wanted else { return };
    let there = list(there.get("publications"));
    let (join, leave) = moved(plan.policy("publications"), list(Some(wanted)), there);
    tell(plan, "publications", &join, &leave);
    if !join.is_empty() {
        plan.call(doc::PUBLISH, 10.0, json!({"id": id, "input": in_channels(&join)}));
    }
    if !leave.is_empty() {
        plan.call(doc::UNPUBLISH, 10.0, json!({"id": id, "input": in_channels(&leave)}));
    }
}

/// Whether two names of options or values are one to the shop.
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Whether a product has no options of its own: it has one then that stands for none.
fn has_none(known: &[Value]) -> bool {
    match known {
        [only] => {
            let values = list(only.get("values"));
            text(only, "name") == "Title" && values.iter().all(|value| text(value, "name") == "Default Title")
        }
        _ => known.is_empty(),
    }
}

/// Options join those that are there, and values those of an option. A product without any takes those that the variants
/// name. One that has some takes others only by name: an option in another language would cut its variants up anew.
pub(super) fn options(plan: &mut Plan<'_>, id: &str, input: &Map<String, Value>, there: &Map<String, Value>) {
    let given = input.get("productOptions");
    let known = list(there.get("productOptions"));
    let by_variants = match plan.policy("variants") {
        ListPolicy::Remove => Vec::new(),
        _ if !has_none(known) => Vec::new(),
        _ => options_of(list(input.get("variants"))),
    };
    let wanted = given.map_or(by_variants.as_slice(), |given| list(Some(given)));
    let mut fresh = Vec::new();
    for option in wanted {
        let name = text(option, "name");
        match known.iter().find(|known| same_name(text(known, "name"), name)) {
            None => {
                plan.differs(format!("productOptions[{name}]"), None, Some(option.clone()));
                fresh.push(option.clone());
            }
            Some(_) if given.is_none() => {}
            Some(known) => {
                let values = list(known.get("values"));
                let is_new = |one: &&Value| {
                    !values.iter().any(|known| same_name(text(known, "name"), text(one, "name")))
                };
                let added: Vec<Value> = list(option.get("values"))
                    .iter()
                    .filter(is_new)
                    .map(|one| json!({"name": one["name"]}))
                    .collect();
                for value in &added {
                    let path = format!("productOptions[{name}].values[{}]", text(value, "name"));
                    plan.differs(path, None, Some(value.clone()));
                }
                if !added.is_empty() {
                    let variables = json!({"productId": id, "option": {"id": known["id"]}, "add": added});
                    plan.call(doc::OPTION_UPDATE, 10.0, variables);
                }
            }
        }
    }
    let stays = |known: &Value| wanted.iter().any(|one| same_name(text(one, "name"), text(known, "name")));
    if given.is_some() && plan.policy("productOptions") == ListPolicy::Replace && !known.iter().all(stays) {
        plan.unsupported(
            "productOptions[]",
            "options go with the variants that have them, not by themselves",
        );
    }
    if !fresh.is_empty() {
        plan.call(doc::OPTIONS_CREATE, 10.0, json!({"productId": id, "options": fresh}));
    }
}
