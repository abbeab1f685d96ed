use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap()
}

fn status(maximum: u32, restore_rate: u32) -> Status {
    let maximum = Points::whole(maximum);
    Status { maximum, available: maximum, restore_rate: Points::whole(restore_rate) }
}

/// The shop's side of it, after its documents: a call is refused where it asks for more than there is; what it did not
/// use is given back when it is answered.
struct Shop {
    level: u64,
    status: Status,
    at: u64,
}

impl Shop {
    fn restore(&mut self, now: u64) {
        self.level =
            (self.level + self.status.restore_rate.0 * (now - self.at) / 1000).min(self.status.maximum.0);
        self.at = now;
    }

    fn told(&self) -> Status {
        Status { available: Points(self.level), ..self.status }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Look,
    Arrives { call: usize },
    Answered { call: usize },
}

#[derive(Debug)]
struct Sent {
    lease: Lease,
    at: u64,
    latency: u64,
    refused: bool,
    told: Option<Status>,
}

struct Reached {
    /// Spent of what there was to spend: the full bucket and what came in, until the last answer.
    share: f64,
    refused: usize,
}

/// Calls until so many rows are written, one call a row: 12 points asked for, 10 spent, about 350 ms.
fn simulate(shop: Status, rows: usize, in_flight: usize) -> Reached {
    let (asked, spent) = (Points::whole(12), Points::whole(10));
    let mut server = Shop { level: shop.available.0, status: shop, at: 0 };
    let mut bucket = Bucket::new(Status::UNKNOWN, at(0));
    let mut predictor = Predictor::default();
    let mut events = BinaryHeap::from([Reverse((0, Event::Look))]);
    let mut sent: Vec<Sent> = Vec::new();
    let (mut left, mut flying, mut done, mut refused, mut noise, mut looking) = (rows, 0, 0, 0, 7_u64, true);
    let mut now = 0;
    while done < rows {
        let Reverse((time, event)) = events.pop().unwrap();
        now = time;
        server.restore(now);
        match event {
            Event::Look => looking = false,
            Event::Arrives { call } => {
                let refuse = server.level < asked.0;
                sent[call].refused = refuse;
                if !refuse {
                    server.level -= asked.0;
                }
                let answered = now + sent[call].latency / 2;
                events.push(Reverse((answered, Event::Answered { call })));
            }
            Event::Answered { call } => {
                flying -= 1;
                if sent[call].refused {
                    refused += 1;
                    left += 1;
                } else {
                    server.level = (server.level + asked.0 - spent.0).min(shop.maximum.0);
                    done += 1;
                }
                sent[call].told = Some(server.told());
                predictor.learn("row", asked);
                let cost = if sent[call].refused { Points::ZERO } else { spent };
                bucket.correct(&sent[call].lease, cost, server.told(), at(sent[call].at), at(now));
            }
        }
        while left > 0 && flying < in_flight {
            let points = predictor.predict("row", Points::whole(10));
            match bucket.lease(points, points, at(now)) {
                Ok(lease) => {
                    noise =
                        noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let latency = 250 + (noise >> 33) % 200;
                    sent.push(Sent { lease, at: now, latency, refused: false, told: None });
                    events.push(Reverse((now + latency / 2, Event::Arrives { call: sent.len() - 1 })));
                    (left, flying) = (left - 1, flying + 1);
                }
                Err(Refused::Wait(wait)) => {
                    if !looking {
                        let wait = u64::try_from(wait.as_millis()).unwrap();
                        events.push(Reverse((now + wait, Event::Look)));
                        looking = true;
                    }
                    break;
                }
                Err(Refused::TooMuch) => panic!("a row is no larger than a bucket"),
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of some millions")]
    let share = (spent.0 * rows as u64) as f64 / (shop.maximum.0 + shop.restore_rate.0 * now / 1000) as f64;
    Reached { share, refused }
}

fn holds(name: &str, shop: Status, goal: f64) {
    let in_flight = in_flight(shop.restore_rate, Points::whole(10), Duration::from_millis(350));
    let Reached { share, refused } = simulate(shop, 10_000, in_flight);
    println!(
        "{name}: {in_flight} in flight, {:.2} % of the points used, {refused} calls refused",
        share * 100.0
    );
    assert!(share >= goal, "{name}: {share}");
    assert!(refused <= 100, "{name}: {refused} refused");
}

#[test]
fn nearly_all_of_a_standard_shops_points_are_used_and_nearly_no_call_is_refused() {
    holds("standard", status(2_000, 100), 0.97);
}

#[test]
fn nearly_all_of_a_plus_shops_points_are_used_and_nearly_no_call_is_refused() {
    holds("plus", status(20_000, 1_000), 0.95);
}

#[test]
fn a_tiny_bucket_is_served_too() {
    let Reached { share, refused } = simulate(
        status(40, 2),
        100,
        in_flight(Points::whole(2), Points::whole(10), Duration::from_millis(350)),
    );
    assert!(share >= 0.9 && refused <= 1, "{share} {refused}");
}

#[test]
fn what_never_fits_is_told_apart_from_what_must_wait() {
    let mut bucket = Bucket::new(status(100, 10), at(0));
    let held = bucket.lease(Points::whole(95), Points::whole(95), at(0)).unwrap();
    assert_eq!(bucket.lease(Points::whole(101), Points::whole(101), at(0)), Err(Refused::TooMuch));
    let wait = Refused::Wait(Duration::from_millis(500));
    assert_eq!(bucket.lease(Points::whole(10), Points::whole(10), at(0)), Err(wait));
    bucket.settle(&held, Points::ZERO, at(0));
    assert_eq!(bucket.free(at(0)), Points::whole(100), "what was not used is there again");
}

#[test]
fn points_of_a_worker_that_died_count_as_spent() {
    let mut bucket = Bucket::new(status(100, 1), at(0));
    bucket.lease(Points::whole(100), Points::whole(100), at(0)).unwrap();
    let lease = bucket.lease(Points::whole(60), Points::whole(60), at(60_000));
    assert_eq!(lease, Err(Refused::Wait(Duration::from_secs(60))), "restored is only what has come in since");
}

#[test]
fn an_answer_that_was_overtaken_is_not_believed() {
    let mut bucket = Bucket::new(status(100, 0), at(0));
    let first = bucket.lease(Points::whole(10), Points::whole(10), at(0)).unwrap();
    let second = bucket.lease(Points::whole(10), Points::whole(10), at(10)).unwrap();
    let told = |available| Status { available: Points::whole(available), ..status(100, 0) };
    bucket.correct(&second, Points::whole(10), told(20), at(10), at(300));
    bucket.correct(&first, Points::whole(10), told(90), at(0), at(400));
    assert_eq!(bucket.free(at(400)), Points::whole(10));
}

#[test]
fn what_a_call_asks_for_is_learned_quickly_upwards_and_slowly_downwards() {
    let mut predictor = Predictor::default();
    assert_eq!(predictor.predict("set", Points::whole(10)), Points::whole(10));
    predictor.learn("set", Points::whole(20));
    assert_eq!(predictor.predict("set", Points::whole(10)), Points::whole(20));
    predictor.learn("set", Points::whole(12));
    assert_eq!(predictor.predict("set", Points::whole(10)), Points::whole(19));
}

#[test]
fn the_shops_numbers_are_read_with_their_fractions() {
    assert_eq!(Points::read(1999.5).map(Points::thousandths), Some(1_999_500));
    for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
        assert_eq!(Points::read(wrong), None);
    }
}

proptest! {
    #[test]
    fn nobody_ever_leases_more_than_there_is(
        acts in prop::collection::vec((0..5_u8, 20..80_u32, 0..300_u64), 1..80),
    ) {
        let (shop, mut now) = (status(200, 10), 0);
        let mut bucket = Bucket::new(shop, at(0));
        let mut level = shop.maximum.0;
        let mut leases: Vec<Lease> = Vec::new();
        for (act, points, pause) in acts {
            now += pause;
            level = (level + shop.restore_rate.0 * pause / 1000).min(shop.maximum.0);
            match act {
                0..3 => {
                    let points = Points::whole(points);
                    if let Ok(lease) = bucket.lease(points, points, at(now)) {
                        leases.push(lease);
                    }
                }
                3 if !leases.is_empty() => {
                    // Spent in full, whoever else does what.
                    let lease = leases.remove(0);
                    level = level.checked_sub(lease.points.0).ok_or_else(|| TestCaseError::fail("overdrawn"))?;
                    bucket.settle(&lease, lease.points, at(now));
                }
                _ => if let Some(lease) = leases.pop() {
                    bucket.settle(&lease, Points::ZERO, at(now));
                },
            }
        }
    }
}
