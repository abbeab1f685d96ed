//! The vocabulary of generated catalogues.

/// A line of goods.
pub(super) struct Line {
    /// Free-text product type.
    pub(super) product_type: &'static str,
    /// Taxonomy: id, name, full name, whether a leaf. None: the merchant chose no category.
    pub(super) category: Option<(&'static str, &'static str, &'static str, bool)>,
    /// What the things are called.
    pub(super) nouns: &'static [&'static str],
    /// Lowest and highest price, in hundredths.
    pub(super) price: (i64, i64),
    /// Lowest and highest weight, in grams.
    pub(super) grams: (u32, u32),
    /// Where they come from, ISO 3166.
    pub(super) origin: &'static str,
    /// HS code.
    pub(super) hs: &'static str,
}

pub(super) const LINES: [Line; 10] = [
    Line {
        product_type: "T-Shirts",
        category: Some((
            "aa-1-13-8",
            "T-Shirts",
            "Apparel & Accessories > Clothing > Clothing Tops > T-Shirts",
            true,
        )),
        nouns: &["T-Shirt", "Longsleeve", "Pocket Tee", "Ringelshirt", "Henley"],
        price: (1900, 5900),
        grams: (120, 320),
        origin: "PT",
        hs: "610910",
    },
    Line {
        product_type: "Mugs",
        category: Some((
            "hg-11-10-5-5",
            "Mugs",
            "Home & Garden > Kitchen & Dining > Tableware > Drinkware > Mugs",
            true,
        )),
        nouns: &["Mug", "Becher", "Espresso Cup", "Tasse", "Yunomi 湯呑み"],
        price: (900, 4200),
        grams: (180, 520),
        origin: "DE",
        hs: "691110",
    },
    Line {
        product_type: "Tea",
        category: Some(("fb", "Food, Beverages & Tobacco", "Food, Beverages & Tobacco", false)),
        nouns: &["Earl Grey", "Sencha 煎茶", "Früchtetee", "Masala Chai", "Rooibos", "Gunpowder"],
        price: (450, 3900),
        grams: (60, 1050),
        origin: "LK",
        hs: "090220",
    },
    Line {
        product_type: "Notebooks",
        category: Some(("os", "Office Supplies", "Office Supplies", false)),
        nouns: &["Notebook", "Sketchbook", "Reisetagebuch", "Carnet", "Planner"],
        price: (600, 3400),
        grams: (110, 640),
        origin: "SE",
        hs: "482010",
    },
    Line {
        product_type: "Bags",
        category: Some(("aa", "Apparel & Accessories", "Apparel & Accessories", false)),
        nouns: &["Backpack", "Tote", "Rucksack", "Bike Bag", "Sac à dos"],
        price: (2900, 18900),
        grams: (280, 1400),
        origin: "VN",
        hs: "420292",
    },
    Line {
        product_type: "Candles",
        category: Some(("hg", "Home & Garden", "Home & Garden", false)),
        nouns: &["Candle", "Duftkerze", "Tealights", "Pillar Candle", "Bougie"],
        price: (500, 4900),
        grams: (90, 900),
        origin: "PL",
        hs: "340600",
    },
    Line {
        product_type: "Prints",
        category: None,
        nouns: &["Poster", "Linocut", "Siebdruck", "Postcard Set", "Giclée Print"],
        price: (300, 12900),
        grams: (20, 800),
        origin: "DE",
        hs: "491191",
    },
    Line {
        product_type: "Chocolate",
        category: Some(("fb", "Food, Beverages & Tobacco", "Food, Beverages & Tobacco", false)),
        nouns: &["Dark Chocolate", "Praliné", "Trinkschokolade", "Nougat Bar", "Ruby Bark"],
        price: (350, 2600),
        grams: (45, 500),
        origin: "BE",
        hs: "180632",
    },
    Line {
        product_type: "Shoes",
        category: Some(("aa", "Apparel & Accessories", "Apparel & Accessories", false)),
        nouns: &["Sneaker", "Chelsea Boot", "Clog", "Espadrille", "Gummistiefel"],
        price: (3900, 21900),
        grams: (500, 1600),
        origin: "ES",
        hs: "640399",
    },
    Line {
        product_type: "",
        category: None,
        nouns: &["Thing", "Wundertüte", "Sample Box", "Curiosity", "Überraschung"],
        price: (100, 9900),
        grams: (10, 3000),
        origin: "DE",
        hs: "392690",
    },
];

