//! The connection of a store to a shop: its states, their reasons, its history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{InstallId, ProviderId, ShopDomain, ShopId, StoreId};
use super::scopes::Scopes;

/// Where a connector stands, as everyone sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConnectorState {
    /// Works.
    Live,
    /// Not connected, and nothing is wrong.
    Inactive,
    /// Something has to be put right.
    Failed,
}

/// Why a connector is not live. Stable; what to do stands in [`Reason::remedy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody has tried yet.
    NeverConnected,
    /// Connecting was begun and not finished.
    SetupIncomplete,
    /// The merchant disconnected it here.
    Disconnected,
    /// The app was removed in the shop.
    Uninstalled,
    /// The merchant said no on the platform's page.
    AuthorizationDenied,
    /// The callback named another shop than the one begun for, or came from elsewhere.
    CallbackMismatch,
    /// The callback came too late.
    StateExpired,
    /// The platform does not know our app's id or secret.
    InvalidClient,
    /// The merchant granted less than is needed.
    MissingScopes,
    /// The shop is connected to another store.
    ShopInUse,
    /// The token no longer works and cannot be refreshed.
    NeedsReauthorization,
    /// The shop is closed, frozen or cannot be reached.
    ShopUnavailable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::NeverConnected,
        Self::SetupIncomplete,
        Self::Disconnected,
        Self::Uninstalled,
        Self::AuthorizationDenied,
        Self::CallbackMismatch,
        Self::StateExpired,
        Self::InvalidClient,
        Self::MissingScopes,
        Self::ShopInUse,
        Self::NeedsReauthorization,
        Self::ShopUnavailable,
    ];

    /// The state that goes with it.
    pub fn state(self) -> ConnectorState {
        match self {
            Self::NeverConnected | Self::SetupIncomplete | Self::Disconnected | Self::Uninstalled => {
                ConnectorState::Inactive
            }
            _ => ConnectorState::Failed,
        }
    }

    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverConnected => "never_connected",
            Self::SetupIncomplete => "setup_incomplete",
            Self::Disconnected => "disconnected",
            Self::Uninstalled => "uninstalled",
            Self::AuthorizationDenied => "authorization_denied",
            Self::CallbackMismatch => "callback_mismatch",
            Self::StateExpired => "state_expired",
            Self::InvalidClient => "invalid_client",
            Self::MissingScopes => "missing_scopes",
            Self::ShopInUse => "shop_in_use",
            Self::NeedsReauthorization => "needs_reauthorization",
            Self::ShopUnavailable => "shop_unavailable",
        }
    }

    /// What the merchant should know and do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NeverConnected => "Connect your shop to import its catalogue.",
            Self::SetupIncomplete => {
                "Connecting was begun and not finished. Finish it on the shop's page, or begin again."
            }
            Self::Disconnected => "You disconnected this shop. Connect it again whenever you like.",
            Self::Uninstalled => "The app was removed in the shop's admin. Connect again to install it.",
            Self::AuthorizationDenied => {
                "The access was declined on the shop's page. Begin again and approve it there."
            }
            Self::CallbackMismatch => {
                "The answer did not belong to the shop you entered. Begin again with the shop's permanent name."
            }
            Self::StateExpired => {
                "You came back after more than ten minutes. Begin again and approve within that."
            }
            Self::InvalidClient => {
                "The platform does not accept our app's credentials. Tell us; there is nothing for you to do."
            }
            Self::MissingScopes => "Less access was granted than is needed. Begin again and grant all of it.",
            Self::ShopInUse => "This shop is connected to another store. Disconnect it there first.",
            Self::NeedsReauthorization => {
                "The shop no longer accepts our access. Connect again; what was imported stays."
            }
            Self::ShopUnavailable => {
                "The shop is closed, frozen or does not answer. Check it in its admin, then begin again."
            }
        }
    }
}

/// What a store is connected for: it decides what the merchant is asked to grant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The shop's catalogue is read.
    #[default]
    Import,
    /// It is read, and rows of data tools are written into the shop.
    Push,
}

/// How a shop lets us in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The merchant approves our app on the shop's own page.
    #[default]
    Oauth,
    /// The merchant hands over credentials of an app of their own.
    Credentials,
}

/// The installation that a live connector uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Its id; the token stands in the vault under it.
    pub id: InstallId,
    /// The shop's domain.
    pub shop: ShopDomain,
    /// The shop's permanent number.
    pub shop_id: ShopId,
    /// The shop's display name.
    pub shop_name: String,
    /// The domain that customers see.
    pub primary_domain: String,
    /// Currency of its prices, ISO 4217.
    pub currency: String,
    /// Public name of its plan.
    pub plan: String,
    /// What was granted.
    pub scopes: Scopes,
    /// When it became live.
    pub connected_at: Timestamp,
    /// How the shop lets us in.
    pub method: Method,
}

