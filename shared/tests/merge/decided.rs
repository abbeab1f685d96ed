//! What a merchant decides about a preview, and what a run makes of it.

use serde_json::{Value, json};
use shared::app::import::records::RecordFilter;
use shared::app::import::shown::{ShownRecord, ShownRun};
use shared::domain::decision::{Decision, ExternalId, MAX_DECISIONS, Side};
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::domain::warning::Code;
use shared::ports::catalog::{Catalog, Edit};
use shared::testkit::catalog::Shown;

use crate::world::{World, codes, of};

const PROVIDER: ProviderId = ProviderId::Shopify;

fn take(
    side: Side,
    resource: Resource,
    id: Option<u64>,
    child: Option<&str>,
    field: Option<&str>,
) -> Decision {
    Decision::Take {
        side,
        resource: Some(resource),
        external_id: id.map(ExternalId),
        child: child.map(str::to_owned),
        field: field.map(str::to_owned),
    }
}

fn here(world: &World, id: u64, field: &str, value: &str) {
    let key = world.key(Kind::Product, id);
    assert!(world.catalog.edit(&world.store, &key, |record| record.set(field, json!(value))).unwrap());
}

/// Gives the first variant of a product another price, here and in the shop.
fn prices(world: &World, id: u64, here: &str, there: &str) {
    let at = Kind::Product.shape().children[0].fields.iter().position(|name| *name == "price").unwrap();
    let key = world.key(Kind::Product, id);
    world.catalog.edit(&world.store, &key, |r| r.children[0][0].values[at] = json!(here)).unwrap();
    world.source.change(Feed::Products, id, |item| {
        item.records[0].1.children[0][0].values[at] = json!(there);
    });
}

fn price(world: &World, id: u64) -> Value {
    let at = Kind::Product.shape().children[0].fields.iter().position(|name| *name == "price").unwrap();
    world.stored(Kind::Product, id).unwrap().record.children[0][0].values[at].clone()
}

fn field(world: &World, id: u64, name: &str) -> Value {
    world.stored(Kind::Product, id).unwrap().record.get(name).clone()
}

/// A store in which title and vendor of products 1 to 3 and the price of a variant of each are in conflict.
async fn in_conflict() -> (World, ShownRun) {
    let world = World::stocked().await;
    world.run().await;
    for id in 1..=3 {
        for name in ["title", "vendor"] {
            here(&world, id, name, "ours");
            world.set(Feed::Products, id, name, "theirs");
        }
        prices(&world, id, "1.00", "2.00");
    }
    let preview = world.preview().await;
    assert_eq!(codes(&preview).get("CONF_KEPT_LOCAL"), Some(&9));
    (world, preview)
}

async fn decide(world: &World, run: &str, decisions: &[Decision]) -> Result<usize, &'static str> {
    let run = RunId::parse(run).unwrap();
    let decided = world.imports.decide(&world.store, PROVIDER, &run, decisions).await;
    decided.map(|shown| shown.decisions.len()).map_err(|error| error.code)
}

async fn carry_out(world: &World, preview: &ShownRun) -> ShownRun {
    let run = world.start(false, Some(&preview.run_id)).await;
    world.settle().await;
    world.shown(&run).await
}

async fn with_code(world: &World, run: &str, code: Code) -> Vec<ShownRecord> {
    let filter = RecordFilter { code: Some(code), ..RecordFilter::default() };
    let run = RunId::parse(run).unwrap();
    world.imports.records(&world.store, PROVIDER, &run, &filter, None, 100).await.unwrap().items
}

#[tokio::test]
async fn case_08_a_changed_handle_title_or_sku_is_the_same_record() {
    let world = World::stocked().await;
    world.run().await;
    let id = world.stored(Kind::Product, 4).unwrap().key.internal_id(&world.store);
    let landed = world.landed();
    for name in ["handle", "title"] {
        world.set(Feed::Products, 4, name, "something-else");
    }
    world.source.change(Feed::Products, 4, |item| item.records[0].1.children[0][0].values[1] = json!("NEW"));
    let run = world.run().await;
    assert_eq!(of(&run, Resource::Products, Outcome::Updated), 1);
    assert_eq!(of(&run, Resource::Variants, Outcome::Updated), 1);
    assert_eq!(world.landed(), landed);
    let stored = world.stored(Kind::Product, 4).unwrap();
    assert_eq!(stored.key.internal_id(&world.store), id);
    assert_eq!(stored.record.get("handle"), &json!("something-else"));
}

