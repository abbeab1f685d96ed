//! A store's shop as a destination of rows.

use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{ContentBuilder, ResponseBuilder, Schema};

use super::super::destination::{Mappings, SaveMappingBody, ValidateMappingBody};
use super::{CONNECTOR, Failures, NOTHING_TO_SAY, Writer, operation};
use crate::app::destination::{DestinationCheck, Discovered, ShownMapping, Validation};
use crate::domain::push::document::MappingProblem;

impl Writer {
    pub(super) fn destination(&mut self) {
        let base = format!("{CONNECTOR}/destination");
        self.schema::<MappingProblem>();

        let content = ContentBuilder::new().schema(Some(Schema::from(ObjectBuilder::new()))).build();
        let answer = ResponseBuilder::new()
            .description("A JSON Schema, draft-07.")
            .content("application/json", content);
        let spec = operation(
            "getDestinationSpec",
            "The form of a connection's configuration, with secrets marked for Multiwoven and Airbyte.",
        )
        .response("200", answer);
        self.add(HttpMethod::Get, &format!("{base}/spec"), spec, &[NOTHING_TO_SAY]);

        // What asking the shop can come to.
        const SHOP: (u16, &[&str]) = (
            409,
            &[
                "changed_meanwhile",
                "missing_scopes",
                "needs_reauthorization",
                "not_connected",
                "shop_unavailable",
            ],
        );
        let answer = self.answer::<DestinationCheck>("What the shop says.");
        let check = operation("checkDestination", "Asks the shop who it is and what it grants, and tells for each stream what it lacks. Changes nothing there.")
            .response("200", answer);
        self.add(HttpMethod::Post, &format!("{base}/check"), check, &[NOTHING_TO_SAY, SHOP]);

        let answer = self.answer::<Discovered>("The streams.");
        let discover = operation("discoverDestination", "What can be filled: a JSON Schema for each stream that the granted scopes allow, with the metafields that the shop has defined and the places that it has.")
            .response("200", answer);
        self.add(HttpMethod::Post, &format!("{base}/discover"), discover, &[NOTHING_TO_SAY, SHOP]);

        let answer = self.answer::<Mappings>("The mappings.");
        let list = operation("listMappings", "The mappings in force.").response("200", answer);
        self.add(HttpMethod::Get, &format!("{base}/mappings"), list, &[NOTHING_TO_SAY]);

        const BODY: &[&str] =
            &["body_too_large", "invalid_body", "invalid_parameter", "unsupported_media_type"];
        let answer = self.answer::<Validation>("Everything that is wrong with it.");
        let body = self.body::<ValidateMappingBody>("The mapping.");
        let validate =
            operation("validateMapping", "Tells everything that is wrong with a mapping, and saves nothing.")
                .request_body(Some(body))
                .response("200", answer);
        let refused: Failures = &[(400, BODY), SHOP];
        self.add(HttpMethod::Post, &format!("{base}/mappings/{{stream}}/validate"), validate, refused);

        let answer = self.answer::<ShownMapping>("The revision in force.");
        let body = self.body::<SaveMappingBody>("The mapping.");
        let save = operation("saveMapping", "Saves a mapping as the next revision, if nothing is wrong with it. The same document again is the same revision.")
            .request_body(Some(body))
            .response("200", answer);
        const SAVE: &[&str] = &[
            "body_too_large",
            "invalid_body",
            "invalid_mapping",
            "invalid_parameter",
            "unsupported_media_type",
        ];
        let refused: Failures = &[(400, SAVE), SHOP];
        self.add(HttpMethod::Post, &format!("{base}/mappings/{{stream}}"), save, refused);

        let answer = self.answer::<ShownMapping>("The revision that says so.");
        let remove = operation(
            "deleteMapping",
            "Takes a mapping away. Its revisions stay, for the runs that were made with them.",
        )
        .response("200", answer);
        let refused: Failures = &[NOTHING_TO_SAY, (409, &["changed_meanwhile"])];
        self.add(HttpMethod::Delete, &format!("{base}/mappings/{{stream}}"), remove, refused);
    }
}
