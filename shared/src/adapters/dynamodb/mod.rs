//! Tables: connectors, history, runs, catalogue, destinations. Stored forms live and die here; keys are built in [`keys`] alone.

pub mod catalog;
mod claims;
pub mod connectors;
pub mod cursor;
pub mod history;
pub mod hooks;
pub mod keys;
mod loose;
pub mod mappings;
pub mod personal;
pub mod runs;
mod table;
pub mod units;
pub mod wire;
pub mod wire_catalog;
pub mod wire_connectors;
mod wire_loose;
pub mod wire_runs;

pub use catalog::DynamoCatalog;
pub use connectors::DynamoConnectors;
pub use history::DynamoHistory;
pub use hooks::DynamoHooks;
pub use mappings::DynamoMappings;
pub use personal::DynamoPersonal;
pub use runs::DynamoRuns;
