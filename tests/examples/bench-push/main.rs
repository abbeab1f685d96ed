//! What `make bench` measures of a push in a process of its own. Prints one line of JSON.
//!
//!     bench-push map ROWS          maps and checks so many rows of every stream, with the mappings of `docs/examples`
//!     bench-push stream ROWS       plans so many rows that come as NDJSON, in requests of at most 6 MB
//!     bench-push again ROWS        writes so many rows of every stream twice into a shop in memory
//!     bench-push rate PLAN ROWS    writes so many products into a shop of the simulator, in virtual time
//!     bench-push fixed PLAN ROWS   the same as one request a row, so many a minute whatever the shop says

#![expect(
    clippy::unwrap_used,
    reason = "the worlds of the tests, which stop where they are not as they were set up"
)]

mod map;
mod rate;
mod sent;
#[expect(dead_code, reason = "of the world of the tests of writers only the shop is used")]
#[path = "../../tests/push_writers/world.rs"]
mod shop;
#[expect(dead_code, reason = "of the world of the tests of pushes only the store is used")]
#[path = "../../../shared/tests/pushes/world.rs"]
mod store;
mod time;

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let mut report = match given[..] {
        ["map", rows] => map::map(rows.parse()?)?,
        ["stream", rows] => sent::stream(rows.parse()?).await?,
        ["again", rows] => sent::again(rows.parse()?).await?,
        ["rate", plan, rows] => rate::rate(plan, rows.parse()?).await?,
        ["fixed", plan, rows] => rate::fixed(plan, rows.parse()?).await?,
        _ => bail!("see the head of bench-push's source"),
    };
    report["peak_rss_bytes"] = peak_rss()?.into();
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// The most memory this process ever had resident.
fn peak_rss() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
