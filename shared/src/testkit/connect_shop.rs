//! Shops that can be connected to, in memory: codes, rotating tokens, profiles, uninstalls. What needs no network
//! (names, addresses, signatures) is left to the real provider, so that tests run the real checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::canaries;
use super::faults::Faults;
use crate::domain::connection::Purpose;
use crate::domain::ids::ShopDomain;
use crate::domain::scopes::Scopes;
use crate::ports::provider::{
    AppSecret, Callback, CallbackRefusal, Connect, Headers, Incoming, InvalidShop, ProviderError, ShopAccess,
    ShopProfile, TokenGrant, WebhookRefusal, Webhooks,
};

struct Shop {
    profile: ShopProfile,
    installed: bool,
    access: BTreeSet<String>,
    /// Usable refresh tokens: a used one stays usable until its replacement is used.
    refresh: BTreeSet<String>,
    /// Replacement → the one it replaces.
    replaces: BTreeMap<String, String>,
    /// The keys of the addresses that it tells what happens.
    tells: BTreeSet<String>,
}

impl Shop {
    fn remove_app(&mut self) {
        self.installed = false;
        self.access.clear();
        self.refresh.clear();
        self.tells.clear();
    }
}

#[derive(Default)]
struct Inner {
    shops: BTreeMap<ShopDomain, Shop>,
    codes: BTreeMap<String, ShopDomain>,
    /// Own apps of merchants: shop and id → secret.
    clients: BTreeMap<(ShopDomain, String), String>,
    /// The secrets of our app that are accepted; any where there are none.
    app_secrets: BTreeSet<String>,
    down: bool,
    deaf: bool,
    /// Whether it allows no calls at the moment.
    busy: bool,
    /// Calls until access tokens end; whether refresh tokens end with them.
    ends: Option<(usize, bool)>,
    issued: u64,
    counts: BTreeMap<&'static str, usize>,
}

/// Shops in memory.
pub struct FakeShop {
    front: Arc<dyn Connect>,
    mail: Arc<dyn Webhooks>,
    faults: Faults,
    strict: bool,
    lone: bool,
    lenient: bool,
    inner: Mutex<Inner>,
}

fn lost() -> ProviderError {
    ProviderError::Unavailable { source: None }
}

impl Inner {
    /// Counts a call, and ends the tokens that are to end before it.
    fn end_what_ends(&mut self) {
        match self.ends {
            Some((0, for_good)) => {
                self.ends = None;
                for shop in self.shops.values_mut() {
                    if for_good {
                        shop.remove_app();
                    } else {
                        shop.access.clear();
                    }
                }
            }
            Some((left, for_good)) => self.ends = Some((left - 1, for_good)),
            None => {}
        }
    }
}

impl FakeShop {
    /// No shops yet. `front` checks names and signatures.
    pub fn new(front: Arc<impl Connect + Webhooks + 'static>, faults: Faults) -> Self {
        Self {
            front: front.clone(),
            mail: front,
            faults,
            strict: false,
            lone: false,
            lenient: false,
            inner: Mutex::default(),
        }
    }

    /// A refresh token works once, whatever became of the answer.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Of the replacements that one refresh token was traded for, the newest alone works.
    #[must_use]
    pub fn lone(mut self) -> Self {
        self.lone = true;
        self
    }

    /// A new authorization leaves the tokens of the one before it good.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a shop, or changes what it says of itself.
    pub fn open(&self, profile: ShopProfile) {
        let shop = Shop {
            installed: false,
            access: BTreeSet::new(),
            refresh: BTreeSet::new(),
            replaces: BTreeMap::new(),
            tells: BTreeSet::new(),
            profile: profile.clone(),
        };
        let domain = profile.domain.clone();
        self.inner().shops.entry(domain).or_insert(shop).profile = profile;
    }

    /// Opens a shop that is reached by one domain and calls itself by another.
    pub fn open_at(&self, domain: &ShopDomain, profile: ShopProfile) {
        self.open(ShopProfile { domain: domain.clone(), ..profile.clone() });
        if let Some(shop) = self.inner().shops.get_mut(domain) {
            shop.profile = profile;
        }
    }

    /// The merchant approves: a code that works once.
    pub fn approve(&self, shop: &ShopDomain) -> SecretString {
        let mut inner = self.inner();
        inner.issued += 1;
        let code = format!("c0de{:028}", inner.issued);
        canaries::secret("code", &code);
        inner.codes.insert(code.clone(), shop.clone());
        code.into()
    }

    /// The merchant has an app of their own with these credentials; none ends it.
    pub fn own_app(&self, shop: &ShopDomain, id: &str, secret: Option<&str>) {
        let key = (shop.clone(), id.to_owned());
        let mut inner = self.inner();
        match secret {
            Some(secret) => inner.clients.insert(key, secret.to_owned()),
            None => inner.clients.remove(&key),
        };
    }

    /// A token of the merchant's own app that does not end.
    pub fn lasting_token(&self, shop: &ShopDomain) -> String {
        let mut inner = self.inner();
        inner.issued += 1;
        let token = format!("shpat_{:032x}", inner.issued);
        canaries::secret("access token", &token);
        if let Some(shop) = inner.shops.get_mut(shop) {
            shop.installed = true;
            shop.access.insert(token.clone());
        }
        token
    }

