//! Customers. Consent is written where the mapping allows it and the row says when the customer gave it; it never follows
//! from anything else.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::compare::covers;
use super::documents as doc;
use super::plan::{NEW, Plan, list, map, text};
use super::products::made_by;
use crate::domain::push::code::Code;
use crate::domain::push::document::ListPolicy;
use crate::domain::push::row::Identifier;
use crate::domain::push::target::MatchBy;
use crate::ports::push::LiveRecord;

/// What a customer decided about marketing by e-mail. That by SMS can be read only from fields that are going away.
const CONSENT: &str = "emailMarketingConsent";

/// Plans a new customer.
pub(super) fn create(plan: &mut Plan<'_>, input: &Map<String, Value>, identifiers: &[Identifier]) {
    let identifier = made_by(identifiers);
    if identifier.is_null() {
        let why = "a new customer needs a custom id, an e-mail address or a phone number";
        return plan.refuse(Code::RequiredMissing, "match", why);
    }
    let mut sent = input.clone();
    for one in identifiers {
        let name = match one.by {
            MatchBy::Email => "email",
            MatchBy::Phone => "phone",
            _ => continue,
        };
        sent.entry(name).or_insert_with(|| json!(one.value));
    }
    let wanted = sent.remove(CONSENT);
    plan.all_new(&sent);
    // The call that makes customers takes no metafields; the one it is found by again is set by the identifier.
    let metafields = sent.remove("metafields");
    plan.call(doc::CUSTOMER_SET, 10.0, json!({"identifier": identifier, "input": sent}));
    plan.write_metafields(NEW, list(metafields.as_ref()), &[]);
    if let Some(wanted) = wanted {
        consent(plan, NEW, map(&wanted), map(&Value::Null));
    }
}

/// Plans changes of a customer who exists.
pub(super) fn update(plan: &mut Plan<'_>, input: &Map<String, Value>, live: &LiveRecord) {
    let there = &live.values;
    let handled = ["tags", "metafields", "addresses", "taxExemptions", CONSENT];
    let mut changed = plan.fields("", input, there, &handled);
    if let Some(wanted) = input.get("taxExemptions") {
        exemptions(plan, wanted, there, &mut changed);
    }
    if !changed.is_empty() {
        changed.insert("id".to_owned(), json!(live.id));
        plan.call(doc::CUSTOMER_UPDATE, 10.0, json!({"input": changed}));
    }
    plan.tags(&live.id, input.get("tags"), there);
    let (set, gone) = plan.metafields("", input.get("metafields"), there.get("metafields"));
    plan.write_metafields(&live.id, &set, &gone);
    if let Some(wanted) = input.get("addresses") {
        addresses(plan, &live.id, list(Some(wanted)), list(there.get("addresses")));
    }
    if let Some(wanted) = input.get(CONSENT) {
        consent(plan, &live.id, map(wanted), map(there.get(CONSENT).unwrap_or(&Value::Null)));
    }
}

/// Whether a decision may be put down: the mapping allows it, and the row says when it was made.
fn may_consent(plan: &mut Plan<'_>, wanted: &Map<String, Value>) -> bool {
    if plan.how.options.get("allowConsent") != Some(&Value::Bool(true)) {
        let why = "consent is written only where the option `allowConsent` says so";
        plan.unsupported(CONSENT, why);
        return false;
    }
    let dated = wanted.get("consentUpdatedAt").and_then(Value::as_str).is_some();
    if !dated {
        let why = "consent is written with the time at which it was given or withdrawn";
        plan.refuse(Code::RequiredMissing, "emailMarketingConsent.consentUpdatedAt", why);
    }
    dated
}

fn consent(plan: &mut Plan<'_>, id: &str, wanted: &Map<String, Value>, there: &Map<String, Value>) {
    let of = |of: &Map<String, Value>, name: &str| of.get(name).cloned().unwrap_or_default();
    let (before, after) = (of(there, "marketingState"), of(wanted, "marketingState"));
    if after.is_null() || after == before || !may_consent(plan, wanted) {
        return;
    }
    let at = |of: &Map<String, Value>| of.get("consentUpdatedAt")?.as_str()?.parse::<Timestamp>().ok();
    let later = at(there).is_some_and(|there| at(wanted).is_none_or(|wanted| wanted < there));
    if later {
        let why = "the customer decided otherwise since, and that holds";
        return plan.unsupported("emailMarketingConsent.marketingState", why);
    }
    let path = "emailMarketingConsent.marketingState".to_owned();
    plan.differs(path, (!before.is_null()).then_some(before), Some(after));
    plan.call(doc::EMAIL_CONSENT, 10.0, json!({"input": {"customerId": id, CONSENT: wanted}}));
}

