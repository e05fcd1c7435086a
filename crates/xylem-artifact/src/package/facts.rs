//! What is known about a package: plain values that cross a process border as JSON.

use serde::{Deserialize, Serialize};

/// Everything that a package's documents say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PackageFacts {
    /// Component package or product archive.
    pub kind: PackageKind,
    /// The `Distribution`'s title; may be the key of a localised text.
    pub title: Option<String>,
    /// The product's identifier, else the only component's.
    pub identifier: Option<String>,
    /// The product's version, else the highest of its components'.
    pub version: Option<String>,
    /// The component packages in installation order.
    pub components: Vec<ComponentFacts>,
    /// The lowest macOS version allowed.
    pub minimum_os: Option<String>,
    /// The architectures that the installer supports natively, such as `arm64`; empty when unsaid.
    pub host_architectures: Vec<String>,
    /// The strongest restart that any part asks for.
    pub restart: RestartAction,
    /// Bundle identifiers of applications to be quit first, sorted.
    pub must_close: Vec<String>,
    /// What the components take on the disk, in KiB, as declared.
    pub installed_kbytes: u64,
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

/// The facts of a signature, each by itself: none of them alone means that it can be trusted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SignatureSummary {
    /// Whether there is an RSA signature.
    pub rsa: bool,
    /// Whether there is a CMS signature.
    pub cms: bool,
    /// Whether the RSA signature fits the table of contents and the first certificate; absent when
    /// there is none to check.
    pub matches_content: Option<bool>,
    /// The first certificate's common name, such as `Developer ID Installer: NAME (TEAMID)`.
    pub signer: Option<String>,
    /// The first certificate's organisational unit: the ten characters of the developer's team.
    pub team: Option<String>,
    /// When the first certificate becomes valid, in seconds since 1970.
    pub valid_from_unix_seconds: Option<i64>,
    /// When the first certificate expires, in seconds since 1970.
    pub valid_until_unix_seconds: Option<i64>,
    /// How many certificates came along.
    pub certificates: usize,
}

/// Something that an administrator should know about an accepted file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Warning {
    /// The stable machine word.
    pub code: WarningCode,
    /// A sentence for people.
    pub message: String,
}

impl Warning {
    pub(crate) fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The stable machine word of a warning.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WarningCode {
    /// Scripts are declared, but the component has none.
    MissingScripts,
    /// The `Distribution` runs JavaScript.
    JavascriptChecks,
    /// A component may be installed where an older copy is.
    Relocatable,
    /// The signature does not fit the content, or cannot be read.
    SignatureMismatch,
    /// The payload has a form unknown here.
    UnknownPayload,
    /// A component is in the file, but never installed.
    UnnamedComponent,
    /// Parts of the file carry no checksum.
    Unprotected,
    /// The `Distribution` mentions a package without saying where it is.
    UnresolvedReference,
    /// A component has no version.
    WithoutVersion,
}
