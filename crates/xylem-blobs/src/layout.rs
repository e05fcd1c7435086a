//! Where everything lies below the repository's folder.
//!
//! Names are made from checked ids alone; nothing that a user or a peer wrote becomes a name.

use std::fmt;
use std::path::{Path, PathBuf};

use xylem_model::{ContentId, UploadId};

/// How the `format` file begins; a number follows.
pub(crate) const FORMAT_NAME: &str = "xylem-repository ";
/// The format that is read and written here.
pub(crate) const FORMAT_NUMBER: u32 = 1;
/// The longest `format` file that is read, bytes.
pub(crate) const MAX_FORMAT_BYTES: u64 = 1024;

/// What a staged file is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageKey {
    /// Content that is fetched from a peer, so its id is known.
    Content(ContentId),
    /// An upload, whose id is only known when it is here.
    Upload(UploadId),
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(id) => id.fmt(f),
            Self::Upload(id) => id.fmt(f),
        }
    }
}

impl StageKey {
    /// Takes exactly what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let key = match text.parse() {
            Ok(id) => Self::Content(id),
            Err(_) => Self::Upload(text.parse().ok()?),
        };
        (key.to_string() == text).then_some(key)
    }
}

/// Takes exactly 64 lower-case hexadecimal characters.
pub(crate) fn parse_content_name(name: &str) -> Option<ContentId> {
    name.parse().ok().filter(|id: &ContentId| id.to_hex() == name)
}

/// The paths of one repository.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.folder.join("format")
    }

    pub(crate) fn staged(&self) -> PathBuf {
        self.folder.join("staged")
    }

    pub(crate) fn content(&self) -> PathBuf {
        self.folder.join("content")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.folder.join("quarantine")
    }

    pub(crate) fn part(&self, key: &StageKey) -> PathBuf {
        self.staged().join(format!("{key}.part"))
    }

    pub(crate) fn part_tree(&self, key: &StageKey) -> PathBuf {
        self.staged().join(format!("{key}.tree"))
    }

    pub(crate) fn mark(&self, key: &StageKey) -> PathBuf {
        self.staged().join(format!("{key}.mark"))
    }

    /// Where removed content goes for the moment between losing its name and being unlinked.
    pub(crate) fn removed(&self, id: &ContentId) -> PathBuf {
        self.staged().join(format!("{id}.removed"))
    }

    /// The folder that content shares with all whose id begins with the same byte.
    pub(crate) fn shard(&self, shard: u8) -> PathBuf {
        self.content().join(hex::encode([shard]))
    }

    pub(crate) fn blob(&self, id: &ContentId) -> PathBuf {
        self.shard(shard_of(id)).join(id.to_hex())
    }

    pub(crate) fn tree(&self, id: &ContentId) -> PathBuf {
        self.shard(shard_of(id)).join(format!("{id}.tree"))
    }

    pub(crate) fn quarantined(&self, id: &ContentId) -> PathBuf {
        self.quarantine().join(id.to_hex())
    }

    pub(crate) fn quarantined_tree(&self, id: &ContentId) -> PathBuf {
        self.quarantine().join(format!("{id}.tree"))
    }
}

/// The first byte of an id.
pub(crate) fn shard_of(id: &ContentId) -> u8 {
    let [first, ..] = *id.as_bytes();
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_keys_survive_their_file_name() {
        let content = StageKey::Content(ContentId::of(b"content"));
        let upload = StageKey::Upload(UploadId::from_parts(1, &[2; 10]));
        for key in [content, upload] {
            assert_eq!(StageKey::parse(&key.to_string()), Some(key));
        }
    }

    #[test]
    fn names_that_are_not_canonical_are_not_keys() {
        let upper = ContentId::of(b"content").to_hex().to_uppercase();
        for name in ["", "..", "{67e55044-10b1-426f-9247-bb680e5fe0c8}", &upper] {
            assert_eq!(StageKey::parse(name), None, "{name}");
        }
    }
}
