//! The connector card: whether it works and why not, what was granted and what that allows, how fresh the data are,
//! and what to do next. Reads only, and knows nothing of tokens.

mod card;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use card::names;
pub use card::*;

use super::error::AppError;
use crate::domain::connection::{Connector, ConnectorState, Installation, Method, Purpose, Reason};
use crate::domain::history::verify_part;
use crate::domain::ids::{ProviderId, StoreId};
use crate::domain::run::{Run, RunKind, RunState, Wanted};
use crate::domain::scopes::Scopes;
use crate::domain::warning::Code;
use crate::ports::connectors::{ConnectorStore, History};
use crate::ports::provider::{Connect, Extract};
use crate::ports::runs::RunStore;
use crate::ports::time::Clock;
use crate::ports::webhooks::{HookStore, Signals};

const HOUR: Duration = Duration::from_secs(3_600);
/// How many runs back the newest import of a resource is looked for.
const RUNS_BACK: u32 = 25;

/// What a platform's scopes are good for.
#[derive(Debug, Clone)]
pub struct Needs {
    /// What an import needs, asked for whenever a store is connected.
    pub requested: Scopes,
    /// Needed by each resource.
    pub by_resource: Vec<(Wanted, Scopes)>,
}

impl Needs {
    /// As the platform says.
    pub fn of(provider: &(impl Connect + Extract)) -> Self {
        Self {
            requested: provider.requested_scopes(Purpose::Import),
            by_resource: Wanted::ALL
                .into_iter()
                .map(|wanted| (wanted, provider.scopes_for(wanted)))
                .collect(),
        }
    }

    /// The scopes that a resource needs, those of what it stands on included.
    fn whole(&self, wanted: Wanted) -> Scopes {
        let below = self.by_resource.iter().filter(|(below, _)| wanted.stands_on().contains(below));
        below.flat_map(|(_, scopes)| names(scopes)).collect()
    }
}

/// Everything that showing connectors may use.
pub struct Status {
    /// Connectors.
    pub connectors: Arc<dyn ConnectorStore>,
    /// What happened to them.
    pub history: Arc<dyn History>,
    /// Runs.
    pub runs: Arc<dyn RunStore>,
    /// What shops told us.
    pub hooks: Arc<dyn HookStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What scopes are good for.
    pub needs: Needs,
}

/// The age from which a resource's data count as stale: what moves with every sale soon, places late.
fn fresh_for(resource: Wanted) -> Duration {
    match resource {
        Wanted::Stock => 4 * HOUR,
        Wanted::Products | Wanted::Metafields | Wanted::Categories => 24 * HOUR,
        Wanted::Warehouses => 7 * 24 * HOUR,
    }
}

impl Status {
    /// The cards of every platform.
    pub async fn cards(&self, store: &StoreId, store_name: Option<&str>) -> Result<Vec<Card>, AppError> {
        let mut cards = Vec::new();
        for provider in ProviderId::ALL {
            cards.push(self.card(store, store_name, provider).await?);
        }
        Ok(cards)
    }

