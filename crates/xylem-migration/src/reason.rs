//! Why something is not taken.

use serde::{Deserialize, Serialize};

/// A stable word, and a sentence for people that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people.
    pub text: String,
}

impl Reason {
    pub(crate) fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// The reasons there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReasonCode {
    /// AppleScript, which no computer is given as a script.
    AppleScript,
    /// A folder that is to be one file and cannot be made one.
    BundleRefused,
    /// It was written to while it was read.
    Changing,
    /// Nothing in it.
    Empty,
    /// Its digest is not the one that its repository knows.
    HashDiffers,
    /// A hidden folder.
    Hidden,
    /// A folder of the original that has no place here.
    KnownFolder,
    /// The repository names a file that is not there.
    Missing,
    /// No name could be made of its name.
    NameRefused,
    /// Not a kind of file that is distributed.
    NotDistributed,
    /// What describes packages, and is none.
    PackageInfo,
    /// Its script is not one that computers can be given.
    ScriptRefused,
    /// Refused by the server.
    ServerRefused,
    /// What systems and the original write beside files, for themselves.
    SideFile,
    /// A pipe, socket or device.
    SpecialFile,
    /// A symbolic link.
    SymbolicLink,
    /// Below too many folders.
    TooDeep,
    /// It cannot be read.
    Unreadable,
    /// In a form that is not taken.
    Unsupported,
    /// Its content is not what its name promises.
    WrongContent,
}
