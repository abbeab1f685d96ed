//! Crashes in what people do with runs: a limited run, a decision, a retry end as after one clean process.

use shared::app::import::requests::StartRun;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::{AskedOptions, MassMissing, OnMissing};
use shared::domain::run::{Feed, RunState};
use shared::testkit::catalog::Shown;
use shared::testkit::faults::Fault;
use shared::testkit::source;

use crate::world::World;

/// Delivers until nothing waits; whoever dies is followed by another.
async fn settle(world: &World) {
    while let Some(waiting) = world.queue.pop_or_wait() {
        world.deliver(waiting).await;
        world.faults.restart();
    }
}

/// Asks until it is answered, as a client with an idempotency key does.
async fn until_answered<T>(world: &World, ask: impl AsyncFn(&World) -> Option<T>) -> T {
    for _ in 0..20 {
        if let Some(answer) = ask(world).await {
            return answer;
        }
        world.faults.restart();
    }
    panic!("nobody answers");
}

/// Tries a crash at each of some calls of a story, and holds what is stored and told against the story without one.
async fn try_at_calls<'a>(
    prepare: impl AsyncFn() -> World,
    story: impl AsyncFn(&World) -> RunId,
    every: usize,
    faults: impl IntoIterator<Item = &'a Fault> + Copy,
) {
    let told = async |world: &World, run: &RunId| {
        let shown = world.shown(run).await;
        (shown.status, shown.counts, shown.not_applied, world.catalog.dump_with(Shown::default()))
    };
    let (clean, calls) = {
        let world = prepare().await;
        let from = world.faults.calls().len();
        let run = story(&world).await;
        (told(&world, &run).await, from..world.faults.calls().len())
    };
    let mut struck = 0;
    for call in calls.step_by(every) {
        for fault in faults {
            let world = prepare().await;
            world.faults.at(call, *fault);
            let run = story(&world).await;
            struck += world.faults.struck();
            // A story may take a call more or less than the one that was counted: no fault strikes after its end.
            let at = world.faults.calls().get(call).copied();
            world.faults.revive();
            assert_eq!(told(&world, &run).await, clean, "{fault:?} at {call}, {at:?}");
        }
    }
    assert!(struck > 30, "{struck}");
}

const CRASHES: [Fault; 2] = [Fault::CrashBefore, Fault::CrashAfter];

#[tokio::test]
async fn a_limited_run_ends_as_after_one_process() {
    let story = async |world: &World| {
        let options = AskedOptions { limit: Some(5), ..AskedOptions::default() };
        let request = StartRun { options, ..StartRun::default() };
        let run = until_answered(world, async |world| {
            world.imports.start(world.asker(), request.clone(), Some("key")).await.ok()
        });
        let run = run.await;
        settle(world).await;
        run
    };
    try_at_calls(World::stocked, story, 3, &CRASHES).await;
}

#[tokio::test]
async fn a_retry_ends_as_after_one_process() {
    let prepare = async || {
        let world = World::stocked().await;
        world.source.change(Feed::Products, 5, |item| item.truncated = true);
        world.run().await;
        world.source.change(Feed::Products, 5, |item| item.truncated = false);
        world
    };
    let story = async |world: &World| {
        let failed = until_answered(world, async |world| {
            let page = world.imports.list(&world.store, ProviderId::Shopify, None, 2).await.ok()?;
            page.items.into_iter().find(|run| run.of_run.is_none())
        });
        let failed = RunId::parse(&failed.await.run_id).unwrap();
        let run = until_answered(world, async |world| {
            world.imports.retry(world.asker(), &failed, Some("key")).await.ok()
        });
        let run = run.await;
        settle(world).await;
        run
    };
    try_at_calls(prepare, story, 3, &CRASHES).await;
}

#[tokio::test]
async fn a_run_that_waited_and_deletes_ends_as_after_one_process() {
    let prepare = async || {
        let world = World::new().await;
        for id in 1..=30 {
            world.source.put(Feed::Products, source::product(id, "P", 1, &[1]));
        }
        world.run().await;
        (1..=25).for_each(|id| drop(world.source.take(Feed::Products, id)));
        world
    };
    let story = async |world: &World| {
        let options = AskedOptions {
            on_missing: Some(OnMissing::Delete),
            confirm_delete: Some(true),
            ..AskedOptions::default()
        };
        let request = StartRun { options, ..StartRun::default() };
        let run = until_answered(world, async |world| {
            world.imports.start(world.asker(), request.clone(), Some("key")).await.ok()
        });
        let run = run.await;
        settle(world).await;
        let decided = until_answered(world, async |world| {
            let (store, answer) = (&world.store, MassMissing::Mark);
            world.imports.decide_missing(store, ProviderId::Shopify, &run, answer).await.ok()
        });
        assert!(matches!(decided.await.status, RunState::Applying));
        settle(world).await;
        run
    };
    try_at_calls(prepare, story, 4, &CRASHES).await;
}
