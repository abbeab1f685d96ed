//! What a row changes of a record, and the calls that it takes. Nothing is asked here: the same change makes the same plan.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::call::Document;
use super::compare::{is_empty, same, same_metafield};
use super::documents as doc;
use crate::domain::push::code::Code;
use crate::domain::push::document::{ListPolicy, OnUnsupported, Write};
use crate::domain::push::ledger::RowError;
use crate::domain::push::throttle::Points;
use crate::ports::push::{FieldChange, How, PlannedCall, Writing};

/// Stands for the id of the record that the first call makes.
pub(super) const NEW: &str = "gid://new";

/// The most metafields that one call takes.
pub(super) const METAFIELDS: usize = 25;

/// Objects that the shop takes as a whole.
const WHOLE: [&str; 3] = ["weight", "shippingAddress", "billingAddress"];

/// A plan in the making.
pub(super) struct Plan<'a> {
    pub(super) how: &'a How,
    pub(super) diff: Vec<FieldChange>,
    pub(super) calls: Vec<PlannedCall>,
    points: f64,
    left: Vec<RowError>,
    errors: Vec<RowError>,
}

/// The members of an object; none of anything else.
pub(super) fn map(value: &Value) -> &Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    value.as_object().unwrap_or_else(|| &NONE)
}

/// The elements of a list; none of anything else.
pub(super) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text in an object; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl<'a> Plan<'a> {
    pub(super) fn new(how: &'a How) -> Self {
        let (diff, calls, left, errors) = Default::default();
        Self { how, diff, calls, points: 0.0, left, errors }
    }

    pub(super) fn done(self) -> Result<Writing, Vec<RowError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let points = Points::read(self.points).unwrap_or_default();
        Ok(Writing { diff: self.diff, calls: self.calls, points, left: self.left })
    }

    pub(super) fn differs(&mut self, path: String, before: Option<Value>, after: Option<Value>) {
        self.diff.push(FieldChange { path, before, after });
    }

    pub(super) fn call(&mut self, document: Document, points: f64, variables: Value) {
        self.points += points;
        self.calls.push(PlannedCall { name: document.name.to_owned(), variables });
    }

    pub(super) fn refuse(&mut self, code: Code, path: &str, message: &str) {
        self.errors.push(RowError::ours(code, message).about(path, None));
    }

    /// The shop has no way to do this; the mapping says whether the rest is done.
    pub(super) fn unsupported(&mut self, path: &str, message: &str) {
        let error = RowError::ours(Code::UnsupportedChange, message).about(path, None);
        match self.how.on_unsupported {
            OnUnsupported::Fail => self.errors.push(error),
            OnUnsupported::Skip => self.left.push(error),
        }
    }

    pub(super) fn policy(&self, list: &str) -> ListPolicy {
        self.how.lists.get(list).copied().unwrap_or_default()
    }

    /// How a field is written; the elements of a list as the mapping says of the list.
    fn written(&self, path: &str) -> Write {
        let named = |path: &str| self.how.writes.get(path).copied();
        let of_list = || named(&format!("{}[]", path.split_once('[')?.0));
        named(path).or_else(of_list).unwrap_or_default()
    }

    /// Whether a value is written over what is there.
    fn overwrites(&self, path: &str, same: bool, before: &Value) -> bool {
        match self.written(path) {
            Write::Always => !(same && is_empty(before)),
            Write::IfChanged => !same,
            Write::IfEmpty => !same && is_empty(before),
        }
    }

    /// Everything that a new record is made of, as a diff.
    pub(super) fn all_new(&mut self, input: &Map<String, Value>) {
        for (name, value) in input {
            if !is_empty(value) {
                self.differs(name.clone(), None, Some(value.clone()));
            }
        }
    }

    /// The fields that differ, but for those that someone else handles.
    pub(super) fn fields(
        &mut self,
        base: &str,
        wanted: &Map<String, Value>,
        live: &Map<String, Value>,
        handled: &[&str],
    ) -> Map<String, Value> {
        let mut changed = Map::new();
        for (name, after) in wanted.iter().filter(|(name, _)| !handled.contains(&name.as_str())) {
            let path = if base.is_empty() { name.clone() } else { format!("{base}.{name}") };
            let Some(before) = live.get(name) else {
                if !is_empty(after) {
                    self.unsupported(&path, "this is set with a new record and cannot be changed by a push");
                }
                continue;
            };
            if let (Value::Object(after_fields), Value::Object(before)) = (after, before) {
                let nested = self.fields(&path, after_fields, before, &[]);
                if !nested.is_empty() {
                    let whole = WHOLE.contains(&name.as_str());
                    changed.insert(name.clone(), if whole { after.clone() } else { Value::Object(nested) });
                }
            } else {
                let same = same(name, after, before);
                if self.overwrites(&path, same, before) {
                    // What is written although it is there already is told as what it stays.
                    let told = if same { before } else { after };
                    self.differs(path, (!before.is_null()).then(|| before.clone()), Some(told.clone()));
                    changed.insert(name.clone(), after.clone());
                }
            }
        }
        changed
    }

    /// Tags: those that are not named stay, unless the mapping replaces the list.
    pub(super) fn tags(&mut self, id: &str, wanted: Option<&Value>, live: &Map<String, Value>) {
        let Some(wanted) = wanted else { return };
        let (wanted, there) = (list(Some(wanted)), list(live.get("tags")));
        let has = |tags: &[Value], tag: &Value| {
            let lower = |tag: &Value| tag.as_str().unwrap_or_default().trim().to_lowercase();
            tags.iter().any(|one| lower(one) == lower(tag))
        };
        if self.written("tags[]") == Write::IfEmpty && !there.is_empty() {
            return;
        }
        let policy = self.policy("tags");
        let added: Vec<Value> = match policy {
            ListPolicy::Remove => Vec::new(),
            _ => wanted.iter().filter(|tag| !has(there, tag)).cloned().collect(),
        };
        let removed: Vec<Value> = match policy {
            ListPolicy::Remove => there.iter().filter(|tag| has(wanted, tag)).cloned().collect(),
            ListPolicy::Replace => there.iter().filter(|tag| !has(wanted, tag)).cloned().collect(),
            ListPolicy::Merge | ListPolicy::Add => Vec::new(),
        };
        for tag in &added {
            self.differs(format!("tags[{}]", tag.as_str().unwrap_or_default()), None, Some(tag.clone()));
        }
        for tag in &removed {
            self.differs(format!("tags[{}]", tag.as_str().unwrap_or_default()), Some(tag.clone()), None);
        }
        if !added.is_empty() {
            self.call(doc::TAGS_ADD, 10.0, json!({"id": id, "tags": added}));
        }
        if !removed.is_empty() {
            self.call(doc::TAGS_REMOVE, 10.0, json!({"id": id, "tags": removed}));
        }
    }

    /// Metafields that differ, in the form in which a record takes them. Those that are not named belong to others.
    pub(super) fn metafields(
        &mut self,
        base: &str,
        wanted: Option<&Value>,
        live: Option<&Value>,
    ) -> (Vec<Value>, Vec<Value>) {
        let prefix = if base.is_empty() { String::new() } else { format!("{base}.") };
        let policy = self.policy("metafields");
        if policy == ListPolicy::Replace && wanted.is_some() && base.is_empty() {
            let why = "metafields of other apps stand in the same list; it can be merged and not replaced";
            self.unsupported("metafields", why);
        }
        let (mut set, mut gone) = (Vec::new(), Vec::new());
        for one in list(wanted) {
            let (namespace, key) = (text(one, "namespace"), text(one, "key"));
            let named = format!("metafields.{namespace}.{key}");
            let path = format!("{prefix}{named}");
            let there = list(live)
                .iter()
                .find(|there| text(there, "namespace") == namespace && text(there, "key") == key);
            let before = there.and_then(|there| there.get("value")).cloned();
            if policy == ListPolicy::Remove || is_empty(&one["value"]) {
                if before.is_some() {
                    self.differs(path, before, None);
                    gone.push(json!({"namespace": namespace, "key": key}));
                }
                continue;
            }
            let old = before.as_ref().and_then(Value::as_str);
            let new = text(one, "value");
            let same = old.is_some_and(|old| same_metafield(text(one, "type"), old, new));
            if self.overwrites(&named, same, before.as_ref().unwrap_or(&Value::Null)) {
                let told = if same { before.clone() } else { Some(json!(new)) };
                self.differs(path, before, told);
                let kind = text(one, "type");
                set.push(json!({"namespace": namespace, "key": key, "type": kind, "value": new}));
            }
        }
        (set, gone)
    }

    /// Sets and takes away metafields of a record.
    pub(super) fn write_metafields(&mut self, id: &str, set: &[Value], gone: &[Value]) {
        let owned = |one: &Value| {
            let mut one = one.clone();
            one["ownerId"] = json!(id);
            one
        };
        for part in set.chunks(METAFIELDS) {
            let metafields: Vec<Value> = part.iter().map(owned).collect();
            self.call(doc::METAFIELDS_SET, 10.0, json!({"metafields": metafields}));
        }
        if !gone.is_empty() {
            let metafields: Vec<Value> = gone.iter().map(owned).collect();
            self.call(doc::METAFIELDS_DELETE, 10.0, json!({"metafields": metafields}));
        }
    }
}
