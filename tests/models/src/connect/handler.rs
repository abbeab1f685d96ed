//! The steps of one callback, one for each call that the code makes.

use super::{Claim, Design, Phase, State, Token};

/// Where a handler is: the call that it makes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum At {
    /// Not begun.
    #[default]
    Idle,
    /// Only where the state is read first.
    DeleteState,
    Claim,
    Exchange,
    /// Look at the shop.
    Inspect,
    StoreToken,
    /// Load the connector.
    Load,
    GoLive,
    /// Only where going live takes two writes.
    Confirm,
    /// Only where the token comes last.
    StoreTokenLast,
    /// Read whether it is live, when no answer came.
    FindOut,
    /// Out of the shop of the install before.
    RetireUninstall,
    RetireRelease,
    RetireDelete,
    /// Only where the connector is changed before anything is taken back.
    Fence,
    GiveUpDelete,
    GiveUpRelease,
    Note,
    /// The end; refused where the shop was another's.
    Done {
        refused: bool,
    },
}

/// What a handler knows of the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Seen {
    #[default]
    Never,
    /// As it is.
    Fresh,
    /// As it was.
    Stale,
}

/// One callback that was let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Handler {
    pub at: At,
    /// The browser that it came from.
    pub browser: u8,
    pub seen: Seen,
    /// Whether it is refused once it has given up.
    refused: bool,
    /// The install that it took the place of.
    replaced: Option<u8>,
}

impl At {
    /// Whether it may count on its claim.
    pub fn has_claimed(self) -> bool {
        !matches!(self, Self::Idle | Self::DeleteState | Self::Claim | Self::Note | Self::Done { .. })
    }

    /// Whether a crash here leaves something of the install before.
    pub fn retires(self) -> bool {
        matches!(self, Self::FindOut | Self::RetireUninstall | Self::RetireRelease | Self::RetireDelete)
    }
}

impl State {
    /// A callback that passes cookie and state.
    pub fn receive(&mut self, design: Design, attempt: u8, browser: u8) {
        let Some(handler) = self.free_handler(attempt) else { return };
        let at = match design {
            Design::ReadThenDelete => At::DeleteState,
            _ => {
                self.attempts[usize::from(attempt)].state = Token::Used;
                first(design)
            }
        };
        self.handlers[usize::from(handler)] = Handler { at, browser, ..Handler::default() };
    }

    /// The call of a handler does not succeed.
    pub fn fail(&mut self, handler: u8) {
        self.handlers[usize::from(handler)].at = At::GiveUpDelete;
    }

    /// Makes the call that a handler is at.
    pub fn step(&mut self, design: Design, handler: u8) {
        let index = usize::from(handler);
        let attempt = usize::from(handler / 2);
        let (store, shop) = (self.attempts[attempt].store, self.attempts[attempt].shop);
        let late = matches!(design, Design::ClaimAfterExchange);
        let at = self.handlers[index].at;
        let next = match at {
            At::Idle => At::Idle,
            At::DeleteState => {
                self.attempts[attempt].state = Token::Used;
                first(design)
            }
            At::Claim if !self.claim(design, handler) => {
                self.handlers[index].refused = true;
                if late { At::GiveUpDelete } else { At::Note }
            }
            At::Claim => {
                if late {
                    At::Inspect
                } else {
                    At::Exchange
                }
            }
            At::Exchange => {
                self.attempts[attempt].exchanges += 1;
                self.seen.traded(self.attempts[attempt].exchanges, self.live_elsewhere(store, shop));
                if late { At::Claim } else { At::Inspect }
            }
            At::Inspect if design == Design::TokenLast => At::Load,
            At::Inspect => At::StoreToken,
            At::StoreToken => {
                self.vault |= 1 << handler;
                At::Load
            }
            At::Load if self.handlers[index].seen == Seen::Fresh => {
                // Nobody changed the connector, so it was the claim.
                self.handlers[index].refused =
                    self.claims[usize::from(shop)].is_some_and(|claim| claim.store != store);
                At::GiveUpDelete
            }
            At::Load => {
                self.handlers[index].seen = Seen::Fresh;
                At::GoLive
            }
            At::GoLive if self.go_live(design, handler) => match design {
                Design::TwoWrites => At::Confirm,
                Design::TokenLast => At::StoreTokenLast,
                _ => self.retire(handler),
            },
            At::GoLive => At::Load,
            At::Confirm => {
                self.confirm(handler);
                self.retire(handler)
            }
            At::StoreTokenLast => {
                self.vault |= 1 << handler;
                self.retire(handler)
            }
            At::FindOut if self.connectors[usize::from(store)] == Some(handler) => self.retire(handler),
            At::FindOut if design == Design::Counted => At::Fence,
            At::FindOut => At::GiveUpDelete,
            At::Fence if self.connectors[usize::from(store)] == Some(handler) => self.retire(handler),
            At::Fence => {
                self.changed(store);
                At::GiveUpDelete
            }
            At::RetireUninstall => {
                if let Some(replaced) = self.handlers[index].replaced {
                    self.ending |= 1 << replaced;
                }
                At::RetireRelease
            }
            At::RetireRelease => {
                if let Some(replaced) = self.handlers[index].replaced {
                    self.release(self.shop_of(replaced), replaced);
                }
                At::RetireDelete
            }
            At::RetireDelete => {
                if let Some(replaced) = self.handlers[index].replaced {
                    self.vault &= !(1 << replaced);
                }
                At::Done { refused: false }
            }
            At::GiveUpDelete => {
                self.vault &= !(1 << handler);
                At::GiveUpRelease
            }
            At::GiveUpRelease => {
                if design == Design::GiveUpByShop {
                    self.claims[usize::from(shop)] = None;
                }
                self.release(shop, handler);
                At::Note
            }
            At::Note => {
                self.changed(store);
                At::Done { refused: self.handlers[index].refused }
            }
            At::Done { refused } => At::Done { refused },
        };
        if let At::Done { .. } = next {
            // What is no longer needed must not tell states apart.
            self.handlers[index] = Handler { browser: self.handlers[index].browser, ..Handler::default() };
        }
        self.handlers[index].at = next;
    }

