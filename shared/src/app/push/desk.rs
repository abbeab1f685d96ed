//! What a step works with: the run as it took it, its mapping, the shop, the budget. And why it may have to stop.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Pushes;
use super::budget::StepBudget;
use crate::app::error::AppError;
use crate::domain::connection::Connector;
use crate::domain::ids::RunId;
use crate::domain::push::code::{Code, Effect};
use crate::domain::push::ledger::RowError;
use crate::domain::push::mapping::{Mapping, Wanted};
use crate::domain::push::run::PushRun;
use crate::ports::PortError;
use crate::ports::provider::{ProviderError, ShopAccess};

/// Why a step does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// The run cannot go on. Its rows stay pending.
    Stop(Box<RowError>),
    /// The time of the step is up, or what it waits for takes longer.
    Pause(Duration),
    /// Something of ours does not answer; the message comes again.
    Later(AppError),
    /// Someone else works on the run by now.
    Overtaken,
}

impl Halt {
    pub(super) fn stop(code: Code, message: impl Into<String>) -> Self {
        Self::Stop(Box::new(RowError::ours(code, message)))
    }
}

impl From<PortError> for Halt {
    fn from(error: PortError) -> Self {
        Self::Later(error.into())
    }
}

impl From<AppError> for Halt {
    fn from(error: AppError) -> Self {
        match error.code {
            "needs_reauthorization" => Self::stop(Code::TokenInvalid, error.detail),
            "not_connected" => Self::stop(Code::AppUninstalled, error.detail),
            "shop_unavailable" => Self::stop(Code::ShopFrozen, error.detail),
            "missing_scopes" => Self::stop(Code::ScopeMissing, error.detail),
            _ => Self::Later(error),
        }
    }
}

/// Why the shop gave no answer to a call that was surely not carried out.
pub(super) enum Trouble {
    /// It may help to try again, after this long at least. `counts`: not for ever.
    Again { error: RowError, wait: Duration, counts: bool },
    /// The shop refused.
    Refused(RowError),
    /// The run or the step cannot go on.
    Halt(Halt),
}

impl From<AppError> for Trouble {
    fn from(error: AppError) -> Self {
        match error.kind {
            crate::app::error::ErrorKind::Throttled { retry_after } => Self::Again {
                error: RowError::ours(Code::Throttled, error.detail),
                wait: retry_after.unwrap_or(SHORT),
                counts: true,
            },
            _ => Self::Halt(error.into()),
        }
    }
}

/// How long to wait where nobody says.
pub(super) const SHORT: Duration = Duration::from_secs(1);

impl From<ProviderError> for Trouble {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Throttled { retry_after } => Self::Again {
                error: RowError::ours(Code::Throttled, "the shop or its budget asks us to wait"),
                wait: retry_after.unwrap_or(SHORT),
                counts: false,
            },
            ProviderError::Unavailable { .. } => Self::again(Code::Connect, "the shop gave no answer"),
            ProviderError::Malformed { .. } | ProviderError::ResultExpired => {
                Self::again(Code::Http5xx, "the shop's answer could not be read")
            }
            ProviderError::TokenRejected => {
                Self::Halt(Halt::stop(Code::TokenInvalid, "the shop does not accept our access any more"))
            }
            ProviderError::ScopeDenied { what } => {
                Self::Halt(Halt::stop(Code::ScopeMissing, format!("the shop denied access to {what}")))
            }
            ProviderError::ShopUnavailable => {
                Self::Halt(Halt::stop(Code::ShopFrozen, "the shop is closed, frozen or locked"))
            }
            ProviderError::Refused { code } => {
                let ours = Code::ALL.iter().find(|ours| ours.as_str() == code);
                let message = format!("the shop refused: {code}");
                let error = match ours {
                    Some(ours) => RowError::ours(*ours, message),
                    None => RowError::refused(Some(&code), message),
                };
                Self::of(error)
            }
        }
    }
}

impl Trouble {
    fn again(code: Code, message: &str) -> Self {
        Self::Again { error: RowError::ours(code, message), wait: Duration::ZERO, counts: true }
    }

    /// What follows from an error by its code.
    pub(super) fn of(error: RowError) -> Self {
        match error.effect() {
            Effect::StopsRun | Effect::StopsStream => Self::Halt(Halt::Stop(Box::new(error))),
            Effect::KeepsPending => Self::Again { error, wait: SHORT, counts: true },
            Effect::FailsRow | Effect::SkipsOrFailsRow => Self::Refused(error),
        }
    }
}

/// What a step works with.
pub(super) struct Desk<'a> {
    pub app: &'a Pushes,
    /// The run as the step took it; what moves is in the one that is saved.
    pub run: PushRun,
    pub fence: u64,
    pub mapping: Mapping,
    pub connector: Connector,
    pub shop: tokio::sync::Mutex<ShopAccess>,
    pub budget: StepBudget,
    pub until: Timestamp,
    /// Ids by key, as the shop told them in this step.
    pub ids: Mutex<HashMap<(Wanted, String), Vec<String>>>,
    /// Runs that have told of pages.
    pub told: Mutex<HashMap<(RunId, u32), bool>>,
}

impl Desk<'_> {
    /// Calls the shop, with the next token where this one is rejected.
    pub(super) async fn ask<T>(
        &self,
        call: impl AsyncFn(&ShopAccess) -> Result<T, ProviderError>,
    ) -> Result<T, Trouble> {
        let mut shop = self.shop.lock().await.clone();
        let before = shop.token.clone();
        let answer = self.app.access.ask(&self.connector, &mut shop, call).await;
        let mut shared = self.shop.lock().await;
        use secrecy::ExposeSecret as _;
        if shared.token.expose_secret() == before.expose_secret() {
            *shared = shop;
        }
        answer
    }

    /// How long the step may go on.
    pub(super) fn left(&self) -> Duration {
        Duration::try_from(self.until.duration_since(self.app.clock.now())).unwrap_or_default()
    }

    /// The ids of keys, each asked for once in a step.
    pub(super) async fn ids(&self, wanted: &[(Wanted, String)]) -> Result<(), Trouble> {
        let unknown: Vec<(Wanted, String)> = {
            let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            let mut unknown: Vec<_> = wanted.iter().filter(|key| !ids.contains_key(*key)).cloned().collect();
            unknown.sort();
            unknown.dedup();
            unknown
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let lookup = async |shop: &_| self.app.writer.lookup(shop, &self.budget, &unknown).await;
        let found = self.ask(lookup).await?;
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // What is not there may be there later, by another row or by hand.
        let found = unknown.iter().cloned().zip(found);
        ids.extend(found);
        Ok(())
    }

    /// The only id of a key.
    pub(super) fn id(&self, wanted: Wanted, key: &str) -> Result<String, Box<RowError>> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match ids.get(&(wanted, key.to_owned())).map(Vec::as_slice) {
            Some([only]) => return Ok(only.clone()),
            None | Some([]) => RowError::ours(Code::NotFound, "the shop has nothing with this key"),
            Some(_) => RowError::ours(Code::Ambiguous, "several things of the shop have this key"),
        };
        Err(Box::new(error))
    }

    /// Whether another run has told of a page, so that what it wrote is on record.
    pub(super) async fn has_told(&self, run: &RunId, page: u32) -> Result<bool, Halt> {
        let key = (run.clone(), page);
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key) {
            return Ok(true);
        }
        let found = self.app.runs.load(&self.run.store, self.run.provider, run).await?;
        let told = found.is_none_or(|found| found.has_told_of(page));
        if told {
            self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(key, true);
        }
        Ok(told)
    }
}
