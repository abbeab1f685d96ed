//! The shelves.

use super::{Item, Shelf, Twist, item};

const TIN: &[(&str, &[&str])] = &[("Weight", &["50 g", "100 g", "250 g"])];
const SIZES: &[(&str, &[&str])] = &[("Size", &["S", "M", "L", "XL"]), ("Colour", &["Navy", "Oat", "Moss"])];
const GLAZE: &[(&str, &[&str])] = &[("Glaze", &["Fog", "Kelp", "Rost", "Schnee"])];
const RULING: &[(&str, &[&str])] = &[("Ruling", &["Plain", "Lined", "Dotted"]), ("Format", &["A6", "A5"])];
const SCENT: &[(&str, &[&str])] = &[("Scent", &["Cedar", "Sea salt", "Tea smoke"])];
const SHOE: &[(&str, &[&str])] =
    &[("EU size", &["36", "37", "38", "39", "40", "41", "42", "43", "44", "45"])];

/// Everything on the shelves, in the order it was added to the shop.
pub(in crate::seed) fn items() -> Vec<Item> {
    let mut all = tea();
    all.extend(ceramics());
    all.extend(paper());
    all.extend(knitwear());
    all.extend(light());
    all.extend(pantry());
    all.extend(outdoor());
    all.extend(cards());
    all
}

fn tea() -> Vec<Item> {
    use Shelf::Tea;
    vec![
        item(Tea, "Ostfriesen Blend “Sturmflut”", "Tante Emma", 690, "Assam &amp; Java, strong enough for a spoon to stand in. With <em>Kluntje</em> and cream, please.").options(TIN).tags(&["bestseller", "black tea"]).images(3),
        item(Tea, "Sencha 煎茶 “First Light”", "株式会社茶の間", 1150, "Steamed in Shizuoka, first flush. 70&nbsp;°C, ninety seconds.").options(TIN).tags(&["green tea", "organic"]).images(2),
        item(Tea, "Genmaicha 玄米茶", "株式会社茶の間", 890, "Green tea with roasted rice; smells like popcorn, tastes like Sunday.").options(TIN).tags(&["green tea"]),
        item(Tea, "Lapsang Souchong", "Hanse Kontor", 990, "Smoked over pine. People love it or leave the room.").options(TIN).tags(&["black tea", "smoky"]).twist(Twist::Oversold),
        item(Tea, "Earl Grey Blue Flower", "Hanse Kontor", 750, "Bergamot oil from Calabria, cornflowers for the looks.").options(TIN).tags(&["black tea", "gift"]).was(890),
        item(Tea, "Rooibos “Kapitänskajüte”", "Tante Emma", 590, "No caffeine, plenty of vanilla.").options(TIN).tags(&["no caffeine", "kids"]),
        item(Tea, "Peppermint, very", "Tante Emma", 450, "Just the leaf. A lot of it.").options(TIN).tags(&["no caffeine", "organic"]).twist(Twist::SoldOut),
        item(Tea, "Masala Chai", "Maison Été", 820, "Cardamom, clove, ginger, <strong>black pepper</strong>.").options(TIN).tags(&["black tea", "winter"]).twist(Twist::SharedSku),
        item(Tea, "Advent Calendar of 24 Teas", "Nordlicht", 3490, "One door, one tea, one quiet quarter of an hour.").tags(&["gift", "limited edition", "winter"]).was(3990).twist(Twist::Archived),
        item(Tea, "Darjeeling First Flush 2025", "Hanse Kontor", 1890, "Not landed yet. The ship is called <em>Margarethe</em>.").options(TIN).tags(&["black tea", "new"]).twist(Twist::Draft).images(0),
        item(Tea, "Bamboo Whisk 茶筅", "株式会社茶の間", 1490, "Eighty prongs, one hand.").tags(&["tools"]).twist(Twist::Video),
    ]
}

