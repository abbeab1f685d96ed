//! What holds for every row.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::domain::push::row::{Purpose, undouble_apostrophes};
use crate::domain::push::target::{Object, Scalar};

/// Any JSON, not deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        prop_oneof![
            Just("12"),
            Just("-1.50"),
            Just("true"),
            Just("EUR"),
            Just("2026-01-01"),
            Just("[{\"qty\":1}]")
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Every column that an example names, anywhere.
fn columns(document: &Value, found: &mut BTreeSet<String>) {
    match document {
        Value::String(text) => {
            found.insert(text.trim_start_matches("json:").trim_start_matches('/').to_owned());
        }
        Value::Array(list) => list.iter().for_each(|value| columns(value, found)),
        Value::Object(map) => map.values().for_each(|value| columns(value, found)),
        _ => {}
    }
}

/// What a column of this name mostly holds; anything else now and then, so that most rows get through and all are tried.
fn usual(name: &str) -> BoxedStrategy<Value> {
    let words = |words: &'static [&'static str]| prop::sample::select(words).prop_map(Value::from).boxed();
    match name {
        "lines" => words(&[
            r#"[{"sku":"A","qty":"2","unit_price":10},{"sku":"B","qty":1,"unit_price":"5.50"}]"#,
            r#"[{"sku":"A","qty":3}]"#,
        ]),
        "payments" => Just(json!([{"amount": "25.50"}, {"amount": 3}])).boxed(),
        "currency" => words(&["EUR", "usd"]),
        "country" => words(&["fr", "DE"]),
        "placed_at" => words(&["2026-11-01 09:30:00", "2026-11-01T09:30:00+01:00"]),
        "phone" => words(&["06 12 34 56 78", "+44 20 7946 0018"]),
        "price" | "list_price" | "unit_price" | "amount" | "ltv" => prop_oneof![
            words(&["19.90", "0.5", "-3", "007"]),
            (0..10_000_i64).prop_map(Value::from),
            (0..10_000_i32).prop_map(|cents| json!(f64::from(cents) / 100.0)),
        ]
        .boxed(),
        _ => "\\PC{1,12}".prop_map(Value::from).boxed(),
    }
}

fn any_row(stream: Stream) -> impl Strategy<Value = Row> {
    let mut names = BTreeSet::new();
    columns(&example(stream), &mut names);
    let columns: Vec<_> = names
        .into_iter()
        .map(|name| {
            (Just(name.clone()), prop_oneof![24 => usual(&name), 1 => Just(Value::Null), 1 => any_json()])
        })
        .collect();
    columns.prop_map(Row::from_iter)
}

/// Everything in an input that the schema does not allow.
fn misfits(value: &Value, object: &Object, lookups: &BTreeSet<String>, at: &str, found: &mut Vec<String>) {
    let Some(map) = value.as_object() else { return found.push(format!("{at}: no object")) };
    for (name, field) in object.fields.iter().filter(|(_, field)| field.required) {
        if !map.contains_key(name) {
            found.push(format!("{at}/{name} is lacking: {field:?}"));
        }
    }
    for (name, value) in map {
        let at = format!("{at}/{name}");
        // Metafields of customers are written by a call of their own.
        let Some(field) = object.fields.get(name) else {
            if name != "metafields" {
                found.push(format!("{at} is unknown"));
            }
            continue;
        };
        if value.is_null() && (!field.required || lookups.contains(&at)) {
            continue;
        }
        let elements: Vec<(String, &Value)> = match (field.list, value) {
            (true, Value::Array(list)) => {
                list.iter().enumerate().map(|(n, one)| (format!("{at}/{n}"), one)).collect()
            }
            (true, _) => return found.push(format!("{at}: no list")),
            (false, one) => vec![(at, one)],
        };
        for (at, value) in elements {
            match &field.kind {
                Kind::Object(inner) => misfits(value, &targets().objects[inner], lookups, &at, found),
                Kind::Scalar(scalar) => {
                    let fits = match scalar {
                        Scalar::Integer => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
                        Scalar::Long => value.is_i64(),
                        Scalar::Number => value.is_number(),
                        Scalar::Boolean => value.is_boolean(),
                        Scalar::Id(start) => value.as_str().is_some_and(|id| id.starts_with(start.as_str())),
                        Scalar::OneOf(words) => {
                            value.as_str().is_some_and(|word| words.iter().any(|known| known == word))
                        }
                        Scalar::Decimal => value.as_str().is_some_and(|text| {
                            let digits = text.trim_start_matches('-').replacen('.', "", 1);
                            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
                        }),
                        Scalar::Text | Scalar::Timestamp | Scalar::Date | Scalar::Url | Scalar::Json => {
                            value.is_string()
                        }
                    };
                    if !fits {
                        found.push(format!("{at}: {value} is no {scalar:?}"));
                    }
                }
            }
        }
    }
}

