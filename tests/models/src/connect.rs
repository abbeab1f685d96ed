//! Connecting a shop and ending it (`CompleteOauth`, `Access::go_live`, `Access::tie_up`, `Disconnect`,
//! `DynamoConnectors`): stores and browsers that begin attempts, shops that approve them, callbacks that come from any
//! browser that can know them and come twice, handlers that may crash at every step, claims that run out, loose ends
//! that a sweeper ties up.
//!
//! Every store may be hostile: it has others approve its attempts, and others' browsers open the callbacks that it
//! knows.

mod cases;
mod handler;
mod properties;
mod state;
mod tie;

use stateright::{Model, Property};

pub(crate) use cases::cases;
use handler::{At, Handler, Seen};
use tie::Tie;

/// How connecting is done. The first is the code as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Design {
    #[default]
    Ours,
    /// A claim knows the attempt that came last, and is freed with that one.
    OneAttempt,
    /// A shop is closed to remove the app while attempts of its store count on it.
    ClosedUnderAttempts,
    /// Whoever comes ties up a loose end, also while another does.
    PutAwayTogether,
    /// A loose end is struck out whatever it says by now.
    StruckUnread,
    /// Going live does not ask whether the loose end was taken.
    TakenGoesLive,
    /// A state is bound to its store, and no cookie to the browser.
    NoCookie,
    /// The state is read, then deleted.
    ReadThenDelete,
    /// The code is traded, then the shop is claimed.
    ClaimAfterExchange,
    /// The connector is stored, then the claim is confirmed.
    TwoWrites,
    /// What a failed attempt leaves is taken back by the shop's name.
    GiveUpByShop,
    /// A claim that is pending is taken over, whether it has run out or not.
    NoExpiryCheck,
    /// Going live does not ask whose the claim is.
    ClaimNotChecked,
    /// The connector goes live, then the token is stored.
    TokenLast,
    /// A token is stored that stands on no list.
    NotListed,
    /// The app is removed from a shop whoever has it by now.
    RemovedWithoutClosing,
}

/// What is explored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connect {
    design: Design,
    /// Whether a claim can run out while its handler goes on, which the function's time limit prevents.
    outlived: bool,
    /// Whether the answer to going live may be lost.
    lost_answers: bool,
    /// Whether the write that makes live may arrive after it was given up.
    late_writes: bool,
    /// Whether the sweeper works beside handlers, or only when none is under way.
    sweeps_beside: bool,
    /// Crashes of the sweeper, and shops that do not answer when the app is to be removed.
    mishaps: u8,
    starts: Vec<Start>,
}

/// Where it starts from: who tries to connect what, and what store 0 is connected to.
#[derive(Debug, Clone)]
struct Start {
    attempts: Vec<(u8, u8)>,
    live: Option<u8>,
    disconnects: u8,
}

/// An attempt of a store, begun in its owner's browser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    store: u8,
    shop: u8,
    /// Whether its state still waits in the table.
    waiting: bool,
    exchanges: u8,
}

/// Who has a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    store: u8,
    install: u8,
    phase: Phase,
    /// Whether the install is being put away.
    closing: bool,
    /// The attempts that count on it.
    holders: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Pending,
    Expired,
    Confirmed,
}

/// The request to disconnect store 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Disconnect {
    Idle,
    LetGo { install: u8, stale: bool },
    TieUp(Tie),
}

/// Everything there is. An install is known by the number of the handler that made it; two numbers for each attempt,
/// then one that store 0 starts with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    attempts: Vec<Attempt>,
    handlers: Vec<Handler>,
    /// Of each store, the install in use.
    connectors: [Option<u8>; 2],
    claims: [Option<Claim>; 2],
    /// Installs whose token is in the vault.
    vault: u8,
    /// Installs on the list of loose ends, those among them whose app is to be removed, and those that are due.
    listed: u8,
    to_remove: u8,
    due: u8,
    /// Those among them whose loose end was put by going live, and those that someone has taken once.
    connected: u8,
    taken: u8,
    /// Installs whose token the shop has given, and those whose token it no longer takes.
    minted: u8,
    killed: u8,
    /// The shop of the install that store 0 starts with.
    first_shop: u8,
    disconnect: Disconnect,
    disconnects_left: u8,
    sweeper: Option<Tie>,
    mishaps_left: u8,
    /// A write that makes an install live and has not arrived yet; whether the connector has changed since.
    late: Option<(u8, bool)>,
    seen: properties::SeenSoFar,
}

/// Who ties up a loose end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Handler(u8),
    Disconnect,
    Sweeper,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Callback { attempt: u8, browser: u8 },
    Step { handler: u8, at: At },
    Fail { handler: u8, at: At },
    Lose { handler: u8, at: At },
    Delay { handler: u8, at: At },
    Crash { handler: u8, at: At },
    LateWriteArrives,
    ClaimRunsOut { shop: u8 },
    AttemptRunsOut { handler: u8 },
    AskToDisconnect,
    DisconnectStep { at: Disconnect },
    DisconnectCrashes { at: Disconnect },
    Sweep { install: u8 },
    SweeperStep { at: Tie },
    SweeperCrashes { at: Tie },
    ShopDoesNotAnswer { who: Who },
}

