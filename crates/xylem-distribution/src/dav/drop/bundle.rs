//! Zipping a package that is a folder.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use xylem_http::ApiError;
use xylem_runtime::FsFile;
use xylem_webdav::Incoming;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::unit::Unit;
use crate::node::Node;

/// Bytes that are read and zipped at once.
const READ_BYTES: usize = 256 << 10;

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
        for item in unit.items {
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
    let mut archive = ZipWriter::new_stream(Out { pieces, gathered: Vec::new() });
    let mut buffer = vec![0; READ_BYTES];
    while let Some(part) = parts.blocking_recv() {
        let Some((file, len)) = part.file else {
            archive.add_directory(part.name, options(0o755))?;
            continue;
        };
        // A WebDAV client says nothing of permissions; what runs in a package may be anything.
        archive.start_file(part.name, options(0o755).large_file(true))?;
        let mut at = 0;
        while at < len {
            let read = file.read_at(&mut buffer, at)?;
            let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
            io::Write::write_all(&mut archive, bytes)?;
            at += read as u64;
        }
    }
    let mut out = archive.finish()?.into_inner();
    io::Write::flush(&mut out)
}

fn options(permissions: u32) -> SimpleFileOptions {
    let method = zip::CompressionMethod::Deflated;
    SimpleFileOptions::default().compression_method(method).unix_permissions(permissions)
}

/// The archive on its way to the disk.
struct Out {
    pieces: mpsc::Sender<Bytes>,
    gathered: Vec<u8>,
}

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= READ_BYTES {
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
