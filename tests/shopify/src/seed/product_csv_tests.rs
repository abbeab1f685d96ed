//! Exports as merchants have them.

use super::*;
use crate::model::{InventoryPolicy, MediaContent, Product, ProductStatus, WeightUnit};

const EXPORT: &str = "\u{feff}Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Fulfillment Service,Variant Price,Variant Compare At Price,Variant Requires Shipping,Variant Taxable,Variant Barcode,Image Src,Image Position,Image Alt Text,Gift Card,SEO Title,SEO Description,Variant Image,Variant Weight Unit,Cost per item,Status
kite,Kite „Böe“,\"<p>Flies, even in rain.</p>
<ul>
  <li>\"\"Strong\"\" line</li>
</ul>\",Wind & Co,Toys & Games > Kites,Kites,\"wind, outdoor , kids,\",true,Colour,Red,Size,S,,,K-R-S,1500.0,shopify,7,deny,manual,24.9,30.00,true,true,'4006381333931,https://cdn.example/kite-1.jpg,1,Red kite,false,Kite,Fly!,https://cdn.example/kite-red.jpg,kg,9.5,active
kite,,,,,,,,,Red,,L,,,K-R-L,1700,shopify,-2,continue,manual,34,,true,true,,https://cdn.example/kite-3.jpg,3,,,,,,kg,,
kite,,,,,,,,,Blue,,S,,,,1500,shopify,0,deny,manual,24.90,,true,false,,https://cdn.example/kite-2.jpg,2,,,,,https://cdn.example/kite-2.jpg,kg,,
kite,,,,,,,,,,,,,,,,,,,,,,,,,https://cdn.example/kite-4.jpg,4,Seen from below,,,,,,,
voucher,Voucher,,Wind & Co,,,,false,Title,Default Title,,,,,,0,,,deny,gift_card,25.00,,false,false,,,,,true,,,,g,,draft
";

fn read(text: &str) -> Result<CsvShop, CsvError> {
    csv("mine", text.as_bytes())
}

fn product<'a>(shop: &'a Shop, handle: &str) -> &'a Product {
    shop.products.values().find(|product| product.handle == handle).unwrap()
}

#[test]
fn a_full_export_is_read() {
    let CsvShop { shop, warnings } = read(EXPORT).unwrap();
    let counts = shop.counts();
    assert_eq!(
        (counts.products, counts.variants, counts.media, counts.stock, counts.warehouses),
        (2, 4, 5, 4, 1)
    );
    assert_eq!(shop.locations.values().next().unwrap().name, "Main");
    assert_eq!(
        warnings,
        [Warning { line: 1, text: "column `Variant Fulfillment Service` is not imported".into() }]
    );

    let kite = product(&shop, "kite");
    assert_eq!(kite.title, "Kite „Böe“");
    assert!(
        kite.description_html.contains("\n<ul>\n  <li>\"Strong\" line</li>"),
        "{}",
        kite.description_html
    );
    assert_eq!(kite.tags, ["kids", "outdoor", "wind"]);
    assert_eq!(kite.category.as_ref().unwrap().name, "Kites");
    assert_eq!((kite.seo.title.as_deref(), kite.seo.description.as_deref()), (Some("Kite"), Some("Fly!")));
    assert!(kite.published_at.is_some());
    let titles: Vec<String> = kite.variants.iter().map(|variant| kite.variant_title(variant)).collect();
    assert_eq!(titles, ["Red / S", "Red / L", "Blue / S"]);
    let urls: Vec<&str> = kite
        .media
        .iter()
        .map(|media| match &media.content {
            MediaContent::Image { url, .. } => url.rsplit('/').next().unwrap(),
            _ => panic!("an export holds images only"),
        })
        .collect();
    assert_eq!(urls, ["kite-1.jpg", "kite-2.jpg", "kite-3.jpg", "kite-4.jpg", "kite-red.jpg"]);
    assert_eq!(kite.media[3].alt.as_deref(), Some("Seen from below"));
}

#[test]
fn prices_stock_and_weights_are_read() {
    let shop = read(EXPORT).unwrap().shop;
    let variants = &product(&shop, "kite").variants;
    let level = |number: usize| variants[number].item.levels.values().next().unwrap().available;
    assert_eq!([level(0), level(1), level(2)], [7, -2, 0]);
    assert_eq!([variants[0].price, variants[1].price], [2490, 3400]);
    assert_eq!((variants[0].compare_at_price, variants[0].item.unit_cost), (Some(3000), Some(950)));
    assert_eq!(variants[1].inventory_policy, InventoryPolicy::Continue);
    assert_eq!(variants[0].barcode.as_deref(), Some("4006381333931"));
    assert_eq!(variants[2].item.sku, None);
    assert!(!variants[2].taxable);
    let weight = variants[1].item.weight.unwrap();
    assert_eq!((weight.value, weight.unit), (1.7, WeightUnit::Kilograms));
    assert_eq!(variants[2].media_ids, [product(&shop, "kite").media[1].id]);

    let voucher = product(&shop, "voucher");
    assert!(voucher.gift_card && voucher.has_only_default_variant());
    assert_eq!((voucher.status, voucher.published_at), (ProductStatus::Draft, None));
    assert!(!voucher.variants[0].item.tracked && !voucher.variants[0].item.requires_shipping);
}

