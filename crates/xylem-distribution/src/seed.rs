//! Taking files that are already there, by digest, instead of fetching them over a thin link.
//!
//! The folder may be anything: the share of an old server, a disk that was carried to the site. Its
//! names mean nothing. Each file that has the size of something this server is to hold and lacks is
//! copied into the repository and digested on the way; it is published where the digest is one of
//! those, and thrown away where it is not. So what is seeded is as sound as what is fetched.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use xylem_blobs::{BlobError, DigestSet, Expected, RepositoryOptions, StageKey, VerifyOnRead};
use xylem_model::{ContentId, Party, UploadId};
use xylem_runtime::{Environment, Fs, FsFile};
use xylem_sync::BATCHED_BYTES;
use xylem_telemetry::chain;

use crate::control::{FollowError, take_over};
use crate::data::DataFolder;
use crate::ingest::sweep_staged;
use crate::inspector::NoInspector;
use crate::node::Node;
use crate::server::{OpenError, Opened, make_node};

/// The most entries of a folder tree that are looked at.
const MAX_ENTRIES: u64 = 10_000_000;

/// The deepest folder that is looked into.
const MAX_DEPTH: usize = 64;

/// Bytes read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Small files that become durable together: so many, or so many bytes.
const GROUP_FILES: usize = 512;
const GROUP_BYTES: usize = 32 << 20;

/// The most problems that are told one by one.
const MAX_PROBLEMS: usize = 20;

/// What became of the files of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seeded {
    /// Files that were looked at.
    pub files: u64,
    /// Contents that were taken.
    pub taken: u64,
    /// Their bytes.
    pub taken_bytes: u64,
    /// Files of which this server is to hold nothing, or holds it already.
    pub passed_over: u64,
    /// Contents that are still missing, to be fetched.
    pub missing: u64,
    /// Their bytes.
    pub missing_bytes: u64,
    /// Files and folders that could not be read, with the reason; the first few.
    pub problems: Vec<String>,
    /// How many there were.
    pub problem_count: u64,
}

/// Why a folder was not looked through.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The data folder cannot be used; a running server has to be stopped first.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is not known what this server is to hold.
    #[error(
        "it is not known what this server is to hold, because the management server does not say: \
         seed it when it can be reached"
    )]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The folder cannot be read.
    #[error("the folder {} cannot be read", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The repository takes nothing.
    #[error("the repository takes nothing more; what was taken stays")]
    Repository(#[source] BlobError),
}

/// Takes what a folder has of what the server of a data folder is to hold. The server must not be
/// running. The newest wishes are asked for first; where the management server is away, those that
/// were heard last count. `progress` is told how many files were looked at, and bytes taken.
///
/// # Errors
/// As [`SeedError`] says; what was taken before stays.
pub async fn seed(
    environment: &Environment,
    data: &Path,
    from: &Path,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Seeded, SeedError> {
    let folder = DataFolder::new(data);
    let (opened, lock) = {
        let folder = folder.clone();
        let options = RepositoryOptions { verify_on_read: VerifyOnRead::Always };
        Opened::read(environment, folder, options, false).await.map(|(o, lock, _)| (o, lock))?
    };
    let Party::DistributionServer(id) = opened.identity.party() else {
        return Err(OpenError::WrongRole { given: opened.identity.party() }.into());
    };
    let node = make_node(environment.clone(), folder, id, opened, Arc::new(NoInspector))?;
    learn(&node).await?;
    let from = from.to_owned();
    let target = Arc::clone(&node);
    let seeded = environment
        .disk
        .run(move |fs| {
            let mut sizes = HashMap::new();
            for missing in target.catalogue().missing().values() {
                *sizes.entry(missing.size).or_insert(0) += 1;
            }
            let (group, seeded) = (Vec::new(), Seeded::default());
            let mut walk = Walk { fs, node: &target, sizes, group, seeded };
            let walked = walk.folder(&from, 0, &progress);
            // What was read is taken, however the walk ended.
            walk.publish_group().map_err(SeedError::Repository)?;
            walked.map(|()| walk.seeded)
        })
        .await;
    drop(lock);
    let left = node.catalogue().count();
    seeded.map(|seeded| Seeded {
        missing: left.missing,
        missing_bytes: left.missing_bytes,
        ..seeded
    })
}

/// Finds out what is to be held.
async fn learn(node: &Arc<Node>) -> Result<(), SeedError> {
    let learned: Result<(), FollowError> = take_over(node).await;
    if let Err(error) = learned {
        if node.catalogue().manifest.head().is_none() {
            return Err(SeedError::Unknown(Box::new(error)));
        }
        tracing::warn!(error = %chain(&error), "the wishes that were heard last count");
    }
    let target = Arc::clone(node);
    let counted = node.environment.disk.run(move |fs| target.recount(fs)).await;
    if let Err(error) = sweep_staged(node).await {
        tracing::warn!(error = %chain(&error), "what an earlier run left stays until the next start");
    }
    counted.map_err(|error| SeedError::Open(error.into()))
}

/// One walk through a folder.
struct Walk<'a> {
    fs: &'a dyn Fs,
    node: &'a Node,
    /// How many contents of each size are missing.
    sizes: HashMap<u64, u64>,
    /// Small files that are to become durable together.
    group: Vec<(ContentId, Vec<u8>)>,
    seeded: Seeded,
}

