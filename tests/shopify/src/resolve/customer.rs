//! Customers.

use super::product::{metafields, one_metafield};
use super::{Answer, FieldError, Obj, Owner, Res, World};
use crate::gid::gid;
use crate::graphql::connection::Connection;
use crate::graphql::search::{Fact, Filter};
use crate::graphql::selection::Field;
use crate::model::{Consent, Customer, MailingAddress, OwnerKind};

/// The global id of an address, which names its kind of owner in a query string.
pub(crate) fn address_gid(id: u64, of_customer: bool) -> String {
    let model = if of_customer { "CustomerAddress" } else { "Address" };
    format!("{}?model_name={model}", gid("MailingAddress", id))
}

/// A `MailingAddress`.
pub(super) fn address<'a>(address: &'a MailingAddress, of_customer: bool) -> Obj<'a> {
    let text = |text: &'a Option<String>| Res::maybe(text.as_deref());
    let name = [&address.first_name, &address.last_name].into_iter().filter_map(|name| name.as_deref());
    let name = name.collect::<Vec<_>>().join(" ");
    let lines = [&address.address1, &address.address2, &address.zip, &address.city, &address.country_code];
    Obj::Plain(
        "MailingAddress",
        vec![
            ("id", Res::owned(address_gid(address.id, of_customer))),
            ("firstName", text(&address.first_name)),
            ("lastName", text(&address.last_name)),
            ("name", if name.is_empty() { Res::Null } else { Res::owned(name) }),
            ("company", text(&address.company)),
            ("address1", text(&address.address1)),
            ("address2", text(&address.address2)),
            ("city", text(&address.city)),
            ("provinceCode", text(&address.province_code)),
            ("province", text(&address.province_code)),
            ("countryCodeV2", text(&address.country_code)),
            ("countryCode", text(&address.country_code)),
            ("country", text(&address.country_code)),
            ("zip", text(&address.zip)),
            ("phone", text(&address.phone)),
            ("coordinatesValidated", Res::Bool(false)),
            (
                "formatted",
                Res::List(lines.iter().filter_map(|line| line.as_deref()).map(Res::text).collect()),
            ),
        ],
    )
}

fn email<'a>(customer: &'a Customer) -> Res<'a> {
    let Some(email) = &customer.email else { return Res::Null };
    let consent = &customer.email_consent;
    let link = format!("https://shop.app/unsubscribe/{}", customer.id);
    Res::plain(
        "CustomerEmailAddress",
        vec![
            ("emailAddress", Res::text(email)),
            ("marketingState", Res::text(&consent.state)),
            ("marketingOptInLevel", Res::maybe(consent.level.as_deref())),
            ("marketingUpdatedAt", Res::maybe_time(consent.updated_at)),
            ("marketingUnsubscribeUrl", Res::owned(link)),
            ("openTrackingLevel", Res::text("UNKNOWN")),
            ("validFormat", Res::Bool(true)),
            ("sourceLocation", Res::Null),
        ],
    )
}

fn phone<'a>(customer: &'a Customer) -> Res<'a> {
    let Some(phone) = &customer.phone else { return Res::Null };
    let consent = &customer.sms_consent;
    Res::plain(
        "CustomerPhoneNumber",
        vec![
            ("phoneNumber", Res::text(phone)),
            ("marketingState", Res::text(&consent.state)),
            ("marketingOptInLevel", Res::maybe(consent.level.as_deref())),
            ("marketingUpdatedAt", Res::maybe_time(consent.updated_at)),
            ("marketingCollectedFrom", Res::Null),
            ("sourceLocation", Res::Null),
        ],
    )
}

fn consent<'a>(consent: &'a Consent, type_name: &'static str) -> Res<'a> {
    let level = consent.level.as_deref().or(type_name.contains("Sms").then_some("UNKNOWN"));
    Res::plain(
        type_name,
        vec![
            ("marketingState", Res::text(&consent.state)),
            ("marketingOptInLevel", Res::maybe(level)),
            ("consentUpdatedAt", Res::maybe_time(consent.updated_at)),
            ("consentCollectedFrom", Res::Null),
            ("sourceLocation", Res::Null),
        ],
    )
}

