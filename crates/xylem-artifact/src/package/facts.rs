//! What is known about a package: plain values that cross a process border as JSON.

use serde::{Deserialize, Serialize};

use super::SignatureSummary;

/// Everything that a package's documents say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PackageFacts {
    /// Component package or product archive.
    pub kind: PackageKind,
    /// The `Distribution`'s title; may be the key of a localised text.
    pub title: Option<String>,
    /// The product's identifier, else the only component's.
    pub identifier: Option<String>,
    /// The product's version, else the highest of its components', else its application's.
    pub version: Option<String>,
    /// The component packages in installation order.
    pub components: Vec<ComponentFacts>,
    /// The lowest macOS version allowed.
    pub minimum_os: Option<String>,
    /// The lowest macOS version that is too new; absent when none is.
    pub before_os: Option<String>,
    /// The architectures that the installer supports natively, such as `arm64`; empty when unsaid.
    pub host_architectures: Vec<String>,
    /// The strongest restart that any part asks for.
    pub restart: RestartAction,
    /// Bundle identifiers of applications to be quit first, sorted.
    pub must_close: Vec<String>,
    /// What the components take on the disk, in KiB, as declared.
    pub installed_kbytes: u64,
    /// Whether it can be installed on the system's volume only.
    pub root_volume_only: bool,
    /// Whether the user may, must or cannot choose what is installed, in the `Distribution`'s words:
    /// `allow`, `always`, `never`.
    pub customize: Option<String>,
    /// How many choices there are.
    pub choices: usize,
    /// Whether a licence has to be agreed to.
    pub license_present: bool,
    /// Whether the `Distribution` decides with JavaScript whether it may be installed.
    pub javascript_checks: bool,
    /// The signature, if there is one.
    pub signature: Option<SignatureSummary>,
    /// Whether a notarisation ticket is stapled to the file. Its content is not judged here.
    pub ticket_present: bool,
}

/// What one component package says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ComponentFacts {
    /// The folder inside the product archive; empty for a component package.
    pub folder: String,
    /// The receipt's identifier.
    pub identifier: String,
    /// The receipt's version.
    pub version: Option<String>,
    /// Where the payload goes; absent means `/`.
    pub install_location: Option<String>,
    /// Installed size in KiB, as declared.
    pub install_kbytes: u64,
    /// Number of installed files and folders, as declared.
    pub number_of_files: u64,
    /// Declared scripts, such as `preinstall` and `postinstall`.
    pub script_names: Vec<String>,
    /// The files in the archive of scripts, in its order: those that are declared, and others up to
    /// a limit. Empty when nobody looked into it.
    pub scripts: Vec<ScriptFacts>,
    /// How many files there are, listed or not.
    pub script_files: usize,
    /// The bundles that are installed, such as applications, up to a limit.
    pub bundles: Vec<BundleFacts>,
    /// How many bundles there are, listed or not.
    pub bundle_count: usize,
    /// Whose rights the installation needs, such as `root`.
    pub auth: Option<String>,
    /// What the component asks for once it is installed.
    pub postinstall_action: RestartAction,
    /// The lowest macOS version allowed.
    pub minimum_os: Option<String>,
    /// Bundle identifiers of applications to be quit first.
    pub must_close: Vec<String>,
    /// Whether the installer may put a bundle where an older copy of it is found.
    pub relocatable: bool,
    /// The payload's form; absent when there is no payload or an empty one.
    pub payload: Option<PayloadKind>,
    /// The payload's length in the file, in bytes.
    pub payload_bytes: u64,
    /// Whether there is a bill of materials.
    pub bom_present: bool,
}

/// A file in an archive of scripts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ScriptFacts {
    /// The path in the archive.
    pub name: String,
    /// The length in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
    /// The beginning of the first line, which names the interpreter; made fit to be shown.
    pub first_line: String,
    /// Whether it may be executed.
    pub executable: bool,
    /// Whether the installer starts it, as the component's `PackageInfo` says.
    pub declared: bool,
}

/// A bundle that a component installs, as its `PackageInfo` lists it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BundleFacts {
    /// The bundle's identifier.
    pub identifier: String,
    /// Where it lies, from the install location.
    pub path: Option<String>,
    /// The version for people (`CFBundleShortVersionString`).
    pub short_version: Option<String>,
    /// The version for programs (`CFBundleVersion`).
    pub version: Option<String>,
}

/// The two kinds of flat package.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageKind {
    /// One `PackageInfo`, made by pkgbuild.
    Component,
    /// A `Distribution` with component packages, made by productbuild.
    Product,
}

/// The form of a payload, judged by its first bytes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PayloadKind {
    /// gzip-compressed cpio.
    Gzip,
    /// LZMA blocks (`pbzx`) around cpio.
    Pbzx,
    /// Plain cpio, odc or newc.
    Cpio,
    /// An Apple Archive or another of its block-compressed streams.
    AppleArchive,
    /// None of these. The server does not need to know; the Mac may.
    Unknown,
}

impl PayloadKind {
    /// Bytes needed to judge.
    pub(super) const MAGIC_BYTES: usize = 6;

    /// Judges by the first bytes.
    pub(super) fn of_head(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'p', b'b', b'z', b'x', ..] => Self::Pbzx,
            [b'0', b'7', b'0', b'7', b'0', b'7' | b'1' | b'2'] => Self::Cpio,
            [b'p', b'b', b'z', _, ..]
            | [b'A', b'A', b'0', b'1', ..]
            | [b'Y', b'A', b'A', b'1', ..] => Self::AppleArchive,
            _ => Self::Unknown,
        }
    }
}

/// What has to happen once a package is installed, weakest first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartAction {
    /// Nothing.
    #[default]
    None,
    /// A restart is recommended.
    RecommendRestart,
    /// The user has to log out.
    Logout,
    /// The Mac has to restart.
    Restart,
    /// The Mac has to shut down.
    Shutdown,
}

impl RestartAction {
    /// Reads `onConclusion` or `postinstall-action`; anything unknown asks for nothing.
    pub(super) fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "recommendrestart" => Self::RecommendRestart,
            "logout" | "requirelogout" => Self::Logout,
            "restart" | "requirerestart" => Self::Restart,
            "shutdown" | "requireshutdown" => Self::Shutdown,
            _ => Self::None,
        }
    }
}
