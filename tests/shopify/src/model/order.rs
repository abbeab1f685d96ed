//! Orders.

use jiff::Timestamp;

use super::{Cents, MailingAddress, Metafield};

/// An order.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Numeric id.
    pub id: u64,
    /// The shop's running number, from 1001.
    pub number: u64,
    /// What merchants call it: `#1001`, or any text it was created with.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Numeric id of the customer.
    pub customer: Option<u64>,
    /// Where the bill goes.
    pub billing_address: Option<MailingAddress>,
    /// Where the goods go.
    pub shipping_address: Option<MailingAddress>,
    /// What was bought; never changed once the order is made.
    pub lines: Vec<OrderLine>,
    /// How it is sent.
    pub shipping_lines: Vec<ShippingLine>,
    /// Taxes of the whole order.
    pub tax_lines: Vec<TaxLine>,
    /// The one discount: its code and what it takes off.
    pub discount: Option<(String, Cents)>,
    /// Whether prices include taxes.
    pub taxes_included: bool,
    /// Payments.
    pub transactions: Vec<Transaction>,
    /// The status it was created with, which stands until a payment says more.
    pub given_financial_status: Option<String>,
    /// What was sent.
    pub fulfillments: Vec<Fulfillment>,
    /// What is to be sent.
    pub fulfillment_orders: Vec<FulfillmentOrder>,
    /// ISO 4217 code.
    pub currency: String,
    /// Note.
    pub note: Option<String>,
    /// Tags, sorted as Shopify does (alphabetically).
    pub tags: Vec<String>,
    /// Names and values.
    pub attributes: Vec<(String, String)>,
    /// The buyer's own number.
    pub po_number: Option<String>,
    /// Where it came from.
    pub source_name: Option<String>,
    /// Its number there.
    pub source_identifier: Option<String>,
    /// Whether it is a test.
    pub test: bool,
    /// Metafields of the order.
    pub metafields: Vec<Metafield>,
    /// When it was placed.
    pub processed_at: Timestamp,
    /// When it was put away.
    pub closed_at: Option<Timestamp>,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// A value of `OrderCancelReason`.
    pub cancel_reason: Option<String>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// Mails sent about it, by kind: `receipt`, `shipping`, `cancellation`.
    pub mails: Vec<&'static str>,
}

/// One line of an order.
#[derive(Clone, Debug, Default)]
pub struct OrderLine {
    /// Numeric id.
    pub id: u64,
    /// Numeric id of the variant, if it was named.
    pub variant: Option<u64>,
    /// Numeric id of the product, if it was named.
    pub product: Option<u64>,
    /// Title.
    pub title: String,
    /// Title of the variant.
    pub variant_title: Option<String>,
    /// SKU.
    pub sku: Option<String>,
    /// Vendor.
    pub vendor: Option<String>,
    /// How many.
    pub quantity: i64,
    /// Price of one.
    pub price: Cents,
    /// Whether taxes are charged.
    pub taxable: bool,
    /// Whether it is shipped.
    pub requires_shipping: bool,
    /// Taxes of this line.
    pub tax_lines: Vec<TaxLine>,
    /// Names and values.
    pub properties: Vec<(String, String)>,
    /// Where stock was taken for it.
    pub stock_from: Option<u64>,
}

/// How an order is sent.
#[derive(Clone, Debug, Default)]
pub struct ShippingLine {
    /// Numeric id.
    pub id: u64,
    /// Title.
    pub title: String,
    /// Code.
    pub code: Option<String>,
    /// Where the rate came from.
    pub source: Option<String>,
    /// Price.
    pub price: Cents,
}

/// A tax.
#[derive(Clone, Debug, Default)]
pub struct TaxLine {
    /// Title.
    pub title: String,
    /// Share, for instance `0.19`.
    pub rate: f64,
    /// Amount.
    pub price: Cents,
}

/// A payment.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Numeric id.
    pub id: u64,
    /// A value of `OrderTransactionKind`.
    pub kind: String,
    /// A value of `OrderTransactionStatus`.
    pub status: String,
    /// Who moved the money.
    pub gateway: String,
    /// Amount.
    pub amount: Cents,
    /// Whether it is a test.
    pub test: bool,
    /// When it was made.
    pub processed_at: Timestamp,
}

