//! What holds for every upload, whoever announces it: a person or script through the API, or the
//! ingest server for what an account has sent it.

use std::time::Duration;

use xylem_api::error::ErrorCode;
use xylem_model::{ByteSize, FileKind, FileName};

use crate::failure::Failure;

/// The largest file that is taken, in bytes: 1 TiB.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 40;

/// How long an announced upload may take.
pub(crate) const UPLOAD_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A distribution server, as far as the question goes where new files enter.
pub(crate) trait Roles {
    /// Whether new files are to enter here.
    fn is_principal(&self) -> bool;
    /// Whether it is the top of the tree.
    fn is_root(&self) -> bool;
}

/// Where new files enter: the principal, else the root.
pub(crate) fn ingest_server<S: Roles>(servers: &[S]) -> Option<&S> {
    let principal = servers.iter().find(|server| server.is_principal());
    principal.or_else(|| servers.iter().find(|server| server.is_root()))
}

/// Why nothing new can come in.
pub(crate) fn in_maintenance(server: &str) -> String {
    format!(
        "`{server}`, where new files enter, is in maintenance: wait, or end that with `xylem ds set \
         {server} maintenance=off`"
    )
}

/// Refuses a file that is empty or too large.
pub(crate) fn check_size(size: u64) -> Result<(), Failure> {
    match size {
        0 => Err(Failure::new(
            ErrorCode::Refused,
            "the file is empty: an empty file is no package, app or book",
        )),
        size if size > MAX_FILE_BYTES => Err(Failure::new(
            ErrorCode::TooLarge,
            format!(
                "the file has {}; files of at most {} are taken",
                ByteSize(size),
                ByteSize(MAX_FILE_BYTES)
            ),
        )),
        _ => Ok(()),
    }
}

/// Why a name cannot be had beside another one.
pub(crate) fn name_taken(name: &FileName, existing: &FileName, kind: FileKind) -> String {
    format!(
        "the name `{name}` cannot be told apart from the {kind} `{existing}` on every file share: \
         choose another name"
    )
}

/// Why a file cannot have the name of another one that is not to be replaced.
pub(crate) fn name_exists(kind: FileKind, name: &FileName, version: u64) -> String {
    format!(
        "there is already a file under the name `{name}` (a {kind}, version {version}): choose \
         another name, or ask for it to be replaced"
    )
}
