//! What has to hold of completing.

use stateright::{Model as _, Property};

use super::{Completion, Phase, State};

const WHOLE: &str = "a run that is complete has a receipt of every chunk";
pub(crate) const EFFECTS: &str = "a run that is complete has the effects of every chunk";
pub(crate) const ONCE: &str = "a run is completed once at most";
pub(crate) const ENDS: &str = "a run with nothing left in the queue is complete";

fn at_rest(model: &Completion, state: &State) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    actions.is_empty()
}

pub(crate) fn all() -> Vec<Property<Completion>> {
    vec![
        Property::always(WHOLE, |_, state: &State| {
            state.phase != Phase::Complete || state.chunks.iter().all(|chunk| chunk.receipt)
        }),
        Property::always(EFFECTS, |_, state: &State| {
            state.phase != Phase::Complete || state.chunks.iter().all(|chunk| chunk.effects)
        }),
        Property::always(ONCE, |_, state: &State| state.completed <= 1),
        Property::always(ENDS, |model, state: &State| {
            state.phase == Phase::Complete || !at_rest(model, state)
        }),
        Property::sometimes("a run is completed", |_, state: &State| state.phase == Phase::Complete),
        Property::sometimes("a run is completed after every fault there may be", |_, state: &State| {
            state.phase == Phase::Complete && state.crashes_left == 0 && state.duplicates_left == 0
        }),
    ]
}