pub(super) const ADJECTIVES: [&str; 24] = [
    "Quiet",
    "Northern",
    "Little",
    "Hand-thrown",
    "Wild",
    "Salt & Pine",
    "Everyday",
    "Sturdy",
    "Midnight",
    "Sunday",
    "Harbour",
    "Indigo",
    "Feather-light",
    "Old Town",
    "Rainproof",
    "Slow",
    "Mossy",
    "Bright",
    "Frühling",
    "Čajový",
    "Étoile",
    "Møns",
    "Ночь",
    "Kleine",
];

pub(super) const NAMES: [&str; 20] = [
    "Alma", "Bo", "Clara", "Dörte", "Elif", "Fenja", "Gustav", "Hjördis", "Ida", "Jorge", "Käthe", "Linus",
    "Maï", "Niels", "Océane", "Piotr", "Quinn", "Rosa", "Søren", "Žofie",
];

pub(super) const VENDORS: [&str; 12] = [
    "Nordlicht",
    "Fjell & Faden",
    "Bläk",
    "Tante Emma",
    "Atelier Łódź",
    "Maison Été",
    "Hanse Kontor",
    "O'Malley & Sons",
    "Kiln No. 9",
    "株式会社茶の間",
    "Papierwerk",
    "",
];

pub(super) const TAGS: [&str; 20] = [
    "bestseller",
    "sale",
    "gift",
    "handmade",
    "organic",
    "vegan",
    "new",
    "winter",
    "summer",
    "limited edition",
    "fair trade",
    "Made in Germany",
    "kids",
    "travel",
    "wedding",
    "büro",
    "zero-waste",
    "size:large",
    "b2b",
    "last chance",
];

pub(super) const EXTRAS: [&str; 8] =
    ["🌿", "– Édition limitée", "№ 7", "\"Best of\"", "(2er-Set)", "½ price", "100 %", "<3"];

pub(super) const OPTIONS: [(&str, &[&str]); 6] = [
    ("EU Size", &["36", "37", "38", "39", "40", "41", "42", "43", "44", "45", "46"]),
    (
        "Colour",
        &[
            "Indigo",
            "Moss",
            "Chalk",
            "Rust",
            "Sky",
            "Black",
            "Curry",
            "Plum",
            "Sand",
            "Weiß",
            "Rosé",
            "Petrol / Navy",
        ],
    ),
    ("Size", &["XS", "S", "M", "L", "XL", "XXL", "3XL", "4XL"]),
    ("Material", &["Cotton", "Linen", "Wool", "Leather", "Cork"]),
    ("Größe", &["Klein", "Mittel", "Groß", "Sehr groß"]),
    ("Pack", &["1×", "2×", "3×", "6×", "12×"]),
];

pub(super) const SENTENCES: [&str; 18] = [
    "Made in small batches by people we know by name.",
    "Looks better with every year of use.",
    "We tried eleven versions before we kept this one.",
    "Wash at 30&nbsp;°C, dry in the shade, wear until it falls apart.",
    "Ships in paper &amp; string, never in plastic.",
    "The glaze is mixed by hand, so no two pieces are alike.",
    "Gewebt in Flandern, genäht in Porto.",
    "Ein Geschenk, das man selbst behalten möchte.",
    "Fits a laptop of up to 15.6&Prime; and three apples.",
    "Brew for three minutes at 80&nbsp;°C; longer makes it bitter.",
    "Printed with soy ink on 120&nbsp;g paper.",
    "Not suitable for dishwashers, cats or impatient people.",
    "Le parfum est discret : bois de cèdre, fumée, un peu d'orange.",
    "第一印象は静か、あとから甘い。",
    "It holds 0,3&nbsp;l, which is exactly enough.",
    "Burns for about forty hours if you trim the wick.",
    "Refill packs are available &ndash; just ask.",
    "5&nbsp;% of the price goes to the sea rescue.",
];

pub(super) const CARE: [&str; 5] = [
    "Wash at 30 °C.\nDo not tumble dry.",
    "Wipe with a damp cloth.",
    "Hand wash only — it is worth it.",
    "Keep cool, dark and dry.",
    "Nicht in die Spülmaschine!",
];
