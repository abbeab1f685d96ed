//! Metafields: set, deleted, and given along with their owner.

use serde_json::Value;

use super::input::{arg, at_most, list, only};
use super::metafield_values::{against, exists, wrong};
use super::{Args, Desk, Out, Outcome, Problem, Written};
use crate::gid;
use crate::model::{Metafield, OwnerKind};
use crate::resolve::FieldError;

/// The most that one `metafieldsSet` takes.
const MOST: usize = 25;

/// What a metafield belongs to, by global id.
pub(super) fn owner(text: &str) -> Option<(OwnerKind, u64)> {
    let parsed = gid::parse(text)?;
    let kind = match parsed.type_name {
        "Product" => OwnerKind::Product,
        "ProductVariant" => OwnerKind::Variant,
        "Collection" => OwnerKind::Collection,
        "Customer" => OwnerKind::Customer,
        "Order" => OwnerKind::Order,
        _ => return None,
    };
    Some((kind, parsed.id))
}

fn scope(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::Product | OwnerKind::Variant | OwnerKind::Collection => "write_products",
        OwnerKind::Customer => "write_customers",
        OwnerKind::Order => "write_orders",
    }
}

/// A metafield as it was given: its name, type and value.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub namespace: String,
    pub key: String,
    pub kind: Option<String>,
    pub value: String,
}

impl Given {
    pub(super) fn read(input: &Value) -> Self {
        let text = |name: &str| input[name].as_str().map(str::to_owned);
        Self {
            namespace: text("namespace").unwrap_or_else(|| "$app".to_owned()),
            key: text("key").unwrap_or_default(),
            kind: text("type").filter(|kind| !kind.is_empty()),
            value: text("value").unwrap_or_default(),
        }
    }
}

