//! What has to hold of connecting.

use stateright::{Model as _, Property};

use super::handler::At;
use super::{Connect, Phase, State};

pub(crate) const SAME_BROWSER: &str = "a store is connected from the browser that began it alone";
pub(crate) const ONE_EXCHANGE: &str = "a state leads to one exchange at most";
pub(crate) const ONE_STORE: &str = "a shop is connected to one store at most";
pub(crate) const LOSER_TRADES_NOTHING: &str = "who is refused a shop has traded no code for it";
pub(crate) const NOT_UNDER_ANOTHER: &str = "no code is traded for a shop that another store is connected to";
pub(crate) const LIVE_IS_WHOLE: &str = "a connector that is live has its token and its claim";
pub(crate) const TOKEN_TAKEN: &str = "no token of a connector that is live was ended by removing the app";
pub(crate) const NOTHING_LEFT: &str = "in the end no token, claim or loose end is left of what is not in use";

/// What a state alone would not tell any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct SeenSoFar {
    pub live_in_another_browser: bool,
    exchanged_twice: bool,
    exchanged_under_another: bool,
    pub disconnected: bool,
}

impl SeenSoFar {
    pub fn traded(&mut self, exchanges: u8, live_elsewhere: bool) {
        self.exchanged_twice |= exchanges > 1;
        self.exchanged_under_another |= live_elsewhere;
    }
}

fn whole(state: &State, store: u8) -> bool {
    state.connectors[usize::from(store)].is_none_or(|install| {
        let claim = state.claims[usize::from(state.shop_of(install))];
        let claimed = claim.is_some_and(|claim| {
            claim.store == store && claim.install == install && claim.phase == Phase::Confirmed
        });
        state.vault & (1 << install) != 0 && claimed
    })
}

fn at_rest(model: &Connect, state: &State) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    actions.is_empty()
}

pub(crate) fn all() -> Vec<Property<Connect>> {
    vec![
        Property::always(SAME_BROWSER, |_, state: &State| !state.seen.live_in_another_browser),
        Property::always(ONE_EXCHANGE, |_, state: &State| !state.seen.exchanged_twice),
        Property::always(ONE_STORE, |_, state: &State| {
            let shop = |store: usize| state.connectors[store].map(|install| state.shop_of(install));
            shop(0).is_none() || shop(0) != shop(1)
        }),
        Property::always(LOSER_TRADES_NOTHING, |model, state: &State| {
            let refused = |handler: usize| {
                let traded = state.attempts[handler / 2].exchanges > 0;
                state.handlers[handler].at == At::Note && state.handlers[handler].refused && traded
            };
            model.outlived || !(0..state.handlers.len()).any(refused)
        }),
        Property::always(NOT_UNDER_ANOTHER, |model, state: &State| {
            model.outlived || !state.seen.exchanged_under_another
        }),
        Property::always(LIVE_IS_WHOLE, |_, state: &State| whole(state, 0) && whole(state, 1)),
        Property::always(TOKEN_TAKEN, |model, state: &State| {
            model.outlived
                || !state.connectors.iter().flatten().any(|install| state.killed & (1 << install) != 0)
        }),
        Property::always(NOTHING_LEFT, |model, state: &State| {
            let used = state.connectors.iter().flatten().fold(0_u8, |used, install| used | 1 << install);
            let unused =
                |claim: &super::Claim| claim.phase == Phase::Confirmed && used & (1 << claim.install) == 0;
            let left =
                state.vault & !used != 0 || state.listed != 0 || state.claims.iter().flatten().any(unused);
            !left || !at_rest(model, state)
        }),
        Property::sometimes("an attempt succeeds", |_, state: &State| state.connectors[1].is_some()),
        Property::sometimes("an attempt is refused", |_, state: &State| {
            state.handlers.iter().any(|handler| handler.at == At::Note && handler.refused)
        }),
        Property::sometimes("a connector is disconnected where it may be", |model, state: &State| {
            state.seen.disconnected || !model.starts.iter().any(|start| start.disconnects > 0)
        }),
    ]
}
