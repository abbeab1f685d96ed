//! Access scopes as a set, where writing implies reading.

use std::collections::BTreeSet;
use std::fmt;

/// A set of access scopes. `write_x` implies `read_x` (also `unauthenticated_…`), as the platform counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads a comma-separated list; blanks around names are dropped.
    pub fn parse(list: &str) -> Self {
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a scope is in the set or implied by it.
    pub fn allows(&self, scope: &str) -> bool {
        if self.0.contains(scope) {
            return true;
        }
        let writing = if let Some(thing) = scope.strip_prefix("read_") {
            format!("write_{thing}")
        } else if let Some(thing) = scope.strip_prefix("unauthenticated_read_") {
            format!("unauthenticated_write_{thing}")
        } else {
            return false;
        };
        self.0.contains(&writing)
    }

    /// Those of `wanted` that this set does not allow.
    pub fn lacking(&self, wanted: &Self) -> Self {
        wanted.0.iter().filter(|scope| !self.allows(scope)).cloned().collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromIterator<String> for Scopes {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_implies_reading_and_not_the_other_way() {
        let granted = Scopes::parse("write_products, read_inventory");
        assert!(granted.allows("read_products"));
        assert!(!granted.allows("write_inventory"));
        let lacking = granted.lacking(&Scopes::parse("read_products,read_inventory,read_locations"));
        assert_eq!(lacking.to_string(), "read_locations");
    }
}
