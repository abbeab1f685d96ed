//! The taxonomy of what a run has to tell. Codes are stable and never reused.

use serde::{Deserialize, Serialize};

/// How much a warning matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing to do.
    Info,
    /// Look at it before relying on the record.
    Warning,
    /// Part of the run did not do what was asked.
    Error,
    /// The run, or one resource of it, cannot go on.
    Blocker,
}

// `tt`, not `literal`: the derive that documents the names does not look into a captured literal.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:tt, $severity:ident, $remedy:literal;)*) => {
        /// What a run says about itself, a resource, a record or a field.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Code {
            $(
                #[doc = $remedy]
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

            /// Reads the stable text.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }

            /// How much it matters.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What the merchant should know or do.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    ConnScopeMissing = "CONN_SCOPE_MISSING", Blocker, "A scope that this resource needs was not granted. Reconnect and grant it.";
    ConnScopeRevoked = "CONN_SCOPE_REVOKED", Blocker, "A scope was taken away between asking for the run and its beginning, so a resource was left out. Reconnect and grant it.";
    ConnTokenInvalid = "CONN_TOKEN_INVALID", Blocker, "The shop no longer accepts our access. Reconnect the store.";
    SrcScanIncomplete = "SRC_SCAN_INCOMPLETE", Blocker, "The shop announced more objects than it delivered. Nothing was written; run again.";
    SrcChildTruncated = "SRC_CHILD_TRUNCATED", Error, "A record arrived with fewer parts than it counts itself. It was not written; run again.";
    SrcOrphanChild = "SRC_ORPHAN_CHILD", Error, "Parts arrived apart from their record and could not be joined. Nothing was written; run again.";
    SrcEmptyResultSuspect = "SRC_EMPTY_RESULT_SUSPECT", Blocker, "The shop announced objects but delivered none. Nothing was written; run again.";
    SrcPartialBulk = "SRC_PARTIAL_BULK", Blocker, "The shop broke off while collecting the catalogue. Nothing was written; run again.";
    SrcChangedDuringRun = "SRC_CHANGED_DURING_RUN", Info, "The shop changed while the run was reading. Run again to take up the change.";
    SrcThrottledLong = "SRC_THROTTLED_LONG", Info, "The shop slowed the run down. Nothing to do.";
    SrcResultExpired = "SRC_RESULT_EXPIRED", Blocker, "The shop's result can no longer be downloaded. Run again.";
    IdAdoptionProposed = "ID_ADOPTION_PROPOSED", Warning, "A record made here looks like this one. Decide in the preview whether they are the same; undecided, a new record is made.";
    IdAdopted = "ID_ADOPTED", Info, "A record made here was linked to the one in the shop and keeps its id. Undo puts it back as it was.";
    IdAmbiguousMatch = "ID_AMBIGUOUS_MATCH", Warning, "Several records look like this one, so none is proposed. Decide in the preview which one it is, if any.";
    IdDuplicateHandle = "ID_DUPLICATE_HANDLE", Warning, "A record made here has the same handle. Decide in the preview whether they are the same, or change one of the handles.";
    IdDetachedLocalDelete = "ID_DETACHED_LOCAL_DELETE", Info, "The record was deleted here, so it is not imported any more. Decide in a preview to import it again.";
    IdRestored = "ID_RESTORED", Info, "A record that had gone missing is back in the shop and was restored.";
    IdDuplicateSku = "ID_DUPLICATE_SKU", Warning, "Several variants of this product share a SKU. Give each its own.";
    FldPriceInvalid = "FLD_PRICE_INVALID", Error, "A price is not a decimal number. Correct it in the shop.";
    FldUnsupported = "FLD_UNSUPPORTED", Warning, "A field has a form that is not known here; it was kept as it came.";
    FldMetafieldUnmapped = "FLD_METAFIELD_UNMAPPED", Info, "The record has metafields, which are kept as they came and stand for no field here.";
    ConfKeptLocal = "CONF_KEPT_LOCAL", Warning, "Both sides changed this field; yours was kept. Take the shop's value in a preview, or by editing it here.";
    ConfTookSource = "CONF_TOOK_SOURCE", Info, "Both sides changed this field; the shop's value was taken, as decided.";
    ConfNoBase = "CONF_NO_BASE", Warning, "This record was linked to the shop's, and the two differ in this field; yours was kept. Take the shop's value in the preview, or by editing it here.";
    ConnShopChanged = "CONN_SHOP_CHANGED", Blocker, "The store was connected anew while the run was going on. Run again.";
    RunChunkRetried = "RUN_CHUNK_RETRIED", Info, "Part of the run was tried again. Nothing to do.";
    MissInSource = "MISS_IN_SOURCE", Warning, "The record is no longer in the shop. It was kept and marked; remove it if you no longer sell it.";
    MissHandled = "MISS_HANDLED", Info, "The product is no longer in the shop and was set to draft, archived or deleted, as was chosen for the run. Undo brings it back.";
    MissMassBrake = "MISS_MASS_BRAKE", Blocker, "Unusually many records are missing in the shop, so the run waits before it writes anything. Check that the right shop is connected with all its scopes; then decide whether they are gone or stay as they are, or cancel.";
    MissNotEvaluated = "MISS_NOT_EVALUATED", Warning, "The scan was not proven complete, so missing records were not looked for. Run again.";
    MissArchivedInSource = "MISS_ARCHIVED_IN_SOURCE", Info, "The product is archived in the shop; it is kept with that status.";
    MedTypeUnsupported = "MED_TYPE_UNSUPPORTED", Warning, "Videos and 3D models are recorded but not shown by the store.";
    MedFetchFailed = "MED_FETCH_FAILED", Warning, "A file could not be fetched from the shop, so the copy made before stays. It is tried again for an hour and a half, then by the next run.";
    MedTooLarge = "MED_TOO_LARGE", Warning, "A file is larger than 20 MB and was not copied. Replace it in the shop by a smaller one, then run again.";
    MedDuplicateContent = "MED_DUPLICATE_CONTENT", Info, "Two images have the same content, which is stored once. Nothing to do.";
    MedNotReady = "MED_NOT_READY", Warning, "The shop is still processing this file. Run again later.";
    ColSmartFrozen = "COL_SMART_FROZEN", Info, "The members of a smart collection were copied as they are now; they are refreshed by a rerun.";
    LocRenamedSource = "LOC_RENAMED_SOURCE", Info, "The location was renamed in the shop; the warehouse is the same one.";
    LocRenamedLocal = "LOC_RENAMED_LOCAL", Info, "The warehouse keeps the name it was given here; the shop's name is kept beside it.";
    LocMatchAmbiguous = "LOC_MATCH_AMBIGUOUS", Blocker, "A warehouse of the same name was made here and is linked to no location. Decide in the preview: `link_warehouse` if it is this place, `create_warehouse` to make another beside it.";
    LocDuplicateSuspect = "LOC_DUPLICATE_SUSPECT", Warning, "Another location of the shop, or a warehouse made here, has the same name. Both are kept, told apart by their ids. If a warehouse made here is this place, decide so in the preview (`link_warehouse`); if not, rename one.";
    LocInactive = "LOC_INACTIVE", Info, "The location is inactive in the shop; it is kept and flagged.";
    LocFulfillmentService = "LOC_FULFILMENT_SERVICE", Info, "The location belongs to a fulfilment service, which owns its stock.";
    LocMissing = "LOC_MISSING", Warning, "The location is no longer in the shop. The warehouse was kept and marked.";
    InvUntracked = "INV_UNTRACKED", Info, "The shop does not track this item's stock; its numbers were left alone.";
    InvNegative = "INV_NEGATIVE", Warning, "The shop sold more than it had. The number was stored as it is, or as 0 where the run was to do so; look for orders that cannot be filled.";
    InvCommittedPresent = "INV_COMMITTED_PRESENT", Warning, "Stock is committed to open orders, which are not imported.";
    InvLocalMovementOverwritten = "INV_LOCAL_MOVEMENT_OVERWRITTEN", Warning, "Stock moved here since the last import; the shop's number replaced it. The record shows the old, the expected and the new number: book again in the shop what only happened here.";
    InvUnstocked = "INV_UNSTOCKED", Warning, "The item is no longer stocked at this location; its stock was set to 0.";
    InvLocationUnmapped = "INV_LOCATION_UNMAPPED", Warning, "Stock lies at a location that no warehouse stands for. Link or create the warehouse, then run again.";
    InvDrift = "INV_DRIFT", Warning, "Stock is not equal on both sides; the reconciliation lists each level with its cause. Run again.";
    InvDriftRepeated = "INV_DRIFT_REPEATED", Error, "The same stock levels differ after two runs in a row. Running again does not help: send the reconciliation to support.";
    InvSkippedNoScope = "INV_SKIPPED_NO_SCOPE", Blocker, "Stock was not read because its scopes were not granted; earlier numbers were kept. Reconnect and grant them.";
    RunPlanStale = "RUN_PLAN_STALE", Warning, "The record changed after the preview, so it was left as it is. Preview again.";
    RunItemFailed = "RUN_ITEM_FAILED", Error, "This record could not be written. Run again.";
    RunCancelledPartial = "RUN_CANCELLED_PARTIAL", Warning, "The run was cancelled after part of it was applied; undo it or run again.";
    UndoArchivedUsed = "UNDO_ARCHIVED_USED", Warning, "The run made this record and others here point to it, so undo archived it instead of deleting it.";
    UndoSkippedEdited = "UNDO_SKIPPED_EDITED", Warning, "The record was changed after the run, so undo left it as it is.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_every_one_has_a_remedy() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} is used twice", code.as_str());
            assert!(code.remedy().ends_with('.'), "{} has no sentence", code.as_str());
        }
    }
}
