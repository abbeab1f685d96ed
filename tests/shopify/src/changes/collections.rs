//! Changes to manual collections.

use std::sync::Arc;

use super::{Applied, Site};
use crate::model::{Collection, CollectionKind, Product};

fn chosen(collection: &Collection) -> Option<&Vec<u64>> {
    collection.sources.iter().find_map(|source| match &source.kind {
        CollectionKind::Manual { products } => Some(products),
        CollectionKind::Smart { .. } => None,
    })
}

impl Site<'_> {
    fn collection_id(&self, suits: impl Fn(&Collection, &Vec<u64>) -> bool) -> Option<u64> {
        let wanted = self.change.collection;
        let mut all = self.shop.collections.values();
        let fits = |collection: &Collection| {
            wanted.is_none_or(|id| id == collection.id)
                && chosen(collection).is_some_and(|list| suits(collection, list))
        };
        all.find(|collection| fits(collection)).map(|collection| collection.id)
    }

    fn edit(&mut self, id: u64, edit: impl FnOnce(&mut Vec<u64>)) -> Option<()> {
        let now = self.now;
        let collection = Arc::make_mut(self.shop.collections.get_mut(&id)?);
        collection.updated_at = now;
        let list = collection.sources.iter_mut().find_map(|source| match &mut source.kind {
            CollectionKind::Manual { products } => Some(products),
            CollectionKind::Smart { .. } => None,
        })?;
        edit(list);
        Some(())
    }

    pub(super) fn collection_add(&mut self) -> Option<Applied> {
        let id = self.collection_id(|_, _| true)?;
        let members = self.shop.collections.get(&id)?.products.clone();
        let product = self.product_id(|product: &Product| !members.contains(&product.id))?;
        self.edit(id, |list| list.push(product))?;
        Some(Applied { collection: Some(id), product: Some(product), ..self.begin() })
    }

    pub(super) fn collection_remove(&mut self) -> Option<Applied> {
        let free = |id: &u64| !self.touched.contains(id) && self.shop.products.contains_key(id);
        let wanted = self.change.product;
        let fits = |list: &Vec<u64>| wanted.map_or_else(|| list.iter().any(free), |id| list.contains(&id));
        let id = self.collection_id(|_, list| fits(list))?;
        let members = chosen(self.shop.collections.get(&id)?)?.clone();
        let product = match wanted {
            Some(id) => id,
            None => *members.iter().find(|id| free(id))?,
        };
        self.touched.insert(product);
        self.edit(id, |list| list.retain(|member| *member != product))?;
        Some(Applied { collection: Some(id), product: Some(product), ..self.begin() })
    }
}
