//! Runs and what became of their rows, as a caller reads them.

use std::collections::HashMap;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::Pushes;
use super::page::merged;
use crate::app::error::AppError;
use crate::domain::ids::{ProviderId, RunId, StoreId};
use crate::domain::push::change::{FieldChange, Image};
use crate::domain::push::ledger::{Outcome, ResultLine, RowError, Tally};
use crate::domain::push::run::{PushKind, PushRun, PushState, Safety};
use crate::domain::push::target::Stream;
use crate::ports::Page;

/// The most runs or records of one answer.
pub const MOST: u32 = 500;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownPush {
    /// Its id; of a plan, what `apply` takes.
    pub id: String,
    /// What it does.
    pub kind: PushKind,
    /// Where it is.
    pub state: PushState,
    /// What it fills.
    pub stream: Stream,
    /// The plan that is applied, the run that is replayed or undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_run: Option<String>,
    /// The revision of the mapping.
    pub mapping: u32,
    /// received = created + updated + unchanged + skipped + failed + pending.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub rows: Tally,
    /// The brakes.
    pub safety: Safety,
    /// The points that it spent; of a plan, those that applying it should take.
    pub points: u64,
    /// How long applying a plan should take, by what the shop's budget fills up with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast_seconds: Option<u64>,
    /// Why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub stopped: Option<RowError>,
    /// What pending rows wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub waiting: Option<RowError>,
    /// Who asked for it: the opaque id of the token's subject, or the id of the destination whose key was used.
    pub asked_by: String,
    /// When it was asked for, RFC 3339.
    pub created_at: String,
    /// When it last changed, RFC 3339.
    pub updated_at: String,
}

impl From<PushRun> for ShownPush {
    fn from(run: PushRun) -> Self {
        let over = run.tally.pending() == 0;
        Self {
            id: run.id.to_string(),
            kind: run.kind,
            state: run.state,
            stream: run.stream,
            of_run: run.of_run.map(|of| of.to_string()),
            mapping: run.mapping,
            rows: run.tally,
            safety: run.safety,
            points: run.points.div_ceil(1000),
            forecast_seconds: None,
            stopped: run.stopped,
            waiting: run.waiting.filter(|_| !over),
            asked_by: run.asked_by,
            created_at: run.created_at.to_string(),
            updated_at: run.updated_at.to_string(),
        }
    }
}

/// What became of a row, and what was or would be changed for it while that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownLine {
    /// The line.
    pub line: ResultLine,
    /// The fields.
    pub diff: Vec<FieldChange>,
}

impl Serialize for ShownLine {
    /// The line without what it does not know, and the fields in it as `diff`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serde_json::to_value(&self.line).map_err(S::Error::custom)?;
        if let Value::Object(shown) = &mut shown {
            shown.retain(|_, value| !value.is_null());
            if !self.diff.is_empty() {
                let diff = serde_json::to_value(&self.diff).map_err(S::Error::custom)?;
                shown.insert("diff".to_owned(), diff);
            }
        }
        shown.serialize(serializer)
    }
}

/// Which records of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those with this outcome.
    Of(Outcome),
    /// Those without one.
    Pending,
}

impl Which {
    /// Reads the word of a request.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "pending" {
            return Some(Self::Pending);
        }
        let outcome = serde_json::from_value(Value::String(text.to_owned()));
        outcome.ok().map(Self::Of)
    }

    fn holds(self, line: &ResultLine) -> bool {
        match self {
            Self::Of(outcome) => line.outcome == Some(outcome),
            Self::Pending => line.outcome.is_none(),
        }
    }
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated, with a head line on the first page.
    Csv,
}

fn no_cursor() -> AppError {
    AppError::invalid("invalid_cursor", "This cursor does not belong to this list. Start without one.")
}

