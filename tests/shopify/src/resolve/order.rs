//! Orders.

use jiff::SignedDuration;

use super::customer::address;
use super::product::{metafields, one_metafield};
use super::{Answer, FieldError, Obj, Owner, Res, World};
use crate::gid::gid;
use crate::graphql::connection::Connection;
use crate::graphql::search::{Fact, Filter};
use crate::graphql::selection::Field;
use crate::model::{
    Cents, Fulfillment, FulfillmentOrder, Order, OrderLine, OwnerKind, ShippingLine, TaxLine, Transaction,
};

/// Without `read_all_orders` nothing older than this is seen.
const VISIBLE_DAYS: i64 = 60;

/// A `MoneyBag`: this shop sells in one currency.
fn bag<'a>(order: &'a Order, cents: Cents) -> Res<'a> {
    let money = || Res::money_v2(cents, &order.currency);
    Res::plain("MoneyBag", vec![("shopMoney", money()), ("presentmentMoney", money())])
}

fn pairs<'a>(pairs: &'a [(String, String)]) -> Res<'a> {
    let pair = |(key, value): &'a (String, String)| {
        Res::plain("Attribute", vec![("key", Res::text(key)), ("value", Res::text(value))])
    };
    Res::List(pairs.iter().map(pair).collect())
}

fn tax<'a>(order: &'a Order, line: &'a TaxLine) -> Res<'a> {
    Res::plain(
        "TaxLine",
        vec![
            ("title", Res::text(&line.title)),
            ("rate", Res::Float(line.rate)),
            ("ratePercentage", Res::Float(line.rate * 100.0)),
            ("priceSet", bag(order, line.price)),
            ("channelLiable", Res::Bool(false)),
        ],
    )
}

fn taxes<'a>(order: &'a Order, lines: &'a [TaxLine]) -> Res<'a> {
    Res::List(lines.iter().map(|line| tax(order, line)).collect())
}

fn shipping<'a>(order: &'a Order, line: &'a ShippingLine) -> Obj<'a> {
    Obj::Plain(
        "ShippingLine",
        vec![
            ("id", Res::owned(gid("ShippingLine", line.id))),
            ("title", Res::text(&line.title)),
            ("code", Res::maybe(line.code.as_deref())),
            ("source", Res::maybe(line.source.as_deref())),
            ("originalPriceSet", bag(order, line.price)),
            ("discountedPriceSet", bag(order, line.price)),
        ],
    )
}

fn transaction<'a>(order: &'a Order, one: &'a Transaction) -> Res<'a> {
    Res::plain(
        "OrderTransaction",
        vec![
            ("id", Res::owned(gid("OrderTransaction", one.id))),
            ("kind", Res::text(&one.kind)),
            ("status", Res::text(&one.status)),
            ("gateway", Res::text(&one.gateway)),
            ("amountSet", bag(order, one.amount)),
            ("test", Res::Bool(one.test)),
            ("processedAt", Res::time(one.processed_at)),
            ("createdAt", Res::time(one.processed_at)),
        ],
    )
}

/// A `Fulfillment`.
pub(super) fn fulfillment<'a>(world: &World<'a>, order: &'a Order, one: &'a Fulfillment) -> Res<'a> {
    let (company, number, url) = &one.tracking;
    let tracked = company.is_some() || number.is_some() || url.is_some();
    let tracking = vec![
        ("company", Res::maybe(company.as_deref())),
        ("number", Res::maybe(number.as_deref())),
        ("url", Res::maybe(url.as_deref())),
    ];
    let location = one.location.and_then(|id| world.snapshot.shop.locations.get(&id));
    Res::plain(
        "Fulfillment",
        vec![
            ("id", Res::owned(gid("Fulfillment", one.id))),
            ("legacyResourceId", Res::big(one.id)),
            ("name", Res::text(&one.name)),
            ("status", Res::text("SUCCESS")),
            ("displayStatus", Res::text("FULFILLED")),
            ("createdAt", Res::time(one.created_at)),
            ("updatedAt", Res::time(one.created_at)),
            ("totalQuantity", Res::Int(one.lines.iter().map(|(_, quantity)| quantity).sum())),
            ("order", Res::obj(Obj::Order(order))),
            ("location", location.map_or(Res::Null, |place| Res::obj(Obj::Location(place)))),
            (
                "trackingInfo",
                Res::List(if tracked {
                    vec![Res::plain("FulfillmentTrackingInfo", tracking)]
                } else {
                    Vec::new()
                }),
            ),
        ],
    )
}

