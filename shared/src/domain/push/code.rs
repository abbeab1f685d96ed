//! What can go wrong with a row, a mapping or a run of a push. Codes are stable and never reused.

use serde::{Deserialize, Serialize};

/// The kind of trouble, as the merchant's tools are told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The shop does not accept our access.
    Auth,
    /// A scope or an approval is lacking.
    Permission,
    /// The mapping, or a row that does not fit it. Found before anything is written.
    Mapping,
    /// The record that a row means cannot be told.
    Match,
    /// The shop refused the values.
    UserError,
    /// The shop has no way to do it.
    Unsupported,
    /// The record is no longer what it was when it was read.
    Conflict,
    /// The shop asks us to wait.
    Throttle,
    /// A call failed that may succeed later.
    Transient,
    /// A call was sent and its answer lost.
    InDoubt,
    /// The shop remembers the same call.
    Idempotency,
    /// The shop's own bulk work.
    Bulk,
    /// A brake of ours.
    Guard,
    /// A fault of ours.
    Internal,
}

/// What is done about it without the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Nothing: it would fail again.
    No,
    /// Nothing until the merchant has changed the mapping or the data.
    AfterFix,
    /// The token is refreshed once, then the call is made again.
    RefreshOnce,
    /// The record is read again and the row decided anew, three times at most.
    Reread,
    /// The call is made again when the computed wait is over.
    AfterWait,
    /// The row waits for the next day.
    NextDay,
    /// The call is made again after growing pauses, six times at most.
    Backoff,
    /// It is found out first what became of the call.
    ResolveFirst,
    /// Someone has to decide.
    Human,
}

/// What it means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The run stops; its rows stay pending.
    StopsRun,
    /// The stream stops; its rows stay pending.
    StopsStream,
    /// The row fails, the others go on.
    FailsRow,
    /// The row is left out where the mapping says so, else it fails.
    SkipsOrFailsRow,
    /// The row stays pending.
    KeepsPending,
}

macro_rules! codes {
    ($($variant:ident = $text:literal, $class:ident, $retry:ident, $effect:ident, $hint:literal;)*) => {
        /// What went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $(
                #[doc = $hint]
                #[serde(rename = $text)]
                $variant,
            )*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The kind of trouble.
            pub fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }

            /// What is done about it.
            pub fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry,)* }
            }

            /// What it means for the run.
            pub fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)* }
            }

            /// What the merchant should know or do.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