/// Whether rows get through, so that a property that never looks at one cannot pass.
fn gets_through(stream: Stream, rows: &[Row]) -> bool {
    let mapping = compile(&example(stream)).unwrap();
    let rows: Vec<&Row> = rows.iter().collect();
    mapping.records().unwrap().map(&rows).is_ok_and(|record| record.input(Purpose::Create).is_ok())
}

#[test]
fn many_of_the_rows_that_are_tried_get_through() {
    let mut runner = TestRunner::deterministic();
    for stream in [Stream::Products, Stream::ProductVariants, Stream::Customers, Stream::Orders] {
        let rows = any_row(stream);
        let tried = (0..100).map(|_| rows.new_tree(&mut runner).unwrap().current());
        let through = tried.filter(|row| gets_through(stream, std::slice::from_ref(row))).count();
        assert!((10..100).contains(&through), "{stream:?}: {through} of 100");
    }
}

fn holds(stream: Stream, rows: &[Row]) -> Result<(), TestCaseError> {
    let mapping = compile(&example(stream)).unwrap();
    let records = mapping.records().unwrap();
    let rows: Vec<&Row> = rows.iter().collect();
    let groups = records.group(&rows);
    let mut seen: Vec<usize> = groups.iter().flatten().copied().collect();
    seen.sort_unstable();
    prop_assert_eq!(seen, (0..rows.len()).collect::<Vec<_>>(), "every row is in one group");
    for group in groups {
        let rows: Vec<&Row> = group.iter().map(|at| rows[*at]).collect();
        match records.map(&rows) {
            Ok(record) => {
                for purpose in [Purpose::Create, Purpose::Update] {
                    let input = record.input(purpose);
                    prop_assert_eq!(
                        &input,
                        &records.map(&rows).unwrap().input(purpose),
                        "the same row, the same input"
                    );
                    let Ok(input) = input else { continue };
                    let lookups = input.lookups.iter().map(|lookup| lookup.pointer.clone()).collect();
                    let mut found = Vec::new();
                    let root = &targets().objects[&targets().streams[&stream].root];
                    misfits(&input.values, root, &lookups, "", &mut found);
                    prop_assert!(found.is_empty(), "{:?}", found);
                }
            }
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
    Ok(())
}

proptest! {
    // A case maps some rows four times and walks everything that comes of them.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_product_becomes_fits_the_schema(rows in prop::collection::vec(any_row(Stream::Products), 1..4)) {
        holds(Stream::Products, &rows)?;
    }

    #[test]
    fn what_a_variant_becomes_fits_the_schema(row in any_row(Stream::ProductVariants)) {
        holds(Stream::ProductVariants, &[row])?;
    }

    #[test]
    fn what_a_customer_becomes_fits_the_schema(row in any_row(Stream::Customers)) {
        holds(Stream::Customers, &[row])?;
    }

    #[test]
    fn what_an_order_becomes_fits_the_schema(row in any_row(Stream::Orders)) {
        holds(Stream::Orders, &[row])?;
    }

    #[test]
    fn a_level_is_made_or_refused(row in any_row(Stream::InventoryLevels)) {
        let mapping = compile(&example(Stream::InventoryLevels)).unwrap();
        if let Err(problems) = mapping.levels().unwrap().map(&row) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn undoing_gives_back_what_was_doubled(text in "[a-z' ]{0,20}") {
        let mut value = Value::from(text.replace('\'', "''"));
        undouble_apostrophes(&mut value);
        prop_assert_eq!(value, Value::from(text));
    }
}
