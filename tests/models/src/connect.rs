//! Connecting a shop (`CompleteOauth`, `Disconnect`, `DynamoConnectors`): stores and browsers that begin attempts,
//! shops that approve them, callbacks that come from any browser that can know them and come twice, handlers that may
//! crash at every step, claims that run out.
//!
//! Store 0 is honest. Store 1 is not: its owner begins attempts, has others approve them, and has others' browsers
//! open the callbacks that it knows.

mod handler;
mod properties;
mod state;

use stateright::{Model, Property};

use crate::Case;
use handler::{At, Handler, Seen};

const MODEL: &str = "connect";

/// How connecting is done. The first is the code as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Design {
    #[default]
    Ours,
    /// A claim knows every attempt that counts on it and is freed with the last; an attempt whose outcome is unknown
    /// changes the connector first, so that its write can no longer arrive, and then takes back what it left.
    Counted,
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
    /// Whether a shop must be safe from others also when its claim was freed under an attempt of the same store.
    crowded: bool,
    starts: Vec<Start>,
}

/// Where it starts from: who tries to connect what, and what store 0 is connected to.
#[derive(Debug, Clone)]
struct Start {
    attempts: Vec<(u8, u8)>,
    live: Option<u8>,
    disconnects: u8,
}

/// A state in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    NotBegun,
    Waiting,
    Used,
}

/// An attempt of a store, begun in its owner's browser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    store: u8,
    shop: u8,
    state: Token,
    /// The browser in which the shop was told yes.
    approved_in: Option<u8>,
    exchanges: u8,
}

/// Who has a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    store: u8,
    install: u8,
    phase: Phase,
    /// Only where they are counted: the attempts that count on it.
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
    Uninstall { install: u8 },
    DeleteToken { install: u8 },
    Release { install: u8 },
    Save { install: Option<u8>, stale: bool },
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
    vault: u8,
    /// The shop of the install that store 0 starts with.
    first_shop: u8,
    disconnect: Disconnect,
    disconnects_left: u8,
    /// Installs that someone has begun to remove.
    ending: u8,
    /// A write that makes an install live and has not arrived yet; whether the connector has changed since.
    late: Option<(u8, bool)>,
    seen: properties::SeenSoFar,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Begin { attempt: u8 },
    Approve { attempt: u8, browser: u8 },
    Callback { attempt: u8, browser: u8 },
    Step { handler: u8, at: At },
    Fail { handler: u8, at: At },
    Lose { handler: u8, at: At },
    Delay { handler: u8, at: At },
    Crash { handler: u8, at: At },
    LateWriteArrives,
    ClaimRunsOut { shop: u8 },
    AskToDisconnect,
    DisconnectStep { at: Disconnect },
    DisconnectCrashes { at: Disconnect },
}

impl Model for Connect {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.starts.iter().map(State::new).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (attempt, of) in (0_u8..).zip(&state.attempts) {
            match (of.state, of.approved_in) {
                (Token::NotBegun, _) => actions.push(Action::Begin { attempt }),
                (_, None) => actions.extend([0, 1].map(|browser| Action::Approve { attempt, browser })),
                (_, Some(approved_in)) => {
                    // The dishonest one has others open what he knows; the honest one shows it to nobody.
                    let knowing =
                        [0, 1].into_iter().filter(|browser| approved_in == 1 || *browser == approved_in);
                    let let_in = knowing.filter(|browser| self.lets_in(state, attempt, *browser));
                    actions.extend(let_in.map(|browser| Action::Callback { attempt, browser }));
                }
            }
        }
        for (handler, of) in (0_u8..).zip(&state.handlers) {
            let at = of.at;
            if matches!(at, At::Idle | At::Done { .. }) {
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
        }
        for shop in 0..2_u8 {
            if self.may_run_out(state, shop) {
                actions.push(Action::ClaimRunsOut { shop });
            }
        }
        if state.late.is_some() {
            actions.push(Action::LateWriteArrives);
        }
        let at = state.disconnect;
        if at != Disconnect::Idle {
            actions.extend([Action::DisconnectStep { at }, Action::DisconnectCrashes { at }]);
        } else if state.disconnects_left > 0 && state.connectors[0].is_some() {
            actions.push(Action::AskToDisconnect);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin { attempt } => {
                let attempt = &mut state.attempts[usize::from(attempt)];
                attempt.state = Token::Waiting;
                let store = attempt.store;
                state.changed(store);
            }
            Action::Approve { attempt, browser } => {
                state.attempts[usize::from(attempt)].approved_in = Some(browser);
            }
            Action::Callback { attempt, browser } => state.receive(self.design, attempt, browser),
            Action::Step { handler, .. } => state.step(self.design, handler),
            Action::Fail { handler, .. } => state.fail(handler),
            Action::Lose { handler, .. } => {
                state.go_live(self.design, handler);
                // Should it be disconnected before this one looks, nobody knows of the install before.
                state.seen.left_over = true;
                state.handlers[usize::from(handler)].at = At::FindOut;
            }
            Action::Delay { handler, .. } => {
                state.seen.left_over = true;
                state.late = Some((handler, state.handlers[usize::from(handler)].seen == Seen::Stale));
                state.handlers[usize::from(handler)].at = At::FindOut;
            }
            Action::Crash { handler, at } => {
                state.seen.left_over |= at.retires();
                state.handlers[usize::from(handler)].at = At::Done { refused: false };
            }
            Action::LateWriteArrives => {
                if let Some((handler, false)) = state.late.take() {
                    state.handlers[usize::from(handler)].seen = Seen::Fresh;
                    state.go_live(self.design, handler);
                }
            }
            Action::ClaimRunsOut { shop } => {
                if let Some(claim) = &mut state.claims[usize::from(shop)] {
                    claim.phase = Phase::Expired;
                }
            }
            Action::AskToDisconnect => {
                state.disconnects_left -= 1;
                state.disconnect = match state.connectors[0] {
                    Some(install) => Disconnect::Uninstall { install },
                    None => Disconnect::Save { install: None, stale: false },
                };
            }
            Action::DisconnectStep { .. } => state.disconnect_step(),
            Action::DisconnectCrashes { at } => {
                state.seen.left_over |= !matches!(at, Disconnect::Uninstall { .. });
                state.disconnect = Disconnect::Idle;
            }
        }
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
        cookie && of.state == Token::Waiting && state.free_handler(attempt).is_some()
    }

