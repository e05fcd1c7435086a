//! Whether a request is let through, and if not, why not.

use std::net::Ipv4Addr;

use super::keys::KeyPair;
use super::policy::{Policy, Said, Signed};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Why {
    /// It is not signed, or a part of a signature lacks.
    MissingKey,
    /// A parameter of a signature stands there twice.
    Repeated,
    /// It has both `Policy` and `Expires`, or neither.
    BothOrNeither,
    /// The key group has no such key.
    UnknownKey,
    /// It is not written in the alphabet for URLs.
    Alphabet,
    /// The digest is none that there is.
    Hash,
    /// What it says is no policy.
    Policy,
    /// It has not one statement.
    Statements,
    /// The signature is not that key's over this text.
    Signature,
    /// The policy is for another URL.
    Resource,
    /// It is over.
    Expired,
    /// It has not begun.
    NotYet,
    /// It is for other addresses.
    Address,
}

/// A distribution: its address, and whom it trusts.
#[derive(Debug)]
pub(super) struct Distribution {
    /// `https://HOST:PORT`.
    pub(super) origin: String,
    pub(super) group: Vec<KeyPair>,
}

impl Distribution {
    /// Judges what stands on a request line, sent from an address at a moment, in seconds.
    ///
    /// # Errors
    /// When it cannot be judged: `openssl` does not run.
    pub(super) fn judge(
        &self,
        target: &str,
        address: Ipv4Addr,
        now: i64,
    ) -> anyhow::Result<Result<(), Why>> {
        let signed = match Signed::read(target) {
            Ok(signed) => signed,
            Err(why) => return Ok(Err(why)),
        };
        let url = format!("{}{}", self.origin, signed.rest);
        let (policy, text) = match &signed.said {
            Said::Canned(until) => {
                let (policy, text) = Policy::canned(&url, *until);
                (Ok(policy), text)
            }
            Said::Custom(text) => (Policy::read(text), text.clone()),
        };
        let Some(key) = self.group.iter().find(|key| key.id == signed.key_pair_id) else {
            return Ok(Err(Why::UnknownKey));
        };
        if !key.verifies(signed.hash, text.as_bytes(), &signed.signature)? {
            return Ok(Err(Why::Signature));
        }
        Ok(policy.and_then(|policy| allows(&policy, &signed.said, &url, address, now)))
    }
}

fn allows(policy: &Policy, said: &Said, url: &str, address: Ipv4Addr, now: i64) -> Result<(), Why> {
    if matches!(said, Said::Custom(_)) && !policy.is_for(url) {
        return Err(Why::Resource);
    }
    if now >= policy.until {
        return Err(Why::Expired);
    }
    if policy.from.is_some_and(|from| now <= from) {
        return Err(Why::NotYet);
    }
    match policy.source {
        Some(source) if !source.has(address) => Err(Why::Address),
        _ => Ok(()),
    }
}