    /// The card of one platform; also of one that was never connected.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn card(
        &self,
        store: &StoreId,
        store_name: Option<&str>,
        provider: ProviderId,
    ) -> Result<Card, AppError> {
        let now = self.clock.now();
        let loaded = self.connectors.load(store, provider).await?;
        let connector = loaded.unwrap_or_else(|| Connector::new(store.clone(), provider, now));
        let runs = self.runs.list(store, provider, None, RUNS_BACK).await?.items;
        let signals = match &connector.installation {
            Some(used) => self.hooks.signals(store, provider, used.shop_id).await?,
            None => Signals::default(),
        };
        Ok(self.draw(&connector, store_name, &runs, &signals, now))
    }

    /// What happened to a connector, newest first, with the proof that nobody changed it since.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn history(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<HistoryPage, AppError> {
        let mut page = self.history.list(store, provider, cursor, limit).await?;
        page.items.reverse();
        let proof = verify_part(&page.items);
        if let Err(broken) = &proof {
            tracing::error!(cause = %broken, "the history was changed outside of the functions");
        }
        let items = page.items.into_iter().rev().map(ShownEntry::from).collect();
        Ok(HistoryPage { items, intact: proof.is_ok(), next_cursor: page.next })
    }

    fn draw(
        &self,
        connector: &Connector,
        store_name: Option<&str>,
        runs: &[Run],
        signals: &Signals,
        now: Timestamp,
    ) -> Card {
        let installation = connector.installation.as_ref();
        let state = connector.state();
        let granted = installation.map(|used| used.scopes.clone()).unwrap_or_default();
        let capabilities = self.capabilities(&granted, installation.is_some(), state);
        let scopes = self.scopes(&granted);
        let freshness = self.freshness(installation, runs, signals, now);
        let last_run = runs.first();
        let moved_at = last_run
            .filter(|run| installation.is_some_and(|used| used.id == run.install))
            .map(|run| run.updated_at);
        let mut suggestions = suggest(connector, &scopes, signals, last_run);
        if state == ConnectorState::Live {
            let can = |resource: Wanted| {
                let blocked = |one: &Capability| one.resource == resource && one.status == Readiness::Blocked;
                let in_vain = resource == Wanted::Stock && differs_twice(runs);
                !in_vain && !capabilities.iter().any(blocked)
            };
            suggestions.extend(rerun(freshness.iter().filter(|data| can(data.resource)), last_run));
        }
        Card {
            provider: connector.provider,
            store: ShownStore { id: connector.store.to_string(), name: store_name.map(str::to_owned) },
            state,
            reason: connector.reason,
            remedy: connector.reason.map(Reason::remedy),
            shop: installation.map(ShownShop::of),
            scopes,
            capabilities,
            connected_at: installation.map(|used| used.connected_at.to_string()),
            last_active_at: connector.last_active_at.max(moved_at).map(|at| at.to_string()),
            last_attempt: connector.last_attempt.as_ref().map(|attempt| ShownAttempt {
                shop: attempt.shop.to_string(),
                reason: attempt.reason,
                remedy: attempt.reason.remedy(),
                at: attempt.at.to_string(),
            }),
            last_run: last_run.map(|run| LastRun {
                run_id: run.id.to_string(),
                kind: run.kind,
                status: run.state,
                created_at: run.created_at.to_string(),
                finished_at: run.finished_at.map(|at| at.to_string()),
                counts: run.counts.clone(),
            }),
            freshness,
            suggestions,
        }
    }

    fn capabilities(&self, granted: &Scopes, installed: bool, state: ConnectorState) -> Vec<Capability> {
        let lacks = |wanted: Wanted| granted.lacking(&self.needs.whole(wanted));
        let capability = |(resource, _): &(Wanted, Scopes)| {
            let missing = lacks(*resource);
            let blocked = !installed || !missing.is_empty();
            let parts = resource.made_whole_by().iter().copied();
            let without: Vec<Wanted> = parts.filter(|part| !blocked && !lacks(*part).is_empty()).collect();
            let status = match state {
                _ if blocked => Readiness::Blocked,
                ConnectorState::Live if without.is_empty() => Readiness::Ready,
                _ => Readiness::Degraded,
            };
            let needs = names(&self.needs.whole(*resource));
            Capability { resource: *resource, status, needs, missing: names(&missing), without }
        };
        self.needs.by_resource.iter().map(capability).collect()
    }

    fn scopes(&self, granted: &Scopes) -> ShownScopes {
        let missing = granted.lacking(&self.needs.requested);
        let blocks = |scope: &str| {
            let resources = self.needs.by_resource.iter().map(|(resource, _)| *resource);
            resources
                .filter(|resource| self.needs.whole(*resource).iter().any(|need| need == scope))
                .collect()
        };
        let missing = missing
            .iter()
            .map(|scope| MissingScope { scope: scope.to_owned(), blocks: blocks(scope) })
            .collect();
        ShownScopes { granted: names(granted), missing }
    }

    fn freshness(
        &self,
        installation: Option<&Installation>,
        runs: &[Run],
        signals: &Signals,
        now: Timestamp,
    ) -> Vec<Freshness> {
        // Runs come newest first, so the first that fits is the newest.
        let imports = |resource: Wanted| {
            runs.iter().find(|run| {
                run.kind == RunKind::Import
                    && !run.is_partial()
                    && matches!(run.state, RunState::Completed | RunState::CompletedWithWarnings)
                    && run.undone_by.is_none()
                    // One that was limited has not seen everything.
                    && run.options.limit.is_none()
                    && run.wanted.contains(&resource)
                    && installation.is_some_and(|used| used.shop_id == run.source.shop_id)
            })
        };
        let resource = |(resource, _): &(Wanted, Scopes)| {
            let imported_at = imports(*resource).map(|run| run.created_at);
            let age = imported_at.map(|at| now.duration_since(at).as_secs().max(0).unsigned_abs());
            let target = fresh_for(*resource).as_secs();
            Freshness {
                resource: *resource,
                imported_at: imported_at.map(|at| at.to_string()),
                age_seconds: age,
                changed_at: imported_at
                    .and_then(|imported| signals.changed.get(resource).filter(|at| **at > imported))
                    .map(|at| at.to_string()),
                target_seconds: target,
                fresh: age.is_some_and(|age| age <= target),
            }
        };
        self.needs.by_resource.iter().map(resource).collect()
    }
}

