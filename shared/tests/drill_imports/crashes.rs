//! D1, the crash sweep (P8, P9): whatever strikes a run, at whichever call and in whatever company, the store ends as
//! after a clean run, byte for byte; the run ends, truthfully, within a quarter of an hour after the last fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shared::testkit::faults::Fault;

use crate::cases::{Case, Kind, Tried};
use crate::sim::{Chance, Habits};
use crate::{Tier, on_every_core, real_time, report, setting, tier};

/// No run takes longer than this after the last fault.
const LIVES: Duration = Duration::from_secs(15 * 60);
/// What strikes in pairs.
const PAIRED: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::FailAfter, Fault::Freeze];
/// Seeds of each tier, and the time they may take.
const SEEDS: [(Tier, usize, u64); 3] =
    [(Tier::Taste, 100, 20), (Tier::Pr, 2_000, 120), (Tier::Nightly, 10_000, 7_200)];

fn clean(kind: Kind) -> &'static Tried {
    static CLEAN: [OnceLock<Tried>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    let at = Kind::ALL.iter().position(|each| *each == kind).unwrap();
    CLEAN[at].get_or_init(|| Case::clean(kind).attempt().unwrap())
}

fn first_difference(name: &str, one: &str, other: &str) -> Option<String> {
    let (ours, clean): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
    let at = (0..ours.len().max(clean.len())).find(|at| ours.get(*at) != clean.get(*at))?;
    Some(format!("{name} differ: {:?} instead of {:?}", ours.get(at), clean.get(at)))
}

/// Tries a case and holds what it left against what a clean run leaves.
pub fn check(case: &Case) -> Result<Tried, String> {
    let tried = case.attempt()?;
    let expected = &clean(case.kind).left;
    let left = &tried.left;
    let difference = first_difference("the numbers", &left.numbers, &expected.numbers)
        .or_else(|| first_difference("the records", &left.records, &expected.records))
        .or_else(|| first_difference("the before-images", &left.journal, &expected.journal))
        .or_else(|| first_difference("what it says of records", &left.listed, &expected.listed));
    let ended = &tried.ended;
    match difference {
        Some(difference) => Err(format!("{difference}: {case:?}")),
        None if ended.after_faults > LIVES => {
            Err(format!("it ended {:?} after: {case:?}", ended.after_faults))
        }
        None if ended.dead_letters > 0 => Err(format!("{} dead letters: {case:?}", ended.dead_letters)),
        None => Ok(tried),
    }
}

/// Every fault, and for one who stands still every moment at which it goes on: soon, when all others are done, and in
/// their midst.
fn strikes() -> Vec<(Fault, Habits)> {
    let orderly = Habits::ORDERLY;
    let mut all: Vec<_> = Fault::ALL.into_iter().map(|fault| (fault, orderly)).collect();
    all.push((Fault::Freeze, Habits { thaw_after: Duration::from_secs(30), ..orderly }));
    all.push((Fault::Freeze, Habits { thaw_calls: 17, ..orderly }));
    all
}

#[test]
fn a_clean_run_of_every_kind_ends_well_and_comes_again_the_same() {
    for kind in Kind::ALL {
        let again = Case::clean(kind).attempt().unwrap();
        assert_eq!(again.left, clean(kind).left, "{kind:?}");
        assert_eq!(again.calls, clean(kind).calls, "{kind:?}");
        assert!(clean(kind).calls.len() > 40, "{kind:?}: {} calls", clean(kind).calls.len());
    }
}

#[test]
fn case_06_every_call_struck_by_every_fault_changes_nothing() {
    let began = real_time();
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        for call in kind.own_calls(&clean(kind).calls) {
            for (fault, habits) in strikes() {
                cases.push(Case {
                    kind,
                    faults: vec![(call, fault)],
                    habits,
                    seed: call as u64,
                    outage: None,
                });
            }
        }
    }
    // With the other tests, one in eleven, so that every kind, fault and region of a run is among them.
    let step = if tier() == Tier::Taste { 11 } else { 1 };
    let cases: Vec<Case> = cases.into_iter().step_by(step).collect();
    let struck: Vec<AtomicU64> = cases.iter().map(|_| AtomicU64::new(0)).collect();
    let (tried, failures) = on_every_core(
        cases.len(),
        || true,
        |at| {
            let tried = check(&cases[at])?;
            struck[at].store(tried.struck as u64, Ordering::SeqCst);
            Ok(())
        },
    );
    let mut calls: BTreeMap<&str, BTreeSet<(usize, usize)>> = BTreeMap::new();
    let mut uncovered = Vec::new();
    for (case, struck) in cases.iter().zip(&struck) {
        let kind = Kind::ALL.iter().position(|each| *each == case.kind).unwrap();
        let (call, fault) = case.faults[0];
        calls.entry(clean(case.kind).calls[call]).or_default().insert((kind, call));
        if struck.load(Ordering::SeqCst) == 0 && failures.is_empty() {
            uncovered.push(format!("{fault:?} struck nothing: {case:?}"));
        }
    }
    let by_name: BTreeMap<&str, usize> = calls.into_iter().map(|(name, at)| (name, at.len())).collect();
    report(&serde_json::json!({
        "drill": "D1", "part": "single faults", "tried": tried, "failed": failures.len() + uncovered.len(),
        "failures": failures, "seconds": began.elapsed().as_secs_f64(), "calls_struck": by_name,
    }));
    assert!(failures.is_empty() && uncovered.is_empty(), "{failures:#?} {uncovered:#?}");
}

