//! The contract of the HTTP API, from the very types that requests and answers are made of. It is committed as
//! `infra/openapi.yaml`; a test holds that file to this document, and this document to the template's routes.
//!
//! Nothing here runs in a function: the feature `openapi` is for the test alone.

mod destination;
mod pushes;
mod tools;
mod webhooks;

use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder,
    Ref, RefOr, Required, ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};

use super::connectors::{Cards, ConfigureAnswer, ConfigureBody, DisconnectAnswer};
use super::http::MAX_BODY_BYTES;
use super::imports::{DecideBody, StartRunBody, Started};
use super::problem::Problem;
use crate::app::browse_catalog::{BrowseCatalog, CatalogRow, StandingFilter};
use crate::app::import::decisions::ShownDecisions;
use crate::app::import::reconcile::Reconciliation;
use crate::app::import::shown::{ShownPage, ShownRecord, ShownRun};
use crate::app::status::{Card, HistoryPage};
use crate::domain::ids::ProviderId;
use crate::domain::plan::Outcome;
use crate::domain::push::target::Stream;
use crate::domain::record::Resource;
use crate::domain::warning::Code;

/// The name of the one security scheme: the token of a signed-in merchant.
pub const MERCHANT: &str = "merchant";

const STORE: &str = "/stores/{store_id}";
const CONNECTOR: &str = "/stores/{store_id}/connectors/{provider}";
const RUNS: &str = "/stores/{store_id}/connectors/{provider}/imports";
const RUN: &str = "/stores/{store_id}/connectors/{provider}/imports/{run_id}";
const RECORDS: &str = "/stores/{store_id}/catalog/{resource}";

/// The whole document.
pub fn document() -> OpenApi {
    let mut writer = Writer { paths: PathsBuilder::new(), schemas: Vec::new() };
    writer.connectors();
    writer.webhooks();
    writer.destination();
    writer.pushes();
    writer.tools();
    writer.runs();
    writer.catalog();
    writer.schema::<ProviderId>();
    writer.schema::<Stream>();
    writer.schema::<Problem>();
    let Writer { paths, mut schemas } = writer;
    for (name, schema) in &mut schemas {
        // What a caller sends may be null; what we answer is there or it is not.
        if !name.ends_with("Body") {
            never_null(schema);
        }
    }
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "The token of a signed-in merchant. Its verified claim names the store; a path that names another one is answered like one that does not exist.",
    ));
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(MERCHANT, SecurityScheme::Http(token.build()))
        .build();
    let info = InfoBuilder::new()
        .title("Merchant connectors")
        .version("1")
        .description(Some(
            "Connects a merchant's store to the merchant's shop and imports its catalogue. Failures are problems (RFC 9457) with a stable `code`; times are RFC 3339 in UTC; money is a decimal string; cursors are opaque and belong to the list that gave them out. Unknown fields and parameters are refused.",
        ))
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

/// Collects operations, and the schemas that they use.
struct Writer {
    paths: PathsBuilder,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// A status and the codes that come with it.
type Failures<'a> = &'a [(u16, &'a [&'a str])];

/// What every list that takes a cursor can refuse.
const LIST: (u16, &[&str]) = (400, &["invalid_parameter", "invalid_cursor"]);
const NOTHING_TO_SAY: (u16, &[&str]) = (400, &["invalid_parameter"]);

