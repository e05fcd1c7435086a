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

/// Shortest and longest wait before it is asked again how far what takes its time is, whatever the
/// server says.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

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
        let (mut offset, mut is_there) = (0, false);
        loop {
            let before = offset;
            let error = match self.try_once(&mut offset, is_there).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // All of it has arrived, so only its completion is to be repeated.
            let wait = waits(&error);
            is_there = wait.is_some();
            if let Some(wait) = wait {
                self.say(&error.to_string());
                backoff.reset();
                tokio::time::sleep(wait).await;
                if self.look().await?.is_some() {
                    return Ok(());
                }
                continue;
            }
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
            if self.look().await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Looks how the upload stands: something where it is published. Takes over where it enters now,
    /// with a fresh ticket. Where the management server is away for a moment, it goes on with what it
    /// has.
    async fn look(&mut self) -> Result<Option<Published>, Failure> {
        let state = match self.access.admin.upload(self.id).await {
            Ok(state) => state,
            Err(error) if error.is_transient() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match (state.state, state.ingest) {
            (UploadState::Published, _) => return Ok(Some(Published)),
            (ended @ (UploadState::Failed | UploadState::Expired | UploadState::Cancelled), _) => {
                let why = state.reason.unwrap_or_else(|| match ended {
                    UploadState::Cancelled => "the upload was cancelled".to_owned(),
                    _ => "the time for the upload is over: send it again".to_owned(),
                });
                return Err(Failure::new(why));
            }
            (_, Some(address)) if matches!(self.way, Way::Direct { .. }) => {
                self.way = Way::direct(self.access, &address)?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Says what is waited for, where it is seen and was not said before.
    fn say(&self, what: &str) {
        if self.bar.message() == what {
            return;
        }
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            tracing::warn!("{what}");
        } else {
            self.bar.println(what);
        }
    }

    /// Tries once; `there` tells in the end how many bytes arrived. `is_there`: all did before.
    async fn try_once(&self, there: &mut u64, is_there: bool) -> Result<(), ClientError> {
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
                if !is_there {
                    self.bar.set_position(0);
                    let body = self.source.part(0, size, self.bar.clone());
                    self.access.admin.send_through(self.id, 0, size, body).await?;
                    *there = size;
                }
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

/// It is over, and well.
struct Published;

/// When it is asked again about an upload that goes on by itself: into the cloud, where that is the
/// principal. None for any other error.
fn waits(error: &ClientError) -> Option<Duration> {
    match error {
        ClientError::Answer { body, retry_after, .. } if body.code == ErrorCode::Waiting => {
            Some(retry_after.unwrap_or_default().clamp(WAITS.0, WAITS.1))
        }
        _ => None,
    }
}

/// Where the parts go.
struct Ingest<'a> {
    client: &'a ContentClient,
    ingest: &'a BaseUrl,
    ticket: &'a str,
}

#[cfg(test)]
mod tests {
    use xylem_api::error::ErrorBody;

    use super::*;

    fn answer(code: ErrorCode, wait: Option<u64>) -> ClientError {
        let body = ErrorBody { code, message: String::new(), request_id: String::new() };
        let retry_after = wait.map(Duration::from_secs);
        ClientError::Answer { status: code.status(), body, retry_after }
    }

    #[test]
    fn only_what_goes_on_by_itself_is_waited_for_without_an_end() {
        let seconds = |error| waits(&error).map(|wait| wait.as_secs());
        assert_eq!(seconds(answer(ErrorCode::Waiting, Some(3))), Some(3));
        assert_eq!(seconds(answer(ErrorCode::Waiting, Some(1_000_000))), Some(60));
        assert_eq!(seconds(answer(ErrorCode::Waiting, None)), Some(1));
        assert_eq!(seconds(answer(ErrorCode::Unavailable, Some(3))), None);
    }
}
