//! Files as dav-server has them: one that is read, and one that is written.

use std::fmt::Debug;
use std::io::SeekFrom;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use dav_server::fs::{DavFile, DavMetaData, FsError, FsFuture, FsResult};
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;

use crate::answer::Refusal;
use crate::entry::Meta;

/// Where the bytes of a file that is written go. Dropped before it is finished, it keeps nothing.
#[async_trait]
pub trait Sink: Debug + Send + Sync {
    /// Takes the next bytes; with them, `len` have come in all.
    async fn take(&mut self, bytes: Bytes, len: u64) -> FsResult<()>;

    /// All `len` bytes have come: gives what is told of the file from now on, where that is known.
    async fn finish(&mut self, len: u64) -> FsResult<Option<Meta>>;
}

/// Where the bytes of a file that is read come from.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// At most `count` bytes from an offset on; none at the end.
    async fn read_at(&self, at: u64, count: usize) -> FsResult<Bytes>;
}

#[async_trait]
impl Source for Bytes {
    async fn read_at(&self, at: u64, count: usize) -> FsResult<Bytes> {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.len());
        Ok(self.slice(from..from.saturating_add(count).min(self.len())))
    }
}

/// A file that is written.
#[derive(Debug)]
pub struct Writing<S> {
    sink: S,
    /// Declared length.
    expected: Option<u64>,
    len: u64,
    meta: Option<Meta>,
    refusal: Refusal,
}

impl<S: Sink> Writing<S> {
    /// A file whose sender says that it has so many bytes, where it says so: only if they come is
    /// it finished. dav-server compares lengths too, but afterwards.
    pub const fn new(sink: S, expected: Option<u64>, refusal: Refusal) -> Self {
        Self { sink, expected, len: 0, meta: None, refusal }
    }

    async fn take(&mut self, bytes: Bytes) -> FsResult<()> {
        self.len += bytes.len() as u64;
        self.sink.take(bytes, self.len).await
    }

    async fn finish(&mut self) -> FsResult<()> {
        let have = self.len;
        if let Some(expected) = self.expected.filter(|expected| *expected != have) {
            let message =
                format!("{have} of {expected} bytes came: nothing was kept, send it again");
            return Err(self.refusal.because(ApiError::new(ErrorCode::BadRequest, message)));
        }
        self.meta = self.sink.finish(have).await?;
        Ok(())
    }
}

impl<S: Sink> DavFile for Writing<S> {
    fn metadata(&mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(async {
            let meta: Box<dyn DavMetaData> = Box::new(self.meta.clone().ok_or(FsError::NotFound)?);
            Ok(meta)
        })
    }

    fn write_buf(&mut self, mut buf: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        let bytes = buf.copy_to_bytes(buf.remaining());
        Box::pin(self.take(bytes))
    }

    fn write_bytes(&mut self, bytes: Bytes) -> FsFuture<'_, ()> {
        Box::pin(self.take(bytes))
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

/// A file that is read.
#[derive(Debug)]
pub struct Reading<S> {
    source: S,
    meta: Meta,
    at: u64,
}

impl<S: Source> Reading<S> {
    /// A file from its beginning.
    pub const fn new(source: S, meta: Meta) -> Self {
        Self { source, meta, at: 0 }
    }

    async fn read(&mut self, count: usize) -> FsResult<Bytes> {
        let left = usize::try_from(self.meta.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let bytes = self.source.read_at(self.at, count.min(left)).await?;
        self.at += bytes.len() as u64;
        Ok(bytes)
    }
}

impl<S: Source> DavFile for Reading<S> {
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