fn suggest(
    connector: &Connector,
    scopes: &ShownScopes,
    signals: &Signals,
    last_run: Option<&Run>,
) -> Vec<Suggestion> {
    let mut list = Vec::new();
    let mut add = |code, detail: String| list.push(Suggestion { code, detail, resources: Vec::new() });
    if let Some(reason) = connector.reason {
        let code = match reason {
            Reason::NeverConnected | Reason::Disconnected => "connect",
            Reason::SetupIncomplete => "finish_connecting",
            Reason::ShopInUse => "disconnect_elsewhere",
            Reason::InvalidClient => "check_app_credentials",
            Reason::ShopUnavailable => "check_shop",
            Reason::MissingScopes => "grant_scope",
            _ => "reconnect",
        };
        add(code, reason.remedy().to_owned());
        if reason == Reason::SetupIncomplete {
            // The shop's page shows this to the merchant and never tells us.
            add(
                "check_callback_url",
                "If the shop's page spoke of a redirect or callback address that is not allowed, tell us: the address registered with the app differs from ours."
                    .to_owned(),
            );
        }
    }
    if connector.installation.is_none() {
        return list;
    }
    for missing in &scopes.missing {
        let lost = listed(&missing.blocks);
        let scope = &missing.scope;
        add(
            "grant_scope",
            format!("Connect again and grant {scope}: without it, {lost} cannot be imported."),
        );
    }
    if connector.state() == ConnectorState::Live {
        let told = connector.installation.as_ref().is_some_and(|used| {
            used.method != Method::Oauth
                || signals.subscribed.as_ref().is_some_and(|(install, _)| *install == used.id)
        });
        if let Some(waiting) = last_run.filter(|run| run.state == RunState::AwaitingDecision) {
            add("decide_missing", format!("{} Run {} waits.", Code::MissMassBrake.remedy(), waiting.id));
        } else if last_run.is_none() {
            add("first_import", "Preview an import to see what would come over.".to_owned());
        }
        if !told {
            add(
                "webhooks_pending",
                "The shop does not tell us of changes yet; imports work without. It is asked again within a day."
                    .to_owned(),
            );
        }
    }
    list
}

/// Whether the same stock levels differed after two imports running: another one does not mend them.
fn differs_twice(runs: &[Run]) -> bool {
    // Runs come newest first.
    let proven = runs.iter().filter(|run| run.kind == RunKind::Import && run.state.is_final());
    proven.filter_map(|run| run.drift).next().is_some_and(|verdict| verdict.repeated > 0)
}

/// What to import again: what is older than it should be, and what the shop says has changed since. None while a run is
/// under way.
fn rerun<'a>(data: impl Iterator<Item = &'a Freshness>, last_run: Option<&Run>) -> Option<Suggestion> {
    let _ = last_run.filter(|run| run.state.is_final())?;
    let imported: Vec<&Freshness> = data.filter(|data| data.imported_at.is_some()).collect();
    let those = |which: &dyn Fn(&Freshness) -> bool| -> Vec<Wanted> {
        imported.iter().filter(|data| which(data)).map(|data| data.resource).collect()
    };
    let (stale, changed) = (those(&|data| !data.fresh), those(&|data| data.changed_at.is_some()));
    let mut detail = String::new();
    if !stale.is_empty() {
        detail.push_str(&format!("Older than it should be: {}. ", listed(&stale)));
    }
    if !changed.is_empty() {
        detail.push_str(&format!("Changed in the shop since the last import: {}. ", listed(&changed)));
    }
    let resources = those(&|data| !data.fresh || data.changed_at.is_some());
    detail.push_str("Run the import again.");
    (!resources.is_empty()).then_some(Suggestion { code: "rerun", detail, resources })
}

/// Names in a sentence: `a`, `a and b`, `a, b and c`.
fn listed(resources: &[Wanted]) -> String {
    match resources {
        [] => "nothing".to_owned(),
        [one] => one.to_string(),
        [before @ .., last] => {
            let before: Vec<&str> = before.iter().map(|wanted| wanted.as_str()).collect();
            format!("{} and {last}", before.join(", "))
        }
    }
}
