//! Ties up loose ends of installations: what is not in the history yet is put there; an installation that no connector
//! uses loses its app, its token, its addresses and its claim. Every step can be repeated, and the loose end is struck out last, so
//! that whoever comes after a crash (the caller again, or the sweeper) finishes the same work.
//!
//! One at a time puts an installation away: two at once could remove the app after the other has freed the shop, under
//! the store that has it by then. And only what was read is struck out: a disconnect puts a newer loose end in the place
//! of one that is being tied up.

use std::time::Duration;

use jiff::Timestamp;

use super::access::{Access, NoToken};
use super::error::{AppError, ErrorKind};
use crate::domain::claim::NotClosed;
use crate::domain::connection::LooseEnd;
use crate::ports::chain;
use crate::ports::loose::Take;
use crate::ports::provider::{ProviderError, ShopAccess};

/// How long an installation is someone's to put away, and its shop closed; longer than any function runs.
const PUTTING_AWAY: Duration = Duration::from_secs(180);

fn being_put_away() -> AppError {
    let detail = "This connection is being removed at this moment. Try again in a few minutes.";
    AppError::new(ErrorKind::Unavailable, "being_put_away", detail)
}

impl Access {
    /// Ties one up. Tells whether our app was removed from the shop; none where there was nothing to remove.
    ///
    /// Errors: `shop_unreachable`, `shop_throttled` or `refreshing` while the shop does not let us, `being_put_away`
    /// while someone else is at it or another attempt may get the shop; the loose end stays.
    pub(super) async fn tie_up(&self, end: &LooseEnd) -> Result<Option<bool>, AppError> {
        if let Some(entry) = &end.entry {
            self.history.append(entry).await?;
        }
        let connector = self.connectors.load(&end.store, end.provider).await?;
        let used = connector.and_then(|connector| connector.installation);
        if used.is_some_and(|used| used.id == end.install) {
            self.connectors.strike_loose_end(end).await?;
            return Ok(None);
        }
        let now = self.clock.now();
        let until = now + PUTTING_AWAY;
        let tied = self.take_and_put_away(end, now, until).await;
        if tied.is_err()
            && let Err(error) = self.connectors.give_back_loose_end(end, until, self.clock.now()).await
        {
            tracing::warn!(cause = chain(&error), install.id = %end.install, "nobody else can put it away for a while");
        }
        // Only now: what someone else has taken is not ours to give back.
        tied?.ok_or_else(being_put_away)
    }

    /// Takes the loose end, puts the installation away, strikes it out. None where someone else has it.
    async fn take_and_put_away(
        &self,
        end: &LooseEnd,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Option<bool>>, AppError> {
        // After the look at the connector: an installation that was let go since has another loose end by now, and one
        // that is taken does not go live.
        match self.connectors.take_loose_end(end, now, until).await? {
            Take::Taken => {}
            Take::Busy { .. } => return Ok(None),
            Take::Changed => return Ok(Some(None)),
            // What is not on the list does not go live. An attempt that stood still may have stored its token after
            // others had put it away; the app is not touched, nobody holds the shop for that.
            Take::Gone => {
                let end = LooseEnd { remove_app: false, ..end.clone() };
                return self.put_away(&end, now, until).await.map(Some);
            }
        }
        let removed = self.put_away(end, now, until).await?;
        self.connectors.strike_loose_end(end).await?;
        Ok(Some(removed))
    }

    /// Removes the app, where that is ours to do, then the token, the addresses, the claim.
    async fn put_away(
        &self,
        end: &LooseEnd,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<bool>, AppError> {
        let (provider, shop, install) = (end.provider, &end.shop, &end.install);
        let removed = match end.remove_app {
            true => self.close_and_remove_app(end, now, until).await?,
            false => None,
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

    /// Removes the app while nobody can take the shop. None where another installation has it: removing the app would
    /// end that one.
    async fn close_and_remove_app(
        &self,
        end: &LooseEnd,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<bool>, AppError> {
        let (provider, shop, install) = (end.provider, &end.shop, &end.install);
        let closed = self.connectors.close_claim(provider, shop, &end.store, install, now, until).await?;
        let removed = match closed {
            Ok(()) => self.remove_app(end).await.map(Some),
            Err(NotClosed::Others) => return Ok(None),
            // Whether one of them gets the shop is not known before they are over, and each has an end.
            Err(NotClosed::Attempts { .. }) => Err(being_put_away()),
        };
        if removed.is_err() {
            // The shop is not kept from others, nor from this store, until the app can be removed.
            self.connectors.release_claim(provider, shop, install).await?;
        }
        removed
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
