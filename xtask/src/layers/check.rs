//! The comparison: pure, so that each rule can be shown to bite.

use std::collections::BTreeSet;
use std::fmt;

use super::declared::{Dependency, Kind, Package, Workspace};
use super::table::{Layer, Member, Reach, Table, Wrapped};

/// The crate that any test may lean on.
const TESTKIT: &str = "xylem-testkit";

/// One arrow that is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The crate the arrow begins at.
    pub(super) from: String,
    /// The crate it points to, if it is an arrow.
    pub(super) to: Option<String>,
    pub(super) why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Some(to) => write!(f, "{} -> {to}: {}", self.from, self.why),
            None => write!(f, "{}: {}", self.from, self.why),
        }
    }
}

/// Compares the manifests with the table.
pub(super) fn declared(workspace: &Workspace, table: &Table) -> Vec<Violation> {
    let mut violations = missing(workspace, table);
    for package in &workspace.packages {
        match table.find(&package.name) {
            None => violations.push(Violation {
                from: package.name.clone(),
                to: None,
                why: "not in the table; say which layer it belongs to".to_owned(),
            }),
            Some(member) => violations.extend(arrows(package, member, table)),
        }
    }
    violations
}

/// Crates that the table knows and the workspace does not: the table must not outlive them.
fn missing(workspace: &Workspace, table: &Table) -> Vec<Violation> {
    let gone = table.crates.iter().filter(|member| !workspace.has(member.name));
    gone.map(|member| Violation {
        from: member.name.to_owned(),
        to: None,
        why: "in the table but not in the workspace".to_owned(),
    })
    .collect()
}

fn arrows(package: &Package, member: &Member, table: &Table) -> Vec<Violation> {
    let judged = package.dependencies.iter().map(|dependency| {
        let why = match table.find(&dependency.name) {
            Some(other) => against_ours(member, other, dependency),
            None => against_wrapped(member, dependency, table.wrapped),
        }?;
        Some(Violation { from: package.name.clone(), to: Some(dependency.name.clone()), why })
    });
    judged.flatten().collect()
}

/// Why this arrow between two of ours is not allowed, if it is not.
fn against_ours(member: &Member, other: &Member, dependency: &Dependency) -> Option<String> {
    let in_tests = dependency.kind == Some(Kind::Dev);
    let why = match (member.layer, other.layer) {
        (Layer::Automation, _) => "automation must build before anything else does",
        (_, Layer::Automation) => "nothing leans on automation",
        (Layer::Tests, _) => return None,
        (_, Layer::Tests) if in_tests && other.name == TESTKIT => return None,
        (_, Layer::Tests) => "what exists for tests is not leaned on by what ships",
        _ if member.leans_on.contains(&other.name) => return None,
        (_, Layer::Program) => "a program is reached through its typed client in xylem-client",
        // Tests of a crate may set up anything that is no program.
        _ if in_tests => return None,
        _ => "this arrow is not in the table",
    };
    Some(why.to_owned())
}

/// Why this crate may not name that outside thing, if it may not.
fn against_wrapped(
    member: &Member,
    dependency: &Dependency,
    wrapped: &[Wrapped],
) -> Option<String> {
    let rule = wrapped.iter().find(|rule| rule.covers(&dependency.name))?;
    let in_tests = dependency.kind == Some(Kind::Dev) || member.layer == Layer::Tests;
    if rule.only.contains(&member.name) || (in_tests && rule.tests_may) {
        return None;
    }
    Some(format!("{} (only {})", rule.why, rule.only.join(", ")))
}

/// Banned crates among everything that is built.
pub(super) fn banned(built: &BTreeSet<String>, table: &Table) -> Vec<Violation> {
    let found = table.banned.iter().filter(|ban| built.contains(ban.name));
    found
        .map(|ban| Violation {
            from: "the workspace".to_owned(),
            to: Some(ban.name.to_owned()),
            why: format!(
                "{}; find who brings it with `cargo tree --workspace --target all --invert {}`",
                ban.why, ban.name
            ),
        })
        .collect()
}

/// What ended up in `name` although it must not.
pub(super) fn reach(name: &str, built: &BTreeSet<String>, limit: &Reach) -> Vec<Violation> {
    let found = limit.never.iter().filter(|never| built.contains(**never));
    found
        .map(|never| Violation {
            from: name.to_owned(),
            to: Some((*never).to_owned()),
            why: format!("{} (reached through other crates, or named)", limit.why),
        })
        .collect()
}

impl Table {
    fn find(&self, name: &str) -> Option<&'static Member> {
        self.crates.iter().find(|member| member.name == name)
    }
}

impl Wrapped {
    fn covers(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.name,
        }
    }
}

#[cfg(test)]
mod tests;
