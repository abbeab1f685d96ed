//! Runs a selection over the model and writes JSON as it goes.

use std::collections::BTreeSet;

use apollo_compiler::ast::Type;
use serde_json::{Value, json};

use super::selection::{Document, Field, SubSelection};
use super::{protected, scopes};
use crate::resolve::{FieldError, Obj, Res, World};

/// A null that the schema does not allow here, on its way to the nearest place that does.
#[derive(Clone, Copy, Debug)]
pub struct Bubble;

/// Where an error happened.
#[derive(Clone, Copy, Debug)]
enum Step<'d> {
    Key(&'d str),
    Index(usize),
}

/// Runs selections.
#[derive(Debug)]
pub struct Executor<'e, 'd, 'a> {
    /// The operation.
    pub document: &'e Document<'d>,
    /// What can be seen.
    pub world: &'e World<'a>,
    /// `Type.field`: answered by null and an error.
    pub nulls: &'e BTreeSet<String>,
    /// Leave out connections: a bulk query writes them as lines of their own.
    pub without_connections: bool,
    /// Errors so far, as they appear in the answer.
    pub errors: Vec<Value>,
    /// `Type.field` that is not simulated.
    pub not_simulated: BTreeSet<String>,
    path: Vec<Step<'d>>,
}

impl<'e, 'd, 'a> Executor<'e, 'd, 'a> {
    /// Makes ready.
    #[must_use]
    pub fn new(document: &'e Document<'d>, world: &'e World<'a>, nulls: &'e BTreeSet<String>) -> Self {
        Self {
            document,
            world,
            nulls,
            without_connections: false,
            errors: Vec::new(),
            not_simulated: BTreeSet::new(),
            path: Vec::new(),
        }
    }

    /// Writes an object.
    ///
    /// # Errors
    /// When a field is null that may not be.
    pub fn object(
        &mut self,
        object: &Obj<'a>,
        sub: &SubSelection<'d>,
        out: &mut Vec<u8>,
    ) -> Result<(), Bubble> {
        self.object_as(object, object.type_name(), sub, out)
    }

