//! The tree as dav-server sees it.

use std::io::SeekFrom;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use dav_server::fs::{DavFile, DavMetaData, FsError, FsFuture, OpenOptions};
use uuid::Uuid;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_runtime::{Disk, FsFile, random_array};

use super::{Folder, FolderError, Incoming};
use crate::answer::Refusal;
use crate::entry::Meta;
use crate::place::Place;

impl FolderError {
    /// As dav-server has it; what it has no word for, with the reason beside it.
    pub fn to_dav(self, refusal: &Refusal) -> FsError {
        match self {
            Self::NotFound => FsError::NotFound,
            Self::Exists => FsError::Exists,
            Self::WrongKind | Self::IntoItself => FsError::Forbidden,
            Self::NotEmpty => refusal.because(ApiError::new(ErrorCode::Conflict, self.to_string())),
            Self::Full | Self::TooManyProperties => {
                refusal.because(ApiError::new(ErrorCode::NoSpace, self.to_string()))
            }
            Self::Disk(error) => disk_failed(error, refusal),
        }
    }
}

fn disk_failed(error: std::io::Error, refusal: &Refusal) -> FsError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        let message = "the disk is full: make room there first";
        return refusal.because(ApiError::new(ErrorCode::NoSpace, message));
    }
    refusal.because(ApiError::internal("using the folder", error))
}

impl Folder {
    /// Opens a file to be read, or one to be written: that takes its place when all of it is here.
    /// With `at_once` it is there, empty, before anything is written: what LOCK makes.
    ///
    /// # Errors
    /// See [`FolderError`], as dav-server has them.
    pub async fn open_file(
        &self,
        place: &Place,
        options: &OpenOptions,
        author: &str,
        at_once: bool,
        refusal: &Refusal,
    ) -> Result<Box<dyn DavFile>, FsError> {
        let disk = self.inner.environment.disk.clone();
        if !options.write {
            let (file, meta) = self.read(place).await.map_err(|error| error.to_dav(refusal))?;
            return Ok(Box::new(Reader { disk, file, meta, at: 0 }));
        }
        let there = self.meta(place).await.ok();
        match &there {
            Some(meta) if meta.is_folder => return Err(FsError::Forbidden),
            Some(_) if options.create_new => return Err(FsError::Exists),
            None if !options.create => return Err(FsError::NotFound),
            _ => {}
        }
        self.tree().await.parent_and_name(place).map_err(|error| error.to_dav(refusal))?;
        let id = Uuid::from_bytes(random_array(&*self.inner.environment.rng));
        self.inner.writing().insert(id, place.clone());
        let mut writer = Writer {
            id,
            folder: self.clone(),
            place: place.clone(),
            author: author.to_owned(),
            expected: options.size,
            incoming: None,
            meta: there,
            refusal: refusal.clone(),
        };
        if at_once && writer.meta.is_none() {
            writer.begin().await?;
            writer.put().await?;
        }
        Ok(Box::new(writer))
    }
}

#[derive(Debug)]
struct Writer {
    /// Among all that are open.
    id: Uuid,
    folder: Folder,
    place: Place,
    author: String,
    /// Declared length.
    expected: Option<u64>,
    incoming: Option<Incoming>,
    meta: Option<Meta>,
    refusal: Refusal,
}

impl Writer {
    async fn begin(&mut self) -> Result<(), FsError> {
        if self.incoming.is_none() {
            let incoming = self.folder.incoming().await;
            self.incoming = Some(incoming.map_err(|error| disk_failed(error, &self.refusal))?);
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), FsError> {
        self.begin().await?;
        let Some(incoming) = &mut self.incoming else { return Err(FsError::GeneralFailure) };
        incoming.write(bytes).await.map_err(|error| disk_failed(error, &self.refusal))
    }

    async fn put(&mut self) -> Result<(), FsError> {
        let Some(incoming) = self.incoming.take() else { return Err(FsError::GeneralFailure) };
        let put = self.folder.put(&self.place, incoming, &self.author).await;
        self.meta = Some(put.map_err(|error| error.to_dav(&self.refusal))?);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), FsError> {
        self.begin().await?;
        let have = self.incoming.as_ref().map_or(0, Incoming::len);
        if let Some(expected) = self.expected.filter(|expected| *expected != have) {
            let message =
                format!("{have} of {expected} bytes came: nothing was kept, send it again");
            return Err(self.refusal.because(ApiError::new(ErrorCode::BadRequest, message)));
        }
        self.put().await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.folder.inner.writing().remove(&self.id);
    }
}

impl DavFile for Writer {
    fn metadata(&mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(async {
            let meta = self.meta.clone().ok_or(FsError::NotFound)?;
            let meta: Box<dyn DavMetaData> = Box::new(meta);
            Ok(meta)
        })
    }

    fn write_buf(&mut self, mut buf: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        let bytes = buf.copy_to_bytes(buf.remaining());
        Box::pin(self.write(bytes))
    }

    fn write_bytes(&mut self, bytes: Bytes) -> FsFuture<'_, ()> {
        Box::pin(self.write(bytes))
    }

    fn read_bytes(&mut self, _: usize) -> FsFuture<'_, Bytes> {
        Box::pin(async { Err(FsError::Forbidden) })
    }

    fn seek(&mut self, _: SeekFrom) -> FsFuture<'_, u64> {
        Box::pin(async { Err(FsError::Forbidden) })
    }

    fn flush(&mut self) -> FsFuture<'_, ()> {
        Box::pin(self.finish())
    }
}

struct Reader {
    disk: Disk,
    file: Arc<dyn FsFile>,
    meta: Meta,
    at: u64,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader(at {})", self.at)
    }
}

impl Reader {
    async fn read(&mut self, count: usize) -> Result<Bytes, FsError> {
        let (file, at) = (Arc::clone(&self.file), self.at);
        let left = usize::try_from(self.meta.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; count.min(left)];
        let read = self
            .disk
            .run_reading(move |_| {
                let read = file.read_at(&mut buffer, at)?;
                buffer.truncate(read);
                Ok::<_, std::io::Error>(buffer)
            })
            .await;
        let bytes = read.map_err(|error| {
            tracing::error!(%error, "a file of the folder cannot be read");
            FsError::GeneralFailure
        })?;
        self.at += bytes.len() as u64;
        Ok(bytes.into())
    }
}

impl DavFile for Reader {
    fn metadata(&mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let meta: Box<dyn DavMetaData> = Box::new(self.meta.clone());
        Box::pin(async move { Ok(meta) })
    }

    fn write_buf(&mut self, _: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        Box::pin(async { Err(FsError::Forbidden) })
    }

    fn write_bytes(&mut self, _: Bytes) -> FsFuture<'_, ()> {
        Box::pin(async { Err(FsError::Forbidden) })
    }

    fn read_bytes(&mut self, count: usize) -> FsFuture<'_, Bytes> {
        Box::pin(self.read(count))
    }

    fn seek(&mut self, to: SeekFrom) -> FsFuture<'_, u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.meta.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        Box::pin(async move {
            self.at = at.ok_or(FsError::GeneralFailure)?;
            Ok(self.at)
        })
    }

    fn flush(&mut self) -> FsFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