/// A `FulfillmentOrder`.
pub(super) fn fulfillment_order<'a>(
    world: &World<'a>,
    order: &'a Order,
    one: &'a FulfillmentOrder,
) -> Obj<'a> {
    let place = one.location.and_then(|id| world.snapshot.shop.locations.get(&id));
    let assigned = vec![
        ("name", place.map_or(Res::text(""), |place| Res::text(&place.name))),
        ("countryCode", Res::text(&world.snapshot.shop.country_code)),
        ("location", place.map_or(Res::Null, |place| Res::obj(Obj::Location(place)))),
    ];
    let lines = one.lines.iter().filter_map(|part| {
        let line = order.lines.iter().find(|line| line.id == part.line)?;
        let fields = vec![
            ("id", Res::owned(gid("FulfillmentOrderLineItem", part.id))),
            ("totalQuantity", Res::Int(part.total)),
            ("remainingQuantity", Res::Int(part.remaining)),
            ("lineItem", Res::obj(Obj::OrderLine(order, line))),
            ("productTitle", Res::text(&line.title)),
            ("sku", Res::maybe(line.sku.as_deref())),
            ("requiresShipping", Res::Bool(line.requires_shipping)),
        ];
        Some((part.id, Obj::Plain("FulfillmentOrderLineItem", fields)))
    });
    Obj::Plain(
        "FulfillmentOrder",
        vec![
            ("id", Res::owned(gid("FulfillmentOrder", one.id))),
            ("status", Res::text(one.status)),
            ("requestStatus", Res::text("UNSUBMITTED")),
            ("orderId", Res::owned(gid("Order", order.id))),
            ("orderName", Res::text(&order.name)),
            ("order", Res::obj(Obj::Order(order))),
            ("createdAt", Res::time(order.created_at)),
            ("updatedAt", Res::time(order.updated_at)),
            ("assignedLocation", Res::plain("FulfillmentOrderAssignedLocation", assigned)),
            ("lineItems", Res::Connection(Box::new(Connection::in_order(lines, false)))),
        ],
    )
}

pub(super) fn line<'a>(
    world: &World<'a>,
    order: &'a Order,
    line: &'a OrderLine,
    field: &Field<'_>,
) -> Answer<'a> {
    let maybe = |text: &'a Option<String>| Res::maybe(text.as_deref());
    let sent: i64 = order
        .fulfillments
        .iter()
        .flat_map(|one| &one.lines)
        .filter(|(id, _)| *id == line.id)
        .map(|(_, quantity)| quantity)
        .sum();
    Ok(match field.name {
        "title" => Res::text(&line.title),
        "name" => match &line.variant_title {
            Some(variant) => Res::owned(format!("{} - {variant}", line.title)),
            None => Res::text(&line.title),
        },
        "variantTitle" => maybe(&line.variant_title),
        "sku" => maybe(&line.sku),
        "vendor" => maybe(&line.vendor),
        "quantity" => Res::Int(line.quantity),
        "currentQuantity" | "refundableQuantity" => {
            Res::Int(if order.cancelled_at.is_some() { 0 } else { line.quantity })
        }
        "unfulfilledQuantity" => Res::Int(line.quantity - sent),
        "taxable" => Res::Bool(line.taxable),
        "requiresShipping" => Res::Bool(line.requires_shipping),
        "isGiftCard" => Res::Bool(false),
        "originalUnitPriceSet" | "discountedUnitPriceSet" => bag(order, line.price),
        "originalTotalSet" | "discountedTotalSet" => bag(order, line.price * line.quantity),
        "customAttributes" => pairs(&line.properties),
        "taxLines" => taxes(order, &line.tax_lines),
        "variant" => {
            let variant = line.variant.and_then(|id| world.snapshot.variant(id));
            variant.map_or(Res::Null, |(product, variant)| Res::obj(Obj::Variant(product, variant)))
        }
        "product" => {
            let product = line.product.and_then(|id| world.snapshot.shop.products.get(&id));
            product.map_or(Res::Null, |product| Res::obj(Obj::Product(product)))
        }
        _ => return Err(FieldError::NotSimulated),
    })
}

