//! The history of a connector as a chain: every entry holds its number, the hash of the entry before it and its own
//! hash over both and over everything it says. Whoever alters, removes, reorders or inserts an entry has to forge all
//! later ones as well, and the newest hash stands outside of the table too, in the log.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::connection::HistoryEntry;

/// The hash of an entry. It covers the hash before it, and so all of the history up to there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What stands before the first entry.
    pub const GENESIS: Self = Self([0; 32]);

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainedEntry {
    /// Its number, from 1, without a gap.
    pub seq: u64,
    /// The hash of the entry before it.
    pub prev: ChainHash,
    /// Its own hash.
    pub hash: ChainHash,
    /// What happened.
    pub entry: HistoryEntry,
}

impl ChainedEntry {
    /// The entry that comes after the newest one there is.
    pub fn after(newest: Option<&Self>, entry: HistoryEntry) -> Self {
        let (seq, prev) = newest.map_or((1, ChainHash::GENESIS), |newest| (newest.seq + 1, newest.hash));
        let hash = hash(seq, prev, &entry);
        Self { seq, prev, hash, entry }
    }

    /// Whether what it says is what its hash was made of.
    pub fn is_sound(&self) -> bool {
        self.hash == hash(self.seq, self.prev, &self.entry)
    }

    /// Whether it comes directly after another one of the same connector.
    pub fn follows(&self, before: &Self) -> bool {
        self.seq == before.seq + 1
            && self.prev == before.hash
            && (&self.entry.store, self.entry.provider) == (&before.entry.store, before.entry.provider)
    }
}

/// SHA-256 over the name and value of everything an entry says, each with its length before it, so that no two
/// entries have one form. What an entry does not say is left out: a field that is added later leaves old hashes valid.
fn hash(seq: u64, prev: ChainHash, entry: &HistoryEntry) -> ChainHash {
    let mut hash = Sha256::new();
    let mut put = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), value] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    };
    put("store", entry.store.as_str().as_bytes());
    put("provider", entry.provider.as_str().as_bytes());
    put("seq", &seq.to_be_bytes());
    put("prev", &prev.0);
    put("id", entry.id.as_bytes());
    put("at", entry.at.to_string().as_bytes());
    put("actor", entry.actor.as_bytes());
    put("action", entry.action.as_str().as_bytes());
    if let Some(origin) = &entry.origin {
        put("origin", origin.as_bytes());
    }
    if let Some(shop) = &entry.shop {
        put("shop", shop.as_str().as_bytes());
    }
    if let Some(reason) = entry.reason {
        put("reason", reason.as_str().as_bytes());
    }
    if let Some(scopes) = &entry.scopes {
        put("scopes_lost", scopes.lost.to_string().as_bytes());
        put("scopes_gained", scopes.gained.to_string().as_bytes());
    }
    if let Some(detail) = &entry.detail {
        put("detail", detail.as_bytes());
    }
    ChainHash(hash.finalize().into())
}

/// Where a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// It does not begin with the first entry.
    #[error("the history begins with entry {0} and not with the first")]
    Beginning(u64),
    /// An entry says something else than when it was written.
    #[error("entry {0} was altered")]
    Altered(u64),
    /// An entry does not come after the one before it: one was removed, inserted or moved.
    #[error("entry {0} does not follow the one before it")]
    Link(u64),
}

/// Proves a whole history of one connector, oldest entry first. That nothing was cut off its end is seen by comparing
/// the last hash with one that was noted elsewhere.
pub fn verify_chain(entries: &[ChainedEntry]) -> Result<(), BrokenChain> {
    if let Some(first) = entries.first().filter(|first| (first.seq, first.prev) != (1, ChainHash::GENESIS)) {
        return Err(BrokenChain::Beginning(first.seq));
    }
    verify_part(entries)
}

