//! Apps known to the simulator, what they were granted, and their tokens.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An app as its developer registered it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// Name shown to merchants.
    pub name: String,
    /// Client secret.
    pub secret: String,
    /// The secret before it was rotated. It opens the token endpoint until it is revoked, that is, taken away here.
    pub previous_secret: Option<String>,
    /// Which secret signs what a merchant is sent back with.
    pub callbacks_signed_by: SignedBy,
    /// Which secret signs webhooks: Shopify may take an hour to change over.
    pub webhooks_signed_by: SignedBy,
    /// Where the compliance topics go.
    pub compliance_uri: Option<String>,
    /// Addresses a merchant may be sent back to, matched exactly.
    pub redirect_uris: Vec<String>,
    /// What the app asks for where the request names no scopes.
    pub scopes: BTreeSet<String>,
    /// Protected customer data the app has not been approved for: `all`, or some of `name`, `address`, `email`, `phone`.
    pub denied_customer_data: BTreeSet<String>,
    /// Refuse non-expiring tokens, as Shopify does for public apps (HTTP 403).
    pub require_expiring: bool,
    /// Retire a refresh token with its first use, stricter than Shopify is since 2026-08-28.
    pub strict_refresh: bool,
}

/// One of the two secrets of an app that is rotating them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignedBy {
    /// The current one.
    #[default]
    Current,
    /// The one before it, if there is one.
    Previous,
}

impl App {
    /// The secret that signs callbacks.
    #[must_use]
    pub fn callback_secret(&self) -> &str {
        self.signing(self.callbacks_signed_by)
    }

    /// The secret that signs webhooks.
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        self.signing(self.webhooks_signed_by)
    }

    fn signing(&self, by: SignedBy) -> &str {
        match (by, &self.previous_secret) {
            (SignedBy::Previous, Some(previous)) => previous,
            _ => &self.secret,
        }
    }

    /// Whether a caller who shows this secret is the app.
    #[must_use]
    pub fn accepts(&self, secret: &str) -> bool {
        self.secret == secret || self.previous_secret.as_deref() == Some(secret)
    }
}

/// An app installed in a shop.
#[derive(Clone, Debug)]
pub struct Install {
    /// Granted scopes, `write_x` standing for both.
    pub scopes: BTreeSet<String>,
    /// Whether it is still installed.
    pub active: bool,
    /// Number used in `gid://shopify/AppInstallation/…`.
    pub id: u64,
    /// When Shopify asks for the shop to be forgotten, unless it is installed again before.
    pub redact_at: Option<Timestamp>,
}

/// What an app may do in a shop has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeChange {
    /// The app.
    pub client_id: String,
    /// Number of the installation.
    pub installation: u64,
    /// What was granted.
    pub previous: BTreeSet<String>,
    /// What is granted now.
    pub current: BTreeSet<String>,
}

/// An access token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Label of the shop.
    pub shop: String,
    /// The app.
    pub client_id: String,
    /// When it stops working; none: never.
    pub expires_at: Option<Timestamp>,
    /// Set by an uninstall.
    pub revoked: bool,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// Label of the shop.
    pub shop: String,
    /// The app.
    pub client_id: String,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was first used.
    pub first_used: Option<Timestamp>,
    /// The refresh token it was issued for.
    pub replaces: Option<String>,
    /// Set once its replacement was used, or by an uninstall.
    pub retired: bool,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub struct Code {
    /// Label of the shop.
    pub shop: String,
    /// The app.
    pub client_id: String,
    /// Where the merchant was sent.
    pub redirect_uri: String,
    /// What was granted.
    pub scopes: BTreeSet<String>,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// Set by its first use.
    pub used: bool,
}

/// Everything that has to do with rights.
#[derive(Debug, Default)]
pub struct Rights {
    /// Apps by client id.
    pub apps: BTreeMap<String, App>,
    /// Installations by shop label and client id.
    pub installs: BTreeMap<(String, String), Install>,
    /// Access tokens by value.
    pub tokens: HashMap<String, Token>,
    /// Refresh tokens by value.
    pub refreshes: HashMap<String, Refresh>,
    /// Codes by value.
    pub codes: HashMap<String, Code>,
}

