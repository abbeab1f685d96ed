//! What a merchant decides about a plan before it is carried out: whose value stands where both sides changed a field,
//! which record is the same as one made here, what becomes of records that went missing.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::options::MassMissing;
use super::plan::{Outcome, PlanEntry};
use super::record::{Kind, Resource};
use super::warning::Code;

/// Most decisions that one run keeps. They stand in its header, which every step reads.
pub const MAX_DECISIONS: usize = 500;
/// Longest id of a child.
const CHILD_BYTES: usize = 64;

/// An id at the platform. In JSON a text, as everywhere else: numbers this long do not survive JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct ExternalId(pub u64);

impl Serialize for ExternalId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ExternalId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or_else(|| serde::de::Error::custom("an external id is a text of digits"))
    }
}

/// Whose value stands where both sides changed a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The store's. So it is where nothing is decided.
    Ours,
    /// The shop's.
    Theirs,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// Whose value stands in conflicts. The more is named, the fewer conflicts it is about; with nothing named, it is
    /// about all of the run. Where several are about one conflict, the one that names more counts.
    Take {
        /// Whose value.
        side: Side,
        /// Only fields of this resource. One of whole records (products, categories, warehouses) without a field
        /// means everything inside them too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource: Option<Resource>,
        /// Only this record: the id of the product, category or warehouse, also for what is inside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_id: Option<ExternalId>,
        /// Only this child of the record, such as one variant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        child: Option<String>,
        /// Only this field; `*` for a child as a whole, `order` for the order of children.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// A record of the shop is the same as one made here, of those that the preview proposed: they become one, under
    /// the id of the one made here.
    Adopt {
        /// Products or categories.
        resource: Resource,
        /// The record in the shop.
        external_id: ExternalId,
        /// The record made here.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        internal_id: Uuid,
    },
    /// A location of the shop is this warehouse, which was made here. One that was imported for it gives way: it is
    /// archived.
    LinkWarehouse {
        /// The location.
        external_id: ExternalId,
        /// The warehouse.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        internal_id: Uuid,
    },
    /// A location of the shop is a new warehouse, whatever others are called.
    CreateWarehouse {
        /// The location.
        external_id: ExternalId,
    },
    /// A record that was deleted here is imported again.
    Recreate {
        /// Products, categories or warehouses.
        resource: Resource,
        /// The record in the shop.
        external_id: ExternalId,
    },
    /// What becomes of missing records that are too many to be believed.
    Missing {
        /// The choice.
        then: MassMissing,
    },
}