/// Proves a part of a history, oldest entry first: its entries are as they were written, and none is missing between
/// them.
pub fn verify_part(entries: &[ChainedEntry]) -> Result<(), BrokenChain> {
    if let Some(altered) = entries.iter().find(|entry| !entry.is_sound()) {
        return Err(BrokenChain::Altered(altered.seq));
    }
    let broken = entries.windows(2).find(|pair| !pair[1].follows(&pair[0]));
    broken.map_or(Ok(()), |pair| Err(BrokenChain::Link(pair[1].seq)))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::connection::{HistoryAction, Reason, ScopeChange};
    use crate::domain::ids::{ProviderId, ShopDomain, StoreId};
    use crate::domain::scopes::Scopes;

    fn entry(n: u8) -> HistoryEntry {
        HistoryEntry {
            store: StoreId::for_test("st-1").unwrap(),
            provider: ProviderId::ALL[0],
            id: format!("{n:032x}"),
            at: Timestamp::UNIX_EPOCH,
            actor: "user-1".to_owned(),
            origin: None,
            action: HistoryAction::ConnectFailed,
            shop: None,
            reason: None,
            scopes: None,
            detail: None,
        }
    }

    fn chain(entries: impl IntoIterator<Item = HistoryEntry>) -> Vec<ChainedEntry> {
        let mut chain: Vec<ChainedEntry> = Vec::new();
        for entry in entries {
            let next = ChainedEntry::after(chain.last(), entry);
            chain.push(next);
        }
        chain
    }

    #[test]
    fn an_untouched_history_is_proven() {
        assert_eq!(verify_chain(&[]), Ok(()));
        let whole = chain((1..=5).map(entry));
        assert_eq!(verify_chain(&whole), Ok(()));
        assert_eq!(verify_part(&whole[2..4]), Ok(()));
        assert_eq!(whole.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(ChainHash::parse(&whole[4].hash.to_string()), Some(whole[4].hash));
    }

    #[test]
    fn what_was_altered_is_found_whatever_it_is() {
        let changes: [fn(&mut ChainedEntry); 14] = [
            |it| it.entry.store = StoreId::for_test("st-2").unwrap(),
            |it| it.entry.id = "other".to_owned(),
            |it| it.entry.at += std::time::Duration::from_nanos(1),
            |it| it.entry.actor = "user-2".to_owned(),
            |it| it.entry.origin = Some("192.0.2.0/24".to_owned()),
            |it| it.entry.action = HistoryAction::Connected,
            |it| it.entry.shop = Some(ShopDomain::accepted("acme.example".to_owned())),
            |it| it.entry.reason = Some(Reason::StateExpired),
            |it| it.entry.scopes = Some(ScopeChange::default()),
            |it| it.entry.detail = Some("erased".to_owned()),
            |it| {
                it.entry.scopes =
                    Some(ScopeChange { lost: Scopes::parse("read_products"), gained: Scopes::default() });
            },
            |it| it.seq += 1,
            |it| it.prev = ChainHash::GENESIS,
            |it| it.hash = ChainHash::GENESIS,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut whole = chain((1..=3).map(entry));
            change(&mut whole[1]);
            assert_eq!(verify_chain(&whole), Err(BrokenChain::Altered(whole[1].seq)), "change {n}");
        }
    }

    #[test]
    fn words_do_not_move_from_one_field_into_another() {
        let mut one = entry(1);
        (one.actor, one.origin) = ("ab".to_owned(), Some("c".to_owned()));
        let mut two = entry(1);
        (two.actor, two.origin) = ("a".to_owned(), Some("bc".to_owned()));
        assert_ne!(chain([one])[0].hash, chain([two])[0].hash);
    }

    #[test]
    fn what_was_altered_and_hashed_anew_is_found_at_the_next_entry() {
        let mut whole = chain((1..=3).map(entry));
        let forged = HistoryEntry { actor: "nobody".to_owned(), ..entry(2) };
        whole[1] = ChainedEntry::after(Some(&whole[0]), forged);
        assert_eq!(verify_chain(&whole), Err(BrokenChain::Link(3)));
    }

    #[test]
    fn what_was_removed_reordered_or_inserted_is_found() {
        let whole = chain((1..=4).map(entry));
        let without = |n: usize| {
            let mut entries = whole.clone();
            entries.remove(n);
            entries
        };
        assert_eq!(verify_chain(&without(0)), Err(BrokenChain::Beginning(2)));
        assert_eq!(verify_chain(&without(1)), Err(BrokenChain::Link(3)));
        assert_eq!(verify_chain(&without(2)), Err(BrokenChain::Link(4)));
        // What is cut off the end leaves a chain, but not the hash that was noted.
        assert_ne!(without(3).last().unwrap().hash, whole[3].hash);

        let mut reordered = whole.clone();
        reordered.swap(1, 2);
        assert_eq!(verify_chain(&reordered), Err(BrokenChain::Link(3)));

        let mut inserted = whole.clone();
        inserted.insert(2, ChainedEntry::after(Some(&whole[1]), entry(9)));
        assert_eq!(verify_chain(&inserted), Err(BrokenChain::Link(3)));
        let mut twice = whole.clone();
        twice.insert(2, whole[1].clone());
        assert_eq!(verify_chain(&twice), Err(BrokenChain::Link(2)));
    }
}
