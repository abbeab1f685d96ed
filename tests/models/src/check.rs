//! Runs one model to its end and says what was found.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde::Serialize;
use stateright::{Checker as _, Expectation, HasDiscoveries, Model};

/// What the explored graph itself has to be: without a cycle, every path ends, so that what holds of all ends holds
/// eventually.
const ENDS: &str = "every path ends";

/// Finds the steps that lead to a violation of a property.
type Trace = dyn Fn(&str) -> Vec<String> + Send + Sync;

/// A model in one variant.
pub struct Case {
    /// The model.
    pub model: &'static str,
    /// The variant of it.
    pub variant: &'static str,
    /// The property that this variant has to violate; none where all have to hold.
    pub must_fail: Option<&'static str>,
    run: Box<dyn Fn() -> Found + Send + Sync>,
    trace: Box<Trace>,
}

/// What exploring found.
struct Found {
    states: usize,
    unique_states: usize,
    depth: usize,
    violations: Vec<&'static str>,
}

/// What became of a case, as one line of JSON.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The model.
    pub model: &'static str,
    /// The variant of it.
    pub variant: &'static str,
    /// Whether the variant is a bad one.
    pub must_fail: bool,
    /// States generated.
    pub states: usize,
    /// Different ones among them.
    pub unique_states: usize,
    /// The longest of the shortest paths to a state.
    pub depth: usize,
    /// Properties that do not hold. Of a bad variant, those found until the expected one was.
    pub violations: Vec<&'static str>,
    /// How long it took.
    pub seconds: f64,
    /// Whether a good variant held and a bad one failed as it had to.
    #[serde(skip)]
    pub as_expected: bool,
}

impl Case {
    /// A model to explore. A bad variant is explored until it violates `must_fail`, a good one to the end.
    pub(crate) fn new<M>(
        model: &'static str,
        variant: &'static str,
        must_fail: Option<&'static str>,
        explored: M,
    ) -> Self
    where
        M: Model + Clone + Send + Sync + 'static,
        M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
        M::Action: Clone + Debug + PartialEq + 'static,
    {
        let traced = explored.clone();
        Self {
            model,
            variant,
            must_fail,
            run: Box::new(move || explore(&explored, must_fail)),
            trace: Box::new(move |property| shortest(&traced, property)),
        }
    }

