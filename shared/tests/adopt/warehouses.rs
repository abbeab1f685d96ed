//! The ladder by which a location finds its warehouse.

use serde_json::{Value, json};
use shared::domain::decision::{Decision, ExternalId};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, RecordKey, Resource};
use shared::domain::run::{Feed, RunState};
use shared::testkit::catalog::Shown;
use shared::testkit::source;

use crate::world::{World, codes, of};
use crate::{carry_out, decide, decided, id, listed, ours, told};

fn own(world: &World, number: u64, name: &str, address: Option<Value>) -> RecordKey {
    let made = world.catalog.add_local(&world.store, Kind::Warehouse, number, |record| {
        record.set("name", json!(name));
        record.set("address", address.unwrap_or_default());
    });
    made.unwrap()
}

fn street(name: &str) -> Value {
    json!({"address1": name, "city": "Köln", "phone": name})
}

fn at(world: &World, location: u64, address: Value) {
    world.source.change(Feed::Locations, location, |item| item.records[0].1.set("address", address));
}

fn link(world: &World, location: u64, key: &RecordKey) -> Decision {
    Decision::LinkWarehouse { external_id: ExternalId(location), internal_id: id(world, key) }
}

#[tokio::test]
async fn the_only_one_of_a_name_and_address_on_both_sides_is_linked_and_shown() {
    let world = World::stocked().await;
    at(&world, 1, street("Ring 1"));
    let mine = own(&world, 1, " MAIN", Some(json!({"city": "köln ", "address1": "ring  1", "zip": ""})));
    let preview = world.preview().await;
    let shown = listed(&world, &preview.run_id, Resource::Warehouses, 1).await;
    assert_eq!((shown.outcome, shown.internal_id), (Outcome::Updated, id(&world, &mine).to_string()));
    assert!(shown.codes.iter().any(|code| code.as_str() == "ID_ADOPTED"), "{:?}", shown.codes);
    assert!(shown.diff.iter().any(|diff| diff.field == "name" && diff.kept), "{:?}", shown.diff);
    let run = carry_out(&world, &preview).await;
    assert!(!codes(&run).contains_key("RUN_PLAN_STALE"), "{:?}", codes(&run));
    let stored = world.stored(Kind::Warehouse, 1).unwrap();
    assert_eq!((stored.local, stored.record.get("name")), (Some(1), &json!(" MAIN")));
    assert_eq!(stored.record.get("source_name"), "Main");
    assert_eq!(of(&run, Resource::Warehouses, Outcome::Created), 1, "the other location");
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
    // Renamed there, it is the same one.
    world.set(Feed::Locations, 1, "source_name", "Head office");
    let rerun = world.run().await;
    assert_eq!(of(&rerun, Resource::Warehouses, Outcome::Created), 0);
    assert_eq!(world.stored(Kind::Warehouse, 1).unwrap().local, Some(1));
}

#[tokio::test]
async fn a_name_alone_or_one_that_several_have_is_asked_about() {
    let (ring, quay) = (street("Ring 1"), street("Quay 2"));
    type Sides<'a> = (&'a [(u64, Option<&'a Value>)], &'a [Option<&'a Value>]);
    let cases: [Sides<'_>; 4] = [
        (&[(1, None)], &[None]),
        (&[(1, Some(&ring))], &[Some(&quay)]),
        (&[(1, Some(&ring))], &[Some(&ring), Some(&ring)]),
        (&[(1, Some(&ring)), (3, Some(&ring))], &[Some(&ring)]),
    ];
    for (locations, warehouses) in cases {
        let world = World::stocked().await;
        for (location, address) in locations {
            world.source.put(Feed::Locations, source::location(*location, "Main"));
            at(&world, *location, address.cloned().unwrap_or_default());
        }
        for (number, address) in (1..).zip(warehouses) {
            own(&world, number, "Main", address.cloned());
        }
        let preview = world.preview().await;
        let shown = listed(&world, &preview.run_id, Resource::Warehouses, 1).await;
        assert_eq!(shown.outcome, Outcome::Blocked, "{locations:?} {warehouses:?}");
        assert!(told(&shown).contains(&"LOC_MATCH_AMBIGUOUS"));
        assert_eq!(shown.candidates.len(), warehouses.len());
        let run = carry_out(&world, &preview).await;
        assert!(world.stored(Kind::Warehouse, 1).is_none(), "{:?}", codes(&run));
    }
}

#[tokio::test]
async fn a_location_is_linked_to_the_warehouse_that_was_decided_and_undo_parts_them() {
    let world = World::stocked().await;
    let (first, second) = (own(&world, 1, "Main", None), own(&world, 2, "Main", None));
    let other = own(&world, 3, "Elsewhere", None);
    let before = world.catalog.dump_with(Shown::default());
    let preview = world.preview().await;
    assert_eq!(decide(&world, &preview.run_id, &[link(&world, 1, &other)]).await, Err("not_proposed"));
    assert_eq!(decide(&world, &preview.run_id, &[link(&world, 1, &second)]).await, Ok(1));
    let shown = listed(&world, &preview.run_id, Resource::Warehouses, 1).await;
    assert_eq!((shown.outcome, told(&shown)), (Outcome::Updated, vec!["ID_ADOPTED", "CONF_NO_BASE"]));
    let run = carry_out(&world, &preview).await;
    assert_eq!(world.stored(Kind::Warehouse, 1).unwrap().local, Some(2));
    assert_eq!(ours(&world, &first).key, first);
    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0), "{:?}", codes(&rerun));
    world.undo(&run.run_id).await;
    assert!(world.catalog.dump_with(Shown::default()) == before);
}

#[tokio::test]
async fn what_would_be_linked_becomes_a_new_one_where_that_is_decided() {
    let world = World::stocked().await;
    at(&world, 1, street("Ring 1"));
    let mine = own(&world, 1, "Main", Some(street("Ring 1")));
    let run = decided(&world, &[Decision::CreateWarehouse { external_id: ExternalId(1) }]).await;
    assert!(!codes(&run).contains_key("RUN_PLAN_STALE"), "{:?}", codes(&run));
    assert_eq!(world.stored(Kind::Warehouse, 1).unwrap().local, None);
    assert_eq!(ours(&world, &mine).key, mine);
}

#[tokio::test]
async fn a_warehouse_that_changed_after_the_preview_is_not_linked() {
    for decided in [true, false] {
        let world = World::stocked().await;
        let address = (!decided).then(|| street("Ring 1"));
        at(&world, 1, address.clone().unwrap_or_default());
        let mine = own(&world, 1, "Main", address);
        let preview = world.preview().await;
        if decided {
            assert_eq!(decide(&world, &preview.run_id, &[link(&world, 1, &mine)]).await, Ok(1));
        }
        world.catalog.edit(&world.store, &mine, |record| record.set("active", json!(false))).unwrap();
        let run = carry_out(&world, &preview).await;
        assert_eq!(codes(&run).get("RUN_PLAN_STALE"), Some(&1), "{:?}", codes(&run));
        assert!(world.stored(Kind::Warehouse, 1).is_none());
    }
}
