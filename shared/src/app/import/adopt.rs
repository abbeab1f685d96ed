//! Records made here that may be the same as ones in the shop. They are proposed where a value tells so and taken for
//! the same only where the merchant decides it; what is decided holds for the two records that the preview showed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::plan::{Candidate, Items};
use super::promised::Promises;
use super::warehouses::{Names, Pair, Place};
use super::{ImportStep, StepError, missing};
use crate::domain::decision::{Decision, Decisions};
use crate::domain::lookalike::{self, Known, Pairs, taken_for};
use crate::domain::merge::{Terms, compare};
use crate::domain::plan::Lookalike;
use crate::domain::record::{Kind, Record, RecordKey, Resource, Source, StoredRecord};
use crate::domain::run::{Cost, Feed, Run, RunState};
use crate::domain::stock;
use crate::domain::warning::Code;
use crate::ports::provider::RangeTally;

/// Differences that a plan shows of all that may be the same as one record. More are counted.
const SHOWN: usize = 240;

/// What was made here that a record of the shop is, or may be.
#[derive(Default)]
pub(super) enum Kin {
    /// Nothing here may be the same.
    #[default]
    None,
    /// These may be.
    Like(Vec<Lookalike>),
    /// It is this one, compared as the shop's. It takes the place of what is stored under the key, where something is.
    Is(Box<StoredRecord>),
    /// It was to be one that is no longer as it was decided about.
    Moved,
}

/// What a chunk has found out about what was made here.
#[derive(Default)]
pub(super) struct Here {
    /// Whether anything of a kind was.
    any: BTreeMap<Kind, bool>,
    /// The locations that warehouses made here are.
    places: Option<HashMap<u64, u64>>,
}

