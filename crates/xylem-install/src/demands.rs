//! What a package demands of the computer it is installed on.

use std::cmp::Ordering;

use xylem_artifact::package::PackageFacts;

use crate::error::InstallError;
use crate::request::HostFacts;

/// Compares the package's demands with what is known of the computer. Returns a warning where a
/// demand is met only with help.
///
/// # Errors
/// [`InstallError::NotApplicable`] when one is not met. What is not known is not checked.
pub(crate) fn check(
    facts: &PackageFacts,
    host: &HostFacts,
) -> Result<Option<String>, InstallError> {
    let components = facts.components.iter().filter_map(|part| part.minimum_os.as_deref());
    if let Some(have) = &host.os_version {
        for wanted in facts.minimum_os.as_deref().into_iter().chain(components) {
            if compare_versions(have, wanted).is_lt() {
                return Err(InstallError::NotApplicable {
                    reason: format!("it needs macOS {wanted} or later, this is {have}"),
                });
            }
        }
    }
    let Some(have) = host.architecture.as_deref() else { return Ok(None) };
    let wanted = &facts.host_architectures;
    if wanted.is_empty() || wanted.iter().any(|one| one == have) {
        return Ok(None);
    }
    if have == "arm64" && wanted.iter().any(|one| one == "x86_64") {
        return Ok(Some("the package is for Intel processors and needs Rosetta here".to_owned()));
    }
    Err(InstallError::NotApplicable {
        reason: format!("it is for {}, this computer is {have}", wanted.join(" and ")),
    })
}

/// Compares versions number by number; missing numbers count as 0, other text as 0.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let mut all: Vec<u64> =
            version.split('.').map(|part| part.trim().parse().unwrap_or(0)).collect();
        while all.last() == Some(&0) {
            all.pop();
        }
        all
    };
    numbers(a).cmp(&numbers(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(compare_versions("10.9", "10.13"), Ordering::Less);
        assert_eq!(compare_versions("14.0", "14"), Ordering::Equal);
        assert_eq!(compare_versions("14.3.1", "14.3"), Ordering::Greater);
    }
}
