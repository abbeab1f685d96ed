//! Calls that need more points at once than the shop ever has, in smaller ones.

use serde_json::{Value, json};

use super::call::Document;
use super::documents as doc;
use super::files::media;
use super::plan::{NEW, list};
use super::products::fresh_variant;

/// Whether a call was not made because of what it costs.
pub(super) fn too_costly(code: &str) -> bool {
    code == "COST_TOO_HIGH" || code == "MAX_COST_EXCEEDED"
}

/// Takes the second half of a list away; none where there is no half.
fn half(of: &mut Value, name: &str) -> Option<Vec<Value>> {
    match of.get_mut(name) {
        Some(Value::Array(list)) if list.len() > 1 => Some(list.split_off(list.len() / 2)),
        _ => None,
    }
}

/// Two calls that do what one does, where that can be cut.
pub(super) fn smaller(document: Document, variables: &Value) -> Option<[(Document, Value); 2]> {
    let mut first = variables.clone();
    if document.name == doc::PRODUCT_SET.name {
        let (input, id) = (&mut first["input"], NEW);
        // A variant with a file names one of the files of the very same call.
        let bound = list(input.get("variants")).iter().any(|variant| variant.get("file").is_some());
        // What becomes of files that are left out of a list that replaces is not made good by adding them again.
        let replaces = !variables["identifier"]["id"].is_null();
        if !bound && let Some(rest) = half(input, "variants") {
            let rest: Vec<Value> = rest.iter().map(fresh_variant).collect();
            return Some([
                (document, first),
                (doc::VARIANTS_CREATE, json!({"productId": id, "variants": rest})),
            ]);
        }
        if !bound
            && !replaces
            && let Some(rest) = half(input, "files")
        {
            let images = rest.iter().all(|file| {
                file.get("originalSource").is_some()
                    && matches!(file.get("contentType").and_then(Value::as_str), None | Some("IMAGE"))
            });
            let rest: Vec<Value> = rest.iter().map(media).collect();
            let update = json!({"product": {"id": id}, "media": rest});
            return images.then_some([(document, first), (doc::PRODUCT_UPDATE, update)]);
        }
        return None;
    }
    for name in ["variants", "variantsIds", "media"] {
        if let Some(rest) = half(&mut first, name) {
            let mut second = first.clone();
            if name == "media" {
                second["product"] = json!({"id": first["product"]["id"]});
            }
            second[name] = Value::Array(rest);
            return Some([(document, first), (document, second)]);
        }
    }
    None
}