impl ImportStep {
    /// What is known here of each record of a batch, in its order. `promised` is what the preview said, where the run
    /// carries one out.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are what a batch is held against; each is a thing of its own"
    )]
    pub(super) async fn kin(
        &self,
        run: &Run,
        batch: &[Candidate],
        stored: &[Option<StoredRecord>],
        names: &Names,
        promised: Option<&Promises>,
        here: &mut Here,
        cost: &mut Cost,
    ) -> Result<Vec<Kin>, StepError> {
        let mut found: Vec<Kin> = batch.iter().map(|_| Kin::None).collect();
        let mut asked = Vec::new();
        for (at, (candidate, stored)) in batch.iter().zip(stored).enumerate() {
            let key = candidate.key;
            if let Some(stored) = stored {
                if key.kind == Kind::Warehouse {
                    found[at] = imported(run, names, candidate, stored, promised);
                }
                continue;
            }
            found[at] = match key.kind {
                Kind::Warehouse => warehouse(run, names, candidate, promised),
                kind => match run.decisions.adopted(whole(kind), key.external_id) {
                    Some(id) => self.decided(run, batch, candidate, id, promised, here, cost).await?,
                    None if kind == whole(kind) && self.any_here(run, kind, here, cost).await? => {
                        asked.push(at);
                        Kin::None
                    }
                    None => Kin::None,
                },
            };
        }
        for kind in [Kind::Product, Kind::Category] {
            let asked: Vec<usize> = asked.iter().copied().filter(|at| batch[*at].key.kind == kind).collect();
            let alike = self.alike(run, kind, asked.iter().map(|at| &batch[*at]), cost).await?;
            for (at, ours) in asked.into_iter().zip(alike) {
                if !ours.is_empty() {
                    found[at] = Kin::Like(lookalikes(run, &batch[at], &ours));
                }
            }
        }
        Ok(found)
    }

    /// A record, or a part of one, of which it was decided that it is one made here.
    #[expect(clippy::too_many_arguments, reason = "as for the batch that it is in")]
    async fn decided(
        &self,
        run: &Run,
        batch: &[Candidate],
        candidate: &Candidate,
        id: Uuid,
        promised: Option<&Promises>,
        here: &mut Here,
        cost: &mut Cost,
    ) -> Result<Kin, StepError> {
        let RecordKey { kind, external_id, .. } = candidate.key;
        let ours = self.catalog.find(&run.store, whole(kind), id).await?;
        let Some(ours) = ours.filter(|ours| ours.key.source.is_local()) else { return Ok(Kin::Moved) };
        let number = ours.key.external_id;
        if !is_as_shown(promised, &candidate.key, &ours) {
            return Ok(Kin::Moved);
        }
        let mut known = Known::default();
        let ours = match kind {
            Kind::Stock | Kind::Metafields => {
                let local = RecordKey::local(run.provider, kind, number);
                let part = self.catalog.get(&run.store, &[local], true, cost).await?.pop().flatten();
                let Some(part) = part.filter(|part| part.key.source.is_local()) else { return Ok(Kin::None) };
                if kind == Kind::Stock {
                    let product =
                        |of: &&Candidate| (of.key.kind, of.key.external_id) == (Kind::Product, external_id);
                    let theirs = batch.iter().find(product).map(|product| &product.source.record);
                    known = self.known_of_stock(run, theirs, Some(&ours.record), here, cost).await?;
                }
                part
            }
            Kind::Category => {
                known.members = self.members(run, &ours.record).await?;
                ours
            }
            Kind::Product | Kind::Warehouse => ours,
        };
        Ok(Kin::Is(Box::new(taken_for(&ours, candidate.key, &candidate.source.record, &known))))
    }

    /// What tells the levels of a product made here to be the shop's.
    pub(super) async fn known_of_stock(
        &self,
        run: &Run,
        theirs: Option<&Record>,
        ours: Option<&Record>,
        here: &mut Here,
        cost: &mut Cost,
    ) -> Result<Known, StepError> {
        let (Some(theirs), Some(ours)) = (theirs, ours) else { return Ok(Known::default()) };
        let places = self.known_places(run, here, cost).await?;
        Ok(Known { variants: lookalike::variants(theirs, ours), places, members: Pairs::new() })
    }

    /// The stock of a batch as it is compared, see [`lookalike::settled`]; none where that is as it is stored.
    pub(super) async fn settled(
        &self,
        run: &Run,
        batch: &[Candidate],
        stored: &[Option<StoredRecord>],
        here: &mut Here,
        cost: &mut Cost,
    ) -> Result<Vec<Option<StoredRecord>>, StepError> {
        let mut settled = Vec::with_capacity(batch.len());
        for (candidate, stored) in batch.iter().zip(stored) {
            let theirs = &candidate.source.record;
            let of_stock = stored.as_ref().filter(|_| candidate.key.kind == Kind::Stock);
            settled.push(match of_stock.filter(|ours| stock::has_own(&ours.record, theirs)) {
                None => None,
                Some(ours) => {
                    let places = self.known_places(run, here, cost).await?;
                    Some(lookalike::settled(ours, theirs, &places)).filter(|settled| settled != ours)
                }
            });
        }
        Ok(settled)
    }

    /// [`Self::places`], looked up once.
    pub(super) async fn known_places(
        &self,
        run: &Run,
        here: &mut Here,
        cost: &mut Cost,
    ) -> Result<HashMap<u64, u64>, StepError> {
        if here.places.is_none() {
            here.places = Some(self.places(run, cost).await?);
        }
        Ok(here.places.clone().unwrap_or_default())
    }

    /// Numbers of warehouses made here, each with the location that it is: by an earlier run or by this one, which has
    /// applied its locations before anything else.
    async fn places(&self, run: &Run, cost: &mut Cost) -> Result<HashMap<u64, u64>, StepError> {
        let mut places = HashMap::new();
        if !run.feeds.contains_key(&Feed::Locations) {
            return Ok(places);
        }
        let locations = self.stored_locations(run, cost).await?;
        let mut items = Items::List(locations.into_iter(), RangeTally::default());
        let planned = run.state == RunState::Planning;
        let names = if planned { self.names(run, &items).await? } else { Names::default() };
        loop {
            let batch = items.batch(run).await?;
            if batch.is_empty() {
                return Ok(places);
            }
            let keys: Vec<RecordKey> = batch.iter().map(|location| location.key).collect();
            let stored = self.catalog.get(&run.store, &keys, true, cost).await?;
            for (location, stored) in batch.iter().zip(stored) {
                let number = match stored {
                    Some(stored) => match names.place_of_imported(&run.store, &stored, location) {
                        Pair::Is(ours) => Some(ours.key.external_id),
                        _ => stored.local,
                    },
                    None => names.place(&run.store, location).taken().map(|ours| ours.key.external_id),
                };
                places.extend(number.map(|number| (number, location.key.external_id)));
            }
        }
    }

    /// The members of a category made here that are the shop's: it names products by their ids in the store.
    pub(super) async fn members(&self, run: &Run, ours: &Record) -> Result<Pairs, StepError> {
        let adopted: HashMap<Uuid, u64> = run
            .decisions
            .all()
            .iter()
            .filter_map(|decision| match decision {
                Decision::Adopt { resource: Resource::Products, external_id, internal_id } => {
                    Some((*internal_id, external_id.0))
                }
                _ => None,
            })
            .collect();
        let mut members = Pairs::new();
        for member in &ours.children[0] {
            let Ok(id) = Uuid::parse_str(&member.id) else { continue };
            let theirs = match adopted.get(&id) {
                Some(theirs) => Some(*theirs),
                None => {
                    let product = self.catalog.find(&run.store, Kind::Product, id).await?;
                    product.filter(|p| p.key.source == run.source).map(|p| p.key.external_id)
                }
            };
            members.extend(theirs.map(|theirs| (member.id.clone(), theirs.to_string())));
        }
        Ok(members)
    }

    /// Whether anything of a kind was made here and is linked to no shop. Most stores have nothing, and then nothing is
    /// looked up.
    async fn any_here(
        &self,
        run: &Run,
        kind: Kind,
        here: &mut Here,
        cost: &mut Cost,
    ) -> Result<bool, StepError> {
        if let Some(any) = here.any.get(&kind) {
            return Ok(*any);
        }
        let source = Source { shop_id: Source::LOCAL_SHOP, ..run.source };
        let page = self.catalog.external_ids(&run.store, source, kind, None, cost).await?;
        let any = !page.items.is_empty() || page.next.is_some();
        here.any.insert(kind, any);
        Ok(any)
    }

    /// The records made here that are told to be the same as each of some of the shop's.
    async fn alike(
        &self,
        run: &Run,
        kind: Kind,
        theirs: impl Iterator<Item = &Candidate>,
        cost: &mut Cost,
    ) -> Result<Vec<Vec<StoredRecord>>, StepError> {
        let theirs: Vec<&Record> = theirs.map(|candidate| &candidate.source.record).collect();
        let marks: Vec<_> = theirs.iter().map(|record| lookalike::marks(record)).collect();
        let all: Vec<_> = marks.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        if all.is_empty() {
            return Ok(theirs.iter().map(|_| Vec::new()).collect());
        }
        let bearing = self.catalog.bearing(&run.store, run.provider, kind, &all, cost).await?;
        let bearing: HashMap<_, _> = all.into_iter().zip(bearing).collect();
        let numbers: BTreeSet<u64> = bearing.values().flatten().copied().collect();
        let keys: Vec<RecordKey> =
            numbers.iter().map(|number| RecordKey::local(run.provider, kind, *number)).collect();
        let ours = self.catalog.get(&run.store, &keys, true, cost).await?;
        let ours: HashMap<u64, StoredRecord> =
            numbers.into_iter().zip(ours).filter_map(|(n, o)| Some((n, o?))).collect();
        let alike = theirs.iter().zip(marks).map(|(theirs, marks)| {
            let numbers: BTreeSet<u64> =
                marks.iter().filter_map(|mark| bearing.get(mark)).flatten().copied().collect();
            let ours = numbers.iter().filter_map(|number| ours.get(number));
            // A mark may have been left over, and two values may have the same.
            let told = ours.filter(|ours| {
                ours.key.source.is_local() && lookalike::told_by(theirs, &ours.record).is_some()
            });
            told.take(crate::ports::catalog::MOST_ALIKE).cloned().collect()
        });
        Ok(alike.collect())
    }
}