codes! {
    TokenInvalid = "TOKEN_INVALID", Auth, RefreshOnce, StopsRun, "The shop no longer accepts our access. Reconnect the store.";
    TokenExpired = "TOKEN_EXPIRED", Auth, RefreshOnce, StopsRun, "The access has run out and could not be renewed. Reconnect the store.";
    RefreshReplayed = "REFRESH_REPLAYED", Auth, RefreshOnce, StopsRun, "The access was renewed elsewhere. Reconnect the store if it lasts.";
    ShopUnknown = "SHOP_UNKNOWN", Auth, No, StopsRun, "There is no shop of this name. Check the name of the shop.";
    ShopFrozen = "SHOP_FROZEN", Auth, No, StopsRun, "The shop is frozen or closed. Open it again, then replay the run.";
    AppUninstalled = "APP_UNINSTALLED", Auth, No, StopsRun, "The app was removed from the shop. Reconnect the store.";
    ScopeMissing = "SCOPE_MISSING", Permission, No, StopsStream, "A scope that this stream needs was not granted. Reconnect and grant it.";
    ProtectedDataDenied = "PROTECTED_DATA_DENIED", Permission, No, StopsStream, "The app is not approved for customer data. Ask for the approval, then replay the run.";
    MappingMalformed = "MAPPING_MALFORMED", Mapping, AfterFix, FailsRow, "The mapping is not written as a mapping is. Correct what the path names.";
    UnknownField = "UNKNOWN_FIELD", Mapping, AfterFix, FailsRow, "There is no field or column of this name. Correct the name.";
    TypeMismatch = "TYPE_MISMATCH", Mapping, AfterFix, FailsRow, "The value does not fit the field. Cast the column or map another.";
    RequiredMissing = "REQUIRED_MISSING", Mapping, AfterFix, FailsRow, "A value that is needed is not there. Map it, or fill the column.";
    TemplateError = "TEMPLATE_ERROR", Mapping, AfterFix, FailsRow, "The template cannot be read or rendered. Correct it.";
    DuplicateTarget = "DUPLICATE_TARGET", Mapping, AfterFix, FailsRow, "Two entries fill the same field. Remove one of them.";
    DefinitionMissing = "DEFINITION_MISSING", Mapping, AfterFix, FailsRow, "The shop has no definition of this metafield. Create it, then save the mapping again.";
    SchemaDrift = "SCHEMA_DRIFT", Mapping, AfterFix, StopsStream, "The shop's fields changed after the mapping was saved. Save it again.";
    RowMalformed = "ROW_MALFORMED", Mapping, AfterFix, FailsRow, "The line is not a JSON object. Correct it and replay the run.";
    NotFound = "NOT_FOUND", Match, AfterFix, FailsRow, "The shop has no record with this key. Create it, or correct the key.";
    Ambiguous = "AMBIGUOUS", Match, AfterFix, FailsRow, "Several records of the shop have this key. Make it unique.";
    KeyConflict = "KEY_CONFLICT", Match, AfterFix, FailsRow, "The keys of the row belong to different records of the shop. Correct one of them.";
    DuplicateKeyInInput = "DUPLICATE_KEY_IN_INPUT", Match, AfterFix, FailsRow, "Several rows have this key. Send each record once, or group the rows.";
    GroupDisagrees = "GROUP_DISAGREES", Match, AfterFix, FailsRow, "Rows of one record have different values for one of its fields. Make them equal.";
    Refused = "REFUSED", UserError, AfterFix, FailsRow, "The shop refused the values. Its own code and message tell why.";
    UnsupportedChange = "UNSUPPORTED_CHANGE", Unsupported, No, SkipsOrFailsRow, "The shop cannot change this of a record that exists. Change it by hand.";
    BundleParent = "BUNDLE_PARENT", Unsupported, No, SkipsOrFailsRow, "The stock of a bundle follows from its parts. Send the parts.";
    NotTracked = "NOT_TRACKED", Unsupported, No, SkipsOrFailsRow, "The shop does not track the stock of this item. Turn tracking on.";
    StaleQuantity = "STALE_QUANTITY", Conflict, Reread, FailsRow, "The stock moved while it was being set. Replay the row.";
    ChangedSincePlan = "CHANGED_SINCE_PLAN", Conflict, Reread, FailsRow, "The record or the row changed after the plan. Plan again.";
    Drift = "DRIFT", Conflict, Reread, FailsRow, "The shop changed what was written here before. Decide which side holds.";
    Throttled = "THROTTLED", Throttle, AfterWait, KeepsPending, "The shop slows us down. Nothing to do.";
    CostTooHigh = "COST_TOO_HIGH", Throttle, AfterFix, FailsRow, "The shop never has the points that this takes, and it cannot be cut further. Send a shorter list in each row.";
    OrderRate = "ORDER_RATE", Throttle, AfterWait, KeepsPending, "A development shop takes five new orders a minute. Nothing to do.";
    VariantDailyLimit = "VARIANT_DAILY_LIMIT", Throttle, NextDay, KeepsPending, "The shop takes no more new variants today. Nothing to do.";
    Http5xx = "HTTP_5XX", Transient, Backoff, KeepsPending, "The shop had a fault. Nothing to do.";
    Connect = "CONNECT", Transient, Backoff, KeepsPending, "The shop could not be reached. Nothing to do.";
    Reset = "RESET", Transient, Backoff, KeepsPending, "The connection to the shop broke. Nothing to do.";
    TimeoutAfterSend = "TIMEOUT_AFTER_SEND", InDoubt, ResolveFirst, KeepsPending, "The answer of the shop was lost; what became of the call is being found out.";
    KeyInFlight = "KEY_IN_FLIGHT", Idempotency, AfterWait, KeepsPending, "The same call is still being worked on. Nothing to do.";
    KeyMismatch = "KEY_MISMATCH", Idempotency, No, FailsRow, "One key was used for two different calls. Tell support the run's id.";
    BulkBusy = "BULK_BUSY", Bulk, AfterWait, KeepsPending, "The shop is busy with other bulk work. Nothing to do.";
    BulkFailed = "BULK_FAILED", Bulk, Backoff, KeepsPending, "The shop broke off its bulk work; the lines are sent again.";
    BulkExpired = "BULK_EXPIRED", Bulk, Backoff, KeepsPending, "The result of the bulk work can no longer be read; the lines are sent again.";
    LineError = "LINE_ERROR", Bulk, AfterFix, FailsRow, "The shop refused this line. Its own code and message tell why.";
    FailedShare = "FAILED_SHARE", Guard, Human, StopsRun, "Too many rows failed. Look at them, then replay the run.";
    DeleteGuard = "DELETE_GUARD", Guard, Human, StopsRun, "The run would delete more than it may. Look at the plan, then decide.";
    Cancelled = "CANCELLED", Guard, Human, StopsRun, "The run was cancelled.";
    RowsExpired = "ROWS_EXPIRED", Guard, Human, StopsRun, "Rows are kept for 30 days, and these are gone. Send them again.";
    Bug = "BUG", Internal, No, FailsRow, "A fault of ours. Tell support the run's id.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_every_one_has_a_hint() {
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} is used twice", code.as_str());
            assert!(code.hint().ends_with('.'), "{} has no sentence", code.as_str());
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn a_row_never_fails_of_what_may_still_succeed() {
        for code in Code::ALL {
            let later = matches!(
                code.retry(),
                Retry::AfterWait | Retry::NextDay | Retry::Backoff | Retry::ResolveFirst
            );
            assert_eq!(later, code.effect() == Effect::KeepsPending, "{}", code.as_str());
        }
    }
}
