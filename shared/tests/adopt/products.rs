//! Products and categories.

use serde_json::json;
use shared::domain::decision::{Decision, Side};
use shared::domain::ids::RunId;
use shared::domain::plan::Outcome;
use shared::domain::record::{Kind, RecordKey, Resource, Standing};
use shared::domain::run::{Feed, RunState};
use shared::testkit::catalog::Shown;

use crate::world::{World, codes, of};
use crate::{PROVIDER, adopt, carry_out, decide, decided, id, listed, ours, own, told};

#[tokio::test]
async fn a_product_of_the_same_sku_is_proposed_and_undecided_a_new_one_is_made() {
    let world = World::stocked().await;
    let mine = own(&world, 1, "Mine", "SKU-300");
    own(&world, 2, "Another", "OTHER");
    let before = world.catalog.dump();
    let preview = world.preview().await;
    assert_eq!(codes(&preview).get("ID_ADOPTION_PROPOSED"), Some(&1), "{:?}", codes(&preview));
    assert_eq!(of(&preview, Resource::Products, Outcome::Created), 10);
    let shown = listed(&world, &preview.run_id, Resource::Products, 3).await;
    assert_eq!((shown.outcome, told(&shown)), (Outcome::Created, vec!["ID_ADOPTION_PROPOSED"]));
    let [candidate] = shown.candidates.as_slice() else { panic!("{:?}", shown.candidates) };
    assert_eq!(
        (candidate.internal_id.as_str(), candidate.by.as_str()),
        (&*id(&world, &mine).to_string(), "sku")
    );
    let title = candidate.diff.iter().find(|diff| diff.field == "title").unwrap();
    assert_eq!((&title.before, &title.after, title.kept), (&json!("Mine"), &json!("Product 3"), true));
    assert_eq!(world.catalog.dump(), before, "a preview writes nothing");

    let run = carry_out(&world, &preview).await;
    assert_eq!(run.status, RunState::CompletedWithWarnings);
    assert_eq!(of(&run, Resource::Products, Outcome::Created), 10);
    assert_eq!(world.stored(Kind::Product, 3).unwrap().local, None);
    assert_eq!(ours(&world, &mine).record.get("title"), "Mine");
    assert!(!codes(&world.run().await).contains_key("ID_ADOPTION_PROPOSED"), "it is another record now");
}

#[tokio::test]
async fn an_adopted_product_keeps_its_id_and_what_is_the_merchant_s_and_follows_the_shop_from_then_on() {
    let world = World::stocked().await;
    let mine = own(&world, 1, "Mine", "SKU-300");
    let preview = world.preview().await;
    assert_eq!(
        decide(&world, &preview.run_id, &[adopt(Resource::Products, 3, id(&world, &mine))]).await,
        Ok(1)
    );
    let shown = listed(&world, &preview.run_id, Resource::Products, 3).await;
    assert_eq!((shown.outcome, told(&shown)), (Outcome::Updated, vec!["ID_ADOPTED", "CONF_NO_BASE"]));
    assert!(shown.candidates.is_empty() && shown.diff.iter().any(|diff| diff.field == "title" && diff.kept));
    assert_eq!(shown.internal_id, id(&world, &mine).to_string());

    let run = carry_out(&world, &preview).await;
    assert_eq!(run.status, RunState::CompletedWithWarnings);
    assert_eq!(codes(&run).get("ID_ADOPTED"), Some(&1), "{:?}", codes(&run));
    assert!(!codes(&run).contains_key("RUN_PLAN_STALE"));
    assert_eq!(of(&run, Resource::Products, Outcome::Created), 9);
    assert_eq!(of(&run, Resource::Products, Outcome::Updated), 1);
    assert_eq!(of(&run, Resource::Variants, Outcome::Created), 19);
    assert_eq!(of(&run, Resource::Variants, Outcome::Updated), 1);
    let stored = world.stored(Kind::Product, 3).unwrap();
    assert_eq!((stored.internal_id(&world.store), stored.local), (id(&world, &mine), Some(1)));
    assert_eq!(stored.record.get("title"), "Mine");
    let variants: Vec<&str> = stored.record.children[0].iter().map(|variant| variant.id.as_str()).collect();
    assert_eq!(variants, ["300", "301"], "its variant is the shop's of the same SKU");
    let done = listed(&world, &run.run_id, Resource::Products, 3).await;
    assert_eq!((done.internal_id, done.applied), (id(&world, &mine).to_string(), true));
    assert_eq!(done.diff, shown.diff, "what was shown is what was done");

    let rerun = world.run().await;
    assert_eq!((rerun.status, rerun.cost.catalogue_writes), (RunState::Completed, 0), "{:?}", codes(&rerun));
    world.set(Feed::Products, 3, "vendor", "Acme");
    world.set(Feed::Products, 3, "title", "Theirs");
    let rerun = world.run().await;
    let stored = world.stored(Kind::Product, 3).unwrap();
    assert_eq!((stored.record.get("vendor"), stored.record.get("title")), (&json!("Acme"), &json!("Mine")));
    assert_eq!(codes(&rerun).get("CONF_KEPT_LOCAL"), Some(&1), "there is a base now");
    world.source.take(Feed::Products, 3);
    world.source.take(Feed::Metafields, 3);
    world.run().await;
    assert!(matches!(world.stored(Kind::Product, 3).unwrap().standing, Standing::Missing { .. }));
}

