//! From an SDK's errors to the kinds that ports know.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::ports::{Cause, PortError};

/// What the caller of a service can make of its error. Only the error itself is kept, never the raw answer.
pub fn port_error<E, R>(service: &'static str, error: SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let SdkError::ServiceError(error) = error else {
        // Timeouts, broken connections, unreadable answers: whether it took effect is unknown.
        let source = error.into_source().ok();
        return PortError::Unavailable { service, source };
    };
    let error = error.into_err();
    let code = error.code().unwrap_or_default().to_owned();
    by_code(service, &code, Some(error.into()))
}

/// The kind that goes with a service's error code.
fn by_code(service: &'static str, code: &str, source: Option<Cause>) -> PortError {
    // Codes of the query protocol carry their service as a prefix.
    match code.rsplit('.').next().unwrap_or_default() {
        "ConditionalCheckFailedException" | "ResourceExistsException" => PortError::Conflict,
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TooManyRequestsException"
        | "OverLimit"
        | "KmsThrottled"
        | "SlowDown"
        | "TransactionConflictException"
        | "TransactionInProgressException" => PortError::Throttled { service, retry_after: None },
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "KmsAccessDenied" => PortError::Denied { service, source },
        // The request itself is wrong, or what it names is not there: asking again would not help.
        "ValidationException"
        | "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "NonExistentQueue"
        | "NoSuchBucket"
        | "InvalidParameterException"
        | "InvalidParameterValue"
        | "InvalidRequestException"
        | "MissingParameter"
        | "ItemCollectionSizeLimitExceededException" => {
            PortError::Malformed { what: service, why: format!("the service refused the call: {code}") }
        }
        _ => PortError::Unavailable { service, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_kind_and_an_unknown_one_may_pass() {
        let kind = |code| match by_code("table", code, None) {
            PortError::Conflict => "conflict",
            PortError::Throttled { .. } => "throttled",
            PortError::Denied { .. } => "denied",
            PortError::Malformed { .. } => "malformed",
            PortError::Unavailable { .. } => "unavailable",
        };
        assert_eq!(kind("ConditionalCheckFailedException"), "conflict");
        assert_eq!(kind("ProvisionedThroughputExceededException"), "throttled");
        assert_eq!(kind("SlowDown"), "throttled");
        assert_eq!(kind("AWS.SimpleQueueService.NonExistentQueue"), "malformed");
        assert_eq!(kind("NoSuchBucket"), "malformed");
        assert_eq!(kind("AccessDeniedException"), "denied");
        assert_eq!(kind("InternalServerError"), "unavailable");
        assert_eq!(kind(""), "unavailable");
    }
}
