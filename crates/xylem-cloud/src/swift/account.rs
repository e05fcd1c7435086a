//! The account's side: TempURL keys, and the container that segments lie in.

use http::Method;

use super::Swift;
use crate::answer::{Attempt, CloudAnswer};
use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::request::CloudRequest;
use crate::secret::Secret;
use crate::settings::KeyScope;

/// Which of the two keys of an account or a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySlot {
    /// `Temp-URL-Key`.
    First,
    /// `Temp-URL-Key-2`.
    Second,
}

impl KeySlot {
    const fn header(self, scope: KeyScope) -> &'static str {
        match (scope, self) {
            (KeyScope::Account, Self::First) => "x-account-meta-temp-url-key",
            (KeyScope::Account, Self::Second) => "x-account-meta-temp-url-key-2",
            (KeyScope::Container, Self::First) => "x-container-meta-temp-url-key",
            (KeyScope::Container, Self::Second) => "x-container-meta-temp-url-key-2",
        }
    }
}

impl Swift<'_> {
    /// Asks which TempURL keys are set; the owner of the account is told.
    pub fn ask_keys(&self) -> CloudRequest {
        self.authorised(Method::HEAD, self.key_path())
    }

    /// The slot for a new key: one that is empty, or the one with our former key. `former` are
    /// keys of ours, the one that signs at present first: its slot is taken last, so that
    /// addresses that are out stay good.
    ///
    /// # Errors
    /// When it was refused, or both slots have keys of somebody else.
    pub fn free_slot(&self, answer: &CloudAnswer, former: &[Secret]) -> Result<KeySlot, Fault> {
        let attempt = Attempt { doing: "asking for TempURL keys of", on: self.container };
        if !answer.is_success() {
            return Err(self.fault(answer, attempt));
        }
        let rank = |slot: KeySlot| match answer.headers.get(slot.header(self.key_scope)) {
            None => Some(0),
            Some(key) if key.is_empty() => Some(0),
            // The further back a key of ours is, the sooner it may go. Compared are bytes: a key
            // of somebody else need not be ASCII.
            Some(key) => former
                .iter()
                .position(|known| known.reveal().as_bytes() == key.as_bytes())
                .map(|age| former.len().saturating_sub(age)),
        };
        let slots = [KeySlot::First, KeySlot::Second];
        slots
            .into_iter()
            .filter_map(|slot| rank(slot).map(|rank| (rank, slot)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, slot)| slot)
            .ok_or_else(|| {
                let why = "both TempURL keys are set and neither is ours: free one of them";
                answer.fault(FaultKind::Place, attempt, why)
            })
    }

    /// Sets a TempURL key: text that was drawn at random.
    pub fn set_key(&self, slot: KeySlot, key: &Secret) -> CloudRequest {
        self.authorised(Method::POST, self.key_path())
            .with_header(slot.header(self.key_scope), key.reveal())
    }

    fn key_path(&self) -> String {
        let base = self.session.storage.0.base();
        match self.key_scope {
            KeyScope::Account => base.to_owned(),
            KeyScope::Container => format!("{base}/{}", encode::component(self.container)),
        }
    }

    /// Makes the container of segments; it may be there. None where segments need none.
    pub fn make_segments_container(&self) -> Option<CloudRequest> {
        match self.key_scope {
            KeyScope::Account => {
                let base = self.session.storage.0.base();
                let container = encode::component(&self.segments_container());
                Some(self.authorised(Method::PUT, format!("{base}/{container}")))
            }
            KeyScope::Container => None,
        }
    }

    /// Whether a key was set, or a container made.
    ///
    /// # Errors
    /// When it was refused.
    pub fn account_changed(&self, answer: &CloudAnswer) -> Result<(), Fault> {
        match answer.is_success() {
            true => Ok(()),
            false => {
                let attempt = Attempt { doing: "changing the account of", on: self.container };
                Err(self.fault(answer, attempt))
            }
        }
    }
}
