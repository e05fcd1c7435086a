//! Bytes from a connection into a staged file.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use xylem_blobs::{BlobError, Repository, StagedFile};

/// Bytes that are gathered before they go to the disk in one visit.
const GATHER_BYTES: usize = 1 << 20;

/// Where bytes come from.
#[async_trait]
pub(crate) trait Source: Send {
    /// Why there are no more.
    type Error: Send;

    /// The next bytes; none at the end.
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

/// Pours a source into a staged file from `offset` on; while one piece is written, the next is
/// gathered. What arrived before an error has been taken. `progress` hears of every piece.
///
/// Gives the file back, except when the disk's thread was lost with it.
pub(crate) async fn pour<S: Source>(
    repository: &Repository,
    staged: StagedFile,
    mut offset: u64,
    source: &mut S,
    progress: &(dyn Fn(u64) + Sync),
) -> (StagedFile, Result<(), PourError<S::Error>>) {
    let mut staged = staged;
    let mut gathered = gather(source).await;
    loop {
        let (pieces, end) = gathered;
        let len = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let pieces: Arc<[Bytes]> = pieces.into();
        let writing = write(repository, staged, offset, pieces);
        let written;
        match end {
            None => {
                let next;
                ((staged, written), next) = tokio::join!(writing, gather(source));
                gathered = next;
            }
            Some(end) => {
                (staged, written) = writing.await;
                progress(staged.offset());
                let result = written.map_err(PourError::Blob);
                return (staged, result.and(end.map_err(PourError::Source)));
            }
        }
        progress(staged.offset());
        if let Err(error) = written {
            return (staged, Err(PourError::Blob(error)));
        }
        offset += len;
    }
}

/// The next bytes, and how the source ended if it did.
async fn gather<S: Source>(source: &mut S) -> (Vec<Bytes>, Option<Result<(), S::Error>>) {
    let (mut pieces, mut len) = (Vec::new(), 0);
    while len < GATHER_BYTES {
        match source.next().await {
            Ok(Some(piece)) => {
                len += piece.len();
                pieces.push(piece);
            }
            Ok(None) => return (pieces, Some(Ok(()))),
            Err(error) => return (pieces, Some(Err(error))),
        }
    }
    (pieces, None)
}

async fn write(
    repository: &Repository,
    mut staged: StagedFile,
    mut offset: u64,
    pieces: Arc<[Bytes]>,
) -> (StagedFile, Result<(), BlobError>) {
    repository
        .run(move |_| {
            for piece in pieces.iter() {
                if let Err(error) = staged.append(offset, piece) {
                    return (staged, Err(error));
                }
                offset += piece.len() as u64;
            }
            (staged, Ok(()))
        })
        .await
}
