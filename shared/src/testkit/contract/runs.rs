//! Rules of `RunStore`.

use futures::future::join_all;

use super::samples::{self, PROVIDER, at};
use super::{Checked, rules};
use crate::domain::run::{ChunkId, Cost, Feed, FeedFile, FeedProgress, Phase, RunState};
use crate::ports::PortError;
use crate::ports::runs::{Began, PageKey, PageKind, RunStore};

/// Checks every rule.
pub async fn all(runs: &dyn RunStore) -> Checked {
    rules!(
        a_run_reads_back_as_it_was_saved,
        of_many_that_begin_at_once_one_gets_the_lock,
        the_same_key_begins_one_run,
        a_final_state_frees_the_lock_and_only_its_own,
        of_two_saves_of_one_revision_one_wins,
        lists_go_newest_first_by_pages_and_cursors_stay_in_their_list,
        runs_that_hold_their_lock_come_longest_first_page_by_page,
        a_receipt_is_written_once,
        receipts_come_by_phase_and_generation_in_order,
        the_first_page_stays_where_asked_and_is_replaced_otherwise,
        a_page_above_the_limit_is_refused,
        nothing_of_one_store_shows_in_another;
        (runs)
    )
}

async fn a_run_reads_back_as_it_was_saved(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let mut run = samples::run(&store, 0);
    assert_eq!(runs.load(&store, PROVIDER, &run.id).await?, None);
    assert_eq!(runs.begin(&run, None).await?, Began::New);
    assert_eq!(runs.load(&store, PROVIDER, &run.id).await?.as_ref(), Some(&run));
    run.state = RunState::Extracting;
    run.feeds.insert(
        Feed::Products,
        FeedProgress {
            handle: "gid://bulk/1".to_owned(),
            attempt: 1,
            objects: 5,
            roots: 2,
            moved_at: at(3),
            ready: true,
            file: Some(FeedFile { url: "https://files.example/x?sig=1".to_owned(), size: 9 }),
            chunks: 1,
            joined: false,
        },
    );
    let before = run.revision;
    runs.save(&mut run).await?;
    assert_eq!(run.revision, before + 1);
    assert_eq!(runs.load(&store, PROVIDER, &run.id).await?.as_ref(), Some(&run));
    Ok(())
}

async fn of_many_that_begin_at_once_one_gets_the_lock(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let wanted: Vec<_> = (0..12).map(|n| samples::run(&store, n)).collect();
    let began = join_all(wanted.iter().map(|run| runs.begin(run, None))).await;
    let began: Vec<Began> = began.into_iter().collect::<Result<_, _>>()?;
    let new: Vec<usize> = (0..began.len()).filter(|n| began[*n] == Began::New).collect();
    assert_eq!(new.len(), 1, "{began:?}");
    let holder = &wanted[new[0]].id;
    for (n, began) in began.iter().enumerate().filter(|(n, _)| *n != new[0]) {
        assert_eq!(*began, Began::Busy(holder.clone()));
        assert_eq!(
            runs.load(&store, PROVIDER, &wanted[n].id).await?,
            None,
            "lock without run, or run without lock"
        );
    }
    assert_eq!(runs.active(&store, PROVIDER).await?.as_ref(), Some(holder));
    Ok(())
}

async fn the_same_key_begins_one_run(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let wanted: Vec<_> = (0..6).map(|n| samples::run(&store, n)).collect();
    assert_eq!(runs.begun(&store, PROVIDER, "key ✓").await?, None);
    let began = join_all(wanted.iter().map(|run| runs.begin(run, Some("key ✓")))).await;
    let began: Vec<Began> = began.into_iter().collect::<Result<_, _>>()?;
    let new = began.iter().position(|began| *began == Began::New).ok_or("none began")?;
    for (n, began) in began.iter().enumerate().filter(|(n, _)| *n != new) {
        assert_eq!(*began, Began::Before(wanted[new].id.clone()), "{n}");
    }
    assert_eq!(runs.begun(&store, PROVIDER, "key ✓").await?.as_ref(), Some(&wanted[new].id));
    assert_eq!(runs.begun(&store, PROVIDER, "key").await?, None);
    let mut first = wanted[new].clone();
    first.state = RunState::Failed;
    runs.save(&mut first).await?;
    let late = samples::run(&store, 9);
    assert_eq!(runs.begin(&late, Some("key ✓")).await?, Began::Before(first.id.clone()));
    assert_eq!(runs.begun(&late.store, late.provider, "key ✓").await?, Some(first.id));
    assert_eq!(runs.begun(&late.store, late.provider, "another key").await?, None);
    assert_eq!(runs.begin(&late, Some("another key")).await?, Began::New);
    Ok(())
}

