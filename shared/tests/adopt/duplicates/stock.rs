//! What becomes of stock where a duplicate is repaired.

use std::collections::BTreeMap;

use serde_json::json;
use shared::app::browse_catalog::StandingFilter;
use shared::domain::record::{Kind, Resource};
use shared::domain::run::{Feed, RunState};
use shared::testkit::catalog::Shown;
use shared::testkit::source;

use super::{duplicated, imported_one, is_repaired, link, own, previewed, rows, stale};
use crate::world::{World, codes};
use crate::{adopt, carry_out, child, decide, id};

const AVAILABLE: &str = "available";

#[tokio::test]
async fn stock_goes_with_the_location_and_is_never_added_up() {
    let (world, mine) = duplicated().await;
    // A product made here lies there too, as one that the shop has does not.
    let unknown = world.catalog.add_local(&world.store, Kind::Stock, 90, |record| {
        let fields = [("variant_id", json!("own-90")), ("tracked", json!(true)), (AVAILABLE, json!(3))];
        record.children[0].push(child(Resource::Stock, "90:12", &fields));
    });
    unknown.unwrap();
    let before = levels(&world).await;
    let preview = previewed(&world, &mine).await;
    carry_out(&world, &preview).await;
    assert_eq!(levels(&world).await, before, "no level was written");
    let warehouses = rows(&world, Resource::Warehouses, StandingFilter::Active).await;
    let mut by_warehouse: BTreeMap<&str, i64> = BTreeMap::new();
    for (level, available) in &before {
        let (_, location) = level.split_once(':').unwrap();
        for warehouse in warehouses.iter().filter(|row| row.external_id == location) {
            *by_warehouse.entry(&warehouse.internal_id).or_default() += available;
        }
    }
    let (mine, imported) = (id(&world, &mine).to_string(), imported_one(&world).await);
    // Five of each of two variants of ten products.
    assert_eq!(by_warehouse.get(mine.as_str()), Some(&100), "{by_warehouse:?}");
    assert_eq!(by_warehouse.get(imported.internal_id(&world.store).to_string().as_str()), None);
}

#[tokio::test]
async fn what_a_product_holds_at_the_one_made_here_gives_way_to_the_shop_s_numbers() {
    for adopted_before in [true, false] {
        let world = World::new().await;
        world.source.put(Feed::Products, source::product(3, "Mug", 2, &[1]));
        let mine = own(&world, 12, "Attic");
        let product = crate::own(&world, 1, "Mug", "SKU-300");
        let held = world.catalog.add_local(&world.store, Kind::Stock, 1, |record| {
            for (at, available) in [(12, 3), (13, 4)] {
                let fields = [
                    ("variant_id", json!("own-1")),
                    ("tracked", json!(true)),
                    ("stocked", json!(true)),
                    (AVAILABLE, json!(available)),
                ];
                record.children[0].push(child(Resource::Stock, &format!("1:{at}"), &fields));
            }
        });
        let product = adopt(Resource::Products, 3, id(&world, &product));
        let rename = |name: &str| {
            world.catalog.edit(&world.store, &mine, |record| record.set("name", json!(name))).unwrap();
        };
        // The location is imported while the warehouse has another name.
        let preview = if adopted_before {
            crate::decided(&world, &[product]).await;
            assert_eq!(
                levels(&world).await,
                numbers(&[("300:1", 5), ("301:1", 5), ("1:12", 3), ("1:13", 4)])
            );
            rename("Main");
            previewed(&world, &mine).await
        } else {
            world.source.take(Feed::Products, 3);
            world.run().await;
            world.source.put(Feed::Products, source::product(3, "Mug", 2, &[1]));
            rename("Main");
            let preview = world.preview().await;
            let both = [link(1, id(&world, &mine)), product];
            assert_eq!(decide(&world, &preview.run_id, &both).await, Ok(2));
            preview
        };
        let before = world.catalog.dump_with(Shown::default());
        let run = carry_out(&world, &preview).await;
        assert!(stale(&run).is_none() && is_repaired(&world, &mine).await, "{:?}", codes(&run));
        let now = if adopted_before {
            // The level that it had of its own is told, and nothing lies there beside the shop's.
            assert_eq!(codes(&run).get("INV_UNSTOCKED"), Some(&1), "{:?}", codes(&run));
            numbers(&[("300:1", 5), ("301:1", 5), ("1:12", 0), ("1:13", 4)])
        } else {
            numbers(&[("300:1", 5), ("301:1", 5), ("1:13", 4)])
        };
        assert_eq!(levels(&world).await, now, "adopted before: {adopted_before}");
        let rerun = world.run().await;
        assert_eq!(
            (rerun.status, rerun.cost.catalogue_writes),
            (RunState::Completed, 0),
            "{:?}",
            codes(&rerun)
        );
        world.undo(&run.run_id).await;
        assert!(world.catalog.dump_with(Shown::default()) == before, "adopted before: {adopted_before}");
        assert!(held.is_ok());
    }
}

fn numbers(levels: &[(&str, i64)]) -> BTreeMap<String, i64> {
    levels.iter().map(|(id, available)| ((*id).to_owned(), *available)).collect()
}

/// Every level, with what is available.
async fn levels(world: &World) -> BTreeMap<String, i64> {
    let rows = rows(world, Resource::Stock, StandingFilter::Active).await;
    rows.into_iter().map(|row| (row.external_id, row.fields[AVAILABLE].as_i64().unwrap())).collect()
}
