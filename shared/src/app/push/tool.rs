//! Rows that a data tool posts with its key: what it sent, what it is told.
//!
//! Such a tool knows nothing of runs, names no request of its own, and often reads nothing of an answer but its status.
//! So every request is a run of its own, and the status is the whole truth about it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::keys::ToolKeys;
use super::requests::{Mode, Submitted};
use super::shown::Which;
use super::{Pushes, answer};
use crate::app::audit::Actor;
use crate::app::error::{AppError, ErrorKind};
use crate::domain::push::inputs::json_rows;
use crate::domain::push::key::{DestinationKey, Tool};
use crate::domain::push::ledger::{Outcome, Tally};
use crate::domain::push::row::{Row, undouble_apostrophes};
use crate::domain::push::run::{PushKind, PushRun, PushState, Safety};
use crate::domain::push::state::fingerprint;
use crate::ports::push_store::DestinationKeys;

/// Rows that were refused of which an answer tells.
const MOST_TOLD: u32 = 20;
/// How long the same rows from the same tool are taken for the same request, while that is under way.
const SAME_REQUEST_SECONDS: i64 = 300;

/// What data tools may use.
#[derive(Clone)]
pub struct Tools {
    /// Keys.
    pub keys: ToolKeys,
    /// Pushes.
    pub pushes: Arc<Pushes>,
}

/// What a tool sent.
#[derive(Debug, PartialEq)]
pub enum Sent {
    /// It asks whether it could send rows.
    Check,
    /// Rows; none for one that is no JSON object.
    Rows(Vec<Option<Row>>),
}

/// What a tool is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolAnswer {
    /// Whether every row is as it should be, or will be: the status is 200 or 201.
    pub ok: bool,
    /// One sentence.
    pub message: String,
    /// The columns that the mapping reads; of a check alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// The run that the rows became; of a check none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Where the run is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PushState>,
    /// received = created + updated + unchanged + skipped + failed + pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub rows: Option<Tally>,
    /// The rows that were refused, 20 at most. The run's records tell of all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedRow>,
    /// The status that says the same.
    #[serde(skip)]
    pub status: u16,
}

/// A column that rows should have.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether a row fails without it.
    pub required: bool,
}

/// A row that was refused. Never its values: tools put answers into logs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedRow {
    /// Its place among those that were sent, from 0.
    pub row: u64,
    /// What is wrong; `docs/push.md` lists the codes.
    pub code: String,
    /// The field of the mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The column of the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The same in words.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Reads what a tool sent, whatever it calls the type of its body: Multiwoven says of its JSON that it is a form.
///
/// Errors: `invalid_body`.
pub fn read(tool: Tool, body: &[u8]) -> Result<Sent, AppError> {
    let refused = |detail: &str| AppError::invalid("invalid_body", detail);
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| refused("The body is not JSON. Nothing was taken of it."))?;
    let rows = match body {
        Value::Object(map) if map.is_empty() => return Ok(Sent::Check),
        Value::Object(mut map) if map.contains_key("records") => match map.remove("records") {
            Some(Value::Array(records)) => Some(records.into_iter().map(fields).collect()),
            _ => None,
        },
        body if tool == Tool::Other => json_rows(body),
        _ => None,
    };
    let wanted =
        "The body must be {\"records\": [{\"fields\": {…}}, …]}, or {} to ask whether rows could be sent.";
    let mut rows: Vec<Option<Row>> = rows.ok_or_else(|| refused(wanted))?;
    if tool == Tool::Multiwoven {
        rows.iter_mut().flatten().flat_map(Row::values_mut).for_each(undouble_apostrophes);
    }
    Ok(Sent::Rows(rows))
}

/// The row of a record. What Multiwoven could not make a row of it sends as `true`: that fails by itself.
fn fields(record: Value) -> Option<Row> {
    match record {
        Value::Object(mut record) => match record.remove("fields") {
            Some(Value::Object(row)) => Some(row),
            _ => None,
        },
        _ => None,
    }
}

/// A refusal under the class that the same trouble has in a run: 401 and 403 say that the shop does not let us in.
fn refusal(error: AppError) -> AppError {
    let kind = match error.code {
        "not_connected" | "needs_reauthorization" | "shop_unavailable" => ErrorKind::Unauthenticated,
        "missing_scopes" => ErrorKind::Forbidden,
        _ => return error,
    };
    AppError { kind, ..error }
}

impl Tools {
    /// Keys beside the pushes that they open, with the same history, time and chance.
    pub fn new(keys: Arc<dyn DestinationKeys>, pushes: Pushes) -> Self {
        let (history, clock) = (pushes.access.history.clone(), pushes.clock.clone());
        let keys = ToolKeys { keys, history, clock, random: pushes.random.clone() };
        Self { keys, pushes: Arc::new(pushes) }
    }

