//! The steps of one callback, one for each call that the code makes.

use super::tie::{End, Tie};
use super::{Claim, Design, Phase, State};

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
    /// Put the install on the list of loose ends.
    List,
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
    /// Free the claim, unless it is confirmed or closing.
    GiveUpClaim,
    /// Only where the claim is freed by the shop's name.
    FreeByShop,
    TieUp(Tie),
    Note,
    /// The end.
    Done,
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
    pub refused: bool,
    /// Whether it has given up.
    failed: bool,
    /// The install that it took the place of.
    replaced: Option<u8>,
}

impl At {
    /// Whether it may count on its claim.
    pub fn has_claimed(self) -> bool {
        self.under_way()
            && !matches!(
                self,
                Self::DeleteState
                    | Self::Claim
                    | Self::GiveUpClaim
                    | Self::FreeByShop
                    | Self::TieUp(_)
                    | Self::Note
            )
    }

    pub fn under_way(self) -> bool {
        !matches!(self, Self::Idle | Self::Done)
    }
}

impl State {
    /// A callback that passes cookie and state.
    pub fn receive(&mut self, design: Design, attempt: u8, browser: u8) {
        let Some(handler) = self.free_handler(attempt) else { return };
        let at = match design {
            Design::ReadThenDelete => At::DeleteState,
            _ => {
                self.attempts[usize::from(attempt)].waiting = false;
                first(design)
            }
        };
        self.handlers[usize::from(handler)] = Handler { at, browser, ..Handler::default() };
    }

    /// A handler takes back what it has left.
    pub fn give_up(&mut self, design: Design, handler: u8) {
        let of = &mut self.handlers[usize::from(handler)];
        of.failed = true;
        of.at = match design {
            Design::GiveUpByShop => At::FreeByShop,
            _ => At::GiveUpClaim,
        };
    }

    /// A handler is gone. What is no longer needed must not tell states apart.
    pub fn end(&mut self, handler: u8) {
        self.handlers[usize::from(handler)] =
            Handler { at: At::Done, browser: self.store_of(handler), ..Handler::default() };
    }

    /// Makes the call that a handler is at.
    pub fn step(&mut self, design: Design, handler: u8) {
        let index = usize::from(handler);
        let attempt = usize::from(handler / 2);
        let (store, shop, bit) = (self.attempts[attempt].store, self.attempts[attempt].shop, 1 << handler);
        let late = design == Design::ClaimAfterExchange;
        let at = self.handlers[index].at;
        let connected = At::TieUp(Tie::new(handler, End::Connected, false));
        let next = match at {
            At::Idle => At::Idle,
            At::DeleteState => {
                self.attempts[attempt].waiting = false;
                first(design)
            }
            At::Claim if !self.claim(design, handler) => {
                self.handlers[index].refused = true;
                if late {
                    return self.give_up(design, handler);
                }
                At::Note
            }
            At::Claim if late => At::Inspect,
            At::Claim => At::Exchange,
            At::Exchange => {
                self.attempts[attempt].exchanges += 1;
                self.minted |= bit;
                self.seen.traded(self.attempts[attempt].exchanges, self.live_elsewhere(store, shop));
                if late { At::Claim } else { At::Inspect }
            }
            At::Inspect if design == Design::NotListed => At::StoreToken,
            At::Inspect => At::List,
            At::List => {
                self.put_down(handler, End::Begun, false);
                if design == Design::TokenLast { At::Load } else { At::StoreToken }
            }
            At::StoreToken => {
                self.vault |= bit;
                At::Load
            }
            At::Load if self.handlers[index].seen == Seen::Fresh => {
                // Nobody changed the connector, so it was the claim.
                let others = self.claims[usize::from(shop)].is_some_and(|claim| claim.store != store);
                self.handlers[index].refused = others;
                return self.give_up(design, handler);
            }
            At::Load => {
                self.handlers[index].seen = Seen::Fresh;
                At::GoLive
            }
            At::GoLive if self.go_live(design, handler) => match design {
                Design::TwoWrites => At::Confirm,
                Design::TokenLast => At::StoreTokenLast,
                _ => connected,
            },
            At::GoLive => At::Load,
            At::Confirm => {
                self.confirm(handler);
                connected
            }
            At::StoreTokenLast => {
                self.vault |= bit;
                connected
            }
            At::FindOut if self.connectors[usize::from(store)] == Some(handler) => connected,
            At::FindOut => return self.give_up(design, handler),
            At::GiveUpClaim => {
                self.give_up_claim(shop, handler);
                At::TieUp(Tie::new(handler, End::Begun, false))
            }
            At::FreeByShop => {
                self.claims[usize::from(shop)] = None;
                At::TieUp(Tie::new(handler, End::Begun, false))
            }
            At::TieUp(tie) => match (self.tie_up(design, tie), self.handlers[index].replaced.take()) {
                (Some(tie), replaced) => {
                    self.handlers[index].replaced = replaced;
                    At::TieUp(tie)
                }
                (None, Some(replaced)) if !self.handlers[index].failed => {
                    At::TieUp(Tie::new(replaced, End::GivenUp, self.shop_of(replaced) != shop))
                }
                (None, _) if self.handlers[index].failed => At::Note,
                (None, _) => return self.end(handler),
            },
            At::Note => {
                self.changed(store);
                return self.end(handler);
            }
            At::Done => At::Done,
        };
        self.handlers[index].at = next;
    }

