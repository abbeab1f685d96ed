//! Nothing secret in logs, tables, histories or answers (P7).

use base64::Engine as _;

use crate::lines;
use crate::world::{Browser, SECRET, World, code, protected, store};

#[tokio::test]
async fn no_secret_leaves_the_vault_and_the_cookie() {
    let (lines, guard) = lines::collect();

    let world = World::new();
    let mut browser = Browser::default();
    let begun = world.begin("st-1", "acme", &mut browser).await;
    let query = world.approved(&begun);
    let mut secrets: Vec<String> = vec![SECRET.to_owned()];
    for name in ["code=", "state=", "hmac="] {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap();
        secrets.push(value.to_owned());
    }
    let tampered = world.come_back(&query.replace("code=c", "code=d"), &mut browser).await;
    assert_eq!(code(&tampered), "callback_forged");
    let cookie = browser.0.values().next().unwrap().clone();
    secrets.push(cookie);
    let mut answers = vec![tampered.body];
    answers.push(world.come_back(&query, &mut browser).await.headers["location"].clone());
    answers.push(world.come_back(&query, &mut browser).await.body);
    secrets.extend(world.vault.readable_tokens());
    world.later(4_000);
    world.access().shop_access(&store("st-1"), crate::world::PROVIDER).await.unwrap();
    secrets.extend(world.vault.readable_tokens());
    answers.push(world.card("st-1").await.to_string());
    answers.push(
        world.send(protected("GET /stores/{store_id}/connectors/{provider}/history", "st-1")).await.body,
    );
    answers.push(world.drop("st-1").await.body);
    drop(guard);

    let text = format!(
        "{}\n{}\n{}",
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap(),
        world.connectors.dump(),
        answers.join("\n")
    );
    assert!(text.contains("connected") && text.contains("refreshed a token"), "nothing was logged: {text}");
    assert!(secrets.len() >= 7, "{}", secrets.len());
    for secret in secrets {
        let forms = [
            secret.clone(),
            hex::encode(&secret),
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(&secret),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&secret),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        ];
        for form in forms {
            assert!(!text.contains(&form), "found {form} in {text}");
        }
    }
}
