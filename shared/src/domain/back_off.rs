//! When a message that could not be dealt with comes again: soon at first, then ever more rarely.
//!
//! Twenty deliveries span more than three hours, so that no outage of a shop or a table that is known to have happened
//! (2 h 52 min) brings a message to the dead-letter queue; and none waits longer than a quarter of an hour, so that an
//! hour's outage is made good a quarter of an hour after its end.

use std::time::Duration;

/// After the first delivery.
const FIRST: Duration = Duration::from_secs(30);
/// The longest. What follows the last wait has the rest of the quarter of an hour.
const LONGEST: Duration = Duration::from_secs(14 * 60);

/// How long a message waits that was delivered `receives` times. `lot` spreads those that failed together over the last
/// tenth of it. Not before `asked`, where whoever refused said so.
pub fn back_off(receives: u32, lot: u8, asked: Option<Duration>) -> Duration {
    let doubled = FIRST.saturating_mul(1 << receives.saturating_sub(1).min(16));
    let full = doubled.min(LONGEST);
    let spread = full / 10 * u32::from(lot) / u32::from(u8::MAX);
    (full - spread).max(asked.unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let waits: Vec<u64> = (0..8).map(|receives| back_off(receives, 0, None).as_secs()).collect();
        assert_eq!(waits, [30, 30, 60, 120, 240, 480, 840, 840]);
        assert_eq!(back_off(u32::MAX, 0, None).as_secs(), 840);
    }

    #[test]
    fn those_that_failed_together_come_apart_by_a_tenth() {
        assert_eq!(back_off(3, u8::MAX, None).as_secs(), 108);
        assert_eq!(back_off(3, 128, None).as_secs(), 113);
    }

    #[test]
    fn twenty_deliveries_outlast_three_hours_whatever_the_lot() {
        let last: Duration = (1..20).map(|receives| back_off(receives, u8::MAX, None)).sum();
        assert!(last > Duration::from_secs(3 * 3600), "{last:?}");
    }

    #[test]
    fn who_was_told_when_to_come_does_not_come_before() {
        let asked = |seconds| back_off(1, 7, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!((asked(2), asked(300), asked(90_000)), (29, 300, 840));
    }
}
