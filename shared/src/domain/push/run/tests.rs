use super::*;

/// A run of pages of ten rows.
fn run(pages: u32) -> PushRun {
    let id = RunId::parse("run_01900000000070008000000000000001").unwrap();
    let mut tally = Tally::default();
    tally.receive(u64::from(pages) * 10);
    PushRun {
        store: StoreId::from_stored("one").unwrap(),
        provider: ProviderId::Shopify,
        revision: 1,
        kind: PushKind::Write,
        state: PushState::Queued,
        stream: Stream::Products,
        of_run: None,
        rows_of: id.clone(),
        id,
        mapping: 1,
        shop: ShopId(1),
        install: InstallId::parse("ins_01900000000070008000000000000001").unwrap(),
        pages,
        next_page: 0,
        open: BTreeMap::new(),
        idle_rounds: 0,
        tally,
        deleting: 0,
        points: 0,
        safety: Safety::default(),
        send_in_doubt: false,
        cancel_requested: false,
        stopped: None,
        waiting: None,
        lease: None,
        fence: 0,
        asked_by: "someone".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn the_whole_matrix_of_states() {
    use PushEvent::{Began, Cancelled, CompletedWithErrors, Stopped, Succeeded};
    let mut legal = Vec::new();
    for from in PushState::ALL {
        for event in [Began, Succeeded, CompletedWithErrors, Stopped, Cancelled] {
            if let Ok(to) = from.next(event) {
                assert!(!from.is_final(), "a final state never changes");
                legal.push(format!("{from:?} {event:?} {to:?}"));
            }
        }
    }
    let expected = [
        "Queued Began Running",
        "Queued Stopped Stopped",
        "Queued Cancelled Cancelled",
        "Running Began Running",
        "Running Succeeded Succeeded",
        "Running CompletedWithErrors CompletedWithErrors",
        "Running Stopped Stopped",
        "Running Cancelled Cancelled",
    ];
    assert_eq!(legal, expected);
}

#[test]
fn a_page_is_counted_once_however_often_it_is_told() {
    let mut run = run(2);
    let some = Counts { created: 4, ..Counts::default() };
    for _ in 0..3 {
        run.count(0, 10, some, false).unwrap();
        assert_eq!((run.tally.of(Outcome::Created), run.tally.pending(), run.next_page), (4, 16, 0));
    }
    let more = Counts { created: 4, failed: 5, ..Counts::default() };
    run.count(0, 10, more, true).unwrap();
    assert_eq!((run.next_page, run.tally.pending()), (1, 11));
    run.count(1, 10, Counts { unchanged: 10, ..Counts::default() }, true).unwrap();
    assert_eq!(run.page_from(0), Some(0), "one row of it is pending");
    assert_eq!(run.page_from(1), None);
    assert_eq!(run.end(), None);
    run.count(0, 10, Counts { updated: 1, ..more }, true).unwrap();
    assert_eq!((run.page_from(0), run.end()), (None, Some(PushEvent::CompletedWithErrors)));
    assert_eq!(run.tally.of(Outcome::Created), 4);
}

#[test]
fn an_outcome_is_never_taken_back() {
    let mut run = run(1);
    run.count(0, 10, Counts { created: 4, ..Counts::default() }, false).unwrap();
    let before = run.clone();
    let refused = run.count(0, 10, Counts { created: 3, failed: 1, ..Counts::default() }, false);
    assert_eq!(refused, Err(Uncountable::Lost));
    assert_eq!(run, before);
}

#[test]
fn few_rows_may_always_take_something_away_and_many_only_their_share() {
    let (mut few, mut many) = (run(1), run(1_000));
    assert!(few.may_delete(10) && !few.may_delete(11));
    assert!(many.may_delete(200) && !many.may_delete(201));
    for run in [&mut few, &mut many] {
        run.safety.delete_guard_percent = 100;
        assert!(run.may_delete(10_000));
    }
}
