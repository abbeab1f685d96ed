//! Customers: created, updated, set, deleted. E-mail and phone belong to one customer of a shop.

use serde_json::Value;

use super::input::{self, arg, id, one_of, only, patch, patch_flag, texts};
use super::metafields::join;
use super::product_set::custom;
use super::{Args, Desk, Out, Outcome, Problem, Told, Written};
use crate::model::{Consent, Customer, OwnerKind};
use crate::resolve::FieldError;

const FIELDS: [&str; 9] =
    ["email", "firstName", "lastName", "locale", "note", "phone", "tags", "taxExempt", "taxExemptions"];

/// An e-mail address as Shopify keeps it; none if it is none.
fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (name, host) = text.split_once('@')?;
    let plain = |part: &str| !part.is_empty() && !part.contains(['@', ' ', ',']);
    (plain(name) && plain(host) && host.contains('.') && !host.starts_with('.') && !host.ends_with('.'))
        .then_some(text)
}

/// A phone number in E.164; blanks, dots and dashes are forgiven.
fn phone(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !" -.()".contains(*c)).collect();
    let digits = text.strip_prefix('+')?;
    let fits = (8..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    fits.then_some(text)
}

impl Desk<'_> {
    pub(super) fn customer(&self, id: u64) -> Option<Customer> {
        self.shop.customers.get(&id).map(|customer| customer.as_ref().clone())
    }

    pub(super) fn blank_customer(&mut self) -> Customer {
        Customer {
            id: self.shop.take_id(),
            locale: "en".to_owned(),
            created_at: self.now,
            ..Customer::default()
        }
    }

    /// Reads what the input names into the customer; what it leaves out stays, lists replace.
    pub(super) fn customer_fields(&self, customer: &mut Customer, input: &Value, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let at = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        if let Some(given) = input.get("email") {
            let text = given.as_str().filter(|text| !text.trim().is_empty());
            customer.email = text.and_then(email);
            if text.is_some() && customer.email.is_none() {
                problems.push(Problem::at(&at("email"), "Email is invalid", "INVALID"));
            }
            let holder = customer.email.as_ref().and_then(|email| self.index.emails.get(email));
            if holder.is_some_and(|holder| *holder != customer.id) {
                problems.push(Problem::at(&at("email"), "Email has already been taken", "TAKEN"));
            }
        }
        if let Some(given) = input.get("phone") {
            let text = given.as_str().filter(|text| !text.trim().is_empty());
            customer.phone = text.and_then(phone);
            if text.is_some() && customer.phone.is_none() {
                problems.push(Problem::at(&at("phone"), "Phone is invalid", "INVALID"));
            }
            let holder = customer.phone.as_ref().and_then(|phone| self.index.phones.get(phone));
            if holder.is_some_and(|holder| *holder != customer.id) {
                problems.push(Problem::at(&at("phone"), "Phone has already been taken", "TAKEN"));
            }
        }
        patch(&mut customer.first_name, input, "firstName");
        patch(&mut customer.last_name, input, "lastName");
        patch(&mut customer.note, input, "note");
        for (name, value) in [("firstName", &customer.first_name), ("lastName", &customer.last_name)] {
            if value.as_deref().is_some_and(|text| text.chars().count() > 255) {
                problems.push(Problem::at(
                    &at(name),
                    "Name is too long (maximum is 255 characters)",
                    "TOO_LONG",
                ));
            }
        }
        if customer.note.as_deref().is_some_and(|text| text.chars().count() > 5_000) {
            problems.push(Problem::at(
                &at("note"),
                "Note is too long (maximum is 5000 characters)",
                "TOO_LONG",
            ));
        }
        if let Some(locale) = input["locale"].as_str() {
            locale.clone_into(&mut customer.locale);
        }
        if input.get("tags").is_some() {
            customer.tags = input::tags(texts(&input["tags"]));
            if customer.tags.len() > 250 || customer.tags.iter().any(|tag| tag.chars().count() > 40) {
                problems.push(Problem::at(
                    &at("tags"),
                    "Tags is too long (maximum is 40 characters each, 250 in all)",
                    "TOO_LONG",
                ));
            }
        }
        patch_flag(&mut customer.tax_exempt, input, "taxExempt");
        if input.get("taxExemptions").is_some() {
            customer.tax_exemptions = texts(&input["taxExemptions"]);
        }
        let named = [&customer.email, &customer.phone, &customer.first_name, &customer.last_name];
        if named.iter().all(|text| text.is_none()) && problems.is_empty() {
            let message = "A name, phone number, or email address must be present";
            problems.push(Problem { field: None, ..Problem::at("", message, "INVALID") });
        }
        problems
    }

    fn consents(&self, customer: &mut Customer, input: &Value) -> Result<(), FieldError> {
        for (name, consent) in [
            ("emailMarketingConsent", &mut customer.email_consent),
            ("smsMarketingConsent", &mut customer.sms_consent),
        ] {
            if !input[name].is_null() {
                *consent = self.consent(&input[name])?;
            }
        }
        Ok(())
    }

    fn consent(&self, input: &Value) -> Result<Consent, FieldError> {
        only(input, "MarketingConsentInput", &["marketingState", "marketingOptInLevel", "consentUpdatedAt"])?;
        Ok(Consent {
            state: input["marketingState"].as_str().unwrap_or_default().to_owned(),
            level: input["marketingOptInLevel"].as_str().map(str::to_owned),
            updated_at: input["consentUpdatedAt"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .or(Some(self.now)),
        })
    }
}

