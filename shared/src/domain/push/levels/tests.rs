use proptest::prelude::*;

use super::super::mapping::Wanted;
use super::super::target::MatchBy;
use super::*;

fn level(sku: &str, place: &str, quantity: i32) -> Level {
    Level {
        item: (Wanted::Item(MatchBy::Sku), sku.to_owned()),
        location: (Wanted::Location(MatchBy::Name), place.to_owned()),
        quantity,
    }
}

fn item(id: &str, levels: &[(&str, i32)]) -> LiveItem {
    let levels = levels.iter().map(|(place, quantity)| ((*place).to_owned(), *quantity)).collect();
    LiveItem { id: id.to_owned(), tracked: true, bundle: false, levels }
}

fn live() -> Live {
    let items = [
        ("A", vec![item("a", &[("p", 5)])]),
        ("TWICE", vec![item("t1", &[]), item("t2", &[])]),
        ("BUNDLE", vec![LiveItem { bundle: true, ..item("b", &[("p", 1)]) }]),
        ("LOOSE", vec![LiveItem { tracked: false, ..item("l", &[("p", 1)]) }]),
    ];
    let places = [("Paris", vec!["p"]), ("Lyon", vec!["y"]), ("Shop", vec!["s1", "s2"])];
    Live {
        items: items.into_iter().map(|(key, found)| (key.to_owned(), found)).collect(),
        locations: places
            .into_iter()
            .map(|(key, found)| (key.to_owned(), found.into_iter().map(str::to_owned).collect()))
            .collect(),
    }
}

fn decided(rows: &[Level], options: &Options) -> Vec<Decision> {
    let rows: Vec<(u64, Level)> = (0..).zip(rows.iter().cloned()).collect();
    decide(&rows, &live(), options).into_iter().map(|(_, decision)| decision).collect()
}

#[test]
fn each_row_is_written_or_told_why_not() {
    let over = |outcome, code| Decision::Over(outcome, code);
    let failed = |code| over(Outcome::Failed, Some(code));
    let rows = [
        level("A", "Paris", 5),
        level("B", "Paris", 1),
        level("TWICE", "Paris", 1),
        level("A", "Rome", 1),
        level("A", "Shop", 1),
        level("BUNDLE", "Paris", 2),
        level("LOOSE", "Paris", 2),
        level("A", "Lyon", 0),
    ];
    let strict = decided(&rows, &Options::default());
    assert_eq!(
        strict,
        [
            over(Outcome::Unchanged, None),
            failed(Code::NotFound),
            failed(Code::Ambiguous),
            failed(Code::NotFound),
            failed(Code::Ambiguous),
            failed(Code::BundleParent),
            failed(Code::NotTracked),
            failed(Code::NotFound),
        ]
    );
    let lenient =
        decided(&rows, &Options { activate: true, skip: vec![Skip::Untracked, Skip::BundleParent] });
    assert_eq!(lenient[5], over(Outcome::Skipped, Some(Code::BundleParent)));
    assert_eq!(lenient[6], over(Outcome::Skipped, Some(Code::NotTracked)));
    let Decision::Set(stocked) = &lenient[7] else { panic!("{:?}", lenient[7]) };
    assert_eq!(
        (stocked.from, stocked.quantity, stocked.seq),
        (None, 0, 7),
        "put on stock, with nothing there"
    );
    let Decision::Set(moved) = &decided(&[level("A", "Paris", 9)], &Options::default())[0] else { panic!() };
    assert_eq!((moved.from, moved.quantity), (Some(5), 9), "set only if it still is what was read");
}

#[test]
fn of_two_rows_for_one_level_the_first_fails() {
    let rows = [level("A", "Paris", 1), level("A", "Paris", 2)];
    let decided = decided(&rows, &Options::default());
    assert_eq!(decided[0], Decision::Over(Outcome::Failed, Some(Code::DuplicateKeyInInput)));
    assert!(matches!(&decided[1], Decision::Set(set) if set.quantity == 2));
}

fn set(n: u64) -> SetLevel {
    SetLevel { seq: n, item: format!("i{n}"), location: "p".to_owned(), quantity: 1, from: Some(0) }
}

fn run() -> RunId {
    RunId::new(Uuid::nil())
}

#[test]
fn the_same_call_has_the_same_key_and_no_other_has() {
    let batch = |levels: Vec<SetLevel>| Batch { levels };
    let one = batch(vec![set(1), set(2)]);
    assert_eq!(one.key(&run(), 0), batch(vec![set(1), set(2)]).key(&run(), 0));
    let moved = SetLevel { from: Some(7), ..set(2) };
    let others = [
        one.key(&run(), 1),
        one.key(&RunId::new(Uuid::max()), 0),
        batch(vec![set(1)]).key(&run(), 0),
        batch(vec![set(1), moved]).key(&run(), 0),
    ];
    assert!(others.iter().all(|other| *other != one.key(&run(), 0)), "a new intent has a new key");
}

/// What the shop does with calls: it refuses one that holds anything bad, and names the place or not.
fn deliver(levels: u64, bad: &[u64], names: bool) -> (Vec<u64>, Vec<u64>, usize) {
    let (mut written, mut cut, mut calls) = (Vec::new(), Vec::new(), 0);
    let mut open = batches((0..levels).map(set).collect());
    while let Some(batch) = open.pop() {
        calls += 1;
        assert!(batch.levels.len() <= MOST);
        let found: Vec<usize> =
            (0..batch.levels.len()).filter(|at| bad.contains(&batch.levels[*at].seq)).collect();
        if found.is_empty() {
            written.extend(batch.levels.iter().map(|level| level.seq));
            continue;
        }
        let complaints: Vec<Complaint> = found
            .into_iter()
            .map(|at| Complaint { index: names.then_some(at), code: Code::StaleQuantity })
            .collect();
        let surgery = batch.cut(&complaints);
        open.extend(surgery.again);
        cut.extend(surgery.out.into_iter().map(|(level, _)| level.seq));
    }
    written.sort_unstable();
    cut.sort_unstable();
    (written, cut, calls)
}

/// One bundle among hundreds of products made all of them miss their stock: BCApps #8396.
#[test]
fn one_bad_item_costs_no_other_its_stock() {
    let (written, cut, calls) = deliver(250, &[71], true);
    assert_eq!((written.len(), cut, calls), (249, vec![71], 2));
    let (written, cut, calls) = deliver(250, &[71], false);
    assert_eq!((written.len(), cut), (249, vec![71]), "without a place it is searched for");
    assert!(calls <= 18, "{calls} calls");
}

#[test]
fn a_complaint_about_a_place_that_is_none_is_searched_for() {
    let batch = Batch { levels: vec![set(0), set(1)] };
    let surgery = batch.cut(&[Complaint { index: Some(9), code: Code::Refused }]);
    assert_eq!((surgery.again.len(), surgery.out.len()), (2, 0));
}

proptest! {
    #[test]
    fn every_good_level_is_written_once_and_every_bad_one_is_told(
        levels in 1..600_u64,
        bad in prop::collection::btree_set(0..600_u64, 0..12),
        names in any::<bool>(),
    ) {
        let bad: Vec<u64> = bad.into_iter().filter(|n| *n < levels).collect();
        let (written, cut, _) = deliver(levels, &bad, names);
        let good: Vec<u64> = (0..levels).filter(|n| !bad.contains(n)).collect();
        prop_assert_eq!(written, good);
        prop_assert_eq!(cut, bad);
    }
}