impl Writer {
    fn connectors(&mut self) {
        let answer = self.answer::<Cards>("One card per platform.");
        let list = operation("listConnectors", "The connectors of a store, also those never connected.")
            .response("200", answer);
        self.add(HttpMethod::Get, &format!("{STORE}/connectors"), list, &[NOTHING_TO_SAY]);

        let answer = self.answer::<Card>("The card.");
        let show = operation("getConnector", "One connector: whether it works and why not, what was granted and what that allows, how fresh the data are, what to do next.")
            .response("200", answer);
        self.add(HttpMethod::Get, CONNECTOR, show, &[NOTHING_TO_SAY]);

        let answer = self.answer::<HistoryPage>("A page, newest first.");
        let history =
            page(operation("listHistory", "What happened to a connector."), 50, 200).response("200", answer);
        self.add(HttpMethod::Get, &format!("{CONNECTOR}/history"), history, &[LIST]);

        let cookie = HeaderBuilder::new()
            .schema(Some(text()))
            .description(Some("Binds the attempt to this browser; the callback needs it."))
            .build();
        let answer = self.answer::<ConfigureAnswer>(
            "By `oauth`: send the merchant's browser to `authorize_url`. By `credentials`: what is live now.",
        );
        let body = self.body::<ConfigureBody>("Which shop, and how.");
        let configure = operation("configureConnector", "Begins to connect the store to a shop by `oauth`, or connects it at once by `credentials` of the merchant's own app. A connector that is live stays live until the merchant has approved, or the shop has accepted the credentials.")
            .request_body(Some(body))
            .response("200", answer.header("Set-Cookie", cookie));
        let refused: Failures = &[
            (
                400,
                &[
                    "invalid_parameter",
                    "unsupported_media_type",
                    "body_too_large",
                    "invalid_body",
                    "invalid_shop",
                    "invalid_client",
                    "invalid_token",
                ],
            ),
            (
                409,
                &["changed_meanwhile", "shop_in_use", "shop_mismatch", "missing_scopes", "shop_unavailable"],
            ),
        ];
        self.add(HttpMethod::Post, &format!("{CONNECTOR}/configure"), configure, refused);

        let answer = self.answer::<DisconnectAnswer>("How the connector stands now.");
        let disconnect = operation("disconnectConnector", "Stops runs, removes the app from the shop, deletes the token and frees the shop. What was imported and the history stay. Again: the same answer.")
            .response("200", answer);
        let refused: Failures = &[NOTHING_TO_SAY, (409, &["changed_meanwhile"])];
        self.add(HttpMethod::Delete, CONNECTOR, disconnect, refused);

        self.callback();
    }

    fn callback(&mut self) {
        let location = HeaderBuilder::new()
            .schema(Some(text()))
            .description(Some("The workspace, with `status=connected` or `status=failed` and the `reason`."))
            .build();
        let back = ResponseBuilder::new()
            .description("The callback is genuine. The browser goes back to the workspace.")
            .header("Location", location);
        let mut callback = operation("completeOauth", "Where the shop sends the merchant's browser back to. Not for clients: the shop signs the query, and the browser needs the cookie of `configureConnector`.")
            .parameter(
                ParameterBuilder::new()
                    .name("__Host-mc_bind_{attempt}")
                    .parameter_in(ParameterIn::Cookie)
                    .required(Required::True)
                    .description(Some("The cookie that began the attempt; its name ends in 12 digits of the attempt's own."))
                    .schema(Some(text())),
            )
            .response("303", back);
        for (name, needed, what) in [
            ("shop", Required::True, "The shop's domain."),
            ("state", Required::True, "The attempt; it works once."),
            ("timestamp", Required::True, "When the shop sent the browser, in seconds since 1970."),
            ("hmac", Required::True, "The shop's signature of the query."),
            ("code", Required::False, "What the token is exchanged for; absent where the merchant denied."),
            ("error", Required::False, "Why there is no code."),
        ] {
            callback = callback.parameter(query(name, needed, what, text()));
        }
        let refused: Failures = &[
            (400, &["callback_malformed"]),
            (403, &["callback_forged", "callback_stale", "callback_mismatch"]),
        ];
        self.add(HttpMethod::Get, "/oauth/{provider}/callback", callback, refused);
    }

