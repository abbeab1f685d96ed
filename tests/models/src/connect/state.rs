//! What several parts of the model do to its state, and the steps of disconnecting.

use super::handler::{At, Handler, Seen};
use super::properties::SeenSoFar;
use super::tie::{End, Tie};
use super::{Attempt, Claim, Design, Disconnect, Phase, Start, State};

impl State {
    pub(super) fn new(start: &Start, mishaps: u8) -> Self {
        let attempts = start.attempts.iter().map(|(store, shop)| Attempt {
            store: *store,
            shop: *shop,
            waiting: true,
            exchanges: 0,
        });
        let attempts: Vec<_> = attempts.collect();
        let first = u8::try_from(attempts.len() * 2).unwrap_or_default();
        let mut claims = [None, None];
        if let Some(shop) = start.live {
            let phase = Phase::Confirmed;
            claims[usize::from(shop)] =
                Some(Claim { store: 0, install: first, phase, closing: false, holders: 0 });
        }
        let held = start.live.map_or(0, |_| 1 << first);
        Self {
            handlers: vec![Handler::default(); attempts.len() * 2],
            attempts,
            connectors: [start.live.map(|_| first), None],
            claims,
            vault: held,
            listed: 0,
            to_remove: 0,
            due: 0,
            connected: 0,
            taken: 0,
            minted: held,
            killed: 0,
            first_shop: start.live.unwrap_or_default(),
            disconnect: Disconnect::Idle,
            disconnects_left: start.disconnects,
            sweeper: None,
            mishaps_left: mishaps,
            late: None,
            seen: SeenSoFar::default(),
        }
    }

    /// Whether a callback or a disconnect is under way.
    pub(super) fn busy(&self) -> bool {
        self.disconnect != Disconnect::Idle || self.handlers.iter().any(|handler| handler.at.under_way())
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

    /// The store that an install is, was or was to be of.
    pub(super) fn store_of(&self, install: u8) -> u8 {
        self.attempts.get(usize::from(install / 2)).map_or(0, |attempt| attempt.store)
    }

    /// A connector was written: what others read of it is out of date.
    pub(super) fn changed(&mut self, store: u8) {
        for (handler, of) in self.handlers.iter_mut().enumerate() {
            if self.attempts[handler / 2].store == store && of.seen == Seen::Fresh {
                of.seen = Seen::Stale;
            }
        }
        if let (0, Disconnect::LetGo { stale, .. }) = (store, &mut self.disconnect) {
            *stale = true;
        }
        if let Some((handler, stale)) = &mut self.late
            && self.attempts[usize::from(*handler / 2)].store == store
        {
            *stale = true;
        }
    }

    /// Forgets what no longer means anything, so that it does not tell states apart.
    pub(super) fn forget(&mut self) {
        let under_way =
            |attempt: usize| self.handlers[attempt * 2..attempt * 2 + 2].iter().any(|of| of.at.under_way());
        let over: Vec<bool> = (0..self.attempts.len()).map(|attempt| !under_way(attempt)).collect();
        let used = self.connectors.iter().flatten().fold(self.vault, |used, install| used | 1 << install);
        let mut known = used;
        for (handler, of) in self.handlers.iter().enumerate() {
            known |= u8::from(of.at.under_way()) << handler;
        }
        self.minted &= known;
        self.killed &= known;
        for (attempt, over) in self.attempts.iter_mut().zip(over) {
            if over && !attempt.waiting {
                attempt.exchanges = 0;
            }
        }
    }

    pub(super) fn disconnect_step(&mut self, design: Design) {
        self.disconnect = match self.disconnect {
            Disconnect::Idle => Disconnect::Idle,
            Disconnect::LetGo { install, stale: true } if self.connectors[0] == Some(install) => {
                Disconnect::LetGo { install, stale: false }
            }
            // Connected anew in the meantime, or ended already: that is not ours to end.
            Disconnect::LetGo { stale: true, .. } => Disconnect::Idle,
            Disconnect::LetGo { install, stale: false } => {
                self.connectors[0] = None;
                self.put_down(install, End::GivenUp, true);
                self.seen.disconnected = true;
                self.changed(0);
                Disconnect::TieUp(Tie::new(install, End::GivenUp, true))
            }
            Disconnect::TieUp(tie) => self.tie_up(design, tie).map_or(Disconnect::Idle, Disconnect::TieUp),
        };
    }
}
