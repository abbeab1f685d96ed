//! A commerce platform, seen from outside: what every provider module implements. Nothing outside that module may
//! know which platform it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::domain::connection::Purpose;
use crate::domain::ids::{ShopDomain, ShopId};
use crate::domain::notice::Notice;
use crate::domain::record::{Child, Kind, Record, Resource};
use crate::domain::run::{Feed, FeedFile, Wanted};
use crate::domain::scopes::Scopes;
use crate::domain::warning::Code;

/// Why a call to a shop did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Too many calls; try again later.
    #[error("the shop throttled the call")]
    Throttled {
        /// When, where it said so.
        retry_after: Option<Duration>,
    },
    /// No answer, or one that says "later". Whether the call took effect is unknown.
    #[error("the shop is unavailable")]
    Unavailable {
        /// The cause below.
        #[source]
        source: Option<super::Cause>,
    },
    /// The token is not accepted.
    #[error("the shop does not accept the token")]
    TokenRejected,
    /// A scope is missing.
    #[error("the shop denied access to {what}")]
    ScopeDenied {
        /// The field or object.
        what: String,
    },
    /// Closed, frozen or locked.
    #[error("the shop is closed, frozen or locked")]
    ShopUnavailable,
    /// The shop understood and refused.
    #[error("the shop refused: {code}")]
    Refused {
        /// Its code or, where there is none, its message. Never a token.
        code: String,
    },
    /// A result file can no longer be read.
    #[error("the result can no longer be downloaded")]
    ResultExpired,
    /// An answer that does not fit what the platform documents.
    #[error("the shop's answer cannot be read: {why}")]
    Malformed {
        /// The reason. Never a whole answer.
        why: String,
    },
}

/// The credentials of our app at a platform. `previous` is still accepted for signatures while a rotation runs.
#[derive(Clone)]
pub struct AppSecret {
    /// The public id of the app.
    pub client_id: String,
    /// The secret in force.
    pub current: SecretString,
    /// The secret before it.
    pub previous: Option<SecretString>,
}

/// A token as the platform gave it.
#[derive(Clone)]
pub struct TokenGrant {
    /// Sent with every call.
    pub access_token: SecretString,
    /// Traded for the next pair; none for a token that does not expire.
    pub refresh_token: Option<SecretString>,
    /// Life of the access token; none where it does not expire.
    pub expires_in: Option<Duration>,
    /// Life of the refresh token.
    pub refresh_expires_in: Option<Duration>,
    /// What was granted, as answered.
    pub scopes: Scopes,
}

/// A shop and the token for it, ready to call.
#[derive(Clone)]
pub struct ShopAccess {
    /// The shop.
    pub shop: ShopDomain,
    /// The token.
    pub token: SecretString,
}

/// What a shop says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopProfile {
    /// Permanent number.
    pub id: ShopId,
    /// Display name.
    pub name: String,
    /// Canonical domain at the platform.
    pub domain: ShopDomain,
    /// Domain that customers see.
    pub primary_domain: String,
    /// Currency of its prices, ISO 4217.
    pub currency: String,
    /// Public name of its plan.
    pub plan: String,
    /// Scopes granted to us.
    pub scopes: Scopes,
}

/// A name that cannot be a shop of this platform, and what to enter instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{hint}")]
pub struct InvalidShop {
    /// What to do, for people.
    pub hint: &'static str,
}

/// A callback that passed parsing and signature: its parts.
#[derive(Clone)]
pub struct Callback {
    /// The shop it names.
    pub shop: ShopDomain,
    /// The state it carries.
    pub state: SecretString,
    /// The code, or none where the merchant said no.
    pub code: Option<SecretString>,
}

/// Why a callback is refused before anything is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackRefusal {
    /// Missing, repeated or overlong parameters, or a shop that cannot be one.
    #[error("malformed")]
    Malformed,
    /// The signature does not match.
    #[error("bad signature")]
    Signature,
    /// The timestamp is not a whole number or too far from now.
    #[error("stale")]
    Stale,
}

