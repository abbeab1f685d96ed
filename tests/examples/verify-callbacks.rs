//! Our verdict on callbacks, webhooks and shop names, to be compared with that of Shopify's own library
//! (`python -m local agreement`). Reads cases from standard input, one JSON object a line, writes a verdict each.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::ports::provider::{AppSecret, CallbackRefusal, Connect as _, WebhookRefusal, Webhooks as _};
use shared::providers::shopify::Shopify;

fn text<'a>(case: &'a Value, name: &str) -> Result<&'a str> {
    case[name].as_str().with_context(|| format!("no `{name}` in {case}"))
}

fn app(case: &Value) -> Result<AppSecret> {
    let secret = |at: usize| case["secrets"][at].as_str().map(Into::into);
    Ok(AppSecret {
        client_id: "app-1".to_owned(),
        current: secret(0).context("no secret")?,
        previous: secret(1),
    })
}

/// Whether the signature holds, whatever else is wanted of a webhook.
fn webhook(shopify: &Shopify, case: &Value) -> Result<Value> {
    let headers = |name: &str| case["headers"][name].as_str().map(str::to_owned);
    let verified = shopify.verify_webhook(&headers, text(case, "body")?.as_bytes(), &app(case)?);
    Ok(match verified {
        Err(WebhookRefusal::Signature) => json!({"verdict": "refuse", "reason": "signature"}),
        Ok(_) | Err(WebhookRefusal::Malformed) => json!({"verdict": "accept", "shop": ""}),
    })
}

/// A genuine callback still has to carry the state that the attempt began with.
fn callback(shopify: &Shopify, case: &Value) -> Result<Value> {
    use secrecy::ExposeSecret as _;
    let app = app(case)?;
    let now = Timestamp::from_second(case["now"].as_i64().context("no `now`")?)?;
    Ok(match shopify.verify_callback(text(case, "query")?, &app, now) {
        Ok(callback) if callback.state.expose_secret() == text(case, "state")? => {
            json!({"verdict": "accept", "shop": callback.shop.as_str()})
        }
        Ok(_) => json!({"verdict": "refuse", "reason": "state"}),
        Err(CallbackRefusal::Malformed) => json!({"verdict": "refuse", "reason": "malformed"}),
        Err(CallbackRefusal::Signature) => json!({"verdict": "refuse", "reason": "signature"}),
        Err(CallbackRefusal::Stale) => json!({"verdict": "refuse", "reason": "stale"}),
    })
}

fn main() -> Result<()> {
    let shopify = Shopify::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let mut verdict = match text(&case, "kind")? {
            "callback" => callback(&shopify, &case)?,
            "webhook" => webhook(&shopify, &case)?,
            _ => match shopify.parse_shop(text(&case, "shop")?) {
                Ok(shop) => json!({"verdict": "accept", "shop": shop.as_str()}),
                Err(_) => json!({"verdict": "refuse", "reason": "invalid_shop"}),
            },
        };
        verdict["id"] = case["id"].clone();
        writeln!(out, "{verdict}")?;
    }
    Ok(())
}