    /// The platform accepts these secrets of our app and no other.
    pub fn accept_app_secrets(&self, secrets: &[&str]) {
        self.inner().app_secrets = secrets.iter().map(|&secret| secret.to_owned()).collect();
    }

    /// No call is answered while this is set.
    pub fn set_down(&self, down: bool) {
        self.inner().down = down;
    }

    /// Kills every token of a shop, as an uninstall over there does.
    pub fn revoke(&self, shop: &ShopDomain) {
        if let Some(shop) = self.inner().shops.get_mut(shop) {
            shop.remove_app();
        }
    }

    /// Ends every access token before a call about the catalogue or about what is told, counted from now and from 0; refresh tokens stay good.
    pub fn end_access_before(&self, call: usize) {
        self.inner().ends = Some((call, false));
    }

    /// Ends every token before a call about the catalogue, counted from now and from 0.
    pub fn revoke_before(&self, call: usize) {
        self.inner().ends = Some((call, true));
    }

    /// While this is set every call that an access token is good for is one too many.
    pub fn set_busy(&self, busy: bool) {
        self.inner().busy = busy;
    }

    /// While this is set no access token is good, not even one just granted.
    pub fn set_deaf(&self, deaf: bool) {
        self.inner().deaf = deaf;
    }

    /// A call about the catalogue arrives: is its token good?
    pub fn admit(&self, access: &ShopAccess) -> Result<(), ProviderError> {
        let mut inner = self.inner();
        inner.end_what_ends();
        shop_for(&mut inner, access).map(|_| ())
    }

    /// The keys of the addresses that a shop tells what happens.
    pub fn tells(&self, shop: &ShopDomain) -> Vec<String> {
        let inner = self.inner();
        inner.shops.get(shop).map(|shop| shop.tells.iter().cloned().collect()).unwrap_or_default()
    }

    /// The shop stops telling, as platforms do after many failures.
    pub fn fall_silent(&self, shop: &ShopDomain) {
        if let Some(shop) = self.inner().shops.get_mut(shop) {
            shop.tells.clear();
        }
    }

    /// Whether our app is installed.
    pub fn is_installed(&self, shop: &ShopDomain) -> bool {
        self.inner().shops.get(shop).is_some_and(|shop| shop.installed)
    }

    /// How often `exchange`, `refresh`, `inspect`, `uninstall` or `client_credentials` reached a shop.
    pub fn count(&self, call: &str) -> usize {
        self.inner().counts.get(call).copied().unwrap_or_default()
    }

    async fn reach<T>(
        &self,
        name: &'static str,
        call: &'static str,
        effect: impl FnOnce(&mut Inner) -> Result<T, ProviderError> + Send,
    ) -> Result<T, ProviderError> {
        self.faults
            .run(name, lost, || {
                let mut inner = self.inner();
                *inner.counts.entry(call).or_default() += 1;
                let by_token = !matches!(call, "exchange" | "refresh" | "client_credentials");
                match inner.down {
                    true => Err(lost()),
                    false if inner.busy && by_token => Err(ProviderError::Throttled { retry_after: None }),
                    false => effect(&mut inner),
                }
            })
            .await
    }

    fn grant(number: u64, shop: &mut Shop, replaced: Option<&str>) -> TokenGrant {
        let (access, refresh) = (format!("shpat_{number:032x}"), format!("shprt_{number:032x}"));
        canaries::secret("access token", &access);
        canaries::secret("refresh token", &refresh);
        shop.access.insert(access.clone());
        shop.refresh.insert(refresh.clone());
        if let Some(replaced) = replaced {
            shop.replaces.insert(refresh.clone(), replaced.to_owned());
        }
        TokenGrant {
            access_token: access.into(),
            refresh_token: Some(refresh.into()),
            expires_in: Some(Duration::from_secs(3_600)),
            refresh_expires_in: Some(Duration::from_secs(7_776_000)),
            scopes: shop.profile.scopes.clone(),
        }
    }
}

fn check_client(inner: &Inner, secret: &AppSecret) -> Result<(), ProviderError> {
    let known = inner.app_secrets.is_empty() || inner.app_secrets.contains(secret.current.expose_secret());
    if known { Ok(()) } else { Err(ProviderError::Refused { code: "invalid_client".to_owned() }) }
}

fn shop_for<'a>(inner: &'a mut Inner, access: &ShopAccess) -> Result<&'a mut Shop, ProviderError> {
    let deaf = inner.deaf;
    inner
        .shops
        .get_mut(&access.shop)
        .filter(|shop| !deaf && shop.installed && shop.access.contains(access.token.expose_secret()))
        .ok_or(ProviderError::TokenRejected)
}

#[async_trait]
impl Connect for FakeShop {
    fn requested_scopes(&self, purpose: Purpose) -> Scopes {
        self.front.requested_scopes(purpose)
    }

    fn required_scopes(&self) -> Scopes {
        self.front.required_scopes()
    }

