//! Ties up loose ends of installations: what is not in the history yet is put there; an installation that no connector
//! uses loses its app, its token, its addresses and its claim. Every step can be repeated, and the loose end is struck out last, so
//! that whoever comes after a crash (the caller again, or the sweeper) finishes the same work.

use std::time::Duration;

use super::access::{Access, NoToken};
use super::error::AppError;
use crate::domain::connection::LooseEnd;
use crate::ports::chain;
use crate::ports::provider::{ProviderError, ShopAccess};

/// How long a shop is closed while an installation is put away; longer than any function runs.
const CLOSING: Duration = Duration::from_secs(180);

impl Access {
    /// Ties one up. Tells whether our app was removed from the shop; none where there was nothing to remove.
    ///
    /// Errors: `shop_unreachable`, `shop_throttled` or `refreshing` while the shop does not let us; the loose end stays.
    pub(super) async fn tie_up(&self, end: &LooseEnd) -> Result<Option<bool>, AppError> {
        if let Some(entry) = &end.entry {
            self.history.append(entry).await?;
        }
        let connector = self.connectors.load(&end.store, end.provider).await?;
        let used = connector.and_then(|connector| connector.installation);
        let removed = match used {
            Some(used) if used.id == end.install => None,
            _ => self.put_away(end).await?,
        };
        self.connectors.strike_loose_end(&end.store, end.provider, &end.install).await?;
        Ok(removed)
    }

    /// Removes the app, where that is ours to do, then the token, the addresses, the claim.
    async fn put_away(&self, end: &LooseEnd) -> Result<Option<bool>, AppError> {
        let (provider, shop, install) = (end.provider, &end.shop, &end.install);
        let now = self.clock.now();
        let close = || self.connectors.close_claim(provider, shop, &end.store, install, now, now + CLOSING);
        // Where another installation has the shop, removing the app would end that one.
        let removed = if end.remove_app && close().await? {
            let removed = self.remove_app(end).await;
            if removed.is_err() {
                // The shop is not kept from others, nor from this store, until it answers again.
                self.connectors.release_claim(provider, shop, install).await?;
            }
            Some(removed?)
        } else {
            None
        };
        if removed.is_none() {
            // Before the token: an attempt that wakes up late finds no claim and cannot go live without one.
            self.connectors.release_claim(provider, shop, install).await?;
        }
        self.vault.delete(install).await?;
        self.hooks.forget(install).await?;
        if removed.is_some() {
            self.connectors.release_claim(provider, shop, install).await?;
        }
        tracing::info!(install.id = %install, shop.domain = %shop, app.removed = removed, "put an installation away");
        Ok(removed)
    }

    /// Whether the shop let go of the app. One that answers and keeps it is no obstacle: the merchant can remove it
    /// over there. One that does not answer is.
    async fn remove_app(&self, end: &LooseEnd) -> Result<bool, AppError> {
        let mut rejected = None;
        // A rejected token proves nothing while it can be refreshed.
        for _ in 0..2 {
            let token = match self.token(end.provider, &end.shop, &end.install, rejected.as_ref()).await {
                Ok(token) => token,
                Err(NoToken::Dead) => break,
                Err(NoToken::Failed(error)) => return Err(error),
            };
            let access = ShopAccess { shop: end.shop.clone(), token };
            match self.connect.uninstall(&access).await {
                Ok(()) => return Ok(true),
                Err(ProviderError::TokenRejected) => rejected = Some(access.token),
                Err(
                    error @ (ProviderError::ShopUnavailable
                    | ProviderError::ScopeDenied { .. }
                    | ProviderError::Refused { .. }),
                ) => {
                    tracing::warn!(cause = chain(&error), shop.domain = %end.shop, "the shop keeps the app");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}
