//! Why a file was not accepted.
//!
//! [`ArtifactError`] is what the readers return. Its `Display` names what is wrong and where;
//! [`ArtifactError::advice`] says how to mend it; [`ArtifactError::code`] is the stable word that
//! programs compare. [`crate::inspect::Refusal`] carries the three across a process border.

use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Form;
use crate::sniff::LooksLike;

/// What a reader found wrong with a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The operating system could not read the file; says nothing about its content.
    #[error("reading {what} failed")]
    Read {
        /// The part being read.
        what: String,
        /// The operating system's or decoder's reason.
        #[source]
        source: io::Error,
    },
    /// The file holds no bytes.
    #[error("the file is empty (0 bytes)")]
    Empty,
    /// The file starts like something else than its name says.
    #[error("this is not {promised}, as its name says: it looks like {found}")]
    OtherForm {
        /// What the name says.
        promised: Form,
        /// What the content looks like.
        found: LooksLike,
    },
    /// The file ends before something that it promises.
    #[error("the file is cut short: {what} ends at byte {needed_bytes}, the file at {file_bytes}")]
    Truncated {
        /// The part that is incomplete.
        what: String,
        /// How long the file would have to be.
        needed_bytes: u64,
        /// How long it is.
        file_bytes: u64,
    },
    /// A part breaks its format's rules.
    #[error("{what} is damaged: {reason}")]
    Malformed {
        /// The part.
        what: String,
        /// The broken rule.
        reason: String,
    },
    /// A part could not be decoded.
    #[error("{what} cannot be decoded")]
    Undecodable {
        /// The part.
        what: String,
        /// The decoder's reason.
        #[source]
        source: io::Error,
    },
    /// A part is, or claims to be, larger than this reader accepts.
    #[error("{what} is too large: {found} where at most {limit} are accepted")]
    TooLarge {
        /// The part, with its unit.
        what: String,
        /// What the file has or claims.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A part expands past what it declares, or past what is accepted.
    #[error("{what} expands further than it may")]
    Oversized {
        /// The part.
        what: String,
        /// Which bound was hit.
        #[source]
        source: io::Error,
    },
    /// Bytes differ from the checksum stored beside them.
    #[error("{what} does not match its {style} checksum")]
    ChecksumMismatch {
        /// The part.
        what: String,
        /// The algorithm, as the archive spells it.
        style: &'static str,
    },
    /// A name could lead outside the archive or cannot exist on a Mac.
    #[error("the archive holds a file with the unsafe name {name:?}: {reason}")]
    UnsafeName {
        /// The offending name, shortened.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A document uses an XML feature that can make a small file expand without bound.
    #[error("{what} contains {construct}, which genuine files never need")]
    ForbiddenXml {
        /// The document.
        what: String,
        /// The construct, such as a document type declaration.
        construct: String,
    },
    /// A xar archive without the two documents of which one makes it a package.
    #[error("the file is a xar archive, but holds neither PackageInfo nor Distribution")]
    NoPackageDocument,
    /// A product archive names a component that it does not contain.
    #[error("the Distribution names the component package {folder:?}, which the file lacks")]
    ComponentMissing {
        /// The folder that was looked for.
        folder: String,
    },
    /// A product archive that names no component at all.
    #[error("the product archive contains no component package, so it would install nothing")]
    NoComponent,
    /// One file of a disk image that was split.
    #[error("the disk image is split into {segments} segments, and this is only one of them")]
    SegmentedImage {
        /// How many files make up the image.
        segments: u32,
    },
    /// The end of a format that is read from its end is not there.
    #[error("the file is cut short: {what} is missing at its end")]
    EndMissing {
        /// What ought to be there.
        what: &'static str,
    },
    /// A part cannot be read, or installed, without a password.
    #[error("{what} is encrypted")]
    Encrypted {
        /// The part.
        what: String,
    },
    /// An intact container that does not hold what it is to hold.
    #[error("{reason}")]
    WrongContent {
        /// What is wrong, as a sentence.
        reason: String,
        /// What to do instead, as a clause.
        advice: &'static str,
    },
}

impl ArtifactError {
    /// The stable machine word for this kind of refusal.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Read { .. } => RefusalCode::Unreadable,
            Self::Empty => RefusalCode::EmptyFile,
            Self::OtherForm { .. } => RefusalCode::OtherForm,
            Self::NoPackageDocument => RefusalCode::NotAPackage,
            Self::EndMissing { .. } | Self::Truncated { .. } => RefusalCode::Truncated,
            Self::Malformed { .. } | Self::Undecodable { .. } => RefusalCode::Damaged,
            Self::TooLarge { .. } | Self::Oversized { .. } => RefusalCode::TooLarge,
            Self::ChecksumMismatch { .. } => RefusalCode::ChecksumMismatch,
            Self::UnsafeName { .. } => RefusalCode::UnsafeName,
            Self::ForbiddenXml { .. } => RefusalCode::ForbiddenXml,
            Self::ComponentMissing { .. } | Self::NoComponent => RefusalCode::ComponentMissing,
            Self::SegmentedImage { .. } => RefusalCode::SegmentedImage,
            Self::Encrypted { .. } => RefusalCode::Encrypted,
            Self::WrongContent { .. } => RefusalCode::WrongContent,
        }
    }

    /// How an administrator mends it: one clause that continues the error's sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Read { .. } => "try the upload again, and check the server's disk if it persists",
            Self::Empty | Self::EndMissing { .. } | Self::Truncated { .. } => {
                "the download or copy was interrupted: fetch the file again from its source"
            }
            Self::OtherForm { promised, found } => found.advice(*promised),
            Self::Malformed { .. } | Self::Undecodable { .. } => {
                "fetch the file again; if it stays damaged, build it anew or ask its maker"
            }
            Self::TooLarge { .. } | Self::Oversized { .. } => {
                "no genuine file needs that much: ask its maker for a proper one, or build it anew"
            }
            Self::ChecksumMismatch { .. } => {
                "its bytes were changed after it was built: fetch it again and compare its digest \
                 with the maker's"
            }
            Self::UnsafeName { .. } | Self::ForbiddenXml { .. } => {
                "do not install this file; ask its maker for another, or build it anew"
            }
            Self::NoPackageDocument => {
                "build an installer package from it with pkgbuild, or upload the right file"
            }
            Self::ComponentMissing { .. } | Self::NoComponent => {
                "rebuild the product archive with productbuild --package, so that it holds its \
                 component packages"
            }
            Self::SegmentedImage { .. } => {
                "join the segments into one file (hdiutil convert -format UDZO) and upload that"
            }
            Self::Encrypted { .. } => {
                "nothing could install it without its password: upload it without one (an image is \
                 decrypted by hdiutil convert -format UDZO)"
            }
            Self::WrongContent { advice, .. } => advice,
        }
    }

    /// A part that breaks its format's rules.
    pub(crate) fn malformed(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), reason: reason.into() }
    }

    /// A read that failed: a decoder's complaint about the content, or the operating system's.
    ///
    /// Decoders report damage through `io::Error` too; only what the operating system itself
    /// reported (it carries an errno) is not the file's fault. The bounded readers of this crate
    /// say `FileTooLarge` when a bound is hit.
    pub(crate) fn from_read(what: impl Into<String>, source: io::Error) -> Self {
        let what = what.into();
        if source.raw_os_error().is_some() {
            Self::Read { what, source }
        } else if source.kind() == io::ErrorKind::FileTooLarge {
            Self::Oversized { what, source }
        } else {
            Self::Undecodable { what, source }
        }
    }
}