/// What a location that is no warehouse yet becomes.
fn warehouse(run: &Run, names: &Names, candidate: &Candidate, promised: Option<&Promises>) -> Kin {
    let key = candidate.key;
    match names.place(&run.store, candidate) {
        Place::New => Kin::None,
        Place::Is(ours) if names.is_decided(candidate) && !is_as_shown(promised, &key, ours) => Kin::Moved,
        Place::Is(ours) => {
            Kin::Is(Box::new(taken_for(ours, key, &candidate.source.record, &Known::default())))
        }
        Place::Ask(ours) => Kin::Like(lookalikes(run, candidate, &ours)),
        Place::Moved => Kin::Moved,
    }
}

/// What a location becomes that has been imported as a warehouse of its own.
fn imported(
    run: &Run,
    names: &Names,
    candidate: &Candidate,
    stored: &StoredRecord,
    promised: Option<&Promises>,
) -> Kin {
    let key = candidate.key;
    let as_shown = promised.is_none_or(|promised| {
        let shown = promised.get(&(key.kind, key.external_id));
        shown.is_some_and(|shown| shown.is_of_version(stored.version))
    });
    match names.place_of_imported(&run.store, stored, candidate) {
        Pair::None => Kin::None,
        Pair::Is(ours) if as_shown && is_as_shown(promised, &key, &ours) => {
            Kin::Is(Box::new(taken_for(&ours, key, &candidate.source.record, &Known::default())))
        }
        Pair::Is(_) | Pair::Moved => Kin::Moved,
        Pair::Ask(ours) => Kin::Like(lookalikes(run, candidate, &ours)),
    }
}

