//! Customers, their addresses and what they agreed to.

use jiff::Timestamp;

use super::Metafield;

/// A customer. E-mail and phone are unique in a shop.
#[derive(Clone, Debug, Default)]
pub struct Customer {
    /// Numeric id.
    pub id: u64,
    /// E-mail address, in lower case.
    pub email: Option<String>,
    /// Phone number in E.164.
    pub phone: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Language.
    pub locale: String,
    /// The merchant's note.
    pub note: Option<String>,
    /// Tags, sorted as Shopify does (alphabetically).
    pub tags: Vec<String>,
    /// Whether no tax is charged.
    pub tax_exempt: bool,
    /// Values of Shopify's enum `TaxExemption`.
    pub tax_exemptions: Vec<String>,
    /// Marketing by e-mail.
    pub email_consent: Consent,
    /// Marketing by SMS.
    pub sms_consent: Consent,
    /// Addresses in the order in which they were added.
    pub addresses: Vec<MailingAddress>,
    /// Id of the default one.
    pub default_address: Option<u64>,
    /// Metafields of the customer.
    pub metafields: Vec<Metafield>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

impl Customer {
    /// First and last name, or what else there is to call somebody by.
    #[must_use]
    pub fn display_name(&self) -> String {
        let names: Vec<&str> =
            [&self.first_name, &self.last_name].into_iter().filter_map(|name| name.as_deref()).collect();
        if names.is_empty() {
            self.email.as_deref().or(self.phone.as_deref()).unwrap_or_default().to_owned()
        } else {
            names.join(" ")
        }
    }
}

/// What a customer agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// A value of `CustomerEmailMarketingState` or `CustomerSmsMarketingState`.
    pub state: String,
    /// A value of `CustomerMarketingOptInLevel`.
    pub level: Option<String>,
    /// When it was given or taken back.
    pub updated_at: Option<Timestamp>,
}

impl Default for Consent {
    fn default() -> Self {
        Self { state: "NOT_SUBSCRIBED".to_owned(), level: None, updated_at: None }
    }
}

/// A postal address of a customer or an order; everything but the id may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailingAddress {
    /// Numeric id.
    pub id: u64,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Street and number.
    pub address1: Option<String>,
    /// Second line.
    pub address2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Code of the province.
    pub province_code: Option<String>,
    /// ISO 3166 alpha-2 code.
    pub country_code: Option<String>,
    /// Postal code.
    pub zip: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
}

impl MailingAddress {
    /// The same place for the same person, whatever its id.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        Self { id: 0, ..self.clone() } == Self { id: 0, ..other.clone() }
    }
}
