//! Pushes: the requests that begin, show and stop them, and the steps that carry them out.
//!
//! One chain of messages goes with each run. Whoever receives one takes the lease of the run, goes through pages until its
//! time is up, and sends the next. Nothing depends on a message coming once, on a step coming to its end, or on an
//! answer arriving: what is about to be written is stored before (`Image`), a key is held while it is written
//! (`KeyState`), and whoever comes after finds out by the shop itself what became of it.

pub mod answer;
mod budget;
mod desk;
mod job;
pub mod keys;
mod levels;
mod page;
mod record;
pub mod requests;
mod rounds;
pub mod shown;
mod step;
pub mod tool;

pub use self::budget::StepBudget;

use std::sync::Arc;

use crate::app::access::Access;
use crate::ports::destination::{Destination, MappingStore};
use crate::ports::push::RowWriter;
use crate::ports::push_store::{Budgets, Inputs, KeyStates, PushQueue, PushRuns, Results};
use crate::ports::time::{Clock, Random};

/// Everything that pushing rows may use.
pub struct Pushes {
    /// Connectors, tokens, the platform.
    pub access: Access,
    /// The platform as a destination.
    pub destination: Arc<dyn Destination>,
    /// The platform as rows are written to it.
    pub writer: Arc<dyn RowWriter>,
    /// Mappings.
    pub mappings: Arc<dyn MappingStore>,
    /// Runs.
    pub runs: Arc<dyn PushRuns>,
    /// Rows as they came.
    pub inputs: Arc<dyn Inputs>,
    /// What became of them.
    pub results: Arc<dyn Results>,
    /// What is known of keys.
    pub states: Arc<dyn KeyStates>,
    /// What the shop has of points.
    pub budgets: Arc<dyn Budgets>,
    /// The steps to come.
    pub queue: Arc<dyn PushQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of runs.
    pub random: Arc<dyn Random>,
}
