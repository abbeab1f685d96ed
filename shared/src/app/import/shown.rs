//! Runs as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::reach::blocked_code;
use crate::domain::ids::StoreId;
use crate::domain::media::{Copying, CopyingState};
use crate::domain::options::{MassMissing, RunOptions};
use crate::domain::plan::{CodeCounts, Counts, FieldDiff, Outcome, PlanEntry};
use crate::domain::record::{RecordKey, Resource, Source};
use crate::domain::run::{Cost, Failure, Run, RunKind, RunState, Wanted};
use crate::domain::warning::{Code, Severity};

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Objects dealt with in the current state.
    pub done: u64,
    /// Objects there are, as far as the shop has told; absent while it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Objects a second since the current state began.
    pub per_second: f64,
    /// Seconds until the current state ends, at this rate; absent while nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
}

/// One code with its number and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownWarning {
    /// The stable code.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// How often it occurred.
    pub count: u64,
    /// What it means and what to do.
    pub remedy: &'static str,
}

/// A resource that was asked for and is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockedResource {
    /// The resource.
    pub resource: Wanted,
    /// The stable code.
    pub code: Code,
    /// The scopes that were not granted.
    pub missing: Vec<String>,
    /// What it means and what to do.
    pub remedy: &'static str,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownRun {
    /// Its id.
    pub run_id: String,
    /// What it is for.
    pub kind: RunKind,
    /// Where it stands.
    pub status: RunState,
    /// Whether it was asked to stop and has not yet.
    pub cancel_requested: bool,
    /// The run that this one takes back or tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_run: Option<String>,
    /// The preview that it carries out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_preview: Option<String>,
    /// The run that took this one back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
    /// The shop's domain.
    pub shop: String,
    /// What was asked for and is not blocked.
    pub resources: Vec<Wanted>,
    /// What was asked for and is left out, because a scope was not granted. What is stored of it stays as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<BlockedResource>,
    /// What was chosen for it.
    pub options: RunOptions,
    /// What was said to a mass of missing records; absent where nobody was asked or has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mass_missing: Option<MassMissing>,
    /// Until when it waits for a decision, RFC 3339; then it ends and has written nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decide_by: Option<String>,
    /// When it was asked for, RFC 3339.
    pub created_at: String,
    /// When it last changed, RFC 3339.
    pub updated_at: String,
    /// When it ended, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// How far it is; absent once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The shop's own counts when it began, by resource.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, u64>))]
    pub announced: BTreeMap<Resource, u64>,
    /// Numbers by resource and outcome.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, BTreeMap<String, u64>>))]
    pub counts: Counts,
    /// What was planned and not applied, because the run was stopped, by resource and planned outcome: with `counts`, all
    /// that was planned.
    #[serde(skip_serializing_if = "Counts::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, BTreeMap<String, u64>>))]
    pub not_applied: Counts,
    /// Warnings by code.
    pub warnings: Vec<ShownWarning>,
    /// What it wrote and cost.
    pub cost: Cost,
    /// Why it broke off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How far the copying of files beside it is; absent where none was asked for or the run has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<ShownCopies>,
}

/// How far the copying of files beside a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownCopies {
    /// How it stands.
    pub status: CopyingState,
    /// Media that were looked at: the sum of `copied`, `kept` and `failed`.
    pub files: u64,
    /// Copied beside this run.
    pub copied: u64,
    /// Copied before, and still what the shop has.
    pub kept: u64,
    /// Not copied; the warnings tell why.
    pub failed: u64,
    /// Those of them that are tried again beside this run.
    pub pending: u64,
    /// Bytes of those that were copied.
    pub bytes: u64,
    /// Warnings by code.
    pub warnings: Vec<ShownWarning>,
}

impl From<&Copying> for ShownCopies {
    fn from(copying: &Copying) -> Self {
        let tally = &copying.tally;
        let fetch = tally.codes.get(&Code::MedFetchFailed).copied().unwrap_or_default();
        Self {
            status: copying.state,
            files: tally.files,
            copied: tally.copied,
            kept: tally.kept,
            failed: tally.files.saturating_sub(tally.copied + tally.kept),
            pending: if copying.state.is_over() { 0 } else { fetch },
            bytes: tally.bytes,
            warnings: shown_warnings(&tally.codes),
        }
    }
}

fn shown_warnings(codes: &CodeCounts) -> Vec<ShownWarning> {
    let shown = codes.iter().map(|(code, count)| ShownWarning {
        code: *code,
        severity: code.severity(),
        count: *count,
        remedy: code.remedy(),
    });
    shown.collect()
}

