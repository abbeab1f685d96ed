//! How each field of the model is answered. One file per group of types; ordinary and bulk queries share them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::bulk::BulkOperation;
use crate::clock::iso;
use crate::graphql::connection::Connection;
use crate::graphql::selection::Field;
use crate::model::{
    Cents, Collection, CollectionSource, Condition, Customer, Level, Location, Media, Metafield, OptionValue,
    Order, OrderLine, Product, ProductOption, Variant,
};
use crate::mutate::Written;
use crate::schema::ApiSchema;
use crate::shop::{ShopState, Snapshot};
use crate::webhooks::subscription::Webhook;

mod app;
mod bulk;
mod collection;
pub(crate) mod customer;
mod definition;
mod leftovers;
mod media;
mod mutation;
mod order;
mod product;
mod root;
mod shop;
mod stock;
mod variant;
mod webhook;
mod written;

/// Everything a request can see.
#[derive(Debug)]
pub struct World<'a> {
    /// The schema of the version asked for.
    pub api: &'a ApiSchema,
    /// The shop at the moment of the request.
    pub snapshot: &'a Snapshot,
    /// The shop with its queues and counters.
    pub state: &'a ShopState,
    /// The app that asks.
    pub client_id: &'a str,
    /// Its name.
    pub app_name: &'a str,
    /// What it asks for by default.
    pub app_scopes: &'a BTreeSet<String>,
    /// Protected customer data it has not been approved for.
    pub denied_data: &'a BTreeSet<String>,
    /// Number of its installation.
    pub installation: u64,
    /// Granted scopes, implied ones included.
    pub scopes: &'a BTreeSet<String>,
    /// Version in the path of the request.
    pub version: &'a str,
    /// Simulated time of the request.
    pub now: Timestamp,
    /// Bulk operations of this app, oldest first.
    pub operations: Vec<BulkOperation>,
    /// Webhook subscriptions of this app.
    pub webhooks: Vec<Webhook>,
    /// What a mutation of the writing half answered; it has been carried out before it is shown.
    pub written: Option<&'a Written>,
    /// What mutations may do; none in a bulk query.
    pub effects: Option<&'a dyn Effects>,
}

impl World<'_> {
    /// Whether a search finds by now what was written then.
    #[must_use]
    pub fn searchable(&self, written: Timestamp) -> bool {
        let lag = crate::shop::lock(&self.state.faults).search_lag_seconds;
        self.now.duration_since(written) >= jiff::SignedDuration::from_secs(lag)
    }
}

