//! What a run does where the shop grants less than it needs, or where access was taken away by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[expect(dead_code, reason = "each test file uses its part of the world")]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use shared::app::import::requests::StartRun;
use shared::domain::connection::{Connector, Reason};
use shared::domain::ids::{InstallId, ProviderId, ShopId};
use shared::domain::plan::{Counts, Outcome};
use shared::domain::record::{Kind, Resource, Source, Standing};
use shared::domain::run::{Feed, RunState, Wanted};
use shared::domain::scopes::Scopes;
use shared::ports::metrics::Metric;
use shared::ports::provider::Connect as _;
use shared::ports::vault::StoredToken;
use shared::testkit::faults::Fault;
use shared::testkit::source;
use world::{World, codes, of};

const PROVIDER: ProviderId = ProviderId::Shopify;

async fn connector(world: &World) -> Connector {
    world.imports.connectors.load(&world.store, PROVIDER).await.unwrap().unwrap()
}

/// The shop grants this from now on, and we were told.
async fn grant(world: &World, scopes: &str) {
    let mut connector = connector(world).await;
    connector.note_scopes(Scopes::parse(scopes), world.imports.clock.now());
    world.imports.connectors.save(&mut connector).await.unwrap();
}

/// What a run says it leaves out: resource, code, scopes.
fn blocked(run: &shared::app::import::shown::ShownRun) -> Vec<(Wanted, &'static str, String)> {
    let entry = |blocked: &shared::app::import::shown::BlockedResource| {
        (blocked.resource, blocked.code.as_str(), blocked.missing.join(","))
    };
    run.blocked.iter().map(entry).collect()
}

/// A shop that was imported whole and has changed since: a title, and all of the stock of one product.
async fn changed() -> World {
    let world = World::stocked().await;
    world.run().await;
    world.source.put(Feed::Products, source::product(4, "Renamed", 2, &[]));
    world
}

fn title(world: &World) -> serde_json::Value {
    world.stored(Kind::Product, 4).unwrap().record.get("title").clone()
}

#[tokio::test]
async fn case_11_without_the_scope_for_stock_products_come_and_the_old_stock_is_kept() {
    let world = changed().await;
    let stock = world.stored(Kind::Stock, 4);
    grant(&world, "read_products,read_locations").await;
    let run = world.run().await;
    assert_eq!(run.status, RunState::CompletedWithWarnings, "{:?}", run.failure);
    let expected = [(Wanted::Stock, "INV_SKIPPED_NO_SCOPE", "read_inventory".to_owned())];
    assert_eq!(blocked(&run), expected);
    assert_eq!((codes(&run).get("INV_SKIPPED_NO_SCOPE"), codes(&run).len()), (Some(&1), 1));
    assert_eq!(title(&world), json!("Renamed"));
    assert_eq!(world.stored(Kind::Stock, 4), stock);
    assert_eq!(of(&run, Resource::Stock, Outcome::Missing), 0);

    // Granted again, the next run takes the stock up.
    grant(&world, "read_products,read_locations,read_inventory").await;
    let run = world.run().await;
    assert!(blocked(&run).is_empty());
    assert_ne!(world.stored(Kind::Stock, 4), stock);
    assert!(codes(&run).contains_key("INV_UNSTOCKED"), "{:?}", codes(&run));
}

#[tokio::test]
async fn without_the_scope_for_locations_none_is_asked_for_and_the_warehouses_are_kept() {
    let world = changed().await;
    let asked = world.faults.count("locations");
    grant(&world, "read_products,read_inventory").await;
    let run = world.run().await;
    assert_eq!(run.status, RunState::CompletedWithWarnings, "{:?}", run.failure);
    let expected = [
        (Wanted::Warehouses, "CONN_SCOPE_MISSING", "read_locations".to_owned()),
        (Wanted::Stock, "INV_SKIPPED_NO_SCOPE", "read_locations".to_owned()),
    ];
    assert_eq!(blocked(&run), expected);
    assert_eq!(world.faults.count("locations"), asked);
    assert_eq!(title(&world), json!("Renamed"));
    for id in [1, 2] {
        assert_eq!(world.stored(Kind::Warehouse, id).unwrap().standing, Standing::Active);
    }
}

