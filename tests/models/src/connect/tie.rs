//! Tying up a loose end, one step for each call that the code makes.

use super::{At, Claim, Design, Disconnect, Phase, State, Who};

/// Where the tying up of an install is: the call that is made next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tie {
    pub install: u8,
    remove_app: bool,
    /// What was read.
    read: End,
    /// Whether it was taken.
    took: bool,
    at: Call,
}

/// What a loose end of an install says; each takes the place of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// An attempt is under way.
    Begun,
    /// It went live, which the history is still to be told.
    Connected,
    /// A connector has given it up.
    GivenUp,
}

/// Why a shop cannot be closed.
enum NotClosed {
    /// Another install has it.
    Others,
    /// Attempts that may get it are under way.
    Attempts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Call {
    /// Load the connector: is the install in use?
    Look,
    /// Take the loose end, if it is still what was read and nobody has it.
    Take,
    /// Close the claim, so that nobody takes the shop meanwhile.
    Close,
    /// Free the claim before the token goes: whoever wakes up late cannot go live without one.
    ReleaseFirst,
    Uninstall,
    DeleteToken {
        closed: bool,
    },
    Release,
    Strike,
}

impl Tie {
    pub fn new(install: u8, read: End, remove_app: bool) -> Self {
        Self { install, remove_app, read, took: false, at: Call::Look }
    }

    /// Whether the claim may be kept closed for it.
    pub fn has_closed(self) -> bool {
        matches!(self.at, Call::Uninstall | Call::DeleteToken { closed: true } | Call::Release)
    }

    pub fn removes_now(self) -> bool {
        self.at == Call::Uninstall
    }
}

impl State {
    /// The loose end of an install, about to be tied up.
    pub fn tie(&self, install: u8) -> Tie {
        let read = self.end_of(install).unwrap_or(End::Begun);
        Tie::new(install, read, self.to_remove & (1 << install) != 0)
    }

    /// What is on the list of an install.
    fn end_of(&self, install: u8) -> Option<End> {
        let bit = 1 << install;
        let end = match (self.due & bit != 0, self.connected & bit != 0) {
            (true, _) => End::GivenUp,
            (false, true) => End::Connected,
            (false, false) => End::Begun,
        };
        (self.listed & bit != 0).then_some(end)
    }

    /// Puts a loose end down, in the place of the one of the same install.
    pub fn put_down(&mut self, install: u8, end: End, remove_app: bool) {
        let bit = 1 << install;
        self.strike(install);
        self.listed |= bit;
        match end {
            End::Begun => {}
            End::Connected => self.connected |= bit,
            End::GivenUp => self.due |= bit,
        }
        self.to_remove |= u8::from(remove_app) << install;
    }

    fn strike(&mut self, install: u8) {
        let others = !(1 << install);
        for of in [&mut self.listed, &mut self.due, &mut self.connected, &mut self.to_remove, &mut self.taken]
        {
            *of &= others;
        }
    }

    /// Everything that is being tied up.
    pub fn ties(&self) -> impl Iterator<Item = Tie> {
        let handlers = self.handlers.iter().filter_map(|handler| match handler.at {
            At::TieUp(tie) => Some(tie),
            _ => None,
        });
        let disconnect = match self.disconnect {
            Disconnect::TieUp(tie) => Some(tie),
            _ => None,
        };
        handlers.chain(disconnect).chain(self.sweeper)
    }

    /// Whether someone who was not asked to should see to an install.
    pub fn is_due(&self, install: u8, outlived: bool) -> bool {
        let bit = 1 << install;
        if self.ties().any(|tie| tie.install == install && tie.took) {
            return false;
        }
        let under_way = self.handlers.get(usize::from(install)).is_some_and(|handler| handler.at.under_way());
        // While attempts count on the shop its app is not removed: who comes to do so comes back when they are over.
        let others = self.claims[usize::from(self.shop_of(install))].map_or(0, |claim| claim.holders & !bit);
        let waits = self.to_remove & bit != 0 && others != 0;
        self.listed & bit != 0 && !waits && (self.due & bit != 0 || outlived || !under_way)
    }

