//! The wish store: the little of the database that the control link and uploads decide on.
//!
//! Everything else of the server reaches the database directly. What must run in simulation, where
//! no database can, sees it through this one narrow trait; [`MemoryWishStore`] is its twin there,
//! [`DatabaseWishStore`] the real one.
//!
//! Each change of a wish raises the [`Stamp`] in the same step, so two reads that frame others and
//! show the same stamp prove that all of them saw one state.

mod convert;
mod database;
mod memory;

use std::collections::HashMap;

use async_trait::async_trait;
use xylem_api::authorities::Believing;
use xylem_api::certificates::ShownCertificate;
use xylem_api::control::{ChangeFile, CopyReport, DeclareReceived};
use xylem_api::ingest::Ingested;
use xylem_api::inventory::Inventory;
use xylem_model::{
    ContentId, DistributionServerId, Epoch, FileId, FileName, FurtherDigests, Generation,
    IndexError, Party, Priority, ScrubReport, SetCount, SiteId, Stamp, Timestamp, Tree, UploadId,
    VersionMark,
};
use xylem_sync::{Choice, FileFacts, Holdings, ServerSettings};
use xylem_trust::{Account, Descriptor, EnvelopeError};

pub(crate) use convert::{api_placement, believing, descriptor, digest_source};
pub use database::DatabaseWishStore;
pub use memory::{HandOverError, MemoryUpload, MemoryWishStore};

use crate::uploading::Roles;

/// Whether a party that shows a good certificate still belongs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is enrolled.
    Member,
    /// An administrator removed it: none of its certificates counts.
    Removed,
    /// Its key is on two machines: neither is let in.
    SetAside,
    /// Nobody here knows it, as may be after a restore from an old backup.
    Unknown,
}

/// A distribution server as the wishes see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerWish {
    /// Which.
    pub id: DistributionServerId,
    /// Its name.
    pub name: String,
    /// Its site.
    pub site: Option<SiteId>,
    /// Where peers reach it.
    pub public_url: String,
    /// Whether it is the top of the tree.
    pub is_root: bool,
    /// Whether new files enter here.
    pub is_principal: bool,
    /// Its WebDAV accounts, each with the hashes of its passwords, newest first.
    pub accounts: Vec<Account>,
    /// What was decided of how it works.
    pub settings: ServerSettings,
    /// What was chosen for it to hold; none: everything.
    pub selection: Choice,
    /// When an administrator last asked that everything it holds be looked through.
    pub scrub_asked: Option<Timestamp>,
    /// SHA-256 of the certificate that an administrator brought for it.
    pub public_chain: Option<String>,
}

impl Roles for ServerWish {
    fn is_principal(&self) -> bool {
        self.is_principal
    }

    fn is_root(&self) -> bool {
        self.is_root
    }
}

/// Everything wished but the files, as of one stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The state it shows.
    pub stamp: Stamp,
    /// Whether unwanted content may be removed: not while a restore is unconfirmed.
    pub may_remove: bool,
    /// The distribution servers that are enrolled.
    pub servers: Vec<ServerWish>,
    /// Who fetches from whom.
    pub tree: Tree,
    /// How often the root or the principal was moved.
    pub root_epoch: u64,
    /// Whether the cloud is the principal.
    pub cloud_is_principal: bool,
    /// Removed parties of whom a certificate would still be valid.
    pub removed: Vec<Party>,
}

impl Overview {
    /// What each server is to hold.
    pub fn holdings(&self) -> Holdings {
        let choice = |server: &ServerWish| match server.is_principal {
            // What comes to be is there first.
            true => None,
            false => server.selection.clone(),
        };
        Holdings::new(&self.tree, self.servers.iter().map(|server| (server.id, choice(server))))
    }
}

/// A live file with the versions of it that are to be held.
#[derive(Debug, Clone)]
pub struct WantedFile {
    /// The file.
    pub facts: FileFacts,
    /// The number of its newest version, whatever that is.
    pub newest: u64,
    /// The file's last change.
    pub generation: Generation,
    /// The version in production first, where there is one; then those with a mark.
    pub versions: Vec<WantedVersion>,
}