    /// Explores it.
    #[must_use]
    pub fn run(&self) -> Verdict {
        #[expect(clippy::disallowed_methods, reason = "a measurement, and the models know no ports")]
        let began = std::time::Instant::now();
        let found = (self.run)();
        Verdict {
            model: self.model,
            variant: self.variant,
            must_fail: self.must_fail.is_some(),
            states: found.states,
            unique_states: found.unique_states,
            depth: found.depth,
            as_expected: match self.must_fail {
                Some(expected) => found.violations.contains(&expected),
                None => found.violations.is_empty(),
            },
            violations: found.violations,
            seconds: (began.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
        }
    }

    /// The fewest steps after which a property does not hold. Empty where it holds always, or is not about single
    /// states.
    #[must_use]
    pub fn trace(&self, property: &str) -> Vec<String> {
        (self.trace)(property)
    }
}

fn explore<M>(model: &M, must_fail: Option<&'static str>) -> Found
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + 'static,
{
    let until =
        must_fail.map_or(HasDiscoveries::AllFailures, |name| HasDiscoveries::AllOf(BTreeSet::from([name])));
    let checker = model.clone().checker().threads(1).finish_when(until).spawn_bfs().join();
    let discovered = checker.discoveries();
    let mut violations = Vec::new();
    for property in model.properties() {
        let found = discovered.contains_key(property.name);
        if match property.expectation {
            // That a bad variant was left before it came so far says nothing.
            Expectation::Sometimes => !found && must_fail.is_none(),
            Expectation::Always | Expectation::Eventually => found,
        } {
            violations.push(property.name);
        }
    }
    if must_fail.is_none() && has_cycle(model) {
        violations.push(ENDS);
    }
    Found {
        states: checker.state_count(),
        unique_states: checker.unique_state_count(),
        depth: checker.max_depth(),
        violations,
    }
}

fn key<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Breadth first. The checker's own path leads to the last violation that it met, which is seldom the plainest.
fn shortest<M>(model: &M, property: &str) -> Vec<String>
where
    M: Model,
    M::State: Hash,
    M::Action: Debug,
{
    let broken = |state: &M::State| {
        let of_name =
            |p: &stateright::Property<M>| p.name == property && p.expectation == Expectation::Always;
        model.properties().into_iter().filter(of_name).any(|p| !(p.condition)(model, state))
    };
    let mut came_from: HashMap<u64, Option<(u64, String)>> = HashMap::new();
    let mut waiting = VecDeque::new();
    for init in model.init_states() {
        came_from.insert(key(&init), None);
        waiting.push_back(init);
    }
    while let Some(state) = waiting.pop_front() {
        let at = key(&state);
        if broken(&state) {
            let mut steps = Vec::new();
            let mut at = at;
            while let Some(Some((before, action))) = came_from.get(&at) {
                steps.push(action.clone());
                at = *before;
            }
            steps.reverse();
            return steps;
        }
        for (action, next) in model.next_steps(&state) {
            if let Entry::Vacant(new) = came_from.entry(key(&next)) {
                new.insert(Some((at, format!("{action:?}"))));
                waiting.push_back(next);
            }
        }
    }
    Vec::new()
}

/// Depth first, with the states on the current path marked: meeting one of them again closes a cycle.
fn has_cycle<M>(model: &M) -> bool
where
    M: Model,
    M::State: Hash,
{
    let mut on_path = HashMap::new();
    for init in model.init_states() {
        let mut path: Vec<(u64, Vec<M::State>)> = Vec::new();
        let mut enter = Some(init);
        loop {
            if let Some(state) = enter.take() {
                let key = key(&state);
                match on_path.get(&key) {
                    Some(true) => return true,
                    Some(false) => {}
                    None => {
                        on_path.insert(key, true);
                        path.push((key, model.next_states(&state)));
                    }
                }
            }
            let Some((key, next)) = path.last_mut() else { break };
            match next.pop() {
                Some(state) => enter = Some(state),
                None => {
                    on_path.insert(*key, false);
                    path.pop();
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use stateright::Property;

    /// Counts to three, or round and round.
    #[derive(Clone)]
    struct Counting {
        round: bool,
        goal: fn(&Self, &u8) -> bool,
        below: fn(&Self, &u8) -> bool,
    }

    impl Model for Counting {
        type State = u8;
        type Action = u8;

        fn init_states(&self) -> Vec<u8> {
            vec![0]
        }

        fn actions(&self, state: &u8, actions: &mut Vec<u8>) {
            if *state < 3 || self.round {
                actions.push((state + 1) % 4);
            }
        }

        fn next_state(&self, _: &u8, action: u8) -> Option<u8> {
            Some(action)
        }

        fn properties(&self) -> Vec<Property<Self>> {
            vec![Property::always("below", self.below), Property::sometimes("goal", self.goal)]
        }
    }

    fn counting() -> Counting {
        Counting { round: false, goal: |_, state| *state == 3, below: |_, state| *state < 4 }
    }

    fn run(must_fail: Option<&'static str>, model: Counting) -> Verdict {
        Case::new("counting", "", must_fail, model).run()
    }

    #[test]
    fn a_model_that_holds_is_explored_to_its_end() {
        let verdict = run(None, counting());
        assert_eq!((verdict.as_expected, verdict.unique_states), (true, 4));
    }

    #[test]
    fn a_cycle_is_a_violation() {
        let verdict = run(None, Counting { round: true, ..counting() });
        assert_eq!((verdict.as_expected, verdict.violations), (false, vec![ENDS]));
    }

    #[test]
    fn what_is_never_reached_is_a_violation() {
        let verdict = run(None, Counting { goal: |_, state| *state == 4, ..counting() });
        assert_eq!((verdict.as_expected, verdict.violations), (false, vec!["goal"]));
    }

    #[test]
    fn a_bad_variant_that_holds_is_not_as_expected() {
        assert!(!run(Some("below"), counting()).as_expected);
    }

    #[test]
    fn a_trace_has_the_fewest_steps() {
        let bad = Counting { below: |_, state| *state < 2, ..counting() };
        assert!(run(Some("below"), bad.clone()).as_expected);
        assert_eq!(Case::new("counting", "", None, bad).trace("below"), ["1", "2"]);
    }
}
