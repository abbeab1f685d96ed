//! Tying up a loose end, one step for each call that the code makes.

use super::{At, Claim, Design, Disconnect, Phase, State, Who};

/// Where the tying up of an install is: the call that is made next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tie {
    pub install: u8,
    remove_app: bool,
    /// Whether it was read as one that a connector has given up.
    given_up: bool,
    at: Call,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Call {
    /// Load the connector: is the install in use?
    Look,
    /// Close the claim, so that nobody takes the shop meanwhile.
    Close,
    /// Free the claim before the token goes: whoever wakes up late cannot go live without one.
    ReleaseFirst,
    /// Only where one looks again: is it in use by now?
    LookAgain,
    Uninstall,
    DeleteToken {
        closed: bool,
    },
    Release,
    Strike,
}

impl Tie {
    pub fn new(install: u8, given_up: bool, remove_app: bool) -> Self {
        Self { install, remove_app, given_up, at: Call::Look }
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
        Tie::new(install, self.due & (1 << install) != 0, self.to_remove & (1 << install) != 0)
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
    pub fn is_due(&self, install: u8, outlived: bool, taken: bool) -> bool {
        let bit = 1 << install;
        if taken && self.ties().any(|tie| tie.install == install) {
            return false;
        }
        let under_way = self.handlers.get(usize::from(install)).is_some_and(|handler| handler.at.under_way());
        self.listed & bit != 0 && (self.due & bit != 0 || outlived || !under_way)
    }

    /// Makes the call that the tying up is at. None where it is done.
    pub fn tie_up(&mut self, design: Design, tie: Tie) -> Option<Tie> {
        let Tie { install, remove_app, given_up, at } = tie;
        let (store, shop, bit) = (self.store_of(install), self.shop_of(install), 1_u8 << install);
        let in_use = self.connectors[usize::from(store)] == Some(install);
        let next = match at {
            // Only where it is taken first: someone else has it, or it is no longer what was read.
            Call::Look
                if design == Design::Mended && (self.others_at(tie) || given_up != (self.due & bit != 0)) =>
            {
                return None;
            }
            Call::Look if in_use => Call::Strike,
            Call::Look if remove_app => Call::Close,
            Call::Look => Call::ReleaseFirst,
            Call::Close if self.close(install) || design == Design::RemovedWithoutClosing => Call::Uninstall,
            // Another install has the shop: removing the app would end that one.
            Call::Close => Call::ReleaseFirst,
            Call::ReleaseFirst => {
                if design == Design::Mended && !given_up {
                    self.step_back(shop, install);
                } else {
                    self.release_beside(tie, shop);
                }
                if design == Design::Mended { Call::LookAgain } else { Call::DeleteToken { closed: false } }
            }
            Call::LookAgain if in_use => Call::Strike,
            Call::LookAgain => Call::DeleteToken { closed: false },
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
                self.release_beside(tie, shop);
                Call::Strike
            }
            // Only where one looks at what is struck out.
            Call::Strike if design == Design::Mended && given_up != (self.due & bit != 0) => return None,
            Call::Strike => {
                self.seen.struck_another |= !given_up && self.due & bit != 0;
                self.listed &= !bit;
                self.to_remove &= !bit;
                self.due &= !bit;
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
            self.release_beside(tie, self.shop_of(tie.install));
        }
        match who {
            Who::Handler(handler) => self.end(handler),
            Who::Disconnect => self.disconnect = Disconnect::Idle,
            Who::Sweeper => self.sweeper = None,
        }
    }

    /// Takes a shop for putting an install away. False where another install has it.
    fn close(&mut self, install: u8) -> bool {
        let (store, shop) = (self.store_of(install), usize::from(self.shop_of(install)));
        let nobody_elses = self.claims[shop].is_none_or(|claim| {
            claim.phase == Phase::Expired || claim.install == install && claim.holders == 0
        });
        if nobody_elses {
            let phase = Phase::Pending;
            self.claims[shop] = Some(Claim { store, install, phase, closing: true, holders: 0 });
        }
        nobody_elses
    }

    /// Frees a claim for one who puts its install away, while others may do so too.
    fn release_beside(&mut self, tie: Tie, shop: u8) {
        let closed = self.ties().filter(|other| other.install == tie.install && other.has_closed()).count();
        self.seen.opened_under |= closed > usize::from(tie.has_closed());
        self.release(shop, tie.install);
    }

    /// An attempt counts on a claim no more. One that it has confirmed stays.
    fn step_back(&mut self, shop: u8, install: u8) {
        let confirmed = |claim: &mut Claim| claim.phase == Phase::Confirmed && claim.install == install;
        if !self.claims[usize::from(shop)].as_mut().is_some_and(confirmed) {
            self.release(shop, install);
        }
    }

    /// Whether someone else has taken the same loose end.
    fn others_at(&self, tie: Tie) -> bool {
        self.ties().any(|other| other.install == tie.install && other.at != Call::Look)
    }

    /// Frees a claim if it is this install's.
    pub fn release(&mut self, shop: u8, install: u8) {
        let Some(claim) = &mut self.claims[usize::from(shop)] else { return };
        claim.holders &= !(1 << install);
        if claim.install != install {
            return;
        }
        if claim.holders != 0 {
            (claim.phase, claim.closing) = (Phase::Pending, false);
            return;
        }
        let store = claim.store;
        self.claims[usize::from(shop)] = None;
        self.seen.freed_under |= self.handlers.iter().enumerate().any(|(handler, of)| {
            let attempt = &self.attempts[handler / 2];
            let other = usize::from(install) != handler && attempt.store == store && attempt.shop == shop;
            other && of.at.has_claimed()
        });
    }
}
