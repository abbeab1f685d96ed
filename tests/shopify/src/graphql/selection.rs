//! A validated operation, made ready for execution: fragments merged, arguments filled in, rights checked.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use apollo_compiler::ast;
use apollo_compiler::executable::{self, ExecutableDocument, SelectionSet};
use apollo_compiler::schema::{EnumType, ExtendedType};
use serde_json::{Map, Value};

use super::scopes;
use crate::schema::ApiSchema;

/// What every part of an operation refers to.
#[derive(Debug)]
pub struct Document<'d> {
    /// The schema it was validated against.
    pub api: &'d ApiSchema,
    /// The document.
    pub document: &'d ExecutableDocument,
    /// Coerced variables.
    pub variables: Map<String, Value>,
    /// Granted scopes, implied ones included.
    pub scopes: BTreeSet<String>,
    /// Deprecated fields met so far.
    pub deprecated: RefCell<BTreeSet<String>>,
}

/// One field to answer.
#[derive(Debug)]
pub struct Field<'d> {
    /// `"key":` as it is written.
    pub prefix: String,
    /// The response key.
    pub key: &'d str,
    /// The field's name.
    pub name: &'d str,
    /// Declared type.
    pub ty: &'d ast::Type,
    /// Name of the innermost type.
    pub inner: &'d str,
    /// Arguments with defaults and variables filled in.
    pub args: Map<String, Value>,
    /// The key of the directive `@idempotent`.
    pub idempotency_key: Option<String>,
    /// Which access is missing, in Shopify's words.
    pub denied: Option<String>,
    /// The values it may take, where it is an enum.
    pub values: Option<&'d EnumType>,
    /// What is selected below; none for scalars and enums.
    pub sub: Option<SubSelection<'d>>,
    /// Whether it is a connection.
    pub connection: bool,
    /// Most nodes met in one page of this connection; none until it was reached.
    pub reached: Cell<Option<u64>>,
}

/// What is selected below a field, by concrete type.
#[derive(Debug)]
pub struct SubSelection<'d> {
    sets: Vec<&'d SelectionSet>,
    by_type: RefCell<HashMap<String, Rc<[Field<'d>]>>>,
    holds_connection: OnceCell<bool>,
}

impl<'d> SubSelection<'d> {
    /// Wraps selection sets that are to be merged.
    #[must_use]
    pub fn new(sets: Vec<&'d SelectionSet>) -> Self {
        Self { sets, by_type: RefCell::default(), holds_connection: OnceCell::new() }
    }

