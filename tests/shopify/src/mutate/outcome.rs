//! What a mutation answers and causes, by the ids of things: they are looked up once it is done.

use serde_json::Value;

use crate::model::OwnerKind;

/// The payload of a mutation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Name of its type.
    pub payload: &'static str,
    /// Its fields.
    pub fields: Vec<(&'static str, Out)>,
    /// Whether something was refused.
    pub refused: bool,
}

/// A value in a payload.
#[derive(Clone, Debug)]
pub enum Out {
    /// `null`
    Null,
    /// A text, id or enum value.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// The shop.
    Shop,
    /// The calling app.
    App,
    /// Whatever has this global id.
    Node(String),
    /// A fulfilment: the order's id and its own.
    Fulfillment(u64, u64),
    /// A metafield: the owner's kind and id, namespace, key.
    Metafield(OwnerKind, u64, String, String),
    /// A list.
    List(Vec<Out>),
    /// An object of the type named, or declared where the name is empty.
    Plain(&'static str, Vec<(&'static str, Out)>),
}

/// One of `userErrors`.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Path to what is wrong; none if nothing alone is.
    pub field: Option<Vec<String>>,
    /// In words.
    pub message: String,
    /// A value of the mutation's own enum of codes; none where Shopify gives none.
    pub code: Option<&'static str>,
    /// Place in the list that was sent, for the errors that name one.
    pub element: Option<usize>,
}

impl Problem {
    /// Something wrong at a path, written with dots.
    #[must_use]
    pub fn at(path: &str, message: impl Into<String>, code: &'static str) -> Self {
        let field = path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self { field: Some(field), message: message.into(), code: Some(code), element: None }
    }

    /// Something wrong at a path, of a kind that has no code.
    #[must_use]
    pub fn plain(path: &str, message: impl Into<String>) -> Self {
        Self { code: None, ..Self::at(path, message, "") }
    }

    /// Something wrong with nothing in particular.
    #[must_use]
    pub fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// The same, about the element at this place.
    #[must_use]
    pub fn of_element(self, place: usize) -> Self {
        Self { element: Some(place), ..self }
    }

    fn show(&self, type_name: &'static str) -> Out {
        let path = |field: &Vec<String>| Out::List(field.iter().cloned().map(Out::Text).collect());
        let code = |code: &str| Out::Text(code.to_owned());
        let element = |place: usize| i64::try_from(place).map_or(Out::Null, Out::Int);
        Out::Plain(
            type_name,
            vec![
                ("field", self.field.as_ref().map_or(Out::Null, path)),
                ("message", Out::Text(self.message.clone())),
                ("code", self.code.map_or(Out::Null, code)),
                ("elementIndex", self.element.map_or(Out::Null, element)),
                ("elementKey", Out::Null),
            ],
        )
    }
}

impl Outcome {
    /// A payload without fields.
    #[must_use]
    pub fn new(payload: &'static str) -> Self {
        Self { payload, fields: Vec::new(), refused: false }
    }

    /// With one field more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Out) -> Self {
        self.fields.push((name, value));
        self
    }

    /// With its `userErrors`, of this type.
    #[must_use]
    pub fn errors(self, type_name: &'static str, problems: &[Problem]) -> Self {
        self.errors_named("userErrors", type_name, problems)
    }

    /// With errors under another name.
    #[must_use]
    pub fn errors_named(mut self, name: &'static str, type_name: &'static str, problems: &[Problem]) -> Self {
        self.refused |= !problems.is_empty();
        self.with(name, Out::List(problems.iter().map(|problem| problem.show(type_name)).collect()))
    }
}

impl Out {
    /// The global id of something, looked up when it is shown.
    #[must_use]
    pub fn node(type_name: &str, id: u64) -> Self {
        Self::Node(crate::gid::gid(type_name, id))
    }

    /// A JSON text, or null.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        value.as_str().map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }
}

/// Something that webhooks tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A product was created, or changed.
    Product(bool, u64),
    /// A product is gone.
    ProductGone(u64),
    /// An inventory item was created, or changed.
    Item(bool, u64),
    /// An inventory item is gone.
    ItemGone(u64),
    /// An item is stocked at a location, or has another quantity there.
    Level(bool, u64, u64),
    /// An item is no longer stocked at a location.
    LevelGone(u64, u64),
    /// A customer was created, or changed.
    Customer(bool, u64),
    /// A customer is gone.
    CustomerGone(u64),
    /// An order, with the topic.
    Order(&'static str, u64),
    /// An order is gone.
    OrderGone(u64),
}