async fn a_final_state_frees_the_lock_and_only_its_own(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let mut first = samples::run(&store, 0);
    runs.begin(&first, None).await?;
    runs.save(&mut first).await?;
    assert_eq!(runs.active(&store, PROVIDER).await?, Some(first.id.clone()));
    first.state = RunState::Completed;
    runs.save(&mut first).await?;
    assert_eq!(runs.active(&store, PROVIDER).await?, None);
    let second = samples::run(&store, 1);
    assert_eq!(runs.begin(&second, None).await?, Began::New);
    // A run that ended can still be noted on; the lock is someone else's now.
    first.undone_by = Some(second.id.clone());
    runs.save(&mut first).await?;
    assert_eq!(runs.active(&store, PROVIDER).await?, Some(second.id));
    assert_eq!(runs.load(&store, PROVIDER, &first.id).await?, Some(first));
    Ok(())
}

async fn of_two_saves_of_one_revision_one_wins(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let run = samples::run(&store, 0);
    runs.begin(&run, None).await?;
    for end in [RunState::Extracting, RunState::Completed] {
        let current = runs.load(&store, PROVIDER, &run.id).await?.ok_or("no run")?;
        let mut copies: Vec<_> = (0..8).map(|_| current.clone()).collect();
        for copy in &mut copies {
            copy.state = end;
        }
        let saved = join_all(copies.iter_mut().map(|copy| runs.save(copy))).await;
        let won = saved.iter().filter(|saved| saved.is_ok()).count();
        assert_eq!(won, 1, "{saved:?}");
        for lost in saved.into_iter().filter_map(Result::err) {
            assert!(matches!(lost, PortError::Conflict), "{lost:?}");
        }
        let unraised = copies.iter().filter(|copy| copy.revision == current.revision).count();
        assert_eq!(unraised, 7, "only the winner's revision is raised");
    }
    let mut unknown = samples::run(&store, 1);
    for state in [RunState::Queued, RunState::Failed] {
        unknown.state = state;
        let refused = runs.save(&mut unknown).await;
        assert!(matches!(refused, Err(PortError::Conflict)), "{refused:?}");
    }
    Ok(())
}

async fn lists_go_newest_first_by_pages_and_cursors_stay_in_their_list(runs: &dyn RunStore) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let mut ids = Vec::new();
    for n in 0..7 {
        let mut run = samples::run(&store, n);
        runs.begin(&run, Some(&format!("key {n}"))).await?;
        run.state = RunState::Completed;
        runs.save(&mut run).await?;
        ids.push(run.id);
    }
    ids.reverse();
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = runs.list(&store, PROVIDER, cursor, 3).await?;
        seen.extend(page.items.into_iter().map(|run| run.id));
        pages += 1;
        cursor = page.next;
        let Some(next) = &cursor else { break };
        let foreign = runs.list(&other, PROVIDER, Some(next.clone()), 3).await;
        assert!(matches!(foreign, Err(PortError::Malformed { what: "cursor", .. })), "{foreign:?}");
    }
    assert_eq!((seen, pages), (ids, 3));
    assert_eq!(runs.list(&store, PROVIDER, None, 7).await?.next, None);
    for garbage in ["", "x", "%", "AAAAAAAAAAAAAAAA"] {
        let refused = runs.list(&store, PROVIDER, Some(garbage.to_owned()), 3).await;
        assert!(
            matches!(refused, Err(PortError::Malformed { what: "cursor", .. })),
            "{garbage}: {refused:?}"
        );
    }
    assert!(runs.list(&other, PROVIDER, None, 3).await?.items.is_empty());
    Ok(())
}

async fn runs_that_hold_their_lock_come_longest_first_page_by_page(runs: &dyn RunStore) -> Checked {
    // Others may have runs there too, so only ours are looked at.
    let mut ours = Vec::new();
    for n in [3_u64, 1, 2, 2] {
        let run = samples::run(&samples::store()?, n);
        runs.begin(&run, None).await?;
        ours.push((run.created_at, run.id));
    }
    let late = samples::run(&samples::store()?, 9);
    runs.begin(&late, None).await?;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = runs.active_since(at(9), cursor, 2).await?;
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|active| active.run));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ours.sort();
    let ours: Vec<_> = ours.into_iter().map(|(_, id)| id).collect();
    seen.retain(|id| ours.contains(id) || *id == late.id);
    assert_eq!(seen, ours);
    Ok(())
}

async fn a_receipt_is_written_once(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let run = samples::run(&store, 0).id;
    let mut cost = Cost::default();
    let mut variants: Vec<_> = (0..6).map(|_| samples::receipt(Phase::Plan, 0, 4)).collect();
    for (n, receipt) in variants.iter_mut().enumerate() {
        receipt.lines = n as u64;
    }
    let mut costs = vec![Cost::default(); variants.len()];
    let puts = variants.iter().zip(&mut costs);
    let wrote = join_all(puts.map(|(receipt, cost)| runs.put_receipt(&store, &run, receipt, cost))).await;
    let wrote: Vec<bool> = wrote.into_iter().collect::<Result<_, _>>()?;
    let first = wrote.iter().position(|wrote| *wrote).ok_or("none was written")?;
    assert_eq!(wrote.iter().filter(|wrote| **wrote).count(), 1, "{wrote:?}");
    let chunk = ChunkId { feed: Feed::Products, index: 4 };
    let stored = runs.receipt(&store, &run, Phase::Plan, 0, chunk).await?;
    assert_eq!(stored.as_ref(), Some(&variants[first]));
    assert!(!runs.put_receipt(&store, &run, &variants[0], &mut cost).await?);
    assert_eq!((cost.write_units, cost.catalogue_writes), (1, 0));
    assert_eq!(runs.receipt(&store, &run, Phase::Apply, 0, chunk).await?, None);
    assert_eq!(runs.receipt(&store, &run, Phase::Plan, 1, chunk).await?, None);
    Ok(())
}