/// Connecting: names, signatures, tokens, the shop itself.
#[async_trait]
pub trait Connect: Send + Sync {
    /// The scopes that a merchant is asked to grant. Those of [`Purpose::Push`] hold those of an import.
    fn requested_scopes(&self, purpose: Purpose) -> Scopes;

    /// Those of them without which nothing can be imported: less is refused when connecting.
    fn required_scopes(&self) -> Scopes;

    /// What a person may type: a name, a domain, an admin address. Strict; nothing is fetched.
    fn parse_shop(&self, input: &str) -> Result<ShopDomain, InvalidShop>;

    /// The address of the platform's page that asks the merchant.
    fn authorize_url(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        scopes: &Scopes,
        redirect: &Url,
        state: &str,
    ) -> Result<Url, InvalidShop>;

    /// Checks form, signature and time of a callback's raw query string, in that order.
    fn verify_callback(
        &self,
        raw_query: &str,
        secret: &AppSecret,
        now: Timestamp,
    ) -> Result<Callback, CallbackRefusal>;

    /// Trades a code for tokens.
    async fn exchange(
        &self,
        shop: &ShopDomain,
        code: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError>;

    /// Trades a refresh token for the next pair.
    async fn refresh(
        &self,
        shop: &ShopDomain,
        refresh_token: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError>;

    /// Fetches a short-lived token of a custom app by its own credentials.
    async fn client_credentials(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        client_secret: &SecretString,
    ) -> Result<TokenGrant, ProviderError>;

    /// Asks a shop who it is and what it grants us.
    async fn inspect(&self, access: &ShopAccess) -> Result<ShopProfile, ProviderError>;

    /// Removes our app from the shop. A shop that says it has done so already is a success; one that does not accept
    /// the token is `TokenRejected`.
    async fn uninstall(&self, access: &ShopAccess) -> Result<(), ProviderError>;
}

/// Looks a header up by name, without case; none where it is absent or comes twice.
pub type Headers<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// Something a shop told us, its signature checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The shop that it names. Only where the body names it as well is this signed.
    pub shop: ShopDomain,
    /// Its id; the same for every delivery of it.
    pub id: String,
    /// What it is about, in the platform's own words.
    pub topic: String,
    /// When it happened, where it says so.
    pub at: Option<Timestamp>,
    /// What it tells; none where nobody here listens to that.
    pub notice: Option<Notice>,
}

/// Why something is not taken for what a shop told us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    /// The signature does not match or is not there.
    #[error("bad signature")]
    Signature,
    /// Signed, and still not of the known form.
    #[error("malformed")]
    Malformed,
}

/// Being told by the shop itself.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Checks the signature of a body exactly as it came, then its form.
    fn verify_webhook(
        &self,
        headers: Headers<'_>,
        body: &[u8],
        secret: &AppSecret,
    ) -> Result<Incoming, WebhookRefusal>;

    /// The last parts of the addresses below `base` that the shop tells something to.
    async fn subscribed_keys(
        &self,
        access: &ShopAccess,
        base: &Url,
    ) -> Result<Vec<SecretString>, ProviderError>;

    /// Sees to it that the shop tells the address `base/key` everything that `granted` allows, and no other address
    /// below `base` anything. Again: nothing changes.
    async fn subscribe(
        &self,
        access: &ShopAccess,
        base: &Url,
        key: &SecretString,
        granted: &Scopes,
    ) -> Result<(), ProviderError>;
}

/// How the shop's collecting of a feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedStatus {
    /// Still collecting.
    Pending {
        /// Objects so far.
        objects: u64,
        /// Top-level objects so far.
        roots: u64,
    },
    /// Ready to read.
    Ready {
        /// The file; none where the shop has none of it.
        file: Option<FeedFile>,
        /// Objects announced: lines that the file must hold.
        objects: u64,
        /// Top-level objects announced.
        roots: u64,
    },
    /// It broke off, whatever it may have delivered. `retry` tells whether asking again makes sense.
    Broken {
        /// The platform's word for why.
        why: String,
        /// Whether to ask again.
        retry: bool,
    },
}

