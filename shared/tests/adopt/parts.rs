//! Stock and metafields of products that are adopted.

use serde_json::json;
use shared::domain::decision::{Decision, ExternalId};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, RecordKey, Resource};
use shared::domain::run::RunState;
use shared::testkit::catalog::Shown;

use crate::world::{World, codes, of};
use crate::{PROVIDER, adopt, child, decided, id, ours, own};

const AVAILABLE: usize = 3;

/// A product made here with stock at a warehouse made here, at one that is nowhere else, and with a metafield.
fn with_parts(world: &World) -> RecordKey {
    let mine = own(world, 1, "Mine", "SKU-300");
    for (number, name) in [(11, "Main"), (12, "Attic")] {
        world
            .catalog
            .add_local(&world.store, Kind::Warehouse, number, |r| r.set("name", json!(name)))
            .unwrap();
    }
    world
        .catalog
        .add_local(&world.store, Kind::Stock, 1, |record| {
            for place in [11, 12] {
                let fields = [
                    ("variant_id", json!("own-1")),
                    ("tracked", json!(true)),
                    ("stocked", json!(true)),
                    ("available", json!(3)),
                ];
                record.children[0].push(child(Resource::Stock, &format!("1:{place}"), &fields));
            }
        })
        .unwrap();
    world
        .catalog
        .add_local(&world.store, Kind::Metafields, 1, |record| {
            let fields = [("owner", json!("product:1")), ("key", json!("care")), ("value", json!("wool"))];
            record.children[0].push(child(Resource::Metafields, "own", &fields));
        })
        .unwrap();
    mine
}

fn decisions(world: &World, mine: &RecordKey) -> [Decision; 2] {
    let main = id(world, &RecordKey::local(PROVIDER, Kind::Warehouse, 11));
    let link = Decision::LinkWarehouse { external_id: ExternalId(1), internal_id: main };
    [link, adopt(Resource::Products, 3, id(world, mine))]
}

#[tokio::test]
async fn stock_and_metafields_go_with_their_product_and_the_shop_s_numbers_stand() {
    let world = World::stocked().await;
    let mine = with_parts(&world);
    // Variants name their levels.
    let run = decided(&world, &decisions(&world, &mine)).await;
    assert!(!codes(&run).contains_key("RUN_PLAN_STALE"), "{:?}", codes(&run));
    assert_eq!(
        codes(&run).get("ID_ADOPTED"),
        Some(&2),
        "product and warehouse; parts say nothing of their own"
    );
    let stock = world.stored(Kind::Stock, 3).unwrap();
    assert_eq!(stock.internal_id(&world.store), id(&world, &RecordKey::local(PROVIDER, Kind::Stock, 1)));
    let levels: Vec<(&str, i64)> = stock.record.children[0]
        .iter()
        .map(|level| (level.id.as_str(), level.values[AVAILABLE].as_i64().unwrap()))
        .collect();
    assert_eq!(
        levels,
        [("300:1", 5), ("300:2", 5), ("301:1", 5), ("301:2", 5), ("1:12", 3)],
        "the level at the linked warehouse is the shop's, the one at a place that only the store has stays"
    );
    let metafields = world.stored(Kind::Metafields, 3).unwrap();
    assert_eq!((metafields.local, metafields.record.children[0].len()), (Some(1), 3));
    assert_eq!(of(&run, Resource::Stock, Outcome::Updated), 1);
    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0), "{:?}", codes(&rerun));
}

#[tokio::test]
async fn parts_go_back_with_their_product() {
    let world = World::stocked().await;
    let mine = with_parts(&world);
    let before = world.catalog.dump_with(Shown::default());
    let run = decided(&world, &decisions(&world, &mine)).await;
    let undo = world.undo(&run.run_id).await;
    assert_eq!(undo.status, RunState::Completed, "{:?}", codes(&undo));
    assert!(world.catalog.dump_with(Shown::default()) == before);
}

#[tokio::test]
async fn parts_of_a_product_that_was_left_stay_where_they_are() {
    let world = World::stocked().await;
    let mine = with_parts(&world);
    let preview = world.preview().await;
    assert_eq!(crate::decide(&world, &preview.run_id, &decisions(&world, &mine)).await, Ok(2));
    let run = world.start(false, Some(&preview.run_id)).await;
    // Planned, and edited before it is applied.
    while world.shown(&run).await.status != RunState::Applying {
        let waiting = world.queue.pop_or_wait().unwrap();
        world.deliver(waiting).await;
    }
    world.catalog.edit(&world.store, &mine, |record| record.set("title", json!("Edited"))).unwrap();
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(codes(&run).get("RUN_PLAN_STALE"), Some(&3), "{:?}", codes(&run));
    for kind in [Kind::Product, Kind::Stock, Kind::Metafields] {
        assert!(world.stored(kind, 3).is_none(), "{kind:?}");
        let local = RecordKey::local(PROVIDER, kind, 1);
        assert_eq!(ours(&world, &local).key, local);
    }
}