fn ceramics() -> Vec<Item> {
    use Shelf::Ceramics;
    vec![
        item(
            Ceramics,
            "Harbour Mug",
            "Kiln No. 9",
            2200,
            "Thrown in Altona. Holds 0,3&nbsp;l, which is exactly enough.",
        )
        .options(GLAZE)
        .tags(&["bestseller", "handmade"])
        .images(4),
        item(Ceramics, "Espresso Cup “Möwe”", "Kiln No. 9", 1400, "For gulls and people in a hurry.")
            .options(GLAZE)
            .tags(&["handmade"])
            .images(2),
        item(
            Ceramics,
            "Yunomi 湯呑み",
            "Kiln No. 9",
            2600,
            "No handle: if it is too hot to hold, it is too hot to drink.",
        )
        .options(GLAZE)
        .tags(&["handmade"])
        .twist(Twist::Model),
        item(
            Ceramics,
            "Teapot “Dicke Berta”",
            "Kiln No. 9",
            8900,
            "1,2 litres, and it does not drip. We measured.",
        )
        .options(GLAZE)
        .tags(&["handmade", "wedding"])
        .images(3)
        .twist(Twist::Backorder),
        item(Ceramics, "Soup Bowl", "Atelier Łódź", 1900, "Deep, wide, stackable.").options(GLAZE).images(2),
        item(Ceramics, "Breakfast Plate", "Atelier Łódź", 1700, "22 cm of room for toast.")
            .options(GLAZE)
            .was(2100),
        item(Ceramics, "Butter Dish", "Atelier Łódź", 2900, "Keeps butter soft &amp; cats out.")
            .tags(&["gift"])
            .images(2),
        item(Ceramics, "Milk Jug", "Atelier Łódź", 1600, "Small, brave, white.").twist(Twist::SoldOut),
        item(
            Ceramics,
            "Seconds: Mug with a Past",
            "Kiln No. 9",
            900,
            "A bubble here, a drip there. Works like any other mug.",
        )
        .tags(&["sale", "last chance"])
        .was(2200)
        .twist(Twist::LevelSwitchedOff),
        item(Ceramics, "Sugar Bowl “Kluntje”", "Kiln No. 9", 2400, "With a lid that clicks.")
            .tags(&["gift"])
            .twist(Twist::BrokenImage),
        item(Ceramics, "Vase № 3", "Atelier Łódź", 4500, "Made for three tulips. Four is a crowd.")
            .tags(&["wedding"])
            .images(2)
            .twist(Twist::Unlisted),
        item(
            Ceramics,
            "Kintsugi Repair Kit 金継ぎ",
            "株式会社茶の間",
            3200,
            "Lacquer, brush, gold powder, patience (not included).",
        )
        .tags(&["tools", "gift"])
        .twist(Twist::ExternalVideo),
    ]
}

fn paper() -> Vec<Item> {
    use Shelf::Paper;
    vec![
        item(Paper, "Notebook “Logbuch”", "Papierwerk", 1290, "Thread-bound, 160 pages, lies flat.")
            .options(RULING)
            .tags(&["bestseller"])
            .images(4),
        item(
            Paper,
            "Pocket Notebook, set of three",
            "Papierwerk",
            990,
            "For the pocket that already has a pencil in it.",
        )
        .options(RULING)
        .images(2),
        item(
            Paper,
            "Notebook to Order",
            "Papierwerk",
            2400,
            "Cover, spine, paper, ribbon: you choose, we bind it. 2,048 ways to own one.",
        )
        .options(ENORMOUS)
        .tags(&["made to order", "gift"])
        .twist(Twist::Enormous)
        .images(250),
        item(Paper, "Weekly Planner 2026", "Papierwerk", 1890, "Fifty-two weeks, a little room for plans.")
            .tags(&["new"])
            .images(2),
        item(Paper, "Weekly Planner 2024", "Papierwerk", 490, "For historians.")
            .tags(&["sale", "last chance"])
            .was(1790)
            .twist(Twist::Archived),
        item(Paper, "Letter Set “Brieftaube”", "Bläk", 1650, "Twenty sheets, twenty envelopes, one pigeon.")
            .tags(&["gift"]),
        item(
            Paper,
            "Linocut “Speicherstadt”",
            "Bläk",
            6500,
            "Numbered 1–120, signed. 30&nbsp;×&nbsp;40&nbsp;cm.",
        )
        .options(&[("Frame", &["Without", "Oak", "Black"])])
        .tags(&["handmade", "limited edition"])
        .images(3),
        item(Paper, "Poster “Fährplan 1927”", "Bläk", 2800, "The ferry timetable our grandmother missed.")
            .options(&[("Size", &["30 × 40 cm", "50 × 70 cm"])])
            .images(2),
        item(Paper, "Postcard Set “Wetter”", "Bläk", 800, "Rain, drizzle, fog, more rain.")
            .tags(&["gift"])
            .twist(Twist::NoSku),
        item(
            Paper,
            "Fountain Pen “Feder”",
            "Bläk",
            3900,
            "Steel nib, brass body. Refills itself from a piston, not from plastic.",
        )
        .options(&[("Nib", &["EF", "F", "M", "B"])])
        .tags(&["tools"])
        .images(3)
        .twist(Twist::Video),
        item(Paper, "Ink, 50 ml", "Bläk", 1250, "Ground, boiled and bottled in the back room.")
            .options(&[("Colour", &["Tiefsee", "Rußschwarz", "Rote Boje", "Flechte"])])
            .images(4),
        item(Paper, "Pencil, just a pencil", "Bläk", 150, "").tags(&["tools"]).images(0),
        item(
            Paper,
            "Stickers “Anker & Co.”",
            "Bläk",
            350,
            "Twelve of them. <a href=\"/pages/stickers\">See all</a>",
        )
        .tags(&["kids", "size:small"])
        .twist(Twist::Untracked),
        item(Paper, "Guestbook", "Papierwerk", 4400, "For weddings and other harbours.")
            .tags(&["wedding"])
            .twist(Twist::NotPublished),
    ]
}

