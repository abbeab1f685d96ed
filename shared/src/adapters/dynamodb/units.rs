//! What an item weighs and what reading or writing it costs, by the rules of DynamoDB's developer guide ("item sizes
//! and formats", "read and write operations"). Counted here, not asked for, so that fakes and adapters agree.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// One item: attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// Bytes that one write unit covers.
pub const WRITE_UNIT: usize = 1024;
/// Bytes that one read unit covers, consistently.
pub const READ_UNIT: usize = 4096;

/// The size of an item: names and values.
pub fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // One byte for two significant digits, and one more.
        AttributeValue::N(digits) => digits.trim_matches(|c| c == '-' || c == '0').len().div_ceil(2) + 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        AttributeValue::M(fields) => {
            3 + fields.iter().map(|(name, value)| 1 + name.len() + value_bytes(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// Units of writing or deleting an item of this many bytes: of the larger of the one before and the one after.
pub fn write_units(bytes: usize) -> u64 {
    bytes.div_ceil(WRITE_UNIT).max(1) as u64
}

/// Units of one read that returns this many bytes: an item of a get, all items together of a query. One that finds
/// nothing costs as much as the smallest.
pub fn read_units(bytes: usize, consistent: bool) -> f64 {
    let units = bytes.div_ceil(READ_UNIT).max(1) as f64;
    if consistent { units } else { units / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_developer_guide() {
        let item: Item = [
            ("pk".to_owned(), AttributeValue::S("S#1".to_owned())),
            ("n".to_owned(), AttributeValue::N("12345".to_owned())),
            ("b".to_owned(), AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(vec![0; 10]))),
        ]
        .into();
        assert_eq!(item_bytes(&item), (2 + 3) + (1 + 4) + (1 + 10));
    }

    #[test]
    fn units_round_up_and_nothing_is_free() {
        assert_eq!((write_units(0), write_units(1024), write_units(1025)), (1, 1, 2));
        assert_eq!(read_units(0, false), 0.5);
        assert_eq!(read_units(4097, true), 2.0);
    }
}
