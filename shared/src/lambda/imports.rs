//! The HTTP edge of runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::http::{Call, Response, json};
use super::report::csv;
use crate::app::error::AppError;
use crate::app::import::records::RecordFilter;
use crate::app::import::requests::{Asker, Imports, StartRun};
use crate::app::import::shown::BlockedResource;
use crate::domain::decision::Decision;
use crate::domain::ids::RunId;
use crate::domain::options::AskedOptions;
use crate::domain::plan::Outcome;
use crate::domain::record::Resource;
use crate::domain::run::Wanted;
use crate::domain::warning::Code;

/// Whether to look or to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Writes nothing but a plan.
    Preview,
    /// Imports.
    Run,
}

/// What to begin.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StartRunBody {
    /// Whether to look or to write.
    pub mode: Mode,
    /// What to import; everything where absent.
    pub resources: Option<Vec<Wanted>>,
    /// The preview to carry out, with mode `run`.
    pub from_preview: Option<String>,
    /// What is chosen for the run. A run that carries out a preview has the preview's options.
    #[serde(default)]
    pub options: AskedOptions,
}

/// What was begun.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Started {
    /// The run's id.
    pub run_id: String,
    /// What was asked for and is left out, because a scope was not granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<BlockedResource>,
}

/// What to decide.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DecideBody {
    /// All are taken or, where one cannot be, none.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 100))]
    pub decisions: Vec<Decision>,
}

/// Most decisions of one request.
const DECISIONS_AT_ONCE: usize = 100;

/// What every route begins with.
const BASE: &str = "/stores/{store_id}/connectors/{provider}/imports";

fn run_id(call: &Call) -> Result<RunId, AppError> {
    let text = call.path("run_id").unwrap_or_default();
    RunId::parse(text).map_err(|_| AppError::not_found())
}

/// Answers every route of `imports`.
pub async fn imports(app: Arc<Imports>, call: Call) -> Result<Response, AppError> {
    let caller = call.caller()?;
    let provider = call.provider()?;
    let asker = Asker { store: &caller.store, provider, subject: &caller.subject };
    let (method, path) = call.route().split_once(' ').unwrap_or_default();
    let route = path.strip_prefix(BASE).ok_or_else(AppError::not_found)?;
    match (method, route) {
        ("POST", "") => {
            call.query(&[])?;
            let body: StartRunBody = call.json()?;
            let run = app.start(asker, start_run(body)?, call.idempotency_key()?).await?;
            let begun = app.get(&caller.store, provider, &run).await?;
            json(202, &Started { run_id: begun.run_id, blocked: begun.blocked })
        }
        ("GET", "") => {
            let query = call.query(&["cursor", "limit"])?;
            let cursor = query.get("cursor").map(str::to_owned);
            json(200, &app.list(&caller.store, provider, cursor, query.limit(20, 100)?).await?)
        }
        ("GET", "/{run_id}") => {
            call.query(&[])?;
            json(200, &app.get(&caller.store, provider, &run_id(&call)?).await?)
        }
        ("GET", "/{run_id}/records") => {
            let query = call.query(&["resource", "outcome", "code", "cursor", "limit"])?;
            let filter = RecordFilter {
                resource: query
                    .get("resource")
                    .map(|text| known("resource", Resource::parse(text)))
                    .transpose()?,
                outcome: query
                    .get("outcome")
                    .map(|text| known("outcome", Outcome::parse(text)))
                    .transpose()?,
                code: query.get("code").map(|text| known("code", Code::parse(text))).transpose()?,
            };
            let limit = query.limit(50, 200)?;
            let run = run_id(&call)?;
            let page =
                app.records(&caller.store, provider, &run, &filter, query.get("cursor"), limit).await?;
            json(200, &page)
        }
        ("GET", "/{run_id}/reconciliation") => {
            let table = wants_csv(&call)?;
            let report = app.reconciliation(&caller.store, provider, &run_id(&call)?).await?;
            if table { csv(&report) } else { json(200, &report) }
        }
        ("GET", "/{run_id}/decisions") => {
            call.query(&[])?;
            json(200, &app.decisions(&caller.store, provider, &run_id(&call)?).await?)
        }
        ("POST", "/{run_id}/decisions") => {
            call.query(&[])?;
            let DecideBody { decisions } = call.json()?;
            if decisions.is_empty() || decisions.len() > DECISIONS_AT_ONCE {
                return Err(AppError::invalid(
                    "invalid_body",
                    format!("`decisions` holds 1 to {DECISIONS_AT_ONCE} decisions."),
                ));
            }
            json(200, &app.decide(&caller.store, provider, &run_id(&call)?, &decisions).await?)
        }
        ("POST", "/{run_id}/cancel") => {
            call.query(&[])?;
            json(202, &app.cancel(&caller.store, provider, &run_id(&call)?).await?)
        }
        ("POST", "/{run_id}/undo") => {
            call.query(&[])?;
            let run = app.undo(asker, &run_id(&call)?, call.idempotency_key()?).await?;
            json(202, &Started { run_id: run.to_string(), blocked: Vec::new() })
        }
        ("POST", "/{run_id}/retry") => {
            call.query(&[])?;
            let run = app.retry(asker, &run_id(&call)?, call.idempotency_key()?).await?;
            json(202, &Started { run_id: run.to_string(), blocked: Vec::new() })
        }
        _ => Err(AppError::not_found()),
    }
}

/// Whether the answer is to be a table: by `format`, else by what the caller accepts.
fn wants_csv(call: &Call) -> Result<bool, AppError> {
    match call.query(&["format"])?.get("format") {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(AppError::invalid("invalid_parameter", "`format` must be `json` or `csv`.")),
        None => Ok(call.header("accept").is_some_and(|accept| accept.starts_with("text/csv"))),
    }
}

fn known<T>(name: &str, value: Option<T>) -> Result<T, AppError> {
    value.ok_or_else(|| {
        AppError::invalid(
            "invalid_parameter",
            format!("The query parameter `{name}` has a value that is not known."),
        )
    })
}

fn start_run(body: StartRunBody) -> Result<StartRun, AppError> {
    let resources: Option<BTreeSet<Wanted>> = body.resources.map(|list| list.into_iter().collect());
    if resources.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(AppError::invalid(
            "invalid_body",
            "`resources` names nothing. Leave it out to import everything.",
        ));
    }
    let from_preview = body.from_preview.map(|text| RunId::parse(&text)).transpose();
    Ok(StartRun {
        preview: body.mode == Mode::Preview,
        resources,
        // A text that cannot be an id is one that no preview has.
        from_preview: from_preview.map_err(|_| AppError::not_found())?,
        options: body.options,
    })
}