fn answer(payload: &'static str, error: &'static str, id: Option<u64>, problems: &[Problem]) -> Outcome {
    let shown = id.filter(|_| problems.is_empty()).map_or(Out::Null, |id| Out::node("Customer", id));
    Outcome::new(payload).with("customer", shown).errors(error, problems)
}

/// `customerCreate`, `customerUpdate`: consent can only be given along when the customer is made. No codes.
pub(super) fn write(desk: &mut Desk<'_>, args: &Args, new: bool) -> Written {
    let payload = if new { "CustomerCreatePayload" } else { "CustomerUpdatePayload" };
    let input = arg(args, "input");
    let more = ["id", "addresses", "metafields", "emailMarketingConsent", "smsMarketingConsent"];
    let known: Vec<&str> = FIELDS.iter().chain(&more).copied().collect();
    only(input, "CustomerInput", &known)?;
    let refuse =
        |path: &str, message: &str| Ok(answer(payload, "UserError", None, &[Problem::plain(path, message)]));
    let mut customer = if new {
        if !input["id"].is_null() {
            return refuse("id", "Cannot specify an id on create");
        }
        desk.blank_customer()
    } else {
        match id(&input["id"], "Customer")?.and_then(|id| desk.customer(id)) {
            Some(customer) => customer,
            None => return refuse("id", "Customer does not exist"),
        }
    };
    for (name, verb) in [
        ("emailMarketingConsent", "customerEmailMarketingConsentUpdate"),
        ("smsMarketingConsent", "customerSmsMarketingConsentUpdate"),
    ] {
        if !new && !input[name].is_null() {
            return refuse(name, &format!("To update {name}, please use the {verb} Mutation instead"));
        }
    }
    let mut problems = desk.customer_fields(&mut customer, input, "");
    desk.consents(&mut customer, input)?;
    if input.get("addresses").is_some() {
        let own = std::mem::take(&mut customer.addresses);
        let (addresses, more) = desk.addresses_of(&own, &input["addresses"], "addresses")?;
        problems.extend(more);
        customer.addresses = addresses;
        settle_default(&mut customer);
    }
    let own = std::mem::take(&mut customer.metafields);
    let holder = (!new).then_some(customer.id);
    let (metafields, more) =
        desk.metafields_of(OwnerKind::Customer, holder, &own, &input["metafields"], "metafields")?;
    problems.extend(more);
    customer.metafields = own;
    join(&mut customer.metafields, metafields);
    let id = customer.id;
    if problems.is_empty() {
        desk.put_customer(customer);
    }
    Ok(answer(payload, "UserError", Some(id), &problems))
}

fn settle_default(customer: &mut Customer) {
    let kept = customer.addresses.iter().any(|one| Some(one.id) == customer.default_address);
    if !kept {
        customer.default_address = customer.addresses.first().map(|one| one.id);
    }
}

/// `customerSet`: found by an identifier, created where nobody has it. A list that is given becomes the whole list.
pub(super) fn set(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = arg(args, "input");
    let known: Vec<&str> = FIELDS.iter().chain(&["addresses"]).copied().collect();
    only(input, "CustomerSetInput", &known)?;
    let done = |id, problems: &[Problem]| answer("CustomerSetPayload", "CustomerSetUserError", id, problems);
    let refuse = |path: &str, message: &str, code| Ok(done(None, &[Problem::at(path, message, code)]));
    let identifier = arg(args, "identifier");
    let mut given = None;
    let found = if identifier.is_null() {
        None
    } else {
        match one_of(identifier, "CustomerSetIdentifiers")? {
            ("id", value) => match id(value, "Customer")?.and_then(|id| desk.customer(id)) {
                Some(customer) => Some(customer),
                None => {
                    return refuse(
                        "identifier.id",
                        "Resource matching the identifier was not found.",
                        "NOT_FOUND",
                    );
                }
            },
            (name @ ("email" | "phone"), value) => {
                let read = |text: &str| if name == "email" { email(text) } else { phone(text) };
                let wanted = value.as_str().and_then(read);
                let path = format!("input.{name}");
                match input[name].as_str() {
                    None => {
                        let message = "The input field corresponding to the identifier is required.";
                        return refuse(&path, message, "MISSING_FIELD_REQUIRED");
                    }
                    Some(text) if read(text) != wanted => {
                        let message = "The identifier value does not match the value of the corresponding field in the input.";
                        return refuse(&path, message, "INPUT_MISMATCH");
                    }
                    Some(_) => {}
                }
                let holders = if name == "email" { &desk.index.emails } else { &desk.index.phones };
                wanted.and_then(|wanted| holders.get(&wanted).copied()).and_then(|id| desk.customer(id))
            }
            (_, value) => {
                given = Some(custom(value));
                match desk.by_custom_id(OwnerKind::Customer, value) {
                    Ok(holder) => holder.and_then(|id| desk.customer(id)),
                    Err(message) => return refuse("identifier.customId", &message, "NOT_FOUND"),
                }
            }
        }
    };
    let known = found.is_some();
    let mut customer = found.unwrap_or_else(|| desk.blank_customer());
    let mut problems = desk.customer_fields(&mut customer, input, "input");
    if input.get("addresses").is_some() {
        let own = std::mem::take(&mut customer.addresses);
        let (addresses, more) = desk.addresses_of(&own, &input["addresses"], "input.addresses")?;
        problems.extend(more);
        customer.addresses = addresses;
        settle_default(&mut customer);
    }
    // `customerSet` takes no metafields: a custom id is stored by itself when it makes the customer.
    if let (Some(given), false) = (given, known) {
        match desk.metafield(OwnerKind::Customer, None, &[], &given) {
            Ok(metafield) => customer.metafields.push(metafield),
            Err((_, message, _)) => problems.push(Problem::at("identifier.customId", message, "INVALID")),
        }
    }
    let id = customer.id;
    if problems.is_empty() {
        desk.put_customer(customer);
    }
    Ok(done(Some(id), &problems))
}