pub(super) fn order<'a>(world: &World<'a>, order: &'a Order, field: &Field<'_>) -> Answer<'a> {
    let shop = &world.snapshot.shop;
    let maybe = |text: &'a Option<String>| Res::maybe(text.as_deref());
    let money = |cents| bag(order, cents);
    let first = || field.integer("first").and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    Ok(match field.name {
        "legacyResourceId" => Res::big(order.id),
        "name" => Res::text(&order.name),
        "number" => Res::Int(i64::try_from(order.number).unwrap_or_default()),
        "email" => maybe(&order.email),
        "phone" => maybe(&order.phone),
        "note" => maybe(&order.note),
        "poNumber" => maybe(&order.po_number),
        "sourceName" => maybe(&order.source_name),
        "sourceIdentifier" => maybe(&order.source_identifier),
        "tags" => Res::List(order.tags.iter().map(|tag| Res::text(tag)).collect()),
        "customAttributes" => pairs(&order.attributes),
        "currencyCode" | "presentmentCurrencyCode" => Res::text(&order.currency),
        "test" => Res::Bool(order.test),
        "confirmed" => Res::Bool(true),
        "taxesIncluded" => Res::Bool(order.taxes_included),
        "processedAt" => Res::time(order.processed_at),
        "createdAt" => Res::time(order.created_at),
        "updatedAt" => Res::time(order.updated_at),
        "closed" => Res::Bool(order.closed_at.is_some()),
        "closedAt" => Res::maybe_time(order.closed_at),
        "cancelledAt" => Res::maybe_time(order.cancelled_at),
        "cancelReason" => maybe(&order.cancel_reason),
        "customer" => {
            let customer = order.customer.and_then(|id| shop.customers.get(&id));
            customer.map_or(Res::Null, |customer| Res::obj(Obj::Customer(customer)))
        }
        "billingAddress" => {
            order.billing_address.as_ref().map_or(Res::Null, |one| Res::obj(address(one, false)))
        }
        "shippingAddress" | "displayAddress" => {
            order.shipping_address.as_ref().map_or(Res::Null, |one| Res::obj(address(one, false)))
        }
        "lineItems" => {
            let nodes = order.lines.iter().map(|line| (line.id, Obj::OrderLine(order, line)));
            Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
        }
        "shippingLines" => {
            let nodes = order.shipping_lines.iter().map(|line| (line.id, shipping(order, line)));
            Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
        }
        "shippingLine" => {
            order.shipping_lines.first().map_or(Res::Null, |line| Res::obj(shipping(order, line)))
        }
        "taxLines" => taxes(order, &order.tax_lines),
        "transactions" => {
            Res::List(order.transactions.iter().take(first()).map(|one| transaction(order, one)).collect())
        }
        "fulfillments" => Res::List(
            order.fulfillments.iter().take(first()).map(|one| fulfillment(world, order, one)).collect(),
        ),
        "fulfillmentOrders" => {
            let nodes =
                order.fulfillment_orders.iter().map(|one| (one.id, fulfillment_order(world, order, one)));
            Res::Connection(Box::new(Connection::in_order(nodes, field.flag("reverse"))))
        }
        "displayFinancialStatus" => Res::text(order.financial_status()),
        "displayFulfillmentStatus" => Res::text(order.fulfillment_status()),
        "fullyPaid" => Res::Bool(order.financial_status() == "PAID"),
        "unpaid" => Res::Bool(order.received() == 0 && order.financial_status() != "PAID"),
        "canMarkAsPaid" => Res::Bool(order.can_be_paid()),
        "totalPriceSet" | "currentTotalPriceSet" | "originalTotalPriceSet" => money(order.total()),
        "subtotalPriceSet" | "currentSubtotalPriceSet" => money(order.lines_total() - order.discount_total()),
        "totalTaxSet" | "currentTotalTaxSet" => money(order.tax_total()),
        "totalShippingPriceSet" | "currentShippingPriceSet" => money(order.shipping_total()),
        "totalDiscountsSet" | "currentTotalDiscountsSet" => money(order.discount_total()),
        "totalReceivedSet" => money(order.received() + order.refunded()),
        "netPaymentSet" => money(order.received()),
        "totalRefundedSet" => money(order.refunded()),
        "totalOutstandingSet" => {
            money(if order.financial_status() == "PAID" { 0 } else { order.total() - order.received() })
        }
        "discountCode" => order.discount.as_ref().map_or(Res::Null, |(code, _)| Res::text(code)),
        "discountCodes" => Res::List(order.discount.iter().map(|(code, _)| Res::text(code)).collect()),
        "metafields" => metafields(Owner::Order(order), &order.metafields, field),
        "metafield" => one_metafield(Owner::Order(order), &order.metafields, field),
        _ => return Err(FieldError::NotSimulated),
    })
}

