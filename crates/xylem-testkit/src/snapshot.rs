//! What a folder holds, to be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Path, relative to the folder, to a line that tells kind, mode, links and content.
pub type Snapshot = BTreeMap<String, String>;

/// Everything below a folder. Times and owners are left out.
pub fn snapshot(folder: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.mode() & 0o7777;
            let line = if metadata.is_dir() {
                pending.push(path.clone());
                format!("folder {mode:o}")
            } else if metadata.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else {
                let digest = blake3::hash(&fs::read(&path).unwrap());
                format!("file {mode:o} {} links, {digest}", metadata.nlink())
            };
            let relative = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            found.insert(relative, line);
        }
    }
    found
}
