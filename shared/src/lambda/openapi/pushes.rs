//! Rows that are planned and written, and what became of them.

use std::borrow::Cow;

use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::super::destination::MAX_ROWS_BYTES;
use super::{CONNECTOR, Failures, LIST, NOTHING_TO_SAY, Writer, once, operation, page, query, text};
use crate::app::import::shown::ShownPage;
use crate::app::push::shown::{MOST, ShownLine, ShownPush};
use crate::domain::push::change::FieldChange;
use crate::domain::push::run::{OnDrift, Safety};
use crate::domain::push::target::Stream;

/// What is refused of rows and of the query they come with.
const ROWS: &[&str] = &[
    "body_too_large",
    "invalid_body",
    "invalid_idempotency_key",
    "invalid_parameter",
    "no_rows",
    "too_many_rows",
    "unsupported_media_type",
];
/// What is refused of a run that is about another.
const FOLLOWS: &[&str] = &["invalid_idempotency_key", "invalid_parameter"];

fn choice(words: &[&str], otherwise: &str) -> RefOr<Schema> {
    let words = words.iter().map(|word| (*word).to_owned());
    let choice = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    Schema::from(choice.default(Some(otherwise.into()))).into()
}

/// With whether the request waits, and the key under which it is one.
fn begins(operation: OperationBuilder) -> OperationBuilder {
    let what = "`sync`: the request carries the run out as far as it has time, about 15 seconds, and the rest follows. \
                `accept`: it is answered as soon as the run is stored.";
    once(operation).parameter(query("mode", Required::False, what, choice(&["sync", "accept"], "sync")))
}

/// With the brakes.
fn guarded(operation: OperationBuilder) -> OperationBuilder {
    let usual = Safety::default();
    let number = |min: u32, max: u32, otherwise: u32| -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(min)).maximum(Some(max));
        Schema::from(number.default(Some(otherwise.into()))).into()
    };
    let failed =
        "The run stops where more rows failed than this share of those decided, in per cent; 100: never.";
    let deletes = "The run stops before more rows take something away from lists than this share of all, in per cent; ten \
                   may always, and 100: never.";
    let drift = "What happens to a record that the shop changed after the very same row was written here.";
    let days = "How many days what was overwritten is kept.";
    let share = usual.stop_after_failed_percent.into();
    operation
        .parameter(query("stop_after_failed_percent", Required::False, failed, number(0, 100, share)))
        .parameter(query(
            "delete_guard_percent",
            Required::False,
            deletes,
            number(0, 100, usual.delete_guard_percent.into()),
        ))
        .parameter(query("on_drift", Required::False, drift, OnDrift::schema()))
        .parameter(query("undo_days", Required::False, days, number(1, 30, usual.undo_days.into())))
}

fn outcome(operation: OperationBuilder) -> OperationBuilder {
    let words = ["created", "updated", "unchanged", "skipped", "failed", "pending"].map(str::to_owned);
    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    let what = "Only rows that came to this; `pending`: those that have come to nothing yet.";
    operation.parameter(query("outcome", Required::False, what, Schema::from(words).into()))
}

/// Its line, which is written with what was changed in it.
impl PartialSchema for ShownLine {
    fn schema() -> RefOr<Schema> {
        let of = |kind: Type, what: &str| ObjectBuilder::new().schema_type(kind).description(Some(what));
        let text = |what: &str| of(Type::String, what);
        let number = |what: &str| of(Type::Integer, what);
        let error = of(Type::Object, "Why it failed, or is pending.")
            .property("class", text("The kind of trouble."))
            .property("code", text("Our code, or that of the shop where it refused a value."))
            .property("retry", text("What is done about it without the merchant."))
            .property("path", text("The field."))
            .property("column", text("The column that the field is filled from."))
            .property("message", text("What is wrong."))
            .property("hint", text("What to do."));
        let line = ObjectBuilder::new()
            .description(Some(
                "What became of a row, and what was or would be changed for it while that is kept.",
            ))
            .property("v", number("The form of the line."))
            .property("run", text("The run."))
            .property("seq", number("The number of the row, from 0, as it was sent."))
            .property("stream", Ref::from_schema_name(Stream::name()))
            .property("key", text("The row's key; of customers masked."))
            .property("op", text("`create`, `update` or `set`, where it came so far."))
            .property("outcome", text("What became of it; absent while it is pending."))
            .property("gid", text("The shop's id of the record."))
            .property(
                "plan",
                ArrayBuilder::new().items(text("A call.")).description(Some("The calls that were answered.")),
            )
            .property("attempts", number("How often it was tried."))
            .property("points", number("What it cost."))
            .property("ms", number("How long its calls took."))
            .property("source_hash", text("The fingerprint of the row."))
            .property("payload_hash", text("The fingerprint of what was sent."))
            .property("idempotency_key", text("The key that the shop was given with the call."))
            .property("error", error)
            .property("request_id", text("The shop's name for the last call."))
            .property("at", text("When the line was written, RFC 3339."))
            .property(
                "diff",
                ArrayBuilder::new()
                    .items(Ref::from_schema_name(FieldChange::name()))
                    .description(Some("The fields.")),
            )
            .required("v")
            .required("run")
            .required("seq")
            .required("stream")
            .required("key")
            .required("at");
        Schema::from(line).into()
    }
}

