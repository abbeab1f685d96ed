//! The table of the three-way merge, written down a second time with whole values where the merge has only hashes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::domain::record::{Child, ChildShape, Gone, Record, Resource};

/// What is to be stored after a rerun.
#[derive(Debug, Default)]
pub struct Expected {
    pub values: Vec<Value>,
    pub lists: Vec<List>,
    /// Conflicts in which both sides differ.
    pub conflicts: u64,
}

#[derive(Debug)]
pub struct List {
    /// Children that stand, by id.
    pub standing: BTreeMap<String, Vec<Value>>,
    /// Children that are kept and marked as missing.
    pub marked: BTreeSet<String>,
    /// The order that counts for those that stand in it.
    pub lead: Vec<String>,
}

/// Merges by the table. `take` is what was decided about every conflict.
pub fn merge(base: &Record, theirs: &Record, ours: &Record, take: bool) -> Expected {
    let mut model = Model { take, conflicts: 0 };
    let values = (0..base.values.len())
        .map(|at| model.value(&base.values[at], &theirs.values[at], &ours.values[at]))
        .collect();
    let shape = base.kind.shape();
    let lists = shape
        .children
        .iter()
        .enumerate()
        .map(|(at, list)| model.list(list, &base.children[at], &theirs.children[at], &ours.children[at]))
        .collect();
    Expected { values, lists, conflicts: model.conflicts }
}

struct Model {
    take: bool,
    conflicts: u64,
}

impl Model {
    fn value(&mut self, base: &Value, theirs: &Value, ours: &Value) -> Value {
        if theirs == base || theirs == ours {
            ours.clone()
        } else if ours == base {
            theirs.clone()
        } else {
            self.conflict(theirs.clone(), ours.clone())
        }
    }

    fn conflict<T>(&mut self, theirs: T, ours: T) -> T {
        self.conflicts += 1;
        if self.take { theirs } else { ours }
    }

    fn list(&mut self, list: &ChildShape, base: &[Child], theirs: &[Child], ours: &[Child]) -> List {
        let by_id = |children: &[Child]| -> BTreeMap<String, Vec<Value>> {
            children.iter().map(|child| (child.id.clone(), child.values.clone())).collect()
        };
        let (b, t, o) = (by_id(base), by_id(theirs), by_id(ours));
        let ids: BTreeSet<&String> = b.keys().chain(t.keys()).chain(o.keys()).collect();
        let (mut standing, mut marked) = (BTreeMap::new(), BTreeSet::new());
        for id in ids {
            let stands = match (b.get(id), t.get(id), o.get(id)) {
                (Some(b), Some(t), Some(o)) if list.base_per_field => {
                    Some((0..b.len()).map(|at| self.value(&b[at], &t[at], &o[at])).collect())
                }
                (Some(b), Some(t), Some(o)) if t == b || t == o || o != b => {
                    Some(if t == b || t == o { o.clone() } else { self.conflict(t.clone(), o.clone()) })
                }
                (Some(_), Some(t), Some(_)) => Some(t.clone()),
                // Taken away here.
                (Some(b), Some(t), None) if t == b => None,
                // One hash of the whole child does not tell a change from a new one.
                (Some(_), Some(t), None) if !list.base_per_field => Some(t.clone()),
                (Some(_), Some(t), None) => self.conflict(Some(t.clone()), None),
                // Taken away there.
                (Some(_), None, Some(_)) if list.gone == Gone::Marked => {
                    marked.insert(id.clone());
                    None
                }
                (Some(b), None, Some(o)) if o == b => None,
                (Some(_), None, Some(o)) if !list.base_per_field => Some(o.clone()),
                (Some(_), None, Some(o)) => self.conflict(None, Some(o.clone())),
                (None, t, o) => t.or(o).cloned(),
                (Some(_), None, None) => None,
            };
            if let Some(values) = stands {
                standing.insert(id.clone(), values);
            }
        }
        let lead = if list.ordered { self.order(base, theirs, ours) } else { Vec::new() };
        List { standing, marked, lead }
    }

    /// The side whose order counts, as ids.
    fn order(&mut self, base: &[Child], theirs: &[Child], ours: &[Child]) -> Vec<String> {
        let (b, t, o) = (ids(base), ids(theirs), ids(ours));
        if within(&t, &o) == within(&o, &t) {
            return within(&o, &t);
        }
        if within(&t, &b) == within(&b, &t) {
            o
        } else if within(&o, &b) == within(&b, &o) {
            t
        } else {
            self.conflict(t, o)
        }
    }
}

fn ids(children: &[Child]) -> Vec<String> {
    children.iter().map(|child| child.id.clone()).collect()
}

/// Those of the first that are among the others.
pub fn within(ids: &[String], others: &[String]) -> Vec<String> {
    ids.iter().filter(|id| others.contains(id)).cloned().collect()
}

/// Holds a stored record against what the table says.
pub fn assert_merged(stored: &Record, expected: &Expected, what: &str) {
    assert_eq!(stored.values, expected.values, "{what}");
    for (at, list) in expected.lists.iter().enumerate() {
        let resource: Resource = stored.kind.shape().children[at].resource;
        let present = stored.children[at].iter().filter(|child| child.missing_since.is_none());
        let standing: BTreeMap<String, Vec<Value>> =
            present.clone().map(|child| (child.id.clone(), child.values.clone())).collect();
        assert_eq!(standing, list.standing, "{what}: {resource:?}");
        let marked: BTreeSet<String> = stored.children[at]
            .iter()
            .filter(|child| child.missing_since.is_some())
            .map(|child| child.id.clone())
            .collect();
        assert_eq!(marked, list.marked, "{what}: {resource:?}");
        let order: Vec<String> = present.map(|child| child.id.clone()).collect();
        assert_eq!(within(&order, &list.lead), within(&list.lead, &order), "{what}: order of {resource:?}");
    }
}