#[tokio::test]
async fn with_locations_alone_only_warehouses_come_and_nothing_else_is_asked_for() {
    let world = World::stocked().await;
    grant(&world, "read_locations").await;
    let run = world.run().await;
    assert_eq!((run.status, run.resources), (RunState::CompletedWithWarnings, vec![Wanted::Warehouses]));
    assert_eq!(run.warnings.len(), 2, "{:?}", run.warnings);
    assert_eq!(world.faults.count("source_counts") + world.faults.count("start_feed"), 0);
    assert_eq!(world.landed().get(&Resource::Warehouses), Some(&2));
    assert_eq!(world.catalog.all(&world.store).len(), 2);
}

#[tokio::test]
async fn a_run_of_which_nothing_is_left_is_refused_with_the_scopes_to_grant() {
    let world = World::stocked().await;
    grant(&world, "read_orders").await;
    let only = |resources: &[Wanted]| StartRun {
        resources: Some(resources.iter().copied().collect::<BTreeSet<_>>()),
        ..StartRun::default()
    };
    let stock = world.imports.start(world.asker(), only(&[Wanted::Stock]), None).await.unwrap_err();
    assert_eq!(stock.code, "missing_scopes");
    insta::assert_snapshot!(stock.detail, @"Nothing of what was asked for can be imported: not stock without read_inventory,read_locations,read_products. Connect the shop again and grant all of it.");
    let two = only(&[Wanted::Products, Wanted::Warehouses]);
    let two = world.imports.start(world.asker(), two, None).await.unwrap_err();
    insta::assert_snapshot!(two.detail, @"Nothing of what was asked for can be imported: not warehouses without read_locations; not products without read_products. Connect the shop again and grant all of it.");
    assert!(world.imports.list(&world.store, PROVIDER, None, 5).await.unwrap().items.is_empty());
    assert!(world.queue.waiting().is_empty());
}

#[tokio::test]
async fn a_scope_lost_before_the_run_begins_blocks_its_resource_then() {
    for preview in [false, true] {
        let world = changed().await;
        let stock = world.stored(Kind::Stock, 4);
        let run = world.start(preview, None).await;
        assert!(world.shown(&run).await.blocked.is_empty());
        grant(&world, "read_products,read_locations").await;
        world.settle().await;
        let run = world.shown(&run).await;
        let ends = if preview { RunState::AwaitingReview } else { RunState::CompletedWithWarnings };
        assert_eq!(run.status, ends, "{:?}", run.failure);
        let expected = [(Wanted::Stock, "INV_SKIPPED_NO_SCOPE", "read_inventory".to_owned())];
        assert_eq!(blocked(&run), expected);
        assert_eq!(codes(&run).get("INV_SKIPPED_NO_SCOPE"), Some(&1));
        assert_eq!(
            codes(&run).get("CONN_SCOPE_REVOKED"),
            Some(&1),
            "it was there when the run was asked for"
        );
        assert_eq!(world.stored(Kind::Stock, 4), stock);
    }
}

#[tokio::test]
async fn a_run_that_has_lost_every_scope_asks_nothing_of_the_shop() {
    let world = changed().await;
    let before = world.catalog.dump();
    let asked = world.faults.count("source_counts") + world.faults.count("locations");
    let run = world.start(false, None).await;
    grant(&world, "read_orders").await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(run.status, RunState::Failed);
    let failure = run.failure.unwrap();
    assert_eq!(failure.code.as_str(), "CONN_SCOPE_MISSING");
    assert!(failure.detail.contains("products without read_products"), "{}", failure.detail);
    assert_eq!(world.faults.count("source_counts") + world.faults.count("locations"), asked);
    assert_eq!(world.catalog.dump(), before);
    grant(&world, "read_products,read_locations,read_inventory").await;
    assert_eq!(
        world.run().await.status,
        RunState::CompletedWithWarnings,
        "a variant is gone from its places"
    );
}

#[tokio::test]
async fn what_was_not_asked_for_is_neither_announced_nor_missed() {
    let world = World::stocked().await;
    let resources = Some(BTreeSet::from([Wanted::Categories]));
    let request = StartRun { resources, ..StartRun::default() };
    let id = world.imports.start(world.asker(), request, None).await.unwrap();
    world.settle().await;
    let run = world.shown(&id).await;
    assert_eq!(run.announced.keys().copied().collect::<Vec<_>>(), [Resource::Categories]);
    let sums = world.imports.reconciliation(&world.store, PROVIDER, &id).await.unwrap();
    assert!(sums.closes && sums.resources.len() == 2, "{sums:?}");
    assert!(!codes(&run).contains_key("SRC_CHANGED_DURING_RUN"), "{:?}", codes(&run));
}

