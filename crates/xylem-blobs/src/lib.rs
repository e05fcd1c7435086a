//! The content-addressed repository: stage, verify, publish, verified reads, quarantine, sweep.
//!
//! A [`Repository`] is a folder. Content is named by its [`ContentId`](xylem_model::ContentId),
//! the BLAKE3 root of its bytes, and lies there whole and plain, so that other programs can read
//! the same bytes; beside it lies its *outboard*, the inner nodes of the BLAKE3 tree, which lets
//! any part of the file be checked against the id (see [`tree`](Repository::open_tree)).
//!
//! ```text
//! format                "xylem-repository 1"
//! staged/KEY.part       bytes that are still arriving
//! staged/KEY.tree       their outboard, as far as it is known
//! staged/KEY.mark       how many of the bytes survive a power cut
//! content/ab/HEX        published content
//! content/ab/HEX.tree   its outboard; a file of one frame (256 KiB) needs none
//! quarantine/HEX        what failed its check
//! ```
//!
//! The way in has three steps, each a type: a [`StagedFile`] takes bytes and can be resumed; its
//! [`finish`](StagedFile::finish) compares digests and returns [`Verified`], bytes that are right
//! and on the disk; [`Repository::publish`] gives them their name. After a power cut at any point
//! the content is either there, whole, or absent and its upload can go on; once `publish` has
//! returned it is there. Files and outboards *are* the state: there is no database to disagree
//! with them.
//!
//! Small files come in many at a time ([`Batch`]), with one sync for all of them. What arrives
//! against its outboard can be read while it arrives ([`Repository::open_arriving`]).
//!
//! The way out is a [`BlobReader`], which hands out nothing that it has not checked up to the id
//! (unless told [`VerifyOnRead::ScrubOnly`]); content that fails is withdrawn at once.
//!
//! All calls block, and reach the disk only through the seam of `xylem-runtime`; async code goes
//! through [`Repository::run`]. Not here: who may read what, which content is wanted, names.

mod ahead;
mod arrival;
mod batch;
mod builder;
mod digests;
mod durability;
mod error;
mod files;
mod intake;
mod layout;
mod mark;
mod path;
mod publish;
mod reach;
mod reader;
mod recover;
mod repository;
mod scrub;
mod staged;
mod sweep;
mod tree;
mod tree_reader;
mod withdraw;

#[cfg(test)]
mod test_fs;
#[cfg(test)]
mod tests;

pub use ahead::AheadWriter;
pub use arrival::Growth;
pub use batch::Batch;
pub use digests::{DigestSet, Expected};
pub use durability::Syncer;
pub use error::BlobError;
pub use intake::TreeIntake;
pub use layout::StageKey;
pub use publish::Verified;
pub use reach::Reach;
pub use reader::{BlobReader, FRAME_BYTES};
pub use repository::{Repository, RepositoryOptions, VerifyOnRead};
pub use scrub::Scrubbed;
pub use staged::{MARK_EVERY_BYTES, StagedFile};
pub use tree::{GROUP_BYTES, outboard_len};
pub use tree_reader::TreeReader;