/// Whether the calling app may see an order of that age.
pub(super) fn visible(world: &World<'_>, order: &Order) -> bool {
    let limit = SignedDuration::from_hours(24 * VISIBLE_DAYS);
    world.scopes.contains("read_all_orders") || world.now.duration_since(order.created_at) <= limit
}

/// `orderByIdentifier`: found at once, however far behind the search is.
pub(super) fn by_identifier<'a>(world: &World<'a>, field: &Field<'_>) -> Answer<'a> {
    let identifier = field.args.get("identifier").cloned().unwrap_or_default();
    let id = match identifier["id"].as_str() {
        Some(id) => crate::gid::number(id, "Order"),
        None => super::root::by_custom_id(world, OwnerKind::Order, &identifier["customId"])?,
    };
    let found = id.and_then(|id| world.snapshot.shop.orders.get(&id)).filter(|order| visible(world, order));
    Ok(found.map_or(Res::Null, |order| Res::obj(Obj::Order(order))))
}

/// All orders that pass the field's `query`.
pub(super) fn list<'a>(world: &World<'a>, field: &Field<'_>) -> Res<'a> {
    listed(world, world.snapshot.shop.orders.values().map(AsRef::as_ref), field)
}

/// Those among these that pass the field's `query`.
pub(super) fn listed<'a>(
    world: &World<'a>,
    orders: impl Iterator<Item = &'a Order>,
    field: &Field<'_>,
) -> Res<'a> {
    let filter = Filter::parse(field.text("query").unwrap_or_default());
    let whole = |number: u64| i64::try_from(number).unwrap_or_default();
    let chosen = orders.filter(|order| {
        let one = |text: &str| Fact::Texts(vec![text.to_owned()]);
        let maybe = |text: &Option<String>| Fact::Texts(text.iter().cloned().collect());
        let fact = |name: &str| match name {
            "id" => Fact::Numbers(vec![whole(order.id)]),
            "name" => Fact::Texts(vec![order.name.clone(), order.name.trim_start_matches('#').to_owned()]),
            "source_identifier" => maybe(&order.source_identifier),
            "source_name" => maybe(&order.source_name),
            "po_number" => maybe(&order.po_number),
            "email" => Fact::Words(order.email.iter().cloned().collect()),
            "tag" => Fact::Texts(order.tags.clone()),
            "test" => one(if order.test { "true" } else { "false" }),
            "customer_id" => Fact::Numbers(order.customer.map(whole).into_iter().collect()),
            "financial_status" => one(order.financial_status()),
            "fulfillment_status" => one(order.fulfillment_status()),
            "status" => one(match (order.cancelled_at, order.closed_at) {
                (Some(_), _) => "cancelled",
                (None, Some(_)) => "closed",
                (None, None) => "open",
            }),
            "processed_at" => Fact::Time(Some(order.processed_at)),
            "created_at" => Fact::Time(Some(order.created_at)),
            "updated_at" => Fact::Time(Some(order.updated_at)),
            _ => match name.strip_prefix("metafields.").and_then(|name| name.split_once('.')) {
                Some((namespace, key)) => {
                    let own = order.metafields.iter().filter(|m| m.namespace == namespace && m.key == key);
                    Fact::Texts(own.map(|metafield| metafield.value.clone()).collect())
                }
                None => Fact::Unknown,
            },
        };
        let word = |word: &str| order.name.to_lowercase().contains(word);
        let found =
            filter == Filter::All || world.searchable(order.updated_at) && filter.passes(&fact, &word);
        visible(world, order) && found
    });
    let reverse = field.flag("reverse");
    let by = |time: fn(&Order) -> i64| move |order: &'a Order| (time(order), order.id, Obj::Order(order));
    let connection = match field.text("sortKey") {
        Some("ID") => Connection::by_number(chosen.map(|o| (whole(o.id), o.id, Obj::Order(o))), reverse),
        Some("UPDATED_AT") => Connection::by_number(chosen.map(by(|o| o.updated_at.as_second())), reverse),
        Some("CREATED_AT") => Connection::by_number(chosen.map(by(|o| o.created_at.as_second())), reverse),
        _ => Connection::by_number(chosen.map(by(|o| o.processed_at.as_second())), reverse),
    };
    Res::Connection(Box::new(connection))
}