    /// Takes the shop for an attempt; true where it may go on.
    fn claim(&mut self, design: Design, handler: u8) -> bool {
        let attempt = &self.attempts[usize::from(handler / 2)];
        let claim = &mut self.claims[usize::from(attempt.shop)];
        let free = claim.is_none_or(|held| match held.phase {
            Phase::Confirmed => false,
            Phase::Pending => held.store == attempt.store && !held.closing || design == Design::NoExpiryCheck,
            Phase::Expired => true,
        });
        let counted = design != Design::OneAttempt;
        match claim {
            // What others of this store count on stays.
            Some(held)
                if counted
                    && held.store == attempt.store
                    && held.phase != Phase::Expired
                    && !held.closing =>
            {
                held.holders |= 1 << handler;
            }
            _ if free => {
                let (holders, phase) = (u8::from(counted) << handler, Phase::Pending);
                *claim =
                    Some(Claim { store: attempt.store, install: handler, phase, closing: false, holders });
            }
            _ => {}
        }
        // One that this store has confirmed stays as it is.
        claim.is_some_and(|held| held.store == attempt.store && !held.closing)
    }

    /// Whether another store is connected to a shop.
    fn live_elsewhere(&self, store: u8, shop: u8) -> bool {
        self.connectors[usize::from(1 - store)].is_some_and(|install| self.shop_of(install) == shop)
    }

    /// Stores the connector, confirms the claim, puts the loose ends down, all or nothing. Tells whether it did.
    pub fn go_live(&mut self, design: Design, handler: u8) -> bool {
        let of = &self.handlers[usize::from(handler)];
        let attempt = &self.attempts[usize::from(handler / 2)];
        let (store, shop, browser) = (attempt.store, attempt.shop, of.browser);
        let ours = self.claims[usize::from(shop)].is_some_and(|claim| {
            let one = claim.phase == Phase::Confirmed || claim.install == handler;
            let ours = if design == Design::OneAttempt { one } else { claim.holders & (1 << handler) != 0 };
            claim.store == store && !claim.closing && ours
        });
        let asks = !matches!(design, Design::ClaimNotChecked | Design::TwoWrites);
        let taken = self.taken & (1 << handler) != 0 && design != Design::TakenGoesLive;
        let listed = self.listed & (1 << handler) != 0 && !taken || design == Design::NotListed;
        if of.seen == Seen::Stale || asks && !ours || !listed {
            return false;
        }
        let replaced = self.connectors[usize::from(store)].replace(handler);
        self.put_down(handler, End::Connected, false);
        if let Some(replaced) = replaced {
            self.put_down(replaced, End::GivenUp, self.shop_of(replaced) != shop);
        }
        self.handlers[usize::from(handler)].replaced = replaced;
        self.seen.live_in_another_browser |= browser != store;
        self.changed(store);
        if design != Design::TwoWrites {
            self.confirm(handler);
        }
        true
    }

    pub fn confirm(&mut self, handler: u8) {
        let (store, shop) = (self.store_of(handler), self.shop_of(handler));
        let claim = &mut self.claims[usize::from(shop)];
        let holders = claim.map_or(0, |claim| claim.holders & !(1 << handler));
        let phase = Phase::Confirmed;
        *claim = Some(Claim { store, install: handler, phase, closing: false, holders });
    }
}

fn first(design: Design) -> At {
    if design == Design::ClaimAfterExchange { At::Exchange } else { At::Claim }
}