/// A pair of tokens just issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// `shpat_…`
    pub access: String,
    /// `shprt_…`, with expiring tokens only.
    pub refresh: Option<String>,
}

/// Life of an expiring access token: one hour.
pub const ACCESS_SECONDS: i64 = 3_600;
/// Life of a refresh token: 90 days.
pub const REFRESH_SECONDS: i64 = 7_776_000;
/// `shop/redact` comes 48 hours after an uninstall.
const REDACT_SECONDS: i64 = 172_800;
/// A used refresh token works on, until its replacement is used, for at most 30 days.
const REUSE_SECONDS: i64 = 2_592_000;

impl Rights {
    /// Records an installation, or replaces its scopes. What has changed for an app that was installed already is answered.
    pub fn install(&mut self, shop: &str, client_id: &str, scopes: &BTreeSet<String>) -> Option<ScopeChange> {
        let id = self.installs.len() as u64 + 5_001;
        let install = self
            .installs
            .entry((shop.to_owned(), client_id.to_owned()))
            .or_insert_with(|| Install { scopes: BTreeSet::new(), active: false, id, redact_at: None });
        let current = compress(scopes);
        let previous = std::mem::replace(&mut install.scopes, current.clone());
        let was_active = std::mem::replace(&mut install.active, true);
        install.redact_at = None;
        let installation = install.id;
        (was_active && previous != current).then(|| ScopeChange {
            client_id: client_id.to_owned(),
            installation,
            previous,
            current,
        })
    }

    /// Whether the app was removed from the shop and not installed again.
    #[must_use]
    pub fn is_uninstalled(&self, shop: &str, client_id: &str) -> bool {
        self.installs.get(&(shop.to_owned(), client_id.to_owned())).is_some_and(|install| !install.active)
    }

    /// Whether the app is installed in the shop.
    #[must_use]
    pub fn is_installed(&self, shop: &str, client_id: &str) -> bool {
        self.installs.get(&(shop.to_owned(), client_id.to_owned())).is_some_and(|install| install.active)
    }

    /// The shops, with the app, that are to be forgotten by now; each is answered once.
    pub fn take_redactions(&mut self, now: Timestamp) -> Vec<(String, String)> {
        let due =
            self.installs.iter_mut().filter(|(_, install)| install.redact_at.is_some_and(|at| at <= now));
        due.map(|(key, install)| {
            install.redact_at = None;
            key.clone()
        })
        .collect()
    }

    /// When the next shop is to be forgotten.
    #[must_use]
    pub fn next_redaction(&self) -> Option<Timestamp> {
        self.installs.values().filter_map(|install| install.redact_at).min()
    }

    /// Issues an access token, with a refresh token if it is to expire.
    pub fn issue(
        &mut self,
        shop: &str,
        client_id: &str,
        expiring: bool,
        now: Timestamp,
        replaces: Option<String>,
    ) -> Issued {
        let access = format!("shpat_{}", random_hex(16));
        let expires_at = expiring.then(|| after(now, ACCESS_SECONDS));
        let (shop, client_id) = (shop.to_owned(), client_id.to_owned());
        self.tokens.insert(
            access.clone(),
            Token { shop: shop.clone(), client_id: client_id.clone(), expires_at, revoked: false },
        );
        let refresh = expiring.then(|| {
            let value = format!("shprt_{}", random_hex(16));
            let expires_at = after(now, REFRESH_SECONDS);
            let refresh = Refresh { shop, client_id, expires_at, first_used: None, replaces, retired: false };
            self.refreshes.insert(value.clone(), refresh);
            value
        });
        Issued { access, refresh }
    }