    /// Writes an object under a type name of its own: connections and edges have many names and one shape.
    fn object_as(
        &mut self,
        object: &Obj<'a>,
        type_name: &str,
        sub: &SubSelection<'d>,
        out: &mut Vec<u8>,
    ) -> Result<(), Bubble> {
        let fields = sub.fields(self.document, type_name);
        out.push(b'{');
        let mut first = true;
        for field in fields.iter() {
            if self.without_connections && field.connection {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(field.prefix.as_bytes());
            self.field(object, type_name, field, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes the answer to one field of an operation.
    ///
    /// # Errors
    /// When it is null and may not be.
    pub fn root_field(
        &mut self,
        object: &Obj<'a>,
        type_name: &str,
        field: &Field<'d>,
        out: &mut Vec<u8>,
    ) -> Result<(), Bubble> {
        self.field(object, type_name, field, out)
    }

    fn field(
        &mut self,
        object: &Obj<'a>,
        type_name: &str,
        field: &Field<'d>,
        out: &mut Vec<u8>,
    ) -> Result<(), Bubble> {
        if field.name == "__typename" {
            write_text(type_name, out);
            return Ok(());
        }
        self.path.push(Step::Key(field.key));
        let start = out.len();
        let done = match self.answer(object, field) {
            Some(answer) => self.value(&answer, field.ty, field, out),
            None => Err(Bubble),
        };
        let done = settle(done, field.ty, start, out);
        self.path.pop();
        done
    }

    /// Answers a field, or notes why it cannot.
    pub fn answer(&mut self, object: &Obj<'a>, field: &Field<'d>) -> Option<Res<'a>> {
        if let Some(missing) = &field.denied {
            self.deny(field.name, missing);
            return None;
        }
        let refused = protected::refused(self.world.denied_data, object.type_name(), field.name, field.inner);
        if let Some(message) = refused {
            self.report(&message, "ACCESS_DENIED");
            return None;
        }
        if !self.nulls.is_empty() && self.nulls.contains(&format!("{}.{}", object.type_name(), field.name)) {
            self.report(
                "Internal error. Looks like something went wrong on our end.",
                "INTERNAL_SERVER_ERROR",
            );
            return None;
        }
        match object.resolve(self.world, field) {
            Ok(answer) => Some(answer),
            Err(FieldError::Refused(message, code)) => {
                self.report(&message, code);
                None
            }
            Err(error @ (FieldError::NotSimulated | FieldError::NotSimulatedInput(_))) => {
                let name = match error {
                    FieldError::NotSimulatedInput(name) => name,
                    _ => format!("{}.{}", object.type_name(), field.name),
                };
                self.report(
                    &format!("the simulator does not know `{name}`, though Shopify does"),
                    "NOT_SIMULATED",
                );
                self.not_simulated.insert(name);
                None
            }
        }
    }

    fn value(
        &mut self,
        value: &Res<'a>,
        ty: &Type,
        field: &Field<'d>,
        out: &mut Vec<u8>,
    ) -> Result<(), Bubble> {
        match value {
            Res::Null if ty.is_non_null() => {
                self.report(
                    &format!("the simulator has no value for `{}`, which is never null", field.name),
                    "NOT_SIMULATED",
                );
                self.not_simulated.insert(format!("{} (null)", field.name));
                return Err(Bubble);
            }
            Res::Null => out.extend_from_slice(b"null"),
            // A value that Shopify's schema does not have would teach clients what they never meet.
            Res::Text(text)
                if field.values.is_some_and(|known| !known.values.contains_key(text.as_ref())) =>
            {
                let name = format!("{} ({text})", field.name);
                self.report(&format!("the schema has no such value: `{name}`"), "NOT_SIMULATED");
                self.not_simulated.insert(name);
                return Err(Bubble);
            }
            Res::Text(text) => write_text(text, out),
            Res::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Res::Float(number) => write_json(&json!(number), out),
            Res::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Res::Json(value) => write_json(value, out),
            Res::Obj(object) => return self.below(object, field, out),
            Res::List(items) => {
                let item_type = ty.item_type();
                out.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    self.path.push(Step::Index(place));
                    let start = out.len();
                    let done = self.value(item, item_type, field, out);
                    let done = settle(done, item_type, start, out);
                    self.path.pop();
                    done?;
                }
                out.push(b']');
            }
            Res::Connection(connection) => return self.connection(connection, field, out),
        }
        Ok(())
    }

    fn below(&mut self, object: &Obj<'a>, field: &Field<'d>, out: &mut Vec<u8>) -> Result<(), Bubble> {
        // Edges go by the name the schema declares for them.
        let type_name = if object.type_name().is_empty() { field.inner } else { object.type_name() };
        if field.inner != type_name
            && let Some(missing) = scopes::missing_for_type(&self.document.scopes, type_name)
        {
            self.deny(field.name, &missing);
            return Err(Bubble);
        }
        match &field.sub {
            Some(sub) => self.object_as(object, type_name, sub, out),
            None => Err(Bubble),
        }
    }

    fn connection(
        &mut self,
        connection: &crate::graphql::connection::Connection<'a>,
        field: &Field<'d>,
        out: &mut Vec<u8>,
    ) -> Result<(), Bubble> {
        let page = match connection.page(field) {
            Ok(page) => page,
            Err(FieldError::Refused(message, code)) => {
                self.report(&message, code);
                return Err(Bubble);
            }
            Err(FieldError::NotSimulated | FieldError::NotSimulatedInput(_)) => return Err(Bubble),
        };
        let nodes = page.nodes.len() as u64;
        field.reached.set(Some(field.reached.get().unwrap_or(0).max(nodes)));
        let Some(sub) = &field.sub else { return Err(Bubble) };
        let cursor = |node: Option<&(super::connection::Cursor, Obj<'a>)>| {
            node.map_or(Res::Null, |(cursor, _)| Res::owned(cursor.encode()))
        };
        let mut parts = vec![(
            "pageInfo",
            Res::plain(
                "PageInfo",
                vec![
                    ("hasNextPage", Res::Bool(page.has_next)),
                    ("hasPreviousPage", Res::Bool(page.has_previous)),
                    ("startCursor", cursor(page.nodes.first())),
                    ("endCursor", cursor(page.nodes.last())),
                ],
            ),
        )];
        let wanted = sub.fields(self.document, field.inner);
        let asks = |name: &str| wanted.iter().any(|part| part.name == name);
        if asks("nodes") {
            parts.push((
                "nodes",
                Res::List(page.nodes.iter().map(|(_, node)| Res::obj(node.clone())).collect()),
            ));
        }
        if asks("edges") {
            let edge = |(cursor, node): &(super::connection::Cursor, Obj<'a>)| {
                Res::plain(
                    "",
                    vec![("cursor", Res::owned(cursor.encode())), ("node", Res::obj(node.clone()))],
                )
            };
            parts.push(("edges", Res::List(page.nodes.iter().map(edge).collect())));
        }
        self.object_as(&Obj::Plain("", parts), field.inner, sub, out)
    }

    fn deny(&mut self, field: &str, missing: &str) {
        let mut error = self
            .error(&format!("Access denied for {field} field. Required access: {missing}"), "ACCESS_DENIED");
        error["extensions"]["documentation"] = json!("https://shopify.dev/api/usage/access-scopes");
        error["extensions"]["requiredAccess"] = json!(missing);
        self.errors.push(error);
    }

    fn report(&mut self, message: &str, code: &str) {
        let error = self.error(message, code);
        self.errors.push(error);
    }

    fn error(&self, message: &str, code: &str) -> Value {
        let path: Vec<Value> = self
            .path
            .iter()
            .map(|step| match step {
                Step::Key(key) => json!(key),
                Step::Index(index) => json!(index),
            })
            .collect();
        json!({"message": message, "path": path, "extensions": {"code": code}})
    }
}

/// Turns a bubbling null into a null where the type allows one.
fn settle(done: Result<(), Bubble>, ty: &Type, start: usize, out: &mut Vec<u8>) -> Result<(), Bubble> {
    if done.is_err() && !ty.is_non_null() {
        out.truncate(start);
        out.extend_from_slice(b"null");
        return Ok(());
    }
    done
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn write_json(value: &Value, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}
