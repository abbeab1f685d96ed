//! Rules of what a push keeps.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::samples::{self, PROVIDER, at};
use super::{Checked, rules};
use crate::domain::ids::{RunId, ShopId, StoreId};
use crate::domain::notice::{Person, Subject};
use crate::domain::push::change::{FieldChange, Image};
use crate::domain::push::code::Code;
use crate::domain::push::key::{DestinationKey, Tool};
use crate::domain::push::ledger::{Op, Outcome, ResultLine, RowError, Tally};
use crate::domain::push::run::{Counts, OnDrift, PushKind, PushRun, PushState, RunLease, Safety};
use crate::domain::push::state::{Hold, KeyHash, KeyState};
use crate::domain::push::target::Stream;
use crate::domain::push::throttle::{Bucket, Points, Predictor, Status};
use crate::ports::PortError;
use crate::ports::push_store::{
    Budgets, DestinationKeys, Inputs, KeyStates, Mention, Once, PushBegan, PushRuns, Results, SharedBudget,
};
use crate::ports::webhooks::{Held, PersonalData};

/// A run with something in every field.
pub fn run(store: &StoreId, seconds: u64) -> PushRun {
    let id = RunId::new(samples::uuid(seconds));
    let mut tally = Tally::default();
    tally.receive(1_700);
    PushRun {
        store: store.clone(),
        provider: PROVIDER,
        revision: 1,
        kind: PushKind::Replay,
        state: PushState::Running,
        stream: Stream::InventoryLevels,
        of_run: Some(RunId::new(samples::uuid(seconds + 1))),
        rows_of: id.clone(),
        id,
        mapping: 12,
        shop: ShopId(u64::MAX),
        install: samples::install(),
        pages: 4,
        next_page: 2,
        open: BTreeMap::from([(1, Counts { created: 1, updated: 2, unchanged: 3, skipped: 4, failed: 5 })]),
        idle_rounds: 3,
        tally,
        deleting: 7,
        points: 12_345,
        safety: Safety {
            stop_after_failed_percent: 11,
            delete_guard_percent: 3,
            on_drift: OnDrift::Fail,
            undo_days: 7,
        },
        send_in_doubt: true,
        cancel_requested: true,
        stopped: Some(RowError::ours(Code::FailedShare, "12 of 50 rows failed")),
        waiting: Some(RowError::ours(Code::TypeMismatch, "no — number").about("a.b", Some("c".to_owned()))),
        lease: Some(RunLease { fence: 9, until: at(seconds + 60) }),
        fence: 9,
        asked_by: "someone".to_owned(),
        created_at: at(seconds),
        updated_at: at(seconds + 2),
    }
}

fn line(run: &RunId, seq: u64, outcome: Option<Outcome>) -> ResultLine {
    ResultLine {
        v: 1,
        run: run.clone(),
        seq,
        stream: Stream::Customers,
        key: "a***@e***".to_owned(),
        op: Some(Op::Update),
        outcome,
        gid: Some("gid://9".to_owned()),
        plan: vec!["one".to_owned(), "two".to_owned()],
        attempts: 2,
        points: 20,
        ms: 412,
        source_hash: "s".to_owned(),
        payload_hash: Some("p".to_owned()),
        idempotency_key: None,
        error: Some(RowError::refused(Some("INVALID"), "no")),
        request_id: Some("r".to_owned()),
        at: at(seq),
    }
}

fn image(seq: u64) -> Image {
    let change = |path: &str, before: Option<Value>, after: Option<Value>| FieldChange {
        path: path.to_owned(),
        before,
        after,
    };
    let diff = vec![
        change("title", Some(json!("O''Brien — 5 °C")), Some(json!("new"))),
        change("tags[]", Some(json!(["a", 1.5, null])), None),
        change("seo", None, Some(json!({"title": "t"}))),
    ];
    Image { seq, op: Op::Create, diff }
}

