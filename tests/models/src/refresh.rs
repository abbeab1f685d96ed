//! Refreshing a token (`Access::token`, `Access::refresh`): workers that need a token of one installation, a lease, a
//! vault with compare-and-set, and a shop that rotates token pairs.
//!
//! A worker that fails for a reason that passes, or crashes, begins again, as its message is delivered again. So a
//! worker can end in two ways only: with a token that the shop took, or told that the merchant has to connect anew.

mod properties;
mod shop;
mod worker;

use stateright::{Model, Property};

use crate::Case;
use shop::{Pair, Rule};
use worker::{At, Worker};

const MODEL: &str = "refresh";

/// How refreshing is done. The first is the code as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Design {
    #[default]
    Ours,
    /// A lease is given back whoever has it by now.
    ReleasesAnyLease,
    /// A rejection is the end; the pair that was in force before is not tried.
    NotByThePairBefore,
    /// Nobody takes turns.
    NoLease,
    /// The next pair is put in force whatever is in force.
    BlindOverwrite,
    /// The next pair is used for a call, then stored.
    UseBeforeStore,
    /// A rejected refresh token is taken for the end without looking at the vault again.
    NoRecheck,
    /// An answer that is missing is taken for a rejection.
    DeadOnOutage,
    /// The pair before is deleted, then the next one stored.
    DeleteFirst,
}

/// What is explored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refresh {
    design: Design,
    rule: Rule,
    workers: usize,
    /// Lost or missing answers, writes that arrive late, crashes, leases that end under a holder who goes on.
    faults: u8,
    /// How often a pair that was fresh grows old.
    ages: u8,
    /// Whether the shop may end everything, as an uninstall over there does.
    may_revoke: bool,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// In order, since it does not matter who is who.
    workers: Vec<Worker>,
    lease: bool,
    /// The pair in force in the vault.
    current: Option<u8>,
    /// The one that was before it.
    previous: Option<u8>,
    /// Pairs that were in force at some time.
    stored: u16,
    /// A write whose answer is gone and which has not arrived yet: put the second in force if the first is.
    late: Option<(u8, u8)>,
    /// Whether the connector says that the merchant has to connect anew.
    dead: bool,
    revoked: bool,
    /// Every pair that the shop ever gave.
    pairs: Vec<Pair>,
    used_unstored: bool,
    faults_left: u8,
    ages_left: u8,
}

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Well,
    /// It has its effect; the answer does not come.
    AnswerLost,
    /// It has its effect later, or never.
    Late,
    /// It has none, and no answer comes.
    Unavailable,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Step { worker: usize, at: At, how: How },
    Crash { worker: usize, at: At },
    LeaseEnds,
    LateWriteArrives,
    GrowsOld { pair: u8 },
    Ends { pair: u8 },
    Revoked,
}

