//! Completing a run (`ImportStep::advance`, `apply_chunk`, `verify`): chunks worked on by several workers, a queue that
//! delivers at least once, a header under compare-and-set, receipts, and hand-overs that a crash may cut off.
//!
//! A message stays in the queue until its worker has dealt with it: a crash brings it back. Nothing else is repeated;
//! there is no sweeper that would heal what hangs.

mod properties;
mod worker;

use stateright::{Model, Property};

use crate::Case;
use worker::{At, Known, Message, Worker};

const MODEL: &str = "completion";
const CHUNKS: usize = 4;
const WORKERS: usize = 2;

/// How completing is done. The first is the code as it is: the list of chunks is sealed, then handed out; a chunk's
/// worker writes its effects, then its receipt, then looks at all receipts, also when the message is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Design {
    #[default]
    Ours,
    /// Chunks are handed out while they are found, and sealed at the end; receipt and counter are one transaction;
    /// everyone looks, who seals and who gets a duplicate included.
    CountedTogether,
    /// The same with a counter that is raised after the receipt.
    CountedApart,
    /// Ours, but a duplicate is dropped without a look.
    DuplicatesDropped,
    /// Everyone looks whether all others are done, then writes the own receipt.
    LookBeforeReceipt,
    /// Chunks are handed out, then sealed, and who seals does not look.
    SealWithoutLook,
    /// Ours, but the receipt comes before the effects.
    ReceiptFirst,
    /// Ours, but the header says that messages were sent before they are.
    NotedBeforeSent,
    /// Ours, but the header is written whatever it has become.
    Unconditional,
}

impl Design {
    /// Whether chunks are handed out before their list is sealed.
    fn streams(self) -> bool {
        matches!(
            self,
            Self::CountedTogether | Self::CountedApart | Self::LookBeforeReceipt | Self::SealWithoutLook
        )
    }

    fn counts(self) -> bool {
        matches!(self, Self::CountedTogether | Self::CountedApart)
    }
}

/// What is explored.
#[derive(Debug, Clone)]
pub(crate) struct Completion {
    design: Design,
    crashes: u8,
    duplicates: u8,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    Collecting,
    Applying,
    Verifying,
    Complete,
}

/// One chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Chunk {
    /// Copies of its message in the queue.
    queued: u8,
    effects: bool,
    receipt: bool,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct State {
    phase: Phase,
    handed_off: bool,
    /// How often the run was completed.
    completed: u8,
    /// Receipts as the counting designs count them.
    counter: u8,
    chunks: [Chunk; CHUNKS],
    collect_queued: u8,
    verify_queued: u8,
    workers: [Worker; WORKERS],
    crashes_left: u8,
    duplicates_left: u8,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Receive {
        worker: usize,
        message: Message,
    },
    /// The message is delivered and stays in the queue.
    ReceiveTwice {
        worker: usize,
        message: Message,
    },
    Step {
        worker: usize,
        at: At,
    },
    Crash {
        worker: usize,
        at: At,
    },
    /// Of several messages one is sent, then the worker crashes.
    SendInPart {
        worker: usize,
    },
}

