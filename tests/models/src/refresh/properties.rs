//! What has to hold of refreshing.

use stateright::{Model as _, Property};

use super::shop::{Life, Rule};
use super::worker::{At, Worker};
use super::{How, Refresh, State};

pub(crate) const NOT_DEAD_FALSELY: &str = "a token that lives is never declared dead";
pub(crate) const CURRENT_WORKS: &str = "the pair in force works or can be traded for one that does";
pub(crate) const ONLY_FAULTS_KILL: &str = "without a fault nothing is declared dead";
const STORED_FIRST: &str = "no token is used before it is stored";
const SAYS_WHY: &str = "whoever was told to give up finds it on the connector";
const ALL_END: &str = "everyone ends with a token or says why";
const NO_SILENCE: &str = "whoever comes next gets a token or makes the connector say why";

/// Whether nothing can be lost, whatever goes wrong.
fn lenient(model: &Refresh) -> bool {
    model.rule != Rule::Strict
}

fn at_rest(model: &Refresh, state: &State) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    actions.is_empty()
}

/// Lets one more come, undisturbed.
fn next_is_served(model: &Refresh, state: &State) -> bool {
    let mut state = state.clone();
    state.lease = false;
    state.workers = vec![Worker::default()];
    for _ in 0..64 {
        match state.workers[0].at {
            At::Done { told } => return told == state.dead,
            _ => state.step(model, 0, How::Well),
        }
    }
    false
}

pub(crate) fn all() -> Vec<Property<Refresh>> {
    vec![
        Property::always(NOT_DEAD_FALSELY, |model, state: &State| {
            !lenient(model) || !state.dead || state.revoked
        }),
        Property::always(CURRENT_WORKS, |model, state: &State| {
            // Under the worst rule the pair before is what is left, and is tried.
            let worst = model.rule == Rule::AskingAgainEndsTheReplacement;
            let mut pairs = state.current.into_iter().chain(state.previous.filter(|_| worst));
            !lenient(model) || state.revoked || pairs.any(|pair| state.works(pair))
        }),
        Property::always(ONLY_FAULTS_KILL, |model, state: &State| {
            !state.dead || state.revoked || state.faults_left < model.faults
        }),
        Property::always(STORED_FIRST, |_, state: &State| !state.used_unstored),
        Property::always(SAYS_WHY, |_, state: &State| {
            state.dead || !state.workers.iter().any(|worker| worker.at == At::Done { told: true })
        }),
        Property::always(ALL_END, |model, state: &State| {
            let done = |worker: &Worker| matches!(worker.at, At::Done { .. });
            state.workers.iter().all(done) || !at_rest(model, state)
        }),
        Property::always(NO_SILENCE, |model, state: &State| {
            !state.workers.iter().all(|worker| matches!(worker.at, At::Done { .. }))
                || next_is_served(model, state)
        }),
        // Without these, a model in which nothing happens would hold too.
        Property::sometimes("everyone gets a token, and the pair is a new one", |_, state: &State| {
            let served = state.workers.iter().all(|worker| worker.at == At::Done { told: false });
            served && state.current.is_some_and(|pair| state.pairs[usize::from(pair)].life == Life::Fresh)
        }),
        Property::sometimes("two refresh at the same time", |_, state: &State| {
            state.workers.iter().filter(|worker| worker.at == At::Trade).count() > 1
        }),
        Property::sometimes("the end is told where the shop may end it", |model, state: &State| {
            (!model.may_revoke && lenient(model)) || state.dead
        }),
    ]
}