#[tokio::test]
async fn a_token_deleted_by_hand_ends_the_run_and_is_told_on_the_connector() {
    let world = World::stocked().await;
    world.run().await;
    let before = world.catalog.dump();
    let used = connector(&world).await.installation.unwrap().id;
    let run = world.start(false, None).await;
    world.step.access.vault.delete(&used).await.unwrap();
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(run.status, RunState::Failed);
    assert_eq!(run.failure.unwrap().code.as_str(), "CONN_TOKEN_INVALID");
    assert_eq!(world.catalog.dump(), before);
    assert_eq!(connector(&world).await.reason, Some(Reason::NeedsReauthorization));
    let next = world.imports.start(world.asker(), StartRun::default(), None).await.unwrap_err();
    assert_eq!(next.code, "not_connected");
}

/// A shop that was imported whole and has lost a product since.
async fn poorer() -> World {
    let world = World::stocked().await;
    world.run().await;
    world.source.take(Feed::Products, 3);
    world.source.take(Feed::Metafields, 3);
    world
}

/// What a run asks of the shop until it writes: its counts, its locations, three feeds to begin, and twice how each stands.
const SHOP_CALLS: usize = 1 + 1 + 3 + 3 + 3;

#[tokio::test]
async fn a_token_that_ends_before_any_call_of_a_run_is_refreshed_once_and_the_run_goes_on() {
    // Once all is written, the shop is asked which levels have changed since.
    for call in 0..=SHOP_CALLS + 1 {
        let world = poorer().await;
        world.shop.end_access_before(call);
        let run = world.run().await;
        assert_eq!(run.status, RunState::CompletedWithWarnings, "before {call}: {:?}", run.failure);
        assert_eq!(of(&run, Resource::Products, Outcome::Missing), 1, "before {call}");
        assert_eq!(world.landed(), world.source.counts(), "before {call}");
        assert_eq!(world.shop.count("refresh"), usize::from(call <= SHOP_CALLS), "before {call}");
        assert_eq!(connector(&world).await.reason, None, "before {call}");
    }
}

/// A run whose shop stops to take our tokens ends truthfully: said on the run and on the connector, nothing touched.
async fn ends_with_the_connection(world: &World, before: &str, which: &str) {
    let run = world.run().await;
    assert_eq!(run.status, RunState::Failed, "{which}");
    assert_eq!(run.failure.map(|failure| failure.code.as_str()), Some("CONN_TOKEN_INVALID"), "{which}");
    assert_eq!(of_all(&run.counts, Outcome::Missing), 0, "{which}");
    assert_eq!(world.catalog.dump(), before, "{which}");
    assert_eq!(connector(world).await.reason, Some(Reason::NeedsReauthorization), "{which}");
    assert_eq!((world.shop.count("refresh"), world.metrics.sum(Metric::TokensDead)), (1, 1), "{which}");
}

fn of_all(counts: &Counts, outcome: Outcome) -> u64 {
    counts.0.values().filter_map(|outcomes| outcomes.get(&outcome)).sum()
}

#[tokio::test]
async fn access_taken_away_before_any_call_of_a_run_ends_it_and_is_told_on_the_connector() {
    for call in 0..SHOP_CALLS {
        let world = poorer().await;
        let before = world.catalog.dump();
        world.shop.revoke_before(call);
        ends_with_the_connection(&world, &before, &format!("before {call}")).await;
    }
}

#[tokio::test]
async fn a_shop_that_rejects_the_token_it_has_just_granted_is_taken_at_its_word() {
    let world = poorer().await;
    let before = world.catalog.dump();
    world.shop.set_deaf(true);
    ends_with_the_connection(&world, &before, "deaf").await;
}

#[tokio::test]
async fn a_rejected_token_that_cannot_be_refreshed_yet_makes_the_run_wait() {
    let world = poorer().await;
    let run = world.start(false, None).await;
    world.shop.end_access_before(0);
    world.shop.set_down(true);
    for _ in 0..3 {
        world.deliver(world.queue.pop_or_wait().unwrap()).await;
    }
    assert!(!world.shown(&run).await.status.is_final());
    world.shop.set_down(false);
    // Refreshing is paced after three failures; the queue's own delay outlasts that, this world's does not.
    world.step.clock.sleep(Duration::from_secs(15 * 60)).await;
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(run.status, RunState::CompletedWithWarnings, "{:?}", run.failure);
    assert_eq!(connector(&world).await.reason, None);
}