/// A decision that cannot be about anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionProblem {
    /// A part of something that is not named.
    #[error("`{0}` needs `{1}` beside it")]
    Needs(&'static str, &'static str),
    /// A resource that has no such thing.
    #[error("`{1}` does not go with `{0}`; it goes with {2}")]
    WrongResource(&'static str, &'static str, &'static str),
    /// No field of the resource.
    #[error("`{0}` has no field of this name; it has {1}")]
    UnknownField(&'static str, String),
    /// Nothing that a merchant decides.
    #[error("`{0}` belongs to the shop, so there is nothing to decide; change it there")]
    SourceOwned(&'static str),
    /// No id of a child.
    #[error("`child` is not the id of a child")]
    BadChild,
}

impl Decision {
    /// Whether it can be about anything at all, whatever the plan.
    pub fn check(&self) -> Result<(), DecisionProblem> {
        match self {
            Self::Take { resource, external_id, child, field, .. } => {
                let Some(resource) = *resource else {
                    let named = [
                        ("external_id", external_id.is_some()),
                        ("child", child.is_some()),
                        ("field", field.is_some()),
                    ];
                    let alone = named.into_iter().find(|(_, named)| *named);
                    return alone.map_or(Ok(()), |(name, _)| Err(DecisionProblem::Needs(name, "resource")));
                };
                check_take(resource, external_id.is_some(), child.as_deref(), field.as_deref())
            }
            Self::Adopt { resource, .. } => match resource {
                Resource::Products | Resource::Categories => Ok(()),
                other => Err(wrong("adopt", *other, "products and categories")),
            },
            Self::Recreate { resource, .. } => match resource {
                Resource::Products | Resource::Categories | Resource::Warehouses => Ok(()),
                other => Err(wrong("recreate", *other, "products, categories and warehouses")),
            },
            Self::LinkWarehouse { .. } | Self::CreateWarehouse { .. } | Self::Missing { .. } => Ok(()),
        }
    }

    /// The record that it is about; none where it is about many.
    pub fn record(&self) -> Option<(Kind, u64)> {
        let (resource, id) = match self {
            Self::Take { resource, external_id, .. } => ((*resource)?, (*external_id)?),
            Self::Adopt { resource, external_id, .. } | Self::Recreate { resource, external_id } => {
                (*resource, *external_id)
            }
            Self::LinkWarehouse { external_id, .. } | Self::CreateWarehouse { external_id } => {
                (Resource::Warehouses, *external_id)
            }
            Self::Missing { .. } => return None,
        };
        Some((resource.home().0, id.0))
    }

    /// Whether both are about the very same thing, so that the later one counts alone.
    fn replaces(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Take { resource, external_id, child, field, .. },
                Self::Take { resource: r, external_id: x, child: c, field: f, .. },
            ) => (resource, external_id, child, field) == (r, x, c, f),
            (Self::Adopt { .. }, Self::Adopt { .. }) | (Self::Recreate { .. }, Self::Recreate { .. }) => {
                self.record() == other.record()
            }
            (
                Self::LinkWarehouse { .. } | Self::CreateWarehouse { .. },
                Self::LinkWarehouse { .. } | Self::CreateWarehouse { .. },
            ) => self.record() == other.record(),
            (Self::Missing { .. }, Self::Missing { .. }) => true,
            _ => false,
        }
    }
}

fn wrong(what: &'static str, resource: Resource, fits: &'static str) -> DecisionProblem {
    DecisionProblem::WrongResource(what, resource.as_str(), fits)
}

fn check_take(
    resource: Resource,
    of_record: bool,
    child: Option<&str>,
    field: Option<&str>,
) -> Result<(), DecisionProblem> {
    let (kind, list) = resource.home();
    if kind == Kind::Stock {
        return Err(DecisionProblem::SourceOwned(resource.as_str()));
    }
    let shape = kind.shape();
    let list = list.map(|at| &shape.children[at]);
    if let Some(child) = child {
        if list.is_none() {
            return Err(wrong("child", resource, "variants, media, metafields and memberships"));
        }
        if !of_record {
            return Err(DecisionProblem::Needs("child", "external_id"));
        }
        if child.is_empty() || child.len() > CHILD_BYTES {
            return Err(DecisionProblem::BadChild);
        }
    }
    let Some(field) = field else { return Ok(()) };
    let (mut names, owned) = match list {
        None => (shape.fields.to_vec(), shape.source_owned),
        // What the base keeps one hash of is decided as a whole.
        Some(list) if !list.base_per_field => (Vec::new(), list.source_owned),
        Some(list) => (list.fields.to_vec(), list.source_owned),
    };
    if let Some(list) = list {
        names.push("*");
        if list.ordered {
            names.push("order");
        }
    }
    match names.iter().find(|name| **name == field) {
        None => Err(DecisionProblem::UnknownField(resource.as_str(), names.join(", "))),
        Some(name) if owned.contains(name) => Err(DecisionProblem::SourceOwned(name)),
        Some(_) => Ok(()),
    }
}

/// What was decided about the records of one run, in the order in which it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decisions(Vec<Decision>);

impl Decisions {
    /// Adds one. What was decided about the very same thing before is replaced.
    pub fn add(&mut self, decision: Decision) {
        self.0.retain(|earlier| !decision.replaces(earlier));
        self.0.push(decision);
    }