/// What was sent.
#[derive(Clone, Debug, Default)]
pub struct Fulfillment {
    /// Numeric id.
    pub id: u64,
    /// Name: the order's with a number.
    pub name: String,
    /// Lines and how many of each.
    pub lines: Vec<(u64, i64)>,
    /// Location.
    pub location: Option<u64>,
    /// Company, number and address of the parcel.
    pub tracking: (Option<String>, Option<String>, Option<String>),
    /// When it was sent.
    pub created_at: Timestamp,
}

/// What one location is to send.
#[derive(Clone, Debug, Default)]
pub struct FulfillmentOrder {
    /// Numeric id.
    pub id: u64,
    /// Location.
    pub location: Option<u64>,
    /// A value of `FulfillmentOrderStatus`.
    pub status: &'static str,
    /// What is to be sent.
    pub lines: Vec<FulfillmentOrderLine>,
}

/// A line of what is to be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct FulfillmentOrderLine {
    /// Numeric id.
    pub id: u64,
    /// The line of the order.
    pub line: u64,
    /// How many in all.
    pub total: i64,
    /// How many are still to be sent.
    pub remaining: i64,
}

impl Order {
    /// Price of all lines.
    #[must_use]
    pub fn lines_total(&self) -> Cents {
        self.lines.iter().map(|line| line.price * line.quantity).sum()
    }

    /// Price of sending.
    #[must_use]
    pub fn shipping_total(&self) -> Cents {
        self.shipping_lines.iter().map(|line| line.price).sum()
    }

    /// Taxes, of the order or of its lines.
    #[must_use]
    pub fn tax_total(&self) -> Cents {
        self.tax_lines
            .iter()
            .chain(self.lines.iter().flat_map(|line| &line.tax_lines))
            .map(|tax| tax.price)
            .sum()
    }

    /// What the discount takes off.
    #[must_use]
    pub fn discount_total(&self) -> Cents {
        self.discount.as_ref().map_or(0, |(_, amount)| (*amount).min(self.lines_total()))
    }

    /// What is to be paid.
    #[must_use]
    pub fn total(&self) -> Cents {
        let taxes = if self.taxes_included { 0 } else { self.tax_total() };
        self.lines_total() - self.discount_total() + self.shipping_total() + taxes
    }

    /// What was paid, less what was given back.
    #[must_use]
    pub fn received(&self) -> Cents {
        self.paid_in() - self.refunded()
    }

    fn paid_in(&self) -> Cents {
        self.succeeded(&["SALE", "CAPTURE"])
    }

    /// What was given back.
    #[must_use]
    pub fn refunded(&self) -> Cents {
        self.succeeded(&["REFUND"])
    }

    fn succeeded(&self, kinds: &[&str]) -> Cents {
        let done =
            self.transactions.iter().filter(|t| t.status == "SUCCESS" && kinds.contains(&t.kind.as_str()));
        done.map(|transaction| transaction.amount).sum()
    }

    /// A value of `OrderDisplayFinancialStatus`. An order that names no payment counts as paid, as in the REST API.
    #[must_use]
    pub fn financial_status(&self) -> &str {
        let (paid, refunded) = (self.paid_in(), self.refunded());
        if refunded > 0 {
            return if refunded >= paid { "REFUNDED" } else { "PARTIALLY_REFUNDED" };
        }
        if paid > 0 {
            return if paid >= self.total() { "PAID" } else { "PARTIALLY_PAID" };
        }
        if self.succeeded(&["AUTHORIZATION"]) > 0 {
            return "AUTHORIZED";
        }
        match (&self.given_financial_status, self.transactions.is_empty()) {
            (Some(given), _) => given,
            (None, true) => "PAID",
            (None, false) => "PENDING",
        }
    }

    /// Whether somebody still owes something.
    #[must_use]
    pub fn can_be_paid(&self) -> bool {
        let owes = matches!(self.financial_status(), "PENDING" | "PARTIALLY_PAID" | "AUTHORIZED" | "EXPIRED");
        owes && self.cancelled_at.is_none()
    }

    /// A value of `OrderDisplayFulfillmentStatus`.
    #[must_use]
    pub fn fulfillment_status(&self) -> &'static str {
        let sent = |line: &OrderLine| -> i64 {
            self.fulfillments
                .iter()
                .flat_map(|one| &one.lines)
                .filter(|(id, _)| *id == line.id)
                .map(|(_, n)| n)
                .sum()
        };
        if self.lines.iter().all(|line| sent(line) >= line.quantity) {
            "FULFILLED"
        } else if self.lines.iter().any(|line| sent(line) > 0) {
            "PARTIALLY_FULFILLED"
        } else {
            "UNFULFILLED"
        }
    }
}