pub(super) fn customer<'a>(world: &World<'a>, customer: &'a Customer, field: &Field<'_>) -> Answer<'a> {
    let shop = &world.snapshot.shop;
    let maybe = |text: &'a Option<String>| Res::maybe(text.as_deref());
    let orders = || shop.orders.values().filter(|order| order.customer == Some(customer.id));
    let shown = |one: &'a MailingAddress| Res::obj(address(one, true));
    Ok(match field.name {
        "legacyResourceId" => Res::big(customer.id),
        "firstName" => maybe(&customer.first_name),
        "lastName" => maybe(&customer.last_name),
        "displayName" => Res::owned(customer.display_name()),
        "email" => maybe(&customer.email),
        "phone" => maybe(&customer.phone),
        "defaultEmailAddress" => email(customer),
        "defaultPhoneNumber" => phone(customer),
        "emailMarketingConsent" if customer.email.is_none() => Res::Null,
        "emailMarketingConsent" => consent(&customer.email_consent, "CustomerEmailMarketingConsentState"),
        "smsMarketingConsent" if customer.phone.is_none() => Res::Null,
        "smsMarketingConsent" => consent(&customer.sms_consent, "CustomerSmsMarketingConsentState"),
        "addresses" => Res::List(customer.addresses.iter().map(shown).collect()),
        "addressesV2" => {
            let nodes = customer.addresses.iter().map(|one| (one.id, address(one, true)));
            Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
        }
        "defaultAddress" => {
            let default = customer.addresses.iter().find(|one| Some(one.id) == customer.default_address);
            default.map_or(Res::Null, shown)
        }
        "note" => maybe(&customer.note),
        "tags" => Res::List(customer.tags.iter().map(|tag| Res::text(tag)).collect()),
        "taxExempt" => Res::Bool(customer.tax_exempt),
        "taxExemptions" => Res::List(customer.tax_exemptions.iter().map(|one| Res::text(one)).collect()),
        "locale" => Res::text(&customer.locale),
        "state" => Res::text("DISABLED"),
        "verifiedEmail" => Res::Bool(customer.email.is_some()),
        "validEmailAddress" => Res::Bool(true),
        "dataSaleOptOut" => Res::Bool(false),
        "canDelete" => Res::Bool(orders().next().is_none()),
        "numberOfOrders" => Res::big(orders().count() as u64),
        "amountSpent" => Res::money_v2(orders().map(|order| order.received()).sum(), &shop.currency),
        "orders" => super::order::listed(world, orders().map(AsRef::as_ref), field),
        "lastOrder" => orders().next_back().map_or(Res::Null, |order| Res::obj(Obj::Order(order))),
        "metafields" => metafields(Owner::Customer(customer), &customer.metafields, field),
        "metafield" => one_metafield(Owner::Customer(customer), &customer.metafields, field),
        "createdAt" => Res::time(customer.created_at),
        "updatedAt" => Res::time(customer.updated_at),
        _ => return Err(FieldError::NotSimulated),
    })
}

/// `customerByIdentifier`
pub(super) fn by_identifier<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    let index = world.snapshot.index();
    let identifier = field.args.get("identifier").cloned().unwrap_or_default();
    let text = |name: &str| identifier[name].as_str();
    let id = if let Some(id) = text("id") {
        crate::gid::number(id, "Customer")
    } else if let Some(email) = text("emailAddress") {
        index.emails.get(&email.trim().to_lowercase()).copied()
    } else if let Some(phone) = text("phoneNumber") {
        index.phones.get(phone).copied()
    } else {
        super::root::by_custom_id(world, OwnerKind::Customer, &identifier["customId"])?
    };
    let found = id.and_then(|id| world.snapshot.shop.customers.get(&id));
    Ok(found.map_or(Res::Null, |customer| Res::obj(Obj::Customer(customer))))
}

/// The customers that pass the field's `query`. Text fields are searched word by word unless they are quoted, so that an
/// e-mail address finds every other one that shares a part of it.
pub(super) fn list<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let chosen = world.snapshot.shop.customers.values().map(AsRef::as_ref).filter(|customer: &&Customer| {
        if filter == Filter::All {
            return true;
        }
        let words = |text: &Option<String>| Fact::Words(text.iter().cloned().collect());
        let fact = |name: &str| match name {
            "id" => Fact::Numbers(vec![whole(customer.id)]),
            "email" => words(&customer.email),
            "phone" => words(&customer.phone),
            "first_name" => words(&customer.first_name),
            "last_name" => words(&customer.last_name),
            "tag" => Fact::Texts(customer.tags.clone()),
            "created_at" | "customer_date" => Fact::Time(Some(customer.created_at)),
            "updated_at" => Fact::Time(Some(customer.updated_at)),
            _ => Fact::Unknown,
        };
        let texts = [&customer.first_name, &customer.last_name, &customer.email, &customer.phone];
        let word = |word: &str| {
            texts.iter().any(|text| text.as_deref().is_some_and(|t| t.to_lowercase().contains(word)))
        };
        world.searchable(customer.updated_at) && filter.passes(&fact, &word)
    });
    let reverse = field.flag("reverse");
    let connection = match field.text("sortKey") {
        Some("NAME") => {
            Connection::by_text(chosen.map(|one| (one.display_name(), one.id, Obj::Customer(one))), reverse)
        }
        Some("UPDATED_AT") => Connection::by_number(
            chosen.map(|one| (one.updated_at.as_second(), one.id, Obj::Customer(one))),
            reverse,
        ),
        Some("CREATED_AT") => Connection::by_number(
            chosen.map(|one| (one.created_at.as_second(), one.id, Obj::Customer(one))),
            reverse,
        ),
        _ => Connection::by_number(chosen.map(|one| (whole(one.id), one.id, Obj::Customer(one))), reverse),
    };
    Res::Connection(Box::new(connection))
}
