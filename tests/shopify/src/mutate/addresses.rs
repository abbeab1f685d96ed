//! Addresses of customers.

use serde_json::Value;

use super::input::{arg, id, list, only, patch};
use super::{Args, Desk, Out, Outcome, Problem, Written};
use crate::gid;
use crate::model::{Customer, MailingAddress};
use crate::resolve::FieldError;
use crate::resolve::customer::address_gid;

const KNOWN: [&str; 11] = [
    "address1",
    "address2",
    "city",
    "company",
    "countryCode",
    "firstName",
    "id",
    "lastName",
    "phone",
    "provinceCode",
    "zip",
];

/// Reads what an input names into an address; what it leaves out stays.
pub(super) fn read(address: &mut MailingAddress, input: &Value) -> Result<(), FieldError> {
    only(input, "MailingAddressInput", &KNOWN)?;
    patch(&mut address.first_name, input, "firstName");
    patch(&mut address.last_name, input, "lastName");
    patch(&mut address.company, input, "company");
    patch(&mut address.address1, input, "address1");
    patch(&mut address.address2, input, "address2");
    patch(&mut address.city, input, "city");
    patch(&mut address.province_code, input, "provinceCode");
    patch(&mut address.country_code, input, "countryCode");
    patch(&mut address.zip, input, "zip");
    patch(&mut address.phone, input, "phone");
    Ok(())
}

impl Desk<'_> {
    /// The whole list of addresses of an input; those that are there, by id or as they stand, keep their ids.
    pub(super) fn addresses_of(
        &mut self,
        own: &[MailingAddress],
        input: &Value,
        path: &str,
    ) -> Result<(Vec<MailingAddress>, Vec<Problem>), FieldError> {
        let (mut all, mut problems) = (Vec::<MailingAddress>::new(), Vec::new());
        for (place, one) in list(input).into_iter().enumerate() {
            let wanted = one["id"].as_str().map(|text| gid::number(text, "MailingAddress"));
            let known = wanted.and_then(|id| own.iter().find(|address| Some(address.id) == id));
            if wanted.is_some() && known.is_none() {
                problems.push(Problem::at(
                    &format!("{path}.{place}.id"),
                    "Address does not exist",
                    "INVALID",
                ));
                continue;
            }
            let mut address = known.cloned().unwrap_or_default();
            read(&mut address, one)?;
            if address.id == 0 {
                let same = own.iter().find(|known| known.same_as(&address));
                address.id = same.map_or_else(|| self.shop.take_id(), |known| known.id);
            }
            if all.iter().any(|known| known.same_as(&address)) {
                problems.push(Problem::at(&format!("{path}.{place}"), "Address already exists", "TAKEN"));
            }
            all.push(address);
        }
        Ok((all, problems))
    }

    fn customer_named(&self, args: &Args) -> Result<Option<Customer>, FieldError> {
        Ok(id(arg(args, "customerId"), "Customer")?.and_then(|id| self.customer(id)))
    }
}

fn answer(payload: &'static str, name: &'static str, shown: Out, problems: &[Problem]) -> Outcome {
    Outcome::new(payload).with(name, shown).errors("UserError", problems)
}

fn missing() -> Problem {
    Problem::plain("customerId", "Customer does not exist")
}

/// `customerAddressCreate`
pub(super) fn create(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done =
        |shown, problems: &[Problem]| answer("CustomerAddressCreatePayload", "address", shown, problems);
    let Some(mut customer) = desk.customer_named(args)? else { return Ok(done(Out::Null, &[missing()])) };
    let mut address = MailingAddress { id: desk.shop.take_id(), ..MailingAddress::default() };
    read(&mut address, arg(args, "address"))?;
    if customer.addresses.iter().any(|known| known.same_as(&address)) {
        return Ok(done(Out::Null, &[Problem::plain("address", "Address already exists")]));
    }
    let address_id = address.id;
    if arg(args, "setAsDefault") == true || customer.addresses.is_empty() {
        customer.default_address = Some(address_id);
    }
    customer.addresses.push(address);
    desk.put_customer(customer);
    Ok(done(Out::Node(address_gid(address_id, true)), &[]))
}

/// `customerAddressUpdate`
pub(super) fn update(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done =
        |shown, problems: &[Problem]| answer("CustomerAddressUpdatePayload", "address", shown, problems);
    let Some(mut customer) = desk.customer_named(args)? else { return Ok(done(Out::Null, &[missing()])) };
    let wanted = id(arg(args, "addressId"), "MailingAddress")?;
    let Some(address) = customer.addresses.iter_mut().find(|one| Some(one.id) == wanted) else {
        return Ok(done(Out::Null, &[Problem::plain("addressId", "Address does not exist")]));
    };
    read(address, arg(args, "address"))?;
    let address_id = address.id;
    if arg(args, "setAsDefault") == true {
        customer.default_address = Some(address_id);
    }
    desk.put_customer(customer);
    Ok(done(Out::Node(address_gid(address_id, true)), &[]))
}

/// `customerAddressDelete`
pub(super) fn delete(desk: &mut Desk<'_>, args: &Args) -> Written {
    let done = |shown, problems: &[Problem]| {
        answer("CustomerAddressDeletePayload", "deletedAddressId", shown, problems)
    };
    let Some(mut customer) = desk.customer_named(args)? else { return Ok(done(Out::Null, &[missing()])) };
    let wanted = id(arg(args, "addressId"), "MailingAddress")?;
    let before = customer.addresses.len();
    customer.addresses.retain(|one| Some(one.id) != wanted);
    if customer.addresses.len() == before {
        return Ok(done(Out::Null, &[Problem::plain("addressId", "Address does not exist")]));
    }
    if customer.default_address == wanted {
        customer.default_address = customer.addresses.first().map(|one| one.id);
    }
    desk.put_customer(customer);
    Ok(done(Out::of(arg(args, "addressId")), &[]))
}
