//! One entry of `fields`: where it leads, where its value comes from, whether the two fit.

use serde_json::Value;

use super::super::code::Code;
use super::super::coerce::{coerce, of_metafield};
use super::super::document::{FieldDocument, IfNull, LookupDocument, MoneyDocument, read};
use super::super::mapping::{Each, End, Field, Reference, Source, Step, Transform, Wanted};
use super::super::phone::Country;
use super::super::target::{self, Kind, MatchBy, Scalar, Target};
use super::super::template::Template;
use super::{Compiler, is_word};

/// How deep lists may stand in lists.
const DEEPEST: usize = 3;
/// The highest index of an element that a path may name.
const HIGHEST_INDEX: usize = 99;

/// The object whose fields are being filled.
pub(super) struct Level<'a> {
    /// Its name.
    pub(super) object: &'a str,
    /// The list it stands in; empty for the record itself.
    pub(super) list: String,
    pub(super) target: &'a Target,
    /// Whether rows are grouped, so that `each` may go through them.
    pub(super) grouped: bool,
    /// Whether its columns are those of the rows; elements of a list in a row have their own, which nobody names.
    pub(super) of_rows: bool,
    pub(super) depth: usize,
}

/// What a path leads to, before it is known what fills it.
enum Place<'a> {
    Field { field: &'a target::Field, element: bool },
    Metafield { namespace: String, key: String },
    Choice { name: String },
}

impl<'a> Compiler<'a> {
    /// Compiles a list of entries.
    pub(super) fn fields(&mut self, documents: &[Value], path: &str, level: &Level<'a>) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::with_capacity(documents.len());
        for (at, document) in documents.iter().enumerate() {
            let path = format!("{path}/{at}");
            let read: Option<FieldDocument> = read(document, &path, &mut self.problems);
            let Some(field) = read.and_then(|document| self.field(document, &path, level)) else { continue };
            let adds = matches!(field.end, End::Elements(_));
            if !adds && fields.iter().any(|before| before.to == field.to) {
                let hint = format!("`{}` is filled by an entry before", field.to);
                self.tell(format!("{path}/to"), Code::DuplicateTarget, hint);
            }
            fields.push(field);
        }
        fields
    }

    fn field(&mut self, document: FieldDocument, path: &str, level: &Level<'a>) -> Option<Field> {
        if level.depth > 0 && (document.on.is_some() || document.write.is_some()) {
            let hint = "`on` and `write` belong to the entry of the list, not to its elements";
            self.tell(path, Code::MappingMalformed, hint);
        }
        let place = self.place(&document.to, &format!("{path}/to"), level);
        let transforms = self.transforms(&document.transform, path);
        let (steps, place) = place?;
        let (end, source) = self.filling(&document, place, path, level)?;
        let plain = matches!(source, Source::Row(_) | Source::Template(_));
        if document.split.is_some() && !(plain && matches!(end, End::Elements(_))) {
            self.tell(
                format!("{path}/split"),
                Code::TypeMismatch,
                "only a text is split, and into a list: write `name[]`",
            );
        }
        if document.split.as_deref() == Some("") {
            self.tell(
                format!("{path}/split"),
                Code::MappingMalformed,
                "name what stands between the elements",
            );
        }
        if !document.transform.is_empty() && !plain {
            self.tell(format!("{path}/transform"), Code::TypeMismatch, "only texts are transformed");
        }
        let if_null = document.if_null.unwrap_or_default();
        if if_null == IfNull::Clear && !matches!(end, End::Value(_) | End::Elements(_)) {
            self.tell(
                format!("{path}/if_null"),
                Code::TypeMismatch,
                "only a value or a list of values can be emptied",
            );
        }
        Some(Field {
            to: document.to,
            on: document.on.unwrap_or_default(),
            write: document.write.unwrap_or_default(),
            steps,
            end,
            source,
            split: document.split,
            transforms,
            required: document.required,
            if_null,
        })
    }

