//! What is told of files and folders.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dav_server::fs::{DavDirEntry, DavMetaData, FsFuture, FsResult};
use xylem_model::Timestamp;

/// What is told of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Bytes; 0 for a folder.
    pub len: u64,
    /// When it was last written.
    pub modified: Timestamp,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its entity tag, without quotation marks; folders have none.
    pub etag: Option<String>,
}

impl Meta {
    /// A folder.
    pub const fn folder(created: Timestamp, modified: Timestamp) -> Self {
        Self { len: 0, modified, created, is_folder: true, etag: None }
    }

    /// The same as a PROPFIND is to have it: what dav-server puts into `getetag` as it is must be
    /// what the header says, quotation marks included (RFC 4918 section 15.6).
    #[must_use]
    pub fn for_listing(self) -> Self {
        let etag = self.etag.map(|etag| format!("\"{etag}\""));
        Self { etag, ..self }
    }
}

/// The operating system's form of a time. Times before 1970 are not ours to tell.
pub(crate) fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(time.unix_ms()).unwrap_or(0))
}

impl DavMetaData for Meta {
    fn len(&self) -> u64 {
        self.len
    }

    fn modified(&self) -> FsResult<SystemTime> {
        Ok(system_time(self.modified))
    }

    fn created(&self) -> FsResult<SystemTime> {
        Ok(system_time(self.created))
    }

    fn is_dir(&self) -> bool {
        self.is_folder
    }

    fn etag(&self) -> Option<String> {
        self.etag.clone()
    }
}

/// One line of a listing.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What is told of it.
    pub meta: Meta,
}

impl DavDirEntry for Entry {
    fn name(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }

    fn metadata(&self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let meta: Box<dyn DavMetaData> = Box::new(self.meta.clone());
        Box::pin(async move { Ok(meta) })
    }
}