impl Model for Refresh {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            workers: vec![Worker::default(); self.workers],
            lease: false,
            current: Some(0),
            previous: None,
            stored: 1,
            late: None,
            dead: false,
            revoked: false,
            pairs: vec![Pair::first()],
            used_unstored: false,
            faults_left: self.faults,
            ages_left: self.ages,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let faulty = state.faults_left > 0;
        for (worker, of) in state.workers.iter().enumerate() {
            // Equal workers do equal things.
            if worker > 0 && state.workers[worker - 1] == *of {
                continue;
            }
            let at = of.at;
            if state.may_step(of) {
                actions.push(Action::Step { worker, at, how: How::Well });
            }
            if faulty {
                let faults = at.faults().iter();
                actions.extend(faults.map(|how| Action::Step { worker, at, how: *how }));
                if !matches!(at, At::Start | At::Done { .. }) {
                    actions.push(Action::Crash { worker, at });
                }
            }
        }
        // A lease ends by itself. That it does so under a holder who goes on afterwards is a fault.
        let held = state.workers.iter().any(|worker| worker.holds);
        if state.lease && (faulty || !held) {
            actions.push(Action::LeaseEnds);
        }
        if state.late.is_some() {
            actions.push(Action::LateWriteArrives);
        }
        for pair in (0_u8..).take(state.pairs.len()).filter(|pair| state.matters(*pair)) {
            let life = state.pairs[usize::from(pair)].life;
            if life == shop::Life::Fresh && state.ages_left > 0 {
                actions.push(Action::GrowsOld { pair });
            }
            if life == shop::Life::Old {
                actions.push(Action::Ends { pair });
            }
        }
        if self.may_revoke && !state.revoked {
            actions.push(Action::Revoked);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step { worker, how, .. } => {
                state.faults_left -= u8::from(how != How::Well);
                state.step(self, worker, how);
            }
            Action::Crash { worker, .. } => {
                state.faults_left -= 1;
                state.workers[worker] = Worker::default();
            }
            Action::LeaseEnds => {
                let held = state.workers.iter().any(|worker| worker.holds);
                state.faults_left -= u8::from(held);
                state.lease = false;
                for worker in &mut state.workers {
                    worker.holds = false;
                }
            }
            Action::LateWriteArrives => {
                if let Some((from, to)) = state.late.take() {
                    state.replace(self.design, from, to);
                }
            }
            Action::GrowsOld { pair } => {
                state.ages_left -= 1;
                state.pairs[usize::from(pair)].life = shop::Life::Old;
            }
            Action::Ends { pair } => state.pairs[usize::from(pair)].life = shop::Life::Ended,
            Action::Revoked => state.revoked = true,
        }
        state.forget();
        state.workers.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl State {
    /// Whether the life of a pair means anything to anybody.
    fn matters(&self, pair: u8) -> bool {
        self.current == Some(pair)
            || self.workers.iter().any(|worker| matches!(worker.at, At::Use { pair: used } if used == pair))
    }

    /// Puts a pair in force if the one expected is. Tells whether it did.
    fn replace(&mut self, design: Design, from: u8, to: u8) -> bool {
        let may = match design {
            Design::BlindOverwrite => true,
            Design::DeleteFirst => self.current.is_none_or(|current| current == from),
            _ => self.current == Some(from),
        };
        if may {
            self.previous = self.current;
            self.current = Some(to);
            self.stored |= 1 << to;
        }
        may
    }
}

/// The variants.
pub(crate) fn cases() -> Vec<Case> {
    let lenient = Refresh { workers: 3, faults: 2, ages: 1, ..Refresh::default() };
    let strict = Refresh { rule: Rule::Strict, ..lenient.clone() };
    let bad = |design, rule| Refresh { design, rule, ..lenient.clone() };
    let worst = |design| bad(design, Rule::AskingAgainEndsTheReplacement);
    let case = |variant, must_fail, model| Case::new(MODEL, variant, must_fail, model);
    vec![
        case("two workers", None, Refresh { workers: 2, faults: 3, ages: 2, ..lenient.clone() }),
        case("three workers", None, lenient.clone()),
        case(
            "three workers, the shop may end it",
            None,
            Refresh { may_revoke: true, ages: 0, ..lenient.clone() },
        ),
        case("three workers, a refresh token works once", None, strict),
        // The lease saves calls; it is the vault that keeps tokens safe.
        case("three workers without a lease", None, bad(Design::NoLease, Rule::UntilReplacementIsUsed)),
        case(
            "blind overwrite",
            Some(properties::CURRENT_WORKS),
            bad(Design::BlindOverwrite, Rule::UntilReplacementIsUsed),
        ),
        case(
            "used before it is stored",
            Some(properties::CURRENT_WORKS),
            bad(Design::UseBeforeStore, Rule::UntilReplacementIsUsed),
        ),
        case(
            "dead without another look",
            Some(properties::NOT_DEAD_FALSELY),
            bad(Design::NoRecheck, Rule::UntilReplacementIsUsed),
        ),
        case(
            "dead after an outage",
            Some(properties::NOT_DEAD_FALSELY),
            bad(Design::DeadOnOutage, Rule::UntilReplacementIsUsed),
        ),
        case(
            "the old pair goes first",
            Some(properties::CURRENT_WORKS),
            bad(Design::DeleteFirst, Rule::UntilReplacementIsUsed),
        ),
        case(
            "no lease where a refresh token works once",
            Some(properties::ONLY_FAULTS_KILL),
            bad(Design::NoLease, Rule::Strict),
        ),
        // The rule read in the worst way: what the pair before is tried for.
        case("asking again ends the replacement", None, Refresh { faults: 1, ..worst(Design::Ours) }),
        case(
            "asking again ends the replacement, the pair before is not tried",
            Some(properties::NOT_DEAD_FALSELY),
            Refresh { faults: 1, ..worst(Design::NotByThePairBefore) },
        ),
        case(
            "asking again ends the replacement, anyone's lease is given back",
            Some(properties::NOT_DEAD_FALSELY),
            Refresh { faults: 1, ..worst(Design::ReleasesAnyLease) },
        ),
    ]
}
