//! What a run changed most: differences counted by resource and field, beyond what each record says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::{FieldDiff, PlanEntry};
use super::record::Resource;

/// Differences by resource and field, and conflicts by resource. Bounded by the names of the shapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// How often a field was to change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<Resource, BTreeMap<String, u64>>,
    /// Fields that both sides had changed and that keep the store's value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<Resource, u64>,
    /// Fields that both sides had changed and that take the shop's value, as decided.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken: BTreeMap<Resource, u64>,
}

impl Changes {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.kept.is_empty() && self.taken.is_empty()
    }

    /// Counts the differences of one record that is written.
    pub fn take(&mut self, entry: &PlanEntry) {
        let own = entry.kind.shape().counts_as;
        for FieldDiff { list, field, kept, taken, .. } in &entry.diff {
            let Some(resource) = list.or(own) else { continue };
            if *taken {
                *self.taken.entry(resource).or_default() += 1;
            }
            if *kept {
                *self.kept.entry(resource).or_default() += 1;
            } else {
                *self.fields.entry(resource).or_default().entry(field.clone()).or_default() += 1;
            }
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (resource, fields) in &other.fields {
            for (field, n) in fields {
                *self.fields.entry(*resource).or_default().entry(field.clone()).or_default() += n;
            }
        }
        for (resource, n) in &other.kept {
            *self.kept.entry(*resource).or_default() += n;
        }
        for (resource, n) in &other.taken {
            *self.taken.entry(*resource).or_default() += n;
        }
    }

    /// The fields of a resource that changed, most often first.
    pub fn most_changed(&self, resource: Resource) -> Vec<(String, u64)> {
        let fields = self.fields.get(&resource).into_iter().flatten();
        let mut fields: Vec<(String, u64)> = fields.map(|(field, n)| (field.clone(), *n)).collect();
        fields.sort_by(|(a, n), (b, m)| m.cmp(n).then(a.cmp(b)));
        fields
    }
}
