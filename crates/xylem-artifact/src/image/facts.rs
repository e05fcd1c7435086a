//! What is known about a disk image: plain values that cross a process border as JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest text that is shown of an image, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Everything that can be said of an image without mounting it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ImageFacts {
    /// How its sectors are stored; of several ways the one that newer systems need.
    pub kind: ImageKind,
    /// Length of the disk that a Mac sees, in bytes.
    pub expanded_bytes: u64,
    /// How the disk is divided.
    pub scheme: PartitionScheme,
    /// The partitions that hold something, in the table's order.
    pub partitions: Vec<PartitionFacts>,
    /// The volume that a user sees; absent when no file system is known here.
    pub volume: Option<VolumeFacts>,
    /// What lies at the top of the volume; absent when it could not be read.
    pub root: Option<RootFacts>,
    /// Whether a licence has to be agreed to before the image opens.
    pub license_agreement: bool,
    /// The code signature, if there is one.
    pub signature: Option<ImageSignature>,
    /// How much of the image was compared with a checksum.
    pub verified: ImageVerified,
}

/// The ways to store the sectors of an image, weakest first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageKind {
    /// No disk image of Apple's, but the bytes of a disk.
    Raw,
    /// Read-only, not compressed.
    Udro,
    /// Apple Data Compression.
    Udco,
    /// zlib.
    Udzo,
    /// bzip2.
    Udbz,
    /// lzfse.
    Ulfo,
    /// lzma.
    Ulmo,
}

impl fmt::Display for ImageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Udro => "UDRO",
            Self::Udco => "UDCO",
            Self::Udzo => "UDZO",
            Self::Udbz => "UDBZ",
            Self::Ulfo => "ULFO",
            Self::Ulmo => "ULMO",
        })
    }
}

/// How a disk is divided.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionScheme {
    /// An Apple partition map.
    Apple,
    /// A GUID partition table.
    Gpt,
    /// A master boot record.
    Mbr,
    /// One volume fills the disk.
    None,
}

/// One partition.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PartitionFacts {
    /// Its name in the table, often `disk image`.
    pub name: String,
    /// Its type: Apple's word for it, else what the table says.
    pub kind: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it is formatted with, judged by its first sectors.
    pub file_system: FileSystem,
}

/// The file systems that are told apart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileSystem {
    /// Apple File System.
    Apfs,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// The file system of Mac OS 8 and before, also as a wrapper around HFS+.
    Hfs,
    /// Mac OS Extended.
    HfsPlus,
    /// Mac OS Extended, case-sensitive or of a newer version.
    Hfsx,
    /// ISO 9660.
    Iso9660,
    /// None of these.
    Unknown,
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apfs => "APFS",
            Self::Fat => "FAT",
            Self::Hfs => "HFS",
            Self::HfsPlus => "HFS+",
            Self::Hfsx => "HFSX",
            Self::Iso9660 => "ISO 9660",
            Self::Unknown => "an unknown file system",
        })
    }
}

/// The volume that a user sees.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VolumeFacts {
    /// What it is formatted with.
    pub file_system: FileSystem,
    /// Its name.
    pub name: Option<String>,
    /// Whether an HFS+ volume keeps a journal.
    pub journaled: bool,
    /// Whether its files are encrypted, so that nobody can look into it.
    pub encrypted: bool,
}

/// What lies at the top of a volume.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RootFacts {
    /// The names that a user sees, in the file system's order; not more than a few hundred.
    pub names: Vec<String>,
    /// How many there are.
    pub entries: usize,
    /// The applications among them.
    pub applications: Vec<ApplicationFacts>,
    /// The names of the installer packages among them.
    pub packages: Vec<String>,
    /// Whether these are the folders of a startup disk, as Composer makes images.
    pub startup_disk_folders: bool,
    /// The folders in `Users`, except `Shared`.
    pub homes: Vec<String>,
}

/// An application at the top of a volume. What its `Info.plist` does not say is absent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ApplicationFacts {
    /// The bundle's name, such as `Firefox.app`.
    pub file_name: String,
    /// `CFBundleIdentifier`.
    pub identifier: Option<String>,
    /// `CFBundleShortVersionString`: the version for people.
    pub short_version: Option<String>,
    /// `CFBundleVersion`: the number of the build.
    pub version: Option<String>,
    /// `LSMinimumSystemVersion`.
    pub minimum_os: Option<String>,
}

/// The facts of an image's code signature, each by itself: none of them alone means that it can be
/// trusted. Whether it fits the content is not checked here.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ImageSignature {
    /// The identifier that was signed with it.
    pub identifier: Option<String>,
    /// The ten characters of the developer's team.
    pub team: Option<String>,
    /// Whether there is a signature made with a certificate; without it, it is an ad-hoc one.
    pub cms: bool,
    /// Whether a notarisation ticket is stapled to the image. Its content is not judged here.
    pub ticket_present: bool,
}

/// How much of an image was compared with a checksum.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ImageVerified {
    /// Whether all stored bytes match the image's checksum.
    pub stored: bool,
    /// How many block tables match the checksum of what they expand to.
    pub tables: usize,
    /// How many do not say a checksum that is known here.
    pub tables_without_checksum: usize,
    /// How many were left out, as expanding them would have taken too long.
    pub tables_not_expanded: usize,
}

/// A text from a file, cut to what is shown.
pub(super) fn shown(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
