//! From a document to a mapping. Nothing stops at the first problem: a merchant mends a mapping in one go.

mod field;

use std::collections::BTreeSet;

use serde_json::Value;

use self::field::Level;
use super::code::Code;
use super::coerce::coerce;
use super::document::{
    LevelDocument, ListPolicy, MappingProblem, Matching, Operation, RecordDocument, VERSION, read,
};
use super::mapping::{Field, Key, Levels, Mapping, Records, Reference};
use super::needed::{Gap, Needed};
use super::target::{Definitions, Kind, MatchBy, Scalar, Stream, Target, Targets};

/// The longest list of fields.
const MOST_FIELDS: usize = 500;

/// What a document is compiled against, and what is wrong with it so far.
struct Compiler<'a> {
    targets: &'a Targets,
    definitions: &'a Definitions,
    columns: Option<&'a BTreeSet<String>>,
    problems: Vec<MappingProblem>,
}

/// Compiles a document.
pub(super) fn compile(
    document: &Value,
    targets: &Targets,
    definitions: &Definitions,
    columns: Option<&BTreeSet<String>>,
) -> Result<Mapping, Vec<MappingProblem>> {
    let mut compiler = Compiler { targets, definitions, columns, problems: Vec::new() };
    let stream = document.get("stream").and_then(Value::as_str).and_then(Stream::parse);
    let mapping = match stream {
        None => {
            let streams = Stream::ALL.map(Stream::as_str).join(", ");
            compiler.tell("/stream", Code::MappingMalformed, format!("the stream must be one of {streams}"));
            None
        }
        Some(Stream::InventoryLevels) => compiler.levels(document).map(Mapping::Levels),
        Some(stream) => compiler.records(document, stream).map(Mapping::Records),
    };
    match mapping {
        Some(mapping) if compiler.problems.is_empty() => Ok(mapping),
        _ => Err(compiler.problems),
    }
}

impl<'a> Compiler<'a> {
    fn tell(&mut self, path: impl Into<String>, code: Code, hint: impl Into<String>) {
        self.problems.push(MappingProblem { path: path.into(), code, hint: hint.into() });
    }

    fn records(&mut self, document: &Value, stream: Stream) -> Option<Records> {
        let document: RecordDocument = read(document, "", &mut self.problems)?;
        let Some(target) = self.targets.streams.get(&stream) else {
            self.tell("/stream", Code::MappingMalformed, "this stream cannot be filled here");
            return None;
        };
        self.head(document.version, stream, document.operation);
        let mut keys = self.keys(&document.matching, target);
        if document.fields.len() > MOST_FIELDS {
            self.tell(
                "/fields",
                Code::MappingMalformed,
                format!("a mapping has {MOST_FIELDS} fields at most"),
            );
            return None;
        }
        let group_by =
            document.group_rows_by.as_deref().map(|column| self.reference(column, "/group_rows_by"));
        let grouped = group_by.is_some();
        let level =
            Level { object: &target.root, list: String::new(), target, grouped, of_rows: true, depth: 0 };
        let fields = self.fields(&document.fields, "/fields", &level);
        let needed = document.operation.creates().then_some(&target.needed);
        let to_create = self.needed(&target.root, needed, &fields, "/fields");
        let (to_update, _) = Needed::of(&target.root, None, &fields, self.targets);
        for key in &mut keys {
            key.transforms =
                fields.iter().find_map(|field| field.transforms_of(&key.from)).unwrap_or_default();
        }
        self.lists(&document, target);
        let options = self.options(&document, target);
        Some(Records {
            stream,
            operation: document.operation,
            options,
            lists: document.lists,
            on_unsupported_change: document.on_unsupported_change,
            on_conflict: document.matching.on_conflict,
            keys,
            group_by,
            fields,
            to_create,
            to_update,
        })
    }

    fn head(&mut self, version: u64, stream: Stream, operation: Operation) {
        if version != VERSION {
            self.tell("/version", Code::MappingMalformed, format!("the version must be {VERSION}"));
        }
        if !Operation::of(stream).contains(&operation) {
            let stream = stream.as_str();
            self.tell("/operation", Code::MappingMalformed, format!("{stream} have no such operation"));
        }
    }

    fn keys(&mut self, matching: &Matching, target: &Target) -> Vec<Key> {
        let (by, from) = (&matching.by.0, &matching.from.0);
        if by.is_empty() || by.len() != from.len() {
            self.tell("/match/from", Code::MappingMalformed, "name one column for each key, at least one");
            return Vec::new();
        }
        let metafield = self.custom_id(matching);
        let mut keys = Vec::new();
        for (at, (&by, from)) in by.iter().zip(from).enumerate() {
            if !target.matched_by.contains(&by) {
                let hint = "records of this stream cannot be found by this key";
                self.tell(format!("/match/by/{at}"), Code::TypeMismatch, hint);
            }
            let from = self.reference(from, "/match/from");
            let metafield = metafield.clone().filter(|_| by == MatchBy::CustomId);
            keys.push(Key { by, metafield, from, transforms: Vec::new() });
        }
        keys
    }

