//! The forms of records: which fields and lists each kind has, who may change them, what becomes of what is gone.

use super::record::Resource;

/// The form of one kind of record. Fields are only ever added at the end: stored records lean on their order.
#[derive(Debug)]
pub struct Shape {
    /// Stable name used in keys.
    pub name: &'static str,
    /// What a whole record counts as; none where only its children are counted.
    pub counts_as: Option<Resource>,
    /// Names of the record's own fields.
    pub fields: &'static [&'static str],
    /// Those of them that only the source can know: a change of its is taken, whatever was done here. All others are
    /// shared: the merchant may change them, and both sides' changes are merged.
    pub source_owned: &'static [&'static str],
    /// The kinds of children, in the order of [`super::record::Record::children`].
    pub children: &'static [ChildShape],
}

/// The form of one list of children.
#[derive(Debug)]
pub struct ChildShape {
    /// What each child counts as.
    pub resource: Resource,
    /// Names of a child's fields.
    pub fields: &'static [&'static str],
    /// Those of them that only the source can know.
    pub source_owned: &'static [&'static str],
    /// Whether the order of the children carries meaning.
    pub ordered: bool,
    /// What becomes of a child that the source no longer has.
    pub gone: Gone,
    /// Whether the base keeps one hash per field, or one for the whole child (where the source owns every field).
    pub base_per_field: bool,
    /// How many fields at the end are notes of ours. The source has none of them, so no hash covers them.
    pub notes: usize,
}

/// What becomes of a stored child that a complete source record no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It stays, marked missing, and can be restored.
    Marked,
    /// It is taken out.
    Dropped,
    /// It stays with every quantity at zero and `stocked` false.
    Zeroed,
}

pub(super) static WAREHOUSE: Shape = Shape {
    name: "warehouse",
    counts_as: Some(Resource::Warehouses),
    fields: &[
        "name",
        "active",
        "fulfillment_service",
        "fulfills_online_orders",
        "ships_inventory",
        "address",
        "created_at",
        "source_name",
    ],
    source_owned: &["fulfillment_service", "created_at", "source_name"],
    children: &[],
};

pub(super) static PRODUCT: Shape = Shape {
    name: "product",
    counts_as: Some(Resource::Products),
    fields: &[
        "title",
        "description_html",
        "vendor",
        "product_type",
        "category_id",
        "category_name",
        "tags",
        "status",
        "handle",
        "seo_title",
        "seo_description",
        "options",
        "gift_card",
        "published_at",
        "online_store_url",
        "template_suffix",
        "created_at",
    ],
    source_owned: &["published_at", "online_store_url", "created_at"],
    children: &[
        ChildShape {
            resource: Resource::Variants,
            fields: &[
                "title",
                "sku",
                "barcode",
                "price",
                "compare_at_price",
                "currency",
                "taxable",
                "inventory_policy",
                "option_values",
                "media_ids",
                "inventory_item_id",
                "tracked",
                "requires_shipping",
                "weight",
                "weight_unit",
                "unit_cost",
                "country_of_origin",
                "harmonized_system_code",
            ],
            source_owned: &["currency", "inventory_item_id"],
            ordered: true,
            gone: Gone::Marked,
            base_per_field: true,
            notes: 0,
        },
        ChildShape {
            resource: Resource::Media,
            fields: &["type", "url", "alt", "status", "mime_type", "width", "height", "host"],
            source_owned: &["type", "status", "mime_type", "width", "height", "host"],
            ordered: true,
            gone: Gone::Dropped,
            base_per_field: true,
            notes: 0,
        },
    ],
};

pub(super) static STOCK: Shape = Shape {
    name: "stock",
    counts_as: None,
    fields: &[],
    source_owned: &[],
    children: &[ChildShape {
        resource: Resource::Stock,
        fields: &[
            "variant_id",
            "tracked",
            "stocked",
            "available",
            "on_hand",
            "committed",
            "incoming",
            "reserved",
            "damaged",
            "safety_stock",
            "quality_control",
            // What the last import set `available` to, so that what the store moved since can be told.
            "imported_available",
        ],
        source_owned: &[],
        ordered: false,
        gone: Gone::Zeroed,
        base_per_field: false,
        notes: 1,
    }],
};

pub(super) static METAFIELDS: Shape = Shape {
    name: "metafields",
    counts_as: None,
    fields: &[],
    source_owned: &[],
    children: &[ChildShape {
        resource: Resource::Metafields,
        fields: &["owner", "namespace", "key", "type", "value"],
        source_owned: &[],
        ordered: false,
        gone: Gone::Dropped,
        base_per_field: false,
        notes: 0,
    }],
};

pub(super) static CATEGORY: Shape = Shape {
    name: "category",
    counts_as: Some(Resource::Categories),
    fields: &[
        "title",
        "description_html",
        "handle",
        "type",
        "sort_order",
        "rules",
        "image_url",
        "image_alt",
        "seo_title",
        "seo_description",
        "template_suffix",
    ],
    source_owned: &[],
    children: &[ChildShape {
        resource: Resource::Memberships,
        fields: &[],
        source_owned: &[],
        ordered: true,
        gone: Gone::Dropped,
        base_per_field: false,
        notes: 0,
    }],
};
