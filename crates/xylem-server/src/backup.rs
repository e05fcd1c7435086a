//! Backup and restore: everything that makes this management server, in one file.
//!
//! ```text
//! {"format":"xylem-server-backup","version":1,"created":"…","files":{"keys/root.seed":"…"},"sha256":"…"}
//! … the database, as xylem-db writes it …
//! ```
//!
//! The first line holds the keys, the certificate authority and the trust document in base64, with
//! SHA-256 over them; the rest proves itself by its own last line. Whoever has the file can be
//! this server: it is written for its owner only, and belongs where keys belong.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use xylem_db::Actor;
use xylem_model::{Epoch, Stamp, Timestamp};
use xylem_runtime::{Environment, Fs, FsFile, read_bounded};

use crate::ServerError;
use crate::config::ServerConfig;
use crate::folder::DataFolder;
use crate::init::open_database;
use crate::wish::DatabaseWishStore;

/// What the first line says the file is.
const FORMAT: &str = "xylem-server-backup";

/// The form of the file; raised when older programs could no longer read it.
const VERSION: u32 = 1;

/// Longest first line, in bytes.
const MAX_HEADER_BYTES: u64 = 4 << 20;

/// Bytes of one file beside the database.
const MAX_FILE_BYTES: u64 = 256 << 10;

/// What a backup holds, or a restore brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupReport {
    /// The state of the catalogue in it.
    pub stamp: Stamp,
    /// Rows of the database in it.
    pub rows: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    created: Timestamp,
    files: BTreeMap<String, String>,
    sha256: String,
}

/// Writes a backup; the server may be running. The file appears whole or not at all, and
/// replaces an older one of its name.
///
/// # Errors
/// When something cannot be read or the file cannot be written.
pub async fn backup(
    environment: &Environment,
    config: &ServerConfig,
    path: &Path,
) -> Result<BackupReport, ServerError> {
    let folder = DataFolder::new(&config.data);
    let staged = staged(path);
    let (fs, created) = (environment.disk.fs(), environment.clock.now());
    folder.check(fs)?;
    let failed = |error| ServerError::writing(&staged, error);
    if fs.exists(&staged).map_err(failed)? {
        fs.remove_file(&staged).map_err(failed)?;
    }
    let file = fs.create_private(&staged).map_err(failed)?;
    let mut out = BufWriter::new(Appending { file, offset: 0 });
    let header = header(fs, &folder, created)?;
    let line = serde_json::to_vec(&header).map_err(|e| failed(io::Error::other(e)))?;
    out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
    let database = open_database(environment, config).await?;
    let summary = database.dump(&mut out).await;
    database.close().await?;
    let summary = summary?;
    let written = out.into_inner().map_err(|error| failed(error.into_error()))?;
    written.file.sync().map_err(failed)?;
    fs.rename(&staged, path).map_err(|e| ServerError::writing(path, e))?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs.sync_dir(parent).map_err(|e| ServerError::writing(parent, e))?;
    }
    Ok(BackupReport { stamp: summary.stamp, rows: summary.rows })
}

/// Restores a backup into a new or empty data folder and an empty database, and begins a higher
/// epoch: whatever machines have seen since counts as older. Nothing is removed anywhere until an
/// administrator confirms the restore.
///
/// # Errors
/// When the folder is not empty, or the file is no backup, or damaged; what was begun then is to
/// be removed by hand, the message says where.
pub async fn restore(
    environment: &Environment,
    config: &ServerConfig,
    path: &Path,
) -> Result<BackupReport, ServerError> {
    let folder = DataFolder::new(&config.data);
    let (fs, now) = (environment.disk.fs(), environment.clock.now());
    if !folder.is_empty(fs)? {
        return Err(ServerError::NotEmpty { folder: config.data.clone() });
    }
    let file = fs.open(path).map_err(|e| ServerError::reading(path, e))?;
    let mut input = BufReader::new(Reading { file, offset: 0 });
    let files = read_header(&mut input, path)?;
    folder.prepare(fs)?;
    for (name, bytes) in &files {
        if let Some(parent) = folder.path().join(name).parent() {
            fs.create_dir_all(parent).map_err(|e| ServerError::writing(parent, e))?;
        }
        folder.write(fs, name, bytes)?;
    }
    let database = open_database(environment, config).await?;
    let summary = database.load(&mut input).await?;
    let wishes = DatabaseWishStore::new(database.clone(), environment.clone());
    wishes.remember_restore(now).await?;
    database.begin_epoch(Epoch(0), &Actor::system(), now).await?;
    database.close().await?;
    folder.finish(fs)?;
    Ok(BackupReport { stamp: summary.stamp, rows: summary.rows })
}

fn staged(path: &Path) -> PathBuf {
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    PathBuf::from(staged)
}

fn header(fs: &dyn Fs, folder: &DataFolder, created: Timestamp) -> Result<Header, ServerError> {
    let mut files = BTreeMap::new();
    for name in folder.backup_names(fs)? {
        let path = folder.path().join(&name);
        let bytes =
            read_bounded(fs, &path, MAX_FILE_BYTES).map_err(|e| ServerError::reading(&path, e))?;
        files.insert(name, STANDARD.encode(bytes));
    }
    let sha256 = digest(&files);
    Ok(Header { format: FORMAT.to_owned(), version: VERSION, created, files, sha256 })
}

/// Reads the first line; gives the files in it, decoded, under names that stay in the folder.
fn read_header(
    input: &mut impl BufRead,
    path: &Path,
) -> Result<BTreeMap<String, Vec<u8>>, ServerError> {
    let refused = |problem: String| ServerError::NoBackup { path: path.to_owned(), problem };
    let mut line = Vec::new();
    input
        .take(MAX_HEADER_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|e| ServerError::reading(path, e))?;
    let header: Header = serde_json::from_slice(&line)
        .map_err(|_| refused("its first line is not that of a backup".to_owned()))?;
    if header.format != FORMAT {
        return Err(refused(format!("it is a `{}`", header.format)));
    }
    if header.version > VERSION {
        return Err(refused(format!(
            "it was written by a newer version of xylem (format {}): upgrade this program",
            header.version
        )));
    }
    if digest(&header.files) != header.sha256 {
        return Err(refused("its first line is damaged: use another copy".to_owned()));
    }
    let mut files = BTreeMap::new();
    for (name, text) in header.files {
        let is_inside = Path::new(&name).components().all(|c| matches!(c, Component::Normal(_)));
        let bytes = STANDARD.decode(text).ok().filter(|_| is_inside);
        files.insert(name.clone(), bytes.ok_or_else(|| refused(format!("`{name}` is damaged")))?);
    }
    Ok(files)
}

/// SHA-256 over names and contents, each led by its length.
fn digest(files: &BTreeMap<String, String>) -> String {
    let mut context = Context::new(&SHA256);
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(context.finish())
}

/// Writes a file of the seam from its beginning on.
struct Appending {
    file: Box<dyn FsFile>,
    offset: u64,
}

impl Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file of the seam from its beginning on.
struct Reading {
    file: Box<dyn FsFile>,
    offset: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
