//! Looking through the disks of distribution servers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use xylem_bench::fleet::Fleet;

use super::texts::MARK;

/// Files that a running server has at least.
const FEWEST: usize = 5;
/// Bytes before the mark in a file that is planted, so that it does not lie at a beginning.
const BEFORE: usize = 100_000;

/// The files in which the mark is, in their bytes or in their path, and how many were read.
pub(super) fn holding(folder: &Path) -> anyhow::Result<(Vec<PathBuf>, usize)> {
    let (mut found, mut read) = (Vec::new(), 0);
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, sort) = (entry.path(), entry.file_type()?);
            if sort.is_dir() {
                waiting.push(path);
                continue;
            }
            // A socket holds nothing.
            if !sort.is_file() {
                continue;
            }
            let bytes = match fs::read(&path) {
                // A running server removes what it no longer needs.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                bytes => bytes.with_context(|| path.display().to_string())?,
            };
            read += 1;
            let is_in_name = path.to_string_lossy().contains(MARK);
            if is_in_name || bytes.windows(MARK.len()).any(|bytes| bytes == MARK.as_bytes()) {
                found.push(path);
            }
        }
    }
    Ok((found, read))
}

/// Fails where a server has a byte of a script; gives how many files were read.
pub(super) fn none_found(fleet: &Fleet, servers: &[&str]) -> anyhow::Result<usize> {
    let mut searched = 0;
    for server in servers {
        let (found, read) = holding(&fleet.data_of(server))?;
        ensure!(found.is_empty(), "{server} has bytes of a script: {found:?}");
        ensure!(read >= FEWEST, "only {read} files of {server} were read");
        searched += read;
    }
    Ok(searched)
}

/// Plants a mark on a server and searches for it; gives how many were found, and takes it away.
pub(super) fn find_planted(fleet: &Fleet, server: &str) -> anyhow::Result<usize> {
    let folder = fleet.data_of(server);
    let planted = folder.join("repo/planted");
    fs::write(&planted, format!("{}{MARK}", "x".repeat(BEFORE)))?;
    let found = holding(&folder)?.0;
    fs::remove_file(&planted)?;
    ensure!(found == [planted], "what was planted on {server} is not found: {found:?}");
    Ok(found.len())
}
