//! The shop's side: token pairs and the rule by which one ends the other.

use super::State;

/// When a refresh token that was used stops working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Rule {
    /// With the first use of its replacement, whether for a call or for the next refresh (the shop's rule since
    /// 2026-08-28). A sibling of the pair that is used ends as well: the rule does not say that it lives on.
    #[default]
    UntilReplacementIsUsed,
    /// The same, read in the worst way: asking again also ends the replacement given before, although it is unused.
    AskingAgainEndsTheReplacement,
    /// With its own first use.
    Strict,
}

/// How much of an access token's life is left, which everybody can tell from the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Life {
    Fresh,
    /// To be refreshed, and still working.
    Old,
    Ended,
}

/// An access token and the refresh token that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    parent: Option<u8>,
    pub life: Life,
    /// Whether the shop takes the access token, its life aside.
    access: bool,
    /// Whether the shop takes the refresh token.
    refresh: bool,
}

impl Pair {
    pub fn first() -> Self {
        Self { parent: None, life: Life::Old, access: true, refresh: true }
    }
}

impl State {
    /// Whether a pair can be used or traded for one that can.
    pub fn works(&self, pair: u8) -> bool {
        let pair = &self.pairs[usize::from(pair)];
        !self.revoked && (pair.refresh || pair.access && pair.life != Life::Ended)
    }

    /// The first use of a pair ends what it replaces.
    fn used(&mut self, pair: u8) {
        let Some(parent) = self.pairs[usize::from(pair)].parent else { return };
        self.pairs[usize::from(parent)].refresh = false;
        for (other, of) in self.pairs.iter_mut().enumerate() {
            if other != usize::from(pair) && of.parent == Some(parent) {
                (of.access, of.refresh) = (false, false);
            }
        }
    }

    /// A call with the access token of a pair. Tells whether the shop takes it.
    pub fn call(&mut self, pair: u8) -> bool {
        let of = &self.pairs[usize::from(pair)];
        let taken = !self.revoked && of.access && of.life != Life::Ended;
        if taken {
            self.used_unstored |= self.stored & (1 << pair) == 0;
            self.used(pair);
        }
        taken
    }

    /// Trades a pair for the next. None where the shop does not take its refresh token.
    pub fn trade(&mut self, rule: Rule, pair: u8) -> Option<u8> {
        if self.revoked || !self.pairs[usize::from(pair)].refresh {
            return None;
        }
        self.used_unstored |= self.stored & (1 << pair) == 0;
        self.used(pair);
        match rule {
            Rule::UntilReplacementIsUsed => {}
            Rule::AskingAgainEndsTheReplacement => {
                for of in self.pairs.iter_mut().filter(|of| of.parent == Some(pair)) {
                    (of.access, of.refresh) = (false, false);
                }
            }
            Rule::Strict => self.pairs[usize::from(pair)].refresh = false,
        }
        self.pairs.push(Pair { parent: Some(pair), life: Life::Fresh, access: true, refresh: true });
        u8::try_from(self.pairs.len() - 1).ok()
    }

    /// Forgets what no longer means anything: pairs that nobody knows, and the parents of only children. States that
    /// differ in nothing else are one.
    pub fn forget(&mut self) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.life == Life::Ended) {
            pair.access = false;
        }
        let mut known = self.known();
        let children = |pairs: &[Pair], parent: usize| {
            let of = |index: &usize| pairs[*index].parent.map(usize::from) == Some(parent);
            (0..pairs.len()).filter(|index| known & (1 << index) != 0).filter(of).count()
        };
        let kept =
            (0..self.pairs.len()).filter(|pair| known & (1 << pair) == 0 && children(&self.pairs, *pair) > 1);
        let kept: Vec<usize> = kept.collect();
        for pair in kept {
            known |= 1 << pair;
            self.pairs[pair] = Pair { parent: None, life: Life::Ended, access: false, refresh: false };
        }
        let number = |pair: u8| {
            let below = known & ((1 << pair) - 1);
            u8::try_from(below.count_ones()).ok().filter(|_| known & (1 << pair) != 0)
        };
        let renamed = |pair: u8| number(pair).unwrap_or_default();
        let mut pairs = Vec::new();
        let mut stored = 0;
        for (pair, of) in (0_u8..).zip(&self.pairs).filter(|(pair, _)| known & (1 << pair) != 0) {
            pairs.push(Pair { parent: of.parent.and_then(number), ..*of });
            stored |= (self.stored >> pair & 1) << renamed(pair);
        }
        (self.pairs, self.stored) = (pairs, stored);
        self.current = self.current.map(renamed);
        self.previous = self.previous.map(renamed);
        self.late = self.late.map(|(from, to)| (renamed(from), renamed(to)));
        for worker in &mut self.workers {
            worker.rename(renamed);
        }
    }

    fn known(&self) -> u16 {
        let late = self.late.into_iter().flat_map(|(from, to)| [from, to]);
        let workers = self.workers.iter().flat_map(|worker| worker.pairs());
        self.current
            .into_iter()
            .chain(self.previous)
            .chain(late)
            .chain(workers)
            .fold(0, |known, pair| known | 1 << pair)
    }
}
