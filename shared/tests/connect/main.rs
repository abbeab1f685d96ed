//! Connecting, showing and disconnecting through the real handlers, on fakes.

#![expect(clippy::unwrap_used, reason = "a test stops where the world is not as it set it up")]

mod card;
mod compliance;
mod credentials;
mod disconnect;
mod events;
mod finish;
mod fresh;
mod history;
mod lines;
mod logs;
mod names;
mod owners;
mod purpose;
mod refresh;
mod replace;
mod rotate;
mod sweep;
mod together;
mod told;
mod uninstalled;
mod webhooks;
mod world;
