//! `cargo xtask check-layers`: which crate may lean on which, and on what from outside.
//!
//! * [`table`] is the rule, as data, each line with its reason.
//! * [`declared`] reads what the manifests say (`cargo metadata`).
//! * [`built`] reads what really ends up in a program (`cargo tree`), through any number of steps.
//! * [`check`] compares, purely, and names every violation.
//!
//! Both readings are needed: a manifest shows the arrow somebody drew, the tree shows what came
//! in by way of somebody else's feature.

mod built;
mod check;
mod declared;
mod table;

use crate::failure::{Failure, Outcome};

/// Prints every violation with its reason; fails when there is one.
pub(crate) fn run() -> Outcome {
    let workspace = declared::read()?;
    let mut violations = check::declared(&workspace, &table::TABLE);
    violations.extend(check::banned(&built::everything()?, &table::TABLE));
    for limit in table::TABLE.reach {
        for name in limit.of {
            // A crate that is not there is reported above; asking cargo about it would only fail.
            if workspace.has(name) {
                violations.extend(check::reach(name, &built::of(name)?, limit));
            }
        }
    }
    if violations.is_empty() {
        println!("{} crates lean only where they may", workspace.packages.len());
        return Ok(());
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    Err(Failure::failed(format!(
        "{} arrows between crates are not in xtask/src/layers/table.rs",
        violations.len()
    )))
}