fn exemptions(
    plan: &mut Plan<'_>,
    wanted: &Value,
    there: &Map<String, Value>,
    changed: &mut Map<String, Value>,
) {
    let (wanted, there) = (list(Some(wanted)), list(there.get("taxExemptions")));
    let policy = plan.policy("taxExemptions");
    let stays = |one: &Value| match policy {
        ListPolicy::Replace => wanted.contains(one),
        ListPolicy::Remove => !wanted.contains(one),
        ListPolicy::Merge | ListPolicy::Add => true,
    };
    let mut after: Vec<Value> = there.iter().filter(|one| stays(one)).cloned().collect();
    if policy != ListPolicy::Remove {
        after.extend(wanted.iter().filter(|one| !there.contains(one)).cloned());
    }
    let path = |one: &Value| format!("taxExemptions[{}]", one.as_str().unwrap_or_default());
    for one in after.iter().filter(|one| !there.contains(one)) {
        plan.differs(path(one), None, Some(one.clone()));
    }
    for one in there.iter().filter(|one| !after.contains(one)) {
        plan.differs(path(one), Some(one.clone()), None);
    }
    if after != there {
        changed.insert("taxExemptions".to_owned(), Value::Array(after));
    }
}

/// The address that is meant: one that already is as wanted, the one at the same street, or, where the row names no
/// street, the one at its place in the list.
fn meant<'v>(at: usize, wanted: &Map<String, Value>, there: &'v [Value], met: &[&str]) -> Option<&'v Value> {
    let mut free = there.iter().filter(|one| !met.contains(&text(one, "id")));
    if let Some(one) = free.clone().find(|one| covers(wanted, map(one))) {
        return Some(one);
    }
    match wanted.get("address1").and_then(Value::as_str).filter(|street| !street.is_empty()) {
        Some(street) => free.find(|one| {
            let zip = wanted.get("zip").is_none_or(|zip| *zip == one["zip"]);
            zip && text(one, "address1").eq_ignore_ascii_case(street)
        }),
        None => there.get(at).filter(|one| !met.contains(&text(one, "id"))),
    }
}

/// How an address is named in a diff: by the number of its id.
fn label(address: &Value) -> String {
    let id = text(address, "id");
    let number = id.rsplit('/').next().unwrap_or_default();
    format!("addresses[{}]", number.split('?').next().unwrap_or_default())
}

fn addresses(plan: &mut Plan<'_>, customer: &str, wanted: &[Value], there: &[Value]) {
    let policy = plan.policy("addresses");
    let mut met: Vec<&str> = Vec::new();
    for (at, one) in wanted.iter().enumerate() {
        let address = map(one);
        let known = meant(at, address, there, &met);
        met.extend(known.map(|known| text(known, "id")));
        match known {
            Some(known) if policy == ListPolicy::Remove => {
                remove_address(plan, customer, known);
            }
            Some(known) if policy != ListPolicy::Add => {
                let changed = plan.fields(&label(known), address, map(known), &["id"]);
                if !changed.is_empty() {
                    let variables =
                        json!({"customerId": customer, "addressId": known["id"], "address": changed});
                    plan.call(doc::ADDRESS_UPDATE, 10.0, variables);
                }
            }
            Some(_) => {}
            None if policy == ListPolicy::Remove => {}
            None => {
                plan.differs(format!("addresses[new {at}]"), None, Some(one.clone()));
                plan.call(doc::ADDRESS_CREATE, 10.0, json!({"customerId": customer, "address": one}));
            }
        }
    }
    if policy == ListPolicy::Replace {
        for known in there.iter().filter(|known| !met.contains(&text(known, "id"))) {
            remove_address(plan, customer, known);
        }
    }
}

fn remove_address(plan: &mut Plan<'_>, customer: &str, known: &Value) {
    plan.differs(label(known), Some(known.clone()), None);
    plan.call(doc::ADDRESS_DELETE, 10.0, json!({"customerId": customer, "addressId": known["id"]}));
}
