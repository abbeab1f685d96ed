//! What the platform posts. Not for clients, and in the contract all the same: operators register the addresses.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{ContentBuilder, Required, ResponseBuilder, Schema};

use super::super::webhooks::MAX_WEBHOOK_BYTES;
use super::{Failures, Writer, operation, text};
use crate::providers::shopify::WEBHOOK_HEADERS;

impl Writer {
    pub(super) fn webhooks(&mut self) {
        let refused: Failures =
            &[(400, &["webhook_malformed", "invalid_body", "body_too_large"]), (401, &["webhook_forged"])];
        for (path, id, what) in [
            (
                "/webhooks/{provider}/{install_key}",
                "receiveWebhook",
                "Where a shop tells what happened in it. Not for clients: the platform signs the body, and the last part of the address is the installation's own.",
            ),
            (
                "/webhooks/{provider}",
                "receiveAppWebhook",
                "Where the platform sends what concerns the app as a whole: requests for personal data and for its erasure. Not for clients.",
            ),
        ] {
            self.add(HttpMethod::Post, path, receiving(id, what), refused);
        }
    }
}

fn receiving(id: &str, what: &str) -> OperationBuilder {
    let content = ContentBuilder::new().schema(Some(Schema::from(ObjectBuilder::new()))).build();
    let body = RequestBodyBuilder::new()
        .description(Some(format!("As the platform sends it. At most {MAX_WEBHOOK_BYTES} bytes.")))
        .required(Some(Required::True))
        .content("application/json", content)
        .build();
    let taken = ResponseBuilder::new().description(
        "Taken, or of no interest: an address that nobody has is answered like one that somebody has.",
    );
    let receive = operation(id, what).request_body(Some(body)).response("200", taken);
    WEBHOOK_HEADERS.into_iter().fold(receive, |receive, (name, needed, what)| {
        let header = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(if needed { Required::True } else { Required::False })
            .description(Some(what))
            .schema(Some(text()));
        receive.parameter(header)
    })
}