/// `customerDelete`: not one who has ordered.
pub(super) fn delete(desk: &mut Desk<'_>, args: &Args) -> Written {
    let wanted = &arg(args, "input")["id"];
    let found = id(wanted, "Customer")?.and_then(|id| desk.customer(id));
    let problems = match &found {
        None => vec![Problem::plain("id", "Customer can't be found")],
        Some(customer) if desk.shop.orders.values().any(|order| order.customer == Some(customer.id)) => {
            vec![Problem::plain("id", "Customer can’t be deleted because they have associated orders")]
        }
        Some(customer) => {
            desk.index.remove_customer(customer);
            desk.shop.customers.remove(&customer.id);
            desk.told.push(Told::CustomerGone(customer.id));
            Vec::new()
        }
    };
    let deleted = if problems.is_empty() { Out::of(wanted) } else { Out::Null };
    Ok(Outcome::new("CustomerDeletePayload")
        .with("deletedCustomerId", deleted)
        .with("shop", Out::Shop)
        .errors("UserError", &problems))
}

/// `customerEmailMarketingConsentUpdate`, `customerSmsMarketingConsentUpdate`
pub(super) fn consent(desk: &mut Desk<'_>, args: &Args, by_email: bool) -> Written {
    let input = arg(args, "input");
    let (payload, error, name) = if by_email {
        (
            "CustomerEmailMarketingConsentUpdatePayload",
            "CustomerEmailMarketingConsentUpdateUserError",
            "emailMarketingConsent",
        )
    } else {
        (
            "CustomerSmsMarketingConsentUpdatePayload",
            "CustomerSmsMarketingConsentError",
            "smsMarketingConsent",
        )
    };
    let refuse = |path: &str, message: &str, code| {
        Ok(answer(payload, error, None, &[Problem::at(path, message, code)]))
    };
    let Some(mut customer) = id(&input["customerId"], "Customer")?.and_then(|id| desk.customer(id)) else {
        return refuse("input.customerId", "Customer not found", "INVALID");
    };
    let missing = if by_email { customer.email.is_none() } else { customer.phone.is_none() };
    if missing {
        let what = if by_email { "An email address" } else { "A phone number" };
        return refuse(
            &format!("input.{name}"),
            &format!("{what} is required to set the marketing state."),
            "INVALID",
        );
    }
    let consent = desk.consent(&input[name])?;
    if consent.state == "NOT_SUBSCRIBED" {
        let message = "Marketing state cannot be set to NOT_SUBSCRIBED";
        return refuse(&format!("input.{name}.marketingState"), message, "INCLUSION");
    }
    if consent.updated_at.is_some_and(|time| time > desk.now) {
        let message = "Consent updated at cannot be in the future";
        return refuse(&format!("input.{name}.consentUpdatedAt"), message, "INVALID");
    }
    if by_email {
        customer.email_consent = consent
    } else {
        customer.sms_consent = consent
    }
    let id = customer.id;
    desk.put_customer(customer);
    Ok(answer(payload, error, Some(id), &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_are_kept_in_one_form() {
        assert_eq!(email(" Ada@Example.COM ").as_deref(), Some("ada@example.com"));
        for wrong in ["ada", "ada@", "@example.com", "ada@example", "a b@example.com", "a@b@example.com"] {
            assert_eq!(email(wrong), None, "{wrong}");
        }
        assert_eq!(phone("+49 30 1234-567").as_deref(), Some("+49301234567"));
        for wrong in ["030 1234567", "+49", "+0301234567", "+49x1234567"] {
            assert_eq!(phone(wrong), None, "{wrong}");
        }
    }
}