impl Desk<'_> {
    /// Checks a metafield and makes it: the owner's own one of that name lends its id.
    pub(super) fn metafield(
        &mut self,
        kind: OwnerKind,
        owner: Option<u64>,
        own: &[Metafield],
        given: &Given,
    ) -> Result<Metafield, (&'static str, String, &'static str)> {
        let before = own.iter().find(|one| one.namespace == given.namespace && one.key == given.key);
        if given.namespace.chars().count() < 3 {
            return Err((
                "namespace",
                "Namespace is too short (minimum is 3 characters)".to_owned(),
                "TOO_SHORT",
            ));
        }
        if given.key.chars().count() < 2 {
            return Err(("key", "Key is too short (minimum is 2 characters)".to_owned(), "TOO_SHORT"));
        }
        let definition = self.shop.definition(kind, &given.namespace, &given.key).cloned();
        let known =
            definition.as_ref().map(|one| one.kind.clone()).or_else(|| before.map(|one| one.kind.clone()));
        let value_kind = match (&given.kind, known) {
            (Some(wanted), Some(known)) if definition.is_some() && *wanted != known => {
                let message =
                    format!("Type '{wanted}' must be consistent with the definition's type: '{known}'.");
                return Err(("type", message, "INVALID_TYPE"));
            }
            (Some(wanted), _) => wanted.clone(),
            (None, Some(known)) => known,
            (None, None) => return Err(("type", "Type can't be blank".to_owned(), "BLANK")),
        };
        if !exists(&value_kind) {
            return Err(("type", format!("Type '{value_kind}' is not a valid type"), "INCLUSION"));
        }
        if given.value.is_empty() {
            return Err(("value", "Value can't be blank.".to_owned(), "BLANK"));
        }
        let bad = wrong(&value_kind, &given.value);
        if let Some(message) = bad.or_else(|| definition.as_ref().and_then(|one| against(one, &given.value)))
        {
            return Err(("value", message, "INVALID_VALUE"));
        }
        let made = Metafield {
            id: before.map_or_else(|| self.shop.take_id(), |one| one.id),
            namespace: given.namespace.clone(),
            key: given.key.clone(),
            kind: value_kind,
            value: given.value.clone(),
            created_at: before.map_or(self.now, |one| one.created_at),
            updated_at: before.filter(|one| one.value == given.value).map_or(self.now, |one| one.updated_at),
        };
        if self.taken(kind, owner, &made) {
            let message = format!(
                "Value \"{}\" has already been assigned to another owner: it must be unique.",
                made.value
            );
            return Err(("value", message, "CAPABILITY_VIOLATION"));
        }
        Ok(made)
    }

    /// The metafields of an input, checked. Whether they replace those that are there, or join them, is the caller's matter.
    pub(super) fn metafields_of(
        &mut self,
        kind: OwnerKind,
        owner: Option<u64>,
        own: &[Metafield],
        input: &Value,
        path: &str,
    ) -> Result<(Vec<Metafield>, Vec<Problem>), FieldError> {
        let (mut made, mut problems) = (Vec::new(), Vec::new());
        for (place, one) in list(input).into_iter().enumerate() {
            only(one, "MetafieldInput", &["namespace", "key", "type", "value"])?;
            match self.metafield(kind, owner, own, &Given::read(one)) {
                Ok(metafield) => made.push(metafield),
                Err((field, message, code)) => {
                    let code = if code == "CAPABILITY_VIOLATION" { code } else { "INVALID_METAFIELD" };
                    problems.push(Problem::at(&format!("{path}.{place}.{field}"), message, code));
                }
            }
        }
        Ok((made, problems))
    }

    fn own_metafields(&self, kind: OwnerKind, id: u64) -> Option<Vec<Metafield>> {
        Some(match kind {
            OwnerKind::Product => self.shop.products.get(&id)?.metafields.clone(),
            OwnerKind::Variant => {
                let product = self.shop.products.get(self.index.variants.get(&id)?)?;
                product.variants.iter().find(|variant| variant.id == id)?.metafields.clone()
            }
            OwnerKind::Collection => self.shop.collections.get(&id)?.metafields.clone(),
            OwnerKind::Customer => self.shop.customers.get(&id)?.metafields.clone(),
            OwnerKind::Order => self.shop.orders.get(&id)?.metafields.clone(),
        })
    }

    fn store_metafields(&mut self, kind: OwnerKind, id: u64, all: Vec<Metafield>) -> Option<()> {
        let now = self.now;
        match kind {
            OwnerKind::Product => {
                let mut product = self.product(id)?;
                product.metafields = all;
                self.put_product(product);
            }
            OwnerKind::Variant => {
                let mut product = self.product(*self.index.variants.get(&id)?)?;
                let variant = product.variants.iter_mut().find(|variant| variant.id == id)?;
                variant.metafields = all;
                variant.updated_at = now;
                self.put_product(product);
            }
            OwnerKind::Collection => {
                let collection = std::sync::Arc::make_mut(self.shop.collections.get_mut(&id)?);
                collection.metafields = all;
                collection.updated_at = now;
            }
            OwnerKind::Customer => {
                let mut customer = self.shop.customers.get(&id)?.as_ref().clone();
                customer.metafields = all;
                self.put_customer(customer);
            }
            OwnerKind::Order => {
                let mut order = self.shop.orders.get(&id)?.as_ref().clone();
                order.metafields = all;
                self.put_order(order);
            }
        }
        Some(())
    }
}

/// Puts metafields among those that are there, by their names.
pub(super) fn join(own: &mut Vec<Metafield>, made: Vec<Metafield>) {
    for metafield in made {
        match own.iter_mut().find(|one| one.namespace == metafield.namespace && one.key == metafield.key) {
            Some(place) => *place = metafield,
            None => own.push(metafield),
        }
    }
}

