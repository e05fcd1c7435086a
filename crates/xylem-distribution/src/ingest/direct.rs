//! Files that come whole, by WebDAV or handed on by another server, without having been announced.
//!
//! They take the way of every upload from the moment at which all their bytes are here: announced
//! to the management server then, under an id that was made here, and finished. Until then nothing
//! of them is written down but the staged bytes, which a start sweeps away: what breaks off leaves
//! nothing.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{OwnedMutexGuard, mpsc, watch};
use xylem_api::control::{Author, DeclareReceived};
use xylem_api::error::ErrorCode;
use xylem_blobs::StagedFile;
use xylem_http::ApiError;
use xylem_model::{FileKind, FileName, Stamp, UploadId};
use xylem_runtime::{Disk, FsFile};
use xylem_telemetry::chain;
use xylem_webdav::{Incoming, disk_failed};

use super::finish::{PATIENCE, away, final_word, finish};
use super::record::Facts;
use super::slots::{Work, blob_error, open_staged};
use crate::node::Node;
use crate::pour::{PourError, Source, keep_synced, pour};

/// Bytes that are read at once of a file that had to be gathered first.
const READ_BYTES: u64 = 1 << 20;

/// A file that comes.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) kind: FileKind,
    pub(crate) name: FileName,
    /// Bytes, where its sender says so beforehand.
    pub(crate) size: Option<u64>,
    pub(crate) author: Author,
}

/// One piece of a file that comes.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// All of it has come. Without this at the end it broke off.
    End,
}

/// A file that comes in pieces.
pub(crate) struct Pieces {
    pub(crate) node: Arc<Node>,
    pub(crate) receiver: mpsc::Receiver<Piece>,
}

#[async_trait]
impl Source for Pieces {
    type Error = String;

    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        let piece = tokio::select! {
            piece = self.receiver.recv() => piece,
            () = self.node.uploads.closed() => return Err("a restart".to_owned()),
        };
        match piece {
            Some(Piece::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Piece::End) => Ok(None),
            None => Err("the sender is gone".to_owned()),
        }
    }
}

/// Takes a file in and publishes it. Gives the state of the catalogue that names it.
///
/// # Errors
/// What its sender hears. Nothing is kept then, except where all of it was here and the management
/// server is out of reach, or the cloud is the principal and takes longer: such a file is published
/// later, and sending it again changes nothing.
pub(crate) async fn receive_whole<S: Source<Error = String>>(
    node: &Arc<Node>,
    whole: Whole,
    mut source: S,
) -> Result<Stamp, ApiError> {
    node.uploads.check_open()?;
    let upload = node.environment.new_id(UploadId::from_parts);
    let slot = node.uploads.slot(upload);
    let mut work = slot.work().await;
    // Once more, with the work in hand: whoever closes waits until nobody has any.
    node.uploads.check_open()?;
    let facts = |size| {
        let (name, kind) = (whole.name.clone(), whole.kind);
        Facts { upload, size, content: None, sha256: None, name, kind }
    };
    let facts = match whole.size {
        Some(size) => {
            let facts = facts(size);
            stage(node, &mut work, &facts, &mut source).await?;
            facts
        }
        None => {
            let (incoming, file) = gather(node, &mut source).await?;
            let facts = facts(incoming.len());
            let mut gathered = Gathered::new(node, file, incoming.len());
            stage(node, &mut work, &facts, &mut gathered).await?;
            facts
        }
    };
    announce(node, &mut work, &facts, &whole.author).await?;
    slot.note_offset(facts.size);
    finish(Arc::clone(node), work, facts, PATIENCE).await?;
    let catalogue = node.catalogue();
    let named = catalogue.named(whole.kind, &whole.name);
    Ok(named.map_or_else(|| catalogue.manifest.stamp(), |descriptor| descriptor.stamp))
}

