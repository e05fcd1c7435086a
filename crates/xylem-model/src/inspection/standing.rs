//! What is to be said of one version by itself, at the moment it is asked.

use std::time::Duration;

use super::facts::{Facts, Signing};
use super::finding::Finding;
use crate::Timestamp;

/// How long before its end a provisioning profile is spoken of.
const PROFILE_ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Signatures and profiles that are over, or soon are.
pub(super) fn standing(facts: &Facts<'_>, now: Timestamp) -> Vec<Finding> {
    let mut said = Vec::new();
    if let Signing::Signed(signer) = &facts.signing {
        if signer.valid_when_signed == Some(false) {
            let message = "the signer's certificate was not valid when the file was signed";
            said.push(Finding::warning("certificate-invalid-when-signed", message));
        }
        let until = signer.valid_until.map(moment).filter(|until| *until <= now);
        if let Some(until) = until {
            let message = format!("the signer's certificate expired on {until}");
            // A timestamp says that it was good when it counted.
            said.push(match signer.valid_when_signed {
                Some(true) => Finding::note("certificate-expired", message),
                _ => Finding::warning("certificate-expired", message),
            });
        }
    }
    let expires = facts.profile.as_ref().and_then(|profile| profile.expires).map(moment);
    if let Some(expires) = expires {
        if expires <= now {
            let message =
                format!("the provisioning profile expired on {expires}: it does not start");
            said.push(Finding::warning("profile-expired", message));
        } else if expires <= now.plus(PROFILE_ENDS_SOON) {
            let message = format!("the provisioning profile expires on {expires}");
            said.push(Finding::warning("profile-expires-soon", message));
        }
    }
    said
}

/// A moment of so many seconds since 1970, which may be any number.
pub(super) fn moment(unix_seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(unix_seconds.saturating_mul(1000))
}
