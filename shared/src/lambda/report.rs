//! The reconciliation as a table: one number a row, so that a spreadsheet can sort and filter it.

use super::http::Response;
use crate::app::error::AppError;
use crate::app::import::reconcile::{Reconciliation, StockProof};

/// The columns.
const HEADER: [&str; 4] = ["section", "subject", "name", "value"];

/// Writes the answer.
pub fn csv(report: &Reconciliation) -> Result<Response, AppError> {
    let mut table = Table(csv::Writer::from_writer(Vec::new()));
    table.row(HEADER.map(str::to_owned))?;
    table.runs(report)?;
    for sums in &report.resources {
        let resource = sums.resource.as_str();
        if let Some(source) = sums.source {
            table.number("resource", resource, "source", source)?;
        }
        table.number("resource", resource, "received", sums.received)?;
        for (outcome, n) in &sums.outcomes {
            table.number("resource", resource, outcome.as_str(), n)?;
        }
        table.number("resource", resource, "conflicts_kept", sums.conflicts_kept)?;
        table.number("resource", resource, "conflicts_taken", sums.conflicts_taken)?;
        table.number("resource", resource, "closes", sums.closes)?;
        for field in &sums.changed {
            table.number("field", resource, &field.field, field.count)?;
        }
    }
    for feed in &report.feeds {
        table.number("feed", &feed.feed, "announced", feed.announced)?;
        table.number("feed", &feed.feed, "read", feed.read)?;
        table.number("feed", &feed.feed, "announced_records", feed.announced_records)?;
        table.number("feed", &feed.feed, "read_records", feed.read_records)?;
    }
    if let Some(stock) = &report.stock {
        table.stock(stock)?;
    }
    let body = table.0.into_inner().map_err(|error| AppError::bug(error.to_string()))?;
    let body = String::from_utf8(body).map_err(AppError::bug)?;
    Ok(Response::new(200, "text/csv; charset=utf-8", body))
}

/// Cells are names of ours, ids and numbers, so no cell can be taken for a formula.
struct Table(csv::Writer<Vec<u8>>);

impl Table {
    fn row(&mut self, cells: [String; 4]) -> Result<(), AppError> {
        self.0.write_record(cells).map_err(AppError::bug)
    }

    fn number(
        &mut self,
        section: &str,
        subject: &str,
        name: &str,
        value: impl ToString,
    ) -> Result<(), AppError> {
        self.row([section.to_owned(), subject.to_owned(), name.to_owned(), value.to_string()])
    }

    fn runs(&mut self, report: &Reconciliation) -> Result<(), AppError> {
        self.number("run", &report.run_id, "closes", report.closes)?;
        let Some(last) = &report.since_last else { return Ok(()) };
        self.number("since_last", &last.run_id, "is_the_run_before", true)?;
        for change in &last.outcomes {
            let name = change.outcome.as_str();
            let subject = change.resource.as_str();
            self.number("since_last", subject, &format!("{name}_now"), change.now)?;
            self.number("since_last", subject, &format!("{name}_before"), change.before)?;
        }
        for (codes, name) in [(&last.new_codes, "new"), (&last.gone_codes, "gone")] {
            for code in codes {
                self.number("since_last", code.as_str(), name, true)?;
            }
        }
        Ok(())
    }

