//! Cleans up after installations that were killed.

use super::commit::Commit;
use super::plan::Plan;
use super::staging::Staging;
use crate::error::InstallError;
use crate::tree::Tree;

/// Undoes or sweeps every staging directory in `root`; the caller holds the lock. Returns what was
/// found, as warnings.
///
/// # Errors
/// [`InstallError::RollbackFailed`] when a half-done installation cannot be undone: nothing new
/// should be installed over it.
pub(super) fn recover(root: &Tree) -> Result<Vec<String>, InstallError> {
    let (left_over, foreign) = Staging::left_over(root)?;
    let mut warnings: Vec<String> = foreign
        .into_iter()
        .map(|name| format!("{name} looks like a staging directory but is not private: left alone"))
        .collect();
    for staging in left_over {
        let name = staging.name().to_owned();
        let plan = staging.plan()?;
        let what = match plan {
            None => "an installation that was interrupted before it changed anything",
            Some(_) if staging.is_committed()? => "an installation that was complete",
            Some(file) => {
                let mut plan = Plan::load(file)?;
                let count = plan.len();
                Commit::open(root, &staging)?.undo_first(&mut plan, count)?;
                "an installation that was interrupted half-way and has been undone"
            }
        };
        staging.remove(root)?;
        warnings.push(format!("{name} was left by {what}; it has been removed"));
    }
    Ok(warnings)
}
