//! The kinds of failure that use cases know. They know no transport: `lambda::problem` maps a kind to an HTTP status,
//! `lambda::batch` to what becomes of a message.

use std::time::Duration;

use crate::ports::PortError;
use crate::ports::provider::ProviderError;

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is not well formed.
    Invalid,
    /// The caller is not known.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// There is no such thing, or not for this caller.
    NotFound,
    /// It does not fit what is there.
    Conflict,
    /// Too much at once.
    Throttled {
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// Something we need is not there at the moment.
    Unavailable,
    /// A mistake of ours.
    Bug,
}

/// A failed use case: what the caller reads, and what we log.
#[derive(Debug, thiserror::Error)]
#[error("{code}")]
pub struct AppError {
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// The stable code that the caller reads.
    pub code: &'static str,
    /// What the caller reads: what is wrong and what to do. Never a secret, never internals.
    pub detail: String,
    /// What we log.
    #[source]
    pub source: Option<crate::ports::Cause>,
}

impl AppError {
    /// A failure without a cause below.
    pub fn new(kind: ErrorKind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), source: None }
    }

    /// A request that is not well formed.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, code, detail)
    }

    /// Nothing there, or not for this caller: the same answer for both.
    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "not_found", "There is no such thing in this store.")
    }

    /// It does not fit what is there.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, detail)
    }

    /// A mistake of ours, with what is known of it for the log.
    pub fn bug(source: impl Into<crate::ports::Cause>) -> Self {
        Self {
            kind: ErrorKind::Bug,
            code: "internal_error",
            detail: "Something went wrong on our side. Try again; if it stays, tell us the request_id."
                .to_owned(),
            source: Some(source.into()),
        }
    }

    /// What we log of it beside its code.
    pub fn cause(&self) -> Option<String> {
        self.source.as_deref().map(|cause| crate::ports::chain(cause))
    }

    /// When to try again, where whoever refused said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            ErrorKind::Throttled { retry_after } => retry_after,
            _ => None,
        }
    }

    /// Whether trying again later can help.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled { .. } | ErrorKind::Unavailable)
    }
}

fn unavailable(source: impl Into<crate::ports::Cause>) -> AppError {
    AppError {
        kind: ErrorKind::Unavailable,
        code: "temporarily_unavailable",
        detail: "A service that this needs does not answer at the moment. Try again in a minute.".to_owned(),
        source: Some(source.into()),
    }
}

impl From<PortError> for AppError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Unavailable { .. } => unavailable(error),
            PortError::Throttled { retry_after, .. } => Self {
                kind: ErrorKind::Throttled { retry_after },
                code: "throttled",
                detail: "Too many requests at once. Try again in a moment.".to_owned(),
                source: Some(error.into()),
            },
            PortError::Conflict => Self {
                kind: ErrorKind::Conflict,
                code: "changed_meanwhile",
                detail: "Someone else changed this at the same moment. Read it again and retry.".to_owned(),
                source: Some(error.into()),
            },
            // Cursors come from outside; everything else that is stored comes from us.
            PortError::Malformed { what: "cursor", .. } => Self::invalid(
                "invalid_cursor",
                "This cursor does not belong to this list. Start without one.",
            ),
            PortError::Denied { .. } | PortError::Malformed { .. } => Self::bug(error),
        }
    }
}

impl From<ProviderError> for AppError {
    fn from(error: ProviderError) -> Self {
        let (kind, code, detail) = match &error {
            ProviderError::Throttled { retry_after } => (
                ErrorKind::Throttled { retry_after: *retry_after },
                "shop_throttled",
                "The shop allows no more calls at the moment. Try again in a minute.",
            ),
            ProviderError::Unavailable { .. } => (
                ErrorKind::Unavailable,
                "shop_unreachable",
                "The shop does not answer. Try again in a minute.",
            ),
            ProviderError::TokenRejected => (
                ErrorKind::Conflict,
                "needs_reauthorization",
                "The shop no longer accepts our access. Reconnect.",
            ),
            ProviderError::ScopeDenied { .. } => (
                ErrorKind::Conflict,
                "missing_scopes",
                "The shop denied access. Reconnect and grant every scope.",
            ),
            ProviderError::ShopUnavailable => (
                ErrorKind::Conflict,
                "shop_unavailable",
                "The shop is closed, frozen or locked at its platform.",
            ),
            ProviderError::Refused { .. }
            | ProviderError::ResultExpired
            | ProviderError::Malformed { .. } => {
                return Self::bug(error);
            }
        };
        Self { kind, code, detail: detail.to_owned(), source: Some(error.into()) }
    }
}