    fn runs(&mut self) {
        let answer = self.answer::<Started>("The run was accepted. Follow it by its id.");
        let body = self.body::<StartRunBody>("What to begin.");
        let start = once(operation(
            "startImport",
            "Begins a preview, an import, or the import that a preview showed.",
        ))
        .request_body(Some(body))
        .response("202", answer);
        let refused: Failures = &[
            (
                400,
                &[
                    "unsupported_media_type",
                    "body_too_large",
                    "invalid_body",
                    "invalid_idempotency_key",
                    "invalid_parameter",
                    "preview_of_preview",
                    "invalid_options",
                    "delete_not_confirmed",
                    "options_differ",
                ],
            ),
            (
                409,
                &[
                    "idempotency_key_reused",
                    "not_connected",
                    "missing_scopes",
                    "run_active",
                    "not_a_preview",
                    "preview_of_other_shop",
                    "preview_expired",
                ],
            ),
        ];
        self.add(HttpMethod::Post, RUNS, start, refused);

        let answer = self.named_answer::<ShownPage<ShownRun>>("RunPage", "A page, newest first.");
        let list =
            page(operation("listImports", "The runs of a connector."), 20, 100).response("200", answer);
        self.add(HttpMethod::Get, RUNS, list, &[LIST]);

        let answer = self.answer::<ShownRun>("The run.");
        let show = operation(
            "getImport",
            "One run: where it stands, how far it is, its numbers and warnings, its cost.",
        )
        .response("200", answer);
        self.add(HttpMethod::Get, RUN, show, &[NOTHING_TO_SAY]);

        self.schema::<ShownRecord>();
        let answer = self.named_answer::<ShownPage<ShownRecord>>(
            "RecordPage",
            "A page. With a narrow filter it may be shorter than asked for, or empty, and not the last.",
        );
        let records = operation("listImportRecords", "What the run decided about each record, with its differences field by field. Unchanged records are counted, not listed.")
            .parameter(query("resource", Required::False, "Only this resource.", self.schema::<Resource>()))
            .parameter(query("outcome", Required::False, "Only this outcome.", self.schema::<Outcome>()))
            .parameter(query("code", Required::False, "Only with this warning.", self.schema::<Code>()));
        let records = page(records, 50, 200).response("200", answer);
        self.add(HttpMethod::Get, &format!("{RUN}/records"), records, &[LIST]);

        let text = || <String as utoipa::PartialSchema>::schema();
        let table = ContentBuilder::new().schema(Some(text())).build();
        let answer = self.answer::<Reconciliation>("The sums.").content("text/csv", table);
        let sums = operation(
            "getReconciliation",
            "What the shop announced, what was read, what became of it, resource by resource, whether stock is equal on \
             both sides, and what is new against the import before.",
        )
        .parameter(query(
            "format",
            Required::False,
            "`json` or `csv`, a table of one number a row. Where absent, `Accept: text/csv` asks for the table.",
            text(),
        ))
        .response("200", answer);
        self.add(HttpMethod::Get, &format!("{RUN}/reconciliation"), sums, &[NOTHING_TO_SAY]);

        let answer = self.answer::<ShownDecisions>("What was decided.");
        let decided =
            operation("getDecisions", "What was decided about a run's plan.").response("200", answer);
        self.add(HttpMethod::Get, &format!("{RUN}/decisions"), decided, &[NOTHING_TO_SAY]);

        let answer = self.answer::<ShownDecisions>("All that is decided now.");
        let body = self.body::<DecideBody>("What to decide.");
        let decide = operation("decideImport", "Decides about the plan of a preview; the run that carries it out does as decided. The same decision twice is one; a later one about the very same thing replaces the earlier. A run keeps 500.")
            .request_body(Some(body))
            .response("200", answer);
        let refused: Failures = &[
            (
                400,
                &[
                    "unsupported_media_type",
                    "body_too_large",
                    "invalid_body",
                    "invalid_parameter",
                    "invalid_decision",
                    "unknown_record",
                ],
            ),
            (
                409,
                &[
                    "not_decidable",
                    "preview_expired",
                    "nothing_to_decide",
                    "not_proposed",
                    "adopted_twice",
                    "too_many_decisions",
                ],
            ),
        ];
        self.add(HttpMethod::Post, &format!("{RUN}/decisions"), decide, refused);

        let answer = self.answer::<ShownRun>("It was asked to stop, or has stopped already.");
        let cancel =
            operation("cancelImport", "Asks a run to stop. What it has applied stays and can be undone.")
                .response("202", answer);
        self.add(
            HttpMethod::Post,
            &format!("{RUN}/cancel"),
            cancel,
            &[NOTHING_TO_SAY, (409, &["run_ended"])],
        );

        let answer = self.answer::<Started>("The run that takes the import back.");
        let undo = once(operation(
            "undoImport",
            "Takes an import back, for 30 days. Records that changed since are left alone.",
        ))
        .response("202", answer);
        let refused: Failures = &[
            (400, &["invalid_idempotency_key", "invalid_parameter"]),
            (
                409,
                &["idempotency_key_reused", "not_undoable", "run_active", "already_undone", "undo_expired"],
            ),
        ];
        self.add(HttpMethod::Post, &format!("{RUN}/undo"), undo, refused);

        let answer = self.answer::<Started>("The run that tries again.");
        let retry = once(operation(
            "retryImport",
            "Tries again the records that a run did not write for a reason that passes (`RUN_ITEM_FAILED`, `SRC_CHILD_TRUNCATED`, `RUN_PLAN_STALE`), and no others, from a fresh look at the shop.",
        ))
        .response("202", answer);
        let refused: Failures = &[
            (400, &["invalid_idempotency_key", "invalid_parameter"]),
            (
                409,
                &[
                    "idempotency_key_reused",
                    "run_active",
                    "already_undone",
                    "nothing_to_retry",
                    "too_much_to_retry",
                    "not_connected",
                    "missing_scopes",
                    "run_of_other_shop",
                ],
            ),
        ];
        self.add(HttpMethod::Post, &format!("{RUN}/retry"), retry, refused);
    }

