//! Sending a file to the ingest server, and going on where a broken connection left off.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use indicatif::ProgressBar;
use xylem_api::catalogue::{DeclareUpload, IngestAddress, Upload, UploadState};
use xylem_api::error::ErrorCode;
use xylem_client::{
    BaseUrl, ClientError, ContentClient, Deadlines, RequestBody, RunningDigests, channel_body,
};
use xylem_model::{Digests, FileKind, UploadId};
use xylem_runtime::{Backoff, SystemRng};

use crate::Failure;
use crate::access::Access;
use crate::cli::UploadOptions;

/// Bytes sent with one request; a broken request costs at most this much.
const PART_BYTES: u64 = 64 << 20;

/// Bytes read at once.
const BLOCK_BYTES: usize = 256 << 10;

/// Tries in a row without a single new byte.
const MAX_FRUITLESS_TRIES: u32 = 8;

/// How long verifying and inspecting a whole file may take on the ingest server.
const COMPLETE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// A local file, read once for its digests.
pub(crate) struct Source {
    file: Arc<File>,
    pub(crate) name: String,
    pub(crate) size: u64,
    digests: Digests,
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
        bar.set_length(metadata.len());
        let (digests, size) =
            digest_file(&file, bar).with_context(|| format!("cannot read {shown}"))?;
        Ok(Self { file: Arc::new(file), name: name.to_owned(), size, digests })
    }

    /// A file whose digests are known, to be sent under a name that may be another.
    pub(crate) fn known(file: File, name: &str, size: u64, digests: Digests) -> Self {
        Self { file: Arc::new(file), name: name.to_owned(), size, digests }
    }

    /// A request body over a part of the file.
    fn part(&self, offset: u64, length: u64, bar: ProgressBar) -> RequestBody {
        let (sender, body) = channel_body();
        let file = Arc::clone(&self.file);
        tokio::task::spawn_blocking(move || {
            let mut at = offset;
            let end = offset + length;
            while at < end {
                let mut block =
                    vec![0; BLOCK_BYTES.min(usize::try_from(end - at).unwrap_or(BLOCK_BYTES))];
                let piece = file.read_exact_at(&mut block, at).map(|()| Bytes::from(block));
                let (failed, sent) = match &piece {
                    Ok(bytes) => (false, bytes.len() as u64),
                    Err(_) => (true, 0),
                };
                // The receiver goes away when the request breaks.
                if sender.blocking_send(piece).is_err() || failed {
                    return;
                }
                at += sent;
                bar.set_position(at);
            }
        });
        body
    }
}

fn digest_file(mut file: &File, bar: &ProgressBar) -> io::Result<(Digests, u64)> {
    let mut digesting = RunningDigests::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = file.read(&mut block)?;
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        digesting.update(bytes);
        bar.set_position(digesting.size());
    }
    Ok((digesting.digests(), digesting.size()))
}

/// Announces, sends and completes an upload. Returns once it is published.
pub(crate) async fn upload(
    access: &Access,
    kind: FileKind,
    source: &Source,
    options: &UploadOptions,
    bar: &ProgressBar,
) -> Result<Upload, Failure> {
    let declared = access
        .admin
        .declare_upload(&DeclareUpload {
            kind,
            name: source.name.clone(),
            size: source.size,
            priority: options.priority,
            blake3: Some(source.digests.blake3),
            sha256: Some(source.digests.sha256),
            replace: options.replace,
            category: options.category.clone(),
            site: options.site.clone(),
        })
        .await?;
    if declared.state == UploadState::AlreadyThere {
        return Ok(declared);
    }
    let id = declared.id;
    let way = match &declared.ingest {
        Some(address) if !options.through_server => Way::direct(access, address)?,
        _ => Way::ThroughServer,
    };
    let sending = Sending { access, source, bar, id, way };
    sending.run().await?;
    Ok(access.admin.upload(id).await?)
}

/// How the bytes travel.
enum Way {
    Direct { client: ContentClient, ingest: BaseUrl, ticket: String },
    ThroughServer,
}

impl Way {
    fn direct(access: &Access, address: &IngestAddress) -> Result<Self, Failure> {
        let deadlines = Deadlines { answer: COMPLETE_LIMIT, ..Deadlines::default() };
        Ok(Self::Direct {
            client: ContentClient::new(access.transport.with_deadlines(deadlines)),
            ingest: address.url.parse::<BaseUrl>().context("the ingest server's address")?,
            ticket: address.ticket.clone(),
        })
    }
}

struct Sending<'a> {
    access: &'a Access,
    source: &'a Source,
    bar: &'a ProgressBar,
    id: UploadId,
    way: Way,
}

impl Sending<'_> {
    /// Sends until everything is there and published; every failure that may pass is followed by
    /// another try, as long as the tries bring the upload forward.
    async fn run(mut self) -> Result<(), Failure> {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(20));
        let mut offset = 0;
        loop {
            let before = offset;
            let error = match self.try_once(&mut offset).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if offset > before {
                backoff.reset();
            }
            // A ticket that ran out, or an offset that is not the server's, is mended by asking.
            let mendable = matches!(
                error.code(),
                Some(ErrorCode::Conflict | ErrorCode::Unauthorized | ErrorCode::Forbidden)
            );
            let again = error.is_transient() || (mendable && backoff.failures() < 2);
            if !again || backoff.failures() >= MAX_FRUITLESS_TRIES {
                return Err(error.into());
            }
            tracing::info!(cause = %xylem_telemetry::chain(&error), "the upload goes on after a break");
            tokio::time::sleep(backoff.next_wait(&SystemRng)).await;
            let state = self.access.admin.upload(self.id).await?;
            match (state.state, state.ingest) {
                (UploadState::Published, _) => return Ok(()),
                (UploadState::Failed | UploadState::Expired | UploadState::Cancelled, _) => {
                    return Err(Failure::new(state.reason.unwrap_or_else(|| error.to_string())));
                }
                (_, Some(address)) if matches!(self.way, Way::Direct { .. }) => {
                    self.way = Way::direct(self.access, &address)?;
                }
                _ => {}
            }
        }
    }

    async fn try_once(&self, offset: &mut u64) -> Result<(), ClientError> {
        let size = self.source.size;
        match &self.way {
            Way::Direct { client, ingest, ticket } => {
                let there = client.ingest_progress(ingest, self.id, ticket).await?;
                *offset = there.offset;
                while !there.published && *offset < size {
                    let length = PART_BYTES.min(size - *offset);
                    let body = self.source.part(*offset, length, self.bar.clone());
                    let now = client.ingest(ingest, self.id, ticket, *offset, length, body).await?;
                    *offset = now.offset;
                }
                client.complete(ingest, self.id, ticket).await?;
            }
            Way::ThroughServer => {
                // The management server keeps nothing, so it cannot say how much is there: the
                // whole file goes in one request, and again from its beginning after a break.
                let body = self.source.part(0, size, self.bar.clone());
                self.access.admin.send_through(self.id, 0, size, body).await?;
                *offset = size;
                self.access.admin.complete_through(self.id).await?;
            }
        }
        Ok(())
    }
}
