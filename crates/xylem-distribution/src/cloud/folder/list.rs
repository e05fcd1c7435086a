//! What lies in a folder, a page at a time: nothing is opened, and nothing followed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::time::UNIX_EPOCH;

use xylem_cloud::folder::{FolderEntries, FolderEntry, FolderEntryKind, MAX_FOLDER_ENTRIES};

use super::disk::{Folder, is_folder};
use super::refused::{Refused, io_refusal};

impl Folder {
    /// What lies in a folder below ours, after a name.
    pub(super) fn list(&self, folder: &str, after: Option<&str>) -> Result<FolderEntries, Refused> {
        let path = self.path(folder)?;
        if !folder.is_empty() {
            is_folder(&path)?;
        }
        let read = |error: io::Error| io_refusal("listing", &path, &error);
        let mut found = BTreeMap::new();
        let mut more = false;
        for entry in fs::read_dir(&path).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = entry.file_name();
            // What is no Unicode is none of ours, and is shown all the same.
            let is_ours = name.to_str().is_some();
            let name = name.to_string_lossy().into_owned();
            if after.is_some_and(|after| name.as_str() <= after) {
                continue;
            }
            let is_full = found.len() == MAX_FOLDER_ENTRIES;
            if is_full && found.last_key_value().is_some_and(|(last, _)| *last < name) {
                more = true;
                continue;
            }
            // What was removed meanwhile is not there.
            let Ok(metadata) = entry.metadata() else { continue };
            found.insert(name.clone(), told(name, is_ours, &metadata));
            if found.len() > MAX_FOLDER_ENTRIES {
                found.pop_last();
                more = true;
            }
        }
        Ok(FolderEntries { entries: found.into_values().collect(), more })
    }
}

fn told(name: String, is_ours: bool, metadata: &Metadata) -> FolderEntry {
    let kind = match metadata.file_type() {
        _ if !is_ours => FolderEntryKind::Other,
        kind if kind.is_file() => FolderEntryKind::File,
        kind if kind.is_dir() => FolderEntryKind::Folder,
        _ => FolderEntryKind::Other,
    };
    let written = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    FolderEntry {
        name,
        size: if kind == FolderEntryKind::File { metadata.len() } else { 0 },
        kind,
        written_ms: written.and_then(|at| i64::try_from(at.as_millis()).ok()),
    }
}
