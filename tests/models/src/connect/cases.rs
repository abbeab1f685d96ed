//! The variants.

use super::{Connect, Design, Start, properties};
use crate::Case;

const MODEL: &str = "connect";

pub(crate) fn cases() -> Vec<Case> {
    let start =
        |attempts: &[(u8, u8)], live, disconnects| Start { attempts: attempts.to_vec(), live, disconnects };
    let race = start(&[(0, 0), (1, 0)], None, 1);
    let tabs = start(&[(0, 0), (0, 0)], None, 1);
    let reconnect = start(&[(0, 0), (1, 0)], Some(0), 2);
    let two_tabs = start(&[(0, 0), (0, 0)], Some(0), 1);
    let moving = start(&[(0, 1), (1, 0)], Some(0), 1);
    let three = start(&[(0, 0), (0, 0), (1, 0)], None, 0);
    let some = vec![race.clone(), moving.clone()];
    let starts = vec![race.clone(), tabs, reconnect.clone(), two_tabs.clone(), moving];
    let late = vec![race.clone(), two_tabs];
    let ours = Connect { lost_answers: true, starts, ..Connect::default() };
    let ours_late = Connect { lost_answers: false, late_writes: true, starts: late, ..ours.clone() };
    let ours_three = Connect { starts: vec![three], lost_answers: false, ..ours.clone() };
    let bad = |design| Connect { design, ..ours.clone() };
    let case = |variant, must_fail, model| Case::new(MODEL, variant, must_fail, model);
    vec![
        case("two attempts, every start", None, ours.clone()),
        case("three attempts, one shop", None, ours_three),
        case(
            "claims run out under a handler",
            None,
            Connect { outlived: true, lost_answers: false, starts: some.clone(), ..ours.clone() },
        ),
        case(
            "a sweeper beside",
            None,
            Connect { sweeps_beside: true, starts: vec![race.clone()], ..ours.clone() },
        ),
        case(
            "a sweeper that crashes, a shop that does not answer",
            None,
            Connect { mishaps: 1, starts: some.clone(), ..ours.clone() },
        ),
        case(
            "a sweeper beside that crashes, a shop that does not answer",
            None,
            Connect { sweeps_beside: true, mishaps: 1, starts: vec![race.clone()], ..ours.clone() },
        ),
        case("going live may arrive late", None, ours_late.clone()),
        case("a claim that knows one attempt", Some(properties::NOT_UNDER_ANOTHER), bad(Design::OneAttempt)),
        case(
            "closed under an attempt",
            Some(properties::NOT_UNDER_ANOTHER),
            Connect { starts: vec![reconnect], ..bad(Design::ClosedUnderAttempts) },
        ),
        case(
            "two put an install away at once",
            Some(properties::TOKEN_TAKEN),
            Connect { starts: vec![race], ..bad(Design::PutAwayTogether) },
        ),
        case(
            "a loose end struck out that was not read",
            Some(properties::NOTHING_LEFT),
            Connect { starts: some.clone(), ..bad(Design::StruckUnread) },
        ),
        case(
            "live while it is put away",
            Some(properties::LIVE_IS_WHOLE),
            Connect { design: Design::TakenGoesLive, ..ours_late },
        ),
        case("no cookie", Some(properties::SAME_BROWSER), bad(Design::NoCookie)),
        case("state read, then deleted", Some(properties::ONE_EXCHANGE), bad(Design::ReadThenDelete)),
        case(
            "claim after the exchange",
            Some(properties::LOSER_TRADES_NOTHING),
            bad(Design::ClaimAfterExchange),
        ),
        case("live by two writes", Some(properties::LIVE_IS_WHOLE), bad(Design::TwoWrites)),
        case("given up by the shop's name", Some(properties::LIVE_IS_WHOLE), bad(Design::GiveUpByShop)),
        case(
            "pending claims for the taking",
            Some(properties::LOSER_TRADES_NOTHING),
            bad(Design::NoExpiryCheck),
        ),
        case(
            "live without asking for the claim",
            Some(properties::ONE_STORE),
            Connect { outlived: true, starts: some.clone(), ..bad(Design::ClaimNotChecked) },
        ),
        case("token stored last", Some(properties::LIVE_IS_WHOLE), bad(Design::TokenLast)),
        case("a token on no list", Some(properties::NOTHING_LEFT), bad(Design::NotListed)),
        case(
            "app removed without closing",
            Some(properties::TOKEN_TAKEN),
            bad(Design::RemovedWithoutClosing),
        ),
    ]
}
