//! Nouns and rules of Xylem.
//!
//! Everything here is pure: no disk, no network, no clock, no database. A value of one of these
//! types has been checked once, at the border where it was made, and is never checked again: a
//! [`FileName`] cannot hold a forbidden character, a [`ContentId`] is always 32 bytes, a [`Tree`]
//! has no cycle.

mod account;
mod digest;
mod file_name;
mod further_digests;
mod generation;
mod ids;
mod index;
mod inspection;
mod kind;
mod merge_patch;
mod os_requirement;
mod party;
mod priority;
mod record;
mod script;
mod scrub;
mod set_count;
mod size;
mod time;
mod tree;
mod version_mark;
mod word;

pub use account::{AccountAccess, AccountName, AccountNameError, MAX_ACCOUNT_NAME_BYTES};
pub use digest::{ContentId, DigestError, Digests, Md5, Sha3_512, Sha256, Sha512};
pub use file_name::{
    FileName, FileNameError, MAX_FILE_NAME_BYTES, breaks_a_line, fold_name, is_invisible,
};
pub use further_digests::{CHUNK_BYTES, ChunkDigests, FurtherDigests, WrongChunks, chunks_of};
pub use generation::{Epoch, Generation, Stamp};
pub use ids::{
    CategoryId, CloudPointId, ComputerId, DistributionServerId, FileId, InvitationId, OrderId,
    ScriptEditId, ScriptId, SiteId, TokenId, UploadId,
};
pub use index::{
    CheckedIndex, FoundIndex, IndexError, IndexedKind, IndexedPath, MAX_INDEX_ENTRIES,
    MAX_INDEXED_PATH_BYTES, MAX_PACKED_INDEX_BYTES, MAX_UNPACKED_INDEX_BYTES, PackedIndex,
    UnpackedIndex, missing_index, take_index,
};
pub use inspection::{
    Finding, InspectedVersion, MAX_SEARCH_BYTES, MAX_SEARCH_TERMS, MAX_TERM_BYTES, SearchField,
    SearchTerm, SearchText, SearchTextError, Severity, compare_inspections, search_terms,
};
pub use kind::FileKind;
pub use merge_patch::merge_patch;
pub use os_requirement::{MAX_OS_REQUIREMENT_BYTES, OsRequirement, OsRequirementError};
pub use party::{Party, PartyError};
pub use priority::{ParentPolicy, Priority};
pub use record::{
    InstallPriority, Line, MAX_LINE_BYTES, MAX_MANIFEST_BYTES, MAX_PROSE_BYTES,
    MAX_TRIGGERING_FILES, PackageRecord, Prose, RecordError, RecordSubject, ReinstallOption,
    RequiredProcessor, TextError, TriggeringFiles,
};
pub use script::{
    ContentsThrough, LabelError, MAX_LABEL_CHARS, MAX_SCRIPT_BYTES, Normalised, ParameterLabels,
    ScriptContents, ScriptError, ScriptName, ScriptNameError, ScriptPriority, ScriptRules,
};
pub use scrub::{ScrubFound, ScrubPass, ScrubReport};
pub use set_count::SetCount;
pub use size::ByteSize;
pub use time::{Timestamp, TimestampError};
pub use tree::{MAX_DEPTH, MAX_PARENTS, Tree, TreeError};
pub use version_mark::VersionMark;
pub use word::UnknownWord;
