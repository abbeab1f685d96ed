//! A second run of the same rows makes no call that changes anything.

use shared::domain::push::run::PushState;
use shared::domain::push::target::Stream;

use super::crashes::{Trials, seeds};
use super::world::{World, counts, rows, stock};

#[tokio::test]
async fn the_same_rows_again_change_nothing() {
    // Ten thousand rows in all, in the large tier a hundred thousand.
    let count = usize::try_from(seeds()).unwrap() * 2;
    for stream in Stream::ALL {
        let mut trials = Trials::of("the same rows again", stream);
        let world = World::new().await;
        world.set_up(stream, count).await;
        stock(&world, count);
        let first = world.write(stream, rows(stream, 0..count)).await;
        assert_eq!((first.state, first.tally.received()), (PushState::Succeeded, count as u64), "{stream:?}");
        let made = world.writer.mutations();
        assert!(made > 0, "{stream:?}");
        let second = world.write(stream, rows(stream, 0..count)).await;
        let (again, told) = (world.writer.mutations() - made, counts(&second));
        let quiet = again == 0 && told == [0, 0, count as u64, 0, 0, 0];
        let outcome = if quiet { Ok(()) } else { Err(format!("{again} changes, told {told:?}")) };
        trials.add(&world, outcome, || format!("{count} rows"));
        trials.tried = count;
        trials.end();
    }
}
