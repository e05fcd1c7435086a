//! What is sent.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use indicatif::ProgressBar;
use xylem_client::{RequestBody, channel_body};
use xylem_model::Digests;

use crate::Failure;

/// Bytes read at once.
const BLOCK_BYTES: usize = 256 << 10;

/// Bytes that can be read more than once, at any place.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// Fills the buffer with the bytes from `offset` on.
    ///
    /// # Errors
    /// Failures of the disk, and an end in the middle.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

/// What is sent, read once for its digests.
#[derive(Debug)]
pub struct Source {
    content: Arc<dyn ReadAt>,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(super) digests: Digests,
}

impl Source {
    /// Opens a file and computes its digests; `bar` follows.
    pub(crate) fn open(path: &Path, bar: &ProgressBar) -> Result<Self, Failure> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        let metadata = file.metadata().with_context(|| format!("cannot read {shown}"))?;
        if metadata.is_dir() {
            return Err(Failure::new(format!(
                "{shown} is a folder: a bundle package must be made flat (productbuild) first"
            )));
        }
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Failure::new(format!("the name of {shown} is not Unicode: rename the file"))
        })?;
        let read = Self::read(Arc::new(file), name, metadata.len(), bar);
        Ok(read.with_context(|| format!("cannot read {shown}"))?)
    }

    /// Reads `size` bytes for their digests; `bar` follows.
    ///
    /// # Errors
    /// Failures of reading.
    pub fn read(
        content: Arc<dyn ReadAt>,
        name: &str,
        size: u64,
        bar: &ProgressBar,
    ) -> io::Result<Self> {
        bar.set_length(size);
        let from = Reading { content: &*content, at: 0, end: size };
        let digests = xylem_migration::digest(from, |bytes| bar.inc(bytes))?.digests;
        Ok(Self { content, name: name.to_owned(), size, digests })
    }

    /// A file whose digests are known, to be sent under a name that may be another.
    pub(crate) fn known(file: File, name: &str, size: u64, digests: Digests) -> Self {
        Self { content: Arc::new(file), name: name.to_owned(), size, digests }
    }

    /// A request body over a part.
    pub(super) fn part(&self, offset: u64, length: u64, bar: ProgressBar) -> RequestBody {
        let (sender, body) = channel_body();
        let content = Arc::clone(&self.content);
        tokio::task::spawn_blocking(move || {
            let (mut at, end) = (offset, offset + length);
            while at < end {
                let mut block = vec![0; block_at(at, end)];
                let piece = content.read_exact_at(&mut block, at).map(|()| Bytes::from(block));
                let (failed, sent) = match &piece {
                    Ok(bytes) => (false, bytes.len() as u64),
                    Err(_) => (true, 0),
                };
                // The receiver goes away when the request breaks.
                if sender.blocking_send(piece).is_err() || failed {
                    return;
                }
                at += sent;
                bar.inc(sent);
            }
        });
        body
    }
}

/// Reads content from front to back.
struct Reading<'a> {
    content: &'a dyn ReadAt,
    at: u64,
    end: u64,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = block_at(self.at, self.end).min(buffer.len());
        let block = buffer.get_mut(..wanted).unwrap_or_default();
        self.content.read_exact_at(block, self.at)?;
        self.at += wanted as u64;
        Ok(wanted)
    }
}

/// Bytes to read at `at`, where they end at `end`.
fn block_at(at: u64, end: u64) -> usize {
    usize::try_from(end - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES)
}