/// Checks every rule of runs.
pub async fn runs(runs: &dyn PushRuns) -> Checked {
    rules!(
        a_run_reads_back_whole_and_belongs_to_its_store,
        a_name_begins_one_run_and_one_body,
        a_run_is_saved_by_whoever_read_it_last,
        runs_are_listed_newest_first;
        (runs)
    )
}

async fn a_run_reads_back_whole_and_belongs_to_its_store(runs: &dyn PushRuns) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let whole = run(&store, 1);
    assert_eq!(runs.begin(&whole, None).await?, PushBegan::New);
    assert_eq!(runs.load(&store, PROVIDER, &whole.id).await?, Some(whole.clone()));
    assert_eq!(runs.load(&other, PROVIDER, &whole.id).await?, None);
    let bare = PushRun {
        of_run: None,
        open: BTreeMap::new(),
        stopped: None,
        waiting: None,
        lease: None,
        ..run(&store, 2)
    };
    runs.begin(&bare, None).await?;
    assert_eq!(runs.load(&store, PROVIDER, &bare.id).await?, Some(bare));
    Ok(())
}

async fn a_name_begins_one_run_and_one_body(runs: &dyn PushRuns) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let once = |body: &str| Once { key: "key: one/ä".to_owned(), body: body.to_owned() };
    assert_eq!(runs.begun(&store, PROVIDER, &once("a").key).await?, None);
    let (first, second) = (run(&store, 1), run(&store, 2));
    assert_eq!(runs.begin(&first, Some(&once("a"))).await?, PushBegan::New);
    let begun = runs.begun(&store, PROVIDER, &once("a").key).await?;
    assert_eq!(begun, Some((first.id.clone(), "a".to_owned())));
    assert_eq!(runs.begin(&second, Some(&once("a"))).await?, PushBegan::Before(first.id));
    assert_eq!(runs.begin(&second, Some(&once("b"))).await?, PushBegan::OtherBody);
    assert_eq!(runs.load(&store, PROVIDER, &second.id).await?, None, "both or neither");
    assert_eq!(runs.begin(&run(&other, 3), Some(&once("b"))).await?, PushBegan::New);
    Ok(())
}

async fn a_run_is_saved_by_whoever_read_it_last(runs: &dyn PushRuns) -> Checked {
    let store = samples::store()?;
    let mut mine = run(&store, 1);
    assert!(matches!(runs.save(&mut mine).await, Err(PortError::Conflict)), "it is not there");
    runs.begin(&mine, None).await?;
    let mut theirs = mine.clone();
    mine.next_page = 3;
    mine.open = BTreeMap::new();
    mine.lease = None;
    runs.save(&mut mine).await?;
    assert_eq!(mine.revision, 2);
    assert!(matches!(runs.save(&mut theirs).await, Err(PortError::Conflict)));
    assert_eq!(runs.load(&store, PROVIDER, &mine.id).await?, Some(mine));
    Ok(())
}

async fn runs_are_listed_newest_first(runs: &dyn PushRuns) -> Checked {
    let store = samples::store()?;
    let mut all = Vec::new();
    for seconds in 1..=5 {
        let run = run(&store, seconds);
        runs.begin(&run, None).await?;
        all.insert(0, run);
    }
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = runs.list(&store, PROVIDER, cursor, 2).await?;
        assert!(page.items.len() <= 2);
        listed.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, all);
    assert_eq!(runs.list(&samples::store()?, PROVIDER, None, 2).await?.items, []);
    Ok(())
}

/// Checks every rule of rows.
pub async fn inputs(inputs: &dyn Inputs) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let (one, two) = (RunId::new(samples::uuid(1)), RunId::new(samples::uuid(2)));
    assert_eq!(inputs.get(&store, &one, 0).await?, None);
    let large = vec![b'x'; 1_000_000];
    inputs.put(&store, &one, 0, large.clone()).await?;
    inputs.put(&store, &one, 1, b"{}".to_vec()).await?;
    inputs.put(&store, &one, 1, b"[]".to_vec()).await?;
    assert_eq!(inputs.get(&store, &one, 0).await?, Some(large));
    assert_eq!(inputs.get(&store, &one, 1).await?, Some(b"[]".to_vec()));
    assert_eq!(inputs.get(&store, &two, 0).await?, None);
    assert_eq!(inputs.get(&other, &one, 0).await?, None);
    Ok(())
}

