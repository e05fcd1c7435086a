//! Bytes from a connection into a staged file.

use std::convert::Infallible;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use xylem_blobs::{BlobError, MARK_EVERY_BYTES, Repository, StagedFile, Syncer};

/// Most bytes that are gathered while the disk is busy; then the source has to wait.
const GATHER_BYTES: usize = 1 << 20;

/// Where bytes come from.
#[async_trait]
pub(crate) trait Source: Send {
    /// Why there are no more.
    type Error: Send;

    /// The next bytes; none at the end. May be dropped and called again without losing any.
    async fn next(&mut self) -> Result<Option<Bytes>, Self::Error>;
}

/// Why pouring ended before the source did.
#[derive(Debug)]
pub(crate) enum PourError<E> {
    /// The source broke.
    Source(E),
    /// The staged file did not take them.
    Blob(BlobError),
}

type Written = (StagedFile, Result<(), BlobError>);
type Writing = Pin<Box<dyn Future<Output = Written> + Send>>;

/// Pours a source into a staged file from `offset` on. What has come goes to the disk at once;
/// what comes while the disk is busy goes there with its next visit. So a reader of the arriving
/// file waits for no more than it must, and a fast source makes few visits. What arrived before an
/// error has been taken. `progress` hears of every visit.
///
/// Gives the file back, except when the disk's thread was lost with it.
pub(crate) async fn pour<S: Source>(
    repository: &Repository,
    staged: StagedFile,
    mut offset: u64,
    source: &mut S,
    progress: &(dyn Fn(u64) + Sync),
) -> (StagedFile, Result<(), PourError<S::Error>>) {
    let (mut pieces, mut len) = (Vec::new(), 0);
    let mut end = None;
    let mut disk = Disk::Free(Box::new(staged));
    loop {
        disk = match disk {
            Disk::Free(staged) if !pieces.is_empty() => {
                let writing =
                    write(repository.clone(), *staged, offset, std::mem::take(&mut pieces));
                offset += len as u64;
                len = 0;
                Disk::Busy(Box::pin(writing))
            }
            Disk::Free(staged) => match end {
                Some(end) => return (*staged, end),
                None => Disk::Free(staged),
            },
            busy @ Disk::Busy(_) => busy,
        };
        tokio::select! {
            (staged, written) = disk.visit() => {
                progress(staged.offset());
                if let Err(error) = written {
                    return (staged, Err(PourError::Blob(error)));
                }
                disk = Disk::Free(Box::new(staged));
            }
            piece = source.next(), if end.is_none() && len < GATHER_BYTES => match piece {
                Ok(Some(piece)) => {
                    len += piece.len();
                    pieces.push(piece);
                }
                Ok(None) => end = Some(Ok(())),
                Err(error) => end = Some(Err(PourError::Source(error))),
            },
        }
    }
}

/// Makes durable what has come in, now and then, while more is coming: so that a power cut costs
/// little, and the sync at the end finds little left to do. After a failure the file takes no more,
/// and whoever writes it hears why.
pub(crate) async fn keep_synced(
    repository: &Repository,
    syncer: Syncer,
    mut came_in: watch::Receiver<u64>,
) -> Infallible {
    loop {
        let is_due = |bytes: &u64| bytes.saturating_sub(syncer.synced()) >= MARK_EVERY_BYTES;
        let due = came_in.wait_for(is_due).await.is_ok();
        let beside = syncer.clone();
        if !due || repository.run(move |_| beside.sync()).await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The staged file, or the visit to the disk that has it.
enum Disk {
    Free(Box<StagedFile>),
    Busy(Writing),
}

impl Disk {
    /// The end of the visit under way, if there is one.
    async fn visit(&mut self) -> Written {
        match self {
            Self::Free(_) => std::future::pending().await,
            Self::Busy(writing) => writing.await,
        }
    }
}

async fn write(
    repository: Repository,
    mut staged: StagedFile,
    mut offset: u64,
    pieces: Vec<Bytes>,
) -> Written {
    repository
        .run(move |_| {
            for piece in pieces {
                if let Err(error) = staged.append(offset, &piece) {
                    return (staged, Err(error));
                }
                offset += piece.len() as u64;
            }
            (staged, Ok(()))
        })
        .await
}
