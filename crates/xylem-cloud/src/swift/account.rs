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

/// Which TempURL keys are known, for finding a slot for a new one.
#[derive(Debug, Clone, Copy)]
pub struct OwnKeys<'a> {
    /// Keys of this point, the one that signs at present first: its slot is taken last, so that
    /// addresses that are out stay good.
    pub former: &'a [Secret],
    /// Keys of another point of ours, which signs with them: these are left.
    pub others: &'a [Secret],
    /// What all keys of this catalogue begin with. One that is not known otherwise was set by a test
    /// that was killed.
    pub label: &'a str,
}

impl OwnKeys<'_> {
    /// How much a key is needed: those that are needed least are replaced first; none: never. What is
    /// compared are bytes: a key of somebody else need not be ASCII.
    fn need(&self, key: &[u8]) -> Option<usize> {
        let is_it = |known: &Secret| known.reveal().as_bytes() == key;
        if let Some(age) = self.former.iter().position(is_it) {
            return Some(self.former.len().saturating_sub(age));
        }
        let is_left = !self.label.is_empty() && key.starts_with(self.label.as_bytes());
        (key.is_empty() || (is_left && !self.others.iter().any(is_it))).then_some(0)
    }
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

    /// The slot for a new key, and what is in it: one that is empty, one that nobody needs, or the
    /// one with our former key.
    ///
    /// # Errors
    /// When it was refused, or both slots have keys of somebody else.
    pub fn free_slot(
        &self,
        answer: &CloudAnswer,
        own: &OwnKeys<'_>,
    ) -> Result<(KeySlot, Secret), Fault> {
        let attempt = Attempt { doing: "asking for TempURL keys of", on: self.container };
        if !answer.is_success() {
            return Err(self.fault(answer, attempt));
        }
        let set = |slot: KeySlot| {
            let key = answer.headers.get(slot.header(self.key_scope));
            key.map_or(&b""[..], |key| key.as_bytes())
        };
        [KeySlot::First, KeySlot::Second]
            .into_iter()
            .filter_map(|slot| own.need(set(slot)).map(|need| (need, slot)))
            .min_by_key(|(need, _)| *need)
            // What may be replaced is ours, and so it is text.
            .map(|(_, slot)| (slot, Secret::new(String::from_utf8_lossy(set(slot)))))
            .ok_or_else(|| {
                let why = "both TempURL keys are set and neither is ours: free one of them";
                answer.fault(FaultKind::Place, attempt, why)
            })
    }

    /// Whether the key that signs is one of the two that are set there.
    ///
    /// # Errors
    /// When it was refused, or the key is not there: addresses that it signs open nothing.
    pub fn has_key(&self, answer: &CloudAnswer) -> Result<(), Fault> {
        let attempt = Attempt { doing: "asking for TempURL keys of", on: self.container };
        if !answer.is_success() {
            return Err(self.fault(answer, attempt));
        }
        let signs = self.keys.temp_url_key.as_ref();
        let is_in = |slot| signs.is_some_and(|key| self.holds(answer, slot, key));
        match is_in(KeySlot::First) || is_in(KeySlot::Second) {
            true => Ok(()),
            false => {
                let why = "the TempURL key that we set is not there any more";
                Err(answer.fault(FaultKind::Keys, attempt, why))
            }
        }
    }

    /// Whether a slot has a key, as an answer to [`ask_keys`](Self::ask_keys) tells; one that was refused
    /// tells of none.
    pub fn holds(&self, answer: &CloudAnswer, slot: KeySlot, key: &Secret) -> bool {
        let set = answer.headers.get(slot.header(self.key_scope));
        answer.is_success() && set.is_some_and(|set| set.as_bytes() == key.reveal().as_bytes())
    }

    /// Sets a TempURL key: text that was drawn at random. An empty one takes it away.
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