/// Checks every rule of results.
pub async fn results(results: &dyn Results) -> Checked {
    rules!(
        lines_read_back_whole_and_in_order,
        a_late_hand_overwrites_no_lines,
        images_are_put_once_and_read_by_part,
        images_go_when_their_time_is_up;
        (results)
    )
}

async fn lines_read_back_whole_and_in_order(results: &dyn Results) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let run = RunId::new(samples::uuid(1));
    assert_eq!(results.lines(&store, &run, 0).await?, []);
    let mut lines: Vec<ResultLine> =
        (0..500).map(|seq| line(&run, seq, Some(Outcome::ALL[seq as usize % 5]))).collect();
    // More than one item of a table holds.
    lines[0].error = Some(RowError::ours(Code::Refused, "x".repeat(20_000)));
    lines[499] = ResultLine {
        op: None,
        outcome: None,
        gid: None,
        plan: Vec::new(),
        payload_hash: None,
        idempotency_key: Some("key".to_owned()),
        error: None,
        request_id: None,
        ..lines[499].clone()
    };
    results.put_lines(&store, &run, 0, 1, &lines).await?;
    assert_eq!(results.lines(&store, &run, 0).await?, lines);
    assert_eq!(results.lines(&store, &run, 1).await?, []);
    assert_eq!(results.lines(&other, &run, 0).await?, []);
    let fewer = &lines[..3];
    results.put_lines(&store, &run, 0, 1, fewer).await?;
    assert_eq!(results.lines(&store, &run, 0).await?, fewer, "nothing is left of those before");
    Ok(())
}

async fn a_late_hand_overwrites_no_lines(results: &dyn Results) -> Checked {
    let store = samples::store()?;
    let run = RunId::new(samples::uuid(1));
    let (early, late) = ([line(&run, 0, None)], [line(&run, 0, Some(Outcome::Created))]);
    results.put_lines(&store, &run, 0, 3, &late).await?;
    let refused = results.put_lines(&store, &run, 0, 2, &early).await;
    assert!(matches!(refused, Err(PortError::Conflict)), "{refused:?}");
    assert_eq!(results.lines(&store, &run, 0).await?, late);
    results.put_lines(&store, &run, 0, 4, &early).await?;
    assert_eq!(results.lines(&store, &run, 0).await?, early);
    results.put_lines(&store, &run, 1, 1, &early).await?;
    Ok(())
}

/// Long after every test.
fn never() -> Timestamp {
    at(10_000_000_000 - 1_790_000_000)
}

async fn images_are_put_once_and_read_by_part(results: &dyn Results) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let run = RunId::new(samples::uuid(1));
    let parts: Vec<Vec<Image>> = (0..11).map(|part| vec![image(part), image(100 + part)]).collect();
    for (number, part) in (0..).zip(&parts) {
        results.put_images(&store, &run, 7, number, part, never()).await?;
    }
    assert_eq!(results.images(&store, &run, 7).await?, parts);
    let again = results.put_images(&store, &run, 7, 10, &parts[0], never()).await;
    assert!(matches!(again, Err(PortError::Conflict)), "{again:?}");
    let large = Image {
        seq: 1,
        op: Op::Update,
        diff: vec![FieldChange {
            path: "d".to_owned(),
            before: Some(json!("y".repeat(900_000))),
            after: None,
        }],
    };
    results.put_images(&store, &run, 8, 0, std::slice::from_ref(&large), never()).await?;
    assert_eq!(results.images(&store, &run, 8).await?, [[large]]);
    assert_eq!(results.images(&store, &run, 9).await?, Vec::<Vec<Image>>::new());
    assert_eq!(results.images(&other, &run, 7).await?, Vec::<Vec<Image>>::new());
    Ok(())
}