#[test]
fn an_old_file_with_few_columns_is_read() {
    let shop = read("Handle,Title,Variant Price\nmug,Mug,8\nbowl,Bowl,12.5\n").unwrap().shop;
    let mug = product(&shop, "mug");
    assert!(mug.has_only_default_variant());
    assert_eq!((mug.status, mug.variants[0].price, mug.media.len()), (ProductStatus::Active, 800, 0));
    assert_eq!(product(&shop, "bowl").variants[0].price, 1250);
}

#[test]
fn the_newer_headings_are_read_too() {
    let text = "Title,URL handle,Description,Published on online store,Status,SKU,Option1 name,Option1 value,Price,Compare-at price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL\n\
        Mug,mug,<p>Hot</p>,TRUE,Active,M-1,Colour,Black,8.00,,shopify,4,CONTINUE,https://cdn.example/m.jpg\n";
    let CsvShop { shop, warnings } = read(text).unwrap();
    assert_eq!(warnings, []);
    let mug = product(&shop, "mug");
    assert_eq!((mug.description_html.as_str(), mug.media.len()), ("<p>Hot</p>", 1));
    assert_eq!(mug.variants[0].inventory_policy, InventoryPolicy::Continue);
    assert_eq!(mug.variants[0].item.levels.values().next().unwrap().available, 4);
}

#[test]
fn a_collection_column_makes_manual_collections() {
    let shop = read("Handle,Title,Collection\na,A,Best\nb,B,Best\nc,C,\n").unwrap().shop;
    assert_eq!((shop.counts().categories, shop.counts().memberships), (1, 2));
}

#[test]
fn rows_of_a_product_that_stand_apart_are_joined() {
    let text = "Handle,Title,Option1 Name,Option1 Value\na,A,Size,S\nb,B,Title,Default Title\na,,,M\n";
    let CsvShop { shop, warnings } = read(text).unwrap();
    assert_eq!(product(&shop, "a").variants.len(), 2);
    assert_eq!((warnings.len(), warnings[0].line), (1, 4));
}

#[test]
fn the_same_file_gives_the_same_shop() {
    let text = || format!("{:?}", read(EXPORT).unwrap());
    assert_eq!(text(), text());
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let cases = [
        ("", "the file is empty"),
        ("Name,Amount\nx,1\n", "names no column `Handle`; it names: Name, Amount"),
        ("Handle;Title\na;A\n", "separated by `;`"),
        ("Handle,Title,Handle\na,A,a\n", "the column `Handle` twice"),
        ("Handle,Title\na,A,extra\n", "line 2: the row has 3 cells, the heading has 2"),
        (
            "Handle,Title,Variant Price\na,\"A\nB\",1\nb,B,12 EUR\n",
            "line 4: `12 EUR` in column `Variant Price` is not an amount",
        ),
        ("Handle,Title,Variant Price\na,A,-1\n", "line 2: `-1` in column `Variant Price`"),
        ("Handle,Title,Variant Price\na,A,1.005\n", "line 2: `1.005` in column `Variant Price`"),
        (
            "Handle,Title,Variant Inventory Qty\na,A,many\n",
            "line 2: `many` in column `Variant Inventory Qty` is not a whole number",
        ),
        ("Handle,Title,Status\na,A,sold\n", "is not active, draft, archived or unlisted"),
        ("Handle,Title,Published\na,A,maybe\n", "line 2: `maybe` in column `Published` is not true or false"),
        ("Handle,Title\n,A\n", "line 2: the row has no handle"),
        ("Handle,Title\na,\n", "line 2: the first row of a product has no title"),
        (
            "Handle,Title,Option1 Name,Option1 Value\na,A,Size,S\na,,,S\n",
            "line 3: the product has this variant already",
        ),
        (
            "Handle,Title,Option1 Name,Option1 Value,Option2 Value\na,A,Size,S,Red\n",
            "line 2: the row has a value for an option",
        ),
        (
            "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value\na,A,Size,S,Colour,Red\na,,,M,,\n",
            "line 3: the variant lacks the value of an option",
        ),
    ];
    for (text, wanted) in cases {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(wanted), "{text:?} gave: {said}");
    }
    let said = csv("mine", &b"Handle,Title\na,\xff\xfe\n"[..]).unwrap_err().to_string();
    assert!(said.contains("line 2: the text is not UTF-8"), "{said}");
}

#[test]
fn other_trackers_and_missing_prices_are_warned_about() {
    let text = "Handle,Title,Variant Inventory Tracker,Variant Price\na,A,amazon_marketplace_web,\n";
    let texts: Vec<String> = read(text).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "line 2: the variant has no price; taken as 0.00",
            "line 2: stock is kept by `amazon_marketplace_web`, not by Shopify; taken as not tracked",
        ]
    );
}
