//! The mark beside a staged file: how many of its bytes survive a power cut.

use std::io;

use xylem_runtime::{Fs, FsFile, read_bounded, replace_file};

use crate::error::{BlobError, Doing};
use crate::layout::{Layout, StageKey};
use crate::withdraw::ignore_missing;

/// The longest mark that is read, bytes.
const MAX_MARK_BYTES: u64 = 64;

/// Notes that the first `offset` of `size` bytes have been synced. Replacing the mark syncs the
/// folder, and with it the name of the staged file itself.
pub(crate) fn write(
    fs: &dyn Fs,
    layout: &Layout,
    key: &StageKey,
    offset: u64,
    size: u64,
) -> Result<(), BlobError> {
    let path = layout.mark(key);
    let mark = format!("{offset} of {size}\n");
    replace_file(fs, &path, mark.as_bytes())
        .map_err(|error| BlobError::writing(fs, "write", &path, mark.len() as u64, error))
}

/// Cuts a staged file to what its mark vouches for, and returns how much that is.
pub(crate) fn settle(
    fs: &dyn Fs,
    layout: &Layout,
    key: &StageKey,
    size: u64,
    file: &dyn FsFile,
) -> Result<u64, BlobError> {
    let (path, mark_path) = (layout.part(key), layout.mark(key));
    let len = file.len().doing("measure", &path)?;
    let mark = match read_bounded(fs, &mark_path, MAX_MARK_BYTES) {
        Ok(text) => Some(parse_mark(&text, size)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(0),
        Err(error) => return Err(error).doing("read", &mark_path),
    };
    let trusted = mark.unwrap_or(0).min(len);
    if mark.is_some_and(|mark| mark != trusted || mark == 0) {
        // It vouches for bytes that are not here; those that come in their place it must not.
        ignore_missing(fs.remove_file(&mark_path)).doing("remove", &mark_path)?;
        fs.sync_dir(&layout.staged()).doing("sync the folder", &layout.staged())?;
        if len > 0 {
            file.set_len(0).doing("cut", &path)?;
        }
        return Ok(0);
    }
    if len != trusted {
        file.set_len(trusted).doing("cut", &path)?;
    }
    Ok(trusted)
}

/// The offset in a mark for a file of this size; 0 where the mark is for another or damaged.
fn parse_mark(text: &[u8], size: u64) -> u64 {
    let fields = std::str::from_utf8(text).ok().and_then(|text| text.trim_end().split_once(" of "));
    let Some((offset, of)) = fields else { return 0 };
    match (offset.parse::<u64>(), of.parse::<u64>()) {
        (Ok(offset), Ok(of)) if of == size && offset <= size => offset,
        _ => 0,
    }
}
