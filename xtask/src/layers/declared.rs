//! What the manifests of the workspace say.

use serde::Deserialize;

use crate::cargo;
use crate::failure::{Attempting, Outcome};

/// The members of the workspace. The part of `cargo metadata --no-deps` that matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    pub(super) packages: Vec<Package>,
}

/// One member.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// One line of its manifest.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    /// The package's own name, whatever the manifest calls it.
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: Option<Kind>,
}

/// Where in the manifest it stands; absent means an ordinary dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Dev,
    Build,
}

impl Workspace {
    /// Whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }
}

/// Asks cargo. Needs no network.
pub(super) fn read() -> Outcome<Workspace> {
    let json = cargo::output(&["metadata", "--format-version", "1", "--no-deps"])?;
    serde_json::from_slice(&json).attempting("read what `cargo metadata` printed")
}