/// What a mutation does outside of the model.
pub trait Effects: std::fmt::Debug {
    /// Starts a bulk query; the error is a code of `BulkOperationUserErrorCode` and a message.
    ///
    /// # Errors
    /// When the query breaks a rule or too many operations run.
    fn start_bulk(&self, query: &str, grouped: bool) -> Result<BulkOperation, (&'static str, String)>;
    /// Cancels a bulk operation; none if there is no such operation.
    fn cancel_bulk(&self, id: u64) -> Option<BulkOperation>;
    /// Uninstalls the app from the shop.
    fn uninstall(&self);
}

/// An object of Shopify's schema.
#[derive(Clone, Debug)]
pub enum Obj<'a> {
    /// `QueryRoot`
    Query,
    /// `Mutation`
    Mutation,
    /// `Shop`
    Shop,
    /// `Product`
    Product(&'a Product),
    /// `ProductVariant`
    Variant(&'a Product, &'a Variant),
    /// `ProductOption` with its place
    Option(&'a Product, &'a ProductOption, usize),
    /// `ProductOptionValue`
    OptionValue(&'a Product, &'a OptionValue),
    /// `MediaImage`, `Video`, `ExternalVideo`, `Model3d`
    Media(&'a Media),
    /// `Metafield` of something
    Metafield(Owner<'a>, &'a Metafield),
    /// `InventoryItem`
    Item(&'a Product, &'a Variant),
    /// `InventoryLevel`
    Level(&'a Product, &'a Variant, &'a Location, &'a Level),
    /// `Location`
    Location(&'a Location),
    /// `Customer`
    Customer(&'a Customer),
    /// `Order`
    Order(&'a Order),
    /// `LineItem`
    OrderLine(&'a Order, &'a OrderLine),
    /// `Collection`
    Collection(&'a Collection),
    /// `CollectionConditionsSource`
    Source(&'a Collection, &'a CollectionSource),
    /// `CollectionSourceInclusion`
    Inclusion(&'a Collection, &'a CollectionSource),
    /// A `CollectionSourceInclusionCondition…`
    Condition(&'a Condition),
    /// `BulkOperation`
    Bulk(BulkOperation),
    /// `WebhookSubscription`
    Webhook(Webhook),
    /// `App`
    App,
    /// `AppInstallation`
    Installation,
    /// Any other object: a type name (empty: the one the schema declares there) and its fields.
    Plain(&'static str, Vec<(&'static str, Res<'a>)>),
}

/// What a metafield belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// A product.
    Product(&'a Product),
    /// A variant.
    Variant(&'a Product, &'a Variant),
    /// A collection.
    Collection(&'a Collection),
    /// A customer.
    Customer(&'a Customer),
    /// An order.
    Order(&'a Order),
}

/// The answer to one field.
#[derive(Clone, Debug)]
pub enum Res<'a> {
    /// `null`
    Null,
    /// Text, id, enum value, time, decimal.
    Text(Cow<'a, str>),
    /// Whole number.
    Int(i64),
    /// Number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Any JSON, for the scalar of that name.
    Json(Value),
    /// An object.
    Obj(Box<Obj<'a>>),
    /// A list.
    List(Vec<Res<'a>>),
    /// A connection.
    Connection(Box<Connection<'a>>),
}

/// Why a field has no answer.
#[derive(Clone, Debug)]
pub enum FieldError {
    /// The schema knows it, the simulator does not.
    NotSimulated,
    /// The schema knows an input that the simulator does not.
    NotSimulatedInput(String),
    /// A request that Shopify refuses: message, code.
    Refused(String, &'static str),
}

/// The answer to a field, or why there is none.
pub type Answer<'a> = Result<Res<'a>, FieldError>;

impl<'a> Res<'a> {
    /// Borrowed text.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Text or null.
    #[must_use]
    pub fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// Made-up text.
    #[must_use]
    pub fn owned(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// A time.
    #[must_use]
    pub fn time(time: Timestamp) -> Self {
        Self::owned(iso(time))
    }

    /// A time or null.
    #[must_use]
    pub fn maybe_time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Null, Self::time)
    }

    /// The scalar `UnsignedInt64`: a number as text.
    #[must_use]
    pub fn big(number: u64) -> Self {
        Self::owned(number.to_string())
    }

    /// The scalar `Money`: two decimals.
    #[must_use]
    pub fn money(cents: Cents) -> Self {
        Self::owned(money(cents))
    }

    /// An object.
    #[must_use]
    pub fn obj(object: Obj<'a>) -> Self {
        Self::Obj(Box::new(object))
    }

    /// An object of any other type.
    #[must_use]
    pub fn plain(type_name: &'static str, fields: Vec<(&'static str, Res<'a>)>) -> Self {
        Self::obj(Obj::Plain(type_name, fields))
    }

    /// A `Count`, capped at `limit` as Shopify does.
    #[must_use]
    pub fn count(exact: usize, limit: Option<i64>) -> Self {
        let exact = i64::try_from(exact).unwrap_or(i64::MAX);
        let (count, precision) = match limit {
            Some(limit) if exact > limit => (limit, "AT_LEAST"),
            _ => (exact, "EXACT"),
        };
        Self::plain("Count", vec![("count", Res::Int(count)), ("precision", Res::text(precision))])
    }

    /// A `MoneyV2`; its `Decimal` drops trailing zeros but keeps one place.
    #[must_use]
    pub fn money_v2(cents: Cents, currency: &'a str) -> Self {
        let mut amount = money(cents);
        if amount.ends_with('0') {
            amount.pop();
        }
        Self::plain("MoneyV2", vec![("amount", Res::owned(amount)), ("currencyCode", Res::text(currency))])
    }
}

/// Hundredths as a decimal with two places.
#[must_use]
pub fn money(cents: Cents) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

impl<'a> Obj<'a> {
    /// Name of the type in Shopify's schema.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Query => "QueryRoot",
            Self::Mutation => "Mutation",
            Self::Shop => "Shop",
            Self::Product(_) => "Product",
            Self::Variant(..) => "ProductVariant",
            Self::Option(..) => "ProductOption",
            Self::OptionValue(..) => "ProductOptionValue",
            Self::Media(media) => media.content.type_name(),
            Self::Metafield(..) => "Metafield",
            Self::Item(..) => "InventoryItem",
            Self::Level(..) => "InventoryLevel",
            Self::Location(_) => "Location",
            Self::Customer(_) => "Customer",
            Self::Order(_) => "Order",
            Self::OrderLine(..) => "LineItem",
            Self::Collection(_) => "Collection",
            Self::Source(..) => "CollectionConditionsSource",
            Self::Inclusion(..) => "CollectionSourceInclusion",
            Self::Condition(condition) => collection::condition_type(condition.field),
            Self::Bulk(_) => "BulkOperation",
            Self::Webhook(_) => "WebhookSubscription",
            Self::App => "App",
            Self::Installation => "AppInstallation",
            Self::Plain(name, _) => name,
        }
    }

    /// The global id, for objects that have one.
    #[must_use]
    pub fn id(&self, world: &World<'_>) -> Option<String> {
        use crate::gid::{gid, level_gid};
        let number = match self {
            Self::Shop => world.snapshot.shop.id,
            Self::Product(product) => product.id,
            Self::Variant(_, variant) => variant.id,
            Self::Option(_, option, _) => option.id,
            Self::OptionValue(_, value) => value.id,
            Self::Media(media) => media.id,
            Self::Metafield(_, metafield) => metafield.id,
            Self::Item(_, variant) => variant.item.id,
            Self::Level(_, variant, location, _) => {
                return Some(level_gid(location.level_key, variant.item.id));
            }
            Self::Location(location) => location.id,
            Self::Customer(customer) => customer.id,
            Self::Order(order) => order.id,
            Self::OrderLine(_, line) => line.id,
            Self::Collection(collection) => collection.id,
            Self::Source(_, source) => source.id,
            Self::Condition(condition) => condition.id,
            Self::Bulk(operation) => operation.id,
            Self::Webhook(webhook) => webhook.id,
            Self::Installation => world.installation,
            Self::App => app::number(world.client_id),
            Self::Query | Self::Mutation | Self::Inclusion(..) | Self::Plain(..) => return None,
        };
        Some(gid(self.type_name(), number))
    }

    /// Answers a field of this object.
    ///
    /// # Errors
    /// When the simulator cannot answer it, or Shopify would refuse.
    pub fn resolve(&self, world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
        if field.name == "id" && !matches!(self, Self::Plain(..)) {
            return self.id(world).map(Res::owned).ok_or(FieldError::NotSimulated);
        }
        match self {
            Self::Query => root::query(world, field),
            Self::Mutation => mutation::mutation(world, field),
            Self::Shop => shop::shop(world, field),
            Self::Product(product) => product::product(world, product, field),
            Self::Variant(product, variant) => variant::variant(world, product, variant, field),
            Self::Option(product, option, place) => product::option(product, option, *place, field),
            Self::OptionValue(product, value) => product::option_value(product, value, field),
            Self::Media(media) => media::media(media, field),
            Self::Metafield(owner, metafield) => product::metafield(world, *owner, metafield, field),
            Self::Item(product, variant) => stock::item(world, product, variant, field),
            Self::Level(product, variant, location, level) => {
                stock::level(product, variant, location, level, field)
            }
            Self::Location(location) => stock::location(world, location, field),
            Self::Customer(customer) => customer::customer(world, customer, field),
            Self::Order(order) => order::order(world, order, field),
            Self::OrderLine(order, line) => order::line(world, order, line, field),
            Self::Collection(collection) => collection::collection(world, collection, field),
            Self::Source(collection, source) => collection::source(world, collection, source, field),
            Self::Inclusion(collection, source) => collection::inclusion(world, collection, source, field),
            Self::Condition(condition) => collection::condition(world, condition, field),
            Self::Bulk(operation) => bulk::operation(operation, field),
            Self::Webhook(webhook) => webhook::webhook(webhook, field),
            Self::App => app::app(world, field),
            Self::Installation => app::installation(world, field),
            Self::Plain(_, fields) => fields
                .iter()
                .find(|(name, _)| *name == field.name)
                .map(|(_, value)| value.clone())
                .ok_or(FieldError::NotSimulated),
        }
    }
}
