//! Beginning runs: one at a time, once for each key.

use futures::future::join_all;
use shared::app::import::requests::StartRun;
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::options::{AskedOptions, MassMissing};
use shared::domain::run::RunState;
use shared::ports::queue::Step;

use crate::world::{World, store};

const SHOPIFY: ProviderId = ProviderId::Shopify;

fn preview() -> StartRun {
    StartRun { preview: true, ..StartRun::default() }
}

#[tokio::test]
async fn of_many_that_begin_at_once_one_wins_and_the_others_are_told_which() {
    let world = World::stocked().await;
    let requests = (0..12).map(|n| StartRun { preview: n % 2 == 0, ..StartRun::default() });
    let begun = join_all(requests.map(|request| world.imports.start(world.asker(), request, None))).await;
    let won: Vec<&RunId> = begun.iter().flatten().collect();
    assert_eq!(won.len(), 1, "{begun:?}");
    for refused in begun.iter().filter_map(|begun| begun.as_ref().err()) {
        assert_eq!(refused.code, "run_active");
        assert!(refused.detail.contains(won[0].as_str()), "{}", refused.detail);
    }
    world.settle().await;
    assert!(world.shown(won[0]).await.status.is_final());
    world.run().await;
}

#[tokio::test]
async fn the_same_request_gets_its_run_whatever_has_become_of_it() {
    let world = World::stocked().await;
    let begin = async || world.imports.start(world.asker(), StartRun::default(), Some("key")).await.unwrap();
    let run = begin().await;
    world.settle().await;
    assert_eq!(begin().await, run, "it has ended");
    let undo = async || world.imports.undo(world.asker(), &run, Some("undo")).await.unwrap();
    let undone = undo().await;
    assert_eq!(begin().await, run, "another is going on");
    world.settle().await;
    assert_eq!(undo().await, undone, "it has been taken back");
    assert_eq!(world.queue.waiting(), vec![], "nothing is begun again");
}

#[tokio::test]
async fn a_key_begins_nothing_else() {
    let world = World::stocked().await;
    let run = world.imports.start(world.asker(), StartRun::default(), Some("key")).await.unwrap();
    world.settle().await;
    let options = AskedOptions { limit: Some(3), ..AskedOptions::default() };
    for other in [preview(), StartRun { options, ..StartRun::default() }] {
        let refused = world.imports.start(world.asker(), other, Some("key")).await.unwrap_err();
        assert_eq!(refused.code, "idempotency_key_reused");
        assert!(refused.detail.contains(run.as_str()));
    }
    let refused = world.imports.undo(world.asker(), &run, Some("key")).await.unwrap_err();
    assert_eq!(refused.code, "idempotency_key_reused");
    world.imports.start(world.asker(), preview(), Some("another")).await.unwrap();
}

#[tokio::test]
async fn a_first_message_that_was_lost_is_sent_when_asked_again() {
    let world = World::stocked().await;
    let run = world.imports.start(world.asker(), StartRun::default(), Some("key")).await.unwrap();
    world.queue.clear();
    assert_eq!(world.imports.start(world.asker(), StartRun::default(), Some("key")).await.unwrap(), run);
    let sent: Vec<_> = world.queue.waiting().into_iter().map(|waiting| waiting.message.step).collect();
    assert_eq!(sent, [Step::Extract]);
    world.settle().await;
    assert_eq!(world.shown(&run).await.status, RunState::Completed);
}

#[tokio::test]
async fn another_stores_run_is_answered_like_none_at_all() {
    let world = World::stocked().await;
    let run = RunId::parse(&world.run().await.run_id).unwrap();
    let shown = RunId::parse(&world.preview().await.run_id).unwrap();
    let unknown = RunId::new(uuid::Uuid::from_u128(999));
    let (two, one) = (store("two"), world.store.clone());
    for (asking, id) in [(&two, &run), (&two, &shown), (&one, &unknown)] {
        let asker = || shared::app::import::requests::Asker { store: asking, ..world.asker() };
        let answers = [
            world.imports.undo(asker(), id, None).await.unwrap_err(),
            world.imports.decide_missing(asking, SHOPIFY, id, MassMissing::Leave).await.unwrap_err(),
            world.imports.reconciliation(asking, SHOPIFY, id).await.unwrap_err(),
            world.imports.cancel(asking, SHOPIFY, id).await.unwrap_err(),
        ];
        for error in answers {
            assert_eq!(
                (error.code, error.detail.as_str()),
                ("not_found", "There is no such thing in this store.")
            );
        }
    }
}