/// Whether a record made here still is what it was when the preview proposed it.
fn is_as_shown(promised: Option<&Promises>, theirs: &RecordKey, ours: &StoredRecord) -> bool {
    promised.is_none_or(|promised| {
        let shown = promised.get(&(whole(theirs.kind), theirs.external_id));
        shown.is_some_and(|shown| shown.proposes(ours.key.external_id, ours.version))
    })
}

/// The kind whose records a part goes with.
pub(super) fn whole(kind: Kind) -> Kind {
    match kind {
        Kind::Stock | Kind::Metafields => Kind::Product,
        kind => kind,
    }
}

/// Records, and those that parts among them go with.
pub(super) fn with_wholes(keys: &[RecordKey]) -> Vec<RecordKey> {
    let wholes = keys.iter().map(|key| RecordKey { kind: whole(key.kind), ..*key });
    let all: BTreeSet<RecordKey> = keys.iter().copied().chain(wholes).collect();
    all.into_iter().collect()
}

/// As the plan lists them, with what would differ if they were the same.
fn lookalikes(run: &Run, theirs: &Candidate, ours: &[StoredRecord]) -> Vec<Lookalike> {
    let (undecided, count) = (Decisions::default(), ours.len());
    let shown = |ours: &StoredRecord| {
        let taken = taken_for(ours, theirs.key, &theirs.source.record, &Known::default());
        let terms = Terms { run: &run.id, decisions: &undecided };
        let mut diff = compare(&theirs.source, Some(&taken), terms).diff;
        let most = SHOWN / count.max(1);
        let more = diff.len().saturating_sub(most) as u32;
        diff.truncate(most);
        Lookalike {
            number: ours.key.external_id,
            label: missing::label(ours),
            by: lookalike::told_by(&theirs.source.record, &ours.record).unwrap_or("name").to_owned(),
            version: ours.version,
            diff,
            more,
        }
    };
    ours.iter().map(shown).collect()
}

/// What a plan says of a record that may be one made here.
pub(super) fn codes(like: &[Lookalike]) -> Vec<Code> {
    let mut codes = vec![if like.len() > 1 { Code::IdAmbiguousMatch } else { Code::IdAdoptionProposed }];
    codes.extend(like.iter().any(|one| one.by == "handle").then_some(Code::IdDuplicateHandle));
    codes
}