/// What is left to do about an installation: its token is not a connector's yet, or not any more, or something about
/// it is not in the history yet. Put down before the token is, so that a crash at any point leaves nothing that
/// nobody knows of.
#[derive(Debug, Clone, PartialEq)]
pub struct LooseEnd {
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The installation.
    pub install: InstallId,
    /// Its shop.
    pub shop: ShopDomain,
    /// Whether our app is to be removed from the shop. Not from one that is connected anew, nor where the app is the
    /// merchant's own.
    pub remove_app: bool,
    /// What is still to be put into the history.
    pub entry: Option<HistoryEntry>,
    /// When someone should see to it who was not asked to.
    pub due: Timestamp,
}

impl LooseEnd {
    /// What is left to do where a connector gives an installation up.
    pub fn of_given_up(connector: &Connector, installation: &Installation, now: Timestamp) -> Self {
        Self {
            store: connector.store.clone(),
            provider: connector.provider,
            install: installation.id.clone(),
            shop: installation.shop.clone(),
            remove_app: installation.method == Method::Oauth,
            entry: None,
            due: now,
        }
    }
}

/// One store's connector to one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// Raised by every change; every change is conditional on it. 0: not stored yet.
    pub revision: u64,
    /// The installation in use; a connector is live exactly while it has one and no `trouble`.
    pub installation: Option<Installation>,
    /// Why it is not live. While an installation is in use, a reason here is one that broke it.
    pub reason: Option<Reason>,
    /// How the newest attempt to connect ended, where it did not succeed. Never harms a live installation.
    pub last_attempt: Option<Attempt>,
    /// When we last called the shop with success.
    pub last_active_at: Option<Timestamp>,
    /// When the record last changed.
    pub updated_at: Timestamp,
}

impl Connector {
    /// A connector that nobody has tried to connect yet; not stored.
    pub fn new(store: StoreId, provider: ProviderId, now: Timestamp) -> Self {
        Self {
            store,
            provider,
            revision: 0,
            installation: None,
            reason: Some(Reason::NeverConnected),
            last_attempt: None,
            last_active_at: None,
            updated_at: now,
        }
    }

    /// Where it stands, as everyone sees it.
    pub fn state(&self) -> ConnectorState {
        match (&self.installation, self.reason) {
            (Some(_), None) => ConnectorState::Live,
            (_, Some(reason)) => reason.state(),
            (None, None) => ConnectorState::Inactive,
        }
    }

    /// Notes how an attempt to connect stands. An installation in use is never touched by it.
    pub fn note_attempt(&mut self, attempt: Attempt) {
        if self.installation.is_none() {
            self.reason = Some(attempt.reason);
        }
        self.updated_at = attempt.at;
        self.last_attempt = Some(attempt);
    }

    /// Takes an installation into use and returns the one it replaces.
    pub fn take_installation(&mut self, installation: Installation, now: Timestamp) -> Option<Installation> {
        self.reason = None;
        self.last_attempt = None;
        self.last_active_at = Some(now);
        self.updated_at = now;
        self.installation.replace(installation)
    }

    /// Takes over what the shop grants now and says what that changed. Without an installation nothing changes.
    pub fn note_scopes(&mut self, granted: Scopes, now: Timestamp) -> ScopeChange {
        let Some(installation) = &mut self.installation else { return ScopeChange::default() };
        let change = ScopeChange {
            lost: granted.lacking(&installation.scopes),
            gained: installation.scopes.lacking(&granted),
        };
        if installation.scopes != granted {
            installation.scopes = granted;
            self.updated_at = now;
        }
        change
    }
}

/// How the scopes of a live installation changed. A scope that another one still implies is not lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeChange {
    /// No longer granted.
    pub lost: Scopes,
    /// Granted in addition.
    pub gained: Scopes,
}

impl ScopeChange {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty()
    }
}

/// An attempt to connect that is not finished or did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The shop that was entered.
    pub shop: ShopDomain,
    /// How it ended.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
}

/// What `configure` keeps until the callback: who started, for which shop, in which browser.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingConnect {
    /// SHA-256 of the state, hexadecimal; the state itself is never stored.
    pub state_hash: String,
    /// SHA-256 of the binding cookie, hexadecimal.
    pub cookie_hash: String,
    /// The tenant that started.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// The shop it was started for.
    pub shop: ShopDomain,
    /// The subject of the caller's token.
    pub subject: String,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ends; at most ten minutes later.
    pub expires_at: Timestamp,
}

