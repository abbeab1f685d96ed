//! Sends what is due, as Shopify does: <https://shopify.dev/docs/apps/build/webhooks/delivery-structure>.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::address::OnlyHere;
use super::outbox::{Attempt, Delivery, Verdict};
use super::publish;
use crate::apps::hmac_bytes;
use crate::server::Simulator;
use crate::shop::lock;

/// A receiver has a second to accept the connection,
const CONNECT: Duration = Duration::from_secs(1);
/// and five to answer.
const WHOLE: Duration = Duration::from_secs(5);
/// So many deliveries are under way at once.
const AT_ONCE: usize = 64;
/// The longest sleep; whatever happens earlier wakes it.
const IDLE: Duration = Duration::from_secs(60);

/// The client that deliveries go out by: no proxy, no redirects, no name resolved to anything but this machine.
///
/// # Errors
/// When TLS cannot be set up.
pub(crate) fn client() -> reqwest::Result<Client> {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .dns_resolver(Arc::new(OnlyHere))
        // Receivers are on loopback, where nobody has a certificate to show.
        .tls_danger_accept_invalid_certs(true)
        .pool_max_idle_per_host(0)
        .build()
}

/// Sends until it is dropped.
pub(crate) async fn run(simulator: Arc<Simulator>, client: Client) {
    let mut attempts = JoinSet::new();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        publish::by_time(&simulator);
        let held = |label: &str| simulator.shop(label).is_some_and(|state| lock(&state.faults).hold_webhooks);
        for (id, delivery) in simulator.outbox.take_due(simulator.clock.now(), held) {
            let (simulator, client, places) = (Arc::clone(&simulator), client.clone(), Arc::clone(&places));
            attempts.spawn(async move {
                // The semaphore is never closed.
                let _place = places.acquire().await;
                attempt(&simulator, &client, id, &delivery).await;
            });
        }
        while attempts.try_join_next().is_some() {}
        let pause = pause(&simulator);
        tokio::select! {
            () = simulator.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How long nothing is going to be due, as far as can be known now.
fn pause(simulator: &Simulator) -> Duration {
    let redaction = lock(&simulator.rights).next_redaction();
    let next = simulator.outbox.next_due().into_iter().chain(redaction).min();
    let now = simulator.clock.now();
    let until_due = next.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    let shops = simulator.shops();
    let bulk = shops.iter().filter_map(|state| {
        let stalled = lock(&state.faults).bulk_stall;
        lock(&state.bulk).next_finish(stalled)
    });
    bulk.chain(until_due).min().unwrap_or(IDLE).min(IDLE)
}

async fn attempt(simulator: &Simulator, client: &Client, id: u64, delivery: &Delivery) {
    let (at, started) = (simulator.clock.now(), Instant::now());
    let (status, error) = match post(simulator, client, delivery).await {
        Ok(status) => (Some(status), None),
        Err(problem) => (None, Some(problem)),
    };
    let milliseconds = started.elapsed().as_secs_f64() * 1_000.0;
    tracing::info!(
        shop.label = delivery.shop,
        topic = delivery.topic,
        webhook.id = delivery.webhook_id,
        status,
        error,
        "a webhook was sent"
    );
    let attempt = Attempt { at, status, error, milliseconds };
    let now = simulator.clock.now();
    let state = simulator.shop(&delivery.shop);
    let scale = state.as_ref().and_then(|state| lock(&state.faults).retry_scale).unwrap_or(1.0);
    let verdict = simulator.outbox.done(id, attempt, now, scale);
    let Some((state, subscription)) = state.zip(delivery.subscription) else { return };
    let mut webhooks = lock(&state.webhooks);
    match verdict {
        Verdict::Arrived => {
            let own = webhooks.iter_mut().find(|webhook| webhook.id == subscription);
            own.into_iter().for_each(|webhook| webhook.last_success = Some(now));
        }
        Verdict::Again => {}
        // Gone with the last retry, unless something else got through meanwhile.
        Verdict::GivenUp(first) => webhooks.retain(|webhook| {
            webhook.id != subscription || webhook.last_success.is_some_and(|success| success >= first)
        }),
    }
}

/// Posts it; the status, or why there is none.
async fn post(simulator: &Simulator, client: &Client, delivery: &Delivery) -> Result<u16, String> {
    let target = simulator.outbox.routes().target(&delivery.uri).ok_or_else(|| "no route".to_owned())?;
    let secret = delivery.secret.clone().unwrap_or_else(|| {
        let rights = lock(&simulator.rights);
        rights.apps.get(&delivery.client_id).map(|app| app.webhook_secret().to_owned()).unwrap_or_default()
    });
    let mut request = client
        .post(target)
        .header("Content-Type", "application/json")
        .header("User-Agent", "Shopify-Captain-Hook")
        .header("X-Shopify-Topic", &delivery.topic)
        .header("X-Shopify-Hmac-Sha256", STANDARD.encode(hmac_bytes(&secret, &delivery.body)))
        .header("X-Shopify-Shop-Domain", format!("{}.myshopify.com", delivery.shop))
        .header("X-Shopify-API-Version", &delivery.version)
        .header("X-Shopify-Webhook-Id", &delivery.webhook_id)
        .header("X-Shopify-Event-Id", &delivery.event_id)
        .header("X-Shopify-Triggered-At", delivery.triggered_at.to_string());
    if let Some(name) = &delivery.name {
        request = request.header("X-Shopify-Name", name);
    }
    let answer = request.body(delivery.body.clone()).send().await.map_err(|problem| describe(&problem))?;
    let status = answer.status().as_u16();
    // An answer that breaks off has still been given: only its status counts.
    let _ = answer.bytes().await;
    Ok(status)
}

fn describe(problem: &reqwest::Error) -> String {
    if problem.is_timeout() {
        "timeout".to_owned()
    } else if problem.is_connect() {
        "no connection".to_owned()
    } else {
        "broken off".to_owned()
    }
}
