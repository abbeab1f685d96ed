//! `orderCreate`. Nothing makes it safe to send twice but a unique metafield of the type `id`.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::input::{arg, cents, decimal, id, list, one_of, only, patch, texts};
use super::{Args, Desk, Out, Outcome, Problem, Told, Written, addresses, input};
use crate::gid::number;
use crate::model::{
    Cents, Fulfillment, FulfillmentOrder, FulfillmentOrderLine, InventoryPolicy, MailingAddress, Order,
    OrderLine, OwnerKind, ShippingLine, TaxLine, Transaction,
};
use crate::resolve::FieldError;
use crate::shop::lock;

/// New orders a development shop may have in a minute.
const A_MINUTE: usize = 5;
const ORDER: [&str; 27] = [
    "billingAddress",
    "closedAt",
    "currency",
    "customAttributes",
    "customer",
    "discountCode",
    "email",
    "financialStatus",
    "fulfillment",
    "fulfillmentStatus",
    "lineItems",
    "metafields",
    "name",
    "note",
    "phone",
    "poNumber",
    "presentmentCurrency",
    "processedAt",
    "shippingAddress",
    "shippingLines",
    "sourceIdentifier",
    "sourceName",
    "tags",
    "taxLines",
    "taxesIncluded",
    "test",
    "transactions",
];
const LINE: [&str; 13] = [
    "giftCard",
    "priceSet",
    "productId",
    "properties",
    "quantity",
    "requiresShipping",
    "sku",
    "taxLines",
    "taxable",
    "title",
    "variantId",
    "variantTitle",
    "vendor",
];

/// The amount of a `MoneyBagInput`, in the currency of the order.
fn amount(bag: &Value) -> Cents {
    cents(&bag["shopMoney"]["amount"]).unwrap_or_default()
}

fn pairs(input: &Value, name: &str) -> Vec<(String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    list(input).into_iter().map(|one| (text(one, name), text(one, "value"))).collect()
}

/// Attributes of an order.
pub(super) fn attributes(input: &Value) -> Vec<(String, String)> {
    pairs(input, "key")
}

fn taxes(input: &Value, path: &str, problems: &mut Vec<Problem>) -> Vec<TaxLine> {
    let one = |(place, line): (usize, &Value)| {
        let rate = decimal(&line["rate"]);
        if rate.is_none() {
            let message = "Tax line rate is missing";
            problems.push(Problem::at(&format!("{path}.{place}.rate"), message, "TAX_LINE_RATE_MISSING"));
        }
        let title = line["title"].as_str().unwrap_or_default().to_owned();
        TaxLine { title, rate: rate.unwrap_or_default(), price: amount(&line["priceSet"]) }
    };
    list(input).into_iter().enumerate().map(one).collect()
}

