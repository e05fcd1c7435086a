//! What lies in a folder, as the root tells it.

use serde::{Deserialize, Serialize};
use xylem_model::Timestamp;

use super::is_upload;
use crate::cursor::PAGE;
use crate::layout::{ObjectKey, Prefix};
use crate::named::Named;
use crate::upload::{Leftover, Listed, UploadRef};

/// Most entries that are told at once.
pub const MAX_FOLDER_ENTRIES: usize = PAGE;

/// A page of a folder, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderEntries {
    /// What is in it, at most [`MAX_FOLDER_ENTRIES`].
    pub entries: Vec<FolderEntry>,
    /// Whether there is more after the last one.
    pub more: bool,
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderEntry {
    /// Its name, one step.
    pub name: String,
    /// What it is.
    pub kind: FolderEntryKind,
    /// Its size, bytes; 0 of what is no file.
    pub size: u64,
    /// When it was written, milliseconds since 1970; none where the file system tells none.
    pub written_ms: Option<i64>,
}

/// What something in a folder is. Nothing is followed to find that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FolderEntryKind {
    /// An ordinary file.
    File,
    /// A folder.
    Folder,
    /// A link, a pipe, a device: never ours.
    Other,
}

impl FolderEntries {
    /// Reads a page that goes on after `from`.
    ///
    /// # Errors
    /// When it is none, in words for a message.
    pub(super) fn parse(body: &[u8], from: Option<&str>) -> Result<Self, String> {
        let page: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut before = from;
        for entry in &page.entries {
            if entry.name.is_empty() || entry.name.contains('/') {
                return Err("a name in it is none".to_owned());
            }
            if before.is_some_and(|before| before >= entry.name.as_str()) {
                return Err("its names are not in order after what was asked for".to_owned());
            }
            before = Some(&entry.name);
        }
        match page.entries.len() > MAX_FOLDER_ENTRIES || (page.more && page.entries.is_empty()) {
            true => Err("it has another number of entries than was asked for".to_owned()),
            false => Ok(page),
        }
    }

    /// After which name it goes on.
    pub(super) fn next(&self) -> Option<&str> {
        self.entries.last().filter(|_| self.more).map(|entry| entry.name.as_str())
    }
}

impl FolderEntry {
    /// It as an object of a listing. What is no file ends with `/`, so that it is nothing of ours.
    pub(super) fn listed(&self, folder: &str) -> Option<Listed> {
        let parent = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let end = if self.kind == FolderEntryKind::File { "" } else { "/" };
        let key = ObjectKey::listed(format!("{parent}{}{end}", self.name))?;
        let written = self.written();
        Some(Listed { key, size: self.size, etag: None, written, segmented: false })
    }

    /// It as what an upload left; `None` where its name is not of that form.
    pub(super) fn leftover(&self, prefix: &Prefix) -> Option<Leftover> {
        let (name, id) = self.name.rsplit_once('.').filter(|(_, id)| is_upload(id))?;
        if self.kind != FolderEntryKind::File {
            return None;
        }
        let folder = name.get(..2).unwrap_or_default();
        let everything = prefix.everything();
        let key =
            [format!("{everything}content/{folder}/{name}"), format!("{everything}probe/{name}")]
                .into_iter()
                .find(|key| matches!(prefix.read(key), Named::Content(_) | Named::Probe))?;
        let (key, id) = (ObjectKey::listed(key)?, UploadRef::new(id)?);
        Some(Leftover::Upload { key, id, begun: self.written() })
    }

    fn written(&self) -> Option<Timestamp> {
        self.written_ms.map(Timestamp::from_unix_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: &str, more: bool) -> Vec<u8> {
        format!(r#"{{"entries":[{entries}],"more":{more}}}"#).into_bytes()
    }

    fn entry(name: &str, kind: &str) -> String {
        format!(r#"{{"name":"{name}","kind":"{kind}","size":3,"written_ms":7}}"#)
    }

    #[test]
    fn pages_that_do_not_go_on_or_have_other_names_are_refused() {
        let (a, b) = (entry("a", "file"), entry("b", "other"));
        let read = FolderEntries::parse(&page(&format!("{a},{b}"), true), None).unwrap();
        assert_eq!(read.next(), Some("b"));
        assert!(FolderEntries::parse(&page(&b, false), Some("a")).is_ok());
        for (wrong, from) in [
            (page(&format!("{b},{a}"), false), None),
            (page(&a, false), Some("a")),
            (page("", true), None),
            (page(&entry("a/b", "file"), false), None),
            (page(&entry("", "file"), false), None),
            (page(&entry("a", "door"), false), None),
            (b"{}".to_vec(), None),
        ] {
            assert!(FolderEntries::parse(&wrong, from).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_ordinary_files_with_names_of_ours_are_leftovers() {
        let prefix = Prefix::new("macs").unwrap();
        let id = xylem_model::ContentId::of(b"a").to_hex();
        let of = |name: String, kind| {
            FolderEntry { name, kind, size: 1, written_ms: None }.leftover(&prefix)
        };
        let content = of(format!("{id}.00000000000000ab"), FolderEntryKind::File).unwrap();
        assert_eq!(content.key().as_str(), format!("macs/content/{}/{id}", &id[..2]));
        let probe = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-a.b";
        let found = of(format!("{probe}.00000000000000ab"), FolderEntryKind::File).unwrap();
        assert_eq!(found.key().as_str(), format!("macs/probe/{probe}"));
        for (name, kind) in [
            (format!("{id}.00000000000000ab"), FolderEntryKind::Other),
            (format!("{id}.00000000000000ab"), FolderEntryKind::Folder),
            (format!("{id}.ab"), FolderEntryKind::File),
            ("notes.00000000000000ab".to_owned(), FolderEntryKind::File),
        ] {
            assert_eq!(of(name.clone(), kind), None, "{name}");
        }
    }
}
