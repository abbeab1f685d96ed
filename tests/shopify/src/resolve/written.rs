//! Shows what a mutation answered, with the shop as it left it.

use super::{Obj, Owner, Res, World, root};
use crate::model::OwnerKind;
use crate::mutate::{Out, Outcome};

pub(super) fn payload<'a>(world: &World<'a>, outcome: &Outcome) -> Res<'a> {
    Res::plain(outcome.payload, fields(world, &outcome.fields))
}

fn fields<'a>(world: &World<'a>, all: &[(&'static str, Out)]) -> Vec<(&'static str, Res<'a>)> {
    all.iter().map(|(name, value)| (*name, show(world, value))).collect()
}

fn show<'a>(world: &World<'a>, value: &Out) -> Res<'a> {
    match value {
        Out::Null => Res::Null,
        Out::Text(text) => Res::owned(text),
        Out::Int(number) => Res::Int(*number),
        Out::Bool(flag) => Res::Bool(*flag),
        Out::Shop => Res::obj(Obj::Shop),
        Out::App => Res::obj(Obj::App),
        Out::Node(gid) => root::node(world, gid).map_or(Res::Null, Res::obj),
        Out::Fulfillment(order, id) => {
            let order = world.snapshot.shop.orders.get(order);
            let found =
                order.and_then(|order| Some((order, order.fulfillments.iter().find(|one| one.id == *id)?)));
            found.map_or(Res::Null, |(order, one)| super::order::fulfillment(world, order, one))
        }
        Out::Metafield(kind, id, namespace, key) => metafield(world, *kind, *id, namespace, key),
        Out::List(items) => Res::List(items.iter().map(|item| show(world, item)).collect()),
        Out::Plain(type_name, all) => Res::plain(type_name, fields(world, all)),
    }
}

fn metafield<'a>(world: &World<'a>, kind: OwnerKind, id: u64, namespace: &str, key: &str) -> Res<'a> {
    let shop = &world.snapshot.shop;
    let found = match kind {
        OwnerKind::Product => shop.products.get(&id).map(|one| (Owner::Product(one), &one.metafields)),
        OwnerKind::Variant => {
            world.snapshot.variant(id).map(|(product, one)| (Owner::Variant(product, one), &one.metafields))
        }
        OwnerKind::Collection => {
            shop.collections.get(&id).map(|one| (Owner::Collection(one), &one.metafields))
        }
        OwnerKind::Customer => shop.customers.get(&id).map(|one| (Owner::Customer(one), &one.metafields)),
        OwnerKind::Order => shop.orders.get(&id).map(|one| (Owner::Order(one), &one.metafields)),
    };
    let Some((owner, all)) = found else { return Res::Null };
    let one = all.iter().find(|one| one.namespace == namespace && one.key == key);
    one.map_or(Res::Null, |one| Res::obj(Obj::Metafield(owner, one)))
}

/// `productOperation`: what a `productSet` in the background is at.
pub(super) fn operation<'a>(world: &World<'a>, id: u64) -> Res<'a> {
    let Some((result, done)) = world.state.operations.poll(id) else { return Res::Null };
    let status = if done { "COMPLETE" } else { "ACTIVE" };
    let mut shown = vec![("status", Res::text(status))];
    for (name, value) in &result.fields {
        let value = match *name {
            "id" => show(world, value),
            "userErrors" if !done => Res::List(Vec::new()),
            _ if !done => Res::Null,
            _ => show(world, value),
        };
        shown.push((name, value));
    }
    Res::plain("ProductSetOperation", shown)
}