fn knitwear() -> Vec<Item> {
    use Shelf::Knitwear;
    vec![
        item(
            Knitwear,
            "Troyer “Finkenwerder”",
            "Fjell & Faden",
            14900,
            "Fisherman’s jumper, 900&nbsp;g of wool, zip to the chin.",
        )
        .options(SIZES)
        .tags(&["bestseller", "winter"])
        .images(5),
        item(Knitwear, "Cardigan “Nebel”", "Fjell & Faden", 12900, "The colour of the river before seven.")
            .options(SIZES)
            .tags(&["winter"])
            .was(15900)
            .images(3),
        item(Knitwear, "Beanie", "Fjell & Faden", 2900, "Covers ears, keeps secrets.")
            .options(&[("Colour", &["Navy", "Oat", "Moss", "Rost"])])
            .tags(&["winter"])
            .images(4),
        item(Knitwear, "Fingerless Gloves", "Fjell & Faden", 2400, "For market traders and trumpeters.")
            .options(&[("Size", &["S/M", "L/XL"])])
            .tags(&["winter"])
            .twist(Twist::Oversold),
        item(Knitwear, "Scarf “Deichschaf”", "Fjell & Faden", 4900, "Two metres of undyed sheep.")
            .tags(&["winter", "gift"]),
        item(Knitwear, "Socks “Watt”", "Fjell & Faden", 1600, "Merino, mended free of charge for life.")
            .options(&[("Size", &["36–38", "39–41", "42–44", "45–47"])])
            .tags(&["bestseller"])
            .images(2),
        item(Knitwear, "Baby Blanket “Wiege”", "Fjell & Faden", 5900, "Organic cotton, washed soft.")
            .tags(&["kids", "organic", "gift"])
            .images(2),
        item(Knitwear, "Wool Yarn, 100 g", "Fjell & Faden", 890, "Plant-dyed: madder, weld, indigo, walnut.")
            .options(&[("Colour", &["Krapp", "Reseda", "Indigo", "Walnuss", "Natur", "Eisen"])])
            .tags(&["tools"])
            .images(6),
        item(
            Knitwear,
            "Ringelshirt",
            "Maison Été",
            4500,
            "21 stripes, one for each of Napoleon’s victories. Washable.",
        )
        .options(SIZES)
        .tags(&["summer"])
        .images(3),
        item(
            Knitwear,
            "Mending Kit",
            "Fjell & Faden",
            1800,
            "Darning egg, needles, five yarns, a kind word.",
        )
        .tags(&["tools", "zero-waste"])
        .twist(Twist::ExternalVideo),
        item(Knitwear, "Summer Jumper (sample)", "Fjell & Faden", 9900, "Not decided yet.")
            .options(SIZES)
            .twist(Twist::Draft)
            .images(0),
    ]
}

