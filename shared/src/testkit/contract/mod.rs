//! What every implementation of a port must do, fake or real. One suite per port; each rule has a function whose name
//! says it. Suites share nothing: every rule makes tenants of its own, so they run against a table in use.

pub mod catalog;
pub mod connectors;
pub mod hooks;
mod links;
pub mod loose;
pub mod mappings;
pub mod media;
pub mod push;
pub mod queue;
pub mod runs;
pub mod samples;
pub mod vault;

/// How checking a rule ended. A rule that is broken panics.
pub type Checked = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs rules in turn and tells which one could not be checked.
macro_rules! rules {
    ($($rule:ident),* $(,)?; $arguments:tt) => {{
        $(
            $rule $arguments.await.map_err(|error| format!("{}: {error}", stringify!($rule)))?;
        )*
        Ok(())
    }};
}
use rules;