    /// The fields to answer for an object of this type.
    pub fn fields(&self, document: &Document<'d>, type_name: &str) -> Rc<[Field<'d>]> {
        if let Some(fields) = self.by_type.borrow().get(type_name) {
            return Rc::clone(fields);
        }
        let fields: Rc<[Field<'d>]> = document.merge(type_name, &self.sets).into();
        self.by_type.borrow_mut().insert(type_name.to_owned(), Rc::clone(&fields));
        fields
    }

    /// Whether a connection is selected anywhere below.
    pub fn holds_connection(&self, document: &Document<'d>) -> bool {
        *self
            .holds_connection
            .get_or_init(|| self.sets.iter().any(|set| holds_connection(document.document, set)))
    }

    /// The types that fragments of this selection name, directly or through further fragments.
    pub fn conditions(&self, document: &Document<'d>) -> Vec<String> {
        let mut names = Vec::new();
        let mut open: Vec<&SelectionSet> = self.sets.clone();
        while let Some(set) = open.pop() {
            for selection in &set.selections {
                match selection {
                    executable::Selection::Field(_) => {}
                    executable::Selection::InlineFragment(fragment) => {
                        names.extend(fragment.type_condition.iter().map(ToString::to_string));
                        open.push(&fragment.selection_set);
                    }
                    executable::Selection::FragmentSpread(spread) => {
                        if let Some(fragment) = spread.fragment_def(document.document) {
                            names.push(fragment.type_condition().to_string());
                            open.push(&fragment.selection_set);
                        }
                    }
                }
            }
        }
        names
    }
}

fn holds_connection(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    set.selections.iter().any(|selection| match selection {
        executable::Selection::Field(field) => {
            field.ty().inner_named_type().ends_with("Connection")
                || holds_connection(document, &field.selection_set)
        }
        executable::Selection::InlineFragment(fragment) => {
            holds_connection(document, &fragment.selection_set)
        }
        executable::Selection::FragmentSpread(spread) => spread
            .fragment_def(document)
            .is_some_and(|fragment| holds_connection(document, &fragment.selection_set)),
    })
}

impl<'d> Document<'d> {
    fn merge(&self, type_name: &str, sets: &[&'d SelectionSet]) -> Vec<Field<'d>> {
        let mut order: Vec<&'d str> = Vec::new();
        let mut grouped: HashMap<&'d str, Vec<&'d executable::Field>> = HashMap::new();
        for set in sets {
            self.collect(type_name, set, &mut order, &mut grouped);
        }
        order
            .iter()
            .filter_map(|key| grouped.get(key).map(|fields| self.field(type_name, key, fields)))
            .collect()
    }

    fn collect(
        &self,
        type_name: &str,
        set: &'d SelectionSet,
        order: &mut Vec<&'d str>,
        grouped: &mut HashMap<&'d str, Vec<&'d executable::Field>>,
    ) {
        for selection in &set.selections {
            if self.skipped(selection.directives()) {
                continue;
            }
            let (condition, inner) = match selection {
                executable::Selection::Field(field) => {
                    let key = field.response_key().as_str();
                    let group = grouped.entry(key).or_default();
                    if group.is_empty() {
                        order.push(key);
                    }
                    group.push(field);
                    continue;
                }
                executable::Selection::InlineFragment(fragment) => {
                    (fragment.type_condition.as_ref(), &fragment.selection_set)
                }
                executable::Selection::FragmentSpread(spread) => {
                    let Some(fragment) = spread.fragment_def(self.document) else { continue };
                    (Some(fragment.type_condition()), &fragment.selection_set)
                }
            };
            if condition.is_none_or(|name| name == type_name || self.api.schema.is_subtype(name, type_name)) {
                self.collect(type_name, inner, order, grouped);
            }
        }
    }

    fn skipped(&self, directives: &executable::DirectiveList) -> bool {
        let condition = |directive: &str| {
            let argument = directives.get(directive)?.specified_argument_by_name("if")?;
            self.value(argument).as_bool()
        };
        condition("skip") == Some(true) || condition("include") == Some(false)
    }

    fn field(&self, type_name: &str, key: &'d str, merged: &[&'d executable::Field]) -> Field<'d> {
        // A group is never empty: it is made when its first field is met.
        let first = merged[0];
        let definition = &first.definition;
        if definition.directives.has("deprecated") {
            self.deprecated.borrow_mut().insert(format!("{type_name}.{}", first.name));
        }
        let inner = definition.ty.inner_named_type().as_str();
        let composite = self.api.schema.types.get(inner).is_some_and(|ty| !ty.is_leaf());
        let connection = inner.ends_with("Connection")
            && matches!(self.api.schema.types.get(inner), Some(ExtendedType::Object(object)) if object.fields.contains_key("edges"));
        let mut args = Map::new();
        for argument in &definition.arguments {
            let given = first.specified_argument_by_name(&argument.name);
            let value = match given.map(|value| value.as_ref()) {
                Some(ast::Value::Variable(name)) => self.variables.get(name.as_str()).cloned(),
                Some(value) => Some(self.value(value)),
                None => None,
            };
            if let Some(value) =
                value.or_else(|| argument.default_value.as_ref().map(|value| self.value(value)))
            {
                args.insert(argument.name.to_string(), value);
            }
        }
        Field {
            prefix: format!("{}:", Value::from(key)),
            key,
            name: first.name.as_str(),
            ty: &definition.ty,
            inner,
            args,
            idempotency_key: first.directives.get("idempotent").map(|directive| {
                let key = directive.specified_argument_by_name("key").map(|key| self.value(key));
                key.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
            }),
            values: match self.api.schema.types.get(inner) {
                Some(ExtendedType::Enum(values)) => Some(values),
                _ => None,
            },
            denied: scopes::missing(&self.scopes, type_name, &first.name, inner),
            sub: composite
                .then(|| SubSelection::new(merged.iter().map(|field| &field.selection_set).collect())),
            connection,
            reached: Cell::new(None),
        }
    }

    fn value(&self, value: &ast::Value) -> Value {
        match value {
            ast::Value::Null => Value::Null,
            ast::Value::Enum(name) => Value::from(name.as_str()),
            ast::Value::Variable(name) => self.variables.get(name.as_str()).cloned().unwrap_or_default(),
            ast::Value::String(text) => Value::from(text.as_str()),
            ast::Value::Float(number) => number.try_to_f64().map(Value::from).unwrap_or_default(),
            ast::Value::Int(number) => number.as_str().parse::<i64>().map(Value::from).unwrap_or_default(),
            ast::Value::Boolean(flag) => Value::from(*flag),
            ast::Value::List(items) => items.iter().map(|item| self.value(item)).collect(),
            ast::Value::Object(fields) => {
                // A variable that was not given leaves its field out, which is not the same as null.
                let given = |item: &ast::Value| match item {
                    ast::Value::Variable(name) => self.variables.contains_key(name.as_str()),
                    _ => true,
                };
                let fields = fields.iter().filter(|(_, item)| given(item));
                Value::Object(fields.map(|(name, item)| (name.to_string(), self.value(item))).collect())
            }
        }
    }
}

impl Field<'_> {
    /// A text argument.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.args.get(name)?.as_str()
    }

    /// A whole-number argument.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.args.get(name)?.as_i64()
    }

    /// A yes-or-no argument; no where absent.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.args.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.args
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
}
