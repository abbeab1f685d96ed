//! What the demo shop sells.

mod goods;

pub(super) use goods::items;

/// A product as it is written down here; `demo` fills in the rest.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) title: &'static str,
    pub(super) shelf: Shelf,
    pub(super) vendor: &'static str,
    pub(super) price: i64,
    pub(super) before: Option<i64>,
    pub(super) options: &'static [(&'static str, &'static [&'static str])],
    pub(super) tags: &'static [&'static str],
    pub(super) text: &'static str,
    pub(super) images: usize,
    pub(super) twist: Twist,
}

/// What is special about a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    Plain,
    Draft,
    Archived,
    Unlisted,
    NotPublished,
    GiftCard,
    Untracked,
    SoldOut,
    Oversold,
    Backorder,
    NowhereStocked,
    LevelSwitchedOff,
    SharedSku,
    NoSku,
    Video,
    ExternalVideo,
    Model,
    BrokenImage,
    Enormous,
}

/// A department.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    Tea,
    Ceramics,
    Paper,
    Knitwear,
    Light,
    Pantry,
    Outdoor,
    Cards,
}

impl Shelf {
    /// Free-text product type.
    pub(super) fn product_type(self) -> &'static str {
        match self {
            Self::Tea => "Tea",
            Self::Ceramics => "Ceramics",
            Self::Paper => "Paper goods",
            Self::Knitwear => "Knitwear",
            Self::Light => "Lamps & candles",
            Self::Pantry => "Pantry",
            Self::Outdoor => "Harbour & outdoors",
            Self::Cards => "Gift cards",
        }
    }

    /// Start of the SKUs.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Tea => "TEE",
            Self::Ceramics => "TON",
            Self::Paper => "PAP",
            Self::Knitwear => "GARN",
            Self::Light => "LUX",
            Self::Pantry => "KOST",
            Self::Outdoor => "HAF",
            Self::Cards => "GUT",
        }
    }

    /// Taxonomy: id, name, full name, whether a leaf.
    pub(super) fn category(self) -> Option<(&'static str, &'static str, &'static str, bool)> {
        match self {
            Self::Tea | Self::Pantry => {
                Some(("fb", "Food, Beverages & Tobacco", "Food, Beverages & Tobacco", false))
            }
            Self::Ceramics => Some((
                "hg-11-10-5-5",
                "Mugs",
                "Home & Garden > Kitchen & Dining > Tableware > Drinkware > Mugs",
                true,
            )),
            Self::Paper => Some(("os", "Office Supplies", "Office Supplies", false)),
            Self::Knitwear => Some(("aa", "Apparel & Accessories", "Apparel & Accessories", false)),
            Self::Light => Some(("hg", "Home & Garden", "Home & Garden", false)),
            Self::Outdoor => None,
            Self::Cards => Some(("gc", "Gift Cards", "Gift Cards", true)),
        }
    }
}

impl Item {
    fn was(mut self, before: i64) -> Self {
        self.before = Some(before);
        self
    }

    fn options(mut self, options: &'static [(&'static str, &'static [&'static str])]) -> Self {
        self.options = options;
        self
    }

    fn tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    fn images(mut self, images: usize) -> Self {
        self.images = images;
        self
    }

    fn twist(mut self, twist: Twist) -> Self {
        self.twist = twist;
        self
    }
}

fn item(shelf: Shelf, title: &'static str, vendor: &'static str, price: i64, text: &'static str) -> Item {
    Item {
        title,
        shelf,
        vendor,
        price,
        before: None,
        options: &[],
        tags: &[],
        text,
        images: 1,
        twist: Twist::Plain,
    }
}