impl Model for Completion {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            phase: Phase::Collecting,
            handed_off: false,
            completed: 0,
            counter: 0,
            chunks: [Chunk::default(); CHUNKS],
            collect_queued: 1,
            verify_queued: 0,
            workers: [Worker::default(); WORKERS],
            crashes_left: self.crashes,
            duplicates_left: self.duplicates,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (worker, of) in state.workers.iter().enumerate() {
            let at = of.at;
            if at == At::Idle {
                // Idle workers are all alike.
                if state.workers[..worker].iter().any(|before| before.at == At::Idle) {
                    continue;
                }
                for message in state.messages() {
                    actions.push(Action::Receive { worker, message });
                    if state.duplicates_left > 0 {
                        actions.push(Action::ReceiveTwice { worker, message });
                    }
                }
                continue;
            }
            actions.push(Action::Step { worker, at });
            if state.crashes_left > 0 {
                actions.push(Action::Crash { worker, at });
                if matches!(at, At::HandOut | At::SendAll) {
                    actions.push(Action::SendInPart { worker });
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Receive { worker, message } => {
                *state.queued(message) -= 1;
                state.workers[worker] = Worker::with(message);
            }
            Action::ReceiveTwice { worker, message } => {
                state.duplicates_left -= 1;
                state.workers[worker] = Worker::with(message);
            }
            Action::Step { worker, .. } => state.step(self.design, worker),
            Action::Crash { worker, .. } => state.crash(worker),
            Action::SendInPart { worker } => {
                let first = state.workers[worker].to_send().next();
                if let Some(message) = first {
                    *state.queued(message) += 1;
                }
                state.crash(worker);
            }
        }
        Some(state.plainest())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl State {
    /// Messages that can be received.
    fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        let mut chunks: Vec<Chunk> = Vec::new();
        for (index, chunk) in (0_u8..).zip(&self.chunks) {
            let held = self.workers.iter().any(|worker| worker.knows(index));
            // Chunks that differ in nothing are all alike.
            if chunk.queued > 0 && (held || !chunks.contains(chunk)) {
                messages.push(Message::Chunk(index));
                if !held {
                    chunks.push(*chunk);
                }
            }
        }
        messages.extend((self.collect_queued > 0).then_some(Message::Collect));
        messages.extend((self.verify_queued > 0).then_some(Message::Verify));
        messages
    }

    fn queued(&mut self, message: Message) -> &mut u8 {
        match message {
            Message::Chunk(index) => &mut self.chunks[usize::from(index)].queued,
            Message::Collect => &mut self.collect_queued,
            Message::Verify => &mut self.verify_queued,
        }
    }

    /// A worker is gone; its message comes back.
    fn crash(&mut self, worker: usize) {
        self.crashes_left -= 1;
        if let Some(message) = self.workers[worker].message {
            *self.queued(message) += 1;
        }
        self.workers[worker] = Worker::default();
    }

    /// The same with chunks and workers in order, since it does not matter which is which.
    fn plainest(self) -> Self {
        let mut turned = self.clone();
        turned.workers.reverse();
        self.ordered().min(turned.ordered())
    }

    fn ordered(mut self) -> Self {
        let mut order: [u8; CHUNKS] = [0, 1, 2, 3];
        order.sort_by_key(|index| {
            let known = self.workers.map(|worker| worker.about(*index));
            (self.chunks[usize::from(*index)], known)
        });
        let renamed =
            |index: u8| (0_u8..).zip(order).find(|(_, old)| *old == index).map_or(index, |(new, _)| new);
        self.chunks = order.map(|old| self.chunks[usize::from(old)]);
        for worker in &mut self.workers {
            worker.rename(renamed);
        }
        self
    }

    /// The header was written: what others read of it is out of date.
    fn changed(&mut self) {
        for worker in &mut self.workers {
            if worker.known == Known::Fresh {
                worker.known = Known::Stale;
            }
        }
    }
}

/// The variants.
pub(crate) fn cases() -> Vec<Case> {
    let case = |variant, must_fail, design, crashes, duplicates| {
        Case::new(MODEL, variant, must_fail, Completion { design, crashes, duplicates })
    };
    let bad = |variant, property, design| case(variant, Some(property), design, 2, 2);
    vec![
        case("receipts, looked at by everyone", None, Design::Ours, 2, 2),
        case("counted together with the receipt", None, Design::CountedTogether, 2, 2),
        bad("counted after the receipt", properties::ENDS, Design::CountedApart),
        bad("duplicates dropped", properties::ENDS, Design::DuplicatesDropped),
        bad("looked before the own receipt", properties::ENDS, Design::LookBeforeReceipt),
        bad("sealed without a look", properties::ENDS, Design::SealWithoutLook),
        bad("receipt before the effects", properties::EFFECTS, Design::ReceiptFirst),
        bad("noted before it is sent", properties::ENDS, Design::NotedBeforeSent),
        bad("header written without a condition", properties::ONCE, Design::Unconditional),
    ]
}
