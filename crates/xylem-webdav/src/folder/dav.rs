//! The tree as dav-server sees it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dav_server::fs::{DavFile, FsError, OpenOptions};
use uuid::Uuid;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_runtime::{Disk, FsFile, random_array};

use super::{Folder, FolderError, Incoming};
use crate::answer::Refusal;
use crate::entry::Meta;
use crate::file::{Reading, Sink, Source, Writing};
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
            Self::Disk(error) => refusal.because(disk_failed(error)),
        }
    }
}

/// How it is answered that the disk failed under what is coming.
pub fn disk_failed(error: std::io::Error) -> ApiError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        let message = "the disk is full: make room on the distribution server first";
        return ApiError::new(ErrorCode::NoSpace, message);
    }
    ApiError::internal("writing or reading the file", error)
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
            return Ok(Box::new(Reading::new(FileBytes { disk, file }, meta)));
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
            incoming: None,
            refusal: refusal.clone(),
        };
        if at_once && there.is_none() {
            writer.put().await?;
        }
        Ok(Box::new(Writing::new(writer, options.size, refusal.clone())))
    }
}

#[derive(Debug)]
struct Writer {
    /// Among all that are open.
    id: Uuid,
    folder: Folder,
    place: Place,
    author: String,
    incoming: Option<Incoming>,
    refusal: Refusal,
}

impl Writer {
    async fn incoming(&mut self) -> Result<&mut Incoming, FsError> {
        let incoming = match self.incoming.take() {
            Some(incoming) => incoming,
            None => {
                let begun = self.folder.incoming().await;
                begun.map_err(|error| self.refusal.because(disk_failed(error)))?
            }
        };
        Ok(self.incoming.insert(incoming))
    }

    async fn put(&mut self) -> Result<Meta, FsError> {
        self.incoming().await?;
        let Some(incoming) = self.incoming.take() else { return Err(FsError::GeneralFailure) };
        let put = self.folder.put(&self.place, incoming, &self.author).await;
        put.map_err(|error| error.to_dav(&self.refusal))
    }
}

#[async_trait]
impl Sink for Writer {
    async fn take(&mut self, bytes: Bytes, _: u64) -> Result<(), FsError> {
        let written = self.incoming().await?.write(bytes).await;
        written.map_err(|error| self.refusal.because(disk_failed(error)))
    }

    async fn finish(&mut self, _: u64) -> Result<Option<Meta>, FsError> {
        self.put().await.map(Some)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.folder.inner.writing().remove(&self.id);
    }
}

/// The bytes of a file of the tree.
struct FileBytes {
    disk: Disk,
    file: Arc<dyn FsFile>,
}

impl std::fmt::Debug for FileBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileBytes")
    }
}

#[async_trait]
impl Source for FileBytes {
    async fn read_at(&self, at: u64, count: usize) -> Result<Bytes, FsError> {
        let file = Arc::clone(&self.file);
        let read = self
            .disk
            .run_reading(move |_| {
                let mut buffer = vec![0; count];
                let read = file.read_at(&mut buffer, at)?;
                buffer.truncate(read);
                Ok::<_, std::io::Error>(buffer)
            })
            .await;
        read.map(Bytes::from).map_err(|error| {
            tracing::error!(%error, "a file of the folder cannot be read");
            FsError::GeneralFailure
        })
    }
}
