//! What a merchant chooses for one run.

use serde::{Deserialize, Serialize};

/// What becomes of products that are stored here and no longer in the shop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// They stay as they are, marked.
    #[default]
    Keep,
    /// They are marked and set to draft.
    Draft,
    /// They are marked and archived.
    Archive,
    /// They are deleted. Undo brings them back.
    Delete,
}

impl OnMissing {
    /// Everything that can be chosen.
    pub const ALL: [Self; 4] = [Self::Keep, Self::Draft, Self::Archive, Self::Delete];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Draft => "draft",
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
    }

    /// Reads the stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chosen| chosen.as_str() == text)
    }
}

/// What becomes of a stock number below zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NegativeStock {
    /// It is stored as it is.
    #[default]
    Store,
    /// It is stored as zero.
    Clamp,
}

/// What a merchant says to a mass of missing records, for which a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MassMissing {
    /// They are gone: the run does with them what its options say.
    Mark,
    /// They stay as they are, as if they had not been looked for.
    Leave,
}

/// What was chosen for a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunOptions {
    /// Only so many products, with what belongs to them; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// What becomes of products that are no longer in the shop.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// Whether the stock of inactive locations is imported.
    #[serde(default)]
    pub inactive_locations: bool,
    /// What becomes of a stock number below zero.
    #[serde(default)]
    pub negative_stock: NegativeStock,
    /// Whether the files of images are copied once the run has ended.
    #[serde(default)]
    pub copy_media: bool,
}

/// Options as they are asked for: what is not named is left as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AskedOptions {
    /// Only the first so many products, with their stock, metafields and places in categories. Undoable like any
    /// other run. Missing records are not looked for.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub limit: Option<u32>,
    /// What becomes of products that are no longer in the shop; `keep` where absent.
    pub on_missing: Option<OnMissing>,
    /// Has to be true where a run deletes.
    pub confirm_delete: Option<bool>,
    /// Whether the stock of inactive locations is imported; not where absent.
    pub inactive_locations: Option<bool>,
    /// What becomes of a stock number below zero; `store` where absent.
    pub negative_stock: Option<NegativeStock>,
    /// Whether the files of images are copied into the store's own bucket once the run has ended; not where absent.
    pub copy_media: Option<bool>,
}

/// Options that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionsProblem {
    /// A limit of zero.
    #[error("`limit` must be 1 or more; leave it out to import everything")]
    NothingToImport,
    /// A limited run does not know what is missing.
    #[error("a run with a `limit` does not look for missing records, so `on_missing` does not go with it")]
    LimitedKnowsNoMissing,
    /// Deleting was not confirmed.
    #[error("a run that deletes what is missing needs `confirm_delete: true`")]
    DeleteNotConfirmed,
    /// Options that are not the preview's.
    #[error("`{0}` differs from what the preview was made with; leave it out or preview again")]
    NotThePreviews(&'static str),
}

impl AskedOptions {
    /// The options of a run; `writes` where it does more than look.
    pub fn resolve(self, writes: bool) -> Result<RunOptions, OptionsProblem> {
        let options = RunOptions {
            limit: self.limit,
            on_missing: self.on_missing.unwrap_or_default(),
            inactive_locations: self.inactive_locations.unwrap_or_default(),
            negative_stock: self.negative_stock.unwrap_or_default(),
            copy_media: self.copy_media.unwrap_or_default(),
        };
        if options.limit == Some(0) {
            return Err(OptionsProblem::NothingToImport);
        }
        if options.limit.is_some() && options.on_missing != OnMissing::Keep {
            return Err(OptionsProblem::LimitedKnowsNoMissing);
        }
        self.confirmed(options, writes)
    }

    /// The options of a run that carries out a preview: the preview's. What is named must agree with them.
    pub fn of_preview(self, preview: RunOptions) -> Result<RunOptions, OptionsProblem> {
        let named = [
            ("limit", self.limit.is_none_or(|limit| Some(limit) == preview.limit)),
            ("on_missing", self.on_missing.is_none_or(|asked| asked == preview.on_missing)),
            ("inactive_locations", self.inactive_locations.is_none_or(|it| it == preview.inactive_locations)),
            ("negative_stock", self.negative_stock.is_none_or(|it| it == preview.negative_stock)),
            ("copy_media", self.copy_media.is_none_or(|it| it == preview.copy_media)),
        ];
        if let Some((name, _)) = named.into_iter().find(|(_, agrees)| !agrees) {
            return Err(OptionsProblem::NotThePreviews(name));
        }
        self.confirmed(preview, true)
    }

    fn confirmed(self, options: RunOptions, writes: bool) -> Result<RunOptions, OptionsProblem> {
        let deletes = writes && options.on_missing == OnMissing::Delete;
        if deletes && self.confirm_delete != Some(true) {
            return Err(OptionsProblem::DeleteNotConfirmed);
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_has_its_default() {
        let none: AskedOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(none.resolve(true), Ok(RunOptions::default()));
        assert!(serde_json::from_str::<AskedOptions>(r#"{"copy_everything":true}"#).is_err());
        assert_eq!(serde_json::from_str::<RunOptions>("{}").unwrap(), RunOptions::default());
    }

    #[test]
    fn refuses_what_cannot_be_done() {
        let none = AskedOptions { limit: Some(0), ..AskedOptions::default() };
        assert_eq!(none.resolve(false), Err(OptionsProblem::NothingToImport));
        let both = AskedOptions { limit: Some(5), on_missing: Some(OnMissing::Draft), ..Default::default() };
        assert_eq!(both.resolve(false), Err(OptionsProblem::LimitedKnowsNoMissing));
    }

    #[test]
    fn deletes_only_with_consent_and_looks_without() {
        let delete = AskedOptions { on_missing: Some(OnMissing::Delete), ..AskedOptions::default() };
        for said in [None, Some(false)] {
            let asked = AskedOptions { confirm_delete: said, ..delete };
            assert_eq!(asked.resolve(true), Err(OptionsProblem::DeleteNotConfirmed));
        }
        let preview = delete.resolve(false).unwrap();
        assert_eq!(preview.on_missing, OnMissing::Delete);
        assert_eq!(AskedOptions::default().of_preview(preview), Err(OptionsProblem::DeleteNotConfirmed));
        let consent = AskedOptions { confirm_delete: Some(true), ..AskedOptions::default() };
        assert_eq!(consent.of_preview(preview), Ok(preview));
    }

    #[test]
    fn carries_a_preview_out_as_it_was_made() {
        let preview =
            RunOptions { limit: Some(5), negative_stock: NegativeStock::Clamp, ..Default::default() };
        let same = AskedOptions { limit: Some(5), ..AskedOptions::default() };
        assert_eq!(same.of_preview(preview), Ok(preview));
        for (asked, name) in [
            (AskedOptions { limit: Some(6), ..Default::default() }, "limit"),
            (AskedOptions { on_missing: Some(OnMissing::Archive), ..Default::default() }, "on_missing"),
            (AskedOptions { inactive_locations: Some(true), ..Default::default() }, "inactive_locations"),
            (
                AskedOptions { negative_stock: Some(NegativeStock::Store), ..Default::default() },
                "negative_stock",
            ),
            (AskedOptions { copy_media: Some(true), ..Default::default() }, "copy_media"),
        ] {
            assert_eq!(asked.of_preview(preview), Err(OptionsProblem::NotThePreviews(name)));
        }
    }
}