#[tokio::test]
async fn the_shop_s_values_are_taken_of_an_adopted_product_where_that_is_decided() {
    let world = World::stocked().await;
    let mine = own(&world, 1, "Mine", "SKU-300");
    let take = |resource, field: &str| Decision::Take {
        side: Side::Theirs,
        resource: Some(resource),
        external_id: None,
        child: None,
        field: Some(field.to_owned()),
    };
    let decisions = [
        adopt(Resource::Products, 3, id(&world, &mine)),
        take(Resource::Products, "title"),
        take(Resource::Variants, "price"),
    ];
    let run = decided(&world, &decisions).await;
    let stored = world.stored(Kind::Product, 3).unwrap();
    assert_eq!(stored.record.get("title"), "Product 3");
    assert_eq!(stored.record.children[0][0].values[3], "10.00");
    assert_eq!(codes(&run).get("CONF_TOOK_SOURCE"), Some(&2));
    assert_eq!(stored.record.get("handle"), &json!(null), "not decided: the store's, which is none");
}

#[tokio::test]
async fn undo_puts_adopted_records_back_as_they_were_and_leaves_those_that_were_edited_since() {
    let world = World::stocked().await;
    let mine = own(&world, 1, "Mine", "SKU-300");
    let other = own(&world, 2, "Yours", "SKU-400");
    let before = world.catalog.dump_with(Shown::default());
    let decisions =
        [adopt(Resource::Products, 3, id(&world, &mine)), adopt(Resource::Products, 4, id(&world, &other))];
    let run = decided(&world, &decisions).await;
    let undo = world.undo(&run.run_id).await;
    assert_eq!(undo.status, RunState::Completed, "{:?}", codes(&undo));
    assert_eq!(of(&undo, Resource::Products, Outcome::Restored), 2);
    assert!(world.catalog.dump_with(Shown::default()) == before, "byte for byte");
    assert!(world.stored(Kind::Product, 3).is_none());
    assert_eq!(codes(&world.preview().await).get("ID_ADOPTION_PROPOSED"), Some(&2), "and is proposed again");

    let run = decided(&world, &decisions).await;
    world.catalog.edit(&world.store, &mine, |record| record.set("title", json!("Edited"))).unwrap();
    let undo = world.undo(&run.run_id).await;
    assert_eq!(codes(&undo).get("UNDO_SKIPPED_EDITED"), Some(&1), "{:?}", codes(&undo));
    assert_eq!(world.stored(Kind::Product, 3).unwrap().record.get("title"), "Edited");
    assert_eq!(ours(&world, &other).key, other, "the other is linked no more");
}

#[tokio::test]
async fn what_changed_on_either_side_after_the_preview_is_not_adopted() {
    for edited_here in [true, false] {
        let world = World::stocked().await;
        let mine = own(&world, 1, "Mine", "SKU-300");
        let preview = world.preview().await;
        assert_eq!(
            decide(&world, &preview.run_id, &[adopt(Resource::Products, 3, id(&world, &mine))]).await,
            Ok(1)
        );
        if edited_here {
            world.catalog.edit(&world.store, &mine, |record| record.set("title", json!("Edited"))).unwrap();
        } else {
            world.set(Feed::Products, 3, "vendor", "Moved");
        }
        let run = carry_out(&world, &preview).await;
        assert!(codes(&run).contains_key("RUN_PLAN_STALE"), "{edited_here}: {:?}", codes(&run));
        assert!(world.stored(Kind::Product, 3).is_none(), "nor is a new one made");
        assert_eq!(ours(&world, &mine).key, mine);
        let of_run = RunId::parse(&run.run_id).unwrap();
        let retry = world.imports.retry(world.asker(), &of_run, None).await.unwrap();
        world.settle().await;
        let retry = world.shown(&retry).await;
        assert_eq!(
            codes(&retry).get("ID_ADOPTED"),
            Some(&1),
            "a retry does what was decided: {:?}",
            codes(&retry)
        );
        assert_eq!(world.stored(Kind::Product, 3).unwrap().local, Some(1));
    }
}