    /// Namespace and key of the metafield that is the custom id, where there is one.
    fn custom_id(&mut self, matching: &Matching) -> Option<(String, String)> {
        let wanted = matching.by.0.contains(&MatchBy::CustomId);
        let key = match (&matching.key, wanted) {
            (Some(key), true) => key,
            (None, true) => {
                self.tell("/match/key", Code::RequiredMissing, "name the metafield that holds the custom id");
                return None;
            }
            (Some(_), false) => {
                self.tell("/match/key", Code::MappingMalformed, "a key without `custom_id` means nothing");
                return None;
            }
            (None, false) => return None,
        };
        let Some((namespace, key)) = key.split_once('.') else {
            self.tell("/match/key", Code::MappingMalformed, "write the metafield as `namespace.key`");
            return None;
        };
        // Only metafields of this type have unique values: without it, a lost answer becomes a second record.
        if self.definitions.kind("", namespace, key) != Some("id") {
            let hint = format!("define {namespace}.{key} in the shop, of the type `id`, then save again");
            self.tell("/match/key", Code::DefinitionMissing, hint);
        }
        Some((namespace.to_owned(), key.to_owned()))
    }

    /// What an object needs; what of it the mapping leaves out is told.
    fn needed(
        &mut self,
        object: &str,
        also: Option<&BTreeSet<String>>,
        fields: &[Field],
        path: &str,
    ) -> Needed {
        let (needed, gaps) = Needed::of(object, also, fields, self.targets);
        for gap in gaps {
            match gap {
                Gap::Unmapped(name) => {
                    self.tell(path, Code::RequiredMissing, format!("`{name}` must be mapped"));
                }
                Gap::MoreThanOne(name) => {
                    let hint = format!("of the fields of `{name}` exactly one may be mapped");
                    self.tell(path, Code::TypeMismatch, hint);
                }
            }
        }
        needed
    }

    fn lists(&mut self, document: &RecordDocument, target: &Target) {
        let targets = self.targets;
        for (name, policy) in &document.lists {
            let path = format!("/lists/{name}");
            let field = targets.objects.get(&target.root).and_then(|object| object.fields.get(name));
            let scalars = match field {
                Some(field) if field.list => matches!(field.kind, Kind::Scalar(_)),
                None if name == "metafields" => false,
                _ => {
                    self.tell(path, Code::UnknownField, "there is no list of this name");
                    continue;
                }
            };
            if matches!(policy, ListPolicy::Add | ListPolicy::Remove) && !scalars {
                let hint =
                    "elements of this list are merged or replaced; only plain values are added or removed";
                self.tell(path, Code::TypeMismatch, hint);
            }
        }
    }

    fn options(&mut self, document: &RecordDocument, target: &Target) -> serde_json::Map<String, Value> {
        let targets = self.targets;
        let object = target.options.as_ref().and_then(|name| targets.objects.get(name));
        let mut options = serde_json::Map::new();
        for (name, value) in &document.options {
            let path = format!("/options/{name}");
            match object.and_then(|object| object.fields.get(name)).map(|field| &field.kind) {
                Some(Kind::Scalar(scalar)) => match coerce(value, scalar) {
                    Ok(value) => {
                        options.insert(name.clone(), value);
                    }
                    Err(misfit) => self.tell(path, Code::TypeMismatch, misfit.to_string()),
                },
                _ => self.tell(path, Code::UnknownField, "there is no option of this name"),
            }
        }
        options
    }

    fn levels(&mut self, document: &Value) -> Option<Levels> {
        let document: LevelDocument = read(document, "", &mut self.problems)?;
        self.head(document.version, Stream::InventoryLevels, document.operation);
        let item = &document.matching.item;
        if !matches!(item.by, MatchBy::Sku | MatchBy::Barcode | MatchBy::Id) {
            self.tell("/match/item/by", Code::TypeMismatch, "items are found by sku, barcode or id");
        }
        let location = &document.matching.location;
        if !matches!(location.by, MatchBy::Name | MatchBy::Id) {
            self.tell("/match/location/by", Code::TypeMismatch, "locations are found by name or id");
        }
        Some(Levels {
            quantity: document.quantity.name,
            from: self.reference(&document.quantity.from, "/quantity/from"),
            item: (item.by, self.reference(&item.from, "/match/item/from")),
            location: (location.by, self.reference(&location.from, "/match/location/from")),
            options: document.options,
        })
    }

    /// Reads the name of a column of the row, or a pointer into it.
    fn reference(&mut self, text: &str, path: &str) -> Reference {
        let reference = Reference::parse(text);
        let column = match &reference {
            Reference::Column(column) => Some(column.clone()),
            Reference::Pointer(pointer) => {
                pointer.split('/').nth(1).map(|name| name.replace("~1", "/").replace("~0", "~"))
            }
        };
        match (column, self.columns) {
            (None, _) => self.tell(path, Code::MappingMalformed, "name a column"),
            (Some(column), _) if column.is_empty() => {
                self.tell(path, Code::MappingMalformed, "name a column")
            }
            (Some(column), Some(columns)) if !columns.contains(&column) => {
                self.tell(path, Code::UnknownField, format!("the rows have no column `{column}`"));
            }
            _ => {}
        }
        reference
    }
}

/// Whether a type takes words, the mark of a currency in an object that holds an amount.
fn is_word(scalar: &Scalar) -> bool {
    matches!(scalar, Scalar::OneOf(_))
}
