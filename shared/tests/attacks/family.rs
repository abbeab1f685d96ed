//! One family of attacks: every form is tried, what got through is collected, and the family reports once.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::lambda::http::Response;

use crate::world::{Browser, SECRET, World, callback_event, domain, outcome};

pub struct Family {
    id: &'static str,
    tried: usize,
    through: Vec<String>,
    token_calls: usize,
}

/// Calls that reached a token endpoint.
pub fn token_calls(world: &World) -> usize {
    ["exchange", "refresh", "client_credentials"].into_iter().map(|call| world.shop.count(call)).sum()
}

/// Everything that is stored anywhere, as text.
pub fn stored(world: &World) -> String {
    let installed = ["acme", "beta"].map(|shop| world.shop.is_installed(&domain(shop)));
    let (vault, runs) = ((world.vault.installs(), world.vault.readable_tokens()), world.runs.all());
    format!("{} {vault:?} {installed:?} {runs:?}", world.connectors.dump())
}

impl Family {
    pub fn new(id: &'static str) -> Self {
        Self { id, tried: 0, through: Vec::new(), token_calls: 0 }
    }

    /// Something that must hold for a form that is not refused by a code of its own.
    pub fn check(&mut self, what: &str, holds: bool) {
        self.tried += 1;
        if !holds {
            self.through.push(what.to_owned());
        }
    }

    /// The form is refused with this code; nothing is stored, and nobody asks a token endpoint.
    pub async fn refuses(&mut self, world: &World, what: &str, expected: (u16, &str), event: Value) {
        let (before, calls) = (stored(world), token_calls(world));
        let response = world.send(event).await;
        self.token_calls += token_calls(world) - calls;
        let refused = response.status_code == expected.0
            && shown(&response) == expected.1
            && response.headers["content-type"] == "application/problem+json"
            && response.cookies.is_empty();
        let found = format!("{what}: {} {}", response.status_code, shown(&response));
        self.check(&found, refused && token_calls(world) == calls && stored(world) == before);
    }

    /// The form is genuine as far as it goes and leads back to the workspace with this reason; no store becomes live by
    /// it, no token is kept, and nobody asks a token endpoint.
    pub async fn turns_away(&mut self, world: &World, what: &str, reason: &str, event: Value) -> Response {
        let (before, calls) = (live(world), token_calls(world));
        let response = world.send(event).await;
        self.token_calls += token_calls(world) - calls;
        let found = format!("{what}: {} {}", response.status_code, outcome(&response));
        let turned = response.status_code == 303 && outcome(&response) == reason;
        self.check(&found, turned && token_calls(world) == calls && live(world) == before);
        response
    }

    /// The owner of an attempt can still finish it.
    pub async fn owner_finishes(&mut self, attempt: &mut Attempt) {
        let response = attempt.world.come_back(&attempt.query, &mut attempt.browser).await;
        self.check("its owner could not finish the attempt", outcome(&response) == "connected");
    }

    /// Reports and fails if anything got through.
    pub fn report(self, at_least: usize) {
        crate::drill::report(&json!({
            "drill": "D9", "family": self.id, "tried": self.tried, "failed": self.through.len(),
            "token_calls": self.token_calls,
        }));
        assert!(self.through.is_empty(), "{} got through:\n{}", self.id, self.through.join("\n"));
        assert_eq!(self.token_calls, 0, "{} reached a token endpoint", self.id);
        assert!(self.tried >= at_least, "{} tries only {} forms", self.id, self.tried);
    }
}

/// How an answer ended, whatever it is.
fn shown(response: &Response) -> String {
    if response.status_code == 200 { "ok".to_owned() } else { outcome(response) }
}

/// The installations in use, the tokens that exist.
pub fn live(world: &World) -> String {
    let used = ["st-1", "st-2", "st-evil"].map(|store| world.stored(store).and_then(|c| c.installation));
    format!("{used:?} {:?}", world.vault.readable_tokens())
}

/// An attempt that was approved at the shop and not finished.
pub struct Attempt {
    pub world: World,
    /// The browser that began.
    pub browser: Browser,
    /// What the shop sends back, without its signature.
    pub plain: String,
    /// The same, signed by the shop.
    pub query: String,
}

impl Attempt {
    /// `st-1` connects `acme`.
    pub async fn new() -> Self {
        Self::of("st-1", "acme").await
    }

    pub async fn of(store: &str, shop: &str) -> Self {
        Self::within(World::new(), store, shop).await
    }

    pub async fn within(world: World, store: &str, shop: &str) -> Self {
        let mut browser = Browser::default();
        let begun = world.begin(store, shop, &mut browser).await;
        let query = world.approved(&begun);
        let plain = query.split("&hmac=").next().unwrap().to_owned();
        Self { world, browser, plain, query }
    }

    /// The callback as it comes from the browser that began.
    pub fn event(&self, query: &str) -> Value {
        callback_event(query, &self.browser)
    }

    /// The value of one of the parameters.
    pub fn value(&self, name: &str) -> &str {
        let prefix = format!("{name}=");
        self.plain.split('&').find_map(|pair| pair.strip_prefix(&prefix)).unwrap()
    }

    /// The query with another value of a parameter, unsigned.
    pub fn with(&self, name: &str, value: &str) -> String {
        let from = format!("{name}={}", self.value(name));
        self.plain.replace(&from, &format!("{name}={value}"))
    }

    /// The query without a parameter, unsigned.
    pub fn without(&self, name: &str) -> String {
        let pairs = self.plain.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// The signature of a text exactly as it stands.
pub fn mac(text: &str, key: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    hex::encode(mac.chain_update(text.as_bytes()).finalize().into_bytes())
}

/// A query signed exactly as it stands, by whoever holds this key.
pub fn signed_by(key: &str, query: &str) -> String {
    format!("{query}&hmac={}", mac(query, key))
}

/// A query signed by the shop: sorted by name, values encoded as its own library encodes them.
pub fn signed(query: &str) -> String {
    let mut pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{query}&hmac={}", mac(&text.replace('+', "%20"), SECRET))
}