/// One top-level object of a feed, mapped.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceItem {
    /// The number the platform gave it.
    pub external_id: u64,
    /// Its title, for people.
    pub label: String,
    /// What became of it: a product feed yields a product and its stock.
    pub records: Vec<(Kind, Record)>,
    /// Warnings about it, with the resource they belong to.
    pub codes: Vec<(Resource, Code)>,
    /// Children that it counts itself but that did not arrive, or arrived too many.
    pub truncated: bool,
}

/// A stock level as the shop has it now.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedLevel {
    /// The number of its product.
    pub product: u64,
    /// The level; only what tells whether and how many are available.
    pub level: Child,
}

/// Levels that the shop has changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangedLevels {
    /// The levels.
    pub levels: Vec<ChangedLevel>,
    /// Whether these are all; not where there are more than a step may read.
    pub whole: bool,
}

/// What a range reader has consumed so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeTally {
    /// Lines that belong to the range.
    pub lines: u64,
    /// Top-level objects among them.
    pub roots: u64,
    /// Lines whose parent was not found; any means that the file must be joined as a whole.
    pub orphans: u64,
    /// Bytes downloaded.
    pub bytes: u64,
    /// Where the object after the last one returned begins: another reader can go on from there. Means nothing where
    /// the file is joined.
    pub next: u64,
}

/// Reads one range of a feed, one top-level object at a time.
#[async_trait]
pub trait RangeReader: Send {
    /// The next object with all its children, or none at the end of the range.
    async fn next(&mut self) -> Result<Option<SourceItem>, ProviderError>;

    /// What was consumed up to the last object returned; of the whole range after `None`.
    fn tally(&self) -> RangeTally;
}

/// What the mapping of a record depends on beside the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapContext {
    /// The shop's currency.
    pub currency: String,
    /// Whether stock is mapped.
    pub stock: bool,
}

/// Extracting a shop's catalogue.
#[async_trait]
pub trait Extract: Send + Sync {
    /// The scopes that each resource needs.
    fn scopes_for(&self, wanted: Wanted) -> Scopes;

    /// The feeds that hold what is wanted, beside the locations.
    fn feeds_for(&self, wanted: &BTreeSet<Wanted>) -> BTreeSet<Feed>;

    /// The shop's own counts. A count that the shop does not give exactly is left out.
    async fn source_counts(&self, access: &ShopAccess) -> Result<BTreeMap<Resource, u64>, ProviderError>;

    /// Every location, inactive and legacy ones too.
    async fn locations(&self, access: &ShopAccess) -> Result<Vec<SourceItem>, ProviderError>;

    /// The levels at some locations that the shop has changed since a moment. One that was taken away is not among
    /// them: nothing tells of it but a scan.
    async fn levels_since(
        &self,
        access: &ShopAccess,
        since: Timestamp,
        locations: &BTreeSet<u64>,
    ) -> Result<ChangedLevels, ProviderError>;

    /// Asks the shop to collect a feed and returns its name for the work.
    async fn start_feed(
        &self,
        access: &ShopAccess,
        feed: Feed,
        context: &MapContext,
    ) -> Result<String, ProviderError>;

    /// How the collecting stands.
    async fn feed_status(&self, access: &ShopAccess, handle: &str) -> Result<FeedStatus, ProviderError>;

    /// Asks the shop to stop collecting. One that has ended is a success.
    async fn cancel_feed(&self, access: &ShopAccess, handle: &str) -> Result<(), ProviderError>;

    /// Opens the objects whose lines begin in `[start, end)`; with `joined`, reads the whole file (of at most
    /// `MAX_JOINED_BYTES`) and joins children to parents wherever they stand.
    async fn open_range(
        &self,
        feed: Feed,
        file: &FeedFile,
        range: std::ops::Range<u64>,
        joined: bool,
        context: &MapContext,
    ) -> Result<Box<dyn RangeReader>, ProviderError>;
}

/// The largest file that one step joins in memory.
pub const MAX_JOINED_BYTES: u64 = 64 * 1024 * 1024;
