//! Zipping a package that is a folder.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use xylem_artifact::build::BundleWriter;
use xylem_http::ApiError;
use xylem_runtime::FsFile;
use xylem_webdav::Incoming;

use super::unit::Unit;
use crate::dav::session::is_of_the_mac;
use crate::node::Node;

/// Bytes that go on at once.
const PIECE_BYTES: usize = 256 << 10;

/// Pieces of the archive that wait to be written.
const PIECES: usize = 4;

/// One entry of the archive.
struct Part {
    /// From the package's own name down.
    name: String,
    /// A file's bytes; a folder has none.
    file: Option<(Arc<dyn FsFile>, u64)>,
}

/// Zips a package, with its own folder on top, as Macs do.
pub(super) async fn zip(node: &Arc<Node>, unit: &Unit<'_>) -> Result<Incoming, ApiError> {
    let failed = |error: io::Error| ApiError::internal("zipping the package", error);
    let above = unit.top.place.names().len().saturating_sub(1);
    let mut incoming = node.share.drop.incoming().await.map_err(failed)?;
    let (parts, receiver) = mpsc::channel(1);
    let (pieces, mut zipped) = mpsc::channel(PIECES);
    let zipping = tokio::task::spawn_blocking(move || write(receiver, pieces));
    // One file is open at a time, however many the package has.
    let opening = async {
        for item in unit.items.iter().filter(|item| !is_of_the_mac(item.place.name().unwrap_or("")))
        {
            let names = item.place.names().get(above..).unwrap_or_default();
            let file = match item.meta.is_folder {
                true => None,
                false => {
                    let opened = node.share.drop.read(&item.place).await;
                    let (file, meta) = opened.map_err(io::Error::other)?;
                    if meta != item.meta {
                        return Err(io::Error::other("a file in it was changed a moment ago"));
                    }
                    Some((file, meta.len))
                }
            };
            let part = Part { name: names.join("/"), file };
            if parts.send(part).await.is_err() {
                break;
            }
        }
        drop(parts);
        Ok(())
    };
    let writing = async {
        while let Some(piece) = zipped.recv().await {
            incoming.write(piece).await?;
        }
        Ok::<_, io::Error>(())
    };
    tokio::try_join!(opening, writing).map_err(failed)?;
    let zipped = zipping.await.map_err(|error| failed(io::Error::other(error)))?;
    zipped.map_err(failed)?;
    Ok(incoming)
}

fn write(mut parts: mpsc::Receiver<Part>, pieces: mpsc::Sender<Bytes>) -> io::Result<()> {
    let mut archive = BundleWriter::new(Out { pieces, gathered: Vec::new() });
    while let Some(Part { name, file }) = parts.blocking_recv() {
        match file {
            None => archive.folder(&name).map_err(io::Error::other)?,
            // A WebDAV client says nothing of permissions; what runs in a package may be anything.
            Some((file, len)) => {
                let added = archive.file(&name, true, len, FromStart { file, at: 0 });
                added.map_err(io::Error::other)?;
            }
        }
    }
    archive.finish().map(drop).map_err(io::Error::other)
}

/// Reads a file from its start.
struct FromStart {
    file: Arc<dyn FsFile>,
    at: u64,
}

impl io::Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The archive on its way to the disk.
struct Out {
    pieces: mpsc::Sender<Bytes>,
    gathered: Vec<u8>,
}

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.gathered);
        if bytes.is_empty() {
            return Ok(());
        }
        self.pieces.blocking_send(bytes.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
