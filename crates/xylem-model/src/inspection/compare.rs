//! What differs between a version and an earlier one.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value;

use super::facts::{Facts, Signing, restart_word};
use super::finding::{Finding, Severity, names, or_none, shown};
use super::scripts::scripts;
use super::signer::{signers, who};
use super::standing::{moment, standing};
use super::versions;
use crate::{ByteSize, ContentId, Timestamp};

/// Of a size that shrank by more than this factor is warned.
const SHRUNK: u64 = 2;
/// A size that grew by more than this factor is noted.
const GREW: u64 = 2;
/// Words of warnings of an inspection that throw doubt on who made a file.
const DOUBTS: [&str; 2] = ["signature_mismatch", "untrusted_signer"];

/// Most new warnings of an inspection that are told; there are fewer kinds of them.
const MAX_WARNINGS: usize = 30;

/// A version, as far as comparing asks.
#[derive(Debug, Clone, Copy)]
pub struct InspectedVersion<'a> {
    /// Its content.
    pub content: ContentId,
    /// Bytes of its content.
    pub size: u64,
    /// What the inspection found, as it is stored.
    pub inspection: &'a Value,
}

/// What is to be said of a version that follows another: warnings first, and among them who signed
/// it. Without another, or with one of the same content, only what is so now, such as a certificate
/// that has expired. At most some 60 findings, each of at most about 1,500 characters.
pub fn compare_inspections(
    old: Option<InspectedVersion<'_>>,
    new: InspectedVersion<'_>,
    now: Timestamp,
) -> Vec<Finding> {
    let after = Facts::of(new.inspection);
    let mut said = Vec::new();
    if let Some(old) = old.filter(|old| old.content != new.content) {
        let is_known =
            |it: &InspectedVersion<'_>| it.inspection.get("content").is_some_and(Value::is_object);
        if is_known(&old) && is_known(&new) {
            let before = Facts::of(old.inspection);
            Both { before: &before, after: &after }.all(&mut said);
        } else {
            let message = "nothing is known of what is in one of the two versions, so only their \
                 sizes were compared";
            said.push(Finding::warning("not-compared", message));
        }
        sizes(old.size, new.size, &mut said);
    }
    said.extend(standing(&after, now));
    // Stable: what was said first stays first among its like.
    said.sort_by_key(|finding| finding.severity != Severity::Warning);
    said
}

/// The facts of two versions.
struct Both<'a> {
    before: &'a Facts<'a>,
    after: &'a Facts<'a>,
}

