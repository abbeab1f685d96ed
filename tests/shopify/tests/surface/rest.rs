use http::StatusCode;
use serde_json::Value;

use crate::support::{READ, Sim};

async fn get(sim: &Sim, token: &str, url: &str) -> (StatusCode, Option<String>, Value) {
    let answer = sim.client.get(url).header("X-Shopify-Access-Token", token).send().await.unwrap();
    let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
    (answer.status(), link, answer.json().await.unwrap())
}

#[tokio::test]
async fn leftovers_answer_what_clients_check() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let (_, _, shop) = get(&sim, &token, &sim.url("/admin/api/2026-10/shop.json")).await;
    assert_eq!(shop["shop"]["myshopify_domain"], "demo.myshopify.com");
    let (_, _, scopes) = get(&sim, &token, &sim.url("/admin/oauth/access_scopes.json")).await;
    assert_eq!(scopes["access_scopes"].as_array().unwrap().len(), 3);
    let (_, _, locations) = get(&sim, &token, &sim.url("/admin/api/2026-10/locations.json")).await;
    let held = sim.simulator().shop("demo").unwrap().snapshot().shop.locations.len();
    assert_eq!(locations["locations"].as_array().unwrap().len(), held);
    let (status, _, _) = get(&sim, "wrong", &sim.url("/admin/api/2026-10/shop.json")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let narrow = sim.token(&["read_products"]).await;
    let (status, _, _) = get(&sim, &narrow, &sim.url("/admin/api/2026-10/locations.json")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn product_pages_link_to_the_next() {
    let sim = Sim::with("generated:23").await;
    let token = sim.token(&READ).await;
    let mut url = Some(sim.url("/admin/api/2026-07/products.json?limit=10"));
    let mut sizes = Vec::new();
    while let Some(next) = url {
        let (_, link, page) = get(&sim, &token, &next).await;
        sizes.push(page["products"].as_array().unwrap().len());
        url = link.map(|link| link.trim_start_matches('<').split('>').next().unwrap().to_owned());
    }
    assert_eq!(sizes, [10, 10, 3]);
}
