//! What a push asks of a platform: what is there, what a row would change, and to change it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::provider::{ProviderError, ShopAccess};
use crate::domain::notice::Subject;
pub use crate::domain::push::change::FieldChange;
use crate::domain::push::document::{LevelOptions, ListPolicy, OnUnsupported, QuantityName, Write};
use crate::domain::push::ledger::RowError;
use crate::domain::push::levels::{Batch, Complaint, Live, SetLevel};
use crate::domain::push::mapping::Wanted;
use crate::domain::push::row::{Identifier, Purpose};
use crate::domain::push::target::Stream;
use crate::domain::push::throttle::{Lease, Points, Status};

/// What became of the points that were leased for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The call was never sent.
    Nothing,
    /// The shop answered.
    Told {
        /// What it cost.
        points: Points,
        /// What the shop says it holds.
        status: Status,
    },
    /// The answer was lost, or said nothing about points.
    Unknown,
}

/// The budget of one shop, shared by all who call it for a push.
#[async_trait]
pub trait Budget: Send + Sync {
    /// Waits until a call of this shape may be sent. `formula` is what it should cost as far as is published; what such
    /// calls really asked for is learned. Where the wait would last longer than the caller may live, it is
    /// [`ProviderError::Throttled`] with the rest of it.
    async fn lease(&self, shape: &'static str, formula: Points) -> Result<Lease, ProviderError>;

    /// Gives a lease back. `requested` is what the shop says such a call asks for.
    async fn settle(&self, lease: Lease, shape: &'static str, requested: Option<Points>, spent: Spent);
}

/// A record that a row is about.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Its keys, in the order in which they are tried. At least one.
    pub identifiers: &'a [Identifier],
    /// What it shall be: what is compared is read, nothing else.
    pub input: &'a Value,
    /// Whether all lists of it are read too: of a record that is to go, everything counts that it has by now.
    pub whole: bool,
}

/// A record as the shop has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveRecord {
    /// The shop's id.
    pub id: String,
    /// What was asked for, in the form of the stream's input; elements of lists with their `id`.
    pub values: Map<String, Value>,
}

/// What the keys of a row lead to.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// One record.
    One(LiveRecord),
    /// Several records have a key, or the keys lead to different ones.
    Unclear(RowError),
}

/// What a row asks for, ready to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The stream.
    pub stream: Stream,
    /// Whether the record is to come into being.
    pub purpose: Purpose,
    /// Its keys: a new record is made so that it is found by them again.
    pub identifiers: &'a [Identifier],
    /// What it shall be, in the form of the stream's input, with every id that was asked for.
    pub input: &'a Value,
    /// What it is; none for a new one.
    pub live: Option<&'a LiveRecord>,
    /// How it is written.
    pub how: &'a How,
}

/// What a mapping says about the way of writing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct How {
    /// Fields by the path of the mapping; those that are not named are written where they differ.
    pub writes: BTreeMap<String, Write>,
    /// Lists by name; those that are not named are merged.
    pub lists: BTreeMap<String, ListPolicy>,
    /// What applies to every record.
    pub options: Map<String, Value>,
    /// What happens to a change that the shop cannot make.
    pub on_unsupported: OnUnsupported,
}

/// What a row changes and the calls that it takes. The same change makes the same writing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Writing {
    /// Everything that will be different. Empty: there is nothing to do.
    pub diff: Vec<FieldChange>,
    /// The calls, in their order. All but the first of a new record may be made again without harm.
    pub calls: Vec<PlannedCall>,
    /// What they should cost.
    pub points: Points,
    /// What the shop cannot change, where the mapping says to leave it.
    pub left: Vec<RowError>,
}

/// One call of a writing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The platform's name of it.
    pub name: String,
    /// Its variables. The id of a record that the first call makes is put in by the writer.
    pub variables: Value,
}

/// What became of a writing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// The shop's id of the record, where it is known.
    pub id: Option<String>,
    /// The calls that were answered.
    pub calls: Vec<String>,
    /// What they cost.
    pub points: Points,
    /// The shop's name for the last call.
    pub request_id: Option<String>,
    /// Why the rest was not made: the shop's refusal, or a wait.
    pub stopped: Option<Stopped>,
}

/// Why a writing ended before its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// The shop refused a call for good.
    Refused(Vec<RowError>),
    /// The row may go on after a while: its error, and how long at least.
    Later(Box<RowError>, Duration),
    /// A call was sent and its answer lost. What became of it has to be found out before anything else is done.
    InDoubt(Box<RowError>),
}

/// What an undo finds.
#[derive(Debug, Clone, PartialEq)]
pub enum TakenBack {
    /// The record has what the push wrote: this restores it.
    Writing(Writing),
    /// These fields were changed since, or cannot be restored; nothing is written.
    Drift(Vec<RowError>),
}

/// A platform that rows are written to. All calls go through a budget; transport, token and scope troubles of reading are
/// [`ProviderError`]s, so that a token is renewed in one place.
#[async_trait]
pub trait RowWriter: Send + Sync {
    /// What the keys of each lead to, in their order. By identifiers only, never by a search.
    async fn find(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        stream: Stream,
        sought: &[Sought<'_>],
    ) -> Result<Vec<Found>, ProviderError>;

    /// The ids that have each key, in their order: none, one, or several where the key is not unique.
    async fn lookup(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        keys: &[(Wanted, String)],
    ) -> Result<Vec<Vec<String>>, ProviderError>;

    /// Compares and plans. No call is made.
    fn plan(&self, change: &Change<'_>) -> Result<Writing, Vec<RowError>>;

    /// Makes the calls of a writing. An error only where the first call was surely not carried out.
    async fn write(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        writing: &Writing,
    ) -> Result<Written, ProviderError>;

    /// Plans how a record is given back what a push changed. `created`: the push made it.
    fn take_back(&self, stream: Stream, created: bool, diff: &[FieldChange], live: &LiveRecord) -> TakenBack;

    /// What data of a record hangs on where it is about a person, as an erasure names it.
    fn subject(&self, stream: Stream, id: &str) -> Option<Subject>;

    /// The stock of items at places, by keys.
    async fn levels(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        items: &[(Wanted, String)],
        locations: &[(Wanted, String)],
        quantity: QuantityName,
    ) -> Result<Live, ProviderError>;

    /// Sets stock. What the shop refuses of it is told; then nothing was set.
    async fn set_levels(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        batch: &Batch,
        key: Uuid,
        quantity: QuantityName,
        options: &LevelOptions,
    ) -> Result<(Vec<Complaint>, Written), ProviderError>;

    /// Puts an item on stock at a place, with its quantity of this name.
    async fn activate(
        &self,
        access: &ShopAccess,
        budget: &dyn Budget,
        level: &SetLevel,
        key: Uuid,
        quantity: QuantityName,
    ) -> Result<Written, ProviderError>;
}
