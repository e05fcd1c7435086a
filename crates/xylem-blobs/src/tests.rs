//! The repository as a whole, on a disk that fails in every way it can.

mod batch;
mod crash;
mod damage;
mod reading;
mod relay;
mod space;
mod staging;

use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use xylem_model::{ContentId, Sha256, UploadId};

use crate::test_fs::{Dice, TestFs};
use crate::{
    BlobError, DigestSet, Expected, Repository, RepositoryOptions, StageKey, VerifyOnRead,
};

/// Some bytes and everything that is to be known of them.
struct Sample {
    bytes: Vec<u8>,
    id: ContentId,
    key: StageKey,
}

impl Sample {
    fn new(seed: u64, len: usize) -> Self {
        let bytes = Dice(seed).bytes(len);
        let id = ContentId::of(&bytes);
        Self { bytes, id, key: StageKey::Upload(UploadId::from_parts(seed, &[7; 10])) }
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn sha256(&self) -> Sha256 {
        Sha256::from_bytes(digest(&SHA256, &self.bytes).as_ref().try_into().unwrap())
    }

    fn expected(&self) -> Expected {
        Expected { size: self.size(), blake3: Some(self.id), sha256: Some(self.sha256()) }
    }

    /// Where it lies once published.
    fn path(&self) -> PathBuf {
        let hex = self.id.to_hex();
        PathBuf::from("/repository/content").join(&hex[..2]).join(&hex)
    }

    fn tree_path(&self) -> PathBuf {
        self.path().with_extension("tree")
    }
}

fn open(fs: &TestFs) -> Result<Repository, BlobError> {
    open_with(fs, VerifyOnRead::Always)
}

fn open_with(fs: &TestFs, verify_on_read: VerifyOnRead) -> Result<Repository, BlobError> {
    let options = RepositoryOptions { verify_on_read };
    Repository::open(fs.disk(), "/repository".into(), options)
}

/// Stages what is missing and publishes.
fn store(repository: &Repository, sample: &Sample) -> Result<(), BlobError> {
    let mut staged = repository.stage(&sample.key, sample.size(), DigestSet::Blake3AndSha256)?;
    for piece in sample.bytes[staged.offset() as usize..].chunks(30_000) {
        staged.append(staged.offset(), piece)?;
    }
    repository.publish(staged.finish(&sample.expected())?)
}

/// Reads all of a file, frame by frame; on failure, also what was handed out before.
fn read_all(repository: &Repository, id: &ContentId) -> (Vec<u8>, Result<(), BlobError>) {
    let mut bytes = Vec::new();
    let mut reader = match repository.open_blob(id) {
        Ok(reader) => reader,
        Err(error) => return (bytes, Err(error)),
    };
    loop {
        match reader.read(bytes.len() as u64, u64::MAX) {
            Ok(frame) if frame.is_empty() => return (bytes, Ok(())),
            Ok(frame) => bytes.extend_from_slice(&frame),
            Err(error) => return (bytes, Err(error)),
        }
    }
}