/// Pours a file of a known size into a staged file.
async fn stage<S: Source<Error = String>>(
    node: &Arc<Node>,
    work: &mut OwnedMutexGuard<Work>,
    facts: &Facts,
    source: &mut S,
) -> Result<(), ApiError> {
    let staged = open_staged(node, facts).await?.without_marks();
    let (came_in, watched) = watch::channel(0);
    let (syncer, told) = (staged.syncer(), |at| {
        came_in.send_replace(at);
    });
    let (staged, poured) = tokio::select! {
        poured = pour(&node.repository, staged, 0, source, &told) => poured,
        never = keep_synced(&node.repository, syncer, watched) => match never {},
    };
    let have = staged.offset();
    let error = match poured {
        Ok(()) if have == facts.size => {
            work.staged = Some(staged);
            return Ok(());
        }
        Ok(()) => broken_off(have, Some(facts.size), "it is shorter than was said"),
        Err(PourError::Source(reason)) => broken_off(have, Some(facts.size), &reason),
        Err(PourError::Blob(error)) => blob_error("writing the file", error),
    };
    discard(node, staged).await;
    node.uploads.check_open()?;
    Err(error)
}

/// Gathers a file of an unknown size, since the place of each hash depends on it.
async fn gather<S: Source<Error = String>>(
    node: &Arc<Node>,
    source: &mut S,
) -> Result<(Incoming, Arc<dyn FsFile>), ApiError> {
    let mut incoming = node.share.drop.incoming().await.map_err(disk_failed)?;
    loop {
        match source.next().await {
            Ok(Some(bytes)) => incoming.write(bytes).await.map_err(disk_failed)?,
            Ok(None) => break,
            Err(reason) => {
                node.uploads.check_open()?;
                return Err(broken_off(incoming.len(), None, &reason));
            }
        }
    }
    let file = incoming.complete().await.map_err(disk_failed)?;
    Ok((incoming, file))
}

/// A file that is here already, but nowhere that counts.
pub(crate) struct Gathered {
    disk: Disk,
    file: Arc<dyn FsFile>,
    at: u64,
    len: u64,
}

impl Gathered {
    pub(crate) fn new(node: &Node, file: Arc<dyn FsFile>, len: u64) -> Self {
        Self { disk: node.environment.disk.clone(), file, at: 0, len }
    }
}

#[async_trait]
impl Source for Gathered {
    type Error = String;

    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        let wanted = READ_BYTES.min(self.len - self.at);
        if wanted == 0 {
            return Ok(None);
        }
        let (file, at) = (Arc::clone(&self.file), self.at);
        let read = move |_: &dyn xylem_runtime::Fs| {
            let mut buffer = vec![0; usize::try_from(wanted).map_err(std::io::Error::other)?];
            let read = file.read_at(&mut buffer, at)?;
            buffer.truncate(read);
            Ok::<_, std::io::Error>(buffer)
        };
        let bytes = self.disk.run_reading(read).await.map_err(|error| error.to_string())?;
        self.at += bytes.len() as u64;
        if bytes.is_empty() { Err("it was cut".to_owned()) } else { Ok(Some(bytes.into())) }
    }
}

async fn announce(
    node: &Arc<Node>,
    work: &mut OwnedMutexGuard<Work>,
    facts: &Facts,
    author: &Author,
) -> Result<(), ApiError> {
    let Facts { upload, size, name, kind, .. } = facts.clone();
    let declared = DeclareReceived { upload, kind, name, size, author: author.clone() };
    let Err(error) = node.control.declare_received(&declared).await else { return Ok(()) };
    if let Some(staged) = work.staged.take() {
        discard(node, staged).await;
    }
    Err(match final_word(&error) {
        Some((code, reason)) => ApiError::new(code, reason),
        None => away(&error),
    })
}

async fn discard(node: &Arc<Node>, staged: StagedFile) {
    if let Err(error) = node.repository.run(move |_| staged.discard()).await {
        tracing::warn!(error = %chain(&error), "bytes that broke off are left for the next start");
    }
}

fn broken_off(have: u64, size: Option<u64>, reason: &str) -> ApiError {
    let of = size.map(|size| format!(" of {size}")).unwrap_or_default();
    let message = format!(
        "the file broke off after {have}{of} bytes ({reason}): nothing was kept, send it again"
    );
    ApiError::new(ErrorCode::BadRequest, message)
}
