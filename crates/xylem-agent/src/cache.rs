//! Contents on this computer: verified ones by id, and those that are still coming.
//!
//! A name in the cache is no proof. Whoever wants a content gets an open file whose bytes were read
//! and compared through that very descriptor, after it got its name; nothing opens it a second time
//! by path. A file that turns out to hold other bytes is removed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xylem_model::{ContentId, Timestamp};
use xylem_runtime::{Fs, FsFile};

use crate::content::{Expected, holds};
use crate::folder::{DataFolder, FolderError, failed, read_json, write_json};

/// How much is kept after use, for a second try or another order, in bytes.
pub(crate) const KEPT_BYTES: u64 = 1 << 30;

/// How long the beginning of a large content is kept all the same, for the try that goes on with it.
const PARTIAL_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Marks a content of which bytes are still missing.
const PARTIAL_SUFFIX: &str = ".part";

/// Tells when each content was last used.
const INDEX_FILE: &str = "used.json";

/// A content that was verified, through the descriptor that is held here.
#[derive(Clone)]
pub(crate) struct VerifiedFile {
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) path: PathBuf,
}

/// The path of a verified content.
pub(crate) fn content_path(folder: &DataFolder, content: &ContentId) -> PathBuf {
    folder.cache().join(content.to_hex())
}

/// The path of a content that is still coming.
pub(crate) fn partial_path(folder: &DataFolder, content: &ContentId) -> PathBuf {
    folder.cache().join(format!("{content}{PARTIAL_SUFFIX}"))
}

/// Opens a content that is there, if its bytes are what they should be.
pub(crate) fn open_verified(
    fs: &dyn Fs,
    folder: &DataFolder,
    expected: &Expected,
) -> Result<Option<VerifiedFile>, FolderError> {
    let path = content_path(folder, &expected.content);
    let file = match fs.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", &path)(error)),
    };
    if holds(&*file, expected).map_err(failed("read", &path))? {
        return Ok(Some(VerifiedFile { file: file.into(), path }));
    }
    tracing::warn!(path = %path.display(), "a cached content was damaged; it is fetched again");
    fs.remove_file(&path).map_err(failed("remove", &path))?;
    Ok(None)
}

/// Gives a complete content its name, and verifies it through the descriptor it was written with.
/// `None`, and nothing left, when the disk gives back other bytes than were written.
pub(crate) fn keep(
    fs: &dyn Fs,
    folder: &DataFolder,
    expected: &Expected,
    file: Arc<dyn FsFile>,
) -> Result<Option<VerifiedFile>, FolderError> {
    let partial = partial_path(folder, &expected.content);
    let path = content_path(folder, &expected.content);
    file.sync().map_err(failed("write", &partial))?;
    fs.rename(&partial, &path).map_err(failed("write", &path))?;
    fs.sync_dir(&folder.cache()).map_err(failed("write", &path))?;
    if holds(&*file, expected).map_err(failed("read", &path))? {
        return Ok(Some(VerifiedFile { file, path }));
    }
    fs.remove_file(&path).map_err(failed("remove", &path))?;
    Ok(None)
}

#[derive(Default, Serialize, Deserialize)]
struct Index(BTreeMap<ContentId, Timestamp>);

/// Notes that a content was used now.
pub(crate) fn note_use(
    fs: &dyn Fs,
    folder: &DataFolder,
    content: ContentId,
    now: Timestamp,
) -> Result<(), FolderError> {
    let path = folder.cache().join(INDEX_FILE);
    let mut index = load_index(fs, &path);
    index.0.insert(content, now);
    write_json(fs, &path, &index)
}

/// The index only decides what is thrown away first, so a damaged one counts as empty.
fn load_index(fs: &dyn Fs, path: &Path) -> Index {
    read_json(fs, path).ok().flatten().unwrap_or_default()
}

struct Kept {
    content: ContentId,
    path: PathBuf,
    size: u64,
    used: Timestamp,
}

/// Removes what was used longest ago until at most `limit` bytes are left, not counting what is
/// still coming, and whatever does not belong into a cache.
pub(crate) fn prune(
    fs: &dyn Fs,
    folder: &DataFolder,
    limit: u64,
    now: Timestamp,
) -> Result<(), FolderError> {
    let cache = folder.cache();
    let index_path = cache.join(INDEX_FILE);
    let mut index = load_index(fs, &index_path);
    let mut kept = Vec::new();
    for entry in fs.list(&cache).map_err(failed("look into", &cache))? {
        let path = cache.join(&entry.name);
        let id = entry.name.strip_suffix(PARTIAL_SUFFIX).unwrap_or(&entry.name);
        let size = fs.open(&path).and_then(|file| file.len());
        match (id.parse::<ContentId>(), size) {
            (Ok(content), Ok(size)) => {
                let used = index.0.get(&content).copied().unwrap_or_default();
                let is_partial = entry.name.ends_with(PARTIAL_SUFFIX);
                if is_partial && now.since(used) < PARTIAL_KEPT {
                    continue;
                }
                kept.push(Kept { content, path, size, used });
            }
            _ if entry.is_dir || entry.name == INDEX_FILE => {}
            _ => fs.remove_file(&path).map_err(failed("remove", &path))?,
        }
    }
    kept.sort_by_key(|one| std::cmp::Reverse(one.used));
    let mut total = 0_u64;
    for one in kept {
        total = total.saturating_add(one.size);
        if total > limit {
            fs.remove_file(&one.path).map_err(failed("remove", &one.path))?;
            index.0.remove(&one.content);
        }
    }
    write_json(fs, &index_path, &index)
}

#[cfg(test)]
mod tests {
    use xylem_runtime::RealFs;

    use super::*;

    fn folder() -> (tempfile::TempDir, DataFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(parent.path().join("data"));
        folder.create(&RealFs).unwrap();
        (parent, folder)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000)
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let (_parent, folder) = folder();
        let ids: Vec<ContentId> = (0..3_u8).map(|byte| ContentId::of(&[byte])).collect();
        for (id, used) in ids.iter().zip([2, 1, 3]) {
            std::fs::write(content_path(&folder, id), [0; 100]).unwrap();
            note_use(&RealFs, &folder, *id, at(used)).unwrap();
        }
        // Never used, as far as the index knows: the first to go.
        let unknown = content_path(&folder, &ContentId::of(b"unknown"));
        std::fs::write(&unknown, [0; 100]).unwrap();
        std::fs::write(folder.cache().join("stray"), "x").unwrap();
        let is_there = |index: usize| content_path(&folder, &ids[index]).exists();
        prune(&RealFs, &folder, 320, at(4)).unwrap();
        assert!(!folder.cache().join("stray").exists() && !unknown.exists());
        assert!(is_there(0) && is_there(1) && is_there(2));
        prune(&RealFs, &folder, 199, at(4)).unwrap();
        assert!(!is_there(0) && !is_there(1) && is_there(2));
    }

    #[test]
    fn what_is_still_coming_is_kept_for_a_day() {
        let (_parent, folder) = folder();
        let id = ContentId::of(b"large");
        let path = partial_path(&folder, &id);
        std::fs::write(&path, [0; 100]).unwrap();
        note_use(&RealFs, &folder, id, at(0)).unwrap();
        prune(&RealFs, &folder, 50, at(0).plus(PARTIAL_KEPT / 2)).unwrap();
        assert!(path.exists());
        prune(&RealFs, &folder, 50, at(0).plus(PARTIAL_KEPT)).unwrap();
        assert!(!path.exists());
    }
}
