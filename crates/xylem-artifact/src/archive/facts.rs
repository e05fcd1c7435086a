//! What is known about a zipped bundle: plain values that cross a process border as JSON.

use serde::{Deserialize, Serialize};

use crate::package::RestartAction;

/// What a bundle package says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BundleFacts {
    /// Package or metapackage, by the ending of its folder's name.
    pub kind: BundleKind,
    /// The name of the folder in the archive, such as `Legacy.pkg`.
    pub inner_name: String,
    /// The name for people.
    pub title: Option<String>,
    /// The receipt's identifier.
    pub identifier: Option<String>,
    /// The version that people see, else the build's.
    pub version: Option<String>,
    /// Where the payload goes.
    pub install_location: Option<String>,
    /// The strongest restart that any part asks for.
    pub restart: RestartAction,
    /// What all parts take on the disk, in KiB, as declared.
    pub installed_kbytes: u64,
    /// Length of the package's own payload in the archive, once expanded; 0 without one.
    pub payload_bytes: u64,
    /// The packages inside a metapackage.
    pub packages: Vec<BundlePartFacts>,
    /// Programs that the installer runs, of all parts.
    pub scripts: Vec<ScriptFacts>,
}

/// The two kinds of bundle package.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BundleKind {
    /// A package of packages.
    Metapackage,
    /// A package with a payload, or scripts alone.
    Package,
}

/// A package inside a metapackage.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BundlePartFacts {
    /// Its path inside the metapackage.
    pub path: String,
    /// Whether it is a flat package, into which nobody has looked here.
    pub flat: bool,
    /// The receipt's identifier.
    pub identifier: Option<String>,
    /// The receipt's version.
    pub version: Option<String>,
    /// Where its payload goes.
    pub install_location: Option<String>,
    /// What it takes on the disk, in KiB, as declared.
    pub installed_kbytes: u64,
    /// What it asks for once it is installed.
    pub restart: RestartAction,
}

/// A program that the installer runs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ScriptFacts {
    /// The contained package's path; empty for the outer one.
    pub package: String,
    /// What it is called, which says when it runs.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its first line, which names the interpreter; absent where it is no text.
    pub first_line: Option<String>,
}

/// What an application for Macs says about itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AppBundleFacts {
    /// The name of its folder in the archive, such as `Depot.app`.
    pub inner_name: String,
    /// The name for people.
    pub name: Option<String>,
    /// The bundle identifier.
    pub identifier: Option<String>,
    /// The version that people see.
    pub version: Option<String>,
    /// The version of the build.
    pub build_version: Option<String>,
    /// The lowest macOS version that it runs on.
    pub minimum_os: Option<String>,
    /// What its main program is built for, such as `arm64`; empty when that is no program.
    pub architectures: Vec<String>,
    /// Whether it has a seal (`_CodeSignature`). Whether that fits is not judged here.
    pub sealed: bool,
    /// Length of all files in the archive, once expanded.
    pub expanded_bytes: u64,
}

/// Whether an archive's name says what is in it: `X.pkg.zip` has to hold a folder whose name ends in
/// `.pkg`. A name without such an ending says nothing and agrees with everything.
#[must_use]
pub fn agrees_with_name(file_name: &str, inner_name: &str) -> bool {
    let (file_name, inner_name) = (file_name.to_lowercase(), inner_name.to_lowercase());
    let stem = file_name.strip_suffix(".zip").unwrap_or(&file_name);
    let said = [".app", ".mpkg", ".pkg"].into_iter().find(|ending| stem.ends_with(ending));
    said.is_none_or(|ending| inner_name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_says_what_is_inside_has_to_agree() {
        for (file_name, inner_name, agrees) in [
            ("A.pkg.zip", "B.pkg", true),
            ("A.PKG.ZIP", "B.Pkg", true),
            ("A.zip", "B.pkg", true),
            ("A.zip", "B.app", true),
            ("A.mpkg.zip", "B.mpkg", true),
            ("A.app.zip", "B.app", true),
            ("A.pkg.zip", "B.mpkg", false),
            ("A.mpkg.zip", "B.pkg", false),
            ("A.app.zip", "B.pkg", false),
            ("A.pkg.zip", "B.app", false),
        ] {
            assert_eq!(agrees_with_name(file_name, inner_name), agrees, "{file_name} {inner_name}");
        }
    }
}