    /// Uses a refresh token: it works until its replacement is used (changelog of 2026-08-28), unless the app is set to be strict.
    pub fn refresh(&mut self, shop: &str, client_id: &str, value: &str, now: Timestamp) -> Option<Issued> {
        let strict = self.apps.get(client_id)?.strict_refresh;
        let record = self.refreshes.get_mut(value)?;
        let worn_out = record.first_used.is_some_and(|first| after(first, REUSE_SECONDS) <= now);
        if record.shop != shop
            || record.client_id != client_id
            || record.retired
            || worn_out
            || record.expires_at <= now
        {
            return None;
        }
        record.first_used.get_or_insert(now);
        record.retired = strict;
        if let Some(previous) = record.replaces.clone().and_then(|previous| self.refreshes.get_mut(&previous))
        {
            previous.retired = true;
        }
        Some(self.issue(shop, client_id, true, now, Some(value.to_owned())))
    }

    /// Removes an app from a shop: its tokens stop working at once. False if it was not installed.
    pub fn uninstall(&mut self, shop: &str, client_id: &str, now: Timestamp) -> bool {
        let Some(install) = self.installs.get_mut(&(shop.to_owned(), client_id.to_owned())) else {
            return false;
        };
        let was_active = std::mem::replace(&mut install.active, false);
        if was_active {
            install.redact_at = Some(after(now, REDACT_SECONDS));
        }
        let concerns = |owner: &str, app: &str| owner == shop && app == client_id;
        self.tokens.values_mut().filter(|t| concerns(&t.shop, &t.client_id)).for_each(|t| t.revoked = true);
        self.refreshes
            .values_mut()
            .filter(|r| concerns(&r.shop, &r.client_id))
            .for_each(|r| r.retired = true);
        was_active
    }

    /// Whose token this is, if it works in this shop now.
    #[must_use]
    pub fn authenticate(&self, shop: &str, token: &str, now: Timestamp) -> Option<(&str, &Install)> {
        let record = self.tokens.get(token)?;
        let alive = record.expires_at.is_none_or(|end| end > now);
        if record.shop != shop || record.revoked || !alive {
            return None;
        }
        let install = self.installs.get(&(record.shop.clone(), record.client_id.clone()))?;
        install.active.then_some((record.client_id.as_str(), install))
    }
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(time)
}

/// Drops every `read_x` that a `write_x` implies, as Shopify does in the granted list.
#[must_use]
pub fn compress(scopes: &BTreeSet<String>) -> BTreeSet<String> {
    let implied = |scope: &str| {
        scope.strip_prefix("read_").is_some_and(|rest| scopes.contains(&format!("write_{rest}")))
            || scope
                .strip_prefix("unauthenticated_read_")
                .is_some_and(|rest| scopes.contains(&format!("unauthenticated_write_{rest}")))
    };
    scopes.iter().filter(|scope| !implied(scope)).cloned().collect()
}

/// Adds the `read_x` that each `write_x` implies.
#[must_use]
pub fn expand(scopes: &BTreeSet<String>) -> BTreeSet<String> {
    let implied =
        scopes.iter().filter_map(|scope| scope.strip_prefix("write_").map(|rest| format!("read_{rest}")));
    implied.chain(scopes.iter().cloned()).collect()
}

/// Splits a list of scopes at commas and blanks.
#[must_use]
pub fn parse_scopes(text: &str) -> BTreeSet<String> {
    text.split([',', ' ']).map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// Joins scopes as Shopify answers them.
#[must_use]
pub fn join_scopes(scopes: &BTreeSet<String>) -> String {
    scopes.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// HMAC-SHA256.
#[must_use]
pub fn hmac_bytes(secret: &str, message: &[u8]) -> Vec<u8> {
    // A key of any length is fine for HMAC, so the error case does not exist.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map(|mut mac| {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        })
        .unwrap_or_default()
}

/// HMAC-SHA256 in lower-case hex.
#[must_use]
pub fn hmac_hex(secret: &str, message: &str) -> String {
    hex::encode(hmac_bytes(secret, message.as_bytes()))
}

/// The first 16 hex digits of the SHA-256 of a secret: names it without giving it away.
#[must_use]
pub fn fingerprint(secret: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(secret.as_bytes()));
    digest.truncate(16);
    digest
}

/// Random bytes as hex.
#[must_use]
pub fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    if getrandom::fill(&mut buffer).is_err() {
        // Without a source of randomness nothing here may be handed out.
        std::process::abort();
    }
    hex::encode(buffer)
}
