//! What the merchant has made and decided before a run begins that is to be carried out as decided.

use serde_json::{Value, json};
use shared::domain::decision::{Decision, ExternalId, Side};
use shared::domain::ids::{ProviderId, RunId};
use shared::domain::record::{Child, Kind, RecordKey, Resource};
use shared::domain::run::Feed;
use shared::testkit::source;

use crate::world::World;

const PROVIDER: ProviderId = ProviderId::Shopify;

fn child(resource: Resource, id: &str, fields: &[(&str, Value)]) -> Child {
    let (kind, at) = resource.home();
    let names = kind.shape().children[at.unwrap()].fields;
    let value = |name: &&str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    let values = names.iter().map(|name| value(name).unwrap_or_default()).collect();
    Child { id: id.to_owned(), values, missing_since: None }
}

/// One record of every kind, made here and the same as one that is new in the shop; a warehouse that was made here and
/// imported too; and a product whose title both sides have changed.
pub fn make(world: &World) {
    world.source.put(Feed::Metafields, source::metafields(11, &["a"]));
    world.source.put(Feed::Locations, source::location(3, "Third"));
    world.source.put(Feed::Collections, source::collection(502, "Sale", &[11, 1]));
    world.set(Feed::Collections, 502, "handle", "sale");
    world.set(Feed::Products, 2, "title", "Theirs");
    let both = world.key(Kind::Product, 2);
    world.catalog.edit(&world.store, &both, |record| record.set("title", json!("Ours"))).unwrap();
    let add = |kind, number, fill: &dyn Fn(&mut shared::domain::record::Record)| {
        world.catalog.add_local(&world.store, kind, number, fill).unwrap()
    };
    let product = add(Kind::Product, 1, &|record| {
        record.set("title", json!("Mine"));
        record.children[0].push(child(Resource::Variants, "own", &[("sku", json!("SKU-1100"))]));
    });
    add(Kind::Stock, 1, &|record| {
        let fields = [("variant_id", json!("own")), ("tracked", json!(true)), ("available", json!(3))];
        for place in [12, 13] {
            record.children[0].push(child(Resource::Stock, &format!("1:{place}"), &fields));
        }
    });
    add(Kind::Metafields, 1, &|record| {
        record.children[0].push(child(Resource::Metafields, "own", &[("value", json!("wool"))]));
    });
    add(Kind::Warehouse, 12, &|record| record.set("name", json!("Third")));
    add(Kind::Warehouse, 13, &|record| record.set("name", json!("Main")));
    // Of its own the first product holds something where the shop's levels are to stand.
    let stock = world.key(Kind::Stock, 1);
    let own = [("variant_id", json!("100")), ("tracked", json!(true)), ("available", json!(2))];
    let level = child(Resource::Stock, "1:13", &own);
    world.catalog.edit(&world.store, &stock, |record| record.children[0].push(level)).unwrap();
    add(Kind::Category, 1, &|record| {
        record.set("handle", json!("sale"));
        let member = product.internal_id(&world.store).to_string();
        record.children[0].push(child(Resource::Memberships, &member, &[]));
    });
}

/// Previews, and decides that they are the same and that the shop is right.
pub async fn decide(world: &World) -> RunId {
    let preview = RunId::parse(&world.preview().await.run_id).unwrap();
    let id = |kind, number| RecordKey::local(PROVIDER, kind, number).internal_id(&world.store);
    let adopt = |resource, external_id, internal_id| Decision::Adopt {
        resource,
        external_id: ExternalId(external_id),
        internal_id,
    };
    let decisions = [
        adopt(Resource::Products, 11, id(Kind::Product, 1)),
        adopt(Resource::Categories, 502, id(Kind::Category, 1)),
        Decision::LinkWarehouse { external_id: ExternalId(3), internal_id: id(Kind::Warehouse, 12) },
        Decision::LinkWarehouse { external_id: ExternalId(1), internal_id: id(Kind::Warehouse, 13) },
        Decision::Take { side: Side::Theirs, resource: None, external_id: None, child: None, field: None },
    ];
    world.imports.decide(&world.store, PROVIDER, &preview, &decisions).await.unwrap();
    preview
}

/// Whether each of them has become one with the shop's.
pub fn is_all_adopted(world: &World) -> bool {
    let adopted = [
        (Kind::Product, 11),
        (Kind::Stock, 11),
        (Kind::Metafields, 11),
        (Kind::Category, 502),
        (Kind::Warehouse, 3),
        (Kind::Warehouse, 1),
    ];
    adopted.into_iter().all(|(kind, id)| world.stored(kind, id).is_some_and(|stored| stored.local.is_some()))
}