    /// Takes what a tool posted to a destination. `body` is asked for once the key has proven to open it; rows are
    /// written until then, and what is left by steps.
    ///
    /// Errors: `invalid_key`, `invalid_body`, what [`Pushes::submit`] refuses.
    pub async fn post(
        &self,
        id: &str,
        stream: &str,
        key: Option<&str>,
        origin: Option<&str>,
        body: impl FnOnce() -> Result<Vec<u8>, AppError>,
        until: Timestamp,
    ) -> Result<ToolAnswer, AppError> {
        let key = self.keys.open(id, stream, key).await?;
        match read(key.tool, &body()?)? {
            Sent::Check => self.check(&key).await.map_err(refusal),
            Sent::Rows(rows) => self.take(&key, origin, rows, until).await.map_err(refusal),
        }
    }

    /// Whether rows could be sent, and what they should have: the shop lets us in, grants what the stream needs, and has
    /// what the mapping names. Changes nothing.
    #[tracing::instrument(skip_all, fields(store.id = %key.store, provider = %key.provider))]
    async fn check(&self, key: &DestinationKey) -> Result<ToolAnswer, AppError> {
        let mapping = self.pushes.ready(&key.store, key.provider, key.stream).await?;
        let column = |(name, required)| Column { name, required };
        Ok(ToolAnswer {
            ok: true,
            message: format!("Rows of {} can be sent.", key.stream.as_str()),
            columns: mapping.columns().into_iter().map(column).collect(),
            run: None,
            state: None,
            rows: None,
            refused: Vec::new(),
            status: 200,
        })
    }

    #[tracing::instrument(skip_all, fields(store.id = %key.store, provider = %key.provider))]
    async fn take(
        &self,
        key: &DestinationKey,
        origin: Option<&str>,
        rows: Vec<Option<Row>>,
        until: Timestamp,
    ) -> Result<ToolAnswer, AppError> {
        let name = self.name(key, &rows)?;
        let begun = self.pushes.runs.begun(&key.store, key.provider, &name).await?;
        let before = match begun {
            Some((id, _)) => self.pushes.runs.load(&key.store, key.provider, &id).await?,
            None => None,
        };
        let run = match before {
            // The same rows again while they are being written: the tool lost our answer, or its patience.
            Some(run) if !run.state.is_final() => run,
            // What is over does not answer for the next: the shop may have changed since, by other rows even. Writing
            // again what is there already costs no call.
            before => {
                let submitted = Submitted {
                    stream: key.stream,
                    rows,
                    safety: Safety::default(),
                    key: before.is_none().then_some(name),
                };
                let actor = Actor { store: &key.store, subject: &key.id, origin };
                let (kind, mode) = (PushKind::Write, Mode::Sync(until));
                self.pushes.submit(actor, key.provider, kind, submitted, mode).await?
            }
        };
        Ok(self.told(key, run).await)
    }

    /// The name of a request, from what it says: the tool has none for it. The space keeps it apart from the names that
    /// callers give.
    fn name(&self, key: &DestinationKey, rows: &[Option<Row>]) -> Result<String, AppError> {
        let window = self.pushes.clock.now().as_second().div_euclid(SAME_REQUEST_SECONDS);
        let rows = serde_json::to_string(rows).map_err(AppError::bug)?;
        Ok(format!("tool {} {window} {}", key.id, fingerprint(&[&rows])))
    }

    async fn told(&self, key: &DestinationKey, run: PushRun) -> ToolAnswer {
        let status = answer::status(&run);
        let mut refused = Vec::new();
        if run.tally.of(Outcome::Failed) > 0 {
            let failed = Some(Which::Of(Outcome::Failed));
            let page = self.pushes.records(&key.store, key.provider, &run.id, failed, None, MOST_TOLD).await;
            // The run is stored: whatever cannot be read of it, no answer may say otherwise.
            let items = page.map(|page| page.items).unwrap_or_default();
            refused.extend(items.into_iter().filter_map(|item| {
                let error = item.line.error?;
                Some(RefusedRow {
                    row: item.line.seq,
                    code: error.code,
                    path: error.path,
                    column: error.column,
                    message: error.message,
                    hint: error.hint,
                })
            }));
        }
        ToolAnswer {
            ok: matches!(status, 200 | 201),
            message: answer::summary(&run),
            columns: Vec::new(),
            run: Some(run.id.to_string()),
            state: Some(run.state),
            rows: Some(run.tally),
            refused,
            status,
        }
    }
}
