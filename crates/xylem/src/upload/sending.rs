//! Sending until all of it is there.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use xylem_api::catalogue::{IngestAddress, UploadState};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::IngestProgress;
use xylem_client::{BaseUrl, ClientError, ContentClient, Deadlines};
use xylem_model::UploadId;
use xylem_runtime::{Backoff, SystemRng};

use super::parts::{self, Missing, Part};
use super::source::Source;
use crate::Failure;
use crate::access::Access;

/// Tries in a row without a single new byte.
const MAX_FRUITLESS_TRIES: u32 = 8;

/// How long verifying and inspecting a whole file may take on the ingest server.
const COMPLETE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How the bytes travel.
pub(super) enum Way {
    Direct { client: ContentClient, ingest: BaseUrl, ticket: String },
    ThroughServer,
}

impl Way {
    pub(super) fn direct(access: &Access, address: &IngestAddress) -> Result<Self, Failure> {
        let deadlines = Deadlines { answer: COMPLETE_LIMIT, ..Deadlines::default() };
        Ok(Self::Direct {
            client: ContentClient::new(access.transport.with_deadlines(deadlines)),
            ingest: address.url.parse::<BaseUrl>().context("the ingest server's address")?,
            ticket: address.ticket.clone(),
        })
    }
}

/// An upload that has been announced.
pub(super) struct Sending<'a> {
    pub(super) access: &'a Access,
    pub(super) source: &'a Source,
    pub(super) bar: &'a ProgressBar,
    pub(super) id: UploadId,
    pub(super) way: Way,
    /// Parts that are under way at once.
    pub(super) connections: usize,
}

impl Sending<'_> {
    /// Sends until everything is there and published; every failure that may pass is followed by
    /// another try, as long as the tries bring the upload forward.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
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
            // An offset that is not the server's is mended by asking, and so is a ticket that ran
            // out; a request of ours of which it still hopes for more, by waiting.
            let is_refused =
                matches!(error.code(), Some(ErrorCode::Unauthorized | ErrorCode::Forbidden));
            let again = error.is_transient()
                || error.code() == Some(ErrorCode::Conflict)
                || (is_refused && backoff.failures() < 2);
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

    /// Tries once; `there` tells in the end how many bytes arrived.
    async fn try_once(&self, there: &mut u64) -> Result<(), ClientError> {
        let size = self.source.size;
        match &self.way {
            Way::Direct { client, ingest, ticket } => {
                let to = Ingest { client, ingest, ticket };
                let progress = client.ingest_progress(ingest, self.id, ticket).await?;
                *there = parts::arrived(&progress);
                if !progress.published && progress.offset < size {
                    self.bar.set_position(*there);
                    self.send_parts(&to, &progress).await?;
                }
                // Where the server lacks something after all it says so, and it is tried again.
                client.complete(ingest, self.id, ticket).await?;
            }
            Way::ThroughServer => {
                // The management server keeps nothing, so it cannot say how much is there: the
                // whole file goes in one request, and again from its beginning after a break.
                self.bar.set_position(0);
                let body = self.source.part(0, size, self.bar.clone());
                self.access.admin.send_through(self.id, 0, size, body).await?;
                *there = size;
                self.access.admin.complete_through(self.id).await?;
            }
        }
        Ok(())
    }

    /// Sends what is missing, several parts at once where the server takes them so. The first that
    /// breaks ends the others.
    async fn send_parts(
        &self,
        to: &Ingest<'_>,
        progress: &IngestProgress,
    ) -> Result<(), ClientError> {
        let connections = if progress.max_ahead == 0 { 1 } else { self.connections };
        let mut missing = Missing::new(self.source.size, progress, connections);
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < connections
                && let Some(part) = missing.begin()
            {
                under_way.push(self.send_part(to, part, connections > 1));
            }
            match under_way.next().await {
                Some(sent) => missing.end(&sent?),
                None => return Ok(()),
            }
        }
    }

    async fn send_part(
        &self,
        to: &Ingest<'_>,
        part: Part,
        may_be_ahead: bool,
    ) -> Result<Part, ClientError> {
        let Ingest { client, ingest, ticket } = to;
        let Part { offset, length } = part;
        let body = self.source.part(offset, length, self.bar.clone());
        if may_be_ahead {
            client.ingest_ahead(ingest, self.id, ticket, offset, length, body).await?;
        } else {
            client.ingest(ingest, self.id, ticket, offset, length, body).await?;
        }
        Ok(part)
    }
}

/// Where the parts go.
struct Ingest<'a> {
    client: &'a ContentClient,
    ingest: &'a BaseUrl,
    ticket: &'a str,
}
