//! Files of a product. The shop keeps a copy of each under an address of its own, so a file is recognised by its name.

use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::compare::is_empty;
use super::documents as doc;
use super::plan::{Plan, list, text};
use crate::domain::push::code::Code;
use crate::domain::push::document::ListPolicy;

/// A file of a product, by what it can be recognised by.
pub(super) fn file(media: &Value) -> Value {
    json!({
        "id": media["id"], "alt": media["alt"], "kind": media["mediaContentType"], "status": media["status"],
        "name": media["image"]["url"].as_str().and_then(stem),
    })
}

/// The name of a file in its address, without its ending: the shop may have stored it in another format. None where the
/// shop would not keep the name as it is, so that the file could not be recognised by it.
fn stem(address: &str) -> Option<String> {
    let address = Url::parse(address).ok()?;
    let name = address.path_segments()?.next_back()?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    (!stem.is_empty() && stem.chars().all(kept)).then(|| stem.to_lowercase())
}

/// Whether a file has this name, or the one that the shop makes of it where it had a file of that name already.
fn named(name: &str, wanted: &str) -> bool {
    let rest = name.strip_prefix(wanted);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('_').is_some_and(|id| Uuid::try_parse(id).is_ok())
    })
}

/// How a file is named in a diff.
pub(super) fn label(file: &Value) -> String {
    let name = file.get("name").and_then(Value::as_str).map(str::to_owned);
    let name = name.or_else(|| stem(text(file, "originalSource")));
    let number = || text(file, "id").rsplit('/').next().unwrap_or_default().to_owned();
    format!("files[{}]", name.unwrap_or_else(number))
}

/// Plans files; what is answered joins those that are there, with the call that changes fields. The shop keeps a copy
/// under an address of its own, so a file is recognised by its name.
pub(super) fn files(
    plan: &mut Plan<'_>,
    id: &str,
    input: &Map<String, Value>,
    there: &Map<String, Value>,
) -> Vec<Value> {
    let Some(wanted) = input.get("files") else { return Vec::new() };
    let Some(known) = there.get("files") else {
        plan.unsupported("files[]", "a product with so many files is not given or denied any by a push");
        return Vec::new();
    };
    let (wanted, known) = (list(Some(wanted)), list(Some(known)));
    let replaces = plan.policy("files") == ListPolicy::Replace;
    let (mut met, mut fresh, mut whole): (Vec<&Value>, Vec<&Value>, Vec<Value>) = Default::default();
    let before = plan.diff.len();
    for one in wanted {
        let stem = stem(text(one, "originalSource"));
        let is = |known: &&Value| match (text(one, "id"), &stem) {
            ("", Some(stem)) => known["name"].as_str().is_some_and(|name| named(name, stem)),
            (id, _) => !id.is_empty() && text(known, "id") == id,
        };
        match known.iter().find(|known| !met.contains(known) && is(known)) {
            Some(known) => {
                met.push(known);
                whole.push(kept(plan, one, known, replaces));
            }
            None => {
                joins(plan, one, stem.as_deref(), replaces);
                fresh.push(one);
                whole.push(one.clone());
            }
        }
    }
    if !fresh.is_empty() {
        settled(plan, known);
    }
    for one in &fresh {
        plan.differs(label(one), None, Some((*one).clone()));
    }
    if !replaces {
        return fresh.into_iter().map(media).collect();
    }
    for gone in known.iter().filter(|known| !met.contains(known)) {
        plan.differs(label(gone), Some(gone.clone()), None);
    }
    if plan.diff.len() > before {
        set_files(plan, id, &whole);
    }
    Vec::new()
}

/// Makes this the whole list of files.
pub(super) fn set_files(plan: &mut Plan<'_>, id: &str, files: &[Value]) {
    #[expect(clippy::cast_precision_loss, reason = "lists are far shorter")]
    let points = 10.0 + 1.9 * files.len() as f64;
    plan.call(doc::PRODUCT_SET, points, json!({"identifier": {"id": id}, "input": {"files": files}}));
}

/// A file that is there, in the list that replaces all.
fn kept(plan: &mut Plan<'_>, wanted: &Value, known: &Value, replaces: bool) -> Value {
    let mut kept = json!({"id": known["id"]});
    if let Some(alt) = wanted.get("alt").filter(|alt| **alt != known["alt"] && !is_empty(alt)) {
        let path = format!("{}.alt", label(known));
        if replaces {
            plan.differs(path, Some(known["alt"].clone()), Some(alt.clone()));
            kept["alt"] = alt.clone();
        } else {
            plan.unsupported(&path, "the text of a file changes only where the list `files` is replaced");
        }
    }
    kept
}

/// Whether a file can join a product that exists.
fn joins(plan: &mut Plan<'_>, file: &Value, stem: Option<&str>, replaces: bool) {
    if !text(file, "id").is_empty() {
        if !replaces {
            let why = "a file that the shop has joins a product only where the list `files` is replaced";
            plan.unsupported("files[].id", why);
        }
    } else if stem.is_none() {
        let why = "its address has no plain name, so it could not be told from the files that are there";
        plan.unsupported("files[].originalSource", why);
    } else if !matches!(text(file, "contentType"), "" | "IMAGE") {
        plan.unsupported("files[].contentType", "only images join a product that exists");
    }
}

/// Whether every image that is there is known by its name: one that is still being taken in may be the wanted one.
fn settled(plan: &mut Plan<'_>, known: &[Value]) {
    let mut nameless = known.iter().filter(|one| text(one, "kind") == "IMAGE" && one["name"].is_null());
    match nameless.next().map(|one| text(one, "status")) {
        None => {}
        Some("FAILED") => {
            let why = "the shop could not read a file of the product; take that away, then replay the row";
            plan.unsupported("files[]", why);
        }
        Some(_) => {
            plan.refuse(Code::KeyInFlight, "files[]", "the shop is still taking in files of this product");
        }
    }
}

/// A file in the form in which it joins.
pub(super) fn media(file: &Value) -> Value {
    let mut media = json!({"originalSource": file["originalSource"], "mediaContentType": "IMAGE"});
    if let Some(alt) = file.get("alt") {
        media["alt"] = alt.clone();
    }
    media
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_recognised_by_its_name_however_the_shop_stored_it() {
        let wanted = stem("https://img.example/a/Tee-Front.PNG?size=2").unwrap();
        let at = |name: &str| stem(&format!("https://cdn.shopify.com/s/files/1/2/files/{name}?v=7")).unwrap();
        assert!(named(&at("Tee-Front.jpg"), &wanted));
        assert!(named(&at("tee-front_0190c4a8-1111-7abc-8def-001122334455.jpg"), &wanted));
        for other in ["tee-front_2.jpg", "tee-front-xl.jpg", "tee.jpg"] {
            assert!(!named(&at(other), &wanted), "{other}");
        }
        for nameless in ["https://img.example/", "https://img.example/a%20b.jpg", "no address"] {
            assert_eq!(stem(nameless), None, "{nameless}");
        }
    }
}