impl Desk<'_> {
    /// An address of an order, which has an id of its own.
    pub(super) fn order_address(&mut self, input: &Value) -> Result<Option<MailingAddress>, FieldError> {
        if input.is_null() {
            return Ok(None);
        }
        let mut address = MailingAddress { id: self.shop.take_id(), ..MailingAddress::default() };
        addresses::read(&mut address, input)?;
        Ok(Some(address))
    }

    /// Development and trial shops may create five orders a minute. Shopify does not say so in a code.
    fn too_many(&self) -> Option<Problem> {
        if !self.shop.plan.partner_development {
            return None;
        }
        let minute_ago =
            self.now.saturating_sub(SignedDuration::from_secs(59)).map_or(0, |time| time.as_second());
        let made = lock(&self.state.orders_made).since(minute_ago);
        (made >= A_MINUTE).then(|| Problem::general("Too many attempts. Please try again later."))
    }

    fn lines(&mut self, input: &Value, problems: &mut Vec<Problem>) -> Result<Vec<OrderLine>, FieldError> {
        let mut lines = Vec::new();
        for (place, one) in list(input).into_iter().enumerate() {
            only(one, "OrderCreateLineItemInput", &LINE)?;
            let path = format!("order.lineItems.{place}");
            let text = |name: &str| one[name].as_str().map(str::to_owned);
            let wanted = one["variantId"].as_str().and_then(|text| number(text, "ProductVariant"));
            let product =
                wanted.and_then(|id| self.index.variants.get(&id)).and_then(|id| self.shop.products.get(id));
            let found = product.and_then(|p| Some((p, p.variants.iter().find(|v| Some(v.id) == wanted)?)));
            if !one["variantId"].is_null() && found.is_none() {
                problems.push(Problem::at(
                    &format!("{path}.variantId"),
                    "Product variant does not exist",
                    "INVALID",
                ));
                continue;
            }
            let quantity = one["quantity"].as_i64().unwrap_or_default();
            if quantity < 1 {
                problems.push(Problem::at(
                    &format!("{path}.quantity"),
                    "Quantity must be greater than 0",
                    "INVALID",
                ));
            }
            let title = text("title").or(found.map(|(product, _)| product.title.clone()));
            let Some(title) = title.filter(|title| !title.trim().is_empty()) else {
                problems.push(Problem::at(&format!("{path}.title"), "Title can't be blank", "INVALID"));
                continue;
            };
            let price = if one["priceSet"].is_null() {
                found.map(|(_, v)| v.price)
            } else {
                Some(amount(&one["priceSet"]))
            };
            let own = one["productId"].as_str().and_then(|text| number(text, "Product"));
            let line = OrderLine {
                id: 0,
                variant: wanted,
                product: found.map(|(product, _)| product.id).or(own),
                title,
                variant_title: text("variantTitle").or(found
                    .filter(|(p, _)| !p.has_only_default_variant())
                    .map(|(p, v)| p.variant_title(v))),
                sku: text("sku").or(found.and_then(|(_, variant)| variant.item.sku.clone())),
                vendor: text("vendor").or(found.map(|(product, _)| product.vendor.clone())),
                quantity,
                price: price.unwrap_or_default(),
                taxable: one["taxable"].as_bool().unwrap_or(true),
                requires_shipping: one["requiresShipping"].as_bool().unwrap_or(false),
                tax_lines: taxes(&one["taxLines"], &format!("{path}.taxLines"), problems),
                properties: pairs(&one["properties"], "name"),
                stock_from: None,
            };
            lines.push(line);
        }
        for line in &mut lines {
            line.id = self.shop.take_id();
        }
        Ok(lines)
    }

    /// The customer of an order: an existing one, or one made or changed on the way.
    fn buyer(&mut self, input: &Value, problems: &mut Vec<Problem>) -> Result<Option<u64>, FieldError> {
        if input.is_null() {
            return Ok(None);
        }
        let by_email = |desk: &Self, value: &Value| {
            let email = value.as_str().map(|email| email.trim().to_lowercase());
            email.and_then(|email| desk.index.emails.get(&email).copied())
        };
        match one_of(input, "OrderCreateCustomerInput")? {
            ("toAssociate", one) => {
                let found = match one["id"].is_null() {
                    true => by_email(self, &one["email"]),
                    false => id(&one["id"], "Customer")?.filter(|id| self.shop.customers.contains_key(id)),
                };
                if found.is_none() {
                    problems.push(Problem::at(
                        "order.customer.toAssociate",
                        "Customer does not exist",
                        "INVALID",
                    ));
                }
                Ok(found)
            }
            (_, one) => {
                let known = ["email", "firstName", "id", "lastName", "note", "phone", "tags", "taxExempt"];
                only(one, "OrderCreateUpsertCustomerAttributesInput", &known)?;
                let found = match one["id"].is_null() {
                    true => by_email(self, &one["email"]),
                    false => id(&one["id"], "Customer")?,
                };
                let mut customer = match found.and_then(|id| self.customer(id)) {
                    Some(customer) => customer,
                    None => self.blank_customer(),
                };
                let wrong = self.customer_fields(&mut customer, one, "order.customer.toUpsert");
                let fine = wrong.is_empty();
                problems
                    .extend(wrong.into_iter().map(|problem| Problem { code: Some("INVALID"), ..problem }));
                let id = customer.id;
                if fine && problems.is_empty() {
                    self.put_customer(customer);
                }
                Ok(Some(id))
            }
        }
    }

    /// Takes stock for the lines, where the shop is told to; an error if there is not enough and that matters.
    fn claim(&mut self, order: &mut Order, behaviour: &str) -> Option<Problem> {
        if behaviour == "BYPASS" {
            return None;
        }
        let mut products = std::collections::BTreeMap::new();
        for line in &mut order.lines {
            let Some(product_id) = line.variant.and_then(|id| self.index.variants.get(&id).copied()) else {
                continue;
            };
            let Some(product) = products.remove(&product_id).or_else(|| self.product(product_id)) else {
                continue;
            };
            let product = products.entry(product_id).or_insert(product);
            let Some(variant) = product.variants.iter_mut().find(|v| Some(v.id) == line.variant) else {
                continue;
            };
            if !variant.item.tracked {
                continue;
            }
            let may_oversell = variant.inventory_policy == InventoryPolicy::Continue;
            let obeys = behaviour == "DECREMENT_OBEYING_POLICY" && !may_oversell;
            let levels = variant.item.levels.iter_mut().filter(|(_, level)| level.is_active);
            let place = levels.max_by_key(|(_, level)| level.available);
            match place {
                Some((place, level)) if !obeys || level.available >= line.quantity => {
                    level.available -= line.quantity;
                    level.committed += line.quantity;
                    level.updated_at = self.now;
                    line.stock_from = Some(*place);
                    self.told.push(Told::Level(false, variant.item.id, *place));
                }
                _ if obeys => {
                    let message = "Unable to reserve inventory";
                    return Some(Problem::at("order.lineItems", message, "INVENTORY_CLAIM_FAILED"));
                }
                _ => {}
            }
        }
        products.into_values().for_each(|product| self.put_product(product));
        None
    }

    fn next_number(&self) -> u64 {
        self.shop.orders.values().map(|order| order.number).max().unwrap_or(1_000) + 1
    }
}