impl Model for Connect {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.starts.iter().map(|start| State::new(start, self.mishaps)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for attempt in (0_u8..).take(state.attempts.len()) {
            // Whoever approves knows the callback; so any browser may bring one.
            let let_in = [0, 1].into_iter().filter(|browser| self.lets_in(state, attempt, *browser));
            actions.extend(let_in.map(|browser| Action::Callback { attempt, browser }));
        }
        for (handler, of) in (0_u8..).zip(&state.handlers) {
            let at = of.at;
            if !at.under_way() {
                continue;
            }
            actions.push(Action::Step { handler, at });
            actions.push(Action::Crash { handler, at });
            if matches!(at, At::Exchange | At::Inspect | At::StoreToken) {
                actions.push(Action::Fail { handler, at });
            }
            if at == At::GoLive && self.lost_answers {
                actions.push(Action::Lose { handler, at });
            }
            if at == At::GoLive && self.late_writes && state.late.is_none() {
                actions.push(Action::Delay { handler, at });
            }
            if let At::TieUp(tie) = at {
                self.mishaps(state, tie, Who::Handler(handler), actions);
            }
        }
        for shop in 0..2_u8 {
            if self.may_run_out(state, shop) {
                actions.push(Action::ClaimRunsOut { shop });
            }
        }
        let over = (0_u8..).take(state.handlers.len()).filter(|handler| self.is_over(state, *handler));
        actions.extend(over.map(|handler| Action::AttemptRunsOut { handler }));
        if state.late.is_some() {
            actions.push(Action::LateWriteArrives);
        }
        self.disconnecting(state, actions);
        match state.sweeper {
            Some(at) => {
                actions.push(Action::SweeperStep { at });
                if state.mishaps_left > 0 {
                    actions.push(Action::SweeperCrashes { at });
                }
                self.mishaps(state, at, Who::Sweeper, actions);
            }
            None if !self.sweeps_beside && state.busy() => {}
            None => {
                let due = (0..8).filter(|install| state.is_due(*install, self.outlived));
                actions.extend(due.map(|install| Action::Sweep { install }));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Callback { attempt, browser } => state.receive(self.design, attempt, browser),
            Action::Step { handler, .. } => state.step(self.design, handler),
            Action::Fail { handler, .. } => state.give_up(self.design, handler),
            Action::Lose { handler, .. } => {
                state.go_live(self.design, handler);
                state.handlers[usize::from(handler)].at = At::FindOut;
            }
            Action::Delay { handler, .. } => {
                state.late = Some((handler, state.handlers[usize::from(handler)].seen == Seen::Stale));
                state.handlers[usize::from(handler)].at = At::FindOut;
            }
            Action::Crash { handler, .. } => state.end(handler),
            Action::LateWriteArrives => {
                if let Some((handler, false)) = state.late.take() {
                    let seen = state.handlers[usize::from(handler)].seen;
                    state.handlers[usize::from(handler)].seen = Seen::Fresh;
                    if !state.go_live(self.design, handler) {
                        state.handlers[usize::from(handler)].seen = seen;
                    }
                }
            }
            Action::ClaimRunsOut { shop } => {
                if let Some(claim) = &mut state.claims[usize::from(shop)] {
                    claim.phase = Phase::Expired;
                }
            }
            Action::AttemptRunsOut { handler } => state.run_out(handler),
            Action::AskToDisconnect => {
                state.disconnects_left -= 1;
                let install = state.connectors[0]?;
                state.disconnect = Disconnect::LetGo { install, stale: false };
            }
            Action::DisconnectStep { .. } => state.disconnect_step(self.design),
            Action::DisconnectCrashes { .. } => state.disconnect = Disconnect::Idle,
            Action::Sweep { install } => state.sweeper = Some(state.tie(install)),
            Action::SweeperStep { at } => state.sweeper = state.tie_up(self.design, at),
            Action::SweeperCrashes { .. } => {
                state.mishaps_left -= 1;
                state.sweeper = None;
            }
            Action::ShopDoesNotAnswer { who } => state.shop_does_not_answer(who),
        }
        state.forget();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Connect {
    /// Whether a callback passes cookie and state, and its handler has a number.
    fn lets_in(&self, state: &State, attempt: u8, browser: u8) -> bool {
        let of = &state.attempts[usize::from(attempt)];
        let cookie = self.design == Design::NoCookie || browser == of.store;
        cookie && of.waiting && state.free_handler(attempt).is_some()
    }

    /// A claim that closes outlives whoever closed it; where it knows one attempt, a pending one outlives that.
    fn may_run_out(&self, state: &State, shop: u8) -> bool {
        let Some(claim) = state.claims[usize::from(shop)] else { return false };
        let counted_on = state.handlers.iter().enumerate().any(|(handler, of)| {
            let attempt = &state.attempts[handler / 2];
            attempt.store == claim.store && attempt.shop == shop && of.at.has_claimed()
        });
        let closed = state.ties().any(|tie| tie.install == claim.install && tie.has_closed());
        let has_end = claim.closing || self.design == Design::OneAttempt;
        claim.phase == Phase::Pending && has_end && (self.outlived || !counted_on && !closed)
    }

    /// An attempt counts on its claim until it ends, which is after its handler.
    fn is_over(&self, state: &State, handler: u8) -> bool {
        let counts = |claim: &Claim| claim.holders & (1 << handler) != 0;
        let counted = state.claims[usize::from(state.shop_of(handler))].as_ref().is_some_and(counts);
        counted && (self.outlived || !state.handlers[usize::from(handler)].at.has_claimed())
    }

    fn disconnecting(&self, state: &State, actions: &mut Vec<Action>) {
        let at = state.disconnect;
        if at != Disconnect::Idle {
            actions.extend([Action::DisconnectStep { at }, Action::DisconnectCrashes { at }]);
        } else if state.disconnects_left > 0 && state.connectors[0].is_some() {
            actions.push(Action::AskToDisconnect);
        }
        if let Disconnect::TieUp(tie) = at {
            self.mishaps(state, tie, Who::Disconnect, actions);
        }
    }

    fn mishaps(&self, state: &State, tie: Tie, who: Who, actions: &mut Vec<Action>) {
        if tie.removes_now() && state.mishaps_left > 0 {
            actions.push(Action::ShopDoesNotAnswer { who });
        }
    }
}