#[tokio::test]
async fn case_09_a_title_edited_here_and_a_price_edited_there_both_survive() {
    let world = World::stocked().await;
    world.run().await;
    here(&world, 4, "title", "Mine");
    let at = 3;
    world
        .source
        .change(Feed::Products, 4, |item| item.records[0].1.children[0][0].values[at] = json!("7.00"));
    let run = world.run().await;
    assert_eq!((field(&world, 4, "title"), price(&world, 4)), (json!("Mine"), json!("7.00")));
    assert!(!codes(&run).contains_key("CONF_KEPT_LOCAL"));

    world.set(Feed::Products, 4, "title", "Theirs");
    let run = world.run().await;
    assert_eq!(field(&world, 4, "title"), json!("Mine"));
    let told = with_code(&world, &run.run_id, Code::ConfKeptLocal).await;
    assert_eq!(told.len(), 1);
    let diff = &told[0].diff[0];
    assert_eq!((&diff.before, &diff.after, diff.kept), (&json!("Mine"), &json!("Theirs"), true));
    assert_eq!(world.run().await.cost.catalogue_writes, 0, "the field is the merchant's now");
}

#[tokio::test]
async fn theirs_is_taken_of_one_field_of_one_record_or_of_one_field_everywhere() {
    let (world, preview) = in_conflict().await;
    let decisions = [
        take(Side::Theirs, Resource::Products, Some(1), None, Some("title")),
        take(Side::Theirs, Resource::Products, Some(2), None, None),
        take(Side::Theirs, Resource::Variants, None, None, Some("price")),
        take(Side::Ours, Resource::Variants, Some(3), Some("300"), Some("price")),
    ];
    assert_eq!(decide(&world, &preview.run_id, &decisions).await, Ok(4));
    let before = world.catalog.dump();
    let pending = with_code(&world, &preview.run_id, Code::ConfTookSource).await;
    assert_eq!(pending.iter().map(|record| record.external_id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    let taken = pending[0].diff.iter().filter(|diff| diff.taken && !diff.kept).count();
    assert_eq!((taken, pending[0].diff.len()), (2, 3), "shown before it is done");
    assert_eq!(world.catalog.dump(), before);

    let run = carry_out(&world, &preview).await;
    let titles: Vec<Value> = (1..=3).map(|id| field(&world, id, "title")).collect();
    let vendors: Vec<Value> = (1..=3).map(|id| field(&world, id, "vendor")).collect();
    let prices: Vec<Value> = (1..=3).map(|id| price(&world, id)).collect();
    assert_eq!(titles, ["theirs", "theirs", "ours"]);
    assert_eq!(vendors, ["ours", "theirs", "ours"]);
    assert_eq!(prices, ["2.00", "2.00", "1.00"]);
    assert_eq!(codes(&run).get("CONF_TOOK_SOURCE"), Some(&5));
    assert_eq!(codes(&run).get("CONF_KEPT_LOCAL"), Some(&4));
    assert!(!codes(&run).contains_key("RUN_PLAN_STALE"));
    let id = RunId::parse(&run.run_id).unwrap();
    let sums = world.imports.reconciliation(&world.store, PROVIDER, &id).await.unwrap();
    let of = |resource| sums.resources.iter().find(|sums| sums.resource == resource).unwrap();
    let conflicts = |resource| (of(resource).conflicts_kept, of(resource).conflicts_taken);
    assert_eq!(conflicts(Resource::Products), (3, 3));
    assert_eq!(conflicts(Resource::Variants), (1, 2));
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
}

#[tokio::test]
async fn what_is_decided_after_a_run_began_is_not_that_run_s() {
    let (world, preview) = in_conflict().await;
    let run = world.start(false, Some(&preview.run_id)).await;
    let all = take(Side::Theirs, Resource::Products, None, None, None);
    assert_eq!(decide(&world, &preview.run_id, std::slice::from_ref(&all)).await, Ok(1));
    world.settle().await;
    assert_eq!(codes(&world.shown(&run).await).get("CONF_TOOK_SOURCE"), None);
    assert_eq!(field(&world, 1, "title"), json!("ours"));
    assert_eq!(decide(&world, run.as_str(), &[all]).await, Err("not_decidable"));
}

#[tokio::test]
async fn decisions_are_kept_once_each_in_order_and_no_more_than_a_run_can_hold() {
    let (world, preview) = in_conflict().await;
    let title = |side| take(side, Resource::Products, None, None, Some("title"));
    for side in [Side::Theirs, Side::Theirs, Side::Ours] {
        assert_eq!(decide(&world, &preview.run_id, &[title(side)]).await, Ok(1));
    }
    let nothing = take(Side::Theirs, Resource::Products, Some(1), None, Some("handle"));
    let both = [take(Side::Theirs, Resource::Variants, None, None, None), nothing];
    assert_eq!(decide(&world, &preview.run_id, &both).await, Err("nothing_to_decide"));
    let id = RunId::parse(&preview.run_id).unwrap();
    let kept = world.imports.decisions(&world.store, PROVIDER, &id).await.unwrap();
    assert_eq!((kept.open, kept.decisions), (true, vec![title(Side::Ours)]), "all of them or none");

    let mut full = world.imports.runs.load(&world.store, PROVIDER, &id).await.unwrap().unwrap();
    for id in 1..MAX_DECISIONS as u64 {
        full.decisions.add(Decision::CreateWarehouse { external_id: ExternalId(id) });
    }
    world.imports.runs.save(&mut full).await.unwrap();
    let one_more = take(Side::Theirs, Resource::Media, None, None, None);
    assert_eq!(decide(&world, &preview.run_id, &[one_more]).await, Err("too_many_decisions"));
    assert_eq!(
        decide(&world, &preview.run_id, &[title(Side::Theirs)]).await,
        Ok(MAX_DECISIONS),
        "none is new"
    );
}

#[tokio::test]
async fn a_decided_run_goes_back_as_it_was_by_an_undo() {
    let (world, preview) = in_conflict().await;
    let before = world.catalog.dump_with(Shown::default());
    let all =
        Decision::Take { side: Side::Theirs, resource: None, external_id: None, child: None, field: None };
    assert_eq!(decide(&world, &preview.run_id, &[all]).await, Ok(1));
    let run = carry_out(&world, &preview).await;
    assert_eq!(field(&world, 3, "vendor"), json!("theirs"));
    world.undo(&run.run_id).await;
    assert!(world.catalog.dump_with(Shown::default()) == before);
}

/// Deletes a product as eshopOS does, with what belongs to it.
async fn delete(world: &World, id: u64) {
    for kind in [Kind::Product, Kind::Stock, Kind::Metafields] {
        let stored = world.stored(kind, id).unwrap();
        Catalog::edit(&world.catalog, &world.store, &stored, Edit::Delete, &mut Default::default())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_product_deleted_here_is_not_made_again_unless_that_is_decided() {
    let world = World::stocked().await;
    world.run().await;
    let id = world.stored(Kind::Product, 4).unwrap().key.internal_id(&world.store);
    delete(&world, 4).await;
    world.set(Feed::Products, 4, "title", "Changed there");
    for _ in 0..2 {
        let run = world.run().await;
        assert_eq!((run.status, run.cost.catalogue_writes), (RunState::Completed, 0));
        assert_eq!(codes(&run).get("ID_DETACHED_LOCAL_DELETE"), Some(&1));
        assert_eq!(of(&run, Resource::Products, Outcome::Unchanged), 10, "the sums close");
        let listed = with_code(&world, &run.run_id, Code::IdDetachedLocalDelete).await;
        assert_eq!(listed.iter().map(|record| record.external_id.as_str()).collect::<Vec<_>>(), ["4"]);
    }
    assert_eq!(world.stored(Kind::Product, 4).unwrap().standing, Standing::Detached);

    let preview = world.preview().await;
    let recreate = |id| Decision::Recreate { resource: Resource::Products, external_id: ExternalId(id) };
    assert_eq!(decide(&world, &preview.run_id, &[recreate(5)]).await, Err("unknown_record"));
    assert_eq!(decide(&world, &preview.run_id, &[recreate(4)]).await, Ok(1));
    let run = carry_out(&world, &preview).await;
    assert_eq!(of(&run, Resource::Products, Outcome::Restored), 1, "{:?}", run.warnings);
    let back = world.stored(Kind::Product, 4).unwrap();
    assert_eq!((back.standing, back.key.internal_id(&world.store)), (Standing::Active, id));
    assert_eq!(back.record.get("title"), &json!("Changed there"));
    assert_eq!(world.landed(), world.source.counts());
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
}

#[tokio::test]
async fn a_product_deleted_here_and_gone_from_the_shop_is_no_news() {
    let world = World::stocked().await;
    world.run().await;
    delete(&world, 4).await;
    world.source.take(Feed::Products, 4);
    world.source.take(Feed::Metafields, 4);
    let run = world.run().await;
    assert_eq!((run.status, run.cost.catalogue_writes), (RunState::Completed, 0), "{:?}", run.warnings);
    assert_eq!(of(&run, Resource::Products, Outcome::Missing), 0);
}
