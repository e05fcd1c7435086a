//! Opening: make the folders, read the format, and find out what is there.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::Path;

use xylem_model::ContentId;
use xylem_runtime::{Fs, FsFile, read_bounded, replace_file};

use crate::builder::TreeBuilder;
use crate::error::{BlobError, Doing};
use crate::layout::{
    FORMAT_NAME, FORMAT_NUMBER, Layout, MAX_FORMAT_BYTES, parse_content_name, shard_of,
};
use crate::reach::{read_full, read_whole};
use crate::reader::FRAME_BYTES;
use crate::repository::Entry;
use crate::tree::{Hash, PREFIX_BYTES, groups_of, has_outboard, outboard_len};
use crate::withdraw::{move_to_quarantine, sync_quarantine};

/// Content is not condemned on a single reading, which a passing fault may have spoilt.
const READINGS: u32 = 2;

/// Makes the folders and checks the format.
pub(crate) fn prepare(fs: &dyn Fs, layout: &Layout) -> Result<(), BlobError> {
    let folder = layout.folder();
    make_folder(fs, layout)?;
    let format = layout.format();
    let expected = format!("{FORMAT_NAME}{FORMAT_NUMBER}");
    if fs.exists(&format).doing("look for", &format)? {
        let text = read_bounded(fs, &format, MAX_FORMAT_BYTES).doing("read", &format)?;
        let text = String::from_utf8_lossy(&text);
        let found: String = text.lines().next().unwrap_or("").chars().take(80).collect();
        if found != expected {
            let number = found.strip_prefix(FORMAT_NAME).and_then(|number| number.parse().ok());
            return Err(match number {
                Some(FORMAT_NUMBER..=u32::MAX) => {
                    BlobError::NewerFormat { path: format, found, expected }
                }
                _ => BlobError::UnknownFormat { path: format, found, expected },
            });
        }
    } else {
        replace_file(fs, &format, format!("{expected}\n").as_bytes()).doing("write", &format)?;
    }
    for folder in [layout.staged(), layout.content(), layout.quarantine()] {
        fs.create_dir_all(&folder).doing("make the folder", &folder)?;
    }
    fs.sync_dir(folder).doing("sync the folder", folder)
}

/// Makes the repository's own folder and makes its name durable, each time: the process that made
/// it may have died before it did so.
fn make_folder(fs: &dyn Fs, layout: &Layout) -> Result<(), BlobError> {
    let folder = layout.folder();
    let mut names = vec![folder];
    for above in folder.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        if fs.exists(above).doing("look for", above)? {
            break;
        }
        names.push(above);
    }
    fs.create_dir_all(folder).doing("make the folder", folder)?;
    for name in names {
        let Some(parent) = name.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
            continue;
        };
        match fs.sync_dir(parent) {
            // A folder that may not be read was not made here, nor can it be synced from here.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.doing("sync the folder", parent)?,
        }
    }
    Ok(())
}

/// What [`scan`] found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) index: HashMap<ContentId, Entry>,
    pub(crate) shards: HashSet<u8>,
}

/// Lists all content, after mending what an interrupted publish or a damaged disk left behind.
pub(crate) fn scan(fs: &dyn Fs, layout: &Layout) -> Result<Found, BlobError> {
    let mut found = Found::default();
    let content = layout.content();
    for entry in fs.list(&content).doing("list", &content)? {
        let mut shard = [0];
        if entry.is_dir && hex::decode_to_slice(&entry.name, &mut shard).is_ok() {
            let [shard] = shard;
            if layout.shard(shard) == content.join(&entry.name) {
                found.shards.insert(shard);
            }
        }
    }
    // A name seen here may be one whose publisher died before it was durable. What is listed is
    // reported as held, so it must first be made so.
    fs.sync_dir(&content).doing("sync the folder", &content)?;
    for shard in found.shards.clone() {
        scan_shard(fs, layout, shard, &mut found.index)?;
    }
    Ok(found)
}

fn scan_shard(
    fs: &dyn Fs,
    layout: &Layout,
    shard: u8,
    index: &mut HashMap<ContentId, Entry>,
) -> Result<(), BlobError> {
    let folder = layout.shard(shard);
    fs.sync_dir(&folder).doing("sync the folder", &folder)?;
    let names: HashSet<String> = fs
        .list(&folder)
        .doing("list", &folder)?
        .into_iter()
        .filter(|entry| !entry.is_dir)
        .map(|entry| entry.name)
        .collect();
    for name in &names {
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        match (parse_content_name(stem).filter(|id| shard_of(id) == shard), extension) {
            (Some(id), "") => match sound_size(fs, layout, &id) {
                Ok(Some(size)) => {
                    index.insert(id, Entry::new(size));
                }
                Ok(None) => {}
                // The others are served all the same; the next start tries again.
                Err(error @ BlobError::NoSpace { .. }) => {
                    tracing::error!(package.digest = %id, %error, "content without an outboard is left out");
                }
                Err(error) => return Err(error),
            },
            (Some(_), "tree") if names.contains(stem) => {}
            (Some(_), "tree" | "tree.new") => {
                let path = folder.join(name);
                fs.remove_file(&path).doing("remove", &path)?;
            }
            _ => tracing::warn!(file.name = %name, "ignoring a foreign file in the repository"),
        }
    }
    Ok(())
}

