//! What a data tool is told by the status of an answer, so that a tool that knows nothing else of us tells the truth.

use crate::domain::push::code::Class;
use crate::domain::push::ledger::Outcome;
use crate::domain::push::run::{PushRun, PushState};

/// The status of the answer to a write: 200 where every row is as it should be, 201 where it is kept and will be
/// delivered, 422 where a row was refused for good, 401 and 403 where the shop no longer lets us in.
pub fn status(run: &PushRun) -> u16 {
    match run.state {
        PushState::Queued | PushState::Running => 201,
        PushState::Succeeded => 200,
        PushState::CompletedWithErrors | PushState::Cancelled => 422,
        PushState::Stopped => match run.stopped.as_ref().map(|error| error.class) {
            Some(Class::Auth) => 401,
            Some(Class::Permission) => 403,
            _ => 422,
        },
    }
}

/// One sentence about it.
pub fn summary(run: &PushRun) -> String {
    let part = |outcome, word| {
        let rows = run.tally.of(outcome);
        (rows > 0).then(|| format!("{rows} {word}"))
    };
    let mut parts: Vec<String> = [
        part(Outcome::Created, "created"),
        part(Outcome::Updated, "updated"),
        part(Outcome::Unchanged, "unchanged"),
        part(Outcome::Skipped, "skipped"),
        part(Outcome::Failed, "failed"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if run.tally.pending() > 0 {
        parts.push(format!("{} pending", run.tally.pending()));
    }
    let why = run.stopped.as_ref().map(|error| format!("; {}: {}", error.code, error.message));
    format!("{}{}", parts.join(", "), why.unwrap_or_default())
}
