//! P16, two versions on one table: half of a run by the one before ends on this one.

use futures::executor::block_on;

use crate::cases::{Case, Kind, halfway_on_the_version_before};

#[test]
fn a_run_that_the_version_before_began_ends_on_this_one_as_if_it_had_begun_here() {
    for kind in [Kind::Rerun, Kind::FromPreview, Kind::Undo] {
        let clean = Case::clean(kind).attempt().unwrap();
        // After so many steps of it; the longest has about thirty.
        for steps in [0, 1, 3, 5, 8, 12, 16, 20, 25] {
            let left = block_on(halfway_on_the_version_before(kind, steps));
            assert_eq!(left, clean.left, "{kind:?} after {steps} steps");
        }
    }
}
