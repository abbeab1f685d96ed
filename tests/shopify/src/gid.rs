//! Global ids: `gid://shopify/{Type}/{number}`.

/// Writes a global id.
#[must_use]
pub fn gid(type_name: &str, id: u64) -> String {
    format!("gid://shopify/{type_name}/{id}")
}

/// Writes the id of an inventory level, which names its item in a query string.
#[must_use]
pub fn level_gid(level_key: u64, item: u64) -> String {
    format!("gid://shopify/InventoryLevel/{level_key}?inventory_item_id={item}")
}

/// A global id taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The type, for instance `Product`.
    pub type_name: &'a str,
    /// The number.
    pub id: u64,
    /// What follows `?`, if anything.
    pub query: Option<&'a str>,
}

/// Takes a global id apart; none if it is not one.
#[must_use]
pub fn parse(text: &str) -> Option<Parsed<'_>> {
    let rest = text.strip_prefix("gid://shopify/")?;
    let (type_name, rest) = rest.split_once('/')?;
    let (number, query) = match rest.split_once('?') {
        Some((number, query)) => (number, Some(query)),
        None => (rest, None),
    };
    Some(Parsed { type_name, id: number.parse().ok()?, query })
}

/// The number of a global id of the given type, or of a bare number.
#[must_use]
pub fn number(text: &str, type_name: &str) -> Option<u64> {
    match parse(text) {
        Some(parsed) => (parsed.type_name == type_name).then_some(parsed.id),
        None => text.parse().ok(),
    }
}
