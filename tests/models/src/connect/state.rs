//! What several parts of the model do to its state, and the steps of disconnecting.

use super::handler::{At, Handler, Seen};
use super::properties::SeenSoFar;
use super::{Attempt, Claim, Disconnect, Phase, Start, State, Token};

impl State {
    pub(super) fn new(start: &Start) -> Self {
        let attempts = start.attempts.iter().map(|(store, shop)| Attempt {
            store: *store,
            shop: *shop,
            state: Token::NotBegun,
            approved_in: None,
            exchanges: 0,
        });
        let attempts: Vec<_> = attempts.collect();
        let first = u8::try_from(attempts.len() * 2).unwrap_or_default();
        let mut claims = [None, None];
        if let Some(shop) = start.live {
            claims[usize::from(shop)] =
                Some(Claim { store: 0, install: first, phase: Phase::Confirmed, holders: 0 });
        }
        Self {
            handlers: vec![Handler::default(); attempts.len() * 2],
            attempts,
            connectors: [start.live.map(|_| first), None],
            claims,
            vault: start.live.map_or(0, |_| 1 << first),
            first_shop: start.live.unwrap_or_default(),
            disconnect: Disconnect::Idle,
            disconnects_left: start.disconnects,
            ending: 0,
            late: None,
            seen: SeenSoFar::default(),
        }
    }

    pub(super) fn free_handler(&self, attempt: u8) -> Option<u8> {
        [attempt * 2, attempt * 2 + 1]
            .into_iter()
            .find(|handler| self.handlers[usize::from(*handler)].at == At::Idle)
    }

    /// The shop that an install is in.
    pub(super) fn shop_of(&self, install: u8) -> u8 {
        self.attempts.get(usize::from(install / 2)).map_or(self.first_shop, |attempt| attempt.shop)
    }

    /// The install by which a store is connected, unless someone has begun to remove it.
    pub(super) fn live(&self, store: u8) -> Option<u8> {
        self.connectors[usize::from(store)].filter(|install| self.ending & (1 << install) == 0)
    }

    /// A connector was written: what others read of it is out of date.
    pub(super) fn changed(&mut self, store: u8) {
        for (handler, of) in self.handlers.iter_mut().enumerate() {
            if self.attempts[handler / 2].store == store && of.seen == Seen::Fresh {
                of.seen = Seen::Stale;
            }
        }
        if let (0, Disconnect::Save { stale, .. }) = (store, &mut self.disconnect) {
            *stale = true;
        }
        if let Some((handler, stale)) = &mut self.late
            && self.attempts[usize::from(*handler / 2)].store == store
        {
            *stale = true;
        }
    }

    /// Frees a claim if it is this install's.
    pub(super) fn release(&mut self, shop: u8, install: u8) {
        let Some(claim) = &mut self.claims[usize::from(shop)] else { return };
        claim.holders &= !(1 << install);
        if claim.install == install && claim.holders != 0 {
            claim.phase = Phase::Pending;
        } else if claim.install == install {
            let store = claim.store;
            self.claims[usize::from(shop)] = None;
            self.seen.freed_under |= self.handlers.iter().enumerate().any(|(handler, of)| {
                let attempt = &self.attempts[handler / 2];
                usize::from(install) != handler
                    && attempt.store == store
                    && attempt.shop == shop
                    && of.at.has_claimed()
            });
        }
    }

    pub(super) fn disconnect_step(&mut self) {
        self.disconnect = match self.disconnect {
            Disconnect::Idle => Disconnect::Idle,
            Disconnect::Uninstall { install } => {
                self.ending |= 1 << install;
                Disconnect::DeleteToken { install }
            }
            Disconnect::DeleteToken { install } => {
                self.vault &= !(1 << install);
                Disconnect::Release { install }
            }
            Disconnect::Release { install } => {
                self.release(self.shop_of(install), install);
                // What it read when it began.
                let stale = self.connectors[0] != Some(install);
                Disconnect::Save { install: Some(install), stale }
            }
            Disconnect::Save { install, stale: true }
                if self.connectors[0].is_none_or(|now| Some(now) == install) =>
            {
                Disconnect::Save { install, stale: false }
            }
            // Connected anew in the meantime: that is not ours to end.
            Disconnect::Save { stale: true, .. } => Disconnect::Idle,
            Disconnect::Save { stale: false, .. } => {
                self.connectors[0] = None;
                self.changed(0);
                Disconnect::Idle
            }
        };
    }
}