/// One version that is to be held.
#[derive(Debug, Clone)]
pub struct WantedVersion {
    /// Its content.
    pub content: ContentId,
    /// What it is where the name does not mean it.
    pub mark: Option<VersionMark>,
    /// The signed descriptor, byte for byte.
    pub descriptor: Vec<u8>,
}

/// A file that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedFile {
    /// Which.
    pub file: FileId,
    /// The number of its newest version.
    pub version: u64,
    /// When, as a generation.
    pub generation: Generation,
}

/// Changes of files after a generation, oldest first.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The state that applying this page, and those after it, leads to.
    pub stamp: Stamp,
    /// Live files.
    pub wanted: Vec<WantedFile>,
    /// Deleted files.
    pub deleted: Vec<DeletedFile>,
    /// Where the next page begins, when there is one.
    pub next: Option<Generation>,
}

/// What a distribution server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNews {
    /// Version of its program.
    pub program_version: String,
    /// Where it connects from.
    pub address: String,
    /// Bytes free for content.
    pub free_bytes: u64,
    /// Bytes of content held.
    pub used_bytes: u64,
    /// The state it has applied in full.
    pub applied: Stamp,
    /// How far the looking through of everything it holds is.
    pub scrub: Option<ScrubReport>,
    /// How much of what it is to hold is there.
    pub set: Option<SetCount>,
    /// Contents that have gone from it.
    pub gone: Vec<ContentId>,
    /// Which certificate authorities it believes.
    pub believing: Believing,
    /// Which certificate it shows.
    pub shown: Option<ShownCertificate>,
    /// Which start of its program reports.
    pub life: Option<String>,
    /// What its machine is.
    pub inventory: Option<Inventory>,
}

/// A content of which digests are lacking that come after its upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LackingDigests {
    /// Which.
    pub content: ContentId,
    /// The last change of the file of which it is a version.
    pub generation: Generation,
    /// Who holds it, verified.
    pub holders: Vec<DistributionServerId>,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Recorded; the signed descriptor, byte for byte.
    Committed(Vec<u8>),
    /// Turned down for good, with the reason.
    Failed(String),
}

/// Turns the facts of a version into its signed descriptor, byte for byte.
pub type Sign<'a> = dyn Fn(&Descriptor) -> Result<Vec<u8>, EnvelopeError> + Send + Sync + 'a;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// Which noun.
        what: &'static str,
        /// Its name or id.
        name: String,
    },
    /// What is there contradicts it; the sentence says what.
    #[error("{0}")]
    Conflict(String),
    /// What was told cannot be; the sentence says why.
    #[error("{0}")]
    Invalid(String),
    /// Whoever asks has to learn something first, and may ask again then.
    #[error("{0}")]
    Behind(String),
    /// The store itself failed.
    #[error("the store of wishes failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl WishError {
    /// An inspection came with an index that cannot be believed.
    fn bad_index(error: &IndexError) -> Self {
        Self::Invalid(format!(
            "the upload is not committed, for what the distribution server lists of it cannot be \
             right: {error}"
        ))
    }
}

/// What is wished, and what is heard of it.
#[async_trait]
pub trait WishStore: Send + Sync {
    /// The newest state.
    async fn stamp(&self) -> Result<Stamp, WishError>;

    /// Whether a party still belongs here, now.
    async fn standing(&self, party: Party) -> Result<Standing, WishError>;

    /// Servers and removed parties, as of one moment.
    async fn overview(&self) -> Result<Overview, WishError>;

    /// Files changed after a generation; at most `limit` of either kind.
    async fn changes(&self, since: Generation, limit: u64) -> Result<Changes, WishError>;

    /// Notes what a server says of itself and of its copies.
    async fn note_report(
        &self,
        server: DistributionServerId,
        news: &ServerNews,
        copies: &[CopyReport],
        full: bool,
        now: Timestamp,
    ) -> Result<(), WishError>;