/// The stable machine word of a refusal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalCode {
    /// Bytes differ from their checksum.
    ChecksumMismatch,
    /// A product archive lacks a component that it names, or has none.
    ComponentMissing,
    /// A part breaks its format's rules or cannot be decoded.
    Damaged,
    /// The file holds no bytes.
    EmptyFile,
    /// A part needs a password.
    Encrypted,
    /// A document uses a document type declaration or an entity.
    ForbiddenXml,
    /// The inspecting process ended without an answer.
    InspectionFailed,
    /// The inspecting process used up its time.
    InspectionTimedOut,
    /// A xar archive that is no package.
    NotAPackage,
    /// The file is something else than its name says.
    OtherForm,
    /// One file of a disk image that was split.
    SegmentedImage,
    /// A part exceeds a limit.
    TooLarge,
    /// The file ends too early.
    Truncated,
    /// The file could not be read.
    Unreadable,
    /// A name could lead outside the archive.
    UnsafeName,
    /// An intact container that does not hold what it is to hold.
    WrongContent,
}

impl RefusalCode {
    /// The word as it appears in JSON, logs and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::ComponentMissing => "component_missing",
            Self::Damaged => "damaged",
            Self::EmptyFile => "empty_file",
            Self::Encrypted => "encrypted",
            Self::ForbiddenXml => "forbidden_xml",
            Self::InspectionFailed => "inspection_failed",
            Self::InspectionTimedOut => "inspection_timed_out",
            Self::NotAPackage => "not_a_package",
            Self::OtherForm => "other_form",
            Self::SegmentedImage => "segmented_image",
            Self::TooLarge => "too_large",
            Self::Truncated => "truncated",
            Self::Unreadable => "unreadable",
            Self::UnsafeName => "unsafe_name",
            Self::WrongContent => "wrong_content",
        }
    }
}