/// `orderCreate`
pub(super) fn create(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = arg(args, "order");
    let options = arg(args, "options");
    only(input, "OrderCreateOrderInput", &ORDER)?;
    if let Some(problem) = desk.too_many() {
        return Ok(answer(None, &[problem]));
    }
    let mut problems = Vec::new();
    let number = desk.next_number();
    let time = |name: &str| input[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let mut order = Order {
        id: desk.shop.take_id(),
        number,
        name: input["name"].as_str().map_or_else(|| format!("#{number}"), str::to_owned),
        currency: input["currency"].as_str().unwrap_or(&desk.shop.currency).to_owned(),
        taxes_included: input["taxesIncluded"] == true,
        test: input["test"] == true,
        tags: input::tags(texts(&input["tags"])),
        attributes: attributes(&input["customAttributes"]),
        given_financial_status: input["financialStatus"].as_str().map(str::to_owned),
        processed_at: time("processedAt").unwrap_or(desk.now),
        closed_at: time("closedAt"),
        created_at: desk.now,
        ..Order::default()
    };
    if order.processed_at > desk.now {
        let message = "Processed at must not be in the future";
        problems.push(Problem::at("order.processedAt", message, "PROCESSED_AT_INVALID"));
    }
    for (field, name) in [
        (&mut order.email, "email"),
        (&mut order.phone, "phone"),
        (&mut order.note, "note"),
        (&mut order.po_number, "poNumber"),
        (&mut order.source_name, "sourceName"),
        (&mut order.source_identifier, "sourceIdentifier"),
    ] {
        patch(field, input, name);
    }
    order.billing_address = desk.order_address(&input["billingAddress"])?;
    order.shipping_address = desk.order_address(&input["shippingAddress"])?;
    order.lines = desk.lines(&input["lineItems"], &mut problems)?;
    if order.lines.is_empty() && problems.is_empty() {
        problems.push(Problem::at(
            "order.lineItems",
            "Line items must have at least one line item",
            "INVALID",
        ));
    }
    order.tax_lines = taxes(&input["taxLines"], "order.taxLines", &mut problems);
    if !order.tax_lines.is_empty() && order.lines.iter().any(|line| !line.tax_lines.is_empty()) {
        let message = "Tax lines can be on the order or on its line items, not on both";
        problems.push(Problem::at("order.taxLines", message, "INVALID"));
    }
    for one in list(&input["shippingLines"]) {
        let text = |name: &str| one[name].as_str().map(str::to_owned);
        order.shipping_lines.push(ShippingLine {
            id: desk.shop.take_id(),
            title: text("title").unwrap_or_default(),
            code: text("code"),
            source: text("source"),
            price: amount(&one["priceSet"]),
        });
    }
    for (place, one) in list(&input["transactions"]).into_iter().enumerate() {
        let text = |name: &str, default: &str| one[name].as_str().unwrap_or(default).to_owned();
        let currency = one["amountSet"]["shopMoney"]["currencyCode"].as_str();
        if currency.is_some_and(|currency| currency != order.currency) {
            let path = format!("order.transactions.{place}.amountSet");
            problems.push(Problem::at(&path, "Currency must be that of the order", "INVALID"));
        }
        order.transactions.push(Transaction {
            id: desk.shop.take_id(),
            kind: text("kind", "SALE"),
            status: text("status", "SUCCESS"),
            gateway: text("gateway", ""),
            amount: amount(&one["amountSet"]),
            test: one["test"] == true,
            processed_at: one["processedAt"]
                .as_str()
                .and_then(|at| at.parse().ok())
                .unwrap_or(order.processed_at),
        });
    }
    order.discount = discount(&input["discountCode"], &order)?;
    let (metafields, more) =
        desk.metafields_of(OwnerKind::Order, None, &[], &input["metafields"], "order.metafields")?;
    // `OrderCreateUserErrorCode` has no value for metafields: what is wrong with them is just invalid.
    problems.extend(more.into_iter().map(|problem| Problem { code: Some("INVALID"), ..problem }));
    order.metafields = metafields;
    if !problems.is_empty() {
        return Ok(answer(None, &problems));
    }
    let behaviour = options["inventoryBehaviour"].as_str().unwrap_or("BYPASS");
    if let Some(problem) = desk.claim(&mut order, behaviour) {
        desk.told.clear();
        return Ok(answer(None, &[problem]));
    }
    order.customer = desk.buyer(&input["customer"], &mut problems)?;
    if !problems.is_empty() {
        return Ok(answer(None, &problems));
    }
    if order.customer.is_none() {
        let email = order.email.as_ref().map(|email| email.to_lowercase());
        order.customer = email.and_then(|email| desk.index.emails.get(&email).copied());
    }
    ship(desk, &mut order, input);
    for (option, mail) in [("sendReceipt", "receipt"), ("sendFulfillmentReceipt", "shipping")] {
        if options[option] == true && order.email.is_some() {
            order.mails.push(mail);
        }
    }
    lock(&desk.state.orders_made).add(desk.now.as_second(), 1);
    let order_id = order.id;
    desk.put_order(order);
    Ok(answer(Some(order_id), &[]))
}

fn answer(id: Option<u64>, problems: &[Problem]) -> Outcome {
    let shown = id.map_or(Out::Null, |id| Out::node("Order", id));
    Outcome::new("OrderCreatePayload").with("order", shown).errors("OrderCreateUserError", problems)
}

fn discount(input: &Value, order: &Order) -> Result<Option<(String, Cents)>, FieldError> {
    if input.is_null() {
        return Ok(None);
    }
    let code = |one: &Value| one["code"].as_str().unwrap_or_default().to_owned();
    let (fixed, percent, free) = (
        &input["itemFixedDiscountCode"],
        &input["itemPercentageDiscountCode"],
        &input["freeShippingDiscountCode"],
    );
    Ok(Some(if !fixed.is_null() {
        (code(fixed), amount(&fixed["amountSet"]))
    } else if !percent.is_null() {
        let share = decimal(&percent["percentage"]).unwrap_or_default();
        (
            code(percent),
            (f64::from(i32::try_from(order.lines_total()).unwrap_or(i32::MAX)) * share / 100.0).round()
                as Cents,
        )
    } else {
        (code(free), order.shipping_total())
    }))
}

/// What is to be sent, and what was sent already.
fn ship(desk: &mut Desk<'_>, order: &mut Order, input: &Value) {
    let home = desk.shop.locations.values().find(|place| place.is_active).map(|place| place.id);
    let given = &input["fulfillment"];
    let sent = !given.is_null() || input["fulfillmentStatus"] == "FULFILLED";
    let mut lines = Vec::new();
    for line in &order.lines {
        let remaining = if sent { 0 } else { line.quantity };
        lines.push(FulfillmentOrderLine {
            id: desk.shop.take_id(),
            line: line.id,
            total: line.quantity,
            remaining,
        });
    }
    let location = given["locationId"].as_str().and_then(|text| number(text, "Location")).or(home);
    let status = if sent { "CLOSED" } else { "OPEN" };
    order.fulfillment_orders.push(FulfillmentOrder { id: desk.shop.take_id(), location, status, lines });
    if sent {
        let text = |name: &str| given[name].as_str().map(str::to_owned);
        order.fulfillments.push(Fulfillment {
            id: desk.shop.take_id(),
            name: format!("{}.1", order.name),
            lines: order.lines.iter().map(|line| (line.id, line.quantity)).collect(),
            location,
            tracking: (text("trackingCompany"), text("trackingNumber"), None),
            created_at: desk.now,
        });
    }
}