    /// Makes the call that the tying up is at. None where it is done.
    pub fn tie_up(&mut self, design: Design, tie: Tie) -> Option<Tie> {
        let Tie { install, remove_app, read, at, .. } = tie;
        let (store, shop, bit) = (self.store_of(install), self.shop_of(install), 1_u8 << install);
        let in_use = self.connectors[usize::from(store)] == Some(install);
        let after_take = if remove_app { Call::Close } else { Call::ReleaseFirst };
        let next = match at {
            Call::Look if in_use => Call::Strike,
            Call::Look if design == Design::PutAwayTogether => after_take,
            Call::Look => Call::Take,
            // Not on the list, so it does not go live: its token goes, the app is not touched.
            Call::Take if self.end_of(install).is_none() => Call::ReleaseFirst,
            // Someone else has it, or it is no longer what was read.
            Call::Take if self.others_at(tie) || self.end_of(install) != Some(read) => return None,
            Call::Take => {
                self.taken |= bit;
                return Some(Tie { at: after_take, took: true, ..tie });
            }
            Call::Close => match self.close(design, install) {
                _ if design == Design::RemovedWithoutClosing => Call::Uninstall,
                Ok(()) => Call::Uninstall,
                // Another install has the shop: removing the app would end that one.
                Err(NotClosed::Others) => Call::ReleaseFirst,
                // Whether one of them gets the shop is not known yet: later.
                Err(NotClosed::Attempts) => {
                    self.release(shop, install);
                    return None;
                }
            },
            Call::ReleaseFirst => {
                self.release(shop, install);
                Call::DeleteToken { closed: false }
            }
            Call::Uninstall => {
                // With the app go all tokens of the shop. A token that is dead already removes nothing.
                if self.vault & !self.killed & bit != 0 {
                    let there = (0..8)
                        .filter(|other| self.minted & (1 << other) != 0 && self.shop_of(*other) == shop);
                    self.killed |= there.fold(0, |there, other| there | 1 << other);
                }
                Call::DeleteToken { closed: true }
            }
            Call::DeleteToken { closed } => {
                self.vault &= !bit;
                if closed { Call::Release } else { Call::Strike }
            }
            Call::Release => {
                self.release(shop, install);
                Call::Strike
            }
            Call::Strike => {
                if self.end_of(install) == Some(read) || design == Design::StruckUnread {
                    self.strike(install);
                }
                return None;
            }
        };
        Some(Tie { at: next, ..tie })
    }

    /// The loose end stays, and the shop is not kept from others until it answers.
    pub fn shop_does_not_answer(&mut self, who: Who) {
        self.mishaps_left -= 1;
        let tie = match who {
            Who::Handler(handler) => match self.handlers[usize::from(handler)].at {
                At::TieUp(tie) => Some(tie),
                _ => None,
            },
            Who::Disconnect => match self.disconnect {
                Disconnect::TieUp(tie) => Some(tie),
                _ => None,
            },
            Who::Sweeper => self.sweeper,
        };
        if let Some(tie) = tie {
            self.release(self.shop_of(tie.install), tie.install);
        }
        match who {
            Who::Handler(handler) => self.end(handler),
            Who::Disconnect => self.disconnect = Disconnect::Idle,
            Who::Sweeper => self.sweeper = None,
        }
    }

    /// Takes a shop for putting an install away.
    fn close(&mut self, design: Design, install: u8) -> Result<(), NotClosed> {
        let (store, shop) = (self.store_of(install), usize::from(self.shop_of(install)));
        if let Some(claim) = self.claims[shop].filter(|claim| claim.phase != Phase::Expired) {
            let stands = claim.closing || claim.phase == Phase::Confirmed || design == Design::OneAttempt;
            if stands && claim.install != install {
                return Err(NotClosed::Others);
            }
            if claim.holders & !(1 << install) != 0 && design != Design::ClosedUnderAttempts {
                return Err(NotClosed::Attempts);
            }
        }
        let phase = Phase::Pending;
        self.claims[shop] = Some(Claim { store, install, phase, closing: true, holders: 0 });
        Ok(())
    }

    /// An attempt has ended, so nobody waits for it any more.
    pub fn run_out(&mut self, handler: u8) {
        if let Some(claim) = &mut self.claims[usize::from(self.shop_of(handler))] {
            claim.holders &= !(1 << handler);
            if claim.holders == 0 && claim.phase == Phase::Pending {
                claim.phase = Phase::Expired;
            }
        }
    }

    /// An attempt counts on a claim no more. One that it has confirmed, or that is closing, stays.
    pub fn give_up_claim(&mut self, shop: u8, install: u8) {
        let stands = |claim: Claim| claim.phase == Phase::Confirmed || claim.closing;
        if !self.claims[usize::from(shop)].is_some_and(|claim| claim.install == install && stands(claim)) {
            self.release(shop, install);
        }
    }

    /// Whether someone else has taken the same loose end. Whoever died has it no longer: the lease ends.
    fn others_at(&self, tie: Tie) -> bool {
        self.ties().any(|other| other.install == tie.install && other.took)
    }

    /// An install needs a shop no more; without anyone else who does, it is free.
    pub fn release(&mut self, shop: u8, install: u8) {
        let Some(claim) = &mut self.claims[usize::from(shop)] else { return };
        let counted = claim.holders & (1 << install) != 0;
        claim.holders &= !(1 << install);
        let stands = claim.phase == Phase::Confirmed || claim.closing;
        if claim.install != install && (stands || !counted) {
            return;
        }
        (claim.phase, claim.closing) = (Phase::Pending, false);
        if claim.holders == 0 {
            self.claims[usize::from(shop)] = None;
        }
    }
}
