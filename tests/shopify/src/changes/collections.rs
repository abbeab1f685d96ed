//! Changes to collections.

use std::sync::Arc;

use super::{Applied, Site};
use crate::model::{Collection, CollectionKind, CollectionSource, Product};

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

    pub(super) fn collection_create(&mut self) -> Applied {
        let (id, source) = (self.shop.take_id(), self.shop.take_id());
        let title = self.change.value.clone().unwrap_or_else(|| format!("Collection {id}"));
        let source = CollectionSource { id: source, title: title.clone(), kind: CollectionKind::default() };
        let collection = Collection {
            id,
            handle: format!("collection-{id}"),
            title: title.clone(),
            sort_order: "MANUAL".to_owned(),
            sources: vec![source],
            published_at: Some(self.now),
            updated_at: self.now,
            ..Collection::default()
        };
        self.shop.collections.insert(id, Arc::new(collection));
        Applied { collection: Some(id), after: Some(title), ..self.begin() }
    }

    pub(super) fn collection_delete(&mut self) -> Option<Applied> {
        let id = self.change.collection.or_else(|| self.shop.collections.keys().next().copied())?;
        let before = self.shop.collections.remove(&id)?.title.clone();
        Some(Applied { collection: Some(id), before: Some(before), ..self.begin() })
    }
}