/// `metafieldsSet`: all of them or none.
pub(super) fn set(desk: &mut Desk<'_>, args: &Args) -> Written {
    const KNOWN: [&str; 6] = ["ownerId", "namespace", "key", "type", "value", "compareDigest"];
    let inputs = list(arg(args, "metafields"));
    let mut problems = Vec::new();
    if inputs.len() > MOST {
        let message = format!("Exceeded the maximum metafields input limit of {MOST}.");
        problems.push(Problem::at("metafields", message, "LESS_THAN_OR_EQUAL_TO"));
        return Ok(payload(Out::Null, &problems));
    }
    // Later ones of the same list must see earlier ones, so owners are gathered as they will be.
    let mut owners: Vec<((OwnerKind, u64), Vec<Metafield>)> = Vec::new();
    let mut shown = Vec::new();
    let mut claimed: Vec<(OwnerKind, String, String, u64)> = Vec::new();
    for (place, one) in inputs.iter().enumerate() {
        only(one, "MetafieldsSetInput", &KNOWN)?;
        let at = |field: &str| format!("metafields.{place}.{field}");
        let text = one["ownerId"].as_str().unwrap_or_default();
        let found = owner(text).and_then(|(kind, id)| Some(((kind, id), desk.own_metafields(kind, id)?)));
        let Some(((kind, id), stored)) = found else {
            problems.push(Problem::at(&at("ownerId"), "Owner does not exist.", "INVALID").of_element(place));
            continue;
        };
        desk.need(scope(kind))?;
        let slot = match owners.iter().position(|(owner, _)| *owner == (kind, id)) {
            Some(slot) => slot,
            None => {
                owners.push(((kind, id), stored));
                owners.len() - 1
            }
        };
        let Some((_, own)) = owners.get_mut(slot) else { continue };
        let given = Given::read(one);
        let before = own.iter().find(|one| one.namespace == given.namespace && one.key == given.key);
        if let Some(digest) = one.get("compareDigest") {
            let actual = before.map(|before| crate::apps::fingerprint(&before.value));
            if digest.as_str() != actual.as_deref() {
                let message = "The resource has been updated since it was loaded. Try again with an updated `compareDigest` value.";
                problems.push(Problem::at(&at("compareDigest"), message, "STALE_OBJECT").of_element(place));
                continue;
            }
        }
        let unique = desk.shop.definition(kind, &given.namespace, &given.key).is_some_and(|one| one.unique);
        let name = format!("{}.{}", given.namespace, given.key);
        let clash = claimed
            .iter()
            .any(|(k, n, v, owner)| *k == kind && *n == name && *v == given.value && *owner != id);
        match desk.metafield(kind, Some(id), own, &given) {
            Ok(_) if unique && clash => {
                let message = "Value must be unique: another owner of this request has it.";
                problems.push(Problem::at(&at("value"), message, "CAPABILITY_VIOLATION").of_element(place));
            }
            Ok(made) => {
                claimed.push((kind, name, given.value.clone(), id));
                shown.push(Out::Metafield(kind, id, given.namespace, given.key));
                join(own, vec![made]);
            }
            Err((field, message, code)) => {
                problems.push(Problem::at(&at(field), message, code).of_element(place));
            }
        }
    }
    if !problems.is_empty() {
        return Ok(payload(Out::Null, &problems));
    }
    for ((kind, id), all) in owners {
        desk.store_metafields(kind, id, all);
    }
    Ok(payload(Out::List(shown), &problems))
}

fn payload(metafields: Out, problems: &[Problem]) -> Outcome {
    Outcome::new("MetafieldsSetPayload")
        .with("metafields", metafields)
        .errors("MetafieldsSetUserError", problems)
}

/// `metafieldsDelete`: what is not there is null in the answer.
pub(super) fn delete(desk: &mut Desk<'_>, args: &Args) -> Written {
    let inputs = arg(args, "metafields");
    at_most(inputs, super::LARGEST_LIST, "metafields")?;
    let (mut deleted, mut problems) = (Vec::new(), Vec::new());
    for (place, one) in list(inputs).into_iter().enumerate() {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        let found =
            owner(text("ownerId")).and_then(|(kind, id)| Some((kind, id, desk.own_metafields(kind, id)?)));
        let Some((kind, id, mut own)) = found else {
            problems.push(Problem::plain(&format!("metafields.{place}.ownerId"), "Owner does not exist"));
            continue;
        };
        desk.need(scope(kind))?;
        let before = own.len();
        own.retain(|one| one.namespace != text("namespace") || one.key != text("key"));
        if own.len() == before {
            deleted.push(Out::Null);
            continue;
        }
        desk.store_metafields(kind, id, own);
        let names = ["ownerId", "namespace", "key"];
        deleted.push(Out::Plain("MetafieldIdentifier", names.map(|name| (name, Out::of(&one[name]))).into()));
    }
    let deleted = if problems.is_empty() { Out::List(deleted) } else { Out::Null };
    Ok(Outcome::new("MetafieldsDeletePayload")
        .with("deletedMetafields", deleted)
        .errors("UserError", &problems))
}