impl Walk<'_> {
    fn folder(
        &mut self,
        path: &Path,
        depth: usize,
        progress: &impl Fn(u64, u64),
    ) -> Result<(), SeedError> {
        let mut entries = match self.fs.list(path) {
            Ok(entries) => entries,
            Err(source) if depth == 0 => {
                return Err(SeedError::Folder { path: path.to_owned(), source });
            }
            Err(error) => {
                self.problem(path, &error);
                return Ok(());
            }
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let path = path.join(&entry.name);
            if self.seeded.files >= MAX_ENTRIES {
                self.problem(&path, &std::io::Error::other("it and what follows is not looked at"));
                return Ok(());
            }
            if entry.is_dir && depth >= MAX_DEPTH {
                self.problem(&path, &std::io::Error::other("it lies too deep"));
            } else if entry.is_dir {
                self.folder(&path, depth + 1, progress)?;
            } else if entry.is_file {
                self.seeded.files += 1;
                self.file(&path)?;
                progress(self.seeded.files, self.seeded.taken_bytes);
            }
        }
        Ok(())
    }

    /// Takes a file, where it may be something that is missing.
    fn file(&mut self, path: &Path) -> Result<(), SeedError> {
        let opened = self.fs.open(path).and_then(|file| Ok((file.len()?, file)));
        let (size, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.problem(path, &error);
                return Ok(());
            }
        };
        if !self.sizes.contains_key(&size) {
            self.seeded.passed_over += 1;
            return Ok(());
        }
        if size <= BATCHED_BYTES {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            return match read_exact(&*file, &mut bytes, 0) {
                Ok(()) => self.small(ContentId::of(&bytes), bytes),
                Err(error) => {
                    self.problem(path, &error);
                    Ok(())
                }
            };
        }
        match self.large(&*file, size) {
            Ok(()) => Ok(()),
            Err(Copying::Source(error)) => {
                self.problem(path, &error);
                Ok(())
            }
            Err(Copying::Blob(error)) => Err(SeedError::Repository(error)),
        }
    }

    fn small(&mut self, id: ContentId, bytes: Vec<u8>) -> Result<(), SeedError> {
        let is_known = self.group.iter().any(|(other, _)| *other == id);
        if is_known || !self.node.catalogue().missing().contains_key(&id) {
            self.seeded.passed_over += 1;
            return Ok(());
        }
        self.took(bytes.len() as u64);
        self.group.push((id, bytes));
        let bytes: usize = self.group.iter().map(|(_, bytes)| bytes.len()).sum();
        match self.group.len() < GROUP_FILES && bytes < GROUP_BYTES {
            true => Ok(()),
            false => self.publish_group().map_err(SeedError::Repository),
        }
    }

    fn publish_group(&mut self) -> Result<(), BlobError> {
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            return Ok(());
        }
        let mut batch = self.node.repository.begin_batch();
        for (id, bytes) in &group {
            batch.add(id, bytes)?;
        }
        batch.publish()?;
        let published: BTreeSet<ContentId> = group.iter().map(|(id, _)| *id).collect();
        for id in &published {
            self.node.note_held(id, true);
        }
        self.seeded.taken += published.len() as u64;
        self.seeded.taken_bytes += group.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Copies a large file, digesting it on the way.
    fn large(&mut self, file: &dyn FsFile, size: u64) -> Result<(), Copying> {
        let repository = &self.node.repository;
        let key = StageKey::Upload(self.node.environment.new_id(UploadId::from_parts));
        let mut staged = repository.stage(&key, size, DigestSet::Blake3)?.without_marks();
        let mut block = vec![0; BLOCK_BYTES];
        let mut at = 0;
        while at < size {
            let length =
                usize::try_from(size - at).map_or(BLOCK_BYTES, |rest| rest.min(BLOCK_BYTES));
            let Some(part) = block.get_mut(..length) else { break };
            if let Err(error) = read_exact(file, part, at) {
                staged.discard()?;
                return Err(Copying::Source(error));
            }
            staged.append(at, part)?;
            at += length as u64;
        }
        let verified = staged.finish(&Expected { size, blake3: None, sha256: None })?;
        let id = verified.id();
        if !self.node.catalogue().missing().contains_key(&id) {
            self.seeded.passed_over += 1;
            return Ok(verified.discard()?);
        }
        repository.publish(verified)?;
        self.node.note_held(&id, true);
        self.took(size);
        self.seeded.taken += 1;
        self.seeded.taken_bytes += size;
        Ok(())
    }

    /// One content of this size is missing no more.
    fn took(&mut self, size: u64) {
        if let Some(left) = self.sizes.get_mut(&size) {
            *left -= 1;
            if *left == 0 {
                self.sizes.remove(&size);
            }
        }
    }

    fn problem(&mut self, path: &Path, error: &std::io::Error) {
        self.seeded.problem_count += 1;
        if self.seeded.problems.len() < MAX_PROBLEMS {
            self.seeded.problems.push(format!("{}: {error}", path.display()));
        }
    }
}

/// Why a file was not copied.
enum Copying {
    Source(std::io::Error),
    Blob(BlobError),
}

impl From<BlobError> for Copying {
    fn from(error: BlobError) -> Self {
        Self::Blob(error)
    }
}

/// Fills a buffer; a file that has become shorter is an error.
fn read_exact(file: &dyn FsFile, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + read as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    Ok(())
}