    /// Follows a path through the objects of the destination.
    fn place(&mut self, to: &str, path: &str, level: &Level<'a>) -> Option<(Vec<Step>, Place<'a>)> {
        let targets = self.targets;
        if let Some(rest) = to.strip_prefix("metafields.") {
            let has_them =
                level.list.is_empty() || targets.objects[level.object].fields.contains_key("metafields");
            let Some((namespace, key)) =
                rest.split_once('.').filter(|(n, k)| has_them && !n.is_empty() && !k.is_empty())
            else {
                self.tell(
                    path,
                    Code::UnknownField,
                    "write a metafield as `metafields.namespace.key`, where there are any",
                );
                return None;
            };
            let steps = vec![Step::Field("metafields".to_owned())];
            return Some((steps, Place::Metafield { namespace: namespace.to_owned(), key: key.to_owned() }));
        }
        if let Some(name) = to.strip_prefix("option.").filter(|name| !name.is_empty()) {
            let choice = level.target.choice.as_ref();
            let choice =
                choice.filter(|choice| targets.objects[level.object].fields.contains_key(&choice.list));
            let Some(choice) = choice else {
                self.tell(path, Code::UnknownField, "options belong to variants");
                return None;
            };
            return Some((vec![Step::Field(choice.list.clone())], Place::Choice { name: name.to_owned() }));
        }
        let mut steps = Vec::new();
        let mut object = level.object;
        let mut segments = to.split('.').peekable();
        while let Some(segment) = segments.next() {
            let (name, index) = match segment.split_once('[') {
                Some((name, index)) => (name, Some(index.strip_suffix(']').unwrap_or("?"))),
                None => (segment, None),
            };
            let fields = &targets.objects.get(object)?.fields;
            let Some(field) = fields.get(name) else {
                let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                let hint = format!("there is no `{name}`; there are: {}", known.join(", "));
                self.tell(path, Code::UnknownField, hint);
                return None;
            };
            steps.push(Step::Field(name.to_owned()));
            let last = segments.peek().is_none();
            let element = match (index, field.list) {
                (None, false) => false,
                (Some(""), true) if last => true,
                (Some(index), true) if !index.is_empty() => {
                    let Some(index) = index.parse().ok().filter(|index| *index <= HIGHEST_INDEX) else {
                        self.tell(
                            path,
                            Code::MappingMalformed,
                            format!("an index is a number from 0 to {HIGHEST_INDEX}"),
                        );
                        return None;
                    };
                    steps.push(Step::Index(index));
                    false
                }
                (Some(_), false) => {
                    self.tell(path, Code::TypeMismatch, format!("`{name}` is not a list"));
                    return None;
                }
                _ => {
                    let hint = format!("`{name}` is a list: write `{name}[]` at the end, or `{name}[0]`");
                    self.tell(path, Code::TypeMismatch, hint);
                    return None;
                }
            };
            if last {
                return Some((steps, Place::Field { field, element }));
            }
            match &field.kind {
                Kind::Object(name) => object = name,
                Kind::Scalar(_) => {
                    self.tell(path, Code::UnknownField, format!("`{name}` has no fields"));
                    return None;
                }
            }
        }
        None
    }

    /// What fills a place, and how.
    fn filling(
        &mut self,
        document: &FieldDocument,
        place: Place<'a>,
        path: &str,
        level: &Level<'a>,
    ) -> Option<(End, Source)> {
        let given = [
            document.from.is_some(),
            document.constant.is_some(),
            document.template.is_some(),
            document.each.is_some(),
            document.lookup.is_some(),
            document.money.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let hint = "name exactly one of `from`, `const`, `template`, `each`, `lookup`, `money`";
            self.tell(path, Code::MappingMalformed, hint);
            return None;
        }
        if document.fields.is_some() != document.each.is_some() {
            self.tell(path, Code::MappingMalformed, "`each` and `fields` go together");
            return None;
        }
        if let (Some(each), Some(fields)) = (&document.each, &document.fields) {
            return self.each(each, fields, &place, &document.to, path, level);
        }
        if let Some(money) = &document.money {
            return self.money(money, &place, path, level);
        }
        let end = self.value_end(place, path, level)?;
        let (End::Value(scalar) | End::Elements(scalar) | End::Metafield { scalar, .. }) = &end else {
            return self.value_source(document, &Scalar::Text, path, level).map(|source| (end, source));
        };
        let source = self.value_source(document, &scalar.clone(), path, level)?;
        Some((end, source))
    }

