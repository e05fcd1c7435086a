//! A file that is being PUT into a published folder.
//!
//! dav-server hands over bytes and at last asks to flush, before it compares lengths itself. What
//! becomes of the bytes is a task's: it publishes them where new files enter, or hands them on to
//! where they do. Only after [`Piece::End`] may it do so; without, what came is dropped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use xylem_api::control::Author;
use xylem_client::{BaseUrl, ClientError, Deadlines, channel_body};
use xylem_http::ApiError;
use xylem_model::{FileKind, FileName, Stamp};
use xylem_telemetry::chain;
use xylem_webdav::{FsError, FsResult, Meta, OpenOptions, Sink, Writing};

use super::changing::until_seen;
use super::published;
use super::session::{Session, file_name, is_of_the_mac};
use crate::ingest::{Piece, Pieces, Whole, receive_whole};
use crate::node::Node;

/// Pieces that wait for the task, each as long as a read of the connection gives.
const PIECES: usize = 32;

/// The longest file that Macs write for themselves, in bytes.
const MAX_OF_THE_MAC: u64 = 64 << 20;

/// When to try again while the principal is out of reach, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;

/// Whether a name can be published, or is one of which nothing is kept.
fn check_name(session: &Session, name: &str) -> FsResult<()> {
    if is_of_the_mac(name) { Ok(()) } else { file_name(session, name).map(drop) }
}

/// Has a name seen that was locked before there is anything (RFC 4918 section 7.3).
pub(super) fn reserve(session: &Session, kind: FileKind, name: &str) -> FsResult<Meta> {
    check_name(session, name)?;
    Ok(session.node.share.phantoms.show(kind, name, 0, session.node.now()))
}

/// A file on its way to being published.
pub(super) struct Publishing {
    session: Session,
    kind: FileKind,
    name: String,
    author: Author,
    /// Declared length.
    size: Option<u64>,
    task: Option<Task>,
}

struct Task {
    pieces: mpsc::Sender<Piece>,
    end: JoinHandle<Result<Stamp, ApiError>>,
}

impl std::fmt::Debug for Publishing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Publishing({})", self.name)
    }
}

impl Publishing {
    /// Begins a file, as far as its name allows.
    pub(super) fn begin(
        session: &Session,
        kind: FileKind,
        name: &str,
        options: &OpenOptions,
    ) -> FsResult<Writing<Self>> {
        check_name(session, name)?;
        match published::find(session, kind, name) {
            Some(_) if options.create_new => return Err(FsError::Exists),
            None if !options.create => return Err(FsError::NotFound),
            _ => {}
        }
        let publishing = Self {
            author: session.author()?,
            session: session.clone(),
            kind,
            name: name.to_owned(),
            size: options.size,
            task: None,
        };
        Ok(Writing::new(publishing, options.size, session.refusal.clone()))
    }

    fn start(&self) -> FsResult<Task> {
        let node = Arc::clone(&self.session.node);
        let name = file_name(&self.session, &self.name)?;
        let (pieces, receiver) = mpsc::channel(PIECES);
        let (kind, size, author) = (self.kind, self.size, self.author.clone());
        let whole = Whole { kind, name, size, author };
        let access = node.access();
        let (is_principal, principal) = match &access {
            Some(access) => (access.is_principal, access.principal.clone()),
            None => (false, None),
        };
        let end = match (is_principal, principal) {
            (true, _) => tokio::spawn(async move {
                let source = Pieces { node: Arc::clone(&node), receiver };
                receive_whole(&node, whole, source).await
            }),
            (false, Some(principal)) => {
                tokio::spawn(async move { hand_on(&node, &principal, whole, receiver).await })
            }
            (false, None) => return Err(self.session.refusal.because(ApiError::unavailable(
                "this server does not know where new files enter: see that a distribution server \
                 is the principal, and try again",
                RETRY_AFTER_SECONDS,
            ))),
        };
        Ok(Task { pieces, end })
    }