    /// Takes the shop for an attempt; true where it may go on.
    fn claim(&mut self, design: Design, handler: u8) -> bool {
        let attempt = &self.attempts[usize::from(handler / 2)];
        let claim = &mut self.claims[usize::from(attempt.shop)];
        let free = claim.is_none_or(|held| match held.phase {
            Phase::Confirmed => false,
            Phase::Pending => held.store == attempt.store || design == Design::NoExpiryCheck,
            Phase::Expired => true,
        });
        let counted = design == Design::Counted;
        match claim {
            // What others of this store count on stays.
            Some(held) if counted && held.store == attempt.store && held.phase != Phase::Expired => {
                held.holders |= 1 << handler;
            }
            _ if free => {
                let holders = u8::from(counted) << handler;
                *claim =
                    Some(Claim { store: attempt.store, install: handler, phase: Phase::Pending, holders });
            }
            _ => {}
        }
        // One that this store has confirmed stays as it is.
        claim.is_some_and(|held| held.store == attempt.store)
    }

    /// Whether another store is connected to a shop.
    fn live_elsewhere(&self, store: u8, shop: u8) -> bool {
        self.live(1 - store).is_some_and(|install| self.shop_of(install) == shop)
    }

    /// Stores the connector and confirms the claim, both or neither. Tells whether it did.
    pub fn go_live(&mut self, design: Design, handler: u8) -> bool {
        let of = &self.handlers[usize::from(handler)];
        let attempt = &self.attempts[usize::from(handler / 2)];
        let (store, shop, browser) = (attempt.store, attempt.shop, of.browser);
        let ours = self.claims[usize::from(shop)].is_some_and(|claim| {
            let one = claim.phase == Phase::Confirmed || claim.install == handler;
            let ours = if design == Design::Counted { claim.holders & (1 << handler) != 0 } else { one };
            claim.store == store && ours
        });
        let asks = !matches!(design, Design::ClaimNotChecked | Design::TwoWrites);
        if of.seen == Seen::Stale || asks && !ours {
            return false;
        }
        self.handlers[usize::from(handler)].replaced = self.connectors[usize::from(store)];
        self.connectors[usize::from(store)] = Some(handler);
        self.seen.live_in_another_browser |= browser != store;
        self.changed(store);
        if design != Design::TwoWrites {
            self.confirm(handler);
        }
        true
    }

    fn confirm(&mut self, handler: u8) {
        let attempt = &self.attempts[usize::from(handler / 2)];
        let claim = &mut self.claims[usize::from(attempt.shop)];
        let holders = claim.map_or(0, |claim| claim.holders & !(1 << handler));
        *claim = Some(Claim { store: attempt.store, install: handler, phase: Phase::Confirmed, holders });
    }

    /// How it goes on with the install before.
    fn retire(&self, handler: u8) -> At {
        match self.handlers[usize::from(handler)].replaced {
            None => At::Done { refused: false },
            Some(replaced) if self.shop_of(replaced) == self.shop_of(handler) => At::RetireDelete,
            Some(_) => At::RetireUninstall,
        }
    }
}

fn first(design: Design) -> At {
    if design == Design::ClaimAfterExchange { At::Exchange } else { At::Claim }
}
