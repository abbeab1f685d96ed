//! What a push keeps about customers goes when they are erased, however the run came to its end.

use serde_json::json;
use shared::domain::ids::ShopId;
use shared::domain::notice::{Person, Subject};
use shared::domain::push::run::PushRun;
use shared::domain::push::target::Stream;
use shared::ports::push::RowWriter as _;
use shared::ports::webhooks::PersonalData as _;
use shared::testkit::faults::{Fault, Faults};
use shared::testkit::hooks::FakePersonal;

use super::crashes::{ROWS, begin, calls, world};
use super::world::{PROVIDER, World, counts, row, rows};

const SHOP: ShopId = ShopId(1_001);

/// Whom the record of a row is about, as an erasure names them.
fn person(world: &World, run: &PushRun, seq: u64) -> Person {
    let line = world.lines(&run.id).into_iter().find(|line| line.seq == seq).unwrap();
    match world.writer.subject(run.stream, &line.gid.unwrap()).unwrap() {
        Subject::Customer(number) => Person { customer: Some(number), orders: Vec::new() },
        Subject::Order(number) => Person { customer: None, orders: vec![number] },
    }
}

/// Erases a person, and tells of how many rows images were kept.
async fn erase(world: &World, person: &Person) -> u64 {
    let personal = FakePersonal::beside(world.kept.clone(), Faults::default());
    let erased = personal.erase(&world.store, PROVIDER, SHOP, person).await.unwrap();
    erased.iter().filter(|held| held.table == "push").map(|held| held.items).sum()
}

/// Everything that pushes keep apart from the rows and mappings, as text.
fn kept(world: &World) -> String {
    let runs = world.kept.all_runs();
    let told = runs.iter().map(|run| (world.lines(&run.id), world.kept.images_of(&run.id)));
    format!("{:?} {:?} {:?}", told.collect::<Vec<_>>(), world.kept.states(), runs)
}

#[tokio::test]
async fn customers_and_orders_that_a_push_made_or_changed_are_forgotten() {
    for stream in [Stream::Customers, Stream::Orders] {
        let world = World::new().await;
        world.writer.stock("SKU-1", true, &[]);
        let made = world.write(stream, rows(stream, 0..5)).await;
        let mut changed = row(stream, 3);
        changed["email"] = json!("another3@example.com");
        changed["note"] = json!("told in confidence");
        let plan = world.plan(stream, json!([changed])).await;
        world.apply(&plan.id).await;
        assert!(kept(&world).contains("person3@example.com"), "{stream:?}: the images hold it");

        let person = person(&world, &made, 3);
        assert!(erase(&world, &person).await >= 1, "{stream:?}");
        let after = kept(&world);
        for word in ["person3@example.com", "another3@example.com", "told in confidence"] {
            assert!(!after.contains(word), "{stream:?}: {word} in {after}");
        }
        assert!(after.contains("person4@example.com"), "{stream:?}: nobody else is erased");
        assert_eq!(erase(&world, &person).await, 0, "{stream:?}: asked again");

        let undone = world.undo(&made.id).await;
        assert_eq!(counts(&undone)[4], 1, "{stream:?}: what is not kept cannot be given back");
        assert_eq!(world.codes(&undone.id), [(3, "UNSUPPORTED_CHANGE".to_owned())], "{stream:?}");
    }
}

/// A plan of a new record names nobody yet; the run that makes the record does, for both.
#[tokio::test]
async fn what_a_plan_said_of_a_new_customer_is_forgotten_too() {
    let world = World::new().await;
    let plan = world.plan(Stream::Customers, rows(Stream::Customers, 0..3)).await;
    let applied = world.apply(&plan.id).await;
    assert_eq!(counts(&applied)[0], 3);
    assert_eq!(erase(&world, &person(&world, &applied, 1)).await, 2, "of the plan and of the apply");
    for run in [&plan.id, &applied.id] {
        let left: Vec<u64> = world.kept.images_of(run).iter().map(|image| image.seq).collect();
        assert_eq!(left, [0, 2]);
    }
}

/// Whatever was lost on the way: what is kept of a customer is found by whom it is about.
#[tokio::test]
async fn a_customer_is_found_whatever_went_wrong_while_they_were_made() {
    for call in 0..calls(Stream::Customers).await {
        for fault in Fault::ALL {
            let world = world(Stream::Customers).await;
            world.faults.at(call, fault);
            let run = begin(&world, Stream::Customers).await;
            world.settle().await;
            let run = world.run(&run.id);
            for number in 0..ROWS as u64 {
                assert_eq!(erase(&world, &person(&world, &run, number)).await, 1, "{fault:?} at {call}");
            }
            assert_eq!(world.kept.images_of(&run.id), [], "{fault:?} at {call}");
        }
    }
}
