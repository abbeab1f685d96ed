//! Mappings, and rows under them.

#[path = "../../../shared/src/providers/shopify/push/targets.rs"]
mod targets;

use serde_json::Value;

use crate::domain::push::mapping::Mapping;
use crate::domain::push::row::{Purpose, Row};
use crate::domain::push::target::Definitions;

fn definitions() -> Definitions {
    let mut definitions = Definitions::default();
    for (namespace, key, kind) in [
        ("sync", "external_id", "id"),
        ("sync", "order_ref", "id"),
        ("custom", "care_guide", "multi_line_text_field"),
        ("custom", "sizes", "list.number_integer"),
        ("custom", "weight", "weight"),
        ("crm", "lifetime_value", "number_decimal"),
    ] {
        definitions.insert("", namespace, key, kind);
    }
    definitions
}

/// What rows are under a document. Whatever both are, they are mapped or refused; that they are twice alike is held.
pub fn applied(document: &Value, rows: &[Row]) {
    let compile = || Mapping::compile(document, targets::targets(), &definitions(), None);
    let (Ok(mapping), Ok(again)) = (compile(), compile()) else { return };
    let rows: Vec<&Row> = rows.iter().collect();
    match (mapping, again) {
        (Mapping::Levels(levels), Mapping::Levels(again)) => {
            for row in rows {
                assert_eq!(format!("{:?}", levels.map(row)), format!("{:?}", again.map(row)));
            }
        }
        (Mapping::Records(records), Mapping::Records(again)) => {
            let groups = records.group(&rows);
            let mut members: Vec<usize> = groups.iter().flatten().copied().collect();
            members.sort_unstable();
            assert!(members.into_iter().eq(0..rows.len()), "every row stands in one group");
            for group in groups {
                let group: Vec<&Row> = group.iter().map(|at| rows[*at]).collect();
                let (Ok(record), Ok(other)) = (records.map(&group), again.map(&group)) else { continue };
                for purpose in [Purpose::Create, Purpose::Update] {
                    let input = format!("{:?}", record.input(purpose));
                    assert_eq!(input, format!("{:?}", other.input(purpose)));
                }
            }
        }
        _ => unreachable!("one document makes one kind of mapping"),
    }
}
