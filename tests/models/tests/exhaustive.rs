//! Every model, explored to its end: the designs that are good hold, and those that are known to be bad are caught.

use models::{Case, Verdict};

fn of(model: &str, bad: bool) -> Vec<Case> {
    let cases: Vec<Case> = models::cases()
        .into_iter()
        .filter(|case| case.model == model && case.must_fail.is_some() == bad)
        .collect();
    assert!(cases.len() > 1, "{model}: too few variants to tell good from bad");
    cases
}

fn unexpected(cases: &[Case]) -> Vec<Verdict> {
    cases.iter().map(Case::run).filter(|verdict| !verdict.as_expected).collect()
}

#[test]
fn refreshing_loses_no_token() {
    let unexpected = unexpected(&of("refresh", false));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[test]
fn bad_ways_to_refresh_are_caught() {
    let unexpected = unexpected(&of("refresh", true));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[test]
fn connecting_gives_a_shop_to_one_store_and_from_one_browser() {
    let unexpected = unexpected(&of("connect", false));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[test]
fn bad_ways_to_connect_are_caught() {
    let unexpected = unexpected(&of("connect", true));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[test]
fn a_run_ends_once_and_whole() {
    let unexpected = unexpected(&of("completion", false));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[test]
fn bad_ways_to_complete_are_caught() {
    let unexpected = unexpected(&of("completion", true));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
