//! Knowing when it is worth looking at a file's copies again.
//!
//! The management server tells by a stream of events. Where there is none, as behind some proxies
//! or while the server restarts, looking often takes its place.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use xylem_api::server::ServerEvent;
use xylem_client::{AdminClient, ClientError, EventStream};
use xylem_model::{FileKind, FileName};
use xylem_telemetry::chain;

/// How often to look while there is no stream.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often to look beside a stream: of several management servers each tells what it was told.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// How long a stream may take to begin. A proxy that holds answers back never lets it.
const OPEN_LIMIT: Duration = Duration::from_secs(2);

/// When a stream is tried again after it could not be opened, or broke.
const OPEN_AGAIN: Duration = Duration::from_secs(30);

/// Changes of one file's copies.
pub(crate) struct Changes<'a> {
    admin: &'a AdminClient,
    kind: FileKind,
    /// What the name is compared by; none where the text is no name, and all is worth a look.
    key: Option<String>,
    stream: Option<EventStream>,
    last_id: Option<String>,
    open_at: Instant,
}

impl<'a> Changes<'a> {
    /// Nothing is asked before the first [`next`](Self::next).
    pub(crate) fn of(admin: &'a AdminClient, kind: FileKind, name: &str) -> Self {
        let key = FileName::new(name).ok().map(|name| name.collision_key());
        Self { admin, kind, key, stream: None, last_id: None, open_at: Instant::now() }
    }

    /// Returns when it is worth looking again.
    pub(crate) async fn next(&mut self) {
        if self.stream.is_none() && Instant::now() >= self.open_at {
            // What happened before the stream was open has no event: look once more.
            return self.open().await;
        }
        if self.stream.is_none() {
            return sleep(LOOK_EVERY).await;
        }
        if let Ok(Err(error)) = timeout(LOOK_ANYWAY, self.concerned()).await {
            self.lost(&error);
        }
    }

    async fn open(&mut self) {
        match timeout(OPEN_LIMIT, self.admin.events(self.last_id.as_deref())).await {
            Ok(Ok(stream)) => self.stream = Some(stream),
            Ok(Err(error)) => self.lost(&error),
            Err(_) => {
                tracing::debug!("the stream of events does not begin; looking often instead");
                self.open_at = Instant::now() + OPEN_AGAIN;
            }
        }
    }

    /// Reads events up to one that concerns the file.
    async fn concerned(&mut self) -> Result<(), ClientError> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while let Some(event) = stream.next::<ServerEvent>().await? {
            let concerned = match event {
                ServerEvent::State { .. } => true,
                ServerEvent::Placements { files, all } => {
                    let is_it = |key: &str| {
                        files
                            .iter()
                            .any(|file| file.kind == self.kind && file.name.collision_key() == key)
                    };
                    all || self.key.as_deref().is_none_or(is_it)
                }
            };
            if concerned {
                return Ok(());
            }
        }
        let (server, reason) = (self.admin.server().clone(), "the stream of events ended");
        Err(ClientError::Protocol { server, reason: reason.to_owned() })
    }

    /// Goes on without a stream for a while; the next one begins where this one ended.
    fn lost(&mut self, error: &ClientError) {
        tracing::debug!(cause = %chain(error), "no stream of events; looking often instead");
        if let Some(stream) = self.stream.take() {
            self.last_id = stream.last_id().map(ToOwned::to_owned);
        }
        self.open_at = Instant::now() + OPEN_AGAIN;
    }
}