/// The size of a content file, once it has a sound outboard where it needs one; none if it went to
/// quarantine. A file of a few groups is checked when it is read.
fn sound_size(fs: &dyn Fs, layout: &Layout, id: &ContentId) -> Result<Option<u64>, BlobError> {
    let path = layout.blob(id);
    let file = fs.open(&path).doing("open", &path)?;
    let size = file.len().doing("measure", &path)?;
    if groups_of(size) == 1 {
        // It has no outboard, and hashing it costs no more than looking for one would.
        for _ in 0..READINGS {
            let mut tree = TreeBuilder::new(size);
            feed(&*file, &path, 0..size, |bytes| {
                tree.update(bytes);
                Ok(())
            })?;
            if tree.finish() == *id.as_bytes() {
                return Ok(Some(size));
            }
        }
    } else if !has_outboard(size)
        || outboard_is_sound(fs, layout, id, size)?
        || rebuild(fs, layout, id, &*file, size)?
    {
        return Ok(Some(size));
    }
    drop(file);
    tracing::error!(package.digest = %id, "content is damaged; it is moved to quarantine");
    move_to_quarantine(fs, layout, id)?;
    sync_quarantine(fs, layout, id)?;
    Ok(None)
}

/// Whether there is an outboard of the right length and size. Its nodes are checked when used.
fn outboard_is_sound(
    fs: &dyn Fs,
    layout: &Layout,
    id: &ContentId,
    size: u64,
) -> Result<bool, BlobError> {
    let path = layout.tree(id);
    let file = match fs.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.doing("open", &path)?,
    };
    let mut prefix = [0; PREFIX_BYTES as usize];
    let read = read_full(&*file, &mut prefix, 0).doing("read", &path)?;
    let len = file.len().doing("measure", &path)?;
    Ok(read == prefix.len() && prefix == size.to_le_bytes() && len == outboard_len(size))
}

/// Hashes a file and, if it is what its name says, writes its outboard.
pub(crate) fn rebuild(
    fs: &dyn Fs,
    layout: &Layout,
    id: &ContentId,
    file: &dyn FsFile,
    size: u64,
) -> Result<bool, BlobError> {
    tracing::warn!(package.digest = %id, "content has no sound outboard; it is hashed anew");
    let path = layout.tree(id);
    let staged = path.with_extension("tree.new");
    if fs.exists(&staged).doing("look for", &staged)? {
        fs.remove_file(&staged).doing("remove", &staged)?;
    }
    let write = |error| BlobError::writing(fs, "write", &staged, outboard_len(size), error);
    let outboard = fs.create_new(&staged).map_err(write)?;
    let mut readings = READINGS;
    while hash_into(&*outboard, file, size, &layout.blob(id), write)? != *id.as_bytes() {
        readings -= 1;
        if readings == 0 {
            drop(outboard);
            fs.remove_file(&staged).doing("remove", &staged)?;
            return Ok(false);
        }
    }
    outboard.sync().map_err(write)?;
    drop(outboard);
    fs.rename(&staged, &path).doing("rename", &staged)?;
    let folder = layout.shard(shard_of(id));
    fs.sync_dir(&folder).doing("sync the folder", &folder)?;
    Ok(true)
}

/// The root hash of a file, whose outboard is written as it becomes known: the memory needed does not
/// grow with the file.
fn hash_into(
    outboard: &dyn FsFile,
    file: &dyn FsFile,
    size: u64,
    path: &Path,
    write: impl Fn(io::Error) -> BlobError,
) -> Result<Hash, BlobError> {
    let mut tree = TreeBuilder::new(size);
    feed(file, path, 0..size, |bytes| {
        tree.update(bytes);
        match tree.has_much_pending() {
            true => tree.write_pending(outboard).map_err(&write),
            false => Ok(()),
        }
    })?;
    let hash = tree.finish();
    tree.write_pending(outboard).map_err(write)?;
    Ok(hash)
}

/// Reads a range of a file in frames, as long as each of them is taken.
pub(crate) fn feed(
    file: &dyn FsFile,
    path: &Path,
    Range { start, end }: Range<u64>,
    mut take: impl FnMut(&[u8]) -> Result<(), BlobError>,
) -> Result<(), BlobError> {
    let mut buffer = vec![0; FRAME_BYTES.min(end.saturating_sub(start)) as usize];
    let mut offset = start;
    while offset < end {
        let want = FRAME_BYTES.min(end - offset) as usize;
        let frame = buffer.get_mut(..want).unwrap_or_default();
        read_whole(file, frame, offset).doing("read", path)?;
        take(frame)?;
        offset += want as u64;
    }
    Ok(())
}
