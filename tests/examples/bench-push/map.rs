//! Rows mapped and checked, beside the least that anyone does with a row: to read it and to write it as JSON.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use shared::domain::push::mapping::Mapping;
use shared::domain::push::row::{Purpose, Row};
use shared::domain::push::target::{Definitions, Stream};
use shared::providers::shopify::push::targets;
use system_tests::project_root;

/// Nanoseconds that this process has had a processor for.
fn cpu() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(stat.split(' ').next().context("no schedstat")?.parse()?)
}

/// One row of a stream, as a warehouse has it.
pub fn row(stream: Stream, n: usize) -> Value {
    let size = ["S", "M", "L"][n % 3];
    match stream {
        // Three variants a product.
        Stream::Products => json!({
            "product_id": format!("P-{}", n / 3), "name": format!("Linen shirt {}", n / 3), "care": "30 °C, do not bleach",
            "body": "<p>A shirt of washed linen, cut straight, with a small collar and buttons of shell.</p>",
            "tag_list": "linen,summer,new", "size": size, "color": "Blue",
            "sku": format!("SKU-{n}"), "price": format!("{}.90", 10 + n % 90),
        }),
        Stream::ProductVariants => json!({
            "sku": format!("SKU-{n}"), "price": 19.9, "list_price": "24.90", "ean": " 4006381333931 ",
        }),
        Stream::Customers => json!({
            "crm_id": n, "email": format!("Person{n}@Example.com "), "first": "Ada", "last": "O'Brien",
            "phone": "06 12 34 56 78", "note": null, "tier": "GOLD", "ltv": "1250.50", "city": "Paris", "country": "fr",
        }),
        Stream::Orders => json!({
            "order_no": format!("SO-{n}"), "placed_at": "2026-11-01 09:30:00", "currency": "EUR", "email": "a@example.com",
            "lines": r#"[{"sku":"A","qty":"2","unit_price":10},{"sku":"B","qty":1,"unit_price":"5.50"}]"#,
            "payments": [{"amount": "25.50"}],
        }),
        Stream::InventoryLevels => json!({"sku": format!("SKU-{n}"), "warehouse": "Paris", "qty": n % 500}),
    }
}

/// What the shop of the example mappings has defined.
pub fn definitions() -> Definitions {
    let mut definitions = Definitions::default();
    for (namespace, key, kind) in [
        ("sync", "external_id", "id"),
        ("sync", "order_ref", "id"),
        ("custom", "care_guide", "multi_line_text_field"),
        ("crm", "lifetime_value", "number_decimal"),
    ] {
        definitions.insert("", namespace, key, kind);
    }
    definitions
}

/// The example mapping of a stream.
pub fn document(stream: Stream) -> Result<Value> {
    let file = project_root().join(format!("docs/examples/mappings/{}.json", stream.as_str()));
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// Nanoseconds as microseconds of one of so many.
#[expect(clippy::cast_precision_loss, reason = "some seconds in nanoseconds")]
fn each(spent: u64, count: usize) -> f64 {
    spent as f64 / 1000.0 / count as f64
}

/// So many rows of every stream.
pub fn map(count: usize) -> Result<Value> {
    let mut streams = json!({});
    for stream in Stream::ALL {
        let mapping = Mapping::compile(&document(stream)?, targets(), &definitions(), None);
        let mapping = mapping.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let rows: Vec<Row> = (0..count).filter_map(|n| row(stream, n).as_object().cloned()).collect();
        let rows: Vec<&Row> = rows.iter().collect();
        let before = cpu()?;
        let made = match &mapping {
            Mapping::Levels(levels) => rows.iter().filter(|row| levels.map(row).is_ok()).count(),
            Mapping::Records(records) => {
                let mut made = 0;
                for group in records.group(&rows) {
                    let group: Vec<&Row> = group.iter().map(|at| rows[*at]).collect();
                    let input = records.map(&group).and_then(|record| record.input(Purpose::Update));
                    made += input.map_or(0, |input| usize::from(input.values.is_object()) * group.len());
                }
                made
            }
        };
        let spent = cpu()? - before;
        if made != rows.len() {
            bail!("{}: {made} of {count} rows were mapped", stream.as_str());
        }
        let texts: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let before = cpu()?;
        let mut bytes = 0;
        for text in &texts {
            let row: Row = serde_json::from_str(text)?;
            bytes += serde_json::to_vec(&row)?.len();
        }
        let beside = each(cpu()? - before, count);
        streams[stream.as_str()] = json!({"rows": count, "us_per_row": each(spent, count), "json_us_per_row": beside, "bytes": bytes});
    }
    Ok(json!({ "streams": streams }))
}
