//! The documents of a push by the names that its records tell.

use super::call::Document;

macro_rules! documents {
    ($($constant:ident = $name:literal, $file:literal;)*) => {
        $(pub(super) const $constant: Document = Document {
            name: $name,
            text: include_str!(concat!("../documents/", $file, ".graphql")),
        };)*

        /// The document of a planned call.
        pub(super) fn by_name(name: &str) -> Option<Document> {
            [$($constant),*].into_iter().find(|document| document.name == name)
        }
    };
}

documents! {
    FIND_PRODUCT = "productByIdentifier", "push_find_product";
    FIND_VARIANT = "productVariantByIdentifier", "push_find_variant";
    FIND_VARIANTS = "productVariants", "push_find_variants";
    FIND_CUSTOMER = "customerByIdentifier", "push_find_customer";
    FIND_ORDER = "orderByIdentifier", "push_find_order";
    ITEM = "inventoryItem", "push_item";
    ITEMS = "productVariants.items", "push_items";
    PLACES = "locations", "push_places";
    PRODUCT_SET = "productSet", "push_product_set";
    PRODUCT_UPDATE = "productUpdate", "push_product_update";
    PRODUCT_DELETE = "productDelete", "push_product_delete";
    PUBLISH = "publishablePublish", "push_publish";
    UNPUBLISH = "publishableUnpublish", "push_unpublish";
    OPTIONS_CREATE = "productOptionsCreate", "push_options_create";
    OPTION_UPDATE = "productOptionUpdate", "push_option_update";
    OPTIONS_DELETE = "productOptionsDelete", "push_options_delete";
    VARIANTS_CREATE = "productVariantsBulkCreate", "push_variants_create";
    VARIANTS_UPDATE = "productVariantsBulkUpdate", "push_variants_update";
    VARIANTS_DELETE = "productVariantsBulkDelete", "push_variants_delete";
    METAFIELDS_SET = "metafieldsSet", "push_metafields_set";
    METAFIELDS_DELETE = "metafieldsDelete", "push_metafields_delete";
    TAGS_ADD = "tagsAdd", "push_tags_add";
    TAGS_REMOVE = "tagsRemove", "push_tags_remove";
    CUSTOMER_SET = "customerSet", "push_customer_set";
    CUSTOMER_UPDATE = "customerUpdate", "push_customer_update";
    EMAIL_CONSENT = "customerEmailMarketingConsentUpdate", "push_email_consent";
    CUSTOMER_DELETE = "customerDelete", "push_customer_delete";
    ADDRESS_CREATE = "customerAddressCreate", "push_address_create";
    ADDRESS_UPDATE = "customerAddressUpdate", "push_address_update";
    ADDRESS_DELETE = "customerAddressDelete", "push_address_delete";
    ORDER_CREATE = "orderCreate", "push_order_create";
    ORDER_UPDATE = "orderUpdate", "push_order_update";
    ORDER_PAID = "orderMarkAsPaid", "push_order_paid";
    ORDER_CANCEL = "orderCancel", "push_order_cancel";
    ORDER_OPEN = "order.fulfillmentOrders", "push_order_open";
    FULFILL = "fulfillmentCreate", "push_fulfill";
    ORDER_DELETE = "orderDelete", "push_order_delete";
    LEVELS_SET = "inventorySetQuantities", "push_levels_set";
    LEVEL_ACTIVATE = "inventoryActivate", "push_level_activate";
}
