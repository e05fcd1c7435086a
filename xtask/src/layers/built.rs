//! What really gets built, through any number of steps.
//!
//! `cargo tree` resolves features as a build does. The lock file and the resolution inside
//! `cargo metadata` do not: they list `ring`, which a feature nobody enables would bring.

use std::collections::BTreeSet;

use crate::cargo;
use crate::failure::Outcome;

const TREE: &[&str] = &["tree", "--locked", "--target", "all", "--prefix", "none"];

/// Names of everything the workspace builds, its tests included.
pub(super) fn everything() -> Outcome<BTreeSet<String>> {
    tree(&["--workspace", "--edges", "normal,build,dev"])
}

/// Names of everything built for one package, its tests not included.
pub(super) fn of(package: &str) -> Outcome<BTreeSet<String>> {
    tree(&["--package", package, "--edges", "normal,build"])
}

fn tree(selection: &[&str]) -> Outcome<BTreeSet<String>> {
    let words: Vec<&str> = TREE.iter().chain(selection).copied().collect();
    Ok(names(&String::from_utf8_lossy(&cargo::output(&words)?)))
}

/// Each line is `name version` with remarks after it; repeated packages appear repeatedly.
fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_and_repetitions_do_not_matter() {
        let tree = "xylem v0.1.0 (here)\nserde v1.0.0\n\nserde_derive v1.0.0 (proc-macro)\nserde v1.0.0 (*)\n";
        assert_eq!(names(tree), ["serde", "serde_derive", "xylem"].map(str::to_owned).into());
    }
}