/// What happened to a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HistoryAction {
    /// An attempt to connect began.
    ConnectStarted,
    /// The connector became live.
    Connected,
    /// An attempt did not succeed.
    ConnectFailed,
    /// The token was refreshed for the first time after a failure, or found dead.
    TokenStateChanged,
    /// The shop grants us more or less than before.
    ScopesChanged,
    /// The app was removed in the shop.
    Uninstalled,
    /// The merchant disconnected.
    Disconnected,
    /// The shop changed its name, domain, plan or currency.
    ShopChanged,
    /// A customer of the shop asked what is kept about them.
    DataRequested,
    /// What was kept about a customer of the shop was erased.
    CustomerErased,
    /// What identified a shop that left was erased.
    ShopErased,
    /// A shop was to be erased and is connected.
    ErasureNotApplicable,
    /// A key for a data tool was made; `detail` has the id of its destination.
    KeyMade,
    /// A key of a data tool was taken back.
    KeyRevoked,
}

impl HistoryAction {
    /// The stable code; part of what an entry's hash covers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectStarted => "connect_started",
            Self::Connected => "connected",
            Self::ConnectFailed => "connect_failed",
            Self::TokenStateChanged => "token_state_changed",
            Self::ScopesChanged => "scopes_changed",
            Self::Uninstalled => "uninstalled",
            Self::Disconnected => "disconnected",
            Self::ShopChanged => "shop_changed",
            Self::DataRequested => "data_requested",
            Self::CustomerErased => "customer_erased",
            Self::ShopErased => "shop_erased",
            Self::ErasureNotApplicable => "erasure_not_applicable",
            Self::KeyMade => "key_made",
            Self::KeyRevoked => "key_revoked",
        }
    }
}

/// One entry of a connector's history. No secrets, nothing personal beyond the subject's opaque id.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The tenant.
    pub store: StoreId,
    /// The platform.
    pub provider: ProviderId,
    /// Orders and identifies it: time-ordered uuid, hexadecimal.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who: the subject of the caller's token, or the name of the function that acted by itself.
    pub actor: String,
    /// From where: the caller's network, or none.
    pub origin: Option<String>,
    /// What.
    pub action: HistoryAction,
    /// The shop concerned.
    pub shop: Option<ShopDomain>,
    /// The reason, where it did not succeed.
    pub reason: Option<Reason>,
    /// How the scopes changed, where they did.
    pub scopes: Option<ScopeChange>,
    /// What was found or done, by number or id alone; nothing about a person.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(scopes: &str) -> Connector {
        let store = StoreId::for_test("st-1").unwrap();
        let mut connector = Connector::new(store, ProviderId::ALL[0], Timestamp::UNIX_EPOCH);
        let installation = Installation {
            id: InstallId::new(uuid::Uuid::from_u128(1)),
            shop: ShopDomain::accepted("acme.example".to_owned()),
            shop_id: ShopId(1),
            shop_name: "Acme".to_owned(),
            primary_domain: "acme.example".to_owned(),
            currency: "EUR".to_owned(),
            plan: "Basic".to_owned(),
            scopes: Scopes::parse(scopes),
            connected_at: Timestamp::UNIX_EPOCH,
            method: Method::Oauth,
        };
        connector.take_installation(installation, Timestamp::UNIX_EPOCH);
        connector
    }

    #[test]
    fn a_change_of_scopes_names_what_is_lost_and_gained() {
        let later = Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(1);
        for (before, after, lost, gained) in [
            ("read_products,read_locations", "read_products", "read_locations", ""),
            ("read_products", "read_inventory,read_products", "", "read_inventory"),
            // Writing implies reading, so only the writing goes or comes.
            ("write_products", "read_products", "write_products", ""),
            ("read_products", "write_products", "", "write_products"),
            ("read_products", "read_inventory", "read_products", "read_inventory"),
        ] {
            let mut connector = connected(before);
            let change = connector.note_scopes(Scopes::parse(after), later);
            assert_eq!(change, ScopeChange { lost: Scopes::parse(lost), gained: Scopes::parse(gained) });
            assert_eq!((connector.updated_at, change.is_empty()), (later, false));
            assert_eq!(connector.installation.as_ref().unwrap().scopes, Scopes::parse(after));
            assert!(connector.note_scopes(Scopes::parse(after), later).is_empty(), "told twice");
        }
    }

    #[test]
    fn scopes_of_a_connector_without_an_installation_are_not_noted() {
        let later = Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(1);
        let mut connector = connected("read_products");
        connector.installation = None;
        let before = connector.clone();
        assert!(connector.note_scopes(Scopes::parse("read_orders"), later).is_empty());
        assert_eq!(connector, before);
    }

    #[test]
    fn the_code_of_an_action_is_its_stored_form() {
        for action in
            [HistoryAction::ConnectStarted, HistoryAction::ScopesChanged, HistoryAction::Uninstalled]
        {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }
}
