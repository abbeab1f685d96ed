//! `docs/multiwoven.md`, carried out as it stands, with bodies that Multiwoven's own transformer made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shared::domain::push::target::Stream;
use shared::lambda::http::Response;
use shared::testkit::push_writer::FakeWriter;

use super::runs::rows;
use super::{WRITING, World, body, example};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root(path)).unwrap()).unwrap()
}

/// The blocks of JSON of the page, in their order.
fn blocks() -> Vec<Value> {
    let page = std::fs::read_to_string(root("docs/multiwoven.md")).unwrap();
    let blocks = page.split("```json").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

/// What the form of Multiwoven's HTTP destination asks for.
struct Form {
    id: String,
    header: String,
}

impl Form {
    async fn filled(world: &World, wanted: &Value) -> Self {
        let made = body(&world.made("one", wanted.clone()).await);
        let id = made["destination"]["id"].as_str().unwrap().to_owned();
        Self { id, header: format!("Bearer {}", made["key"].as_str().unwrap()) }
    }

    async fn send(&self, world: &World, said: &Value) -> Response {
        world.post(&self.id, "products", &self.header, &said.to_string()).await
    }
}

impl World {
    /// With a shop that has points for a few calls and is long in getting more.
    async fn slow() -> Self {
        let mut world = Self::mapped().await;
        world.writer = FakeWriter::new(world.clock.clone(), world.faults.clone()).with_bucket(100, 1);
        world
    }
}

/// An answer without the id of its run.
fn without_run(answer: &Response) -> Value {
    let mut told = body(answer);
    told.as_object_mut().unwrap().remove("run");
    told
}

#[tokio::test]
async fn the_page_works_as_it_is_written() {
    let blocks = blocks();
    let [key, check, checked, said, refused] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    let world = World::new(WRITING).await;
    let form = Form::filled(&world, key).await;

    // Before there is a mapping, the page says 409.
    let early = form.send(&world, check).await;
    assert_eq!((early.status_code, &body(&early)["code"]), (409, &json!("no_mapping")));
    assert_eq!(world.save(&example(), None).await.status_code, 200);
    let tested = form.send(&world, check).await;
    assert_eq!((tested.status_code, &body(&tested)), (200, checked));

    // The row of the page is what the transformer made of the example's first record.
    let case = read("docs/examples/multiwoven/products.json");
    assert_eq!(*said, case["bodies"][0]);
    let sent = form.send(&world, said).await;
    assert_eq!((sent.status_code, &body(&sent)["message"]), (200, &json!("1 created")), "{}", sent.body);

    let mut wrong = said.clone();
    wrong["records"][0]["fields"]["product_id"] = json!("P-9");
    wrong["records"][0]["fields"]["price"] = json!("1,234.50");
    let answer = form.send(&world, &wrong).await;
    assert_eq!((answer.status_code, &without_run(&answer)), (422, refused), "{}", answer.body);
}

#[tokio::test]
async fn what_the_transformer_makes_of_a_model_arrives_as_the_model_has_it() {
    let world = World::mapped().await;
    let form = Form::filled(&world, &json!({"stream": "products", "tool": "multiwoven", "name": "x"})).await;
    let case = read("docs/examples/multiwoven/products.json");
    let pairs = case["records"].as_array().unwrap().iter().zip(case["bodies"].as_array().unwrap());
    assert_eq!(case["records"].as_array().unwrap().len(), case["bodies"].as_array().unwrap().len());
    for (record, said) in pairs {
        let answer = form.send(&world, said).await;
        assert_eq!(answer.status_code, 200, "{}", answer.body);
        let made = world.writer.record(Stream::Products, record["id"].as_str().unwrap()).unwrap();
        assert_eq!(made["title"], record["name"]);
        if record["html"].is_null() {
            assert!(!made.contains_key("descriptionHtml"), "null clears nothing");
        } else {
            assert_eq!(made["descriptionHtml"], record["html"]);
        }
        let price = record["price"].as_f64().unwrap() * 1.2;
        let sent = made["variants"][0]["price"].as_str().unwrap();
        assert!((sent.parse::<f64>().unwrap() - price).abs() < 0.01, "{sent}");
        assert_eq!(made["variants"][0]["sku"], record["sku"]);
    }
    let stock = read("docs/examples/multiwoven/inventory_levels.json");
    let wanted = json!({"stream": "inventory_levels", "tool": "multiwoven", "name": "stock"});
    let made = body(&world.made("one", wanted).await);
    let (id, key) = (made["destination"]["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let document: Value =
        serde_json::from_str(include_str!("../../../docs/examples/mappings/inventory_levels.json")).unwrap();
    let document = Some(json!({"document": document}));
    world.ask("one", "POST", "/mappings/{stream}", "inventory_levels", document).await;
    world.writer.place("Main", "gid://fake/Location/1");
    world.writer.stock("SKU-0", true, &[("gid://fake/Location/1", 0)]);
    let said = stock["bodies"][0].to_string();
    let answer = world.post(id, "inventory_levels", &format!("Bearer {key}"), &said).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    assert_eq!(world.writer.stock_of("SKU-0").into_values().collect::<Vec<_>>(), [7]);
}

#[tokio::test]
async fn a_product_is_one_row_with_its_variants_in_a_column() {
    let world = World::new(WRITING).await;
    let mut document = example();
    document.as_object_mut().unwrap().remove("group_rows_by");
    document["fields"][6]["each"] = json!("json:variants");
    assert_eq!(world.save(&document, None).await.status_code, 200);
    let form = Form::filled(&world, &json!({"stream": "products", "tool": "multiwoven", "name": "x"})).await;
    // A column of JSON is a text to Multiwoven, which doubles the apostrophes in it as well.
    let variants = r#"[{"size":"S","color":"l''or","sku":"A-1","price":"9.90"},{"size":"L","color":"l''or","sku":"A-2","price":11}]"#;
    let row = json!({"product_id": "P-7", "name": "Ring", "variants": variants});
    let answer = form.send(&world, &json!({"records": [{"fields": row}]})).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    let made = world.writer.record(Stream::Products, "P-7").unwrap();
    let made = made["variants"].as_array().unwrap();
    let told: Vec<_> =
        made.iter().map(|variant| (variant["sku"].clone(), variant["price"].clone())).collect();
    assert_eq!(told, [(json!("A-1"), json!("9.90")), (json!("A-2"), json!("11"))]);
    assert!(made[0].to_string().contains("\"l'or\""), "{}", made[0]);
}

/// The connector for Multiwoven's gem is tested against these answers.
#[tokio::test]
async fn the_connector_is_tested_against_what_is_really_answered() {
    let wanted = json!({"stream": "products", "tool": "multiwoven", "name": "x"});
    let world = World::mapped().await;
    let form = Form::filled(&world, &wanted).await;
    let case = read("docs/examples/multiwoven/products.json");
    let mut wrong = case["bodies"][0].clone();
    wrong["records"][0]["fields"]["price"] = json!("twelve");
    let slow = World::slow().await;
    let slow_form = Form::filled(&slow, &wanted).await;
    let many: Vec<Value> =
        rows(0..40).as_array().unwrap().iter().map(|row| json!({ "fields": row })).collect();
    let other = World::new(WRITING).await;
    let stranger = body(&other.made("other", wanted.clone()).await);
    let (id, key) = (&stranger["destination"]["id"], &stranger["key"]);
    let (id, key) = (id.as_str().unwrap(), format!("Bearer {}", key.as_str().unwrap()));
    let mut answers = BTreeMap::new();
    answers.insert("check", form.send(&world, &json!({})).await);
    answers.insert("written", form.send(&world, &case["bodies"][0]).await);
    answers.insert("refused", form.send(&world, &wrong).await);
    answers.insert("kept", slow_form.send(&slow, &json!({ "records": many })).await);
    answers.insert("invalid_key", world.post(&form.id, "products", "Bearer mck_0", "{}").await);
    answers.insert("not_connected", other.post(id, "products", &key, "{}").await);
    let statuses: Vec<u16> = answers.values().map(|answer| answer.status_code).collect();
    assert_eq!(statuses, [200, 401, 201, 401, 422, 200], "in the order of their names");
    for (name, answer) in answers {
        let path = format!("integrations/multiwoven/spec/answers/{name}.json");
        let mut told = body(&answer);
        for changing in ["run", "request_id"] {
            told.as_object_mut().unwrap().remove(changing);
        }
        let told = json!({"status": answer.status_code, "body": told});
        if std::env::var_os("UPDATE_ANSWERS").is_some() {
            let text = serde_json::to_string_pretty(&told).unwrap();
            std::fs::write(root(&path), text + "\n").unwrap();
        }
        assert_eq!(read(&path), told, "{name}: UPDATE_ANSWERS=1 writes them anew");
    }
}