    /// The end of a path that a single value fills.
    fn value_end(&mut self, place: Place<'a>, path: &str, level: &Level<'a>) -> Option<End> {
        match place {
            Place::Field { field, element } => match &field.kind {
                Kind::Scalar(scalar) if element => Some(End::Elements(scalar.clone())),
                Kind::Scalar(scalar) => Some(End::Value(scalar.clone())),
                Kind::Object(_) => {
                    let hint = "this holds fields of its own: name one of them, or use `each` for a list";
                    self.tell(format!("{path}/to"), Code::TypeMismatch, hint);
                    None
                }
            },
            Place::Metafield { namespace, key } => {
                let Some(kind) = self.definitions.kind(&level.list, &namespace, &key) else {
                    let hint = format!("define {namespace}.{key} in the shop, then save again");
                    self.tell(format!("{path}/to"), Code::DefinitionMissing, hint);
                    return None;
                };
                let scalar = of_metafield(kind);
                Some(End::Metafield { namespace, key, kind: kind.to_owned(), scalar })
            }
            Place::Choice { name } => {
                let choice = level.target.choice.as_ref()?;
                Some(End::Choice { name: (choice.name.clone(), name), value: choice.value.clone() })
            }
        }
    }

    fn value_source(
        &mut self,
        document: &FieldDocument,
        scalar: &Scalar,
        path: &str,
        level: &Level<'a>,
    ) -> Option<Source> {
        if let Some(from) = &document.from {
            return Some(Source::Row(self.inner_reference(from, &format!("{path}/from"), level)));
        }
        if let Some(constant) = &document.constant {
            return match coerce(&constant.0, scalar) {
                Ok(value) => Some(Source::Constant(value)),
                Err(misfit) => {
                    self.tell(format!("{path}/const"), Code::TypeMismatch, misfit.to_string());
                    None
                }
            };
        }
        if let Some(template) = &document.template {
            return match Template::compile(template) {
                Ok(template) => Some(Source::Template(template)),
                Err(error) => {
                    self.tell(format!("{path}/template"), Code::TemplateError, error.to_string());
                    None
                }
            };
        }
        let lookup = document.lookup.as_ref()?;
        if !matches!(scalar, Scalar::Id(_)) {
            self.tell(
                format!("{path}/lookup"),
                Code::TypeMismatch,
                "a look-up finds an id, and this field takes none",
            );
            return None;
        }
        self.lookup(lookup, path, level)
    }

    fn lookup(&mut self, lookup: &LookupDocument, path: &str, level: &Level<'a>) -> Option<Source> {
        use MatchBy as By;
        let (what, fits) = match (lookup.variant_by, lookup.item_by, lookup.location_by) {
            (Some(by), None, None) => (Wanted::Variant(by), matches!(by, By::Sku | By::Barcode | By::Id)),
            (None, Some(by), None) => (Wanted::Item(by), matches!(by, By::Sku | By::Barcode | By::Id)),
            (None, None, Some(by)) => (Wanted::Location(by), matches!(by, By::Name | By::Id)),
            _ => {
                let hint = "name exactly one of `variant_by`, `item_by`, `location_by`";
                self.tell(format!("{path}/lookup"), Code::MappingMalformed, hint);
                return None;
            }
        };
        if !fits {
            self.tell(format!("{path}/lookup"), Code::TypeMismatch, "this thing cannot be found by this key");
        }
        let from = self.inner_reference(&lookup.from, &format!("{path}/lookup/from"), level);
        Some(Source::Lookup { what, from })
    }

