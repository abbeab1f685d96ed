//! The steps of one who needs a token, one for each call that the code makes.

use super::shop::Life;
use super::{Design, How, Refresh, State};

/// Where a worker is: the call that it makes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum At {
    /// Load the connector.
    #[default]
    Start,
    /// Read the vault.
    Read,
    /// Take the lease.
    Lease,
    /// Sleep until something may have changed.
    Nap,
    /// Read the vault under the lease.
    Reread,
    /// Trade the pair.
    Trade,
    /// Only where the next pair is used first.
    UseEarly { next: u8 },
    /// Only where the pair before is deleted first.
    Delete { next: u8 },
    /// Put the next pair in force.
    Store { next: u8 },
    /// Find out whether that has happened.
    ReadBack { next: u8 },
    /// Read the vault after a rejection.
    Recheck,
    /// Read which pair was in force before.
    ReadPrevious,
    /// Trade that one, the last try.
    TradePrevious { pair: u8 },
    /// Give the lease back, then go on.
    Release { then: Then },
    /// Say on the connector that it is over.
    Declare,
    /// Call the shop.
    Use { pair: u8 },
    /// The end.
    Done { told: bool },
}

impl Worker {
    /// The pairs that it knows.
    pub fn pairs(&self) -> impl Iterator<Item = u8> {
        let at = match self.at {
            At::UseEarly { next } | At::Delete { next } | At::Store { next } | At::ReadBack { next } => {
                Some(next)
            }
            At::Use { pair } | At::TradePrevious { pair } | At::Release { then: Then::Use(pair) } => {
                Some(pair)
            }
            _ => None,
        };
        [at, self.held, self.rejected].into_iter().flatten()
    }

    /// Calls the pairs that it knows by other numbers.
    pub fn rename(&mut self, renamed: impl Fn(u8) -> u8) {
        match &mut self.at {
            At::UseEarly { next } | At::Delete { next } | At::Store { next } | At::ReadBack { next } => {
                *next = renamed(*next);
            }
            At::Use { pair } | At::TradePrevious { pair } | At::Release { then: Then::Use(pair) } => {
                *pair = renamed(*pair);
            }
            _ => {}
        }
        self.held = self.held.map(&renamed);
        self.rejected = self.rejected.map(&renamed);
    }
}

/// How it goes on after the lease was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Then {
    ReadAgain,
    /// Fail for a reason that passes: the message comes again.
    BeginAgain,
    Declare,
    Use(u8),
}

/// One who needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Worker {
    pub at: At,
    /// The pair that it read.
    held: Option<u8>,
    /// Whether that one may still be used.
    usable: bool,
    /// Whether the lease is its own.
    pub holds: bool,
    /// The pair whose access token the shop has rejected.
    rejected: Option<u8>,
}

impl At {
    /// What can go wrong with the call made here, crashes aside. Where a read fails, the worker begins again, which is
    /// what a crash does.
    pub fn faults(self) -> &'static [How] {
        match self {
            Self::Trade | Self::TradePrevious { .. } => &[How::AnswerLost, How::Unavailable],
            Self::Store { .. } => &[How::AnswerLost, How::Late, How::Unavailable],
            Self::Release { .. } => &[How::Unavailable],
            _ => &[],
        }
    }
}

impl State {
    /// A worker that waits goes on when there is something new for it to see.
    pub fn may_step(&self, worker: &Worker) -> bool {
        match worker.at {
            At::Done { .. } => false,
            At::Nap => !self.lease || self.current != worker.held,
            _ => true,
        }
    }

