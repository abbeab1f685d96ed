//! Newtypes, state machines, mapping targets and comparison. Pure: no `async`, clock, randomness, environment,
//! AWS or HTTP may enter here.

pub mod back_off;
pub mod changes;
pub mod claim;
pub mod connection;
pub mod decision;
pub mod drift;
pub mod fingerprint;
pub mod gone;
pub mod history;
pub mod ids;
pub mod lookalike;
pub mod media;
pub mod merge;
pub mod notice;
pub mod options;
pub mod plan;
pub mod push;
pub mod record;
pub mod run;
pub mod scopes;
pub mod shape;
pub mod stock;
pub mod warning;
