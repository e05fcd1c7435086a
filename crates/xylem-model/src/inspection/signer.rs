//! Whether it is still the same signer.

use super::facts::Signer;
use super::finding::{Finding, or_none, shown};

/// What is to be said of the signers of two versions. The same name in a certificate is no proof, so
/// each fact is compared by itself.
pub(super) fn signers(old: &Signer<'_>, new: &Signer<'_>, said: &mut Vec<Finding>) {
    let is_other = match (old.team, new.team) {
        (None, None) => old.name != new.name,
        (was, is) => was != is,
    };
    if is_other {
        let message = format!("ANOTHER SIGNER: {}; before: {}", who(new), who(old));
        said.push(Finding::warning("signer-changed", message));
    } else if old.name != new.name {
        let message = format!("the signer has another name: {}; before: {}", who(new), who(old));
        said.push(Finding::note("signer-renamed", message));
    }
    if old.by_apple == Some(true) && new.by_apple == Some(false) {
        let message = "the signer's certificate does not lead to Apple any more: anybody can have \
             made it";
        said.push(Finding::warning("signer-untrusted", message));
    } else if old.kind != new.kind && old.kind.is_some() {
        let (was, is) = (or_none(old.kind), or_none(new.kind));
        let message = format!("Apple certified its signer for {is}, before for {was}");
        said.push(Finding::warning("signer-kind-changed", message));
    }
    if old.fits == Some(true) && new.fits == Some(false) {
        let message = "the signature does not fit, or could not be checked; before it fitted";
        said.push(Finding::warning("signature-broken", message));
    }
    if old.identifier != new.identifier && old.identifier.is_some() {
        let (was, is) = (or_none(old.identifier), or_none(new.identifier));
        let message = format!("it is signed as {is}, before as {was}");
        said.push(Finding::note("signed-identifier-changed", message));
    }
}

/// The signer for people.
pub(super) fn who(signer: &Signer<'_>) -> String {
    match (signer.name, signer.team) {
        (Some(name), Some(team)) => format!("`{}` (team `{}`)", shown(name), shown(team)),
        (Some(name), None) => format!("`{}` (no team)", shown(name)),
        (None, Some(team)) => format!("team `{}`", shown(team)),
        (None, None) => "somebody who is not named".to_owned(),
    }
}
