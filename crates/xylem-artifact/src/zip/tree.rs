//! What the names of all members have to be together: one tree, without doubles.

use std::collections::HashSet;

use xylem_model::fold_name;

use super::called;
use super::member::{Member, MemberKind};
use crate::error::ArtifactError;

/// Numbers of the members, ordered by name.
///
/// # Errors
/// When two have one name.
pub(super) fn index(members: &[Member]) -> Result<Vec<u32>, ArtifactError> {
    let name = |number: &u32| members.get(*number as usize).map(Member::name);
    let mut by_name: Vec<u32> = (0..members.len()).filter_map(|n| u32::try_from(n).ok()).collect();
    by_name.sort_unstable_by_key(name);
    for pair in by_name.windows(2) {
        if let [a, b] = pair
            && let (Some(first), Some(second)) = (name(a), name(b))
            && first == second
        {
            return Err(ArtifactError::malformed(called(first), "the archive holds it twice"));
        }
    }
    Ok(by_name)
}

/// Checks that nothing lies in a file, or behind a link; how many names differ from another one
/// only in what a Mac's file system usually does not tell apart, case and Unicode form.
///
/// Those are not refused: apps are built on volumes that tell case apart, and run on such.
pub(super) fn collisions(members: &[Member]) -> Result<usize, ArtifactError> {
    let folded: Vec<String> = members.iter().map(|member| fold_name(member.name())).collect();
    let ends: HashSet<&str> = (members.iter().zip(&folded))
        .filter(|(member, _)| member.kind != MemberKind::Folder)
        .map(|(_, folded)| folded.as_str())
        .collect();
    for (member, folded) in members.iter().zip(&folded) {
        // Not quadratic: a name has no more parts than `MAX_NESTING`.
        let mut parents = folded.match_indices('/').filter_map(|(at, _)| folded.get(..at));
        if parents.any(|parent| ends.contains(parent)) {
            let reason = "it lies in something that is no folder";
            return Err(ArtifactError::malformed(called(member.name()), reason));
        }
    }
    let distinct: HashSet<&str> = folded.iter().map(String::as_str).collect();
    Ok(members.len() - distinct.len())
}