impl Pushes {
    /// One run.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn show(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
    ) -> Result<ShownPush, AppError> {
        let run = self.runs.load(store, provider, id).await?.ok_or_else(AppError::not_found)?;
        self.shown(run).await
    }

    /// A run as it is shown; of a plan with how long it would take.
    pub async fn shown(&self, run: PushRun) -> Result<ShownPush, AppError> {
        let budget = if run.kind == PushKind::Plan && run.state.is_final() {
            self.budgets.load(&run.store, run.provider).await?
        } else {
            None
        };
        let rate =
            budget.map(|(budget, _)| budget.bucket.restore_rate().thousandths()).filter(|rate| *rate > 0);
        let forecast_seconds = rate.map(|rate| run.points.div_ceil(rate));
        Ok(ShownPush { forecast_seconds, ..run.into() })
    }

    /// Runs, newest first.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn list(
        &self,
        store: &StoreId,
        provider: ProviderId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<ShownPush>, AppError> {
        let page = self.runs.list(store, provider, cursor, limit.clamp(1, MOST)).await?;
        Ok(Page { items: page.items.into_iter().map(ShownPush::from).collect(), next: page.next })
    }

    /// What became of rows, in the order of the pages of the run. The cursor is the place that is next.
    #[tracing::instrument(skip_all, fields(store.id = %store, provider = %provider))]
    pub async fn records(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
        which: Option<Which>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ShownLine>, AppError> {
        let run = self.runs.load(store, provider, id).await?.ok_or_else(AppError::not_found)?;
        let (mut page, mut skip) = match cursor {
            None => (0, 0),
            Some(cursor) => {
                let parts = cursor.split_once('.').ok_or_else(no_cursor)?;
                let number = |text: &str| text.parse::<u32>().map_err(|_| no_cursor());
                (number(parts.0)?, number(parts.1)? as usize)
            }
        };
        let limit = limit.clamp(1, MOST) as usize;
        let mut items = Vec::new();
        while page < run.pages {
            let lines = self.results.lines(store, id, page).await?;
            let images: HashMap<u64, Image> = if lines.is_empty() {
                HashMap::new()
            } else {
                merged(self.results.images(store, id, page).await?)
            };
            for (at, line) in lines.into_iter().enumerate().skip(skip) {
                if which.is_some_and(|which| !which.holds(&line)) {
                    continue;
                }
                if items.len() == limit {
                    return Ok(Page { items, next: Some(format!("{page}.{at}")) });
                }
                let diff = images.get(&line.seq).map(|image| image.diff.clone()).unwrap_or_default();
                items.push(ShownLine { line, diff });
            }
            (page, skip) = (page + 1, 0);
        }
        Ok(Page { items, next: None })
    }

    /// The same as text.
    pub async fn export(
        &self,
        store: &StoreId,
        provider: ProviderId,
        id: &RunId,
        which: Option<Which>,
        cursor: Option<&str>,
        format: Format,
    ) -> Result<(String, Option<String>), AppError> {
        let page = self.records(store, provider, id, which, cursor, MOST).await?;
        let lines: Vec<&ResultLine> = page.items.iter().map(|item| &item.line).collect();
        let text = match format {
            Format::Ndjson => {
                let mut text = String::new();
                for item in &page.items {
                    text.push_str(&serde_json::to_string(item).map_err(AppError::bug)?);
                    text.push('\n');
                }
                text
            }
            Format::Csv => csv(&lines, cursor.is_none())?,
        };
        Ok((text, page.next))
    }
}

fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A cell that a spreadsheet takes for a text and never for a formula.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn csv(lines: &[&ResultLine], head: bool) -> Result<String, AppError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if head {
        let columns = [
            "seq", "stream", "key", "op", "outcome", "id", "attempts", "points", "class", "code", "path",
            "column", "message", "hint", "at",
        ];
        writer.write_record(columns).map_err(AppError::bug)?;
    }
    for line in lines {
        let error = line.error.as_ref();
        let of = |get: fn(&RowError) -> &str| cell(error.map_or("", get));
        let record = [
            line.seq.to_string(),
            word(&line.stream),
            cell(&line.key),
            line.op.as_ref().map(word).unwrap_or_default(),
            line.outcome.as_ref().map_or_else(|| "pending".to_owned(), word),
            cell(line.gid.as_deref().unwrap_or_default()),
            line.attempts.to_string(),
            line.points.to_string(),
            error.map(|error| word(&error.class)).unwrap_or_default(),
            of(|error| &error.code),
            of(|error| error.path.as_deref().unwrap_or_default()),
            of(|error| error.column.as_deref().unwrap_or_default()),
            of(|error| &error.message),
            of(|error| &error.hint),
            line.at.to_string(),
        ];
        writer.write_record(record).map_err(AppError::bug)?;
    }
    let bytes = writer.into_inner().map_err(|error| AppError::bug(error.to_string()))?;
    String::from_utf8(bytes).map_err(AppError::bug)
}
