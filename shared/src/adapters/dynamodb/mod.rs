//! Tables: connectors, history, runs, catalogue, destinations, pushes. Stored forms live and die here; keys are built in [`keys`] alone.

pub mod catalog;
mod claims;
pub mod connectors;
pub mod cursor;
pub mod history;
pub mod hooks;
pub mod keys;
pub mod links;
mod loose;
pub mod mappings;
pub mod personal;
pub mod push_keys;
pub mod push_results;
pub mod push_runs;
pub mod push_states;
mod run_list;
pub mod runs;
mod table;
pub mod units;
pub mod wire;
pub mod wire_catalog;
pub mod wire_connectors;
mod wire_loose;
mod wire_push;
pub mod wire_runs;

pub use catalog::DynamoCatalog;
pub use connectors::DynamoConnectors;
pub use history::DynamoHistory;
pub use hooks::DynamoHooks;
pub use mappings::DynamoMappings;
pub use personal::DynamoPersonal;
pub use push_keys::DynamoDestinationKeys;
pub use push_results::DynamoResults;
pub use push_runs::DynamoPushRuns;
pub use push_states::{DynamoBudgets, DynamoKeyStates};
pub use runs::DynamoRuns;