    fn catalog(&mut self) {
        let answer = self.named_answer::<ShownPage<CatalogRow>>(
            "CatalogPage",
            "A page. A record is never split, so a list of children may be a little longer than asked for.",
        );
        let standing = query(
            "standing",
            Required::False,
            "Which records; `active` where absent.",
            StandingFilter::schema(),
        );
        let list = page(
            operation("listCatalog", "The records that landed in the store.").parameter(standing),
            50,
            100,
        )
        .response("200", answer);
        self.add(HttpMethod::Get, RECORDS, list, &[LIST]);

        let answer = self.answer::<CatalogRow>("The record.");
        let one = operation("getCatalogRecord", "One record as a whole, with its children.")
            .response("200", answer);
        self.add(HttpMethod::Get, &format!("{RECORDS}/{{id}}"), one, &[NOTHING_TO_SAY]);
    }

    /// Adds an operation with what follows from its path: parameters, security, and the failures of every route.
    fn add(&mut self, method: HttpMethod, path: &str, operation: OperationBuilder, failures: Failures) {
        self.add_with(method, path, operation, failures, None);
    }

    /// The same of an operation whose answer is a run, whichever status the run's end comes to.
    fn add_with(
        &mut self,
        method: HttpMethod,
        path: &str,
        mut operation: OperationBuilder,
        failures: Failures,
        run: Option<&RefOr<Schema>>,
    ) {
        for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            operation = operation.parameter(in_path(name));
        }
        let mut all: Vec<(u16, &[&str])> = failures.to_vec();
        if path.starts_with(STORE) {
            operation = operation.security(SecurityRequirement::new(MERCHANT, Vec::<String>::new()));
            all.extend([(401, ["unauthenticated"].as_slice()), (403, &["no_store"])]);
        }
        all.extend([
            (404, ["not_found"].as_slice()),
            (429, &["throttled"]),
            (500, &["internal_error"]),
            (503, &["temporarily_unavailable"]),
        ]);
        all.sort_unstable();
        for (status, codes) in all {
            let mut response = problem(status, codes);
            if let (Some(run), 401 | 403) = (run, status) {
                let run = ContentBuilder::new().schema(Some(run.clone())).build();
                response = response.content("application/json", run);
            }
            operation = operation.response(status.to_string(), response);
        }
        let operation: Operation = operation.build();
        let paths = std::mem::take(&mut self.paths);
        self.paths = paths.path(path, utoipa::openapi::PathItem::new(method, operation));
    }

    /// A reference to a type's schema, which is added to the document with everything it uses.
    fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.named::<T>(&T::name())
    }

    fn named<T: ToSchema>(&mut self, name: &str) -> RefOr<Schema> {
        self.schemas.push((name.to_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name).into()
    }

    fn answer<T: ToSchema>(&mut self, what: &str) -> ResponseBuilder {
        self.named_answer::<T>(&T::name(), what)
    }

    fn named_answer<T: ToSchema>(&mut self, name: &str, what: &str) -> ResponseBuilder {
        let content = ContentBuilder::new().schema(Some(self.named::<T>(name)));
        ResponseBuilder::new().description(what).content("application/json", content.build())
    }

    fn body<T: ToSchema>(&mut self, what: &str) -> utoipa::openapi::request_body::RequestBody {
        let content = ContentBuilder::new().schema(Some(self.schema::<T>()));
        RequestBodyBuilder::new()
            .description(Some(format!("{what} At most {MAX_BODY_BYTES} bytes.")))
            .required(Some(Required::True))
            .content("application/json", content.build())
            .build()
    }
}

