//! Small parts that all seeds are made of.

use jiff::Timestamp;

use crate::images::is_shared;
use crate::model::{
    Address, FulfillmentService, Location, Media, MediaContent, MediaStatus, Metafield, OptionValue, Plan,
    ProductOption, Shop, WeightUnit,
};

/// When the seeded shops were opened: 2021-02-01.
pub(super) const OPENED: i64 = 1_612_137_600;
/// Nothing seeded is younger than this: 2025-05-31.
pub(super) const NEWEST: i64 = 1_748_649_600;

/// Seconds since 1970 as a time.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::constant(second, 0)
}

/// An empty shop with believable settings.
pub(super) fn shop(label: &str, name: &str) -> Shop {
    Shop {
        label: label.to_owned(),
        id: 60_000_000_000 + u64::from(checksum(label)),
        name: name.to_owned(),
        email: format!("owner@{label}.example"),
        owner: "Ada Lindqvist".to_owned(),
        primary_domain: format!("{label}.example"),
        currency: "EUR".to_owned(),
        country_code: "DE".to_owned(),
        iana_timezone: "Europe/Berlin".to_owned(),
        weight_unit: WeightUnit::Kilograms,
        taxes_included: true,
        plan: Plan {
            public_display_name: "Development".to_owned(),
            partner_development: true,
            shopify_plus: false,
            ..Plan::default()
        },
        created_at: at(OPENED),
        updated_at: at(OPENED),
        ..Shop::default()
    }
}

/// Spreads labels over numbers below 10⁹, so that two shops have two ids.
fn checksum(label: &str) -> u32 {
    label.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 1_000_000_000
}

/// An active location that ships.
pub(super) fn location(id: u64, name: &str, since: i64) -> Location {
    Location {
        id,
        name: name.to_owned(),
        address: Address::default(),
        is_active: true,
        fulfills_online_orders: true,
        ships_inventory: true,
        fulfillment_service: None,
        is_legacy: false,
        deactivated_at: None,
        level_key: id + 500_000_000_000,
        created_at: at(since),
        updated_at: at(since),
    }
}

impl Location {
    /// Puts the location somewhere.
    pub(super) fn placed(mut self, street: &str, zip: &str, city: &str, country: (&str, &str)) -> Self {
        self.address = Address {
            address1: Some(street.to_owned()),
            city: Some(city.to_owned()),
            zip: Some(zip.to_owned()),
            country: Some(country.0.to_owned()),
            country_code: Some(country.1.to_owned()),
            ..Address::default()
        };
        self
    }

    /// Closes the location.
    pub(super) fn closed(mut self, second: i64) -> Self {
        self.is_active = false;
        self.fulfills_online_orders = false;
        self.ships_inventory = false;
        self.deactivated_at = Some(at(second));
        self.updated_at = at(second);
        self
    }

    /// Hands the location to a fulfilment service.
    pub(super) fn run_by(mut self, service_id: u64, handle: &str) -> Self {
        self.fulfillment_service = Some(FulfillmentService {
            id: service_id,
            handle: handle.to_owned(),
            service_name: self.name.clone(),
        });
        self
    }
}

/// Lower-case letters and digits joined by `-`; German umlauts and common accents are written out, the rest is dropped.
pub(crate) fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' => out.push(letter),
            'ä' | 'æ' => out.push_str("ae"),
            'ö' | 'ø' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'à' | 'á' | 'â' | 'ã' | 'å' => out.push('a'),
            'è' | 'é' | 'ê' | 'ë' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' => out.push('i'),
            'ò' | 'ó' | 'ô' | 'õ' => out.push('o'),
            'ù' | 'ú' | 'û' => out.push('u'),
            'ç' => out.push('c'),
            'ñ' => out.push('n'),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    if out.is_empty() { "product".to_owned() } else { out }
}