#[tokio::test]
async fn work_of_a_cancelled_run_is_stopped_by_the_next_token_too() {
    let world = World::stocked().await;
    let run = world.start(false, None).await;
    world.deliver(world.queue.pop_or_wait().unwrap()).await;
    world.imports.cancel(&world.store, PROVIDER, &run).await.unwrap();
    world.shop.end_access_before(0);
    world.settle().await;
    assert_eq!(world.shown(&run).await.status, RunState::Cancelled);
    // Three feeds; the first is asked to stop twice.
    assert_eq!((world.faults.count("cancel_feed"), world.shop.count("refresh")), (4, 1));
}

#[tokio::test]
async fn case_11_another_shop_is_another_catalogue_whatever_numbers_its_records_have() {
    let world = World::stocked().await;
    world.run().await;
    let first = world.catalog.all(&world.store).len();
    let install = InstallId::new(uuid::Uuid::from_u128(2));
    let mut moved = connector(&world).await;
    let used = moved.installation.as_mut().unwrap();
    let token = world.step.access.vault.current(&used.id).await.unwrap().unwrap();
    world.step.access.vault.create(&install, &token).await.unwrap();
    (used.id, used.shop_id) = (install, ShopId(78));
    world.imports.connectors.save(&mut moved).await.unwrap();

    let run = world.run().await;
    assert_eq!(run.status, RunState::Completed, "{:?}", run.failure);
    assert_eq!(of(&run, Resource::Products, Outcome::Created), 10, "no mapping is used again");
    let all = world.catalog.all(&world.store);
    assert_eq!(all.len(), 2 * first);
    let of_shop =
        |id| all.iter().filter(move |it| it.key.source == Source { provider: PROVIDER, shop_id: id });
    assert_eq!(of_shop(ShopId(78)).count(), first);
    assert!(of_shop(world::SHOP).all(|record| record.standing == Standing::Active), "and nothing is missed");
}

#[tokio::test]
async fn a_run_begun_before_a_reconnect_ends_with_it() {
    let world = World::stocked().await;
    let run = world.start(false, None).await;
    let mut moved = connector(&world).await;
    let install = InstallId::new(uuid::Uuid::from_u128(2));
    let used = moved.installation.as_mut().unwrap();
    let token = world.step.access.vault.current(&used.id).await.unwrap().unwrap();
    world.step.access.vault.create(&install, &token).await.unwrap();
    used.id = install;
    world.imports.connectors.save(&mut moved).await.unwrap();
    world.settle().await;
    let run = world.shown(&run).await;
    assert_eq!(run.failure.map(|failure| failure.code.as_str()), Some("CONN_SHOP_CHANGED"));
    assert!(world.catalog.all(&world.store).is_empty());
}

#[tokio::test]
async fn a_run_whose_store_is_connected_anew_at_a_rejected_call_asks_nothing_by_the_new_token() {
    let world = World::stocked().await;
    let run = world.start(false, None).await;
    world.shop.end_access_before(0);
    // The step has loaded its connector and was rejected; it loads it again for another token.
    let from = world.connecting.calls().len();
    world.connecting.at(from + 1, Fault::Freeze);
    let anew = async {
        while world.connecting.frozen() == 0 {
            tokio::task::yield_now().await;
        }
        let mut moved = connector(&world).await;
        let install = InstallId::new(uuid::Uuid::from_u128(2));
        let used = moved.installation.as_mut().unwrap();
        let held = world.step.access.vault.current(&used.id).await.unwrap().unwrap();
        let app = world.step.access.vault.app_secret(PROVIDER).await.unwrap();
        let code = world.shop.approve(&used.shop);
        let grant = world.shop.exchange(&used.shop, &code, &app).await.unwrap();
        let token = StoredToken { access_token: grant.access_token, ..held };
        world.step.access.vault.create(&install, &token).await.unwrap();
        used.id = install;
        world.imports.connectors.save(&mut moved).await.unwrap();
        world.connecting.thaw();
    };
    tokio::join!(world.settle(), anew);
    let run = world.shown(&run).await;
    assert_eq!(run.failure.map(|failure| failure.code.as_str()), Some("CONN_SHOP_CHANGED"));
    assert_eq!((world.faults.count("source_counts"), world.faults.count("start_feed")), (1, 0));
    assert_eq!(connector(&world).await.reason, None);
}
