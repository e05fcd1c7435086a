//! A content of which bytes are still missing.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use xylem_client::RunningDigests;
use xylem_runtime::{Fs, FsFile};

use crate::cache::{self, VerifiedFile, partial_path};
use crate::content::{Expected, PIECE_BYTES, digest_of};
use crate::folder::{DataFolder, FolderError, failed};
use crate::session::Session;

/// The bytes that are there, their digest, and who sent them.
///
/// Progress is the length of the file: nothing else has to be kept, because the digest over the
/// whole decides in the end.
pub(super) struct Partial {
    session: Session,
    expected: Expected,
    file: Arc<dyn FsFile>,
    digest: RunningDigests,
    /// Bytes in the file.
    len: u64,
    /// Bytes that came and are not in the file yet.
    pending: BytesMut,
    /// The places in the list of sources that sent the bytes of this run.
    senders: Vec<usize>,
    /// Whether there are bytes of an earlier run, whose senders are not known.
    inherited: bool,
}

impl Partial {
    /// Goes on with what an earlier run left, or begins anew.
    pub(super) async fn open(session: &Session, expected: Expected) -> Result<Self, FolderError> {
        let opened = session.run(move |fs, folder| open(fs, folder, &expected)).await?;
        let (file, digest, len) = opened;
        Ok(Self {
            session: session.clone(),
            expected,
            file,
            digest,
            len,
            pending: BytesMut::new(),
            senders: Vec::new(),
            inherited: len > 0,
        })
    }

    /// Bytes that are there.
    pub(super) fn len(&self) -> u64 {
        self.len.saturating_add(self.pending.len() as u64)
    }

    /// Whether no byte is missing.
    pub(super) fn is_complete(&self) -> bool {
        self.len() >= self.expected.size
    }

    /// Whether all bytes, if any, were sent by this one source in this run.
    pub(super) fn is_only_from(&self, source: usize) -> bool {
        !self.inherited && self.senders.iter().all(|sender| *sender == source)
    }

    /// The sources that sent bytes in this run.
    pub(super) fn senders(&self) -> &[usize] {
        &self.senders
    }

    /// The one source that sent everything.
    pub(super) fn only_sender(&self) -> Option<usize> {
        match self.senders.as_slice() {
            [sender] if !self.inherited => Some(*sender),
            _ => None,
        }
    }

    /// Takes a piece. Returns whether it fitted: a source that sends more than the whole is not
    /// believed.
    pub(super) async fn append(
        &mut self,
        piece: &Bytes,
        source: usize,
    ) -> Result<bool, FolderError> {
        if piece.is_empty() {
            return Ok(true);
        }
        if !self.senders.contains(&source) {
            self.senders.push(source);
        }
        let room = self.expected.size.saturating_sub(self.len());
        let fits = piece.len() as u64 <= room;
        let taken = piece.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.pending.extend_from_slice(piece.get(..taken).unwrap_or_default());
        if self.pending.len() >= PIECE_BYTES {
            self.flush().await?;
        }
        Ok(fits)
    }

    /// Writes what came.
    pub(super) async fn flush(&mut self) -> Result<(), FolderError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let bytes = self.pending.split().freeze();
        let (file, offset, content) = (Arc::clone(&self.file), self.len, self.expected.content);
        let mut digest = self.digest.clone();
        let length = bytes.len() as u64;
        let written = self.session.run(move |_, folder| {
            digest.update(&bytes);
            file.write_all_at(&bytes, offset)
                .map_err(failed("write", &partial_path(folder, &content)))?;
            Ok(digest)
        });
        self.digest = written.await?;
        self.len = self.len.saturating_add(length);
        Ok(())
    }

    /// Throws away all bytes.
    pub(super) async fn restart(&mut self) -> Result<(), FolderError> {
        let (file, content) = (Arc::clone(&self.file), self.expected.content);
        let cut = self.session.run(move |_, folder| {
            file.set_len(0).map_err(failed("cut", &partial_path(folder, &content)))
        });
        cut.await?;
        self.digest = RunningDigests::new();
        self.len = 0;
        self.pending.clear();
        self.senders.clear();
        self.inherited = false;
        Ok(())
    }

    /// Whether the bytes, all of which are there, are the expected ones.
    pub(super) fn is_right(&self) -> bool {
        self.pending.is_empty() && self.expected.is(&self.digest)
    }

    /// Moves the complete content to its name. `None` when the disk gave back other bytes.
    pub(super) async fn keep(self) -> Result<Option<VerifiedFile>, FolderError> {
        let Self { session, expected, file, .. } = self;
        session.run(move |fs, folder| cache::keep(fs, folder, &expected, file)).await
    }
}

type Opened = (Arc<dyn FsFile>, RunningDigests, u64);

fn open(fs: &dyn Fs, folder: &DataFolder, expected: &Expected) -> Result<Opened, FolderError> {
    let path = partial_path(folder, &expected.content);
    let opened = match fs.open_write(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs.create_private(&path),
        other => other,
    };
    let file: Arc<dyn FsFile> = opened.map_err(failed("open", &path))?.into();
    let mut len = file.len().map_err(failed("read", &path))?;
    if len > expected.size {
        file.set_len(0).map_err(failed("cut", &path))?;
        len = 0;
    }
    let digest = digest_of(&*file, len).map_err(failed("read", &path))?;
    Ok((file, digest, len))
}
