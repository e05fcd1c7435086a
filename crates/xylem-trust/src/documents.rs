//! The documents the management server signs.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xylem_model::{
    AccountAccess, AccountName, ComputerId, ContentId, DistributionServerId, FileId, FileKind,
    FileName, OrderId, Party, Priority, Sha256, Stamp, Timestamp, UploadId, VersionMark,
};

use crate::{DescriptorId, PublicKey};

/// Something that is signed. The type is part of the signed bytes: a signature on one type of
/// document is worth nothing on another.
pub trait Document: Serialize + DeserializeOwned {
    /// The type's name in the envelope.
    const TYPE: &'static str;
}

/// Which keys may sign what. Pinned at enrollment; version n+1 is signed by enough root keys of n
/// and by enough of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustDocument {
    /// Counts from 1.
    pub version: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// From when on it is worth nothing.
    pub expires: Timestamp,
    /// Keys that may sign the next trust document.
    pub root_keys: Vec<PublicKey>,
    /// How many of them must.
    pub threshold: u32,
    /// Keys that sign everything else.
    pub online_keys: Vec<PublicKey>,
}

/// Whose word the digests of a version are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestSource {
    /// The ingest server computed them; the uploader declared none.
    ComputedByIngest,
    /// The uploader told the management server, and the bytes agreed.
    Declared,
}

/// What one version of a name means. Signed when the upload is committed, and anew when its mark
/// changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// The file, across its versions and names.
    pub file: FileId,
    /// What kind of file.
    pub kind: FileKind,
    /// The published name.
    pub name: FileName,
    /// 1, 2, …
    pub version: u64,
    /// BLAKE3 of the bytes.
    pub content: ContentId,
    /// SHA-256 of the bytes.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
    /// Whose word the digests are.
    pub digest_source: DigestSource,
    /// How much of a hurry it is in; left out of the document where it is normal.
    #[serde(default, skip_serializing_if = "is_normal")]
    pub priority: Priority,
    /// What it is where the name does not mean it; left out of the document where the name does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<VersionMark>,
    /// The change of the catalogue that made it.
    pub stamp: Stamp,
    /// When it was signed.
    pub issued: Timestamp,
}

fn is_normal(priority: &Priority) -> bool {
    *priority == Priority::Normal
}

/// How much a distribution server must hold, so that leaving something out is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The server it speaks to.
    pub server: DistributionServerId,
    /// The state of the catalogue it describes.
    pub stamp: Stamp,
    /// When it was signed.
    pub issued: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
    /// How many descriptors the set has.
    pub count: u64,
    /// [`crate::set_root`] of their ids.
    pub set_root: ContentId,
}

/// Who may fetch from a distribution server, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// The server that is to obey.
    pub server: DistributionServerId,
    /// The state of the catalogue it describes.
    pub stamp: Stamp,
    /// When it was signed.
    pub issued: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
    /// One row for each peer.
    pub peers: Vec<Grant>,
    /// WebDAV accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// Whether anybody may read what is published, without saying who they are: only where an
    /// administrator opened the server.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open_to_all: bool,
    /// Whether a computer's certificate is enough to read what is published. Where not, it takes a
    /// ticket or a password.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub client_certificates: bool,
    /// What is offered to clients: not what it holds only because servers that fetch from it need
    /// it.
    #[serde(default, skip_serializing_if = "is_all")]
    pub clients: GrantedEntries,
}

fn is_all(entries: &GrantedEntries) -> bool {
    *entries == GrantedEntries::All
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_true(value: &bool) -> bool {
    *value
}

const fn yes() -> bool {
    true
}

/// Somebody who says who they are by name and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// What it may do.
    pub access: AccountAccess,
    /// What its password is compared with: Argon2id in the PHC string format. Two while it is
    /// being rotated; both count then.
    pub passwords: Vec<String>,
}

/// What one peer may fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The peer.
    pub peer: DistributionServerId,
    /// What it may fetch.
    pub entries: GrantedEntries,
}

/// A set of content that may be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantedEntries {
    /// Whatever the server itself must hold.
    #[default]
    All,
    /// These contents only.
    Only(Vec<ContentId>),
}

/// Certificates that are not to be believed, though they have not expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// The state of the catalogue it describes.
    pub stamp: Stamp,
    /// When it was signed.
    pub issued: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
    /// Parties that were removed: none of their certificates counts.
    pub parties: Vec<Party>,
}

/// The longest that a ticket may be good for whose holder has just asked for it: long enough to try
/// several servers.
pub const LONGEST_TICKET_LIFE: Duration = Duration::from_secs(600);

/// The longest that the ticket in a device's address may be good for, in hours: a week, since a device
/// fetches when it gets around to it.
pub const LONGEST_DEVICE_TICKET_HOURS: u32 = 168;

/// What a ticket lets its bearer do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Send the bytes of an upload of this size in bytes.
    Ingest {
        /// The upload.
        upload: UploadId,
        /// Its declared size in bytes.
        size: u64,
        /// The content it must turn out to be, where the uploader declared it.
        content: Option<ContentId>,
        /// The SHA-256 it must turn out to have, where the uploader declared it.
        sha256: Option<Sha256>,
        /// The name it is to be published under.
        name: FileName,
        /// Its kind.
        kind: FileKind,
    },
    /// Read one content by its name, from an address that holds the ticket: for devices, which have
    /// nothing else to show.
    Device {
        /// The content.
        content: ContentId,
    },
    /// Read the manifest of one content, from an address that holds the ticket.
    Manifest {
        /// The content.
        content: ContentId,
        /// The server from which the content is to be fetched.
        server: DistributionServerId,
        /// Whether parts have MD5 digests instead of SHA-256.
        md5: bool,
    },
    /// Read one content.
    Read {
        /// The content.
        content: ContentId,
    },
}

impl Operation {
    /// The longest that a ticket for it may be good for.
    #[must_use]
    pub const fn longest_life(&self) -> Duration {
        match self {
            Self::Ingest { .. } | Self::Read { .. } => LONGEST_TICKET_LIFE,
            Self::Device { .. } | Self::Manifest { .. } => {
                Duration::from_secs(LONGEST_DEVICE_TICKET_HOURS as u64 * 3600)
            }
        }
    }
}

/// Lets its bearer do one thing for a while: [`Operation::longest_life`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What it is good for.
    pub operation: Operation,
    /// Who must present it by certificate; anybody where there is none.
    pub holder: Option<Party>,
    /// When it was signed.
    pub issued: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
}

/// What a computer is to do: a head of its own over its orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The computer it speaks to.
    pub computer: ComputerId,
    /// Raised with each change of its orders; a lower one is refused.
    pub stamp: Stamp,
    /// When it was signed.
    pub issued: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
    /// What is to be done, oldest first.
    pub orders: Vec<Order>,
}

/// One thing a computer is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The order.
    pub id: OrderId,
    /// What to do.
    pub action: OrderAction,
    /// With what: the id of the descriptor that comes beside this document.
    pub descriptor: DescriptorId,
}

/// What an order asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderAction {
    /// Fetch, verify and install.
    Install,
}

macro_rules! document {
    ($($name:ident = $type:literal;)*) => {$(
        impl Document for $name {
            const TYPE: &'static str = $type;
        }
    )*};
}

document! {
    Descriptor = "descriptor";
    Grants = "grants";
    Head = "head";
    Orders = "orders";
    Revocations = "revocations";
    Ticket = "ticket";
    TrustDocument = "trust";
}