#[tokio::test]
async fn several_of_one_sku_are_ambiguous_and_one_record_becomes_one_with_no_two() {
    let world = World::stocked().await;
    let (one, two) = (own(&world, 1, "One", "SKU-300"), own(&world, 2, "Two", "SKU-300"));
    world
        .catalog
        .edit(&world.store, &one, |record| {
            let mut more = record.children[0][0].clone();
            (more.id, more.values[1]) = ("own-more".to_owned(), json!("SKU-400"));
            record.children[0].push(more);
        })
        .unwrap();
    let preview = world.preview().await;
    let shown = listed(&world, &preview.run_id, Resource::Products, 3).await;
    assert_eq!((told(&shown), shown.candidates.len()), (vec!["ID_AMBIGUOUS_MATCH"], 2));
    let foreign = RecordKey::local(PROVIDER, Kind::Product, 9);
    for (product, key, refused) in
        [(3, foreign, "not_proposed"), (4, two, "not_proposed"), (5, two, "not_proposed")]
    {
        let decision = adopt(Resource::Products, product, id(&world, &key));
        assert_eq!(decide(&world, &preview.run_id, &[decision]).await, Err(refused));
    }
    let twice = [3, 4].map(|product| adopt(Resource::Products, product, id(&world, &one)));
    assert_eq!(decide(&world, &preview.run_id, &twice).await, Err("adopted_twice"));
    assert_eq!(decide(&world, &preview.run_id, &twice[..1]).await, Ok(1));
    assert_eq!(decide(&world, &preview.run_id, &twice[1..]).await, Err("adopted_twice"));
    assert_eq!(
        decide(&world, &preview.run_id, &[adopt(Resource::Products, 3, id(&world, &two))]).await,
        Ok(1)
    );
    assert_eq!(decide(&world, &preview.run_id, &twice[1..]).await, Ok(2), "one each");
    carry_out(&world, &preview).await;
    let local = |product| world.stored(Kind::Product, product).unwrap().local;
    assert_eq!((local(3), local(4)), (Some(2), Some(1)));
}

#[tokio::test]
async fn a_handle_tells_too_a_title_never_does() {
    let world = World::stocked().await;
    own(&world, 1, "Product 3", "OTHER");
    let handled = own(&world, 2, "Whatever", "ANOTHER");
    world.catalog.edit(&world.store, &handled, |record| record.set("handle", json!("product-4"))).unwrap();
    let preview = world.preview().await;
    assert!(listed(&world, &preview.run_id, Resource::Products, 3).await.candidates.is_empty());
    let shown = listed(&world, &preview.run_id, Resource::Products, 4).await;
    assert_eq!(told(&shown), ["ID_ADOPTION_PROPOSED", "ID_DUPLICATE_HANDLE"]);
    assert_eq!(shown.candidates[0].by, "handle");
}

#[tokio::test]
async fn a_category_is_adopted_with_the_members_that_are_the_shop_s() {
    let world = World::stocked().await;
    world.set(Feed::Collections, 501, "handle", "few");
    let mine = own(&world, 1, "Mine", "SKU-300");
    let apart = own(&world, 2, "Apart", "APART");
    let members = [id(&world, &mine).to_string(), id(&world, &apart).to_string()];
    let category = world.catalog.add_local(&world.store, Kind::Category, 5, |record| {
        record.set("title", json!("Few of mine"));
        record.set("handle", json!("few"));
        for member in &members {
            record.children[0].push(crate::child(Resource::Memberships, member, &[]));
        }
    });
    let category = category.unwrap();
    let before = world.catalog.dump_with(Shown::default());
    let decisions = [
        adopt(Resource::Products, 3, id(&world, &mine)),
        adopt(Resource::Categories, 501, id(&world, &category)),
    ];
    let run = decided(&world, &decisions).await;
    let stored = world.stored(Kind::Category, 501).unwrap();
    assert_eq!(stored.internal_id(&world.store), id(&world, &category));
    let mut ids: Vec<&str> = stored.record.children[0].iter().map(|member| member.id.as_str()).collect();
    ids.sort_unstable();
    let mut expected = vec!["3", "1", members[1].as_str()];
    expected.sort_unstable();
    assert_eq!(ids, expected, "the product that is the shop's is its member 3, the other stays");
    assert_eq!(world.run().await.cost.catalogue_writes, 0);
    world.undo(&run.run_id).await;
    assert!(world.catalog.dump_with(Shown::default()) == before);
}