async fn images_go_when_their_time_is_up(results: &dyn Results) -> Checked {
    let store = samples::store()?;
    let run = RunId::new(samples::uuid(1));
    results.put_images(&store, &run, 0, 0, &[image(1)], Timestamp::from_second(1_000)?).await?;
    assert_eq!(results.images(&store, &run, 0).await?, Vec::<Vec<Image>>::new());
    Ok(())
}

/// Checks that an erasure finds the images of whom it names and no others.
pub async fn erasures(runs: &dyn PushRuns, results: &dyn Results, personal: &dyn PersonalData) -> Checked {
    rules!(
        a_person_is_erased_from_every_image_and_nobody_else,
        a_note_waits_for_its_image,
        a_shop_that_left_leaves_no_images;
        (runs, results, personal)
    )
}

/// A customer alone.
fn customer(number: u64) -> Person {
    Person { customer: Some(number), orders: Vec::new() }
}

/// How many images are kept about a person.
fn images_of(held: &[Held]) -> u64 {
    held.iter().filter(|held| held.table == "push").map(|held| held.items).sum()
}

async fn a_person_is_erased_from_every_image_and_nobody_else(
    _: &dyn PushRuns,
    results: &dyn Results,
    personal: &dyn PersonalData,
) -> Checked {
    let (store, other, shop) = (samples::store()?, samples::store()?, ShopId(7));
    let (run, later) = (RunId::new(samples::uuid(1)), RunId::new(samples::uuid(2)));
    // One that fills several items of a table, so that less of it leaves some behind.
    let mut large = image(3);
    large.diff[0].before = Some(json!("z".repeat(900_000)));
    let parts = [vec![image(1), image(2)], vec![image(2), large, image(4)]];
    for (number, part) in (0..).zip(&parts) {
        results.put_images(&store, &run, 5, number, part, never()).await?;
        results.put_images(&other, &run, 5, number, part, never()).await?;
    }
    results.put_images(&store, &later, 0, 0, &[image(9)], never()).await?;
    let mention = |subject, run: &RunId, page, seq| Mention { subject, run: run.clone(), page, seq };
    let mentions = [
        mention(Subject::Customer(71), &run, 5, 2),
        mention(Subject::Customer(71), &run, 5, 3),
        mention(Subject::Customer(72), &run, 5, 1),
        mention(Subject::Order(71), &run, 5, 4),
        mention(Subject::Order(8), &later, 0, 9),
    ];
    for store in [&store, &store, &other] {
        results.note_people(store, PROVIDER, shop, &mentions, never()).await?;
    }
    let person = Person { customer: Some(71), orders: vec![8, 9] };
    assert_eq!(images_of(&personal.held(&store, PROVIDER, shop, &person).await?), 3);
    assert_eq!(images_of(&personal.held(&store, PROVIDER, ShopId(8), &person).await?), 0, "another shop");
    assert_eq!(images_of(&personal.erase(&store, PROVIDER, shop, &person).await?), 3);
    assert_eq!(results.images(&store, &run, 5).await?, [vec![image(1)], vec![image(4)]]);
    assert_eq!(results.images(&store, &later, 0).await?, [Vec::<Image>::new()]);
    assert_eq!(results.images(&other, &run, 5).await?, parts, "another store's");
    assert_eq!(images_of(&personal.held(&store, PROVIDER, shop, &person).await?), 0);
    assert_eq!(images_of(&personal.erase(&store, PROVIDER, shop, &person).await?), 0, "asked again");
    assert_eq!(images_of(&personal.held(&store, PROVIDER, shop, &customer(72)).await?), 1);
    let again = results.put_images(&store, &later, 0, 0, &[image(9)], never()).await;
    assert!(matches!(again, Err(PortError::Conflict)), "its number stays taken: {again:?}");
    Ok(())
}

