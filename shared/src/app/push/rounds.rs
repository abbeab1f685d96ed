//! What comes after a round of calls: jobs that have their outcome are put down, the others are waited for and taken up
//! again, as long as the step has time.

use std::time::Duration;

use super::desk::{Desk, Halt};
use super::page::{ATTEMPTS, Next, Paper, pause};
use crate::domain::push::ledger::{Outcome, RowError};

/// A record or a level that is tried in rounds.
pub(super) trait Tried {
    /// What its round came to; none where it had no turn.
    fn take_next(&mut self) -> Option<Next>;

    /// How often it was tried.
    fn attempts(&mut self) -> &mut u32;

    /// Why it is to be taken up again.
    fn error(&mut self) -> &mut Option<RowError>;

    /// Puts it down: with its outcome, or as pending.
    fn put(&mut self, desk: &Desk<'_>, paper: &mut Paper, outcome: Option<Outcome>, error: Option<RowError>);
}

/// How long jobs are waited for in place.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// At least so long, where a try does not count.
    pub least: Duration,
    /// What takes longer is put down as pending at once.
    pub most: Duration,
}

impl Desk<'_> {
    /// Goes on after a round that `passed` so: answers the jobs of the next one, when their time has come.
    pub(super) async fn after_round<J: Tried>(
        &self,
        paper: &mut Paper,
        jobs: Vec<J>,
        passed: Result<(), Halt>,
        patience: Patience,
    ) -> Result<Vec<J>, Halt> {
        let (mut rest, mut wait) = (Vec::new(), Duration::ZERO);
        for mut job in jobs {
            match job.take_next() {
                Some(Next::Over(outcome, error)) => job.put(self, paper, Some(outcome), error),
                Some(Next::Again { error, wait: least, counts }) => {
                    let attempts = job.attempts();
                    *attempts += u32::from(counts);
                    let attempts = *attempts;
                    if attempts >= ATTEMPTS || least > patience.most {
                        job.put(self, paper, None, Some(error));
                        continue;
                    }
                    wait = wait.max(least).max(if counts { pause(attempts) } else { patience.least });
                    *job.error() = Some(error);
                    rest.push(job);
                }
                None => rest.push(job),
            }
        }
        let over = match passed {
            Ok(()) if rest.is_empty() => return Ok(rest),
            Ok(()) if wait >= self.left() => Halt::Pause(wait),
            Ok(()) => {
                self.app.clock.sleep(wait).await;
                return Ok(rest);
            }
            Err(halt) => halt,
        };
        for mut job in rest {
            if let Some(error) = job.error().take() {
                job.put(self, paper, None, Some(error));
            }
        }
        Err(over)
    }
}