    /// Makes the call that a worker is at.
    pub fn step(&mut self, model: &Refresh, index: usize, how: How) {
        let mut worker = self.workers[index];
        let held = worker.held.unwrap_or_default();
        let release = |then| At::Release { then };
        // Nothing is known about the token: it is used while it works, else tried again later.
        let failed = match (model.design, worker.usable) {
            (Design::DeadOnOutage, _) => release(Then::Declare),
            (_, true) => release(Then::Use(held)),
            (_, false) => release(Then::BeginAgain),
        };
        let replaced = self.current != worker.held;
        worker.at = match worker.at {
            At::Start if self.dead => At::Done { told: true },
            At::Start => At::Read,
            At::Read => self.read(&mut worker),
            At::Lease if model.design == Design::NoLease => At::Reread,
            At::Lease if !self.lease => {
                self.lease = true;
                worker.holds = true;
                At::Reread
            }
            At::Lease if worker.usable => At::Use { pair: held },
            At::Lease => At::Nap,
            At::Nap => At::Read,
            At::Reread if replaced => release(Then::ReadAgain),
            At::Reread => At::Trade,
            At::Trade => match (how, model.design) {
                (How::Unavailable | How::Late, _) => failed,
                (How::AnswerLost, _) => {
                    // A pair that nobody ever sees.
                    let _ = self.trade(model.rule, held);
                    failed
                }
                (How::Well, design) => match self.trade(model.rule, held) {
                    Some(next) if design == Design::UseBeforeStore => At::UseEarly { next },
                    Some(next) if design == Design::DeleteFirst => At::Delete { next },
                    Some(next) => At::Store { next },
                    None if design == Design::NoRecheck => release(Then::Declare),
                    None => At::Recheck,
                },
            },
            At::UseEarly { next } => {
                self.call(next);
                At::Store { next }
            }
            At::Delete { next } => {
                self.current = None;
                At::Store { next }
            }
            At::Store { next } => match how {
                How::Well if self.replace(model.design, held, next) => release(Then::Use(next)),
                How::Well => release(Then::ReadAgain),
                How::AnswerLost => {
                    self.replace(model.design, held, next);
                    At::ReadBack { next }
                }
                How::Late => {
                    self.late = Some((held, next));
                    At::ReadBack { next }
                }
                How::Unavailable => At::ReadBack { next },
            },
            At::ReadBack { next } if self.current == Some(next) => release(Then::Use(next)),
            At::ReadBack { .. } => failed,
            At::Recheck if replaced => release(Then::ReadAgain),
            At::Recheck if model.design == Design::NotByThePairBefore => release(Then::Declare),
            At::Recheck => At::ReadPrevious,
            At::ReadPrevious => match self.previous {
                Some(pair) => At::TradePrevious { pair },
                None => release(Then::Declare),
            },
            At::TradePrevious { .. } if matches!(how, How::Unavailable | How::Late) => failed,
            At::TradePrevious { pair } => match self.trade(model.rule, pair) {
                _ if how == How::AnswerLost => failed,
                Some(next) => At::Store { next },
                None => release(Then::Declare),
            },
            At::Release { then } => {
                // One that has ended is someone else's by now, or nobody's.
                let ours = worker.holds || model.design == Design::ReleasesAnyLease;
                self.lease &= how != How::Well || !ours;
                worker.holds = false;
                match then {
                    Then::ReadAgain => At::Read,
                    Then::BeginAgain => At::Start,
                    Then::Declare => At::Declare,
                    Then::Use(pair) => At::Use { pair },
                }
            }
            At::Declare => {
                self.dead = true;
                At::Done { told: true }
            }
            At::Use { pair } if self.call(pair) => At::Done { told: false },
            At::Use { pair } => {
                worker.rejected = Some(pair);
                At::Start
            }
            At::Done { told } => At::Done { told },
        };
        // What is no longer needed must not tell states apart.
        let over = matches!(worker.at, At::Start | At::Read | At::Declare | At::Use { .. } | At::Done { .. });
        if over || matches!(worker.at, At::Release { .. }) {
            (worker.held, worker.usable) = (None, false);
        }
        if matches!(worker.at, At::Done { .. }) {
            worker.rejected = None;
        }
        self.workers[index] = worker;
    }

    fn read(&self, worker: &mut Worker) -> At {
        let Some(pair) = self.current else { return At::Declare };
        let rejected = worker.rejected == Some(pair);
        let life = self.pairs[usize::from(pair)].life;
        if !rejected && life == Life::Fresh {
            return At::Use { pair };
        }
        worker.held = Some(pair);
        worker.usable = !rejected && life != Life::Ended;
        At::Lease
    }
}