    fn each(
        &mut self,
        each: &str,
        fields: &[Value],
        place: &Place<'a>,
        to: &str,
        path: &str,
        level: &Level<'a>,
    ) -> Option<(End, Source)> {
        let Place::Field { field: target::Field { kind: Kind::Object(object), .. }, element: true } = place
        else {
            self.tell(
                format!("{path}/to"),
                Code::TypeMismatch,
                "`each` fills a list of objects: write `name[]`",
            );
            return None;
        };
        if level.depth >= DEEPEST {
            self.tell(path, Code::MappingMalformed, "lists stand too deep in lists");
            return None;
        }
        let of = match each.strip_prefix("json:") {
            Some(column) => Each::Json(self.inner_reference(column, &format!("{path}/each"), level)),
            None if each == "rows" && level.grouped && level.depth == 0 => Each::Rows,
            None => {
                let hint = "write `rows` with `group_rows_by`, or `json:` and a column";
                self.tell(format!("{path}/each"), Code::MappingMalformed, hint);
                return None;
            }
        };
        let list = to.trim_end_matches("[]").to_owned();
        let inner = Level {
            object,
            list,
            target: level.target,
            grouped: level.grouped,
            of_rows: matches!(of, Each::Rows),
            depth: level.depth + 1,
        };
        let path = format!("{path}/fields");
        let fields = self.fields(fields, &path, &inner);
        let needed = self.needed(object, None, &fields, &path);
        Some((End::Objects, Source::Each { of, fields, needed }))
    }

    fn money(
        &mut self,
        money: &MoneyDocument,
        place: &Place<'a>,
        path: &str,
        level: &Level<'a>,
    ) -> Option<(End, Source)> {
        let targets = self.targets;
        let object = match place {
            Place::Field { field: target::Field { kind: Kind::Object(object), .. }, element: false } => {
                targets.objects.get(object)
            }
            _ => None,
        };
        let part = |fits: fn(&Scalar) -> bool| {
            object?.fields.iter().find_map(|(name, field)| match &field.kind {
                Kind::Scalar(scalar) if fits(scalar) => Some((name.clone(), scalar.clone())),
                _ => None,
            })
        };
        let amount = part(|scalar| *scalar == Scalar::Decimal);
        let (Some(amount), Some(currency), Some(2)) =
            (amount, part(is_word), object.map(|object| object.fields.len()))
        else {
            self.tell(format!("{path}/to"), Code::TypeMismatch, "`money` fills an amount with its currency");
            return None;
        };
        let from = |this: &mut Self, text: &str, part: &str| {
            this.inner_reference(text, &format!("{path}/money/{part}"), level)
        };
        let source = Source::Money {
            amount: from(self, &money.amount, "amount"),
            currency: from(self, &money.currency, "currency"),
        };
        Some((End::Money { amount, currency }, source))
    }

    /// A reference from inside an entry: a pointer leads from the row, a column is the element's own.
    fn inner_reference(&mut self, text: &str, path: &str, level: &Level<'a>) -> Reference {
        let columns = self.columns;
        if !level.of_rows && !text.starts_with('/') {
            self.columns = None;
        }
        let reference = self.reference(text, path);
        self.columns = columns;
        reference
    }

    fn transforms(&mut self, names: &[String], path: &str) -> Vec<Transform> {
        let mut transforms = Vec::new();
        for name in names {
            match name.split_once(':').map_or((name.as_str(), None), |(name, rest)| (name, Some(rest))) {
                ("trim", None) => transforms.push(Transform::Trim),
                ("lowercase", None) => transforms.push(Transform::Lowercase),
                ("uppercase", None) => transforms.push(Transform::Uppercase),
                ("e164", Some(country)) if Country::parse(country).is_some() => {
                    transforms.extend(Country::parse(country).map(Transform::E164));
                }
                _ => {
                    let hint = format!(
                        "there is no `{name}`; there are: trim, lowercase, uppercase, e164:FR and other countries"
                    );
                    self.tell(format!("{path}/transform"), Code::MappingMalformed, hint);
                }
            }
        }
        transforms
    }
}
