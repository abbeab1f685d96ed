//! Decisions about a plan: taken on a preview that can still be carried out, kept in its header, and copied into the
//! run that carries it out, so that what is decided later changes nothing that has begun.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::requests::Imports;
use crate::app::error::AppError;
use crate::domain::decision::{Decision, MAX_DECISIONS, Place};
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::plan::PlanEntry;
use crate::domain::record::{Kind, RecordKey};
use crate::domain::run::{Cost, Phase, Run, RunKind, RunState};
use crate::domain::warning::Code;
use crate::ports::PortError;
use crate::ports::runs::PageKind;

/// What was decided about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownDecisions {
    /// The run.
    pub run_id: String,
    /// Whether more can be decided.
    pub open: bool,
    /// Each of them, in the order in which they were taken.
    pub decisions: Vec<Decision>,
}

impl Imports {
    /// What was decided about a run.
    pub async fn decisions(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
    ) -> Result<ShownDecisions, AppError> {
        let run = self.load(store, provider, id).await?;
        Ok(self.shown_decisions(&run))
    }

    /// Takes decisions about a run's plan, all of them or none. The same one twice is one; a later one about the very
    /// same thing replaces the earlier.
    pub async fn decide(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
        decisions: &[Decision],
    ) -> Result<ShownDecisions, AppError> {
        for decision in decisions {
            decision.check().map_err(|problem| {
                AppError::invalid(
                    "invalid_decision",
                    format!("{} cannot be decided: {problem}.", shown(decision)),
                )
            })?;
        }
        let missing = decisions.iter().rev().find_map(|decision| match decision {
            Decision::Missing { then } => Some(*then),
            _ => None,
        });
        if let Some(answer) = missing
            && decisions.iter().all(|decision| matches!(decision, Decision::Missing { .. }))
        {
            self.decide_missing(store, provider, id, answer).await?;
            return self.decisions(store, provider, id).await;
        }
        loop {
            let mut run = self.load(store, provider, id).await?;
            self.check_open(&run)?;
            self.check_against_plan(&run, decisions).await?;
            let before = (run.decisions.clone(), run.mass_missing);
            run.mass_missing = missing.or(run.mass_missing);
            let of_records =
                decisions.iter().filter(|decision| !matches!(decision, Decision::Missing { .. }));
            of_records.for_each(|decision| run.decisions.add(decision.clone()));
            if let Some(twice) = run.decisions.adopted_twice() {
                return Err(AppError::conflict(
                    "adopted_twice",
                    format!(
                        "{} names a record that another decision made one with another of the shop's.",
                        shown(twice)
                    ),
                ));
            }
            if run.decisions.len() > MAX_DECISIONS {
                return Err(AppError::conflict(
                    "too_many_decisions",
                    format!(
                        "A run keeps {MAX_DECISIONS} decisions. Decide about a field or a resource as a whole instead."
                    ),
                ));
            }
            if (&run.decisions, run.mass_missing) != (&before.0, before.1) {
                run.updated_at = self.clock.now();
                match self.runs.save(&mut run).await {
                    Ok(()) => {}
                    Err(PortError::Conflict) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(self.shown_decisions(&run));
        }
    }

    fn shown_decisions(&self, run: &Run) -> ShownDecisions {
        ShownDecisions {
            run_id: run.id.to_string(),
            open: self.check_open(run).is_ok() || run.state == RunState::AwaitingDecision,
            decisions: run
                .decisions
                .all()
                .iter()
                .cloned()
                .chain(run.mass_missing.map(|then| Decision::Missing { then }))
                .collect(),
        }
    }

    /// Whether anything can be decided about a run as it stands.
    fn check_open(&self, run: &Run) -> Result<(), AppError> {
        if run.kind != RunKind::Preview || run.state != RunState::AwaitingReview {
            return Err(AppError::conflict(
                "not_decidable",
                "Decisions are taken on a preview that ended in `awaiting_review`. Make a preview and decide there.",
            ));
        }
        self.check_preview_age(run)
    }

    /// Holds decisions against what the plan says of the records that they name.
    async fn check_against_plan(&self, run: &Run, decisions: &[Decision]) -> Result<(), AppError> {
        let named: BTreeSet<(Kind, u64)> = decisions.iter().filter_map(Decision::record).collect();
        let entries = self.planned(run, &named).await?;
        for decision in decisions {
            let entry = match decision.record() {
                None => None,
                Some(record) => Some(entries.get(&record).ok_or_else(|| {
                    AppError::invalid(
                        "unknown_record",
                        format!(
                            "{} names a record that this plan does not list. Its records say which there are.",
                            shown(decision)
                        ),
                    )
                })?),
            };
            check_entry(run, decision, entry)?;
        }
        Ok(())
    }

    /// What the plan says of some records. Only the pages whose span of ids meets theirs are read.
    async fn planned(
        &self,
        run: &Run,
        named: &BTreeSet<(Kind, u64)>,
    ) -> Result<HashMap<(Kind, u64), PlanEntry>, AppError> {
        let mut found = HashMap::new();
        if named.is_empty() {
            return Ok(found);
        }
        let mut cost = Cost::default();
        for receipt in self.runs.receipts(&run.store, &run.id, Phase::Plan, run.generation).await? {
            let place = self.place(run, receipt.chunk);
            for (number, span) in receipt.page_numbers().into_iter().zip(&receipt.pages) {
                if !named.iter().any(|(_, id)| (span.first..=span.last).contains(id)) {
                    continue;
                }
                for entry in place.entries(PageKind::Plan, number, &mut cost).await? {
                    let record = (entry.kind, entry.external_id);
                    if named.contains(&record) {
                        merge(&mut found, record, entry);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Puts together what a plan says of a record in parts.
fn merge(found: &mut HashMap<(Kind, u64), PlanEntry>, record: (Kind, u64), part: PlanEntry) {
    match found.entry(record) {
        Entry::Occupied(mut entry) => entry.get_mut().diff.extend(part.diff),
        Entry::Vacant(entry) => drop(entry.insert(part)),
    }
}

/// Whether there is anything to decide about what is planned for a record.
fn check_entry(run: &Run, decision: &Decision, entry: Option<&PlanEntry>) -> Result<(), AppError> {
    let nothing = |why: &str| {
        Err(AppError::conflict("nothing_to_decide", format!("{} changes nothing: {why}.", shown(decision))))
    };
    match (decision, entry) {
        (Decision::Take { .. }, Some(entry)) => {
            let mut alone = crate::domain::decision::Decisions::default();
            alone.add(decision.clone());
            let about = |diff: &crate::domain::plan::FieldDiff| {
                let place = Place { list: diff.list, child: diff.child.as_deref(), field: &diff.field };
                diff.kept && alone.decided(entry.kind, entry.external_id, place).is_some()
            };
            if entry.diff.iter().any(about) || !entry.candidates.is_empty() {
                return Ok(());
            }
            nothing("the record has no such conflict in this plan")
        }
        (Decision::Adopt { internal_id, .. } | Decision::LinkWarehouse { internal_id, .. }, Some(entry)) => {
            let proposed = entry.candidates.iter().any(|candidate| {
                let key = RecordKey::local(run.provider, entry.kind, candidate.number);
                key.internal_id(&run.store) == *internal_id
            });
            if proposed {
                return Ok(());
            }
            Err(AppError::conflict(
                "not_proposed",
                format!(
                    "{} names a record that this plan does not propose; `candidates` lists those it does.",
                    shown(decision)
                ),
            ))
        }
        (Decision::CreateWarehouse { .. }, Some(entry)) => {
            let becomes_ours = entry.codes.contains(&Code::IdAdopted);
            if becomes_ours || entry.codes.contains(&Code::LocMatchAmbiguous) {
                return Ok(());
            }
            nothing("this location becomes a new warehouse, or is one already")
        }
        (Decision::Recreate { .. }, Some(entry)) => {
            if entry.codes.contains(&Code::IdDetachedLocalDelete) {
                return Ok(());
            }
            nothing("the record was not deleted here")
        }
        (Decision::Missing { .. }, _) => {
            if run.warnings.contains_key(&Code::MissMassBrake) {
                return Ok(());
            }
            nothing("no unusual number of records is missing in this plan")
        }
        (_, None) => Ok(()),
    }
}

/// A decision as a refusal names it.
fn shown(decision: &Decision) -> String {
    format!("The decision `{}`", serde_json::to_string(decision).unwrap_or_default())
}