impl Both<'_> {
    fn all(&self, said: &mut Vec<Finding>) {
        self.signer(said);
        self.identity(said);
        scripts(&self.before.scripts, &self.after.scripts, said);
        self.requirements(said);
        self.inside(said);
        self.profile(said);
        self.warnings(said);
    }

    fn signer(&self, said: &mut Vec<Finding>) {
        match (&self.before.signing, &self.after.signing) {
            (Signing::Signed(old), Signing::Unsigned) => said.push(Finding::warning(
                "signature-gone",
                format!("it is not signed any more; the version before was, by {}", who(old)),
            )),
            (Signing::Unsigned, Signing::Signed(new)) => said.push(Finding::note(
                "signature-new",
                format!("it is signed, by {}; the version before was not", who(new)),
            )),
            (Signing::Signed(old), Signing::Signed(new)) => signers(old, new, said),
            _ => {}
        }
        if self.before.sealed == Some(true) && self.after.sealed == Some(false) {
            let message = "the application has no seal (`_CodeSignature`) any more";
            said.push(Finding::warning("seal-gone", message));
        }
        if self.before.ticket == Some(true) && self.after.ticket == Some(false) {
            let message = "no notarisation ticket is stapled to it any more";
            said.push(Finding::warning("ticket-gone", message));
        }
    }

    fn identity(&self, said: &mut Vec<Finding>) {
        let (before, after) = (self.before, self.after);
        if let (Some(old), Some(new)) = (before.format, after.format)
            && old != new
        {
            let message = format!("it is a `{}`, before it was a `{}`", shown(new), shown(old));
            said.push(Finding::warning("format-changed", message));
        }
        // A product of several parts may have none of its own.
        if let (Some(old), Some(new)) = (before.identifier, after.identifier)
            && old != new
        {
            let message = format!("its identifier is `{}`, before `{}`", shown(new), shown(old));
            said.push(Finding::warning("identifier-changed", message));
        } else if let (Some(old), Some(new)) = (before.display_name, after.display_name)
            && old != new
        {
            let message = format!("it calls itself `{}`, before `{}`", shown(new), shown(old));
            said.push(Finding::note("title-changed", message));
        }
        let (Some(old), Some(new)) = (before.version, after.version) else { return };
        match versions::compare(new, old) {
            Some(Ordering::Less) => said.push(Finding::warning(
                "version-lower",
                format!("its version {} is lower than {} before", shown(new), shown(old)),
            )),
            Some(Ordering::Equal) => said.push(same_version(new)),
            None if new == old => said.push(same_version(new)),
            _ => {}
        }
    }

    fn requirements(&self, said: &mut Vec<Finding>) {
        let (before, after) = (self.before, self.after);
        if let Some(new) = after.minimum_os {
            let lowest = before.minimum_os.unwrap_or("0");
            if versions::compare(new, lowest) == Some(Ordering::Greater) {
                let old = or_none(before.minimum_os);
                let message =
                    format!("the lowest system that it runs on is {}, before: {old}", shown(new));
                said.push(Finding::warning("minimum-os-raised", message));
            }
        }
        if let Some(gone) = dropped(&before.architectures, &after.architectures) {
            let message = format!("it is not for these processors any more: {gone}");
            said.push(Finding::warning("architectures-dropped", message));
        }
        if let Some(gone) = dropped(&before.devices, &after.devices) {
            let message = format!("it is not for these devices any more: {gone}");
            said.push(Finding::warning("devices-dropped", message));
        }
        if let (Some(old), Some(new)) = (before.restart, after.restart)
            && new > old
        {
            let (was, is) = (restart_word(old), restart_word(new));
            let message = format!("what it asks for afterwards is `{is}`, before `{was}`");
            said.push(Finding::warning("restart-new", message));
        }
        if before.license == Some(false) && after.license == Some(true) {
            let message = "a licence has to be agreed to, which was not so before";
            said.push(Finding::note("license-new", message));
        }
    }

    fn inside(&self, said: &mut Vec<Finding>) {
        let (before, after) = (self.before, self.after);
        let mut told = |code: &'static str, what: &str, found: BTreeSet<&str>| {
            if !found.is_empty() {
                said.push(Finding::note(code, format!("{what}: {}", names(&found))));
            }
        };
        told(
            "parts-new",
            "packages inside that were not there before",
            without(&after.parts, &before.parts),
        );
        told(
            "parts-gone",
            "packages inside that are not there any more",
            without(&before.parts, &after.parts),
        );
        // Of lists that are cut nobody knows what is missing.
        if before.has_unlisted_apps || after.has_unlisted_apps {
            return;
        }
        told(
            "apps-new",
            "applications inside that were not there before",
            without(&after.apps, &before.apps),
        );
        told(
            "apps-gone",
            "applications inside that are not there any more",
            without(&before.apps, &after.apps),
        );
    }

    fn profile(&self, said: &mut Vec<Finding>) {
        let (Some(old), Some(new)) = (&self.before.profile, &self.after.profile) else { return };
        if let (Some(was), Some(is)) = (old.distribution, new.distribution)
            && was != is
        {
            let message =
                format!("its profile is for `{}`, before for `{}`", shown(is), shown(was));
            said.push(Finding::warning("profile-changed", message));
        }
        if let (Some(was), Some(is)) = (old.expires, new.expires)
            && is < was
        {
            let message = format!(
                "its profile expires on {}, earlier than the one before ({})",
                moment(is),
                moment(was)
            );
            said.push(Finding::note("profile-expires-earlier", message));
        }
    }

    /// What the inspection warns of and did not before.
    fn warnings(&self, said: &mut Vec<Finding>) {
        let known = &self.before.warnings;
        let new = self.after.warnings.iter().filter(|(code, _)| !known.contains_key(*code));
        for (code, message) in new.take(MAX_WARNINGS) {
            let message = format!("new: {} ({})", shown(message), shown(code));
            said.push(match DOUBTS.contains(code) {
                true => Finding::warning("inspection-warning", message),
                false => Finding::note("inspection-warning", message),
            });
        }
    }
}

fn without<'a>(all: &BTreeSet<&'a str>, known: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    all.difference(known).copied().collect()
}

/// What a list has lost. A file that names nothing leaves it open.
fn dropped<'a>(old: &BTreeSet<&'a str>, new: &BTreeSet<&'a str>) -> Option<String> {
    let gone = without(old, new);
    (!new.is_empty() && !gone.is_empty()).then(|| names(&gone))
}

fn same_version(version: &str) -> Finding {
    let message = format!("its version is {}, as before, with other content", shown(version));
    Finding::note("version-same", message)
}

fn sizes(old: u64, new: u64, said: &mut Vec<Finding>) {
    let told = |how: &str| format!("it has {}, {how} of {} before", ByteSize(new), ByteSize(old));
    if new.saturating_mul(SHRUNK) < old {
        said.push(Finding::warning("size-halved", told("less than half")));
    } else if new > old.saturating_mul(GREW) {
        said.push(Finding::note("size-doubled", told("more than double")));
    }
}