fn light() -> Vec<Item> {
    use Shelf::Light;
    vec![
        item(Light, "Candle in a Tin", "Tante Emma", 1450, "Rapeseed wax, forty hours.")
            .options(SCENT)
            .tags(&["gift", "vegan"])
            .images(3),
        item(Light, "Pillar Candles, set of four", "Tante Emma", 1900, "For Advent, or for Tuesdays.")
            .tags(&["winter"]),
        item(
            Light,
            "Storm Lantern “Leuchtturm”",
            "Hanse Kontor",
            5900,
            "Burns petroleum or lamp oil, stays lit at force&nbsp;8.",
        )
        .options(&[("Colour", &["Red", "Zinc"])])
        .images(3)
        .twist(Twist::Model),
        item(Light, "Lamp Oil, 1 l", "Hanse Kontor", 1290, "UN 1268. Ships by road only.")
            .tags(&["no air freight"])
            .twist(Twist::LevelSwitchedOff),
        item(
            Light,
            "Paper Moon 提灯",
            "株式会社茶の間",
            3600,
            "Washi on bamboo; folds flat like a good argument.",
        )
        .options(&[("Size", &["30 cm", "45 cm", "60 cm"])])
        .images(2),
        item(
            Light,
            "Desk Lamp “Kran”",
            "Nordlicht",
            18900,
            "Three joints, like the cranes across the water.",
        )
        .options(&[("Colour", &["Signal red", "Fog"]), ("Plug", &["EU", "UK", "CH"])])
        .tags(&["bestseller"])
        .images(5),
        item(Light, "Bulb, warm", "Nordlicht", 690, "2700&nbsp;K, E27, 4&nbsp;W.")
            .was(890)
            .twist(Twist::SharedSku),
        item(Light, "Matches, long", "Tante Emma", 490, "Forty-five of them, ten centimetres each.")
            .twist(Twist::NowhereStocked),
        item(Light, "Incense Cones", "Maison Été", 950, "Cèdre, mousse, un peu d’orage.")
            .options(SCENT)
            .tags(&["vegan"]),
    ]
}

fn pantry() -> Vec<Item> {
    use Shelf::Pantry;
    vec![
        item(Pantry, "Dark Chocolate 72 %", "Maison Été", 490, "Two ingredients. Guess.")
            .tags(&["vegan", "organic", "bestseller"])
            .images(2),
        item(Pantry, "Sea-buckthorn Jam", "Tante Emma", 690, "From Hiddensee; sour, orange, worth it.")
            .tags(&["organic"]),
        item(
            Pantry,
            "Kluntje (rock sugar)",
            "Tante Emma",
            390,
            "Cracks when the tea hits it. That is the point.",
        )
        .options(&[("Weight", &["250 g", "1 kg"])]),
        item(Pantry, "Honey “Hafencity”", "Nordlicht", 980, "Lime trees, robinia, some cranes.")
            .tags(&["limited edition"])
            .twist(Twist::Oversold),
        item(Pantry, "Shortbread, tin of 300 g", "O’Malley & Sons", 1190, "Half butter, half intent.")
            .tags(&["gift"])
            .images(2),
        item(Pantry, "Smoked Sea Salt", "Nordlicht", 590, "Over beech, for two days.").tags(&["vegan"]),
        item(
            Pantry,
            "Olive Oil “Crête”",
            "Maison Été",
            1890,
            "Cold-pressed, 0.5&nbsp;l, harvest of last November.",
        )
        .options(&[("Bottle", &["0.5 l", "1 l", "3 l canister"])])
        .tags(&["organic"]),
        item(
            Pantry,
            "Gift Basket “Kaffeeklatsch”",
            "Nordlicht",
            5900,
            "Shortbread, jam, honey and a pot of tea, tied with a bow.",
        )
        .tags(&["gift", "wedding"])
        .was(6900)
        .images(3)
        .twist(Twist::Backorder),
        item(
            Pantry,
            "Cooking Class, one evening",
            "Nordlicht",
            7500,
            "Fish soup, bread, stories. Nothing is shipped.",
        )
        .tags(&["experience"])
        .twist(Twist::Untracked),
    ]
}