    /// Each of them.
    pub fn all(&self) -> &[Decision] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose value stands in a conflict: the store's where nothing else was decided.
    pub fn side(&self, kind: Kind, external_id: u64, place: Place<'_>) -> Side {
        self.decided(kind, external_id, place).unwrap_or(Side::Ours)
    }

    /// What was decided about a conflict, by the one that names most of it; none where nothing was.
    pub fn decided(&self, kind: Kind, external_id: u64, place: Place<'_>) -> Option<Side> {
        let mut most = (0, None);
        for decision in &self.0 {
            let Decision::Take { side, resource, external_id: id, child, field } = decision else { continue };
            let of_record = id.is_none_or(|id| id.0 == external_id);
            let of_child = child.is_none() || child.as_deref() == place.child;
            let of_field = field.as_deref().is_none_or(|field| field == place.field);
            if of_record && of_child && of_field && covers(*resource, kind, place.list, field.is_none()) {
                let own = *resource == Some(place.list.unwrap_or_else(|| kind.own_resource()));
                let named = 1
                    + usize::from(resource.is_some())
                    + 2 * usize::from(own)
                    + 4 * usize::from(field.is_some())
                    + 8 * usize::from(id.is_some())
                    + 16 * usize::from(child.is_some());
                if named >= most.0 {
                    most = (named, Some(*side));
                }
            }
        }
        most.1
    }

    /// Marks in what a preview planned for a record what a run that carries it out will do: which record made here it
    /// becomes one with, and whose values stand. `id_of` is the id of the record made here of a number.
    pub fn preview(&self, entry: &mut PlanEntry, id_of: impl Fn(u64) -> Uuid) {
        let adopted = self.adopted(entry.kind, entry.external_id);
        let ours = entry.candidates.iter().position(|one| Some(id_of(one.number)) == adopted);
        if let Some(at) = ours {
            let ours = entry.candidates.swap_remove(at);
            let proposed = [
                Code::IdAdoptionProposed,
                Code::IdAmbiguousMatch,
                Code::IdDuplicateHandle,
                Code::LocMatchAmbiguous,
                Code::LocDuplicateSuspect,
            ];
            // What has no record of its own yet was planned over none.
            entry.replaces = (entry.version > 0).then_some(entry.version);
            entry.codes.retain(|code| !proposed.contains(code));
            entry.codes.push(Code::IdAdopted);
            if ours.diff.iter().any(|diff| diff.kept) {
                entry.codes.push(Code::ConfNoBase);
            }
            entry.codes.sort_unstable();
            (entry.outcome, entry.adopts, entry.diff) = (Outcome::Updated, Some(ours.number), ours.diff);
            entry.candidates.clear();
        } else if entry.kind == Kind::Warehouse && self.creates_warehouse(entry.external_id) {
            entry
                .codes
                .retain(|code| ![Code::LocMatchAmbiguous, Code::IdAdopted, Code::ConfNoBase].contains(code));
            (entry.outcome, entry.adopts) = (Outcome::Created, None);
            entry.candidates.clear();
            entry.diff.clear();
        }
        for diff in entry.diff.iter_mut().filter(|diff| diff.kept) {
            let place = Place { list: diff.list, child: diff.child.as_deref(), field: &diff.field };
            diff.taken = self.side(entry.kind, entry.external_id, place) == Side::Theirs;
            diff.kept = !diff.taken;
        }
        let kept = entry.diff.iter().any(|diff| diff.kept);
        if entry.diff.iter().any(|diff| diff.taken) {
            entry.codes.retain(|code| kept || ![Code::ConfKeptLocal, Code::ConfNoBase].contains(code));
            entry.codes.push(Code::ConfTookSource);
            entry.codes.sort_unstable();
            entry.codes.dedup();
        }
    }

    /// The record made here that a record of the shop was decided to be.
    pub fn adopted(&self, kind: Kind, external_id: u64) -> Option<Uuid> {
        self.0.iter().find_map(|decision| match decision {
            Decision::Adopt { internal_id, .. } | Decision::LinkWarehouse { internal_id, .. } => {
                (decision.record() == Some((kind, external_id))).then_some(*internal_id)
            }
            _ => None,
        })
    }