async fn a_note_waits_for_its_image(
    _: &dyn PushRuns,
    results: &dyn Results,
    personal: &dyn PersonalData,
) -> Checked {
    let (store, shop, run) = (samples::store()?, ShopId(7), RunId::new(samples::uuid(1)));
    let mention = Mention { subject: Subject::Customer(1), run: run.clone(), page: 0, seq: 1 };
    results.note_people(&store, PROVIDER, shop, &[mention], never()).await?;
    assert_eq!(images_of(&personal.erase(&store, PROVIDER, shop, &customer(1)).await?), 0);
    results.put_images(&store, &run, 0, 0, &[image(1)], never()).await?;
    assert_eq!(images_of(&personal.erase(&store, PROVIDER, shop, &customer(1)).await?), 1);
    Ok(())
}

async fn a_shop_that_left_leaves_no_images(
    runs: &dyn PushRuns,
    results: &dyn Results,
    personal: &dyn PersonalData,
) -> Checked {
    let store = samples::store()?;
    let mut stayed = run(&store, 2);
    stayed.shop = ShopId(2);
    // As a run of today's: what is older has no images.
    let mut left = run(&store, 1);
    for run in [&mut stayed, &mut left] {
        run.updated_at = never();
        runs.begin(run, None).await?;
        for page in [0, 3] {
            results.put_images(&store, &run.id, page, 0, &[image(1)], never()).await?;
            results.put_images(&store, &run.id, page, 1, &[image(2)], never()).await?;
        }
    }
    for _ in 0..2 {
        personal.erase_shop(&store, PROVIDER, left.shop).await?;
        for page in [0, 3] {
            assert_eq!(results.images(&store, &left.id, page).await?, Vec::<Vec<Image>>::new());
            assert_eq!(results.images(&store, &stayed.id, page).await?, [[image(1)], [image(2)]]);
        }
    }
    Ok(())
}

/// Checks every rule of what is known of keys.
pub async fn states(states: &dyn KeyStates) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let keys: Vec<KeyHash> =
        (0..230).map(|number| KeyHash::of(Stream::Orders, &format!("{store}-{number}"))).collect();
    let state = |version, seq| KeyState {
        version,
        run: RunId::parse("run_0190000000007000800000000000000a")
            .unwrap_or_else(|_| RunId::new(samples::uuid(1))),
        page: 3,
        seq,
        fence: 5,
        hold: Hold::InDoubt,
        held_until: at(seq),
        op: Op::Create,
        outcome: Some(Outcome::Created),
        gid: Some("gid://1".to_owned()),
        source_hash: "s".to_owned(),
        payload_hash: "p".to_owned(),
        looked: 2,
    };
    assert_eq!(states.load(&store, PROVIDER, &keys[..3]).await?, [None, None, None]);
    for at in [0, 120, 229] {
        states.put(&store, PROVIDER, &keys[at], &state(1, at as u64)).await?;
    }
    let found = states.load(&store, PROVIDER, &keys).await?;
    assert_eq!(found.len(), keys.len());
    for (at, found) in found.iter().enumerate() {
        let there = [0, 120, 229].contains(&at).then(|| state(1, at as u64));
        assert_eq!(*found, there, "{at}");
    }
    for late in [1, 3] {
        let refused = states.put(&store, PROVIDER, &keys[0], &state(late, 9)).await;
        assert!(matches!(refused, Err(PortError::Conflict)), "{refused:?}");
    }
    let bare = KeyState { outcome: None, gid: None, hold: Hold::Over, ..state(2, 9) };
    states.put(&store, PROVIDER, &keys[0], &bare).await?;
    assert_eq!(states.load(&store, PROVIDER, &keys[..1]).await?, [Some(bare)]);
    assert_eq!(states.load(&other, PROVIDER, &keys[..1]).await?, [None]);
    assert_eq!(states.load(&store, PROVIDER, &[]).await?, []);
    let twice = [keys[229].clone(), keys[1].clone(), keys[229].clone()];
    let found = Some(state(1, 229));
    assert_eq!(states.load(&store, PROVIDER, &twice).await?, [found.clone(), None, found]);
    Ok(())
}

