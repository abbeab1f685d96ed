//! Rows that are planned and written, and what became of them.
//!
//! Bodies hold rows and nothing else, so that a file of rows can be sent as it is; what is chosen stands in the query.

use std::str::FromStr;

use super::{Asked, SYNC, stream};
use crate::app::error::AppError;
use crate::app::import::shown::ShownPage;
use crate::app::push::Pushes;
use crate::app::push::answer;
use crate::app::push::requests::{Mode, ReplayOptions, Submitted};
use crate::app::push::shown::{Format, MOST, ShownPush, Which};
use crate::domain::ids::RunId;
use crate::domain::push::inputs::{json_rows, ndjson_rows};
use crate::domain::push::row::Row;
use crate::domain::push::run::{OnDrift, PushKind, PushRun, Safety};
use crate::lambda::http::{Call, Query, Response, json};

/// The largest body of rows that is read. Lambda takes events of 6 MB, and NDJSON comes in Base64.
pub const MAX_ROWS_BYTES: usize = 4 << 20;

/// The brakes, by their names in the query.
const SAFETY: [&str; 4] = ["stop_after_failed_percent", "delete_guard_percent", "on_drift", "undo_days"];

/// Where the next page of an export starts.
const NEXT_CURSOR: &str = "x-next-cursor";

/// Answers what a request asks of runs.
pub(super) async fn answer(app: &Pushes, asked: &Asked<'_>) -> Result<Response, AppError> {
    let began = app.clock.now();
    let Asked { call, actor, provider, .. } = *asked;
    let key = || Ok::<_, AppError>(call.idempotency_key()?.map(str::to_owned));
    let mode = |query: &Query| mode(query, began);
    match (asked.method, asked.route) {
        ("POST", "/plan/{stream}") => {
            let query = call.query(&["mode"])?;
            let mode = mode(&query)?;
            let submitted = Submitted {
                stream: stream(call)?,
                rows: rows(call)?,
                safety: Safety::default(),
                key: key()?,
            };
            told(app, app.submit(actor, provider, PushKind::Plan, submitted, mode).await?).await
        }
        ("POST", "/write/{stream}") => {
            let query = call.query(&[&["mode"], SAFETY.as_slice()].concat())?;
            let (mode, safety) = (mode(&query)?, safety(&query)?);
            let submitted = Submitted { stream: stream(call)?, rows: rows(call)?, safety, key: key()? };
            told(app, app.submit(actor, provider, PushKind::Write, submitted, mode).await?).await
        }
        ("POST", "/plans/{run_id}/apply") => {
            let mode = mode(&call.query(&["mode"])?)?;
            told(app, app.apply(actor, provider, &run_id(call)?, key()?, mode).await?).await
        }
        ("POST", "/runs/{run_id}/replay") => {
            let query = call.query(&["mode", "newest_mapping", "send_in_doubt"])?;
            let options = ReplayOptions {
                newest_mapping: value(&query, "newest_mapping", false)?,
                send_in_doubt: value(&query, "send_in_doubt", false)?,
            };
            let mode = mode(&query)?;
            told(app, app.replay(actor, provider, &run_id(call)?, options, key()?, mode).await?).await
        }
        ("POST", "/runs/{run_id}/undo") => {
            let mode = mode(&call.query(&["mode"])?)?;
            told(app, app.undo(actor, provider, &run_id(call)?, key()?, mode).await?).await
        }
        ("POST", "/runs/{run_id}/cancel") => {
            call.query(&[])?;
            json(202, &ShownPush::from(app.cancel(actor.store, provider, &run_id(call)?).await?))
        }
        ("GET", "/runs") => {
            let query = call.query(&["cursor", "limit"])?;
            let cursor = query.get("cursor").map(str::to_owned);
            let page = app.list(actor.store, provider, cursor, query.limit(20, 100)?).await?;
            json(200, &ShownPage { items: page.items, next_cursor: page.next })
        }
        ("GET", "/runs/{run_id}") => {
            call.query(&[])?;
            json(200, &app.show(actor.store, provider, &run_id(call)?).await?)
        }
        ("GET", "/runs/{run_id}/records") => {
            let query = call.query(&["outcome", "cursor", "limit"])?;
            let (run, limit) = (run_id(call)?, query.limit(50, MOST)?);
            let page =
                app.records(actor.store, provider, &run, which(&query)?, query.get("cursor"), limit).await?;
            json(200, &ShownPage { items: page.items, next_cursor: page.next })
        }
        ("GET", "/runs/{run_id}/export") => {
            let query = call.query(&["format", "outcome", "cursor"])?;
            let (format, content_type) = match query.get("format") {
                None | Some("ndjson") => (Format::Ndjson, "application/x-ndjson"),
                Some("csv") => (Format::Csv, "text/csv; charset=utf-8"),
                Some(_) => return Err(unknown("format")),
            };
            let (run, cursor) = (run_id(call)?, query.get("cursor"));
            let (text, next) =
                app.export(actor.store, provider, &run, which(&query)?, cursor, format).await?;
            let response = Response::new(200, content_type, text);
            Ok(match next {
                Some(next) => response.header(NEXT_CURSOR, next),
                None => response,
            })
        }
        _ => Err(AppError::not_found()),
    }
}

