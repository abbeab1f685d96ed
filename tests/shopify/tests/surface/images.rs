//! Files of images, at the addresses that the shop names.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use reqwest::Response;
use serde_json::{Value, json};
use shopify_simulator::images::is_shared;

use crate::support::{READ, Sim};

const SEED: &str = "generated:20:3";

/// What the shop says of its images, by id.
async fn images(sim: &Sim) -> BTreeMap<u64, Value> {
    let token = sim.token(&READ).await;
    let query = "{ products(first: 20) { nodes { media(first: 20, query: \"media_type:IMAGE\") { nodes {
        ... on MediaImage { id status mimeType originalSource { fileSize } image { url width height } }
    } } } } }";
    let data = sim.data(&token, query, Value::Null).await;
    let products = data["products"]["nodes"].as_array().unwrap();
    let all = products.iter().flat_map(|product| product["media"]["nodes"].as_array().unwrap());
    all.map(|media| {
        let id = media["id"].as_str().unwrap().rsplit('/').next().unwrap();
        (id.parse().unwrap(), media.clone())
    })
    .collect()
}

async fn get(sim: &Sim, url: &str) -> Response {
    sim.client.get(url).send().await.unwrap()
}

async fn file(sim: &Sim, url: &str) -> Vec<u8> {
    let answer = get(sim, url).await;
    assert_eq!(
        (answer.status(), &answer.headers()[CONTENT_TYPE]),
        (StatusCode::OK, &"image/jpeg".parse().unwrap())
    );
    answer.bytes().await.unwrap().to_vec()
}

fn url(media: &Value) -> &str {
    media["image"]["url"].as_str().unwrap()
}

/// The segments of a JPEG before its data: marker and content.
fn segments(jpeg: &[u8]) -> Vec<(u8, &[u8])> {
    assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]));
    let (mut found, mut rest) = (Vec::new(), &jpeg[2..]);
    loop {
        let [0xFF, marker, high, low, ..] = *rest else { panic!("no segment") };
        let length = usize::from(u16::from_be_bytes([high, low])) + 2;
        found.push((marker, &rest[4..length]));
        rest = &rest[length..];
        if marker == 0xDA {
            return found;
        }
    }
}

#[tokio::test]
async fn an_image_is_what_the_shop_says_of_it() {
    let sim = Sim::with(SEED).await;
    let images = images(&sim).await;
    let ready = images.values().filter(|media| media["status"] == "READY");
    assert!(ready.clone().count() > 20);
    for media in ready {
        let jpeg = file(&sim, url(media)).await;
        assert_eq!(media["originalSource"]["fileSize"], jpeg.len());
        assert_eq!(media["mimeType"], "image/jpeg");
        let segments = segments(&jpeg);
        let frame = segments.iter().find(|(marker, _)| *marker == 0xC0).unwrap().1;
        let size = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        assert_eq!((&media["image"]["height"], &media["image"]["width"]), (&json!(size(1)), &json!(size(3))));
        assert_eq!(jpeg, file(&sim, url(media)).await, "the same bytes each time");
    }
}

#[tokio::test]
async fn images_differ_but_for_those_that_show_one_picture() {
    let sim = Sim::with(SEED).await;
    let mut shared = BTreeSet::new();
    let mut own = BTreeSet::new();
    let (mut of_shared, mut of_own) = (0, 0);
    for (id, media) in images(&sim).await.into_iter().filter(|(_, media)| media["status"] == "READY") {
        let file = file(&sim, url(&media)).await;
        if is_shared(id) {
            of_shared += 1;
            shared.insert(file);
        } else {
            of_own += 1;
            own.insert(file);
        }
    }
    assert!(of_shared > 1 && of_own > 20, "{of_shared}, {of_own}");
    assert_eq!((shared.len(), own.len()), (1, of_own));
}

