//! What the destination refuses an object without, of the objects that a mapping fills.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::code::Code;
use super::mapping::{Field, Step};
use super::row::RowProblem;
use super::target::{Kind, Targets};

/// What an object needs, and the objects in it.
#[derive(Debug, Default)]
pub(super) struct Needed {
    here: Vec<String>,
    below: BTreeMap<String, Needed>,
}

/// What a mapping leaves out, as the path to it; or an object of which it fills more than one field and may not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Unmapped(String),
    MoreThanOne(String),
}

impl Needed {
    /// What an object needs that is filled by these fields. `also` is what it needs beside what the schema says.
    pub(super) fn of(
        object: &str,
        also: Option<&BTreeSet<String>>,
        fields: &[Field],
        targets: &Targets,
    ) -> (Self, Vec<Gap>) {
        let filled: Vec<&[Step]> = fields.iter().map(|field| field.steps.as_slice()).collect();
        let mut gaps = Vec::new();
        let mut needed = Self::walk(object, &filled, "", targets, &mut gaps);
        for name in also.into_iter().flatten().filter(|name| !needed.here.contains(name)).collect::<Vec<_>>()
        {
            if !filled.iter().any(|steps| begins(steps, name)) {
                gaps.push(Gap::Unmapped(name.clone()));
            }
            needed.here.push(name.clone());
        }
        (needed, gaps)
    }

    fn walk(object: &str, filled: &[&[Step]], shown: &str, targets: &Targets, gaps: &mut Vec<Gap>) -> Self {
        let mut needed = Self::default();
        let Some(object) = targets.objects.get(object) else { return needed };
        let mut used = 0;
        for (name, field) in &object.fields {
            // Elements that a path names one by one are told apart by their index.
            let mut elements: BTreeMap<Option<usize>, Vec<&[Step]>> = BTreeMap::new();
            for steps in filled.iter().filter(|steps| begins(steps, name)) {
                match steps.get(1) {
                    Some(Step::Index(index)) => elements.entry(Some(*index)).or_default().push(&steps[2..]),
                    _ => elements.entry(None).or_default().push(&steps[1..]),
                }
            }
            used += usize::from(!elements.is_empty());
            if field.required {
                if elements.is_empty() {
                    gaps.push(Gap::Unmapped(format!("{shown}{name}")));
                }
                needed.here.push(name.clone());
            }
            let Kind::Object(inner) = &field.kind else { continue };
            for (index, below) in elements {
                // An entry that ends here fills the whole object, and has been checked by itself.
                if below.iter().any(|steps| steps.is_empty()) {
                    continue;
                }
                let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
                let below = Self::walk(inner, &below, &format!("{shown}{name}{index}."), targets, gaps);
                if !below.here.is_empty() || !below.below.is_empty() {
                    needed.below.insert(name.clone(), below);
                }
            }
        }
        if object.one_of && used > 1 {
            gaps.push(Gap::MoreThanOne(shown.trim_end_matches('.').to_owned()));
        }
        needed
    }

    /// Tells what an object lacks. An object that is not there at all lacks nothing.
    pub(super) fn check(&self, value: &Value, shown: &str, problems: &mut Vec<RowProblem>) {
        let map = match value {
            Value::Object(map) => map,
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.check(element, &format!("{}[{index}].", shown.trim_end_matches('.')), problems);
                }
                return;
            }
            _ => return,
        };
        for name in self.here.iter().filter(|name| !map.contains_key(name.as_str())) {
            problems.push(RowProblem {
                code: Code::RequiredMissing,
                path: format!("{shown}{name}"),
                column: None,
                message: "there is no value, and the shop refuses the record without".to_owned(),
            });
        }
        for (name, below) in &self.below {
            if let Some(value) = map.get(name) {
                below.check(value, &format!("{shown}{name}."), problems);
            }
        }
    }
}

fn begins(steps: &[Step], name: &str) -> bool {
    matches!(steps.first(), Some(Step::Field(field)) if field == name)
}
