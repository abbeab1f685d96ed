//! Keys of data tools, and the address that they open.

use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{ContentBuilder, Required, Schema};

use super::super::destination::{Keys, MAX_TOOL_BYTES, MadeKeyAnswer, MakeKeyBody};
use super::{CONNECTOR, Failures, NOTHING_TO_SAY, Writer, operation};
use crate::app::push::keys::ShownKey;
use crate::app::push::tool::ToolAnswer;

impl Writer {
    pub(super) fn tools(&mut self) {
        let base = format!("{CONNECTOR}/destination/keys");
        let answer = self.answer::<Keys>("The keys. None of them can be read again.");
        let list = operation("listKeys", "The keys of data tools, in the order in which they were made.")
            .response("200", answer);
        self.add(HttpMethod::Get, &base, list, &[NOTHING_TO_SAY]);

        let answer = self.answer::<MadeKeyAnswer>("The key, this once.");
        let body = self.body::<MakeKeyBody>("What it opens.");
        let make = operation(
            "makeKey",
            "Makes a key with which a data tool can send rows of one stream, and do nothing else.",
        )
        .request_body(Some(body))
        .response("201", answer);
        const BODY: &[&str] = &[
            "body_too_large",
            "invalid_body",
            "invalid_expiry",
            "invalid_name",
            "invalid_parameter",
            "unsupported_media_type",
        ];
        let refused: Failures = &[(400, BODY), (409, &["too_many_keys"])];
        self.add(HttpMethod::Post, &base, make, refused);

        let answer = self.answer::<ShownKey>("What is kept of it.");
        let what = "Takes a key back, at once and for ever. Again: the same answer.";
        let revoke = operation("revokeKey", what).response("200", answer);
        self.add(HttpMethod::Delete, &format!("{base}/{{destination_id}}"), revoke, &[NOTHING_TO_SAY]);

        let content = ContentBuilder::new().schema(Some(Schema::from(ObjectBuilder::new()))).build();
        let rows = format!(
            "`{{\"records\": [{{\"fields\": …}}]}}`, or `{{}}` to ask whether rows could be sent; with a key for another tool than \
             Multiwoven also a list of rows or `{{\"rows\": […]}}`. At most {MAX_TOOL_BYTES} bytes, whatever their type is said to be."
        );
        let body = RequestBodyBuilder::new()
            .description(Some(rows))
            .required(Some(Required::True))
            .content("application/json", content)
            .build();
        let told = |writer: &mut Self, what: &str| writer.answer::<ToolAnswer>(what);
        let over = told(self, "Every row is as it should be; of a check: rows could be sent.");
        let kept = told(self, "The rows are kept and will be delivered.");
        let refused = told(self, "Rows were refused for good; `refused` tells which and why.");
        let what = "Where data tools send rows. The header `Authorization: Bearer mck_…` has the key of this destination; whoever has another one or none learns nothing but that. The status alone tells the truth; 401 and 403 also say that the shop does not let us in.";
        let post = operation("postRows", what)
            .request_body(Some(body))
            .response("200", over)
            .response("201", kept)
            .response("422", refused);
        const TOOL: &[&str] =
            &["body_too_large", "invalid_body", "invalid_parameter", "no_rows", "too_many_rows"];
        const SHOP: &[&str] = &["invalid_key", "needs_reauthorization", "not_connected", "shop_unavailable"];
        let refused: Failures = &[
            (400, TOOL),
            (401, SHOP),
            (403, &["missing_scopes"]),
            (409, &["changed_meanwhile", "no_mapping", "schema_drift"]),
        ];
        let run = self.schema::<ToolAnswer>();
        self.add_with(HttpMethod::Post, "/destinations/{destination_id}/{stream}", post, refused, Some(&run));
    }
}
