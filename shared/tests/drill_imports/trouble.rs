//! D4, a shop on a bad day, and D5, hours without a shop or without tables (P11): trouble delays an import and changes
//! nothing about it.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use shared::domain::run::Feed;
use shared::testkit::bad_shop::{BadShop, Budget, Odds};
use shared::testkit::faults::Faults;
use shared::testkit::source;

use crate::cases::{Case, Kind, carry_out, left, start};
use crate::crashes::check;
use crate::sim::{Habits, Outage};
use crate::world::World;
use crate::{Tier, on_every_core, real_time, report, tier};

/// What a shop is asked, by the names of the calls.
const SHOP: &[&str] = &[
    "source_counts",
    "locations",
    "start_feed",
    "feed_status",
    "cancel_feed",
    "levels_since",
    "open_range",
    "next_item",
    "shop.",
];
/// What is asked of tables.
const TABLES: &[&str] = &["runs.", "catalog.", "connectors."];
/// Nearly a third refused, one in twenty lost, one in a hundred cut.
const ODDS: Odds = Odds { refused: 300, lost: 50, cut: 10 };
/// No more than four calls at once, which is less than a run begins with, and one more every twenty seconds.
const BUDGET: Budget = Budget { most: 4.0, a_second: 0.05 };
/// Enough calls that the odds show.
const CHUNKS: u64 = 200;

/// The first import of a shop of so many products: what it left, how often the shop was asked, and how often beyond its
/// budget.
fn import(products: u64, bad: bool) -> (crate::cases::Left, usize, u64) {
    let faults = Faults::default();
    let mut world = block_on(World::with_faults(faults.clone(), faults.clone(), faults.clone()));
    world.step.chunk_bytes = products / CHUNKS * source::ITEM_BYTES;
    for id in 1..=products {
        world.source.put(Feed::Products, source::product(id, &format!("Product {id}"), 1, &[1]));
    }
    world.source.put(Feed::Collections, source::collection(500, "Few", &[1, 2, 3]));
    let shop = Arc::new(BadShop::new(7, ODDS, BUDGET, world.clock.clone()));
    if bad {
        world.source.have_a_bad_day(shop.clone());
    }
    faults.revive();
    let habits = Habits { hands: 4, ..Habits::ORDERLY };
    let request = start(&world, Default::default(), Some("key"));
    let ended = carry_out(&world, request, false, habits, 7, None).unwrap();
    let asked: usize = SHOP.iter().filter(|name| **name != "next_item").map(|name| faults.count(name)).sum();
    assert_eq!(ended.dead_letters, 0);
    (block_on(left(&world, &ended.run)), asked, shop.over_budget())
}

#[test]
fn a_bad_day_of_the_shop_changes_nothing_and_costs_little() {
    let began = real_time();
    let products = if tier() == Tier::Taste { 1_000 } else { 10_000 };
    let (clean, calls, _) = import(products, false);
    let (left, bad_calls, over_budget) = import(products, true);
    let ratio = bad_calls as f64 / calls as f64;
    let same = left == clean;
    report(&serde_json::json!({
        "drill": "D4", "tried": products, "failed": u32::from(!same) + u32::from(ratio > 1.7),
        "seconds": began.elapsed().as_secs_f64(), "calls": calls, "calls_on_a_bad_day": bad_calls,
        "calls_ratio": (ratio * 1_000.0).round() / 1_000.0, "calls_over_budget": over_budget, "identical": same,
    }));
    assert!(same, "the result differs");
    assert!(ratio <= 1.7, "{bad_calls} calls instead of {calls}");
    assert!(ratio > 1.3 && over_budget > 0, "{ratio}, {over_budget} beyond the budget: no bad day");
}

#[test]
fn three_hours_without_a_shop_or_without_tables_only_delay() {
    let began = real_time();
    // From one call in so many on.
    let step = match tier() {
        Tier::Taste => 60,
        Tier::Pr => 9,
        Tier::Nightly => 1,
    };
    let mut cases = Vec::new();
    for kind in [Kind::Rerun, Kind::Undo] {
        let calls = Case::clean(kind).attempt().unwrap().calls.len();
        for (of, services) in [SHOP, TABLES].into_iter().enumerate() {
            for call in (of..calls).step_by(step) {
                let outage = Outage { from_call: call, lasts: Duration::from_secs(3 * 3600), services };
                cases.push(Case { outage: Some(outage), ..Case::clean(kind) });
            }
        }
    }
    let slowest = std::sync::Mutex::new(Duration::ZERO);
    let (tried, failures) = on_every_core(
        cases.len(),
        || true,
        |at| {
            let tried = check(&cases[at])?;
            let mut slowest = slowest.lock().unwrap();
            *slowest = (*slowest).max(tried.ended.after_faults);
            Ok(())
        },
    );
    report(&serde_json::json!({
        "drill": "D5", "part": "three hours of outage", "tried": tried, "failed": failures.len(), "failures": failures,
        "seconds": began.elapsed().as_secs_f64(), "slowest_to_end_after_it_seconds": slowest.into_inner().unwrap().as_secs(),
    }));
    assert!(failures.is_empty(), "{failures:#?}");
}