    /// Why the task takes nothing more.
    async fn ended_early(&self, task: Task) -> FsError {
        let error = match task.end.await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => ApiError::internal("taking the file in", "it ended before its end"),
            Err(lost) => ApiError::internal("taking the file in", lost),
        };
        self.session.refusal.because(error)
    }
}

#[async_trait]
impl Sink for Publishing {
    async fn take(&mut self, bytes: Bytes, len: u64) -> FsResult<()> {
        if is_of_the_mac(&self.name) {
            return match len > MAX_OF_THE_MAC {
                true => Err(FsError::TooLarge),
                false => Ok(()),
            };
        }
        let task = match self.task.take() {
            Some(task) => task,
            None => self.start()?,
        };
        if task.pieces.send(Piece::Bytes(bytes)).await.is_err() {
            return Err(self.ended_early(task).await);
        }
        self.task = Some(task);
        Ok(())
    }

    async fn finish(&mut self, len: u64) -> FsResult<Option<Meta>> {
        let (node, now) = (&self.session.node, self.session.node.now());
        let Some(task) = self.task.take() else {
            // Nothing at all, or nothing that is kept.
            return Ok(Some(node.share.phantoms.show(self.kind, &self.name, len, now)));
        };
        if task.pieces.send(Piece::End).await.is_err() {
            return Err(self.ended_early(task).await);
        }
        let stamp = match task.end.await {
            Ok(Ok(stamp)) => stamp,
            Ok(Err(error)) => return Err(self.session.refusal.because(error)),
            Err(lost) => {
                let error = ApiError::internal("taking the file in", lost);
                return Err(self.session.refusal.because(error));
            }
        };
        node.share.phantoms.forget(self.kind, &self.name, now);
        if published::find(&self.session, self.kind, &self.name).is_none_or(|d| d.stamp < stamp) {
            until_seen(node, stamp).await;
        }
        let found = published::find(&self.session, self.kind, &self.name);
        Ok(found.map(|descriptor| published::meta_of(&descriptor)))
    }
}

/// The principal looks into the whole file before it answers.
fn deadlines() -> Deadlines {
    Deadlines { answer: Duration::from_secs(600), ..Deadlines::default() }
}

/// Hands a file on to the principal while it comes.
async fn hand_on(
    node: &Arc<Node>,
    principal: &BaseUrl,
    whole: Whole,
    mut receiver: mpsc::Receiver<Piece>,
) -> Result<Stamp, ApiError> {
    let (sender, body) = channel_body();
    let pouring = async {
        loop {
            let piece = tokio::select! {
                piece = receiver.recv() => piece,
                () = node.uploads.closed() => None,
            };
            let sent = match piece {
                Some(Piece::Bytes(bytes)) => sender.send(Ok(bytes)).await,
                // The body ends, and with it the request.
                Some(Piece::End) => return drop(sender),
                None => {
                    let cut = std::io::ErrorKind::UnexpectedEof;
                    let _ = sender.send(Err(cut.into())).await;
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    };
    let (name, account): (&FileName, _) = (&whole.name, &whole.author.account);
    let content = node.content.with_deadlines(deadlines());
    let asking = content.hand_on(principal, (whole.kind, name), account, whole.size, body);
    // What the principal says counts at once, also in the middle of the file.
    let answered = async {
        tokio::pin!(pouring);
        tokio::pin!(asking);
        tokio::select! {
            answer = &mut asking => answer,
            () = &mut pouring => asking.await,
        }
    };
    match answered.await {
        Ok(changed) => Ok(changed.stamp),
        Err(ClientError::Answer { body, retry_after, .. }) => Err(match retry_after {
            Some(after) => {
                let seconds = u32::try_from(after.as_secs()).unwrap_or(RETRY_AFTER_SECONDS);
                ApiError::unavailable(body.message, seconds)
            }
            None => ApiError::new(body.code, body.message),
        }),
        Err(error) => {
            node.uploads.check_open()?;
            tracing::warn!(error = %chain(&error), "a file cannot be handed on");
            Err(ApiError::unavailable(
                format!(
                    "{principal}, where new files enter, is out of reach: nothing was kept, \
                         try again later"
                ),
                RETRY_AFTER_SECONDS,
            ))
        }
    }
}
