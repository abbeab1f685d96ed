//! The fields of a product that every mutation of products shares.

use serde_json::Value;

use super::input::{self, patch, patch_flag, patch_text, texts};
use super::{Desk, Problem};
use crate::gid;
use crate::model::{
    Category, CollectionKind, InventoryItem, Level, OptionValue, Product, ProductOption, ProductStatus,
    Variant,
};
use crate::seed::slug;

/// What [`Desk::product_fields`] reads.
pub(super) const FIELDS: [&str; 13] = [
    "title",
    "handle",
    "descriptionHtml",
    "vendor",
    "productType",
    "category",
    "status",
    "tags",
    "seo",
    "templateSuffix",
    "requiresSellingPlan",
    "redirectNewHandle",
    "giftCard",
];

impl Desk<'_> {
    /// Reads what the input names into the product; what it leaves out stays.
    pub(super) fn product_fields(
        &self,
        product: &mut Product,
        input: &Value,
        path: &str,
        new: bool,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, message: String, code: &'static str| {
            problems.push(Problem::at(&format!("{path}.{field}"), message, code));
        };
        if new || input.get("title").is_some() {
            patch_text(&mut product.title, input, "title");
            if product.title.trim().is_empty() {
                wrong("title", "Title can't be blank".to_owned(), "INVALID_PRODUCT");
            } else if product.title.chars().count() > 255 {
                wrong("title", "Title is too long (maximum is 255 characters)".to_owned(), "INVALID_PRODUCT");
            }
        }
        let given = input["handle"].as_str().filter(|handle| !handle.trim().is_empty());
        match given {
            Some(given) => {
                let handle = slug(given);
                if self.index.handles.get(&handle).is_some_and(|holder| new || *holder != product.id) {
                    let message = format!("Handle '{handle}' already in use. Please provide a new handle.");
                    wrong("handle", message, "HANDLE_NOT_UNIQUE");
                }
                product.handle = handle;
            }
            None if new => product.handle = self.free_handle(&product.title),
            None => {}
        }
        patch_text(&mut product.description_html, input, "descriptionHtml");
        patch_text(&mut product.product_type, input, "productType");
        patch_text(&mut product.vendor, input, "vendor");
        if new && product.vendor.is_empty() {
            product.vendor.clone_from(&self.shop.name);
        }
        if let Some(category) = input.get("category") {
            match self.category(category) {
                Ok(category) => product.category = category,
                Err(message) => wrong("category", message, "INVALID_INPUT"),
            }
        }
        if let Some(status) = input["status"].as_str() {
            product.status = match status {
                "DRAFT" => ProductStatus::Draft,
                "ARCHIVED" => ProductStatus::Archived,
                "UNLISTED" => ProductStatus::Unlisted,
                _ => ProductStatus::Active,
            };
        }
        if input.get("tags").is_some() {
            let tags = input::tags(texts(&input["tags"]));
            if tags.len() > 250 {
                wrong("tags", "Product tags is too long (maximum is 250 tags)".to_owned(), "INVALID_PRODUCT");
            }
            if tags.iter().any(|tag| tag.chars().count() > 255) {
                wrong(
                    "tags",
                    "Product tags is invalid: a tag has at most 255 characters".to_owned(),
                    "INVALID_PRODUCT",
                );
            }
            product.tags = tags;
        }
        if let Some(seo) = input.get("seo") {
            patch(&mut product.seo.title, seo, "title");
            patch(&mut product.seo.description, seo, "description");
        }
        patch(&mut product.template_suffix, input, "templateSuffix");
        patch_flag(&mut product.requires_selling_plan, input, "requiresSellingPlan");
        if let Some(gift_card) = input["giftCard"].as_bool() {
            if !new && gift_card != product.gift_card {
                let message = "Gift card attribute cannot be changed after creation.".to_owned();
                wrong("giftCard", message, "GIFT_CARD_ATTRIBUTE_CANNOT_BE_CHANGED");
            }
            product.gift_card = gift_card;
        }
        problems
    }

    /// A handle made of the title, with a number where that is taken.
    fn free_handle(&self, title: &str) -> String {
        let wanted = slug(title);
        if !self.index.handles.contains_key(&wanted) {
            return wanted;
        }
        let numbered = (1..).map(|number: u64| format!("{wanted}-{number}"));
        numbered.into_iter().find(|handle| !self.index.handles.contains_key(handle)).unwrap_or(wanted)
    }

    fn category(&self, value: &Value) -> Result<Option<Category>, String> {
        let Some(text) = value.as_str() else { return Ok(None) };
        let prefix = "gid://shopify/TaxonomyCategory/";
        let Some(id) = text.strip_prefix(prefix).filter(|id| !id.is_empty()) else {
            return Err("Invalid product taxonomy node".to_owned());
        };
        let known = self.shop.products.values().filter_map(|product| product.category.as_ref());
        let found = known.into_iter().find(|category| category.id == id).cloned();
        let unknown =
            || Category { id: id.to_owned(), name: id.to_owned(), full_name: id.to_owned(), is_leaf: true };
        Ok(Some(found.unwrap_or_else(unknown)))
    }

    /// A product that is only a number yet.
    pub(super) fn blank_product(&mut self) -> Product {
        Product { id: self.shop.take_id(), created_at: self.now, ..Product::default() }
    }

    /// Gives a product the option and the variant that one without options has.
    pub(super) fn standalone(&mut self, product: &mut Product) {
        let [option, value] = self.take_ids();
        product.options = vec![ProductOption {
            id: option,
            name: "Title".to_owned(),
            values: vec![OptionValue { id: value, name: "Default Title".to_owned() }],
        }];
        let mut variant = self.blank_variant();
        variant.option_value_ids = vec![value];
        product.variants = vec![variant];
    }

    /// A variant as it is before anything is said of it: untracked, stocked with nothing where the shop ships from.
    pub(super) fn blank_variant(&mut self) -> Variant {
        let [id, item] = self.take_ids();
        let home =
            self.shop.locations.values().find(|place| place.is_active && place.fulfillment_service.is_none());
        let level = Level { is_active: true, created_at: self.now, updated_at: self.now, ..Level::default() };
        Variant {
            id,
            taxable: true,
            item: InventoryItem {
                id: item,
                requires_shipping: true,
                levels: home.map(|place| (place.id, level)).into_iter().collect(),
                created_at: self.now,
                updated_at: self.now,
                ..InventoryItem::default()
            },
            created_at: self.now,
            updated_at: self.now,
            ..Variant::default()
        }
    }

    /// Which manual collections a product joins and leaves; smart ones take nobody by hand.
    pub(super) fn collections_named(&self, input: &Value, path: &str) -> (Vec<u64>, Vec<Problem>) {
        let (mut chosen, mut problems) = (Vec::new(), Vec::new());
        for (place, text) in texts(input).iter().enumerate() {
            let id =
                gid::parse(text).filter(|parsed| parsed.type_name == "Collection").map(|parsed| parsed.id);
            match id.and_then(|id| self.shop.collections.get(&id)) {
                Some(collection) if !collection.is_smart() => chosen.push(collection.id),
                Some(_) => {
                    let message = "Can't add product to a smart collection";
                    problems.push(Problem::at(&format!("{path}.{place}"), message, "INVALID_INPUT"));
                }
                None => {
                    problems.push(Problem::at(
                        &format!("{path}.{place}"),
                        "Collection does not exist",
                        "NOT_FOUND",
                    ));
                }
            }
        }
        (chosen, problems)
    }

    /// Puts a product into a manual collection, or takes it out.
    pub(super) fn join_collection(&mut self, collection: u64, product: u64, joins: bool) {
        let now = self.now;
        let Some(collection) = self.shop.collections.get_mut(&collection) else { return };
        let collection = std::sync::Arc::make_mut(collection);
        let chosen = collection.sources.iter_mut().find_map(|source| match &mut source.kind {
            CollectionKind::Manual { products } => Some(products),
            CollectionKind::Smart { .. } => None,
        });
        let Some(chosen) = chosen else { return };
        let had = chosen.contains(&product);
        if joins && !had {
            chosen.push(product);
        } else if !joins && had {
            chosen.retain(|member| *member != product);
        }
        if joins != had {
            collection.updated_at = now;
            self.moved.insert(product);
        }
    }
}