async fn receipts_come_by_phase_and_generation_in_order(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let run = samples::run(&store, 0).id;
    let mut cost = Cost::default();
    for index in [11, 2, 0, 100] {
        for (phase, generation) in [(Phase::Plan, 1), (Phase::Plan, 11), (Phase::Apply, 1)] {
            runs.put_receipt(&store, &run, &samples::receipt(phase, generation, index), &mut cost).await?;
        }
    }
    let receipts = runs.receipts(&store, &run, Phase::Plan, 1).await?;
    let chunks: Vec<u32> = receipts.iter().map(|receipt| receipt.chunk.index).collect();
    assert_eq!(chunks, [0, 2, 11, 100]);
    assert!(receipts.iter().all(|receipt| (receipt.phase, receipt.generation) == (Phase::Plan, 1)));
    Ok(())
}

async fn the_first_page_stays_where_asked_and_is_replaced_otherwise(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let run = samples::run(&store, 0).id;
    let chunk = ChunkId { feed: Feed::Products, index: 0 };
    let mut cost = Cost::default();
    let key = PageKey { run, chunk, generation: 0, kind: PageKind::Journal, number: 0 };
    assert_eq!(runs.page(&store, &key, &mut cost).await?, None);
    assert_eq!(cost.read_units, 1.0);
    runs.put_page(&store, &key, vec![0, 159, 1], true, &mut cost).await?;
    runs.put_page(&store, &key, vec![2], true, &mut cost).await?;
    assert_eq!(runs.page(&store, &key, &mut cost).await?, Some(vec![0, 159, 1]));
    runs.put_page(&store, &key, vec![3; 10_000], false, &mut cost).await?;
    let (before, written) = (cost.read_units, cost.write_units);
    assert_eq!(runs.page(&store, &key, &mut cost).await?, Some(vec![3; 10_000]));
    assert_eq!((written, cost.read_units - before), (1 + 1 + 10, 3.0));
    for other in [
        PageKey { number: 1, ..key.clone() },
        PageKey { generation: 1, ..key.clone() },
        PageKey { kind: PageKind::Plan, ..key.clone() },
        PageKey { chunk: ChunkId { index: 1, ..chunk }, ..key.clone() },
    ] {
        assert_eq!(runs.page(&store, &other, &mut cost).await?, None);
    }
    Ok(())
}

async fn a_page_above_the_limit_is_refused(runs: &dyn RunStore) -> Checked {
    let store = samples::store()?;
    let run = samples::run(&store, 0).id;
    let chunk = ChunkId { feed: Feed::Locations, index: 0 };
    let key = PageKey { run, chunk, generation: 0, kind: PageKind::Source, number: 0 };
    let mut cost = Cost::default();
    let limit = 300 * 1024;
    runs.put_page(&store, &key, vec![7; limit], false, &mut cost).await?;
    assert_eq!(runs.page(&store, &key, &mut cost).await?.map(|page| page.len()), Some(limit));
    let refused = runs.put_page(&store, &key, vec![7; limit + 1], false, &mut cost).await;
    assert!(matches!(refused, Err(PortError::Malformed { .. })), "{refused:?}");
    Ok(())
}

async fn nothing_of_one_store_shows_in_another(runs: &dyn RunStore) -> Checked {
    let (store, other) = (samples::store()?, samples::store()?);
    let run = samples::run(&store, 0);
    let mut cost = Cost::default();
    runs.begin(&run, Some("key")).await?;
    runs.put_receipt(&store, &run.id, &samples::receipt(Phase::Plan, 0, 0), &mut cost).await?;
    let chunk = ChunkId { feed: Feed::Products, index: 0 };
    let page = PageKey { run: run.id.clone(), chunk, generation: 0, kind: PageKind::Plan, number: 0 };
    runs.put_page(&store, &page, vec![1], false, &mut cost).await?;
    assert_eq!(runs.load(&other, PROVIDER, &run.id).await?, None);
    assert_eq!(runs.active(&other, PROVIDER).await?, None);
    assert_eq!(runs.begun(&other, PROVIDER, "key").await?, None);
    assert!(runs.receipts(&other, &run.id, Phase::Plan, 0).await?.is_empty());
    assert_eq!(runs.page(&other, &page, &mut cost).await?, None);
    assert_eq!(runs.begin(&samples::run(&other, 1), Some("key")).await?, Began::New);
    Ok(())
}