#[test]
fn every_pair_of_faults_in_a_run_of_three_chunks_changes_nothing() {
    let began = real_time();
    let calls = clean(Kind::Rerun).calls.len();
    let all = calls * (calls - 1) / 2 * PAIRED.len() * PAIRED.len();
    let sampled = match tier() {
        Tier::Taste => 60,
        Tier::Pr => 1_500,
        Tier::Nightly => all,
    };
    // A step that shares no factor with their number visits all of them, far apart.
    let pairs: Vec<(usize, usize)> = (0..calls).flat_map(|j| (0..j).map(move |i| (i, j))).collect();
    let (tried, failures) = on_every_core(
        sampled,
        || true,
        |at| {
            let at = (at as u64 * 1_000_003 % all as u64) as usize;
            let (pair, kinds) = (pairs[at / 16], at % 16);
            let faults = vec![(pair.0, PAIRED[kinds / 4]), (pair.1, PAIRED[kinds % 4])];
            check(&Case { kind: Kind::Rerun, faults, habits: Habits::ORDERLY, seed: at as u64, outage: None })
                .map(drop)
        },
    );
    report(&serde_json::json!({
        "drill": "D1", "part": "pairs", "tried": tried, "of": all, "failed": failures.len(), "failures": failures,
        "seconds": began.elapsed().as_secs_f64(),
    }));
    assert!(failures.is_empty(), "{failures:#?}");
}

/// One to eight faults of every sort, steps side by side, messages twice and in any order.
fn mixed(seed: u64) -> Case {
    let mut chance = Chance(seed);
    let kind = Kind::ALL[chance.below(Kind::ALL.len())];
    let calls = clean(kind).calls.len();
    let faults = (0..=chance.below(8))
        // What is repeated adds calls; some faults strike there.
        .map(|_| (chance.below(calls + calls / 4), Fault::ALL[chance.below(Fault::ALL.len())]))
        .collect();
    let habits = Habits {
        hands: 1 + chance.below(3),
        unruly: chance.below(3) > 0,
        thaw_after: Duration::from_secs([30, 400, 600][chance.below(3)]),
        thaw_calls: [usize::MAX, 1 + chance.below(40)][chance.below(2)],
    };
    Case { kind, faults, habits, seed, outage: None }
}

#[test]
fn mixed_faults_by_seed_change_nothing() {
    let began = real_time();
    if let Some(seed) = setting("SEED") {
        let case = mixed(seed.parse().unwrap());
        check(&case).unwrap();
        return;
    }
    let (_, seeds, seconds) = SEEDS.into_iter().find(|(of, ..)| *of == tier()).unwrap();
    let struck = AtomicU64::new(0);
    let in_time = || began.elapsed().as_secs() < seconds;
    let (tried, failures) = on_every_core(seeds, in_time, |seed| {
        let tried = check(&mixed(seed as u64)).map_err(|why| format!("SEED={seed}: {why}"))?;
        struck.fetch_add(tried.struck as u64, Ordering::SeqCst);
        Ok(())
    });
    let struck = struck.into_inner();
    report(&serde_json::json!({
        "drill": "D1", "part": "mixed seeds", "tried": tried, "of": seeds, "failed": failures.len(),
        "failures": failures, "seconds": began.elapsed().as_secs_f64(), "faults_struck": struck,
    }));
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(struck > tried as u64 * 2, "{struck} faults in {tried} runs: no storm");
}

#[test]
fn a_seed_comes_again_call_by_call() {
    for seed in 0..12 {
        let (one, other) = (mixed(seed).attempt().unwrap(), mixed(seed).attempt().unwrap());
        assert_eq!(one.calls, other.calls, "seed {seed}");
        assert_eq!(one.left, other.left, "seed {seed}");
    }
}