    /// A decision by which a record made here would become one with several of the shop's.
    pub fn adopted_twice(&self) -> Option<&Decision> {
        let mut seen = std::collections::HashSet::new();
        self.0.iter().find(|decision| match decision {
            Decision::Adopt { internal_id, .. } | Decision::LinkWarehouse { internal_id, .. } => {
                !seen.insert(*internal_id)
            }
            _ => false,
        })
    }

    /// Whether a location is to be a new warehouse, whatever others are called.
    pub fn creates_warehouse(&self, external_id: u64) -> bool {
        self.0.contains(&Decision::CreateWarehouse { external_id: ExternalId(external_id) })
    }

    /// Whether a record that was deleted here is to be imported again.
    pub fn recreates(&self, kind: Kind, external_id: u64) -> bool {
        self.0.iter().any(|decision| {
            matches!(decision, Decision::Recreate { .. }) && decision.record() == Some((kind, external_id))
        })
    }
}

/// Where in a record a conflict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The list the child is in; none for the record's own field.
    pub list: Option<Resource>,
    /// The child's id.
    pub child: Option<&'a str>,
    /// The field's name.
    pub field: &'a str,
}

/// Whether a decision about a resource reaches a list, or the own fields, of records of a kind. One about whole
/// records that names no field reaches what is inside them.
fn covers(resource: Option<Resource>, kind: Kind, list: Option<Resource>, whole: bool) -> bool {
    let Some(resource) = resource else { return true };
    let (home, inside) = resource.home();
    if home != kind {
        return false;
    }
    match (inside, list) {
        (None, None) => true,
        (None, Some(_)) => whole,
        (Some(_), list) => list == Some(resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(side: Side, what: &[(&str, &str)]) -> Decision {
        let mut fields = serde_json::Map::new();
        fields.insert("kind".to_owned(), "take".into());
        fields.insert("side".to_owned(), serde_json::to_value(side).unwrap());
        fields.extend(what.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        serde_json::from_value(fields.into()).unwrap()
    }

    fn price<'a>(variant: &'a str) -> Place<'a> {
        Place { list: Some(Resource::Variants), child: Some(variant), field: "price" }
    }

    const TITLE: Place<'static> = Place { list: None, child: None, field: "title" };

    #[test]
    fn the_one_that_names_more_counts_whenever_it_was_taken() {
        let all = take(Side::Theirs, &[]);
        let product = take(Side::Ours, &[("resource", "products"), ("external_id", "5")]);
        let prices = take(Side::Theirs, &[("resource", "variants"), ("field", "price")]);
        let one = take(
            Side::Ours,
            &[("resource", "variants"), ("external_id", "5"), ("child", "51"), ("field", "price")],
        );
        let order = vec![all, product, prices, one];
        let reversed = order.iter().rev().cloned().collect();
        for order in [order, reversed] {
            let mut decisions = Decisions::default();
            order.into_iter().for_each(|decision| decisions.add(decision));
            let side = |id, place| decisions.side(Kind::Product, id, place);
            assert_eq!(side(4, TITLE), Side::Theirs);
            assert_eq!(side(5, TITLE), Side::Ours);
            assert_eq!(side(4, price("41")), Side::Theirs);
            assert_eq!(side(5, price("51")), Side::Ours);
            assert_eq!(decisions.side(Kind::Category, 5, TITLE), Side::Theirs);
        }
    }

    #[test]
    fn one_about_whole_records_reaches_what_is_inside_them_and_nothing_else() {
        let mut decisions = Decisions::default();
        decisions.add(take(Side::Theirs, &[("resource", "products"), ("external_id", "5")]));
        assert_eq!(decisions.side(Kind::Product, 5, price("51")), Side::Theirs);
        assert_eq!(decisions.side(Kind::Product, 6, price("61")), Side::Ours);
        assert_eq!(decisions.side(Kind::Category, 5, TITLE), Side::Ours);
        let mut titles = Decisions::default();
        titles.add(take(Side::Theirs, &[("resource", "products"), ("field", "title")]));
        let of_variant = Place { list: Some(Resource::Variants), child: Some("51"), field: "title" };
        assert_eq!(titles.side(Kind::Product, 5, TITLE), Side::Theirs);
        assert_eq!(titles.side(Kind::Product, 5, of_variant), Side::Ours);
    }

    #[test]
    fn the_same_one_twice_is_one_and_a_later_one_replaces_it() {
        let mut decisions = Decisions::default();
        for side in [Side::Theirs, Side::Theirs, Side::Ours] {
            decisions.add(take(side, &[("resource", "products"), ("field", "title")]));
        }
        let link =
            |n| Decision::LinkWarehouse { external_id: ExternalId(1), internal_id: Uuid::from_u128(n) };
        decisions.add(link(7));
        decisions.add(link(8));
        assert_eq!(decisions.len(), 2);
        assert_eq!(decisions.side(Kind::Product, 5, TITLE), Side::Ours);
        assert_eq!(decisions.adopted(Kind::Warehouse, 1), Some(Uuid::from_u128(8)));
        decisions.add(Decision::CreateWarehouse { external_id: ExternalId(1) });
        assert_eq!((decisions.len(), decisions.adopted(Kind::Warehouse, 1)), (2, None));
        assert!(decisions.creates_warehouse(1) && !decisions.creates_warehouse(2));
    }

    #[test]
    fn refuses_what_cannot_be_about_anything() {
        let problem = |what: &[(&str, &str)]| take(Side::Theirs, what).check().map_err(|e| e.to_string());
        assert_eq!(problem(&[]), Ok(()));
        assert_eq!(problem(&[("resource", "variants"), ("field", "price")]), Ok(()));
        assert_eq!(problem(&[("resource", "memberships"), ("field", "order")]), Ok(()));
        for (what, starts) in [
            (vec![("field", "title")], "`field` needs `resource`"),
            (vec![("resource", "variants"), ("child", "51")], "`child` needs `external_id`"),
            (vec![("resource", "products"), ("external_id", "5"), ("child", "51")], "`products` does not go"),
            (vec![("resource", "products"), ("field", "price")], "`products` has no field"),
            (vec![("resource", "metafields"), ("field", "order")], "`metafields` has no field"),
            (vec![("resource", "stock")], "`stock` belongs to the shop"),
            (vec![("resource", "products"), ("field", "created_at")], "`created_at` belongs to the shop"),
            (vec![("resource", "variants"), ("external_id", "5"), ("child", "")], "`child` is not"),
        ] {
            let said = problem(&what).unwrap_err();
            assert!(said.starts_with(starts), "{what:?}: {said}");
        }
        let adopt = |resource| Decision::Adopt {
            resource,
            external_id: ExternalId(1),
            internal_id: Uuid::from_u128(1),
        };
        assert!(adopt(Resource::Products).check().is_ok() && adopt(Resource::Stock).check().is_err());
    }

    #[test]
    fn reads_only_the_known_form() {
        for text in [
            r#"{"kind":"take","side":"theirs","external_id":5}"#,
            r#"{"kind":"take","side":"theirs","resource":"products","external_id":"+5"}"#,
            r#"{"kind":"take","side":"mine"}"#,
            r#"{"kind":"take","side":"theirs","record":"5"}"#,
            r#"{"kind":"forget"}"#,
            r#"{"side":"theirs"}"#,
        ] {
            assert!(serde_json::from_str::<Decision>(text).is_err(), "{text}");
        }
        let text = r#"[{"kind":"recreate","resource":"products","external_id":"5"},{"kind":"missing","then":"leave"}]"#;
        let decisions: Decisions = serde_json::from_str(text).unwrap();
        assert!(decisions.recreates(Kind::Product, 5) && !decisions.recreates(Kind::Product, 6));
        assert_eq!(serde_json::to_string(&decisions).unwrap(), text);
    }
}
