//! The only crate that names the database.
//!
//! Outside it there is one handle, [`Database`], with a function for each thing the programs do,
//! and plain records built of `xylem-model`'s types. SQLite (one process, the default) and
//! PostgreSQL (several management servers) run the same code on the same tables; `transaction`
//! tells how writers are kept apart on each.
//!
//! What the functions have in common:
//!
//! - They take the time and all new ids from the caller; nothing here asks a clock or draws
//!   random numbers.
//! - **A change of what is wanted raises the one generation in its own transaction** and stamps
//!   the changed row with it. Generations become visible in order and without gaps, so a server
//!   that has seen generation g misses nothing by asking for what came after g.
//! - **An administrative change writes its audit record in its own transaction** ([`Actor`] says
//!   who); the records form a hash chain, checked by [`Database::verify_audit`].
//! - Nothing is half done: a failed, dropped or refused call leaves the database as it was.
//! - Lists come in pages of at most [`MAX_PAGE`], each continued from the last row of the one
//!   before.
//! - Secrets never come here: tokens, invitation codes and passwords arrive as hashes, private keys
//!   and keys of a cloud sealed, signed documents as the exact bytes that were signed.
//!
//! Absent on purpose: entities, SQL and the driver's types in any signature; features that only
//! one backend has.

mod accounts;
mod audit;
mod authorities;
mod backup;
mod certificates;
mod changes;
mod clones;
mod cloud_copies;
mod cloud_points;
mod commits;
mod compared;
mod computers;
mod connect;
mod convert;
mod digests;
mod entity;
mod error;
mod files;
mod hand_over;
mod indexes;
mod invitations;
mod marks;
mod migration;
mod orders;
mod parents;
mod placements;
mod public_chains;
mod records;
mod refusals;
mod scripts;
mod search;
mod server_tree;
mod servers;
mod settings;
mod sites;
mod state;
mod tokens;
mod transaction;
mod uploads;
mod wishes;
mod words;

pub use accounts::{Account, MAX_ACCOUNTS, NewAccount};
pub use audit::{Actor, AuditCheck, AuditRecord};
pub use authorities::{Believing, Followers, Following};
pub use backup::BackupSummary;
pub use certificates::Certificate;
pub use changes::{ChangeFile, Changed, FileChange};
pub use cloud_copies::{
    CloudCopy, CloudCopyState, CloudCount, CloudDeletion, CloudFollowing, CloudLease, CloudPart,
    CloudReadBack, CloudStep, CloudUsage, CloudWant, CloudWork, Month,
};
pub use cloud_points::{
    CloudForgotten, CloudLeaving, CloudObjects, CloudPoint, CloudPointChange, CloudReplaced,
    MAX_CLOUD_SETTINGS_BYTES, NewCloudPoint, UPLOAD_WANTED_FOR,
};
pub use commits::{Commit, IngestResult, VersionFacts};
pub use computers::{CheckIn, Computer, NewComputer};
pub use connect::Database;
pub use convert::{MAX_DOCUMENT_BYTES, MAX_NAME_CHARS, MAX_PAGE, MAX_TEXT_CHARS};
pub use digests::ContentDigests;
pub use error::{BackupError, DbError, DriverError, InvitationRefusal};
pub use files::{DigestSource, File, FileSorting, LiveFile, Version};
pub use hand_over::Missing;
pub use invitations::{Invitation, InvitationKind, NewInvitation};
pub use marks::FORGOTTEN_AT_ONCE;
pub use orders::{NewOrder, Order, OrderState, PendingOrders};
pub use placements::{Placement, PlacementReport, PlacementState};
pub use public_chains::SealedChain;
pub use records::{RecordNow, RecordRevision, SavedRecord};
pub use scripts::{
    EDIT_LASTS, MAX_COMMENT_BYTES, MAX_EDITS, MAX_NOTES_BYTES, NewContents, NewEdit, NewScript,
    SavedContents, Script, ScriptChange, ScriptNow, ScriptSettings, ScriptSettingsChange,
    ScriptVersion,
};
pub use search::FileSearch;
pub use server_tree::NewDistributionServer;
pub use servers::{DistributionServer, ServerChange, ServerReport};
pub use sites::{Category, Site};
pub use state::Organization;
pub use tokens::{NewToken, Token};
pub use uploads::{Declaration, ExpiredUploads, NewUpload, UPLOAD_KEPT, Upload, UploadState};
pub use words::UnknownWord;