/// Checks every rule of budgets.
pub async fn budgets(budgets: &dyn Budgets) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    assert_eq!(budgets.load(&store, PROVIDER).await?, None);
    let mut bucket = Bucket::new(Status::UNKNOWN, at(1));
    bucket.lease(Points::whole(3), Points::whole(5), at(2))?;
    let mut predictor = Predictor::default();
    predictor.learn("make", Points::whole(12));
    let budget = SharedBudget { bucket, predictor };
    budgets.save(&store, PROVIDER, &budget, 0).await?;
    assert_eq!(budgets.load(&store, PROVIDER).await?, Some((budget.clone(), 1)));
    for late in [0, 2] {
        let refused = budgets.save(&store, PROVIDER, &budget, late).await;
        assert!(matches!(refused, Err(PortError::Conflict)), "{refused:?}");
    }
    let next = SharedBudget { predictor: Predictor::default(), ..budget };
    budgets.save(&store, PROVIDER, &next, 1).await?;
    assert_eq!(budgets.load(&store, PROVIDER).await?, Some((next, 2)));
    assert_eq!(budgets.load(&other, PROVIDER).await?, None);
    Ok(())
}

/// Checks every rule of the keys of data tools.
pub async fn keys(keys: &dyn DestinationKeys) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let key = |store: &StoreId, number: u64| DestinationKey {
        id: format!("dst_{}", samples::uuid(number).simple()),
        store: store.clone(),
        provider: PROVIDER,
        stream: Stream::Products,
        tool: if number == 1 { Tool::Multiwoven } else { Tool::Other },
        name: "CRM — nightly".to_owned(),
        hash: "ab12".to_owned(),
        created_by: "someone".to_owned(),
        created_at: at(1),
        expires_at: (number == 1).then(|| at(9)),
        last_used_at: None,
        revoked_at: None,
    };
    let (mine, second, theirs) = (key(&store, 1), key(&store, 2), key(&other, 3));
    for key in [&mine, &second, &theirs] {
        keys.add(key).await?;
    }
    let twice = keys.add(&DestinationKey { store: other.clone(), ..mine.clone() }).await;
    assert!(matches!(twice, Err(PortError::Conflict)), "{twice:?}");
    assert_eq!(keys.find(&mine.id).await?, Some(mine.clone()));
    for unknown in ["dst_0", "", "DESTINATION", &"x".repeat(5_000)] {
        assert_eq!(keys.find(unknown).await?, None, "{unknown}");
        assert!(!keys.revoke(&store, PROVIDER, unknown, at(5)).await?, "{unknown}");
    }
    let mut listed = keys.list(&store, PROVIDER).await?;
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(listed, [mine.clone(), second]);
    assert!(!keys.revoke(&other, PROVIDER, &mine.id, at(5)).await?, "it is another store's");
    assert_eq!(keys.find(&mine.id).await?, Some(mine.clone()));
    assert!(keys.revoke(&store, PROVIDER, &mine.id, at(5)).await?);
    assert!(keys.revoke(&store, PROVIDER, &mine.id, at(6)).await?, "once more changes nothing");
    for time in [at(4), at(3)] {
        keys.used(&mine.id, time).await?;
        keys.used("dst_0", time).await?;
    }
    assert_eq!(keys.find("dst_0").await?, None, "what is not there is not made by its use");
    let (revoked_at, last_used_at) = (Some(at(5)), Some(at(4)));
    assert_eq!(keys.find(&mine.id).await?, Some(DestinationKey { revoked_at, last_used_at, ..mine }));
    Ok(())
}