    /// A pending claim outlives every handler that began before it.
    fn may_run_out(&self, state: &State, shop: u8) -> bool {
        let Some(claim) = state.claims[usize::from(shop)] else { return false };
        let under_way = state.handlers.iter().enumerate().any(|(handler, of)| {
            let attempt = &state.attempts[handler / 2];
            attempt.store == claim.store && attempt.shop == shop && of.at.has_claimed()
        });
        claim.phase == Phase::Pending && (self.outlived || !under_way)
    }
}

/// The variants.
pub(crate) fn cases() -> Vec<Case> {
    let start =
        |attempts: &[(u8, u8)], live, disconnects| Start { attempts: attempts.to_vec(), live, disconnects };
    let race = start(&[(0, 0), (1, 0)], None, 1);
    let tabs = start(&[(0, 0), (0, 0)], None, 1);
    let reconnect = start(&[(0, 0), (1, 0)], Some(0), 2);
    let two_tabs = start(&[(0, 0), (0, 0)], Some(0), 1);
    let moving = start(&[(0, 1), (1, 0)], Some(0), 1);
    let ours = Connect {
        lost_answers: true,
        starts: vec![race, tabs, reconnect, two_tabs, moving],
        ..Connect::default()
    };
    let three = start(&[(0, 0), (0, 0), (1, 0)], None, 0);
    let bad = |design| Connect { design, ..ours.clone() };
    let case = |variant, must_fail, model| Case::new(MODEL, variant, must_fail, model);
    vec![
        case("two attempts, every start", None, ours.clone()),
        case(
            "three attempts, one shop",
            None,
            Connect { starts: vec![three.clone()], lost_answers: false, ..ours.clone() },
        ),
        case("claims run out under a handler", None, Connect { outlived: true, ..ours.clone() }),
        // Two gaps that the code has; README.md says what they take.
        case(
            "gap: a claim freed under an attempt",
            Some(properties::NOT_UNDER_ANOTHER),
            Connect { crowded: true, ..ours.clone() },
        ),
        case(
            "gap: live after it was given up",
            Some(properties::LIVE_IS_WHOLE),
            Connect { late_writes: true, ..ours.clone() },
        ),
        case("without the gaps", None, Connect { crowded: true, late_writes: true, ..bad(Design::Counted) }),
        case(
            "without the gaps, three attempts",
            None,
            Connect { crowded: true, starts: vec![three], lost_answers: false, ..bad(Design::Counted) },
        ),
        case("no cookie", Some(properties::SAME_BROWSER), bad(Design::NoCookie)),
        case("state read, then deleted", Some(properties::ONE_EXCHANGE), bad(Design::ReadThenDelete)),
        case(
            "claim after the exchange",
            Some(properties::LOSER_TRADES_NOTHING),
            bad(Design::ClaimAfterExchange),
        ),
        case("live by two writes", Some(properties::LIVE_IS_WHOLE), bad(Design::TwoWrites)),
        case("given up by the shop's name", Some(properties::LIVE_IS_WHOLE), bad(Design::GiveUpByShop)),
        case(
            "pending claims for the taking",
            Some(properties::LOSER_TRADES_NOTHING),
            bad(Design::NoExpiryCheck),
        ),
        case(
            "live without asking for the claim",
            Some(properties::ONE_STORE),
            Connect { outlived: true, ..bad(Design::ClaimNotChecked) },
        ),
        case("token stored last", Some(properties::LIVE_IS_WHOLE), bad(Design::TokenLast)),
    ]
}