    fn parse_shop(&self, input: &str) -> Result<ShopDomain, InvalidShop> {
        self.front.parse_shop(input)
    }

    fn authorize_url(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        scopes: &Scopes,
        redirect: &Url,
        state: &str,
    ) -> Result<Url, InvalidShop> {
        self.front.authorize_url(shop, client_id, scopes, redirect, state)
    }

    fn verify_callback(
        &self,
        raw_query: &str,
        secret: &AppSecret,
        now: Timestamp,
    ) -> Result<Callback, CallbackRefusal> {
        self.front.verify_callback(raw_query, secret, now)
    }

    async fn exchange(
        &self,
        shop: &ShopDomain,
        code: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError> {
        self.reach("shop.exchange", "exchange", |inner| {
            check_client(inner, secret)?;
            if inner.codes.remove(code.expose_secret()).as_ref() != Some(shop) {
                return Err(ProviderError::Refused { code: "invalid_grant".to_owned() });
            }
            inner.issued += 1;
            let number = inner.issued;
            let shop = inner.shops.get_mut(shop).ok_or(ProviderError::ShopUnavailable)?;
            shop.installed = true;
            if !self.lenient {
                shop.access.clear();
                shop.refresh.clear();
            }
            Ok(Self::grant(number, shop, None))
        })
        .await
    }

    async fn refresh(
        &self,
        shop: &ShopDomain,
        refresh_token: &SecretString,
        secret: &AppSecret,
    ) -> Result<TokenGrant, ProviderError> {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        self.reach("shop.refresh", "refresh", |inner| {
            check_client(inner, secret)?;
            inner.issued += 1;
            let number = inner.issued;
            let shop = inner.shops.get_mut(shop).filter(|shop| shop.installed);
            let shop = shop.ok_or(ProviderError::TokenRejected)?;
            let used = refresh_token.expose_secret();
            if !shop.refresh.contains(used) {
                return Err(ProviderError::TokenRejected);
            }
            if let Some(earlier) = shop.replaces.remove(used) {
                shop.refresh.remove(&earlier);
            }
            if self.strict {
                shop.refresh.remove(used);
            }
            if self.lone {
                let earlier = shop.replaces.iter().filter(|(_, replaced)| *replaced == used);
                let earlier: Vec<String> = earlier.map(|(replacement, _)| replacement.clone()).collect();
                for replacement in earlier {
                    shop.replaces.remove(&replacement);
                    shop.refresh.remove(&replacement);
                }
            }
            Ok(Self::grant(number, shop, Some(used)))
        })
        .await
    }

    async fn client_credentials(
        &self,
        shop: &ShopDomain,
        client_id: &str,
        client_secret: &SecretString,
    ) -> Result<TokenGrant, ProviderError> {
        self.reach("shop.client_credentials", "client_credentials", |inner| {
            let known = inner.clients.get(&(shop.clone(), client_id.to_owned()));
            if known.map(String::as_str) != Some(client_secret.expose_secret()) {
                return Err(ProviderError::Refused { code: "invalid_client".to_owned() });
            }
            inner.issued += 1;
            let number = inner.issued;
            let shop = inner.shops.get_mut(shop).ok_or(ProviderError::ShopUnavailable)?;
            shop.installed = true;
            let grant = Self::grant(number, shop, None);
            Ok(TokenGrant {
                refresh_token: None,
                refresh_expires_in: None,
                expires_in: Some(Duration::from_secs(86_399)),
                ..grant
            })
        })
        .await
    }

    async fn inspect(&self, access: &ShopAccess) -> Result<ShopProfile, ProviderError> {
        self.reach("shop.inspect", "inspect", |inner| {
            shop_for(inner, access).map(|shop| shop.profile.clone())
        })
        .await
    }

    async fn uninstall(&self, access: &ShopAccess) -> Result<(), ProviderError> {
        self.reach("shop.uninstall", "uninstall", |inner| {
            shop_for(inner, access)?.remove_app();
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Webhooks for FakeShop {
    fn verify_webhook(
        &self,
        headers: Headers<'_>,
        body: &[u8],
        secret: &AppSecret,
    ) -> Result<Incoming, WebhookRefusal> {
        self.mail.verify_webhook(headers, body, secret)
    }

    async fn subscribed_keys(
        &self,
        access: &ShopAccess,
        _base: &Url,
    ) -> Result<Vec<SecretString>, ProviderError> {
        self.reach("shop.subscribed_keys", "subscribed_keys", |inner| {
            inner.end_what_ends();
            let shop = shop_for(inner, access)?;
            Ok(shop.tells.iter().map(|key| key.as_str().into()).collect())
        })
        .await
    }

    async fn subscribe(
        &self,
        access: &ShopAccess,
        _base: &Url,
        key: &SecretString,
        _granted: &Scopes,
    ) -> Result<(), ProviderError> {
        self.reach("shop.subscribe", "subscribe", |inner| {
            inner.end_what_ends();
            let shop = shop_for(inner, access)?;
            shop.tells = BTreeSet::from([key.expose_secret().to_owned()]);
            Ok(())
        })
        .await
    }
}
