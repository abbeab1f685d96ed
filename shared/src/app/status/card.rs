//! What a card and a page of the history consist of, as their JSON has it.

use serde::Serialize;

use crate::domain::connection::{ConnectorState, HistoryAction, Installation, Reason, ScopeChange};
use crate::domain::history::ChainedEntry;
use crate::domain::ids::ProviderId;
use crate::domain::plan::Counts;
use crate::domain::run::{RunKind, RunState, Wanted};
use crate::domain::scopes::Scopes;

/// The store on our side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownStore {
    /// Its id.
    pub id: String,
    /// Its name, where the caller's token tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The external account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownShop {
    /// The shop's display name.
    pub account: String,
    /// Its domain at the platform.
    pub domain: String,
    /// The domain that customers see.
    pub primary_domain: String,
    /// Its permanent number, as text: it may exceed what JavaScript counts exactly.
    pub id: String,
    /// Currency of its prices, ISO 4217.
    pub currency: String,
    /// Public name of its plan.
    pub plan: String,
}

impl ShownShop {
    /// The shop of an installation.
    pub fn of(used: &Installation) -> Self {
        Self {
            account: used.shop_name.clone(),
            domain: used.shop.to_string(),
            primary_domain: used.primary_domain.clone(),
            id: used.shop_id.to_string(),
            currency: used.currency.clone(),
            plan: used.plan.clone(),
        }
    }
}

/// A scope that was not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MissingScope {
    /// The scope.
    pub scope: String,
    /// What cannot be imported without it.
    pub blocks: Vec<Wanted>,
}

/// Scopes, as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownScopes {
    /// Granted.
    pub granted: Vec<String>,
    /// Asked for and not granted.
    pub missing: Vec<MissingScope>,
}

/// Whether a resource can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It can.
    Ready,
    /// Its scopes are granted, but it comes with less (see `without`), or the connector does not work at the moment:
    /// what was imported stays as it is.
    Degraded,
    /// It cannot: a scope is missing, or nothing is connected.
    Blocked,
}

/// What can be done with a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Capability {
    /// The resource.
    pub resource: Wanted,
    /// Whether it can be imported.
    pub status: Readiness,
    /// The scopes it needs.
    pub needs: Vec<String>,
    /// Those of them that were not granted.
    pub missing: Vec<String>,
    /// What usually comes with it and cannot be imported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Wanted>,
}

/// An attempt to connect that is not finished or did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownAttempt {
    /// The shop that was entered.
    pub shop: String,
    /// How it stands.
    pub reason: Reason,
    /// What to do.
    pub remedy: &'static str,
    /// When, RFC 3339.
    pub at: String,
}

/// The newest run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastRun {
    /// Its id.
    pub run_id: String,
    /// What it is for.
    pub kind: RunKind,
    /// Where it stands.
    pub status: RunState,
    /// When it was asked for, RFC 3339.
    pub created_at: String,
    /// When it ended, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Numbers by resource and outcome.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, std::collections::BTreeMap<String, u64>>))]
    pub counts: Counts,
}

/// How old a resource's data are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Freshness {
    /// The resource.
    pub resource: Wanted,
    /// When the shop was last read for it, RFC 3339; absent where it was never imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported_at: Option<String>,
    /// Seconds since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// When the shop last told of a change since then, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
    /// Seconds from which they count as stale; each resource has its own.
    pub target_seconds: u64,
    /// Whether they are no older than that. What the shop has told since does not count here; see `changed_at`.
    pub fresh: bool,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Suggestion {
    /// The stable code: `connect`, `finish_connecting`, `check_callback_url`, `reconnect`, `grant_scope`,
    /// `disconnect_elsewhere`, `check_app_credentials`, `check_shop`, `first_import`, `decide_missing`,
    /// `rerun` or `webhooks_pending`.
    pub code: &'static str,
    /// What and why, in a sentence.
    pub detail: String,
    /// With `rerun`: what to import again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Wanted>,
}

/// One connector, as the merchant sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Card {
    /// The platform.
    pub provider: ProviderId,
    /// The store on our side.
    pub store: ShownStore,
    /// Where it stands.
    pub state: ConnectorState,
    /// Why it is not live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
    /// The external account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<ShownShop>,
    /// What was granted and what was not.
    pub scopes: ShownScopes,
    /// What can be done, by resource.
    pub capabilities: Vec<Capability>,
    /// When it became live, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<String>,
    /// When the shop was last called with success, or a run last moved, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active_at: Option<String>,
    /// The newest attempt to connect, where it is not finished or did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<ShownAttempt>,
    /// The newest run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// How old the data are, by resource.
    pub freshness: Vec<Freshness>,
    /// What to do next, most urgent first.
    pub suggestions: Vec<Suggestion>,
}

/// One entry of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownEntry {
    /// Its number in the history, from 1, without a gap.
    pub seq: u64,
    /// Its hash, hexadecimal: covers what it says and the hash of the entry before it.
    pub hash: String,
    /// Its id.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub actor: String,
    /// From where: the caller's network, never the whole address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What.
    pub action: HistoryAction,
    /// The shop concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// The reason, where it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// How the scopes changed, where they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ShownScopeChange>,
    /// What was found or done, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How the scopes changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownScopeChange {
    /// No longer granted.
    pub lost: Vec<String>,
    /// Granted in addition.
    pub gained: Vec<String>,
}

/// A page of a connector's history, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPage {
    /// What happened.
    pub items: Vec<ShownEntry>,
    /// Whether every entry of this page is as it was written and none is missing between them.
    pub intact: bool,
    /// Where the next page starts; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl From<ChainedEntry> for ShownEntry {
    fn from(chained: ChainedEntry) -> Self {
        let entry = chained.entry;
        Self {
            seq: chained.seq,
            hash: chained.hash.to_string(),
            id: entry.id,
            at: entry.at.to_string(),
            actor: entry.actor,
            origin: entry.origin,
            action: entry.action,
            shop: entry.shop.map(|shop| shop.to_string()),
            reason: entry.reason,
            scopes: entry.scopes.map(|ScopeChange { lost, gained }| ShownScopeChange {
                lost: names(&lost),
                gained: names(&gained),
            }),
            detail: entry.detail,
        }
    }
}

pub(super) fn names(scopes: &Scopes) -> Vec<String> {
    scopes.iter().map(str::to_owned).collect()
}
