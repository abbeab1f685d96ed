//! The drills of imports, in one process and in virtual time: D1 strikes every call of a run with every fault, D4 gives
//! the shop a bad day, D5 takes a shop or the tables away for hours.

#![expect(clippy::unwrap_used, reason = "a drill stops where the world is not as it set it up")]

mod cases;
mod crashes;
mod crowd;
#[path = "../drill/mod.rs"]
mod drill;
mod made_here;
mod sim;
mod trouble;
mod versions;
#[expect(dead_code, reason = "each test file uses its part of the world")]
#[path = "../world/mod.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use drill::{real_time, report, setting};

/// How much is tried: a taste with the other tests, and what `make drills` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Taste,
    Pr,
    Nightly,
}

fn tier() -> Tier {
    match setting("DRILL_TIER").as_deref() {
        Some("nightly") => Tier::Nightly,
        Some("pr") => Tier::Pr,
        _ => Tier::Taste,
    }
}

/// After so many failures nobody needs more.
const ENOUGH: usize = 8;

/// Tries the cases of these numbers on every core until all are tried, `goes_on` says no, or [`ENOUGH`] have failed. Tells
/// how many were tried, and what the failed ones say.
fn on_every_core(
    cases: usize,
    goes_on: impl Fn() -> bool + Sync,
    attempt: impl Fn(usize) -> Result<(), String> + Sync,
) -> (usize, Vec<String>) {
    let (next, tried, failures) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = || {
        while goes_on() && failures.lock().unwrap().len() < ENOUGH {
            let case = next.fetch_add(1, Ordering::SeqCst);
            if case >= cases {
                return;
            }
            let outcome = attempt(case);
            tried.fetch_add(1, Ordering::SeqCst);
            if let Err(failure) = outcome {
                failures.lock().unwrap().push(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    (tried.into_inner(), failures.into_inner().unwrap())
}
