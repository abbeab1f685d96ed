//! What a push may fill at Shopify: the inputs of the pinned Admin API, as `inputs.json` has them.
//!
//! The table is made from the schema by `python -m local inputs --write`, and the gate holds it to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::domain::push::target::{Choice, Field, Kind, MatchBy, Object, Scalar, Stream, Target, Targets};

/// The table as it stands in the file.
#[derive(Default, Deserialize)]
struct Table {
    one_of: BTreeSet<String>,
    enums: BTreeMap<String, Vec<String>>,
    inputs: BTreeMap<String, BTreeMap<String, String>>,
}

/// What every stream may fill. Read with the first use, not during a cold start.
pub fn targets() -> &'static Targets {
    static TARGETS: OnceLock<Targets> = OnceLock::new();
    // The file is part of the program, and a test reads it.
    TARGETS.get_or_init(|| read(serde_json::from_str(include_str!("inputs.json")).unwrap_or_default()))
}

fn read(table: Table) -> Targets {
    let mut objects = BTreeMap::new();
    for (name, fields) in &table.inputs {
        let fields = fields.iter().map(|(name, written)| (name.clone(), field(written, &table.enums)));
        let object = Object { fields: fields.collect(), one_of: table.one_of.contains(name) };
        objects.insert(name.clone(), object);
    }
    beyond(&mut objects);
    Targets { objects, streams: streams() }
}

/// Values of `OrderCancelReason`, which no input has.
const CANCEL_REASONS: [&str; 6] = ["CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"];

/// What a push does beyond making and changing records by their inputs: each has a call of its own, and where it has
/// consequences outside of the shop, an option that allows it.
fn beyond(objects: &mut BTreeMap<String, Object>) {
    let channel = Kind::Scalar(Scalar::Id("gid://shopify/Publication/".to_owned()));
    let product = objects.entry("ProductSetInput".to_owned()).or_default();
    product.fields.insert("publications".to_owned(), Field { kind: channel, list: true, required: false });
    let mut add = |object: &str, names: &[&str], kind: Kind| {
        let object = objects.entry(object.to_owned()).or_default();
        for name in names {
            let field = Field { kind: kind.clone(), list: false, required: false };
            object.fields.insert((*name).to_owned(), field);
        }
    };
    let word = CANCEL_REASONS.map(str::to_owned).into();
    add("OrderCreateOrderInput", &["cancelReason"], Kind::Scalar(Scalar::OneOf(word)));
    let consent = Kind::Object("CustomerEmailMarketingConsentInput".to_owned());
    add("CustomerSetInput", &["emailMarketingConsent"], consent);
    let flag = Kind::Scalar(Scalar::Boolean);
    let orders = [
        "allowPaid",
        "allowFulfilled",
        "allowCancelled",
        "cancelRefunds",
        "cancelRestocks",
        "notifyCustomer",
    ];
    add("OrderCreateOptionsInput", &orders, flag.clone());
    add(CUSTOMER_OPTIONS, &["allowConsent"], flag);
}

/// What the name of the options of customers is here: the shop has none.
const CUSTOMER_OPTIONS: &str = "CustomerOptions";

/// A field as the schema writes its type: `[ProductVariantSetInput!]`, `Int!`.
fn field(written: &str, enums: &BTreeMap<String, Vec<String>>) -> Field {
    let required = written.ends_with('!');
    let list = written.starts_with('[');
    let name = written.trim_matches(['[', ']', '!']);
    let kind = match name {
        "String" => Kind::Scalar(Scalar::Text),
        "Int" => Kind::Scalar(Scalar::Integer),
        "Float" => Kind::Scalar(Scalar::Number),
        "Boolean" => Kind::Scalar(Scalar::Boolean),
        "Money" | "Decimal" => Kind::Scalar(Scalar::Decimal),
        "DateTime" => Kind::Scalar(Scalar::Timestamp),
        "URL" => Kind::Scalar(Scalar::Url),
        "JSON" => Kind::Scalar(Scalar::Json),
        "ID" => Kind::Scalar(Scalar::Id("gid://shopify/".to_owned())),
        name => match enums.get(name) {
            Some(words) => Kind::Scalar(Scalar::OneOf(words.clone())),
            None => Kind::Object(name.to_owned()),
        },
    };
    Field { kind, list, required }
}

/// What Shopify asks for that its schema does not say.
fn streams() -> BTreeMap<Stream, Target> {
    let target = |root: &str, needed: &[&str], matched_by: &[MatchBy]| Target {
        root: root.to_owned(),
        needed: needed.iter().map(|name| (*name).to_owned()).collect(),
        choice: None,
        options: None,
        matched_by: matched_by.to_vec(),
    };
    let choice =
        Choice { list: "optionValues".to_owned(), name: "optionName".to_owned(), value: "name".to_owned() };
    let products = target("ProductSetInput", &["title"], &[MatchBy::CustomId, MatchBy::Handle, MatchBy::Id]);
    let variants = target(
        "ProductVariantsBulkInput",
        &[],
        &[MatchBy::Sku, MatchBy::Barcode, MatchBy::Id, MatchBy::CustomId],
    );
    let customers =
        target("CustomerSetInput", &[], &[MatchBy::CustomId, MatchBy::Email, MatchBy::Phone, MatchBy::Id]);
    let orders = target("OrderCreateOrderInput", &["lineItems"], &[MatchBy::CustomId]);
    BTreeMap::from([
        (Stream::Products, Target { choice: Some(choice.clone()), ..products }),
        (Stream::ProductVariants, Target { choice: Some(choice), ..variants }),
        (Stream::Customers, Target { options: Some(CUSTOMER_OPTIONS.to_owned()), ..customers }),
        (Stream::Orders, Target { options: Some("OrderCreateOptionsInput".to_owned()), ..orders }),
    ])
}