fn operation(id: &str, what: &str) -> OperationBuilder {
    OperationBuilder::new().operation_id(Some(id)).description(Some(what))
}

fn text() -> RefOr<Schema> {
    String::schema()
}

fn query(name: &str, required: Required, what: &str, schema: RefOr<Schema>) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(required)
        .description(Some(what))
        .schema(Some(schema))
}

/// With the parameters of a list in pages.
fn page(operation: OperationBuilder, default: u32, max: u32) -> OperationBuilder {
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(max))
        .default(Some(default.into()));
    let cursor = "Where the page begins: what this list gave as the next page's cursor.";
    operation.parameter(query("cursor", Required::False, cursor, text())).parameter(query(
        "limit",
        Required::False,
        "The size of the page.",
        Schema::from(limit).into(),
    ))
}

/// With the header that makes a repeated request begin one run.
fn once(operation: OperationBuilder) -> OperationBuilder {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(128))
        .pattern(Some("^[!-~]+$"));
    operation.parameter(
        ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("The same key begins one run: a repeated request is answered with its id, for 30 days. With another request it is refused."))
            .schema(Some(Schema::from(key))),
    )
}

fn in_path(name: &str) -> ParameterBuilder {
    let (what, schema) = match name {
        "store_id" => ("The store, as the token's claim names it.", text()),
        "provider" => ("The platform.", Ref::from_schema_name(ProviderId::name()).into()),
        "run_id" => ("The run.", text()),
        "resource" => ("What to show.", shown_resources()),
        "stream" => ("What is filled.", Ref::from_schema_name(Stream::name()).into()),
        "destination_id" => ("The destination, as its key's answer names it.", text()),
        "install_key" => ("The installation's own part of the address.", text()),
        _ => ("The record's id in the store.", text()),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(what))
        .schema(Some(schema))
}

fn shown_resources() -> RefOr<Schema> {
    let names = BrowseCatalog::resources().map(Resource::as_str);
    Schema::from(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))).into()
}

fn problem(status: u16, codes: &[&str]) -> ResponseBuilder {
    let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut what = format!("Codes: {}.", codes.join(", "));
    if codes.iter().any(|code| code.contains("unauthenticated")) {
        what.push_str(
            " A token that the gateway itself refuses is answered `{\"message\":\"Unauthorized\"}`.",
        );
    }
    let schema = RefOr::<Schema>::from(Ref::from_schema_name(Problem::name()));
    let content = ContentBuilder::new().schema(Some(schema));
    let mut response =
        ResponseBuilder::new().description(what).content("application/problem+json", content.build());
    if matches!(status, 429 | 503) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        let header = HeaderBuilder::new()
            .schema(Some(Schema::from(seconds)))
            .description(Some("Seconds after which to try again."));
        response = response.header("Retry-After", header.build());
    }
    response
}

/// Takes `null` out of what an answer's fields may be: absent ones are left out.
fn never_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for field in object.properties.values_mut() {
        match field {
            RefOr::T(Schema::Object(object)) => drop_null(&mut object.schema_type),
            RefOr::T(Schema::Array(array)) => drop_null(&mut array.schema_type),
            RefOr::T(Schema::OneOf(choice)) => {
                let only = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_)));
                if let Some(RefOr::Ref(mut reference)) = only.cloned() {
                    if let Some(description) = &choice.description {
                        reference.description.clone_from(description);
                    }
                    *field = RefOr::Ref(reference);
                }
            }
            _ => {}
        }
    }
}

fn drop_null(kind: &mut SchemaType) {
    if let SchemaType::Array(kinds) = kind {
        kinds.retain(|kind| *kind != Type::Null);
        if let [only] = kinds.as_slice() {
            *kind = SchemaType::Type(only.clone());
        }
    }
}
