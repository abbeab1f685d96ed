//! Locations, inventory items and their levels.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Cents;

/// A place that holds stock.
#[derive(Clone, Debug, Default)]
pub struct Location {
    /// Numeric id.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Address.
    pub address: Address,
    /// Whether it can stock, ship and fulfil.
    pub is_active: bool,
    /// Whether orders of the online store may be fulfilled here.
    pub fulfills_online_orders: bool,
    /// Whether it ships.
    pub ships_inventory: bool,
    /// Set when a third party runs it.
    pub fulfillment_service: Option<FulfillmentService>,
    /// Whether it belongs to a fulfilment service of the old kind, hidden unless `includeLegacy` is asked for.
    pub is_legacy: bool,
    /// When it was deactivated.
    pub deactivated_at: Option<Timestamp>,
    /// First part of the ids of its inventory levels: `gid://shopify/InventoryLevel/{level_key}?inventory_item_id=…`.
    /// Unique per location.
    pub level_key: u64,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

/// A third party that fulfils orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FulfillmentService {
    /// Numeric id.
    pub id: u64,
    /// Handle.
    pub handle: String,
    /// Name.
    pub service_name: String,
}

/// A postal address; everything may be absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Address {
    /// Street and number.
    pub address1: Option<String>,
    /// Second line.
    pub address2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or province.
    pub province: Option<String>,
    /// Its code, for instance `BY`.
    pub province_code: Option<String>,
    /// Country, in English.
    pub country: Option<String>,
    /// ISO 3166 alpha-2 code.
    pub country_code: Option<String>,
    /// Postal code.
    pub zip: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Degrees.
    pub latitude: Option<f64>,
    /// Degrees.
    pub longitude: Option<f64>,
}

/// The stock-keeping side of one variant.
#[derive(Clone, Debug, Default)]
pub struct InventoryItem {
    /// Numeric id, not the variant's.
    pub id: u64,
    /// SKU: not unique, may be absent.
    pub sku: Option<String>,
    /// Whether quantities are kept.
    pub tracked: bool,
    /// Whether it is shipped.
    pub requires_shipping: bool,
    /// Cost of one unit, in hundredths of the shop's currency.
    pub unit_cost: Option<Cents>,
    /// Weight of one unit.
    pub weight: Option<Weight>,
    /// ISO 3166 alpha-2 code.
    pub country_code_of_origin: Option<String>,
    /// Code of the province of origin.
    pub province_code_of_origin: Option<String>,
    /// HS code.
    pub harmonized_system_code: Option<String>,
    /// Levels by numeric id of the location. No entry: not stocked there.
    pub levels: BTreeMap<u64, Level>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change of the item (not of its quantities).
    pub updated_at: Timestamp,
}

/// A weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weight {
    /// Number of units.
    pub value: f64,
    /// The unit.
    pub unit: WeightUnit,
}

/// Units of weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightUnit {
    /// Grams.
    Grams,
    /// Kilograms.
    #[default]
    Kilograms,
    /// Ounces.
    Ounces,
    /// Pounds.
    Pounds,
}

impl WeightUnit {
    /// The value of Shopify's enum `WeightUnit`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grams => "GRAMS",
            Self::Kilograms => "KILOGRAMS",
            Self::Ounces => "OUNCES",
            Self::Pounds => "POUNDS",
        }
    }
}

/// How much of an item a location holds, by state. `on_hand` is the sum of all but `incoming`: see [`Level::on_hand`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Whether the item is stocked here now; an inactive level keeps its quantities.
    pub is_active: bool,
    /// On the way.
    pub incoming: i64,
    /// Free to sell; may be negative.
    pub available: i64,
    /// Part of open orders.
    pub committed: i64,
    /// Set aside.
    pub reserved: i64,
    /// Broken.
    pub damaged: i64,
    /// Kept back.
    pub safety_stock: i64,
    /// Being inspected.
    pub quality_control: i64,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change of a quantity.
    pub updated_at: Timestamp,
}

impl Level {
    /// The states Shopify knows, as `inventoryProperties.quantityNames` lists them.
    pub const STATES: [&'static str; 8] = [
        "available",
        "committed",
        "damaged",
        "incoming",
        "on_hand",
        "quality_control",
        "reserved",
        "safety_stock",
    ];

    /// Everything that is physically there.
    #[must_use]
    pub fn on_hand(&self) -> i64 {
        self.available
            + self.committed
            + self.reserved
            + self.damaged
            + self.safety_stock
            + self.quality_control
    }

    /// The quantity of a state that is kept, by Shopify's name; any other name stands for what is available.
    pub fn state_mut(&mut self, state: &str) -> &mut i64 {
        match state {
            "committed" => &mut self.committed,
            "damaged" => &mut self.damaged,
            "incoming" => &mut self.incoming,
            "quality_control" => &mut self.quality_control,
            "reserved" => &mut self.reserved,
            "safety_stock" => &mut self.safety_stock,
            _ => &mut self.available,
        }
    }

    /// The quantity of a state by Shopify's name; none for a name that does not exist.
    #[must_use]
    pub fn quantity(&self, state: &str) -> Option<i64> {
        Some(match state {
            "available" => self.available,
            "committed" => self.committed,
            "damaged" => self.damaged,
            "incoming" => self.incoming,
            "on_hand" => self.on_hand(),
            "quality_control" => self.quality_control,
            "reserved" => self.reserved,
            "safety_stock" => self.safety_stock,
            _ => return None,
        })
    }
}
