//! Who has a shop: the store whose connector uses it, and the attempts of that store that count on it.
//!
//! A shop stays its store's as long as anyone counts on that: an attempt that gave up, or a disconnect, must not hand the
//! shop to another store while a second attempt trades its code. Every attempt has an end, so that one that died keeps a
//! shop from nobody for long. Decisions only; whoever stores a claim writes it on the condition that it is still the one
//! that was read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ids::{InstallId, StoreId};

/// A claim on a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub store: StoreId,
    /// What it stands for.
    pub stands: Stands,
    /// The installations whose attempts count on it, and until when each does. None while it is closing.
    pub attempts: BTreeMap<InstallId, Timestamp>,
}

/// What a claim stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// Attempts alone; it ends with the last of them.
    Pending,
    /// An installation in use, without an end.
    Confirmed(InstallId),
    /// An installation that is being put away; until then nobody gets the shop.
    Closing {
        /// Which.
        install: InstallId,
        /// Until when.
        until: Timestamp,
    },
}

/// Why a claim is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotClosed {
    /// Another installation has the shop.
    Others,
    /// Attempts that may still get it are under way.
    Attempts {
        /// Until when, at the latest.
        until: Timestamp,
    },
}

impl Claim {
    /// When the last attempt ends, this one left out.
    fn attempts_end(&self, but: Option<&InstallId>) -> Option<Timestamp> {
        self.attempts.iter().filter(|(install, _)| Some(*install) != but).map(|(_, end)| *end).max()
    }

    /// Whether nobody has the shop by it any more.
    fn is_over(&self, now: Timestamp) -> bool {
        match &self.stands {
            Stands::Pending => self.attempts_end(None).is_none_or(|end| end <= now),
            Stands::Confirmed(_) => false,
            Stands::Closing { until, .. } => *until <= now,
        }
    }

    fn is_of(&self, install: &InstallId) -> bool {
        match &self.stands {
            Stands::Pending => false,
            Stands::Confirmed(of) | Stands::Closing { install: of, .. } => of == install,
        }
    }

    /// One more attempt of a store counts on the shop. None where it is another's, or closing. A confirmed claim stays
    /// confirmed, so that a failed reconnect cannot harm it.
    pub fn counted_on(
        held: Option<Self>,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<Self> {
        let mut claim = match held.filter(|held| !held.is_over(now)) {
            None => Self { store: store.clone(), stands: Stands::Pending, attempts: BTreeMap::new() },
            Some(Self { stands: Stands::Closing { .. }, .. }) => return None,
            Some(held) if held.store != *store => return None,
            Some(held) => held,
        };
        // Those that died are forgotten here.
        claim.attempts.retain(|_, end| *end > now);
        claim.attempts.insert(install.clone(), until);
        Some(claim)
    }

    /// An attempt has succeeded: the claim stands for its installation. None where the attempt does not count on it.
    pub fn confirmed(held: Option<Self>, store: &StoreId, install: &InstallId) -> Option<Self> {
        let mut claim = held.filter(|held| held.store == *store)?;
        let stands = Stands::Confirmed(install.clone());
        // Confirmed already: asked again because no answer came.
        let counts = claim.attempts.remove(install).is_some() || claim.stands == stands;
        counts.then_some(Self { stands, ..claim })
    }

    /// An installation or an attempt needs the shop no more; without anyone else who does, it is free.
    pub fn released(held: Option<Self>, install: &InstallId) -> Option<Self> {
        let mut claim = held?;
        if claim.is_of(install) {
            claim.stands = Stands::Pending;
        }
        claim.attempts.remove(install);
        (claim.stands != Stands::Pending || !claim.attempts.is_empty()).then_some(claim)
    }

    /// As `released`, but what the installation has confirmed or is closing stays: an attempt may be live without
    /// knowing it.
    pub fn given_up(held: Option<Self>, install: &InstallId) -> Option<Self> {
        if held.as_ref().is_some_and(|claim| claim.is_of(install)) {
            held
        } else {
            Self::released(held, install)
        }
    }

    /// Takes the shop for putting an installation away: until `until` nobody gets it, not even its own store.
    pub fn closed(
        held: Option<&Self>,
        store: &StoreId,
        install: &InstallId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Self, NotClosed> {
        if let Some(claim) = held.filter(|held| !held.is_over(now)) {
            if claim.stands != Stands::Pending && !claim.is_of(install) {
                return Err(NotClosed::Others);
            }
            if let Some(until) = claim.attempts_end(Some(install)).filter(|end| *end > now) {
                return Err(NotClosed::Attempts { until });
            }
        }
        let stands = Stands::Closing { install: install.clone(), until };
        Ok(Self { store: store.clone(), stands, attempts: BTreeMap::new() })
    }
}