/// The answer that a run gives. It is stored by now, so that nothing may say otherwise.
async fn told(app: &Pushes, run: PushRun) -> Result<Response, AppError> {
    let status = answer::status(&run);
    let shown = app.shown(run.clone()).await.unwrap_or_else(|_| run.into());
    json(status, &shown)
}

fn run_id(call: &Call) -> Result<RunId, AppError> {
    let text = call.path("run_id").unwrap_or_default();
    RunId::parse(text).map_err(|_| AppError::not_found())
}

fn unknown(name: &str) -> AppError {
    let detail = format!("The query parameter `{name}` has a value that is not known.");
    AppError::invalid("invalid_parameter", detail)
}

fn value<T: FromStr>(query: &Query, name: &str, otherwise: T) -> Result<T, AppError> {
    query.get(name).map_or(Ok(otherwise), |text| text.parse().map_err(|_| unknown(name)))
}

fn mode(query: &Query, began: jiff::Timestamp) -> Result<Mode, AppError> {
    match query.get("mode") {
        None | Some("sync") => Ok(Mode::Sync(began + SYNC)),
        Some("accept") => Ok(Mode::Accept),
        Some(_) => Err(unknown("mode")),
    }
}

fn safety(query: &Query) -> Result<Safety, AppError> {
    let usual = Safety::default();
    let [failed, deletes, drift, days] = SAFETY;
    Ok(Safety {
        stop_after_failed_percent: value(query, failed, usual.stop_after_failed_percent)?,
        delete_guard_percent: value(query, deletes, usual.delete_guard_percent)?,
        on_drift: match query.get(drift) {
            None | Some("overwrite") => OnDrift::Overwrite,
            Some("fail") => OnDrift::Fail,
            Some(_) => return Err(unknown(drift)),
        },
        undo_days: value(query, days, usual.undo_days)?,
    })
}

fn which(query: &Query) -> Result<Option<Which>, AppError> {
    query.get("outcome").map(|text| Which::parse(text).ok_or_else(|| unknown("outcome"))).transpose()
}

/// The rows of a body: JSON, or NDJSON of which a broken line fails by itself.
fn rows(call: &Call) -> Result<Vec<Option<Row>>, AppError> {
    match call.media_type().as_str() {
        "application/json" => {
            let body = call.json_up_to(MAX_ROWS_BYTES)?;
            json_rows(body).ok_or_else(|| {
                let detail =
                    "The body must be a list of objects, or an object with nothing but `rows`, which is one.";
                AppError::invalid("invalid_body", detail)
            })
        }
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            Ok(ndjson_rows(&call.body_up_to(MAX_ROWS_BYTES)?))
        }
        _ => Err(AppError::invalid(
            "unsupported_media_type",
            "Rows are sent as JSON (Content-Type: application/json) or as NDJSON (application/x-ndjson).",
        )),
    }
}