fn outdoor() -> Vec<Item> {
    use Shelf::Outdoor;
    vec![
        item(Outdoor, "Bike Bag “Elbe”", "Nordlicht", 8900, "Roll-top, 18 litres, laughs at rain.")
            .options(&[("Colour", &["Black", "Curry", "Petrol / Navy"])])
            .tags(&["bestseller", "travel"])
            .images(4),
        item(Outdoor, "Rubber Boots “Priel”", "Hanse Kontor", 5900, "Natural rubber, warm lining.")
            .options(SHOE)
            .images(3),
        item(Outdoor, "Clogs “Deck”", "Hanse Kontor", 4900, "Birch soles, brass nails.")
            .options(SHOE)
            .was(6400)
            .tags(&["sale"]),
        item(Outdoor, "Thermos “Frühschicht”", "Nordlicht", 3400, "Hot till noon.")
            .options(&[("Volume", &["0.5 l", "0.75 l"]), ("Colour", &["Steel", "Moss"])])
            .tags(&["travel"])
            .images(2),
        item(Outdoor, "Pocket Knife", "Hanse Kontor", 2900, "One blade, olive wood.")
            .tags(&["tools", "18+"])
            .twist(Twist::Unlisted),
        item(
            Outdoor,
            "Umbrella “Schietwetter”",
            "Nordlicht",
            4200,
            "Tested on the Landungsbrücken, in November.",
        )
        .options(&[("Colour", &["Black", "Yellow"])])
        .tags(&["bestseller"])
        .images(2),
        item(Outdoor, "Picnic Blanket", "Fjell & Faden", 6900, "Wool on top, waxed cotton below.")
            .tags(&["summer"]),
        item(Outdoor, "Kite “Böe”", "Nordlicht", 2400, "Flies at wind force 3 and above. Ages 6 to 96.")
            .tags(&["kids", "summer"])
            .twist(Twist::SoldOut),
        item(
            Outdoor,
            "Tin Whistle in D",
            "O’Malley & Sons",
            1400,
            "Three songs are in the box, the rest is up to you.",
        )
        .tags(&["kids", "gift"])
        .twist(Twist::NotPublished),
        item(
            Outdoor,
            "Message in a Bottle 🍾",
            "Nordlicht",
            900,
            "Bottle, cork, paper. The sea is <em>not</em> included.",
        )
        .tags(&["gift", "kids"])
        .images(2),
    ]
}

fn cards() -> Vec<Item> {
    use Shelf::Cards;
    vec![
        item(Cards, "Gift Card", "Nordlicht", 2500, "For people who have everything but tea.")
            .options(&[("Denominations", &["25 €", "50 €", "100 €"])])
            .tags(&["gift"])
            .twist(Twist::GiftCard),
        item(
            Cards,
            "Gift Card for Weddings",
            "Nordlicht",
            15000,
            "Letterpress, in an envelope with a ribbon.",
        )
        .tags(&["gift", "wedding"])
        .twist(Twist::GiftCard),
    ]
}

const ENORMOUS: &[(&str, &[&str])] = &[
    (
        "Cover",
        &[
            "Anthracite",
            "Basalt",
            "Birch",
            "Bordeaux",
            "Brick",
            "Chalk",
            "Clay",
            "Curry",
            "Dune",
            "Fern",
            "Fog",
            "Forest",
            "Ginger",
            "Heather",
            "Indigo",
            "Kelp",
            "Lichen",
            "Mauve",
            "Midnight",
            "Moss",
            "Mustard",
            "Oat",
            "Ochre",
            "Petrol",
            "Plum",
            "Rosé",
            "Rust",
            "Sand",
            "Sky",
            "Slate",
            "Walnut",
            "Weiß",
        ],
    ),
    (
        "Paper",
        &[
            "Plain 90 g",
            "Plain 120 g",
            "Lined",
            "Dotted",
            "Grid 5 mm",
            "Grid 10 mm",
            "Staves ♪",
            "Washi 和紙",
        ],
    ),
    ("Ribbon", &["None", "Black", "Navy", "Red", "Moss", "Gold", "Oat", "Two of them"]),
];