/// The EAN-13 whose first twelve digits are these (modulo 10¹²).
pub(super) fn ean13(number: u64) -> String {
    let digits = format!("{:012}", number % 1_000_000_000_000);
    let sum: u32 = digits
        .bytes()
        .zip([1, 3].into_iter().cycle())
        .map(|(digit, factor)| u32::from(digit - b'0') * factor)
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// A ready image.
pub(super) fn image(id: u64, name: &str, alt: Option<&str>, second: i64) -> Media {
    // The same picture has the same size wherever it is shown.
    let picture = if is_shared(id) { 7 } else { id };
    Media {
        id,
        alt: alt.map(str::to_owned),
        status: MediaStatus::Ready,
        content: MediaContent::Image {
            url: format!("https://cdn.shopify.com/s/files/1/0600/{id}/files/{name}.jpg?v={second}"),
            width: 1200 + u32::try_from(picture % 5).unwrap_or_default() * 200,
            height: 1200,
            mime_type: "image/jpeg".to_owned(),
            file_size: 80_000 + picture % 400_000,
        },
        created_at: at(second),
        updated_at: at(second),
    }
}

/// An image that Shopify could not finish: it has no address yet, or never will.
pub(super) fn unfinished_image(id: u64, status: MediaStatus, second: i64) -> Media {
    Media { status, ..image(id, "unfinished", None, second) }
}

/// A video uploaded by the merchant.
pub(super) fn video(id: u64, name: &str, second: i64) -> Media {
    Media {
        id,
        alt: Some(format!("{name} in use")),
        status: MediaStatus::Ready,
        content: MediaContent::Video {
            filename: format!("{name}.mp4"),
            url: format!("https://cdn.shopify.com/videos/c/o/v/{id}.mp4"),
            mime_type: "video/mp4".to_owned(),
            format: "mp4".to_owned(),
            duration: 12_000 + id % 48_000,
            width: 1920,
            height: 1080,
            file_size: 4_000_000 + id % 9_000_000,
        },
        created_at: at(second),
        updated_at: at(second),
    }
}

/// A video that lives elsewhere.
pub(super) fn external_video(id: u64, second: i64) -> Media {
    Media {
        id,
        alt: None,
        status: MediaStatus::Ready,
        content: MediaContent::ExternalVideo {
            host: "YOUTUBE".to_owned(),
            embed_url: format!("https://www.youtube.com/embed/v{id}"),
            origin_url: format!("https://www.youtube.com/watch?v=v{id}"),
        },
        created_at: at(second),
        updated_at: at(second),
    }
}

/// A 3D model.
pub(super) fn model3d(id: u64, name: &str, second: i64) -> Media {
    Media {
        id,
        alt: Some(format!("{name}, to turn around")),
        status: MediaStatus::Ready,
        content: MediaContent::Model3d {
            filename: format!("{name}.glb"),
            url: format!("https://cdn.shopify.com/3d/models/o/{id}/{name}.glb"),
            mime_type: "model/gltf-binary".to_owned(),
            format: "glb".to_owned(),
            file_size: 700_000 + id % 2_000_000,
        },
        created_at: at(second),
        updated_at: at(second),
    }
}

/// A metafield.
pub(super) fn metafield(
    id: u64,
    key: (&str, &str),
    kind: &str,
    value: impl Into<String>,
    second: i64,
) -> Metafield {
    Metafield {
        id,
        namespace: key.0.to_owned(),
        key: key.1.to_owned(),
        kind: kind.to_owned(),
        value: value.into(),
        created_at: at(second),
        updated_at: at(second),
    }
}

/// An option with its values, ids drawn in order.
pub(super) fn option<S: AsRef<str>>(
    name: &str,
    values: impl IntoIterator<Item = S>,
    mut take_id: impl FnMut() -> u64,
) -> ProductOption {
    let id = take_id();
    let values = values
        .into_iter()
        .map(|value| OptionValue { id: take_id(), name: value.as_ref().to_owned() })
        .collect();
    ProductOption { id, name: name.to_owned(), values }
}

/// The one option of a product that has none.
pub(super) fn no_option(take_id: impl FnMut() -> u64) -> ProductOption {
    option("Title", ["Default Title"], take_id)
}

/// Every combination of the options' values, the last option turning fastest: ids of values, one list per variant.
pub(super) fn combinations(options: &[ProductOption]) -> Vec<Vec<u64>> {
    options.iter().fold(vec![Vec::new()], |rows, option| {
        rows.iter()
            .flat_map(|row| {
                option.values.iter().map(move |value| {
                    let mut longer = row.clone();
                    longer.push(value.id);
                    longer
                })
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_handles() {
        assert_eq!(slug("Größe: Crème brûlée & Co."), "groesse-creme-brulee-co");
        assert_eq!(slug("煎茶"), "product");
        assert_eq!(slug("  --Tea  2 "), "tea-2");
    }

    #[test]
    fn barcodes_carry_a_valid_check_digit() {
        assert_eq!(ean13(400_638_133_393), "4006381333931");
        assert_eq!(ean13(0), "0000000000000");
    }

    #[test]
    fn combinations_turn_the_last_option_fastest() {
        let mut next = 0;
        let mut take = || {
            next += 1;
            next
        };
        let options = [option("A", ["x", "y"], &mut take), option("B", ["1", "2"], &mut take)];
        assert_eq!(combinations(&options), [[2, 5], [2, 6], [3, 5], [3, 6]]);
    }
}