impl ToSchema for ShownLine {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("PushRecord")
    }
}

impl Writer {
    /// A run, told by the status that it comes to.
    fn run(&mut self, method: HttpMethod, path: &str, operation: OperationBuilder, failures: Failures) {
        let run = self.schema::<ShownPush>();
        let over = self.answer::<ShownPush>("The run is over, and every row is as it should be.");
        let kept = self.answer::<ShownPush>("The run is stored and goes on; follow it by its id.");
        let refused = "The run is over or has stopped, and rows are not as they should be: `rows` counts them, `stopped` says why, and the records tell of each.";
        let refused = self.answer::<ShownPush>(refused);
        let operation = operation.response("200", over).response("201", kept).response("422", refused);
        self.add_with(method, path, operation, failures, Some(&run));
    }

    pub(super) fn pushes(&mut self) {
        let base = format!("{CONNECTOR}/destination");
        // What a shop or its mapping can lack.
        const BEGIN: &[&str] = &[
            "idempotency_key_reused",
            "needs_reauthorization",
            "no_mapping",
            "not_connected",
            "schema_drift",
            "shop_unavailable",
        ];
        let refused: Failures = &[(400, ROWS), (403, &["missing_scopes"]), (409, BEGIN)];
        let what = "Compares each row with what the shop has, and writes nothing: the records of the run tell what would be created or changed, field by field, and the run what that would cost and how long it would take. Its id is what `applyPlan` takes.";
        let plan = begins(operation("planPush", what)).request_body(Some(rows()));
        self.run(HttpMethod::Post, &format!("{base}/plan/{{stream}}"), plan, refused);

        let refused: Failures =
            &[(400, &[ROWS, &["invalid_safety"]].concat()), (403, &["missing_scopes"]), (409, BEGIN)];
        let what = "Writes each row into the shop where it differs.";
        let write = guarded(begins(operation("writePush", what))).request_body(Some(rows()));
        self.run(HttpMethod::Post, &format!("{base}/write/{{stream}}"), write, refused);

        const FOLLOW: &[&str] = &[
            "idempotency_key_reused",
            "needs_reauthorization",
            "no_rows",
            "not_connected",
            "other_shop",
            "rows_expired",
            "run_not_over",
            "shop_unavailable",
        ];
        let follow = |more: &[&'static str]| [FOLLOW, more].concat();
        let what = "Writes exactly what a plan says. A row of which that is no longer true fails with `CHANGED_SINCE_PLAN`.";
        let apply = begins(operation("applyPlan", what));
        let codes = follow(&["not_a_plan"]);
        let refused: Failures = &[(400, FOLLOWS), (403, &["missing_scopes"]), (409, &codes)];
        self.run(HttpMethod::Post, &format!("{base}/plans/{{run_id}}/apply"), apply, refused);

        let answer = self.named_answer::<ShownPage<ShownPush>>("PushPage", "A page, newest first.");
        let list = page(operation("listPushes", "The runs of a destination."), 20, 100);
        self.add(HttpMethod::Get, &format!("{base}/runs"), list.response("200", answer), &[LIST]);

        let answer = self.answer::<ShownPush>("The run.");
        let show = operation(
            "getPush",
            "One run: where it stands, what became of its rows, why it stopped or waits.",
        )
        .response("200", answer);
        self.add(HttpMethod::Get, &format!("{base}/runs/{{run_id}}"), show, &[NOTHING_TO_SAY]);

        self.schema::<FieldChange>();
        self.schema::<ShownLine>();
        let answer =
            self.named_answer::<ShownPage<ShownLine>>("PushRecordPage", "A page, in the order of the rows.");
        let records = operation(
            "listPushRecords",
            "What became of each row, and what was or would be changed for it, while that is kept.",
        );
        let records = page(outcome(records), 50, MOST).response("200", answer);
        self.add(HttpMethod::Get, &format!("{base}/runs/{{run_id}}/records"), records, &[LIST]);

        let content = || ContentBuilder::new().schema(Some(text())).build();
        let next = HeaderBuilder::new()
            .schema(Some(text()))
            .description(Some("Pass as `cursor` for the next page; absent at the end."));
        let answer = ResponseBuilder::new()
            .description(format!(
                "At most {MOST} rows: a JSON object a line, or a table whose first page has a head line."
            ))
            .content("application/x-ndjson", content())
            .content("text/csv", content())
            .header("x-next-cursor", next.build());
        let cursor = "Where the page begins: what the page before gave as `x-next-cursor`.";
        let export = outcome(operation("exportPushRecords", "The same as a file, page by page."))
            .parameter(query("format", Required::False, "The form.", choice(&["ndjson", "csv"], "ndjson")))
            .parameter(query("cursor", Required::False, cursor, text()))
            .response("200", answer);
        self.add(HttpMethod::Get, &format!("{base}/runs/{{run_id}}/export"), export, &[LIST]);

        let yes = |otherwise: bool| -> RefOr<Schema> {
            let yes = ObjectBuilder::new().schema_type(Type::Boolean).default(Some(otherwise.into()));
            Schema::from(yes).into()
        };
        let what = "Takes up the rows that a run left failed or pending.";
        let newest = "With the mapping in force instead of the one that the run was made with.";
        let doubt = "Also sends orders of which it is not known whether they were made. Say so only after having looked.";
        let replay = begins(operation("replayPush", what))
            .parameter(query("newest_mapping", Required::False, newest, yes(false)))
            .parameter(query("send_in_doubt", Required::False, doubt, yes(false)));
        let codes = follow(&["no_mapping", "not_replayable"]);
        let refused: Failures = &[(400, FOLLOWS), (403, &["missing_scopes"]), (409, &codes)];
        self.run(HttpMethod::Post, &format!("{base}/runs/{{run_id}}/replay"), replay, refused);

        let what = "Gives back what a run changed, last first, where nobody touched it since; the rest is listed with `DRIFT`.";
        let undo = begins(operation("undoPush", what));
        let codes = follow(&["not_undoable", "undo_expired"]);
        let refused: Failures = &[(400, FOLLOWS), (403, &["missing_scopes"]), (409, &codes)];
        self.run(HttpMethod::Post, &format!("{base}/runs/{{run_id}}/undo"), undo, refused);

        let answer = self.answer::<ShownPush>("It was asked to end, or has ended already.");
        let cancel =
            operation("cancelPush", "Asks a run to end. What it has written stays and can be undone.")
                .response("202", answer);
        self.add(HttpMethod::Post, &format!("{base}/runs/{{run_id}}/cancel"), cancel, &[NOTHING_TO_SAY]);
    }
}

fn rows() -> utoipa::openapi::request_body::RequestBody {
    let row = ObjectBuilder::new().schema_type(Type::Object);
    let list = ContentBuilder::new().schema(Some(Schema::from(ArrayBuilder::new().items(row))));
    let what = format!(
        "The rows, at most {MAX_ROWS_BYTES} bytes: a JSON list of objects, `{{\"rows\": […]}}`, or NDJSON, of which a line that cannot be read fails by itself."
    );
    RequestBodyBuilder::new()
        .description(Some(what))
        .required(Some(Required::True))
        .content("application/json", list.build())
        .content("application/x-ndjson", ContentBuilder::new().schema(Some(text())).build())
        .build()
}
