//! What a run that was stopped has done and what it has left, record by record and in sums.

use std::collections::HashSet;

use super::pages::Chunk;
use super::requests::Imports;
use crate::app::error::AppError;
use crate::domain::plan::{Counts, Outcome};
use crate::domain::record::{Kind, Resource};
use crate::domain::run::{Cost, Receipt, Run, RunKind};

/// Which records of a chunk's plan were carried out.
pub(super) enum CarriedOut {
    /// All of them, or none.
    Whole(bool),
    /// Those that the chunk had begun to write when it was stopped: what a batch begins, it ends.
    Begun(HashSet<(Kind, u64)>),
}

impl CarriedOut {
    pub fn holds(&self, kind: Kind, external_id: u64) -> bool {
        match self {
            Self::Whole(done) => *done,
            Self::Begun(records) => records.contains(&(kind, external_id)),
        }
    }
}

impl Imports {
    /// What was carried out of a chunk, by what its receipt says.
    pub(super) async fn carried_out(
        &self,
        run: &Run,
        place: Chunk<'_>,
        done: Option<&Receipt>,
    ) -> Result<CarriedOut, AppError> {
        let Some(done) = done.filter(|_| run.kind != RunKind::Preview) else {
            return Ok(CarriedOut::Whole(false));
        };
        // An undo lists what it did, and nothing else.
        if !done.skipped || run.kind == RunKind::Undo {
            return Ok(CarriedOut::Whole(true));
        }
        let mut begun = HashSet::new();
        for batch in 0..done.journal_pages {
            let entries = place.journal(batch, &mut Cost::default()).await?.unwrap_or_default();
            begun.extend(entries.iter().map(|entry| (entry.kind, entry.external_id)));
        }
        Ok(CarriedOut::Begun(begun))
    }
}

/// What was planned and not applied: the chunks that were passed over, and of one that was stopped midway, the rest.
pub(super) fn left(planned: &[Receipt], applied: &[Receipt]) -> Counts {
    let mut left = Counts::default();
    for plan in planned {
        match applied.iter().find(|done| done.chunk == plan.chunk) {
            None => left.merge(&plan.counts),
            Some(done) if done.skipped => left.merge(&less(&plan.counts, &done.counts)),
            Some(_) => {}
        }
    }
    left
}

/// Numbers without those of another. What came out otherwise than planned is taken from what was planned to be written.
fn less(all: &Counts, done: &Counts) -> Counts {
    let mut rest = Counts::default();
    for resource in Resource::ALL {
        let mut over: u64 = Outcome::ALL
            .into_iter()
            .map(|outcome| done.get(resource, outcome).saturating_sub(all.get(resource, outcome)))
            .sum();
        for outcome in Outcome::ALL {
            let open = all.get(resource, outcome).saturating_sub(done.get(resource, outcome));
            let taken = open.min(over);
            over -= taken;
            rest.add(resource, outcome, open - taken);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(Outcome, u64)]) -> Counts {
        let mut counts = Counts::default();
        of.iter().for_each(|(outcome, n)| counts.add(Resource::Products, *outcome, *n));
        counts
    }

    #[test]
    fn what_is_left_and_what_is_done_make_what_was_planned() {
        let planned = counts(&[(Outcome::Created, 4), (Outcome::Unchanged, 3)]);
        let done = counts(&[(Outcome::Created, 1), (Outcome::Failed, 2), (Outcome::Unchanged, 1)]);
        let rest = less(&planned, &done);
        assert_eq!(rest, counts(&[(Outcome::Created, 1), (Outcome::Unchanged, 2)]));
        assert_eq!(less(&planned, &planned), Counts::default());
        assert_eq!(less(&planned, &Counts::default()), planned);
    }
}
