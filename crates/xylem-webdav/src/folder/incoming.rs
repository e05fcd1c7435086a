//! Bytes that are still coming.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;
use xylem_runtime::{Disk, Environment, FsFile, random_array};

/// Bytes that are left free on the disk: for the repository and for what is written down.
const SPARE_BYTES: u64 = 512 << 20;

/// Bytes that are gathered for one visit to the disk.
const GATHER_BYTES: usize = 1 << 20;

/// A file of bytes that are still coming. Dropped, it is removed.
pub struct Incoming {
    disk: Disk,
    id: Uuid,
    path: PathBuf,
    file: Arc<dyn FsFile>,
    gathered: Vec<Bytes>,
    gathered_len: usize,
    written: u64,
    is_kept: bool,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Incoming({} bytes)", self.len())
    }
}

impl Incoming {
    /// Begins a file in a folder of such files, which must exist.
    ///
    /// # Errors
    /// Failures of the disk.
    pub async fn begin(environment: &Environment, folder: PathBuf) -> io::Result<Self> {
        let id = Uuid::from_bytes(random_array(&*environment.rng));
        let path = folder.join(id.simple().to_string());
        let disk = environment.disk.clone();
        let made = path.clone();
        let file = disk.run(move |fs| fs.create_new(&made)).await?.into();
        let (gathered, gathered_len, written) = (Vec::new(), 0, 0);
        Ok(Self { disk, id, path, file, gathered, gathered_len, written, is_kept: false })
    }

    /// How many bytes have come.
    pub fn len(&self) -> u64 {
        self.written + self.gathered_len as u64
    }

    /// Whether none have.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) const fn id(&self) -> Uuid {
        self.id
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// Failures of the disk: the file is of no more use then.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.gathered_len += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_len >= GATHER_BYTES { self.write_out().await } else { Ok(()) }
    }

    async fn write_out(&mut self) -> io::Result<()> {
        let (pieces, len) = (std::mem::take(&mut self.gathered), self.gathered_len);
        let (file, mut offset) = (Arc::clone(&self.file), self.written);
        let path = self.path.clone();
        self.gathered_len = 0;
        self.written += len as u64;
        self.disk
            .run(move |fs| {
                let folder = path.parent().unwrap_or(&path);
                if len > 0 && fs.free_space(folder)? < SPARE_BYTES + len as u64 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                for piece in pieces {
                    file.write_all_at(&piece, offset)?;
                    offset += piece.len() as u64;
                }
                Ok(())
            })
            .await
    }

    /// All bytes have come: gives the file to be read.
    ///
    /// # Errors
    /// Failures of the disk.
    pub async fn complete(&mut self) -> io::Result<Arc<dyn FsFile>> {
        self.write_out().await?;
        Ok(Arc::clone(&self.file))
    }

    /// Makes the bytes durable, and moves them where they stay.
    pub(super) async fn keep_as(mut self, path: PathBuf) -> io::Result<()> {
        self.write_out().await?;
        let (file, from) = (Arc::clone(&self.file), self.path.clone());
        self.disk
            .run(move |fs| {
                file.sync()?;
                fs.rename(&from, &path)?;
                path.parent().map_or(Ok(()), |folder| fs.sync_dir(folder))
            })
            .await?;
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let (disk, path) = (self.disk.clone(), std::mem::take(&mut self.path));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Removing gigabytes takes a while: not on this thread.
        runtime.spawn(async move {
            let removed = disk.run(move |fs| fs.remove_file(&path)).await;
            // A start may have swept it away already.
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, "bytes that nobody needs are left for the next start");
            }
        });
    }
}