    /// The ingest server of an upload.
    async fn ingest_server(&self, upload: UploadId) -> Result<DistributionServerId, WishError>;

    /// What an upload is to be published as, and how much of a hurry it is in; none where it is
    /// committed.
    ///
    /// # Errors
    /// [`WishError::Conflict`] where it is over without that.
    async fn upload_name(
        &self,
        upload: UploadId,
    ) -> Result<Option<(FileName, Priority)>, WishError>;

    /// Commits an upload that `server` has taken in one step: digests compared, version allocated,
    /// generation raised, descriptor signed. Asking again for a committed upload gives the same
    /// answer. `new_file` is the id to use where the name is new.
    ///
    /// # Errors
    /// [`WishError::Invalid`] where what was found has an index that cannot be believed, or cannot be
    /// stored; [`WishError::Behind`] where the cloud is the principal and lacks the content: nothing is
    /// committed.
    async fn commit_upload(
        &self,
        upload: UploadId,
        server: DistributionServerId,
        found: &Ingested,
        new_file: FileId,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<CommitOutcome, WishError>;

    /// Records what the ingest server `server` has received from an account, as an upload that
    /// replaces what has its name. `actor` is the account, as the audit log names it. Saying it
    /// again in the same words changes nothing.
    ///
    /// # Errors
    /// [`WishError::Conflict`] where the name cannot be had, or the id stands for another upload.
    async fn declare_received(
        &self,
        received: &DeclareReceived,
        server: DistributionServerId,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), WishError>;

    /// Renames, copies or deletes a live file in one step, and says which state has it. `new_file`
    /// is the id to use where a copy makes a file.
    ///
    /// # Errors
    /// [`WishError::NotFound`] where no live file of that kind has the name,
    /// [`WishError::Conflict`] where the new name cannot be had.
    async fn change_file(
        &self,
        asked: &ChangeFile,
        new_file: FileId,
        actor: &str,
        now: Timestamp,
        sign: &Sign<'_>,
    ) -> Result<Stamp, WishError>;

    /// Ends an upload that the ingest server turned down. Idempotent.
    async fn refuse_upload(
        &self,
        upload: UploadId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), WishError>;

    /// Notes that a committed upload is offered. Idempotent.
    async fn mark_published(&self, upload: UploadId, now: Timestamp) -> Result<(), WishError>;

    /// Contents of wanted versions that lack further digests: the latest change first, then by
    /// content, from behind `after` on; at most `limit`.
    async fn lacking_digests(
        &self,
        after: Option<(Generation, ContentId)>,
        limit: u64,
    ) -> Result<Vec<LackingDigests>, WishError>;

    /// When each server last reported.
    async fn last_reports(&self) -> Result<HashMap<DistributionServerId, Timestamp>, WishError>;

    /// Notes the digests that a server computed from its copy. Idempotent.
    ///
    /// # Errors
    /// [`WishError::NotFound`] where no version has the content, [`WishError::Conflict`] where the
    /// server does not hold it, something else was signed, or other digests are known.
    async fn note_digests(
        &self,
        content: ContentId,
        server: DistributionServerId,
        found: &FurtherDigests,
        now: Timestamp,
    ) -> Result<(), WishError>;

    /// Begins an epoch above `at_least`, because peers have seen states that this store never
    /// issued: it was restored from an old backup. Removal stops until an administrator confirms.
    async fn begin_epoch(&self, at_least: Epoch, now: Timestamp) -> Result<Stamp, WishError>;

    /// The state that the unconfirmed restore went back to.
    async fn restored_from(&self) -> Result<Option<Stamp>, WishError>;

    /// Takes in a version that servers hold and the restored store lacks. The caller has checked
    /// the signature of `envelope`, and names the state that the restore went back to. Adopting what
    /// is there already changes nothing.
    ///
    /// # Errors
    /// [`WishError::Conflict`] where name or number stand for something else by now.
    async fn adopt(
        &self,
        descriptor: &Descriptor,
        envelope: &[u8],
        restored: Stamp,
        now: Timestamp,
    ) -> Result<(), WishError>;
}