impl ShownRun {
    /// A run as its header tells it, with numbers that may be fresher than the header's.
    pub fn new(
        run: &Run,
        counts: Counts,
        warnings: &CodeCounts,
        cost: Cost,
        progress: Option<Progress>,
    ) -> Self {
        let id = |id: &Option<crate::domain::ids::RunId>| id.as_ref().map(ToString::to_string);
        Self {
            run_id: run.id.to_string(),
            kind: run.kind,
            status: run.state,
            cancel_requested: run.cancel_requested && !run.state.is_final(),
            of_run: id(&run.of_run),
            from_preview: id(&run.from_preview),
            undone_by: id(&run.undone_by),
            shop: run.shop_domain.to_string(),
            resources: run.wanted.iter().copied().collect(),
            blocked: run
                .blocked
                .iter()
                .map(|(resource, missing)| BlockedResource {
                    resource: *resource,
                    code: blocked_code(*resource),
                    missing: missing.iter().map(str::to_owned).collect(),
                    remedy: blocked_code(*resource).remedy(),
                })
                .collect(),
            options: run.options,
            mass_missing: run.mass_missing,
            decide_by: run.decide_by().map(|until| until.to_string()),
            created_at: run.created_at.to_string(),
            updated_at: run.updated_at.to_string(),
            finished_at: run.finished_at.map(|at| at.to_string()),
            progress,
            announced: run.announced.clone(),
            counts,
            not_applied: run.not_applied.clone(),
            warnings: shown_warnings(warnings),
            cost,
            failure: run.failure.clone(),
            copies: run.copying.as_ref().map(ShownCopies::from),
        }
    }
}

/// One difference of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownDiff {
    /// The list the child is in; absent for the record's own field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// The child's id in the shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The field; `*` for a whole child, `order` for the order of children.
    pub field: String,
    /// What is stored; long values are cut and end in a hash of the whole.
    pub before: Value,
    /// What the shop has.
    pub after: Value,
    /// What was imported last, where the store has moved a stock number since and the shop's overwrites it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub expected: Value,
    /// Whether both sides had changed it and the store's value was kept.
    pub kept: bool,
    /// Whether both sides had changed it and the shop's value was taken, as decided. Of a preview: whether the run that
    /// carries it out takes it.
    pub taken: bool,
}

impl From<FieldDiff> for ShownDiff {
    fn from(diff: FieldDiff) -> Self {
        Self {
            resource: diff.list,
            id: diff.child,
            field: diff.field,
            before: diff.before,
            after: diff.after,
            expected: diff.expected,
            kept: diff.kept,
            taken: diff.taken,
        }
    }
}

/// What a run decided about one record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownRecord {
    /// What it counts as. Stock and metafields are those of one product.
    pub resource: Resource,
    /// Its id in the shop.
    pub external_id: String,
    /// Its id in the store.
    pub internal_id: String,
    /// The id in the store of the warehouse that was imported for it and gives way to that one: it is archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Its title.
    pub label: String,
    /// The decision.
    pub outcome: Outcome,
    /// Whether the decision was carried out.
    pub applied: bool,
    /// Warnings about it.
    pub codes: Vec<Code>,
    /// Field by field; empty for a record that is new as a whole.
    pub diff: Vec<ShownDiff>,
    /// Records made here that it may be the same as; decide in the preview.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<ShownCandidate>,
}

/// A record made here that may be the same as one in the shop.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownCandidate {
    /// Its id in the store.
    pub internal_id: String,
    /// Its title.
    pub label: String,
    /// The field that both have in common.
    pub by: String,
    /// In what the two differ. If they are the same, these values of the store are kept, unless it is decided to take
    /// the shop's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<ShownDiff>,
    /// How many more differences there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_differences: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl ShownRecord {
    /// One entry, with the ids that people need.
    pub fn new(entry: PlanEntry, store: &StoreId, source: Source, applied: bool) -> Self {
        let key = RecordKey { source, kind: entry.kind, external_id: entry.external_id };
        let local = |number| RecordKey::local(source.provider, key.kind, number);
        Self {
            resource: resource_of(&entry),
            external_id: entry.external_id.to_string(),
            internal_id: entry.adopts.map_or(key, local).internal_id(store).to_string(),
            replaces: entry.replaces.map(|_| key.internal_id(store).to_string()),
            label: entry.label,
            outcome: entry.outcome,
            applied: applied && entry.outcome != Outcome::Blocked && entry.outcome != Outcome::Failed,
            codes: entry.codes,
            diff: entry.diff.into_iter().map(ShownDiff::from).collect(),
            candidates: entry
                .candidates
                .into_iter()
                .map(|candidate| ShownCandidate {
                    internal_id: local(candidate.number).internal_id(store).to_string(),
                    label: candidate.label,
                    by: candidate.by,
                    diff: candidate.diff.into_iter().map(ShownDiff::from).collect(),
                    more_differences: candidate.more,
                })
                .collect(),
        }
    }
}

/// What a plan entry counts as.
pub(super) fn resource_of(entry: &PlanEntry) -> Resource {
    let shape = entry.kind.shape();
    let child = || shape.children.first().map(|list| list.resource);
    shape.counts_as.or_else(child).unwrap_or(Resource::Products)
}

/// A page of something.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownPage<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