    fn stock(&mut self, stock: &StockProof) -> Result<(), AppError> {
        self.number("stock", "", "in_sync", stock.in_sync)?;
        self.number("stock", "", "as_of", &stock.as_of)?;
        self.number("stock", "", "reread", stock.reread)?;
        self.number("stock", "", "reread_all", stock.reread_all)?;
        self.number("stock", "", "drifting", stock.drifting)?;
        self.number("stock", "", "drifting_twice", stock.drifting_twice)?;
        for location in &stock.locations {
            for (side, sums) in [("source", &location.source), ("stored", &location.stored)] {
                let id = &location.location_id;
                self.number("location", id, &format!("{side}_rows"), sums.rows)?;
                self.number("location", id, &format!("{side}_sum"), sums.sum)?;
                self.number("location", id, &format!("{side}_digest"), &sums.digest)?;
            }
            self.number("location", &location.location_id, "in_sync", location.in_sync)?;
        }
        for level in &stock.levels {
            let id = format!("{}:{}", level.item_id, level.location_id);
            let shown = |number: Option<i64>| number.map_or(String::new(), |number| number.to_string());
            self.number("level", &id, "source", shown(level.source))?;
            self.number("level", &id, "stored", shown(level.stored))?;
            self.number("level", &id, "cause", level.cause.as_str())?;
            self.number("level", &id, "repeated", level.repeated)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::import::reconcile::{
        DriftingLevel, FieldCount, LocationSums, OutcomeChange, ResourceSums, SideSums, SinceLast,
    };
    use crate::domain::drift::Cause;
    use crate::domain::plan::Outcome;
    use crate::domain::record::Resource;
    use crate::domain::run::RunState;
    use crate::domain::warning::Code;

    #[test]
    fn every_number_of_the_report_is_a_row_of_the_table() {
        let side = |sum| SideSums { rows: 2, sum, digest: "00000000000000ab".to_owned() };
        let report = Reconciliation {
            run_id: "run_2".to_owned(),
            status: RunState::Completed,
            closes: true,
            resources: vec![ResourceSums {
                resource: Resource::Products,
                source: Some(3),
                received: 3,
                outcomes: BTreeMap::from([(Outcome::Updated, 3)]),
                changed: vec![FieldCount { field: "title".to_owned(), count: 2 }],
                conflicts_kept: 1,
                conflicts_taken: 0,
                closes: true,
            }],
            feeds: Vec::new(),
            stock: Some(StockProof {
                in_sync: false,
                as_of: "2026-09-21T14:13:20Z".to_owned(),
                reread: 1,
                reread_all: true,
                drifting: 1,
                drifting_twice: 0,
                locations: vec![LocationSums {
                    location_id: "41".to_owned(),
                    source: side(-1),
                    stored: side(4),
                    in_sync: false,
                }],
                levels: vec![DriftingLevel {
                    item_id: "31".to_owned(),
                    location_id: "41".to_owned(),
                    source: Some(-1),
                    stored: None,
                    cause: Cause::WriteFailed,
                    repeated: false,
                }],
            }),
            since_last: Some(SinceLast {
                run_id: "run_1".to_owned(),
                outcomes: vec![OutcomeChange {
                    resource: Resource::Products,
                    outcome: Outcome::Updated,
                    now: 3,
                    before: 0,
                }],
                new_codes: vec![Code::InvDrift],
                gone_codes: Vec::new(),
            }),
        };
        let response = csv(&report).unwrap();
        assert_eq!(response.headers["content-type"], "text/csv; charset=utf-8");
        insta::assert_snapshot!(response.body, @r"
        section,subject,name,value
        run,run_2,closes,true
        since_last,run_1,is_the_run_before,true
        since_last,products,updated_now,3
        since_last,products,updated_before,0
        since_last,INV_DRIFT,new,true
        resource,products,source,3
        resource,products,received,3
        resource,products,updated,3
        resource,products,conflicts_kept,1
        resource,products,conflicts_taken,0
        resource,products,closes,true
        field,products,title,2
        stock,,in_sync,false
        stock,,as_of,2026-09-21T14:13:20Z
        stock,,reread,1
        stock,,reread_all,true
        stock,,drifting,1
        stock,,drifting_twice,0
        location,41,source_rows,2
        location,41,source_sum,-1
        location,41,source_digest,00000000000000ab
        location,41,stored_rows,2
        location,41,stored_sum,4
        location,41,stored_digest,00000000000000ab
        location,41,in_sync,false
        level,31:41,source,-1
        level,31:41,stored,
        level,31:41,cause,write_failed
        level,31:41,repeated,false
        ");
    }
}