#[tokio::test]
async fn a_replaced_image_keeps_its_address_and_is_another_file() {
    let sim = Sim::with(SEED).await;
    let before = images(&sim).await;
    let mut earlier = BTreeMap::new();
    for (id, media) in before.iter().filter(|(_, media)| media["status"] == "READY") {
        earlier.insert(*id, file(&sim, url(media)).await);
    }
    let applied = sim.change(json!({"kind": "image"})).await;
    let after = images(&sim).await;
    let changed: Vec<u64> = earlier.keys().copied().filter(|id| after[id] != before[id]).collect();
    let [id] = changed[..] else { panic!("{changed:?}") };
    assert_eq!(
        (&applied["before"], &applied["after"]),
        (&before[&id]["image"]["url"], &after[&id]["image"]["url"])
    );
    let (was, is) = (url(&before[&id]), url(&after[&id]));
    assert_eq!(was.split('?').next(), is.split('?').next());
    assert_ne!(was, is);
    let next = file(&sim, is).await;
    assert_ne!(next, earlier[&id]);
    assert_eq!(file(&sim, was).await, next, "whatever version is asked for");
    for (other, content) in earlier.iter().filter(|(other, _)| **other != id) {
        assert_eq!(&file(&sim, url(&after[other])).await, content, "{other}");
    }
}

#[tokio::test]
async fn a_file_that_is_known_is_not_sent_again() {
    let sim = Sim::with(SEED).await;
    let images = images(&sim).await;
    let media = images.values().find(|media| media["status"] == "READY").unwrap();
    let first = get(&sim, url(media)).await;
    let tag = first.headers()[ETAG].clone();
    let length = first.bytes().await.unwrap().len();
    let ask = async |tag| sim.client.get(url(media)).header(IF_NONE_MATCH, tag).send().await.unwrap();
    let again = ask(tag).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.bytes().await.unwrap().is_empty());
    assert_eq!(ask("\"another\"".parse().unwrap()).await.status(), StatusCode::OK);
    let calls = sim.calls().await;
    assert_eq!((&calls["files"], &calls["file_bytes"]), (&json!(3), &json!(2 * length)));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let sim = Sim::with(SEED).await;
    let images = images(&sim).await;
    let good = url(images.values().find(|media| media["status"] == "READY").unwrap());
    let unknown = [
        "https://cdn.shopify.com/".to_owned(),
        "https://cdn.shopify.com/s/files/1/0600/1/files/no.jpg".to_owned(),
        good.replace(".jpg", ".png"),
        good.replace("/files/1/", "/files/2/"),
    ];
    for url in unknown {
        assert_eq!(get(&sim, &url).await.status(), StatusCode::NOT_FOUND, "{url}");
    }
    let product = sim.simulator().shop("demo").unwrap().snapshot().shop.products.values().next().unwrap().id;
    let of_product = images.values().find(|media| media["status"] == "READY").unwrap();
    assert_eq!(get(&sim, url(of_product)).await.status(), StatusCode::OK);
    sim.change(json!({"kind": "product_delete", "product": product})).await;
    let gone = images.values().filter(|media| media["status"] == "READY");
    let mut lost = 0;
    for media in gone {
        lost += u32::from(get(&sim, url(media)).await.status() == StatusCode::NOT_FOUND);
    }
    assert!(lost > 0, "what went with its product");
    let video = get(&sim, "https://cdn.shopify.com/videos/c/o/v/1.mp4").await;
    assert_eq!(video.status(), StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_noticed_and_a_token_is_counted() {
    let sim = Sim::with(SEED).await;
    let images = images(&sim).await;
    let url = url(images.values().find(|media| media["status"] == "READY").unwrap());
    sim.faults(json!({"truncated_body": 1})).await;
    assert!(get(&sim, url).await.bytes().await.is_err());
    sim.faults(json!({"http_5xx": 1})).await;
    assert_eq!(get(&sim, url).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(sim.calls().await["tokens_leaked"], 0);
    let answer = sim.client.get(url).header("X-Shopify-Access-Token", "t").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(sim.calls().await["tokens_leaked"], 1);
}
